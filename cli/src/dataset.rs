//! `assay dataset`: committed collections of inputs.

mod commit;
pub(crate) mod seal;
mod verify;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use alloy::primitives::B256;
use anyhow::Result;
use assay_prover::{
    arithmetic::field::field_to_bytes,
    collection::{Collection, OpeningFile, ReadProgress},
    graph::Shape,
};
use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;

use crate::output::{Output, table};

pub(crate) use commit::CommitArgs;
pub(crate) use verify::VerifyArgs;

#[derive(Subcommand)]
pub(crate) enum DatasetCommand {
    /// Commit to inputs and their labels: writes the secret set file, prints the root
    Commit(Box<CommitArgs>),
    /// Say what a set file holds
    Show(ShowArgs),
    /// Check set files and openings against a root
    Verify(VerifyArgs),
    /// Write the files that open items of a set
    Open(OpenArgs),
    /// Make a key to which others can seal files
    Key(seal::KeyArgs),
    /// Encrypt a set file to those who may have it
    Seal(seal::SealArgs),
    /// Decrypt a set file that was sealed to you
    Unseal(seal::UnsealArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset show test.set")]
pub(crate) struct ShowArgs {
    /// Set file
    set: PathBuf,
}

#[derive(Args)]
#[command(
    group = ArgGroup::new("items").required(true).args(["indices", "all"]),
    after_help = "Example:
  assay dataset open test.set 0 7 12 -o openings
  assay dataset open test.set --all -o openings"
)]
pub(crate) struct OpenArgs {
    /// Set file
    set: PathBuf,
    /// Items to open, counted from 0
    #[arg(value_name = "INDEX")]
    indices: Vec<usize>,
    /// Open all items
    #[arg(long)]
    all: bool,
    /// Folder for the openings, `<index>.json`. Each shows its item to whoever has it
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

pub(crate) fn run(command: DatasetCommand, output: &Output) -> Result<()> {
    match command {
        DatasetCommand::Commit(args) => commit::run(&args, output),
        DatasetCommand::Show(args) => show(&args, output),
        DatasetCommand::Verify(args) => verify::run(&args, output),
        DatasetCommand::Open(args) => open(&args, output),
        DatasetCommand::Key(args) => seal::key(&args, output),
        DatasetCommand::Seal(args) => seal::seal(&args, output),
        DatasetCommand::Unseal(args) => seal::unseal(&args, output),
    }
}

#[derive(Serialize)]
struct Shown {
    root: B256,
    items: usize,
    depth: u32,
    shape: Shape,
    labels: bool,
    /// Items of each label; empty without labels.
    classes: BTreeMap<u32, usize>,
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let set = read(&args.set, output)?;
    let mut classes = BTreeMap::new();
    for label in set.labels() {
        *classes.entry(*label).or_insert(0) += 1;
    }
    let report = Shown {
        root: root(&set),
        items: set.len(),
        depth: set.depth(),
        shape: set.shape(),
        labels: !classes.is_empty(),
        classes,
    };
    output.finish(&report, || {
        let counts = report.classes.values();
        let labels = match (counts.clone().min(), counts.max()) {
            (Some(least), Some(most)) => {
                format!("{} classes of {least} to {most} items", report.classes.len())
            }
            _ => "none".to_owned(),
        };
        table(&[
            ("root", report.root.to_string()),
            ("items", items_text(report.items, report.shape)),
            ("labels", labels),
            ("depth", report.depth.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct Opened {
    root: B256,
    depth: u32,
    openings: Vec<PathBuf>,
}

fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let set = read(&args.set, output)?;
    let indices = if args.all { (0..set.len()).collect() } else { args.indices.clone() };
    let openings = write_openings(&set, indices, &args.output, output)?;
    let report = Opened { root: root(&set), depth: set.depth(), openings };
    output.finish(&report, || {
        let mut text = table(&[
            ("root", report.root.to_string()),
            ("depth", report.depth.to_string()),
            ("openings", format!("{} in {}", report.openings.len(), args.output.display())),
        ]);
        text.push_str("whoever has an opening sees its item\n");
        text
    })
}

fn write_openings(
    set: &Collection,
    indices: impl IntoIterator<Item = usize, IntoIter: ExactSizeIterator>,
    folder: &Path,
    output: &Output,
) -> Result<Vec<PathBuf>> {
    let indices = indices.into_iter();
    let bar = output.bar(indices.len() as u64, "opening items");
    indices
        .map(|index| {
            let path = OpeningFile::of(set, index)?.write(folder)?;
            bar.step("opening items");
            Ok(path)
        })
        .collect()
}

/// Reads a set file and checks that its items have the root that it says.
pub(crate) fn read(path: &Path, output: &Output) -> Result<Collection> {
    let bar = OnceLock::new();
    let progress = |step: ReadProgress| match step {
        ReadProgress::Items(items) => {
            bar.get_or_init(|| output.bar(items, "hashing items"));
        }
        ReadProgress::Leaf => {
            if let Some(bar) = bar.get() {
                bar.step("hashing items");
            }
        }
    };
    Ok(Collection::read(path, &progress)?)
}

fn root(set: &Collection) -> B256 {
    B256::from(field_to_bytes(&set.root()))
}

fn items_text(items: usize, [channels, height, width]: Shape) -> String {
    format!("{items} of {channels} x {height} x {width}")
}
