//! Everything that talks to an Ethereum node: connection, retries, logs, transactions,
//! deployment and the decoding of reverts. Knows nothing about escrows.

pub mod call;
pub mod deploy;
pub mod error;
pub mod logs;
mod refusals;
pub mod retry;
pub mod revert;
pub mod signer;
pub mod transaction;

use std::{fmt, sync::Arc, time::Duration};

use alloy::{
    consensus::BlockHeader,
    eips::{BlockId, BlockNumberOrTag},
    network::{EthereumWallet, primitives::HeaderResponse},
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::{client::ClientBuilder, types::TransactionRequest},
    signers::local::PrivateKeySigner,
    transports::{TransportError, ws::WsConnect},
};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

pub use deploy::{Artifact, Deployed};
pub use error::ChainError;
pub use logs::LogScanner;
pub use retry::RetryConfig;
pub use revert::Revert;
pub use signer::SignerSource;
pub use transaction::{GasPolicy, SignedTransaction, TransactionOutcome};

/// How to reach a chain.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// `http://`, `https://`, `ws://` or `wss://` address of a node's JSON-RPC.
    pub rpc_url: String,
    /// The chain that the caller means (EIP-155). `None` accepts whatever the node serves.
    pub expected_chain_id: Option<u64>,
    /// Retries of requests that fail for passing reasons.
    pub retry: RetryConfig,
    /// Gas and fee limits of what is sent.
    pub gas: GasPolicy,
    /// How often a wait for a receipt or a block asks the node.
    pub poll_interval: Duration,
    /// How long a transaction that was sent may take until it is in a block.
    pub transaction_timeout: Duration,
}

impl ChainConfig {
    /// The defaults for a node at `rpc_url`.
    pub fn new(rpc_url: impl Into<String>) -> Self {
        Self {
            rpc_url: rpc_url.into(),
            expected_chain_id: None,
            retry: RetryConfig::default(),
            gas: GasPolicy::default(),
            poll_interval: Duration::from_secs(1),
            transaction_timeout: Duration::from_secs(180),
        }
    }
}

/// Number, hash and timestamp of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

/// A connection to one chain, with the account that signs. Cheap to clone; clones share the
/// nonce lock, so that parallel sends from one account do not collide.
#[derive(Clone)]
pub struct Chain {
    provider: DynProvider,
    chain_id: u64,
    label: Arc<str>,
    config: Arc<ChainConfig>,
    account: Option<Arc<Account>>,
}

struct Account {
    address: Address,
    wallet: EthereumWallet,
    /// Held from reading the nonce until the node has the transaction.
    nonce_lock: Mutex<()>,
}

impl Chain {
    /// Connects and checks that the node answers and serves the expected chain.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`], [`ChainError::Unreachable`], [`ChainError::WrongChain`].
    pub async fn connect(
        config: ChainConfig,
        signer: Option<PrivateKeySigner>,
    ) -> Result<Self, ChainError> {
        let url = parse_url(&config.rpc_url)?;
        let label: Arc<str> = redacted(&url).into();
        let builder = ClientBuilder::default().layer(retry::RetryLayer::new(config.retry.clone()));
        let client = match url.scheme() {
            "http" | "https" => builder.http(url),
            _ => builder
                .ws(ws_connect(&url))
                .await
                .map_err(|source| ChainError::from_transport(source, &label, "connect"))?,
        };
        client.set_poll_interval(config.poll_interval);
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased();
        let chain_id = provider
            .get_chain_id()
            .await
            .map_err(|source| ChainError::from_transport(source, &label, "eth_chainId"))?;
        if let Some(expected) = config.expected_chain_id
            && expected != chain_id
        {
            return Err(ChainError::WrongChain {
                node: label.to_string(),
                expected,
                found: chain_id,
            });
        }
        let account = signer.map(|signer| {
            Arc::new(Account {
                address: signer.address(),
                wallet: EthereumWallet::new(signer),
                nonce_lock: Mutex::new(()),
            })
        });
        Ok(Self { provider, chain_id, label, config: Arc::new(config), account })
    }

    /// The same connection signing with another account.
    pub fn with_signer(&self, signer: PrivateKeySigner) -> Self {
        let account = Account {
            address: signer.address(),
            wallet: EthereumWallet::new(signer),
            nonce_lock: Mutex::new(()),
        };
        Self { account: Some(Arc::new(account)), ..self.clone() }
    }

    /// The same connection with other limits on what it sends.
    pub fn with_gas_policy(&self, gas: GasPolicy) -> Self {
        let config = ChainConfig { gas, ..(*self.config).clone() };
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// The underlying provider, for calls that this type does not wrap.
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// EIP-155 chain id, as the node reported it on connection.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The node's address without path, query and credentials: fit for logs.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The settings of this connection.
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// The signing account's address.
    ///
    /// # Errors
    /// [`ChainError::NoSigner`] on a read-only connection.
    pub fn account(&self) -> Result<Address, ChainError> {
        Ok(self.signing_account()?.address)
    }

    fn signing_account(&self) -> Result<&Account, ChainError> {
        self.account.as_deref().ok_or(ChainError::NoSigner)
    }

    /// The newest block.
    ///
    /// # Errors
    /// [`ChainError::Incomplete`] for a node without blocks, besides those of the node:
    /// [`ChainError::Unreachable`], [`ChainError::Refused`], [`ChainError::BadAnswer`].
    pub async fn head(&self) -> Result<BlockRef, ChainError> {
        self.block(BlockNumberOrTag::Latest).await?.ok_or(ChainError::Incomplete {
            node: self.label.to_string(),
            what: "the latest block".into(),
        })
    }

    /// A block by number or tag; `None` if the node does not have it.
    ///
    /// # Errors
    /// Those of the node: [`ChainError::Unreachable`], [`ChainError::Refused`],
    /// [`ChainError::BadAnswer`].
    pub async fn block(&self, at: BlockNumberOrTag) -> Result<Option<BlockRef>, ChainError> {
        let block = self
            .provider
            .get_block_by_number(at)
            .await
            .map_err(|e| self.fault(e, "eth_getBlockByNumber"))?;
        Ok(block.map(|block| BlockRef {
            number: block.header.number(),
            hash: block.header.hash(),
            timestamp: block.header.timestamp(),
        }))
    }

    /// Balance in the native currency, in wei.
    ///
    /// # Errors
    /// Those of the node: [`ChainError::Unreachable`], [`ChainError::Refused`],
    /// [`ChainError::BadAnswer`].
    pub async fn balance(&self, of: Address) -> Result<U256, ChainError> {
        self.provider.get_balance(of).await.map_err(|e| self.fault(e, "eth_getBalance"))
    }

    /// Runtime code of a contract; empty for an account without code.
    ///
    /// # Errors
    /// Those of the node: [`ChainError::Unreachable`], [`ChainError::Refused`],
    /// [`ChainError::BadAnswer`].
    pub async fn code(&self, of: Address) -> Result<Bytes, ChainError> {
        self.provider.get_code_at(of).await.map_err(|e| self.fault(e, "eth_getCode"))
    }

    /// The same at the end of an earlier block, which many nodes keep for a while only.
    ///
    /// # Errors
    /// Those of the node; [`ChainError::Refused`] mostly means that it has forgotten the block.
    pub async fn code_at(&self, of: Address, block: u64) -> Result<Bytes, ChainError> {
        let code = self.provider.get_code_at(of).number(block).await;
        code.map_err(|e| self.fault(e, "eth_getCode"))
    }

    /// EXTCODEHASH (EIP-1052) of a contract.
    ///
    /// # Errors
    /// [`ChainError::NoCode`] if there is none at the address.
    pub async fn code_hash(&self, of: Address) -> Result<B256, ChainError> {
        let code = self.code(of).await?;
        if code.is_empty() {
            return Err(ChainError::NoCode { address: of, node: self.label.to_string() });
        }
        Ok(keccak256(&code))
    }

    /// `eth_call` on the latest state. A revert comes back as [`ChainError::Reverted`].
    ///
    /// # Errors
    /// [`ChainError::Reverted`], besides those of the node: [`ChainError::Unreachable`],
    /// [`ChainError::Refused`], [`ChainError::BadAnswer`].
    pub async fn call(&self, request: TransactionRequest) -> Result<Bytes, ChainError> {
        self.provider
            .call(request)
            .block(BlockId::latest())
            .await
            .map_err(|e| self.fault(e, "eth_call"))
    }

    /// Classifies a transport error of this connection.
    pub(crate) fn fault(&self, source: TransportError, operation: &str) -> ChainError {
        ChainError::from_transport(source, &self.label, operation)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("node", &self.label)
            .field("chain_id", &self.chain_id)
            .field("account", &self.account.as_ref().map(|a| a.address))
            .finish_non_exhaustive()
    }
}

fn parse_url(text: &str) -> Result<Url, ChainError> {
    let url = Url::parse(text).map_err(|e| ChainError::BadUrl { reason: e.to_string() })?;
    match url.scheme() {
        "http" | "https" | "ws" | "wss" => Ok(url),
        other => Err(ChainError::BadUrl { reason: format!("scheme '{other}' is not supported") }),
    }
}

/// Reconnects without end: how long a request may wait is the retry layer's business.
fn ws_connect(url: &Url) -> WsConnect {
    WsConnect::new(url.as_str())
        .with_max_retries(u32::MAX)
        .with_retry_interval(Duration::from_secs(1))
}

/// Providers put API keys into paths, queries and user names; logs must not carry them.
fn redacted(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{}://{host}:{port}", url.scheme()),
        (Some(host), None) => format!("{}://{host}", url.scheme()),
        (None, _) => url.scheme().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_carry_no_secret() {
        let url = parse_url("https://user:pass@node.example:8443/v3/0123456789abcdef?key=secret")
            .unwrap();
        assert_eq!(redacted(&url), "https://node.example:8443");
    }

    #[test]
    fn bad_urls_are_named() {
        for bad in ["", "localhost", "ftp://node.example", "http//x"] {
            assert!(matches!(parse_url(bad), Err(ChainError::BadUrl { .. })), "{bad}");
        }
    }
}
