//! From a user's files to a quantized network and its inputs.
//!
//! [`model`] reads an ONNX file into a graph over real numbers, [`quantize`] turns that into the integer
//! network of [`assay_graph`], [`data`] reads inputs and labels from archives, tables and images.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use assay_import::{
//!     data,
//!     model::Model,
//!     quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize},
//! };
//!
//! let graph = Model::import(Path::new("digits.onnx"))?.graph;
//! let encoding = InputEncoding::UNIT;
//! let samples = data::open(Path::new("digits.npz"), graph.input_shape(), &encoding, 200)?;
//! let options = QuantizeOptions::default();
//! let network = calibrate_and_quantize(&graph, &encoding, &samples.inputs, &options)?;
//! println!("{} weights and biases", network.parameters());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod data;
pub mod model;
pub mod quantize;
