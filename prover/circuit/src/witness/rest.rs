//! The `rest` column: the positions of each correlation that its layer does not keep, summed over
//! the outputs with the powers of `v`.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::{Op, TensorId, WEIGHT_OFFSET};

use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::reading::extent;
use crate::layout::scalar_program::field;
use crate::witness::assignment::Assignment;
use crate::witness::integer_sums::{Factor, IntegerSum};
use crate::witness::known::powers;
use crate::witness::known::zeros;

/// The column, by rows of the weights' domain.
pub(super) fn column(assignment: &Assignment<'_>, v: Fr, u: Fr) -> Vec<Fr> {
    let mut column = zeros(assignment.layout.weight_domain());
    for rest in &assignment.layout.rests {
        let Some(folded) = Folded::new(assignment, rest, v) else { continue };
        let correlation = Correlation::new(assignment, rest, folded, u);
        let mut places = Vec::new();
        rest.for_each_cell(|row, line, column| places.push((row, line, column)));
        let cells = places
            .par_iter()
            .map(|(row, line, column)| (*row, correlation.at(*line, *column)))
            .collect::<Vec<_>>();
        for (row, value) in cells {
            column[row] = value;
        }
    }
    column
}

/// A kernel already summed over the outputs.
struct Folded {
    /// `taps[tap][channel]`, taps row-major.
    taps: Vec<Vec<Fr>>,
    input: TensorId,
    /// Subtracted from each value of the input.
    least: i32,
}

impl Folded {
    /// [`None`] for layers without a kernel.
    fn new(assignment: &Assignment<'_>, rest: &RestGrid, v: Fr) -> Option<Self> {
        let graph = assignment.graph;
        let [kernel_h, kernel_w] = rest.window.kernel;
        // Pools are claims about elements.
        let element = v.pow_vartime([assignment.layout.element_power as u64]);
        match &graph.layers.get(rest.layer)?.op {
            Op::Conv { input, weights, .. } => {
                let mut kernels = assignment.layout.kernels.iter();
                let kernel = kernels.find(|kernel| kernel.layer == rest.layer)?;
                Some(Self { taps: fold_weights(kernel, weights, v), input: *input, least: 0 })
            }
            Op::SumPool { input, multiplier, .. } => {
                let channels = graph.tensors[*input].shape[0];
                let multiplier = field(*multiplier);
                let line =
                    powers(element, channels).iter().map(|power| multiplier * power).collect();
                Some(Self { taps: vec![line; kernel_h * kernel_w], input: *input, least: 0 })
            }
            Op::MaxPool { input, .. } => {
                let info = &graph.tensors[*input];
                let channels = info.shape[0];
                let powers = powers(element, channels * kernel_h * kernel_w);
                let taps = powers.chunks(channels.max(1)).map(<[Fr]>::to_vec).collect();
                Some(Self { taps, input: *input, least: info.min })
            }
            Op::Pointwise { .. }
            | Op::Multiply { .. }
            | Op::Resize { .. }
            | Op::Spread { .. }
            | Op::Transpose { .. }
            | Op::MatMul { .. }
            | Op::Dot { .. }
            | Op::Add { .. }
            | Op::Concat { .. }
            | Op::Slice { .. } => None,
        }
    }
}

/// `sum_j v^index(j) w[j, k, tap]`: `[tap][channel]`.
fn fold_weights(kernel: &Kernel, weights: &[i64], v: Fr) -> Vec<Vec<Fr>> {
    let taps = kernel.taps[0] * kernel.taps[1];
    let last = kernel.output_index(kernel.groups * kernel.outputs - 1);
    let powers = powers(v, last + 1);
    let factors = powers.iter().copied().map(Factor::new).collect::<Vec<_>>();
    let offset = Fr::from(WEIGHT_OFFSET as u64);
    let of_group = |group: usize| group * kernel.outputs..(group + 1) * kernel.outputs;
    let offsets = (0..kernel.groups)
        .map(|group| {
            let outputs = of_group(group).map(|output| powers[kernel.output_index(output)]);
            offset * outputs.sum::<Fr>()
        })
        .collect::<Vec<_>>();
    let channels = kernel.groups * kernel.inputs;
    (0..taps)
        .into_par_iter()
        .map(|tap| {
            let fold = |channel: usize| {
                let (group, local) = (channel / kernel.inputs, channel % kernel.inputs);
                let mut sum = IntegerSum::default();
                for output in of_group(group) {
                    let weight = weights[(output * kernel.inputs + local) * taps + tap];
                    let factor = &factors[kernel.output_index(output)];
                    sum.add(factor, (weight + WEIGHT_OFFSET) as u64);
                }
                sum.value() - offsets[group]
            };
            (0..channels).into_par_iter().map(fold).collect()
        })
        .collect()
}

/// A folded kernel and what it is applied to.
struct Correlation<'a> {
    rest: &'a RestGrid,
    /// Height and width of the input.
    size: [usize; 2],
    channels: usize,
    cells: Cells,
}

/// `values[position][channel]`, with the kernel in the form that they are multiplied by.
enum Cells {
    /// Of one image: values above the least one of all.
    Integers {
        values: Vec<u32>,
        taps: Vec<Vec<Factor>>,
        /// What the least one adds up to, by taps.
        offsets: Vec<Fr>,
    },
    /// Of several, folded with `u`.
    Elements { values: Vec<Fr>, taps: Vec<Vec<Fr>> },
}

impl<'a> Correlation<'a> {
    fn new(assignment: &Assignment<'_>, rest: &'a RestGrid, folded: Folded, u: Fr) -> Self {
        let [channels, height, width] = assignment.graph.tensors[folded.input].shape;
        let size = height * width;
        let images = assignment.inputs.iter();
        let images = images.map(|input| input.execution.tensors[folded.input].as_slice());
        let images = images.collect::<Vec<_>>();
        let least = images.iter().flat_map(|values| values.iter().min()).min();
        let least = least.copied().unwrap_or_default();
        // By positions, then channels.
        let transposed = (0..channels * size).into_par_iter();
        let transposed = transposed.map(|index| index % channels * size + index / channels);
        let above = i64::from(least) - i64::from(folded.least);
        let cells = if let [values] = images.as_slice() {
            let values = transposed.map(|index| values[index].wrapping_sub(least) as u32);
            let offsets = folded.taps.iter().map(|taps| field(above) * taps.iter().sum::<Fr>());
            let factors = |taps: &Vec<Fr>| taps.iter().copied().map(Factor::new).collect();
            Cells::Integers {
                values: values.collect(),
                offsets: offsets.collect(),
                taps: folded.taps.iter().map(factors).collect(),
            }
        } else {
            let powers = powers(u, images.len());
            let offset = field(above) * powers.iter().sum::<Fr>();
            let factors = powers.into_iter().map(Factor::new).collect::<Vec<_>>();
            let values = transposed.map(|index| {
                let mut sum = IntegerSum::default();
                for (values, factor) in images.iter().zip(&factors) {
                    sum.add(factor, values[index].wrapping_sub(least) as u32 as u64);
                }
                sum.value() + offset
            });
            Cells::Elements { values: values.collect(), taps: folded.taps }
        };
        Self { rest, size: [height, width], channels, cells }
    }

    /// The correlation at a position of the full grid.
    fn at(&self, line: usize, column: usize) -> Fr {
        let window = &self.rest.window;
        let [tall, wide] = extent(window);
        let [height, width] = self.size;
        // Tap (a, b) pairs grid position (y, x) with input (y - tall + 1 + a*d, ...).
        let place = |position: usize, tap: usize, dilation: usize, extent: usize, size: usize| {
            (position + tap * dilation + 1).checked_sub(extent).filter(|place| *place < size)
        };
        let (mut integers, mut elements) = (IntegerSum::default(), Fr::ZERO);
        for a in 0..window.kernel[0] {
            let Some(h) = place(line, a, window.dilation[0], tall, height) else { continue };
            for b in 0..window.kernel[1] {
                let Some(w) = place(column, b, window.dilation[1], wide, width) else { continue };
                let tap = a * window.kernel[1] + b;
                let first = (h * width + w) * self.channels;
                let range = first..first + self.channels;
                match &self.cells {
                    Cells::Integers { values, taps, offsets } => {
                        for (value, tap) in values[range].iter().zip(&taps[tap]) {
                            integers.add(tap, (*value).into());
                        }
                        elements += offsets[tap];
                    }
                    Cells::Elements { values, taps } => {
                        for (value, tap) in values[range].iter().zip(&taps[tap]) {
                            if !bool::from(value.is_zero()) {
                                elements += tap * value;
                            }
                        }
                    }
                }
            }
        }
        integers.value() + elements
    }
}
