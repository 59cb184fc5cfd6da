//! `assay model predict`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle,
    graph::{Executor, QuantizedGraph},
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

#[derive(Serialize)]
struct Report {
    class: usize,
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
        input_error,
        logits,
        float_class: float_logits.as_deref().map(largest),
        float_logits,
    };
    output.finish(&report, || {
        let mut rows = vec![("class", format!("{} (quantized network)", report.class))];
        if let Some(class) = report.float_class {
            rows.push(("float class", format!("{class} (original network)")));
        }
        let logits: Vec<String> =
            report.logits.iter().take(10).map(|logit| format!("{logit:.3}")).collect();
        let more = if report.logits.len() > 10 { " ..." } else { "" };
        rows.push(("logits", format!("{}{more}", logits.join(" "))));
        if let Some(error) = report.input_error {
            rows.push(("input", format!("numbers rounded by at most {error:.3e}")));
        }
        table(&rows)
    })
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
    use super::largest;

    #[test]
    fn the_first_of_equals_is_taken() {
        assert_eq!(largest(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(largest(&[]), 0);
    }
}
