//! This machine's marks: the last count of each bundle that was used here.

use std::{
    env,
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use super::{count::Count, error::OpeningsError, share::BundleId};

/// The folder of the marks, a file for each bundle, named after its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    folder: PathBuf,
}

impl Marks {
    /// The user's: `openings/` in `$ASSAY_STATE_DIR`, else in `assay/` in `$XDG_STATE_HOME`, else in
    /// `$HOME/.local/state/assay`.
    ///
    /// # Errors
    /// [`OpeningsError::NoStateFolder`] when none of these is set: without marks nobody would notice an old
    /// counter.
    pub fn of_user() -> Result<Self, OpeningsError> {
        Self::choose(|name| env::var_os(name))
    }

    /// Those in a folder, which is made when the first mark is.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, OpeningsError> {
        let folder = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        // The XDG specification wants a relative path to be taken for none.
        let standard = || folder("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let state = folder("ASSAY_STATE_DIR")
            .or_else(|| standard().map(|path| path.join("assay")))
            .or_else(|| folder("HOME").map(|home| home.join(".local/state/assay")))
            .ok_or(OpeningsError::NoStateFolder)?;
        Ok(Self::at(state.join("openings")))
    }

    pub(super) fn path(&self, bundle: BundleId) -> PathBuf {
        self.folder.join(bundle.to_string())
    }

    /// Keeps other users of a bundle's mark out until the file is dropped.
    pub(super) fn lock(&self, bundle: BundleId) -> Result<File, OpeningsError> {
        let path = self.folder.join(format!("{bundle}.lock"));
        let fault = |source| OpeningsError::Io { path: path.clone(), source };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| OpeningsError::Io { path: self.folder.clone(), source })?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(fault)?;
        file.lock().map_err(fault)?;
        Ok(file)
    }

    /// The mark of a bundle that was used here.
    pub(super) fn read(&self, bundle: BundleId) -> Result<Option<Count>, OpeningsError> {
        let path = self.path(bundle);
        match Count::read(&path) {
            Ok((found, count)) if found == bundle => Ok(Some(count)),
            Ok((found, _)) => {
                Err(OpeningsError::OtherBundle { path, found: found.to_string(), expected: bundle })
            }
            Err(OpeningsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Call it with the lock only.
    pub(super) fn write(&self, bundle: BundleId, count: &Count) -> Result<(), OpeningsError> {
        count.write(&self.path(bundle), bundle)
    }

    pub(super) fn forget(&self, bundle: BundleId) {
        for path in [self.path(bundle), self.folder.join(format!("{bundle}.lock"))] {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Where the marks lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_is_the_first_that_is_set() {
        let chosen = |set: &[(&str, &str)]| {
            let found = |name: &str| set.iter().find(|(known, _)| *known == name);
            Marks::choose(|name| found(name).map(|(_, value)| value.into()))
        };
        let (own, standard, home) =
            (("ASSAY_STATE_DIR", "/own"), ("XDG_STATE_HOME", "/xdg"), ("HOME", "/home/a"));
        let folder = |set: &[(&str, &str)]| chosen(set).expect("a folder").folder;
        assert_eq!(folder(&[own, standard, home]), Path::new("/own/openings"));
        assert_eq!(folder(&[standard, home]), Path::new("/xdg/assay/openings"));
        let at_home = Path::new("/home/a/.local/state/assay/openings");
        assert_eq!(folder(&[home]), at_home);
        assert_eq!(folder(&[("XDG_STATE_HOME", "relative"), home]), at_home);
        assert_eq!(folder(&[("ASSAY_STATE_DIR", ""), home]), at_home);
        for none in [&[][..], &[("HOME", "")]] {
            assert!(matches!(chosen(none), Err(OpeningsError::NoStateFolder)));
        }
    }
}
