//! `assay model inspect`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use assay_prover::{
    bundle::Bundle,
    circuit::{
        AnswerMode, Estimate, InputMode, Layout, LayoutOptions, OutputMode, RowUse, StatementKind,
    },
    graph::{FunctionTable, InputOrder, Layer, Op, QuantizedGraph, ValueEncoding, Window},
    import::quantize::InputEncoding,
    openings::{Marks, Share},
};
use clap::Args;
use serde::Serialize;

use super::{
    blocks::{Block, blocks},
    encoding::EncodingReport,
    outputs::Outputs,
};
use crate::{
    output::{Output, hex, table, visible},
    predicted::Predicted,
    published::read_architecture_and_bounds,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model inspect lenet.bundle
  assay model inspect lenet.card.json           what a buyer can see: is this the network that you mean?")]
pub(crate) struct InspectArgs {
    /// Model bundle, card or architecture
    model: PathBuf,
    /// Show each layer of a deep network, too; without it layers are shown by blocks: by what their names have in
    /// common
    #[arg(long)]
    layers: bool,
}

#[derive(Serialize)]
struct Report {
    name: String,
    input_shape: [usize; 3],
    /// Scales of the features, where each has its own.
    input_values: Option<ValueEncoding>,
    /// How the numbers of the network's file lie in the input, where they do not lie in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_order: Option<InputOrder>,
    input_scale: f64,
    input_offset: f64,
    layers: Vec<LayerReport>,
    /// Runs of layers whose names begin alike, of a deep network.
    blocks: Vec<Block>,
    tables: Vec<TableReport>,
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
    /// Of a bundle.
    #[serde(flatten)]
    openings: Option<OpeningsReport>,
    #[serde(flatten)]
    outputs: Outputs,
}

/// The openings of a bundle.
#[derive(Serialize)]
struct OpeningsReport {
    /// The bundle's id, by which its source's counter knows its share.
    bundle_id: String,
    openings_used: usize,
    openings_left: usize,
    openings: usize,
    /// Openings that went to derived bundles.
    shares: Vec<ShareReport>,
}

/// A function, entry by entry, as far as it can be said in a line. Whoever makes a network chooses every entry.
#[derive(Serialize)]
struct TableReport {
    name: String,
    /// First argument, and last.
    arguments: [i64; 2],
    /// Least value, and largest.
    values: [i32; 2],
    /// `constant`, `rising`, `falling` (neither strictly) or `neither`.
    course: &'static str,
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

impl OpeningsReport {
    fn of(bundle: &Bundle, path: &Path) -> Result<Self> {
        let usage = bundle.openings(path, &Marks::of_user()?).usage()?;
        Ok(Self {
            bundle_id: bundle.id.to_string(),
            openings_used: usage.used,
            openings_left: usage.left,
            openings: usage.budget,
            shares: usage.shares.iter().map(ShareReport::from).collect(),
        })
    }

    fn text(&self) -> String {
        let Self { openings_used: used, openings: all, openings_left: left, .. } = self;
        format!("{used} of {all} used, {left} left")
    }
}

impl From<&FunctionTable> for TableReport {
    fn from(table: &FunctionTable) -> Self {
        let values = &table.values;
        let (least, largest) = (values.iter().min(), values.iter().max());
        let first = i64::from(table.min);
        Self {
            name: table.name.clone(),
            arguments: [first, first + values.len() as i64 - 1],
            values: [least.copied().unwrap_or_default(), largest.copied().unwrap_or_default()],
            course: match (values.is_sorted(), values.is_sorted_by(|a, b| a >= b)) {
                (true, true) => "constant",
                (true, false) => "rising",
                (false, true) => "falling",
                (false, false) => "neither",
            },
        }
    }
}

impl TableReport {
    fn text(&self) -> String {
        let Self { name, arguments: [from, to], values: [least, largest], course } = self;
        format!("{name}: {from}..{to} to {least}..{largest}, {course}")
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
    /// Size and stride of a window, vertical and horizontal.
    window: Option<[[usize; 2]; 2]>,
    /// Integers that the output keeps within.
    min: i32,
    max: i32,
    /// Real value = integer / scale.
    scale: f64,
    shift: Option<u32>,
    function: Option<String>,
    parameters: usize,
}

impl Report {
    /// How the numbers of an input become bytes.
    fn encoding_text(&self) -> String {
        match &self.input_values {
            Some(values) => EncodingReport::Features(values.clone()).text(),
            None => {
                let (scale, offset) = (self.input_scale, self.input_offset);
                EncodingReport::Bytes(InputEncoding { scale, offset }).text()
            }
        }
    }
}

pub(super) fn run(args: &InspectArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the model");
    let (architecture, openings, outputs) = if Bundle::is_bundle(&args.model) {
        let bundle = Bundle::read(&args.model)?;
        let openings = OpeningsReport::of(&bundle, &args.model)?;
        (bundle.architecture(), Some(openings), Outputs::of(&bundle))
    } else {
        let (architecture, bounds) = read_architecture_and_bounds(&args.model)?;
        let outputs = Outputs::published(&architecture).with_bounds(bounds);
        (architecture, None, outputs)
    };
    let (layout, graph) = (architecture.layout()?, &architecture.graph);
    let layers = layers(graph);
    let report = Report {
        name: graph.name.clone(),
        input_shape: graph.value_shape(),
        input_values: graph.input.values.clone(),
        input_order: graph.input.order.clone(),
        input_scale: graph.input.byte_scale,
        input_offset: graph.input.byte_offset,
        parameters: layers.iter().map(|layer| layer.parameters).sum(),
        blocks: blocks(layers.iter().map(|layer| layer.name.as_str())),
        layers,
        tables: graph.functions.iter().map(TableReport::from).collect(),
        table_rows: graph.table_rows(),
        circuit_hash: hex(architecture.circuit_hash()),
        options: layout.options,
        k: layout.k,
        rows_used: layout.rows_used(),
        rows: layout.rows,
        public_inputs: layout.public_inputs,
        estimate: layout.estimate(),
        predicted: Predicted::new(&layout, graph),
        openings,
        outputs,
    };
    drop(spinner);
    output.finish(&report, || text(&report, &layout, args.layers))
}

/// Weights and biases of a layer; an architecture has the shapes only.
fn parameters(graph: &QuantizedGraph, layer: &Layer) -> usize {
    match &layer.op {
        Op::Conv { input, window, groups, .. } => {
            let outputs = graph.tensors[layer.output].shape[0];
            let inputs = graph.tensors[*input].shape[0].checked_div(*groups).unwrap_or(0);
            let [height, width] = window.kernel;
            outputs * (inputs * height * width + 1)
        }
        _ => 0,
    }
}

fn window(op: &Op) -> Option<&Window> {
    match op {
        Op::Conv { window, .. } | Op::MaxPool { window, .. } | Op::SumPool { window, .. } => {
            Some(window)
        }
        _ => None,
    }
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
                window: window(&layer.op).map(|window| [window.kernel, window.stride]),
                parameters: parameters(graph, layer),
            }
        })
        .collect()
}

/// A line for each layer.
fn layers_text(report: &Report) -> String {
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
        "{:name_width$}  {:9}  {:>9}  {:>14}  {:>15}  {:>8}  {:>5}  {:10}  {:>10}",
        "layer",
        "operator",
        "window",
        "output",
        "range",
        "scale",
        "shift",
        "function",
        "parameters"
    );
    for layer in &report.layers {
        let [channels, height, width] = layer.output_shape;
        let _ = writeln!(
            text,
            "{:name_width$}  {:9}  {:>9}  {:>14}  {:>15}  {:>8}  {:>5}  {:10}  {:>10}",
            visible(&layer.name),
            layer.operator,
            layer.window.map(|[[a, b], [c, d]]| format!("{a}x{b}/{c}x{d}")).unwrap_or_default(),
            format!("{channels} x {height} x {width}"),
            format!("{}..{}", layer.min, layer.max),
            layer.scale,
            layer.shift.map(|shift| shift.to_string()).unwrap_or_default(),
            layer.function.as_deref().map(visible).unwrap_or_default(),
            layer.parameters
        );
    }
    text
}

/// A line for each block.
fn blocks_text(report: &Report) -> String {
    let mut text = String::new();
    let widths = report.blocks.iter().map(|block| block.name.chars().count());
    let width = widths.max().unwrap_or(0).clamp(5, 48);
    let _ = writeln!(
        text,
        "{:width$}  {:>6}  {:>14}  {:>10}  operators",
        "block", "layers", "output", "parameters"
    );
    for block in &report.blocks {
        let layers = report.layers.get(block.range()).unwrap_or_default();
        let [channels, height, width_out] =
            layers.last().map(|layer| layer.output_shape).unwrap_or_default();
        let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
        for layer in layers {
            *operators.entry(layer.operator).or_default() += 1;
        }
        let operators = operators.iter().map(|(name, count)| format!("{count} {name}"));
        let _ = writeln!(
            text,
            "{:width$}  {:>6}  {:>14}  {:>10}  {}",
            visible(&block.name),
            block.layers,
            format!("{channels} x {height} x {width_out}"),
            layers.iter().map(|layer| layer.parameters).sum::<usize>(),
            operators.collect::<Vec<_>>().join(", ")
        );
    }
    text.push_str("(each layer: --layers)\n");
    text
}

fn text(report: &Report, layout: &Layout, all_layers: bool) -> String {
    let in_blocks = !all_layers && !report.blocks.is_empty();
    let mut text = if in_blocks { blocks_text(report) } else { layers_text(report) };
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
        ("network gives", report.outputs.step_text()),
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
    pairs.insert(1, ("input", report.encoding_text()));
    pairs.extend(report.outputs.bound_text().map(|text| ("error bound", text)));
    pairs.extend(report.outputs.dropped_text().map(|text| ("left out", text)));
    pairs.extend(report.tables.iter().map(|table| ("table", table.text())));
    if let Some(openings) = &report.openings {
        pairs.push(("openings", openings.text()));
        pairs.push(("id", openings.bundle_id.clone()));
        pairs.extend(openings.shares.iter().map(|share| ("derived", share.text())));
    }
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
                OutputMode::Scored(count) => {
                    format!("its {count} best classes and their scores")
                }
                OutputMode::Logits => "all logits".to_owned(),
                OutputMode::Commitment => "hidden outputs, committed to (Poseidon)".to_owned(),
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
        StatementKind::Classification { run, answers } => {
            let answer = match answers {
                AnswerMode::Classes => "the class",
                AnswerMode::Numbers => "the number",
            };
            format!(
                "classification: {answer} of each item, {} items a proof, tree of depth {}",
                run.items(),
                run.depth
            )
        }
    }
}
