//! The escrow for retrievals, typed.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolValue},
};

use crate::{
    audit_escrow::{OrderError, RunArtifact},
    bindings::{ContractErrors, IRetrievalEscrow},
    chain::{Chain, ChainError, TransactionOutcome},
    contract::{Contract, Logged},
    registry::ModelRegistry,
};

pub use crate::bindings::IRetrievalEscrow::{
    Job, OpeningsPublished, RetrievalOpened, State, Terms,
};

/// A retrieval escrow contract. Calls on a job repeat its terms, which [`RetrievalEscrow::order`]
/// finds.
#[derive(Clone, Debug)]
pub struct RetrievalEscrow {
    contract: Contract,
}

/// A job as its requester opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrievalOrder {
    pub job_id: U256,
    pub terms: Terms,
    pub binding_hash: B256,
    pub hint: Bytes,
    /// Block of the opening: events about the job are in it or later.
    pub block: u64,
}

impl RetrievalEscrow {
    /// The escrow at `address`; nothing is asked of the chain yet.
    pub fn at(chain: Chain, address: Address) -> Self {
        Self { contract: Contract::at(chain, address) }
    }

    /// Credits, withdrawals, and the connection.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The registry that this escrow takes its models from.
    pub async fn registry(&self) -> Result<ModelRegistry, ChainError> {
        let address = self.contract.query(&IRetrievalEscrow::registryCall {}).await?;
        Ok(ModelRegistry::at(self.contract.chain().clone(), address))
    }

    /// Opens a job and escrows its price from the signing account, which must be
    /// `terms.requester`.
    pub async fn open(
        &self,
        terms: Terms,
        binding_hash: B256,
        hint: Bytes,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let value = self.contract.payment(terms.token, U256::from(terms.price)).await?;
        let call = IRetrievalEscrow::openCall { terms, bindingHash: binding_hash, hint };
        let outcome = self.contract.transact(&call, value).await?;
        Ok((self.contract.event::<RetrievalOpened>(&outcome)?.jobId, outcome))
    }

    /// Reads a job; `None` if there is none with this id.
    pub async fn job(&self, job_id: U256) -> Result<Option<Job>, ChainError> {
        match self.contract.query(&IRetrievalEscrow::getJobCall { jobId: job_id }).await {
            Ok(job) => Ok(Some(job)),
            Err(ChainError::Reverted(revert)) if revert.is::<ContractErrors::JobNotFound>() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The terms of a job, from its event in block `from` or later, compared with the hash that
    /// the contract keeps.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, job_id: U256, from: u64) -> Result<RetrievalOrder, OrderError> {
        let escrow = self.contract.address();
        let Some(job) = self.job(job_id).await? else {
            return Err(OrderError::NoSuchJob { escrow, job: job_id });
        };
        let opened = self.contract.events_about::<RetrievalOpened>(job_id.into(), from).await?;
        opened
            .into_iter()
            .find(|logged| keccak256(logged.event.terms.abi_encode()) == job.termsHash)
            .map(|Logged { event, block, .. }| RetrievalOrder {
                job_id,
                terms: event.terms,
                binding_hash: event.bindingHash,
                hint: event.hint,
                block,
            })
            .ok_or(OrderError::NotFound { escrow, job: job_id, from })
    }

    /// Shows the proof of one run; its result is the bitmap of the selected items.
    pub async fn prove(
        &self,
        order: &RetrievalOrder,
        run: &RunArtifact,
    ) -> Result<TransactionOutcome, ChainError> {
        self.transact(&IRetrievalEscrow::proveCall {
            jobId: order.job_id,
            terms: order.terms.clone(),
            run: U256::from(run.run),
            bitmap: run.result,
            proof: run.proof.clone(),
        })
        .await
    }

    /// The holder says where the openings of the selected items are, and is paid.
    pub async fn publish(
        &self,
        order: &RetrievalOrder,
        data_hash: B256,
        place: Bytes,
    ) -> Result<TransactionOutcome, ChainError> {
        self.transact(&IRetrievalEscrow::publishCall {
            jobId: order.job_id,
            terms: order.terms.clone(),
            dataHash: data_hash,
            place,
        })
        .await
    }

    /// Ends a job that nothing else will end.
    pub async fn settle(&self, order: &RetrievalOrder) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IRetrievalEscrow::settleCall { jobId: job_id, terms }).await
    }

    /// The proven bitmap of a run; `None` as long as there is none.
    pub async fn bitmap(&self, job_id: U256, run: u64) -> Result<Option<U256>, ChainError> {
        let call = IRetrievalEscrow::bitmapOfCall { jobId: job_id, run: U256::from(run) };
        match self.contract.query(&call).await {
            Ok(bitmap) => Ok(Some(bitmap)),
            Err(ChainError::Reverted(revert)) if revert.is::<ContractErrors::RunNotProven>() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the holder published, if it did.
    pub async fn publication(
        &self,
        order: &RetrievalOrder,
    ) -> Result<Option<Logged<OpeningsPublished>>, ChainError> {
        let events = self.contract.events_about(order.job_id.into(), order.block).await?;
        Ok(events.into_iter().next_back())
    }

    async fn transact<C: SolCall>(&self, call: &C) -> Result<TransactionOutcome, ChainError> {
        self.contract.transact(call, U256::ZERO).await
    }
}
