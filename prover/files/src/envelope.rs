//! The envelope of every binary file: kind, version, what it belongs to, length and
//! an integrity hash.
//!
//! Layout, integers little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | magic, one per kind of file |
//! | 4 | version of the body's layout |
//! | 4 | zero |
//! | 32 | hash of what the file belongs to (zero if it stands alone) |
//! | 8 | length of the body |
//! | n | body |
//! | 32 | BLAKE3 of all bytes before |
//!
//! Files are written by [`AtomicFile`], so a reader never meets half a file.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use crate::atomic_file::{AtomicFile, Readers};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// First eight bytes.
    pub magic: [u8; 8],
    /// Layout version of the body.
    pub version: u32,
    /// Name for messages.
    pub name: &'static str,
    /// Whether the content is secret.
    pub readers: Readers,
}

impl Kind {
    /// A kind of version 1 that may be published.
    pub const fn public(magic: [u8; 8], name: &'static str) -> Self {
        Self { magic, version: 1, name, readers: Readers::Everyone }
    }
}

const HEADER_BYTES: u64 = 56;
const TRAILER_BYTES: u64 = 32;
/// Bytes moved at a time.
const BLOCK: usize = 1 << 20;

/// What went wrong with a file; every message names it.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written, for instance because the disk is full.
    #[error("cannot write {path}: {source}; nothing was changed")]
    Write {
        /// The destination.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is something where a file would go that replaces nothing.
    #[error("{path} is there already and is not replaced; choose another name")]
    Exists {
        /// The destination.
        path: PathBuf,
    },
    /// Another kind of file.
    #[error("{path} is not a {expected} file")]
    Kind {
        /// The file.
        path: PathBuf,
        /// The kind that was asked for.
        expected: &'static str,
    },
    /// Written by another version of the software.
    #[error("{path} has {kind} format version {found}, this program reads version {expected}")]
    Version {
        /// The file.
        path: PathBuf,
        /// Kind of file.
        kind: &'static str,
        /// Version in the file.
        found: u32,
        /// Version of this program.
        expected: u32,
    },
    /// Shorter or longer than its header says.
    #[error("{path} is damaged: {found} bytes long, its header says {expected}; get it again")]
    Length {
        /// The file.
        path: PathBuf,
        /// Length of the file.
        found: u64,
        /// Length by the header.
        expected: u64,
    },
    /// The integrity hash does not match.
    #[error("{path} is damaged: its content does not match its integrity hash; get it again")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The content is well-framed and makes no sense.
    #[error("{path} is not usable: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file belongs to something else.
    #[error("{path} belongs to {what} {found}, expected {what} {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Kind of thing, for instance "verifying key".
        what: &'static str,
        /// Hash in the file.
        found: String,
        /// Hash that was asked for.
        expected: String,
    },
}

impl FileError {
    /// A [`FileError::Content`].
    pub fn content(path: &Path, reason: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), reason: reason.into() }
    }
}

/// Hex with prefix, for messages.
pub fn hex_id(hash: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(hash))
}

/// Fails with [`FileError::Mismatch`] unless the file belongs to `expected`.
///
/// # Errors
/// [`FileError::Mismatch`] unless `found`, the hash in the file, is `expected`.
pub fn check_belongs(
    path: &Path,
    what: &'static str,
    found: &[u8; 32],
    expected: &[u8; 32],
) -> Result<(), FileError> {
    if found == expected {
        return Ok(());
    }
    Err(FileError::Mismatch {
        path: path.to_owned(),
        what,
        found: hex_id(found),
        expected: hex_id(expected),
    })
}

/// Writes a file in its envelope; call [`Writer::finish`] at the end, else nothing remains.
pub struct Writer {
    path: PathBuf,
    file: BufWriter<AtomicFile>,
    hasher: blake3::Hasher,
    left: u64,
}

impl Writer {
    /// Starts a file whose body will have `body_bytes` bytes.
    ///
    /// # Errors
    /// [`FileError::Write`] when the file cannot be made or written.
    pub fn create(
        path: &Path,
        kind: Kind,
        belongs_to: &[u8; 32],
        body_bytes: u64,
    ) -> Result<Self, FileError> {
        let file = AtomicFile::create(path, kind.readers)
            .map_err(|source| FileError::Write { path: path.to_owned(), source })?;
        let mut writer = Self::over(file, path, HEADER_BYTES + body_bytes);
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend_from_slice(&kind.magic);
        header.extend_from_slice(&kind.version.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        header.extend_from_slice(belongs_to);
        header.extend_from_slice(&body_bytes.to_le_bytes());
        writer.put(&header)?;
        Ok(writer)
    }

    /// Writes to an open file, without a header.
    fn over(file: AtomicFile, path: &Path, bytes: u64) -> Self {
        Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BLOCK, file),
            hasher: blake3::Hasher::new(),
            left: bytes,
        }
    }

    /// Appends to the body.
    ///
    /// # Errors
    /// [`FileError::Content`] when that is more than was announced; [`FileError::Write`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| FileError::content(&self.path, "more content than announced"))?;
        self.hasher.update(bytes);
        let result = self.file.write_all(bytes);
        result.map_err(|source| self.write_error(source))
    }

    /// Completes the file and moves it to its place.
    ///
    /// # Errors
    /// [`FileError::Content`] when the body is shorter than was announced; [`FileError::Write`].
    pub fn finish(self) -> Result<(), FileError> {
        self.complete(AtomicFile::finish)
    }

    /// Completes the file and moves it to its place, where nothing may be.
    ///
    /// # Errors
    /// As [`Writer::finish`], and [`FileError::Exists`].
    pub fn finish_new(self) -> Result<(), FileError> {
        self.complete(AtomicFile::finish_new)
    }

    fn complete(self, place: impl FnOnce(AtomicFile) -> io::Result<()>) -> Result<(), FileError> {
        if self.left != 0 {
            return Err(FileError::content(&self.path, "less content than announced"));
        }
        let hash = *self.hasher.finalize().as_bytes();
        let Self { path, mut file, .. } = self;
        file.write_all(&hash)
            .and_then(|()| file.into_inner().map_err(|error| error.into_error()))
            .and_then(place)
            .map_err(|source| match source.kind() {
                io::ErrorKind::AlreadyExists => FileError::Exists { path },
                _ => FileError::Write { path, source },
            })
    }

    fn write_error(&self, source: io::Error) -> FileError {
        FileError::Write { path: self.path.clone(), source }
    }
}

/// Writes a whole small file.
///
/// # Errors
/// [`FileError::Write`] when the file cannot be made or written.
pub fn write(path: &Path, kind: Kind, belongs_to: &[u8; 32], body: &[u8]) -> Result<(), FileError> {
    let mut writer = Writer::create(path, kind, belongs_to, body.len() as u64)?;
    writer.put(body)?;
    writer.finish()
}

/// Writes a whole small file where nothing may be.
///
/// # Errors
/// [`FileError::Exists`], and [`FileError::Write`] when the file cannot be made or written.
pub fn write_new(
    path: &Path,
    kind: Kind,
    belongs_to: &[u8; 32],
    body: &[u8],
) -> Result<(), FileError> {
    let mut writer = Writer::create(path, kind, belongs_to, body.len() as u64)?;
    writer.put(body)?;
    writer.finish_new()
}

/// Reads a file in its envelope. What is read may be used only after [`Reader::finish`] agreed.
pub struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    hasher: blake3::Hasher,
    belongs_to: [u8; 32],
    left: u64,
}

impl Reader {
    /// Opens a file of this kind; fails if it is another kind, another version or cut short.
    ///
    /// # Errors
    /// [`FileError::Read`]; [`FileError::Kind`] also for files too short for an envelope;
    /// [`FileError::Version`]; [`FileError::Length`].
    pub fn open(path: &Path, kind: Kind) -> Result<Self, FileError> {
        let failed = |source| FileError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        let not_ours = || FileError::Kind { path: path.to_owned(), expected: kind.name };
        if found < HEADER_BYTES + TRAILER_BYTES {
            return Err(not_ours());
        }
        let mut file = BufReader::with_capacity(BLOCK, file);
        let mut header = [0u8; HEADER_BYTES as usize];
        file.read_exact(&mut header).map_err(failed)?;
        let (magic, rest) = header.split_at(8);
        if magic != kind.magic {
            return Err(not_ours());
        }
        let word = |range: std::ops::Range<usize>| -> u64 {
            rest[range].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
        };
        let version = word(0..4) as u32;
        if version != kind.version {
            return Err(FileError::Version {
                path: path.to_owned(),
                kind: kind.name,
                found: version,
                expected: kind.version,
            });
        }
        let mut belongs_to = [0u8; 32];
        belongs_to.copy_from_slice(&rest[8..40]);
        let body = word(40..48);
        let expected = body.saturating_add(HEADER_BYTES + TRAILER_BYTES);
        if expected != found {
            return Err(FileError::Length { path: path.to_owned(), found, expected });
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&header);
        Ok(Self { path: path.to_owned(), file, hasher, belongs_to, left: body })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hash of what the file belongs to.
    pub fn belongs_to(&self) -> &[u8; 32] {
        &self.belongs_to
    }

    /// Bytes of the body not yet read.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Fills `bytes` from the body.
    ///
    /// # Errors
    /// [`FileError::Content`] when fewer bytes are left; [`FileError::Read`].
    pub fn take(&mut self, bytes: &mut [u8]) -> Result<(), FileError> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| FileError::content(&self.path, "its content ends early"))?;
        self.file
            .read_exact(bytes)
            .map_err(|source| FileError::Read { path: self.path.clone(), source })?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// The next four bytes as an integer.
    ///
    /// # Errors
    /// [`FileError::Content`] when fewer bytes are left; [`FileError::Read`].
    pub fn take_u32(&mut self) -> Result<u32, FileError> {
        let mut bytes = [0u8; 4];
        self.take(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The rest of the body, for small files.
    ///
    /// # Errors
    /// [`FileError::Read`].
    pub fn take_rest(&mut self) -> Result<Vec<u8>, FileError> {
        let mut bytes = vec![0u8; self.left as usize];
        self.take(&mut bytes)?;
        Ok(bytes)
    }

    /// Hashes and drops `count` bytes of the body.
    ///
    /// # Errors
    /// [`FileError::Content`] when fewer bytes are left; [`FileError::Read`].
    pub fn skip(&mut self, count: u64) -> Result<(), FileError> {
        let mut block = vec![0u8; BLOCK];
        let mut left = count;
        while left > 0 {
            let step = left.min(BLOCK as u64) as usize;
            self.take(&mut block[..step])?;
            left -= step as u64;
        }
        Ok(())
    }

    /// Checks that the body was read to its end and matches the integrity hash.
    ///
    /// # Errors
    /// [`FileError::Content`] when bytes of the body are left; [`FileError::Damaged`] when the hash
    /// is another; [`FileError::Read`].
    pub fn finish(mut self) -> Result<(), FileError> {
        if self.left != 0 {
            let reason = format!("{} bytes too many", self.left);
            return Err(FileError::content(&self.path, reason));
        }
        let mut hash = [0u8; 32];
        self.file
            .read_exact(&mut hash)
            .map_err(|source| FileError::Read { path: self.path.clone(), source })?;
        if *self.hasher.finalize().as_bytes() != hash {
            return Err(FileError::Damaged { path: self.path });
        }
        Ok(())
    }
}

/// Reads a whole small file and checks it; returns what it belongs to and its body.
///
/// # Errors
/// As [`Reader::open`], and [`FileError::Damaged`] when the integrity hash is another.
pub fn read(path: &Path, kind: Kind) -> Result<([u8; 32], Vec<u8>), FileError> {
    let mut reader = Reader::open(path, kind)?;
    let belongs_to = *reader.belongs_to();
    let body = reader.take_rest()?;
    reader.finish()?;
    Ok((belongs_to, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTE: Kind = Kind::public(*b"ASSAYTXT", "note");

    #[test]
    fn unfinished_files_leave_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proof");
        write(&path, NOTE, &[0; 32], b"old").unwrap();
        let mut writer = Writer::create(&path, NOTE, &[0; 32], 6).unwrap();
        writer.put(b"new").unwrap();
        assert!(matches!(writer.finish(), Err(FileError::Content { .. })));
        let (_, body) = read(&path, NOTE).unwrap();
        assert_eq!(body, b"old");
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        let nowhere = folder.path().join("missing").join("a.proof");
        let error = write(&nowhere, NOTE, &[0; 32], b"x").unwrap_err();
        assert!(matches!(error, FileError::Write { .. }), "{error}");
    }

    #[test]
    fn new_files_replace_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proof");
        write_new(&path, NOTE, &[0; 32], b"old").unwrap();
        let error = write_new(&path, NOTE, &[0; 32], b"new").unwrap_err();
        assert!(matches!(error, FileError::Exists { .. }), "{error}");
        assert_eq!(read(&path, NOTE).unwrap().1, b"old");
    }

    /// Linux's `/dev/full` stands for a full disk: every write fails with ENOSPC.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_reported() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("model.pk");
        let mut writer = Writer::over(AtomicFile::over(full, &target), &target, 3 << 20);
        let error = (0..3)
            .find_map(|_| writer.put(&vec![7; 1 << 20]).err())
            .or_else(|| writer.finish().err())
            .unwrap();
        let text = error.to_string();
        assert!(matches!(error, FileError::Write { .. }));
        assert!(text.contains("model.pk") && text.contains("No space left"), "{text}");
        assert!(!target.exists());
    }
}
