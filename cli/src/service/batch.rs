//! `assay service contest` and `assay service batch`.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, ServiceBond, service_bond::BatchState};
use clap::{ArgGroup, Args};
use rand_core::{OsRng, RngCore};
use serde::Serialize;

use super::{Posted, posted};
use crate::{
    amount::amount_text,
    chain::{NodeArgs, SenderArgs, Sent},
    contract::ContractArgs,
    hex_words::parse_hash,
    output::{Decimal, Output, table},
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("which").required(true).multiple(true).args(["checks", "items"]),
    after_help = "Example:
  assay service contest 0x... --checks 4 --escrow 0x... --rpc http://127.0.0.1:8545 \\
    --private-key-file buyer.key

Of a service that answers by runs, items are runs. They are drawn at random here; --items names those that you have a reason to contest, and --checks fills them up.
When all of them are proven, others can be contested until the window ends. Put what you know to be wrong into
the first contest: a provider that takes its time leaves no second one."
)]
pub(crate) struct ContestArgs {
    /// Id of the batch
    #[arg(value_parser = parse_hash)]
    batch: B256,
    /// Items to be proven, 1 to 16; each costs the service's proof cost [default: those of --items]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=16))]
    checks: Option<u64>,
    /// Indices of items that have to be among them, such as 3,17
    #[arg(long, value_name = "INDICES", value_delimiter = ',')]
    items: Vec<u64>,
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
    /// Indices of the contested items.
    items: Vec<Decimal>,
    deadline: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn contest(args: &ContestArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "contesting", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { receipt, .. } = posted(&bond, args.batch).await?;
        let service = bond.service(receipt.serviceId).await?.context("the batch has no service")?;
        let leaves = u64::try_from(leaves(receipt.count, service.batch))
            .context("the batch is too large")?;
        let indices = choose(&args.items, args.checks, leaves)?;
        let (contested, outcome) = bond.contest(receipt, &indices).await?;
        Ok(Contested {
            batch: args.batch,
            items: contested.indices.into_iter().map(Decimal).collect(),
            deadline: contested.deadline,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let items: Vec<String> = report.items.iter().map(ToString::to_string).collect();
        table(&[
            ("batch", report.batch.to_string()),
            ("items contested", items.join(" ")),
            ("prove until", format!("{} (Unix time)", report.deadline)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

/// What is contested one by one: so many inputs, or their runs.
fn leaves(count: U256, batch: U256) -> U256 {
    if batch.is_zero() { count } else { count.div_ceil(batch) }
}

/// The items that are named, filled up at random; in ascending order.
fn choose(named: &[u64], checks: Option<u64>, count: u64) -> Result<Vec<u64>> {
    let mut items: BTreeSet<u64> = named.iter().copied().collect();
    if let Some(index) = items.iter().find(|index| **index >= count) {
        bail!("the batch has items 0 to {}, and no item {index}", count.saturating_sub(1));
    }
    let size = checks.unwrap_or(items.len() as u64).max(items.len() as u64);
    if size > count {
        bail!("the batch has {count} items; --checks {size} is more");
    }
    while (items.len() as u64) < size {
        // Far fewer items than numbers, so all are as good as equally likely.
        items.insert(OsRng.next_u64() % count);
    }
    Ok(items.into_iter().collect())
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
    contest_by: u64,
    /// For the proofs of the latest contest.
    prove_by: Option<u64>,
    /// Of its proofs, for `assay classify prove --context`.
    context: B256,
    /// Items contested in all.
    contested: Decimal,
    /// Those of the latest contest.
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    index: Decimal,
    proven: bool,
}

pub(super) fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the contract", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { batch, receipt } = posted(&bond, args.batch).await?;
        let service = bond.service(receipt.serviceId).await?.context("the batch has no service")?;
        let items = bond.contested_items(args.batch).await?;
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
            contest_by: batch.contestBy,
            prove_by: Some(batch.proveBy).filter(|time| *time > 0),
            context: B256::from(
                bond.contract().proof_context(U256::from_be_bytes(args.batch.0), service.provider),
            ),
            contested: Decimal(batch.contested),
            items: items
                .into_iter()
                .enumerate()
                .map(|(position, index)| Item {
                    index: Decimal(index),
                    proven: batch.proven.bit(position),
                })
                .collect(),
        })
    })?;
    output.finish(&report, || {
        let items = |proven: bool| {
            let found = report.items.iter().filter(|item| item.proven == proven);
            found.map(|item| item.index.to_string()).collect::<Vec<_>>().join(" ")
        };
        let mut rows = vec![
            ("batch", report.batch.to_string()),
            ("state", report.state.to_owned()),
            ("service", report.service.to_string()),
            ("buyer", report.buyer.to_string()),
            ("answers", format!("{} under root {}", report.count, report.root)),
            ("price", amount_text(report.price.0, report.token)),
            ("contest until", format!("{} (Unix time)", report.contest_by)),
            ("context", report.context.to_string()),
            ("contested", report.contested.to_string()),
        ];
        if let Some(time) = report.prove_by {
            rows.push(("prove until", format!("{time} (Unix time)")));
            rows.push(("proven", items(true)));
            rows.push(("to be proven", items(false)));
        }
        table(&rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_items_are_filled_up_with_others() {
        assert_eq!(choose(&[7, 3, 7], None, 8).unwrap(), [3, 7]);
        for _ in 0..50 {
            let items = choose(&[5], Some(4), 9).unwrap();
            assert!(items.len() == 4 && items.contains(&5) && items.is_sorted(), "{items:?}");
            assert!(items.iter().all(|index| *index < 9));
        }
        assert_eq!(choose(&[], Some(3), 3).unwrap(), [0, 1, 2]);
        let count = |count: u64, batch: u64| leaves(U256::from(count), U256::from(batch));
        assert_eq!([count(9, 0), count(9, 4), count(8, 4)], [9, 3, 2].map(U256::from));
        assert!(choose(&[], Some(4), 3).unwrap_err().to_string().contains("3 items"));
        assert!(choose(&[3], None, 3).unwrap_err().to_string().contains("no item 3"));
    }
}
