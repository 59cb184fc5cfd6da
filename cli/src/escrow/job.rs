//! The job that a command is about.

use alloy::primitives::U256;
use clap::Args;

use crate::{
    chain::{NodeArgs, SenderArgs},
    contract::ContractArgs,
};

#[derive(Args)]
pub(crate) struct JobArgs {
    /// Id of the job
    pub job: U256,
    #[command(flatten)]
    pub contract: ContractArgs,
    #[command(flatten)]
    pub sender: SenderArgs,
}

/// The same for commands that only look.
#[derive(Args)]
pub(crate) struct JobViewArgs {
    /// Id of the job
    pub job: U256,
    #[command(flatten)]
    pub contract: ContractArgs,
    #[command(flatten)]
    pub node: NodeArgs,
}
