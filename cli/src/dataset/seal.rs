//! `assay dataset key`, `seal`, `unseal`: files for certain readers' eyes only.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, keccak256};
use anyhow::{Context, Result};
use assay_prover::collection::sealed::{self, Recipient, SealingKey};
use clap::Args;
use serde::Serialize;

use super::{items_text, read, root};
use crate::output::{Output, table};

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset key -o seller.age-key

The public key goes to who shall seal files to you (`assay escrow audit enter --encryption-key age1...`).
Keys and sealed files are those of the age format: `age` and `rage` read and write them too.")]
pub(crate) struct KeyArgs {
    /// File for the secret key; not replaced when it exists
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset seal test.set --to age1... --to age1... -o test.set.age")]
pub(crate) struct SealArgs {
    /// Set file, or another file such as an archive of openings
    file: PathBuf,
    /// Public key of somebody who may read it; may be repeated
    #[arg(long, required = true, value_name = "age1...", value_parser = parse_recipient)]
    to: Vec<Recipient>,
    /// Sealed file to write; not replaced when it exists
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset unseal test.set.age --key seller.age-key -o test.set")]
pub(crate) struct UnsealArgs {
    /// Sealed file
    file: PathBuf,
    /// Your secret key, made by `assay dataset key`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Write what is inside without a look at it: it is no set file
    #[arg(long)]
    any: bool,
    /// File to write, not replaced when it exists. A set file is secret: it holds all inputs and labels
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Key {
    key: PathBuf,
    recipient: String,
}

pub(crate) fn key(args: &KeyArgs, output: &Output) -> Result<()> {
    let key = SealingKey::random();
    key.write(&args.output)?;
    let report = Key { key: args.output.clone(), recipient: key.recipient().to_string() };
    output.finish(&report, || {
        table(&[
            ("secret key", report.key.display().to_string()),
            ("public key", report.recipient.clone()),
        ])
    })
}

#[derive(Serialize)]
struct Sealed {
    sealed: PathBuf,
    recipients: Vec<String>,
    bytes: usize,
    /// Keccak-256 of the sealed file, as it goes on chain.
    data_hash: B256,
}

pub(crate) fn seal(args: &SealArgs, output: &Output) -> Result<()> {
    let data = seal_to(&args.file, &args.to, &args.output, output)?;
    let report = Sealed {
        sealed: args.output.clone(),
        recipients: args.to.iter().map(Recipient::to_string).collect(),
        bytes: data.len(),
        data_hash: keccak256(&data),
    };
    output.finish(&report, || {
        table(&[
            ("sealed", format!("{}, {} bytes", report.sealed.display(), report.bytes)),
            ("to", report.recipients.join(", ")),
            ("hash", report.data_hash.to_string()),
        ])
    })
}

/// Seals a file and returns the sealed bytes.
pub(crate) fn seal_to(
    file: &Path,
    recipients: &[Recipient],
    sealed: &Path,
    output: &Output,
) -> Result<Vec<u8>> {
    let _spinner = output.spinner("sealing");
    sealed::seal(file, recipients, sealed)?;
    std::fs::read(sealed).with_context(|| format!("cannot read {}", sealed.display()))
}

#[derive(Serialize)]
struct Unsealed {
    unsealed: PathBuf,
    /// Of a set file.
    root: Option<B256>,
    items: Option<usize>,
    depth: Option<u32>,
}

pub(crate) fn unseal(args: &UnsealArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("unsealing");
    sealed::unseal(&args.file, &SealingKey::read(&args.key)?, &args.output)?;
    drop(spinner);
    let mut report =
        Unsealed { unsealed: args.output.clone(), root: None, items: None, depth: None };
    let mut shape = [0; 3];
    if !args.any {
        let set = read(&args.output, output).with_context(|| {
            format!(
                "{} was sealed to you, but what is inside is no set file; --any keeps it as it is",
                args.file.display()
            )
        });
        let set = set.inspect_err(|_| {
            let _ = std::fs::remove_file(&args.output);
        })?;
        (report.root, report.items) = (Some(root(&set)), Some(set.len()));
        (report.depth, shape) = (Some(set.depth()), set.shape());
    }
    output.finish(&report, || {
        let mut rows = vec![("unsealed", report.unsealed.display().to_string())];
        if let (Some(root), Some(items), Some(depth)) = (report.root, report.items, report.depth) {
            rows.push(("root", root.to_string()));
            rows.push(("items", items_text(items, shape)));
            rows.push(("depth", depth.to_string()));
        }
        let mut text = table(&rows);
        if report.root.is_some() {
            text.push_str("compare the root with the one that was agreed on\n");
        }
        text
    })
}

pub(crate) fn parse_recipient(text: &str) -> Result<Recipient, String> {
    text.parse().map_err(|error: sealed::SealError| error.to_string())
}
