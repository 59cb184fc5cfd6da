//! One turn of the loop.

use std::time::Duration;

use alloy::primitives::U256;
use assay_client::ContractClient;

use super::Relayer;
use crate::{
    clock::unix_now,
    duty::{Call, Due},
    error::RelayerError,
    heads::Heads,
    job::{JobEvent, JobState, PredictionJob},
    proof_pool::Work,
    queue::TaskName,
};

/// What a turn goes on with.
enum Task<'a> {
    Job(U256),
    Duty(&'a Due),
}

/// Old jobs looked at in one turn, to be forgotten.
const PRUNED_AT_ONCE: usize = 64;

impl Relayer {
    /// One look at the chain, and one step for every job that can go on: the nearest deadline first.
    ///
    /// # Errors
    /// Those that concern all jobs; the turn can be repeated.
    pub async fn turn(&mut self) -> Result<(), RelayerError> {
        self.keep_unsaved().await?;
        while let Some(finished) = self.proofs.try_next() {
            self.finish_proof(finished).await?;
        }
        self.look_at_tasks().await?;
        let heads = self.look().await?;
        self.take_up_policy(heads).await?;
        let looked = self.duties.look(heads).await;
        let jobs = self.store.active().await?;
        let dues = self.duties.dues().to_vec();
        let over = self.duties.over().await?;
        // Those of jobs settled by others, or that are other jobs after a reorganization.
        let needed = |work: &Work| match work {
            Work::Job(terms) => jobs
                .iter()
                .any(|job| job.terms == **terms && job.paid_in.is_none() && job.ended_in.is_none()),
            Work::Duty { duty, .. } => !over.contains(duty),
        };
        self.proofs.stop_unless(needed);
        self.drop_tasks_unless(needed).await?;
        let all_dues = (looked.is_ok() && self.duties.knows_all()).then_some(dues.as_slice());
        self.put_aside(&jobs, all_dues).await?;
        for task in self.in_order(&dues, &jobs) {
            let id = match task {
                Task::Duty(due) => {
                    self.do_duty(due, heads).await?;
                    continue;
                }
                Task::Job(id) => id,
            };
            // Read again: an earlier job's step may have found a reorganization.
            let Some(job) = self.store.job(id).await? else {
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
        let pruned = self.prune(heads).await;
        self.note_status(heads).await?;
        looked.and(freed).and(withdrawn).and(pruned)
    }

    /// Jobs and duties: the least slack first, and of two with the same a duty, behind which is a bond.
    fn in_order<'a>(&self, dues: &'a [Due], jobs: &[PredictionJob]) -> Vec<Task<'a>> {
        let (policy, margin) = (self.policy.read(), self.margin().as_secs());
        // So many proofs of one contest, or one collection, have to be made before its deadline.
        let together = |deadline| {
            let same = dues.iter().filter(|due| due.deadline == deadline);
            same.filter(|due| matches!(due.call, Call::WithProof { .. })).count() as u64
        };
        let duties = dues.iter().map(|due| {
            let time = match &due.call {
                Call::WithProof { prover, .. } => {
                    let each = policy.margin(prover.expected_time()).as_secs();
                    each.saturating_mul(together(due.deadline).max(due.proofs))
                }
                _ => 0,
            };
            (due.deadline.unwrap_or(u64::MAX).saturating_sub(time), Task::Duty(due))
        });
        let jobs =
            jobs.iter().map(|job| (job.terms.deadline.saturating_sub(margin), Task::Job(job.id())));
        let mut tasks: Vec<_> = duties.chain(jobs).collect();
        tasks.sort_by_key(|(latest_begin, _)| *latest_begin);
        tasks.into_iter().map(|(_, task)| task).collect()
    }

    /// One step of a duty, whose trouble must not hold up anything else.
    async fn do_duty(&mut self, due: &Due, heads: Heads) -> Result<(), RelayerError> {
        if let Some(obstacle) = self.not_worth(due).await? {
            return self.duties.wait(due.duty, &obstacle).await;
        }
        match self.duties.perform(due, heads).await {
            Ok(None) => Ok(()),
            Ok(Some(wanted)) => self.begin_duty_proof(wanted, heads).await,
            Err(error) if error.is_unreachable() => {
                tracing::warn!(duty = %due.duty, %error, code = error.code(), "it waits");
                self.escrow.chain().head().await?;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Why a call that needs no proof, and has to pay for what follows, is not made now. With a proof that is looked at
    /// before the proof.
    async fn not_worth(&self, due: &Due) -> Result<Option<String>, RelayerError> {
        let (Some(pays), Call::Ready(_)) = (due.pays, &due.call) else {
            return Ok(None);
        };
        let sent = self.store.duty(&due.duty).await?;
        if sent.is_some_and(|record| !record.transactions.is_empty()) {
            return Ok(None);
        }
        let gas = self.duties.proof_gas(due.duty.contract());
        Ok(self.costs.objection(self.policy.read().profit, pays, gas))
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
        match self.store.postpone(id, error.to_string(), unix_now(), max_pause).await {
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
        let newest = self.follower.catch_up().await?;
        if self.follower.take_rolled_back() {
            self.withdrawals.look_again();
            self.heads.forget();
        }
        let chain = self.escrow.chain();
        let heads = self.heads.look(chain, newest, self.config.submit.confirmations).await?;
        if self.policy.read().profit.is_some() {
            match chain.gas_price().await {
                Ok(price) => self.costs.gas_price = Some(price),
                Err(error) => tracing::warn!(%error, "what gas costs is not known anew"),
            }
        }
        Ok(heads)
    }

    async fn advance(&mut self, job: PredictionJob, heads: Heads) -> Result<(), RelayerError> {
        let id = job.id();
        let job = match job.state() {
            _ if job.paid_in.is_some() || job.ended_in.is_some() => {
                self.submitter.reconcile(&job, heads).await?
            }
            JobState::Seen => return self.begin_proof(job, heads).await,
            JobState::Proving if self.is_in_hand(&job)? => return Ok(()),
            JobState::Proving => {
                let event = JobEvent::ProofInterrupted;
                let job = self
                    .store
                    .report_and(id, &event, unix_now(), |job| {
                        job.last_error = Some("proving was interrupted".into());
                    })
                    .await?;
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
            match self.store.job(id).await? {
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
    pub(super) fn is_in_hand(&mut self, job: &PredictionJob) -> Result<bool, RelayerError> {
        let id = job.id();
        let here = self.proofs.works().any(|work| work.is_job(id))
            || self.unsaved.iter().any(|done| done.work.is_job(id));
        if here {
            return Ok(true);
        }
        let name = TaskName::of_job(id, &self.request_of(&job.terms))?;
        Ok(self.remote.has(&name, || Work::Job(Box::new(job.terms.clone()))))
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

    /// Forgets a few of the jobs, and of the tasks put aside, that are long over.
    async fn prune(&mut self, heads: Heads) -> Result<(), RelayerError> {
        let before = heads.confirmed.timestamp.saturating_sub(self.config.keep_settled.as_secs());
        let next = self.store.prune(self.prune_from, PRUNED_AT_ONCE, before).await?;
        self.prune_from = next.unwrap_or_default();
        let forgotten = self.store.forget_aside(self.config.keep_settled, PRUNED_AT_ONCE).await?;
        if forgotten > 0 {
            tracing::info!(tasks = forgotten, "forgot tasks whose jobs ended long ago");
        }
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
        let jobs = self.store.active().await?;
        let unproven =
            |job: &&PredictionJob| matches!(job.state(), JobState::Seen | JobState::Proving);
        let waiting = jobs.iter().filter(unproven).count();
        let proof_time = self.proofs.prover().expected_time();
        let quote = self.costs.quote(
            &self.policy.read(),
            proof_time,
            (waiting, self.config.parallel_proofs),
        );
        let (missing, unsaved) = (self.follower.missing_jobs(), self.unsaved.len());
        let (due, blocked) = (self.duties.dues().len(), self.duties.blocked());
        let left_alone = self.duties.left_alone().to_vec();
        self.status.update(heads, &jobs, |status| {
            status.duties_due = due;
            status.blocked_duties =
                blocked.iter().map(|(duty, why)| format!("{duty}: {why}")).collect();
            status.left_alone = left_alone;
            status.nodes = chain.health();
            status.proofs_running = self.proofs.len();
            status.quote = quote;
            (status.openings, status.missing_jobs, status.unsaved_proofs) =
                (openings, missing, unsaved);
        });
        Ok(())
    }
}

fn error_of_job(error: &crate::StoreError) -> bool {
    matches!(error, crate::StoreError::NoSuchJob(_) | crate::StoreError::IllegalEvent { .. })
}
