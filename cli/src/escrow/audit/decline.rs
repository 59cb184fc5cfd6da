//! `assay escrow audit decline`.

use alloy::primitives::B256;
use anyhow::Result;
use assay_client::escrow::audit::AuditEntered;
use clap::Args;
use serde::Serialize;

use super::{Job, deliver::seen};
use crate::{
    chain::Sent,
    escrow::job::JobArgs,
    hex_words::parse_hash,
    output::{Decimal, Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow audit decline 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key

Every seller gets its stake back, you get reward and bond, and nobody has seen the test set: it can be used for
another job.")]
pub(crate) struct DeclineArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Hash of the entries that you have looked at, from `assay escrow audit show` [default: that of
    /// those on chain now]
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    entries: Option<B256>,
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    entries: usize,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn run(args: &DeclineArgs, output: &Output) -> Result<()> {
    let report = args.job.sender.run(output, "declining", async |session| {
        let job = Job::find(&args.job.contract, args.job.job, &session).await?;
        let entered = job.escrow.entered(&job.order).await?;
        let entries: Vec<AuditEntered> = entered.into_iter().map(|logged| logged.event).collect();
        let outcome = job.escrow.decline(&job.order, seen(&entries, args.entries)?).await?;
        let sent = Sent::from(&outcome);
        Ok(Report { job: Decimal(args.job.job), entries: entries.len(), sent })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", format!("{} refunded, entries turned away: {}", report.job, report.entries)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}
