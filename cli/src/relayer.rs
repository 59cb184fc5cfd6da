//! `assay relayer`.

use anyhow::Result;
use clap::Subcommand;

use crate::output::Output;

mod bundles;
pub(crate) mod config_file;
mod doctor;
mod duty_contracts;
mod json_log;
mod keep;
mod log;
mod reload;
mod run;
mod selling;
mod sending;
mod settled;
mod store;
mod waiting;
mod watching;
mod worker;

#[derive(Subcommand)]
pub(crate) enum RelayerCommand {
    /// Follow an escrow, prove the jobs for one model, claim their price
    Run(Box<run::RunArgs>),
    /// Make the proofs that a relayer wants, in another process or on another machine; no key that signs is needed
    Worker(worker::WorkerArgs),
    /// Make the calls that pay this account in all escrows, when they are due, and withdraw
    Keep(Box<keep::KeepArgs>),
    /// Show the jobs in a relayer's store (the relayer must not be running)
    Status(store::StatusArgs),
    /// Take up a job again that was given up (the relayer must not be running)
    Retry(store::RetryArgs),
    /// Check nodes, account, model, keys, openings and disk, and say what to do
    Doctor(Box<doctor::DoctorArgs>),
}

pub(crate) fn run(command: RelayerCommand, output: &Output) -> Result<()> {
    match command {
        RelayerCommand::Run(args) => run::run(&args, output),
        RelayerCommand::Worker(args) => worker::work(&args, output),
        RelayerCommand::Keep(args) => keep::keep(&args, output),
        RelayerCommand::Status(args) => store::status(&args, output),
        RelayerCommand::Retry(args) => store::retry(&args, output),
        RelayerCommand::Doctor(args) => doctor::run(&args, output),
    }
}
