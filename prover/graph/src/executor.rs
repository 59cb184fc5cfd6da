//! Exact integer run of a quantized graph: the reference that the circuit's witness equals.

use rayon::prelude::*;
use thiserror::Error;

use super::{
    FunctionTable, GraphError, Layer, Op, QuantizedGraph, Rescale, TensorId, Window,
    convolution::{Geometry, convolve},
    matrices::{dot, multiply, spread, transposed},
    validate::elements,
};

/// Why a run was refused.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ExecuteError {
    /// The input has another number of bytes than the network's input has elements.
    #[error("the input has {actual} bytes, the network takes {expected} ({shape:?})")]
    InputLength {
        /// Bytes that the network takes, the product of `shape`.
        expected: usize,
        /// Bytes given.
        actual: usize,
        /// Shape of the network's input, `[channels, height, width]`.
        shape: [usize; 3],
    },
    /// A value lies outside the domain of its layer's function table.
    #[error(
        "layer `{layer}` (function `{function}`): value {value} at channel {}, line {}, column {} \
         is outside the calibrated range {min}..={max}; calibrate with inputs like this one or \
         with a larger margin",
        .position[0], .position[1], .position[2]
    )]
    OutOfRange {
        /// Name of the layer.
        layer: String,
        /// Name of its function table.
        function: String,
        /// `[channel, line, column]` of the value in the layer's output.
        position: [usize; 3],
        /// The value after the shift, before the function.
        value: i64,
        /// Least value that the table takes.
        min: i64,
        /// Largest value that the table takes, inclusive.
        max: i64,
    },
}

/// What one layer computed before its function, in the order of its output tensor.
///
/// Empty for layers without accumulator (max-pool, exact add, concatenation, slice, resize, spread).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerTrace {
    /// Value before the function table.
    pub pre: Vec<i32>,
    /// Remainder of the shift, `0 <= rem < 2^shift`.
    pub rem: Vec<u32>,
}

/// Everything a run computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Values of each tensor of the graph, row-major.
    pub tensors: Vec<Vec<i32>>,
    /// One entry for each layer of the graph.
    pub layers: Vec<LayerTrace>,
    /// The graph's output tensor.
    pub output: TensorId,
}

impl Execution {
    /// The network's integer outputs.
    pub fn logits(&self) -> &[i32] {
        &self.tensors[self.output]
    }

    /// Index of the largest output, the first of equals.
    pub fn class(&self) -> usize {
        let logits = self.logits();
        let mut best = 0;
        for (class, value) in logits.iter().enumerate() {
            if *value > logits[best] {
                best = class;
            }
        }
        best
    }
}

/// Runs a validated graph on inputs.
#[derive(Debug)]
pub struct Executor<'a> {
    graph: &'a QuantizedGraph,
    /// Weights of the convolutions as `f64`; the sums stay exact (see [`super::convolution`]).
    weights: Vec<Vec<f64>>,
}

impl<'a> Executor<'a> {
    /// Prepares `graph` for many runs.
    ///
    /// # Errors
    /// Whatever [`QuantizedGraph::validate`] finds.
    pub fn new(graph: &'a QuantizedGraph) -> Result<Self, GraphError> {
        graph.validate()?;
        let weights = graph
            .layers
            .iter()
            .map(|layer| match &layer.op {
                Op::Conv { weights, .. } => weights.iter().map(|w| *w as f64).collect(),
                _ => Vec::new(),
            })
            .collect();
        Ok(Self { graph, weights })
    }

    /// The graph that it runs.
    pub fn graph(&self) -> &'a QuantizedGraph {
        self.graph
    }

    /// Runs on one input of `channels * height * width` bytes, row-major.
    ///
    /// # Errors
    /// [`ExecuteError::InputLength`], or [`ExecuteError::OutOfRange`] for the first value, in order
    /// of layers and elements, that leaves its function's table.
    pub fn run(&self, input: &[u8]) -> Result<Execution, ExecuteError> {
        let graph = self.graph;
        let expected = elements(graph, graph.input.tensor);
        if input.len() != expected {
            let shape = graph.tensors[graph.input.tensor].shape;
            return Err(ExecuteError::InputLength { expected, actual: input.len(), shape });
        }
        let mut tensors = vec![Vec::new(); graph.tensors.len()];
        tensors[graph.input.tensor] =
            input.iter().map(|byte| graph.input.map[usize::from(*byte)]).collect();
        let mut layers = Vec::with_capacity(graph.layers.len());
        for (layer, weights) in graph.layers.iter().zip(&self.weights) {
            let (output, trace) = self.layer(layer, weights, &tensors)?;
            tensors[layer.output] = output;
            layers.push(trace);
        }
        Ok(Execution { tensors, layers, output: graph.output })
    }

    fn layer(
        &self,
        layer: &Layer,
        weights: &[f64],
        tensors: &[Vec<i32>],
    ) -> Result<(Vec<i32>, LayerTrace), ExecuteError> {
        let graph = self.graph;
        let plane = graph.tensors[layer.output].shape[1] * graph.tensors[layer.output].shape[2];
        match &layer.op {
            Op::Conv { input, window, groups, bias, rescale, .. } => {
                let geometry = self.geometry(layer, *input, *window, *groups);
                let source: Vec<f64> = tensors[*input].par_iter().map(|x| f64::from(*x)).collect();
                let acc = convolve(&geometry, weights, &source);
                self.rescale(layer, rescale, |index| acc[index] as i64 + bias[index / plane])
            }
            Op::SumPool { input, window, multiplier, rescale } => {
                let geometry = self.geometry(layer, *input, *window, 1);
                let sums = pool(&geometry, &tensors[*input], 0i64, |sum, x| sum + i64::from(x));
                self.rescale(layer, rescale, |index| multiplier * sums[index])
            }
            Op::MaxPool { input, window } => {
                let geometry = self.geometry(layer, *input, *window, 1);
                let output = pool(&geometry, &tensors[*input], i32::MIN, i32::max);
                Ok((output, LayerTrace::default()))
            }
            Op::Pointwise { inputs, constant, rescale } => self.rescale(layer, rescale, |index| {
                let terms = inputs.iter().map(|(input, m)| m * i64::from(tensors[*input][index]));
                constant + terms.sum::<i64>()
            }),
            Op::Add { inputs } => {
                let mut output = vec![0; elements(graph, layer.output)];
                for input in inputs {
                    output.iter_mut().zip(&tensors[*input]).for_each(|(sum, x)| *sum += x);
                }
                Ok((output, LayerTrace::default()))
            }
            Op::Concat { inputs } => {
                let output = inputs.iter().flat_map(|input| tensors[*input].iter().copied());
                Ok((output.collect(), LayerTrace::default()))
            }
            Op::Slice { input, start } => {
                let count = elements(graph, layer.output);
                let output = tensors[*input][start * plane..][..count].to_vec();
                Ok((output, LayerTrace::default()))
            }
            Op::Multiply { inputs: [first, second], rescale } => {
                let (a, b) = (&tensors[*first], &tensors[*second]);
                // A gate has one value for each channel.
                let step = if b.len() == a.len() { 1 } else { plane };
                self.rescale(layer, rescale, |index| {
                    i64::from(a[index]) * i64::from(b[index / step])
                })
            }
            Op::Resize { input, factor } => {
                let width = graph.tensors[*input].shape[2];
                let output = upsample(&tensors[*input], width, *factor);
                Ok((output, LayerTrace::default()))
            }
            Op::Spread { input, factor } => {
                let width = graph.tensors[*input].shape[2];
                let output = spread(&tensors[*input], width, *factor);
                Ok((output, LayerTrace::default()))
            }
            Op::Transpose { input, groups, rescale } => {
                let [channels, height, width] = graph.tensors[*input].shape;
                let values = transposed(&tensors[*input], channels / groups, height * width);
                self.rescale(layer, rescale, |index| i64::from(values[index]))
            }
            Op::MatMul { inputs, groups, rescale } => {
                let [rows, columns] = inputs.map(|input| graph.tensors[input].shape[2]);
                let depth = graph.tensors[inputs[0]].shape[0] / groups;
                let [a, b] = inputs.map(|input| tensors[input].as_slice());
                let acc = multiply([a, b], [depth, rows, columns]);
                self.rescale(layer, rescale, |index| acc[index])
            }
            Op::Dot { inputs, groups, planes, rescale } => {
                let [channels, height, width] = graph.tensors[inputs[0]].shape;
                let pair = inputs.map(|input| tensors[input].as_slice());
                let acc = dot(pair, [channels / groups, height * width], *planes);
                self.rescale(layer, rescale, |index| acc[index])
            }
        }
    }

    fn geometry(&self, layer: &Layer, input: TensorId, window: Window, groups: usize) -> Geometry {
        Geometry {
            input: self.graph.tensors[input].shape,
            output: self.graph.tensors[layer.output].shape,
            window,
            groups,
        }
    }

    /// Shift and function over all elements; `accumulator(index)` is the exact sum.
    fn rescale(
        &self,
        layer: &Layer,
        rescale: &Rescale,
        accumulator: impl Fn(usize) -> i64 + Sync,
    ) -> Result<(Vec<i32>, LayerTrace), ExecuteError> {
        const BLOCK: usize = 1 << 13;
        let table = &self.graph.functions[rescale.function];
        let mask = (1i64 << rescale.shift) - 1;
        let count = elements(self.graph, layer.output);
        let mut output = vec![0i32; count];
        let mut trace = LayerTrace { pre: vec![0; count], rem: vec![0; count] };
        let outside = output
            .par_chunks_mut(BLOCK)
            .zip(trace.pre.par_chunks_mut(BLOCK))
            .zip(trace.rem.par_chunks_mut(BLOCK))
            .enumerate()
            .filter_map(|(block, ((output, pre), rem))| {
                for (offset, ((output, pre), rem)) in
                    output.iter_mut().zip(pre).zip(rem).enumerate()
                {
                    let index = block * BLOCK + offset;
                    let acc = accumulator(index) + rescale.half();
                    let value = acc >> rescale.shift;
                    let Some(out) = table.apply(value) else { return Some((index, value)) };
                    // Within the table's domain, hence within i32; the mask is below 2^16.
                    (*output, *pre, *rem) = (out, value as i32, (acc & mask) as u32);
                }
                None
            })
            .min();
        match outside {
            None => Ok((output, trace)),
            Some((index, value)) => Err(self.out_of_range(layer, table, index, value)),
        }
    }

    fn out_of_range(
        &self,
        layer: &Layer,
        table: &FunctionTable,
        index: usize,
        value: i64,
    ) -> ExecuteError {
        let [_, height, width] = self.graph.tensors[layer.output].shape;
        let min = i64::from(table.min);
        ExecuteError::OutOfRange {
            layer: layer.name.clone(),
            function: table.name.clone(),
            position: [index / width / height, index / width % height, index % width],
            value,
            min,
            max: min + table.values.len() as i64 - 1,
        }
    }
}

/// Repeats each element of a line `factor[1]` times and each line `factor[0]` times.
fn upsample(input: &[i32], width: usize, factor: [usize; 2]) -> Vec<i32> {
    let mut output = Vec::with_capacity(input.len() * factor[0] * factor[1]);
    for line in input.chunks_exact(width) {
        let start = output.len();
        for value in line {
            output.extend(std::iter::repeat_n(*value, factor[1]));
        }
        let end = output.len();
        for _ in 1..factor[0] {
            output.extend_from_within(start..end);
        }
    }
    output
}

/// Folds the real elements of each window, channel by channel.
fn pool<T: Copy + Send + Sync>(
    geometry: &Geometry,
    input: &[i32],
    start: T,
    fold: impl Fn(T, i32) -> T + Sync,
) -> Vec<T> {
    let [_, in_h, in_w] = geometry.input;
    let [channels, out_h, out_w] = geometry.output;
    let Window { kernel, stride, dilation, pads } = geometry.window;
    let mut output = vec![start; channels * out_h * out_w];
    output.par_chunks_mut(out_h * out_w).zip(input.par_chunks(in_h * in_w)).for_each(
        |(output, plane)| {
            for (position, out) in output.iter_mut().enumerate() {
                let (row, column) = (position / out_w, position % out_w);
                for a in 0..kernel[0] {
                    let line = (row * stride[0] + a * dilation[0]).checked_sub(pads[0]);
                    let Some(line) = line.filter(|line| *line < in_h) else { continue };
                    for b in 0..kernel[1] {
                        let x = (column * stride[1] + b * dilation[1]).checked_sub(pads[1]);
                        let Some(x) = x.filter(|x| *x < in_w) else { continue };
                        *out = fold(*out, plane[line * in_w + x]);
                    }
                }
            }
        },
    );
    output
}
