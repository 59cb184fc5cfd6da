//! How many jobs an escrow has: all of them count from 1 on, and say so in the same call.

use alloy::eips::BlockNumberOrTag;
use alloy::primitives::U256;
use alloy::sol_types::SolCall;

use crate::{
    bindings::IPredictionEscrow::jobCountCall,
    chain::{ChainError, call},
    contract::Contract,
};

/// Number of jobs of an escrow; ids run from 1 to it.
///
/// # Errors
/// As of [`Contract::query`].
pub async fn job_count(escrow: &Contract) -> Result<U256, ChainError> {
    escrow.query(&jobCountCall {}).await
}

/// The same at the end of an earlier block; 0 where the contract was not there yet.
///
/// # Errors
/// Those of the node; many keep the state of the newest blocks only.
pub async fn job_count_at(escrow: &Contract, block: u64) -> Result<U256, ChainError> {
    let request = call::request(escrow.address(), &jobCountCall {});
    let output = escrow.chain().call_at(request, BlockNumberOrTag::Number(block)).await?;
    if output.is_empty() {
        return Ok(U256::ZERO);
    }
    jobCountCall::abi_decode_returns_validate(&output).map_err(|e| ChainError::BadAnswer {
        node: escrow.chain().label().to_owned(),
        operation: format!("jobCount() of contract {}", escrow.address()),
        reason: e.to_string(),
    })
}
