//! `assay deploy`.

use std::path::PathBuf;

use alloy::primitives::Address;
use anyhow::Result;
use assay_relayer::{Artifact, ModelRegistry, PredictionEscrow};
use clap::Args;
use serde::Serialize;

use crate::{
    chain::{SenderArgs, block_on, guard_dev_setup},
    output::{Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay deploy --artifacts contracts/out --rpc http://127.0.0.1:8545 --private-key-file deployer.key
  assay deploy --registry 0x... --artifacts contracts/out ...      another escrow for a registry")]
pub struct DeployArgs {
    /// forge's output folder
    #[arg(long, default_value = "contracts/out", value_name = "DIR")]
    artifacts: PathBuf,
    /// Use this registry instead of a new one
    #[arg(long, value_name = "ADDRESS")]
    registry: Option<Address>,
    /// Have the escrow admit models with a development setup, whose maker can forge proofs
    #[arg(long)]
    allow_dev_setup: bool,
    /// Allow --allow-dev-setup on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    chain_id: u64,
    registry: Address,
    registry_gas: u64,
    escrow: Address,
    escrow_gas: u64,
    /// Block of the escrow: where a relayer starts to read.
    block: u64,
    allows_dev_setup: bool,
}

pub fn run(args: &DeployArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("deploying the registry");
    let report = block_on(async {
        let registry_artifact = Artifact::load(&args.artifacts, "ModelRegistry")?;
        let escrow_artifact = Artifact::load(&args.artifacts, "PredictionEscrow")?;
        let chain = args.sender.connect().await?;
        guard_dev_setup(args.allow_dev_setup, chain.chain_id(), args.dev)?;
        let timeout = args.sender.node.timeout();
        let (registry, registry_gas) = match args.registry {
            Some(address) => {
                chain.code_hash(address).await?;
                (address, 0)
            }
            None => {
                let (registry, deployed) =
                    ModelRegistry::deploy(&chain, &registry_artifact, timeout).await?;
                (registry.address(), deployed.gas_used)
            }
        };
        spinner.message("deploying the escrow");
        let (escrow, deployed) = PredictionEscrow::deploy(
            &chain,
            &escrow_artifact,
            registry,
            args.allow_dev_setup,
            timeout,
        )
        .await?;
        Ok(Report {
            chain_id: chain.chain_id(),
            registry,
            registry_gas,
            escrow: escrow.address(),
            escrow_gas: deployed.gas_used,
            block: deployed.block,
            allows_dev_setup: args.allow_dev_setup,
        })
    })?;
    drop(spinner);
    output.finish(&report, || {
        table(&[
            ("chain", report.chain_id.to_string()),
            ("registry", format!("{} ({} gas)", report.registry, report.registry_gas)),
            ("escrow", format!("{} ({} gas)", report.escrow, report.escrow_gas)),
            ("from block", report.block.to_string()),
        ])
    })
}
