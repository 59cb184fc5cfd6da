//! `assay model report`: what quantization and the circuit do to a network, as one HTML page.

mod page;
mod svg;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::Bundle,
    circuit::{Cost, RowUse},
    files::atomic_file::{self, Readers},
    import::data::{self, Source},
    import::quantize::{
        AccuracyReport, compare,
        report::{ErrorReport, error_by_layer},
    },
};
use clap::Args;
use serde::Serialize;

use super::{inspect::describe, network::NetworkArgs};
use crate::{
    key_folder::KeyFolder,
    output::{Output, hex, table},
    predicted::Predicted,
    setup_trust::SetupTrust,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model report lenet.bundle --float lenet.onnx --inputs test.npz -o report.html")]
pub(crate) struct ReportArgs {
    /// Model bundle
    bundle: PathBuf,
    /// The network that the bundle was imported from
    #[arg(long, value_name = "ONNX")]
    float: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Inputs to compare on, with labels where there are any: an .npz archive or a folder of images
    #[arg(long, value_name = "PATH")]
    inputs: PathBuf,
    /// Leave out the first N inputs, such as those of the calibration
    #[arg(long, default_value_t = 0, value_name = "N")]
    skip: usize,
    /// Most inputs that are used
    #[arg(long, default_value_t = 64, value_name = "N")]
    limit: usize,
    /// Take numbers outside the input's encoding as its nearest end, rather than refusing them
    #[arg(long)]
    clamp: bool,
    /// Folder of keys, to report the verifying key too
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// HTML file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// All that the page shows.
#[derive(Serialize)]
struct Report {
    output: PathBuf,
    model: String,
    input_shape: [usize; 3],
    classes: usize,
    parameters: usize,
    multiply_accumulates: u64,
    statement: String,
    /// Inputs that have a label.
    labelled: usize,
    accuracy: AccuracyReport,
    errors: ErrorReport,
    cost: Cost,
    rows: RowUse,
    lanes: usize,
    weight_columns: usize,
    predicted: Predicted,
    key: Option<Key>,
}

#[derive(Serialize)]
struct Key {
    vk_hash: String,
    proof_bytes: usize,
    setup: SetupTrust,
}

pub(super) fn run(args: &ReportArgs, output: &Output) -> Result<()> {
    let report = measure(args, output)?;
    atomic_file::write(&args.output, Readers::Everyone, page::render(&report).as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    output.finish(&report, || text(&report))
}

fn measure(args: &ReportArgs, output: &Output) -> Result<Report> {
    let steps = output.spinner("reading the bundle");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let quantized = &bundle.graph;
    let key = args
        .keys
        .as_deref()
        .map(|folder| KeyFolder(folder).verifying_key(&layout))
        .transpose()?
        .map(|key| Key {
            vk_hash: hex(key.hash()),
            proof_bytes: key.info().profile().proof_bytes(),
            setup: SetupTrust::of(key.info().setup_id()),
        });
    steps.message("reading the float network");
    // As it was imported, where that is to be seen.
    let model = args.network.import(&args.float, bundle.dropped.is_empty())?;
    if model.graph.value_shape() != quantized.value_shape() {
        bail!("{} takes inputs of another shape than the bundle", args.float.display());
    }
    let model = match &quantized.input.values {
        Some(values) => model.with_values(values.clone())?,
        None => model,
    };
    let graph = &model.graph;
    steps.message("reading the inputs");
    let input_shape = quantized.value_shape();
    let samples = data::samples(&Source {
        skip: args.skip,
        limit: args.limit,
        clamp: args.clamp,
        ..Source::for_network(&args.inputs, quantized)
    })?;
    let data = &samples.data;
    drop(steps);
    let other =
        || format!("cannot compare {} with {}", args.bundle.display(), args.float.display());
    let bar = output.bar(data.inputs.len() as u64, "inputs: comparing classes");
    let done = || bar.step("inputs: comparing classes");
    let accuracy = compare(model.original(), quantized, &samples, &done).with_context(other)?;
    drop(bar);
    let bar = output.bar(data.inputs.len() as u64, "inputs: comparing layers");
    let done = || bar.step("inputs: comparing layers");
    let errors = error_by_layer(graph, quantized, &data.inputs, &done).with_context(other)?;
    bar.message("adding up the circuit");
    Ok(Report {
        output: args.output.clone(),
        model: quantized.name.clone(),
        input_shape,
        classes: quantized.tensors[quantized.output].shape[0],
        parameters: quantized.parameters(),
        multiply_accumulates: graph.multiply_accumulates(),
        statement: describe(layout.options.statement),
        labelled: data.labels.len().min(data.inputs.len()),
        accuracy,
        errors,
        cost: layout.cost(quantized),
        rows: layout.rows,
        lanes: layout.options.lanes,
        weight_columns: layout.options.weight_columns,
        predicted: Predicted::new(&layout, quantized),
        key,
    })
}

impl Report {
    /// The layer with the least signal to noise, in dB.
    fn noisiest(&self) -> Option<(&str, f64)> {
        let layers = self.errors.layers.iter();
        layers
            .filter_map(|layer| Some((layer.layer.as_str(), layer.signal_to_noise_db?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn text(report: &Report) -> String {
    let accuracy = &report.accuracy;
    let percent = |count: usize| format!("{:.2} %", accuracy.percent(count));
    let mut rows = vec![("report", report.output.display().to_string())];
    if report.labelled > 0 {
        rows.push((
            "accuracy",
            format!(
                "float {} / {}, quantized {} / {} (top-1 / top-5, {} inputs)",
                percent(accuracy.float_top1),
                percent(accuracy.float_top5),
                percent(accuracy.quantized_top1),
                percent(accuracy.quantized_top5),
                accuracy.inputs
            ),
        ));
    }
    if report.classes > 1 {
        rows.push(("same class", format!("{} of {}", accuracy.agree, accuracy.inputs)));
    }
    let [low, high] = accuracy.logit_range;
    rows.push((
        "outputs",
        format!(
            "off by at most {:.4}, where the float network gives {low:.4} to {high:.4}",
            accuracy.max_logit_error
        ),
    ));
    if let Some(cosine) = accuracy.least_cosine.filter(|_| report.classes > 1) {
        rows.push(("cosine", format!("at least {cosine:.5} to the float network's outputs")));
    }
    if accuracy.max_encoding_error > 0.0 {
        rows.push((
            "inputs rounded",
            format!(
                "alone: same class on {} of {}, outputs off by at most {:.4}",
                accuracy.encoding_agree, accuracy.inputs, accuracy.max_encoding_error
            ),
        ));
    }
    if accuracy.refused > 0 {
        rows.push(("refused", format!("{} inputs out of range", accuracy.refused)));
    }
    if let Some((layer, noise)) = report.noisiest() {
        rows.push(("most noise", format!("{layer}, {noise:.1} dB")));
    }
    rows.push(("predicted", report.predicted.text()));
    rows.push((
        "shares",
        format!(
            "{:.0} % of the time to prove is linear, {:.0} % non-linear",
            100.0 * report.cost.linear_share,
            100.0 * report.cost.nonlinear_share
        ),
    ));
    table(&rows)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use assay_prover::openings::Marks;
    use clap::Parser;
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::output::OutputArgs;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        report: ReportArgs,
    }

    #[derive(Parser)]
    struct Import {
        #[command(flatten)]
        import: super::super::ImportArgs,
    }

    fn file(folder: &TempDir, name: &str) -> String {
        folder.path().join(name).to_string_lossy().into_owned()
    }

    fn example(name: &str) -> String {
        let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
        digits.join(name).to_string_lossy().into_owned()
    }

    fn lenet(folder: &TempDir) -> String {
        let bundle = file(folder, "lenet.bundle");
        let (model, samples) = (example("lenet.onnx"), example("calibration.npz"));
        let line = ["import", &model, "--calibrate", &samples, "-o", &bundle, "--lanes=2"];
        let import = Import::try_parse_from(line).expect("arguments").import;
        let marks = Marks::at(folder.path().join("marks"));
        super::super::import::import(&import, &marks, &quiet()).expect("import");
        bundle
    }

    fn quiet() -> Output {
        let line = Line::try_parse_from([
            "report",
            "b",
            "--float",
            "f",
            "--inputs",
            "i",
            "-o",
            "o",
            "--progress=never",
        ]);
        Output::new(&line.expect("arguments").output)
    }

    fn report(bundle: &str, float: &str, page: &str) -> Result<Report> {
        let samples = example("calibration.npz");
        let line =
            ["report", bundle, "--float", float, "--inputs", &samples, "--limit=6", "-o", page];
        measure(&Line::try_parse_from(line).expect("arguments").report, &quiet())
    }

    #[test]
    fn lenet_is_reported() {
        let folder = tempdir().expect("folder");
        let (bundle, float) = (lenet(&folder), example("lenet.onnx"));
        let page = file(&folder, "report.html");
        let found = report(&bundle, &float, &page).expect("report");
        assert_eq!((found.accuracy.inputs, found.errors.inputs), (6, 6));
        assert_eq!(found.accuracy.agree, 6);
        assert_eq!(found.cost.parts.len(), found.errors.layers.len() + 3);
        assert!((found.cost.linear_share + found.cost.nonlinear_share - 1.0).abs() < 1e-9);
        let html = page::render(&found);
        for layer in &found.errors.layers {
            assert!(html.contains(&svg::escape(&layer.layer)), "{}", layer.layer);
        }
        assert!(text(&found).contains("6 of 6"));
        // Another network, and none, are refused by name.
        let fault = report(&bundle, &file(&folder, "missing.onnx"), &page);
        let fault = fault.err().map(|fault| fault.to_string()).unwrap_or_default();
        assert!(fault.contains("missing.onnx"), "{fault}");
    }

    #[test]
    fn names_cannot_break_the_page() {
        let folder = tempdir().expect("folder");
        let float = example("lenet.onnx");
        let bundle = lenet(&folder);
        let mut report = report(&bundle, &float, "unused").expect("report");
        let clean = page::render(&report);
        let hostile = "</title><b onload=\"x\">'&<script>";
        report.model = hostile.to_owned();
        report.statement = hostile.to_owned();
        for layer in &mut report.errors.layers {
            layer.layer = hostile.to_owned();
            layer.operator = hostile.to_owned();
            layer.tensor = hostile.to_owned();
        }
        for part in &mut report.cost.parts {
            part.name = hostile.to_owned();
        }
        for table in &mut report.cost.tables {
            table.name = hostile.to_owned();
        }
        let html = page::render(&report);
        assert!(!html.contains("<b onload") && !html.contains("<script"));
        // Names make no tags, and end none.
        assert_eq!(html.matches('<').count(), clean.matches('<').count());
        assert_eq!(html.matches('"').count(), clean.matches('"').count());
    }

    #[test]
    fn the_page_stands_alone() {
        let folder = tempdir().expect("folder");
        let float = example("lenet.onnx");
        let mut report = report(&lenet(&folder), &float, "unused").expect("report");
        // No input was taken, and nothing has labels.
        report.errors = ErrorReport { refused: 6, ..ErrorReport::default() };
        report.labelled = 0;
        let html = page::render(&report);
        for outside in ["<script", "<link", "<img", "@import", "url(", "http:", "https:"] {
            assert!(!html.contains(outside), "{outside}");
        }
        assert!(!html.contains("NaN") && html.contains("every input"), "{html}");
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    }
}
