//! An audit in the state of a block.

use alloy::primitives::{B256, U256};
use assay_client::escrow::audit::{Entry, Job, Terms};

/// A job with its entries.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) id: U256,
    pub(super) terms: Terms,
    /// The list that `terms.admittedKeys` is the hash of.
    pub(super) admitted: Vec<B256>,
    pub(super) job: Job,
    /// From entry 1 on.
    pub(super) entries: Vec<Entry>,
}
