//! Proofs that are being made.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use alloy::primitives::U256;
use assay_client::ProofArtifact;
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::Instant,
};

use crate::{
    duty::{Duty, ProofKey},
    job::PredictionTerms,
    proving::{ProofRequest, ProveError, Prover},
    queue::{LEASE, Lease},
    store::JobStore,
    task_opening::StoredOpening,
    worker::proven_under,
};

/// Runs a limited number of proofs at a time.
pub(crate) struct ProofPool {
    prover: Arc<dyn Prover>,
    capacity: usize,
    tasks: JoinSet<Result<ProofArtifact, ProveError>>,
    running: HashMap<Id, Running>,
}

/// What a proof is for.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// The job as it was when the proof was begun.
    Job(Box<PredictionTerms>),
    Duty {
        duty: Duty,
        /// What it is kept under.
        key: ProofKey,
    },
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(terms) => write!(f, "job {}", terms.job_id),
            Self::Duty { duty, .. } => duty.fmt(f),
        }
    }
}

impl Work {
    pub(crate) fn is_job(&self, id: U256) -> bool {
        matches!(self, Self::Job(terms) if terms.job_id == id)
    }

    pub(crate) fn is_duty(&self, wanted: &Duty) -> bool {
        matches!(self, Self::Duty { duty, .. } if duty == wanted)
    }
}

struct Running {
    work: Work,
    lease: Lease,
    abort: AbortHandle,
    since: Instant,
}

/// A proof that came to an end.
pub(crate) struct Finished {
    pub(crate) work: Work,
    /// Under which it was made.
    pub(crate) lease: Lease,
    pub(crate) took: Duration,
    pub(crate) result: Result<ProofArtifact, ProveError>,
}

impl ProofPool {
    pub(crate) fn new(prover: Arc<dyn Prover>, capacity: usize) -> Self {
        Self { prover, capacity, tasks: JoinSet::new(), running: HashMap::new() }
    }

    /// Who proves jobs.
    pub(crate) fn prover(&self) -> &dyn Prover {
        self.prover.as_ref()
    }

    /// The same, to keep.
    pub(crate) fn shared_prover(&self) -> Arc<dyn Prover> {
        Arc::clone(&self.prover)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.running.len() < self.capacity
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// What the proofs that are being made are for.
    pub(crate) fn works(&self) -> impl Iterator<Item = &Work> {
        self.running.values().map(|running| &running.work)
    }

    /// Makes a proof, and renews its lease meanwhile.
    pub(crate) fn start(
        &mut self,
        work: Work,
        (lease, request): (Lease, ProofRequest),
        prover: Arc<dyn Prover>,
        store: JobStore,
    ) {
        let held = lease.clone();
        let abort = self.tasks.spawn(async move {
            let opening = Arc::new(StoredOpening::here(store.clone(), held.clone()));
            let proof = prover.prove_task(&request, opening);
            let lost = || Err(ProveError::Interrupted("another has the proof by now".into()));
            proven_under(&store, &held, LEASE, proof).await.unwrap_or_else(lost)
        });
        self.running.insert(abort.id(), Running { work, lease, abort, since: Instant::now() });
    }

    /// Stops the proofs that are not needed any more.
    pub(crate) fn stop_unless(&self, needed: impl Fn(&Work) -> bool) {
        for running in self.running.values() {
            if !running.abort.is_finished() && !needed(&running.work) {
                tracing::info!(what = %running.work, "proof no longer needed; stopping it");
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
        Some(Finished {
            work: running.work,
            lease: running.lease,
            took: running.since.elapsed(),
            result: result?,
        })
    }
}
