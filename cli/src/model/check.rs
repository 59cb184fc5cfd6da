//! `assay model check`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{Contract, ContractClient, ModelRegistry};
use assay_prover::model_card::ModelCard;
use clap::Args;
use serde::Serialize;

use super::describe;
use crate::{
    chain::{OptionalNodeArgs, block_on},
    contract::find,
    output::{Id, Output, table},
    setup_trust::{SetupTrust, guard_setup},
    trust::{Expected, KnownModel, Solc, TrustReport, check_entry},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model check lenet.card.json --setup ceremony.srs
  assay model check lenet.card.json --setup ceremony.srs --on-chain 0x... --rpc http://127.0.0.1:8545

Makes the verifying key again from the card's architecture and your setup, and the verifier's code; compares
both with the card, and with --on-chain with the registry's entry and the code of its contracts.")]
pub(crate) struct CheckArgs {
    /// Model card
    card: PathBuf,
    /// Setup from which the key is made again: your own copy. Not needed for a card of a known ceremony whose
    /// key was made here before
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: Option<PathBuf>,
    #[command(flatten)]
    solc: Solc,
    /// Compare with this model of the registry, too
    #[arg(long, value_name = "ID", requires = "rpc")]
    on_chain: Option<U256>,
    /// Model registry [default: the one in --deployment]
    #[arg(long, value_name = "ADDRESS", help_heading = "Chain")]
    registry: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    deployment: Option<PathBuf>,
    #[command(flatten)]
    node: OptionalNodeArgs,
    /// With --on-chain: allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
}

#[derive(Serialize)]
struct Report {
    /// Always true: everything else is an error.
    good: bool,
    card: PathBuf,
    name: String,
    statement: String,
    model_hash: String,
    vk_hash: B256,
    verifier_code_hash: B256,
    model: Option<Id>,
    /// The registry that was asked, and its chain.
    registry: Option<Address>,
    chain_id: Option<u64>,
    binding_hash: Option<B256>,
    trust: TrustReport,
}

pub(super) fn run(args: &CheckArgs, output: &Output) -> Result<()> {
    let (card, _) = ModelCard::read(&args.card)?;
    let known = KnownModel::of_card(card.clone(), args.setup.as_deref(), output)
        .with_context(|| format!("{} is not to be relied on", args.card.display()))?;
    let code = args.solc.code_of(known.key().info().profile(), output)?;
    if let Some(claimed) = card.verifier.code_hash
        && claimed.0 != code.code_hash.0
    {
        bail!(
            "the card's verifier has the code hash {claimed}, the one that this build and compiler make has {}: \
             another contract, or made with another version of the program or of solc; do not rely on it",
            code.code_hash
        );
    }
    let expected = Expected { known, code };
    let setup = expected.known.setup().clone();
    let statement = describe(expected.known.layout().options.statement);
    let (vk_hash, code_hash) = (expected.known.vk_hash(), expected.code.code_hash);
    let (asked, trust) = match args.on_chain {
        Some(id) => {
            let spinner = output.spinner("asking the registry");
            let found = args.ask(&expected, id, &setup)?;
            drop(spinner);
            (Some(found.0), found.1)
        }
        None => {
            let mut compared = expected.known.compared();
            compared.push("the verifier's code made again".to_owned());
            (None, TrustReport::Recomputed { compared, setup })
        }
    };
    let report = Report {
        good: true,
        card: args.card.clone(),
        name: card.name.clone(),
        statement,
        model_hash: card.model_hash.to_string(),
        vk_hash,
        verifier_code_hash: code_hash,
        model: args.on_chain.map(Id),
        registry: asked.map(|asked| asked.registry),
        chain_id: asked.map(|asked| asked.chain_id),
        binding_hash: asked.map(|asked| asked.binding_hash),
        trust,
    };
    output.finish(&report, || report.text(&card))
}

/// What was asked of a chain, and where.
#[derive(Clone, Copy)]
struct Asked {
    registry: Address,
    chain_id: u64,
    binding_hash: B256,
}

impl CheckArgs {
    fn ask(
        &self,
        expected: &Expected,
        id: U256,
        setup: &SetupTrust,
    ) -> Result<(Asked, TrustReport)> {
        let Some(node) = self.node.any_chain() else { bail!("--on-chain needs --rpc") };
        block_on(async {
            let chain = node.connect().await?;
            guard_setup(setup, chain.chain_id(), self.dev)?;
            let place =
                find(self.registry, self.deployment.as_deref(), ModelRegistry::NAME, &chain)?;
            let registry: ModelRegistry = Contract::at(chain, place.address).into_client().await?;
            let (binding, trust) = check_entry(expected, &registry, id).await?;
            let (chain_id, registry) = (registry.chain().chain_id(), registry.address());
            Ok((Asked { registry, chain_id, binding_hash: binding.binding_hash }, trust))
        })
    }
}

impl Report {
    fn text(&self, card: &ModelCard) -> String {
        let condition = self.trust.condition();
        let verdict = match self.model {
            Some(id) => format!("good, and model {id} is it{condition}"),
            None => format!("good{condition}; --on-chain compares a registry's entry"),
        };
        let mut rows = vec![
            ("verdict", verdict),
            ("name", self.name.clone()),
            ("statement", self.statement.clone()),
            ("model", self.model_hash.clone()),
            ("verifying key", self.vk_hash.to_string()),
            ("verifier", self.verifier_code_hash.to_string()),
        ];
        if let Some(binding) = self.binding_hash {
            rows.push(("binding", binding.to_string()));
        }
        if let (Some(registry), Some(chain)) = (self.registry, self.chain_id) {
            rows.push(("registry", format!("{registry} on chain {chain}")));
        }
        rows.extend(self.trust.rows());
        let graph = &card.architecture.graph;
        let [channels, height, width] = card.input.shape;
        rows.push((
            "network",
            format!(
                "{} layers from {channels} x {height} x {width} to {} classes; is it the one that you mean? \
                 `assay model inspect` shows its layers and tables",
                graph.layers.len(),
                card.output.classes
            ),
        ));
        let claims = [
            ("left out", card.output.left_out.clone().unwrap_or_default()),
            ("classes", card.output.names.join(", ")),
            ("licence", card.licence.clone()),
            ("links", card.links.join(" ")),
        ];
        rows.extend(claims.into_iter().filter(|(_, text)| !text.is_empty()));
        table(&rows)
    }
}
