//! The `rest` column: the positions of each correlation that its layer does not keep, summed over
//! the outputs with the powers of `v`.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::{Op, TensorId};

use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::reading::extent;
use crate::layout::scalar_program::field;
use crate::witness::assignment::Assignment;

/// A kernel already summed over the outputs: `taps[channel][tap]`, taps row-major.
struct Folded {
    taps: Vec<Vec<Fr>>,
    input: TensorId,
    /// Subtracted from each value of the input.
    least: i32,
}

/// The column, by rows of the weights' domain.
pub(super) fn column(assignment: &Assignment<'_>, v: Fr, u: Fr) -> Vec<Fr> {
    let mut column = vec![Fr::ZERO; assignment.layout.weight_domain()];
    for rest in &assignment.layout.rests {
        let folded = fold(assignment, rest, v);
        let values = fold_images(assignment, &folded, u);
        let [_, height, width] = assignment.graph.tensors[folded.input].shape;
        let mut places = Vec::new();
        rest.for_each_cell(|row, line, column| places.push((row, line, column)));
        let [tall, wide] = extent(&rest.window);
        let [kernel_h, kernel_w] = rest.window.kernel;
        let [dilation_h, dilation_w] = rest.window.dilation;
        let cells = places
            .par_iter()
            .map(|(row, line, column)| {
                // Tap (a, b) pairs grid position (y, x) with input (y - tall + 1 + a*d, ...).
                let mut sum = Fr::ZERO;
                for a in 0..kernel_h {
                    let Some(h) = (line + a * dilation_h + 1).checked_sub(tall) else { continue };
                    if h >= height {
                        continue;
                    }
                    for b in 0..kernel_w {
                        let Some(w) = (column + b * dilation_w + 1).checked_sub(wide) else {
                            continue;
                        };
                        if w >= width {
                            continue;
                        }
                        let tap = a * kernel_w + b;
                        for (channel, taps) in folded.taps.iter().enumerate() {
                            let x = values[(channel * height + h) * width + w];
                            if !bool::from(x.is_zero()) {
                                sum += taps[tap] * x;
                            }
                        }
                    }
                }
                (*row, sum)
            })
            .collect::<Vec<_>>();
        for (row, value) in cells {
            column[row] = value;
        }
    }
    column
}

/// `sum_b u^b (x_b - least)` over the images.
fn fold_images(assignment: &Assignment<'_>, folded: &Folded, u: Fr) -> Vec<Fr> {
    let shape = assignment.graph.tensors[folded.input].shape;
    let images = assignment
        .inputs
        .iter()
        .map(|input| input.execution.tensors[folded.input].as_slice())
        .collect::<Vec<_>>();
    (0..shape.iter().product())
        .into_par_iter()
        .map(|index| {
            images.iter().rev().fold(Fr::ZERO, |sum, values| {
                sum * u + field(i64::from(values[index]) - i64::from(folded.least))
            })
        })
        .collect()
}

fn fold(assignment: &Assignment<'_>, rest: &RestGrid, v: Fr) -> Folded {
    let graph = assignment.graph;
    match &graph.layers[rest.layer].op {
        Op::Conv { input, weights, .. } => {
            let kernel = assignment
                .layout
                .kernels
                .iter()
                .find(|kernel| kernel.layer == rest.layer)
                .expect("each convolution has its weights placed");
            Folded { taps: fold_weights(kernel, weights, v), input: *input, least: 0 }
        }
        Op::SumPool { input, multiplier, .. } => {
            let channels = graph.tensors[*input].shape[0];
            let taps = rest.window.kernel[0] * rest.window.kernel[1];
            let mut power = field(*multiplier);
            let taps = (0..channels)
                .map(|_| {
                    let line = vec![power; taps];
                    power *= v;
                    line
                })
                .collect();
            Folded { taps, input: *input, least: 0 }
        }
        Op::MaxPool { input, .. } => {
            let info = &graph.tensors[*input];
            let channels = info.shape[0];
            let taps = rest.window.kernel[0] * rest.window.kernel[1];
            let step = v.pow_vartime([channels as u64]);
            let mut first = Fr::ONE;
            let taps = (0..channels)
                .map(|_| {
                    let mut power = first;
                    first *= v;
                    (0..taps)
                        .map(|_| {
                            let tap = power;
                            power *= step;
                            tap
                        })
                        .collect()
                })
                .collect();
            Folded { taps, input: *input, least: info.min }
        }
        Op::Pointwise { .. }
        | Op::Multiply { .. }
        | Op::Resize { .. }
        | Op::Add { .. }
        | Op::Concat { .. }
        | Op::Slice { .. } => Folded { taps: Vec::new(), input: graph.input.tensor, least: 0 },
    }
}

/// `sum_j v^index(j) w[j, k, tap]` for each input channel `k`.
fn fold_weights(kernel: &Kernel, weights: &[i64], v: Fr) -> Vec<Vec<Fr>> {
    let taps = kernel.taps[0] * kernel.taps[1];
    let outputs = kernel.groups * kernel.outputs;
    let last = kernel.output_index(outputs - 1);
    let mut powers = Vec::with_capacity(last + 1);
    let mut power = Fr::ONE;
    for _ in 0..=last {
        powers.push(power);
        power *= v;
    }
    (0..kernel.groups * kernel.inputs)
        .into_par_iter()
        .map(|channel| {
            let (group, local) = (channel / kernel.inputs, channel % kernel.inputs);
            let mut folded = vec![Fr::ZERO; taps];
            for output in group * kernel.outputs..(group + 1) * kernel.outputs {
                let power = powers[kernel.output_index(output)];
                let first = (output * kernel.inputs + local) * taps;
                for (sum, weight) in folded.iter_mut().zip(&weights[first..first + taps]) {
                    *sum += power * field(*weight);
                }
            }
            folded
        })
        .collect()
}
