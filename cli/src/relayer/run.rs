//! `assay relayer run`.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use alloy::primitives::{Address, U256};
use anyhow::{Context, Result, bail};
use assay_client::{Chain, ChainConfig, PredictionEscrow, chain::GasPolicy};
use assay_relayer::{
    CancellationToken, DutyConfig, JobState, Policy, Profit, Relayer, RelayerConfig,
    proving::{InputStore, LocalProver},
};
use clap::{Args, FromArgMatches};

use super::{
    bundles::{BundleArgs, Served},
    config_file::ConfigArgs,
    duty_contracts::duty_contracts,
    log::start_log,
    reload::{self, PolicyOptions},
    selling::SellingArgs,
    sending::SendingArgs,
    settled::{SettledReport, save_proof, settled_text},
    store::{StatusReport, StorePlaceArgs},
    waiting::{interrupted, is_node_trouble},
    watching::WatchingArgs,
};
use crate::{
    amount::{parse_amount, parse_native},
    chain::{SenderArgs, Session, block_on},
    contract::ContractArgs,
    output::Output,
    setup_trust::{SetupTrust, guard_setup},
    trust::{TrustReport, check_setup},
};

/// The options that may change while it runs, by the same file: all that makes its [`Policy`].
pub(super) const POLICY: PolicyOptions = PolicyOptions {
    names: &[
        "minimum-price",
        "minimum-profit",
        "proving-cost",
        "max-fee",
        "deadline-margin",
        "token",
        "max-callback-gas",
        "keep-openings",
        "audit-stake",
        "audit-stakes",
        "audit-reward",
    ],
    policy: |run| RunArgs::from_arg_matches(run)?.policy(),
};

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer run --escrow 0x... --bundle lenet.bundle --setup dev.srs --keys keys \\
    --inputs openings --store jobs.db --minimum-price 0.05ether --max-fee 50gwei \\
    --rpc http://127.0.0.1:8545 --private-key-file seller.key

Buyers hand their openings (`assay input commit`) to the seller, who puts them into --inputs; a job
waits for its opening until its deadline. A claim costs some 700,000 gas: a job that would not pay for
that at the present fee, for --proving-cost and for --minimum-profit waits for cheaper gas.
Of several nodes (--rpc more than once) the healthiest is asked, another where that one does not answer or
says no, and more than half must have a block before it ends a job.
It serves jobs of one entry of the registry for each bundle: the one whose verifying key and verifier are those that are
made again here from the bundle and the setup. A bundle for retrievals needs --collections, one for audits --audits; see docs/relayer.md.
On a fresh store it reads from the deployment's block on, or from --start-block.
The log goes to stderr; ASSAY_LOG sets its level (error, warn, info, debug). With --status-address 127.0.0.1:9464
there is a page at http://127.0.0.1:9464/, an API beside it (/api/openapi.json), and /health, /ready and /metrics
(OpenMetrics) for programs that watch.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    contract: ContractArgs,
    #[command(flatten)]
    bundles: BundleArgs,
    /// Folder of openings, `<commitment>.json`
    #[arg(long, value_name = "DIR")]
    inputs: PathBuf,
    /// Folder of the answers that `assay service answer` wrote: items of the signing account's services that are contested
    /// are proven from it, before their deadline
    #[arg(long, value_name = "DIR", requires = "deployment")]
    answers: Option<PathBuf>,
    /// Openings of the weights that jobs leave for contests; several proofs may be wanted at once
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    keep_openings: usize,
    /// Also make the calls that pay the signing account in all escrows of the deployment, as `assay relayer keep` does
    #[arg(long, requires = "deployment")]
    keep: bool,
    #[command(flatten)]
    store: StorePlaceArgs,
    /// Proofs that this process makes at the same time; with 0 all of them are left to `assay relayer worker`
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    workers: usize,
    /// Blocks that must hold a claim before it counts as paid, its own included
    #[arg(long, default_value_t = 1, value_name = "BLOCKS")]
    confirmations: u64,
    /// Least price of a job in the native currency
    #[arg(long, value_parser = parse_least_price, value_name = "AMOUNT")]
    minimum_price: U256,
    /// What a job in the native currency has to leave after its claim, at the present fee, and its proof
    #[arg(long, value_parser = parse_native, value_name = "AMOUNT", default_value = "0")]
    minimum_profit: U256,
    /// What one proof costs you: the machine's time, and an opening of the weights
    #[arg(long, value_parser = parse_native, value_name = "AMOUNT", default_value = "0")]
    proving_cost: U256,
    /// Largest fee per gas of a transaction, such as 50gwei; while gas costs more, claims wait
    /// [default: no limit]
    #[arg(long, value_parser = parse_fee, value_name = "AMOUNT")]
    max_fee: Option<u128>,
    /// Leave jobs alone with less time than this before their deadline [default: three
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
    /// Forget settled jobs so many days after their deadline, and proofs that nobody needs so long after their job has ended
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    forget_after: u32,
    /// Stop when this job is settled, and show it
    #[arg(long, value_name = "ID")]
    until_settled: Option<U256>,
    /// With --until-settled: give up after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    give_up_after: u64,
    /// With --until-settled: keep the proof in this file
    #[arg(long, value_name = "FILE", requires = "until_settled")]
    save_proof: Option<PathBuf>,
    /// Most blocks asked for in one log query; narrowed by itself where a node wants less
    #[arg(long, value_name = "BLOCKS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    max_log_range: u64,
    /// Of several nodes, how many must have a block before it ends a job [default: more than half]
    #[arg(long, value_name = "NODES", help_heading = "Chain")]
    quorum: Option<usize>,
    #[command(flatten)]
    sending: SendingArgs,
    #[command(flatten)]
    watching: WatchingArgs,
    /// Write the log as one JSON object a line; `code` says what kind of trouble a line is about
    #[arg(long)]
    json_log: bool,
    /// Pause between looks at the chain
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2000)]
    poll: u64,
    #[command(flatten)]
    selling: SellingArgs,
    /// Allow a setup of no known ceremony on a chain that is not a development chain
    #[arg(long)]
    dev: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

/// A token and the least price in it.
fn parse_token(text: &str) -> Result<(Address, U256), String> {
    let wrong = || format!("{text:?} is not ADDRESS=PRICE, for instance 0x...=1000units");
    let (token, price) = text.split_once('=').ok_or_else(wrong)?;
    let token: Address = token.trim().parse().map_err(|_| wrong())?;
    let price = parse_amount(price.trim())?.of(token).map_err(|error| error.to_string())?;
    if price.is_zero() {
        return Err(
            "a least price of 0 takes jobs that pay nothing; 1units takes all others".into()
        );
    }
    Ok((token, price))
}

/// A price, of which 0 is none.
fn parse_least_price(text: &str) -> Result<U256, String> {
    let price = parse_native(text)?;
    if price.is_zero() {
        return Err("a least price of 0 takes jobs that pay nothing for a claim that costs gas and an opening of the \
                    weights; 1wei takes all others"
            .into());
    }
    Ok(price)
}

/// An amount of wei for one unit of gas.
pub(super) fn parse_fee(text: &str) -> Result<u128, String> {
    parse_native(text)?.try_into().map_err(|_| format!("{text:?} is no fee per gas"))
}

pub(super) fn run(args: &RunArgs, output: &Output) -> Result<()> {
    start_log(output.is_json() || args.until_settled.is_some(), args.json_log);
    args.watching.check()?;
    check_setup(&args.bundles.setup, output)?;
    let config = args.config()?;
    let inputs = |statement| -> Result<InputStore> {
        Ok(args.selling.inputs(statement)?.unwrap_or_else(|| InputStore::new(&args.inputs)))
    };
    let served = args.bundles.open(inputs, config.parallel_proofs.max(1), output)?;
    let prover = served.first().context("there is no bundle")?.prover.clone();
    if args.sender.node.chain_id.is_none() {
        tracing::warn!(
            code = "no-chain-id",
            "without --chain-id the relayer works on whatever chain the node serves; name the one you mean"
        );
    }
    block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.cancel();
            }
        });
        let begin = async || args.begin(output, config.clone(), &served).await;
        let (relayer, trust) = args.patiently(&shutdown, begin).await?;
        args.work(relayer, &prover, trust, shutdown, output).await
    })
}

impl RunArgs {
    /// Which work is taken: what [`POLICY`] names.
    pub(super) fn policy(&self) -> Result<Policy> {
        let mut minimum_prices = HashMap::from([(Address::ZERO, self.minimum_price)]);
        minimum_prices.extend(self.token.iter().copied());
        Ok(Policy {
            minimum_prices,
            max_callback_gas: self.max_callback_gas,
            profit: Some(Profit { minimum: self.minimum_profit, proving_cost: self.proving_cost }),
            deadline_margin: self.deadline_margin.map(Duration::from_secs),
            openings_for_bonds: self.keep_openings,
            audits: self.selling.audit_policy()?,
            gas: Some(GasPolicy { max_fee_per_gas: self.max_fee, ..GasPolicy::default() }),
            ..Policy::default()
        })
    }

    /// The file that it reads again, if one is named.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config.file()
    }

    fn config(&self) -> Result<RelayerConfig> {
        let mut config = RelayerConfig::new(&self.store.place);
        config.parallel_proofs = self.workers;
        config.submit.confirmations = self.confirmations;
        config.policy = self.policy()?;
        config.keep_settled = Duration::from_secs(u64::from(self.forget_after) * 24 * 3600);
        config.max_log_range = self.max_log_range;
        config.recipient = self.recipient;
        config.withdraw = !self.no_withdraw;
        config.poll_interval = Duration::from_millis(self.poll.max(10));
        Ok(config)
    }

    /// Connects, looks at the escrow and the registry, and opens the store. The first bundle is that of the jobs.
    async fn begin(
        &self,
        output: &Output,
        mut config: RelayerConfig,
        served: &[Served],
    ) -> Result<(Relayer, TrustReport)> {
        let spinner = output.spinner("looking at the escrow");
        let chain = self.connect().await?;
        let session = Session { chain, spinner };
        let (escrow, from) = self.contract.open::<PredictionEscrow>(&session).await?;
        config.start_block = from;
        let mut entries = Vec::new();
        for one in served {
            let setup = SetupTrust::of(one.prover.setup_id());
            guard_setup(&setup, session.chain.chain_id(), self.dev)?;
            entries.push(one.entry(&escrow).await?);
        }
        let pairs: Vec<_> = served.iter().zip(&entries).collect();
        let sales = self.selling.sales(&pairs)?;
        let sells = !sales.retrievals.models.is_empty() || sales.audits.is_some();
        if self.keep || self.answers.is_some() || sells {
            config.duties = DutyConfig {
                answers: self.answers.clone(),
                keep: self.keep,
                tokens: self.token.iter().map(|(token, _)| *token).collect(),
                ..duty_contracts(&self.contract, &session).await?
            };
        }
        let (first, entry) = pairs.first().context("there is no bundle")?;
        config.binding = entry.binding;
        let (prover, trust) = (first.prover.clone(), entry.trust.clone());
        Ok((Relayer::with_sales(escrow, prover, config, sales).await?, trust))
    }

    async fn connect(&self) -> Result<Chain> {
        let settings = |config: &mut ChainConfig| {
            config.quorum = self.quorum;
            self.sending.apply(config);
        };
        self.sender.connect_with(settings).await
    }

    /// Begins again and again while no node answers, which is said each time.
    async fn patiently<T>(
        &self,
        shutdown: &CancellationToken,
        begin: impl AsyncFn() -> Result<T>,
    ) -> Result<T> {
        let (start, limit) = (Instant::now(), Duration::from_secs(self.give_up_after));
        let mut pause = Duration::from_secs(1);
        loop {
            let trouble = match begin().await {
                Err(error) if is_node_trouble(&error) => error,
                other => return other,
            };
            if self.until_settled.is_some() && start.elapsed() + pause > limit {
                return Err(trouble);
            }
            let error = crate::output::message(&trouble);
            tracing::warn!(
                error,
                pause_s = pause.as_secs(),
                code = "node-unreachable",
                "no node answers yet; waiting for one"
            );
            tokio::select! {
                () = shutdown.cancelled() => return Err(trouble),
                () = tokio::time::sleep(pause) => {}
            }
            pause = pause.saturating_mul(2).min(Duration::from_secs(30));
        }
    }

    /// Follows the escrow until told to stop, or until a job is settled, and says what became of it.
    async fn work(
        &self,
        mut relayer: Relayer,
        prover: &LocalProver,
        trust: TrustReport,
        shutdown: CancellationToken,
        output: &Output,
    ) -> Result<()> {
        self.watching.serve(&relayer, prover.model(), &shutdown).await?;
        if let Some(path) = self.config_file() {
            reload::watch(&relayer, path, POLICY, &shutdown)?;
        }
        let Some(id) = self.until_settled else {
            relayer.run(shutdown).await?;
            let report = StatusReport::of(relayer.store(), Some(trust)).await?;
            return output.finish(&report, || "stopped".to_owned());
        };
        let spinner = output.spinner(format!("job {id}: waiting for it, proving, claiming"));
        let limit = Duration::from_secs(self.give_up_after);
        let job = relayer.run_until_settled(id, limit, shutdown).await?;
        drop(spinner);
        let (transaction, gas_used) = match *job.state() {
            JobState::Confirmed { transaction, gas_used, .. } => {
                (Some(transaction), Some(gas_used))
            }
            _ => (None, None),
        };
        if let (Some(path), Some(_)) = (&self.save_proof, transaction) {
            save_proof(&relayer, &job, path).await?;
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
    }
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
    fn jobs_have_a_price() {
        assert_eq!(parse_least_price("1wei"), Ok(U256::ONE));
        assert!(parse_least_price("0").is_err_and(|text| text.contains("pay nothing")));
        assert!(parse_least_price("0ether").is_err());
    }

    #[test]
    fn tokens_have_a_least_price() {
        let token = Address::with_last_byte(7);
        assert_eq!(parse_token(&format!("{token}=12units")), Ok((token, U256::from(12))));
        for bad in [
            "",
            "0x07=1units",
            &format!("{token}"),
            &format!("{token}="),
            &format!("{token}=12"),
            &format!("{token}=0units"),
        ] {
            assert!(parse_token(bad).is_err(), "{bad}");
        }
    }
}
