//! `assay relayer keep`.

use std::time::Duration;

use alloy::primitives::Address;
use anyhow::Result;
use assay_client::{ChainConfig, PredictionEscrow, chain::GasPolicy};
use assay_relayer::{CancellationToken, DutyConfig, Keeper, KeeperConfig, StorePlace};
use clap::Args;
use serde::Serialize;

use super::{
    config_file::ConfigArgs,
    duty_contracts::duty_contracts,
    log::start_log,
    run::parse_fee,
    sending::SendingArgs,
    store::DutyReport,
    waiting::{interrupted, is_node_trouble},
};
use crate::{
    chain::{SenderArgs, Session, block_on},
    contract::ContractArgs,
    output::{Output, table},
};

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer keep --deployment addresses.json --rpc http://127.0.0.1:8545 --private-key-file buyer.key

Needs no model and proves nothing: it makes the calls that pay the signing account, when their time has come, in all
escrows of the deployment and behind the service bond, each once, and withdraws what they owe: refunds of predictions and
retrievals, ends of audits, stakes of entries, bonds of buyers, payments of batches, punishments of providers that did not prove, and
bonds of closed services. `assay relayer run --keep` does the same beside its jobs; one account takes one of both.")]
pub(crate) struct KeepArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    contract: ContractArgs,
    /// What was sent, so that a restart goes on from it; not that of a relayer which is running
    #[arg(
        long,
        value_name = "FILE|URL",
        default_value = "keeper.db",
        env = "ASSAY_STORE",
        hide_env_values = true
    )]
    store: StorePlace,
    /// Stop when nothing is left to do for now
    #[arg(long)]
    once: bool,
    /// Blocks that must hold a transaction before it counts, its own included
    #[arg(long, default_value_t = 1, value_name = "BLOCKS")]
    confirmations: u64,
    /// Largest fee per gas of a transaction, such as 50gwei; while gas costs more, calls wait [default: no limit]
    #[arg(long, value_parser = parse_fee, value_name = "AMOUNT")]
    max_fee: Option<u128>,
    /// Withdraw this token too; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    token: Vec<Address>,
    /// Leave what is owed in the contracts
    #[arg(long)]
    no_withdraw: bool,
    /// Pause between looks at the chain
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 12_000)]
    poll: u64,
    /// Most blocks asked for in one log query; narrowed by itself where a node wants less
    #[arg(long, value_name = "BLOCKS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    max_log_range: u64,
    /// Of several nodes, how many must have a block before it ends anything [default: more than half]
    #[arg(long, value_name = "NODES", help_heading = "Chain")]
    quorum: Option<usize>,
    #[command(flatten)]
    sending: SendingArgs,
    /// Write the log as one JSON object a line
    #[arg(long)]
    json_log: bool,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Serialize)]
struct Report {
    account: Address,
    /// What was done, or is under way, and may yet be taken back.
    duties: Vec<DutyReport>,
}

pub(super) fn keep(args: &KeepArgs, output: &Output) -> Result<()> {
    start_log(output.is_json(), args.json_log);
    block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.cancel();
            }
        });
        let mut keeper = loop {
            match args.begin(output).await {
                Err(error) if is_node_trouble(&error) && !args.once => {
                    let error = crate::output::message(&error);
                    tracing::warn!(
                        error,
                        code = "node-unreachable",
                        "no node answers yet; waiting"
                    );
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(()),
                        () = tokio::time::sleep(Duration::from_secs(10)) => {}
                    }
                }
                other => break other?,
            }
        };
        keeper.run(args.once, shutdown).await?;
        let duties = DutyReport::all(keeper.store()).await?;
        let report = Report { account: keeper.account()?, duties };
        output.finish(&report, || match report.duties.is_empty() {
            true => "nothing was due".to_owned(),
            false => table(&report.duties.iter().map(DutyReport::row).collect::<Vec<_>>()),
        })
    })
}

impl KeepArgs {
    async fn begin(&self, output: &Output) -> Result<Keeper> {
        let spinner = output.spinner("looking at the contracts");
        let settings = |config: &mut ChainConfig| {
            config.quorum = self.quorum;
            self.sending.apply(config);
        };
        let chain = self.sender.connect_with(settings).await?;
        let gas = GasPolicy { max_fee_per_gas: self.max_fee, ..chain.gas_policy() };
        let session = Session { chain: chain.with_gas_policy(gas), spinner };
        let (escrow, from) = self.contract.open::<PredictionEscrow>(&session).await?;
        let mut config = KeeperConfig::new(&self.store);
        config.start_block = from;
        config.max_log_range = self.max_log_range;
        config.poll_interval = Duration::from_millis(self.poll.max(10));
        config.submit.confirmations = self.confirmations;
        config.withdraw = !self.no_withdraw;
        config.duties = DutyConfig {
            keep: true,
            tokens: self.token.iter().copied().collect(),
            ..duty_contracts(&self.contract, &session).await?
        };
        Ok(Keeper::new(escrow, config).await?)
    }
}
