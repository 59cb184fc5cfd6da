//! The file of a proof.

use std::path::Path;

use assay_arithmetic::keccak256;
use assay_files::{FileError, Kind, envelope};
use halo2_proofs::halo2curves::bn256::Fr;

use crate::transcript::{POINT_BYTES, SCALAR_BYTES, scalar_from_bytes, scalar_to_bytes};

const PROOF: Kind = Kind::public(*b"ASSAYPRF", "proof");

/// A proof with its public inputs, as a file holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFile {
    /// Hash of the verifying key.
    pub vk_hash: [u8; 32],
    /// Content of the instance column.
    pub public_inputs: Vec<Fr>,
    /// The bare proof.
    pub proof: Vec<u8>,
}

impl ProofFile {
    /// Writes the file.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let mut body = Vec::new();
        body.extend_from_slice(&(self.public_inputs.len() as u32).to_le_bytes());
        for input in &self.public_inputs {
            body.extend_from_slice(&scalar_to_bytes(input));
        }
        body.extend_from_slice(&self.proof);
        envelope::write(path, PROOF, &self.vk_hash, &body)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read, is damaged or no proof;
    /// [`FileError::Content`] when public inputs are cut off or not below the group order.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let (vk_hash, body) = envelope::read(path, PROOF)?;
        let damaged = || FileError::content(path, "its public inputs are not well-formed");
        let (count, rest) = body.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = (u32::from_le_bytes(*count) as usize)
            .checked_mul(SCALAR_BYTES)
            .filter(|length| *length <= rest.len())
            .ok_or_else(damaged)?;
        let (inputs, proof) = rest.split_at(length);
        let public_inputs = inputs
            .chunks_exact(SCALAR_BYTES)
            .map(|chunk| {
                let mut word = [0u8; SCALAR_BYTES];
                word.copy_from_slice(chunk);
                scalar_from_bytes(&word).ok_or_else(damaged)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { vk_hash, public_inputs, proof: proof.to_vec() })
    }

    /// Keccak-256 of the first `weight_columns` points; `None` if the proof is too short.
    pub fn weights_hash(&self, weight_columns: usize) -> Option<[u8; 32]> {
        let bytes = self.proof.get(..weight_columns.checked_mul(POINT_BYTES)?)?;
        Some(keccak256(&[bytes]))
    }
}
