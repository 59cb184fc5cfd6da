//! The proof system: halo2 (PLONKish) over BN254 with KZG and SHPLONK, a Keccak-256 transcript
//! that a contract can replay, and the files that carry parameters, keys and proofs.

pub mod blinding;
mod commit;
pub mod file;
mod fixed_base;
mod import;
pub mod keys;
pub mod phases;
pub mod profile;
pub mod prove;
pub mod srs;
pub mod transcript;
pub mod verify;
pub mod vk_data;
mod witness;

pub use blinding::{BlindingSeed, WeightTails};
pub use keys::{KeyError, KeyInfo, ProverKey, VerifierKey};
pub use prove::{
    ProofFile, ProveError, commit_columns, create_proof, create_proof_self_blinded, extend_column,
    weights_hash,
};
pub use srs::{Srs, SrsError};
pub use verify::{VerifyError, public_inputs};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

/// The text of a caught panic.
fn panic_message(payload: &Box<dyn std::any::Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => "unknown cause".to_owned(),
    }
}
