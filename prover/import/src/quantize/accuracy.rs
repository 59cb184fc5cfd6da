//! Float against quantized results over labelled inputs.

use rayon::prelude::*;
use serde::Serialize;

use super::{InputEncoding, QuantizeError};
use crate::data::Samples;
use crate::model::{FloatExecutor, FloatGraph};
use assay_graph::{Execution, Executor, QuantizedGraph};

/// How often the two networks are right, and how often they agree. The float network runs on the
/// numbers of the file, before any rounding, where there are numbers.
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
    /// Inputs to which the float network gives the same class when their numbers are rounded to bytes:
    /// what the encoding of inputs alone loses. All of them where the file holds bytes.
    pub encoding_agree: usize,
    /// Inputs that the quantized network refuses, for a value outside its calibrated range.
    pub refused: usize,
    /// Largest difference of a logit, in real units.
    pub max_logit_error: f64,
    /// Largest difference that the encoding of inputs alone makes to a logit of the float network.
    pub max_encoding_error: f64,
    /// Largest float logit in magnitude, to compare with.
    pub max_logit: f64,
    /// Least and largest float logit; 0 and 0 without inputs.
    pub logit_range: [f64; 2],
    /// Of the outputs one by one, the largest difference as a part of the range of the float network's
    /// over all inputs, in percent: a small output beside a large one counts as much.
    pub worst_output_error: f64,
    /// Least cosine between an input's outputs in the two networks, as vectors: what counts for an
    /// embedding. Absent where no input has outputs other than 0 in both.
    pub least_cosine: Option<f64>,
    /// The range of that output in the float network, from its least to its largest.
    pub worst_output_range: f64,
}

/// What both networks make of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The input's label, where it has one.
    pub label: Option<usize>,
    /// Class of the float network.
    pub float: usize,
    /// Class of the quantized network; none where it refuses the input.
    pub quantized: Option<usize>,
}

/// One output over all inputs, in real units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct OutputError {
    /// The float network's least value.
    pub low: f64,
    /// The float network's largest value.
    pub high: f64,
    /// Largest difference of the quantized network's value.
    pub off: f64,
}

/// An [`AccuracyReport`], and what it adds up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// All inputs together.
    pub accuracy: AccuracyReport,
    /// Of each input, in their order.
    pub outcomes: Vec<Outcome>,
    /// Of each output.
    pub outputs: Vec<OutputError>,
}

/// What of a network is lost, and by what most of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// By rounding inputs to bytes.
    Encoding,
    /// By rounding weights and activations.
    Quantization,
    /// By values outside their calibrated ranges.
    Ranges,
}

/// A network whose class is the same as the float network's on less than this part of the inputs, in
/// percent, loses too much.
pub const LEAST_AGREEMENT: f64 = 98.0;
/// A number that is shown loses too much where it is off by more than this part of the range of the float
/// network's, in percent.
pub const MOST_ERROR: f64 = 5.0;

/// An output with less than this part of the range of all is a small one.
const SMALL_OUTPUT: f64 = 50.0;

impl AccuracyReport {
    fn join(self, other: Self) -> Self {
        Self {
            inputs: self.inputs + other.inputs,
            float_top1: self.float_top1 + other.float_top1,
            float_top5: self.float_top5 + other.float_top5,
            quantized_top1: self.quantized_top1 + other.quantized_top1,
            quantized_top5: self.quantized_top5 + other.quantized_top5,
            agree: self.agree + other.agree,
            encoding_agree: self.encoding_agree + other.encoding_agree,
            refused: self.refused + other.refused,
            max_logit_error: self.max_logit_error.max(other.max_logit_error),
            max_encoding_error: self.max_encoding_error.max(other.max_encoding_error),
            max_logit: self.max_logit.max(other.max_logit),
            logit_range: match (self.inputs, other.inputs) {
                (0, _) => other.logit_range,
                (_, 0) => self.logit_range,
                _ => [
                    self.logit_range[0].min(other.logit_range[0]),
                    self.logit_range[1].max(other.logit_range[1]),
                ],
            },
            worst_output_error: self.worst_output_error.max(other.worst_output_error),
            least_cosine: [self.least_cosine, other.least_cosine]
                .into_iter()
                .flatten()
                .reduce(f64::min),
            worst_output_range: self.worst_output_range.max(other.worst_output_range),
        }
    }

    /// What loses too much, if anything does: where numbers are shown, one of them is off by more than
    /// [`MOST_ERROR`] percent of its range; for a choice of classes, less than [`LEAST_AGREEMENT`] percent
    /// of them agree.
    pub fn loss(&self, shows_numbers: bool) -> Option<Loss> {
        let (agree, encoding_agree) = (self.percent(self.agree), self.percent(self.encoding_agree));
        if 100.0 - self.percent(self.refused) < LEAST_AGREEMENT {
            return Some(Loss::Ranges);
        }
        let off = shows_numbers && self.worst_output_error > MOST_ERROR;
        let differ = agree < LEAST_AGREEMENT;
        let by_encoding = if differ {
            100.0 - encoding_agree >= (100.0 - agree) / 2.0
        } else {
            self.max_encoding_error >= self.max_logit_error / 2.0
        };
        (off || differ).then_some(if by_encoding { Loss::Encoding } else { Loss::Quantization })
    }

    /// The output that is off most has a small part of the range of all: their common step takes its digits.
    pub fn is_beside_larger(&self) -> bool {
        let [low, high] = self.logit_range;
        self.worst_output_range * SMALL_OUTPUT < high - low
    }

    /// `count` as a percentage of the inputs.
    pub fn percent(&self, count: usize) -> f64 {
        100.0 * count as f64 / self.inputs.max(1) as f64
    }
}

/// Runs both networks on the samples, of which labels and numbers may be absent. `graph` takes numbers,
/// as [`crate::model::Model::original`] does. `progress` is called after each input, from several threads.
///
/// # Errors
/// [`QuantizeError::Graph`] for a broken quantized graph, [`QuantizeError::OtherNetwork`] when the
/// two differ in shape, [`QuantizeError::InputLength`].
pub fn compare(
    graph: &FloatGraph,
    quantized: &QuantizedGraph,
    samples: &Samples,
    progress: &(dyn Fn() + Sync),
) -> Result<AccuracyReport, QuantizeError> {
    Ok(compare_each(graph, quantized, samples, progress)?.accuracy)
}

/// As [`compare`], with what becomes of each input and of each output.
///
/// # Errors
/// As [`compare`].
pub fn compare_each(
    graph: &FloatGraph,
    quantized: &QuantizedGraph,
    samples: &Samples,
    progress: &(dyn Fn() + Sync),
) -> Result<Comparison, QuantizeError> {
    let executor = Executor::new(quantized)?;
    let float = FloatExecutor::new(graph);
    let shape = quantized.value_shape();
    let output = &quantized.tensors[quantized.output];
    if shape != graph.input_shape() || output.shape[0] != graph.classes() {
        return Err(QuantizeError::OtherNetwork);
    }
    let encoding =
        InputEncoding { scale: quantized.input.byte_scale, offset: quantized.input.byte_offset };
    samples
        .data
        .inputs
        .par_iter()
        .enumerate()
        .map(|(index, input)| {
            let wrong = |actual: usize| QuantizeError::InputLength {
                index,
                expected: shape.iter().product(),
                actual,
                shape,
            };
            let logits = |real: &[f32]| {
                let run = float.run(real).ok_or_else(|| wrong(real.len()))?;
                Ok::<_, QuantizeError>(run.logits().to_vec())
            };
            let floats = |numbers: &[f64]| numbers.iter().map(|x| *x as f32).collect::<Vec<f32>>();
            let rounded = match &quantized.input.values {
                Some(values) => floats(&values.decode(input)),
                None => input.iter().map(|byte| encoding.decode(*byte) as f32).collect(),
            };
            let rounded = logits(&rounded)?;
            let exact = match samples.numbers.get(index) {
                Some(numbers) => logits(&floats(numbers))?,
                None => rounded.clone(),
            };
            let label = samples.data.labels.get(index).copied();
            let mut accuracy = float_report(&exact, &rounded, label);
            let mut outputs: Vec<_> =
                exact.iter().map(|x| OutputError::of(f64::from(*x))).collect();
            let mut outcome = Outcome { label, float: argmax(&exact), quantized: None };
            match executor.run(input) {
                Ok(run) => {
                    accuracy.add_run(&run, &exact, output.scale, label);
                    for (output_error, found) in outputs.iter_mut().zip(run.logits()) {
                        output_error.off =
                            (output_error.low - f64::from(*found) / output.scale).abs();
                    }
                    outcome.quantized = Some(run.class());
                }
                Err(_) => accuracy.refused = 1,
            }
            Ok(Comparison { accuracy, outcomes: vec![outcome], outputs })
        })
        .inspect(|_| progress())
        .try_reduce(Comparison::default, |a, b| Ok(a.join(b)))
        .map(Comparison::finished)
}

impl Comparison {
    /// How far each output may be off the float network's, in real units: by twice what the samples showed, and
    /// by half a step of its integers besides. Measured, not proven: an input unlike all samples may be further off.
    /// Empty where the quantized network refuses a sample, or there are none.
    pub fn bounds(&self, quantized: &QuantizedGraph) -> Vec<f64> {
        if self.accuracy.refused > 0 || self.accuracy.inputs == 0 {
            return Vec::new();
        }
        let half = 0.5 / quantized.tensors[quantized.output].scale;
        self.outputs.iter().map(|output| 2.0 * output.off + half).collect()
    }

    fn join(mut self, other: Self) -> Self {
        self.accuracy = self.accuracy.join(other.accuracy);
        self.outcomes.extend(other.outcomes);
        if self.outputs.is_empty() {
            self.outputs = other.outputs;
        } else {
            for (output, more) in self.outputs.iter_mut().zip(other.outputs) {
                *output = output.join(more);
            }
        }
        self
    }

    fn finished(mut self) -> Self {
        for output in &self.outputs {
            let part = output.part().unwrap_or(0.0);
            if part > self.accuracy.worst_output_error {
                self.accuracy.worst_output_error = part;
                self.accuracy.worst_output_range = output.high - output.low;
            }
        }
        self
    }
}

impl OutputError {
    fn of(value: f64) -> Self {
        Self { low: value, high: value, off: 0.0 }
    }

    fn join(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            off: self.off.max(other.off),
        }
    }

    /// The difference as a part of the float network's range, in percent; none for an output that never
    /// changes.
    pub fn part(&self) -> Option<f64> {
        let range = self.high - self.low;
        (range > 0.0).then(|| 100.0 * self.off / range)
    }
}

/// Of one input: the float network's logits on its numbers, and on its bytes.
fn float_report(exact: &[f32], rounded: &[f32], label: Option<usize>) -> AccuracyReport {
    let rank = label.and_then(|label| {
        let value = exact.get(label)?;
        Some(exact.iter().filter(|x| *x > value).count())
    });
    let ends = exact
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    AccuracyReport {
        inputs: 1,
        float_top1: usize::from(label == Some(argmax(exact))),
        float_top5: usize::from(rank.is_some_and(|rank| rank < 5)),
        encoding_agree: usize::from(argmax(exact) == argmax(rounded)),
        max_encoding_error: largest_difference(exact, rounded.iter().map(|x| f64::from(*x))),
        max_logit: exact.iter().fold(0.0, |most, x| f64::from(x.abs()).max(most)),
        logit_range: [f64::from(ends.0), f64::from(ends.1)],
        ..AccuracyReport::default()
    }
}

impl AccuracyReport {
    /// Adds the quantized network's run on the same input.
    fn add_run(&mut self, run: &Execution, exact: &[f32], scale: f64, label: Option<usize>) {
        let values = run.logits();
        let above = |label: usize| {
            values.get(label).map(|value| values.iter().filter(|x| *x > value).count())
        };
        self.quantized_top1 = usize::from(label == Some(run.class()));
        self.quantized_top5 = usize::from(label.and_then(above).is_some_and(|rank| rank < 5));
        self.agree = usize::from(argmax(exact) == run.class());
        self.max_logit_error =
            largest_difference(exact, values.iter().map(|value| f64::from(*value) / scale));
        self.least_cosine = cosine(exact, values);
    }
}

/// Of the angle between two vectors; `None` where one of them is 0.
fn cosine(exact: &[f32], values: &[i32]) -> Option<f64> {
    let pairs = exact.iter().zip(values).map(|(x, y)| (f64::from(*x), f64::from(*y)));
    let [product, first, second] = pairs.fold([0.0; 3], |[product, first, second], (x, y)| {
        [product + x * y, first + x * x, second + y * y]
    });
    let sizes = (first * second).sqrt();
    (sizes > 0.0).then(|| product / sizes)
}

fn largest_difference(exact: &[f32], others: impl Iterator<Item = f64>) -> f64 {
    let differences = exact.iter().zip(others).map(|(x, other)| (f64::from(*x) - other).abs());
    differences.fold(0.0, f64::max)
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
