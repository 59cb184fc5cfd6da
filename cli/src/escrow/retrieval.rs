//! `assay escrow retrieval`.

mod open;

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, keccak256};
use anyhow::{Context, Result};
use assay_client::{
    ContractClient, RetrievalEscrow,
    contract::text_or_hex,
    escrow::retrieval::{RetrievalOrder, State, Terms},
};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{
    job::{JobArgs, JobViewArgs},
    runs::{self, Expected, ShownRun, Submitted},
};
use crate::{
    amount::amount_text,
    binding::bound,
    chain::{Sent, Session},
    contract::ContractArgs,
    output::{Decimal, Id, Output, table},
};

#[derive(Subcommand)]
pub(crate) enum RetrievalCommand {
    /// Requester: escrow a price for a proven selection
    Open(Box<open::OpenArgs>),
    /// Holder: hand in the proofs of the runs
    Submit(SubmitArgs),
    /// Holder: say where the openings of the selected items are, and be paid
    Publish(PublishArgs),
    /// Anybody: pay for a collection of which nothing is selected, or refund after a deadline
    #[command(after_help = "Example:
  assay escrow retrieval settle 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Settle(JobArgs),
    /// Show a job and the items selected so far
    #[command(after_help = "Example:
  assay escrow retrieval show 1 --escrow 0x... --rpc http://127.0.0.1:8545")]
    Show(JobViewArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay retrieve prove threes.bundle --set images.set --setup dev.srs --keys keys --context 0x... -o proofs
  assay escrow retrieval submit 1 --proofs proofs --escrow 0x... --rpc http://127.0.0.1:8545 \\
    --private-key-file holder.key

The context is shown by `assay escrow retrieval open` and `show`. Runs that are proven on chain already
are left out, so the command can be repeated.")]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Folder of proofs, made by `assay retrieve prove`
    #[arg(long, value_name = "DIR")]
    proofs: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset open images.set 3 17 -o openings
  assay escrow retrieval publish 1 --data openings.enc --place https://example.org/openings.enc \\
    --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file holder.key")]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    job: JobArgs,
    /// The openings, encrypted if they are not for everybody; their hash goes on chain
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Where the requester finds them, for example a URI
    #[arg(long)]
    place: String,
}

pub(super) fn run(command: RetrievalCommand, output: &Output) -> Result<()> {
    match command {
        RetrievalCommand::Open(args) => open::run(&args, output),
        RetrievalCommand::Submit(args) => submit(&args, output),
        RetrievalCommand::Publish(args) => publish(&args, output),
        RetrievalCommand::Settle(args) => settle(&args, output),
        RetrievalCommand::Show(args) => show(&args, output),
    }
}

/// A job of an escrow, with its terms.
struct Job {
    escrow: RetrievalEscrow,
    order: RetrievalOrder,
}

impl Job {
    async fn find(contract: &ContractArgs, id: U256, session: &Session) -> Result<Self> {
        let (escrow, from) = contract.open::<RetrievalEscrow>(session).await?;
        let order = escrow.order(id, from).await?;
        Ok(Self { escrow, order })
    }

    fn terms(&self) -> &Terms {
        &self.order.terms
    }

    fn context(&self) -> U256 {
        self.escrow.contract().proof_context(self.order.job_id, self.terms().holder)
    }

    fn runs(&self) -> u64 {
        u64::from(self.terms().items).div_ceil(u64::from(self.terms().batch).max(1))
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Open => "open",
        State::Paid => "paid",
        State::Refunded => "refunded",
        _ => "unknown",
    }
}

#[derive(Serialize)]
struct SubmitReport {
    job: Decimal,
    #[serde(flatten)]
    submitted: Submitted,
    /// Runs still missing.
    missing: Decimal,
}

fn submit(args: &SubmitArgs, output: &Output) -> Result<()> {
    let id = args.job.job;
    let report = args.job.sender.run(output, "reading the job", async |session| {
        let job = Job::find(&args.job.contract, id, &session).await?;
        let registry = job.escrow.contract().registry().await?;
        let expected = Expected {
            vk_hash: bound(&registry, job.terms().modelId).await?.model.vk_hash,
            context: job.context(),
            root: job.terms().collectionRoot,
            items: u64::from(job.terms().items),
            batch: u64::from(job.terms().batch).max(1),
            words: 1,
            command: "assay retrieve prove",
        };
        let runs = runs::read(&args.proofs, &expected)?;
        let is_proven = async |run| Ok(job.escrow.bitmap(id, run).await?.is_some());
        let prove = async |run: &ShownRun| job.escrow.prove(&job.order, &run.result()).await;
        let submitted = runs::submit(&runs, &session, is_proven, prove).await?;
        let stored = job.escrow.job(id).await?.context("the job is gone")?;
        Ok(SubmitReport { job: Decimal(id), submitted, missing: Decimal(stored.missing) })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("runs", report.submitted.text(report.missing)),
            ("gas", report.submitted.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct StepReport {
    job: Decimal,
    state: &'static str,
    #[serde(flatten)]
    sent: Sent,
}

impl StepReport {
    fn text(&self) -> String {
        table(&[
            ("job", format!("{} {}", self.job, self.state)),
            ("gas", self.sent.gas_used.to_string()),
        ])
    }
}

fn publish(args: &PublishArgs, output: &Output) -> Result<()> {
    let data = std::fs::read(&args.data)
        .with_context(|| format!("cannot read {}", args.data.display()))?;
    let report = args.job.sender.run(output, "publishing", async |session| {
        let job = Job::find(&args.job.contract, args.job.job, &session).await?;
        let place = args.place.clone().into_bytes().into();
        let (end, outcome) = job.escrow.publish(&job.order, keccak256(&data), place).await?;
        let (sent, state) = (Sent::from(&outcome), state_name(end.state));
        Ok(StepReport { job: Decimal(args.job.job), state, sent })
    })?;
    output.finish(&report, || report.text())
}

fn settle(args: &JobArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "settling", async |session| {
        let job = Job::find(&args.contract, args.job, &session).await?;
        let (end, outcome) = job.escrow.settle(&job.order).await?;
        let (sent, state) = (Sent::from(&outcome), state_name(end.state));
        Ok(StepReport { job: Decimal(args.job), state, sent })
    })?;
    output.finish(&report, || report.text())
}

#[derive(Serialize)]
struct Report {
    job: Decimal,
    state: &'static str,
    requester: Address,
    holder: Address,
    token: Address,
    price: Decimal,
    model: Id,
    binding_hash: B256,
    root: B256,
    items: u32,
    batch: u16,
    prove_by: u64,
    open_by: u64,
    hint: String,
    /// Runs not proven yet.
    missing: Vec<u64>,
    /// Items that proven runs select.
    selected: Vec<u64>,
    /// For `assay retrieve prove --context`.
    context: B256,
    publication: Option<Publication>,
}

#[derive(Serialize)]
struct Publication {
    data_hash: B256,
    place: String,
}

fn show(args: &JobViewArgs, output: &Output) -> Result<()> {
    let report = args.node.run(output, "asking the escrow", async |session| {
        let job = Job::find(&args.contract, args.job, &session).await?;
        let terms = job.terms();
        let (mut missing, mut selected) = (Vec::new(), Vec::new());
        for run in 0..job.runs() {
            session.spinner.message(format!("run {run} of {}", job.runs()));
            match job.escrow.bitmap(args.job, run).await? {
                None => missing.push(run),
                Some(bitmap) => selected.extend(
                    (0..u64::from(terms.batch))
                        .filter(|item| bitmap.bit(*item as usize))
                        .map(|item| run * u64::from(terms.batch) + item),
                ),
            }
        }
        let stored = job.escrow.job(args.job).await?;
        let publication = job.escrow.publication(&job.order).await?;
        Ok(Report {
            job: Decimal(args.job),
            state: stored.map_or("unknown", |stored| state_name(stored.state)),
            requester: terms.requester,
            holder: terms.holder,
            token: terms.token,
            price: Decimal(U256::from(terms.price)),
            model: Id(terms.modelId),
            binding_hash: job.order.binding_hash,
            root: B256::from(terms.collectionRoot),
            items: terms.items,
            batch: terms.batch,
            prove_by: terms.proveBy,
            open_by: terms.openBy,
            hint: text_or_hex(&job.order.hint),
            missing,
            selected,
            context: B256::from(job.context()),
            publication: publication.map(|logged| Publication {
                data_hash: logged.event.dataHash,
                place: text_or_hex(&logged.event.place),
            }),
        })
    })?;
    output.finish(&report, || {
        let selected: Vec<String> = report.selected.iter().map(ToString::to_string).collect();
        let mut rows = vec![
            ("job", report.job.to_string()),
            ("state", report.state.to_owned()),
            ("price", amount_text(report.price.0, report.token)),
            ("requester", report.requester.to_string()),
            ("holder", report.holder.to_string()),
            ("collection", format!("{}, {} items", report.root, report.items)),
            ("runs missing", report.missing.len().to_string()),
            ("selected", selected.join(" ")),
            ("prove until", format!("{} (Unix time)", report.prove_by)),
            ("publish until", report.open_by.to_string()),
            ("context", report.context.to_string()),
        ];
        rows.extend(report.publication.as_ref().map(|found| ("openings", found.place.clone())));
        table(&rows)
    })
}
