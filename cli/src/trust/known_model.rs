//! A model as its published part and a setup determine it.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, keccak256};
use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::Architecture,
    circuit::Layout,
    model_card::ModelCard,
    proof::{Srs, VerifierKey},
    recomputed_key::{KeptKeys, RecomputeError, RecomputeStep, RecomputedKey},
};
use clap::Args;

use super::{kept_folder, setup_file::checked_setups};
use crate::{
    output::{Output, hex},
    published::{is_card, read_architecture},
    setup_trust::SetupTrust,
};

/// The published part of a model, and the setup with which its key is made again.
#[derive(Args, Clone, Default)]
pub(crate) struct PublishedModel {
    /// Model card that the seller published
    #[arg(long, value_name = "FILE", conflicts_with = "architecture", help_heading = "Trust")]
    pub card: Option<PathBuf>,
    /// Published architecture, in place of a card
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub architecture: Option<PathBuf>,
    /// Setup with which the verifying key is made again: your own copy. Not needed for a card of a known
    /// ceremony whose key was made here before
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE", help_heading = "Trust")]
    pub setup: Option<PathBuf>,
}

/// A model whose verifying key was made again.
pub(crate) struct KnownModel {
    architecture: Architecture,
    layout: Layout,
    made: RecomputedKey,
    setup: SetupTrust,
    card: Option<ModelCard>,
}

impl PublishedModel {
    /// The published part in a file, which is a card or an architecture.
    pub(crate) fn of_file(path: &Path, setup: Option<PathBuf>) -> Result<Self> {
        let card = is_card(path)?;
        let path = Some(path.to_owned());
        Ok(match card {
            true => Self { card: path, architecture: None, setup },
            false => Self { card: None, architecture: path, setup },
        })
    }

    /// Whether there is anything to compare with.
    pub(crate) fn is_given(&self) -> bool {
        self.card.is_some() || self.architecture.is_some()
    }

    /// Reads what was given and makes the key again, unless that was done before.
    pub(crate) fn open(&self, output: &Output) -> Result<KnownModel> {
        let setup = self.setup.as_deref();
        match (&self.card, &self.architecture) {
            (Some(card), _) => {
                let (card, _) = ModelCard::read(card)?;
                KnownModel::of_card(card, setup, output)
            }
            (None, Some(path)) => KnownModel::of(read_architecture(path)?, setup, output),
            (None, None) => bail!("give --card or --architecture"),
        }
    }
}

impl KnownModel {
    /// The model of an architecture; without a card its weights may be any.
    pub(crate) fn of(
        architecture: Architecture,
        setup: Option<&Path>,
        output: &Output,
    ) -> Result<Self> {
        let Some(setup) = setup else {
            bail!("the verifying key follows from the architecture and a setup: give --setup");
        };
        let made = make(&architecture, setup, output)?;
        Self::new(architecture, made, None)
    }

    /// The model of a card, whose verifying key must be the one that follows.
    pub(crate) fn of_card(card: ModelCard, setup: Option<&Path>, output: &Output) -> Result<Self> {
        let claimed = SetupTrust::of(card.setup.id.0);
        let made = match setup {
            Some(setup) => {
                let given = Srs::read_id(setup)?;
                if given != card.setup.id.0 {
                    bail!(
                        "the card is for the setup {}{}, {} is the setup {}; give the one that the card was made \
                         for",
                        card.setup.id,
                        card.setup
                            .ceremony
                            .as_ref()
                            .map(|name| format!(" ({name})"))
                            .unwrap_or_default(),
                        setup.display(),
                        hex(given)
                    );
                }
                make(&card.architecture, setup, output)?
            }
            None if claimed.is_trusted() => {
                let kept = kept_keys()?.find(&card.architecture, &card.setup.id.0)?;
                kept.ok_or_else(|| RecomputeError::NoSetup {
                    k: card.setup.k,
                    setup_id: card.setup.id.to_string(),
                })
                .context("give --setup once; the key is kept then")?
            }
            None => bail!(
                "the card's setup {} is of no known ceremony; give --setup with a file that you have reason to \
                 trust, from which the key is made again",
                card.setup.id
            ),
        };
        if card.setup.ceremony.as_deref() != claimed.ceremony() {
            bail!(
                "the card says that its setup is of {:?}, its id says {:?}; do not rely on it",
                card.setup.ceremony,
                claimed.ceremony()
            );
        }
        let info = made.key.info();
        let derived = [
            ("setup", card.setup.id.0, info.setup_id()),
            ("verifying key", card.vk_hash.0, info.hash()),
            ("column profile", card.verifier.profile.0, info.profile().digest()),
        ];
        for (what, claimed, derived) in derived {
            if claimed != derived {
                bail!(
                    "the card's {what} is {}, the one that follows from its architecture and your setup is {}; \
                     proofs under the card's key show nothing, do not pay for them",
                    hex(claimed),
                    hex(derived)
                );
            }
        }
        let architecture = card.architecture.clone();
        Self::new(architecture, made, Some(card))
    }

    fn new(
        architecture: Architecture,
        made: RecomputedKey,
        card: Option<ModelCard>,
    ) -> Result<Self> {
        let layout = architecture.layout()?;
        let setup = SetupTrust::of(made.key.info().setup_id());
        Ok(Self { architecture, layout, made, setup, card })
    }

    pub(crate) fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(crate) fn key(&self) -> &VerifierKey {
        &self.made.key
    }

    pub(crate) fn vk_hash(&self) -> B256 {
        B256::from(self.made.key.hash())
    }

    pub(crate) fn setup(&self) -> &SetupTrust {
        &self.setup
    }

    pub(crate) fn card(&self) -> Option<&ModelCard> {
        self.card.as_ref()
    }

    /// The model's hash, where a card says it.
    pub(crate) fn model_hash(&self) -> Option<B256> {
        self.card.as_ref().map(|card| B256::from(card.model_hash.0))
    }

    /// The owner's account, where a card names one.
    pub(crate) fn owner(&self) -> Result<Option<Address>> {
        match self.card.as_ref().map(|card| card.owner.as_str()) {
            None | Some("") => Ok(None),
            Some(named) => {
                let owner = named.parse();
                Ok(Some(
                    owner.with_context(|| format!("the card's owner {named:?} is no account"))?,
                ))
            }
        }
    }

    /// What the making of the key has shown.
    pub(crate) fn compared(&self) -> Vec<String> {
        let when = if self.made.was_kept { ", at an earlier time and kept since," } else { "" };
        let key = format!("verifying key made again{when} from the architecture and the setup");
        let card = self.card.as_ref().map(|_| "the card agrees with it".to_owned());
        [key].into_iter().chain(card).collect()
    }
}

fn make(architecture: &Architecture, setup: &Path, output: &Output) -> Result<RecomputedKey> {
    let spinner = output.spinner("looking for the verifying key");
    let progress = |step: RecomputeStep| match step {
        RecomputeStep::Checking(done, all) => {
            spinner
                .message(format!("checking the setup by pairings, {} %", 100 * done / all.max(1)));
        }
        RecomputeStep::Making(k) => {
            spinner.message(format!("making the verifying key again, 2^{k} rows"));
        }
    };
    kept_keys()?
        .make(architecture, setup, &progress)
        .with_context(|| format!("cannot make the verifying key with {}", setup.display()))
}

/// Keys are kept for this very program: another build may have other circuits.
fn kept_keys() -> Result<KeptKeys> {
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let bytes = std::fs::read(&program)
        .with_context(|| format!("cannot read this program's file {}", program.display()))?;
    Ok(KeptKeys::new(kept_folder()?.join("keys"), checked_setups()?, keccak256(bytes).0))
}
