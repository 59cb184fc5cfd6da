//! `assay model derive`: the same network for another statement.

use std::path::PathBuf;

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle,
    circuit::{AnswerMode, Estimate, InputMode, OutputMode, PlanRequest, Run, StatementKind},
    openings::Marks,
};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{
    import::{Prefer, parse_memory, parse_output},
    inspect::describe,
};
use crate::output::{Output, hex, table};

#[derive(Args)]
#[command(after_help = "Example:
  assay model derive lenet.bundle --statement audit --items 64 --depth 10 -o lenet-audit.bundle")]
pub(crate) struct DeriveArgs {
    /// Model bundle
    bundle: PathBuf,
    /// What the new bundle's circuit proves
    #[arg(long, value_enum)]
    statement: Statement,
    /// Items in one proof, a power of two (audit, retrieval: at most 128, classification: at most 256)
    #[arg(long, default_value_t = 64)]
    items: usize,
    /// Depth of the collection's tree, as `assay dataset show` says (audit, retrieval and classification)
    #[arg(long)]
    depth: Option<u32>,
    /// An audited item is correct when its label is among so many best classes
    #[arg(long, default_value_t = 1)]
    top: usize,
    /// Class that a retrieval looks for
    #[arg(long)]
    class: Option<usize>,
    /// What a prediction shows: `class`, `best:K`, `scores:K`, `logits`, or a `commitment` to all outputs
    #[arg(long, default_value = "class", value_name = "WHAT", value_parser = parse_output)]
    outputs: OutputMode,
    /// Make a prediction's input public instead of its commitment
    #[arg(long)]
    public_input: bool,
    /// What the circuit shall take little of [default: a balance of time and gas]
    #[arg(long, value_enum, value_name = "WHAT")]
    prefer: Option<Prefer>,
    /// Most memory that a proof may take by the cost model, in GB (10^9 bytes)
    #[arg(long, value_name = "GB", value_parser = parse_memory)]
    max_memory: Option<f64>,
    /// Values in one row of the circuit [default: chosen by a cost model]
    #[arg(long)]
    lanes: Option<usize>,
    /// Proofs that may be made with the new bundle. All bundles of a model share its openings: these
    /// are taken from the source's; `assay model give-back` gives back what is not used
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    openings: u32,
    /// Bundle to write. It holds the weights: keep it secret
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Statement {
    /// This input gives this output
    Prediction,
    /// So many of these items of a committed test set are classified correctly
    Audit,
    /// These items of a committed collection are the ones of a class
    Retrieval,
    /// This is the class of each of these items of a committed collection, or of a network with one output
    /// its number
    Classification,
}

#[derive(Serialize)]
struct Derived {
    output: PathBuf,
    statement: StatementKind,
    k: u32,
    rows_used: usize,
    lanes: usize,
    weight_columns: usize,
    /// The new bundle's id, by which the source's counter knows its share.
    bundle_id: String,
    openings: usize,
    /// What the source has left.
    source_openings_left: usize,
    estimate: Estimate,
    circuit_hash: String,
}

impl DeriveArgs {
    /// The statement, about a network of so many classes.
    fn kind(&self, classes: usize) -> Result<StatementKind> {
        let run = || -> Result<Run> {
            if !self.items.is_power_of_two() {
                bail!("--items {} is not a power of two", self.items);
            }
            let log_items = self.items.ilog2();
            // No tree is without an edge.
            let depth = self.depth.unwrap_or(log_items.max(1));
            if depth == 0 {
                bail!("--depth 0: a collection's tree is at least 1 deep");
            }
            Ok(Run { log_items, depth })
        };
        Ok(match self.statement {
            Statement::Prediction => StatementKind::Prediction {
                input: if self.public_input { InputMode::Public } else { InputMode::Committed },
                output: self.outputs,
            },
            Statement::Audit if self.top >= classes => {
                bail!("--top {} of {classes} classes: every item would count as correct", self.top)
            }
            Statement::Audit => StatementKind::Audit { run: run()?, top: self.top },
            Statement::Retrieval => {
                let Some(class) = self.class else { bail!("a retrieval needs --class") };
                StatementKind::Retrieval { run: run()?, class }
            }
            Statement::Classification => {
                let answers = if classes == 1 { AnswerMode::Numbers } else { AnswerMode::Classes };
                StatementKind::Classification { run: run()?, answers }
            }
        })
    }
}

pub(super) fn run(args: &DeriveArgs, output: &Output) -> Result<()> {
    Bundle::require_free(&args.output)?;
    let source = Bundle::read(&args.bundle)?;
    let steps = output.bar(1, "planning the circuit");
    let graph = &source.graph;
    let classes = graph.tensors[graph.output].shape[0];
    let request = PlanRequest {
        statement: args.kind(classes)?,
        prefer: Prefer::of(args.prefer),
        max_memory_mb: args.max_memory.map(|gb| gb * 1e3),
        lanes: args.lanes,
        ..PlanRequest::default()
    };
    let openings = args.openings as usize;
    let derived = source.derive(&args.bundle, &args.output, request, openings, &Marks::of_user()?);
    let (bundle, source_openings_left) = derived.map_err(|error| {
        let told = anyhow::Error::new(error);
        told.context(format!("cannot derive from {}", args.bundle.display()))
    })?;
    let layout = bundle.layout()?;
    drop(steps);
    let report = Derived {
        output: args.output.clone(),
        statement: bundle.options.statement,
        k: layout.k,
        rows_used: layout.rows_used(),
        lanes: layout.options.lanes,
        weight_columns: layout.options.weight_columns,
        bundle_id: bundle.id.to_string(),
        openings: bundle.budget,
        source_openings_left,
        estimate: layout.estimate(),
        circuit_hash: hex(bundle.architecture().circuit_hash()),
    };
    output.finish(&report, || {
        table(&[
            ("bundle", report.output.display().to_string()),
            ("statement", describe(report.statement)),
            ("rows", format!("{} of 2^{}", report.rows_used, report.k)),
            ("lanes", report.lanes.to_string()),
            ("expected", format!("{:.0} CPU-s a proof", report.estimate.prove_cpu_s)),
            (
                "openings",
                format!(
                    "{} proofs, taken from the source's, which has {} left",
                    report.openings, report.source_openings_left
                ),
            ),
            ("id", report.bundle_id.clone()),
            ("circuit", report.circuit_hash.clone()),
        ])
    })
}
