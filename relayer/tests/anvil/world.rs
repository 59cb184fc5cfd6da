//! A chain with a registry, an escrow, a model and its verifier; and a prover for that verifier.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    providers::Provider,
    sol_types::SolValue,
};
use assay_relayer::{
    Artifact, CancellationToken, Chain, ChainConfig, JobState, ModelIdentity, ModelRegistry,
    PredictionEscrow, PredictionJob, ProofArtifact, ProofRequest, ProveError, Prover, Relayer,
    RelayerConfig, RelayerError, SignerSource, SkipReason, TypedContract,
    chain::deploy::data_contract_hash,
    prediction_escrow::{EventKind, OnChainState, Order},
    registry::{ModelCommitment, PROOF_SYSTEM_ID},
};
use async_trait::async_trait;
use serde_json::Value;

use crate::{
    node::{Anvil, KEYS, artifacts},
    proxy::{Action, Proxy},
};

pub const MINUTE: Duration = Duration::from_secs(60);
/// Flags byte (local setup) and the rest of a key.
const KEY: [u8; 33] = [1; 33];

/// Quick retries and polls, so that the tests of trouble take seconds.
pub fn config(url: String) -> ChainConfig {
    let mut config = ChainConfig::new(url);
    config.poll_interval = Duration::from_millis(50);
    config.retry.max_retries = 2;
    config.retry.initial_backoff = Duration::from_millis(10);
    config.retry.request_timeout = Duration::from_secs(5);
    config
}

pub async fn connect(url: String, account: usize) -> Chain {
    let signer = SignerSource::PrivateKey(KEYS[account].into()).load().unwrap();
    Chain::connect(config(url), Some(signer)).await.unwrap()
}

pub struct World {
    pub anvil: Anvil,
    /// Account 0: deploys and relays.
    pub chain: Chain,
    pub registry: ModelRegistry,
    pub escrow: PredictionEscrow,
    /// Account 1's view of the escrow.
    pub buyer: PredictionEscrow,
    pub model: ModelIdentity,
    pub model_id: U256,
    pub binding_hash: B256,
    pub vk: Address,
    pub verifier: Address,
    dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let anvil = Anvil::start();
        let chain = connect(anvil.url(), 0).await;
        let out = artifacts();
        let registry = Artifact::load(&out, "ModelRegistry").unwrap();
        let (registry, _) = ModelRegistry::deploy(&chain, &registry).await.unwrap();
        let escrow = Artifact::load(&out, "PredictionEscrow").unwrap();
        let (escrow, _) =
            PredictionEscrow::deploy(&chain, &escrow, registry.address(), true).await.unwrap();
        let vk = chain.deploy_data(&KEY).await.unwrap();
        assert_eq!(vk.code_hash, data_contract_hash(&KEY));
        let verifier =
            Artifact::load_file(&out.join("VerifierDoubles.sol/MockVerifier.json"), "MockVerifier")
                .unwrap();
        let verifier = chain.deploy(verifier.init_code).await.unwrap().address;
        let model = ModelIdentity { vk_hash: vk.code_hash, model_hash: keccak256("weights") };
        let registered = registry.register(commitment(model), vk.address, verifier).await.unwrap();
        let buyer = PredictionEscrow::at(connect(anvil.url(), 1).await, escrow.address());
        Self {
            anvil,
            chain,
            registry,
            escrow,
            buyer,
            model,
            model_id: registered.model_id,
            binding_hash: registered.binding_hash,
            vk: vk.address,
            verifier,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("jobs.redb")
    }

    pub fn config(&self) -> RelayerConfig {
        let mut config = RelayerConfig::new(self.store());
        config.poll_interval = Duration::from_millis(50);
        config.withdraw = false;
        config.minimum_prices.insert(Address::ZERO, U256::ONE);
        config.shutdown_grace = Duration::ZERO;
        config
    }

    pub async fn order(&self, price: u64) -> Order {
        Order {
            modelId: self.model_id,
            bindingHash: self.binding_hash,
            inputCommitment: U256::from(1234),
            token: Address::ZERO,
            price: U256::from(price),
            deadline: self.chain.head().await.unwrap().timestamp + 3600,
            hint: Bytes::from_static(b"digit 7"),
        }
    }

    /// Opens a job as the buyer.
    pub async fn open(&self, price: u64) -> U256 {
        self.buyer.open(self.order(price).await).await.unwrap().job_id
    }

    pub async fn relayer(&self, prover: &Arc<TestProver>) -> Relayer {
        self.relayer_with(self.escrow.clone(), prover, self.config()).await
    }

    pub async fn relayer_with(
        &self,
        escrow: PredictionEscrow,
        prover: &Arc<TestProver>,
        config: RelayerConfig,
    ) -> Relayer {
        Relayer::new(escrow, prover.clone(), config).await.unwrap()
    }

    /// A relayer behind a node that does this with each transaction it sends.
    pub async fn relayer_whose_claims(&self, meet: Action) -> Relayer {
        let proxy = Proxy::start(self.anvil.port).await;
        proxy.rule(move |method, _| match method {
            "eth_sendRawTransaction" => meet.clone(),
            _ => Action::Forward,
        });
        let escrow = PredictionEscrow::at(connect(proxy.url(), 0).await, self.escrow.address());
        self.relayer_with(escrow, &self.prover(), self.config()).await
    }

    /// Has a job proven by a relayer that stops before it sends the claim.
    pub async fn prove_only(&self, id: U256) {
        let stop = CancellationToken::new();
        let mut config = self.config();
        config.shutdown_grace = Duration::from_secs(5);
        let prover = self.prover_that(Behaviour::ProvesAndStops(stop.clone()));
        let mut relayer = self.relayer_with(self.escrow.clone(), &prover, config).await;
        relayer.run(stop).await.unwrap();
        assert_eq!(relayer.store().job(id).unwrap().unwrap().state, JobState::Proven);
        assert_eq!(self.claims().await, 0);
    }

    pub fn prover(&self) -> Arc<TestProver> {
        self.prover_that(Behaviour::Proves)
    }

    pub fn prover_that(&self, behaviour: Behaviour) -> Arc<TestProver> {
        self.prover_that_takes(Duration::ZERO, behaviour)
    }

    /// A prover whose proofs are expected to take that long.
    pub fn prover_that_takes(&self, expected: Duration, behaviour: Behaviour) -> Arc<TestProver> {
        let calls = AtomicU32::new(0);
        Arc::new(TestProver { model: self.model, behaviour, expected, calls })
    }

    /// A JSON-RPC method of the node.
    pub async fn rpc(&self, method: &'static str, params: Value) -> Value {
        self.chain.provider().raw_request(method.into(), params).await.unwrap()
    }

    /// Whether each transaction gets a block of its own at once.
    pub async fn automine(&self, on: bool) {
        self.rpc("evm_setAutomine", serde_json::json!([on])).await;
    }

    pub async fn mine(&self, blocks: u64) {
        self.rpc("anvil_mine", serde_json::json!([blocks])).await;
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

    pub async fn claims(&self) -> usize {
        let events = self.escrow.events(0).await.unwrap();
        events.iter().filter(|e| matches!(e.kind, EventKind::Claimed { .. })).count()
    }

    /// Checks that a job was paid to account 0, once.
    pub async fn assert_paid_once(&self, job: &PredictionJob) {
        let JobState::Confirmed { transaction, block, .. } = job.state else {
            panic!("{}: {:?}", job.state, job.last_error)
        };
        let outcome = self.chain.outcome(transaction).await.unwrap().unwrap();
        assert!(outcome.success);
        assert_eq!(outcome.block_number, block);
        let state = self.escrow.job(job.id()).await.unwrap().unwrap().state;
        assert_eq!(state, OnChainState::Claimed { output: TestProver::OUTPUT });
        let events = self.escrow.events(0).await.unwrap();
        let paid: Vec<Address> = events
            .into_iter()
            .filter_map(|e| match e.kind {
                EventKind::Claimed { job_id, recipient, .. } if job_id == job.id() => {
                    Some(recipient)
                }
                _ => None,
            })
            .collect();
        assert_eq!(paid, [self.chain.account().unwrap()]);
    }
}

pub fn commitment(model: ModelIdentity) -> ModelCommitment {
    ModelCommitment {
        modelHash: model.model_hash,
        circuitHash: keccak256("circuit"),
        vkHash: model.vk_hash,
        proofSystemId: PROOF_SYSTEM_ID,
        uri: "https://example.org/model".into(),
    }
}

/// Checks that a job was left alone because its time ran out.
pub fn assert_expired(job: &PredictionJob) {
    let expired = matches!(job.state, JobState::Skipped { reason: SkipReason::Expired { .. } });
    assert!(expired, "{}", job.state);
}

/// Runs a relayer until a job is settled.
pub async fn settle(relayer: &mut Relayer, job: U256) -> PredictionJob {
    relayer.run_until_settled(job, MINUTE, CancellationToken::new()).await.unwrap()
}

/// Turns a relayer until a job is as wanted.
pub async fn turn_until(
    relayer: &mut Relayer,
    id: U256,
    wanted: impl Fn(&PredictionJob) -> bool,
) -> PredictionJob {
    let turns = async {
        loop {
            relayer.turn().await.unwrap();
            if let Some(job) = relayer.store().job(id).unwrap().filter(|job| wanted(job)) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(MINUTE, turns).await.expect("the job never came to that")
}

/// Turns a relayer until a turn fails.
pub async fn turn_until_error(relayer: &mut Relayer) -> RelayerError {
    let turns = async {
        loop {
            if let Err(error) = relayer.turn().await {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(MINUTE, turns).await.expect("no turn failed")
}

/// What the prover does when asked.
pub enum Behaviour {
    Proves,
    /// Makes proofs that the verifier rejects.
    ProvesWrongly,
    /// Never comes to an end.
    Hangs,
    /// Fails that many times for a passing reason, then proves.
    FailsFirst(u32),
    /// Does not find the input that many times, then proves.
    LacksInputFirst(u32),
    /// Cannot begin that many times, then proves.
    NotReadyFirst(u32),
    Panics,
    /// Proves, and tells the relayer to stop.
    ProvesAndStops(CancellationToken),
}

/// A prover for forge's `MockVerifier`.
pub struct TestProver {
    model: ModelIdentity,
    behaviour: Behaviour,
    expected: Duration,
    pub calls: AtomicU32,
}

impl TestProver {
    pub const OUTPUT: U256 = U256::from_limbs([7, 0, 0, 0]);

    pub fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

/// What `MockVerifier` takes for a proof.
pub fn mock_proof(
    model: ModelIdentity,
    context: U256,
    input_commitment: U256,
    output: U256,
) -> Bytes {
    let public_inputs = vec![context, input_commitment, output];
    let digest = keccak256((model.vk_hash, public_inputs).abi_encode_params());
    [model.model_hash, digest].concat().into()
}

#[async_trait]
impl Prover for TestProver {
    fn serves(&self, model: &ModelIdentity) -> bool {
        *model == self.model
    }

    fn expected_time(&self) -> Duration {
        self.expected
    }

    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError> {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.hint.as_ref(), b"digit 7");
        let proof =
            mock_proof(request.model, request.context, request.input_commitment, Self::OUTPUT);
        let good = ProofArtifact { proof, output: Self::OUTPUT };
        match &self.behaviour {
            Behaviour::Proves => Ok(good),
            Behaviour::ProvesWrongly => Ok(ProofArtifact { output: U256::from(8), ..good }),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::FailsFirst(times) if earlier < *times => {
                Err(ProveError::Interrupted("killed".into()))
            }
            Behaviour::LacksInputFirst(times) if earlier < *times => {
                Err(ProveError::InputUnavailable {
                    commitment: request.input_commitment,
                    reason: "not here yet".into(),
                })
            }
            Behaviour::NotReadyFirst(times) if earlier < *times => {
                Err(ProveError::NotReady("the disk is full".into()))
            }
            Behaviour::FailsFirst(_)
            | Behaviour::LacksInputFirst(_)
            | Behaviour::NotReadyFirst(_) => Ok(good),
            Behaviour::Panics => panic!("on purpose"),
            Behaviour::ProvesAndStops(token) => {
                token.cancel();
                Ok(good)
            }
        }
    }
}
