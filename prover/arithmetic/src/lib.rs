//! Arithmetic that prover, verifier and contracts share: field elements as bytes, Poseidon with circom's
//! parameters, Keccak-256, outputs packed into elements, and the columns that commit to a model's weights.
//! Builds for wasm32.
//!
//! ```
//! use assay_arithmetic::{field::{Fr, field_from_bytes, field_to_bytes}, poseidon::commit_input};
//!
//! // The salted commitment to an input's bytes, and the word that a contract takes.
//! let commitment = commit_input(Fr::from(7), &[1, 2, 3], 1);
//! let word = field_to_bytes(&commitment);
//! assert_eq!(field_from_bytes(&word), Some(commitment));
//! ```

pub mod field;
pub mod keccak;
pub mod packed_outputs;
pub mod poseidon;
pub mod weight_columns;

pub use keccak::keccak256;
