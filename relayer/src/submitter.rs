//! From a proof to a payment: dry run, claim, confirmation.
//!
//! The order of things keeps a crash from paying twice for gas: a claim is
//! on disk before the node sees it; after a restart the chain is asked what became of it, and the
//! same bytes are sent again if nobody knows them.

use std::time::Duration;

use alloy::{network::TransactionBuilder, primitives::Address, rpc::types::TransactionRequest};
use assay_client::{
    ChainError, ContractClient, PredictionEscrow, ProofArtifact,
    bindings::ContractErrors,
    chain::{BlockRef, Revert, SignedTransaction, transaction::Broadcast},
    escrow::prediction::OnChainState,
};

use crate::{
    clock::unix_now,
    error::RelayerError,
    job::{JobEvent, JobState, Payment, PredictionJob, SkipReason},
    resend::{Waiting, is_displaced, resend},
    store::JobStore,
};

/// Limits of the submitter.
#[derive(Clone, Copy, Debug)]
pub struct SubmitPolicy {
    /// Blocks that must hold the claim, its own included.
    pub confirmations: u64,
    /// After this long in the pool a transaction is sent again with higher fees.
    pub resend_after: Duration,
    /// Claims signed for one job before it is given up; the same number for other transactions.
    pub max_claims: usize,
    /// The longest pause between tries.
    pub max_pause: Duration,
}

impl Default for SubmitPolicy {
    fn default() -> Self {
        Self {
            confirmations: 1,
            resend_after: Duration::from_secs(90),
            max_claims: 12,
            max_pause: Duration::from_secs(300),
        }
    }
}

/// Submits the claims of one relayer.
pub struct Submitter {
    escrow: PredictionEscrow,
    store: JobStore,
    recipient: Address,
    policy: SubmitPolicy,
}

impl Submitter {
    /// A submitter of the claims that pay `recipient`.
    pub fn new(
        escrow: PredictionEscrow,
        store: JobStore,
        recipient: Address,
        policy: SubmitPolicy,
    ) -> Self {
        Self { escrow, store, recipient, policy }
    }

    /// Sends the claim of a proven job, if the chain would accept it now.
    ///
    /// # Errors
    /// Only what concerns all jobs: an unreachable node, a broken store. A job's own trouble ends
    /// up in its state or its `last_error`.
    pub async fn submit(
        &self,
        job: &PredictionJob,
        head: BlockRef,
    ) -> Result<PredictionJob, RelayerError> {
        let id = job.id();
        if let Some(unchanged) = self.unless_open(job, head).await? {
            return Ok(unchanged);
        }
        let Some(artifact) = self.store.proof(id)? else {
            tracing::warn!(job = %id, "the proof is missing from the store; proving again");
            return Ok(self.report(job, &JobEvent::ProofMissing)?);
        };
        if job.claims.len() >= self.policy.max_claims {
            let reason = format!("{} claims were sent and none paid", job.claims.len());
            return Ok(self.report(job, &JobEvent::GivenUp { reason })?);
        }
        if let Err(error) = self.dry_run(job, &artifact).await {
            return self.refused(job, error, "the dry run");
        }
        let request = self.escrow.claim_request(id, self.recipient, &artifact);
        let sent = self
            .escrow
            .chain()
            .send_with(request, |signed: &SignedTransaction| -> Result<(), RelayerError> {
                self.store.report_and(id, &JobEvent::ClaimSigned, unix_now(), |job| {
                    job.claims.push(signed.clone());
                })?;
                tracing::info!(job = %id, transaction = %signed.hash, nonce = signed.nonce, "claim signed and stored");
                Ok(())
            })
            .await;
        match sent {
            Ok((signed, Broadcast::Accepted)) => {
                tracing::info!(job = %id, transaction = %signed.hash, "claim sent");
                Ok(self.report(job, &JobEvent::ClaimAccepted)?)
            }
            // Reconciling finds out what took the nonce.
            Ok((_, Broadcast::NonceUsed { message } | Broadcast::Underpriced { message })) => {
                Ok(self.postpone(job, message)?)
            }
            Err(RelayerError::Chain(error)) => {
                let stored = self.store.update(id, |_| {})?;
                let after_persist = *stored.state() == JobState::Submitting;
                match error {
                    error @ ChainError::Refused { .. } if after_persist => {
                        self.report(&stored, &JobEvent::ClaimVoid)?;
                        Ok(self.postpone(&stored, error.to_string())?)
                    }
                    error @ ChainError::Unreachable { .. } => {
                        self.postpone(&stored, error.to_string())?;
                        Err(error.into())
                    }
                    error => self.refused(&stored, error, "the gas estimate"),
                }
            }
            Err(other) => Err(other),
        }
    }

    /// `eth_call` of the claim: what would happen if it were mined now.
    ///
    /// # Errors
    /// [`ChainError::Reverted`] if it would revert, [`ChainError::NoSigner`], and those of the
    /// node.
    pub async fn dry_run(
        &self,
        job: &PredictionJob,
        artifact: &ProofArtifact,
    ) -> Result<(), ChainError> {
        let chain = self.escrow.chain();
        let request = self
            .escrow
            .claim_request(job.id(), self.recipient, artifact)
            .with_from(chain.account()?);
        chain.call(request).await.map(drop)
    }

    /// Finds out what became of the claims of a job, and does what is missing.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn reconcile(
        &self,
        job: &PredictionJob,
        head: BlockRef,
    ) -> Result<PredictionJob, RelayerError> {
        if let Some(payment) = job.paid_in {
            return self.confirm(job, payment, head).await;
        }
        let Some(last) = job.claims.last() else {
            return Ok(self.report(job, &JobEvent::ClaimVoid)?);
        };
        let mut last_reverted = false;
        if let Some(done) = self.look_up(job, &mut last_reverted).await? {
            return Ok(done);
        }
        if let Some(unchanged) = self.unless_open(job, head).await? {
            return Ok(unchanged);
        }
        if last_reverted {
            tracing::warn!(job = %job.id(), transaction = %last.hash, "the claim was mined but reverted; trying again");
            self.report(job, &JobEvent::ClaimVoid)?;
            return Ok(self.postpone(job, format!("claim {} was mined but reverted", last.hash))?);
        }

        let chain = self.escrow.chain();
        let waiting = unix_now().saturating_sub(job.updated_at);
        let stuck =
            *job.state() == JobState::Submitted && waiting >= self.policy.resend_after.as_secs();
        let known =
            *job.state() == JobState::Submitted && chain.knows_transaction(last.hash).await?;
        if known && !stuck {
            return Ok(job.clone());
        }
        if !known && is_displaced(chain, &self.store, last).await? {
            tracing::warn!(job = %job.id(), nonce = last.nonce, "the node lost the claim and gave its nonce out again; signing again");
            return Ok(self.report(job, &JobEvent::ClaimVoid)?);
        }
        let waiting = Waiting {
            newest: last,
            dearest: job.dearest(last.nonce).unwrap_or(last),
            request: self.further_claim(job, last)?,
        };
        let keep = |signed: &SignedTransaction| {
            self.store.update(job.id(), |job| job.claims.push(signed.clone())).map(drop)
        };
        match resend(chain, waiting, stuck, keep).await {
            Ok(Broadcast::Accepted) => {
                tracing::info!(job = %job.id(), nonce = last.nonce, "claim sent again");
                Ok(self.report(job, &JobEvent::ClaimAccepted)?)
            }
            Ok(Broadcast::Underpriced { message }) => Ok(self.postpone(job, message)?),
            Ok(Broadcast::NonceUsed { .. }) => {
                // It may have been mined between the look and the sending.
                if let Some(done) = self.look_up(job, &mut last_reverted).await? {
                    return Ok(done);
                }
                tracing::warn!(job = %job.id(), nonce = last.nonce, "another transaction took the nonce; signing again");
                Ok(self.report(job, &JobEvent::ClaimVoid)?)
            }
            Err(RelayerError::Chain(error)) if !matches!(error, ChainError::Unreachable { .. }) => {
                Ok(self.postpone(job, error.to_string())?)
            }
            Err(error) => Err(error),
        }
    }

    /// The job if one of its claims was mined and paid; `last_reverted` tells whether the newest
    /// one was mined in vain.
    ///
    /// A receipt alone confirms nothing: the follower has to read the event, because only what
    /// lies below its cursor is taken back when the chain reorganizes.
    async fn look_up(
        &self,
        job: &PredictionJob,
        last_reverted: &mut bool,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        for (age, claim) in job.claims.iter().rev().enumerate() {
            let Some(outcome) = self.escrow.chain().outcome(claim.hash).await? else {
                continue;
            };
            if outcome.success {
                let waiting = *job.state() == JobState::Submitted;
                return Ok(Some(if waiting {
                    job.clone()
                } else {
                    self.report(job, &JobEvent::ClaimAccepted)?
                }));
            }
            *last_reverted |= age == 0;
        }
        Ok(None)
    }

    async fn confirm(
        &self,
        job: &PredictionJob,
        payment: Payment,
        head: BlockRef,
    ) -> Result<PredictionJob, RelayerError> {
        let depth = head.number.saturating_sub(payment.block.number).saturating_add(1);
        if depth < self.policy.confirmations {
            return Ok(job.clone());
        }
        // Another block than the event's means that the chain has just moved: the follower is
        // about to notice.
        let outcome = self.escrow.chain().outcome(payment.transaction).await?;
        let Some(outcome) = outcome.filter(|o| o.success && o.block_hash == payment.block.hash)
        else {
            return Ok(job.clone());
        };
        let event = JobEvent::PaymentConfirmed {
            transaction: outcome.hash,
            block: outcome.block_number,
            block_hash: outcome.block_hash,
            gas_used: outcome.gas_used,
        };
        tracing::info!(job = %job.id(), transaction = %outcome.hash, gas = outcome.gas_used, "claim confirmed");
        Ok(self.store.report_and(job.id(), &event, unix_now(), |job| job.last_error = None)?)
    }

    /// `None` if the job can still be claimed; else the job as it is now.
    async fn unless_open(
        &self,
        job: &PredictionJob,
        head: BlockRef,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        // The deadline as it stands now: a buyer may have moved it nearer.
        let on_chain = self.escrow.job(job.id()).await?.map(|job| (job.state, job.deadline));
        let reason = match on_chain {
            Some((OnChainState::Open, deadline)) if head.timestamp <= deadline => return Ok(None),
            Some((OnChainState::Open, deadline)) => {
                SkipReason::Expired { deadline, now: head.timestamp }
            }
            Some((OnChainState::Refunded, _)) => SkipReason::Refunded,
            // Whom it paid stands in the event, which the follower is about to read.
            Some((OnChainState::Claimed { .. }, _)) | None => return Ok(Some(job.clone())),
        };
        tracing::info!(job = %job.id(), %reason, "job skipped");
        Ok(Some(self.report(job, &JobEvent::Closed { reason })?))
    }

    /// The claim to sign again with higher fees; `None` if there must be no further one.
    fn further_claim(
        &self,
        job: &PredictionJob,
        last: &SignedTransaction,
    ) -> Result<Option<TransactionRequest>, RelayerError> {
        // The nonce is that of the account which signed, and another key may be in use now.
        let ours = last.from == self.escrow.chain().account()?;
        if !ours || job.claims.len() >= self.policy.max_claims {
            return Ok(None);
        }
        let proof = self.store.proof(job.id())?;
        Ok(proof.map(|proof| self.escrow.claim_request(job.id(), self.recipient, &proof)))
    }

    /// Sorts an error that came before anything was sent.
    fn refused(
        &self,
        job: &PredictionJob,
        error: ChainError,
        step: &str,
    ) -> Result<PredictionJob, RelayerError> {
        match error {
            ChainError::Reverted(revert) => match ending(&revert, job, step) {
                Some(event) => {
                    tracing::error!(job = %job.id(), %revert, "{step} refused the claim; nothing was sent");
                    Ok(self.report(job, &event)?)
                }
                None => Ok(self.postpone(job, revert.to_string())?),
            },
            error @ ChainError::GasOverLimit { .. } => {
                tracing::error!(job = %job.id(), %error, "nothing was sent");
                Ok(self.report(job, &JobEvent::GivenUp { reason: error.to_string() })?)
            }
            error @ ChainError::Unreachable { .. } => Err(error.into()),
            error => {
                tracing::warn!(job = %job.id(), %error, "the claim waits");
                Ok(self.postpone(job, error.to_string())?)
            }
        }
    }

    fn report(
        &self,
        job: &PredictionJob,
        event: &JobEvent,
    ) -> Result<PredictionJob, crate::StoreError> {
        self.store.report(job.id(), event, unix_now())
    }

    fn postpone(
        &self,
        job: &PredictionJob,
        error: String,
    ) -> Result<PredictionJob, crate::StoreError> {
        self.store.update(job.id(), |job| {
            job.postpone(error, unix_now(), self.policy.max_pause.as_secs())
        })
    }
}

/// How a claim that reverts in `step` ends its job; `None` if the revert may pass, because the state
/// is about to be read again.
fn ending(revert: &Revert, job: &PredictionJob, step: &str) -> Option<JobEvent> {
    if revert.is::<ContractErrors::JobNotOpen>() || revert.is::<ContractErrors::JobNotFound>() {
        return None;
    }
    if revert.is::<ContractErrors::DeadlinePassed>() {
        let reason = SkipReason::Expired { deadline: job.terms.deadline, now: unix_now() };
        return Some(JobEvent::Closed { reason });
    }
    Some(JobEvent::GivenUp { reason: format!("{step} refused the claim: {revert}") })
}
