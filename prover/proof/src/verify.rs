//! Checking proofs.

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1Affine},
    plonk::{self, VerifyingKey},
    poly::kzg::{
        commitment::KZGCommitmentScheme, multiopen::VerifierSHPLONK, strategy::SingleStrategy,
    },
};

use assay_arithmetic::keccak256;

use super::{
    keys::{KeyInfo, VerifierKey},
    transcript::{KeccakRead, POINT_BYTES, TranscriptError, scalar_from_bytes},
};

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Wrong length: cut short or extended.
    #[error("the proof is {found} bytes long, proofs of this key have {expected}")]
    Length {
        /// Length of the proof.
        found: usize,
        /// Length by the key.
        expected: usize,
    },
    /// Wrong number of public inputs.
    #[error("{found} public inputs given, this key's proofs have {expected}")]
    PublicInputs {
        /// Number given.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// A public input is r or above.
    #[error("public input {0} is not below the group order r")]
    PublicInput(usize),
    /// An element of the proof is malformed.
    #[error("malformed proof: {0}")]
    Malformed(#[from] TranscriptError),
    /// The algebra does not hold.
    #[error("the proof does not hold for this key and these public inputs")]
    Invalid,
    /// The library failed in another way.
    #[error("verification failed: {0}")]
    Library(plonk::Error),
}

/// Decodes public inputs given as 32-byte big-endian words; each must be below r.
///
/// # Errors
/// [`VerifyError::PublicInput`] with the index of the first word that is r or above.
pub fn public_inputs(words: &[[u8; 32]]) -> Result<Vec<Fr>, VerifyError> {
    words
        .iter()
        .enumerate()
        .map(|(index, word)| scalar_from_bytes(word).ok_or(VerifyError::PublicInput(index)))
        .collect()
}

impl VerifierKey {
    /// Checks a proof. Returns Keccak-256 of the weight points, which identifies the model: the
    /// caller compares it with the model that it expects. Never panics, whatever the bytes.
    ///
    /// # Errors
    /// [`VerifyError::PublicInputs`] and [`VerifyError::Length`] when the counts are not the key's;
    /// [`VerifyError::Malformed`]; [`VerifyError::Invalid`]; [`VerifyError::Library`].
    pub fn verify(&self, public_inputs: &[Fr], proof: &[u8]) -> Result<[u8; 32], VerifyError> {
        verify(self.vk(), self.info(), public_inputs, proof)
    }
}

pub(crate) fn verify(
    vk: &VerifyingKey<G1Affine>,
    info: &KeyInfo,
    public_inputs: &[Fr],
    proof: &[u8],
) -> Result<[u8; 32], VerifyError> {
    let profile = info.profile();
    let (found, expected) = (public_inputs.len(), profile.public_inputs);
    if found != expected {
        return Err(VerifyError::PublicInputs { found, expected });
    }
    // The exact length also rules out trailing bytes, which the library would ignore.
    let (found, expected) = (proof.len(), profile.proof_bytes());
    if found != expected {
        return Err(VerifyError::Length { found, expected });
    }
    let params = info.verifier_params();
    let mut transcript = KeccakRead::new(proof, &profile.schedule);
    let outcome =
        plonk::verify_proof::<KZGCommitmentScheme<Bn256>, VerifierSHPLONK<'_, Bn256>, _, _, _>(
            params,
            vk,
            SingleStrategy::new(params),
            &[&[public_inputs]],
            &mut transcript,
        );
    if let Some(fault) = transcript.fault() {
        return Err(fault.into());
    }
    match outcome {
        Ok(()) => {}
        Err(plonk::Error::ConstraintSystemFailure | plonk::Error::Opening) => {
            return Err(VerifyError::Invalid);
        }
        Err(error) => return Err(VerifyError::Library(error)),
    }
    let weights = proof.get(..profile.weight_columns * POINT_BYTES);
    Ok(keccak256(&[weights.unwrap_or_default()]))
}
