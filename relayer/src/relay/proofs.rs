//! From a job to its proof in the store.

use std::{sync::Arc, time::Duration};

use assay_client::{ContractClient, ModelIdentity, proof_context};
use tokio::time::Instant;

use super::{Relayer, openings::OpeningsWatch};
use crate::{
    clock::unix_now,
    disk::free_bytes,
    duties::Wanted,
    duty::Pays,
    error::{RelayerError, StoreError},
    heads::Heads,
    job::{JobEvent, JobState, PredictionJob, PredictionTerms, SkipReason},
    policy::{is_too_late, objection},
    proof_pool::{Finished, Work},
    proving::{ProofRequest, ProveError, Prover},
    queue::{LEASE, Task, TaskName},
    submitter::POOL_HAS_A_CLAIM,
};

/// How long an input that was put in its place may wait to be noticed.
const LONGEST_INPUT_PAUSE: Duration = Duration::from_secs(30);

impl Relayer {
    pub(super) async fn begin_proof(
        &mut self,
        job: PredictionJob,
        heads: Heads,
    ) -> Result<(), RelayerError> {
        let id = job.id();
        let prover = self.proofs.prover();
        let reason = objection(&self.policy.read(), self.config.binding, prover, &job.terms);
        let by_runs = prover.proves_runs() && prover.serves(&job.terms.model);
        let reason = reason.or_else(|| by_runs.then_some(SkipReason::ByRuns));
        let margin = self.margin().as_secs();
        let deadline = job.terms.deadline;
        let too_late = || SkipReason::Expired { deadline, now: heads.confirmed.timestamp };
        let reason =
            reason.or_else(|| is_too_late(deadline, margin, heads.confirmed).then(too_late));
        if let Some(reason) = reason {
            return self.decline(&job, reason).await;
        }
        // The newest block alone ends nothing.
        if is_too_late(deadline, margin, heads.newest)
            || !self.unsaved.is_empty()
            || !self.has_room(&job.terms.model).await?
        {
            return Ok(());
        }
        if let Some(obstacle) = self.obstacle(&job) {
            return self.wait(&job, obstacle).await;
        }
        // Proving is dear: ask the state itself, not only the events, and the deadline as it is now.
        if self.submitter.unless_open(&job, heads).await?.is_some() {
            return Ok(());
        }
        if self.escrow.is_ending(id).await? {
            return self.wait(&job, POOL_HAS_A_CLAIM.into()).await;
        }
        let request = self.request_of(&job.terms);
        let latest_begin = deadline.saturating_sub(margin);
        let task = Task { name: TaskName::of_job(id, &request)?, latest_begin, request };
        self.store.report(id, &JobEvent::ProofBegun, unix_now()).await?;
        tracing::info!(job = %id, "proving");
        let prover = self.proofs.shared_prover();
        self.begin(Work::Job(Box::new(job.terms)), task, prover).await
    }

    /// What a job's proof has to show.
    pub(super) fn request_of(&self, terms: &PredictionTerms) -> ProofRequest {
        let (chain_id, escrow) = (self.escrow.chain().chain_id(), self.escrow.address());
        ProofRequest {
            job_id: terms.job_id,
            context: proof_context(chain_id, escrow, terms.job_id, self.recipient),
            model: terms.model,
            input_commitment: terms.input_commitment,
            recipient: self.recipient,
            hint: terms.hint.clone(),
            run: None,
            expected: None,
        }
    }

    /// Whether a proof of a model can be begun, here or by a worker.
    async fn has_room(&self, model: &ModelIdentity) -> Result<bool, RelayerError> {
        Ok(self.proofs.has_room() || self.workers_have_room(model).await?)
    }

    /// Makes a proof here, where there is room, or has a worker make it.
    async fn begin(
        &mut self,
        work: Work,
        task: Task,
        prover: Arc<dyn Prover>,
    ) -> Result<(), RelayerError> {
        if !self.proofs.has_room() {
            self.store.want(&task).await?;
            self.remote.note(task.name, work);
            return Ok(());
        }
        let lease = self.store.want_here(&task, &self.worker, LEASE).await?;
        self.proofs.start(work, (lease, task.request), prover, self.store.for_proofs());
        Ok(())
    }

    /// Begins the proof that a duty needs, if there is room for it.
    pub(super) async fn begin_duty_proof(
        &mut self,
        wanted: Wanted,
        heads: Heads,
    ) -> Result<(), RelayerError> {
        let in_hand = self.proofs.works().any(|work| work.is_duty(&wanted.duty))
            || self.unsaved.iter().any(|done| done.work.is_duty(&wanted.duty));
        if in_hand || !self.unsaved.is_empty() {
            return Ok(());
        }
        let name = TaskName::of_duty(&wanted.key, &wanted.request)?;
        let work = || Work::Duty { duty: wanted.duty, key: wanted.key.clone() };
        if self.remote.has(&name, work) || !self.has_room(&wanted.request.model).await? {
            return Ok(());
        }
        // A bond is worth more than its proofs; a run has to pay for itself.
        let gas = self.duties.proof_gas(wanted.duty.contract());
        let policy = self.policy.read();
        let objection = |pays| self.costs.objection(policy.profit, pays, gas);
        let costly = wanted.pays.and_then(objection);
        // What contests may ask for are openings of the model of the service.
        let contested = self.proofs.prover().serves(&wanted.request.model);
        let keeps = wanted.pays.is_some() && contested;
        let kept = if keeps { policy.openings_for_bonds } else { 0 };
        let (prover, model) = (wanted.prover.clone(), wanted.request.model);
        if let Some(obstacle) =
            costly.or_else(|| self.machine_obstacle(prover.as_ref(), model, kept))
        {
            return self.duties.wait(wanted.duty, &obstacle).await;
        }
        if self.duties.may_begin_proof(&wanted, heads.newest.timestamp).await? {
            let margin = policy.margin(prover.expected_time()).as_secs();
            let latest_begin = wanted.deadline.unwrap_or(u64::MAX).saturating_sub(margin);
            let work = Work::Duty { duty: wanted.duty, key: wanted.key };
            let task = Task { name, latest_begin, request: wanted.request };
            self.begin(work, task, prover).await?;
        }
        Ok(())
    }

    /// What on this machine, or on the market, stands against a proof now.
    fn obstacle(&mut self, job: &PredictionJob) -> Option<String> {
        let pays = Pays::once(job.terms.token, job.terms.price);
        let policy = self.policy.read();
        if let Some(text) = self.costs.objection(policy.profit, pays, None) {
            return Some(text);
        }
        let prover = self.proofs.shared_prover();
        self.machine_obstacle(prover.as_ref(), job.terms.model, policy.openings_for_bonds)
    }

    /// What on this machine stands against a proof that must leave so many openings of its model.
    fn machine_obstacle(
        &mut self,
        prover: &dyn Prover,
        model: ModelIdentity,
        kept: usize,
    ) -> Option<String> {
        let watch = if self.proofs.prover().serves(&model) {
            &mut self.openings
        } else {
            self.other_openings.entry(model).or_default()
        };
        if let Some(openings) = watch.look(prover)
            && openings.left <= kept
        {
            return Some(if openings.left == 0 {
                format!(
                    "all {} openings of the model are used; import it anew and register it",
                    openings.budget
                )
            } else {
                format!(
                    "{} openings of the model are left, and {kept} are kept back for contests; import it anew and \
                     register it",
                    openings.left
                )
            });
        }
        // That of a database elsewhere is looked after there.
        let free = free_bytes(self.store.place().file()?)?;
        let wanted = self.policy.read().least_disk;
        (free < wanted).then(|| {
            format!(
                "the disk of the store has {free} bytes free, {wanted} are wanted before a proof is begun; make space"
            )
        })
    }

    async fn wait(&self, job: &PredictionJob, why: String) -> Result<(), RelayerError> {
        if job.last_error.as_deref() != Some(&why) {
            tracing::warn!(job = %job.id(), why, code = "job-waits", "the job waits");
        }
        let max_pause = self.config.submit.max_pause.min(LONGEST_INPUT_PAUSE);
        self.store.postpone(job.id(), why, unix_now(), max_pause).await?;
        Ok(())
    }

    async fn decline(&self, job: &PredictionJob, reason: SkipReason) -> Result<(), RelayerError> {
        tracing::info!(job = %job.id(), %reason, "job skipped");
        self.store.report(job.id(), &JobEvent::Declined { reason }, unix_now()).await?;
        Ok(())
    }

    /// Stores the proofs that the disk had no room for.
    pub(super) async fn keep_unsaved(&mut self) -> Result<(), RelayerError> {
        let mut kept = Ok(());
        for finished in std::mem::take(&mut self.unsaved) {
            kept = kept.and(self.finish_proof(finished).await);
        }
        kept
    }

    /// Notes how a proof ended. One that cannot be stored stays in memory, and is stored when there is room.
    pub(super) async fn finish_proof(&mut self, finished: Finished) -> Result<(), RelayerError> {
        let noted = self.note_finished(&finished).await;
        match noted {
            Err(
                error @ RelayerError::Store(
                    StoreError::Disk { .. } | StoreError::Unreachable { .. },
                ),
            ) => {
                if finished.result.is_ok() {
                    tracing::error!(
                        what = %finished.work, %error, code = error.code(),
                        "the proof cannot be stored and is kept in memory: do not stop the relayer before it is stored"
                    );
                }
                self.unsaved.push(finished);
                Err(error)
            }
            other => other,
        }
    }

    /// Notes how a proof ended, and ends its task.
    pub(super) async fn note_finished(&mut self, finished: &Finished) -> Result<(), RelayerError> {
        self.openings.used();
        self.other_openings.values_mut().for_each(OpeningsWatch::used);
        let Finished { work, lease, result, .. } = finished;
        let noted = match work {
            Work::Job(terms) => self.note_proof(terms, finished).await,
            Work::Duty { duty, key } => self.duties.finish_proof(*duty, key, result, lease).await,
        };
        match noted {
            Err(error) if error.concerns_one_job() => {
                tracing::warn!(what = %work, %error, code = error.code(), "the proof is not used");
            }
            other => other?,
        }
        // Stored with its proof, or without one.
        Ok(self.store.end_task(lease).await?)
    }

    /// The same between two turns, where the next turn tries again what the disk refuses.
    pub(super) async fn finish_or_retry(&mut self, finished: Finished) -> Result<(), RelayerError> {
        match self.finish_proof(finished).await {
            Err(error) if error.is_survivable() => Ok(()),
            other => other,
        }
    }

    async fn note_proof(
        &self,
        terms: &PredictionTerms,
        finished: &Finished,
    ) -> Result<(), RelayerError> {
        let Finished { took, result, .. } = finished;
        let id = terms.job_id;
        // The job may have changed while the proof was made.
        let Some(job) = self.store.job(id).await?.filter(|job| job.terms == *terms) else {
            return Ok(());
        };
        let seconds = took.as_secs_f32();
        let mut max_pause = self.config.submit.max_pause;
        match result {
            Ok(proof) => {
                self.store.put_proof_of(id, proof, unix_now(), Some(&finished.lease)).await?;
                self.status.count("proofs_made");
                tracing::info!(job = %id, seconds, bytes = proof.proof.len(), outputs = ?proof.outputs, "proven");
            }
            Err(_) if *job.state() != JobState::Proving => {}
            Err(ProveError::UnknownModel(model)) => {
                self.decline(&job, SkipReason::UnknownModel { model: *model }).await?;
            }
            // Until the job's deadline: buyers hand their inputs over after they have opened it.
            Err(error @ (ProveError::InputUnavailable { .. } | ProveError::NotReady(_))) => {
                if job.attempts == 0 {
                    tracing::warn!(job = %id, %error, "the job waits");
                }
                if matches!(error, ProveError::InputUnavailable { .. }) {
                    max_pause = max_pause.min(LONGEST_INPUT_PAUSE);
                }
                self.store.report(id, &JobEvent::ProofPutOff, unix_now()).await?;
                self.store.postpone(id, error.to_string(), unix_now(), max_pause).await?;
            }
            Err(error @ ProveError::Interrupted(_)) => {
                tracing::warn!(job = %id, seconds, %error, code = "proof-interrupted", "no proof; trying again later");
                self.status.count("proofs_interrupted");
                let job = self.store.report(id, &JobEvent::ProofInterrupted, unix_now()).await?;
                self.store.postpone(id, error.to_string(), unix_now(), max_pause).await?;
                let pause = job.pause_after_interruption();
                if pause > Duration::ZERO {
                    self.store.pause(id, pause);
                }
            }
            Err(error) => {
                tracing::error!(job = %id, seconds, %error, code = "proof-failed", "job given up; `assay relayer retry` brings it back");
                let reason = error.to_string();
                self.store.report(id, &JobEvent::GivenUp { reason }, unix_now()).await?;
            }
        }
        Ok(())
    }

    /// Waits for running proofs, so that their work is not lost, and stops the rest.
    pub(super) async fn drain(&mut self) -> Result<(), RelayerError> {
        if self.proofs.len() > 0 {
            tracing::info!(running = self.proofs.len(), "waiting for running proofs");
        }
        let end = Instant::now() + self.config.shutdown_grace;
        while let Ok(Some(finished)) = tokio::time::timeout_at(end, self.proofs.next()).await {
            self.finish_or_retry(finished).await?;
        }
        self.keep_unsaved().await?;
        // A proof that is stopped on purpose does not count as a failed one.
        for work in self.proofs.works() {
            match work {
                Work::Job(terms) => {
                    let id = terms.job_id;
                    if self
                        .store
                        .job(id)
                        .await?
                        .is_some_and(|job| *job.state() == JobState::Proving)
                    {
                        self.store.report(id, &JobEvent::ProofPutOff, unix_now()).await?;
                    }
                }
                Work::Duty { duty, .. } => {
                    self.store.update_duty(duty, |record| record.proving = false).await?;
                }
            }
        }
        self.proofs.shutdown().await;
        Ok(())
    }
}
