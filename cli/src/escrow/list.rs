//! `assay escrow list`: the jobs of the prediction escrow.

use alloy::primitives::{Address, U256};
use anyhow::Result;
use assay_client::{
    PredictionEscrow,
    escrow::prediction::{OnChainJob, OnChainState},
};
use clap::Args;
use serde::Serialize;

use super::prediction::JobReport;
use crate::{
    amount::amount_text,
    chain::NodeArgs,
    contract::ContractArgs,
    output::{Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow list --rpc http://127.0.0.1:8545                     what is open
  assay escrow list --buyer 0x... --all --rpc http://127.0.0.1:8545
  assay escrow list --model 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct ListArgs {
    /// Jobs of this model only
    #[arg(long, value_name = "ID")]
    model: Option<U256>,
    /// Jobs that this account has opened only
    #[arg(long, value_name = "ADDRESS")]
    buyer: Option<Address>,
    /// Ended jobs too
    #[arg(long)]
    all: bool,
    /// Look at so many of the latest jobs
    #[arg(long, value_name = "N", default_value_t = 1000)]
    last: u64,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Serialize)]
struct Listed {
    /// Newest first.
    jobs: Vec<JobReport>,
    /// Jobs that were looked at.
    looked_at: u64,
    /// Jobs of the escrow.
    of: String,
}

impl ListArgs {
    fn wants(&self, job: &OnChainJob) -> bool {
        (self.all || job.state == OnChainState::Open)
            && self.model.is_none_or(|model| model == job.model_id)
            && self.buyer.is_none_or(|buyer| buyer == job.buyer)
    }
}

pub(super) fn run(args: &ListArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the escrow", async |session| {
        let (escrow, _) = args.contract.open::<PredictionEscrow>(&session).await?;
        let count = escrow.count().await?;
        let (mut jobs, mut looked_at, mut id) = (Vec::new(), 0, count);
        while !id.is_zero() && looked_at < args.last {
            session.spinner.message(format!("job {id} of {count}"));
            if let Some(job) = escrow.job(id).await?.filter(|job| args.wants(job)) {
                jobs.push(JobReport::from(job));
            }
            looked_at += 1;
            id -= U256::ONE;
        }
        Ok(Listed { jobs, looked_at, of: count.to_string() })
    })?;
    output.finish(&report, || {
        let mut rows: Vec<(String, String)> = report
            .jobs
            .iter()
            .map(|job| {
                let price = amount_text(job.price.0, job.token);
                let until = format!("until {} (Unix time)", job.deadline);
                (job.job.to_string(), format!("{}  {price}  {until}  {}", job.state, job.model))
            })
            .collect();
        let seen = format!("{} of {} jobs looked at", report.looked_at, report.of);
        rows.push(("listed".to_owned(), format!("{}; {seen}", report.jobs.len())));
        table(&rows)
    })
}
