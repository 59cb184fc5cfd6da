//! The relayer's main loop.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use assay_client::{
    ContractClient, PredictionEscrow, PredictionEscrowError, chain::BlockRef,
    escrow::prediction::OnChainState, proof_context,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::unix_now,
    config::RelayerConfig,
    error::RelayerError,
    follower::Follower,
    job::{JobEvent, JobState, PredictionJob, PredictionTerms, SkipReason},
    nonces::Nonces,
    proof_pool::{Finished, ProofPool},
    proving::{ProofRequest, ProveError, Prover},
    store::JobStore,
    submitter::Submitter,
    withdrawals::Withdrawals,
};

/// A relayer for one escrow and one recipient.
pub struct Relayer {
    config: RelayerConfig,
    escrow: PredictionEscrow,
    recipient: Address,
    store: JobStore,
    follower: Follower,
    submitter: Submitter,
    proofs: ProofPool,
    nonces: Nonces,
    withdrawals: Withdrawals,
    /// Jobs with less time than this before their deadline are not begun.
    deadline_margin: Duration,
}

const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
/// How long an input that was put in its place may wait to be noticed.
const LONGEST_INPUT_PAUSE: Duration = Duration::from_secs(30);

impl Relayer {
    /// Checks the escrow and opens the store.
    ///
    /// # Errors
    /// [`PredictionEscrowError::NotAnEscrow`], [`RelayerError::Config`], [`RelayerError::Store`], and
    /// [`assay_client::ChainError::NoSigner`] for a connection without a key.
    pub async fn new(
        escrow: PredictionEscrow,
        prover: Arc<dyn Prover>,
        config: RelayerConfig,
    ) -> Result<Self, RelayerError> {
        let account = escrow.chain().account()?;
        let recipient = config.recipient.unwrap_or(account);
        if recipient == Address::ZERO || recipient == escrow.address() {
            return Err(RelayerError::Config(format!(
                "{recipient} cannot be the recipient; name an account of yours"
            )));
        }
        if config.parallel_proofs == 0 || config.submit.confirmations == 0 {
            return Err(RelayerError::Config(
                "parallel_proofs and confirmations must be at least 1".into(),
            ));
        }
        let registry = escrow.registry().await?;
        let ours = proof_context(escrow.chain().chain_id(), escrow.address(), U256::ONE, recipient);
        let theirs = escrow.context(U256::ONE, recipient).await?;
        if ours != theirs {
            let reason = format!("it computes context {theirs} where this relayer computes {ours}");
            let address = escrow.address();
            return Err(PredictionEscrowError::NotAnEscrow { address, reason }.into());
        }
        let store = JobStore::open(&config.store, escrow.chain().chain_id(), escrow.address())?;
        let follower = Follower::new(
            escrow.clone(),
            registry,
            store.clone(),
            recipient,
            config.start_block,
            config.max_log_range,
        );
        let submitter = Submitter::new(escrow.clone(), store.clone(), recipient, config.submit);
        let nonces = Nonces::new(escrow.chain().clone(), store.clone(), config.submit);
        let withdraw = config.withdraw && recipient == account;
        let withdrawals = Withdrawals::new(escrow.clone(), store.clone(), config.submit, withdraw)?;
        let deadline_margin = config.margin(prover.expected_time());
        let proofs = ProofPool::new(prover, config.parallel_proofs);
        Ok(Self {
            config,
            escrow,
            recipient,
            store,
            follower,
            submitter,
            proofs,
            nonces,
            withdrawals,
            deadline_margin,
        })
    }

    /// The jobs and their states.
    pub fn store(&self) -> &JobStore {
        &self.store
    }

    /// Who is paid.
    pub fn recipient(&self) -> Address {
        self.recipient
    }

    /// Runs until told to stop. Troubles that may pass (a node out of reach) are logged and
    /// waited out.
    ///
    /// # Errors
    /// What a restart would not cure: a broken store, an escrow of another version.
    pub async fn run(&mut self, shutdown: CancellationToken) -> Result<(), RelayerError> {
        tracing::info!(
            escrow = %self.escrow.address(), chain = self.escrow.chain().chain_id(),
            node = self.escrow.chain().label(), recipient = %self.recipient,
            deadline_margin_s = self.deadline_margin.as_secs(), "relayer runs"
        );
        let result = self.turns(&shutdown, None, None).await;
        self.drain().await?;
        tracing::info!("relayer stopped");
        result.map(drop)
    }

    /// Runs until job `id` is settled and what it earned is withdrawn, and returns it.
    ///
    /// # Errors
    /// [`RelayerError::NotSettled`] after `timeout`, [`RelayerError::Stopped`], and as [`Self::run`].
    pub async fn run_until_settled(
        &mut self,
        id: U256,
        timeout: Duration,
        shutdown: CancellationToken,
    ) -> Result<PredictionJob, RelayerError> {
        let result = self.turns(&shutdown, Some(id), Some(timeout)).await;
        self.drain().await?;
        result?.ok_or(RelayerError::Stopped)
    }

    async fn turns(
        &mut self,
        shutdown: &CancellationToken,
        until: Option<U256>,
        timeout: Option<Duration>,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        let start = Instant::now();
        let mut failures = 0u32;
        while !shutdown.is_cancelled() {
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                turn = self.turn() => turn,
            };
            let trouble = match turn {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("the trouble is over");
                    }
                    failures = 0;
                    None
                }
                Err(error) if error.is_survivable() => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, failures, "trying again");
                    Some(error.to_string())
                }
                Err(error) => return Err(error),
            };
            if let Some(id) = until {
                let late = timeout.is_some_and(|limit| start.elapsed() >= limit);
                let job = self.store.job(id)?;
                match job {
                    Some(job)
                        if job.state().is_settled()
                            && (late || !self.withdrawals.on_their_way()?) =>
                    {
                        return Ok(Some(job));
                    }
                    job if late => {
                        let state =
                            job.as_ref().map_or("not seen", |job| job.state().name()).to_owned();
                        let last_error = trouble.or_else(|| job.and_then(|job| job.last_error));
                        return Err(RelayerError::NotSettled {
                            job: id,
                            waited: start.elapsed(),
                            state,
                            last_error,
                        });
                    }
                    _ => {}
                }
            }
            // Not to hammer a node in trouble.
            let pause = if failures == 0 {
                self.config.poll_interval
            } else {
                self.config.poll_interval.saturating_mul(1 << failures.min(8)).min(LONGEST_BACKOFF)
            };
            let pause = match timeout {
                Some(limit) => pause.min(limit.saturating_sub(start.elapsed())),
                None => pause,
            };
            tokio::select! {
                () = shutdown.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
                Some(finished) = self.proofs.next() => self.finish_proof(finished)?,
            }
        }
        Ok(None)
    }

    /// One look at the chain, and one step for every job that can go on.
    ///
    /// # Errors
    /// Those that concern all jobs; the turn can be repeated.
    pub async fn turn(&mut self) -> Result<(), RelayerError> {
        while let Some(finished) = self.proofs.try_next() {
            self.finish_proof(finished)?;
        }
        let head = self.follower.catch_up().await?;
        let jobs = self.store.jobs()?;
        // Those of jobs settled by others, or that are other jobs after a reorganization.
        self.proofs.stop_unless(|terms| {
            jobs.iter().any(|job| {
                job.terms == *terms && !job.state().is_settled() && job.paid_in.is_none()
            })
        });
        for id in jobs.into_iter().filter(|job| !job.state().is_settled()).map(|job| job.id()) {
            // Read again: an earlier job's step may have found a reorganization.
            let Some(job) = self.store.job(id)? else {
                continue;
            };
            if job.state().is_settled() || job.not_before > unix_now() {
                continue;
            }
            match self.advance(job, head).await {
                // One job's trouble must not hold up the others.
                Err(error) if error.concerns_one_job() => {
                    tracing::warn!(job = %id, %error, "the job waits");
                    let max_pause = self.config.submit.max_pause.as_secs();
                    self.store
                        .update(id, |job| job.postpone(error.to_string(), unix_now(), max_pause))?;
                }
                other => other?,
            }
        }
        self.nonces.free().await?;
        self.withdrawals.turn(head).await
    }

    async fn advance(&mut self, job: PredictionJob, head: BlockRef) -> Result<(), RelayerError> {
        let job = match job.state() {
            _ if job.paid_in.is_some() => self.submitter.reconcile(&job, head).await?,
            JobState::Seen => return self.begin_proof(job, head).await,
            JobState::Proving if self.proofs.is_running(job.id()) => return Ok(()),
            JobState::Proving => {
                let event = JobEvent::ProofInterrupted;
                let job = self.store.report_and(job.id(), &event, unix_now(), |job| {
                    job.last_error = Some("proving was interrupted".into());
                })?;
                return self.begin_proof(job, head).await;
            }
            JobState::Proven => self.submitter.submit(&job, head).await?,
            JobState::Submitting | JobState::Submitted => {
                self.submitter.reconcile(&job, head).await?
            }
            JobState::Confirmed { .. } | JobState::Skipped { .. } | JobState::Failed { .. } => {
                return Ok(());
            }
        };
        // On a development chain the claim is mined already; do not wait for the next turn.
        let job = if *job.state() == JobState::Submitted
            && job.paid_in.is_none()
            && !self.chain_is_idle(head).await?
        {
            let head = self.follower.catch_up().await?;
            match self.store.job(job.id())? {
                Some(job) if job.paid_in.is_some() => self.submitter.reconcile(&job, head).await?,
                _ => return Ok(()),
            }
        } else {
            job
        };
        if matches!(job.state(), JobState::Confirmed { .. }) {
            self.withdrawals.earn(job.terms.token);
        }
        Ok(())
    }

    /// Whether no block came since `head`.
    async fn chain_is_idle(&self, head: BlockRef) -> Result<bool, RelayerError> {
        Ok(self.escrow.chain().head().await?.hash == head.hash)
    }

    async fn begin_proof(
        &mut self,
        job: PredictionJob,
        head: BlockRef,
    ) -> Result<(), RelayerError> {
        let id = job.id();
        if let Some(reason) = self.objection(&job.terms, head) {
            tracing::info!(job = %id, %reason, "job skipped");
            self.store.report(id, &JobEvent::Declined { reason }, unix_now())?;
            return Ok(());
        }
        if job.failed_proofs >= self.config.max_prove_attempts {
            let reason = format!(
                "no proof after {} tries{}",
                job.failed_proofs,
                job.last_error.map(|e| format!(": {e}")).unwrap_or_default()
            );
            tracing::error!(job = %id, %reason, "job given up");
            self.store.report(id, &JobEvent::GivenUp { reason }, unix_now())?;
            return Ok(());
        }
        if !self.proofs.has_room() {
            return Ok(());
        }
        // Proving is dear: ask the state itself, not only the events.
        let current = self.escrow.job(id).await?;
        if current.as_ref().map(|job| job.state) != Some(OnChainState::Open) {
            return Ok(());
        }
        // A buyer may have moved the deadline nearer.
        if let Some(deadline) = current.map(|job| job.deadline).filter(|end| *end < head.timestamp)
        {
            let reason = SkipReason::Expired { deadline, now: head.timestamp };
            tracing::info!(job = %id, %reason, "job skipped");
            self.store.report(id, &JobEvent::Declined { reason }, unix_now())?;
            return Ok(());
        }
        let request = ProofRequest {
            job_id: id,
            context: proof_context(
                self.escrow.chain().chain_id(),
                self.escrow.address(),
                id,
                self.recipient,
            ),
            model: job.terms.model,
            input_commitment: job.terms.input_commitment,
            recipient: self.recipient,
            hint: job.terms.hint.clone(),
        };
        self.store.report(id, &JobEvent::ProofBegun, unix_now())?;
        tracing::info!(job = %id, "proving");
        self.proofs.start(job.terms, request);
        Ok(())
    }

    /// Why a job is not for us.
    fn objection(&self, terms: &PredictionTerms, head: BlockRef) -> Option<SkipReason> {
        if !self.proofs.prover().serves(&terms.model) {
            return Some(SkipReason::UnknownModel { model: terms.model });
        }
        if self.config.binding.is_some_and(|served| served != terms.binding_hash) {
            return Some(SkipReason::OtherBinding { binding: terms.binding_hash });
        }
        if let Some(reason) = self.config.objection(terms, self.deadline_margin) {
            return Some(reason);
        }
        let earliest = head.timestamp.saturating_add(self.deadline_margin.as_secs());
        (earliest > terms.deadline)
            .then_some(SkipReason::Expired { deadline: terms.deadline, now: head.timestamp })
    }

    fn finish_proof(&self, finished: Finished) -> Result<(), RelayerError> {
        match self.note_proof(finished) {
            // The store has logged it.
            Err(error) if error.concerns_one_job() => Ok(()),
            other => other,
        }
    }

    fn note_proof(&self, finished: Finished) -> Result<(), RelayerError> {
        let Finished { terms, took, result } = finished;
        let id = terms.job_id;
        // The job may have changed while the proof was made.
        let Some(job) = self.store.job(id)?.filter(|job| job.terms == terms) else {
            return Ok(());
        };
        let seconds = took.as_secs_f32();
        let max_pause = self.config.submit.max_pause;
        match result {
            Ok(proof) => {
                tracing::info!(job = %id, seconds, bytes = proof.proof.len(), outputs = ?proof.outputs, "proven");
                self.store.put_proof(id, &proof, unix_now())?;
            }
            Err(_) if *job.state() != JobState::Proving => {}
            Err(ProveError::UnknownModel(model)) => {
                let reason = SkipReason::UnknownModel { model };
                tracing::warn!(job = %id, %reason, "job skipped");
                self.store.report(id, &JobEvent::Declined { reason }, unix_now())?;
            }
            // Until the job's deadline: buyers hand their inputs over after they have opened it.
            Err(error @ (ProveError::InputUnavailable { .. } | ProveError::NotReady(_))) => {
                if job.attempts == 0 {
                    tracing::warn!(job = %id, %error, "the job waits");
                }
                let max_pause = match error {
                    ProveError::InputUnavailable { .. } => max_pause.min(LONGEST_INPUT_PAUSE),
                    _ => max_pause,
                };
                self.store.report_and(id, &JobEvent::ProofPutOff, unix_now(), |job| {
                    job.postpone(error.to_string(), unix_now(), max_pause.as_secs());
                })?;
            }
            Err(error @ ProveError::Interrupted(_)) => {
                tracing::warn!(job = %id, seconds, %error, "no proof; trying again later");
                self.store.report_and(id, &JobEvent::ProofInterrupted, unix_now(), |job| {
                    job.postpone(error.to_string(), unix_now(), max_pause.as_secs());
                })?;
            }
            Err(error) => {
                tracing::error!(job = %id, seconds, %error, "job given up");
                let reason = error.to_string();
                self.store.report(id, &JobEvent::GivenUp { reason }, unix_now())?;
            }
        }
        Ok(())
    }

    /// Waits for running proofs, so that their work is not lost, and stops the rest.
    async fn drain(&mut self) -> Result<(), RelayerError> {
        if self.proofs.len() > 0 {
            tracing::info!(running = self.proofs.len(), "waiting for running proofs");
        }
        let end = Instant::now() + self.config.shutdown_grace;
        while let Ok(Some(finished)) = tokio::time::timeout_at(end, self.proofs.next()).await {
            self.finish_proof(finished)?;
        }
        // A proof that is stopped on purpose does not count as a failed one.
        for id in self.proofs.jobs() {
            if self.store.job(id)?.is_some_and(|job| *job.state() == JobState::Proving) {
                self.store.report(id, &JobEvent::ProofPutOff, unix_now())?;
            }
        }
        self.proofs.shutdown().await;
        Ok(())
    }
}
