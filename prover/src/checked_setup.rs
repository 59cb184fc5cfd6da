//! Setups that are used only after their points were checked by pairings. A file that is whole is not a setup
//! yet: it may carry the `[s]_2` of a ceremony beside points of its maker's choice. Keys made from such points
//! constrain nothing, and commitments made with them hide nothing.
//!
//! A check costs some seconds for large setups, so that it was made is remembered, by the file's integrity
//! hash, in a folder of the user's own.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use assay_files::FileError;
use assay_proof::{Srs, SrsError};

/// Bytes of the integrity hash at a file's end.
const HASH_BYTES: usize = 32;

/// The setups that were checked on this machine.
#[derive(Debug, Clone)]
pub struct CheckedSetups {
    folder: PathBuf,
}

impl CheckedSetups {
    /// Remembers checks in `folder`, which is made when needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Reads a file for circuits of 2^k rows, checked now or at an earlier time. `progress` is told the
    /// points done and their number.
    ///
    /// # Errors
    /// As [`Srs::read`] and [`Srs::check_file`]; [`SrsError::Changed`].
    pub fn read(
        &self,
        path: &Path,
        k: Option<u32>,
        progress: &dyn Fn(u64, u64),
    ) -> Result<Srs, SrsError> {
        if let Some(asked) = k {
            let found = Srs::read_k(path)?;
            if found < asked {
                return Err(SrsError::TooSmall { path: path.to_owned(), found, asked });
            }
        }
        let hash = self.check(path, progress)?;
        // Compares the hash with the content, which is then what was checked.
        let srs = Srs::read(path, k)?;
        self.unchanged(path, &hash)?;
        Ok(srs)
    }

    /// Checks a file, unless that was done before. Returns its integrity hash.
    ///
    /// # Errors
    /// As [`Srs::check_file`]; [`SrsError::Changed`]. That it cannot be remembered is no error.
    pub fn check(
        &self,
        path: &Path,
        progress: &dyn Fn(u64, u64),
    ) -> Result<[u8; HASH_BYTES], SrsError> {
        let hash = integrity_hash(path)?;
        let mark = self.folder.join(hex::encode(hash));
        if mark.exists() {
            return Ok(hash);
        }
        Srs::check_file(path, progress)?;
        self.unchanged(path, &hash)?;
        // A folder that cannot be written costs time the next time, and nothing else.
        if fs::create_dir_all(&self.folder).is_ok() {
            let _ = fs::write(mark, b"");
        }
        Ok(hash)
    }

    fn unchanged(&self, path: &Path, hash: &[u8; HASH_BYTES]) -> Result<(), SrsError> {
        if integrity_hash(path)? == *hash {
            return Ok(());
        }
        Err(SrsError::Changed { path: path.to_owned() })
    }
}

/// The last bytes of a file, which its readers compare with its content.
fn integrity_hash(path: &Path) -> Result<[u8; HASH_BYTES], SrsError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let mut hash = [0; HASH_BYTES];
    let at = length.saturating_sub(HASH_BYTES as u64);
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    file.read_exact(&mut hash).map_err(failed)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use assay_files::{Kind, envelope};

    use super::*;

    #[test]
    fn a_file_is_checked_once_and_again_when_it_is_another() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("dev.srs");
        let setups = CheckedSetups::new(folder.path().join("checked"));
        let checks = Cell::new(0);
        let progress = |done: u64, all: u64| {
            if done == all {
                checks.set(checks.get() + 1);
            }
        };
        for (seed, expected) in [(3, 1), (3, 1), (4, 2), (3, 2)] {
            Srs::dev(6, [seed; 32]).expect("setup").write(&path).expect("written");
            let srs = setups.read(&path, Some(5), &progress).expect("a setup");
            assert_eq!((srs.k(), checks.get()), (5, expected));
        }
        let error = setups.read(&path, Some(7), &progress).expect_err("too small");
        assert!(matches!(error, SrsError::TooSmall { found: 6, asked: 7, .. }), "{error}");
    }

    #[test]
    fn foreign_points_beside_a_known_point_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, other) = (folder.path().join("own.srs"), folder.path().join("other.srs"));
        Srs::dev(6, [3; 32]).expect("setup").write(&path).expect("written");
        Srs::dev(6, [4; 32]).expect("setup").write(&other).expect("written");
        let kind = Kind::public(*b"ASSAYSRS", "KZG parameters");
        let (id, own) = envelope::read(&path, kind).expect("file");
        let (_, mut body) = envelope::read(&other, kind).expect("file");
        let s_g2 = body.len() - 128..;
        body[s_g2.clone()].copy_from_slice(&own[s_g2]);
        // Flags and seed of a development setup, so that it is read as it stands.
        body[4..40].fill(0);
        envelope::write(&other, kind, &id, &body).expect("written");
        assert_eq!(Srs::read(&other, None).expect("a whole file").id(), id);
        let setups = CheckedSetups::new(folder.path().join("checked"));
        for _ in 0..2 {
            let error = setups.read(&other, None, &|_, _| ()).expect_err("foreign points");
            assert!(matches!(error, SrsError::Inconsistent { .. }), "{error}");
        }
    }

    #[test]
    fn files_that_are_no_setup_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        let setups = CheckedSetups::new(folder.path().join("checked"));
        for content in [&b""[..], b"short", &[7; 500]] {
            fs::write(&path, content).expect("written");
            assert!(setups.read(&path, None, &|_, _| ()).is_err());
        }
        assert!(setups.check(&folder.path().join("none"), &|_, _| ()).is_err());
    }
}
