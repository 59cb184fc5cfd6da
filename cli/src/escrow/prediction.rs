//! `assay escrow open`, `claim`, `refund` and `show`: single predictions.

use std::{path::PathBuf, time::Duration};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, U256},
};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient, PredictionEscrow, ProofArtifact,
    escrow::prediction::{OnChainJob, OnChainState, Order},
};
use assay_prover::{arithmetic::field::field_to_bytes, proof::ProofFile};
use clap::Args;
use serde::Serialize;

use super::job::{JobArgs, JobViewArgs};
use crate::{
    amount::{Amount, amount_text, parse_amount},
    answer::{Answer, Reading, StepArgs},
    chain::{SenderArgs, Sent, refusal},
    contract::ContractArgs,
    hex_words::parse_word,
    output::{Decimal, Id, Output, table},
    trust::{TrustArgs, TrustReport, requires_prediction},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow open --model 0x... --card lenet.card.json --setup ceremony.srs --commitment 0x... \\
    --price 1ether --deadline 3600 --escrow 0x... --rpc http://127.0.0.1:8545 \\
    --private-key-file buyer.key

The model's verifying key is made again from the card's architecture and your setup, and compared with the
registry's entry and the code of its contracts, before anything is paid.")]
pub(crate) struct OpenArgs {
    #[command(flatten)]
    contract: ContractArgs,
    /// Id of the model in the escrow's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    /// Commitment to the input, from `assay input commit`
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: B256,
    /// Price: 1ether, 0.5eth, 30gwei; of a token 1000units, in its smallest unit
    #[arg(long, value_parser = parse_amount)]
    price: Amount,
    /// Seconds from now within which the proof must be on chain
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    deadline: u64,
    /// Token of the price [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Public note to the seller
    #[arg(long, default_value = "")]
    hint: String,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow claim 1 --escrow 0x... --proof job1.proof --rpc http://127.0.0.1:8545 --private-key-file seller.key")]
pub(crate) struct ClaimArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Proof file that was made for this job and recipient
    #[arg(long, value_name = "FILE", required_unless_present = "raw_proof")]
    proof: Option<PathBuf>,
    /// Bare proof, in hexadecimal as the verifier contract takes it, in place of a proof file
    #[arg(long, value_name = "FILE", conflicts_with = "proof", requires = "class")]
    raw_proof: Option<PathBuf>,
    /// Output word that the bare proof proves: the class, or the number + 2^15
    #[arg(long, requires = "raw_proof")]
    class: Option<U256>,
    /// Who is paid [default: the signing account]
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// Ask the node what would happen; send nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    step: StepArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay escrow show 1 --escrow 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    job: JobViewArgs,
    /// Wait up to this long until the job is claimed or refunded
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    step: StepArgs,
}

#[derive(Serialize)]
struct OpenReport {
    job: Decimal,
    model: Id,
    binding_hash: B256,
    trust: TrustReport,
    price: Decimal,
    token: Address,
    deadline: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let price = args.price.of(args.token)?;
    let trust = args.trust.prepare(output, requires_prediction)?;
    let report = args.sender.run(output, "opening the job", async |session| {
        let (escrow, _) = args.contract.open::<PredictionEscrow>(&session).await?;
        let registry = escrow.registry().await?;
        let (binding, trust) = args.trust.choose(&trust, &registry, args.model).await?;
        let deadline = session.after(args.deadline).await?;
        let order = Order {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            inputCommitment: U256::from_be_bytes(args.commitment.0),
            token: args.token,
            price,
            deadline,
            hint: args.hint.clone().into_bytes().into(),
        };
        let opened = escrow.open(order).await?;
        Ok(OpenReport {
            job: Decimal(opened.job_id),
            model: Id(args.model),
            binding_hash: binding.binding_hash,
            trust,
            price: Decimal(price),
            token: args.token,
            deadline,
            sent: Sent::from(&opened.outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("job", report.job.to_string()),
            ("escrowed", amount_text(report.price.0, report.token)),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("binding", report.binding_hash.to_string()),
        ];
        rows.extend(report.trust.rows());
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}

#[derive(Serialize)]
struct ClaimReport {
    job: Decimal,
    recipient: Address,
    output: Decimal,
    #[serde(flatten)]
    answer: Answer,
    /// Absent after a dry run.
    transaction: Option<B256>,
    gas_used: Option<u64>,
}

impl ClaimArgs {
    fn artifact(&self) -> Result<ProofArtifact> {
        match (&self.proof, &self.raw_proof, self.class) {
            (Some(path), _, _) => {
                let file = ProofFile::read(path)?;
                let word =
                    file.public_inputs.last().context("the proof file has no public inputs")?;
                let output = U256::from_be_bytes(field_to_bytes(word));
                Ok(ProofArtifact { proof: file.proof.into(), output })
            }
            (None, Some(path), Some(output)) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let proof = text.trim().parse().with_context(|| {
                    format!("{} does not hold a proof in hexadecimal", path.display())
                })?;
                Ok(ProofArtifact { proof, output })
            }
            _ => bail!("give --proof, or --raw-proof and --class"),
        }
    }
}

pub(super) fn claim(args: &ClaimArgs, output: &Output) -> Result<()> {
    let (artifact, job) = (args.artifact()?, args.job.job);
    let report = args.job.sender.run(output, "claiming", async |session| {
        let chain = &session.chain;
        let account = chain.account()?;
        let recipient = args.recipient.unwrap_or(account);
        let (escrow, _) = args.job.contract.open::<PredictionEscrow>(&session).await?;
        let answer = match escrow.job(job).await? {
            Some(job) => {
                let registry = escrow.registry().await?;
                args.step.reading(&registry, job.model_id).await?.read(artifact.output)
            }
            // The escrow says so below.
            None => Reading::UNKNOWN.read(artifact.output),
        };
        let outcome = if args.dry_run {
            chain.code_hash(escrow.address()).await?;
            let request = escrow.claim_request(job, recipient, &artifact).with_from(account);
            let tried = chain.call(request).await;
            tried.map_err(|e| refusal(e, || "the escrow would refuse this claim".to_owned()))?;
            None
        } else {
            let claimed = escrow.claim(job, recipient, &artifact).await;
            Some(claimed.map_err(|e| refusal(e, || "the escrow refuses this claim".to_owned()))?)
        };
        Ok(ClaimReport {
            job: Decimal(job),
            recipient,
            output: Decimal(artifact.output),
            answer,
            transaction: outcome.as_ref().map(|outcome| outcome.hash),
            gas_used: outcome.map(|outcome| outcome.gas_used),
        })
    })?;
    output.finish(&report, || {
        let result = match report.gas_used {
            Some(gas) => format!("claimed, {gas} gas"),
            None => "would be accepted".to_owned(),
        };
        table(&[
            ("job", report.job.to_string()),
            ("claim", result),
            report.answer.row(),
            ("recipient", report.recipient.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct RefundReport {
    job: Decimal,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn refund(args: &JobArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "refunding", async |session| {
        let (escrow, _) = args.contract.open::<PredictionEscrow>(&session).await?;
        let outcome = escrow.refund(args.job).await?;
        Ok(RefundReport { job: Decimal(args.job), sent: Sent::from(&outcome) })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", format!("{} refunded; its buyer can withdraw the price", report.job)),
            ("gas", report.sent.gas_used.to_string()),
        ])
    })
}

#[derive(Serialize)]
pub(super) struct JobReport {
    pub(super) job: Decimal,
    pub(super) state: &'static str,
    /// Of a claimed job, as a proof shows it.
    pub(super) output: Option<Decimal>,
    pub(super) model: Id,
    pub(super) buyer: Address,
    pub(super) token: Address,
    pub(super) price: Decimal,
    pub(super) deadline: u64,
    pub(super) input_commitment: B256,
}

impl From<OnChainJob> for JobReport {
    fn from(job: OnChainJob) -> Self {
        let (state, output) = match job.state {
            OnChainState::Open => ("open", None),
            OnChainState::Claimed { output } => ("claimed", Some(Decimal(output))),
            OnChainState::Refunded => ("refunded", None),
        };
        Self {
            job: Decimal(job.job_id),
            state,
            output,
            model: Id(job.model_id),
            buyer: job.buyer,
            token: job.token,
            price: Decimal(job.price),
            deadline: job.deadline,
            input_commitment: B256::from(job.input_commitment.to_be_bytes()),
        }
    }
}

#[derive(Serialize)]
struct ShowReport {
    #[serde(flatten)]
    job: JobReport,
    #[serde(flatten)]
    answer: Option<Answer>,
}

pub(super) fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let JobViewArgs { job: id, contract, node } = &args.job;
    let report = node.run(output, "asking the escrow", async |session| {
        let (escrow, _) = contract.open::<PredictionEscrow>(&session).await?;
        let started = tokio::time::Instant::now();
        loop {
            let Some(job) = escrow.job(*id).await? else {
                bail!("escrow {} has no job {id}", escrow.address());
            };
            let open = job.state == OnChainState::Open;
            match args.wait.map(Duration::from_secs) {
                Some(limit) if open && started.elapsed() >= limit => {
                    bail!("job {id} is still open after {} s", limit.as_secs());
                }
                Some(_) if open => {
                    session.spinner.message("waiting for the proof");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                _ => {
                    let answer = match job.state {
                        OnChainState::Claimed { output } => {
                            let registry = escrow.registry().await?;
                            Some(args.step.reading(&registry, job.model_id).await?.read(output))
                        }
                        OnChainState::Open | OnChainState::Refunded => None,
                    };
                    return Ok(ShowReport { job: job.into(), answer });
                }
            }
        }
    })?;
    output.finish(&report, || {
        let (report, answer) = (&report.job, &report.answer);
        let state = match answer.as_ref().map(Answer::row) {
            Some((name, text)) => format!("claimed: {name} {text}"),
            None => report.state.to_owned(),
        };
        table(&[
            ("job", report.job.to_string()),
            ("state", state),
            ("model", report.model.to_string()),
            ("price", amount_text(report.price.0, report.token)),
            ("buyer", report.buyer.to_string()),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("input", report.input_commitment.to_string()),
        ])
    })
}
