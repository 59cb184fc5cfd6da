//! Watches: each looks at one contract for one account, and says what the state of a block leaves to do.
//!
//! A watch learns of jobs and batches by events, up to a confirmed block, and asks the contract for everything else.
//! Where the contract counts what it has, the count is compared with the events, so that one empty answer hides nothing.

use alloy::primitives::Address;
use assay_client::{
    AuditEscrow, ContractClient, PredictionEscrow, RetrievalEscrow, ServiceBond, chain::BlockRef,
};
use async_trait::async_trait;

use crate::{
    config::DutyConfig,
    duty::{Due, Duty},
    error::RelayerError,
};

mod audits;
mod credits;
mod discovery;
mod predictions;
mod retrievals;
mod runs;
mod services;

pub(crate) use credits::CreditWatch;
pub(crate) use discovery::Source;
pub(crate) use runs::RunWatch;
pub(crate) use services::{Proofs, ServiceWatch};

use audits::AuditWatch;
use predictions::PredictionWatch;
use retrievals::RetrievalWatch;

/// Looks at one contract.
#[async_trait]
pub(crate) trait Watch: Send {
    /// Whether it is the one that tells whether this is due.
    fn tells(&self, duty: &Duty) -> bool;

    /// Learns what is new up to a confirmed block.
    async fn discover(&mut self, confirmed: BlockRef) -> Result<(), RelayerError>;

    /// What the state at the end of a block leaves to do.
    async fn due(&mut self, at: BlockRef) -> Result<Vec<Due>, RelayerError>;
}

/// Watches that keep all escrows for the signing account. What those among `withdrawn` owe is paid out.
pub(crate) fn keeping_watches(
    escrow: &PredictionEscrow,
    config: &DutyConfig,
    source: &Source,
    proofs: Option<Proofs>,
    withdrawn: &[Address],
) -> Result<Vec<Box<dyn Watch>>, RelayerError> {
    let chain = escrow.chain().clone();
    let account = chain.account()?;
    let mut watches: Vec<Box<dyn Watch>> = Vec::new();
    if let Some(address) = config.services {
        let bond = ServiceBond::at(chain.clone(), address);
        watches.push(Box::new(ServiceWatch::new(bond, account, source, proofs, true)?));
    }
    watches.push(Box::new(PredictionWatch::new(escrow.clone(), account, source)?));
    if let Some(address) = config.audits {
        let audits = AuditEscrow::at(chain.clone(), address);
        watches.push(Box::new(AuditWatch::new(audits, account, source)?));
    }
    if let Some(address) = config.retrievals {
        let retrievals = RetrievalEscrow::at(chain.clone(), address);
        watches.push(Box::new(RetrievalWatch::new(retrievals, account, source)?));
    }
    watches.push(Box::new(CreditWatch::new(chain, account, withdrawn, &config.tokens)));
    Ok(watches)
}
