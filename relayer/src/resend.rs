//! A transaction that waits for its block: it is sent again where the node has lost it, and with
//! higher fees where it waits too long or the node wants more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::{primitives::B256, rpc::types::TransactionRequest};
use assay_client::{
    Chain, ChainError,
    chain::{SignedTransaction, transaction::Broadcast},
};

use tokio::time::Instant;

use crate::{
    error::{RelayerError, StoreError},
    store::JobStore,
};

const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Versions of a transaction, all with one nonce.
pub(crate) struct Waiting<'a> {
    /// The version to send again.
    pub(crate) newest: &'a SignedTransaction,
    /// The version that a further one has to outbid in the pool.
    pub(crate) dearest: &'a SignedTransaction,
    /// What a further version asks for; `None` if there must not be one.
    pub(crate) request: Option<TransactionRequest>,
}

/// Since when transactions wait, by a clock that nobody sets. A restart counts anew.
#[derive(Default)]
pub(crate) struct Sendings(Mutex<HashMap<B256, Instant>>);

impl Sendings {
    fn all(&self) -> MutexGuard<'_, HashMap<B256, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a transaction was sent just now.
    pub(crate) fn sent(&self, hash: B256) {
        let mut all = self.all();
        // Long mined, or never to be.
        all.retain(|_, since| since.elapsed() < FORGOTTEN_AFTER);
        all.insert(hash, Instant::now());
    }

    /// Notes that a transaction was sent again. To a private endpoint that is done with each block, lost or not, so it
    /// goes on waiting there.
    pub(crate) fn sent_again(&self, chain: &Chain, hash: B256) {
        if chain.sends_privately() {
            self.waited(hash);
        } else {
            self.sent(hash);
        }
    }

    /// How long a transaction has waited since it was sent, or first asked for here.
    pub(crate) fn waited(&self, hash: B256) -> Duration {
        self.all().entry(hash).or_insert_with(Instant::now).elapsed()
    }
}

/// Whether another transaction of ours has the place of this one in the pool: the node lost this
/// one, and gave its nonce out again. Outbidding each other would only cost fees.
pub(crate) async fn is_displaced(
    chain: &Chain,
    store: &JobStore,
    lost: &SignedTransaction,
) -> Result<bool, RelayerError> {
    let (jobs, withdrawals, duties) =
        (store.active().await?, store.withdrawals().await?, store.duties().await?);
    let live = jobs.iter().map(|job| &job.claims);
    let groups = live
        .chain(withdrawals.iter().map(|withdrawal| &withdrawal.transactions))
        .chain(duties.iter().map(|record| &record.transactions));
    for group in groups.filter(|group| group.iter().all(|known| known.hash != lost.hash)) {
        let rivals = group.iter().filter(|t| (t.from, t.nonce) == (lost.from, lost.nonce));
        for rival in rivals.rev() {
            if chain.knows_transaction(rival.hash).await? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Sends a transaction again: with higher fees if it is `stuck`, or if the node refuses it as too
/// cheap. A further version goes to `keep` before the node sees it.
pub(crate) async fn resend<Kept: Future<Output = Result<(), StoreError>>>(
    chain: &Chain,
    waiting: Waiting<'_>,
    stuck: bool,
    keep: impl Fn(SignedTransaction) -> Kept,
) -> Result<Broadcast, RelayerError> {
    if stuck && let Some(raised) = raise(chain, &waiting, &keep).await? {
        return Ok(chain.broadcast(&raised).await?);
    }
    let answer = chain.broadcast(waiting.newest).await?;
    if matches!(answer, Broadcast::Underpriced { .. })
        && let Some(raised) = raise(chain, &waiting, &keep).await?
    {
        return Ok(chain.broadcast(&raised).await?);
    }
    Ok(answer)
}

/// `None` where the fees cannot be raised.
async fn raise<Kept: Future<Output = Result<(), StoreError>>>(
    chain: &Chain,
    waiting: &Waiting<'_>,
    keep: impl Fn(SignedTransaction) -> Kept,
) -> Result<Option<SignedTransaction>, RelayerError> {
    let Some(request) = waiting.request.clone() else {
        return Ok(None);
    };
    let old = waiting.dearest;
    match chain.sign_replacement(request, old).await {
        Ok(signed) => {
            tracing::warn!(old = %old.hash, new = %signed.hash, nonce = old.nonce, "a transaction does not get into a block; raising its fees");
            keep(signed.clone()).await?;
            Ok(Some(signed))
        }
        Err(error @ ChainError::Unreachable { .. }) => Err(error.into()),
        Err(error) => {
            tracing::warn!(old = %old.hash, %error, "cannot raise the fees of a transaction");
            Ok(None)
        }
    }
}
