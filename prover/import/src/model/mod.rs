//! ONNX import: a float network as a small graph of fused layers.
//!
//! The file is parsed by tract-onnx, which also runs the original network as a reference. Each
//! layer keeps the name and operator of the ONNX node it comes from; batch normalization, constant
//! arithmetic, padding and activation functions are folded into the layers they belong to.

mod balance;
pub(crate) mod chosen;
mod constant;
mod declared;
mod decoding;
mod ends;
mod function;
mod fusion;
mod importer;
mod inputs;
mod nodes;
mod operators;
mod outlook;
mod protobuf;
mod raw_layer;
mod reference;
mod rows;
mod run;
mod shapes;
mod supported;
mod thresholds;
mod windows;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use function::{Binary, Function, Unary};
pub use inputs::{FloatInput, FloatInputPart, InputChannel, PublishedInput};
pub(crate) use protobuf::half_to_f64;
pub use reference::Reference;
pub use run::{FloatExecution, FloatExecutor};

use assay_graph::{Shape, ValueEncoding, Window};

/// Larger files are refused unread.
const MAX_FILE_BYTES: u64 = 1 << 31;

/// Index into [`FloatGraph::tensors`].
pub type FloatTensorId = usize;

/// Why an ONNX file was refused.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be opened or read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The ONNX file.
        path: PathBuf,
        /// What the operating system reported.
        source: std::io::Error,
    },
    /// The file is too large, and was not read.
    #[error("`{path}` has {bytes} bytes, at most {MAX_FILE_BYTES} are read")]
    FileTooLarge {
        /// The ONNX file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The bytes are no ONNX model, or one without a graph; what the parser reported.
    #[error("not a readable ONNX file (truncated, or another format): {0}")]
    Parse(String),
    /// The graph as a whole is not supported: its inputs, outputs or number of nodes.
    #[error("ONNX graph: {0}")]
    Graph(String),
    /// An input, output or weight tensor is broken or not supported.
    #[error("ONNX tensor `{tensor}`: {problem}")]
    Tensor {
        /// Name of the tensor in the file.
        tensor: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A node is broken, or does something that is not supported.
    #[error("ONNX node `{node}` ({operator}): {problem}")]
    Node {
        /// Name of the node, or of its first output when it has none.
        node: String,
        /// Operator of the node, such as `Conv`.
        operator: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A node reads what was left out at the end, so it is not the end.
    #[error(
        "ONNX node `{node}` ({operator}): it follows the operator `{left_out}`, which is left out only at the very end"
    )]
    AfterEnd {
        /// Name of the node, or of its first output when it has none.
        node: String,
        /// Operator of the node.
        operator: String,
        /// Node of the operator that was left out.
        left_out: String,
    },
    /// Tract cannot prepare or run the original network, or the input has a wrong length.
    #[error("the reference run of the original network failed: {0}")]
    Reference(String),
}

/// A float network as fused layers, in execution order.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatGraph {
    /// Name of the network: the one given, or the file's without its extension.
    pub name: String,
    /// The network's only input.
    pub input: FloatInput,
    /// Every tensor, the input's included; a [`FloatTensorId`] is an index into it.
    pub tensors: Vec<FloatTensor>,
    /// Each reads only the input and the outputs of layers before it.
    pub layers: Vec<FloatLayer>,
    /// Logits, shape `[classes, 1, 1]`.
    pub output: FloatTensorId,
    /// What the file computes after the logits, and the graph does not; in the file's order.
    pub dropped: Vec<FinalOperator>,
    /// What a user should know of the import, in sentences.
    pub notes: Vec<String>,
}

/// How a file is read, where that is not plain from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Name of the output that holds the logits; needed for files with several different outputs.
    pub outputs: Option<String>,
    /// Keep a final Softmax or Sigmoid, where its numbers are wanted, instead of leaving it out.
    pub keep_final: bool,
    /// Shapes of inputs by name, batch included: for files that leave sizes free.
    pub input_shapes: Vec<(String, Vec<usize>)>,
    /// Inputs by name that are one number everywhere, whatever the others are: no inputs of the network
    /// then. A mask over texts of one length, for instance, is 1.
    pub fixed_inputs: Vec<(String, f64)>,
}

/// An operator at the very end of a file that an import leaves out: the largest logit, and the order of all,
/// are the same without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinalOperator {
    /// Probabilities from logits.
    Softmax,
    /// Their logarithms.
    LogSoftmax,
    /// The number of the largest logit.
    ArgMax,
    /// Each logit's sigmoid.
    Sigmoid,
    /// Positive numbers over their sum or their largest.
    Normalizer,
}

impl fmt::Display for FinalOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Softmax => "Softmax",
            Self::LogSoftmax => "LogSoftmax",
            Self::ArgMax => "ArgMax",
            Self::Sigmoid => "Sigmoid",
            Self::Normalizer => "Normalizer",
        })
    }
}

/// Values of the input or of a layer's output.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatTensor {
    /// Name of the ONNX value it holds or leads to; several tensors may share one.
    pub name: String,
    /// `[channels, height, width]`, none of them 0.
    pub shape: Shape,
}

/// One operation, with its activation function, and the tensor that it writes.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatLayer {
    /// Name of the ONNX node it comes from.
    pub name: String,
    /// Operator of that node.
    pub operator: String,
    /// Tensor written; no other layer writes it.
    pub output: FloatTensorId,
    /// What is computed, and from which tensors.
    pub op: FloatOp,
}

/// The operations of [`assay_graph::Op`] over real numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum FloatOp {
    /// `weights` is `[out_channels, in_channels / groups, kernel_h, kernel_w]`, row-major.
    Conv {
        /// `[in_channels, height, width]`; padding counts as 0.
        input: FloatTensorId,
        /// Window over the input's height and width.
        window: Window,
        /// Divides both numbers of channels; 1 when every output reads every input channel.
        groups: usize,
        /// Real weights, batch normalization folded in.
        weights: Vec<f32>,
        /// One for each output channel, added before the function.
        bias: Vec<f32>,
        /// Applied to each element of the result.
        function: Function,
    },
    /// Sum of the window over its number of elements; padding counts as 0.
    MeanPool {
        /// Tensor with as many channels as the output.
        input: FloatTensorId,
        /// Window over the input's height and width.
        window: Window,
        /// Applied to each mean.
        function: Function,
    },
    /// Largest value of each window; padding is left out.
    MaxPool {
        /// Tensor with as many channels as the output.
        input: FloatTensorId,
        /// Window over the input's height and width.
        window: Window,
    },
    /// `function(constant + sum coefficient_i * x_i)` elementwise.
    Sum {
        /// Tensors of the output's shape, each with its coefficient.
        inputs: Vec<(FloatTensorId, f64)>,
        /// Added to every element, before the function.
        constant: f64,
        /// Applied to each sum.
        function: Function,
    },
    /// Concatenation along channels.
    Concat {
        /// Tensors of the output's height and width, in order of channels.
        inputs: Vec<FloatTensorId>,
    },
    /// Channels `start..start + output channels`.
    Slice {
        /// Tensor of the output's height and width.
        input: FloatTensorId,
        /// First channel taken, counted from 0.
        start: usize,
    },
    /// `function(a * b)` elementwise; the second may be `[C, 1, 1]` against `[C, H, W]`.
    Product {
        /// `a`, of the output's shape, and `b`.
        inputs: [FloatTensorId; 2],
        /// Applied to each product.
        function: Function,
    },
    /// Each element repeated `factor[0]` times down and `factor[1]` times across.
    Resize {
        /// Tensor with as many channels as the output.
        input: FloatTensorId,
        /// Repetitions, `[vertical, horizontal]`, at least 1.
        factor: [usize; 2],
        /// Zeros instead of repetitions: the element stands first, as in a transposed convolution.
        zeros: bool,
    },
    /// `function(x)` with channels and positions of each group in each other's place; see
    /// [`assay_graph::Op::Transpose`]. A reshape is two of them, or one.
    Transpose {
        /// `[groups * A, H, W]`, where the output is `[groups * H * W, H', W']` and `H' * W' = A`.
        input: FloatTensorId,
        /// Divides the input's channels.
        groups: usize,
        /// Applied to each element.
        function: Function,
    },
    /// `function(sum_e a[g*E + e, 0, i] * b[g*E + e, 0, t])` at `[g*M + i, 0, t]`, for each group `g`.
    MatMul {
        /// `a`, `[groups * E, 1, M]`, and `b`, `[groups * E, 1, N]`.
        inputs: [FloatTensorId; 2],
        /// Divides the inputs' channels.
        groups: usize,
        /// Applied to each sum.
        function: Function,
    },
    /// `function(factor * sum_k a[g*K + k, h, w] * b[g*K + k, h, w])` at `[g, h, w]`, for each group `g`;
    /// with `planes` the sum over all positions too, at `[g, 0, 0]`. A mean of squares is one.
    Dot {
        /// `a` and `b`, both `[groups * K, H, W]`.
        inputs: [FloatTensorId; 2],
        /// Divides the inputs' channels.
        groups: usize,
        /// Whether positions are summed over too.
        planes: bool,
        /// Positive; 1 over the number of terms for a mean.
        factor: f64,
        /// Applied to each sum.
        function: Function,
    },
}

impl FloatOp {
    /// Tensors read by the layer.
    pub fn inputs(&self) -> Vec<FloatTensorId> {
        match self {
            Self::Conv { input, .. }
            | Self::MeanPool { input, .. }
            | Self::MaxPool { input, .. }
            | Self::Slice { input, .. }
            | Self::Resize { input, .. }
            | Self::Transpose { input, .. } => vec![*input],
            Self::Sum { inputs, .. } => inputs.iter().map(|(tensor, _)| *tensor).collect(),
            Self::Concat { inputs } => inputs.clone(),
            Self::Product { inputs, .. }
            | Self::MatMul { inputs, .. }
            | Self::Dot { inputs, .. } => inputs.to_vec(),
        }
    }

    /// The same, to be changed.
    pub(crate) fn inputs_mut(&mut self) -> Vec<&mut FloatTensorId> {
        match self {
            Self::Conv { input, .. }
            | Self::MeanPool { input, .. }
            | Self::MaxPool { input, .. }
            | Self::Slice { input, .. }
            | Self::Resize { input, .. }
            | Self::Transpose { input, .. } => vec![input],
            Self::Sum { inputs, .. } => inputs.iter_mut().map(|(tensor, _)| tensor).collect(),
            Self::Concat { inputs } => inputs.iter_mut().collect(),
            Self::Product { inputs, .. }
            | Self::MatMul { inputs, .. }
            | Self::Dot { inputs, .. } => inputs.iter_mut().collect(),
        }
    }

    /// Function applied to each element of the result, where the layer has one.
    pub fn function(&self) -> Option<&Function> {
        match self {
            Self::Conv { function, .. }
            | Self::MeanPool { function, .. }
            | Self::Sum { function, .. }
            | Self::Product { function, .. }
            | Self::Transpose { function, .. }
            | Self::MatMul { function, .. }
            | Self::Dot { function, .. } => Some(function),
            Self::MaxPool { .. }
            | Self::Concat { .. }
            | Self::Slice { .. }
            | Self::Resize { .. } => None,
        }
    }

    fn function_mut(&mut self) -> Option<&mut Function> {
        match self {
            Self::Conv { function, .. }
            | Self::MeanPool { function, .. }
            | Self::Sum { function, .. }
            | Self::Product { function, .. }
            | Self::Transpose { function, .. }
            | Self::MatMul { function, .. }
            | Self::Dot { function, .. } => Some(function),
            Self::MaxPool { .. }
            | Self::Concat { .. }
            | Self::Slice { .. }
            | Self::Resize { .. } => None,
        }
    }
}

impl FloatGraph {
    /// Shape of the input, `[channels, height, width]`, in bytes.
    pub fn input_shape(&self) -> Shape {
        self.tensors[self.input.tensor].shape
    }

    /// Shape of the numbers that the file's network takes, `[channels, height, width]`.
    pub fn value_shape(&self) -> Shape {
        let shape = self.input_shape();
        self.input.values.as_ref().map_or(shape, |values| values.value_shape(shape))
    }

    /// Number of values of the output.
    pub fn classes(&self) -> usize {
        self.tensors[self.output].shape[0]
    }

    /// Tensors that hold values of the input and nothing else, and so have its scale.
    pub(crate) fn holds_input(&self) -> Vec<bool> {
        let mut holds = vec![false; self.tensors.len()];
        holds[self.input.tensor] = true;
        for layer in &self.layers {
            holds[layer.output] = match &layer.op {
                FloatOp::MaxPool { input, .. }
                | FloatOp::Slice { input, .. }
                | FloatOp::Resize { input, .. } => holds[*input],
                FloatOp::Transpose { input, function, .. } => {
                    holds[*input] && function.keeps_scale()
                }
                FloatOp::Concat { inputs } => inputs.iter().all(|input| holds[*input]),
                _ => false,
            };
        }
        holds
    }

    /// Gives each part of a concatenation that holds values of the input a layer of its own, which
    /// brings them to the scale of the other parts.
    fn separate_input(&mut self) {
        let mut holds = self.holds_input();
        for mut layer in std::mem::take(&mut self.layers) {
            let mixed = matches!(layer.op, FloatOp::Concat { .. }) && !holds[layer.output];
            for input in layer.op.inputs_mut().into_iter().filter(|_| mixed) {
                if holds[*input] {
                    let output = self.tensors.len();
                    self.tensors.push(self.tensors[*input].clone());
                    holds.push(false);
                    self.layers.push(FloatLayer {
                        name: layer.name.clone(),
                        operator: layer.operator.clone(),
                        output,
                        op: FloatOp::Sum {
                            inputs: vec![(*input, 1.0)],
                            constant: 0.0,
                            function: Function::Identity,
                        },
                    });
                    *input = output;
                }
            }
            self.layers.push(layer);
        }
    }

    /// Multiplications of weights with activations, and of matrices of activations.
    pub fn multiply_accumulates(&self) -> u64 {
        self.layers
            .iter()
            .map(|layer| match &layer.op {
                FloatOp::Conv { weights, .. } => {
                    let [_, height, width] = self.tensors[layer.output].shape;
                    weights.len() as u64 * height as u64 * width as u64
                }
                FloatOp::MatMul { inputs: [first, second], .. } => {
                    let [channels, _, rows] = self.tensors[*first].shape;
                    channels as u64 * rows as u64 * self.tensors[*second].shape[2] as u64
                }
                _ => 0,
            })
            .sum()
    }
}

/// An imported network: its fused graph, and the original for reference runs.
#[derive(Debug)]
pub struct Model {
    /// The network as it was imported.
    pub graph: FloatGraph,
    /// The same over the file's own numbers, where `graph` takes bytes that stand for them.
    plain: Option<FloatGraph>,
    source: protobuf::Source,
    options: ImportOptions,
}

impl Model {
    /// Reads an ONNX file; tensors with external data are looked up beside it.
    ///
    /// # Errors
    /// [`ImportError`], naming the node or tensor that is broken or not supported.
    pub fn import(path: &Path) -> Result<Self, ImportError> {
        Self::import_with(path, &ImportOptions::default())
    }

    /// As [`Model::import`], with options.
    ///
    /// # Errors
    /// As [`Model::import`]; also when the options do not fit the file.
    pub fn import_with(path: &Path, options: &ImportOptions) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(ImportError::FileTooLarge { path: path.to_owned(), bytes });
        }
        let content = std::fs::read(path).map_err(read)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::from_bytes_with(&content, &name, path.parent(), options)
    }

    /// Imports an ONNX file held in memory. `folder` is where external data lies, if anywhere.
    ///
    /// # Errors
    /// As [`Model::import`].
    pub fn from_bytes(
        content: &[u8],
        name: &str,
        folder: Option<&Path>,
    ) -> Result<Self, ImportError> {
        Self::from_bytes_with(content, name, folder, &ImportOptions::default())
    }

    /// As [`Model::from_bytes`], with options.
    ///
    /// # Errors
    /// As [`Model::import_with`].
    pub fn from_bytes_with(
        content: &[u8],
        name: &str,
        folder: Option<&Path>,
        options: &ImportOptions,
    ) -> Result<Self, ImportError> {
        let source = protobuf::Source::parse(content, folder)?;
        let graph = nodes::import_with(&source, name, options, None)?;
        Ok(Self { graph, plain: None, source, options: options.clone() })
    }

    /// The same network over bytes that stand for numbers as `values` says: the graph's first layers
    /// decode them, folded into what reads them where that is possible.
    ///
    /// # Errors
    /// [`ImportError::Tensor`] when it has another number of channels than the input.
    pub fn with_values(self, values: ValueEncoding) -> Result<Self, ImportError> {
        // The plain import has found how the input is stored.
        let (shape, order) = (self.graph.value_shape(), self.graph.input.parts[0].order.clone());
        let encoded = Some(inputs::Encoded { values, shape, order });
        let Self { source, options, graph, plain } = self;
        let encoded = nodes::import_with(&source, &graph.name, &options, encoded)?;
        Ok(Self { graph: encoded, plain: plain.or(Some(graph)), source, options })
    }

    /// The network over the file's own numbers, before any encoding: what figures are compared with.
    pub fn original(&self) -> &FloatGraph {
        self.plain.as_ref().unwrap_or(&self.graph)
    }

    /// The original network, run by tract: independent of this crate's own import.
    ///
    /// # Errors
    /// [`ImportError::Reference`] when tract cannot prepare the network.
    pub fn reference(&self) -> Result<Reference, ImportError> {
        Reference::with_options(&self.source, &self.graph.input, &self.options)
    }
}
