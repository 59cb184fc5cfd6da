//! The interface between the relayer and whatever makes proofs.
//!
//! The relayer knows nothing about circuits: it hands over a [`ProofRequest`] and gets a
//! [`ProofArtifact`]. [`LocalProver`] makes the proofs in this process; it finds the inputs in an
//! [`InputStore`].

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, Bytes, U256};
use assay_client::{ModelIdentity, ProofArtifact};
use assay_prover::openings::{Openings, OpeningsError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

mod input_store;
mod local;
mod runs;

pub use input_store::{InputError, InputOpening, InputStore, KeptInput};
pub use local::{LocalProver, LocalProverError, ProofReport};

/// Everything that a proof of a prediction, or of the predictions of a run, depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofRequest {
    /// Id in the escrow.
    pub job_id: U256,
    /// Public input 0, see [`assay_client::proof_context`].
    pub context: U256,
    /// The model to prove with.
    pub model: ModelIdentity,
    /// Public input 1: Poseidon commitment to the input.
    pub input_commitment: U256,
    /// Who is paid; bound by `context`.
    pub recipient: Address,
    /// What the buyer attached to the job to help find the input (a name, a URI, the input
    /// itself); unverified, may be empty. The commitment decides.
    pub hint: Bytes,
    /// Which run of a collection it is about, whose root `input_commitment` is then; `None` for one input.
    pub run: Option<RunPlace>,
    /// What was answered: a proof of anything else is of no use, and none is begun.
    pub expected: Option<Vec<U256>>,
}

/// A run of a committed collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPlace {
    /// Its place, from 0 on.
    pub run: u64,
    /// Items of the collection, in all.
    pub items: u64,
}

/// What is left of a model's openings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningsLeft {
    /// Proofs that can still be made.
    pub left: usize,
    /// Openings in all.
    pub budget: usize,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum ProveError {
    /// The job is for another prover.
    #[error("{0} is not held here; import it, or leave it out of the models served")]
    UnknownModel(ModelIdentity),

    /// The buyer has not handed the input over yet.
    #[error(
        "no input with commitment {commitment:#066x}: {reason}; put the input and its salt where the prover looks"
    )]
    InputUnavailable { commitment: U256, reason: String },

    /// Proving cannot begin before somebody puts something right on this machine, such as a full
    /// disk. Nothing was spent.
    #[error("proving cannot begin yet: {0}")]
    NotReady(String),

    /// Worth another try: out of memory, a killed process, a panic.
    #[error("proving was interrupted: {0}")]
    Interrupted(String),

    /// The same request will fail again.
    #[error("proving failed: {0}")]
    Failed(String),
}

/// The opening of the weights that a task of a queue uses: counted once, however often the task is begun.
#[async_trait]
pub trait TaskOpening: Send + Sync + 'static {
    /// Makes sure that one opening is counted for the task: by `openings` where none is yet and they are counted in this
    /// process. To be called from a thread that may wait, just before the proof is begun. How many are used then, where
    /// that is known here.
    ///
    /// # Errors
    /// [`OpeningsError`]; the proof is not to be begun then.
    fn take(&self, openings: &Openings) -> Result<usize, OpeningsError>;

    /// The same for provers without a count: has the relayer count one. In the relayer's own process nothing is done.
    ///
    /// # Errors
    /// [`OpeningsError`]; the proof is not to be begun then.
    async fn obtain(&self) -> Result<(), OpeningsError>;
}

/// Makes proofs of predictions.
#[async_trait]
pub trait Prover: Send + Sync + 'static {
    /// Whether this prover holds the model. Jobs for others are skipped.
    fn serves(&self, model: &ModelIdentity) -> bool;

    /// Whether its proofs are about runs of collections, not about single inputs.
    fn proves_runs(&self) -> bool {
        false
    }

    /// Items of a run, where its proofs are about runs of collections.
    fn run_items(&self) -> Option<u64> {
        None
    }

    /// The word that the proof of each run of a collection will show, without a proof and without spending anything: how
    /// many items are correct, or a bitmap of those that are selected. An error for a collection of which a run cannot be
    /// proven.
    ///
    /// # Errors
    /// [`ProveError::InputUnavailable`] where the collection is not there, or is not the one with this root;
    /// [`ProveError::Failed`] where it is of another size or shape than the proofs are about.
    async fn survey(&self, root: U256, _items: u64) -> Result<Vec<U256>, ProveError> {
        Err(ProveError::InputUnavailable {
            commitment: root,
            reason: "this prover knows no collections".into(),
        })
    }

    /// The openings of these items of a collection, each a line of JSON: what their buyer shall see.
    ///
    /// # Errors
    /// As of [`Self::survey`].
    async fn open_items(&self, root: U256, _items: &[u64]) -> Result<String, ProveError> {
        Err(ProveError::InputUnavailable {
            commitment: root,
            reason: "this prover knows no collections".into(),
        })
    }

    /// How long a proof is expected to take on this machine; zero if that is not known.
    fn expected_time(&self) -> Duration {
        Duration::ZERO
    }

    /// How many openings of the model's weights are left for proofs, and how many there are in all; `None` where
    /// they are not counted.
    fn openings(&self) -> Option<OpeningsLeft> {
        None
    }

    /// Proves one prediction.
    ///
    /// Must not block the thread it runs on: heavy work belongs into a process or
    /// `spawn_blocking`. Dropping the returned future cancels: a child process must end with it
    /// (`kill_on_drop`).
    ///
    /// # Errors
    /// [`ProveError`], sorted by what becomes of the job: it waits for its input or for this
    /// machine until its deadline, is tried again after pauses that grow, or is given up.
    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError>;

    /// The same for a task of a queue, whose opening may be counted already.
    ///
    /// # Errors
    /// As of [`Self::prove`].
    async fn prove_task(
        &self,
        request: &ProofRequest,
        _opening: Arc<dyn TaskOpening>,
    ) -> Result<ProofArtifact, ProveError> {
        self.prove(request).await
    }

    /// The models that it holds, for a worker that says so.
    fn models(&self) -> Vec<ModelIdentity> {
        Vec::new()
    }

    /// Counts an opening for a proof that is made elsewhere.
    ///
    /// # Errors
    /// [`ProveError::NotReady`] where none is left, or the count cannot be kept.
    fn count_opening(&self) -> Result<(), ProveError> {
        Ok(())
    }
}
