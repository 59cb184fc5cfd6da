//! `assay model inspect`.

use std::{fmt::Write as _, path::PathBuf};

use anyhow::Result;
use assay_prover::{
    bundle::Bundle,
    circuit::{Estimate, InputMode, Layout, LayoutOptions, OutputMode, RowUse, StatementKind},
    graph::{Op, QuantizedGraph},
    openings::{Marks, Share},
};
use clap::Args;
use serde::Serialize;

use super::outputs::Outputs;
use crate::{
    output::{Output, hex, table},
    predicted::Predicted,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model inspect lenet.bundle")]
pub(crate) struct InspectArgs {
    /// Model bundle
    bundle: PathBuf,
}

#[derive(Serialize)]
struct Report {
    name: String,
    input_shape: [usize; 3],
    input_scale: f64,
    input_offset: f64,
    layers: Vec<LayerReport>,
    parameters: usize,
    table_rows: usize,
    circuit_hash: String,
    options: LayoutOptions,
    k: u32,
    rows_used: usize,
    rows: RowUse,
    public_inputs: usize,
    estimate: Estimate,
    /// The estimate for a proof on this machine.
    predicted: Predicted,
    /// The bundle's id, by which its source's counter knows its share.
    bundle_id: String,
    openings_used: usize,
    openings_left: usize,
    openings: usize,
    /// Openings that went to derived bundles.
    shares: Vec<ShareReport>,
    #[serde(flatten)]
    outputs: Outputs,
}

#[derive(Serialize)]
struct ShareReport {
    bundle_id: String,
    openings: usize,
    /// Given back when the derived bundle was ended; nothing before.
    returned: Option<usize>,
}

impl From<&Share> for ShareReport {
    fn from(share: &Share) -> Self {
        let bundle_id = share.bundle.to_string();
        Self { bundle_id, openings: share.given, returned: share.returned }
    }
}

impl Report {
    fn openings_text(&self) -> String {
        let Self { openings_used: used, openings: all, openings_left: left, .. } = self;
        format!("{used} of {all} used, {left} left")
    }
}

impl ShareReport {
    fn text(&self) -> String {
        let back = self.returned.map(|back| format!(", {back} given back")).unwrap_or_default();
        format!("{} openings to bundle {}{back}", self.openings, self.bundle_id)
    }
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    operator: &'static str,
    inputs: Vec<String>,
    output_shape: [usize; 3],
    /// Integers that the output keeps within.
    min: i32,
    max: i32,
    /// Real value = integer / scale.
    scale: f64,
    shift: Option<u32>,
    function: Option<String>,
    parameters: usize,
}

pub(super) fn run(args: &InspectArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the bundle");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let graph = &bundle.graph;
    let usage = bundle.openings(&args.bundle, &Marks::of_user()?).usage()?;
    let report = Report {
        name: graph.name.clone(),
        input_shape: graph.tensors[graph.input.tensor].shape,
        input_scale: graph.input.byte_scale,
        input_offset: graph.input.byte_offset,
        layers: layers(graph),
        parameters: graph.parameters(),
        table_rows: graph.table_rows(),
        circuit_hash: hex(bundle.architecture().circuit_hash()),
        options: layout.options,
        k: layout.k,
        rows_used: layout.rows_used(),
        rows: layout.rows,
        public_inputs: layout.public_inputs,
        estimate: layout.estimate(),
        predicted: Predicted::new(&layout, graph),
        bundle_id: bundle.id.to_string(),
        openings_used: usage.used,
        openings_left: usage.left,
        openings: usage.budget,
        shares: usage.shares.iter().map(ShareReport::from).collect(),
        outputs: Outputs::of(&bundle),
    };
    drop(spinner);
    output.finish(&report, || text(&report, &layout))
}

fn layers(graph: &QuantizedGraph) -> Vec<LayerReport> {
    graph
        .layers
        .iter()
        .map(|layer| {
            let tensor = &graph.tensors[layer.output];
            let rescale = layer.op.rescale();
            let inputs = layer.op.inputs();
            LayerReport {
                name: layer.name.clone(),
                operator: layer.op.kind(),
                inputs: inputs.iter().map(|input| graph.tensors[*input].name.clone()).collect(),
                output_shape: tensor.shape,
                min: tensor.min,
                max: tensor.max,
                scale: tensor.scale,
                shift: rescale.map(|rescale| rescale.shift),
                function: rescale.map(|rescale| graph.functions[rescale.function].name.clone()),
                parameters: match &layer.op {
                    Op::Conv { weights, bias, .. } => weights.len() + bias.len(),
                    _ => 0,
                },
            }
        })
        .collect()
}

fn text(report: &Report, layout: &Layout) -> String {
    let mut text = String::new();
    let name_width = report
        .layers
        .iter()
        .map(|layer| layer.name.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(5, 40);
    let _ = writeln!(
        text,
        "{:name_width$}  {:9}  {:>14}  {:>15}  {:>8}  {:>5}  {:10}  {:>10}",
        "layer", "operator", "output", "range", "scale", "shift", "function", "parameters"
    );
    for layer in &report.layers {
        let [channels, height, width] = layer.output_shape;
        let _ = writeln!(
            text,
            "{:name_width$}  {:9}  {:>14}  {:>15}  {:>8}  {:>5}  {:10}  {:>10}",
            layer.name,
            layer.operator,
            format!("{channels} x {height} x {width}"),
            format!("{}..{}", layer.min, layer.max),
            layer.scale,
            layer.shift.map(|shift| shift.to_string()).unwrap_or_default(),
            layer.function.as_deref().unwrap_or_default(),
            layer.parameters
        );
    }
    let rows = &report.rows;
    let statement = describe(report.options.statement);
    text.push('\n');
    let mut pairs = vec![
        ("parameters", report.parameters.to_string()),
        ("circuit", report.circuit_hash.clone()),
        ("statement", format!("{statement}; {} public inputs", report.public_inputs)),
        (
            "rows",
            format!(
                "{} of 2^{} (tiles {}, hash {}, scalars {}, weights {}, rest {}, table {})",
                report.rows_used,
                report.k,
                rows.tiles,
                rows.hash,
                rows.scalars,
                rows.weights,
                rows.rest,
                rows.table
            ),
        ),
        (
            "columns",
            format!(
                "{} advice ({} lanes, {} weights), {} fixed",
                report.estimate.advice_columns,
                layout.options.lanes,
                layout.options.weight_columns,
                report.estimate.fixed_columns
            ),
        ),
        ("openings", report.openings_text()),
        ("id", report.bundle_id.clone()),
        ("outputs", report.outputs.step_text()),
        ("predicted", report.predicted.text()),
        (
            "shares",
            format!(
                "{:.0} % of the time to prove is linear, {:.0} % non-linear",
                100.0 * report.predicted.linear_share,
                100.0 * report.predicted.nonlinear_share
            ),
        ),
    ];
    pairs.extend(report.outputs.dropped_text().map(|text| ("left out", text)));
    pairs.extend(report.shares.iter().map(|share| ("derived", share.text())));
    text.push_str(&table(&pairs));
    text
}

pub(super) fn estimate_text(estimate: &Estimate) -> String {
    format!(
        "a proof takes about {:.1} CPU seconds and {:.0} MB, its verification {:.0} gas",
        estimate.prove_cpu_s, estimate.peak_rss_mb, estimate.verify_gas
    )
}

/// A statement in words.
pub(crate) fn describe(statement: StatementKind) -> String {
    match statement {
        StatementKind::Prediction { input, output } => {
            let input = match input {
                InputMode::Committed => "a committed input (Poseidon)",
                InputMode::Public => "a public input",
            };
            let output = match output {
                OutputMode::Class => "its class".to_owned(),
                OutputMode::Best(count) => format!("its {count} best classes"),
                OutputMode::Logits => "all logits".to_owned(),
            };
            format!("prediction: {input} has {output}")
        }
        StatementKind::Audit { run, top } => {
            format!("audit: top-{top}, {} items a proof, tree of depth {}", run.items(), run.depth)
        }
        StatementKind::Retrieval { run, class } => {
            format!(
                "retrieval: class {class}, {} items a proof, tree of depth {}",
                run.items(),
                run.depth
            )
        }
    }
}
