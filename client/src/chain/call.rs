//! Calls of contract functions, with the types that alloy's `sol!` made.

use alloy::{
    eips::{BlockId, BlockNumberOrTag, RpcBlockHash},
    network::TransactionBuilder,
    primitives::{Address, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};

use super::{BlockRef, Chain, ChainError, TransactionOutcome};

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
        self.decoded::<C>(address, &output).await
    }

    /// The same on the state at the end of just this block, see [`Chain::call_in`].
    ///
    /// # Errors
    /// As of [`Chain::query`], and of [`Chain::call_in`].
    pub async fn query_in<C: SolCall>(
        &self,
        address: Address,
        call: &C,
        block: BlockRef,
    ) -> Result<C::Return, ChainError> {
        let output = self.call_in(request(address, call), block).await?;
        self.decoded::<C>(address, &output).await
    }

    /// `eth_call` on the state at the end of the block with this hash (EIP-1898), if it is part of the node's chain.
    /// Of a node that takes no hashes the block's number is asked for, and its hash before and after.
    ///
    /// # Errors
    /// [`ChainError::Incomplete`] for a block that the node's chain does not have, or no longer; as of [`Chain::call`].
    pub async fn call_in(
        &self,
        request: TransactionRequest,
        block: BlockRef,
    ) -> Result<Bytes, ChainError> {
        let id = BlockId::Hash(RpcBlockHash::from_hash(block.hash, Some(true)));
        let answer = self.provider().call(request.clone()).block(id).await;
        let refused = match answer.map_err(|error| self.fault(error, "eth_call")) {
            Err(error @ ChainError::Refused { .. }) => error,
            other => return other,
        };
        tracing::debug!(%refused, "the node takes no block by its hash; asking by number");
        self.require_block(block).await?;
        let output = self.call_at(request, BlockNumberOrTag::Number(block.number)).await?;
        self.require_block(block).await?;
        Ok(output)
    }

    /// That a block is part of the node's chain.
    ///
    /// # Errors
    /// [`ChainError::Incomplete`] if it is not, and those of the node.
    pub async fn require_block(&self, block: BlockRef) -> Result<(), ChainError> {
        let found = self.block(BlockNumberOrTag::Number(block.number)).await?;
        if found.is_some_and(|found| found.hash == block.hash) {
            return Ok(());
        }
        Err(ChainError::Incomplete {
            node: self.label().to_owned(),
            what: format!("block {} with hash {}", block.number, block.hash),
        })
    }

    async fn decoded<C: SolCall>(
        &self,
        address: Address,
        output: &Bytes,
    ) -> Result<C::Return, ChainError> {
        if output.is_empty() && self.code(address).await?.is_empty() {
            return Err(ChainError::NoCode { address, node: self.label().to_owned() });
        }
        C::abi_decode_returns_validate(output).map_err(|e| ChainError::BadAnswer {
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
