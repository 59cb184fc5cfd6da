//! What became of a job's price, and of what was earned.

use alloy::primitives::{Address, B256};
use assay_client::chain::{BlockRef, SignedTransaction};
use serde::{Deserialize, Serialize};

use super::skip_reason::SkipReason;

/// The claim that paid this relayer's recipient, as the chain shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours, or that of somebody who copied our proof: it pays the same recipient.
    pub transaction: B256,
    /// The block that has it.
    pub block: BlockRef,
}

/// An event that ended a job without paying this relayer's recipient. The job ends with it when the block is
/// confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What happened.
    pub reason: SkipReason,
    /// The block that has it.
    pub block: BlockRef,
}

/// Earnings on their way to the signing account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Zero for the native currency.
    pub token: Address,
    /// Transactions of one nonce signed so far, oldest first; any of them may still be mined.
    pub transactions: Vec<SignedTransaction>,
}
