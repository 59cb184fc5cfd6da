//! What a follower has not seen, as far as it knows.

use alloy::primitives::U256;
use assay_client::chain::BlockRef;
use tokio::time::Instant;

/// What is known to be missing.
#[derive(Default)]
pub(super) struct Holes {
    /// Ids of jobs that the escrow counts and no node has shown.
    pub(super) missing: Vec<U256>,
    /// The lowest block from which on something else is missing.
    pub(super) doubted: Option<u64>,
    /// The cursor at which nothing was missing.
    pub(super) whole_at: Option<BlockRef>,
    /// Looks in vain.
    pub(super) failures: u32,
    pub(super) not_before: Option<Instant>,
}
