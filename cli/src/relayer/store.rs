//! `assay relayer status` and `assay relayer retry`.

use alloy::primitives::U256;
use anyhow::{Context, Result, bail};
use assay_client::{ContractClient, PredictionEscrow};
use assay_relayer::{DutyRecord, JobStore, LeftAlone, PredictionJob, StorePlace};
use clap::Args;
use serde::Serialize;

use crate::{
    amount::amount_text,
    chain::NodeArgs,
    contract::ContractArgs,
    output::{Output, table},
    trust::TrustReport,
};

/// Where the relayer's memory is, for every command that uses it.
#[derive(Args)]
pub(super) struct StorePlaceArgs {
    /// The relayer's memory, from which a restart goes on: a file, or postgres://user:password@host/database
    #[arg(
        id = "store",
        long = "store",
        value_name = "FILE|URL",
        default_value = "relayer.db",
        env = "ASSAY_STORE",
        hide_env_values = true
    )]
    pub(super) place: StorePlace,
}

#[derive(Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    store: StorePlaceArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer status --store relayer.db --escrow 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer retry 7 --store relayer.db --escrow 0x... --rpc http://127.0.0.1:8545

The job goes on from its proof and its claims, as far as there are any. What stood against it is checked
again when the relayer runs: a price that is too low still is.")]
pub(crate) struct RetryArgs {
    /// Job that was given up, or left alone for a reason of this relayer's own
    #[arg(value_name = "JOB")]
    job: U256,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Serialize)]
pub(super) struct StatusReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<TrustReport>,
    jobs: Vec<PredictionJob>,
    duties: Vec<DutyReport>,
    /// Retrievals and audits in which the account could sell, and why it does not.
    left_alone: Vec<LeftAloneReport>,
}

/// A job that is left alone.
#[derive(Serialize)]
struct LeftAloneReport {
    #[serde(flatten)]
    left: LeftAlone,
    /// The reason in words, with what to do.
    why: String,
}

impl StatusReport {
    /// What a store has.
    pub(super) async fn of(store: &JobStore, trust: Option<TrustReport>) -> Result<Self> {
        let left_alone = store.left_alone().await?.into_iter();
        let report = |left: LeftAlone| LeftAloneReport { why: left.reason.to_string(), left };
        Ok(Self {
            trust,
            jobs: store.jobs().await?,
            duties: DutyReport::all(store).await?,
            left_alone: left_alone.map(report).collect(),
        })
    }
}

/// A call that was due, and what was done about it.
#[derive(Serialize)]
pub(super) struct DutyReport {
    what: String,
    pub(super) state: &'static str,
    #[serde(flatten)]
    record: DutyRecord,
}

impl DutyReport {
    /// Those of a store that are under way, or may yet be taken back.
    pub(super) async fn all(store: &JobStore) -> Result<Vec<Self>> {
        let report = |record: DutyRecord| Self {
            what: record.duty.to_string(),
            state: match &record {
                DutyRecord { over_since: Some(_), .. } => "over",
                DutyRecord { proving: true, .. } => "proving",
                DutyRecord { transactions, .. } if transactions.is_empty() => "waits",
                _ => "sent",
            },
            record,
        };
        Ok(store.duties().await?.into_iter().map(report).collect())
    }

    /// A line of a table.
    pub(super) fn row(&self) -> (String, String) {
        let trouble = self.record.last_error.as_deref().unwrap_or_default();
        (self.state.to_owned(), format!("{}  {trouble}", self.what))
    }
}

#[derive(Serialize)]
struct RetryReport {
    job: PredictionJob,
    state: &'static str,
}

impl StoreArgs {
    /// Works with the store, which may be a relayer's that does not run.
    fn with<T>(&self, output: &Output, work: impl AsyncFnOnce(JobStore) -> Result<T>) -> Result<T> {
        if !self.store.place.may_exist() {
            bail!("there is no store {}", self.store.place);
        }
        self.node.run(output, "asking the node", async |session| {
            let place = self.contract.find(PredictionEscrow::NAME, &session.chain)?;
            let chain_id = session.chain.chain_id();
            work(JobStore::open(&self.store.place, chain_id, place.address).await?).await
        })
    }
}

pub(super) fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    let report = args.store.with(output, async |store| StatusReport::of(&store, None).await)?;
    output.finish(&report, || {
        let duties = report.duties.len() + report.left_alone.len();
        if report.jobs.is_empty() && duties == 0 {
            return "no jobs".to_owned();
        }
        let mut rows: Vec<(String, String)> = report
            .jobs
            .iter()
            .map(|job| {
                let price = amount_text(job.terms.price, job.terms.token);
                let trouble = job.last_error.as_deref().unwrap_or_default();
                (job.id().to_string(), format!("{price}  {}  {trouble}", job.state()))
            })
            .collect();
        rows.extend(report.duties.iter().map(DutyReport::row));
        let alone = report.left_alone.iter();
        rows.extend(
            alone.map(|one| ("left alone".to_owned(), format!("{}  {}", one.left.what, one.why))),
        );
        table(&rows)
    })
}

pub(super) fn retry(args: &RetryArgs, output: &Output) -> Result<()> {
    let retried = args.store.with(output, async |store| {
        store.retry(args.job).await.with_context(|| {
            let job = args.job;
            format!("job {job} cannot be taken up again; `assay relayer status` shows the jobs")
        })
    });
    let job = retried?;
    let report = RetryReport { state: job.state().name(), job };
    output.finish(&report, || {
        format!("job {} goes on from {} when the relayer runs", report.job.id(), report.state)
    })
}
