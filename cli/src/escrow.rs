//! `assay escrow`.

mod audit;
mod claim_runs;
mod job;
mod list;
mod prediction;
mod retrieval;
pub(crate) mod runs;
mod withdraw;

use anyhow::Result;
use clap::Subcommand;

use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum EscrowCommand {
    /// Escrow a price for the prediction of a model on a committed input
    Open(Box<prediction::OpenArgs>),
    /// Claim the price of a job with a proof
    Claim(prediction::ClaimArgs),
    /// Ask for an end of a job that was opened with --notice: claims are paid for that long, then a refund is possible
    #[command(after_help = "Example:
  assay escrow cancel 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
    Cancel(job::JobArgs),
    /// Give the price of what was not claimed of an expired job back to its buyer
    #[command(after_help = "Example:
  assay escrow refund 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
    Refund(job::JobArgs),
    /// Show a job
    Show(prediction::ShowArgs),
    /// List the jobs of an escrow: open ones, those of an account, those of a model
    List(list::ListArgs),
    /// Withdraw what this account was credited, in any contract that holds money
    Withdraw(withdraw::WithdrawArgs),
    /// Pay for a proven accuracy on a hidden test set, to one seller or the best of several
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Pay for the proven selection of items from a committed collection
    #[command(subcommand)]
    Retrieval(retrieval::RetrievalCommand),
}

pub(crate) fn run(command: EscrowCommand, output: &Output) -> Result<()> {
    match command {
        EscrowCommand::Open(args) => prediction::open(&args, output),
        EscrowCommand::Claim(args) => match &args.proofs {
            Some(folder) => claim_runs::claim_runs(&args, folder, output),
            None => prediction::claim(&args, output),
        },
        EscrowCommand::Cancel(args) => prediction::cancel(&args, output),
        EscrowCommand::Refund(args) => prediction::refund(&args, output),
        EscrowCommand::List(args) => list::run(&args, output),
        EscrowCommand::Show(args) => prediction::show(&args, output),
        EscrowCommand::Withdraw(args) => withdraw::run(&args, output),
        EscrowCommand::Audit(command) => audit::run(command, output),
        EscrowCommand::Retrieval(command) => retrieval::run(command, output),
    }
}
