//! `assay model report`: what quantization and the circuit do to a network, as one HTML page.

mod advice;
mod chart;
mod facts;
mod html;
mod origin;
mod page;
mod verdicts;

use std::path::PathBuf;

use anyhow::{Context, Result};
use assay_prover::{
    bundle::Bundle,
    circuit::{Layout, OutputMode, StatementKind},
    files::atomic_file::{self, Readers},
    import::data::{self, Source},
    import::model::Model,
    import::quantize::{compare_each, report::error_by_layer},
};
use clap::Args;

use self::{
    advice::Findings,
    facts::{Key, Report},
    origin::{Files, Origin},
    verdicts::{Confusion, Misjudged},
};
use super::{blocks::blocks, inspect::describe, network::NetworkArgs};
use crate::{
    input::ResizeArgs,
    key_folder::KeyFolder,
    output::{Output, hex},
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
    #[command(flatten)]
    resize: ResizeArgs,
    /// Parameters of the setup, to name the model's hash too: the weights are committed to
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,
    /// Folder of keys, to report the verifying key too
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// HTML file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(args: &ReportArgs, output: &Output) -> Result<()> {
    let report = measure(args, output)?;
    atomic_file::write(&args.output, Readers::Everyone, page::render(&report).as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    output.finish(&report, || report.text())
}

fn measure(args: &ReportArgs, output: &Output) -> Result<Report> {
    let steps = output.spinner("reading the bundle");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let quantized = &bundle.graph;
    let key = args.key(&layout)?;
    steps.message("reading the float network");
    let model = args.float_network(&bundle)?;
    let graph = &model.graph;
    steps.message("reading the inputs");
    let samples = data::samples(&Source {
        skip: args.skip,
        limit: args.limit,
        clamp: args.clamp,
        resize: args.resize.choice(),
        ..Source::for_network(&args.inputs, quantized)
    })?;
    let data = &samples.data;
    drop(steps);
    let files = Files {
        float: &args.float,
        inputs: &args.inputs,
        skipped: args.skip,
        setup: args.setup.as_deref(),
    };
    let origin = Origin::of(&files, &bundle, &layout, output)?;
    let other =
        || format!("cannot compare {} with {}", args.bundle.display(), args.float.display());
    let bar = output.bar(data.inputs.len() as u64, "inputs: comparing classes");
    let done = || bar.step("inputs: comparing classes");
    let comparison =
        compare_each(model.original(), quantized, &samples, &done).with_context(other)?;
    drop(bar);
    let bar = output.bar(data.inputs.len() as u64, "inputs: comparing layers");
    let done = || bar.step("inputs: comparing layers");
    let errors = error_by_layer(graph, quantized, &data.inputs, &done).with_context(other)?;
    bar.message("adding up the circuit");
    let classes = quantized.tensors[quantized.output].shape[0];
    let findings = Findings {
        float: &args.float,
        graph: quantized,
        comparison: &comparison,
        layers: &errors.layers,
        shows_numbers: classes == 1
            || matches!(
                layout.options.statement,
                StatementKind::Prediction {
                    output: OutputMode::Logits | OutputMode::Scored(_),
                    ..
                }
            ),
    };
    let (misjudged, misjudged_inputs) =
        Misjudged::among(&comparison.outcomes, &samples, quantized, args.skip);
    Ok(Report {
        output: args.output.clone(),
        model: quantized.name.clone(),
        origin,
        input_shape: quantized.value_shape(),
        classes,
        parameters: quantized.parameters(),
        multiply_accumulates: graph.multiply_accumulates(),
        statement: describe(layout.options.statement),
        labelled: data.labels.len().min(data.inputs.len()),
        advice: findings.advice(),
        confusion: Confusion::of(&comparison.outcomes, classes),
        misjudged,
        misjudged_inputs,
        accuracy: comparison.accuracy,
        outputs: comparison.outputs,
        blocks: blocks(quantized.layers.iter().map(|layer| layer.name.as_str())),
        errors,
        cost: layout.cost(quantized),
        rows: layout.rows,
        lanes: layout.options.lanes,
        weight_columns: layout.options.weight_columns,
        predicted: Predicted::new(&layout, quantized),
        key,
    })
}

impl ReportArgs {
    fn key(&self, layout: &Layout) -> Result<Option<Key>> {
        let Some(folder) = &self.keys else { return Ok(None) };
        let key = KeyFolder(folder).verifying_key(layout)?;
        Ok(Some(Key {
            vk_hash: hex(key.hash()),
            proof_bytes: key.info().profile().proof_bytes(),
            setup: SetupTrust::of(key.info().setup_id()),
        }))
    }

    /// The network that the bundle was made from, with the bundle's inputs.
    fn float_network(&self, bundle: &Bundle) -> Result<Model> {
        let quantized = &bundle.graph;
        let model = self.network.import_like(&self.float, bundle)?;
        Ok(match &quantized.input.values {
            Some(values) => model.with_values(values.clone())?,
            None => model,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use assay_prover::{
        import::{
            data::{Dataset, Samples},
            quantize::{Outcome, report::ErrorReport},
        },
        openings::Marks,
    };
    use clap::Parser;
    use tempfile::{TempDir, tempdir};

    use super::{
        advice::{Advice, Cause},
        *,
    };
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
            assert!(html.contains(&html::escape(&layer.layer)), "{}", layer.layer);
        }
        assert!(found.text().contains("6 of 6"));
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
        let advice = |text: &str| Advice {
            cause: Cause::NoisyLayer,
            text: text.to_owned(),
            command: text.to_owned(),
        };
        report.advice = vec![advice("text")];
        let clean = page::render(&report);
        let hostile = "</title><b onload=\"x\">'&<script>";
        report.model = hostile.to_owned();
        report.statement = hostile.to_owned();
        report.advice = vec![advice(hostile)];
        report.origin.command = hostile.to_owned();
        report.origin.inputs = hostile.into();
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
        let bundle = lenet(&folder);
        let mut report = report(&bundle, &float, "unused").expect("report");
        // No input was taken, and nothing has labels.
        report.errors = ErrorReport { refused: 6, ..ErrorReport::default() };
        report.labelled = 0;
        // A picture is a part of the page.
        let outcome = Outcome { label: Some(1), float: 1, quantized: Some(2) };
        let samples = Samples {
            data: Dataset { inputs: vec![vec![7; 784]], labels: vec![1] },
            numbers: vec![],
        };
        let graph = Bundle::read(Path::new(&bundle)).expect("bundle").graph;
        (report.misjudged, report.misjudged_inputs) =
            Misjudged::among(&[outcome], &samples, &graph, 5);
        assert_eq!(report.misjudged[0].input, 5);
        let html = page::render(&report);
        for outside in ["<script", "<link", "@import", "url(", "http:", "https:"] {
            assert!(!html.contains(outside), "{outside}");
        }
        let pictures = html.matches("<img").count();
        assert!(pictures > 0 && html.matches("src=\"data:image/png;base64,").count() == pictures);
        assert!(!html.contains("NaN") && html.contains("every input"), "{html}");
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"));
    }
}
