//! A stage for relayers, and a prover for its verifier.

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, U256};
use assay_client::{
    ContractClient, ModelIdentity, PredictionEscrow, ProofArtifact,
    escrow::prediction::{EventKind, OnChainState},
};
use assay_client_testing::{
    Action, Proxy, Stage,
    stage::{connect, connect_all, mock_proof},
};
use assay_relayer::{
    CancellationToken, JobState, OpeningsLeft, PredictionJob, ProofRequest, ProveError, Prover,
    Relayer, RelayerConfig, SkipReason, proving::TaskOpening,
};
use async_trait::async_trait;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// A stage, and a folder for the relayer's store.
pub(crate) struct World {
    stage: Stage,
    dir: tempfile::TempDir,
}

impl Deref for World {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self { stage: Stage::new().await, dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.dir.path().join("jobs.db")
    }

    pub(crate) fn config(&self) -> RelayerConfig {
        let mut config = RelayerConfig::new(self.store());
        config.poll_interval = Duration::from_millis(50);
        config.withdraw = false;
        config.policy.minimum_prices.insert(Address::ZERO, U256::ONE);
        config.shutdown_grace = Duration::ZERO;
        config
    }

    pub(crate) async fn relayer(&self, prover: &Arc<TestProver>) -> Relayer {
        self.relayer_with(self.escrow.clone(), prover, self.config()).await
    }

    pub(crate) async fn relayer_with(
        &self,
        escrow: PredictionEscrow,
        prover: &Arc<TestProver>,
        config: RelayerConfig,
    ) -> Relayer {
        Relayer::new(escrow, prover.clone(), config).await.unwrap()
    }

    /// A relayer behind a node that does this with each transaction it sends.
    pub(crate) async fn relayer_whose_claims(&self, meet: Action) -> Relayer {
        let proxy = Proxy::start(self.node.port()).await;
        proxy.rule(move |method, _| match method {
            "eth_sendRawTransaction" => meet.clone(),
            _ => Action::Forward,
        });
        let escrow = PredictionEscrow::at(connect(proxy.url(), 0).await, self.escrow.address());
        self.relayer_with(escrow, &self.prover(), self.config()).await
    }

    /// The escrow through some proxies, which are nodes to the relayer.
    pub(crate) async fn escrow_through(&self, proxies: &[&Proxy]) -> PredictionEscrow {
        let urls = proxies.iter().map(|proxy| proxy.url()).collect();
        PredictionEscrow::at(connect_all(urls, 0).await, self.escrow.address())
    }

    /// A configuration whose pauses are short.
    pub(crate) fn hasty_config(&self) -> RelayerConfig {
        let mut config = self.config();
        config.submit.max_pause = Duration::from_millis(100);
        config
    }

    /// Has a job proven by a relayer that stops before it sends the claim.
    pub(crate) async fn prove_only(&self, id: U256) {
        let stop = CancellationToken::new();
        let mut config = self.config();
        config.shutdown_grace = Duration::from_secs(5);
        let prover = self.prover_that(Behaviour::ProvesAndStops(stop.clone()));
        let mut relayer = self.relayer_with(self.escrow.clone(), &prover, config).await;
        relayer.run(stop).await.unwrap();
        assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Proven);
        assert_eq!(self.claims().await, 0);
    }

    pub(crate) fn prover(&self) -> Arc<TestProver> {
        self.prover_that(Behaviour::Proves)
    }

    pub(crate) fn prover_that(&self, behaviour: Behaviour) -> Arc<TestProver> {
        self.prover_that_takes(Duration::ZERO, behaviour)
    }

    /// A prover whose proofs are expected to take that long.
    pub(crate) fn prover_that_takes(
        &self,
        expected: Duration,
        behaviour: Behaviour,
    ) -> Arc<TestProver> {
        Arc::new(TestProver::new(self.model, behaviour, expected))
    }

    /// Checks that a job was paid to account 0, once.
    pub(crate) async fn assert_paid_once(&self, job: &PredictionJob) {
        let JobState::Confirmed { transaction, block, .. } = *job.state() else {
            panic!("{}: {:?}", job.state(), job.last_error)
        };
        let outcome = self.chain.outcome(transaction).await.unwrap().unwrap();
        assert!(outcome.success);
        assert_eq!(outcome.block_number, block);
        let state = self.escrow.job(job.id()).await.unwrap().unwrap().state;
        assert_eq!(state, OnChainState::Claimed { output: Some(TestProver::OUTPUT) });
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

/// Checks that a job was left alone because its time ran out.
pub(crate) fn assert_expired(job: &PredictionJob) {
    let expired = matches!(job.state(), JobState::Skipped { reason: SkipReason::Expired { .. } });
    assert!(expired, "{}", job.state());
}

/// Runs a relayer until a job is settled.
pub(crate) async fn settle(relayer: &mut Relayer, job: U256) -> PredictionJob {
    relayer.run_until_settled(job, MINUTE, CancellationToken::new()).await.unwrap()
}

/// Turns a relayer until a job is as wanted.
pub(crate) async fn turn_until(
    relayer: &mut Relayer,
    id: U256,
    wanted: impl Fn(&PredictionJob) -> bool,
) -> PredictionJob {
    let turns = async {
        loop {
            relayer.turn().await.unwrap();
            if let Some(job) = relayer.store().job(id).await.unwrap().filter(|job| wanted(job)) {
                return job;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(MINUTE, turns).await.expect("the job never came to that")
}

/// Turns a relayer until the claim of a job is signed, and the node has not confirmed that it has it.
pub(crate) async fn turn_until_signed(relayer: &mut Relayer, id: U256) -> PredictionJob {
    turn_until(relayer, id, |job| *job.state() == JobState::Submitting).await
}

/// What the prover does when asked.
pub(crate) enum Behaviour {
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
    /// Fails, and would again.
    Fails,
    /// Proves, and tells the relayer to stop.
    ProvesAndStops(CancellationToken),
}

/// A prover for forge's `MockVerifier`.
pub(crate) struct TestProver {
    model: ModelIdentity,
    behaviour: Behaviour,
    expected: Duration,
    pub(crate) calls: AtomicU32,
    pub(crate) openings: Mutex<Option<OpeningsLeft>>,
    counted: AtomicU32,
}

impl TestProver {
    pub(crate) const OUTPUT: U256 = U256::from_limbs([7, 0, 0, 0]);

    pub(crate) fn new(model: ModelIdentity, behaviour: Behaviour, expected: Duration) -> Self {
        let (calls, counted) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { model, behaviour, expected, calls, openings: Mutex::new(None), counted }
    }

    /// Openings that it counted for workers.
    pub(crate) fn counted(&self) -> u32 {
        self.counted.load(Ordering::SeqCst)
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

/// The proof of a prover that counts an opening before.
pub(crate) async fn proven_with(
    prover: &dyn Prover,
    request: &ProofRequest,
    opening: Arc<dyn TaskOpening>,
) -> Result<ProofArtifact, ProveError> {
    opening.obtain().await.map_err(|error| ProveError::NotReady(error.to_string()))?;
    prover.prove(request).await
}

#[async_trait]
impl Prover for TestProver {
    fn serves(&self, model: &ModelIdentity) -> bool {
        *model == self.model
    }

    fn expected_time(&self) -> Duration {
        self.expected
    }

    fn openings(&self) -> Option<OpeningsLeft> {
        *self.openings.lock().unwrap()
    }

    fn models(&self) -> Vec<ModelIdentity> {
        vec![self.model]
    }

    fn count_opening(&self) -> Result<(), ProveError> {
        self.counted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn prove_task(
        &self,
        request: &ProofRequest,
        opening: Arc<dyn TaskOpening>,
    ) -> Result<ProofArtifact, ProveError> {
        proven_with(self, request, opening).await
    }

    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError> {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        match &request.expected {
            None => assert_eq!(request.hint.as_ref(), b"digit 7"),
            Some(expected) if *expected != [Self::OUTPUT] => {
                return Err(ProveError::Failed("it cannot be proven".into()));
            }
            Some(_) => {}
        }
        let proof =
            mock_proof(request.model, request.context, request.input_commitment, Self::OUTPUT);
        let good = ProofArtifact::of_input(proof, vec![Self::OUTPUT]);
        match &self.behaviour {
            Behaviour::Proves => Ok(good),
            Behaviour::ProvesWrongly => Ok(ProofArtifact { outputs: vec![U256::from(8)], ..good }),
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
            Behaviour::Fails => Err(ProveError::Failed("on purpose".into())),
            Behaviour::ProvesAndStops(token) => {
                token.cancel();
                Ok(good)
            }
        }
    }
}
