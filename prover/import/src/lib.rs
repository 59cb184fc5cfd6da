//! From a user's files to a quantized network and its inputs.
//!
//! [`model`] reads an ONNX file into a graph over real numbers, [`quantize`] turns that into the integer
//! network of [`assay_graph`], [`data`] reads inputs and labels from archives, tables and images.

pub mod data;
pub mod model;
pub mod quantize;
