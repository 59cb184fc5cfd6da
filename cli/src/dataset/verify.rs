//! `assay dataset verify`.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use anyhow::{Context, Result, bail};
use assay_prover::{arithmetic::field::field_to_bytes, collection::OpeningFile};
use clap::Args;
use serde::Serialize;

use super::{read, root};
use crate::{
    hex_words::parse_word,
    output::{Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset verify test.set --root 0x1f...
  assay dataset verify openings/0.json openings/7.json --root 0x1f... --depth 10
  assay dataset verify openings.jsonl --root 0x1f...")]
pub(crate) struct VerifyArgs {
    /// Set files, openings (`.json`), or files with an opening a line, as a relayer publishes them (`.jsonl`)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The root that they must have. Without it, openings are checked against what they claim
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: Option<B256>,
    /// The depth that the tree must have
    #[arg(long, value_name = "LEVELS")]
    depth: Option<u32>,
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    files: Vec<VerifiedFile>,
}

#[derive(Serialize)]
struct VerifiedFile {
    file: PathBuf,
    root: B256,
    depth: u32,
    /// Items of a set; nothing for an opening.
    items: Option<usize>,
    /// Item that an opening opens.
    index: Option<usize>,
    label: Option<u32>,
}

pub(super) fn run(args: &VerifyArgs, output: &Output) -> Result<()> {
    let mut files = Vec::new();
    for file in &args.files {
        files.extend(check(file, args, output)?);
    }
    let report = Verified { files, valid: true };
    output.finish(&report, || {
        let rows: Vec<(String, String)> = report
            .files
            .iter()
            .map(|found| {
                let what = match (found.items, found.index, found.label) {
                    (Some(items), ..) => format!("{items} items"),
                    (None, Some(index), Some(label)) => format!("item {index}, label {label}"),
                    _ => String::new(),
                };
                let text = format!("holds: {what}, depth {}, root {}", found.depth, found.root);
                (found.file.display().to_string(), text)
            })
            .collect();
        let mut text = table(&rows);
        if args.root.is_none() {
            text.push_str("no --root given: compare the root with the one you know\n");
        }
        text
    })
}

fn check(file: &Path, args: &VerifyArgs, output: &Output) -> Result<Vec<VerifiedFile>> {
    let is =
        |wanted: &str| file.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
    let found = if is("json") {
        vec![opened(file, &OpeningFile::read(file)?)?]
    } else if is("jsonl") {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        let openings = OpeningFile::from_lines(file, &text)?;
        openings.iter().map(|opening| opened(file, opening)).collect::<Result<_>>()?
    } else {
        let set = read(file, output)?;
        vec![VerifiedFile {
            file: file.to_owned(),
            root: root(&set),
            depth: set.depth(),
            items: Some(set.len()),
            index: None,
            label: None,
        }]
    };
    for found in &found {
        if let Some(root) = args.root.filter(|root| *root != found.root) {
            bail!("{} has root {}, not {root}", file.display(), found.root);
        }
        if let Some(depth) = args.depth.filter(|depth| *depth != found.depth) {
            bail!("the tree of {} is {} deep, not {depth}", file.display(), found.depth);
        }
    }
    Ok(found)
}

fn opened(file: &Path, opening: &OpeningFile) -> Result<VerifiedFile> {
    opening.verify().with_context(|| format!("{} does not hold", file.display()))?;
    Ok(VerifiedFile {
        file: file.to_owned(),
        root: B256::from(field_to_bytes(&opening.root)),
        depth: u32::try_from(opening.opening.siblings.len())?,
        items: None,
        index: Some(opening.opening.index),
        label: Some(opening.opening.item.label),
    })
}
