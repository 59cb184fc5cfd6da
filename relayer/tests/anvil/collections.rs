//! A prover of runs for forge's `MockVerifier`, and collections that it knows.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::primitives::U256;
use assay_client::{ModelIdentity, ProofArtifact};
use assay_client_testing::stage::mock_proof_of;
use assay_relayer::{OpeningsLeft, ProofRequest, ProveError, Prover};
use async_trait::async_trait;

/// Items of a run.
pub(crate) const BATCH: u64 = 2;

/// Shows of each run of a collection the word that it was given.
pub(crate) struct RunProver {
    model: ModelIdentity,
    /// The words of the collections that it has, by their roots.
    words: Mutex<BTreeMap<U256, Vec<u64>>>,
    /// Runs that it proved, in their order.
    pub(crate) proven: Mutex<Vec<u64>>,
    surveys: AtomicU32,
    pub(crate) openings: Mutex<Option<OpeningsLeft>>,
    expected: Duration,
}

impl RunProver {
    pub(crate) fn new(model: ModelIdentity, expected: Duration) -> Self {
        Self {
            model,
            words: Mutex::default(),
            proven: Mutex::default(),
            surveys: AtomicU32::new(0),
            openings: Mutex::new(None),
            expected,
        }
    }

    /// Puts a collection in its place.
    pub(crate) fn has(&self, root: U256, words: &[u64]) {
        self.words.lock().unwrap().insert(root, words.to_vec());
    }

    pub(crate) fn surveys(&self) -> u32 {
        self.surveys.load(Ordering::SeqCst)
    }

    fn words_of(&self, root: U256) -> Result<Vec<u64>, ProveError> {
        let known = self.words.lock().unwrap().get(&root).cloned();
        known.ok_or(ProveError::InputUnavailable { commitment: root, reason: "not there".into() })
    }
}

#[async_trait]
impl Prover for RunProver {
    fn serves(&self, model: &ModelIdentity) -> bool {
        *model == self.model
    }

    fn run_items(&self) -> Option<u64> {
        Some(BATCH)
    }

    fn expected_time(&self) -> Duration {
        self.expected
    }

    fn openings(&self) -> Option<OpeningsLeft> {
        *self.openings.lock().unwrap()
    }

    async fn survey(&self, root: U256, items: u64) -> Result<Vec<U256>, ProveError> {
        self.surveys.fetch_add(1, Ordering::SeqCst);
        let words = self.words_of(root)?;
        if words.len() as u64 != items.div_ceil(BATCH) {
            return Err(ProveError::Failed("it is of another size".into()));
        }
        Ok(words.into_iter().map(U256::from).collect())
    }

    async fn open_items(&self, root: U256, items: &[u64]) -> Result<String, ProveError> {
        self.words_of(root)?;
        Ok(items.iter().map(|item| format!("item {item}\n")).collect())
    }

    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError> {
        let place = request.run.expect("it is about a run");
        let word = U256::from(self.words_of(request.input_commitment)?[place.run as usize]);
        let first = place.run * BATCH;
        let length = BATCH.min(place.items - first);
        let inputs = vec![
            request.context,
            request.input_commitment,
            U256::from(first),
            U256::from(length),
            word,
        ];
        self.proven.lock().unwrap().push(place.run);
        let proof = mock_proof_of(request.model, inputs);
        Ok(ProofArtifact { proof, run: U256::from(place.run), outputs: vec![word] })
    }
}
