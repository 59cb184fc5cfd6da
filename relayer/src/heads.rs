//! The end of the chain in one turn.

use assay_client::{Chain, chain::BlockRef};

use crate::error::RelayerError;

/// The end of the chain as one turn sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// The newest block. One node says so.
    pub newest: BlockRef,
    /// The newest block with enough confirmations that enough nodes have. What is in it, or below it, may end
    /// a job.
    pub confirmed: BlockRef,
}

impl Heads {
    /// Whether a block has enough confirmations, if it is still part of the chain: only its number is looked at.
    pub fn confirm(&self, block: BlockRef) -> bool {
        block.number <= self.confirmed.number
    }
}

/// Remembers the newest confirmed block, for the time in which the nodes do not agree on one.
#[derive(Default)]
pub(crate) struct HeadWatch {
    /// None yet in the first turn.
    confirmed: Option<BlockRef>,
}

impl HeadWatch {
    /// Forgets the confirmed block: it may be one of those that were taken back.
    pub(crate) fn forget(&mut self) {
        self.confirmed = None;
    }

    /// The end of the chain whose newest block a node has named.
    ///
    /// # Errors
    /// Those of the node.
    pub(crate) async fn look(
        &mut self,
        chain: &Chain,
        mut newest: BlockRef,
        confirmations: u64,
    ) -> Result<Heads, RelayerError> {
        // One node's head may be ahead of all others, or its clock.
        if chain.node_count() > 1
            && let Some(reached) = chain.reached_head().await?
        {
            if reached.number < newest.number {
                (newest.number, newest.hash) = (reached.number, reached.hash);
            }
            newest.timestamp = newest.timestamp.min(reached.timestamp);
        }
        let height = newest.number.saturating_sub(confirmations.saturating_sub(1));
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
        let nothing = BlockRef { number: 0, hash: Default::default(), timestamp: 0 };
        Ok(Heads { newest, confirmed: self.confirmed.unwrap_or(nothing) })
    }
}
