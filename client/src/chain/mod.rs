//! Everything that talks to an Ethereum node: connection, retries, logs, transactions,
//! deployment and the decoding of reverts. Knows nothing about escrows.

mod agreement;
pub mod call;
pub mod deploy;
pub mod error;
pub mod logs;
pub mod nodes;
mod private;
mod refusals;
pub mod retry;
pub mod revert;
pub mod signer;
pub mod transaction;

use std::{
    fmt,
    sync::{Arc, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use alloy::{
    consensus::BlockHeader,
    eips::{BlockId, BlockNumberOrTag},
    network::{EthereumWallet, primitives::HeaderResponse},
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::{client::ClientBuilder, types::TransactionRequest},
    signers::local::PrivateKeySigner,
    transports::TransportError,
};
use serde::{Deserialize, Serialize};
use tokio::{sync::Mutex, task::JoinSet};
use url::Url;

pub use deploy::{Artifact, Deployed};
pub use error::ChainError;
pub use logs::{BlockBloom, LogScanner};
pub use nodes::NodeHealth;
pub use private::PrivateEndpoint;
pub use retry::RetryConfig;
pub use revert::Revert;
pub use signer::SignerSource;
pub use transaction::{GasPolicy, SignedTransaction, TransactionOutcome};

use nodes::{Node, Routed};
use private::Private;

/// How to reach a chain.
#[derive(Clone, Debug)]
pub struct ChainConfig {
    /// `http://`, `https://`, `ws://` or `wss://` addresses of nodes' JSON-RPC, one at least. Others than the
    /// first stand in for it, and are asked where one alone must not decide.
    pub rpc_urls: Vec<String>,
    /// Where signed transactions go in place of these nodes, which are still read; `None` for to these nodes.
    pub private: Option<PrivateEndpoint>,
    /// How many of several nodes must have a block before it is taken for the chain's; `None` for more than half.
    pub quorum: Option<usize>,
    /// The chain that the caller means (EIP-155). `None` accepts whatever the node serves.
    pub expected_chain_id: Option<u64>,
    /// Retries of requests that fail for passing reasons.
    pub retry: RetryConfig,
    /// Gas and fee limits of what is sent, until [others are set](Chain::set_gas_policy).
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
            rpc_urls: vec![rpc_url.into()],
            private: None,
            quorum: None,
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
    nodes: Arc<[SingleNode]>,
    chain_id: u64,
    label: Arc<str>,
    config: Arc<ChainConfig>,
    /// Shared by clones, but for those with limits of their own.
    gas: Arc<RwLock<GasPolicy>>,
    private: Option<Arc<Private>>,
    account: Option<Arc<Account>>,
}

/// One of the nodes, asked by itself.
#[derive(Clone)]
struct SingleNode {
    node: Arc<Node>,
    provider: DynProvider,
}

struct Account {
    address: Address,
    wallet: EthereumWallet,
    /// Held from reading the nonce until the node has the transaction.
    nonce_lock: Mutex<()>,
}

impl Chain {
    /// Connects, and checks that a node answers and that all that answer serve the expected chain. Those that do
    /// not answer are asked what chain they serve before anything else is asked of them.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`], [`ChainError::WrongChain`], [`ChainError::Unreachable`] and the like where no node
    /// answers.
    pub async fn connect(
        config: ChainConfig,
        signer: Option<PrivateKeySigner>,
    ) -> Result<Self, ChainError> {
        let (nodes, chain) = (nodes_of(&config)?, Arc::new(OnceLock::new()));
        let single: Arc<[SingleNode]> = nodes
            .iter()
            .map(|node| SingleNode {
                node: node.clone(),
                provider: provider(&config, Arc::new([node.clone()]), chain.clone()),
            })
            .collect();
        let chain_id = identify(&single, config.expected_chain_id).await?;
        let _ = chain.set(chain_id);
        let private = private_of(&config, &chain)?;
        let label = single.iter().map(|one| &*one.node.label).collect::<Vec<_>>().join(", ").into();
        let provider = provider(&config, nodes.into(), chain);
        let account = signer.map(|signer| {
            Arc::new(Account {
                address: signer.address(),
                wallet: EthereumWallet::new(signer),
                nonce_lock: Mutex::new(()),
            })
        });
        let gas = Arc::new(RwLock::new(config.gas));
        let config = Arc::new(config);
        Ok(Self { provider, nodes: single, chain_id, label, config, gas, private, account })
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
        Self { gas: Arc::new(RwLock::new(gas)), ..self.clone() }
    }

    /// The limits on what it sends.
    pub fn gas_policy(&self) -> GasPolicy {
        *self.gas.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets other limits on what it sends, and on what all clones of it send.
    pub fn set_gas_policy(&self, gas: GasPolicy) {
        *self.gas.write().unwrap_or_else(PoisonError::into_inner) = gas;
    }

    /// Whether transactions go to a [private endpoint](PrivateEndpoint), of which the nodes that are read know nothing.
    pub fn sends_privately(&self) -> bool {
        self.private.is_some()
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

    /// The settings that this connection was made with.
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
        self.call_at(request, BlockNumberOrTag::Latest).await
    }

    /// The same on the state at the end of a block, of which most nodes keep the newest only; or on the state
    /// that the transactions in the node's pool would leave, for `BlockNumberOrTag::Pending`.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub async fn call_at(
        &self,
        request: TransactionRequest,
        at: BlockNumberOrTag,
    ) -> Result<Bytes, ChainError> {
        self.provider
            .call(request)
            .block(BlockId::Number(at))
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

/// The nodes of a configuration; nothing is asked of them yet.
fn nodes_of(config: &ChainConfig) -> Result<Vec<Arc<Node>>, ChainError> {
    if config.rpc_urls.is_empty() {
        return Err(ChainError::BadUrl { reason: "no address is given".into() });
    }
    let node = |text: &String| {
        let url = parse_url(text)?;
        let label = redacted(&url).into();
        Ok(Arc::new(Node::new(url, label)))
    };
    config.rpc_urls.iter().map(node).collect()
}

/// The endpoint for transactions of a configuration; it is asked what chain it serves before it gets the first one.
fn private_of(
    config: &ChainConfig,
    chain: &Arc<OnceLock<u64>>,
) -> Result<Option<Arc<Private>>, ChainError> {
    let Some(PrivateEndpoint { url, public_after }) = &config.private else {
        return Ok(None);
    };
    let url = parse_url(url)?;
    let label: Arc<str> = redacted(&url).into();
    let node = Arc::new(Node::new(url, label.clone()));
    let provider = provider(config, Arc::new([node]), chain.clone());
    Ok(Some(Arc::new(Private::new(provider, label, *public_after))))
}

/// A provider that asks some of the nodes.
fn provider(
    config: &ChainConfig,
    nodes: Arc<[Arc<Node>]>,
    chain: Arc<OnceLock<u64>>,
) -> DynProvider {
    let routed = Routed::new(nodes, chain, config.retry.request_timeout);
    let builder = ClientBuilder::default().layer(retry::RetryLayer::new(config.retry.clone()));
    let client = builder.transport(routed, false);
    client.set_poll_interval(config.poll_interval);
    ProviderBuilder::new().disable_recommended_fillers().connect_client(client).erased()
}

/// The chain that the nodes serve; all are asked at once.
async fn identify(nodes: &[SingleNode], expected: Option<u64>) -> Result<u64, ChainError> {
    let mut asked = JoinSet::new();
    for (place, one) in nodes.iter().enumerate() {
        let provider = one.provider.clone();
        asked.spawn(async move { (place, provider.get_chain_id().await) });
    }
    let mut answers: Vec<_> = asked.join_all().await;
    answers.sort_by_key(|(place, _)| *place);
    let (mut chain, mut trouble) = (expected, None);
    for (place, answer) in answers {
        let Some(SingleNode { node, .. }) = nodes.get(place) else { continue };
        match answer {
            Ok(found) if chain.is_none_or(|chain| chain == found) => {
                chain = Some(found);
                node.identified(true);
            }
            Ok(found) => {
                let expected = chain.unwrap_or(found);
                return Err(ChainError::WrongChain {
                    node: node.label.to_string(),
                    expected,
                    found,
                });
            }
            Err(source) => {
                let error = ChainError::from_transport(source, &node.label, "eth_chainId");
                if nodes.len() > 1 {
                    tracing::warn!(node = %node.label, %error, "a node does not answer; going on with the others");
                }
                trouble.get_or_insert(error);
            }
        }
    }
    let answered = nodes.iter().any(|one| one.node.is_identified());
    match (chain, trouble) {
        (Some(chain), _) if answered => Ok(chain),
        (_, Some(trouble)) => Err(trouble),
        _ => Err(ChainError::BadUrl { reason: "no address is given".into() }),
    }
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
