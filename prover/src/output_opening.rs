//! What opens a commitment to outputs that a proof hides: the outputs and the salt. Whoever has it knows the
//! answer; the seller hands it to the buyer.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};

use assay_arithmetic::{
    field::{field_from_bytes, field_to_bytes},
    poseidon::commit_outputs,
};
use assay_files::atomic_file::{self, Readers};
use assay_graph::ACTIVATION_OFFSET;

/// The outputs of a network and the salt of the commitment to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputOpening {
    outputs: Vec<i32>,
    salt: Fr,
}

/// Why there is no opening.
#[derive(Debug, thiserror::Error)]
pub enum OutputOpeningError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of another form.
    #[error("{path} is no opening of outputs: {reason}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An output that no network has.
    #[error("output {index} is {value}; outputs are integers from -32768 to 32767")]
    Output {
        /// Which of the outputs.
        index: usize,
        /// What it is.
        value: i32,
    },
    /// There is another file where the opening would go.
    #[error("{path} is there already and is not replaced; choose another name", path = .path.display())]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
}

/// The form of a file.
#[derive(Serialize, Deserialize)]
struct OpeningFile {
    outputs: Vec<i32>,
    /// `0x` and 64 hexadecimal digits.
    output_salt: String,
}

impl OutputOpening {
    /// # Errors
    /// [`OutputOpeningError::Output`].
    pub fn new(outputs: Vec<i32>, salt: Fr) -> Result<Self, OutputOpeningError> {
        let offset = ACTIVATION_OFFSET;
        match outputs.iter().position(|output| !(-offset..offset).contains(output)) {
            Some(index) => {
                let value = outputs.get(index).copied().unwrap_or_default();
                Err(OutputOpeningError::Output { index, value })
            }
            None => Ok(Self { outputs, salt }),
        }
    }

    /// The integers that the network computes; the real numbers are these times the step in the card.
    pub fn outputs(&self) -> &[i32] {
        &self.outputs
    }

    /// The commitment that a proof shows.
    pub fn commitment(&self) -> Fr {
        // Within 16 bits, as they were checked.
        let stored = self.outputs.iter().map(|output| (output + ACTIVATION_OFFSET) as u16);
        commit_outputs(self.salt, &stored.collect::<Vec<_>>())
    }

    /// Index of the largest output, the first of equals.
    pub fn class(&self) -> usize {
        let largest = self.outputs.iter().max();
        self.outputs.iter().position(|output| Some(output) == largest).unwrap_or(0)
    }

    /// Reads a file, whatever commitment it opens.
    ///
    /// # Errors
    /// [`OutputOpeningError`], but not [`OutputOpeningError::Exists`].
    pub fn read(path: &Path) -> Result<Self, OutputOpeningError> {
        let fault = |source| OutputOpeningError::File { path: path.to_owned(), source };
        let format = |reason: String| OutputOpeningError::Format { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => format("it is no text".to_owned()),
            _ => fault(error),
        })?;
        let file: OpeningFile = serde_json::from_str(&text).map_err(|e| format(e.to_string()))?;
        let digits = file.output_salt.strip_prefix("0x").unwrap_or(&file.output_salt);
        let mut salt = [0; 32];
        hex::decode_to_slice(digits, &mut salt)
            .map_err(|_| format("its salt is not 64 hexadecimal digits".to_owned()))?;
        let salt = field_from_bytes(&salt)
            .ok_or_else(|| format("its salt is not below the order of the field".to_owned()))?;
        Self::new(file.outputs, salt).map_err(|error| format(error.to_string()))
    }

    /// Writes a file for its owner's eyes only, where nothing is.
    ///
    /// # Errors
    /// [`OutputOpeningError::Exists`], [`OutputOpeningError::File`].
    pub fn write_new(&self, path: &Path) -> Result<(), OutputOpeningError> {
        let fault = |source| OutputOpeningError::File { path: path.to_owned(), source };
        let output_salt = format!("0x{}", hex::encode(field_to_bytes(&self.salt)));
        let file = OpeningFile { outputs: self.outputs.clone(), output_salt };
        let text = serde_json::to_string(&file).map_err(|error| fault(error.into()))?;
        atomic_file::write_new(path, Readers::Owner, text.as_bytes()).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    OutputOpeningError::Exists { path: path.to_owned() }
                }
                _ => fault(error),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> OutputOpening {
        OutputOpening::new(vec![-32_768, 7, 32_767, 32_767], Fr::from(9)).expect("outputs")
    }

    #[test]
    fn an_opening_survives_its_file_and_replaces_none() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.outputs.json");
        opening().write_new(&path).expect("written");
        let read = OutputOpening::read(&path).expect("read");
        assert_eq!(read, opening());
        assert_eq!(read.commitment(), commit_outputs(Fr::from(9), &[0, 32_775, 65_535, 65_535]));
        assert_eq!(read.class(), 2);
        let again = opening().write_new(&path);
        assert!(matches!(again, Err(OutputOpeningError::Exists { .. })), "{again:?}");
    }

    #[test]
    fn other_files_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.json");
        let missing = OutputOpening::read(&path);
        assert!(matches!(missing, Err(OutputOpeningError::File { .. })), "{missing:?}");
        let zeros = "0".repeat(64);
        for text in [
            b"\xff\xfe".to_vec(),
            b"{}".to_vec(),
            br#"{"input": "00", "salt": "0x00"}"#.to_vec(),
            br#"{"outputs": [1], "output_salt": "0x12"}"#.to_vec(),
            format!(r#"{{"outputs": [1], "output_salt": "{}"}}"#, "f".repeat(64)).into_bytes(),
            format!(r#"{{"outputs": [32768], "output_salt": "{zeros}"}}"#).into_bytes(),
            format!(r#"{{"outputs": [0.5], "output_salt": "{zeros}"}}"#).into_bytes(),
        ] {
            fs::write(&path, &text).expect("written");
            let read = OutputOpening::read(&path);
            let shown = String::from_utf8_lossy(&text);
            assert!(matches!(read, Err(OutputOpeningError::Format { .. })), "{shown}: {read:?}");
        }
    }
}
