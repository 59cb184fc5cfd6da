//! A registry, an escrow, a model and its verifier on a local node.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    sol_types::SolValue,
};
use assay_client::{
    Artifact, Chain, ChainConfig, ContractClient, LocalNode, ModelIdentity, ModelRegistry,
    PredictionEscrow, SignerSource,
    chain::deploy::data_contract_hash,
    escrow::prediction::{EventKind, Order},
    registry::{ModelCommitment, PROOF_SYSTEM_ID},
};
use serde_json::Value;

use crate::node::{self, KEYS, artifacts};

/// What a key's data contract holds behind its first byte: a key that no setup and no circuit stands behind,
/// of the form that the registry asks for (the bytes of contracts/src/libraries/VerifyingKey.sol).
fn key() -> Vec<u8> {
    // Format 2; a prediction of one class for a committed input.
    key_of(&[2, 1, 0, 1, 0, 0, 0, 1])
}

/// The same of another statement: the bytes of its word behind the first, without the zeros at the end.
fn key_of(statement: &[u8]) -> Vec<u8> {
    let mut key = statement.to_vec();
    key.resize(31 + 7 * 32, 0);
    key.extend_from_slice(&GENERATOR);
    // Any [s]_2, and a commitment.
    key.resize(key.len() + 128 + 64, 1);
    key
}

/// `[1]_2` as EIP-197 writes it.
const GENERATOR: [u8; 128] = alloy::hex!(
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa"
);

/// Quick retries and polls, so that the tests of trouble take seconds.
pub fn config(url: String) -> ChainConfig {
    let mut config = ChainConfig::new(url);
    config.poll_interval = Duration::from_millis(50);
    config.retry.max_retries = 2;
    config.retry.initial_backoff = Duration::from_millis(10);
    config.retry.request_timeout = Duration::from_secs(5);
    config
}

/// A connection that signs with anvil's account of that number.
///
/// # Panics
/// Without a node there.
pub async fn connect(url: String, account: usize) -> Chain {
    let signer = SignerSource::PrivateKey(KEYS[account].into()).load().unwrap();
    Chain::connect(config(url), Some(signer)).await.unwrap()
}

/// The same through several nodes.
///
/// # Panics
/// Where none of them answers.
pub async fn connect_all(urls: Vec<String>, account: usize) -> Chain {
    let signer = SignerSource::PrivateKey(KEYS[account].into()).load().unwrap();
    let config = ChainConfig { rpc_urls: urls, ..config(String::new()) };
    Chain::connect(config, Some(signer)).await.unwrap()
}

/// A node with a registry, an escrow, a model and its verifier.
pub struct Stage {
    /// The node; it ends with this.
    pub node: LocalNode,
    /// Account 0: deploys and relays.
    pub chain: Chain,
    /// Holds the model.
    pub registry: ModelRegistry,
    /// Account 0's view of the escrow.
    pub escrow: PredictionEscrow,
    /// Account 1's view of the escrow.
    pub buyer: PredictionEscrow,
    /// Verifying key and weights of the model.
    pub model: ModelIdentity,
    /// Its id in the registry.
    pub model_id: U256,
    /// What a buyer passes with an order.
    pub binding_hash: B256,
    /// The data contract with the verifying key.
    pub vk: Address,
    /// The test double of a verifier.
    pub verifier: Address,
}

/// A model in the registry, with the test double of a verifier.
#[derive(Clone, Copy, Debug)]
pub struct RegisteredModel {
    /// Verifying key and weights.
    pub model: ModelIdentity,
    /// Its id.
    pub id: U256,
    /// What a buyer passes with an order.
    pub binding_hash: B256,
}

impl Stage {
    /// Starts a node and sets it up.
    ///
    /// # Panics
    /// Where something does not work; `require_anvil!` tells what is not installed.
    pub async fn new() -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let node = node::start();
        let chain = connect(node.url(), 0).await;
        let out = artifacts();
        let registry = Artifact::load(&out, "ModelRegistry").unwrap();
        let (registry, _) = ModelRegistry::deploy(&chain, &registry, &[]).await.unwrap();
        let escrow = Artifact::load(&out, "PredictionEscrow").unwrap();
        let (escrow, _) =
            PredictionEscrow::deploy(&chain, &escrow, registry.address(), true).await.unwrap();
        let vk = chain.deploy_data(&key()).await.unwrap();
        assert_eq!(vk.code_hash, data_contract_hash(&key()));
        let verifier =
            Artifact::load_file(&out.join("VerifierDoubles.sol/MockVerifier.json"), "MockVerifier")
                .unwrap();
        let verifier = chain.deploy(verifier.init_code).await.unwrap().address;
        let model = ModelIdentity { vk_hash: vk.code_hash, model_hash: keccak256("weights") };
        let registered = registry.register(commitment(model), vk.address, verifier).await.unwrap();
        let buyer = PredictionEscrow::at(connect(node.url(), 1).await, escrow.address());
        Self {
            node,
            chain,
            registry,
            escrow,
            buyer,
            model,
            model_id: registered.model_id,
            binding_hash: registered.binding_hash,
            vk: vk.address,
            verifier,
        }
    }

    /// Registers another model for account 0: of a statement, by the bytes of its word behind the first.
    ///
    /// # Panics
    /// Where the registry refuses it.
    pub async fn register(&self, statement: &[u8], weights: &str) -> RegisteredModel {
        let key = key_of(statement);
        let vk = self.chain.deploy_data(&key).await.unwrap();
        let model = ModelIdentity { vk_hash: vk.code_hash, model_hash: keccak256(weights) };
        let made = self.registry.register(commitment(model), vk.address, self.verifier).await;
        let made = made.unwrap();
        RegisteredModel { model, id: made.model_id, binding_hash: made.binding_hash }
    }

    /// An order for a prediction in the native currency, with an hour to its deadline.
    pub async fn order(&self, price: u64) -> Order {
        Order {
            modelId: self.model_id,
            bindingHash: self.binding_hash,
            inputCommitment: U256::from(1234),
            items: U256::ONE,
            token: Address::ZERO,
            price: U256::from(price),
            deadline: self.chain.head().await.unwrap().timestamp + 3600,
            notice: 0,
            callbackGas: 0,
            hint: Bytes::from_static(b"digit 7"),
        }
    }

    /// Opens a job as the buyer.
    pub async fn open(&self, price: u64) -> U256 {
        self.buyer.open(self.order(price).await).await.unwrap().job_id
    }

    /// A JSON-RPC method of the node.
    pub async fn rpc(&self, method: &'static str, params: Value) -> Value {
        self.chain.provider().raw_request(method.into(), params).await.unwrap()
    }

    /// Whether each transaction gets a block of its own at once.
    pub async fn automine(&self, on: bool) {
        self.rpc("evm_setAutomine", serde_json::json!([on])).await;
    }

    /// Adds empty blocks.
    pub async fn mine(&self, blocks: u64) {
        // Many at once take longer than a connection waits for an answer.
        const AT_ONCE: u64 = 100;
        for first in (0..blocks).step_by(AT_ONCE as usize) {
            self.rpc("anvil_mine", serde_json::json!([AT_ONCE.min(blocks - first)])).await;
        }
    }

    /// Lets the time of every open job run out.
    pub async fn pass_deadline(&self) {
        self.rpc("evm_increaseTime", serde_json::json!([4000])).await;
        self.mine(1).await;
    }

    /// Transactions mined for account 0.
    pub async fn nonce(&self) -> u64 {
        self.chain
            .provider()
            .get_transaction_count(self.chain.account().unwrap())
            .latest()
            .await
            .unwrap()
    }

    /// How many claims were paid, whoever sent them.
    pub async fn claims(&self) -> usize {
        let events = self.escrow.events(0).await.unwrap();
        events.iter().filter(|e| matches!(e.kind, EventKind::Claimed { .. })).count()
    }
}

/// What is registered for a model.
pub fn commitment(model: ModelIdentity) -> ModelCommitment {
    ModelCommitment {
        modelHash: model.model_hash,
        circuitHash: keccak256("circuit"),
        vkHash: model.vk_hash,
        proofSystemId: PROOF_SYSTEM_ID,
        uri: "https://example.org/model".into(),
    }
}

/// What `MockVerifier` takes for a proof.
pub fn mock_proof(
    model: ModelIdentity,
    context: U256,
    input_commitment: U256,
    output: U256,
) -> Bytes {
    mock_proof_of(model, vec![context, input_commitment, output])
}

/// The same for any public inputs.
pub fn mock_proof_of(model: ModelIdentity, public_inputs: Vec<U256>) -> Bytes {
    let digest = keccak256((model.vk_hash, public_inputs).abi_encode_params());
    [model.model_hash, digest].concat().into()
}
