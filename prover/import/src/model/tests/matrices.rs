//! Products of matrices of activations, transpositions and zeros between elements: graphs made by hand,
//! against loops over their definitions.

use super::{super::FloatGraph, check_graph};
use crate::model::{Binary, FloatInput, FloatLayer, FloatOp, FloatTensor, Function, Unary};
use assay_graph::{Shape, Window};

const HEADS: usize = 2;
/// Channels of a head.
const DEPTH: usize = 3;
const TOKENS: usize = 5;
const WIDTH: usize = HEADS * DEPTH;

/// Layers one after another.
struct Hand {
    tensors: Vec<FloatTensor>,
    layers: Vec<FloatLayer>,
}

impl Hand {
    fn new(shape: Shape) -> Self {
        let input = FloatTensor { name: "x".into(), shape };
        Self { tensors: vec![input], layers: Vec::new() }
    }

    fn push(&mut self, shape: Shape, op: FloatOp) -> usize {
        let output = self.tensors.len();
        self.tensors.push(FloatTensor { name: format!("t{output}"), shape });
        let (name, operator) = (format!("layer{output}"), "Test".into());
        self.layers.push(FloatLayer { name, operator, output, op });
        output
    }

    /// A layer over tokens, or one over everything.
    fn conv(&mut self, input: usize, outputs: usize, kernel: [usize; 2], seed: usize) -> usize {
        let [channels, height, width] = self.tensors[input].shape;
        let count = outputs * channels * kernel[0] * kernel[1];
        let op = FloatOp::Conv {
            input,
            window: Window::dense(kernel),
            groups: 1,
            weights: weights(count, seed),
            bias: vec![0.05; outputs],
            function: Function::Identity,
        };
        self.push([outputs, height + 1 - kernel[0], width + 1 - kernel[1]], op)
    }

    fn finish(self) -> FloatGraph {
        FloatGraph {
            name: "hand".into(),
            input: FloatInput { tensor: 0, parts: Vec::new(), values: None, compares: false },
            output: self.tensors.len() - 1,
            tensors: self.tensors,
            layers: self.layers,
            dropped: Vec::new(),
            notes: Vec::new(),
        }
    }
}

fn weights(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| ((index * 37 + seed * 53) % 101) as f32 / 101.0 - 0.5).collect()
}

/// A sum for each head, for all of its channels.
fn sums_of_heads(input: usize, from: usize, to: usize, function: Function) -> FloatOp {
    FloatOp::Conv {
        input,
        window: Window::dense([1, 1]),
        groups: HEADS,
        weights: vec![1.0; from * to * HEADS],
        bias: vec![0.0; to * HEADS],
        function,
    }
}

fn attention() -> FloatGraph {
    let mut net = Hand::new([4, 1, TOKENS]);
    let [query, key, value] = [1, 2, 3].map(|seed| net.conv(0, WIDTH, [1, 1], seed));
    let exp = Function::unary(Unary::Exp, Function::affine(1.0 / (DEPTH as f64).sqrt(), 0.0));
    let inputs = [key, query];
    let scores = FloatOp::MatMul { inputs, groups: HEADS, function: exp };
    let scores = net.push([HEADS * TOKENS, 1, TOKENS], scores);
    let one = Function::Constant(1.0);
    let inverse = Function::binary(Binary::Div, one, Function::Identity);
    let sums = net.push([HEADS, 1, TOKENS], sums_of_heads(scores, TOKENS, 1, inverse));
    let everywhere = sums_of_heads(sums, 1, TOKENS, Function::Identity);
    let everywhere = net.push([HEADS * TOKENS, 1, TOKENS], everywhere);
    let (inputs, function) = ([scores, everywhere], Function::Identity);
    let part = net.push([HEADS * TOKENS, 1, TOKENS], FloatOp::Product { inputs, function });
    let moved = FloatOp::Transpose { input: value, groups: HEADS, function: Function::Identity };
    let moved = net.push([HEADS * TOKENS, 1, DEPTH], moved);
    let context =
        FloatOp::MatMul { inputs: [moved, part], groups: HEADS, function: Function::Identity };
    let context = net.push([WIDTH, 1, TOKENS], context);
    net.conv(context, 3, [1, TOKENS], 4);
    net.finish()
}

#[test]
fn attention_is_close_in_integers() {
    let linear = |x: &[f32], from: usize, seed: usize| -> Vec<f32> {
        let all = weights(WIDTH * from, seed);
        let sum = |row: &[f32], token: usize| -> f32 {
            row.iter().enumerate().map(|(k, w)| w * x[k * TOKENS + token]).sum::<f32>() + 0.05
        };
        all.chunks(from).flat_map(|row| (0..TOKENS).map(move |token| sum(row, token))).collect()
    };
    check_graph(&attention(), 0.02, &|x| {
        let [query, key, value] = [1, 2, 3].map(|seed| linear(x, 4, seed));
        let mut context = vec![0.0; WIDTH * TOKENS];
        for (head, token) in (0..HEADS * TOKENS).map(|index| (index / TOKENS, index % TOKENS)) {
            let at = |tensor: &[f32], e: usize, t: usize| tensor[(head * DEPTH + e) * TOKENS + t];
            let score = |other: usize| {
                let dot = |e: usize| at(&query, e, token) * at(&key, e, other);
                ((0..DEPTH).map(dot).sum::<f32>() / (DEPTH as f32).sqrt()).exp()
            };
            let total = (0..TOKENS).map(score).sum::<f32>();
            for e in 0..DEPTH {
                let mean = |other: usize| score(other) / total * at(&value, e, other);
                context[(head * DEPTH + e) * TOKENS + token] = (0..TOKENS).map(mean).sum();
            }
        }
        let head = weights(3 * WIDTH * TOKENS, 4);
        let logit = |row: &[f32]| row.iter().zip(&context).map(|(w, x)| w * x).sum::<f32>() + 0.05;
        head.chunks(WIDTH * TOKENS).map(logit).collect()
    });
}

#[test]
fn a_reshape_is_two_transpositions_and_a_function_may_follow() {
    // [4, 2, 3], read row by row, as [6, 2, 2]: one group as [24, 1, 1] and back in other lines.
    let mut net = Hand::new([4, 2, 3]);
    let squared = Function::binary(Binary::Pow, Function::Identity, Function::Constant(2.0));
    let function = Function::Identity;
    // Of the input itself, whose scale is fixed.
    let flat = FloatOp::Transpose { input: 0, groups: 4, function };
    let flat = net.push([24, 1, 1], flat);
    let square = FloatOp::Transpose { input: flat, groups: 6, function: squared };
    let square = net.push([6, 2, 2], square);
    let hidden = net.conv(square, 5, [2, 2], 1);
    let (groups, function) = (1, Function::clip(Some(-0.2), Some(0.3)));
    let line = net.push([1, 1, 5], FloatOp::Transpose { input: hidden, groups, function });
    net.conv(line, 3, [1, 5], 2);
    check_graph(&net.finish(), 0.02, &|x| {
        let squares: Vec<f32> = x.iter().map(|x| x * x).collect();
        let sum = |row: &[f32], values: &[f32]| {
            row.iter().zip(values).map(|(w, x)| w * x).sum::<f32>() + 0.05
        };
        let hidden: Vec<f32> =
            weights(5 * 24, 1).chunks(24).map(|row| sum(row, &squares).clamp(-0.2, 0.3)).collect();
        weights(15, 2).chunks(5).map(|row| sum(row, &hidden)).collect()
    });
}

#[test]
fn zeros_between_elements_make_a_transposed_convolution() {
    let mut net = Hand::new([2, 2, 3]);
    let hidden = net.conv(0, 2, [1, 1], 1);
    let stuffed = FloatOp::Resize { input: hidden, factor: [2, 3], zeros: true };
    let stuffed = net.push([2, 4, 9], stuffed);
    let hidden = net.conv(stuffed, 2, [2, 3], 2);
    net.conv(hidden, 3, [3, 7], 3);
    check_graph(&net.finish(), 0.02, &|x| {
        let first = weights(4, 1);
        let mut stuffed = vec![0.0; 2 * 4 * 9];
        for (channel, y, x_) in (0..12).map(|index| (index / 6, index / 3 % 2, index % 3)) {
            let at = |k: usize| first[channel * 2 + k] * x[k * 6 + y * 3 + x_];
            stuffed[channel * 36 + y * 2 * 9 + x_ * 3] = at(0) + at(1) + 0.05;
        }
        let mut hidden = vec![0.05; 2 * 3 * 7];
        let second = weights(2 * 2 * 6, 2);
        for (index, out) in hidden.iter_mut().enumerate() {
            let (channel, y, x_) = (index / 21, index / 7 % 3, index % 7);
            for (tap, w) in second[channel * 12..][..12].iter().enumerate() {
                let (k, a, b) = (tap / 6, tap / 3 % 2, tap % 3);
                *out += w * stuffed[k * 36 + (y + a) * 9 + x_ + b];
            }
        }
        let sum = |row: &[f32]| row.iter().zip(&hidden).map(|(w, x)| w * x).sum::<f32>() + 0.05;
        weights(3 * 42, 3).chunks(42).map(sum).collect()
    });
}
