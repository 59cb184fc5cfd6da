//! `assay model list` and `assay model show`: what a registry holds.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result};
use assay_client::{Contract, ContractClient, ModelRegistry, registry::ModelRecord};
use clap::Args;
use serde::Serialize;

use super::describe;
use crate::{
    answer::code_of,
    chain::{NodeArgs, Session},
    contract::find,
    output::{Id, Output, table},
    setup_trust::SetupTrust,
};

/// Where the registry is.
#[derive(Args)]
struct RegistryArgs {
    /// Model registry [default: the one in --deployment]
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "deployment",
        help_heading = "Chain"
    )]
    registry: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    deployment: Option<PathBuf>,
    /// First block to look for registrations in [default: the deployment's, else 0]
    #[arg(long, value_name = "BLOCK", help_heading = "Chain")]
    from_block: Option<u64>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay model list --rpc http://127.0.0.1:8545
  assay model list --owner 0x... --rpc http://127.0.0.1:8545

What a registry holds is what its users wrote: `assay model check CARD --on-chain ID` says whether an entry is
what its seller published.")]
pub(crate) struct ListArgs {
    /// Models of this owner only
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Address>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay model show 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct ShowArgs {
    /// Id of the model
    model: U256,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct Entry {
    model: Id,
    owner: Address,
    deprecated: bool,
    /// What the key says that it proves; `None` without a verifier.
    statement: Option<String>,
    setup: Option<SetupTrust>,
    /// Whether this registry knows the ceremony.
    known_setup: Option<bool>,
    model_hash: B256,
    circuit_hash: B256,
    vk_hash: B256,
    vk: Option<Address>,
    verifier: Option<Address>,
    verifier_code_hash: Option<B256>,
    binding_hash: Option<B256>,
    uri: String,
}

impl From<ModelRecord> for Entry {
    fn from(record: ModelRecord) -> Self {
        let binding = record.binding;
        Self {
            model: Id(record.model_id),
            owner: record.owner,
            deprecated: record.deprecated,
            statement: binding.map(|binding| statement(binding.statement)),
            setup: binding.map(|binding| SetupTrust::of(binding.setup_id.0)),
            known_setup: binding.map(|binding| !binding.dev_setup),
            model_hash: record.commitment.modelHash,
            circuit_hash: record.commitment.circuitHash,
            vk_hash: record.commitment.vkHash,
            vk: binding.map(|binding| binding.vk),
            verifier: binding.map(|binding| binding.verifier),
            verifier_code_hash: binding.map(|binding| binding.verifier_code_hash),
            binding_hash: binding.map(|binding| binding.binding_hash),
            uri: record.commitment.uri,
        }
    }
}

/// What the first word of a key says.
fn statement(word: B256) -> String {
    match code_of(word) {
        Some(code) => describe(code.kind),
        None => format!("unknown ({word})"),
    }
}

impl RegistryArgs {
    async fn open(&self, session: &Session) -> Result<(ModelRegistry, u64)> {
        let (file, chain) = (self.deployment.as_deref(), &session.chain);
        let place = find(self.registry, file, ModelRegistry::NAME, chain)?;
        let registry = Contract::at(chain.clone(), place.address).into_client().await?;
        Ok((registry, self.from_block.unwrap_or(place.from_block)))
    }
}

#[derive(Serialize)]
struct Listed {
    models: Vec<Entry>,
}

pub(super) fn list(args: &ListArgs, output: &Output) -> Result<()> {
    let node = &args.registry.node;
    let report = node.run(output, "asking the registry", async |session| {
        let (registry, from) = args.registry.open(&session).await?;
        let ids = registry.ids(from).await?;
        let mut models = Vec::new();
        for (done, id) in ids.iter().enumerate() {
            session.spinner.message(format!("model {} of {}", done + 1, ids.len()));
            let record = registry.get(*id).await?;
            if args.owner.is_none_or(|owner| owner == record.owner) {
                models.push(Entry::from(record));
            }
        }
        Ok(Listed { models })
    })?;
    output.finish(&report, || {
        if report.models.is_empty() {
            return "no models".to_owned();
        }
        let rows = report.models.iter().map(|entry| {
            let state = match (&entry.statement, entry.deprecated) {
                (_, true) => "withdrawn",
                (None, false) => "without a verifier",
                (Some(statement), false) => statement,
            };
            (entry.model.to_string(), format!("{}  {state}  {}", entry.owner, entry.uri))
        });
        table(&rows.collect::<Vec<_>>())
    })
}

pub(super) fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let node = &args.registry.node;
    let report = node.run(output, "asking the registry", async |session| {
        let (registry, _) = args.registry.open(&session).await?;
        let record = registry.find(args.model).await?;
        let record = record.with_context(|| {
            format!("registry {} has no model {:#066x}", registry.address(), args.model)
        })?;
        Ok(Entry::from(record))
    })?;
    output.finish(&report, || report.text())
}

impl Entry {
    fn text(&self) -> String {
        let missing = || "none yet".to_owned();
        let address = |address: Option<Address>| address.map_or_else(missing, |a| a.to_string());
        let word = |word: Option<B256>| word.map_or_else(missing, |word| word.to_string());
        table(&[
            ("model", self.model.to_string()),
            ("owner", self.owner.to_string()),
            ("state", if self.deprecated { "withdrawn" } else { "open for business" }.to_owned()),
            ("statement", self.statement.clone().unwrap_or_else(missing)),
            ("setup", self.setup.as_ref().map_or_else(missing, SetupTrust::text)),
            ("weights", self.model_hash.to_string()),
            ("circuit", self.circuit_hash.to_string()),
            ("verifying key", format!("{} at {}", self.vk_hash, address(self.vk))),
            (
                "verifier",
                format!("{} at {}", word(self.verifier_code_hash), address(self.verifier)),
            ),
            ("binding", word(self.binding_hash)),
            ("uri", self.uri.clone()),
            (
                "checked",
                "no; `assay model check CARD --on-chain ID` compares with a card".to_owned(),
            ),
        ])
    }
}
