//! Features of different ranges that more than a convolution reads.
//!
//! A tensor has one scale. A convolution takes up the scales of an encoding's features, each in its own
//! weights; behind a Relu, in a product or a pool they are numbers of one tensor, and a feature of small
//! range has few integers there. Functions that keep proportions let each feature be smaller or larger by
//! a power of two, which is exact, until a convolution takes it back. A clip is taken apart into two of these
//! where that helps.

use super::{Binary, FloatGraph, FloatLayer, FloatOp, Function};
use assay_graph::Window;

/// Ranges that differ by less are left as they are.
const LEAST_RATIO: f32 = 8.0;
/// Most layers that are tried one by one.
const MAX_TRIED: usize = 64;

/// The tensor of a clip's first step, and how large its features are.
type Opened = (usize, Vec<f32>);

/// For each tensor how often larger its channels are than what it holds; `None` for once.
type Factors = Vec<Option<Vec<f32>>>;

impl FloatGraph {
    /// Gives the features that layers make of an encoded input about the same range, where everything
    /// behind them up to the next convolutions allows it.
    pub(super) fn balance_features(&mut self) {
        if self.input.values.is_none() {
            return;
        }
        let mut apart = self.clone();
        let opened = apart.take_clips_apart();
        if !opened.is_empty() {
            let balanced = apart.balance(&opened);
            if opened.iter().all(|(made, _)| balanced.contains(made)) {
                *self = apart;
                return;
            }
        }
        self.balance(&[]);
    }

    /// The tensors whose features have been balanced where layers make them; `opened` are first steps of clips.
    fn balance(&mut self, opened: &[Opened]) -> Vec<usize> {
        let holds = self.holds_input();
        let made = self.layers.iter().enumerate();
        let made = made.filter_map(|(index, layer)| {
            let sizes = opened.iter().find(|(made, _)| *made == layer.output);
            let sizes = sizes.map(|(_, sizes)| sizes.as_slice());
            Some((index, factors(layer, &holds, sizes)?))
        });
        let made = made.take(MAX_TRIED).collect::<Vec<_>>();
        // All at once, as what is added has to be balanced alike; else as many as can be.
        let mut balanced = self.spread_factors(&made);
        let mut starts: Vec<(usize, Vec<f32>)> = Vec::new();
        if balanced.is_some() {
            starts = made;
        } else {
            for start in made {
                starts.push(start);
                match self.spread_factors(&starts) {
                    Some(factors) => balanced = Some(factors),
                    None => drop(starts.pop()),
                }
            }
        }
        let Some(factors) = balanced else { return Vec::new() };
        let starts = starts.iter().map(|(index, _)| *index).collect::<Vec<_>>();
        for (index, layer) in self.layers.iter_mut().enumerate() {
            take_up(layer, &factors, starts.contains(&index));
        }
        starts.into_iter().map(|index| self.layers[index].output).collect()
    }

    /// `clip(x, a, b) = b - relu((b - a) - relu(x - a))` for features of an encoded input whose ranges differ much,
    /// with bounds of each feature's own that lie in its range: so no step is larger than the feature.
    fn take_clips_apart(&mut self) -> Vec<Opened> {
        let holds = self.holds_input();
        let mut opened = Vec::new();
        for mut layer in std::mem::take(&mut self.layers) {
            let bounds = features(&layer, &holds).and_then(|ranges| {
                let clip = clip_bounds(layer.op.function()?)?;
                // At 0 alone it is a Relu, or the like.
                let plain = clip.iter().all(|bound| *bound == 0.0 || bound.is_infinite());
                let bounds = inside(&ranges, clip);
                // All steps of a feature are no larger. Two clips of the same features mostly have the same sizes, and
                // may be added.
                let sizes = ranges.iter().zip(&bounds).map(|([low, high], [a, b])| {
                    [low, high, a, b].into_iter().fold(0f32, |most, x| most.max(x.abs()))
                });
                let sizes = sizes.collect::<Vec<_>>();
                let differ = spread(sizes.iter().copied()).is_some();
                (!plain && differ).then_some((bounds, sizes))
            });
            let Some((bounds, sizes)) = bounds else {
                self.layers.push(layer);
                continue;
            };
            let last = layer.output;
            let mut tensor = || {
                self.tensors.push(self.tensors[last].clone());
                self.tensors.len() - 1
            };
            let (inner, outer) = (tensor(), tensor());
            if let FloatOp::Conv { bias, function, .. } = &mut layer.op {
                bias.iter_mut().zip(&bounds).for_each(|(bias, [a, _])| *bias -= a);
                *function = Function::relu();
            }
            layer.output = inner;
            let step = |input, output, bias, function| FloatLayer {
                name: layer.name.clone(),
                operator: layer.operator.clone(),
                output,
                op: FloatOp::Conv {
                    input,
                    window: Window::dense([1, 1]),
                    groups: bounds.len(),
                    weights: vec![-1.0; bounds.len()],
                    bias,
                    function,
                },
            };
            let widths = bounds.iter().map(|[a, b]| b - a).collect();
            let second = step(inner, outer, widths, Function::relu());
            let ends = bounds.iter().map(|[_, b]| *b).collect();
            let third = step(outer, last, ends, Function::Identity);
            self.layers.extend([layer, second, third]);
            opened.push((inner, sizes));
        }
        opened
    }

    /// The factors of all tensors, if those of the layers `starts` can be kept apart until convolutions
    /// take them up.
    fn spread_factors(&self, starts: &[(usize, Vec<f32>)]) -> Option<Factors> {
        let mut factors: Factors = vec![None; self.tensors.len()];
        for (index, layer) in self.layers.iter().enumerate() {
            let output = layer.output;
            if let Some((_, start)) = starts.iter().find(|(at, _)| *at == index) {
                factors[output] = Some(start.clone());
                continue;
            }
            if layer.op.inputs().iter().all(|input| factors[*input].is_none()) {
                continue;
            }
            let of = |tensor: usize| {
                let [channels, ..] = self.tensors[tensor].shape;
                factors[tensor].clone().unwrap_or_else(|| vec![1.0; channels])
            };
            let keeps = layer.op.function().is_none_or(Function::is_homogeneous);
            factors[output] = match &layer.op {
                FloatOp::Conv { input, .. } if is_depthwise(layer) && keeps => Some(of(*input)),
                FloatOp::Conv { .. } => None,
                FloatOp::MeanPool { input, .. } if keeps => Some(of(*input)),
                FloatOp::MaxPool { input, .. } | FloatOp::Resize { input, .. } => Some(of(*input)),
                FloatOp::Slice { input, start } => {
                    let [channels, ..] = self.tensors[output].shape;
                    Some(of(*input).get(*start..)?.get(..channels)?.to_vec())
                }
                FloatOp::Concat { inputs } => Some(inputs.iter().flat_map(|i| of(*i)).collect()),
                FloatOp::Sum { inputs, constant, .. } if keeps && *constant == 0.0 => {
                    let first = of(inputs.first()?.0);
                    inputs.iter().all(|(input, _)| of(*input) == first).then_some(Some(first))?
                }
                FloatOp::Product { inputs: [first, second], .. } if keeps => {
                    let both = of(*first).into_iter().zip(of(*second));
                    Some(both.map(|(a, b)| a * b).collect())
                }
                _ => return None,
            };
        }
        factors[self.output].is_none().then_some(factors)
    }
}

/// Least and largest value of each channel before the function, if the layer makes features of an encoded input.
fn features(layer: &FloatLayer, holds: &[bool]) -> Option<Vec<[f32; 2]>> {
    let FloatOp::Conv { input, window, groups, weights, bias, .. } = &layer.op else {
        return None;
    };
    if !(holds[*input] && *groups == bias.len() && *window == Window::dense([1, 1])) {
        return None;
    }
    let range = |(weights, bias): (&[f32], &f32)| {
        let reach = |sign: f32| weights.iter().map(|w| 255.0 * (sign * w).max(0.0)).sum::<f32>();
        [bias - reach(-1.0), bias + reach(1.0)]
    };
    Some(weights.chunks(weights.len() / groups).zip(bias).map(range).collect())
}

/// The bounds of `min(max(x, low), high)`, infinite where there is none; `None` for any other function.
fn clip_bounds(function: &Function) -> Option<[f64; 2]> {
    match function {
        Function::Identity => Some([f64::NEG_INFINITY, f64::INFINITY]),
        Function::Binary(operator @ (Binary::Min | Binary::Max), left, right) => {
            let (inner, bound) = match (&**left, &**right) {
                (inner, Function::Constant(bound)) | (Function::Constant(bound), inner) => {
                    (inner, *bound)
                }
                _ => return None,
            };
            Some(clip_bounds(inner)?.map(|end| operator.evaluate(end, bound)))
        }
        _ => None,
    }
}

/// The bounds of a clip as bounds of each feature that lie in its range, or are one where all of it is clipped.
fn inside(ranges: &[[f32; 2]], [low, high]: [f64; 2]) -> Vec<[f32; 2]> {
    let (low, high) = (low as f32, high as f32);
    let bounds = |[least, most]: &[f32; 2]| {
        if low > *most {
            [low; 2]
        } else if high < *least {
            [high; 2]
        } else {
            [low.max(*least), high.min(*most)]
        }
    };
    ranges.iter().map(bounds).collect()
}

/// The largest size, if the least that is not 0 is much smaller.
fn spread(sizes: impl Iterator<Item = f32>) -> Option<f32> {
    let used = sizes.filter(|size| *size > 0.0);
    let (least, most) = used.fold((f32::INFINITY, 0f32), |(l, m), size| (l.min(size), m.max(size)));
    (least * LEAST_RATIO <= most && most.is_finite()).then_some(most)
}

/// The factors that a layer's channels should have, if it makes features of an encoded input and their
/// ranges differ much. `given` says how large they are, where that is more than the layer's own range.
fn factors(layer: &FloatLayer, holds: &[bool], given: Option<&[f32]>) -> Option<Vec<f32>> {
    let ranges = features(layer, holds)?;
    if !layer.op.function()?.is_homogeneous() {
        return None;
    }
    let own = ranges.iter().map(|[low, high]| low.abs().max(high.abs()));
    let sizes = given.map_or_else(|| own.collect::<Vec<_>>(), <[f32]>::to_vec);
    let most = spread(sizes.iter().copied())?;
    let factor = |size: &f32| if *size > 0.0 { (size / most).log2().floor().exp2() } else { 1.0 };
    let factors = sizes.iter().map(factor).collect::<Vec<_>>();
    factors.iter().all(|factor| factor.is_normal()).then_some(factors)
}

/// One output channel for each input channel.
fn is_depthwise(layer: &FloatLayer) -> bool {
    let FloatOp::Conv { window, groups, weights, bias, .. } = &layer.op else { return false };
    let taps = window.kernel[0] * window.kernel[1];
    *groups == bias.len() && weights.len() == groups * taps
}

/// Brings a layer to the factors of the tensors that it reads and writes.
fn take_up(layer: &mut FloatLayer, factors: &Factors, starts: bool) {
    let written = factors[layer.output].clone();
    let FloatOp::Conv { input, window, groups, weights, bias, .. } = &mut layer.op else { return };
    if let Some(written) = &written {
        bias.iter_mut().zip(written).for_each(|(bias, factor)| *bias /= factor);
        if starts {
            let row = weights.len() / bias.len();
            let rows = weights.chunks_mut(row).zip(written);
            rows.for_each(|(row, factor)| row.iter_mut().for_each(|weight| *weight /= factor));
        }
        return;
    }
    let Some(read) = factors[*input].as_ref() else { return };
    let taps = window.kernel[0] * window.kernel[1];
    let (in_group, out_group) = (read.len() / *groups, bias.len() / *groups);
    for (output, row) in weights.chunks_mut(in_group * taps).enumerate() {
        for (channel, kernel) in row.chunks_mut(taps).enumerate() {
            let factor = read[output / out_group * in_group + channel];
            kernel.iter_mut().for_each(|weight| *weight *= factor);
        }
    }
}
