//! Float run of the fused graph: for calibration, and to compare with the original network.

use rayon::prelude::*;

use super::{FloatGraph, FloatOp, FloatTensorId, Function};
use assay_graph::{
    Shape, Window,
    convolution::{Geometry, convolve},
};

/// Everything a float run computed.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatExecution {
    /// Values of each tensor of the graph.
    pub tensors: Vec<Vec<f32>>,
    /// For each layer with a function, the least and largest value before it.
    pub ranges: Vec<Option<(f32, f32)>>,
    output: FloatTensorId,
}

impl FloatExecution {
    /// The network's outputs, one for each class, in real units.
    pub fn logits(&self) -> &[f32] {
        &self.tensors[self.output]
    }
}

/// Runs a float graph on inputs.
#[derive(Clone, Copy, Debug)]
pub struct FloatExecutor<'a> {
    graph: &'a FloatGraph,
}

impl<'a> FloatExecutor<'a> {
    /// Takes a graph as [`super::Model::import`] makes it.
    pub fn new(graph: &'a FloatGraph) -> Self {
        Self { graph }
    }

    /// Runs on `[channels, height, width]` values, row-major; `None` when the length is wrong.
    pub fn run(&self, input: &[f32]) -> Option<FloatExecution> {
        let graph = self.graph;
        if input.len() != graph.input_shape().iter().product::<usize>() {
            return None;
        }
        let mut tensors = vec![Vec::new(); graph.tensors.len()];
        tensors[graph.input.tensor] = input.to_vec();
        let mut ranges = Vec::with_capacity(graph.layers.len());
        for layer in &graph.layers {
            let (output, range) = self.layer(&layer.op, layer.output, &tensors);
            tensors[layer.output] = output;
            ranges.push(range);
        }
        Some(FloatExecution { tensors, ranges, output: graph.output })
    }

    fn layer(
        &self,
        op: &FloatOp,
        output: FloatTensorId,
        tensors: &[Vec<f32>],
    ) -> (Vec<f32>, Option<(f32, f32)>) {
        let shape = self.graph.tensors[output].shape;
        let plane = shape[1] * shape[2];
        match op {
            FloatOp::Conv { input, window, groups, weights, bias, function } => {
                let input_shape = self.graph.tensors[*input].shape;
                let geometry = Geometry {
                    input: input_shape,
                    output: shape,
                    window: *window,
                    groups: *groups,
                };
                let mut values = convolve(&geometry, weights, &tensors[*input]);
                for (channel, bias) in values.chunks_mut(plane).zip(bias) {
                    channel.iter_mut().for_each(|x| *x += bias);
                }
                apply(values, function)
            }
            FloatOp::MeanPool { input, window, function } => {
                let taps = (window.kernel[0] * window.kernel[1]) as f32;
                let mut values =
                    self.pool(&tensors[*input], *input, shape, window, 0.0, |a, b| a + b);
                values.iter_mut().for_each(|x| *x /= taps);
                apply(values, function)
            }
            FloatOp::MaxPool { input, window } => {
                let source = &tensors[*input];
                (self.pool(source, *input, shape, window, f32::NEG_INFINITY, f32::max), None)
            }
            FloatOp::Sum { inputs, constant, function } => {
                let mut values = vec![*constant as f32; shape[0] * plane];
                for (input, coefficient) in inputs {
                    let coefficient = *coefficient as f32;
                    for (value, x) in values.iter_mut().zip(&tensors[*input]) {
                        *value += coefficient * x;
                    }
                }
                apply(values, function)
            }
            FloatOp::Concat { inputs } => {
                (inputs.iter().flat_map(|input| tensors[*input].iter().copied()).collect(), None)
            }
            FloatOp::Slice { input, start } => {
                (tensors[*input][start * plane..][..shape[0] * plane].to_vec(), None)
            }
            FloatOp::Product { inputs: [first, second], function } => {
                let (a, b) = (&tensors[*first], &tensors[*second]);
                let step = if b.len() == a.len() { 1 } else { plane };
                let product = |(index, x): (usize, &f32)| x * b[index / step];
                apply(a.iter().enumerate().map(product).collect(), function)
            }
            FloatOp::Resize { input, factor, zeros } => {
                let [_, height, width] = self.graph.tensors[*input].shape;
                let source = |index: usize| {
                    let (channel, place) = (index / plane, index % plane);
                    let (y, x) = (place / shape[2], place % shape[2]);
                    if *zeros && (y % factor[0], x % factor[1]) != (0, 0) {
                        return 0.0;
                    }
                    tensors[*input][(channel * height + y / factor[0]) * width + x / factor[1]]
                };
                ((0..shape[0] * plane).map(source).collect(), None)
            }
            FloatOp::Transpose { input, groups, function } => {
                let [channels, height, width] = self.graph.tensors[*input].shape;
                let sizes = [channels / groups, height * width];
                apply(transposed(&tensors[*input], sizes), function)
            }
            FloatOp::MatMul { inputs, groups, function } => {
                let [rows, columns] = inputs.map(|input| self.graph.tensors[input].shape[2]);
                let depth = self.graph.tensors[inputs[0]].shape[0] / groups;
                let [a, b] = inputs.map(|input| tensors[input].as_slice());
                apply(multiply([a, b], [depth, rows, columns]), function)
            }
            FloatOp::Dot { inputs, groups, planes, factor, function } => {
                let [channels, height, width] = self.graph.tensors[inputs[0]].shape;
                let pair = inputs.map(|input| tensors[input].as_slice());
                let sums = dot(pair, [channels / groups, height * width], *planes);
                apply(sums.into_iter().map(|sum| (sum * factor) as f32).collect(), function)
            }
        }
    }

    fn pool(
        &self,
        source: &[f32],
        input: FloatTensorId,
        output: Shape,
        window: &Window,
        start: f32,
        fold: impl Fn(f32, f32) -> f32 + Sync,
    ) -> Vec<f32> {
        let [_, in_h, in_w] = self.graph.tensors[input].shape;
        let [channels, out_h, out_w] = output;
        let range = |axis: usize, at: usize, size: usize| {
            let first = at * window.stride[axis];
            let taps = (0..window.kernel[axis]).map(move |tap| first + tap * window.dilation[axis]);
            taps.filter_map(move |padded| padded.checked_sub(window.pads[axis]))
                .filter(move |real| *real < size)
        };
        let mut values = vec![start; channels * out_h * out_w];
        values.par_chunks_mut(out_h * out_w).zip(source.par_chunks(in_h * in_w)).for_each(
            |(values, plane)| {
                for (position, value) in values.iter_mut().enumerate() {
                    for line in range(0, position / out_w, in_h) {
                        for x in range(1, position % out_w, in_w) {
                            *value = fold(*value, plane[line * in_w + x]);
                        }
                    }
                }
            },
        );
        values
    }
}

/// `[groups, channels, positions]` as `[groups, positions, channels]`.
fn transposed(input: &[f32], [channels, positions]: [usize; 2]) -> Vec<f32> {
    let group = |values: &[f32]| -> Vec<f32> {
        let column = |position: usize| values[position..].iter().step_by(positions);
        (0..positions).flat_map(column).copied().collect()
    };
    input.chunks_exact(channels * positions).flat_map(group).collect()
}

/// For each group `sum_e a[e, i] * b[e, t]`, row-major over `(i, t)`; the sizes are those of `e`, `i`
/// and `t`.
fn multiply([a, b]: [&[f32]; 2], [depth, rows, columns]: [usize; 3]) -> Vec<f32> {
    let mut sums = vec![0.0; a.len() / depth * columns];
    sums.par_chunks_mut(columns).enumerate().for_each(|(row, sums)| {
        let (group, row) = (row / rows, row % rows);
        for channel in group * depth..(group + 1) * depth {
            let factor = a[channel * rows + row];
            let others = &b[channel * columns..][..columns];
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += factor * other);
        }
    });
    sums
}

/// For each group of `depth` channels and each of `positions` the sum of `a * b`, or for each group alone.
fn dot([a, b]: [&[f32]; 2], [depth, positions]: [usize; 2], planes: bool) -> Vec<f64> {
    let size = depth * positions;
    let places = if planes { 1 } else { positions };
    let mut sums = vec![0.0; a.len() / size * places];
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        sums[index / size * places + index % places] += f64::from(*a) * f64::from(*b);
    }
    sums
}

/// Applies the function and reports the range before it.
fn apply(mut values: Vec<f32>, function: &Function) -> (Vec<f32>, Option<(f32, f32)>) {
    let mut range = (f32::INFINITY, f32::NEG_INFINITY);
    for value in &values {
        range = (range.0.min(*value), range.1.max(*value));
    }
    if *function == Function::relu() {
        values.iter_mut().for_each(|x| *x = x.max(0.0));
    } else if *function != Function::Identity {
        values.par_iter_mut().for_each(|x| *x = function.evaluate(f64::from(*x)) as f32);
    }
    (values, Some(range))
}
