//! The end of the chain in one turn.

use assay_client::chain::BlockRef;

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
