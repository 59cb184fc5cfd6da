//! `assay model`.

mod card;
mod check;
mod derive;
mod import;
mod inspect;
mod link;
mod list;
mod predict;
mod register;
mod report;

use std::path::PathBuf;

use anyhow::{Context, Result};
use assay_prover::{
    bundle::Bundle,
    files::atomic_file::{self, Readers},
};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::output::{Output, hex, table};

pub(crate) use derive::DeriveArgs;
pub(crate) use import::{ImportArgs, openings_counter};
pub(crate) use inspect::{InspectArgs, describe};
pub(crate) use link::LinkArgs;
pub(crate) use predict::PredictArgs;
pub(crate) use register::RegisterArgs;
pub(crate) use report::ReportArgs;

#[derive(Subcommand)]
pub(crate) enum ModelCommand {
    /// Quantize an ONNX network and plan its circuit
    Import(ImportArgs),
    /// The same network in a circuit for another statement: audits, retrieval, other outputs
    Derive(Box<DeriveArgs>),
    /// Tell whether two circuits are circuits of one model
    Link(LinkArgs),
    /// Show layers, ranges, and the planned circuit
    Inspect(InspectArgs),
    /// Write the public part of a model: everything but its weights
    Architecture(ArchitectureArgs),
    /// Write the model card: the one public file that buyers need
    Card(Box<card::CardArgs>),
    /// Check a model card against its architecture, a setup and a chain
    Check(Box<check::CheckArgs>),
    /// Show the models of a registry
    List(list::ListArgs),
    /// Show one model of a registry
    Show(list::ShowArgs),
    /// Write a page about accuracy, error by layer and cost by layer
    Report(ReportArgs),
    /// Run a model on an input without a proof
    Predict(PredictArgs),
    /// Register a model on chain
    Register(RegisterArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay model architecture lenet.bundle -o lenet.json")]
pub(crate) struct ArchitectureArgs {
    /// Model bundle
    bundle: PathBuf,
    /// File to write
    #[arg(short, long)]
    output: PathBuf,
}

pub(crate) fn run(command: ModelCommand, output: &Output) -> Result<()> {
    match command {
        ModelCommand::Import(args) => import::run(&args, output),
        ModelCommand::Derive(args) => derive::run(&args, output),
        ModelCommand::Card(args) => card::run(&args, output),
        ModelCommand::Check(args) => check::run(&args, output),
        ModelCommand::List(args) => list::list(&args, output),
        ModelCommand::Show(args) => list::show(&args, output),
        ModelCommand::Link(args) => link::run(&args, output),
        ModelCommand::Inspect(args) => inspect::run(&args, output),
        ModelCommand::Architecture(args) => architecture(&args, output),
        ModelCommand::Report(args) => report::run(&args, output),
        ModelCommand::Predict(args) => predict::run(&args, output),
        ModelCommand::Register(args) => register::run(&args, output),
    }
}

#[derive(Serialize)]
struct Published {
    output: PathBuf,
    circuit_hash: String,
    bytes: usize,
}

fn architecture(args: &ArchitectureArgs, output: &Output) -> Result<()> {
    let architecture = Bundle::read(&args.bundle)?.architecture();
    let text = architecture.to_json();
    atomic_file::write(&args.output, Readers::Everyone, text.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    let report = Published {
        output: args.output.clone(),
        circuit_hash: hex(architecture.circuit_hash()),
        bytes: text.len(),
    };
    output.finish(&report, || {
        table(&[
            ("architecture", report.output.display().to_string()),
            ("circuit", report.circuit_hash.clone()),
            ("size", format!("{} bytes", report.bytes)),
        ])
    })
}
