//! `assay service open` and `assay service prove`.

use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient, ServiceBond,
    service_bond::{Answer, AnswerTree, Opening, Terms},
};
use assay_relayer::{
    ProofRequest, Prover,
    proving::{InputStore, LocalProver},
};
use clap::Args;
use serde::Serialize;

use super::{Posted, posted, receipt::read_answers};
use crate::{
    amount::{Amount, amount_text, parse_amount},
    binding::require_model,
    chain::{SenderArgs, Sent, refusal},
    contract::ContractArgs,
    hex_words::parse_hash,
    output::{Decimal, Id, Output, table},
    trust::{TrustArgs, TrustReport, check_setup, requires_prediction},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay service open --model 0x... --card lenet.card.json --setup ceremony.srs --bond 10ether \\
    --penalty 1ether --proof-cost 0.01ether --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file provider.key")]
pub(crate) struct OpenArgs {
    /// Id of the model in the contract's registry
    #[arg(long, value_name = "ID")]
    model: U256,
    /// What is put up; at least one penalty. Each open batch sets one penalty aside
    #[arg(long, value_parser = parse_amount)]
    bond: Amount,
    /// What a buyer gets, besides its money back, when a batch fails
    #[arg(long, value_parser = parse_amount)]
    penalty: Amount,
    /// What a buyer advances for each contested item
    #[arg(long, value_parser = parse_amount)]
    proof_cost: Amount,
    /// Account that signs receipts: a key's, or a contract with ERC-1271 [default: the signing
    /// account]
    #[arg(long, value_name = "ADDRESS")]
    signer: Option<Address>,
    /// Token of all amounts [default: the native currency]
    #[arg(long, value_name = "ADDRESS", default_value_t = Address::ZERO, hide_default_value = true)]
    token: Address,
    /// Seconds after posting in which a batch can be contested
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    contest_window: u64,
    /// Seconds after a contest in which the items must be proven
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    proof_window: u64,
    /// Seconds between notice and the bond's return; more than both windows together
    #[arg(long, default_value_t = 604_800, value_name = "SECONDS")]
    notice_period: u64,
    /// Makes services of equal terms different
    #[arg(long, default_value_t = B256::ZERO, hide_default_value = true, value_name = "HEX", value_parser = parse_hash)]
    salt: B256,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay service prove 0x... --answers answers.json --inputs openings --bundle lenet.bundle --setup dev.srs \\
    --keys keys --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file provider.key

Items that are proven on chain already are left out, so the command can be repeated.")]
pub(crate) struct ProveArgs {
    /// Id of the batch
    #[arg(value_parser = parse_hash)]
    batch: B256,
    /// The answers of the batch
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    /// Folder of openings of the batch's inputs
    #[arg(long, value_name = "DIR")]
    inputs: PathBuf,
    /// Model bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys; the proving key is made where there is none
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Opened {
    service: B256,
    model: Id,
    binding_hash: B256,
    trust: TrustReport,
    signer: Address,
    bond: Decimal,
    token: Address,
    #[serde(flatten)]
    sent: Sent,
}

pub(super) fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let [stake, penalty, proof_cost] =
        [args.bond, args.penalty, args.proof_cost].map(|amount| amount.of(args.token));
    let (stake, penalty, proof_cost) = (stake?, penalty?, proof_cost?);
    let trust = args.trust.prepare(output, requires_prediction)?;
    let report = args.sender.run(output, "opening the service", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let registry = bond.contract().registry().await?;
        let (binding, trust) = args.trust.choose(&trust, &registry, args.model).await?;
        let signer = args.signer.map_or_else(|| session.chain.account(), Ok)?;
        let terms = Terms {
            modelId: args.model,
            bindingHash: binding.binding_hash,
            signer,
            token: args.token,
            penalty,
            proofCost: proof_cost,
            contestWindow: args.contest_window,
            proofWindow: args.proof_window,
            noticePeriod: args.notice_period,
        };
        let (service, outcome) = bond.open_service(terms, stake, args.salt).await?;
        Ok(Opened {
            service,
            model: Id(args.model),
            binding_hash: binding.binding_hash,
            trust,
            signer,
            bond: Decimal(stake),
            token: args.token,
            sent: Sent::from(&outcome),
        })
    })?;
    output.finish(&report, || {
        let mut rows = vec![
            ("service", report.service.to_string()),
            ("bond", amount_text(report.bond.0, report.token)),
            ("signer", report.signer.to_string()),
            ("binding", report.binding_hash.to_string()),
        ];
        rows.extend(report.trust.rows());
        rows.push(("gas", report.sent.gas_used.to_string()));
        table(&rows)
    })
}

#[derive(Serialize)]
struct Proven {
    batch: B256,
    /// Indices of the items proven now.
    proven: Vec<usize>,
    proven_before: usize,
    transactions: Vec<Sent>,
    gas_used: u64,
}

pub(super) fn prove(args: &ProveArgs, output: &Output) -> Result<()> {
    let answers = read_answers(&args.answers)?;
    let tree = AnswerTree::new(&answers).context("a batch has 1 to 65,536 answers")?;
    check_setup(&args.setup, output)?;
    let prover = {
        let _spinner = output.spinner("reading the model and its keys");
        let inputs = InputStore::new(&args.inputs);
        LocalProver::open(&args.bundle, &args.setup, &args.keys, inputs)?
    };
    let report = args.sender.run(output, "reading the batch", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { batch, receipt } = posted(&bond, args.batch).await?;
        if receipt.root != tree.root() || receipt.count != U256::from(answers.len()) {
            bail!("{} is not about the answers in {}", args.batch, args.answers.display());
        }
        let service = bond.service(receipt.serviceId).await?.context("the batch has no service")?;
        let registry = bond.contract().registry().await?;
        require_model(&registry, service.modelId, prover.model()).await?;
        let contested = bond.contested_items(args.batch).await?;
        if contested.is_empty() {
            bail!("batch {} is not contested; there is nothing to prove", args.batch);
        }
        let batch_id = U256::from_be_bytes(args.batch.0);
        let context = bond.contract().proof_context(batch_id, service.provider);
        let mut report = Proven {
            batch: args.batch,
            proven: Vec::new(),
            proven_before: 0,
            transactions: Vec::new(),
            gas_used: 0,
        };
        for (position, index) in contested.iter().enumerate() {
            if batch.proven.bit(position) {
                report.proven_before += 1;
                continue;
            }
            let index = usize::try_from(*index).context("an index is too large")?;
            session
                .spinner
                .message(format!("item {index}: {position} of {} done, proving", contested.len()));
            let answer = answers.get(index).context("an item is not among the answers")?;
            let request = ProofRequest {
                job_id: batch_id,
                context,
                model: prover.model(),
                input_commitment: U256::from_be_bytes(answer.commitment.0),
                recipient: service.provider,
                hint: Default::default(),
            };
            let proof = prover.prove(&request).await?;
            refuse_other_output(index, answer, &proof.outputs)?;
            let opening = Opening {
                position: U256::from(position),
                inputCommitment: request.input_commitment,
                outputs: proof.outputs,
                path: tree.path(index).context("an item is not in the tree")?,
            };
            let outcome = bond.prove(receipt.clone(), opening, proof.proof.to_vec()).await;
            let what = || format!("the contract refuses the proof of item {index}");
            let outcome = outcome.map_err(|error| refusal(error, what))?;
            report.proven.push(index);
            report.gas_used += outcome.gas_used;
            report.transactions.push(Sent::from(&outcome));
        }
        Ok(report)
    })?;
    output.finish(&report, || {
        let proven: Vec<String> = report.proven.iter().map(ToString::to_string).collect();
        table(&[
            ("batch", report.batch.to_string()),
            ("items proven", format!("{} now, {} before", proven.join(" "), report.proven_before)),
            ("gas", report.gas_used.to_string()),
        ])
    })
}

/// Only what the model gives can be proven.
fn refuse_other_output(index: usize, answer: &Answer, proven: &[U256]) -> Result<()> {
    if *proven != [U256::from(answer.output)] {
        let proven: Vec<String> = proven.iter().map(U256::to_string).collect();
        bail!(
            "item {index} was answered with output {}, the model gives {}: it cannot be proven, \
             and the batch will be punished",
            answer.output,
            proven.join(" ")
        );
    }
    Ok(())
}
