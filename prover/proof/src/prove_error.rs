//! Why there is no proof.

use halo2_proofs::plonk;

use super::transcript::TranscriptError;

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The parameters are not those of the key.
    #[error(
        "the proving key was made with KZG parameters {expected} for k = {key_k}, these are \
         {found} for k = {srs_k}"
    )]
    OtherSrs {
        /// Identity of the key's parameters.
        expected: String,
        /// Their size.
        key_k: u32,
        /// Identity of the given parameters.
        found: String,
        /// Their size.
        srs_k: u32,
    },
    /// Wrong number of public inputs.
    #[error("{found} public inputs given, the circuit has {expected}")]
    PublicInputs {
        /// Number given.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// The weight columns' last rows do not fit the circuit.
    #[error("the last {rows} rows of {columns} weight columns are needed")]
    WeightTails {
        /// Number of weight columns.
        columns: usize,
        /// Least number of rows.
        rows: usize,
    },
    /// The library failed.
    #[error("proving failed: {0}")]
    Library(plonk::Error),
    /// The circuit or the library panicked, which is how errors of witness assignment surface.
    #[error("proving failed while assigning the witness: {0}")]
    Witness(String),
    /// The watcher stopped the proof.
    #[error("the proof was cancelled")]
    Cancelled,
    /// Something cannot be encoded.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
}

impl From<std::io::Error> for ProveError {
    /// A proof is written to memory, which fails only with what the transcript could not encode.
    fn from(error: std::io::Error) -> Self {
        match error.downcast::<TranscriptError>() {
            Ok(error) => Self::Transcript(error),
            Err(error) => Self::Witness(error.to_string()),
        }
    }
}
