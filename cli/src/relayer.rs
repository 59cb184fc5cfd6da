//! `assay relayer`.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use alloy::primitives::{Address, B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ChainError, ContractClient, ModelIdentity, PredictionEscrow,
    chain::GasPolicy,
    proof_context,
    registry::{ModelCommitment, PROOF_SYSTEM_ID, model_id},
};
use assay_prover::{
    arithmetic::field::field_from_bytes, bundle::Bundle, prediction::OutputWord, proof::ProofFile,
};
use assay_relayer::{
    CancellationToken, JobState, JobStore, PredictionJob, Relayer, RelayerConfig,
    proving::{InputStore, LocalProver, ProofReport},
};
use clap::{Args, Subcommand};
use serde::Serialize;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{
    amount::{amount_text, parse_amount, parse_native},
    answer::number_text,
    chain::{NodeArgs, SenderArgs},
    contract::ContractArgs,
    new_file::NewFile,
    output::{Output, table},
    setup_trust::{SetupTrust, guard_setup},
    trust::{Expected, KnownModel, Solc, TrustReport, check_entry, check_setup},
};

#[derive(Subcommand)]
pub(crate) enum RelayerCommand {
    /// Follow an escrow, prove the jobs for one model, claim their price
    Run(Box<RunArgs>),
    /// Show the jobs in a relayer's store (the relayer must not be running)
    Status(StatusArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer run --escrow 0x... --bundle lenet.bundle --setup dev.srs --keys keys \\
    --inputs openings --store jobs.redb --minimum-price 0.05ether --max-fee 50gwei \\
    --rpc http://127.0.0.1:8545 --private-key-file seller.key

Buyers hand their openings (`assay input commit`) to the seller, who puts them into --inputs; a job
waits for its opening until its deadline. A claim costs some 700,000 gas: choose --minimum-price so
that it pays for that at the fees of --max-fee, and for the proof.
It serves jobs of one entry of the registry: the one whose verifying key and verifier are those that are made
again here from the bundle and the setup.
On a fresh store it reads from the deployment's block on, or from --start-block.
The log goes to stderr; ASSAY_LOG sets its level (error, warn, info, debug).")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    contract: ContractArgs,
    /// Model bundle
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys; the proving key is made where there is none
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Folder of openings, `<commitment>.json`
    #[arg(long, value_name = "DIR")]
    inputs: PathBuf,
    /// The relayer's memory; a restart goes on from it
    #[arg(long, value_name = "FILE", default_value = "relayer.redb")]
    store: PathBuf,
    /// Blocks that must hold a claim before it counts as paid, its own included
    #[arg(long, default_value_t = 1, value_name = "BLOCKS")]
    confirmations: u64,
    /// Least price of a job in the native currency
    #[arg(long, value_parser = parse_native, value_name = "AMOUNT")]
    minimum_price: U256,
    /// Largest fee per gas of a transaction, such as 50gwei; while gas costs more, claims wait
    /// [default: no limit]
    #[arg(long, value_parser = parse_fee, value_name = "AMOUNT")]
    max_fee: Option<u128>,
    /// Leave jobs alone with less time than this before their deadline [default: one and a half
    /// times the expected time of a proof, and 30 at least]
    #[arg(long, value_name = "SECONDS")]
    deadline_margin: Option<u64>,
    /// Take jobs in this token too, from this price on in its smallest unit; may be repeated
    #[arg(long, value_name = "ADDRESS=PRICE", value_parser = parse_token)]
    token: Vec<(Address, U256)>,
    /// Take jobs whose buyer's contract is called with the answer, for up to so much gas; the claim pays for it
    #[arg(long, value_name = "GAS", default_value_t = 0)]
    max_callback_gas: u64,
    /// Who is paid [default: the signing account]
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// Leave what was earned in the escrow
    #[arg(long)]
    no_withdraw: bool,
    /// Stop when this job is settled, and show it
    #[arg(long, value_name = "ID")]
    until_settled: Option<U256>,
    /// With --until-settled: give up after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    give_up_after: u64,
    /// With --until-settled: keep the proof in this file
    #[arg(long, value_name = "FILE", requires = "until_settled")]
    save_proof: Option<PathBuf>,
    /// Pause between looks at the chain
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    poll: u64,
    /// Id of the model to serve [default: the one that the signing account registered]
    #[arg(long, value_name = "ID", help_heading = "Trust")]
    model: Option<U256>,
    #[command(flatten)]
    solc: Solc,
    /// Serve jobs of any entry of the registry that has this model, without making its key and verifier
    /// again
    #[arg(long, conflicts_with = "model", help_heading = "Trust")]
    trust_registry: bool,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer status --store relayer.redb --escrow 0x... --rpc http://127.0.0.1:8545")]
pub(crate) struct StatusArgs {
    /// The relayer's memory
    #[arg(long, value_name = "FILE", default_value = "relayer.redb")]
    store: PathBuf,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    node: NodeArgs,
}

/// A token and the least price in it.
fn parse_token(text: &str) -> Result<(Address, U256), String> {
    let wrong = || format!("{text:?} is not ADDRESS=PRICE, for instance 0x...=1000units");
    let (token, price) = text.split_once('=').ok_or_else(wrong)?;
    let token: Address = token.trim().parse().map_err(|_| wrong())?;
    let price = parse_amount(price.trim())?.of(token).map_err(|error| error.to_string())?;
    Ok((token, price))
}

/// An amount of wei for one unit of gas.
fn parse_fee(text: &str) -> Result<u128, String> {
    parse_native(text)?.try_into().map_err(|_| format!("{text:?} is no fee per gas"))
}

pub(crate) fn run(command: RelayerCommand, output: &Output) -> Result<()> {
    match command {
        RelayerCommand::Run(args) => follow(&args, output),
        RelayerCommand::Status(args) => status(&args, output),
    }
}

#[derive(Serialize)]
struct SettledReport {
    job: PredictionJob,
    settled_as: &'static str,
    transaction: Option<B256>,
    gas_used: Option<u64>,
    proof: Option<ProofFigures>,
    trust: TrustReport,
}

#[derive(Serialize)]
struct ProofFigures {
    /// Of a model that states a class.
    class: Option<u64>,
    /// Of a model that states a number: the integer of its output, and what it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    real: Option<f64>,
    witness_s: f64,
    prove_wall_s: f64,
    proof_bytes: usize,
    openings_used: usize,
    openings: usize,
}

impl From<&ProofReport> for ProofFigures {
    fn from(report: &ProofReport) -> Self {
        let number = report.answer.and_then(OutputWord::number);
        Self {
            class: report.answer.and_then(OutputWord::class),
            number,
            real: number.and_then(|number| Some(number as f64 * report.step?)),
            witness_s: report.witness_time.as_secs_f64(),
            prove_wall_s: report.prove_time.as_secs_f64(),
            proof_bytes: report.proof_bytes,
            openings_used: report.openings.0,
            openings: report.openings.1,
        }
    }
}

/// Sends the log to stderr, at the level of ASSAY_LOG.
fn start_log(quiet: bool) {
    let filter = EnvFilter::try_from_env("ASSAY_LOG")
        .unwrap_or_else(|_| EnvFilter::new(if quiet { "warn" } else { "info" }));
    tracing_subscriber::registry()
        .with(filter)
        .with(filter_fn(keeps_secrets))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .init();
}

fn follow(args: &RunArgs, output: &Output) -> Result<()> {
    start_log(output.is_json() || args.until_settled.is_some());
    check_setup(&args.setup, output)?;
    let spinner = output.spinner("reading the model and its keys");
    let inputs = InputStore::new(&args.inputs);
    let mut config = RelayerConfig::new(&args.store);
    let prover = LocalProver::open(&args.bundle, &args.setup, &args.keys, inputs)?;
    drop(spinner);
    let expected = args.expected(output)?;
    let prover = Arc::new(prover.with_parallel_proofs(config.parallel_proofs));
    config.submit.confirmations = args.confirmations;
    config.minimum_prices = HashMap::from([(Address::ZERO, args.minimum_price)]);
    config.minimum_prices.extend(args.token.iter().copied());
    config.max_callback_gas = args.max_callback_gas;
    config.deadline_margin = args.deadline_margin.map(Duration::from_secs);
    config.recipient = args.recipient;
    config.withdraw = !args.no_withdraw;
    config.poll_interval = Duration::from_millis(args.poll.max(10));
    args.sender.run(output, "looking at the escrow", async |mut session| {
        let gas = GasPolicy { max_fee_per_gas: args.max_fee, ..session.chain.config().gas };
        session.chain = session.chain.with_gas_policy(gas);
        let chain_id = session.chain.chain_id();
        guard_setup(&SetupTrust::of(prover.setup_id()), chain_id, args.dev)?;
        let (escrow, from) = args.contract.open::<PredictionEscrow>(&session).await?;
        config.start_block = from;
        let trust = match &expected {
            Some(expected) => {
                let (binding, trust) = args.served(&escrow, expected, prover.model()).await?;
                config.binding = Some(binding);
                trust
            }
            None => TrustReport::registry(),
        };
        let (address, spinner) = (escrow.address(), session.spinner);
        let mut relayer = Relayer::new(escrow, prover.clone(), config).await?;
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.cancel();
            }
        });
        let Some(id) = args.until_settled else {
            drop(spinner);
            relayer.run(shutdown).await?;
            let jobs = relayer.store().jobs()?;
            return output
                .finish(&StatusReport { trust: Some(trust), jobs }, || "stopped".to_owned());
        };
        spinner.message(format!("job {id}: waiting for it, proving, claiming"));
        let limit = Duration::from_secs(args.give_up_after);
        let job = relayer.run_until_settled(id, limit, shutdown).await?;
        drop(spinner);
        let (transaction, gas_used) = match *job.state() {
            JobState::Confirmed { transaction, gas_used, .. } => {
                (Some(transaction), Some(gas_used))
            }
            _ => (None, None),
        };
        if let (Some(path), Some(_)) = (&args.save_proof, transaction) {
            save_proof(&relayer, &job, chain_id, address, path)?;
        }
        let report = SettledReport {
            settled_as: job.state().name(),
            transaction,
            gas_used,
            proof: prover.reports().iter().find(|report| report.job_id == id).map(Into::into),
            trust,
            job,
        };
        output.finish(&report, || settled_text(&report))?;
        if transaction.is_none() {
            bail!("job {id} was not paid: {}", report.job.state());
        }
        Ok(())
    })
}

/// Whether a message may be logged. What the libraries underneath say in detail holds the node's
/// whole address, and in it may be a key.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("assay") || *metadata.level() <= Level::INFO
}

/// Resolves when the process is asked to stop.
async fn interrupted() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            result = tokio::signal::ctrl_c() => result,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

/// Writes the proof of a job as a proof file.
fn save_proof(
    relayer: &Relayer,
    job: &PredictionJob,
    chain_id: u64,
    escrow: Address,
    path: &std::path::Path,
) -> Result<()> {
    let artifact = relayer
        .store()
        .proof(job.id())?
        .with_context(|| format!("job {} has no proof", job.id()))?;
    let context = proof_context(chain_id, escrow, job.id(), relayer.recipient());
    let public_inputs = [context, job.terms.input_commitment]
        .iter()
        .chain(&artifact.outputs)
        .map(|word| field_from_bytes(&word.to_be_bytes()))
        .collect::<Option<Vec<_>>>()
        .context("a public input is not a field element")?;
    let proof = ProofFile {
        vk_hash: job.terms.model.vk_hash.0,
        public_inputs,
        proof: artifact.proof.to_vec(),
    };
    NewFile::new(path, None, "the proof in it would be lost").write(|path| Ok(proof.write(path)?))
}

fn settled_text(report: &SettledReport) -> String {
    let mut rows = vec![
        ("job", report.job.id().to_string()),
        ("state", report.job.state().to_string()),
        ("price", amount_text(report.job.terms.price, report.job.terms.token)),
    ];
    if let Some(proof) = &report.proof {
        rows.extend(proof.class.map(|class| ("class", class.to_string())));
        rows.extend(proof.number.map(|number| ("number", number_text(number, proof.real))));
        rows.push((
            "proof",
            format!(
                "{} bytes, witness {:.2} s, proof {:.2} s",
                proof.proof_bytes, proof.witness_s, proof.prove_wall_s
            ),
        ));
    }
    rows.extend(report.trust.rows());
    if let Some(gas) = report.gas_used {
        rows.push(("gas", gas.to_string()));
    }
    table(&rows)
}

#[derive(Serialize)]
struct StatusReport {
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<TrustReport>,
    jobs: Vec<PredictionJob>,
}

impl RunArgs {
    /// The key and the verifier that follow from the bundle, made again; `None` where nobody shall look.
    fn expected(&self, output: &Output) -> Result<Option<Expected>> {
        if self.trust_registry {
            return Ok(None);
        }
        let architecture = Bundle::read(&self.bundle)?.architecture();
        let known = KnownModel::of(architecture, Some(&self.setup), output)?;
        let code = self.solc.code_of(known.key().info().profile(), output)?;
        Ok(Some(Expected { known, code }))
    }

    /// The binding of the entry that is served, which must be of the expected key and verifier.
    async fn served(
        &self,
        escrow: &PredictionEscrow,
        expected: &Expected,
        prover: ModelIdentity,
    ) -> Result<(B256, TrustReport)> {
        if prover.vk_hash != expected.known.vk_hash() {
            bail!(
                "the keys in {} are of verifying key {}, the one that follows from the bundle and the setup is \
                 {}; make the keys again with `assay keygen`",
                self.keys.display(),
                prover.vk_hash,
                expected.known.vk_hash()
            );
        }
        let commitment = ModelCommitment {
            modelHash: prover.model_hash,
            circuitHash: B256::from(expected.known.architecture().circuit_hash()),
            vkHash: prover.vk_hash,
            proofSystemId: PROOF_SYSTEM_ID,
            uri: String::new(),
        };
        let own = || Ok(model_id(escrow.chain().account()?, &commitment));
        let model = self.model.map_or_else(own, Ok::<_, ChainError>)?;
        let registry = escrow.registry().await?;
        let checked = check_entry(expected, &registry, model).await.with_context(|| {
            "no jobs can be served; `assay model register` registers the model for this account, --model names \
             another account's entry"
        });
        let (binding, trust) = checked?;
        if binding.model != prover {
            bail!("model {model:#066x} is {}, the bundle holds {prover}", binding.model);
        }
        Ok((binding.binding_hash, trust))
    }
}

fn status(args: &StatusArgs, output: &Output) -> Result<()> {
    if !args.store.exists() {
        bail!("there is no store {}", args.store.display());
    }
    let (chain_id, escrow) = args.node.run(output, "asking the node", async |session| {
        let place = args.contract.find(PredictionEscrow::NAME, &session.chain)?;
        Ok((session.chain.chain_id(), place.address))
    })?;
    let jobs = JobStore::open(&args.store, chain_id, escrow)?.jobs()?;
    let report = StatusReport { trust: None, jobs };
    output.finish(&report, || {
        if report.jobs.is_empty() {
            return "no jobs".to_owned();
        }
        let rows: Vec<(String, String)> = report
            .jobs
            .iter()
            .map(|job| {
                let price = amount_text(job.terms.price, job.terms.token);
                let trouble = job.last_error.as_deref().unwrap_or_default();
                (job.id().to_string(), format!("{price}  {}  {trouble}", job.state()))
            })
            .collect();
        table(&rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fees_are_amounts() {
        assert_eq!(parse_fee("50gwei"), Ok(50_000_000_000));
        assert_eq!(parse_fee("7wei"), Ok(7));
        let huge = "1".repeat(40);
        for bad in ["", "7", "gwei", huge.as_str()] {
            assert!(parse_fee(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tokens_have_a_least_price() {
        let token = Address::with_last_byte(7);
        assert_eq!(parse_token(&format!("{token}=12units")), Ok((token, U256::from(12))));
        for bad in
            ["", "0x07=1units", &format!("{token}"), &format!("{token}="), &format!("{token}=12")]
        {
            assert!(parse_token(bad).is_err(), "{bad}");
        }
    }
}
