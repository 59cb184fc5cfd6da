//! The terms of a job.

use alloy::primitives::{Address, B256, Bytes, U256};
use assay_client::{ModelIdentity, bindings::IPredictionEscrow};
use serde::{Deserialize, Serialize};

/// What the buyer asked for, as the escrow holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionTerms {
    /// Id in the escrow.
    pub job_id: U256,
    /// Id in the registry.
    pub model_id: U256,
    /// Verifying key and weights.
    pub model: ModelIdentity,
    /// Hash over the model and the contracts that check its proofs, pinned by the buyer.
    pub binding_hash: B256,
    /// Who opened it, and has the money back if nobody claims it.
    pub buyer: Address,
    /// Token of the payment; zero for the native currency.
    pub token: Address,
    /// Payment in the token's smallest unit.
    pub price: U256,
    /// Last second (Unix time) at which a claim is accepted.
    pub deadline: u64,
    /// Seconds between the buyer's request for an end and the deadline; 0 where there can be none.
    #[serde(default)]
    pub notice: u64,
    /// Gas that a claim has to leave the buyer's contract.
    #[serde(default)]
    pub callback_gas: u64,
    /// Poseidon commitment to the input, a field element.
    pub input_commitment: U256,
    /// Where the input is found, in the buyer's words; unverified.
    pub hint: Bytes,
}

impl PredictionTerms {
    /// The terms in the event that opened the job, for its model.
    pub(crate) fn opened(event: IPredictionEscrow::JobOpened, model: ModelIdentity) -> Self {
        let order = event.order;
        Self {
            job_id: event.jobId,
            model_id: event.modelId,
            model,
            binding_hash: order.bindingHash,
            buyer: event.buyer,
            token: order.token,
            price: order.price,
            deadline: order.deadline,
            notice: order.notice,
            callback_gas: order.callbackGas,
            input_commitment: order.inputCommitment,
            hint: order.hint,
        }
    }
}
