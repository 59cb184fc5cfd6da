//! What proofs of a classification show of each item.

use assay_prover::{graph::QuantizedGraph, model_card::CardOutput, run_proof::RunResult};
use serde::Serialize;

use crate::public_inputs::output_step;

/// Answers that a table shows.
const SHOWN: usize = 32;

/// The answer to one item of a collection.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct ItemAnswer {
    item: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<u16>,
    /// Of the class, by the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The integer of a network with one output.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i32>,
    /// The real number that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<f64>,
}

impl ItemAnswer {
    /// The answers of a run that begins with item `first`; none of another statement.
    pub(super) fn of_run(
        result: &RunResult,
        first: usize,
        graph: &QuantizedGraph,
        card: Option<&CardOutput>,
    ) -> Vec<Self> {
        let blank = |item| Self { item, class: None, name: None, number: None, real: None };
        match result {
            RunResult::Classes(classes) => (first..)
                .zip(classes)
                .map(|(item, class)| {
                    let name = card.and_then(|card| card.names.get(usize::from(*class)).cloned());
                    Self { class: Some(*class), name, ..blank(item) }
                })
                .collect(),
            RunResult::Numbers(numbers) => {
                let step = output_step(graph);
                (first..)
                    .zip(numbers)
                    .map(|(item, number)| {
                        let real = step.map(|step| f64::from(*number) * step);
                        Self { number: Some(*number), real, ..blank(item) }
                    })
                    .collect()
            }
            RunResult::Correct(_) | RunResult::Selected(_) => Vec::new(),
        }
    }

    fn text(&self) -> String {
        let answer = match (self.class, &self.name, self.number, self.real) {
            (Some(class), Some(name), ..) => format!("{class} ({name})"),
            (Some(class), None, ..) => class.to_string(),
            (None, _, _, Some(real)) => format!("{real:.6}"),
            (None, _, Some(number), None) => format!("{number} steps"),
            (None, _, None, None) => String::new(),
        };
        format!("{}: {answer}", self.item)
    }
}

/// The first few answers in one line.
pub(super) fn line(answers: &[ItemAnswer]) -> String {
    let shown = answers.iter().take(SHOWN).map(ItemAnswer::text).collect::<Vec<_>>().join(", ");
    match answers.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more (--json has all)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lenet::quantized;

    #[test]
    fn answers_have_their_items() {
        let graph = quantized();
        let classes = RunResult::Classes((0..40).map(|item| item % 10).collect());
        let answers = ItemAnswer::of_run(&classes, 32, &graph, None);
        assert_eq!((answers.len(), answers[3].item, answers[3].class), (40, 35, Some(3)));
        let text = line(&answers);
        assert!(text.starts_with("32: 0, 33: 1, "), "{text}");
        assert!(text.ends_with("63: 1 and 8 more (--json has all)"), "{text}");
        assert!(line(&answers[..32]).ends_with("63: 1"));
    }

    #[test]
    fn numbers_stand_for_real_ones() {
        let graph = quantized();
        let step = output_step(&graph).expect("a step");
        let numbers = ItemAnswer::of_run(&RunResult::Numbers(vec![-300, 7]), 0, &graph, None);
        assert_eq!((numbers[0].number, numbers[0].real), (Some(-300), Some(-300.0 * step)));
        assert!(line(&numbers).starts_with("0: -"));
        assert!(ItemAnswer::of_run(&RunResult::Correct(3), 0, &graph, None).is_empty());
    }
}
