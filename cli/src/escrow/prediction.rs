//! `assay escrow open`, `claim`, `cancel`, `refund` and `show`: predictions.

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
    /// Commitment to the input, from `assay input commit`; of several inputs the root of their collection
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    commitment: B256,
    /// Number of inputs under the root, for a model that is proven in runs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Price of an input: 1ether, 0.5eth, 30gwei; of a token 1000units, in its smallest unit
    #[arg(long, value_parser = parse_amount)]
    price: Amount,
    /// Seconds between a request to cancel (`assay escrow cancel`) and the deadline, 600 to 2592000
    /// [default: the job cannot be cancelled]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(600..=2_592_000))]
    notice: Option<u64>,
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
  assay escrow claim 1 --escrow 0x... --proof job1.proof --rpc http://127.0.0.1:8545 --private-key-file seller.key

Of a job about a collection the runs are claimed one by one; --proofs takes the folder that
`assay classify prove --context` has filled (`assay escrow show --recipient` says the context), and claims all runs
in it that are not claimed yet.")]
pub(crate) struct ClaimArgs {
    #[command(flatten)]
    pub(super) job: JobArgs,
    /// Proof file that was made for this job and recipient
    #[arg(long, value_name = "FILE", required_unless_present_any = ["raw_proof", "proofs"])]
    proof: Option<PathBuf>,
    /// Folder of proofs of the runs of the job's collection
    #[arg(long, value_name = "DIR", conflicts_with_all = ["proof", "raw_proof", "dry_run"])]
    pub(super) proofs: Option<PathBuf>,
    /// Bare proof, in hexadecimal as the verifier contract takes it, in place of a proof file
    #[arg(long, value_name = "FILE", conflicts_with = "proof", requires = "class")]
    raw_proof: Option<PathBuf>,
    /// Output words that the bare proof proves, such as 3 or 3,7: the class, the number + 2^15, as the model states
    #[arg(
        long,
        visible_alias = "outputs",
        value_name = "WORDS",
        requires = "raw_proof",
        value_delimiter = ','
    )]
    class: Vec<U256>,
    /// Run of the job's collection that the bare proof is about
    #[arg(long, value_name = "N", requires = "raw_proof", default_value_t = U256::ZERO)]
    run: U256,
    /// Who is paid [default: the signing account]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) recipient: Option<Address>,
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
    /// Say what the proofs that pay this account are bound to, for `--context`
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    #[command(flatten)]
    step: StepArgs,
}

#[derive(Serialize)]
struct OpenReport {
    job: Decimal,
    model: Id,
    binding_hash: B256,
    trust: TrustReport,
    /// Of an input.
    price: Decimal,
    items: u32,
    escrowed: Decimal,
    token: Address,
    deadline: u64,
    /// Of a request to cancel, in seconds; 0 if there can be none.
    notice: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let price = args.price.of(args.token)?;
    let items = Some(u64::from(args.items));
    let trust = args.trust.prepare(output, |layout| requires_prediction(layout, items))?;
    let report = args.sender.run(output, "opening the job", async |session| {
        let (escrow, _) = args.contract.open::<PredictionEscrow>(&session).await?;
        let registry = escrow.registry().await?;
        let (binding, trust) = args.trust.choose(&trust, &registry, args.model).await?;
        let deadline = session.after(args.deadline).await?;
        let order = Order {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            inputCommitment: U256::from_be_bytes(args.commitment.0),
            items: U256::from(args.items),
            token: args.token,
            price,
            deadline,
            notice: args.notice.unwrap_or_default(),
            callbackGas: 0,
            hint: args.hint.clone().into_bytes().into(),
        };
        let opened = escrow.open(order).await?;
        Ok(OpenReport {
            job: Decimal(opened.job_id),
            model: Id(args.model),
            binding_hash: binding.binding_hash,
            trust,
            price: Decimal(price),
            items: args.items,
            escrowed: Decimal(price.saturating_mul(U256::from(args.items))),
            token: args.token,
            deadline,
            notice: args.notice.unwrap_or_default(),
            sent: Sent::from(&opened.outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("job", report.job.to_string()),
            ("escrowed", amount_text(report.escrowed.0, report.token)),
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
    run: Decimal,
    recipient: Address,
    /// The word, where the proof shows one.
    output: Option<Decimal>,
    outputs: Vec<Decimal>,
    #[serde(flatten)]
    answer: Option<Answer>,
    /// Absent after a dry run.
    transaction: Option<B256>,
    gas_used: Option<u64>,
}

impl ClaimArgs {
    /// Reads the proof; what a proof file shows depends on whether the job is about one input (a batch of zero) or
    /// about runs of so many.
    fn artifact(&self, batch: U256) -> Result<ProofArtifact> {
        match (&self.proof, &self.raw_proof) {
            (Some(path), _) => {
                let file = ProofFile::read(path)?;
                let words: Vec<U256> = file
                    .public_inputs
                    .iter()
                    .map(|word| U256::from_be_bytes(field_to_bytes(word)))
                    .collect();
                let (run, outputs) = shown(&words, batch).with_context(|| {
                    format!("{} is of another kind than the job", path.display())
                })?;
                Ok(ProofArtifact { proof: file.proof.into(), run, outputs })
            }
            (None, Some(path)) if !self.class.is_empty() => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let proof = text.trim().parse().with_context(|| {
                    format!("{} does not hold a proof in hexadecimal", path.display())
                })?;
                Ok(ProofArtifact { proof, run: self.run, outputs: self.class.clone() })
            }
            _ => bail!("give --proof, or --raw-proof and --class"),
        }
    }
}

/// The run and the output words among a proof's public inputs: context, commitment, in runs the first item and their
/// number, output words. `None` where there are too few.
fn shown(public_inputs: &[U256], batch: U256) -> Option<(U256, Vec<U256>)> {
    let (run, outputs) = if batch.is_zero() {
        (U256::ZERO, public_inputs.get(2..)?)
    } else {
        (public_inputs.get(2)?.checked_div(batch)?, public_inputs.get(4..)?)
    };
    (!outputs.is_empty()).then(|| (run, outputs.to_vec()))
}

/// What the one word of an answer says; `None` where there are several.
fn answer_of(reading: &Reading, outputs: &[U256]) -> Option<Answer> {
    match outputs {
        [word] => Some(reading.read(*word)),
        _ => None,
    }
}

pub(super) fn claim(args: &ClaimArgs, output: &Output) -> Result<()> {
    let job = args.job.job;
    let report = args.job.sender.run(output, "claiming", async |session| {
        let chain = &session.chain;
        let account = chain.account()?;
        let recipient = args.recipient.unwrap_or(account);
        let (escrow, _) = args.job.contract.open::<PredictionEscrow>(&session).await?;
        let known = escrow.job(job).await?;
        let artifact = args.artifact(known.as_ref().map(|job| job.batch).unwrap_or_default())?;
        let reading = match known {
            Some(job) if job.batch.is_zero() => {
                args.step.reading(&escrow.registry().await?, job.model_id).await?
            }
            // Of a run; or there is no such job, and the escrow says so below.
            Some(_) | None => Reading::UNKNOWN,
        };
        let answer = answer_of(&reading, &artifact.outputs);
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
            run: Decimal(artifact.run),
            recipient,
            output: answer.as_ref().and(artifact.outputs.first().copied().map(Decimal)),
            outputs: artifact.outputs.iter().copied().map(Decimal).collect(),
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
            answer_row(report.answer.as_ref(), &report.outputs),
            ("recipient", report.recipient.to_string()),
        ])
    })
}

fn answer_row(answer: Option<&Answer>, outputs: &[Decimal]) -> (&'static str, String) {
    match answer {
        Some(answer) => answer.row(),
        None => {
            let words: Vec<String> = outputs.iter().map(ToString::to_string).collect();
            ("outputs", words.join(" "))
        }
    }
}

#[derive(Serialize)]
struct CancelReport {
    job: Decimal,
    /// Last second, Unix time, at which a claim is accepted.
    deadline: u64,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn cancel(args: &JobArgs, output: &Output) -> Result<()> {
    let report = args.sender.run(output, "asking for an end", async |session| {
        let (escrow, _) = args.contract.open::<PredictionEscrow>(&session).await?;
        let outcome = escrow.request_cancel(args.job).await?;
        let job = escrow.job(args.job).await?.context("the job is gone")?;
        Ok(CancelReport {
            job: Decimal(args.job),
            deadline: job.deadline,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        table(&[
            ("job", report.job.to_string()),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("then", format!("assay escrow refund {}", report.job)),
            ("gas", report.sent.gas_used.to_string()),
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
    /// Of a claimed job, as a proof shows it; absent where proofs show several words.
    pub(super) output: Option<Decimal>,
    pub(super) items: Decimal,
    /// Inputs of a run; 0 where the model is one of single inputs.
    pub(super) batch: Decimal,
    /// Inputs that no proof has been paid for.
    pub(super) unclaimed: Decimal,
    pub(super) notice: u64,
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
            OnChainState::Claimed { output } => ("claimed", output.map(Decimal)),
            OnChainState::Refunded => ("refunded", None),
        };
        Self {
            job: Decimal(job.job_id),
            state,
            output,
            items: Decimal(job.items),
            batch: Decimal(job.batch),
            unclaimed: Decimal(job.unclaimed),
            notice: job.notice,
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
    /// Of the proofs that pay --recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<B256>,
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
                        OnChainState::Claimed { output: None } => None,
                        OnChainState::Claimed { output: Some(output) } => {
                            let registry = escrow.registry().await?;
                            Some(args.step.reading(&registry, job.model_id).await?.read(output))
                        }
                        OnChainState::Open | OnChainState::Refunded => None,
                    };
                    let context = args.recipient.map(|recipient| {
                        B256::from(escrow.contract().proof_context(*id, recipient))
                    });
                    return Ok(ShowReport { job: job.into(), answer, context });
                }
            }
        }
    })?;
    output.finish(&report, || {
        let context = report.context.map(|context| ("context", context.to_string()));
        let (report, answer) = (&report.job, &report.answer);
        let state = match answer.as_ref().map(Answer::row) {
            Some((name, text)) => format!("claimed: {name} {text}"),
            None => report.state.to_owned(),
        };
        let mut rows = vec![
            ("job", report.job.to_string()),
            ("state", state),
            ("model", report.model.to_string()),
            ("price", amount_text(report.price.0, report.token)),
            ("inputs", format!("{}, {} not claimed", report.items, report.unclaimed)),
            ("buyer", report.buyer.to_string()),
            ("claims until", format!("{} (Unix time)", report.deadline)),
            ("input", report.input_commitment.to_string()),
        ];
        rows.extend(context);
        table(&rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_behind_what_they_are_about() {
        let inputs: Vec<U256> = (10..16).map(U256::from).collect();
        let words = |from: usize| inputs[from..].to_vec();
        assert_eq!(shown(&inputs, U256::ZERO), Some((U256::ZERO, words(2))));
        assert_eq!(shown(&inputs, U256::from(4)), Some((U256::from(3), words(4))));
        assert_eq!(shown(&inputs[..2], U256::ZERO), None, "no word");
        assert_eq!(shown(&inputs[..4], U256::from(4)), None, "a proof of one input");
        assert_eq!(shown(&inputs[..1], U256::ZERO), None);
    }
}
