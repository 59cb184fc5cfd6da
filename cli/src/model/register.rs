//! `assay model register`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256};
use anyhow::{Result, bail};
use assay_client::{
    Contract, ContractClient, ModelRegistry,
    chain::TransactionOutcome,
    registry::{ModelCommitment, PROOF_SYSTEM_ID, model_id},
};
use assay_prover::{bundle::Bundle, model_proof::model_hash};
use clap::Args;
use serde::Serialize;

use crate::{
    chain::SenderArgs,
    contract::find,
    key_folder::KeyFolder,
    output::{Id, Output, table},
    setup_trust::{SetupTrust, guard_setup},
    trust::read_setup,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model register lenet.bundle --setup dev.srs --keys keys --registry 0x... \\
    --vk 0x... --verifier 0x... --rpc http://127.0.0.1:8545 --private-key-file seller.key")]
pub(crate) struct RegisterArgs {
    /// Model bundle
    bundle: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Model registry [default: the one in --deployment]
    #[arg(long, value_name = "ADDRESS", required_unless_present = "deployment")]
    registry: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    deployment: Option<PathBuf>,
    /// Data contract of the verifying key, as `assay verifier deploy` made it
    #[arg(long, value_name = "ADDRESS")]
    vk: Address,
    /// Verifier contract
    #[arg(long, value_name = "ADDRESS")]
    verifier: Address,
    /// Where the published architecture is found
    #[arg(long, default_value = "")]
    uri: String,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    model_id: Id,
    owner: Address,
    model_hash: B256,
    circuit_hash: B256,
    vk_hash: B256,
    binding_hash: B256,
    /// Whether this account had registered it before; then nothing was sent.
    was_there: bool,
    transaction: Option<B256>,
    gas_used: u64,
}

pub(super) fn run(args: &RegisterArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("committing to the weights");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    let key = KeyFolder(&args.keys).verifying_key(&layout)?;
    let info = key.info();
    if info.setup_id() != srs.id() {
        bail!("{} was made with another setup than {}", args.keys.display(), args.setup.display());
    }
    let model_hash = model_hash(&bundle, &layout, &srs)?;
    let commitment = ModelCommitment {
        modelHash: B256::from(model_hash),
        circuitHash: B256::from(bundle.architecture().circuit_hash()),
        vkHash: B256::from(info.hash()),
        proofSystemId: PROOF_SYSTEM_ID,
        uri: args.uri.clone(),
    };
    drop(spinner);
    let report = args.sender.run(output, "registering the model", async |session| {
        let chain = session.chain;
        guard_setup(&SetupTrust::of(info.setup_id()), chain.chain_id(), args.dev)?;
        let (address, file) = (args.registry, args.deployment.as_deref());
        let registry = find(address, file, ModelRegistry::NAME, &chain)?;
        let found = chain.code_hash(args.vk).await?;
        if found != commitment.vkHash {
            bail!(
                "{} does not hold this model's verifying key: its code hash is {found}, that of the key {}",
                args.vk,
                commitment.vkHash
            );
        }
        let registry: ModelRegistry = Contract::at(chain, registry.address).into_client().await?;
        let owner = registry.chain().account()?;
        let (binding_hash, outcome) =
            register_once(&registry, &commitment, owner, args.vk, args.verifier).await?;
        Ok(Report {
            model_id: Id(model_id(owner, &commitment)),
            owner,
            model_hash: commitment.modelHash,
            circuit_hash: commitment.circuitHash,
            vk_hash: commitment.vkHash,
            binding_hash,
            was_there: outcome.is_none(),
            transaction: outcome.as_ref().map(|outcome| outcome.hash),
            gas_used: outcome.map_or(0, |outcome| outcome.gas_used),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("model id", report.model_id.to_string()),
            ("owner", report.owner.to_string()),
            ("model", report.model_hash.to_string()),
            ("circuit", report.circuit_hash.to_string()),
            ("verifying key", report.vk_hash.to_string()),
            ("binding", report.binding_hash.to_string()),
            (
                "gas",
                if report.was_there {
                    "none: the model was registered already".to_owned()
                } else {
                    report.gas_used.to_string()
                },
            ),
        ])
    })
}

/// Registers a model, or finds it: an entry of the same owner and commitment has the same id.
async fn register_once(
    registry: &ModelRegistry,
    commitment: &ModelCommitment,
    owner: Address,
    vk: Address,
    verifier: Address,
) -> Result<(B256, Option<TransactionOutcome>)> {
    let id = model_id(owner, commitment);
    let Some(record) = registry.find(id).await? else {
        let registered = registry.register(commitment.clone(), vk, verifier).await?;
        return Ok((registered.binding_hash, Some(registered.outcome)));
    };
    match record.binding {
        Some(binding) if (binding.vk, binding.verifier) == (vk, verifier) => {
            Ok((binding.binding_hash, None))
        }
        Some(binding) => bail!(
            "this account has registered the model as {id:#066x}, with the key at {} and the verifier at {}; an \
             entry never changes its contracts",
            binding.vk,
            binding.verifier
        ),
        None => {
            let registered = registry.bind(id, vk, verifier).await?;
            Ok((registered.binding_hash, Some(registered.outcome)))
        }
    }
}
