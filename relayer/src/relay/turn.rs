//! One turn of the loop.

use std::time::Duration;

use alloy::primitives::U256;
use assay_client::{ContractClient, chain::BlockRef};

use super::Relayer;
use crate::{
    clock::unix_now,
    error::RelayerError,
    heads::Heads,
    job::{JobEvent, JobState, PredictionJob},
};

/// Old jobs looked at in one turn, to be forgotten.
const PRUNED_AT_ONCE: usize = 64;

impl Relayer {
    /// One look at the chain, and one step for every job that can go on: the nearest deadline first.
    ///
    /// # Errors
    /// Those that concern all jobs; the turn can be repeated.
    pub async fn turn(&mut self) -> Result<(), RelayerError> {
        self.keep_unsaved()?;
        while let Some(finished) = self.proofs.try_next() {
            self.finish_proof(finished)?;
        }
        let heads = self.look().await?;
        let jobs = self.store.active()?;
        // Those of jobs settled by others, or that are other jobs after a reorganization.
        self.proofs.stop_unless(|terms| {
            jobs.iter()
                .any(|job| job.terms == *terms && job.paid_in.is_none() && job.ended_in.is_none())
        });
        for id in jobs.iter().map(PredictionJob::id) {
            // Read again: an earlier job's step may have found a reorganization.
            let Some(job) = self.store.job(id)? else {
                continue;
            };
            if job.state().is_settled() || !self.store.is_due(id) {
                continue;
            }
            let done = self.advance(job, heads).await;
            self.isolate(id, done).await?;
        }
        // Each has its own trouble, which is not that of the other.
        let freed = self.nonces.free().await;
        let withdrawn = self.withdrawals.turn(heads).await;
        let pruned = self.prune(heads);
        self.note_status(heads).await?;
        freed.and(withdrawn).and(pruned)
    }

    /// One job's trouble must not hold up the others: the job waits, with pauses that grow.
    async fn isolate(
        &mut self,
        id: U256,
        done: Result<(), RelayerError>,
    ) -> Result<(), RelayerError> {
        let error = match done {
            Err(error) if error.concerns_one_job() => error,
            other => return other,
        };
        if let RelayerError::EventMissing { from, .. } = error {
            self.follower.doubt(from);
        }
        tracing::warn!(job = %id, %error, code = error.code(), "the job waits");
        self.status.count(error.code());
        let unreachable = error.is_unreachable();
        let max_pause = self.config.submit.max_pause;
        match self.store.postpone(id, error.to_string(), unix_now(), max_pause) {
            Err(error) if error_of_job(&error) => {}
            other => drop(other?),
        }
        // A node that answers nothing is everybody's trouble, and each job would wait for it in turn.
        if unreachable {
            self.escrow.chain().head().await?;
        }
        Ok(())
    }

    /// Reads what is new, and finds the end of the chain.
    async fn look(&mut self) -> Result<Heads, RelayerError> {
        let mut newest = self.follower.catch_up().await?;
        if self.follower.take_rolled_back() {
            self.withdrawals.look_again();
            // It may be one of those that are gone.
            self.confirmed = None;
        }
        let chain = self.escrow.chain();
        // One node's head may be ahead of all others, or its clock.
        if chain.node_count() > 1
            && let Some(reached) = chain.reached_head().await?
        {
            newest.timestamp = newest.timestamp.min(reached.timestamp);
            newest.number = newest.number.min(reached.number);
        }
        let height = newest.number.saturating_sub(self.config.submit.confirmations - 1);
        let agreed = if height == newest.number && chain.node_count() == 1 {
            Some(newest)
        } else {
            chain.agreed_block(height).await?
        };
        match agreed {
            Some(block) => self.confirmed = Some(block),
            None => tracing::warn!(
                code = "no-quorum",
                height,
                quorum = chain.quorum(),
                nodes = chain.node_count(),
                "not enough nodes have the same block; nothing is taken for final until they have"
            ),
        }
        if self.config.profit.is_some() {
            match chain.gas_price().await {
                Ok(price) => self.costs.gas_price = Some(price),
                Err(error) => tracing::warn!(%error, "what gas costs is not known anew"),
            }
        }
        let nothing = BlockRef { number: 0, hash: Default::default(), timestamp: 0 };
        Ok(Heads { newest, confirmed: self.confirmed.unwrap_or(nothing) })
    }

    async fn advance(&mut self, job: PredictionJob, heads: Heads) -> Result<(), RelayerError> {
        let id = job.id();
        let job = match job.state() {
            _ if job.paid_in.is_some() || job.ended_in.is_some() => {
                self.submitter.reconcile(&job, heads).await?
            }
            JobState::Seen => return self.begin_proof(job, heads).await,
            JobState::Proving if self.is_in_hand(id) => return Ok(()),
            JobState::Proving => {
                let event = JobEvent::ProofInterrupted;
                let job = self.store.report_and(id, &event, unix_now(), |job| {
                    job.last_error = Some("proving was interrupted".into());
                })?;
                let pause = self.pause_after_interruption(&job, heads);
                if pause > Duration::ZERO {
                    tracing::warn!(
                        code = "proof-interrupted", job = %id, times = job.failed_proofs, pause_s = pause.as_secs(),
                        "proving came to no end, again; it is begun once more after a pause"
                    );
                    self.store.pause(id, pause);
                    return Ok(());
                }
                return self.begin_proof(job, heads).await;
            }
            JobState::Proven => self.submitter.submit(&job, heads).await?,
            JobState::Submitting | JobState::Submitted => {
                self.submitter.reconcile(&job, heads).await?
            }
            JobState::Confirmed { .. } | JobState::Skipped { .. } | JobState::Failed { .. } => {
                return Ok(());
            }
        };
        // On a development chain the claim is mined already; do not wait for the next turn.
        let job = if *job.state() == JobState::Submitted
            && job.paid_in.is_none()
            && !self.chain_is_idle(heads).await?
        {
            let heads = self.look().await?;
            match self.store.job(id)? {
                Some(job) if job.paid_in.is_some() => self.submitter.reconcile(&job, heads).await?,
                _ => return Ok(()),
            }
        } else {
            job
        };
        if let JobState::Confirmed { gas_used, .. } = job.state() {
            self.status.count("claims_confirmed");
            self.costs.claim_gas = *gas_used;
            self.withdrawals.earn(job.terms.token);
        }
        Ok(())
    }

    /// Whether a proof of the job is being made, or waits for room on the disk.
    pub(super) fn is_in_hand(&self, id: U256) -> bool {
        self.proofs.is_running(id) || self.unsaved.iter().any(|done| done.terms.job_id == id)
    }

    /// Not so long that the deadline passes over it.
    pub(super) fn pause_after_interruption(&self, job: &PredictionJob, heads: Heads) -> Duration {
        let left = job.terms.deadline.saturating_sub(heads.newest.timestamp);
        job.pause_after_interruption().min(Duration::from_secs(left / 4))
    }

    /// Whether no block came since the newest one known.
    async fn chain_is_idle(&self, heads: Heads) -> Result<bool, RelayerError> {
        Ok(self.escrow.chain().head().await?.hash == heads.newest.hash)
    }

    /// Forgets a few of the jobs that are long over.
    fn prune(&mut self, heads: Heads) -> Result<(), RelayerError> {
        let before = heads.confirmed.timestamp.saturating_sub(self.config.keep_settled.as_secs());
        let next = self.store.prune(self.prune_from, PRUNED_AT_ONCE, before)?;
        self.prune_from = next.unwrap_or_default();
        Ok(())
    }

    async fn note_status(&mut self, heads: Heads) -> Result<(), RelayerError> {
        let openings = self.openings.look(self.proofs.prover());
        let chain = self.escrow.chain();
        if self.status.wants_balance() {
            match chain.balance(chain.account()?).await {
                Ok(balance) => self.status.has_balance(balance),
                Err(error) => tracing::debug!(%error, "the balance is not known"),
            }
        }
        let jobs = self.store.active()?;
        let (missing, unsaved) = (self.follower.missing_jobs(), self.unsaved.len());
        self.status.update(heads, &jobs, |status| {
            status.nodes = chain.health();
            status.proofs_running = self.proofs.len();
            (status.openings, status.missing_jobs, status.unsaved_proofs) =
                (openings, missing, unsaved);
        });
        Ok(())
    }
}

fn error_of_job(error: &crate::StoreError) -> bool {
    matches!(error, crate::StoreError::NoSuchJob(_) | crate::StoreError::IllegalEvent { .. })
}
