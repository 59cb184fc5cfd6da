//! Assay's prover: an ONNX network becomes a quantized graph, a circuit, a proof, and a verifier
//! contract. Modules depend on each other in this order only:
//! [`model`] -> [`quantize`] and [`graph`] -> [`circuit`] -> [`proof`] -> [`solidity`];
//! [`bundle`] and [`prediction`] put them together.

pub mod bundle;
pub mod circuit;
pub mod data;
pub mod graph;
pub mod model;
pub mod poseidon;
pub mod prediction;
pub mod proof;
pub mod quantize;
pub mod solidity;
