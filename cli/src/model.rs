//! `assay model`.

mod blocks;
mod card;
mod check;
mod derive;
mod encoding;
mod give_back;
mod import;
mod inspect;
mod link;
mod list;
mod network;
mod outputs;
mod predict;
mod register;
mod report;

use std::path::PathBuf;

use anyhow::Result;
use assay_prover::{bundle::Bundle, files::Readers};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    new_file::NewFile,
    output::{Output, hex, table},
};

pub(crate) use derive::DeriveArgs;
pub(crate) use give_back::GiveBackArgs;
pub(crate) use import::ImportArgs;
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
    /// End a derived bundle, and give what it has left of its openings back to its source
    GiveBack(GiveBackArgs),
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
    /// Replace a file that is there: proofs of the model that it describes could no longer be checked with it
    #[arg(long)]
    force: bool,
    /// File to write; another architecture that is there is not replaced
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
        ModelCommand::GiveBack(args) => give_back::run(&args, output),
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
    /// Whether this very architecture was there before.
    was_there: bool,
}

/// What would be broken by replacing an architecture.
const BREAKS: &str = "proofs of the model that it describes could no longer be checked with it";

fn architecture(args: &ArchitectureArgs, output: &Output) -> Result<()> {
    let architecture = Bundle::read(&args.bundle)?.architecture();
    let text = architecture.to_json();
    let file = NewFile::new(&args.output, Some(args.force), BREAKS);
    let was_there = file.write_bytes(Readers::Everyone, text.as_bytes())?;
    let report = Published {
        output: args.output.clone(),
        circuit_hash: hex(architecture.circuit_hash()),
        bytes: text.len(),
        was_there,
    };
    output.finish(&report, || {
        let was_there = if report.was_there { " (was there)" } else { "" };
        table(&[
            ("architecture", format!("{}{was_there}", report.output.display())),
            ("circuit", report.circuit_hash.clone()),
            ("size", format!("{} bytes", report.bytes)),
        ])
    })
}
