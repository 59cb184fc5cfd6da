//! Arithmetic that prover, verifier and contracts share: field elements as bytes, Poseidon with circom's
//! parameters, Keccak-256, and the columns that commit to a model's weights. Builds for wasm32.

pub mod field;
pub mod keccak;
pub mod poseidon;
pub mod weight_columns;

pub use keccak::keccak256;
