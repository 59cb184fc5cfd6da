//! Statements about neural networks, proven: bundles, what they have left, and their keys ([`bundle`],
//! [`openings`], [`model_proof`]), one input's prediction ([`prediction`]) and the outputs that it may hide
//! ([`output_opening`]), runs of a committed collection's items ([`run_proof`]), and how many items an audit
//! needs ([`audit_plan`]).
//!
//! The parts below are crates of their own, re-exported here so that a program needs one dependency:
//!
//! | crate | idea | depends on |
//! |---|---|---|
//! | [`arithmetic`] | field elements as bytes, Poseidon, Keccak, weight columns | |
//! | [`files`] | files whole or not at all, with an integrity hash | |
//! | [`graph`] | the quantized network, its rules, its executor | |
//! | [`import`] | ONNX files, quantization, inputs and labels | graph |
//! | [`circuit`] | layout, gates, claims, witness | arithmetic, graph |
//! | [`kernels`] | multi-exponentiations, transforms and sums, with vector instructions | |
//! | [`proof`] | setup, keys, transcript, proving and verifying | arithmetic, files, kernels |
//! | [`solidity`] | verifier contracts | arithmetic, proof |
//! | [`collection`] | many inputs under one root | arithmetic, files, graph |
//! | [`verifier`] | what runs in a browser too | arithmetic, graph, circuit, proof, collection |
//!
//! ```no_run
//! use std::path::Path;
//!
//! use assay_prover::bundle::Bundle;
//!
//! // The bundle is the seller's secret, the architecture is what everyone may know of it.
//! let architecture = Bundle::read(Path::new("digits.bundle"))?.architecture();
//! std::fs::write("digits.json", architecture.to_json())?;
//! println!("a circuit of 2^{} rows", architecture.layout()?.k);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit_plan;
pub mod bundle;
pub mod checked_setup;
pub mod free_memory;
mod kept_points;
pub mod model_card;
pub mod model_link;
pub mod model_proof;
pub mod openings;
pub mod output_opening;
pub mod prediction;
pub mod recomputed_key;
pub mod run_proof;

pub use assay_arithmetic as arithmetic;
pub use assay_circuit as circuit;
pub use assay_collection as collection;
pub use assay_files as files;
pub use assay_graph as graph;
pub use assay_import as import;
pub use assay_kernels as kernels;
pub use assay_proof as proof;
pub use assay_solidity as solidity;
pub use assay_verifier as verifier;
