//! Files that appear whole or not at all: written beside their destination, synced, then renamed, and their
//! folder synced too, so that a power cut does not take a finished file back. A reader never meets half a
//! file, and a full disk leaves the old one in place.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile, TempPath};

/// Who may read a file, as far as the umask lets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// The file holds a secret: mode 0600.
    Owner,
    /// The file may be published: mode 0666.
    Everyone,
}

/// A file that is being written; gone unless it is finished.
#[derive(Debug)]
pub struct AtomicFile {
    destination: PathBuf,
    file: NamedTempFile,
}

impl AtomicFile {
    /// Starts a file in the folder of its destination; a link to a file stays, and the file is replaced.
    ///
    /// # Errors
    /// Those of the file system, and [`io::ErrorKind::InvalidInput`] for a path without a file name, and for
    /// one of something else than a file, such as a device, which a rename would replace.
    pub fn create(destination: &Path, readers: Readers) -> io::Result<Self> {
        let resolved = fs::canonicalize(destination).unwrap_or_else(|_| destination.to_owned());
        let destination = resolved.as_path();
        if fs::metadata(destination).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is there and no regular file",
            ));
        }
        let name = destination
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file name is missing"))?;
        let folder = folder_of(destination);
        let mode = match readers {
            Readers::Owner => 0o600,
            Readers::Everyone => 0o666,
        };
        let mut prefix = std::ffi::OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let file = Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(folder)?;
        Ok(Self { destination: destination.to_owned(), file })
    }

    /// Moves the file to its destination, over one that is there.
    ///
    /// # Errors
    /// Those of the file system; the destination is as it was.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let folder = Folder::of(&self.destination)?;
        self.file.persist(&self.destination)?;
        folder.sync()
    }

    /// Moves the file to its destination, where nothing may be.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], and those of the file system.
    pub fn finish_new(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        let folder = Folder::of(&self.destination)?;
        self.file.persist_noclobber(&self.destination)?;
        folder.sync()
    }

    /// Writes to a file that is open already, for instance one that is always full.
    #[cfg(test)]
    pub(crate) fn over(file: std::fs::File, destination: &Path) -> Self {
        let nowhere = tempfile::TempPath::try_from_path(destination.with_extension("none"))
            .expect("an absolute path");
        Self { destination: destination.to_owned(), file: NamedTempFile::from_parts(file, nowhere) }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Writes a whole small file, over one that is there.
///
/// # Errors
/// Those of [`AtomicFile::create`] and [`AtomicFile::finish`].
pub fn write(destination: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(destination, readers)?;
    file.write_all(bytes)?;
    file.finish()
}

/// Writes a whole small file where nothing may be.
///
/// # Errors
/// Those of [`AtomicFile::create`] and [`AtomicFile::finish_new`].
pub fn write_new(destination: &Path, readers: Readers, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(destination, readers)?;
    file.write_all(bytes)?;
    file.finish_new()
}

/// Has `write` make a file at a path that it is given, in the folder of the destination, and moves it to
/// the destination, where nothing may be. For writers that only know how to replace a file.
///
/// # Errors
/// Those of `write`; [`io::ErrorKind::AlreadyExists`], and those of the file system.
pub fn place_new<E: From<io::Error>>(
    destination: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let name = destination
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a file name is missing"))?;
    let beside = Builder::new().prefix(".").suffix(".part").tempdir_in(folder_of(destination))?;
    let path = beside.path().join(name);
    write(&path)?;
    let folder = Folder::of(destination)?;
    let written = TempPath::try_from_path(fs::canonicalize(&path)?)?;
    written.persist_noclobber(destination).map_err(|failed| failed.error)?;
    Ok(folder.sync()?)
}

/// Removes a file for good: its folder is synced.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    let folder = Folder::of(path)?;
    fs::remove_file(path)?;
    folder.sync()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// The folder of a file whose name in it shall last. Opened before the name changes: what cannot be opened
/// is an error while nothing has happened yet.
struct Folder(File);

impl Folder {
    fn of(path: &Path) -> io::Result<Self> {
        File::open(folder_of(path)).map(Self)
    }

    fn sync(self) -> io::Result<()> {
        #[cfg(test)]
        tests::SYNCED.with(|count| count.set(count.get() + 1));
        match self.0.sync_all() {
            // Some file systems know no synced folders; there is nothing better to be had there.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Folders that this thread has synced.
        pub(super) static SYNCED: Cell<usize> = const { Cell::new(0) };
    }

    /// Folders synced by `action`.
    fn synced(action: impl FnOnce()) -> usize {
        let before = SYNCED.get();
        action();
        SYNCED.get() - before
    }

    #[test]
    fn a_new_name_is_synced_with_its_folder() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        assert_eq!(synced(|| write(&path, Readers::Owner, b"1").expect("write")), 1);
        assert_eq!(synced(|| remove(&path).expect("remove")), 1);
        assert_eq!(synced(|| write_new(&path, Readers::Owner, b"1").expect("write")), 1);
        // What does not happen needs no sync.
        assert_eq!(synced(|| assert!(write_new(&path, Readers::Owner, b"1").is_err())), 0);
        remove(&path).expect("remove");
        let place = || place_new(&path, |path| fs::write(path, b"2"));
        assert_eq!(synced(|| place().expect("place")), 1);
    }

    #[test]
    fn a_writer_that_replaces_is_made_to_replace_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        place_new(&path, |path| fs::write(path, b"first")).expect("place");
        let error = place_new(&path, |path| fs::write(path, b"second")).expect_err("exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"first");
        let other = folder.path().join("b");
        assert!(place_new(&other, |_| Err(io::Error::other("no"))).is_err());
        assert_eq!(names(folder.path()), ["a"]);
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("list");
        entries
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .collect()
    }

    #[test]
    fn a_secret_is_for_its_owner_even_where_others_read_the_old_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        let mode = || fs::metadata(&path).expect("metadata").permissions().mode() & 0o777;
        write(&path, Readers::Everyone, b"1").expect("write");
        // The rest is the umask's business.
        assert_eq!(mode() & 0o600, 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("chmod");
        write(&path, Readers::Owner, b"2").expect("write");
        assert_eq!((mode(), fs::read(&path).expect("read")), (0o600, b"2".to_vec()));
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        write(&path, Readers::Owner, b"old").expect("write");
        let mut file = AtomicFile::create(&path, Readers::Owner).expect("create");
        file.write_all(b"new").expect("write");
        drop(file);
        assert_eq!(fs::read(&path).expect("read"), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn new_files_replace_none() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        write_new(&path, Readers::Owner, b"first").expect("write");
        let error = write_new(&path, Readers::Owner, b"second").expect_err("exists");
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"first");
        assert_eq!(names(folder.path()), ["a"]);
    }

    #[test]
    fn destinations_without_a_name_or_a_folder_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        for path in [Path::new("/"), Path::new(".."), &folder.path().join("none/a")] {
            assert!(write(path, Readers::Owner, b"").is_err(), "{}", path.display());
        }
    }

    #[test]
    fn devices_and_links_are_not_replaced() {
        let folder = tempfile::tempdir().expect("folder");
        let (file, link) = (folder.path().join("a"), folder.path().join("b"));
        let device = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &device).expect("link");
        let error = write(&device, Readers::Owner, b"1").expect_err("a device");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        write(&file, Readers::Owner, b"1").expect("write");
        std::os::unix::fs::symlink(&file, &link).expect("link");
        write(&link, Readers::Owner, b"2").expect("write");
        assert_eq!(fs::read(&file).expect("read"), b"2");
        assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
    }
}
