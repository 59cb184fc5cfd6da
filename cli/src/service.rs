//! `assay service`.

mod answers;
mod batch;
mod contested;
mod provider;
mod receipt;

use alloy::primitives::{Address, B256};
use anyhow::{Context, Result};
use assay_client::{
    ContractClient, ServiceBond,
    chain::TransactionOutcome,
    service_bond::{Batch, Receipt, ServiceState},
};
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::{
    amount::{Amount, amount_text, parse_amount},
    chain::{NodeArgs, SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_hash,
    output::{Decimal, Id, Output, table},
};

#[derive(Subcommand)]
pub(crate) enum ServiceCommand {
    /// Provider: offer a service, and put up its bond
    Open(provider::OpenArgs),
    /// Add to the bond of a service
    TopUp(TopUpArgs),
    /// Provider: take no new business, and start the notice period
    #[command(after_help = "Example:
  assay service notice 0x... --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file provider.key")]
    Notice(IdArgs),
    /// Anybody: give the bond back to the provider, after the notice period
    #[command(after_help = "Example:
  assay service close 0x... --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Close(IdArgs),
    /// Show a service
    Show(ShowArgs),
    /// Provider: answer inputs, without proofs
    Answer(answers::AnswerArgs),
    /// Provider: sign a receipt over answers (EIP-712)
    Sign(receipt::SignArgs),
    /// Buyer: check a receipt against the answers, post it and pay into escrow
    Post(receipt::PostArgs),
    /// Buyer: have items proven, at random or those that you name
    Contest(batch::ContestArgs),
    /// Provider: prove the contested items of a batch
    Prove(contested::ProveArgs),
    /// Anybody: pay a batch of which nothing is left to prove, when the time for contests has passed
    #[command(after_help = "Example:
  assay service settle 0x... --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Settle(IdArgs),
    /// Anybody: pay the buyer of a contested batch whose items were not proven in time
    #[command(after_help = "Example:
  assay service punish 0x... --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Punish(IdArgs),
    /// Show a batch
    Batch(batch::ShowArgs),
}

#[derive(Args)]
pub(crate) struct IdArgs {
    /// Id of the service or the batch
    #[arg(value_parser = parse_hash)]
    id: B256,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay service top-up 0x... --amount 1ether --escrow 0x... --rpc http://127.0.0.1:8545 \\
    --private-key-file provider.key")]
pub(crate) struct TopUpArgs {
    #[command(flatten)]
    service: IdArgs,
    /// What is added to the bond, in the service's token
    #[arg(long, value_parser = parse_amount)]
    amount: Amount,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay service show 0x... --escrow 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct ShowArgs {
    /// Id of the service
    #[arg(value_parser = parse_hash)]
    service: B256,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
}

pub(crate) fn run(command: ServiceCommand, output: &Output) -> Result<()> {
    match command {
        ServiceCommand::Open(args) => provider::open(&args, output),
        ServiceCommand::TopUp(args) => {
            step(&args.service, output, "bond increased", async |bond, id| {
                let service = bond.service(id).await?;
                let service = service.with_context(|| format!("there is no service {id}"))?;
                Ok(bond.top_up(id, args.amount.of(service.token)?).await?)
            })
        }
        ServiceCommand::Notice(args) => {
            step(&args, output, "notice given", async |bond, id| Ok(bond.give_notice(id).await?))
        }
        ServiceCommand::Close(args) => {
            step(&args, output, "closed", async |bond, id| Ok(bond.close(id).await?))
        }
        ServiceCommand::Show(args) => show(&args, output),
        ServiceCommand::Answer(args) => answers::answer(&args, output),
        ServiceCommand::Sign(args) => receipt::sign(&args, output),
        ServiceCommand::Post(args) => receipt::post(&args, output),
        ServiceCommand::Contest(args) => batch::contest(&args, output),
        ServiceCommand::Prove(args) => contested::prove(&args, output),
        ServiceCommand::Settle(args) => step(&args, output, "paid", async |bond, id| {
            let posted = posted(bond, id).await?;
            Ok(bond.settle(posted.receipt).await?)
        }),
        ServiceCommand::Punish(args) => step(&args, output, "punished", async |bond, id| {
            let posted = posted(bond, id).await?;
            Ok(bond.punish(posted.receipt).await?)
        }),
        ServiceCommand::Batch(args) => batch::show(&args, output),
    }
}

/// A posted batch with the receipt that it was posted with.
struct Posted {
    batch: Batch,
    receipt: Receipt,
}

async fn posted(bond: &ServiceBond, id: B256) -> Result<Posted> {
    let batch = bond.batch(id).await?;
    let batch = batch.with_context(|| format!("contract {} has no batch {id}", bond.address()))?;
    let receipt = bond.receipt(id, &batch).await?.with_context(|| {
        format!("the node has no log of the posting of batch {id}; ask one that keeps old logs")
    })?;
    Ok(Posted { batch, receipt })
}

#[derive(Serialize)]
struct StepReport {
    id: B256,
    #[serde(flatten)]
    sent: Sent,
}

/// One transaction about a service or a batch.
fn step(
    args: &IdArgs,
    output: &Output,
    done: &str,
    work: impl AsyncFnOnce(&ServiceBond, B256) -> Result<TransactionOutcome>,
) -> Result<()> {
    let report = args.sender.run(output, "sending", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let sent = Sent::from(&work(&bond, args.id).await?);
        Ok(StepReport { id: args.id, sent })
    })?;
    output.finish(&report, || {
        table(&[
            ("done", format!("{}: {done}", report.id)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct Report {
    service: B256,
    state: &'static str,
    provider: Address,
    signer: Address,
    token: Address,
    model: Id,
    bond: Decimal,
    /// The part of the bond that is set aside for open batches.
    reserved: Decimal,
    open_batches: Decimal,
    penalty: Decimal,
    proof_cost: Decimal,
    contest_window: u64,
    proof_window: u64,
    notice_period: u64,
    closable_at: Option<u64>,
    /// Inputs of a run, where answers are proven by runs; else 0.
    batch: Decimal,
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the contract", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let service = bond.service(args.service).await?;
        let service = service.with_context(|| {
            format!("contract {} has no service {}", bond.address(), args.service)
        })?;
        Ok(Report {
            service: args.service,
            state: match service.state {
                ServiceState::Active => "active",
                ServiceState::Closing => "closing",
                ServiceState::Closed => "closed",
                _ => "unknown",
            },
            provider: service.provider,
            signer: service.signer,
            token: service.token,
            model: Id(service.modelId),
            bond: Decimal(service.bond),
            reserved: Decimal(service.reserved),
            open_batches: Decimal(service.openBatches),
            penalty: Decimal(service.penalty),
            proof_cost: Decimal(service.proofCost),
            contest_window: service.contestWindow,
            proof_window: service.proofWindow,
            notice_period: service.noticePeriod,
            closable_at: Some(service.closableAt).filter(|time| *time > 0),
            batch: Decimal(service.batch),
        })
    })?;
    output.finish(&report, || {
        let money = |amount: Decimal| amount_text(amount.0, report.token);
        let mut rows = vec![
            ("service", report.service.to_string()),
            ("state", report.state.to_owned()),
            ("provider", report.provider.to_string()),
            ("signer", report.signer.to_string()),
            ("model", report.model.to_string()),
            (
                "bond",
                format!(
                    "{}, of it {} for open batches",
                    money(report.bond),
                    money(report.reserved)
                ),
            ),
            ("open batches", report.open_batches.to_string()),
            ("penalty", money(report.penalty)),
            ("cost of a proof", money(report.proof_cost)),
            ("contest window", format!("{} s", report.contest_window)),
            ("proof window", format!("{} s", report.proof_window)),
            ("notice period", format!("{} s", report.notice_period)),
            ("inputs of a run", report.batch.to_string()),
        ];
        rows.extend(
            report.closable_at.map(|time| ("closable from", format!("{time} (Unix time)"))),
        );
        table(&rows)
    })
}
