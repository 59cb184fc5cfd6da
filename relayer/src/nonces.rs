//! Nonces of claims whose jobs have ended.
//!
//! A claim that still waits in the pool when its job has ended can only revert. If its fees are too
//! low to get into a block, everything that the account sends later waits behind it. So an empty
//! transaction takes its place.

use std::collections::{BTreeMap, BTreeSet};

use assay_client::{Chain, ChainError, chain::SignedTransaction};
use tokio::time::Instant;

use crate::{
    error::RelayerError,
    job::PredictionJob,
    resend::{Waiting, resend},
    store::JobStore,
    submitter::SubmitPolicy,
};

/// Frees the nonces of one account.
pub(crate) struct Nonces {
    chain: Chain,
    store: JobStore,
    policy: SubmitPolicy,
    /// All nonces below are used, as far as was seen.
    mined: u64,
    /// When the empty transaction of a nonce was last sent, or first seen.
    sent: BTreeMap<u64, Instant>,
    not_before: Instant,
}

impl Nonces {
    pub(crate) fn new(chain: Chain, store: JobStore, policy: SubmitPolicy) -> Self {
        let (mined, sent, not_before) = (0, BTreeMap::new(), Instant::now());
        Self { chain, store, policy, mined, sent, not_before }
    }

    /// Frees the nonces at which claims of ended jobs wait.
    ///
    /// # Errors
    /// An unreachable node, a broken store.
    pub(crate) async fn free(&mut self) -> Result<(), RelayerError> {
        if Instant::now() < self.not_before {
            return Ok(());
        }
        match self.look().await {
            Err(RelayerError::Chain(error)) if !matches!(error, ChainError::Unreachable { .. }) => {
                tracing::warn!(%error, "the nonce of a claim is not freed; trying again later");
                self.not_before = Instant::now() + self.policy.max_pause;
                Ok(())
            }
            other => other,
        }
    }

    async fn look(&mut self) -> Result<(), RelayerError> {
        let account = self.chain.account()?;
        let ended = self.store.loose()?;
        let mut stale: BTreeMap<u64, Vec<&PredictionJob>> = BTreeMap::new();
        for job in &ended {
            let nonces: BTreeSet<u64> =
                job.claims.iter().filter(|c| c.from == account).map(|c| c.nonce).collect();
            for nonce in nonces.into_iter().filter(|nonce| *nonce >= self.mined) {
                stale.entry(nonce).or_default().push(job);
            }
        }
        let waits = |job: &PredictionJob| {
            job.claims.iter().any(|claim| claim.from == account && claim.nonce >= self.mined)
        };
        let mined: Vec<_> = ended.iter().filter(|job| !waits(job)).map(PredictionJob::id).collect();
        self.store.all_mined(&mined)?;
        if stale.is_empty() {
            self.sent.clear();
            return Ok(());
        }
        self.mined = self.chain.mined_nonce().await?;
        let live = self.store.active()?;
        let withdrawals = self.store.withdrawals()?;
        let claims = live.iter().flat_map(|job| &job.claims);
        let needed: BTreeSet<u64> = claims
            .chain(withdrawals.iter().flat_map(|withdrawal| &withdrawal.transactions))
            .map(|transaction| transaction.nonce)
            .collect();
        for (nonce, jobs) in stale.range(self.mined..) {
            // Whoever needs a transaction sees to it.
            if !needed.contains(nonce) {
                let holds_up = needed.range(nonce..).next().is_some();
                self.free_one(*nonce, jobs, holds_up).await?;
            }
        }
        Ok(())
    }

    async fn free_one(
        &mut self,
        nonce: u64,
        jobs: &[&PredictionJob],
        holds_up: bool,
    ) -> Result<(), RelayerError> {
        let empty: Vec<_> = jobs.iter().flat_map(|job| &job.cancellations).collect();
        let claims = jobs.iter().flat_map(|job| &job.claims);
        let mut all: Vec<_> = claims.chain(empty.iter().copied()).collect();
        let empty: Vec<_> = empty.into_iter().filter(|t| t.nonce == nonce).collect();
        all.retain(|transaction| transaction.nonce == nonce);
        all.sort_by_key(|transaction| transaction.max_fee_per_gas);
        let (Some(owner), Some(dearest)) = (jobs.last(), all.last()) else {
            return Ok(());
        };
        let mut known = false;
        for transaction in all.iter().rev() {
            if self.chain.outcome(transaction.hash).await?.is_some() {
                // The count of the account lagged behind.
                return Ok(());
            }
            known = known || self.chain.knows_transaction(transaction.hash).await?;
        }
        if !known && !holds_up {
            // No pool has it: the next transaction gets this nonce.
            return Ok(());
        }
        let keep = |signed: &SignedTransaction| {
            self.store.update(owner.id(), |job| job.cancellations.push(signed.clone())).map(drop)
        };
        let last_sent = *self.sent.entry(nonce).or_insert_with(Instant::now);
        let stuck = last_sent.elapsed() >= self.policy.resend_after;
        let (newest, stuck) = match empty.last() {
            Some(_) if known && !stuck => return Ok(()),
            Some(newest) => ((*newest).clone(), stuck),
            None => {
                let request = self.chain.empty_request().await?;
                let signed = self.chain.sign_replacement(request, dearest).await?;
                tracing::warn!(
                    job = %owner.id(), nonce, old = %dearest.hash, new = %signed.hash,
                    "the job has ended but its claim waits in the pool; sending an empty transaction in its place"
                );
                keep(&signed)?;
                (signed, false)
            }
        };
        let request = match empty.len() < self.policy.max_claims {
            true => Some(self.chain.empty_request().await?),
            false => None,
        };
        let dearest = Some(*dearest).filter(|d| d.max_fee_per_gas > newest.max_fee_per_gas);
        let waiting = Waiting { newest: &newest, dearest: dearest.unwrap_or(&newest), request };
        resend(&self.chain, waiting, stuck, keep).await?;
        self.sent.insert(nonce, Instant::now());
        Ok(())
    }
}
