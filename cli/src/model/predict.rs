//! `assay model predict`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle,
    circuit::{AnswerMode, OutputMode, StatementKind},
    graph::{Execution, Executor, QuantizedGraph},
};
use clap::Args;
use serde::Serialize;

use super::network::NetworkArgs;
use crate::{
    input::InputArgs,
    output::{Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model predict lenet.bundle --input 7.png --float lenet.onnx")]
pub(crate) struct PredictArgs {
    /// Model bundle
    bundle: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Also run the original network, in floating point
    #[arg(long, value_name = "ONNX")]
    float: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Outputs that a line shows.
const SHOWN: usize = 10;

#[derive(Serialize)]
struct Report {
    class: usize,
    /// What a proof with the bundle would show of the outputs.
    shows: String,
    /// How far a number of the input is from what its bytes stand for, at most.
    input_error: Option<f64>,
    logits: Vec<f64>,
    float_class: Option<usize>,
    float_logits: Option<Vec<f32>>,
}

pub(super) fn run(args: &PredictArgs, output: &Output) -> Result<()> {
    let bundle = Bundle::read(&args.bundle)?;
    let graph = &bundle.graph;
    let (input, numbers) = args.input.read_sample(graph)?;
    let execution = Executor::new(graph)?.run(&input)?;
    let scale = graph.tensors[graph.output].scale;
    let logits = execution.logits().iter().map(|logit| f64::from(*logit) / scale).collect();
    let rounded = decoded(graph, &input);
    let float_logits = match &args.float {
        Some(path) => {
            let _spinner = output.spinner("running the original network");
            let model = args.network.import(path, bundle.dropped.is_empty())?;
            if model.graph.value_shape() != graph.value_shape() {
                bail!("{} takes inputs of another shape than the bundle", path.display());
            }
            // On the numbers as they were given: what the encoding loses is a part of what is compared.
            let numbers = numbers.as_ref().unwrap_or(&rounded);
            let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
            Some(model.reference()?.run(&values)?)
        }
        None => None,
    };
    let input_error = numbers.map(|numbers| {
        let errors = numbers.iter().zip(&rounded).map(|(number, rounded)| (number - rounded).abs());
        errors.fold(0.0, f64::max)
    });
    let report = Report {
        class: execution.class(),
        shows: shown(bundle.options.statement, &execution),
        input_error,
        logits,
        float_class: float_logits.as_deref().map(largest),
        float_logits,
    };
    output.finish(&report, || {
        let mut rows = vec![
            ("class", format!("{} (quantized network)", report.class)),
            ("a proof shows", report.shows.clone()),
        ];
        if let Some(class) = report.float_class {
            rows.push(("float class", format!("{class} (original network)")));
        }
        let logits: Vec<String> =
            report.logits.iter().take(SHOWN).map(|logit| format!("{logit:.3}")).collect();
        let more = if report.logits.len() > SHOWN { " ..." } else { "" };
        rows.push(("logits", format!("{}{more}", logits.join(" "))));
        if let Some(error) = report.input_error {
            rows.push(("input", format!("numbers rounded by at most {error:.3e}")));
        }
        table(&rows)
    })
}

/// What a proof of the statement shows of an input's outputs.
fn shown(statement: StatementKind, execution: &Execution) -> String {
    let logits = execution.logits();
    let mut ranking = (0..logits.len()).collect::<Vec<_>>();
    ranking.sort_by_key(|class| (std::cmp::Reverse(logits[*class]), *class));
    let integers = |count: usize| {
        let shown = logits.iter().take(count).map(|logit| logit.to_string()).collect::<Vec<_>>();
        let more = if logits.len() > count { " ..." } else { "" };
        format!("the integers {}{more}", shown.join(" "))
    };
    match statement {
        StatementKind::Prediction { output: OutputMode::Class, .. }
        | StatementKind::Classification { answers: AnswerMode::Classes, .. } => {
            format!("class {}", execution.class())
        }
        StatementKind::Prediction { output: OutputMode::Best(count), .. } => {
            let best = ranking.iter().take(count).map(usize::to_string).collect::<Vec<_>>();
            format!("the best classes {}", best.join(" "))
        }
        StatementKind::Prediction { output: OutputMode::Logits, .. } => integers(SHOWN),
        StatementKind::Prediction { output: OutputMode::Commitment, .. } => {
            format!("a commitment to {} outputs, which its opening shows", logits.len())
        }
        StatementKind::Classification { answers: AnswerMode::Numbers, .. } => integers(1),
        StatementKind::Audit { top, .. } => format!(
            "whether the label is among the best {top}, counted with the run's others: {}",
            ranking.iter().take(top).map(usize::to_string).collect::<Vec<_>>().join(" ")
        ),
        StatementKind::Retrieval { class, .. } => {
            let selected = if execution.class() == class { "selected" } else { "not selected" };
            format!("that it is {selected} for class {class}")
        }
    }
}

/// The numbers that an input's bytes stand for.
fn decoded(graph: &QuantizedGraph, bytes: &[u8]) -> Vec<f64> {
    match &graph.input.values {
        Some(values) => values.decode(bytes),
        None => {
            let (scale, offset) = (graph.input.byte_scale, graph.input.byte_offset);
            bytes.iter().map(|byte| f64::from(*byte) * scale + offset).collect()
        }
    }
}

/// Index of the largest value, the first of equals.
fn largest(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in values.iter().enumerate() {
        if *value > best.1 {
            best = (index, *value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use assay_prover::{
        circuit::{AnswerMode, InputMode, OutputMode, Run, StatementKind},
        graph::Execution,
    };

    use super::{largest, shown};

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(largest(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(largest(&[]), 0);
    }

    #[test]
    fn what_a_proof_would_show_is_said() {
        let logits = vec![4, -7, 9, 9];
        let execution = Execution { tensors: vec![logits], layers: Vec::new(), output: 0 };
        let run = Run { log_items: 2, depth: 3 };
        let prediction = |output| StatementKind::Prediction { input: InputMode::Committed, output };
        for (statement, expected) in [
            (prediction(OutputMode::Class), "class 2"),
            (prediction(OutputMode::Best(3)), "the best classes 2 3 0"),
            (prediction(OutputMode::Logits), "the integers 4 -7 9 9"),
            (
                prediction(OutputMode::Commitment),
                "a commitment to 4 outputs, which its opening shows",
            ),
            (StatementKind::Classification { run, answers: AnswerMode::Classes }, "class 2"),
            (
                StatementKind::Classification { run, answers: AnswerMode::Numbers },
                "the integers 4 ...",
            ),
            (StatementKind::Retrieval { run, class: 3 }, "that it is not selected for class 3"),
        ] {
            assert_eq!(shown(statement, &execution), expected, "{statement:?}");
        }
    }
}
