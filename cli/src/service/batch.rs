//! `assay service contest` and `assay service batch`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ServiceBond, service_bond::BatchState};
use clap::Args;
use serde::Serialize;

use super::{Posted, posted, receipt::read_secret};
use crate::{
    amount::amount_text,
    chain::{NodeArgs, SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_hash,
    output::{Decimal, Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay service contest 0x... --checks 4 --secret batch.secret --escrow 0x... \\
    --rpc http://127.0.0.1:8545 --private-key-file buyer.key

A contest publishes the secret. After a reorganization of the drawing block the items would be drawn
again, so it waits for --confirmations of that block.")]
pub(crate) struct ContestArgs {
    /// Id of the batch
    #[arg(value_parser = parse_hash)]
    batch: B256,
    /// Items to be proven, 1 to 16; each costs the service's proof cost
    #[arg(long, value_name = "N")]
    checks: u64,
    /// File that `assay service post` wrote
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// Blocks that must lie on the drawing block, its own included
    #[arg(long, default_value_t = 1, value_name = "BLOCKS")]
    confirmations: u64,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay service batch 0x... --escrow 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct ShowArgs {
    /// Id of the batch
    #[arg(value_parser = parse_hash)]
    batch: B256,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Serialize)]
struct Contested {
    batch: B256,
    /// Indices of the drawn items.
    drawn: Vec<Decimal>,
    deadline: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn contest(args: &ContestArgs, output: &Output) -> Result<()> {
    let secret = read_secret(&args.secret)?;
    let report = args.sender.run(output, "contesting", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { batch, receipt } = posted(&bond, args.batch).await?;
        let head = U256::from(session.chain.head().await?.number);
        let needed = batch.drawBlock.saturating_add(U256::from(args.confirmations.saturating_sub(1)));
        if batch.state == BatchState::Posted && head < needed {
            bail!(
                "the items are drawn with the hash of block {}; block {needed} must be there before the secret \
                 is shown, the chain is at {head}. Try again then",
                batch.drawBlock
            );
        }
        let (contested, outcome) = bond.contest(receipt, args.checks, secret).await?;
        Ok(Contested {
            batch: args.batch,
            drawn: contested.indices.into_iter().map(Decimal).collect(),
            deadline: contested.deadline,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let drawn: Vec<String> = report.drawn.iter().map(ToString::to_string).collect();
        table(&[
            ("batch", report.batch.to_string()),
            ("items drawn", drawn.join(" ")),
            ("prove until", format!("{} (Unix time)", report.deadline)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct Report {
    batch: B256,
    state: &'static str,
    service: B256,
    buyer: Address,
    token: Address,
    root: B256,
    count: Decimal,
    price: Decimal,
    /// For a contest, or for proofs.
    deadline: u64,
    draw_block: Decimal,
    drawn: Vec<Drawn>,
}

#[derive(Serialize)]
struct Drawn {
    index: Decimal,
    proven: bool,
}

pub(super) fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the contract", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { batch, receipt } = posted(&bond, args.batch).await?;
        let service = bond.service(receipt.serviceId).await?.context("the batch has no service")?;
        let drawn = bond.drawn_items(args.batch).await?;
        Ok(Report {
            batch: args.batch,
            state: match batch.state {
                BatchState::Posted => "posted",
                BatchState::Contested => "contested",
                BatchState::Paid => "paid",
                BatchState::Upheld => "upheld",
                BatchState::Punished => "punished",
                _ => "unknown",
            },
            service: receipt.serviceId,
            buyer: receipt.buyer,
            token: service.token,
            root: receipt.root,
            count: Decimal(receipt.count),
            price: Decimal(receipt.price),
            deadline: batch.deadline,
            draw_block: Decimal(batch.drawBlock),
            drawn: drawn
                .into_iter()
                .enumerate()
                .map(|(position, index)| Drawn {
                    index: Decimal(index),
                    proven: batch.proven.bit(position),
                })
                .collect(),
        })
    })?;
    output.finish(&report, || {
        let drawn = |proven: bool| {
            let found = report.drawn.iter().filter(|item| item.proven == proven);
            found.map(|item| item.index.to_string()).collect::<Vec<_>>().join(" ")
        };
        table(&[
            ("batch", report.batch.to_string()),
            ("state", report.state.to_owned()),
            ("service", report.service.to_string()),
            ("buyer", report.buyer.to_string()),
            ("answers", format!("{} under root {}", report.count, report.root)),
            ("price", amount_text(report.price.0, report.token)),
            ("deadline", format!("{} (Unix time)", report.deadline)),
            ("drawn with block", report.draw_block.to_string()),
            ("proven", drawn(true)),
            ("to be proven", drawn(false)),
        ])
    })
}
