//! Proofs that are being made.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::primitives::U256;
use assay_client::ProofArtifact;
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    job::PredictionTerms,
    proving::{ProofRequest, ProveError, Prover},
};

/// Runs a limited number of proofs at a time.
pub(crate) struct ProofPool {
    prover: Arc<dyn Prover>,
    capacity: usize,
    tasks: JoinSet<Result<ProofArtifact, ProveError>>,
    running: HashMap<Id, Running>,
}

struct Running {
    terms: PredictionTerms,
    abort: AbortHandle,
    since: Instant,
}

/// A proof that came to an end.
pub(crate) struct Finished {
    /// The job as it was when the proof was begun.
    pub(crate) terms: PredictionTerms,
    pub(crate) took: Duration,
    pub(crate) result: Result<ProofArtifact, ProveError>,
}

impl ProofPool {
    pub(crate) fn new(prover: Arc<dyn Prover>, capacity: usize) -> Self {
        Self { prover, capacity, tasks: JoinSet::new(), running: HashMap::new() }
    }

    pub(crate) fn prover(&self) -> &dyn Prover {
        self.prover.as_ref()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.running.len() < self.capacity
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn is_running(&self, id: U256) -> bool {
        self.running.values().any(|running| running.terms.job_id == id)
    }

    /// The jobs whose proofs are being made.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = U256> {
        self.running.values().map(|running| running.terms.job_id)
    }

    pub(crate) fn start(&mut self, terms: PredictionTerms, request: ProofRequest) {
        let prover = Arc::clone(&self.prover);
        let abort = self.tasks.spawn(async move { prover.prove(&request).await });
        self.running.insert(abort.id(), Running { terms, abort, since: Instant::now() });
    }

    /// Stops the proofs of jobs that are not needed any more.
    pub(crate) fn stop_unless(&self, needed: impl Fn(&PredictionTerms) -> bool) {
        for running in self.running.values() {
            if !running.abort.is_finished() && !needed(&running.terms) {
                tracing::info!(job = %running.terms.job_id, "proof no longer needed; stopping it");
                running.abort.abort();
            }
        }
    }

    /// The next proof to end; `None` if none is running. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Finished> {
        while let Some(done) = self.tasks.join_next_with_id().await {
            if let Some(finished) = self.finish(done) {
                return Some(finished);
            }
        }
        None
    }

    /// A proof that has ended, if any.
    pub(crate) fn try_next(&mut self) -> Option<Finished> {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            if let Some(finished) = self.finish(done) {
                return Some(finished);
            }
        }
        None
    }

    /// Stops everything.
    pub(crate) async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
        self.running.clear();
    }

    fn finish(
        &mut self,
        done: Result<(Id, Result<ProofArtifact, ProveError>), JoinError>,
    ) -> Option<Finished> {
        let (id, result) = match done {
            Ok((id, result)) => (id, Some(result)),
            Err(error) if error.is_panic() => (
                error.id(),
                Some(Err(ProveError::Interrupted("the prover panicked; see its log".into()))),
            ),
            // Stopped by us: whoever did it has dealt with the job.
            Err(error) => (error.id(), None),
        };
        let running = self.running.remove(&id)?;
        Some(Finished { terms: running.terms, took: running.since.elapsed(), result: result? })
    }
}
