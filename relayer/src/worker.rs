//! Makes the proofs of a queue in a process of its own, without a key that signs.

use std::{sync::Arc, time::Duration};

use assay_client::ProofArtifact;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    error::StoreError,
    proving::{ProofRequest, ProveError, Prover},
    queue::{LEASE, Lease, Outcome},
    store::JobStore,
    task_opening::StoredOpening,
};

/// Settings of a worker.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Its name, one for each process.
    pub name: String,
    /// Proofs made at the same time.
    pub places: usize,
    /// How long its leases last without being renewed.
    pub lease: Duration,
    /// How often it looks for tasks when there are none.
    pub poll_interval: Duration,
}

impl WorkerConfig {
    /// The defaults for a name.
    pub fn new(name: impl Into<String>) -> Self {
        let poll_interval = Duration::from_millis(500);
        Self { name: name.into(), places: 1, lease: LEASE, poll_interval }
    }
}

/// A worker of one queue.
pub struct Worker {
    store: JobStore,
    provers: Vec<Arc<dyn Prover>>,
    config: WorkerConfig,
    proofs: JoinSet<()>,
    announced: Option<Instant>,
}

impl Worker {
    /// A worker that makes the proofs of these provers' models.
    pub fn new(store: JobStore, provers: Vec<Arc<dyn Prover>>, config: WorkerConfig) -> Self {
        Self { store, provers, config, proofs: JoinSet::new(), announced: None }
    }

    /// Works until told to stop, and waits for a store that does not answer. Told to stop, it takes nothing more and ends
    /// what it has.
    ///
    /// # Errors
    /// What a restart would not cure: a store that is damaged, or of another version.
    pub async fn run(&mut self, shutdown: CancellationToken) -> Result<(), StoreError> {
        tracing::info!(worker = self.config.name, places = self.config.places, "worker runs");
        while !shutdown.is_cancelled() {
            let pause = match self.look().await {
                Ok(true) => Duration::ZERO,
                Ok(false) => self.config.poll_interval,
                Err(error @ (StoreError::Unreachable { .. } | StoreError::Disk { .. })) => {
                    tracing::warn!(%error, code = "store-unreachable", "trying again");
                    self.config.poll_interval.max(Duration::from_secs(1))
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                Some(_) = self.proofs.join_next() => {}
            }
        }
        while self.proofs.join_next().await.is_some() {}
        let gone = self.store.forget_worker(&self.config.name).await;
        if let Err(error) = gone {
            tracing::debug!(%error, "that this worker ends is not noted");
        }
        tracing::info!("worker stopped");
        Ok(())
    }

    /// Takes the most urgent task, if there is a place for it. Whether it did.
    async fn look(&mut self) -> Result<bool, StoreError> {
        while self.proofs.try_join_next().is_some() {}
        let (name, period) = (&self.config.name, self.config.lease);
        if self.announced.is_none_or(|at| at.elapsed() >= period / 3) {
            let models: Vec<_> = self.provers.iter().flat_map(|prover| prover.models()).collect();
            self.store.announce(name, &models, self.config.places, period).await?;
            self.announced = Some(Instant::now());
        }
        if self.proofs.len() >= self.config.places {
            return Ok(false);
        }
        let models: Vec<_> = self.provers.iter().flat_map(|prover| prover.models()).collect();
        let Some((lease, request)) = self.store.lease(name, &models, period).await? else {
            return Ok(false);
        };
        let prover = self.provers.iter().find(|prover| prover.serves(&request.model)).cloned();
        let Some(prover) = prover else {
            return Ok(false);
        };
        tracing::info!(task = %lease.task, fence = lease.fence, "proving");
        let store = self.store.clone();
        self.proofs.spawn(async move { work(store, prover, lease, request, period).await });
        Ok(true)
    }
}

/// Makes a proof under a lease, and says how that ended.
async fn work(
    store: JobStore,
    prover: Arc<dyn Prover>,
    lease: Lease,
    request: ProofRequest,
    period: Duration,
) {
    let opening = Arc::new(StoredOpening::of_worker(store.clone(), lease.clone()));
    let made =
        proven_under(&store, &lease, period, async { prover.prove_task(&request, opening).await });
    let Some(result) = made.await else {
        tracing::warn!(task = %lease.task, "another has the task by now; this proof is dropped");
        return;
    };
    match &result {
        Ok(proof) => tracing::info!(task = %lease.task, bytes = proof.proof.len(), "proven"),
        Err(error) => tracing::warn!(task = %lease.task, %error, "no proof"),
    }
    let outcome = Outcome::from(result);
    loop {
        match store.finish(&lease, &outcome).await {
            Ok(true) => return,
            Ok(false) => {
                tracing::warn!(task = %lease.task, "another has the task by now; this proof is dropped");
                return;
            }
            Err(error) => {
                // The proof is worth waiting for.
                tracing::warn!(task = %lease.task, %error, "the proof cannot be handed in yet");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Renews a lease while a proof is made; `None` where it was lost meanwhile. A panic is an interruption.
pub(crate) async fn proven_under(
    store: &JobStore,
    lease: &Lease,
    period: Duration,
    proof: impl Future<Output = Result<ProofArtifact, ProveError>>,
) -> Option<Result<ProofArtifact, ProveError>> {
    tokio::pin!(proof);
    let mut beat = tokio::time::interval(period / 3);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    beat.tick().await;
    loop {
        tokio::select! {
            result = &mut proof => return Some(result),
            _ = beat.tick() => match store.renew(lease, period).await {
                Ok(true) => {}
                Ok(false) => return None,
                // The lease may outlast that; whoever stores the proof is told.
                Err(error) => tracing::warn!(task = %lease.task, %error, "the lease is not renewed"),
            },
        }
    }
}
