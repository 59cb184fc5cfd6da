//! The quantized graph: one exact integer definition of a network, used alike by the reference
//! executor, the circuit and the documentation.
//!
//! All tensors are `[channels, height, width]`, row-major, signed integers with zero-point 0. A
//! vector of `n` values is `[n, 1, 1]`. Scales are kept beside the integers only to report real
//! values; no integer result depends on them.
//!
//! ```
//! use assay_graph::{
//!     Executor, FunctionTable, Input, Layer, Op, QuantizedGraph, Rescale, Tensor, Window,
//! };
//!
//! let tensor = |name: &str, min, max| {
//!     Tensor { name: name.into(), shape: [2, 1, 1], scale: 1.0, min, max }
//! };
//! // Two bytes, and two logits: their difference, and ten more than its negative.
//! let graph = QuantizedGraph {
//!     name: "difference".into(),
//!     input: Input {
//!         tensor: 0,
//!         map: (0..256).collect(),
//!         byte_scale: 1.0,
//!         byte_offset: 0.0,
//!         values: None,
//!         parts: Vec::new(),
//!         order: None,
//!         sizes: Vec::new(),
//!     },
//!     tensors: vec![tensor("bytes", 0, 255), tensor("logits", -300, 299)],
//!     functions: vec![FunctionTable {
//!         name: "identity".into(),
//!         min: -300,
//!         values: (-300..300).collect(),
//!     }],
//!     layers: vec![Layer {
//!         name: "dense".into(),
//!         output: 1,
//!         op: Op::Conv {
//!             input: 0,
//!             window: Window::dense([1, 1]),
//!             groups: 1,
//!             weights: vec![1, -1, -1, 1],
//!             bias: vec![0, 10],
//!             rescale: Rescale { shift: 0, function: 0 },
//!         },
//!     }],
//!     output: 1,
//! };
//! let execution = Executor::new(&graph)?.run(&[7, 3])?;
//! assert_eq!((execution.logits(), execution.class()), (&[4, 6][..], 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What only `executor` needs stays, so that both builds read alike.
#![cfg_attr(not(feature = "executor"), allow(dead_code))]

#[cfg(feature = "executor")]
pub mod convolution;
mod dataset;
#[cfg(feature = "executor")]
mod executor;
mod input;
#[cfg(feature = "executor")]
mod matrices;
mod validate;

use serde::{Deserialize, Serialize};

pub use dataset::Dataset;
#[cfg(feature = "executor")]
pub use executor::{ExecuteError, Execution, Executor, LayerTrace};
pub use input::{ChannelEncoding, Input, InputOrder, InputPart, OutsideEncoding, ValueEncoding};
pub use validate::GraphError;

/// Offset that makes every signed activation cell of the circuit non-negative: all tensor values
/// and all pre-activation values must lie in `-ACTIVATION_OFFSET..ACTIVATION_OFFSET`.
pub const ACTIVATION_OFFSET: i32 = 1 << 15;

/// Offset for weight and bias cells: `-WEIGHT_OFFSET <= w < WEIGHT_OFFSET`.
pub const WEIGHT_OFFSET: i64 = 1 << 31;

/// Largest shift of a layer (its remainder table has `2^shift` rows).
pub const MAX_SHIFT: u32 = 16;

/// Index into [`QuantizedGraph::tensors`].
pub type TensorId = usize;
/// Index into [`QuantizedGraph::functions`].
pub type FunctionId = usize;

/// `[channels, height, width]`.
pub type Shape = [usize; 3];

/// A quantized network, layers in execution order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantizedGraph {
    /// Name of the network, for reports and messages.
    pub name: String,
    /// Where the bytes of an input go, and what they stand for.
    pub input: Input,
    /// Every tensor, the input's included; a [`TensorId`] is an index into it.
    pub tensors: Vec<Tensor>,
    /// Tables that the layers share; a [`FunctionId`] is an index into it.
    pub functions: Vec<FunctionTable>,
    /// Each reads only the input and the outputs of layers before it.
    pub layers: Vec<Layer>,
    /// Logits, shape `[classes, 1, 1]`.
    pub output: TensorId,
}

/// One integer for each element, written once: by a layer, or from the input's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tensor {
    /// Name of the ONNX value it comes from; several tensors may share one.
    pub name: String,
    /// `[channels, height, width]`, none of them 0.
    pub shape: Shape,
    /// Real value = integer / scale.
    pub scale: f64,
    /// Least value that an element may take; with `max` the range that every value must keep.
    pub min: i32,
    /// Largest value, inclusive.
    pub max: i32,
}

/// A function on one integer, `out = values[pre - min]` for `min <= pre < min + values.len()`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionTable {
    /// For reports: `relu`, `relu6`, `identity`, ...
    pub name: String,
    /// Least `pre` that the table takes.
    pub min: i32,
    /// Outputs from `min` upwards, at least one, in `-ACTIVATION_OFFSET..ACTIVATION_OFFSET`.
    pub values: Vec<i32>,
}

impl FunctionTable {
    /// `None` when `pre` is outside the table.
    pub fn apply(&self, pre: i64) -> Option<i32> {
        let index = pre.checked_sub(i64::from(self.min))?;
        self.values.get(usize::try_from(index).ok()?).copied()
    }
}

/// One operation and the tensor that it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Name of the ONNX node it comes from.
    pub name: String,
    /// Tensor written; no other layer writes it.
    pub output: TensorId,
    /// What is computed, and from which tensors.
    pub op: Op,
}

/// Window of a convolution or pool; pairs are `[vertical, horizontal]`. Padded positions are 0 for
/// linear windows and "absent" for max-pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Elements of the window along each axis, at least 1.
    pub kernel: [usize; 2],
    /// Input elements from one window to the next, at least 1.
    pub stride: [usize; 2],
    /// Input elements from one element of the window to the next, at least 1.
    pub dilation: [usize; 2],
    /// `[top, left, bottom, right]` as in ONNX: positions added to the input on each side, fewer
    /// than the window spans.
    pub pads: [usize; 4],
}

/// `acc` to activation: `pre = floor((acc + half) / 2^shift)`, `half = 2^(shift-1)` or 0 when
/// shift is 0; `rem = acc + half - pre * 2^shift`; `out = functions[function](pre)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescale {
    /// Bits shifted out, at most [`MAX_SHIFT`].
    pub shift: u32,
    /// Table applied after the shift.
    pub function: FunctionId,
}

/// What a layer computes. Shapes and accumulators are checked by [`QuantizedGraph::validate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Op {
    /// Convolution with secret weights: `acc[j,oh,ow] = bias[j] + sum w[j,k,a,b] * x[k, ...]`.
    /// A fully connected layer is a convolution whose kernel covers its whole input.
    /// `weights` is `[out_channels, in_channels / groups, kernel_h, kernel_w]` row-major;
    /// `bias` has `out_channels` entries in accumulator scale.
    Conv {
        /// `[in_channels, height, width]`; padding counts as 0.
        input: TensorId,
        /// Window over the input's height and width.
        window: Window,
        /// Divides both numbers of channels; 1 when every output reads every input channel.
        groups: usize,
        /// In `-WEIGHT_OFFSET..WEIGHT_OFFSET`.
        weights: Vec<i64>,
        /// In `-WEIGHT_OFFSET..WEIGHT_OFFSET`, one for each output channel.
        bias: Vec<i64>,
        /// From the accumulator to the output.
        rescale: Rescale,
    },
    /// Average pooling as a channel-wise sum times one public integer: `acc = multiplier * sum x`.
    SumPool {
        /// Tensor with as many channels as the output; padding counts as 0.
        input: TensorId,
        /// Window over the input's height and width.
        window: Window,
        /// Factor of each sum; public.
        multiplier: i64,
        /// From the accumulator to the output.
        rescale: Rescale,
    },
    /// Largest value of each window; the output keeps the input's scale. Dilation is 1.
    MaxPool {
        /// Tensor with as many channels as the output; padding is left out.
        input: TensorId,
        /// Window over the input's height and width; each covers a real element.
        window: Window,
    },
    /// `acc = constant + sum multiplier_i * x_i` elementwise over tensors of equal shape:
    /// a rescaled sum, or a function on its own (one input, multiplier 1, shift 0).
    Pointwise {
        /// Tensors of the output's shape, each with its multiplier; at least one.
        inputs: Vec<(TensorId, i64)>,
        /// Added to every element, in accumulator scale.
        constant: i64,
        /// From the accumulator to the output.
        rescale: Rescale,
    },
    /// Exact sum of tensors of equal shape and scale: costs nothing in the circuit.
    Add {
        /// Tensors of the output's shape; at least one.
        inputs: Vec<TensorId>,
    },
    /// Concatenation along channels, equal scales: costs nothing in the circuit.
    Concat {
        /// Tensors of the output's height and width, in order of channels; at least one.
        inputs: Vec<TensorId>,
    },
    /// Channels `start..start + output channels`: costs nothing in the circuit.
    Slice {
        /// Tensor of the output's height and width.
        input: TensorId,
        /// First channel taken, counted from 0.
        start: usize,
    },
    /// Elementwise product, `acc = a * b`. The shapes are equal, or the second is `[C, 1, 1]`
    /// against `[C, H, W]`: a gate for each channel, as in squeeze-and-excitation
    /// (Hu et al. 2018, section 3).
    Multiply {
        /// `a`, of the output's shape, and `b`.
        inputs: [TensorId; 2],
        /// From the accumulator to the output.
        rescale: Rescale,
    },
    /// Nearest-neighbour upsampling by whole factors, `[vertical, horizontal]`:
    /// `out[c, h, w] = in[c, h / factor[0], w / factor[1]]`. The output keeps the input's scale.
    Resize {
        /// Tensor with as many channels as the output.
        input: TensorId,
        /// Repetitions of each element, at least 1.
        factor: [usize; 2],
    },
    /// Channels and positions of each group change places. With `A` channels a group the input is
    /// `[groups * A, H, W]` and the output `[groups * H * W, H', W']`, `H' * W' = A`:
    /// `acc[g*H*W + h*W + w, i / W', i % W'] = in[g*A + i, h, w]`. Twice this is any reshape.
    Transpose {
        /// `[groups * A, H, W]`.
        input: TensorId,
        /// Divides the input's channels; each group is transposed on its own.
        groups: usize,
        /// From the accumulator, the input's value, to the output.
        rescale: Rescale,
    },
    /// Products of two matrices of activations, one a group, contracted over their channels:
    /// `acc[g*M + i, 0, t] = sum_e a[g*E + e, 0, i] * b[g*E + e, 0, t]`. The output is
    /// `[groups * M, 1, N]`.
    MatMul {
        /// `a`, `[groups * E, 1, M]`, and `b`, `[groups * E, 1, N]`.
        inputs: [TensorId; 2],
        /// Divides the inputs' channels.
        groups: usize,
        /// From the accumulator to the output.
        rescale: Rescale,
    },
    /// Zeros between elements, as in a transposed convolution: as [`Op::Resize`], but
    /// `out[c, h * factor[0], w * factor[1]] = in[c, h, w]` and 0 elsewhere. An operation of its own,
    /// so that stored graphs and the hashes of architectures stay what they are.
    Spread {
        /// Tensor with as many channels as the output.
        input: TensorId,
        /// Lines and columns from each element to the next, at least 1.
        factor: [usize; 2],
    },
    /// Sums of products of two tensors over the channels of each group, exact before the rescale:
    /// `acc[g, h, w] = sum_k a[g*K + k, h, w] * b[g*K + k, h, w]`, and with `planes` the sum of these
    /// over all `(h, w)`. A sum of squares, as a variance is one, keeps what single squares would
    /// lose to rounding.
    Dot {
        /// `a` and `b`, both `[groups * K, H, W]`; often one tensor.
        inputs: [TensorId; 2],
        /// Divides the inputs' channels.
        groups: usize,
        /// Whether positions are summed over too: the output is `[groups, 1, 1]`, else `[groups, H, W]`.
        planes: bool,
        /// From the accumulator to the output.
        rescale: Rescale,
    },
}

impl Window {
    /// A window with unit stride and dilation and no padding.
    pub fn dense(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: [1, 1], dilation: [1, 1], pads: [0; 4] }
    }

    /// Height and width that the window spans; `None` on overflow or a zero kernel or dilation.
    pub fn extent(&self) -> Option<[usize; 2]> {
        let span = |kernel: usize, dilation: usize| {
            (dilation > 0).then_some(())?;
            kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)
        };
        Some([span(self.kernel[0], self.dilation[0])?, span(self.kernel[1], self.dilation[1])?])
    }

    /// Height and width of the output for an input of `size`, rounded down as ONNX does; `None`
    /// when the window does not fit or a stride is 0.
    pub fn output_size(&self, size: [usize; 2]) -> Option<[usize; 2]> {
        let extent = self.extent()?;
        let along = |axis: usize| {
            let padded =
                size[axis].checked_add(self.pads[axis])?.checked_add(self.pads[axis + 2])?;
            padded.checked_sub(extent[axis])?.checked_div(self.stride[axis])?.checked_add(1)
        };
        Some([along(0)?, along(1)?])
    }
}

impl Rescale {
    /// Added to the accumulator before the shift, so that the shift rounds to nearest.
    pub fn half(&self) -> i64 {
        if self.shift == 0 { 0 } else { 1 << (self.shift - 1) }
    }
}

impl Op {
    /// Tensors read by the layer, in order.
    pub fn inputs(&self) -> Vec<TensorId> {
        match self {
            Op::Conv { input, .. }
            | Op::SumPool { input, .. }
            | Op::MaxPool { input, .. }
            | Op::Slice { input, .. }
            | Op::Resize { input, .. }
            | Op::Transpose { input, .. }
            | Op::Spread { input, .. } => vec![*input],
            Op::Pointwise { inputs, .. } => inputs.iter().map(|(tensor, _)| *tensor).collect(),
            Op::Add { inputs } | Op::Concat { inputs } => inputs.clone(),
            Op::Multiply { inputs, .. } | Op::MatMul { inputs, .. } | Op::Dot { inputs, .. } => {
                inputs.to_vec()
            }
        }
    }

    /// Shift and function of the layers that have their own accumulator.
    pub fn rescale(&self) -> Option<Rescale> {
        match self {
            Op::Conv { rescale, .. }
            | Op::SumPool { rescale, .. }
            | Op::Pointwise { rescale, .. }
            | Op::Multiply { rescale, .. }
            | Op::Transpose { rescale, .. }
            | Op::MatMul { rescale, .. }
            | Op::Dot { rescale, .. } => Some(*rescale),
            Op::MaxPool { .. }
            | Op::Add { .. }
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Resize { .. }
            | Op::Spread { .. } => None,
        }
    }

    /// Short name for reports and messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Op::Conv { .. } => "Conv",
            Op::SumPool { .. } => "SumPool",
            Op::MaxPool { .. } => "MaxPool",
            Op::Pointwise { .. } => "Pointwise",
            Op::Add { .. } => "Add",
            Op::Concat { .. } => "Concat",
            Op::Slice { .. } => "Slice",
            Op::Multiply { .. } => "Multiply",
            Op::Resize { .. } => "Resize",
            Op::Transpose { .. } => "Transpose",
            Op::MatMul { .. } => "MatMul",
            Op::Spread { .. } => "Spread",
            Op::Dot { .. } => "Dot",
        }
    }
}

impl QuantizedGraph {
    /// Rows of the circuit's lookup table: all function tables and one range table for each
    /// distinct shift.
    pub fn table_rows(&self) -> usize {
        let functions: usize = self.functions.iter().map(|table| table.values.len()).sum();
        let shifts: std::collections::BTreeSet<u32> =
            self.layers.iter().filter_map(|layer| Some(layer.op.rescale()?.shift)).collect();
        functions + shifts.iter().map(|shift| 1usize << shift).sum::<usize>()
    }

    /// Number of secret integers: weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers
            .iter()
            .map(|layer| match &layer.op {
                Op::Conv { weights, bias, .. } => weights.len() + bias.len(),
                _ => 0,
            })
            .sum()
    }
}
