//! The proof system: halo2 (PLONKish) over BN254 with KZG and SHPLONK, a Keccak-256 transcript
//! that a contract can replay, and the files that carry parameters, keys and proofs.
//!
//! ```
//! use assay_proof::Srs;
//!
//! // For tests only: whoever knows the seed can forge proofs.
//! let srs = Srs::dev(5, [7; 32])?;
//! assert!(srs.k() == 5 && srs.is_dev());
//! // The id names the secret, whatever the size.
//! assert_eq!(srs.id(), Srs::dev(4, [7; 32])?.id());
//! assert_ne!(srs.id(), Srs::dev(5, [8; 32])?.id());
//! # Ok::<(), assay_proof::SrsError>(())
//! ```

// What only `prove` needs stays, so that both builds read alike.
#![cfg_attr(not(feature = "prove"), allow(dead_code, unused_imports))]

#[cfg(feature = "prove")]
pub mod advice;
#[cfg(feature = "prove")]
mod assembly;
#[cfg(feature = "prove")]
mod blinding;
pub mod ceremony;
mod domain;
#[cfg(feature = "prove")]
mod fixed_base;
#[cfg(feature = "prove")]
mod group_fft;
#[cfg(feature = "prove")]
pub mod import;
#[cfg(feature = "prove")]
mod import_layout;
#[cfg(feature = "prove")]
mod key_error;
#[cfg(feature = "prove")]
pub mod key_files;
#[cfg(feature = "prove")]
mod key_generation;
pub mod keys;
#[cfg(feature = "prove")]
mod labels;
#[cfg(feature = "library-prover")]
pub mod library;
#[cfg(feature = "library-prover")]
mod library_key;
#[cfg(feature = "prove")]
mod packed_indices;
pub mod phases;
#[cfg(feature = "prove")]
mod point_encoding;
pub mod profile;
mod profile_error;
#[cfg(feature = "prove")]
mod proof_file;
#[cfg(feature = "prove")]
pub mod prove;
#[cfg(feature = "prove")]
mod prove_error;
#[cfg(feature = "prove")]
mod proving_key;
#[cfg(feature = "prove")]
mod proving_key_file;
#[cfg(feature = "prove")]
mod setup_check;
#[cfg(feature = "prove")]
pub mod srs;
pub mod transcript;
mod verifier_params;
pub mod verify;
pub mod vk_data;

#[cfg(feature = "prove")]
pub use advice::{AdviceColumn, AdviceSource, CircuitAdvice};
#[cfg(feature = "prove")]
pub use assembly::Moved;
pub use ceremony::{CEREMONIES, Ceremony};
#[cfg(feature = "prove")]
pub use import::{Existing, Import};
#[cfg(feature = "prove")]
pub use import_layout::SourceFormat;
#[cfg(feature = "prove")]
pub use key_files::{KeyError, key_file_data};
pub use keys::{KeyInfo, KeyShape, VerifierKey, VerifierKeyError};
pub use profile_error::ProfileError;
#[cfg(feature = "prove")]
pub use proof_file::ProofFile;
#[cfg(feature = "prove")]
pub use prove::{
    Prover, commit_columns, create_proof, create_proof_self_blinded,
    watch::{Step, Unwatched, Watch},
    weights_hash,
};
#[cfg(feature = "prove")]
pub use prove_error::ProveError;
#[cfg(feature = "prove")]
pub use proving_key::ProverKey;
#[cfg(feature = "prove")]
pub use setup_check::CheckedSetup;
#[cfg(feature = "prove")]
pub use srs::{Srs, SrsError};
pub use verify::{VerifyError, public_inputs};

/// The text of a caught panic.
#[cfg(feature = "prove")]
fn panic_message(payload: &Box<dyn std::any::Any + Send>) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return (*text).to_owned();
    }
    match payload.downcast_ref::<String>() {
        Some(text) => text.clone(),
        None => "unknown cause".to_owned(),
    }
}
