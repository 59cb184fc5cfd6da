//! From a proof to a payment: dry run, claim, confirmation.
//!
//! The order of things keeps a crash from paying twice for gas: a claim is
//! on disk before the node sees it; after a restart the chain is asked what became of it, and the
//! same bytes are sent again if nobody knows them.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    rpc::types::TransactionRequest,
};
use assay_client::{
    Chain, ChainError, ContractClient, PredictionEscrow, ProofArtifact,
    chain::{BlockRef, SignedTransaction, transaction::Broadcast},
    escrow::prediction::OnChainState,
};

use crate::{
    clock::unix_now,
    error::{RelayerError, chain_code},
    heads::Heads,
    job::{Ending, JobEvent, JobState, Payment, PredictionJob, SkipReason},
    resend::{Sendings, Waiting, is_displaced, resend},
    store::JobStore,
};

/// Said of a job that somebody is about to end.
pub(crate) const POOL_HAS_A_CLAIM: &str =
    "the node's pool has a transaction that ends the job; waiting for what becomes of it";
/// An event that is missing for so many blocks, or so many turns, is looked for again.
const UNREAD_BLOCKS: u64 = 2;
const UNREAD_LOOKS: u32 = 20;

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
    sendings: Sendings,
    /// Jobs of which the chain shows more than was read: since which block, and for how many looks.
    unread: Mutex<HashMap<U256, (u64, u32)>>,
}

impl Submitter {
    /// A submitter of the claims that pay `recipient`.
    pub fn new(
        escrow: PredictionEscrow,
        store: JobStore,
        recipient: Address,
        policy: SubmitPolicy,
    ) -> Self {
        let (sendings, unread) = (Sendings::default(), Mutex::default());
        Self { escrow, store, recipient, policy, sendings, unread }
    }

    /// Sends the claim of a proven job, if the chain would accept it now. Where a node says that it would not,
    /// the others are asked, and where none would accept it, the job waits: nothing but the chain's own blocks ends
    /// it.
    ///
    /// # Errors
    /// An unreachable node, a broken store. A job's own trouble ends up in its state or its `last_error`.
    pub async fn submit(
        &self,
        job: &PredictionJob,
        heads: Heads,
    ) -> Result<PredictionJob, RelayerError> {
        let id = job.id();
        if let Some(unchanged) = self.unless_open(job, heads).await? {
            return Ok(unchanged);
        }
        let Some(artifact) = self.store.proof(id).await? else {
            tracing::warn!(job = %id, "the proof is missing from the store; proving again");
            return Ok(self.report(job, &JobEvent::ProofMissing).await?);
        };
        if job.recent_claims() >= self.policy.max_claims {
            let reason = format!("{} claims were sent and none paid", job.recent_claims());
            return Ok(self.report(job, &JobEvent::GivenUp { reason }).await?);
        }
        if job.claims.is_empty() && self.escrow.is_ending(id).await? {
            return Ok(self.postpone(job, POOL_HAS_A_CLAIM.into()).await?);
        }
        let mut refusal = None;
        for chain in self.nodes() {
            let escrow = PredictionEscrow::at(chain, self.escrow.address());
            match self.submit_through(&escrow, job, &artifact).await {
                Ok(sent) => return Ok(sent),
                Err(Unsent::Refused(error)) => {
                    tracing::warn!(
                        job = %id, %error, code = chain_code(&error),
                        node = escrow.chain().label(), "the claim was not sent"
                    );
                    // That of a contract says more than that of a node.
                    if refusal.is_none() || matches!(error, ChainError::Reverted(_)) {
                        refusal = Some(error);
                    }
                }
                Err(Unsent::Fatal(error)) => return Err(error),
            }
        }
        match refusal {
            Some(error @ ChainError::Unreachable { .. }) => Err(error.into()),
            Some(error) => Ok(self.postpone(job, format!("the claim would fail: {error}")).await?),
            None => Ok(job.clone()),
        }
    }

    /// The nodes to ask, one after the other.
    fn nodes(&self) -> Vec<Chain> {
        let chain = self.escrow.chain();
        match chain.node_count() {
            0 | 1 => vec![chain.clone()],
            _ => chain.each_node(),
        }
    }

    /// Tries the claim at one node, and sends it there.
    async fn submit_through(
        &self,
        escrow: &PredictionEscrow,
        job: &PredictionJob,
        artifact: &ProofArtifact,
    ) -> Result<PredictionJob, Unsent> {
        let id = job.id();
        self.dry_run_at(escrow, job, artifact).await.map_err(Unsent::Refused)?;
        let request = escrow.claim_request(id, self.recipient, artifact);
        let signed_claim = AtomicBool::new(false);
        let keep = async |signed: SignedTransaction| -> Result<(), RelayerError> {
            let (transaction, nonce) = (signed.hash, signed.nonce);
            let keep = |job: &mut PredictionJob| job.claims.push(signed);
            self.store.report_and(id, &JobEvent::ClaimSigned, unix_now(), keep).await?;
            signed_claim.store(true, Ordering::Relaxed);
            tracing::info!(job = %id, %transaction, nonce, "claim signed and stored");
            Ok(())
        };
        let sent = escrow.chain().send_with(request, keep).await;
        let signed_claim = signed_claim.into_inner();
        let fatal = Unsent::Fatal;
        match sent {
            Ok((signed, Broadcast::Accepted)) => {
                tracing::info!(job = %id, transaction = %signed.hash, "claim sent");
                self.report(job, &JobEvent::ClaimAccepted).await.map_err(|e| fatal(e.into()))
            }
            // Reconciling finds out what took the nonce.
            Ok((_, Broadcast::NonceUsed { message } | Broadcast::Underpriced { message })) => {
                self.postpone(job, message).await.map_err(|e| fatal(e.into()))
            }
            Err(RelayerError::Chain(error)) if !signed_claim => Err(Unsent::Refused(error)),
            Err(RelayerError::Chain(error @ ChainError::Refused { .. })) => {
                let void = self.report(job, &JobEvent::ClaimVoid).await;
                let job = void.map_err(|e| fatal(e.into()))?;
                self.postpone(&job, error.to_string()).await.map_err(|e| fatal(e.into()))
            }
            Err(other) => Err(Unsent::Fatal(other)),
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
        self.dry_run_at(&self.escrow, job, artifact).await
    }

    async fn dry_run_at(
        &self,
        escrow: &PredictionEscrow,
        job: &PredictionJob,
        artifact: &ProofArtifact,
    ) -> Result<(), ChainError> {
        let request = escrow
            .claim_request(job.id(), self.recipient, artifact)
            .with_from(escrow.chain().account()?);
        escrow.chain().call(request).await.map(drop)
    }

    /// Finds out what became of the claims of a job, and does what is missing.
    ///
    /// # Errors
    /// As [`Self::submit`].
    pub async fn reconcile(
        &self,
        job: &PredictionJob,
        heads: Heads,
    ) -> Result<PredictionJob, RelayerError> {
        if let Some(payment) = job.paid_in {
            return self.confirm(job, payment, heads).await;
        }
        if let Some(ending) = &job.ended_in {
            return self.confirm_end(job, ending, heads).await;
        }
        let Some(last) = job.claims.last() else {
            return Ok(self.report(job, &JobEvent::ClaimVoid).await?);
        };
        let mut last_reverted = false;
        if let Some(done) = self.look_up(job, heads, &mut last_reverted).await? {
            return Ok(done);
        }
        if let Some(unchanged) = self.unless_open(job, heads).await? {
            return Ok(unchanged);
        }
        if last_reverted {
            tracing::warn!(job = %job.id(), transaction = %last.hash, "the claim was mined but reverted; trying again");
            self.report(job, &JobEvent::ClaimVoid).await?;
            return Ok(self
                .postpone(job, format!("claim {} was mined but reverted", last.hash))
                .await?);
        }

        let chain = self.escrow.chain();
        let stuck = *job.state() == JobState::Submitted
            && self.sendings.waited(last.hash) >= self.policy.resend_after;
        let known =
            *job.state() == JobState::Submitted && chain.knows_transaction(last.hash).await?;
        if known && !stuck {
            return Ok(job.clone());
        }
        if !known && is_displaced(chain, &self.store, last).await? {
            tracing::warn!(job = %job.id(), nonce = last.nonce, "the node lost the claim and gave its nonce out again; signing again");
            return Ok(self.report(job, &JobEvent::ClaimVoid).await?);
        }
        let waiting = Waiting {
            newest: last,
            dearest: job.dearest(last.nonce).unwrap_or(last),
            request: self.further_claim(job, last).await?,
        };
        let keep = async |signed: SignedTransaction| {
            self.store.update(job.id(), |job| job.claims.push(signed)).await.map(drop)
        };
        match resend(chain, waiting, stuck, keep).await {
            Ok(Broadcast::Accepted) => {
                tracing::info!(job = %job.id(), nonce = last.nonce, "claim sent again");
                self.sendings.sent_again(chain, last.hash);
                Ok(self.report(job, &JobEvent::ClaimAccepted).await?)
            }
            Ok(Broadcast::Underpriced { message }) => Ok(self.postpone(job, message).await?),
            Ok(Broadcast::NonceUsed { .. }) => {
                // It may have been mined between the look and the sending.
                if let Some(done) = self.look_up(job, heads, &mut last_reverted).await? {
                    return Ok(done);
                }
                tracing::warn!(job = %job.id(), nonce = last.nonce, "another transaction took the nonce; signing again");
                Ok(self.report(job, &JobEvent::ClaimVoid).await?)
            }
            Err(RelayerError::Chain(error)) if !matches!(error, ChainError::Unreachable { .. }) => {
                Ok(self.postpone(job, error.to_string()).await?)
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
        heads: Heads,
        last_reverted: &mut bool,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        for (age, claim) in job.claims.iter().rev().enumerate() {
            let Some(outcome) = self.escrow.chain().outcome(claim.hash).await? else {
                continue;
            };
            if outcome.success {
                self.unread(job.id(), outcome.block_number, heads)?;
                let waiting = *job.state() == JobState::Submitted;
                return Ok(Some(if waiting {
                    job.clone()
                } else {
                    self.report(job, &JobEvent::ClaimAccepted).await?
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
        heads: Heads,
    ) -> Result<PredictionJob, RelayerError> {
        if !heads.confirm(payment.block) {
            return Ok(job.clone());
        }
        // Another block than the event's means that the chain has just moved: the follower is
        // about to notice.
        let outcome = self.escrow.chain().outcome(payment.transaction).await?;
        let Some(outcome) = outcome.filter(|o| o.success && o.block_hash == payment.block.hash)
        else {
            return Ok(job.clone());
        };
        // The receipt may be of a block that is gone by now: after it, what the chain has there, and what it says.
        if !self.is_agreed(payment.block).await? {
            return Ok(job.clone());
        }
        match self.state_in(job.id(), heads.confirmed).await? {
            Some(OnChainState::Claimed { .. }) => {}
            None => return Ok(job.clone()),
            Some(_) => {
                let text = "an event and a receipt say that the job was paid, the escrow says that it was not";
                tracing::warn!(job = %job.id(), code = "state-contradicts", block = payment.block.number, text);
                return Ok(self.postpone(job, text.into()).await?);
            }
        }
        let event = JobEvent::PaymentConfirmed {
            transaction: outcome.hash,
            block: outcome.block_number,
            block_hash: outcome.block_hash,
            gas_used: outcome.gas_used,
        };
        self.unread_jobs().remove(&job.id());
        tracing::info!(job = %job.id(), transaction = %outcome.hash, gas = outcome.gas_used, "claim confirmed");
        Ok(self.store.report_and(job.id(), &event, unix_now(), |job| job.last_error = None).await?)
    }

    /// Ends a job that has ended on chain without paying us, when the block is confirmed and the chain itself,
    /// not only an event, says so.
    ///
    /// # Errors
    /// As of [`Self::submit`].
    pub async fn confirm_end(
        &self,
        job: &PredictionJob,
        ending: &Ending,
        heads: Heads,
    ) -> Result<PredictionJob, RelayerError> {
        if !heads.confirm(ending.block) || !self.is_agreed(ending.block).await? {
            return Ok(job.clone());
        }
        let Some(found) = self.state_in(job.id(), heads.confirmed).await? else {
            return Ok(job.clone());
        };
        if found == OnChainState::Open {
            let text = "an event says that the job has ended, the chain says that it is open";
            self.store.update(job.id(), |job| job.ended_in = None).await?;
            return Ok(self.postpone(job, text.into()).await?);
        }
        let reason = ending.reason.clone();
        tracing::info!(job = %job.id(), %reason, "job skipped");
        self.unread_jobs().remove(&job.id());
        let closed = JobEvent::Closed { reason };
        Ok(self.store.report_and(job.id(), &closed, unix_now(), |job| job.ended_in = None).await?)
    }

    /// Whether enough nodes have a block at its height: that block, not only one with its number.
    async fn is_agreed(&self, block: BlockRef) -> Result<bool, RelayerError> {
        let agreed = self.escrow.chain().agreed_block(block.number).await?;
        Ok(agreed.is_some_and(|found| found.hash == block.hash))
    }

    /// What the escrow says of a job at the end of just this block; `None` where the chain has moved.
    async fn state_in(
        &self,
        id: U256,
        block: BlockRef,
    ) -> Result<Option<OnChainState>, RelayerError> {
        match self.escrow.in_block(block).job(id).await {
            Ok(job) => Ok(job.map(|job| job.state)),
            Err(ChainError::Incomplete { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// `None` if the job can still be claimed; else the job as it is now.
    ///
    /// # Errors
    /// As of [`Self::submit`].
    pub(crate) async fn unless_open(
        &self,
        job: &PredictionJob,
        heads: Heads,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        // The deadline as it stands now: a buyer may have moved it nearer.
        let on_chain = self.escrow.job(job.id()).await?.map(|job| (job.state, job.deadline));
        let deadline = match on_chain {
            Some((OnChainState::Open, deadline)) => deadline,
            // Whom it paid stands in the event, which the follower is about to read.
            Some((OnChainState::Claimed { .. } | OnChainState::Refunded, _)) => {
                self.unread(job.id(), job.opened_in.number, heads)?;
                return Ok(Some(job.clone()));
            }
            None => return Ok(Some(job.clone())),
        };
        if heads.newest.timestamp <= deadline {
            return Ok(None);
        }
        let now = heads.confirmed.timestamp;
        let over = now > deadline
            && (now > job.terms.deadline || self.all_say(job.id(), deadline).await?);
        if !over {
            return Ok(Some(job.clone()));
        }
        let reason = SkipReason::Expired { deadline, now };
        tracing::info!(job = %job.id(), %reason, "job skipped");
        Ok(Some(self.report(job, &JobEvent::Closed { reason }).await?))
    }

    /// Whether a quorum of the nodes says that a job's deadline was moved to this time.
    async fn all_say(&self, id: U256, deadline: u64) -> Result<bool, RelayerError> {
        let chain = self.escrow.chain();
        let mut agreeing = 0;
        for node in self.nodes() {
            let escrow = PredictionEscrow::at(node, self.escrow.address());
            let found = escrow.job(id).await;
            agreeing += usize::from(found.is_ok_and(|j| j.is_some_and(|j| j.deadline == deadline)));
        }
        Ok(agreeing >= chain.quorum())
    }

    fn unread_jobs(&self) -> MutexGuard<'_, HashMap<U256, (u64, u32)>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an event of a job which the chain shows was not read, from block `from` on.
    ///
    /// # Errors
    /// [`RelayerError::EventMissing`] when that has lasted for some blocks: the follower is then to look again.
    fn unread(&self, id: U256, from: u64, heads: Heads) -> Result<(), RelayerError> {
        let mut unread = self.unread_jobs();
        let (since, looks) = unread.entry(id).or_insert((heads.newest.number, 0));
        *looks += 1;
        if heads.newest.number > *since + UNREAD_BLOCKS || *looks > UNREAD_LOOKS {
            unread.remove(&id);
            return Err(RelayerError::EventMissing { job: id, from });
        }
        Ok(())
    }

    /// The claim to sign again with higher fees; `None` if there must be no further one.
    async fn further_claim(
        &self,
        job: &PredictionJob,
        last: &SignedTransaction,
    ) -> Result<Option<TransactionRequest>, RelayerError> {
        // The nonce is that of the account which signed, and another key may be in use now.
        let ours = last.from == self.escrow.chain().account()?;
        if !ours || job.recent_claims() >= self.policy.max_claims {
            return Ok(None);
        }
        let proof = self.store.proof(job.id()).await?;
        Ok(proof.map(|proof| self.escrow.claim_request(job.id(), self.recipient, &proof)))
    }

    async fn report(
        &self,
        job: &PredictionJob,
        event: &JobEvent,
    ) -> Result<PredictionJob, crate::StoreError> {
        self.store.report(job.id(), event, unix_now()).await
    }

    async fn postpone(
        &self,
        job: &PredictionJob,
        error: String,
    ) -> Result<PredictionJob, crate::StoreError> {
        self.store.postpone(job.id(), error, unix_now(), self.policy.max_pause).await
    }
}

/// Why a claim did not go out through one node.
enum Unsent {
    /// The node, or the contract as that node knows it. Nothing was signed.
    Refused(ChainError),
    /// Something that another node does not cure, or after the claim was signed.
    Fatal(RelayerError),
}
