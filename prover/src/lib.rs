//! Assay's prover: an ONNX network becomes a quantized graph, a circuit, a proof, and a verifier
//! contract. Modules depend on each other in this order only:
//! [`model`] -> [`quantize`] and [`graph`] -> [`circuit`] -> [`proof`] -> [`solidity`];
//! [`bundle`], [`model_proof`], [`prediction`] and [`run_proof`] put them together; [`collection`]
//! commits to many inputs, and [`audit_plan`] says how many are needed. All files are written by
//! [`atomic_file`].

pub mod atomic_file;
pub mod audit_plan;
pub mod bundle;
pub mod circuit;
pub mod collection;
pub mod data;
pub mod field;
pub mod graph;
pub mod model;
pub mod model_link;
pub mod model_proof;
pub mod poseidon;
pub mod prediction;
pub mod proof;
pub mod quantize;
pub mod run_proof;
pub mod solidity;
