//! The public inputs of a proof by their names, which depend on the statement.

use alloy::primitives::{B256, U256};
use assay_prover::{
    arithmetic::packed_outputs::OUTPUTS_PER_ELEMENT,
    circuit::{AnswerMode, InputMode, OutputMode, StatementKind},
    graph::QuantizedGraph,
};
use serde::Serialize;

/// Logits are shown as integer + 2^15.
const LOGIT_OFFSET: i64 = 1 << 15;

/// One public input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PublicInput {
    pub name: String,
    /// As people read it: a decimal number, or hexadecimal for hashes and packed bytes.
    pub value: String,
    /// Of an output of the network: the real number that it stands for, to a step of its integers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real: Option<f64>,
    /// How far that may be off the imported network's output, by the samples of its import.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_bound: Option<f64>,
}

impl PublicInput {
    /// The value, with the real number behind it.
    pub(crate) fn text(&self) -> String {
        match self.real {
            Some(real) => {
                format!("{} (stands for {})", self.value, real_text(real, self.error_bound))
            }
            None => self.value.clone(),
        }
    }
}

/// An output as a real number, with its error bound where that is known.
pub(crate) fn real_text(real: f64, bound: Option<f64>) -> String {
    match bound {
        Some(bound) => format!("{real:.6} ± {bound:.6}"),
        None => format!("{real:.6}"),
    }
}

/// What an error bound says.
pub(crate) fn bound_text(bound: f64) -> String {
    format!(
        "within {bound:.6} of the imported network's output, by what the samples of its import showed (measured, \
         not proven)"
    )
}

/// How the value of a public input is read.
#[derive(Clone, Copy)]
enum Form {
    Word,
    Number,
    Logit,
}

/// The public inputs of a proof of `statement`, in order. `bounds` are how far outputs may be off, where that
/// is known.
pub(crate) fn named(
    statement: StatementKind,
    graph: &QuantizedGraph,
    bounds: &[f64],
    words: &[B256],
) -> Vec<PublicInput> {
    let names = names(statement, graph);
    let ranked = ranked(statement, graph, words);
    let of_outputs = ranked.unwrap_or_else(|| (0..bounds.len()).collect());
    let mut bounds = of_outputs.into_iter().map(|output| bounds.get(output).copied());
    words
        .iter()
        .zip(names)
        .map(|(word, (name, form))| {
            let value = value(word, form);
            let step = matches!(form, Form::Logit).then(|| output_step(graph)).flatten();
            let real = step.and_then(|step| Some(value.parse::<f64>().ok()? * step));
            let error_bound =
                matches!(form, Form::Logit).then(|| bounds.next()).flatten().flatten();
            PublicInput { name, value, real, error_bound }
        })
        .collect()
}

/// The classes whose scores a proof shows in another order than theirs.
fn ranked(statement: StatementKind, graph: &QuantizedGraph, words: &[B256]) -> Option<Vec<usize>> {
    let StatementKind::Prediction { output: OutputMode::Scored(count), .. } = statement else {
        return None;
    };
    let classes = words.iter().skip(statement.first_output(graph)).take(count);
    // A word that is no class has no bound.
    let class = |word: &B256| usize::try_from(U256::from_be_bytes(word.0)).unwrap_or(usize::MAX);
    Some(classes.map(class).collect())
}

/// What one step of the output's integers stands for.
pub(crate) fn output_step(graph: &QuantizedGraph) -> Option<f64> {
    Some(1.0 / graph.tensors.get(graph.output)?.scale)
}

fn names(statement: StatementKind, graph: &QuantizedGraph) -> Vec<(String, Form)> {
    let fixed = |names: &[(&str, Form)]| -> Vec<(String, Form)> {
        names.iter().map(|(name, form)| ((*name).to_owned(), *form)).collect()
    };
    let of_run = || {
        fixed(&[
            ("context", Form::Word),
            ("root", Form::Word),
            ("first item", Form::Number),
            ("items", Form::Number),
        ])
    };
    let run = |result: &str, form| {
        let mut names = of_run();
        names.push((result.to_owned(), form));
        names
    };
    match statement {
        StatementKind::Audit { .. } => run("correct", Form::Number),
        StatementKind::Retrieval { .. } => run("bitmap of the selected", Form::Word),
        StatementKind::Classification { answers, .. } => {
            let what = match answers {
                AnswerMode::Classes => "classes",
                AnswerMode::Numbers => "numbers",
            };
            let packed = |word: usize| {
                let first = word * OUTPUTS_PER_ELEMENT;
                (format!("{what} from item {first} of the run on, packed"), Form::Word)
            };
            let mut names = of_run();
            names.extend((0..statement.outputs(graph)).map(packed));
            names
        }
        StatementKind::Prediction { input, output } => {
            let mut names = fixed(&[("context", Form::Word)]);
            match input {
                InputMode::Committed => names.push(("input commitment".to_owned(), Form::Word)),
                InputMode::Public => {
                    let packed = 0..statement.first_output(graph).saturating_sub(1);
                    names.extend(packed.map(|index| (format!("packed input {index}"), Form::Word)));
                }
            }
            match output {
                OutputMode::Class => names.push(("class".to_owned(), Form::Number)),
                OutputMode::Commitment => names.push(("output commitment".to_owned(), Form::Word)),
                OutputMode::Best(count) => {
                    let ranks = 1..=count;
                    names.extend(ranks.map(|rank| (format!("best class {rank}"), Form::Number)));
                }
                OutputMode::Scored(count) => {
                    let ranks = 1..=count;
                    let classes = ranks.clone().map(|rank| format!("best class {rank}"));
                    names.extend(classes.map(|name| (name, Form::Number)));
                    names.extend(ranks.map(|rank| (format!("score of rank {rank}"), Form::Logit)));
                }
                OutputMode::Logits => {
                    let classes = 0..statement.outputs(graph);
                    names.extend(classes.map(|class| (format!("logit {class}"), Form::Logit)));
                }
            }
            names
        }
    }
}

fn value(word: &B256, form: Form) -> String {
    let number = U256::from_be_bytes(word.0);
    match form {
        Form::Word => word.to_string(),
        Form::Number => number.to_string(),
        Form::Logit => match i64::try_from(number) {
            Ok(shifted) => (shifted - LOGIT_OFFSET).to_string(),
            // Not what a circuit shows.
            Err(_) => word.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use assay_prover::circuit::Run;

    use super::*;
    use crate::lenet::quantized;

    fn word(number: u64) -> B256 {
        B256::from(U256::from(number))
    }

    #[test]
    fn every_statement_names_all_its_inputs() {
        let graph = quantized();
        let run = Run { log_items: 2, depth: 3 };
        let mut statements =
            vec![StatementKind::Audit { run, top: 1 }, StatementKind::Retrieval { run, class: 3 }];
        for log_items in [2, 6] {
            let (run, answers) = (Run { log_items, depth: 6 }, AnswerMode::Classes);
            statements.push(StatementKind::Classification { run, answers });
        }
        for input in [InputMode::Committed, InputMode::Public] {
            use OutputMode::{Best, Class, Commitment, Logits, Scored};
            for output in [Class, Best(3), Scored(3), Logits, Commitment] {
                statements.push(StatementKind::Prediction { input, output });
            }
        }
        for statement in statements {
            let count = statement.public_inputs(&graph);
            assert_eq!(names(statement, &graph).len(), count, "{statement:?}");
        }
    }

    #[test]
    fn values_are_read_as_what_they_are() {
        let graph = quantized();
        let show = |statement, words: &[B256]| {
            let named = named(statement, &graph, &[], words);
            named.into_iter().map(|one| format!("{}={}", one.name, one.value)).collect::<Vec<_>>()
        };
        let prediction = |output| StatementKind::Prediction { input: InputMode::Committed, output };
        let best = show(prediction(OutputMode::Best(2)), &[word(0), word(9), word(7), word(2)]);
        assert_eq!(best[2..], ["best class 1=7", "best class 2=2"]);
        assert!(best[1].starts_with("input commitment=0x"));
        let scored = [word(0), word(9), word(7), word(2), word((1 << 15) + 40), word(1 << 15)];
        let bounds = (0..10).map(f64::from).collect::<Vec<_>>();
        let scored = super::named(prediction(OutputMode::Scored(2)), &graph, &bounds, &scored);
        let of = |index: usize| {
            let one = &scored[index];
            (one.name.as_str(), one.value.as_str(), one.error_bound)
        };
        assert_eq!(of(3), ("best class 2", "2", None));
        // Each score has the bound of its class.
        assert_eq!(of(4), ("score of rank 1", "40", Some(7.0)));
        assert_eq!(of(5), ("score of rank 2", "0", Some(2.0)));
        let mut words = vec![word(0), word(9)];
        words.extend((0..10).map(|class| word((1 << 15) - 5 + class)));
        let logits = show(prediction(OutputMode::Logits), &words);
        assert_eq!((logits[2].as_str(), logits[11].as_str()), ("logit 0=-5", "logit 9=4"));
        let bounds = (0..10).map(f64::from).collect::<Vec<_>>();
        let reals = super::named(prediction(OutputMode::Logits), &graph, &bounds, &words);
        let step = 1.0 / graph.tensors[graph.output].scale;
        assert_eq!((reals[1].real, reals[2].real), (None, Some(-5.0 * step)));
        let text = reals[3].text();
        assert!(text.starts_with("-4 (stands for -") && text.ends_with(" ± 1.000000)"), "{text}");
        let run = Run { log_items: 2, depth: 3 };
        let audit = StatementKind::Audit { run, top: 1 };
        let audit = show(audit, &[word(0), word(9), word(4), word(3), word(2)]);
        assert_eq!(audit[2..], ["first item=4", "items=3", "correct=2"]);
    }
}
