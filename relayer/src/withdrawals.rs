//! Pays out what the signing account has earned, without waiting for it: claims with a deadline
//! must go on meanwhile.
//!
//! Like a claim, a withdrawal is on disk before the node sees it, and is looked at in every turn:
//! sent again where the node has lost it, with higher fees where it waits too long.

use std::{collections::BTreeSet, time::Duration};

use alloy::{primitives::Address, rpc::types::TransactionRequest};
use assay_client::{
    ChainError, ContractClient, PredictionEscrow,
    chain::{BlockRef, SignedTransaction, transaction::Broadcast},
};
use tokio::time::Instant;

use crate::{
    error::{RelayerError, StoreError},
    heads::Heads,
    job::{JobState, Withdrawal},
    resend::{Sendings, Waiting, is_displaced, resend},
    store::{JobStore, KEPT_BLOCKS},
    submitter::SubmitPolicy,
};

/// How often all credits are looked at, whatever is known of them.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The withdrawals of one relayer.
pub(crate) struct Withdrawals {
    escrow: PredictionEscrow,
    store: JobStore,
    policy: SubmitPolicy,
    /// Whether to begin any.
    wanted: bool,
    /// Tokens in which something may have been earned and not withdrawn.
    earned: BTreeSet<Address>,
    not_before: Instant,
    sendings: Sendings,
    /// When all tokens are next looked at, whatever was noted.
    next_look: Instant,
    /// All tokens in which anything was ever earned.
    tokens: BTreeSet<Address>,
}

impl Withdrawals {
    pub(crate) async fn new(
        escrow: PredictionEscrow,
        store: JobStore,
        policy: SubmitPolicy,
        wanted: bool,
    ) -> Result<Self, StoreError> {
        let confirmed = store.jobs().await?.into_iter();
        let tokens: BTreeSet<Address> = confirmed
            .filter(|job| matches!(job.state(), JobState::Confirmed { .. }))
            .map(|job| job.terms.token)
            .collect();
        let now = Instant::now();
        Ok(Self {
            escrow,
            store,
            policy,
            wanted,
            earned: tokens.clone(),
            not_before: now,
            sendings: Sendings::default(),
            next_look: now + LOOK_AGAIN,
            tokens,
        })
    }

    /// Looks at all credits again: blocks were taken back, and withdrawals with them, or so it may be.
    pub(crate) fn look_again(&mut self) {
        self.earned.extend(&self.tokens);
        self.not_before = Instant::now();
        self.next_look = self.not_before + LOOK_AGAIN;
    }

    /// Notes that a job paid in `token`.
    pub(crate) fn earn(&mut self, token: Address) {
        self.earned.insert(token);
        self.tokens.insert(token);
        self.not_before = Instant::now();
    }

    /// Whether any was sent and is not in a block with enough confirmations.
    pub(crate) async fn on_their_way(&self) -> Result<bool, StoreError> {
        Ok(!self.store.withdrawals().await?.is_empty())
    }

    /// Looks at those on their way, and begins those that are due.
    ///
    /// # Errors
    /// An unreachable node, a broken store.
    pub(crate) async fn turn(&mut self, heads: Heads) -> Result<(), RelayerError> {
        if Instant::now() >= self.next_look {
            self.look_again();
        }
        for withdrawal in self.store.withdrawals().await? {
            let done = self.follow(&withdrawal, heads).await;
            self.or_later(withdrawal.token, done)?;
        }
        if !self.wanted {
            return Ok(());
        }
        let on_their_way: Vec<Address> = self
            .store
            .withdrawals()
            .await?
            .into_iter()
            .map(|withdrawal| withdrawal.token)
            .collect();
        for token in self.earned.clone() {
            if Instant::now() >= self.not_before && !on_their_way.contains(&token) {
                let begun = self.begin(token).await;
                self.or_later(token, begun)?;
            }
        }
        Ok(())
    }

    async fn begin(&mut self, token: Address) -> Result<(), RelayerError> {
        let chain = self.escrow.chain();
        let credit = self.escrow.contract().credit(token, chain.account()?).await?;
        if credit.is_zero() {
            self.earned.remove(&token);
            return Ok(());
        }
        let keep = async |signed: SignedTransaction| -> Result<(), RelayerError> {
            let transactions = vec![signed];
            let withdrawal = Withdrawal { token, transactions };
            Ok(self.store.put_withdrawal(&withdrawal).await?)
        };
        // Whatever the node answers, the next turn finds out what became of it.
        let (signed, _) = chain.send_with(self.request(token), keep).await?;
        tracing::info!(%token, amount = %credit, transaction = %signed.hash, "withdrawal sent");
        Ok(())
    }

    async fn follow(&mut self, withdrawal: &Withdrawal, heads: Heads) -> Result<(), RelayerError> {
        let (chain, token) = (self.escrow.chain().clone(), withdrawal.token);
        for transaction in withdrawal.transactions.iter().rev() {
            let Some(outcome) = chain.outcome(transaction.hash).await? else {
                continue;
            };
            if !outcome.success {
                tracing::warn!(%token, transaction = %outcome.hash, "the withdrawal reverted; trying again later");
                self.store.remove_withdrawal(token).await?;
                self.pause();
            } else if outcome.block_number <= heads.confirmed.number {
                tracing::info!(%token, transaction = %outcome.hash, "earnings withdrawn");
                let block = BlockRef {
                    number: outcome.block_number,
                    hash: outcome.block_hash,
                    timestamp: heads.newest.timestamp,
                };
                let last = heads.newest.number.saturating_sub(KEPT_BLOCKS as u64);
                self.store.withdrawn(withdrawal, outcome.hash, block, last).await?;
            }
            return Ok(());
        }
        let account = chain.account()?;
        let newest = withdrawal.transactions.last();
        let Some(newest) = newest.filter(|newest| newest.from == account) else {
            tracing::warn!(%token, "a withdrawal of another account is left to it");
            return Ok(self.store.remove_withdrawal(token).await?);
        };
        let stuck = self.sendings.waited(newest.hash) >= self.policy.resend_after;
        if Instant::now() < self.not_before {
            return Ok(());
        }
        let known = chain.knows_transaction(newest.hash).await?;
        if known && !stuck {
            return Ok(());
        }
        if !known && is_displaced(&chain, &self.store, newest).await? {
            return Ok(self.store.remove_withdrawal(token).await?);
        }
        let may_raise = withdrawal.transactions.len() < self.policy.max_claims;
        let request = may_raise.then(|| self.request(token));
        let keep = async |signed: SignedTransaction| {
            self.store.update_withdrawal(token, |kept| kept.transactions.push(signed)).await
        };
        let waiting = Waiting { newest, dearest: newest, request };
        match resend(&chain, waiting, stuck, keep).await? {
            Broadcast::Accepted => self.sendings.sent_again(&chain, newest.hash),
            Broadcast::Underpriced { message } => {
                tracing::warn!(%token, message, "the withdrawal waits");
                self.pause();
            }
            Broadcast::NonceUsed { .. } => {
                // By one of these after all, or by another transaction; the credit tells.
                self.store.remove_withdrawal(token).await?;
            }
        }
        Ok(())
    }

    fn request(&self, token: Address) -> TransactionRequest {
        self.escrow.contract().withdraw_request(token)
    }

    fn pause(&mut self) {
        self.not_before = Instant::now() + self.policy.max_pause;
    }

    /// The credit stays: nothing is lost by waiting, and the jobs must not wait with it.
    fn or_later(
        &mut self,
        token: Address,
        result: Result<(), RelayerError>,
    ) -> Result<(), RelayerError> {
        match result {
            Err(RelayerError::Chain(error)) if !matches!(error, ChainError::Unreachable { .. }) => {
                tracing::warn!(%token, %error, "earnings not withdrawn; trying again later");
                self.pause();
                Ok(())
            }
            other => other,
        }
    }
}
