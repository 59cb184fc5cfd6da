//! From a float graph to integers: calibration of ranges, choice of scales, rounding of weights.
//!
//! Each tensor has a scale of its own, as fine as its range and its bits allow; only tensors that
//! are added exactly, concatenated or pooled share one. The ratio of a layer's input and output
//! scale and its shift are absorbed in the weights, so a layer is integer sums, one shift and one
//! table (see [`assay_graph`]). Layers with the same function share a few tables over the union
//! of their calibrated ranges.

mod accuracy;
mod calibrate;
mod encoding;
mod linear;
mod lower;
mod options;
pub mod report;
mod scales;
mod steps;
mod tables;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use accuracy::{
    AccuracyReport, Comparison, LEAST_AGREEMENT, Loss, MOST_ERROR, Outcome, OutputError, compare,
    compare_each,
};
pub use calibrate::{Calibration, Range, calibrate};
pub use encoding::{EncodingOptions, InputChoice, choose_encoding};
pub use lower::quantize;
#[cfg(test)]
pub(crate) use lower::quantize_with_scales;
pub use options::{CalibrationMethod, QuantizeOptions};

use crate::model::FloatGraph;
use assay_graph::{ExecuteError, Executor, GraphError, OutsideEncoding, QuantizedGraph};

/// How a byte of the input stands for a real number: `byte * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputEncoding {
    /// Real difference of one byte to the next; positive and finite.
    pub scale: f64,
    /// Real value of byte 0; finite.
    pub offset: f64,
}

impl InputEncoding {
    /// Bytes as 0 to 1.
    pub const UNIT: Self = Self { scale: 1.0 / 255.0, offset: 0.0 };
    /// Bytes as they are, 0 to 255.
    pub const RAW: Self = Self { scale: 1.0, offset: 0.0 };
    /// `(byte - 128) / 128`, about -1 to 1.
    pub const SYMMETRIC: Self = Self { scale: 1.0 / 128.0, offset: -1.0 };

    /// The encoding whose 256 steps cover `low..=high`, with 0 on a step.
    ///
    /// # Errors
    /// [`QuantizeError::Encoding`] when the range is not finite or empty.
    pub fn covering(low: f64, high: f64) -> Result<Self, QuantizeError> {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = (high - low) / 254.0;
        if !scale.is_finite() || scale <= 0.0 {
            return Err(QuantizeError::Encoding(format!("the range {low} to {high} is empty")));
        }
        Ok(Self { scale, offset: (low / scale).floor() * scale })
    }

    /// Real value of a byte.
    pub fn decode(&self, byte: u8) -> f64 {
        f64::from(byte) * self.scale + self.offset
    }

    /// Nearest byte of a real value; values out of range take the nearest end.
    pub fn encode(&self, value: f64) -> u8 {
        ((value - self.offset) / self.scale).round().clamp(0.0, 255.0) as u8
    }

    /// Nearest byte of a real value. One that is more than half a step beyond the bytes takes the
    /// nearest end with `clamp`, and is an error without, which says what can be said.
    pub(crate) fn checked(&self, value: f64, clamp: bool) -> Result<u8, String> {
        let steps = ((value - self.offset) / self.scale).round();
        if clamp || (0.0..=255.0).contains(&steps) {
            return Ok(self.encode(value));
        }
        let outside = OutsideEncoding {
            channel: 0,
            place: 0,
            value,
            low: self.decode(0),
            high: self.decode(255),
            whole: false,
        };
        Err(outside.to_string())
    }
}

/// Why a network could not be quantized.
#[derive(Debug, Error)]
pub enum QuantizeError {
    /// The input's range is empty, or its scale or offset cannot be used; says which.
    #[error("input encoding: {0}")]
    Encoding(String),
    /// An option is outside its range, or excludes another.
    #[error("option `{option}` is {value}; {allowed} is allowed")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// Its value, as text.
        value: String,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// Bits were asked for a tensor of this name, which the network does not have.
    #[error("option `tensor_bits` names `{0}`, which is not a tensor of this network")]
    UnknownTensor(String),
    /// There are no inputs to calibrate on.
    #[error("calibration needs at least one input")]
    NoInputs,
    /// An input has another number of bytes than the network's input has elements.
    #[error(
        "calibration input {index} has {actual} bytes, the network takes {expected} ({shape:?})"
    )]
    InputLength {
        /// Which input, from 0.
        index: usize,
        /// Bytes that the network takes, the product of `shape`.
        expected: usize,
        /// Bytes given.
        actual: usize,
        /// Shape of the network's input, `[channels, height, width]`.
        shape: [usize; 3],
    },
    /// A layer's values are not finite, or do not fit the integer formats.
    #[error("layer `{layer}` (`{operator}`): {problem}")]
    Layer {
        /// Name of the layer, as its ONNX node's.
        layer: String,
        /// Operator of that node.
        operator: String,
        /// What does not fit.
        problem: String,
    },
    /// A calibration or a quantized graph has other sizes than the float network.
    #[error("the calibration does not belong to this network")]
    OtherNetwork,
    /// The quantized graph breaks a rule of [`QuantizedGraph::validate`].
    #[error("the quantized graph breaks a rule: {0}")]
    Graph(#[from] GraphError),
    /// The quantized network refuses an input that it was calibrated on.
    #[error(
        "the quantized network fails on calibration input {index}: {source}; use more bits or a larger margin"
    )]
    Check {
        /// Which input, from 0.
        index: usize,
        /// Why the run was refused.
        source: ExecuteError,
    },
}

/// Calibrates on `inputs` (bytes, `[channels, height, width]` row-major), quantizes, and checks
/// that the result runs on the same inputs.
///
/// # Errors
/// [`QuantizeError`] for bad options, inputs of the wrong length, or a network whose ranges do not
/// fit the integer formats.
pub fn calibrate_and_quantize<T: AsRef<[u8]> + Sync>(
    graph: &FloatGraph,
    encoding: &InputEncoding,
    inputs: &[T],
    options: &QuantizeOptions,
) -> Result<QuantizedGraph, QuantizeError> {
    let calibration = calibrate(graph, encoding, inputs)?;
    let quantized = quantize(graph, encoding, &calibration, options)?;
    let executor = Executor::new(&quantized)?;
    // A few inputs show a wrong scale; the margin is for the rest.
    for (index, input) in inputs.iter().take(8).enumerate() {
        executor.run(input.as_ref()).map_err(|source| QuantizeError::Check { index, source })?;
    }
    Ok(quantized)
}
