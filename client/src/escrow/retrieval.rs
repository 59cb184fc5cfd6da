//! Client of the retrieval escrow: one job pays for the items of a collection that a model selects.

use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};

use crate::{
    bindings::{ContractErrors, IRetrievalEscrow},
    chain::{ChainError, TransactionOutcome},
    contract::{Contract, ContractClient, Logged},
    escrow::collection_job::{self, OrderError, RunArtifact},
};

pub use crate::bindings::IRetrievalEscrow::{
    Job, OpeningsPublished, RetrievalOpened, RetrievalSettled, State, Terms,
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
    /// Id in the escrow.
    pub job_id: U256,
    /// What every call on the job repeats.
    pub terms: Terms,
    /// Hash over the model and the contracts that check its proofs.
    pub binding_hash: B256,
    /// What the requester attached; unverified.
    pub hint: Bytes,
    /// Block of the opening: events about the job are in it or later.
    pub block: u64,
}

impl ContractClient for RetrievalEscrow {
    const NAME: &'static str = "RetrievalEscrow";

    type Probe = IRetrievalEscrow::bitmapOfCall;

    fn probe() -> Self::Probe {
        IRetrievalEscrow::bitmapOfCall { jobId: U256::ZERO, run: U256::ZERO }
    }

    fn new(contract: Contract) -> Self {
        Self { contract }
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }
}

impl RetrievalEscrow {
    /// Opens a job and escrows its price from the signing account, which must be
    /// `terms.requester`.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `BindingMismatch` and `DeadlineOutOfRange`.
    pub async fn open(
        &self,
        terms: Terms,
        binding_hash: B256,
        hint: Bytes,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let (token, price) = (terms.token, U256::from(terms.price));
        let call = IRetrievalEscrow::openCall { terms, bindingHash: binding_hash, hint };
        let outcome = self.contract.pay(&call, token, price).await?;
        Ok((self.contract.event::<RetrievalOpened>(&outcome)?.jobId, outcome))
    }

    /// Reads a job; `None` if there is none with this id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn job(&self, job_id: U256) -> Result<Option<Job>, ChainError> {
        let call = IRetrievalEscrow::getJobCall { jobId: job_id };
        self.contract.lookup::<ContractErrors::JobNotFound, _>(&call).await
    }

    /// The terms of a job, from its event in block `from` or later, compared with the hash that
    /// the contract keeps.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, job_id: U256, from: u64) -> Result<RetrievalOrder, OrderError> {
        let hash = self.job(job_id).await?.map(|job| job.termsHash);
        let hash_of = |event: &RetrievalOpened| keccak256(event.terms.abi_encode());
        let Logged { event, block, .. } =
            collection_job::find_opened_event(&self.contract, job_id, hash, from, hash_of).await?;
        let RetrievalOpened { terms, bindingHash: binding_hash, hint, .. } = event;
        Ok(RetrievalOrder { job_id, terms, binding_hash, hint, block })
    }

    /// Shows the proof of one run; its result is the bitmap of the selected items.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `JobNotOpen`,
    /// `RunAlreadyProven`, `ProofInvalid` and `DeadlinePassed`.
    pub async fn prove(
        &self,
        order: &RetrievalOrder,
        run: &RunArtifact,
    ) -> Result<TransactionOutcome, ChainError> {
        self.contract
            .send(&IRetrievalEscrow::proveCall {
                jobId: order.job_id,
                terms: order.terms.clone(),
                run: U256::from(run.run),
                bitmap: run.result,
                proof: run.proof.clone(),
            })
            .await
    }

    /// The holder says where the openings of the selected items are, and is paid: this ends the job.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `NotCovered` and `DeadlinePassed`.
    pub async fn publish(
        &self,
        order: &RetrievalOrder,
        data_hash: B256,
        place: Bytes,
    ) -> Result<(RetrievalSettled, TransactionOutcome), ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        let call =
            IRetrievalEscrow::publishCall { jobId: job_id, terms, dataHash: data_hash, place };
        let outcome = self.contract.send(&call).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// Ends a job that nothing else will end, and says how.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `JobNotOpen` and
    /// `DeadlineNotPassed`.
    pub async fn settle(
        &self,
        order: &RetrievalOrder,
    ) -> Result<(RetrievalSettled, TransactionOutcome), ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        let call = IRetrievalEscrow::settleCall { jobId: job_id, terms };
        let outcome = self.contract.send(&call).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// The proven bitmap of a run; `None` as long as there is none.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn bitmap(&self, job_id: U256, run: u64) -> Result<Option<U256>, ChainError> {
        let call = IRetrievalEscrow::bitmapOfCall { jobId: job_id, run: U256::from(run) };
        self.contract.lookup::<ContractErrors::RunNotProven, _>(&call).await
    }

    /// What the holder published, if it did.
    ///
    /// # Errors
    /// As of [`crate::Chain::head`] and [`crate::chain::LogScanner::scan`]; [`ChainError::BadAnswer`]
    /// for a log of another form.
    pub async fn publication(
        &self,
        order: &RetrievalOrder,
    ) -> Result<Option<Logged<OpeningsPublished>>, ChainError> {
        self.contract.last_about(order.job_id.into(), order.block).await
    }
}
