//! Watches: each looks at one contract for one account, and says what the state of a block leaves to do.
//!
//! A watch learns of jobs and batches by events, up to a confirmed block, and asks the contract for everything else.
//! Where the contract counts what it has, the count is compared with the events, so that one empty answer hides nothing.

use assay_client::chain::BlockRef;
use async_trait::async_trait;

use crate::{
    duty::{Due, Duty},
    error::RelayerError,
    refusal::LeftAlone,
};

mod audits;
mod credits;
mod discovery;
mod keeping;
mod predictions;
mod retrievals;
mod runs;
mod services;

pub(crate) use audits::{AuditSelling, AuditWatch};
pub(crate) use credits::CreditWatch;
pub(crate) use discovery::Source;
pub(crate) use keeping::{Proving, keeping_watches};
pub(crate) use retrievals::{RetrievalWatch, Selling};
pub(crate) use runs::RunWatch;
pub(crate) use services::{Proofs, ServiceWatch};

/// Looks at one contract.
#[async_trait]
pub(crate) trait Watch: Send {
    /// Whether it is the one that tells whether this is due.
    fn tells(&self, duty: &Duty) -> bool;

    /// Learns what is new up to a confirmed block.
    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError>;

    /// What the state at the end of a block leaves to do.
    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError>;

    /// Jobs that the newest look left alone, and why.
    fn left_alone(&self) -> Vec<LeftAlone> {
        Vec::new()
    }

    /// Whether something on this machine is worth another look without a new block.
    fn has_news(&mut self) -> bool {
        false
    }
}
