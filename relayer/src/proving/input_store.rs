//! A folder of committed inputs: what buyers hand to the seller, off chain.
//!
//! Each file is named after the commitment that it opens, `<64 hexadecimal digits>.json`, and holds
//! the input's bytes and the salt, both in hexadecimal, and how many bytes a number has where that is not
//! one. The commitment decides: a file that does not open it is refused. A committed collection is
//! `<64 hexadecimal digits of its root>.set`.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy::{hex, primitives::B256};
use assay_prover::{
    arithmetic::field::{field_from_bytes, field_to_bytes},
    arithmetic::poseidon::commit_input,
    files::atomic_file::{self, Readers},
    graph::QuantizedGraph,
};
use serde::{Deserialize, Serialize};

/// An input and the salt of its commitment. Secret.
#[derive(Clone, PartialEq, Eq)]
pub struct InputOpening {
    /// `[channels, height, width]`, row-major.
    pub input: Vec<u8>,
    /// Bytes of a number, 1 to 3.
    pub number_bytes: usize,
    /// A field element, big-endian.
    pub salt: B256,
}

/// Why an opening is not available.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum InputError {
    /// No file for the commitment.
    #[error("there is no file {path}", path = .path.display())]
    Missing { path: PathBuf },
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file of another form.
    #[error("{path} does not hold an input and a salt in hexadecimal: {reason}", path = .path.display())]
    Format { path: PathBuf, reason: String },
    /// An input of a network that reads its bytes as other numbers.
    #[error(
        "the input is committed with numbers of {found} bytes, and this model's numbers have {expected}; commit to it \
         for this model"
    )]
    NumberBytes { found: usize, expected: usize },
    /// A salt that is no field element.
    #[error("the salt is not below the order of BN254's scalar field; draw another")]
    Salt,
    /// Another file lies where an opening would go, which replaces nothing: without its salt an input is
    /// lost for its commitment.
    #[error(
        "{path} is there already and is not replaced: what it opens could not be opened without it; choose \
         another name or remove it", path = .path.display()
    )]
    Exists { path: PathBuf },
    /// A file that opens another commitment than its name says.
    #[error("{path} opens another commitment, {found}", path = .path.display())]
    Commitment { path: PathBuf, found: B256 },
}

#[derive(Serialize, Deserialize)]
struct OpeningFile {
    input: String,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    number_bytes: usize,
    salt: B256,
}

fn one() -> usize {
    1
}

fn is_one(bytes: &usize) -> bool {
    *bytes == 1
}

impl InputOpening {
    /// The salted Poseidon commitment, big-endian.
    ///
    /// # Errors
    /// [`InputError::Salt`].
    pub fn commitment(&self) -> Result<B256, InputError> {
        let salt = field_from_bytes(&self.salt.0).ok_or(InputError::Salt)?;
        Ok(B256::from(field_to_bytes(&commit_input(salt, &self.input, self.number_bytes))))
    }

    /// Whether a network reads the bytes as the numbers that were committed.
    ///
    /// # Errors
    /// [`InputError::NumberBytes`].
    pub fn check_numbers(&self, graph: &QuantizedGraph) -> Result<(), InputError> {
        let (found, expected) = (self.number_bytes, graph.input.number_bytes());
        if found == expected { Ok(()) } else { Err(InputError::NumberBytes { found, expected }) }
    }

    /// Reads a file, whatever commitment it opens.
    ///
    /// # Errors
    /// [`InputError`], naming the file.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let path = path.to_owned();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(InputError::Missing { path });
            }
            Err(source) => return Err(InputError::File { path, source }),
        };
        let format = |reason: String| InputError::Format { path: path.clone(), reason };
        let file: OpeningFile = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
        let input = hex::decode(&file.input).map_err(|e| format(e.to_string()))?;
        if !(1..=3).contains(&file.number_bytes) {
            return Err(format("number_bytes is not 1 to 3".into()));
        }
        Ok(Self { input, number_bytes: file.number_bytes, salt: file.salt })
    }

    /// Writes a file for its owner's eyes only, where nothing may be, unless it is this opening. Returns
    /// whether it was there.
    ///
    /// # Errors
    /// [`InputError::Exists`] and [`InputError::File`].
    pub fn write_new(&self, path: &Path) -> Result<bool, InputError> {
        let fault = |source| InputError::File { path: path.to_owned(), source };
        let file = OpeningFile {
            input: hex::encode_prefixed(&self.input),
            number_bytes: self.number_bytes,
            salt: self.salt,
        };
        let text = serde_json::to_string(&file).map_err(|e| fault(e.into()))?;
        match atomic_file::write_new(path, Readers::Owner, text.as_bytes()) {
            Ok(()) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match Self::read(path) {
                Ok(there) if there == *self => Ok(true),
                _ => Err(InputError::Exists { path: path.to_owned() }),
            },
            Err(error) => Err(fault(error)),
        }
    }
}

/// An opening in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptInput {
    /// What it opens.
    pub commitment: B256,
    /// Its file.
    pub path: PathBuf,
    /// Whether it was there before.
    pub was_there: bool,
}

/// A folder of opening files.
#[derive(Clone, Debug)]
pub struct InputStore {
    folder: PathBuf,
}

impl InputStore {
    /// The store in `folder`, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where the opening of a commitment lies.
    pub fn path(&self, commitment: B256) -> PathBuf {
        self.folder.join(format!("{}.json", hex::encode(commitment)))
    }

    /// Where the collection with a root lies, a file of `assay dataset commit`.
    pub fn collection_path(&self, root: B256) -> PathBuf {
        self.folder.join(format!("{}.set", hex::encode(root)))
    }

    /// Keeps an opening. One that is there already is left as it is.
    ///
    /// # Errors
    /// [`InputError::Salt`], [`InputError::Exists`] and [`InputError::File`].
    pub fn put(&self, opening: &InputOpening) -> Result<KeptInput, InputError> {
        let commitment = opening.commitment()?;
        let path = self.path(commitment);
        fs::create_dir_all(&self.folder)
            .map_err(|source| InputError::File { path: self.folder.clone(), source })?;
        let was_there = opening.write_new(&path)?;
        Ok(KeptInput { commitment, path, was_there })
    }

    /// The opening of a commitment.
    ///
    /// # Errors
    /// [`InputError`]: missing, not readable, or an opening of another commitment.
    pub fn get(&self, commitment: B256) -> Result<InputOpening, InputError> {
        let path = self.path(commitment);
        let opening = InputOpening::read(&path)?;
        let found = opening.commitment()?;
        if found != commitment {
            return Err(InputError::Commitment { path, found });
        }
        Ok(opening)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> InputOpening {
        InputOpening { input: vec![1, 2, 3], number_bytes: 1, salt: B256::with_last_byte(7) }
    }

    #[test]
    fn what_is_kept_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = InputStore::new(dir.path().join("inputs"));
        let kept = store.put(&opening()).unwrap();
        let commitment = kept.commitment;
        assert_eq!((&kept.path, kept.was_there), (&store.path(commitment), false));
        // The same again changes nothing; anything else in its place is left alone.
        assert_eq!(store.put(&opening()).unwrap(), KeptInput { was_there: true, ..kept.clone() });
        let text = fs::read(&kept.path).unwrap();
        fs::write(&kept.path, "precious").unwrap();
        assert!(matches!(store.put(&opening()), Err(InputError::Exists { .. })));
        assert_eq!(fs::read(&kept.path).unwrap(), b"precious");
        fs::write(&kept.path, text).unwrap();
        let found = store.get(commitment).unwrap();
        assert_eq!((found.input, found.salt), (vec![1, 2, 3], B256::with_last_byte(7)));
    }

    #[test]
    fn numbers_of_other_sizes_are_another_commitment() {
        let dir = tempfile::tempdir().unwrap();
        let store = InputStore::new(dir.path());
        let wide = InputOpening { number_bytes: 3, ..opening() };
        assert_ne!(wide.commitment().unwrap(), opening().commitment().unwrap());
        let kept = store.put(&wide).unwrap();
        assert_eq!(store.get(kept.commitment).unwrap().number_bytes, 3);
        let text = fs::read_to_string(&kept.path).unwrap();
        fs::write(&kept.path, text.replace(":3,", ":2,")).unwrap();
        assert!(matches!(store.get(kept.commitment), Err(InputError::Commitment { .. })));
        fs::write(&kept.path, text.replace(":3,", ":0,")).unwrap();
        assert!(matches!(store.get(kept.commitment), Err(InputError::Format { .. })));
    }

    #[test]
    fn what_does_not_open_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = InputStore::new(dir.path());
        let other = B256::with_last_byte(9);
        assert!(matches!(store.get(other), Err(InputError::Missing { .. })));
        let path = store.put(&opening()).unwrap().path;
        fs::rename(path, store.path(other)).unwrap();
        assert!(matches!(store.get(other), Err(InputError::Commitment { .. })));
        fs::write(store.path(other), "{\"input\":\"0xzz\",\"salt\":\"0x00\"}").unwrap();
        assert!(matches!(store.get(other), Err(InputError::Format { .. })));
        let salt = B256::repeat_byte(0xff);
        assert!(matches!(store.put(&InputOpening { salt, ..opening() }), Err(InputError::Salt)));
    }
}
