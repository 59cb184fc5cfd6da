//! Ranges of all values over sample inputs.

use rayon::prelude::*;

use super::{InputEncoding, QuantizeError};
use crate::model::{FloatExecutor, FloatGraph, Function};

/// Least and largest value seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Least value, in real units.
    pub min: f64,
    /// Largest value, in real units.
    pub max: f64,
}

impl Range {
    pub(super) const ZERO: Self = Self { min: 0.0, max: 0.0 };

    pub(super) fn join(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Wider by `margin` times its width on each side.
    pub(super) fn widened(self, margin: f64) -> Self {
        let more = margin * (self.max - self.min);
        Self { min: self.min - more, max: self.max + more }
    }

    pub(super) fn magnitude(self) -> f64 {
        self.max.max(-self.min)
    }
}

/// How often magnitudes were seen, in bins of equal width from 0 to a power of two.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    exponent: i32,
    counts: Vec<u64>,
}

const BINS: usize = 2048;
/// Magnitudes below `2^LEAST_EXPONENT` are not told apart.
const LEAST_EXPONENT: i32 = -60;

impl Histogram {
    fn new(values: &[f32], magnitude: f64) -> Self {
        let exponent = if magnitude > 0.0 { magnitude.log2().floor() as i32 + 1 } else { 0 };
        let exponent = exponent.max(LEAST_EXPONENT);
        let mut counts = vec![0u64; BINS];
        let factor = BINS as f64 / f64::from(exponent).exp2();
        for value in values {
            counts[((f64::from(value.abs()) * factor) as usize).min(BINS - 1)] += 1;
        }
        Self { exponent, counts }
    }

    fn join(mut self, mut other: Self) -> Self {
        if self.exponent < other.exponent {
            std::mem::swap(&mut self, &mut other);
        }
        let steps = (self.exponent - other.exponent) as u32;
        for (bin, count) in other.counts.into_iter().enumerate() {
            // Each step joins two bins to one.
            self.counts[bin.checked_shr(steps).unwrap_or(0)] += count;
        }
        self
    }

    /// Least magnitude that `part` (0 to 1) of all values do not exceed, to a bin.
    pub(super) fn percentile(&self, part: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total as f64 * part).ceil() as u64;
        let mut seen = 0;
        for (bin, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return (bin + 1) as f64 * self.width();
            }
        }
        f64::from(self.exponent).exp2()
    }

    /// Magnitude at which saturation and rounding to `2^(bits - 1)` steps below it together have
    /// the least squared error.
    pub(super) fn least_error(&self, bits: u32) -> f64 {
        const CANDIDATES: usize = 128;
        let total: u64 = self.counts.iter().sum();
        let last = self.counts.iter().rposition(|count| *count > 0).map_or(1, |bin| bin + 1);
        let error = |end: usize| {
            let limit = end as f64 * self.width();
            let step = limit / f64::from(bits - 1).exp2();
            let saturated: f64 = self.counts[end..]
                .iter()
                .enumerate()
                .map(|(bin, count)| {
                    let beyond = (bin as f64 + 0.5) * self.width();
                    *count as f64 * beyond * beyond
                })
                .sum();
            saturated + total as f64 * step * step / 12.0
        };
        let candidates = (1..=CANDIDATES).map(|n| (last * n).div_ceil(CANDIDATES));
        let best = candidates.min_by(|a, b| error(*a).total_cmp(&error(*b)));
        best.unwrap_or(last) as f64 * self.width()
    }

    fn width(&self) -> f64 {
        f64::from(self.exponent).exp2() / BINS as f64
    }
}

/// What a float network's values were on sample inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Range of each tensor of the float graph.
    pub tensors: Vec<Range>,
    /// Magnitudes of each tensor.
    pub histograms: Vec<Histogram>,
    /// Range before the function of each layer; zero for layers without one.
    pub layers: Vec<Range>,
    /// The same without 0, where no value was 0 or on the other side of it.
    pub seen: Vec<Range>,
    /// Number of inputs seen.
    pub inputs: usize,
}

impl Calibration {
    fn join(mut self, other: Self) -> Self {
        for (range, more) in self.tensors.iter_mut().zip(other.tensors) {
            *range = range.join(more);
        }
        self.histograms = self
            .histograms
            .into_iter()
            .zip(other.histograms)
            .map(|(histogram, more)| histogram.join(more))
            .collect();
        for (range, more) in self.layers.iter_mut().zip(other.layers) {
            *range = range.join(more);
        }
        for (range, more) in self.seen.iter_mut().zip(other.seen) {
            *range = range.join(more);
        }
        self.inputs += other.inputs;
        self
    }
}

/// Runs the float network on `inputs` and keeps the ranges of its values.
///
/// # Errors
/// [`QuantizeError::NoInputs`], [`QuantizeError::InputLength`], [`QuantizeError::Encoding`], or
/// [`QuantizeError::Layer`] for a layer whose values are not finite.
pub fn calibrate<T: AsRef<[u8]> + Sync>(
    graph: &FloatGraph,
    encoding: &InputEncoding,
    inputs: &[T],
) -> Result<Calibration, QuantizeError> {
    encoding.check()?;
    let executor = FloatExecutor::new(graph);
    let shape = graph.input_shape();
    let ranges = inputs
        .par_iter()
        .enumerate()
        .map(|(index, input)| {
            let input = input.as_ref();
            let values: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
            let run = executor.run(&values).ok_or_else(|| QuantizeError::InputLength {
                index,
                expected: shape.iter().product(),
                actual: input.len(),
                shape,
            })?;
            for (layer, range) in graph.layers.iter().zip(&run.ranges) {
                let values = &run.tensors[layer.output];
                let finite = range.is_none_or(|(min, max)| min.is_finite() && max.is_finite());
                if !finite || values.iter().any(|x| !x.is_finite()) {
                    return Err(QuantizeError::Layer {
                        layer: layer.name.clone(),
                        operator: layer.operator.clone(),
                        problem: format!(
                            "its values are not finite on calibration input {index}{}",
                            undefined(layer.op.function(), graph.input.values.is_some())
                        ),
                    });
                }
            }
            let tensors: Vec<Range> = run.tensors.iter().map(|values| range_of(values)).collect();
            let before = |range: &Option<(f32, f32)>| {
                range.map_or(Range::ZERO, |(min, max)| Range {
                    min: f64::from(min),
                    max: f64::from(max),
                })
            };
            let seen: Vec<Range> = run.ranges.iter().map(before).collect();
            let histograms = run
                .tensors
                .iter()
                .zip(&tensors)
                .map(|(values, range)| Histogram::new(values, range.magnitude()))
                .collect();
            Ok(Calibration {
                tensors,
                histograms,
                layers: seen.iter().map(|range| range.join(Range::ZERO)).collect(),
                seen,
                inputs: 1,
            })
        })
        .try_reduce_with(|a, b| Ok(a.join(b)));
    ranges.unwrap_or(Err(QuantizeError::NoInputs))
}

/// What to do where a function has no value.
fn undefined(function: Option<&Function>, encoded: bool) -> &'static str {
    match function {
        Some(function) if function.has_pole() && encoded => {
            ": the file's own numbers may have a logarithm, a root or a quotient there, but inputs are rounded to even \
             steps over their whole range, and small ones among large ones become 0 or less. Compute it before the \
             network, so that its inputs are the logarithms, or leave out what is rare (--value-range, \
             --value-percentile)"
        }
        Some(function) if function.has_pole() => {
            ": a logarithm, a root or a quotient has no value there; bound its argument from 0 with a Clip or a Max"
        }
        _ => "",
    }
}

/// Least and largest of the values, 0 included.
fn range_of(values: &[f32]) -> Range {
    let (min, max) = values.iter().fold((0f32, 0f32), |(min, max), x| (min.min(*x), max.max(*x)));
    Range { min: f64::from(min), max: f64::from(max) }
}
