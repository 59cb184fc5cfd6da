//! The key under which a proof is checked on this machine.

use std::path::PathBuf;

use alloy::primitives::B256;
use anyhow::{Result, bail};
use assay_prover::{
    bundle::{Architecture, Bundle},
    circuit::Layout,
    model_card::{CardOutput, ModelCard},
    proof::VerifierKey,
};
use clap::Args;

use super::{KnownModel, PublishedModel, TrustReport};
use crate::{key_folder::KeyFolder, output::Output, published::read_architecture};

/// The model that a proof must be of, and where its verifying key comes from.
#[derive(Args, Clone)]
pub(crate) struct ProofKeyArgs {
    #[command(flatten)]
    published: PublishedModel,
    /// Model bundle, in place of a card or an architecture
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["card", "architecture"],
        help_heading = "Trust"
    )]
    bundle: Option<PathBuf>,
    /// Folder of keys whose verifying key is taken as it is; needs --trust-key
    #[arg(long, value_name = "DIR", help_heading = "Trust")]
    keys: Option<PathBuf>,
    /// Take the key in --keys without making it again: a proof is "valid" for whatever its maker put in
    #[arg(long, requires = "keys", help_heading = "Trust")]
    trust_key: bool,
}

/// A verifying key, and why it is used.
pub(crate) struct ProofKey {
    pub architecture: Architecture,
    pub layout: Layout,
    pub key: VerifierKey,
    /// The model's hash by the card.
    pub model_hash: Option<B256>,
    /// What the card says of the outputs.
    pub output: Option<CardOutput>,
    pub report: TrustReport,
}

impl ProofKeyArgs {
    /// The key: made again, or with --trust-key as it lies in the folder.
    pub(crate) fn open(&self, output: &Output) -> Result<ProofKey> {
        if self.trust_key {
            return self.taken();
        }
        if let Some(keys) = &self.keys {
            bail!(
                "the verifying key in {} says what its maker wrote: leave --keys out and give --setup, so that the \
                 key is made again here from the architecture (once; it is kept), or add --trust-key to take it \
                 as it is",
                keys.display()
            );
        }
        if self.published.setup.is_none() && self.published.card.is_none() {
            bail!(
                "a verifying key says what it says because its maker wrote it: give --setup, so that it is made \
                 again here from the architecture (once; it is kept), or --trust-key with --keys to take it as \
                 it is"
            );
        }
        let known = match &self.bundle {
            Some(bundle) => {
                let architecture = Bundle::read(bundle)?.architecture();
                KnownModel::of(architecture, self.published.setup.as_deref(), output)?
            }
            None => self.published.open(output)?,
        };
        let report =
            TrustReport::Recomputed { compared: known.compared(), setup: known.setup().clone() };
        Ok(ProofKey {
            architecture: known.architecture().clone(),
            layout: known.layout().clone(),
            key: known.key().clone(),
            model_hash: known.model_hash(),
            output: known.card().map(|card| card.output.clone()),
            report,
        })
    }

    fn taken(&self) -> Result<ProofKey> {
        let (architecture, model_hash, output) = match (&self.bundle, &self.published) {
            (Some(bundle), _) => (Bundle::read(bundle)?.architecture(), None, None),
            (None, PublishedModel { card: Some(card), .. }) => {
                let (card, _) = ModelCard::read(card)?;
                let hash = B256::from(card.model_hash.0);
                (card.architecture, Some(hash), Some(card.output))
            }
            (None, PublishedModel { architecture: Some(path), .. }) => {
                (read_architecture(path)?, None, None)
            }
            _ => bail!("give --card, --architecture or --bundle"),
        };
        let Some(folder) = &self.keys else { bail!("--trust-key needs --keys") };
        let layout = architecture.layout()?;
        let key = KeyFolder(folder).verifying_key(&layout)?;
        let report = TrustReport::key_file();
        Ok(ProofKey { architecture, layout, key, model_hash, output, report })
    }

    /// Where the model's public part comes from, for messages.
    pub(crate) fn source(&self) -> PathBuf {
        let given = [&self.bundle, &self.published.card, &self.published.architecture];
        given.into_iter().flatten().next().cloned().unwrap_or_default()
    }
}
