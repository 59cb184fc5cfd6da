//! The contracts of a deployment in which an account may have something to do.

use anyhow::Result;
use assay_client::{AuditEscrow, ContractClient, RetrievalEscrow, ServiceBond};
use assay_relayer::DutyConfig;

use crate::{chain::Session, contract::ContractArgs};

/// The contracts of a deployment that have duties beside the prediction escrow. An escrow that is named stands for
/// itself alone.
pub(super) async fn duty_contracts(
    contract: &ContractArgs,
    session: &Session,
) -> Result<DutyConfig> {
    if contract.address.is_some() {
        return Ok(DutyConfig::default());
    }
    let services = contract.open::<ServiceBond>(session).await?.0.address();
    let audits = contract.open::<AuditEscrow>(session).await?.0.address();
    let retrievals = contract.open::<RetrievalEscrow>(session).await?.0.address();
    Ok(DutyConfig {
        services: Some(services),
        audits: Some(audits),
        retrievals: Some(retrievals),
        ..DutyConfig::default()
    })
}
