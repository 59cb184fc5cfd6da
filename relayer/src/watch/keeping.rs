//! The watches that keep all escrows of a deployment.

use alloy::primitives::Address;
use assay_client::{AuditEscrow, ContractClient, PredictionEscrow, RetrievalEscrow, ServiceBond};

use super::{
    Watch,
    audits::{AuditSelling, AuditWatch},
    credits::CreditWatch,
    discovery::Source,
    predictions::PredictionWatch,
    retrievals::{RetrievalWatch, Selling},
    services::{Proofs, ServiceWatch},
};
use crate::{config::DutyConfig, error::RelayerError};

/// What is proven beside the keeping.
#[derive(Default)]
pub(crate) struct Proving {
    /// Contested items of services.
    pub(crate) services: Option<Proofs>,
    /// Retrievals that name the account as holder.
    pub(crate) retrievals: Option<Selling>,
    /// Audits that are entered.
    pub(crate) audits: Option<AuditSelling>,
}

/// Watches that keep all escrows for the signing account. What those among `withdrawn` owe is paid out.
pub(crate) async fn keeping_watches(
    escrow: &PredictionEscrow,
    config: &DutyConfig,
    source: &Source,
    proving: Proving,
    withdrawn: &[Address],
) -> Result<Vec<Box<dyn Watch>>, RelayerError> {
    let chain = escrow.chain().clone();
    let account = chain.account()?;
    let mut watches: Vec<Box<dyn Watch>> = Vec::new();
    if let Some(address) = config.services {
        let bond = ServiceBond::at(chain.clone(), address);
        watches.push(Box::new(
            ServiceWatch::new(bond, account, source, proving.services, true).await?,
        ));
    }
    watches.push(Box::new(PredictionWatch::new(escrow.clone(), account, source).await?));
    if let Some(address) = config.audits {
        let audits = AuditEscrow::at(chain.clone(), address);
        let selling = proving.audits;
        watches.push(Box::new(AuditWatch::new(audits, account, source, true, selling).await?));
    }
    if let Some(address) = config.retrievals {
        let retrievals = RetrievalEscrow::at(chain.clone(), address);
        let selling = proving.retrievals;
        watches
            .push(Box::new(RetrievalWatch::new(retrievals, account, source, true, selling).await?));
    }
    watches.push(Box::new(CreditWatch::new(chain, account, withdrawn, &config.tokens)));
    Ok(watches)
}
