//! Why a key is not available.

use std::path::PathBuf;

use assay_files::FileError;
use halo2_proofs::plonk;

use crate::profile_error::ProfileError;

/// Why a key is not available.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing failed.
    #[error(transparent)]
    File(FileError),
    /// Written by another version of the software.
    #[error(
        "{path} is a {kind} of format version {found}, this program reads version {expected}: make the \
         keys again"
    )]
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
    /// The circuit is outside of what verifiers support.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The library refused the circuit.
    #[error("key generation failed: {0}")]
    Circuit(plonk::Error),
    /// The circuit panicked while it was laid out, or assigned a cell that is not there.
    #[error("key generation failed: the circuit does not fit: {0}")]
    Layout(String),
    /// A fixed commitment does not belong to a circuit of this type.
    #[error("{path} is for another circuit: its digest is {found}, this circuit's is {expected}")]
    OtherCircuit {
        /// The file.
        path: String,
        /// Digest in the file.
        found: String,
        /// Digest of the circuit with the file's commitments.
        expected: String,
    },
}

impl From<FileError> for KeyError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Version { path, kind, found, expected } => {
                Self::Version { path, kind, found, expected }
            }
            other => Self::File(other),
        }
    }
}
