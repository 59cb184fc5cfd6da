//! Calls of contract functions, with the types that alloy's `sol!` made.

use alloy::{
    eips::BlockNumberOrTag,
    network::TransactionBuilder,
    primitives::{Address, U256},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

use super::{Chain, ChainError, TransactionOutcome};

impl Chain {
    /// Calls a view function on the latest state.
    ///
    /// # Errors
    /// [`ChainError::NoCode`] if there is no contract, [`ChainError::Reverted`],
    /// [`ChainError::BadAnswer`] if the answer has another type.
    pub async fn query<C: SolCall>(
        &self,
        address: Address,
        call: &C,
    ) -> Result<C::Return, ChainError> {
        self.query_at(address, call, BlockNumberOrTag::Latest).await
    }

    /// The same on the state of another block, see [`Chain::call_at`].
    ///
    /// # Errors
    /// As of [`Chain::query`]; [`ChainError::BadAnswer`] also for a contract that was not there then.
    pub async fn query_at<C: SolCall>(
        &self,
        address: Address,
        call: &C,
        at: BlockNumberOrTag,
    ) -> Result<C::Return, ChainError> {
        let output = self.call_at(request(address, call), at).await?;
        if output.is_empty() && self.code(address).await?.is_empty() {
            return Err(ChainError::NoCode { address, node: self.label().to_owned() });
        }
        C::abi_decode_returns_validate(&output).map_err(|e| ChainError::BadAnswer {
            node: self.label().to_owned(),
            operation: format!("{} of contract {address}", C::SIGNATURE),
            reason: e.to_string(),
        })
    }

    /// Sends a transaction that calls a function, and waits until it took effect.
    ///
    /// # Errors
    /// [`ChainError::NoCode`] before anything is sent; those of [`Chain::send`].
    pub async fn transact<C: SolCall>(
        &self,
        address: Address,
        call: &C,
        value: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        // A call to an account without code succeeds and does nothing.
        self.code_hash(address).await?;
        self.send(request(address, call).with_value(value)).await
    }
}

pub(crate) fn request<C: SolCall>(address: Address, call: &C) -> TransactionRequest {
    TransactionRequest::default().with_to(address).with_input(call.abi_encode())
}
