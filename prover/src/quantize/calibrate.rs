//! Ranges of all values over sample inputs.

use rayon::prelude::*;

use super::{InputEncoding, QuantizeError};
use crate::model::{FloatExecutor, FloatGraph};

/// Least and largest value seen, always with 0 in between.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    pub min: f64,
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

/// What a float network's values were on sample inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Range of each tensor of the float graph.
    pub tensors: Vec<Range>,
    /// Range before the function of each layer; zero for layers without one.
    pub layers: Vec<Range>,
    /// Number of inputs seen.
    pub inputs: usize,
}

impl Calibration {
    fn join(mut self, other: Self) -> Self {
        for (range, more) in self.tensors.iter_mut().zip(other.tensors) {
            *range = range.join(more);
        }
        for (range, more) in self.layers.iter_mut().zip(other.layers) {
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
                        problem: format!("its values are not finite on calibration input {index}"),
                    });
                }
            }
            Ok(Calibration {
                tensors: run.tensors.iter().map(|values| range_of(values)).collect(),
                layers: run
                    .ranges
                    .iter()
                    .map(|range| {
                        range.map_or(Range::ZERO, |(min, max)| {
                            let range = Range { min: f64::from(min), max: f64::from(max) };
                            range.join(Range::ZERO)
                        })
                    })
                    .collect(),
                inputs: 1,
            })
        })
        .try_reduce_with(|a, b| Ok(a.join(b)));
    ranges.unwrap_or(Err(QuantizeError::NoInputs))
}

fn range_of(values: &[f32]) -> Range {
    let (min, max) = values.iter().fold((0f32, 0f32), |(min, max), x| (min.min(*x), max.max(*x)));
    Range { min: f64::from(min), max: f64::from(max) }
}
