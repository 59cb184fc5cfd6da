//! `assay model predict`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use assay_prover::{
    bundle::Bundle,
    circuit::{AnswerMode, OutputMode, StatementKind},
    graph::{Execution, Executor, QuantizedGraph},
    import::model::FloatExecutor,
};
use clap::Args;
use serde::Serialize;

use super::network::NetworkArgs;
use crate::{
    input::InputArgs,
    output::{Output, table},
    public_inputs::{bound_text, real_text},
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
    /// Index of the largest output; none where there is only one.
    class: Option<usize>,
    /// What a proof with the bundle would show of the outputs.
    shows: String,
    /// How far a number of the input is from what its bytes stand for, at most.
    input_error: Option<f64>,
    /// Numbers of the input outside its encoding, which became the nearest end.
    clamped: usize,
    logits: Vec<f64>,
    /// How far each output may be off the imported file's, by the samples of its import.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error_bounds: Vec<f64>,
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
            let model = args.network.import_like(path, &bundle)?;
            // On the numbers as they were given: what the encoding loses is a part of what is compared.
            let numbers = numbers.as_ref().unwrap_or(&rounded);
            let values: Vec<f32> = numbers.iter().map(|number| *number as f32).collect();
            let run = FloatExecutor::new(&model.graph).run(&values);
            let run = run.context("the original network takes another number of numbers")?;
            Some(run.logits().to_vec())
        }
        None => None,
    };
    let encoded = numbers.as_deref().map(|numbers| Encoded::of(graph, numbers, &rounded));
    let has_classes = execution.logits().len() > 1;
    let report = Report {
        class: has_classes.then(|| execution.class()),
        shows: shown(bundle.options.statement, &execution),
        input_error: encoded.as_ref().map(|encoded| encoded.rounding),
        clamped: encoded.as_ref().map_or(0, |encoded| encoded.clamped),
        logits,
        error_bounds: bundle.bounds.clone(),
        float_class: float_logits.as_deref().filter(|_| has_classes).map(largest),
        float_logits,
    };
    output.finish(&report, || report.text())
}

impl Report {
    fn text(&self) -> String {
        let mut rows = Vec::new();
        rows.extend(self.class.map(|class| ("class", format!("{class} (quantized network)"))));
        rows.push(("a proof shows", self.shows.clone()));
        if let Some(class) = self.float_class {
            rows.push(("float class", format!("{class} (original network)")));
        }
        let joined = |numbers: Vec<String>| {
            let more = if self.logits.len() > SHOWN { " ..." } else { "" };
            format!("{}{more}", numbers.join(" "))
        };
        let logits = self.logits.iter().take(SHOWN).enumerate();
        let logits = logits.map(|(index, logit)| {
            let bound = self.error_bounds.get(index).copied();
            if self.logits.len() == 1 { real_text(*logit, bound) } else { format!("{logit:.3}") }
        });
        let name = if self.logits.len() == 1 { "output" } else { "logits" };
        rows.push((name, joined(logits.collect())));
        if let Some(logits) = &self.float_logits {
            let logits = logits.iter().take(SHOWN).map(|logit| {
                if self.logits.len() == 1 { format!("{logit:.6}") } else { format!("{logit:.3}") }
            });
            let name = if self.logits.len() == 1 { "float output" } else { "float logits" };
            rows.push((name, format!("{} (original network)", joined(logits.collect()))));
        }
        if self.logits.len() > 1 && !self.error_bounds.is_empty() {
            let most = self.error_bounds.iter().copied().fold(0.0, f64::max);
            rows.push(("error bound", bound_text(most)));
        }
        if let Some(error) = self.input_error {
            let clamped = match self.clamped {
                0 => String::new(),
                1 => "; 1 outside its encoding became the nearest end".to_owned(),
                count => format!("; {count} outside their encodings became the nearest end"),
            };
            rows.push(("input", format!("numbers rounded by at most {error:.3e}{clamped}")));
        }
        table(&rows)
    }
}

/// What encoding an input did to its numbers.
struct Encoded {
    /// The largest difference that rounding made, of the numbers inside the encoding.
    rounding: f64,
    /// Numbers outside it.
    clamped: usize,
}

impl Encoded {
    fn of(graph: &QuantizedGraph, numbers: &[f64], rounded: &[f64]) -> Self {
        let places = match &graph.input.values {
            Some(values) => (numbers.len() / values.channels.len().max(1)).max(1),
            None => numbers.len().max(1),
        };
        let is_outside = |index: usize, number: f64| match &graph.input.values {
            Some(values) => {
                let channel = values.channels.get(index / places);
                channel.is_some_and(|channel| channel.encode(number, false).is_none())
            }
            None => {
                let steps = (number - graph.input.byte_offset) / graph.input.byte_scale;
                !(0.0..=255.0).contains(&steps.round())
            }
        };
        let mut encoded = Self { rounding: 0.0, clamped: 0 };
        for (index, (number, rounded)) in numbers.iter().zip(rounded).enumerate() {
            if is_outside(index, *number) {
                encoded.clamped += 1;
            } else {
                encoded.rounding = encoded.rounding.max((number - rounded).abs());
            }
        }
        encoded
    }
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
        | StatementKind::Classification { answers: AnswerMode::Classes, .. }
            if logits.len() == 1 =>
        {
            "the number of the largest of one output, which says nothing: `--outputs logits` shows the output \
             itself"
                .to_owned()
        }
        StatementKind::Prediction { output: OutputMode::Class, .. }
        | StatementKind::Classification { answers: AnswerMode::Classes, .. } => {
            format!("class {}", execution.class())
        }
        StatementKind::Prediction { output: OutputMode::Best(count), .. } => {
            let best = ranking.iter().take(count).map(usize::to_string).collect::<Vec<_>>();
            format!("the best classes {}", best.join(" "))
        }
        StatementKind::Prediction { output: OutputMode::Scored(count), .. } => {
            let best = ranking.iter().take(count);
            let best = best.map(|class| format!("{class} ({})", logits[*class])).collect::<Vec<_>>();
            format!("the best classes {}, with their integers", best.join(" "))
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
    fn numbers_that_were_clamped_are_counted() {
        use assay_prover::graph::{ChannelEncoding, ValueEncoding};

        let mut graph = crate::lenet::quantized();
        let channel = ChannelEncoding { scale: 0.5, offset: 0.0, most: 10, whole: false };
        let values = ValueEncoding { bytes: 1, channels: vec![channel; 2], clamp: false };
        let numbers = [1.2, 7.0, 5.1, -3.0];
        let rounded = values.decode(&values.encode(&numbers, true).expect("clamped"));
        graph.input.values = Some(values);
        let found = super::Encoded::of(&graph, &numbers, &rounded);
        assert_eq!(found.clamped, 2);
        assert!((found.rounding - 0.2).abs() < 1e-9, "{}", found.rounding);
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
            (
                prediction(OutputMode::Scored(3)),
                "the best classes 2 (9) 3 (9) 0 (4), with their integers",
            ),
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
