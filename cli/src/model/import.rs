//! `assay model import`.

use std::path::PathBuf;

use anyhow::Result;
use assay_prover::{
    bundle::Bundle,
    circuit::{Estimate, InputMode, OutputMode, PlanRequest, Preference, StatementKind},
    import::model::Model,
    import::quantize::{
        AccuracyReport, CalibrationMethod, Loss, QuantizeOptions, calibrate_and_quantize,
        compare_each,
    },
    openings::Marks,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    encoding::{EncodingArgs, EncodingReport},
    network::NetworkArgs,
    outputs::Outputs,
};
use crate::output::{Output, hex, table};

#[derive(Args)]
#[command(after_help = "Example:
  assay model import lenet.onnx --calibrate calibration.npz -o lenet.bundle
  assay model import mobilenet.onnx --calibrate photos/ --encoding symmetric -o mobilenet.bundle")]
pub(crate) struct ImportArgs {
    /// ONNX file
    model: PathBuf,
    /// Sample inputs that fix the ranges of values: an .npz archive, an .npy array, a .csv table or a folder of
    /// images
    #[arg(long, value_name = "PATH")]
    calibrate: PathBuf,
    /// Most sample inputs that are used
    #[arg(long, default_value_t = 256, value_name = "N")]
    calibration_limit: usize,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    encoding: EncodingArgs,
    #[command(flatten)]
    quantize: QuantizeArgs,
    #[command(flatten)]
    plan: PlanArgs,
    /// Say nothing where the quantized network is too often not of the float network's mind
    #[arg(long)]
    accept_loss: bool,
    /// Bundle to write, not replaced when it exists. It holds the weights: keep it secret
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
struct QuantizeArgs {
    /// Largest function table, as a power of two [default: 12 to 14, by the network's size and input]
    #[arg(long, value_name = "BITS", help_heading = "Quantization")]
    table_bits: Option<u32>,
    /// The same for the layer that makes the logits [default: table bits - 1]
    #[arg(long, value_name = "BITS", help_heading = "Quantization")]
    output_bits: Option<u32>,
    /// Bits of an activation [default: 12, or 14 where features have scales of their own]
    #[arg(long, value_name = "BITS", help_heading = "Quantization")]
    activation_bits: Option<u32>,
    /// The same for one tensor, by its name in `assay model inspect`; may be repeated
    #[arg(long, value_name = "NAME=BITS", help_heading = "Quantization", value_parser = parse_tensor_bits)]
    tensor_bits: Vec<(String, u32)>,
    /// Bits that a layer shifts out [default: table bits - 2]
    #[arg(long, value_name = "BITS", help_heading = "Quantization")]
    shift: Option<u32>,
    /// Instead of --shift: bits that the largest weight of every layer has at least
    #[arg(long, value_name = "BITS", help_heading = "Quantization", conflicts_with = "shift")]
    weight_bits: Option<u32>,
    /// Tables that one function may have, for layers of different scales [default: 1 or 2, by the
    /// network's size]
    #[arg(long, value_name = "N", help_heading = "Quantization")]
    tables_per_function: Option<u32>,
    /// Size that tables of clamps are extended to, as a power of two, for values far outside the
    /// calibrated range [default: by the network's size]
    #[arg(long, value_name = "BITS", help_heading = "Quantization")]
    headroom_bits: Option<u32>,
    /// Which part of the calibrated values integers must represent: `max`, `percentile:P` or
    /// `min-error`
    #[arg(long, value_name = "METHOD", help_heading = "Quantization", default_value = "max", value_parser = parse_method)]
    calibration: CalibrationMethod,
    /// Room on each side of a calibrated range, as a part of its width [default: 0.25, or 0.5 where features
    /// have scales of their own]
    #[arg(long, value_name = "PART", help_heading = "Quantization")]
    margin: Option<f64>,
}

/// What a circuit shall take little of.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Prefer {
    /// Gas of a verification
    Gas,
    /// Time to prove
    Time,
    /// Memory of the prover
    Memory,
}

impl Prefer {
    pub(super) fn of(preferred: Option<Self>) -> Preference {
        match preferred {
            None => Preference::Balance,
            Some(Self::Gas) => Preference::Gas,
            Some(Self::Time) => Preference::Time,
            Some(Self::Memory) => Preference::Memory,
        }
    }
}

/// Gigabytes, more than none.
pub(super) fn parse_memory(text: &str) -> Result<f64, String> {
    let gb: Option<f64> = text.parse().ok();
    let told = || "expected a number of GB above 0, for instance `6` or `1.5`".to_owned();
    gb.filter(|gb| gb.is_finite() && *gb > 0.0).ok_or_else(told)
}

#[derive(Args)]
struct PlanArgs {
    /// What the circuit shall take little of [default: a balance of time and gas]
    #[arg(long, value_enum, help_heading = "Circuit", value_name = "WHAT")]
    prefer: Option<Prefer>,
    /// Most memory that a proof may take by the cost model, in GB (10^9 bytes)
    #[arg(long, help_heading = "Circuit", value_name = "GB", value_parser = parse_memory)]
    max_memory: Option<f64>,
    /// Neighbouring values in one row of the circuit [default: chosen by a cost model]
    #[arg(long, help_heading = "Circuit")]
    lanes: Option<usize>,
    /// Columns that hold the weights [default: chosen by a cost model]
    #[arg(long, help_heading = "Circuit")]
    weight_columns: Option<usize>,
    /// Proofs that may be made before the weights' commitment has to be renewed
    /// [default: what there is room for, from 256 to 1,024]
    #[arg(long, help_heading = "Circuit")]
    openings: Option<usize>,
    /// Make the input public instead of its commitment
    #[arg(long, help_heading = "Circuit")]
    public_input: bool,
    /// What a prediction shows: `class`, `best:K` (the K best classes, the best first), `scores:K` (the same and
    /// their scores), `logits`, or a `commitment` to all outputs, for answers that only the buyer shall read [default: class, or logits where
    /// the network has one output, which is a number]
    #[arg(long, help_heading = "Circuit", value_name = "WHAT", value_parser = parse_output)]
    outputs: Option<OutputMode>,
}

/// Whether proofs show outputs as numbers, or hide them to be read as such.
fn are_numbers(outputs: OutputMode) -> bool {
    matches!(outputs, OutputMode::Logits | OutputMode::Commitment | OutputMode::Scored(_))
}

fn parse_tensor_bits(text: &str) -> Result<(String, u32), String> {
    // Names of tensors may hold a `=` themselves.
    let parts = text.rsplit_once('=').and_then(|(name, bits)| Some((name, bits.parse().ok()?)));
    let (name, bits) = parts.ok_or("expected NAME=BITS, for instance `relu_3=14`")?;
    Ok((name.to_owned(), bits))
}

fn parse_method(text: &str) -> Result<CalibrationMethod, String> {
    match (text, text.strip_prefix("percentile:").map(str::parse)) {
        ("max", _) => Ok(CalibrationMethod::Max),
        ("min-error", _) => Ok(CalibrationMethod::MinimumError),
        (_, Some(Ok(percent))) => Ok(CalibrationMethod::Percentile(percent)),
        _ => Err("expected `max`, `percentile:P` (99.9 for instance) or `min-error`".into()),
    }
}

impl QuantizeArgs {
    fn options(&self) -> QuantizeOptions {
        QuantizeOptions {
            table_bits: self.table_bits,
            output_bits: self.output_bits,
            tables_per_function: self.tables_per_function,
            headroom_bits: self.headroom_bits,
            activation_bits: self.activation_bits,
            tensor_bits: self.tensor_bits.iter().cloned().collect(),
            shift: self.shift,
            weight_bits: self.weight_bits,
            margin: self.margin,
            method: self.calibration,
        }
    }
}

pub(super) fn parse_output(text: &str) -> Result<OutputMode, String> {
    let count = |of: &str| text.strip_prefix(of)?.parse().ok();
    match (text, count("best:"), count("scores:")) {
        ("class", ..) => Ok(OutputMode::Class),
        ("logits", ..) => Ok(OutputMode::Logits),
        ("commitment", ..) => Ok(OutputMode::Commitment),
        (_, Some(count), _) => Ok(OutputMode::Best(count)),
        (_, _, Some(count)) => Ok(OutputMode::Scored(count)),
        _ => Err("expected `class`, `best:K`, `scores:K`, `logits` or `commitment`".into()),
    }
}

#[derive(Serialize)]
struct Report {
    output: PathBuf,
    model: String,
    input_shape: [usize; 3],
    classes: usize,
    parameters: usize,
    multiply_accumulates: u64,
    encoding: EncodingReport,
    #[serde(flatten)]
    outputs: Outputs,
    calibration: AccuracyReport,
    /// What a user should know of how the file was read.
    notes: Vec<String>,
    /// What loses too much, unless that was accepted.
    warning: Option<String>,
    k: u32,
    lanes: usize,
    weight_columns: usize,
    openings: usize,
    estimate: Estimate,
    circuit_hash: String,
}

pub(super) fn run(args: &ImportArgs, output: &Output) -> Result<()> {
    import(args, &Marks::of_user()?, output)
}

/// With a state folder of the caller's choice.
pub(super) fn import(args: &ImportArgs, marks: &Marks, output: &Output) -> Result<()> {
    Bundle::require_free(&args.output)?;
    let steps = output.bar(5, "reading the network");
    let (model, outputs) = args.network()?;
    let numbers = are_numbers(outputs);
    steps.step("reading the sample inputs");
    let (model, samples, bytes, encoding) =
        args.encoding.apply(model, &args.calibrate, args.calibration_limit)?;
    let graph = &model.graph;
    steps.step(format!("calibrating on {} inputs", samples.data.inputs.len()));
    let options = args.quantize.options();
    let quantized = calibrate_and_quantize(graph, &bytes, &samples.data.inputs, &options)?;
    steps.step("comparing with the float network");
    let comparison = compare_each(model.original(), &quantized, &samples, &|| {})?;
    let (calibration, bounds) = (comparison.accuracy, comparison.bounds(&quantized));
    steps.step("planning the circuit");
    let request = PlanRequest {
        statement: StatementKind::Prediction {
            input: if args.plan.public_input { InputMode::Public } else { InputMode::Committed },
            output: outputs,
        },
        openings: args.plan.openings,
        prefer: Prefer::of(args.plan.prefer),
        max_memory_mb: args.plan.max_memory.map(|gb| gb * 1e3),
        lanes: args.plan.lanes,
        weight_columns: args.plan.weight_columns,
        place: None,
    };
    let mut bundle = Bundle::new(quantized, request)?;
    bundle.dropped = graph.dropped.clone();
    bundle.bounds = bounds;
    let layout = bundle.layout()?;
    bundle.create(&args.output, marks)?;
    drop(steps);
    let report = Report {
        output: args.output.clone(),
        model: graph.name.clone(),
        input_shape: graph.value_shape(),
        classes: graph.classes(),
        parameters: bundle.graph.parameters(),
        multiply_accumulates: graph.multiply_accumulates(),
        outputs: Outputs::of(&bundle),
        notes: args
            .notes(graph.classes(), outputs)
            .into_iter()
            .chain(graph.notes.clone())
            .collect(),
        warning: loss_warning(&calibration, graph.classes(), numbers, encoding.number_bytes())
            .filter(|_| !args.accept_loss),
        encoding,
        calibration,
        k: layout.k,
        lanes: layout.options.lanes,
        weight_columns: layout.options.weight_columns,
        openings: layout.options.openings,
        estimate: layout.estimate(),
        circuit_hash: hex(bundle.architecture().circuit_hash()),
    };
    output.finish(&report, || text(&report))
}

impl ImportArgs {
    /// The float network, and what its proofs shall show of its outputs.
    fn network(&self) -> Result<(Model, OutputMode)> {
        let import = |numbers| self.network.import(&self.model, numbers);
        let first = self.plan.outputs.unwrap_or(OutputMode::Class);
        match import(are_numbers(first)) {
            // A network of one output has no classes.
            Ok(model) if model.graph.classes() == 1 && self.plan.outputs.is_none() => {
                Ok((import(true)?, OutputMode::Logits))
            }
            model => Ok((model?, first)),
        }
    }

    /// What a user should know of what proofs show.
    fn notes(&self, classes: usize, outputs: OutputMode) -> Option<String> {
        let note = match (classes, outputs, self.plan.outputs) {
            (1, OutputMode::Logits, None) => {
                "the network has one output, so a proof shows that number (--outputs logits)"
            }
            (1, OutputMode::Class | OutputMode::Best(_) | OutputMode::Scored(_), _) => {
                "the network has one output: its class is 0 whatever the input, so proofs of it say nothing; \
                 `--outputs logits` shows the number"
            }
            _ => return None,
        };
        Some(note.to_owned())
    }
}

fn text(report: &Report) -> String {
    let [channels, height, width] = report.input_shape;
    let outputs = if report.classes == 1 { "output" } else { "classes" };
    let mut rows = vec![
        ("bundle", format!("{} (secret)", report.output.display())),
        (
            "network",
            format!(
                "{}: {channels} x {height} x {width} to {} {outputs}, {} parameters, {} multiplications",
                report.model, report.classes, report.parameters, report.multiply_accumulates
            ),
        ),
        ("input", report.encoding.text()),
        ("outputs", report.outputs.step_text()),
        ("quantized", accuracy_text(&report.calibration, report.classes)),
        (
            "circuit",
            format!(
                "2^{} rows, {} lanes, {} weight columns, {} proofs per commitment",
                report.k, report.lanes, report.weight_columns, report.openings
            ),
        ),
        ("estimate", super::inspect::estimate_text(&report.estimate)),
    ];
    rows.extend(report.outputs.bound_text().map(|text| ("error bound", text)));
    rows.extend(report.outputs.dropped_text().map(|text| ("left out", text)));
    rows.extend(report.notes.iter().map(|note| ("note", note.clone())));
    rows.extend(report.warning.clone().map(|text| ("WARNING", text)));
    table(&rows)
}

/// What the quantized network makes of the samples, and what of the difference is the encoding's.
fn accuracy_text(report: &AccuracyReport, classes: usize) -> String {
    let AccuracyReport { inputs, agree, max_logit_error, max_logit, .. } = report;
    let encoding = match (report.max_encoding_error > 0.0, classes) {
        (false, _) => String::new(),
        (true, 1) => {
            format!("; rounding the inputs alone: by at most {:.4}", report.max_encoding_error)
        }
        (true, _) => format!(
            "; rounding the inputs alone: {} of {inputs}, off by at most {:.4}",
            report.encoding_agree, report.max_encoding_error
        ),
    };
    if classes == 1 {
        let [low, high] = report.logit_range;
        return format!(
            "off from the float network by at most {max_logit_error:.4} on {inputs} sample inputs, where it gives \
             {low:.4} to {high:.4}{encoding}"
        );
    }
    format!(
        "same class as the float network on {agree} of {inputs} sample inputs, outputs off by at most \
         {max_logit_error:.4} (largest {max_logit:.2}){encoding}"
    )
}

/// What loses too much of the float network, and what to do about it.
fn loss_warning(
    report: &AccuracyReport,
    classes: usize,
    numbers: bool,
    number_bytes: usize,
) -> Option<String> {
    // A network of one output has no classes.
    let loss = report.loss(numbers || classes == 1)?;
    let (agree, inputs) = (report.agree, report.inputs);
    let what = if agree < inputs && classes > 1 && !numbers {
        format!(
            "on {} of {inputs} sample inputs its class is not the float network's",
            inputs - agree
        )
    } else {
        format!("an output is off by up to {:.1} % of its range", report.worst_output_error)
    };
    let cause = match loss {
        Loss::Encoding => match number_bytes {
            0 | 1 => {
                "mostly because inputs are rounded: leave --encoding to the program, or try --encoding features \
                 --value-bits 16"
            }
            2 => "mostly because inputs are rounded: try --value-bits 24",
            _ => {
                "mostly because inputs are rounded, with all the digits that there are: narrow their range \
                 (--value-margin, --value-percentile, --value-range); where the network jumps, as at a remainder or a \
                 comparison of sums, inputs beside the jump stay on either side of it"
            }
        },
        Loss::Quantization if (numbers || classes == 1) && report.is_beside_larger() => {
            "because it is small beside others, and all outputs share one step: train on targets of about one \
             size, or import the network once for each output"
        }
        Loss::Quantization => {
            "mostly because weights and activations are rounded: try more --table-bits, --output-bits and \
             --activation-bits; `assay model report` names the noisiest layer"
        }
        Loss::Ranges => {
            "because values leave their calibrated ranges: calibrate on more inputs, or with a larger --margin"
        }
    };
    Some(format!("{what}, {cause}. --accept-loss silences this"))
}
