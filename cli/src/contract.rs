//! Where a contract is: arguments of the commands that call one.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result, bail};
use assay_client::{Chain, Contract, ContractClient, Deployment};
use clap::Args;

use crate::chain::Session;

/// Where a contract is.
#[derive(Args, Clone)]
pub(crate) struct ContractArgs {
    /// The contract [default: the one in --deployment]
    #[arg(
        long = "escrow",
        visible_alias = "contract",
        value_name = "ADDRESS",
        required_unless_present = "deployment",
        help_heading = "Chain"
    )]
    pub address: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    pub deployment: Option<PathBuf>,
    /// First block to look for events in [default: the deployment's, else 0]
    #[arg(long, visible_alias = "start-block", value_name = "BLOCK", help_heading = "Chain")]
    pub from_block: Option<u64>,
}

/// A contract's address, and the first block that can hold its events.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub address: Address,
    pub from_block: u64,
    /// What the file of addresses says of the code; a contract that was named has none.
    pub code_hash: Option<B256>,
}

impl ContractArgs {
    /// The contract `name` on the chain of a connection.
    ///
    /// # Errors
    /// If the file of addresses is not readable, of another chain, or lacks the contract.
    pub(crate) fn find(&self, name: &str, chain: &Chain) -> Result<Place> {
        let place = find(self.address, self.deployment.as_deref(), name, chain)?;
        Ok(Place { from_block: self.from_block.unwrap_or(place.from_block), ..place })
    }

    /// The contract on the chain of a session, and the first block that can hold its events.
    ///
    /// # Errors
    /// As of [`Self::find`], and if there is another contract.
    pub(crate) async fn open<C: ContractClient>(&self, session: &Session) -> Result<(C, u64)> {
        let place = self.find(C::NAME, &session.chain)?;
        if let Some(wanted) = place.code_hash {
            let found = session.chain.code_hash(place.address).await?;
            if found != wanted {
                bail!(
                    "the code at {}, where {} should be, has hash {found}, the file of addresses says {wanted}: do \
                     not send money there; `assay deploy --check` compares a file with your build",
                    place.address,
                    C::NAME
                );
            }
        }
        let contract = Contract::at(session.chain.clone(), place.address);
        Ok((contract.into_client().await?, place.from_block))
    }
}

/// The contract `name`: at the address given, else where a file of `assay deploy` has it.
///
/// # Errors
/// As of [`ContractArgs::find`].
pub(crate) fn find(
    address: Option<Address>,
    deployment: Option<&Path>,
    name: &str,
    chain: &Chain,
) -> Result<Place> {
    if let Some(address) = address {
        return Ok(Place { address, from_block: 0, code_hash: None });
    }
    let Some(path) = deployment else {
        bail!(
            "where is the {name}? Give its address, or --deployment with a file of `assay deploy`"
        )
    };
    let deployment = Deployment::read(path)?;
    if deployment.chain_id != chain.chain_id() {
        bail!(
            "{} is about chain {}, the node serves chain {}; run `assay deploy` there, or give the \
             address of the {name}",
            path.display(),
            deployment.chain_id,
            chain.chain_id()
        );
    }
    let placed = deployment
        .contracts
        .get(name)
        .with_context(|| format!("{} has no {name}; run `assay deploy` again", path.display()))?;
    let code_hash = Some(placed.code_hash).filter(|hash| !hash.is_zero());
    Ok(Place { address: placed.address, from_block: deployment.block, code_hash })
}
