//! What a watch has learnt from events, on disk.

use std::time::Duration;

use alloy::{primitives::U256, rpc::types::Log};
use assay_client::{
    Chain, ChainError, Contract,
    chain::{BlockRef, LogScanner},
    escrow::{job_count, job_count_at},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{task::JoinSet, time::Instant};

use crate::{error::RelayerError, store::JobStore};

/// A cursor that moved so far without finding anything is stored, so that a restart reads little again.
const STORED_EVERY: u64 = 256;
/// Requests for states at the same time.
const PARALLEL: usize = 8;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where events come from.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) store: JobStore,
    /// No event is older.
    pub(crate) start_block: u64,
    /// Most blocks asked for at once.
    pub(crate) max_log_range: u64,
}

/// Which ids were seen, of things that a contract counts from 1 on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ids {
    first: U256,
    count: U256,
}

impl Ids {
    fn note(&mut self, id: U256) {
        self.first = if self.count.is_zero() { id } else { self.first.min(id) };
        self.count += U256::ONE;
    }

    /// Whether none is missing of so many that there are, of which so many were there before the first block that is
    /// read. Where that is not known, whether none is missing from the first one seen on.
    fn reach(&self, before: Option<U256>, count: U256) -> bool {
        match before {
            Some(before) => before.saturating_add(self.count) >= count,
            None => self.count.is_zero() || self.first + self.count > count,
        }
    }
}

/// What was found in a contract's events up to a confirmed block.
pub(crate) struct Discovery<T> {
    name: String,
    chain: Chain,
    store: JobStore,
    scanner: LogScanner,
    start_block: u64,
    seen: Seen<T>,
    /// Jobs of before the first block that is read, once asked for; within it none where no node knows.
    before: Option<Option<U256>>,
    stored: Option<u64>,
    /// Times in a row that something was missing.
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Default, Serialize, Deserialize)]
struct Seen<T> {
    cursor: Option<BlockRef>,
    found: T,
    #[serde(default)]
    ids: Ids,
}

impl<T: Default + Clone + PartialEq + Serialize + DeserializeOwned + Sync> Discovery<T> {
    /// Goes on from what the store has under this name.
    pub(crate) async fn open(
        name: String,
        chain: Chain,
        scanner: LogScanner,
        source: &Source,
    ) -> Result<Self, RelayerError> {
        let store = source.store.clone();
        let seen: Seen<T> = store.found(&name).await?.unwrap_or_default();
        Ok(Self {
            stored: seen.cursor.map(|cursor| cursor.number),
            name,
            chain,
            store,
            scanner,
            start_block: source.start_block,
            seen,
            before: None,
            failures: 0,
            not_before: None,
        })
    }

    pub(crate) fn store(&self) -> &JobStore {
        &self.store
    }

    pub(crate) fn found(&self) -> &T {
        &self.seen.found
    }

    /// Reads on up to a block, and everything again where the contract, which counts its jobs from 1 on, has more than
    /// were seen. `note` is given each event once, in their order, and returns the id of the job that it opens.
    pub(crate) async fn advance_counted(
        &mut self,
        to: BlockRef,
        contract: &Contract,
        note: &impl Fn(&mut T, &Log) -> Option<U256>,
    ) -> Result<(), RelayerError> {
        self.advance(to, note).await?;
        let before = self.jobs_before(contract).await?;
        let count = job_count(&contract.in_block(to)).await?;
        let complete = self.seen.ids.reach(before, count);
        if self.lacks(complete) {
            self.advance(to, note).await?;
        }
        Ok(())
    }

    /// How many jobs there were before the first block that is read; `None` where no node knows any more.
    async fn jobs_before(&mut self, contract: &Contract) -> Result<Option<U256>, RelayerError> {
        if let Some(before) = self.before {
            return Ok(before);
        }
        let before = match self.start_block.checked_sub(1) {
            None => Some(U256::ZERO),
            Some(block) => match job_count_at(contract, block).await {
                Ok(count) => Some(count),
                Err(error @ ChainError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(%error, block, "the node has forgotten how many jobs there were");
                    None
                }
            },
        };
        self.before = Some(before);
        Ok(before)
    }

    /// Reads on up to a block. `note` is given each event once, in their order; what it returns is for
    /// [`Self::advance_counted`].
    pub(crate) async fn advance(
        &mut self,
        to: BlockRef,
        note: &impl Fn(&mut T, &Log) -> Option<U256>,
    ) -> Result<(), RelayerError> {
        if let Some(cursor) = self.seen.cursor {
            if cursor.number > to.number || cursor == to {
                return Ok(());
            }
            let there = self.chain.block(cursor.number.into()).await?;
            if there.is_none_or(|block| block.hash != cursor.hash) {
                tracing::warn!(
                    watch = self.name,
                    "confirmed blocks were taken back; reading from the beginning"
                );
                self.forget();
            }
        }
        // What was found stays in use until everything is read again.
        let (from, mut found, mut ids) = match self.seen.cursor {
            Some(cursor) => (cursor.number + 1, self.seen.found.clone(), self.seen.ids),
            None => (self.start_block, T::default(), Ids::default()),
        };
        let mut next = from;
        while next <= to.number {
            let (mut logs, reached) = self.scanner.scan(&self.chain, next, to.number).await?;
            if let Some(second) = self.chain.each_node().get(1) {
                merge(&mut logs, of_node(second, &self.scanner, next, reached).await);
            }
            logs.iter().filter_map(|log| note(&mut found, log)).for_each(|id| ids.note(id));
            next = reached.saturating_add(1);
        }
        self.chain.require_block(to).await?;
        let news = (&found, ids) != (&self.seen.found, self.seen.ids);
        self.seen = Seen { cursor: Some(to), found, ids };
        if news || self.stored.is_none_or(|stored| to.number >= stored + STORED_EVERY) {
            self.save().await?;
        }
        Ok(())
    }

    /// Changes what was found, for good.
    pub(crate) async fn change(&mut self, change: impl FnOnce(&mut T)) -> Result<(), RelayerError> {
        change(&mut self.seen.found);
        self.save().await
    }

    /// Says whether the contract counts no more than was found. Else everything is to be read again, but not before a
    /// pause has passed that grows: whether it is to be read now.
    pub(crate) fn lacks(&mut self, complete: bool) -> bool {
        if complete {
            (self.failures, self.not_before) = (0, None);
            return false;
        }
        if self.not_before.is_some_and(|time| Instant::now() < time) {
            return false;
        }
        tracing::warn!(
            code = "logs-incomplete",
            watch = self.name,
            "the contract counts more than the events show; reading them again"
        );
        self.failures = self.failures.saturating_add(1);
        let pause = Duration::from_secs(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.not_before = Some(Instant::now() + pause);
        self.forget();
        true
    }

    fn forget(&mut self) {
        (self.seen.cursor, self.stored) = (None, None);
    }

    async fn save(&mut self) -> Result<(), RelayerError> {
        self.store.put_found(&self.name, &self.seen).await?;
        self.stored = self.seen.cursor.map(|cursor| cursor.number);
        Ok(())
    }
}

/// The logs of a range as one node has them; none where it does not say.
async fn of_node(node: &Chain, scanner: &LogScanner, from: u64, to: u64) -> Vec<Log> {
    let (mut scanner, mut found, mut next) = (scanner.clone(), Vec::new(), from);
    while next <= to {
        match scanner.scan(node, next, to).await {
            Ok((logs, reached)) => {
                found.extend(logs);
                next = reached.saturating_add(1);
            }
            Err(error) => {
                tracing::debug!(node = node.label(), %error, "no second opinion on the logs");
                break;
            }
        }
    }
    found
}

fn merge(logs: &mut Vec<Log>, more: Vec<Log>) {
    let place = |log: &Log| (log.block_hash, log.log_index);
    for log in more {
        if !logs.iter().any(|known| place(known) == place(&log)) {
            logs.push(log);
        }
    }
    logs.sort_by_key(|log| (log.block_number, log.log_index));
}

/// Asks for each of these, some at the same time, in their order.
pub(crate) async fn of_each<K, T, F>(
    keys: impl IntoIterator<Item = K>,
    ask: impl Fn(K) -> F,
) -> Result<Vec<T>, RelayerError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, RelayerError>> + Send + 'static,
{
    let (mut keys, mut asked) = (keys.into_iter().enumerate(), JoinSet::new());
    let mut answers: Vec<(usize, T)> = Vec::new();
    loop {
        while asked.len() < PARALLEL
            && let Some((place, key)) = keys.next()
        {
            let answer = ask(key);
            asked.spawn(async move { (place, answer.await) });
        }
        match asked.join_next().await {
            Some(Ok((place, answer))) => answers.push((place, answer?)),
            // A task that panicked, or was stopped.
            Some(Err(error)) => {
                return Err(RelayerError::Config(format!(
                    "a look at the chain broke off: {error}"
                )));
            }
            None => break,
        }
    }
    answers.sort_by_key(|(place, _)| *place);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_ids_shows() {
        let mut ids = Ids::default();
        let reach = |ids: Ids, count: u64| ids.reach(None, U256::from(count));
        assert!(reach(ids, 4), "nothing is known of what was before");
        // Where it is known, one empty answer hides nothing.
        assert!(!ids.reach(Some(U256::from(2)), U256::from(4)));
        for id in [3u64, 4, 6] {
            ids.note(U256::from(id));
        }
        assert!(reach(ids, 5) && !reach(ids, 6));
        ids.note(U256::from(5));
        assert!(reach(ids, 6) && !reach(ids, 7));
        assert!(ids.reach(Some(U256::from(2)), U256::from(6)));
        assert!(!ids.reach(Some(U256::ONE), U256::from(6)), "the second is missing");
    }
}
