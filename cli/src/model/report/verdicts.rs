//! Which inputs the quantized network judges otherwise than it should, and how.

use std::collections::BTreeMap;

use assay_prover::{
    graph::{QuantizedGraph, Shape},
    import::{
        data::{Samples, thumbnail},
        quantize::Outcome,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;

/// Classes that a matrix shows; of more classes, pairs are shown.
const MATRIX: usize = 12;
/// Pairs of classes that are kept.
const PAIRS: usize = 24;
/// Inputs that are shown.
const SHOWN: usize = 24;
/// Numbers of an input that are shown.
const NUMBERS: usize = 32;
/// Longer side of a small picture, in pixels.
const SIDE: u32 = 96;

/// What the classes of the quantized network are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Truth {
    Labels,
    /// There are no labels.
    FloatNetwork,
}

/// How often which class is taken for which.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Confusion {
    pub truth: Truth,
    /// A row for each true class, a column for each class of the quantized network; for few classes.
    pub matrix: Option<Vec<Vec<usize>>>,
    /// The most confused pairs, the worst first.
    pub pairs: Vec<Pair>,
}

/// One class taken for another.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Pair {
    pub truth: usize,
    /// Class of the quantized network.
    pub taken_for: usize,
    pub inputs: usize,
    /// Of these, how many the float network takes for the same.
    pub float_too: usize,
}

/// Why an input is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// The quantized network refuses it.
    Refused,
    /// The two networks differ.
    Quantization,
    /// Both are wrong, and of one mind.
    Network,
}

/// An input that is judged otherwise than it should be.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Misjudged {
    /// Number of the input in its file, from 0.
    pub input: usize,
    pub reason: Reason,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The first numbers of an input that is no picture.
    pub numbers: Vec<f64>,
    /// Of how many.
    pub values: usize,
    /// A picture as a data URI.
    #[serde(skip)]
    pub picture: Option<String>,
}

impl Confusion {
    /// Nothing for a network without classes.
    pub(super) fn of(outcomes: &[Outcome], classes: usize) -> Option<Self> {
        if classes < 2 {
            return None;
        }
        let labelled = outcomes.iter().any(|outcome| outcome.label.is_some());
        let truth = if labelled { Truth::Labels } else { Truth::FloatNetwork };
        let mut counts: BTreeMap<(usize, usize), (usize, usize)> = BTreeMap::new();
        for outcome in outcomes {
            let right = if labelled { outcome.label } else { Some(outcome.float) };
            if let (Some(right), Some(taken_for)) = (right, outcome.quantized) {
                let count = counts.entry((right, taken_for)).or_default();
                count.0 += 1;
                count.1 += usize::from(outcome.float == taken_for);
            }
        }
        let matrix = (classes <= MATRIX).then(|| {
            let count =
                |truth, taken_for| counts.get(&(truth, taken_for)).map_or(0, |count| count.0);
            let row = |truth| (0..classes).map(|class| count(truth, class)).collect();
            (0..classes).map(row).collect()
        });
        let mut pairs: Vec<Pair> = counts
            .iter()
            .filter(|((truth, taken_for), _)| truth != taken_for)
            .map(|(&(truth, taken_for), &(inputs, float_too))| Pair {
                truth,
                taken_for,
                inputs,
                float_too,
            })
            .collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.inputs));
        pairs.truncate(PAIRS);
        Some(Self { truth, matrix, pairs })
    }
}

impl Misjudged {
    /// Of the inputs, at most [`SHOWN`] of those judged otherwise than they should be, what quantization does
    /// first; and how many there are. `skipped` inputs of the file were left out at its beginning.
    pub(super) fn among(
        outcomes: &[Outcome],
        samples: &Samples,
        graph: &QuantizedGraph,
        skipped: usize,
    ) -> (Vec<Self>, usize) {
        let classes = graph.tensors[graph.output].shape[0];
        let mut found: Vec<(Reason, usize)> = outcomes
            .iter()
            .enumerate()
            .filter_map(|(index, outcome)| Some((reason(outcome, classes)?, index)))
            .collect();
        found.sort_unstable();
        let all = found.len();
        let shown = found.into_iter().take(SHOWN).filter_map(|(reason, index)| {
            let bytes = samples.data.inputs.get(index)?;
            let shape = graph.value_shape();
            let numbers = match (samples.numbers.get(index), &graph.input.values) {
                (Some(numbers), _) => numbers.clone(),
                (None, Some(values)) => values.decode(bytes),
                (None, None) => bytes.iter().map(|byte| f64::from(*byte)).collect(),
            };
            let picture = is_picture(graph, shape).then(|| pixels(graph, bytes, shape));
            let picture = picture.and_then(|pixels| thumbnail(&pixels, shape, SIDE));
            let picture =
                picture.map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png)));
            let values = numbers.len();
            let kept = if picture.is_some() { 0 } else { NUMBERS };
            Some(Self {
                input: skipped + index,
                reason,
                outcome: outcomes[index],
                numbers: numbers.into_iter().take(kept).collect(),
                values,
                picture,
            })
        });
        (shown.collect(), all)
    }
}

fn reason(outcome: &Outcome, classes: usize) -> Option<Reason> {
    match outcome.quantized {
        None => Some(Reason::Refused),
        Some(_) if classes < 2 => None,
        Some(class) if class != outcome.float => Some(Reason::Quantization),
        Some(class) => {
            (outcome.label.is_some_and(|label| label != class)).then_some(Reason::Network)
        }
    }
}

/// Grey or colours, and not one line or column of numbers; nor sequences of several inputs or ids.
fn is_picture(graph: &QuantizedGraph, [channels, height, width]: Shape) -> bool {
    let ids =
        graph.input.values.as_ref().is_some_and(|values| values.channels.iter().any(|c| c.whole));
    let regrouped = !graph.input.sizes.is_empty();
    matches!(channels, 1 | 3)
        && height >= 4
        && width >= 4
        && graph.input.parts.len() < 2
        && !ids
        && !regrouped
}

/// Of each channel, its own range as 0 to 255.
fn pixels(graph: &QuantizedGraph, bytes: &[u8], [channels, height, width]: Shape) -> Vec<u8> {
    let Some(values) = &graph.input.values else { return bytes.to_vec() };
    let numbers = values.decode(bytes);
    let plane = height * width;
    let mut pixels = Vec::with_capacity(channels * plane);
    for (encoding, numbers) in values.channels.iter().zip(numbers.chunks(plane.max(1))) {
        let [low, high] = encoding.range();
        let pixel = |number: &f64| 255.0 * (number - low) / (high - low).max(f64::MIN_POSITIVE);
        pixels.extend(numbers.iter().map(|number| pixel(number).round() as u8));
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(label: Option<usize>, float: usize, quantized: Option<usize>) -> Outcome {
        Outcome { label, float, quantized }
    }

    #[test]
    fn classes_taken_for_others_are_counted() {
        let outcomes = [
            outcome(Some(0), 0, Some(0)),
            outcome(Some(0), 1, Some(1)),
            outcome(Some(0), 0, Some(1)),
            outcome(Some(2), 2, Some(0)),
            outcome(Some(1), 1, None),
        ];
        let found = Confusion::of(&outcomes, 3).expect("classes");
        assert_eq!(found.truth, Truth::Labels);
        assert_eq!(found.matrix, Some(vec![vec![1, 2, 0], vec![0, 0, 0], vec![1, 0, 0]]));
        let pairs = [(0, 1, 2, 1), (2, 0, 1, 0)].map(|(truth, taken_for, inputs, float_too)| {
            Pair { truth, taken_for, inputs, float_too }
        });
        assert_eq!(found.pairs, pairs);
        let unlabelled = [outcome(None, 40, Some(7)), outcome(None, 3, Some(3))];
        let found = Confusion::of(&unlabelled, 1000).expect("classes");
        assert_eq!((found.truth, found.matrix, found.pairs.len()), (Truth::FloatNetwork, None, 1));
        assert_eq!(Confusion::of(&unlabelled, 1), None);
    }

    #[test]
    fn reasons_are_told_apart() {
        assert_eq!(reason(&outcome(Some(1), 1, Some(1)), 2), None);
        assert_eq!(reason(&outcome(None, 1, Some(1)), 2), None);
        assert_eq!(reason(&outcome(Some(1), 1, None), 2), Some(Reason::Refused));
        assert_eq!(reason(&outcome(Some(0), 1, Some(0)), 2), Some(Reason::Quantization));
        assert_eq!(reason(&outcome(Some(0), 1, Some(1)), 2), Some(Reason::Network));
        // One number has no class.
        assert_eq!(reason(&outcome(Some(5), 0, Some(0)), 1), None);
    }
}
