//! Openings and endings that were not seen, and are looked for again.

use std::time::Duration;

use alloy::primitives::U256;
use assay_client::{ChainError, ContractClient};
use tokio::time::Instant;

use super::{Follower, crosscheck::is_on_chain};
use crate::{clock::unix_now, error::RelayerError, store::Progress};

/// Holes looked at in one go.
const AT_ONCE: usize = 16;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl Follower {
    /// Has the blocks from `from` on read again with the next look: an event is missing there.
    pub(crate) fn doubt(&mut self, from: u64) {
        let doubted = &mut self.holes.doubted;
        *doubted = Some(doubted.map_or(from, |known| known.min(from)));
    }

    /// How many jobs the escrow counts that no node has shown.
    pub(crate) fn missing_jobs(&self) -> usize {
        self.holes.missing.len()
    }

    /// Looks for what is missing, in each node. What is not found is looked for again later.
    pub(super) async fn fill_holes(&mut self) -> Result<(), RelayerError> {
        if self.holes.not_before.is_some_and(|time| Instant::now() < time) {
            return Ok(());
        }
        let Some(cursor) = self.store.cursor().await? else {
            return Ok(());
        };
        if self.holes.doubted.is_none() && self.holes.whole_at == Some(cursor) {
            return Ok(());
        }
        if let Some(from) = self.holes.doubted.take() {
            tracing::warn!(
                code = "logs-incomplete",
                from,
                to = cursor.number,
                "an event is missing; reading again"
            );
            self.read_again(from, cursor.number).await?;
        }
        let Some(count) = self.count(cursor.number).await? else {
            return Ok(());
        };
        self.holes.missing = self.store.missing(count, AT_ONCE).await?;
        if self.holes.missing.is_empty() {
            (self.holes.failures, self.holes.whole_at) = (0, Some(cursor));
            return Ok(());
        }
        tracing::warn!(
            code = "logs-incomplete", jobs = ?self.holes.missing, %count,
            "the escrow counts jobs whose openings were not in the logs; looking for them again"
        );
        // Neighbours in the same range are found together.
        for id in self.holes.missing.clone() {
            if self.store.job(id).await?.is_none() {
                let (below, above) = self.store.opened_around(id).await?;
                let from = below.unwrap_or(self.start_block);
                self.read_again(from, above.unwrap_or(cursor.number)).await?;
            }
        }
        self.holes.missing = self.store.missing(count, AT_ONCE).await?;
        let holes = &mut self.holes;
        if holes.missing.is_empty() {
            holes.failures = 0;
            tracing::info!("all of them were found");
        } else {
            holes.failures = holes.failures.saturating_add(1);
            let pause = Duration::from_secs(1 << holes.failures.min(6)).min(LONGEST_PAUSE);
            holes.not_before = Some(Instant::now() + pause);
        }
        Ok(())
    }

    /// Notes which jobs were opened before the first block that is read: nobody asks for them.
    pub(super) async fn note_first_jobs(&self) -> Result<(), RelayerError> {
        if self.store.whole().await?.is_some() {
            return Ok(());
        }
        let before = match self.start_block.checked_sub(1) {
            None => Some(U256::ZERO),
            Some(block) => match self.escrow.count_at(block).await {
                Ok(count) => Some(count),
                Err(error @ ChainError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => {
                    tracing::debug!(%error, block, "the node has forgotten how many jobs there were");
                    None
                }
            },
        };
        if let Some(before) = before {
            self.store.set_whole(before).await?;
        }
        Ok(())
    }

    /// How many jobs there are at the end of a block, as far as the node says so.
    async fn count(&self, block: u64) -> Result<Option<U256>, RelayerError> {
        let count = match self.escrow.count_at(block).await {
            Ok(count) => count,
            Err(error @ ChainError::Unreachable { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::debug!(%error, block, "the node does not say how many jobs there are");
                return Ok(None);
            }
        };
        if self.store.whole().await?.is_none() {
            // Of the jobs before the first one seen nobody can say whether they were wanted.
            let seen = self.store.lowest().await?.map(|id| id.saturating_sub(U256::ONE));
            self.store.set_whole(seen.unwrap_or(count)).await?;
        }
        Ok(Some(count))
    }

    /// Reads a range again, in each node, and stores what is found. The cursor stays.
    async fn read_again(&mut self, from: u64, to: u64) -> Result<(), RelayerError> {
        let chain = self.escrow.chain().clone();
        for node in chain.each_node() {
            let mut next = from;
            while next <= to {
                let (logs, reached) = match self.second.scan(&node, next, to).await {
                    Ok(found) => found,
                    Err(error) => {
                        tracing::warn!(node = node.label(), %error, "a node does not show its logs again");
                        break;
                    }
                };
                let mut progress = Progress::default();
                for log in &logs {
                    if is_on_chain(&chain, log).await? {
                        let event = self.escrow.decode_event(log)?;
                        self.note(event, &mut progress).await?;
                    }
                }
                self.store.apply(progress, unix_now()).await?;
                next = reached.saturating_add(1);
            }
        }
        Ok(())
    }
}
