//! Files that replace nothing, as money or secrets may depend on what is there: refused before any long
//! work, and once more when they are written.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use assay_prover::files::atomic_file::{self, Readers};

/// A file to be written where nothing is.
pub(crate) struct NewFile {
    path: PathBuf,
    /// Replace what is there; nothing where a command has no `--force`.
    force: Option<bool>,
    breaks: &'static str,
}

impl NewFile {
    /// `breaks` says what would be broken if the file were replaced.
    pub(crate) fn new(path: impl Into<PathBuf>, force: Option<bool>, breaks: &'static str) -> Self {
        Self { path: path.into(), force, breaks }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a file that is there, before the work that would make it.
    pub(crate) fn require_free(&self) -> Result<()> {
        if !self.is_forced() && fs::symlink_metadata(&self.path).is_ok() {
            bail!(self.refusal());
        }
        Ok(())
    }

    /// Has `write` write the file at the path that it is given.
    pub(crate) fn write(&self, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        if self.is_forced() {
            return write(&self.path);
        }
        atomic_file::place_new(&self.path, write).map_err(|error: anyhow::Error| {
            match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(ErrorKind::AlreadyExists) => anyhow::anyhow!(self.refusal()),
                Some(_) => error.context(format!("cannot write {}", self.path.display())),
                None => error,
            }
        })
    }

    /// Writes these bytes; the same bytes may be there already. Returns whether they were.
    pub(crate) fn write_bytes(&self, readers: Readers, bytes: &[u8]) -> Result<bool> {
        let cannot = || format!("cannot write {}", self.path.display());
        if fs::read(&self.path).is_ok_and(|there| there == bytes) {
            return Ok(true);
        }
        if self.is_forced() {
            atomic_file::write(&self.path, readers, bytes).with_context(cannot)?;
            return Ok(false);
        }
        match atomic_file::write_new(&self.path, readers, bytes) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(self.refusal()),
            written => written.with_context(cannot).map(|()| false),
        }
    }

    fn is_forced(&self) -> bool {
        self.force == Some(true)
    }

    fn refusal(&self) -> String {
        let way = match self.force {
            Some(_) => "choose another name, or give --force to replace it",
            None => "choose another name",
        };
        format!("{} is there already: {}; {way}", self.path.display(), self.breaks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &NewFile, content: &str) -> Result<()> {
        file.write(|path| Ok(fs::write(path, content)?))
    }

    #[test]
    fn what_is_there_stays_unless_it_is_forced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |force| NewFile::new(folder.path().join("a"), force, "it is precious");
        let content = || fs::read_to_string(folder.path().join("a")).unwrap();
        at(None).require_free().unwrap();
        write(&at(None), "first").unwrap();
        for force in [None, Some(false)] {
            for refused in [
                at(force).require_free().unwrap_err(),
                write(&at(force), "second").unwrap_err(),
                at(force).write_bytes(Readers::Owner, b"second").unwrap_err(),
            ] {
                let said = refused.to_string();
                assert!(said.contains("it is precious"), "{said}");
                assert_eq!(said.contains("--force"), force.is_some(), "{said}");
            }
        }
        assert_eq!(content(), "first");
        assert!(at(None).write_bytes(Readers::Owner, b"first").unwrap());
        at(Some(true)).require_free().unwrap();
        write(&at(Some(true)), "second").unwrap();
        assert_eq!(content(), "second");
        assert!(!at(Some(true)).write_bytes(Readers::Owner, b"third").unwrap());
        assert_eq!(content(), "third");
        // A link to nowhere is something, too.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        assert!(NewFile::new(&link, None, "").require_free().is_err());
        assert!(write(&NewFile::new(&link, None, ""), "x").is_err());
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = NewFile::new(folder.path().join("none/a"), None, "");
        let said = format!("{:#}", write(&file, "x").unwrap_err());
        assert!(said.contains("none/a"), "{said}");
    }
}
