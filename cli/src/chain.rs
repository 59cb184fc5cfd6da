//! Connection and key arguments of the commands that talk to a chain.

use std::{path::PathBuf, time::Duration};

use alloy::{primitives::B256, signers::local::PrivateKeySigner};
use anyhow::{Context, Result, bail};
use assay_client::{Chain, ChainConfig, ChainError, SignerSource, chain::TransactionOutcome};
use clap::Args;
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::output::{Output, Spinner};

/// Environment variable with a private key.
const KEY_VARIABLE: &str = "ASSAY_PRIVATE_KEY";
/// How many seconds a transaction is waited for.
const TRANSACTION_TIMEOUT: u64 = 180;

#[derive(Args, Clone)]
pub(crate) struct NodeArgs {
    /// Node to talk to: http(s):// or ws(s)://; others, with a comma between them or by --rpc again, stand in for it
    #[arg(
        long,
        env = "ASSAY_RPC",
        hide_env_values = true,
        value_name = "URL",
        value_delimiter = ',',
        required = true,
        help_heading = "Chain"
    )]
    pub rpc: Vec<String>,
    /// Refuse a node of any other chain
    #[arg(long, value_name = "ID", help_heading = "Chain")]
    pub chain_id: Option<u64>,
    /// Give up a transaction that is not mined after this long
    #[arg(long, default_value_t = TRANSACTION_TIMEOUT, value_name = "SECONDS", help_heading = "Chain")]
    pub transaction_timeout: u64,
}

/// A node, for commands that need one in some uses only.
#[derive(Args, Clone)]
pub(crate) struct OptionalNodeArgs {
    /// Node to ask: http(s):// or ws(s)://
    #[arg(
        long,
        env = "ASSAY_RPC",
        hide_env_values = true,
        value_name = "URL",
        help_heading = "Chain"
    )]
    rpc: Option<String>,
}

impl OptionalNodeArgs {
    /// The node, if one is given, whatever its chain.
    pub(crate) fn any_chain(&self) -> Option<NodeArgs> {
        let rpc = self.rpc.clone()?;
        Some(NodeArgs { rpc: vec![rpc], chain_id: None, transaction_timeout: TRANSACTION_TIMEOUT })
    }
}

/// Without any of these the key is taken from the environment variable ASSAY_PRIVATE_KEY.
#[derive(Args, Clone)]
pub(crate) struct KeyArgs {
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
pub(crate) struct SenderArgs {
    #[command(flatten)]
    pub node: NodeArgs,
    #[command(flatten)]
    pub key: KeyArgs,
}

/// A connection, and a line of progress.
pub(crate) struct Session {
    pub chain: Chain,
    pub spinner: Spinner,
}

impl Session {
    /// The chain's time that many seconds from now.
    pub(crate) async fn after(&self, seconds: u64) -> Result<u64> {
        let now = self.chain.head().await?.timestamp;
        now.checked_add(seconds).context("the deadline is too far")
    }
}

/// What a transaction came to; part of every report on one.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Sent {
    pub transaction: B256,
    pub gas_used: u64,
}

impl From<&TransactionOutcome> for Sent {
    fn from(outcome: &TransactionOutcome) -> Self {
        Self { transaction: outcome.hash, gas_used: outcome.gas_used }
    }
}

impl NodeArgs {
    /// Connects without a key and does `work`, showing `message` meanwhile.
    pub(crate) fn run<T>(
        &self,
        output: &Output,
        message: &str,
        work: impl AsyncFnOnce(Session) -> Result<T>,
    ) -> Result<T> {
        on_chain(self.connect(), output.spinner(message), work)
    }

    pub(crate) fn config(&self) -> ChainConfig {
        let mut config = ChainConfig { rpc_urls: self.rpc.clone(), ..ChainConfig::new("") };
        config.expected_chain_id = self.chain_id;
        config.transaction_timeout = Duration::from_secs(self.transaction_timeout);
        // Local nodes mine at once.
        config.poll_interval = Duration::from_millis(250);
        config
    }

    /// A connection that cannot sign.
    pub(crate) async fn connect(&self) -> Result<Chain> {
        Ok(Chain::connect(self.config(), None).await?)
    }
}

impl KeyArgs {
    /// The key itself, to sign something else than a transaction.
    pub(crate) fn load(&self) -> Result<PrivateKeySigner> {
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
    pub(crate) fn run<T>(
        &self,
        output: &Output,
        message: &str,
        work: impl AsyncFnOnce(Session) -> Result<T>,
    ) -> Result<T> {
        on_chain(self.connect(), output.spinner(message), work)
    }

    /// A connection that signs with the key given.
    pub(crate) async fn connect(&self) -> Result<Chain> {
        self.connect_with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn connect_with(
        &self,
        change: impl FnOnce(&mut ChainConfig),
    ) -> Result<Chain> {
        let signer = self.key.load()?;
        let mut config = self.node.config();
        change(&mut config);
        Ok(Chain::connect(config, Some(signer)).await?)
    }
}

fn on_chain<T>(
    connection: impl Future<Output = Result<Chain>>,
    spinner: Spinner,
    work: impl AsyncFnOnce(Session) -> Result<T>,
) -> Result<T> {
    block_on(async { work(Session { chain: connection.await?, spinner }).await })
}

/// Says what a contract refused, where that is what happened: other trouble is not about it.
pub(crate) fn refusal(error: ChainError, what: impl FnOnce() -> String) -> anyhow::Error {
    let is_refusal = error.is_refusal();
    let error = anyhow::Error::from(error);
    if is_refusal { error.context(what()) } else { error }
}

/// Runs what talks to a chain. Work on other threads is not waited for, as an abandoned proof can
/// take minutes: what matters is on disk when `future` ends.
///
/// # Errors
/// Those of `future`, and if the asynchronous runtime cannot be started.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = Runtime::new().context("cannot start the asynchronous runtime")?;
    let result = runtime.block_on(future);
    runtime.shutdown_background();
    result
}

#[cfg(test)]
mod tests {
    use assay_client::chain::Revert;

    use super::*;
    use crate::output::message;

    #[test]
    fn only_refusals_are_called_so() {
        let what = || "the escrow refuses".to_owned();
        let revert = ChainError::Reverted(Revert::decode(Default::default()));
        let text = message(&refusal(revert, what));
        assert!(text.starts_with("the escrow refuses: the call reverted"), "{text}");
        let pending = ChainError::TransactionPending { hash: B256::ZERO, seconds: 3 };
        let text = message(&refusal(pending, what));
        assert!(text.starts_with("transaction 0x") && !text.contains("refuses"), "{text}");
    }

    #[test]
    fn a_proof_that_goes_on_is_not_waited_for() {
        let started = std::time::Instant::now();
        let done = block_on(async {
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(60)));
            Ok(5)
        });
        assert_eq!(done.ok(), Some(5));
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
