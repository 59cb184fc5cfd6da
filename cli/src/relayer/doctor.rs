//! `assay relayer doctor`.

use std::path::{Path, PathBuf};

use alloy::primitives::U256;
use anyhow::{Result, bail};
use assay_client::{
    Chain, ChainError, Contract, ContractClient, PredictionEscrow, chain::BlockRef,
};
use assay_prover::{bundle::Bundle, openings::Marks};
use assay_relayer::{JobStore, free_bytes};
use clap::Args;
use serde::Serialize;

use super::{config_file::ConfigArgs, store::StorePlaceArgs};
use crate::{
    amount::amount_text,
    chain::{SenderArgs, block_on},
    contract::ContractArgs,
    output::{Output, message, table},
};

/// Gas of one claim, mostly.
const CLAIM_GAS: u64 = 700_000;
/// Seconds that this machine's clock may be off the chain's.
const CLOCK_TOLERANCE: u64 = 600;
/// Blocks that a node may lie behind the others.
const LAG_TOLERANCE: u64 = 5;

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer doctor --escrow 0x... --bundle lenet.bundle --keys keys --inputs openings \\
    --store jobs.db --chain-id 1 --rpc https://one.example --rpc https://two.example \\
    --private-key-file seller.key

Each line is one check; it ends with an error if any of them fails. It changes nothing.")]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    contract: ContractArgs,
    /// Model bundle; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    bundle: Vec<PathBuf>,
    /// Folder of keys, one for each bundle
    #[arg(long, value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// Folder of openings, `<commitment>.json`
    #[arg(long, value_name = "DIR")]
    inputs: PathBuf,
    #[command(flatten)]
    store: StorePlaceArgs,
    #[command(flatten)]
    sender: SenderArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Good,
    /// It works, and is not as it should be.
    Warning,
    Bad,
}

#[derive(Serialize)]
struct Check {
    what: String,
    verdict: Verdict,
    says: String,
}

#[derive(Serialize)]
struct DoctorReport {
    healthy: bool,
    checks: Vec<Check>,
}

#[derive(Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn add(&mut self, what: impl Into<String>, verdict: Verdict, says: impl Into<String>) {
        self.0.push(Check { what: what.into(), verdict, says: says.into() });
    }

    fn good(&mut self, what: impl Into<String>, says: impl Into<String>) {
        self.add(what, Verdict::Good, says);
    }

    fn bad(&mut self, what: impl Into<String>, says: impl Into<String>) {
        self.add(what, Verdict::Bad, says);
    }
}

pub(super) fn run(args: &DoctorArgs, output: &Output) -> Result<()> {
    let mut checks = Checks::default();
    let spinner = output.spinner("looking at files, nodes and the account");
    args.check_files(&mut checks);
    block_on(async {
        args.check_chain(&mut checks).await;
        Ok(())
    })?;
    drop(spinner);
    let healthy = checks.0.iter().all(|check| check.verdict != Verdict::Bad);
    let report = DoctorReport { healthy, checks: checks.0 };
    output.finish(&report, || {
        let rows: Vec<(&str, String)> = report
            .checks
            .iter()
            .map(|check| {
                let verdict = match check.verdict {
                    Verdict::Good => "good   ",
                    Verdict::Warning => "WARNING",
                    Verdict::Bad => "BAD    ",
                };
                (check.what.as_str(), format!("{verdict}  {}", check.says))
            })
            .collect();
        table(&rows)
    })?;
    if !healthy {
        bail!("the relayer would not work like this; see the lines marked as bad");
    }
    Ok(())
}

fn check_bundle(checks: &mut Checks, path: &Path) {
    match openings(path) {
        Ok((left, budget)) => {
            let says = format!("{left} of {budget} openings left");
            let verdict = match () {
                () if left == 0 => Verdict::Bad,
                () if left * 10 < budget => Verdict::Warning,
                () => Verdict::Good,
            };
            let advice = "; import the model anew and register it before none is left";
            let advice = if verdict == Verdict::Good { "" } else { advice };
            checks.add("bundle", verdict, format!("{says}{advice}"));
        }
        Err(error) => checks.bad("bundle", message(&error)),
    }
}

fn openings(path: &Path) -> Result<(usize, usize)> {
    let bundle = Bundle::read(path)?;
    let usage = bundle.openings(path, &Marks::of_user()?).usage()?;
    Ok((usage.left, usage.budget))
}

impl DoctorArgs {
    fn check_files(&self, checks: &mut Checks) {
        for bundle in &self.bundle {
            check_bundle(checks, bundle);
        }
        for keys in &self.keys {
            if keys.join("proving.key").exists() {
                checks.good("keys", "there is a proving key");
            } else {
                let says = "there is no proving key; the relayer makes it, which takes a while";
                checks.add("keys", Verdict::Warning, says);
            }
        }
        match std::fs::read_dir(&self.inputs) {
            Ok(entries) => checks.good("inputs", format!("{} files", entries.count())),
            Err(error) => checks.add(
                "inputs",
                Verdict::Warning,
                format!(
                    "{}: {error}; jobs wait until their openings are there",
                    self.inputs.display()
                ),
            ),
        }
        let Some(file) = self.store.place.file() else {
            return;
        };
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
        match free_bytes(&folder) {
            Some(free) if free < 64 << 20 => checks.bad(
                "disk",
                format!(
                    "{free} bytes free at {}; no proof is begun below 64 MiB: make space",
                    folder.display()
                ),
            ),
            Some(free) => checks.good("disk", format!("{} MiB free", free >> 20)),
            None => checks.add("disk", Verdict::Warning, "it does not say what is free"),
        }
    }

    async fn check_chain(&self, checks: &mut Checks) {
        let chain = match self.sender.connect().await {
            Ok(chain) => chain,
            Err(error) => return checks.bad("connection", message(&error)),
        };
        if self.sender.node.chain_id.is_none() {
            checks.add(
                "chain",
                Verdict::Warning,
                format!(
                    "{}, as the node says; name the one you mean with --chain-id",
                    chain.chain_id()
                ),
            );
        } else {
            checks.good("chain", chain.chain_id().to_string());
        }
        let nodes = chain.each_node();
        let mut heads = Vec::new();
        for node in &nodes {
            heads.push(node.head().await);
        }
        let newest = heads.iter().flatten().max_by_key(|head| head.number).copied();
        for (node, head) in nodes.iter().zip(heads) {
            check_node(checks, node, head, newest);
        }
        if nodes.len() == 1 {
            let says = "one; what it says is believed. Give others too, with --rpc again";
            checks.add("nodes", Verdict::Warning, says);
        } else if let Some(newest) = newest {
            let height = newest.number.saturating_sub(LAG_TOLERANCE);
            match chain.agreed_block(height).await {
                Ok(Some(_)) => {
                    checks.good("quorum", format!("{} nodes or more agree", chain.quorum()))
                }
                _ => checks.bad(
                    "quorum",
                    format!(
                        "fewer than {} nodes have the same block {height}; nothing would be final",
                        chain.quorum()
                    ),
                ),
            }
        }
        self.check_account(checks, &chain).await;
        if let Err(error) = self.check_escrow(checks, &chain).await {
            checks.bad("escrow", message(&error));
        }
    }

    async fn check_account(&self, checks: &mut Checks, chain: &Chain) {
        let found = async {
            let account = chain.account()?;
            let (balance, price) = tokio::try_join!(chain.balance(account), chain.gas_price())?;
            Ok::<_, ChainError>((account, balance, price))
        };
        let (account, balance, price) = match found.await {
            Ok(found) => found,
            Err(error) => return checks.bad("account", error.to_string()),
        };
        let claim = U256::from(CLAIM_GAS) * U256::from(price);
        let claims = balance.checked_div(claim).unwrap_or(U256::MAX);
        let native = |amount| amount_text(amount, Default::default());
        let says =
            format!("{account} has {}; a claim costs {} now", native(balance), native(claim));
        match () {
            () if claims < U256::from(2) => {
                checks.bad("account", format!("{says}: send funds to it"));
            }
            () if claims < U256::from(20) => {
                checks.add("account", Verdict::Warning, format!("{says}: enough for {claims}"));
            }
            () => checks.good("account", says),
        }
    }

    async fn check_escrow(&self, checks: &mut Checks, chain: &Chain) -> Result<()> {
        let place = self.contract.find(PredictionEscrow::NAME, chain)?;
        let contract = Contract::at(chain.clone(), place.address);
        let escrow: PredictionEscrow = contract.into_client().await?;
        let jobs = escrow.count().await?;
        checks.good("escrow", format!("{}, {jobs} jobs so far", place.address));
        if !self.store.place.may_exist() {
            let says = format!("none yet; jobs are read from block {} on", place.from_block);
            checks.good("store", says);
            return Ok(());
        }
        match JobStore::open(&self.store.place, chain.chain_id(), place.address).await {
            Ok(store) => {
                let (active, cursor) = (store.active().await?.len(), store.cursor().await?);
                let at = cursor.map_or(0, |cursor| cursor.number);
                checks.good("store", format!("read up to block {at}, {active} jobs to do"));
            }
            Err(error @ assay_relayer::StoreError::InUse { .. }) => {
                checks.add("store", Verdict::Warning, error.to_string());
            }
            Err(error) => checks.bad("store", error.to_string()),
        }
        Ok(())
    }
}

fn check_node(
    checks: &mut Checks,
    node: &Chain,
    head: Result<BlockRef, ChainError>,
    newest: Option<BlockRef>,
) {
    let what = format!("node {}", node.label());
    let head = match head {
        Ok(head) => head,
        Err(error) => return checks.bad(what, error.to_string()),
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs());
    let behind = newest.map_or(0, |newest| newest.number.saturating_sub(head.number));
    if behind > LAG_TOLERANCE {
        checks.bad(
            what,
            format!("it is {behind} blocks behind another; leave it out until it has caught up"),
        );
    } else if now.abs_diff(head.timestamp) > CLOCK_TOLERANCE {
        checks.add(
            what,
            Verdict::Warning,
            format!(
                "block {} is {} s off this machine's clock; is it syncing, or the clock wrong?",
                head.number,
                now.abs_diff(head.timestamp)
            ),
        );
    } else {
        checks.good(what, format!("at block {}", head.number));
    }
}
