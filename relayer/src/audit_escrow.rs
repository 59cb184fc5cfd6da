//! The escrow for accuracy audits, typed.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolValue},
};

use crate::{
    bindings::{ContractErrors, IAuditEscrow},
    chain::{Chain, ChainError, TransactionOutcome},
    contract::{Contract, Logged},
    registry::ModelRegistry,
};

pub use crate::bindings::IAuditEscrow::{
    AuditDelivered, AuditEntered, AuditOpened, AuditSettled, Entry, EntryState, Job, Offer, State,
    Terms,
};

/// An audit escrow contract. Calls on a job repeat its terms, which [`AuditEscrow::order`] finds.
#[derive(Clone, Debug)]
pub struct AuditEscrow {
    contract: Contract,
}

/// A job as its buyer opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOrder {
    pub job_id: U256,
    pub terms: Terms,
    /// The list that `terms.admittedKeys` is the hash of; empty where there is none.
    pub admitted: Vec<B256>,
    pub hint: Bytes,
    /// Block of the opening: events about the job are in it or later.
    pub block: u64,
}

/// A proof about a run of a collection, with what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunArtifact {
    /// Run i covers the items from i * batch on.
    pub run: u64,
    /// The number classified correctly, or the bitmap of the selected items.
    pub result: U256,
    /// As the verifier contract takes it.
    pub proof: Bytes,
}

/// Why an order is not to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("escrow {escrow} has no job {job}")]
    NoSuchJob { escrow: Address, job: U256 },
    #[error(
        "the terms of job {job} are not among the events of escrow {escrow} from block {from} on; \
         start at the block of its opening or earlier"
    )]
    NotFound { escrow: Address, job: U256, from: u64 },
}

impl AuditEscrow {
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
        let address = self.contract.query(&IAuditEscrow::registryCall {}).await?;
        Ok(ModelRegistry::at(self.contract.chain().clone(), address))
    }

    /// Opens a job and escrows reward and bond from the signing account, which must be
    /// `terms.buyer`.
    pub async fn open(
        &self,
        terms: Terms,
        admitted: Vec<B256>,
        hint: Bytes,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let amount = U256::from(terms.reward) + U256::from(terms.bond);
        let value = self.contract.payment(terms.token, amount).await?;
        let call = IAuditEscrow::openCall { terms, admitted, hint };
        let outcome = self.contract.transact(&call, value).await?;
        Ok((self.contract.event::<AuditOpened>(&outcome)?.jobId, outcome))
    }

    /// Reads a job; `None` if there is none with this id.
    pub async fn job(&self, job_id: U256) -> Result<Option<Job>, ChainError> {
        match self.contract.query(&IAuditEscrow::getJobCall { jobId: job_id }).await {
            Ok(job) => Ok(Some(job)),
            Err(ChainError::Reverted(revert)) if revert.is::<ContractErrors::JobNotFound>() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Number of jobs; ids run from 1 to it.
    pub async fn count(&self) -> Result<U256, ChainError> {
        self.contract.query(&IAuditEscrow::jobCountCall {}).await
    }

    /// The terms of a job, from its event in block `from` or later, compared with the hash that
    /// the contract keeps.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, job_id: U256, from: u64) -> Result<AuditOrder, OrderError> {
        let escrow = self.contract.address();
        let Some(job) = self.job(job_id).await? else {
            return Err(OrderError::NoSuchJob { escrow, job: job_id });
        };
        let opened = self.contract.events_about::<AuditOpened>(job_id.into(), from).await?;
        opened
            .into_iter()
            .find(|logged| terms_hash(&logged.event.terms) == job.termsHash)
            .map(|Logged { event, block, .. }| AuditOrder {
                job_id,
                terms: event.terms,
                admitted: event.admitted,
                hint: event.hint,
                block,
            })
            .ok_or(OrderError::NotFound { escrow, job: job_id, from })
    }

    /// The entries of a job in the order of their ids, as their events tell.
    pub async fn entered(
        &self,
        order: &AuditOrder,
    ) -> Result<Vec<Logged<AuditEntered>>, ChainError> {
        self.contract.events_about(order.job_id.into(), order.block).await
    }

    /// The delivery of a job, if there was one.
    pub async fn delivery(
        &self,
        order: &AuditOrder,
    ) -> Result<Option<Logged<AuditDelivered>>, ChainError> {
        let events = self.contract.events_about(order.job_id.into(), order.block).await?;
        Ok(events.into_iter().next_back())
    }

    /// The end of a job, with the id of the entry that was paid (0 for none).
    pub async fn settlement(
        &self,
        order: &AuditOrder,
    ) -> Result<Option<Logged<AuditSettled>>, ChainError> {
        let events = self.contract.events_about(order.job_id.into(), order.block).await?;
        Ok(events.into_iter().next_back())
    }

    /// Enters the signing account's model and escrows the stake; returns the entry's id.
    pub async fn enter(
        &self,
        order: &AuditOrder,
        offer: Offer,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let terms = order.terms.clone();
        let value = self.contract.payment(terms.token, U256::from(terms.stake)).await?;
        let call = IAuditEscrow::enterCall { jobId: order.job_id, terms, offer };
        let outcome = self.contract.transact(&call, value).await?;
        Ok((self.contract.event::<AuditEntered>(&outcome)?.entry, outcome))
    }

    /// Publishes where the encrypted test set is. `entries_hash` stands for the entries that the
    /// buyer has checked, see [`entries_hash`].
    pub async fn deliver(
        &self,
        order: &AuditOrder,
        entries_hash: B256,
        data_hash: B256,
        place: Bytes,
    ) -> Result<TransactionOutcome, ChainError> {
        self.transact(&IAuditEscrow::deliverCall {
            jobId: order.job_id,
            terms: order.terms.clone(),
            entriesHash: entries_hash,
            dataHash: data_hash,
            place,
        })
        .await
    }

    /// The signing account answers for the count of its entry from here on.
    pub async fn accept(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IAuditEscrow::acceptCall { jobId: job_id, terms, entry }).await
    }

    /// The signing account gives up its entry and loses the abort fee.
    pub async fn abort(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IAuditEscrow::abortCall { jobId: job_id, terms, entry }).await
    }

    /// Shows the proof of one run of an accepted entry.
    pub async fn prove(
        &self,
        order: &AuditOrder,
        entry: U256,
        run: &RunArtifact,
    ) -> Result<TransactionOutcome, ChainError> {
        self.transact(&IAuditEscrow::proveCall {
            jobId: order.job_id,
            terms: order.terms.clone(),
            entry,
            run: U256::from(run.run),
            correct: run.result,
            proof: run.proof.clone(),
        })
        .await
    }

    /// Ends a job whose outcome is certain.
    pub async fn settle(&self, order: &AuditOrder) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IAuditEscrow::settleCall { jobId: job_id, terms }).await
    }

    /// Ends an entry.
    pub async fn release(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IAuditEscrow::releaseCall { jobId: job_id, terms, entry }).await
    }

    /// Has the result of an ended entry recorded.
    pub async fn certify(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.transact(&IAuditEscrow::certifyCall { jobId: job_id, terms, entry }).await
    }

    /// Reads an entry; reverts for an unknown one.
    pub async fn entry(&self, job_id: U256, entry: U256) -> Result<Entry, ChainError> {
        self.contract.query(&IAuditEscrow::getEntryCall { jobId: job_id, entry }).await
    }

    /// Whether a run of an entry has been proven.
    pub async fn is_proven(&self, job_id: U256, entry: U256, run: u64) -> Result<bool, ChainError> {
        let run = U256::from(run);
        self.contract.query(&IAuditEscrow::isProvenCall { jobId: job_id, entry, run }).await
    }

    async fn transact<C: SolCall>(&self, call: &C) -> Result<TransactionOutcome, ChainError> {
        self.contract.transact(call, U256::ZERO).await
    }
}

/// The hash that a job keeps of its terms: keccak256(abi.encode(terms)).
pub fn terms_hash(terms: &Terms) -> B256 {
    keccak256(terms.abi_encode())
}

/// What stands for a verifying key and a verifier in a list of admitted ones:
/// keccak256(abi.encode(vkHash, verifierCodeHash)).
pub fn admission_hash(vk_hash: B256, verifier_code_hash: B256) -> B256 {
    keccak256((vk_hash, verifier_code_hash).abi_encode())
}

/// The hash of a list of admitted keys and verifiers; zero for none.
pub fn admitted_keys(admitted: &[B256]) -> B256 {
    if admitted.is_empty() { B256::ZERO } else { keccak256(admitted.concat()) }
}

/// The hash of entries in their order: h_0 = 0,
/// h_i = keccak256(abi.encode(h_(i-1), seller, bindingHash, batch)).
pub fn entries_hash<'a>(entries: impl IntoIterator<Item = &'a AuditEntered>) -> B256 {
    entries.into_iter().fold(B256::ZERO, |hash, entry| {
        keccak256((hash, entry.seller, entry.bindingHash, entry.batch).abi_encode())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_hashed_without_their_lengths() {
        assert_eq!(admitted_keys(&[]), B256::ZERO);
        let (a, b) = (B256::with_last_byte(1), B256::with_last_byte(2));
        assert_eq!(admitted_keys(&[a, b]), admission_hash(a, b), "two words");
        assert_ne!(admitted_keys(&[a, b]), admitted_keys(&[b, a]));
    }

    #[test]
    fn terms_are_hashed_as_seventeen_words() {
        let terms = Terms { items: 30, required: 29, ..Terms::default() };
        let mut words = [0u8; 17 * 32];
        words[9 * 32 + 31] = 30;
        words[10 * 32 + 31] = 29;
        assert_eq!(terms_hash(&terms), keccak256(words));
    }

    #[test]
    fn the_order_of_entries_counts() {
        let entry = |batch: u64| AuditEntered {
            jobId: U256::ONE,
            seller: Address::with_last_byte(7),
            modelId: U256::ONE,
            entry: U256::ONE,
            bindingHash: B256::with_last_byte(3),
            batch: U256::from(batch),
            encryptionKey: Bytes::new(),
            entriesHash: B256::ZERO,
        };
        assert_eq!(entries_hash([]), B256::ZERO);
        let (a, b) = (entry(16), entry(32));
        assert_ne!(entries_hash([&a, &b]), entries_hash([&b, &a]));
    }
}
