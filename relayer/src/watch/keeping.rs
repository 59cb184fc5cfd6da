//! The watches that keep all escrows of a deployment.

use alloy::primitives::Address;
use assay_client::{AuditEscrow, ContractClient, PredictionEscrow, RetrievalEscrow, ServiceBond};

use super::{
    Watch,
    audits::AuditWatch,
    credits::CreditWatch,
    discovery::Source,
    predictions::PredictionWatch,
    retrievals::RetrievalWatch,
    services::{Proofs, ServiceWatch},
};
use crate::{config::DutyConfig, error::RelayerError};

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
