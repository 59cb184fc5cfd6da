//! Float against quantized results over labelled inputs.

use rayon::prelude::*;
use serde::Serialize;

use super::{InputEncoding, QuantizeError};
use crate::model::{FloatExecutor, FloatGraph};
use assay_graph::{Executor, QuantizedGraph};

/// How often the two networks are right, and how often they agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct AccuracyReport {
    /// Inputs compared; without labels the counts of right answers stay 0.
    pub inputs: usize,
    /// Inputs whose label is the float network's class.
    pub float_top1: usize,
    /// Inputs whose label is among the float network's five largest logits, ties included.
    pub float_top5: usize,
    /// Inputs whose label is the quantized network's class.
    pub quantized_top1: usize,
    /// Inputs whose label is among the quantized network's five largest logits, ties included.
    pub quantized_top5: usize,
    /// Inputs to which both give the same class.
    pub agree: usize,
    /// Inputs that the quantized network refuses, for a value outside its calibrated range.
    pub refused: usize,
    /// Largest difference of a logit, in real units.
    pub max_logit_error: f64,
    /// Largest float logit, to compare with.
    pub max_logit: f64,
}

impl AccuracyReport {
    fn join(self, other: Self) -> Self {
        Self {
            inputs: self.inputs + other.inputs,
            float_top1: self.float_top1 + other.float_top1,
            float_top5: self.float_top5 + other.float_top5,
            quantized_top1: self.quantized_top1 + other.quantized_top1,
            quantized_top5: self.quantized_top5 + other.quantized_top5,
            agree: self.agree + other.agree,
            refused: self.refused + other.refused,
            max_logit_error: self.max_logit_error.max(other.max_logit_error),
            max_logit: self.max_logit.max(other.max_logit),
        }
    }

    /// `count` as a percentage of the inputs.
    pub fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.inputs.max(1) as f64
    }
}

/// Runs both networks on `inputs`; `labels` may be shorter, or empty. `progress` is called after
/// each input, from several threads.
///
/// # Errors
/// [`QuantizeError::Graph`] for a broken quantized graph, [`QuantizeError::OtherNetwork`] when the
/// two differ in shape, [`QuantizeError::InputLength`].
pub fn compare<T: AsRef<[u8]> + Sync>(
    graph: &FloatGraph,
    quantized: &QuantizedGraph,
    inputs: &[T],
    labels: &[usize],
    progress: &(dyn Fn() + Sync),
) -> Result<AccuracyReport, QuantizeError> {
    let executor = Executor::new(quantized)?;
    let float = FloatExecutor::new(graph);
    let shape = quantized.tensors[quantized.input.tensor].shape;
    let output = &quantized.tensors[quantized.output];
    if shape != graph.input_shape() || output.shape[0] != graph.classes() {
        return Err(QuantizeError::OtherNetwork);
    }
    let encoding =
        InputEncoding { scale: quantized.input.byte_scale, offset: quantized.input.byte_offset };
    inputs
        .par_iter()
        .enumerate()
        .map(|(index, input)| {
            let input = input.as_ref();
            let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
            let expected = float.run(&real).ok_or_else(|| QuantizeError::InputLength {
                index,
                expected: shape.iter().product(),
                actual: input.len(),
                shape,
            })?;
            let label = labels.get(index).copied();
            let logits = expected.logits();
            let rank = |label: Option<usize>| {
                label.and_then(|label| {
                    let value = logits.get(label)?;
                    Some(logits.iter().filter(|x| *x > value).count())
                })
            };
            let mut report = AccuracyReport {
                inputs: 1,
                float_top1: usize::from(label.is_some_and(|label| argmax(logits) == label)),
                float_top5: usize::from(rank(label).is_some_and(|rank| rank < 5)),
                max_logit: logits.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most)),
                ..AccuracyReport::default()
            };
            let Ok(run) = executor.run(input) else {
                report.refused = 1;
                return Ok(report);
            };
            let values = run.logits();
            let above = |label: usize| {
                values.get(label).map(|value| values.iter().filter(|x| *x > value).count())
            };
            report.quantized_top1 = usize::from(label == Some(run.class()));
            report.quantized_top5 = usize::from(label.and_then(above).is_some_and(|rank| rank < 5));
            report.agree = usize::from(argmax(logits) == run.class());
            report.max_logit_error = logits.iter().zip(values).fold(0.0, |most, (x, q)| {
                (f64::from(*x) - f64::from(*q) / output.scale).abs().max(most)
            });
            Ok(report)
        })
        .inspect(|_| progress())
        .try_reduce(AccuracyReport::default, |a, b| Ok(a.join(b)))
}

fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}
