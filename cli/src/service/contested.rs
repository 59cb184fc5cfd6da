//! `assay service prove`.

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, Bytes, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ContractClient, ModelRegistry, ServiceBond,
    service_bond::{Answer, Answers, Opening, Receipt, Service},
};
use assay_relayer::{
    ProofRequest, Prover,
    proving::{InputStore, LocalProver},
};
use clap::Args;
use serde::Serialize;

use super::{Posted, answers::require_batch, posted};
use crate::{
    answer::code_of,
    binding::{bound, require_model},
    chain::{SenderArgs, Sent, refusal},
    contract::ContractArgs,
    escrow::runs::{self, Expected, ShownRun},
    hex_words::parse_hash,
    output::{Output, table},
    trust::check_setup,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay service prove 0x... --answers answers.json --inputs openings --bundle lenet.bundle --setup dev.srs \\
    --keys keys --escrow 0x... --rpc http://127.0.0.1:8545 --private-key-file provider.key

Of a service that answers by runs the proofs are made before, with the context that `assay service batch` shows:
  assay classify prove classes.bundle --set images.set --setup dev.srs --keys keys --runs 3 4 --context 0x... -o proofs
  assay service prove 0x... --answers answers.json --proofs proofs --escrow 0x... \\
    --rpc http://127.0.0.1:8545 --private-key-file provider.key

Items that are proven on chain already are left out, so the command can be repeated.")]
pub(crate) struct ProveArgs {
    /// Id of the batch
    #[arg(value_parser = parse_hash)]
    batch: B256,
    /// The answers of the batch
    #[arg(long, value_name = "FILE")]
    answers: PathBuf,
    /// Folder of proofs of the contested runs, of a service that answers by runs
    #[arg(long, value_name = "DIR")]
    proofs: Option<PathBuf>,
    /// Folder of openings of the batch's inputs
    #[arg(long, value_name = "DIR", required_unless_present = "proofs", conflicts_with = "proofs")]
    inputs: Option<PathBuf>,
    /// Model bundle
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "proofs",
        conflicts_with = "proofs"
    )]
    bundle: Option<PathBuf>,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE", required_unless_present = "proofs")]
    setup: Option<PathBuf>,
    /// Folder of keys; the proving key is made where there is none
    #[arg(long, value_name = "DIR", required_unless_present = "proofs", conflicts_with = "proofs")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Proven {
    batch: B256,
    /// Indices of the items, or of the runs, proven now.
    proven: Vec<usize>,
    proven_before: usize,
    transactions: Vec<Sent>,
    gas_used: u64,
}

/// Where proofs come from.
enum Source<'a> {
    /// Of inputs, made here.
    Made(Box<LocalProver>),
    /// Of runs, read from a folder.
    Read(&'a Path),
}

/// A proof of a contested item, or run, and what it shows.
struct Shown {
    outputs: Vec<U256>,
    proof: Bytes,
}

/// The batch whose items are contested.
struct Contested<'a> {
    id: B256,
    answers: &'a Answers,
    service: Service,
    context: U256,
}

impl ProveArgs {
    fn source(&self, answers: &Answers, output: &Output) -> Result<Source<'_>> {
        if let Some(folder) = &self.proofs {
            if answers.batch == 0 {
                bail!(
                    "the answers are about single inputs; give --inputs, --bundle, --setup and --keys"
                );
            }
            return Ok(Source::Read(folder));
        }
        if answers.batch != 0 {
            bail!(
                "the answers are about runs; make their proofs with `assay classify prove --context` (`assay \
                 service batch` says the context) and give --proofs"
            );
        }
        let (Some(inputs), Some(bundle), Some(setup), Some(keys)) =
            (&self.inputs, &self.bundle, &self.setup, &self.keys)
        else {
            bail!("give --inputs, --bundle, --setup and --keys");
        };
        check_setup(setup, output)?;
        let _spinner = output.spinner("reading the model and its keys");
        let prover = LocalProver::open(bundle, setup, keys, InputStore::new(inputs))?;
        Ok(Source::Made(Box::new(prover)))
    }
}

impl Contested<'_> {
    /// The proofs in a folder, each about a run of the batch.
    async fn read(&self, folder: &Path, registry: &ModelRegistry) -> Result<Vec<ShownRun>> {
        let binding = bound(registry, self.service.modelId).await?;
        let code = code_of(binding.statement).context("the model's statement is unknown here")?;
        let root = self.answers.list.first().context("there are no answers")?.commitment;
        let expected = Expected {
            vk_hash: binding.model.vk_hash,
            context: self.context,
            root: U256::from_be_bytes(root.0),
            items: self.answers.items,
            batch: self.answers.batch.max(1),
            words: usize::try_from(code.outputs).context("the model shows too many words")?,
            command: "assay classify prove",
        };
        runs::read(folder, &expected)
    }

    async fn make(&self, prover: &LocalProver, answer: &Answer) -> Result<Shown> {
        let request = ProofRequest {
            job_id: U256::from_be_bytes(self.id.0),
            context: self.context,
            model: prover.model(),
            input_commitment: U256::from_be_bytes(answer.commitment.0),
            recipient: self.service.provider,
            hint: Default::default(),
            run: None,
            expected: Some(answer.outputs.clone()),
        };
        let made = prover.prove(&request).await?;
        Ok(Shown { outputs: made.outputs, proof: made.proof })
    }

    fn find(&self, runs: &[ShownRun], index: usize) -> Result<Shown> {
        let found = runs.iter().find(|run| run.run == index as u64).with_context(|| {
            format!(
                "run {index} is contested, and there is no proof of it; make it with `assay classify prove --runs \
                 {index} {} --context {}`",
                index + 1,
                B256::from(self.context)
            )
        })?;
        Ok(Shown { outputs: found.outputs.clone(), proof: found.proof.clone() })
    }
}

pub(super) fn prove(args: &ProveArgs, output: &Output) -> Result<()> {
    let answers = Answers::read(&args.answers)?;
    let tree = answers.tree().context("there are no answers")?;
    let source = args.source(&answers, output)?;
    let report = args.sender.run(output, "reading the batch", async |session| {
        let (bond, _) = args.contract.open::<ServiceBond>(&session).await?;
        let Posted { batch, receipt } = posted(&bond, args.batch).await?;
        require_answers(args, &answers, &receipt)?;
        let service = bond.service(receipt.serviceId).await?.context("the batch has no service")?;
        require_batch(&answers, service.batch)?;
        let items = bond.contested_items(args.batch).await?;
        if items.is_empty() {
            bail!("batch {} is not contested; there is nothing to prove", args.batch);
        }
        let batch_id = U256::from_be_bytes(args.batch.0);
        let context = bond.contract().proof_context(batch_id, service.provider);
        let contested = Contested { id: args.batch, answers: &answers, service, context };
        let registry = bond.contract().registry().await?;
        let runs = match &source {
            Source::Made(prover) => {
                require_model(&registry, contested.service.modelId, prover.model()).await?;
                Vec::new()
            }
            Source::Read(folder) => contested.read(folder, &registry).await?,
        };
        let mut report = Proven {
            batch: args.batch,
            proven: Vec::new(),
            proven_before: 0,
            transactions: Vec::new(),
            gas_used: 0,
        };
        for (position, index) in items.iter().enumerate() {
            if batch.proven.bit(position) {
                report.proven_before += 1;
                continue;
            }
            let index = usize::try_from(*index).context("an index is too large")?;
            session
                .spinner
                .message(format!("item {index}: {position} of {} done, proving", items.len()));
            let answer = answers.list.get(index).context("an item is not among the answers")?;
            let shown = match &source {
                Source::Made(prover) => contested.make(prover, answer).await?,
                Source::Read(_) => contested.find(&runs, index)?,
            };
            refuse_other_output(index, answer, &shown.outputs)?;
            let opening = Opening {
                position: U256::from(position),
                inputCommitment: U256::from_be_bytes(answer.commitment.0),
                outputs: shown.outputs,
                path: tree.path(index).context("an item is not in the tree")?,
            };
            let outcome = bond.prove(receipt.clone(), opening, shown.proof.to_vec()).await;
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

fn require_answers(args: &ProveArgs, answers: &Answers, receipt: &Receipt) -> Result<()> {
    if !answers.are_of(receipt) {
        bail!("{} is not about the answers in {}", args.batch, args.answers.display());
    }
    Ok(())
}

/// Only what the model gives can be proven.
fn refuse_other_output(index: usize, answer: &Answer, proven: &[U256]) -> Result<()> {
    if *proven != answer.outputs {
        let text = |words: &[U256]| words.iter().map(U256::to_string).collect::<Vec<_>>().join(" ");
        bail!(
            "item {index} was answered with output {}, the model gives {}: it cannot be proven, \
             and the batch will be punished",
            text(&answer.outputs),
            text(proven)
        );
    }
    Ok(())
}
