//! Outputs that a proof hides behind a commitment, and `assay output`.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, keccak256};
use anyhow::{Context, Result, bail};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    collection::sealed::{self, Recipient, SealingKey},
    graph::QuantizedGraph,
    output_opening::OutputOpening,
};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    dataset::seal::{parse_recipient, seal_to},
    hex_words::parse_word,
    output::{Output, table},
    public_inputs::{PublicInput, output_step},
    published::ModelSource,
};

/// Outputs that a table shows.
const SHOWN: usize = 32;

#[derive(Subcommand)]
pub(crate) enum OutputCommand {
    /// Seller: encrypt the opening of hidden outputs to the buyer
    Seal(SealArgs),
    /// Buyer: decrypt an opening that was sealed to you
    Unseal(UnsealArgs),
    /// Show the outputs in an opening, compare them with the commitment that a proof shows
    Show(ShowArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay output seal score.proof.outputs.json --to age1... -o score.outputs.age

The buyer makes the key with `assay dataset key`.")]
pub(crate) struct SealArgs {
    /// Opening of hidden outputs, as `assay prove` wrote it
    opening: PathBuf,
    /// Public key of the buyer; may be repeated
    #[arg(long, required = true, value_name = "age1...", value_parser = parse_recipient)]
    to: Vec<Recipient>,
    /// Sealed file to write; not replaced when it exists
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay output unseal score.outputs.age --key buyer.age-key --commitment 0x... -o score.outputs.json")]
pub(crate) struct UnsealArgs {
    /// Sealed opening
    sealed: PathBuf,
    /// Your secret key, made by `assay dataset key`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The commitment that it must open, the last public input of the proof
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: Option<B256>,
    /// Opening to write, not replaced when it exists. It is secret
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay output show score.outputs.json --card score.card.json --commitment 0x...

`assay verify --outputs-opening` does the same with a proof at hand.")]
pub(crate) struct ShowArgs {
    /// Opening of hidden outputs
    opening: PathBuf,
    #[command(flatten)]
    model: ModelSource,
    /// The commitment that it must open, the last public input of the proof
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: Option<B256>,
}

pub(crate) fn run(command: OutputCommand, output: &Output) -> Result<()> {
    match command {
        OutputCommand::Seal(args) => seal(&args, output),
        OutputCommand::Unseal(args) => unseal(&args, output),
        OutputCommand::Show(args) => show(&args, output),
    }
}

/// The commitment that an opening opens, which is the wanted one.
fn commitment(path: &Path, opening: &OutputOpening, wanted: Option<B256>) -> Result<B256> {
    let found = B256::from(field_to_bytes(&opening.commitment()));
    match wanted.filter(|wanted| *wanted != found) {
        Some(wanted) => bail!(
            "{} opens the commitment {found}, not {wanted}: it holds other outputs or another salt than the \
             proof; ask for the opening that belongs to it",
            path.display()
        ),
        None => Ok(found),
    }
}

/// Outputs that a proof hides, by their opening.
#[derive(Serialize)]
pub(crate) struct HiddenOutputs {
    opening: PathBuf,
    commitment: B256,
    /// Index of the largest, the first of equals.
    class: usize,
    outputs: Vec<PublicInput>,
}

impl HiddenOutputs {
    /// Reads an opening of the outputs of `graph`.
    ///
    /// # Errors
    /// If it is of another network, or opens another commitment than the wanted one.
    pub(crate) fn read(
        path: &Path,
        graph: &QuantizedGraph,
        bounds: &[f64],
        wanted: Option<B256>,
    ) -> Result<Self> {
        let opening = OutputOpening::read(path)?;
        let (found, expected) =
            (opening.outputs().len(), graph.tensors.get(graph.output).map_or(0, |t| t.shape[0]));
        if found != expected {
            bail!("{} holds {found} outputs, the network has {expected}", path.display());
        }
        let commitment = commitment(path, &opening, wanted)?;
        let step = output_step(graph);
        let outputs = opening.outputs().iter().enumerate().map(|(index, output)| PublicInput {
            name: format!("output {index}"),
            value: output.to_string(),
            real: step.map(|step| f64::from(*output) * step),
            error_bound: bounds.get(index).copied(),
        });
        let (opening_path, class) = (path.to_owned(), opening.class());
        Ok(Self { opening: opening_path, commitment, class, outputs: outputs.collect() })
    }

    /// What a table shows of them.
    pub(crate) fn rows(&self) -> Vec<(&str, String)> {
        let mut rows = vec![("outputs from", self.opening.display().to_string())];
        if self.outputs.len() > 1 {
            rows.push(("class", self.class.to_string()));
        }
        let shown = self.outputs.iter().take(SHOWN);
        rows.extend(shown.map(|output| (output.name.as_str(), output.text())));
        if self.outputs.len() > SHOWN {
            rows.push(("", format!("and {} more (--json)", self.outputs.len() - SHOWN)));
        }
        rows
    }
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let (architecture, bounds) = args.model.architecture_and_bounds()?;
    let hidden = HiddenOutputs::read(&args.opening, &architecture.graph, &bounds, args.commitment)?;
    output.finish(&hidden, || {
        let compared = match args.commitment {
            Some(_) => "",
            None => "; is it the one in the proof? (--commitment)",
        };
        let mut rows = vec![("commitment", format!("{}{compared}", hidden.commitment))];
        rows.extend(hidden.rows());
        table(&rows)
    })
}

#[derive(Serialize)]
struct Sealed {
    sealed: PathBuf,
    recipients: Vec<String>,
    /// What the sealed opening opens.
    commitment: B256,
    bytes: usize,
    /// Keccak-256 of the sealed file.
    data_hash: B256,
}

fn seal(args: &SealArgs, output: &Output) -> Result<()> {
    let opening = OutputOpening::read(&args.opening)?;
    let data = seal_to(&args.opening, &args.to, &args.output, output)?;
    let report = Sealed {
        sealed: args.output.clone(),
        recipients: args.to.iter().map(Recipient::to_string).collect(),
        commitment: commitment(&args.opening, &opening, None)?,
        bytes: data.len(),
        data_hash: keccak256(&data),
    };
    output.finish(&report, || {
        table(&[
            ("sealed", format!("{}, {} bytes", report.sealed.display(), report.bytes)),
            ("to", report.recipients.join(", ")),
            ("commitment", report.commitment.to_string()),
            ("hash", report.data_hash.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct Unsealed {
    unsealed: PathBuf,
    commitment: B256,
    outputs: usize,
}

fn unseal(args: &UnsealArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("unsealing");
    sealed::unseal(&args.sealed, &SealingKey::read(&args.key)?, &args.output)?;
    drop(spinner);
    let read = || -> Result<(OutputOpening, B256)> {
        let opening = OutputOpening::read(&args.output)?;
        let commitment = commitment(&args.output, &opening, args.commitment)?;
        Ok((opening, commitment))
    };
    let (opening, commitment) = read()
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&args.output);
        })
        .with_context(|| {
            format!("{} was sealed to you, but what is inside is of no use", args.sealed.display())
        })?;
    let report =
        Unsealed { unsealed: args.output.clone(), commitment, outputs: opening.outputs().len() };
    output.finish(&report, || {
        let compared = match args.commitment {
            Some(_) => "",
            None => "; is it the one in the proof? (--commitment)",
        };
        table(&[
            ("unsealed", format!("{}, {} outputs", report.unsealed.display(), report.outputs)),
            ("commitment", format!("{}{compared}", report.commitment)),
        ])
    })
}
