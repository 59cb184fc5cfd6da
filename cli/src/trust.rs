//! What a command relies on when it pays, or calls a proof valid: the verifying key that follows from a
//! published architecture, made again here, and the verifier that this build generates. Whoever takes the
//! word of a registry or of a folder of keys instead says so, and the result says it too.

mod entry;
mod known_model;
mod proof_key;
mod setup_file;
mod verifier_code;

use std::path::PathBuf;

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, ModelRegistry, registry::ModelBinding};
use assay_prover::{
    circuit::{Layout, StatementKind},
    prediction::is_paid_for,
};
use clap::Args;
use serde::Serialize;

use crate::{
    hex_words::parse_hash,
    output::Output,
    setup_trust::{SetupTrust, guard_setup, guard_trusted},
};

pub(crate) use entry::{Expected, check_entry};
pub(crate) use known_model::{KnownModel, PublishedModel};
pub(crate) use proof_key::{ProofKey, ProofKeyArgs};
pub(crate) use setup_file::{check_setup, read_setup};
pub(crate) use verifier_code::{Solc, VerifierCode};

/// What a buyer knows of the model that it pays for.
#[derive(Args, Clone)]
pub(crate) struct TrustArgs {
    #[command(flatten)]
    published: PublishedModel,
    #[command(flatten)]
    solc: Solc,
    /// Take the registry's word for the model: no key is made again, and whoever registered a key without
    /// constraints is paid for anything
    #[arg(long, help_heading = "Trust", conflicts_with_all = ["card", "architecture"])]
    trust_registry: bool,
    /// Binding hash that the model must have, besides
    #[arg(long, value_name = "HEX", value_parser = parse_hash, help_heading = "Trust")]
    binding: Option<B256>,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long, help_heading = "Trust")]
    dev: bool,
}

/// What was given, worked out before a chain is asked.
pub(crate) enum Trust {
    /// The key and the verifier that the model must have.
    Recomputed(Box<Expected>),
    /// Whatever the registry says.
    Registry,
}

/// How a result came to rely on a key; part of every report that does.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "method", rename_all = "snake_case")]
pub(crate) enum TrustReport {
    /// By comparison with what was made here.
    Recomputed {
        /// What was the same.
        compared: Vec<String>,
        /// What the key's setup is.
        setup: SetupTrust,
    },
    /// By the registry's word.
    Registry { warning: &'static str },
    /// By a folder of keys.
    KeyFile { warning: &'static str },
}

const REGISTRY_WARNING: &str =
    "--trust-registry: nobody has made the key again; whoever registered it may prove anything";
const KEY_WARNING: &str =
    "--trust-key: nobody has made the key again; whoever made it may prove anything";

impl TrustReport {
    pub(crate) fn registry() -> Self {
        Self::Registry { warning: REGISTRY_WARNING }
    }

    pub(crate) fn key_file() -> Self {
        Self::KeyFile { warning: KEY_WARNING }
    }

    /// What a verdict hangs on.
    pub(crate) fn condition(&self) -> &'static str {
        match self {
            Self::Recomputed { setup, .. } => setup.condition(),
            Self::Registry { .. } | Self::KeyFile { .. } => ", by a key that nobody has made again",
        }
    }

    /// Rows for a table.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Recomputed { compared, setup } => {
                let mut rows = vec![("checked", compared.join("; "))];
                rows.push(("setup", setup.text()));
                rows
            }
            Self::Registry { warning } | Self::KeyFile { warning } => {
                vec![("NOT CHECKED", (*warning).to_owned())]
            }
        }
    }
}

impl TrustArgs {
    /// Makes the key again where that is needed, and the verifier's code. `fits` refuses a model whose proofs
    /// are not what is paid for.
    pub(crate) fn prepare(
        &self,
        output: &Output,
        fits: impl FnOnce(&Layout) -> Result<()>,
    ) -> Result<Trust> {
        if self.trust_registry {
            return Ok(Trust::Registry);
        }
        if !self.published.is_given() {
            bail!(
                "nothing says which model this must be: give --card (or --architecture), and --setup, so that \
                 its verifying key is made again here and compared; or --trust-registry to pay for whatever \
                 the registry has under this id"
            );
        }
        let known = self.published.open(output)?;
        fits(known.layout())?;
        let code = self.solc.code_of(known.key().info().profile(), output)?;
        Ok(Trust::Recomputed(Box::new(Expected { known, code })))
    }

    /// The binding of a model, if it is of what was prepared.
    pub(crate) async fn choose(
        &self,
        trust: &Trust,
        registry: &ModelRegistry,
        model: U256,
    ) -> Result<(ModelBinding, TrustReport)> {
        let chain_id = registry.chain().chain_id();
        let (binding, report) = match trust {
            Trust::Recomputed(expected) => {
                guard_setup(expected.known.setup(), chain_id, self.dev)?;
                check_entry(expected, registry, model).await?
            }
            Trust::Registry => {
                let binding = registry.binding(model).await?;
                let binding = binding.with_context(|| {
                    format!("model {model:#066x} is not bound to a verifier yet")
                })?;
                guard_trusted(!binding.dev_setup, chain_id, self.dev)?;
                (binding, TrustReport::registry())
            }
        };
        if let Some(wanted) = self.binding
            && wanted != binding.binding_hash
        {
            bail!("model {model:#066x} has binding {}, not {wanted}", binding.binding_hash);
        }
        Ok((binding, report))
    }
}

/// That a circuit proves what predictions are paid for: what a network makes of a committed input, or of each item of
/// a committed collection. `items` is how many inputs are ordered, where that is known.
pub(crate) fn requires_prediction(layout: &Layout, items: Option<u64>) -> Result<()> {
    let statement = layout.options.statement;
    let most = match statement {
        StatementKind::Classification { run, .. } => {
            1u64.checked_shl(run.depth).unwrap_or(u64::MAX)
        }
        statement if is_paid_for(statement) => 1,
        _ => bail!(
            "this model proves {}; predictions are paid for with a circuit about one committed input \
             (`assay model derive --statement prediction`), or about the items of a committed collection \
             (`assay model derive --statement classification`)",
            crate::model::describe(statement)
        ),
    };
    match items {
        Some(items) if items > most && most == 1 => bail!(
            "this model proves {}, one input at a time; --items takes a circuit about collections \
             (`assay model derive --statement classification`)",
            crate::model::describe(statement)
        ),
        Some(items) if items > most => {
            bail!("this model takes collections of up to {most} items, not {items}")
        }
        _ => Ok(()),
    }
}

/// The same where the answers follow from the inputs: who signs for a commitment to hidden outputs cannot prove that one.
pub(crate) fn requires_open_prediction(layout: &Layout) -> Result<()> {
    requires_prediction(layout, None)?;
    if layout.options.statement.hashes_outputs() {
        bail!(
            "this model proves a commitment to hidden outputs, with a salt that is drawn with each proof: answers that \
             were signed before cannot be proven; services take circuits that show their outputs"
        );
    }
    Ok(())
}

/// That a circuit proves a statement of this name, for the items of a collection.
pub(crate) fn requires_runs(layout: &Layout, wanted: &str) -> Result<()> {
    let statement = layout.options.statement;
    if statement.name() == wanted {
        return Ok(());
    }
    bail!(
        "this model proves {}; this takes a circuit for {wanted}s (`assay model derive --statement {wanted}`)",
        crate::model::describe(statement)
    )
}

/// That a circuit audits, and calls correct what is among so many best classes.
pub(crate) fn requires_audit(layout: &Layout, wanted: usize) -> Result<()> {
    requires_runs(layout, "audit")?;
    match layout.options.statement {
        StatementKind::Audit { top, .. } if top != wanted => bail!(
            "this model's audits call an item correct when its label is among the {top} best classes, not the \
             {wanted} best (--top): their count is another accuracy than the one that is asked for"
        ),
        _ => Ok(()),
    }
}

/// That a circuit retrieves the items of a class.
pub(crate) fn requires_retrieval(layout: &Layout, wanted: usize) -> Result<()> {
    requires_runs(layout, "retrieval")?;
    match layout.options.statement {
        StatementKind::Retrieval { class, .. } if class != wanted => {
            bail!("this model looks for class {class}, not for class {wanted} (--class)")
        }
        _ => Ok(()),
    }
}

/// Where what was made once is kept: checks of setups, keys, and the code of verifiers, for nobody but this
/// user.
fn kept_folder() -> Result<PathBuf> {
    let folder =
        |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification wants a relative path to be taken for none.
    let standard = || folder("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    folder("ASSAY_CACHE_DIR")
        .or_else(|| standard().map(|path| path.join("assay")))
        .or_else(|| folder("HOME").map(|home| home.join(".cache/assay")))
        .context("there is no folder to keep keys in; set ASSAY_CACHE_DIR")
}
