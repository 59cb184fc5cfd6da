//! `assay model card`.

use std::path::PathBuf;

use alloy::primitives::Address;
use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::Bundle,
    model_card::{CardClaims, ModelCard},
    model_proof::model_hash,
};
use clap::Args;
use serde::Serialize;

use super::outputs::Outputs;
use crate::{
    output::{Output, hex, table},
    public_inputs::bound_text,
    setup_trust::SetupTrust,
    trust::{KnownModel, Solc, read_setup},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model card lenet.bundle --setup ceremony.srs --owner 0x... --classes digits.txt \\
    --licence MIT --link https://example.org/lenet -o lenet.card.json

The card holds the architecture, so it is all that a buyer needs besides a setup of its own. Nothing in it is
secret.")]
pub(crate) struct CardArgs {
    /// Model bundle
    bundle: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    #[command(flatten)]
    solc: Solc,
    /// Account that registers the model: buyers then take no other's entry
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Address>,
    /// File with the names of the classes, one in a line
    #[arg(long, value_name = "FILE")]
    classes: Option<PathBuf>,
    /// Terms of use
    #[arg(long, default_value = "", value_name = "TEXT")]
    licence: String,
    /// Where more is found; may be repeated
    #[arg(long, value_name = "URL")]
    link: Vec<String>,
    /// Replace a card that is there
    #[arg(long)]
    force: bool,
    /// Card to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report {
    output: PathBuf,
    #[serde(flatten)]
    card: ModelCard,
    #[serde(skip)]
    setup: SetupTrust,
}

pub(super) fn run(args: &CardArgs, output: &Output) -> Result<()> {
    if args.output.exists() && !args.force {
        bail!(
            "{} exists; buyers may have it: give another name, or --force",
            args.output.display()
        );
    }
    let bundle = Bundle::read(&args.bundle)?;
    let names = args.names()?;
    let known = KnownModel::of(bundle.architecture(), Some(&args.setup), output)?;
    let info = known.key().info();
    let code = args.solc.code_of(info.profile(), output)?;
    let spinner = output.spinner("committing to the weights");
    let layout = known.layout();
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    let claims = CardClaims {
        model_hash: model_hash(&bundle, layout, &srs)?,
        vk_hash: info.hash(),
        setup_id: info.setup_id(),
        ceremony: known.setup().ceremony().map(str::to_owned),
        profile: info.profile().digest(),
        code_hash: Some(code.code_hash.0),
        openings: bundle.budget,
        left_out: Outputs::of(&bundle).dropped_text(),
        bounds: bundle.bounds.clone(),
    };
    let mut card = ModelCard::new(bundle.architecture(), claims)?;
    card.owner = args.owner.map(|owner| owner.to_string()).unwrap_or_default();
    card.output.names = names;
    card.licence.clone_from(&args.licence);
    card.links.clone_from(&args.link);
    card.check()?;
    card.write(&args.output, args.force)?;
    drop(spinner);
    let report = Report { output: args.output.clone(), card, setup: known.setup().clone() };
    output.finish(&report, || report.text())
}

impl CardArgs {
    fn names(&self) -> Result<Vec<String>> {
        let Some(path) = &self.classes else { return Ok(Vec::new()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().map(|line| line.trim().to_owned()).collect())
    }
}

impl Report {
    fn text(&self) -> String {
        let card = &self.card;
        let mut rows = vec![
            ("card", self.output.display().to_string()),
            ("statement", format!("{}, shows {}", card.statement, card.output.shows)),
            ("circuit", card.circuit_hash.to_string()),
            ("model", card.model_hash.to_string()),
            ("verifying key", card.vk_hash.to_string()),
            ("verifier", card.verifier.code_hash.map(|hash| hex(hash.0)).unwrap_or_default()),
            ("setup", self.setup.text()),
            ("openings", format!("{} proofs", card.openings)),
        ];
        if let Some(left_out) = &card.output.left_out {
            rows.push(("left out", left_out.clone()));
        }
        let most = card.output.bounds.iter().copied().reduce(f64::max);
        rows.extend(most.map(|most| ("error bound", bound_text(most))));
        table(&rows)
    }
}
