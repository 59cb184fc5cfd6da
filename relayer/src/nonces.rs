//! Nonces of transactions whose jobs have ended, or whose duties are over.
//!
//! Such a transaction that still waits in the pool can only revert. If its fees are too low to get into a block, everything
//! that the account sends later waits behind it. So an empty transaction takes its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy::primitives::U256;
use assay_client::{Chain, ChainError, chain::SignedTransaction};
use tokio::time::Instant;

use crate::{
    duty::{Duty, DutyRecord},
    error::RelayerError,
    resend::{Waiting, resend},
    store::JobStore,
    submitter::SubmitPolicy,
};

/// Whose transactions they are.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Job(U256),
    Duty(Duty),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => write!(f, "job {id}"),
            Self::Duty(duty) => duty.fmt(f),
        }
    }
}

/// The transactions of what has ended.
struct Loose {
    owner: Owner,
    sent: Vec<SignedTransaction>,
    /// Empty ones in their place.
    empty: Vec<SignedTransaction>,
}

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
        let ended = self.loose().await?;
        let mut stale: BTreeMap<u64, Vec<&Loose>> = BTreeMap::new();
        for loose in &ended {
            let nonces: BTreeSet<u64> =
                loose.sent.iter().filter(|c| c.from == account).map(|c| c.nonce).collect();
            for nonce in nonces.into_iter().filter(|nonce| *nonce >= self.mined) {
                stale.entry(nonce).or_default().push(loose);
            }
        }
        let waits = |loose: &Loose| {
            loose.sent.iter().any(|claim| claim.from == account && claim.nonce >= self.mined)
        };
        let mined: Vec<_> = ended.iter().filter(|loose| !waits(loose)).collect();
        self.all_mined(&mined).await?;
        if stale.is_empty() {
            self.sent.clear();
            return Ok(());
        }
        self.mined = self.chain.mined_nonce().await?;
        let live = self.store.active().await?;
        let (withdrawals, duties) = (self.store.withdrawals().await?, self.store.duties().await?);
        let claims = live.iter().flat_map(|job| &job.claims);
        let duties = duties.iter().filter(|record| record.over_since.is_none());
        let needed: BTreeSet<u64> = claims
            .chain(withdrawals.iter().flat_map(|withdrawal| &withdrawal.transactions))
            .chain(duties.flat_map(|record| &record.transactions))
            .map(|transaction| transaction.nonce)
            .collect();
        for (nonce, owners) in stale.range(self.mined..) {
            // Whoever needs a transaction sees to it.
            if !needed.contains(nonce) {
                let holds_up = needed.range(nonce..).next().is_some();
                self.free_one(*nonce, owners, holds_up).await?;
            }
        }
        Ok(())
    }

    /// What has ended and may have transactions in a pool.
    async fn loose(&self) -> Result<Vec<Loose>, RelayerError> {
        let jobs = self.store.loose().await?.into_iter().map(|job| Loose {
            owner: Owner::Job(job.id()),
            sent: job.claims,
            empty: job.cancellations,
        });
        let duties = self.store.duties().await?.into_iter().filter(DutyRecord::is_loose);
        let duties = duties.map(|record| Loose {
            owner: Owner::Duty(record.duty),
            sent: record.transactions,
            empty: record.cancellations,
        });
        Ok(jobs.chain(duties).collect())
    }

    async fn all_mined(&self, found: &[&Loose]) -> Result<(), RelayerError> {
        let mut jobs = Vec::new();
        for loose in found {
            match loose.owner {
                Owner::Job(id) => jobs.push(id),
                Owner::Duty(duty) => {
                    self.store.update_duty(&duty, |record| record.nonces_used = true).await?;
                }
            }
        }
        Ok(self.store.all_mined(&jobs).await?)
    }

    async fn free_one(
        &mut self,
        nonce: u64,
        owners: &[&Loose],
        holds_up: bool,
    ) -> Result<(), RelayerError> {
        let empty: Vec<_> = owners.iter().flat_map(|loose| &loose.empty).collect();
        let claims = owners.iter().flat_map(|loose| &loose.sent);
        let mut all: Vec<_> = claims.chain(empty.iter().copied()).collect();
        let empty: Vec<_> = empty.into_iter().filter(|t| t.nonce == nonce).collect();
        all.retain(|transaction| transaction.nonce == nonce);
        all.sort_by_key(|transaction| transaction.max_fee_per_gas);
        let (Some(owner), Some(dearest)) = (owners.last(), all.last()) else {
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
        let keep = async |signed: SignedTransaction| match &owner.owner {
            Owner::Job(id) => {
                self.store.update(*id, |job| job.cancellations.push(signed)).await.map(drop)
            }
            Owner::Duty(duty) => self.store.cancel_duty(duty, signed).await,
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
                    owner = %owner.owner, nonce, old = %dearest.hash, new = %signed.hash,
                    "nothing is left to do, but a transaction for it waits in the pool; sending an empty transaction in its place"
                );
                keep(signed.clone()).await?;
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
