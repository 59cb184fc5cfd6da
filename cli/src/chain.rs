//! Connection and key arguments of the commands that talk to a chain.

use std::{path::PathBuf, time::Duration};

use alloy::{
    primitives::{Address, B256, U256, utils::parse_units},
    signers::local::PrivateKeySigner,
};
use anyhow::{Context, Result, bail};
use assay_relayer::{Chain, ChainConfig, Deployment, SignerSource, chain::TransactionOutcome};
use clap::Args;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::output::{Output, Spinner};

/// Environment variable with a private key.
const KEY_VARIABLE: &str = "ASSAY_PRIVATE_KEY";
/// Chain id of local development nodes.
const DEV_CHAIN: u64 = 31337;
/// How many seconds a transaction is waited for.
const TRANSACTION_TIMEOUT: u64 = 180;

#[derive(Args, Clone)]
pub struct NodeArgs {
    /// Node to talk to: http(s):// or ws(s)://
    #[arg(long, env = "ASSAY_RPC", value_name = "URL", help_heading = "Chain")]
    pub rpc: String,
    /// Refuse a node of any other chain
    #[arg(long, value_name = "ID", help_heading = "Chain")]
    pub chain_id: Option<u64>,
    /// Give up a transaction that is not mined after this long
    #[arg(long, default_value_t = TRANSACTION_TIMEOUT, value_name = "SECONDS", help_heading = "Chain")]
    pub transaction_timeout: u64,
}

/// Without any of these the key is taken from the environment variable ASSAY_PRIVATE_KEY.
#[derive(Args, Clone)]
pub struct KeyArgs {
    /// File with the private key that pays, in hexadecimal [else: environment ASSAY_PRIVATE_KEY]
    #[arg(long, value_name = "FILE", help_heading = "Chain")]
    pub private_key_file: Option<PathBuf>,
    /// Encrypted key file (Web3 Secret Storage)
    #[arg(
        long,
        value_name = "FILE",
        requires = "password_file",
        conflicts_with = "private_key_file",
        help_heading = "Chain"
    )]
    pub keystore: Option<PathBuf>,
    /// File with the password of the keystore, in its first line
    #[arg(long, value_name = "FILE", requires = "keystore", help_heading = "Chain")]
    pub password_file: Option<PathBuf>,
}

#[derive(Args, Clone)]
pub struct SenderArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// Where a contract is.
#[derive(Args, Clone)]
pub struct ContractArgs {
    /// The contract [default: the one in --deployment]
    #[arg(
        long = "escrow",
        visible_alias = "contract",
        value_name = "ADDRESS",
        required_unless_present = "deployment",
        help_heading = "Chain"
    )]
    pub address: Option<Address>,
    /// File of addresses that `assay deploy` wrote
    #[arg(long, env = "ASSAY_DEPLOYMENT", value_name = "FILE", help_heading = "Chain")]
    pub deployment: Option<PathBuf>,
    /// First block to look for events in [default: the deployment's, else 0]
    #[arg(long, visible_alias = "start-block", value_name = "BLOCK", help_heading = "Chain")]
    pub from_block: Option<u64>,
}

/// A contract's address, and the first block that can hold its events.
#[derive(Clone, Copy)]
pub struct Place {
    pub address: Address,
    pub from_block: u64,
}

impl ContractArgs {
    /// The contract `name` on the chain of a connection.
    ///
    /// # Errors
    /// If the file of addresses is not readable, of another chain, or lacks the contract.
    pub fn find(&self, name: &str, chain: &Chain) -> Result<Place> {
        let (address, block) = match (self.address, &self.deployment) {
            (Some(address), _) => (address, 0),
            (None, Some(path)) => {
                let deployment = Deployment::read(path)?;
                if deployment.chain_id != chain.chain_id() {
                    bail!(
                        "{} is about chain {}, the node serves chain {}; run `assay deploy` there, or give \
                         --escrow",
                        path.display(),
                        deployment.chain_id,
                        chain.chain_id()
                    );
                }
                let placed = deployment.contracts.get(name).with_context(|| {
                    format!("{} has no {name}; run `assay deploy` again", path.display())
                })?;
                (placed.address, deployment.block)
            }
            (None, None) => bail!("give --escrow, or --deployment with a file of `assay deploy`"),
        };
        Ok(Place { address, from_block: self.from_block.unwrap_or(block) })
    }
}

/// A connection, and a line of progress.
pub struct Session {
    pub chain: Chain,
    pub spinner: Spinner,
}

impl Session {
    /// The chain's time that many seconds from now.
    pub async fn after(&self, seconds: u64) -> Result<u64> {
        let now = self.chain.head().await?.timestamp;
        now.checked_add(seconds).context("the deadline is too far")
    }
}

/// What a transaction came to; part of every report on one.
#[derive(Clone, Copy, Serialize)]
pub struct Sent {
    pub transaction: B256,
    pub gas_used: u64,
}

impl From<&TransactionOutcome> for Sent {
    fn from(outcome: &TransactionOutcome) -> Self {
        Self { transaction: outcome.hash, gas_used: outcome.gas_used }
    }
}

impl NodeArgs {
    /// Any chain of the node at this address.
    pub fn at(rpc: &str) -> Self {
        let (rpc, transaction_timeout) = (rpc.to_owned(), TRANSACTION_TIMEOUT);
        Self { rpc, chain_id: None, transaction_timeout }
    }

    /// Connects without a key and does `work`, showing `message` meanwhile.
    pub fn run<T>(
        &self,
        output: &Output,
        message: &str,
        work: impl AsyncFnOnce(Session) -> Result<T>,
    ) -> Result<T> {
        let spinner = output.spinner(message);
        block_on(async {
            let chain = self.connect().await?;
            work(Session { chain, spinner }).await
        })
    }

    fn config(&self) -> ChainConfig {
        let mut config = ChainConfig::new(&self.rpc);
        config.expected_chain_id = self.chain_id;
        config.transaction_timeout = Duration::from_secs(self.transaction_timeout);
        // Local nodes mine at once.
        config.poll_interval = Duration::from_millis(250);
        config
    }

    /// A connection that cannot sign.
    pub async fn connect(&self) -> Result<Chain> {
        Ok(Chain::connect(self.config(), None).await?)
    }
}

impl KeyArgs {
    /// The key itself, to sign something else than a transaction.
    pub fn load(&self) -> Result<PrivateKeySigner> {
        Ok(self.source()?.load()?)
    }

    fn source(&self) -> Result<SignerSource> {
        match (&self.private_key_file, &self.keystore, &self.password_file) {
            (Some(path), _, _) => Ok(SignerSource::KeyFile(path.clone())),
            (None, Some(path), Some(password_file)) => Ok(SignerSource::KeystoreWithPasswordFile {
                path: path.clone(),
                password_file: password_file.clone(),
            }),
            (None, Some(_), None) => bail!("--keystore needs --password-file"),
            (None, None, _) => match std::env::var(KEY_VARIABLE) {
                Ok(key) => Ok(SignerSource::PrivateKey(key)),
                Err(_) => bail!(
                    "no key to sign with; give --private-key-file, --keystore, or set {KEY_VARIABLE}"
                ),
            },
        }
    }
}

impl SenderArgs {
    /// Connects with the key given and does `work`, showing `message` meanwhile.
    pub fn run<T>(
        &self,
        output: &Output,
        message: &str,
        work: impl AsyncFnOnce(Session) -> Result<T>,
    ) -> Result<T> {
        let spinner = output.spinner(message);
        block_on(async {
            let chain = self.connect().await?;
            work(Session { chain, spinner }).await
        })
    }

    /// A connection that signs with the key given.
    pub async fn connect(&self) -> Result<Chain> {
        let signer = self.key.load()?;
        Ok(Chain::connect(self.node.config(), Some(signer)).await?)
    }
}

/// Development setups are for development chains.
///
/// # Errors
/// If the setup is one, the chain is another, and nobody said that this is meant.
pub fn guard_dev_setup(is_dev: bool, chain_id: u64, allowed: bool) -> Result<()> {
    if is_dev && chain_id != DEV_CHAIN && !allowed {
        bail!(
            "the setup is a development setup, whose maker can forge proofs, and chain {chain_id} \
             is not a development chain ({DEV_CHAIN}); use the parameters of a ceremony, or give \
             --dev if you mean it"
        );
    }
    Ok(())
}

/// Runs what talks to a chain.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    Runtime::new().context("cannot start the asynchronous runtime")?.block_on(future)
}

/// An amount with a unit: `1ether`, `0.25eth`, `30gwei`, `1000wei`, or a bare number of wei (or of
/// a token's smallest unit).
pub fn parse_amount(text: &str) -> Result<U256, String> {
    let wrong = || format!("{text:?} is not an amount like 1ether, 0.5eth, 30gwei or 1000");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let decimals = match unit.trim() {
        "ether" | "eth" => 18,
        "gwei" => 9,
        "wei" | "" => 0,
        _ => return Err(wrong()),
    };
    if number.is_empty() || (decimals == 0 && number.contains('.')) {
        return Err(wrong());
    }
    let fraction = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if fraction > usize::from(decimals) {
        return Err(wrong());
    }
    parse_units(number, decimals).map(Into::into).map_err(|_| wrong())
}

/// `1.5 ETH` for the chain's coin, units of the token otherwise.
pub fn amount_text(amount: U256, token: Address) -> String {
    if token == Address::ZERO {
        let text = alloy::primitives::utils::format_ether(amount);
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        format!("{text} ETH")
    } else {
        format!("{amount} units of token {token}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let ether = U256::from(10).pow(U256::from(18));
        assert_eq!(parse_amount("1ether"), Ok(ether));
        assert_eq!(parse_amount("0.5 eth"), Ok(ether / U256::from(2)));
        assert_eq!(parse_amount("30gwei"), Ok(U256::from(30_000_000_000u64)));
        assert_eq!(parse_amount("12"), Ok(U256::from(12)));
        for bad in ["", "eth", "1.5", "1.5wei", "-1", "1btc", "0.1234567891gwei", "1..2eth"] {
            assert!(parse_amount(bad).is_err(), "{bad}");
        }
        assert_eq!(amount_text(ether / U256::from(4), Address::ZERO), "0.25 ETH");
        assert_eq!(amount_text(U256::ZERO, Address::ZERO), "0 ETH");
    }

    #[test]
    fn development_setups_stay_on_development_chains() {
        assert!(guard_dev_setup(true, 31337, false).is_ok());
        assert!(guard_dev_setup(false, 1, false).is_ok());
        assert!(guard_dev_setup(true, 1, true).is_ok());
        assert!(guard_dev_setup(true, 1, false).is_err());
    }
}
