//! `assay model predict`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle, graph::Executor, import::model::Model, import::quantize::InputEncoding,
};
use clap::Args;
use serde::Serialize;

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
}

#[derive(Serialize)]
struct Report {
    class: usize,
    logits: Vec<f64>,
    float_class: Option<usize>,
    float_logits: Option<Vec<f32>>,
}

pub(super) fn run(args: &PredictArgs, output: &Output) -> Result<()> {
    let bundle = Bundle::read(&args.bundle)?;
    let graph = &bundle.graph;
    let input = args.input.read(graph)?;
    let execution = Executor::new(graph)?.run(&input)?;
    let scale = graph.tensors[graph.output].scale;
    let logits = execution.logits().iter().map(|logit| f64::from(*logit) / scale).collect();
    let float_logits = match &args.float {
        Some(path) => {
            let _spinner = output.spinner("running the original network");
            let model = Model::import(path)?;
            if model.graph.input_shape() != graph.tensors[graph.input.tensor].shape {
                bail!("{} takes inputs of another shape than the bundle", path.display());
            }
            let encoding =
                InputEncoding { scale: graph.input.byte_scale, offset: graph.input.byte_offset };
            let values: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
            Some(model.reference()?.run(&values)?)
        }
        None => None,
    };
    let report = Report {
        class: execution.class(),
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
        table(&rows)
    })
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
