//! `assay escrow audit`.

mod accept;
mod admission;
mod decline;
mod deliver;
mod enter;
mod open;
mod possession;
mod sellers;
mod show;

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    AuditEscrow, ContractClient,
    chain::TransactionOutcome,
    escrow::audit::{AuditOrder, Terms},
    registry::ModelBinding,
};
use assay_prover::{arithmetic::field::field_to_bytes, collection::Collection};
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
    output::{Decimal, Output, table},
};

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Buyer: escrow a reward for a proven accuracy on a committed test set
    Open(Box<open::OpenArgs>),
    /// Seller: enter a model and put up the stake
    Enter(enter::EnterArgs),
    /// Buyer: publish the encrypted test set for the entries that you approve of
    Deliver(deliver::DeliverArgs),
    /// Buyer: turn all entries away, and get everything back
    Decline(decline::DeclineArgs),
    /// Anybody: have the bond of a delivered job returned, as soon as no answer can come any more
    #[command(after_help = "Example:
  assay escrow audit return-bond 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file buyer.key")]
    ReturnBond(JobArgs),
    /// Seller: confirm the delivery, and claim how many items are correct
    Accept(accept::AcceptArgs),
    /// Seller: give up for the abort fee, which is burnt
    #[command(after_help = "Example:
  assay escrow audit abort 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file seller.key")]
    Abort(EntryArgs),
    /// Seller: hand in the proofs of the runs, which only the highest claim needs
    Submit(SubmitArgs),
    /// Anybody: end a job whose outcome is certain, and with it its leading entry
    #[command(after_help = "Example:
  assay escrow audit settle 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Settle(JobArgs),
    /// Anybody: end another entry of a job
    #[command(after_help = "Example:
  assay escrow audit release 1 --entry 2 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Release(EntryArgs),
    /// Anybody: have the result of an ended entry recorded in the registry of results
    #[command(after_help = "Example:
  assay escrow audit certify 1 --entry 1 --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file me.key")]
    Certify(EntryArgs),
    /// Show a job and its entries
    #[command(after_help = "Example:
  assay escrow audit show 1 --escrow 0x... --rpc http://127.0.0.1:8545")]
    Show(JobViewArgs),
}

#[derive(Args)]
pub(crate) struct EntryArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Id of the entry [default: the signing account's]
    #[arg(long, value_name = "ID")]
    entry: Option<U256>,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay audit prove audit.bundle --set test.set --setup dev.srs --keys keys --context 0x... -o proofs
  assay escrow audit submit 1 --proofs proofs --escrow 0x... --rpc http://127.0.0.1:8545 \\
    --private-key-file seller.key

The context is shown by `assay escrow audit enter` and `show`. Runs that are proven on chain already
are left out, so the command can be repeated. Only the first claim has to be proven, the highest one; the others
when its window has passed without.")]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    entry: EntryArgs,
    /// Folder of proofs, made by `assay audit prove`
    #[arg(long, value_name = "DIR")]
    proofs: PathBuf,
}

pub(super) fn run(command: AuditCommand, output: &Output) -> Result<()> {
    match command {
        AuditCommand::Open(args) => open::run(&args, output),
        AuditCommand::Enter(args) => enter::run(&args, output),
        AuditCommand::Deliver(args) => deliver::run(&args, output),
        AuditCommand::Decline(args) => decline::run(&args, output),
        AuditCommand::ReturnBond(args) => return_bond(&args, output),
        AuditCommand::Accept(args) => accept::run(&args, output),
        AuditCommand::Abort(args) => step(&args, output, "aborted", async |job, entry| {
            Ok(job.escrow.abort(&job.order, entry).await?)
        }),
        AuditCommand::Submit(args) => submit(&args, output),
        AuditCommand::Settle(args) => settle(&args, output),
        AuditCommand::Release(args) => step(&args, output, "released", async |job, entry| {
            Ok(job.escrow.release(&job.order, entry).await?)
        }),
        AuditCommand::Certify(args) => step(&args, output, "certified", async |job, entry| {
            Ok(job.escrow.certify(&job.order, entry).await?)
        }),
        AuditCommand::Show(args) => show::run(&args, output),
    }
}

/// A job of an escrow, with its terms.
struct Job {
    escrow: AuditEscrow,
    order: AuditOrder,
}

impl Job {
    async fn find(contract: &ContractArgs, id: U256, session: &Session) -> Result<Self> {
        let (escrow, from) = contract.open::<AuditEscrow>(session).await?;
        let order = escrow.order(id, from).await?;
        Ok(Self { escrow, order })
    }

    fn terms(&self) -> &Terms {
        &self.order.terms
    }

    /// Public input 0 of proofs that pay `seller`.
    fn context(&self, seller: Address) -> U256 {
        self.escrow.contract().proof_context(self.order.job_id, seller)
    }

    /// The entry that was named, or the signing account's first.
    async fn entry(&self, named: Option<U256>) -> Result<U256> {
        if let Some(entry) = named {
            return Ok(entry);
        }
        let account = self.escrow.chain().account()?;
        let entered = self.escrow.entered(&self.order).await?;
        let own = entered.iter().find(|logged| logged.event.seller == account);
        own.map(|logged| logged.event.entry).with_context(|| {
            format!("account {account} has no entry in job {}; give --entry", self.order.job_id)
        })
    }

    /// Refuses another set than the one that the job is about.
    fn require_test_set(&self, set: &Collection) -> Result<()> {
        let (wanted, items) = (self.terms().testSetRoot, self.terms().items);
        let root = U256::from_be_bytes(field_to_bytes(&set.root()));
        if root == wanted && set.len() == items as usize && !set.labels().is_empty() {
            return Ok(());
        }
        bail!(
            "this is not the test set that the job is about: it has root {} and {} items{}, the job's has \
             root {} and {items} items",
            B256::from(root),
            set.len(),
            if set.labels().is_empty() { " without labels" } else { "" },
            B256::from(wanted),
        )
    }

    async fn binding(&self, model_id: U256) -> Result<ModelBinding> {
        bound(&self.escrow.contract().registry().await?, model_id).await
    }
}

#[derive(Serialize)]
struct StepReport {
    job: Decimal,
    entry: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

/// One transaction about an entry.
fn step(
    args: &EntryArgs,
    output: &Output,
    done: &str,
    work: impl AsyncFnOnce(&Job, U256) -> Result<TransactionOutcome>,
) -> Result<()> {
    let report = args.job.sender.run(output, "sending", async |session| {
        let job = Job::find(&args.job.contract, args.job.job, &session).await?;
        let entry = job.entry(args.entry).await?;
        let sent = Sent::from(&work(&job, entry).await?);
        Ok(StepReport { job: Decimal(args.job.job), entry: Decimal(entry), sent })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("entry", format!("{} {done}", report.entry)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct BondReport {
    job: Decimal,
    returned: Decimal,
    /// What was burnt for entries that stayed away.
    lost: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

fn return_bond(args: &JobArgs, output: &Output) -> Result<()> {
    let (report, token) = args.sender.run(output, "returning the bond", async |session| {
        let job = Job::find(&args.contract, args.job, &session).await?;
        let (event, outcome) = job.escrow.return_bond(&job.order).await?;
        let returned = U256::from(job.terms().bond).saturating_sub(event.lost);
        let (returned, lost, sent) = (Decimal(returned), Decimal(event.lost), Sent::from(&outcome));
        Ok((BondReport { job: Decimal(args.job), returned, lost, sent }, job.terms().token))
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("returned", amount_text(report.returned.0, token)),
            ("burnt", amount_text(report.lost.0, token)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct SettleReport {
    job: Decimal,
    state: &'static str,
    /// The entry that was paid.
    winner: Option<Decimal>,
    #[serde(flatten)]
    sent: Sent,
}

fn settle(args: &JobArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "settling", async |session| {
        let job = Job::find(&args.contract, args.job, &session).await?;
        let (end, outcome) = job.escrow.settle(&job.order).await?;
        Ok(SettleReport {
            job: Decimal(args.job),
            state: show::state_name(end.state),
            winner: Some(Decimal(end.winner)).filter(|winner| !winner.0.is_zero()),
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let winner = report.winner.map(|winner| format!(", to entry {winner}")).unwrap_or_default();
        table(&[
            ("job", format!("{} {}{winner}", report.job, report.state)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct SubmitReport {
    job: Decimal,
    entry: Decimal,
    #[serde(flatten)]
    submitted: Submitted,
    /// Of the entry: items proven correct, runs still missing, and items that have to be proven correct.
    correct: Decimal,
    missing: Decimal,
    claim: Decimal,
}

fn submit(args: &SubmitArgs, output: &Output) -> Result<()> {
    let (id, contract) = (args.entry.job.job, &args.entry.job.contract);
    let report = args.entry.job.sender.run(output, "reading the job", async |session| {
        let job = Job::find(contract, id, &session).await?;
        let entry = job.entry(args.entry.entry).await?;
        let stored = job.escrow.entry(id, entry).await?;
        let expected = Expected {
            vk_hash: job.binding(stored.modelId).await?.model.vk_hash,
            context: job.context(stored.seller),
            root: job.terms().testSetRoot,
            items: u64::from(job.terms().items),
            batch: u64::try_from(stored.batch)
                .ok()
                .filter(|batch| *batch > 0)
                .context("no batch")?,
            words: 1,
            command: "assay audit prove",
        };
        let runs = runs::read(&args.proofs, &expected)?;
        let is_proven = async |run| job.escrow.is_proven(id, entry, run).await;
        let prove = async |run: &ShownRun| job.escrow.prove(&job.order, entry, &run.result()).await;
        let submitted = runs::submit(&runs, &session, is_proven, prove).await?;
        let stored = job.escrow.entry(id, entry).await?;
        Ok(SubmitReport {
            job: Decimal(id),
            entry: Decimal(entry),
            submitted,
            correct: Decimal(stored.correct),
            missing: Decimal(stored.missing),
            claim: Decimal(stored.claim),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", format!("{}, entry {}", report.job, report.entry)),
            ("runs", report.submitted.text(report.missing)),
            ("correct", format!("{}, {} claimed", report.correct, report.claim)),
            ("gas", report.submitted.gas_used.to_string()),
        ])
    })
}
