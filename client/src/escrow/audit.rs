//! Client of the audit escrow: one job pays for a proven accuracy on a hidden test set.

use alloy::{
    primitives::{B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};

use crate::{
    bindings::{ContractErrors, IAuditEscrow},
    chain::{ChainError, TransactionOutcome},
    contract::{Contract, ContractClient, Logged},
    escrow::{
        collection_job::{self, OrderError, RunArtifact},
        job_count,
    },
};

pub use crate::bindings::IAuditEscrow::{
    AuditBondReturned, AuditDelivered, AuditEntered, AuditOpened, AuditSettled, Entry, EntryState,
    Job, Offer, State, Terms,
};

/// An audit escrow contract. Calls on a job repeat its terms, which [`AuditEscrow::order`] finds.
#[derive(Clone, Debug)]
pub struct AuditEscrow {
    contract: Contract,
}

/// A job as its buyer opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditOrder {
    /// Id in the escrow.
    pub job_id: U256,
    /// What every call on the job repeats.
    pub terms: Terms,
    /// The list that `terms.admittedKeys` is the hash of; empty where there is none.
    pub admitted: Vec<B256>,
    /// What the buyer attached; unverified.
    pub hint: Bytes,
    /// Block of the opening: events about the job are in it or later.
    pub block: u64,
}

impl ContractClient for AuditEscrow {
    const NAME: &'static str = "AuditEscrow";

    type Probe = IAuditEscrow::isProvenCall;

    fn probe() -> Self::Probe {
        let (job, entry, run) = (U256::ZERO, U256::ZERO, U256::ZERO);
        IAuditEscrow::isProvenCall { jobId: job, entry, run }
    }

    fn new(contract: Contract) -> Self {
        Self { contract }
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }
}

impl AuditEscrow {
    /// Opens a job and escrows reward and bond from the signing account, which must be
    /// `terms.buyer`.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `DeadlineOutOfRange` and `KeyListMismatch`.
    pub async fn open(
        &self,
        terms: Terms,
        admitted: Vec<B256>,
        hint: Bytes,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let (token, amount) = (terms.token, U256::from(terms.reward) + U256::from(terms.bond));
        let call = IAuditEscrow::openCall { terms, admitted, hint };
        let outcome = self.contract.pay(&call, token, amount).await?;
        Ok((self.contract.event::<AuditOpened>(&outcome)?.jobId, outcome))
    }

    /// Reads a job; `None` if there is none with this id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn job(&self, job_id: U256) -> Result<Option<Job>, ChainError> {
        let call = IAuditEscrow::getJobCall { jobId: job_id };
        self.contract.lookup::<ContractErrors::JobNotFound, _>(&call).await
    }

    /// Number of jobs; ids run from 1 to it.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn count(&self) -> Result<U256, ChainError> {
        job_count(&self.contract).await
    }

    /// The terms of a job, from its event in block `from` or later, compared with the hash that
    /// the contract keeps.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, job_id: U256, from: u64) -> Result<AuditOrder, OrderError> {
        let hash = self.job(job_id).await?.map(|job| job.termsHash);
        let hash_of = |event: &AuditOpened| terms_hash(&event.terms);
        let Logged { event, block, .. } =
            collection_job::find_opened_event(&self.contract, job_id, hash, from, hash_of).await?;
        let AuditOpened { terms, admitted, hint, .. } = event;
        Ok(AuditOrder { job_id, terms, admitted, hint, block })
    }

    /// The entries of a job in the order of their ids, as their events tell.
    ///
    /// # Errors
    /// As of [`crate::Chain::head`] and [`crate::chain::LogScanner::scan`]; [`ChainError::BadAnswer`]
    /// for a log of another form.
    pub async fn entered(
        &self,
        order: &AuditOrder,
    ) -> Result<Vec<Logged<AuditEntered>>, ChainError> {
        self.contract.events_about(order.job_id.into(), order.block).await
    }

    /// The delivery of a job, if there was one.
    ///
    /// # Errors
    /// As of [`crate::Chain::head`] and [`crate::chain::LogScanner::scan`]; [`ChainError::BadAnswer`]
    /// for a log of another form.
    pub async fn delivery(
        &self,
        order: &AuditOrder,
    ) -> Result<Option<Logged<AuditDelivered>>, ChainError> {
        self.contract.last_about(order.job_id.into(), order.block).await
    }

    /// The end of a job, with the id of the entry that was paid (0 for none).
    ///
    /// # Errors
    /// As of [`crate::Chain::head`] and [`crate::chain::LogScanner::scan`]; [`ChainError::BadAnswer`]
    /// for a log of another form.
    pub async fn settlement(
        &self,
        order: &AuditOrder,
    ) -> Result<Option<Logged<AuditSettled>>, ChainError> {
        self.contract.last_about(order.job_id.into(), order.block).await
    }

    /// Enters the signing account's model and escrows the stake; returns the entry's id.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `EntriesFull`,
    /// `DeadlinePassed`, `KeyNotAdmitted`, `BindingMismatch` and, where the terms have a challenge,
    /// `ProofInvalid`.
    pub async fn enter(
        &self,
        order: &AuditOrder,
        offer: Offer,
    ) -> Result<(U256, TransactionOutcome), ChainError> {
        let terms = order.terms.clone();
        let (token, stake) = (terms.token, U256::from(terms.stake));
        let call = IAuditEscrow::enterCall { jobId: order.job_id, terms, offer };
        let outcome = self.contract.pay(&call, token, stake).await?;
        Ok((self.contract.event::<AuditEntered>(&outcome)?.entry, outcome))
    }

    /// Publishes where the encrypted test set is, for the entries of these ids; the others get their
    /// stakes back. `entries_hash` stands for the entries that the buyer has checked, see
    /// [`entries_hash`].
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `EntriesOpen`, `EntriesMismatch`, `ApprovedOutOfRange`, `SameBlock` and `DeadlinePassed`.
    pub async fn deliver(
        &self,
        order: &AuditOrder,
        entries_hash: B256,
        approved: &[U256],
        data_hash: B256,
        place: Bytes,
    ) -> Result<TransactionOutcome, ChainError> {
        self.contract
            .send(&IAuditEscrow::deliverCall {
                jobId: order.job_id,
                terms: order.terms.clone(),
                entriesHash: entries_hash,
                approved: bitmap(approved),
                dataHash: data_hash,
                place,
            })
            .await
    }

    /// Ends a job of whose entries the buyer approves none: everybody gets back what is theirs.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] as by [`AuditEscrow::deliver`].
    pub async fn decline(
        &self,
        order: &AuditOrder,
        entries_hash: B256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        let call = IAuditEscrow::declineCall { jobId: job_id, terms, entriesHash: entries_hash };
        self.contract.send(&call).await
    }

    /// Returns the bond of a delivered job once no answer can come any more, and says how much of it
    /// was burnt.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `BondReturned` and
    /// `DeadlineNotPassed`.
    pub async fn return_bond(
        &self,
        order: &AuditOrder,
    ) -> Result<(AuditBondReturned, TransactionOutcome), ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        let call = IAuditEscrow::returnBondCall { jobId: job_id, terms };
        let outcome = self.contract.send(&call).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// The signing account claims that so many items are correct, and answers for it from here on.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `WrongEntryState`, `ClaimOutOfRange` and `DeadlinePassed`.
    pub async fn accept(
        &self,
        order: &AuditOrder,
        entry: U256,
        claim: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.contract.send(&IAuditEscrow::acceptCall { jobId: job_id, terms, entry, claim }).await
    }

    /// The signing account gives up its entry and loses the abort fee, which is burnt.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `WrongCaller`,
    /// `WrongEntryState` and `DeadlinePassed`.
    pub async fn abort(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.contract.send(&IAuditEscrow::abortCall { jobId: job_id, terms, entry }).await
    }

    /// Shows the proof of one run of an accepted entry.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `WrongEntryState`,
    /// `RunAlreadyProven`, `ProofInvalid` and `DeadlinePassed`.
    pub async fn prove(
        &self,
        order: &AuditOrder,
        entry: U256,
        run: &RunArtifact,
    ) -> Result<TransactionOutcome, ChainError> {
        self.contract
            .send(&IAuditEscrow::proveCall {
                jobId: order.job_id,
                terms: order.terms.clone(),
                entry,
                run: U256::from(run.run),
                correct: run.result,
                proof: run.proof.clone(),
            })
            .await
    }

    /// Ends a job whose outcome is certain, and says how.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `Undecided`,
    /// `DeadlineNotPassed` and `JobNotOpen`.
    pub async fn settle(
        &self,
        order: &AuditOrder,
    ) -> Result<(AuditSettled, TransactionOutcome), ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        let call = IAuditEscrow::settleCall { jobId: job_id, terms };
        let outcome = self.contract.send(&call).await?;
        Ok((self.contract.event(&outcome)?, outcome))
    }

    /// Ends an entry.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `EntryEnded` and
    /// `DeadlineNotPassed`.
    pub async fn release(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.contract.send(&IAuditEscrow::releaseCall { jobId: job_id, terms, entry }).await
    }

    /// Has the result of an ended entry recorded.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `NotCertifiable` and
    /// `AlreadyCertified`.
    pub async fn certify(
        &self,
        order: &AuditOrder,
        entry: U256,
    ) -> Result<TransactionOutcome, ChainError> {
        let (job_id, terms) = (order.job_id, order.terms.clone());
        self.contract.send(&IAuditEscrow::certifyCall { jobId: job_id, terms, entry }).await
    }

    /// Reads an entry; reverts for an unknown one.
    ///
    /// # Errors
    /// As of [`Contract::query`]; [`ChainError::Reverted`] with `EntryNotFound`.
    pub async fn entry(&self, job_id: U256, entry: U256) -> Result<Entry, ChainError> {
        self.contract.query(&IAuditEscrow::getEntryCall { jobId: job_id, entry }).await
    }

    /// Whether a run of an entry has been proven.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn is_proven(&self, job_id: U256, entry: U256, run: u64) -> Result<bool, ChainError> {
        let run = U256::from(run);
        self.contract.query(&IAuditEscrow::isProvenCall { jobId: job_id, entry, run }).await
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

/// Last second in which the claim of an entry is proven that comes after `turn` others.
pub fn prove_by(terms: &Terms, turn: U256) -> u64 {
    let windows = turn.saturating_to::<u64>().saturating_add(1);
    terms.acceptBy.saturating_add(windows.saturating_mul(terms.proveWindow))
}

/// A bit for each of these entries, from bit 0 for entry 1. There is no entry 0, and none above 16.
fn bitmap(entries: &[U256]) -> U256 {
    let bit = |entry: &U256| U256::ONE << (*entry).saturating_sub(U256::ONE);
    entries.iter().fold(U256::ZERO, |bitmap, entry| bitmap | bit(entry))
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
    use alloy::primitives::Address;

    use super::*;

    #[test]
    fn lists_are_hashed_without_their_lengths() {
        assert_eq!(admitted_keys(&[]), B256::ZERO);
        let (a, b) = (B256::with_last_byte(1), B256::with_last_byte(2));
        assert_eq!(admitted_keys(&[a, b]), admission_hash(a, b), "two words");
        assert_ne!(admitted_keys(&[a, b]), admitted_keys(&[b, a]));
    }

    #[test]
    fn terms_are_hashed_as_eighteen_words() {
        let terms =
            Terms { items: 30, required: 29, challengeRoot: U256::from(7), ..Terms::default() };
        let mut words = [0u8; 18 * 32];
        words[17 * 32 + 31] = 7;
        words[9 * 32 + 31] = 30;
        words[10 * 32 + 31] = 29;
        assert_eq!(terms_hash(&terms), keccak256(words));
    }

    #[test]
    fn each_claim_has_a_window_of_its_own() {
        let terms = Terms { acceptBy: 1_000, proveWindow: 600, ..Terms::default() };
        assert_eq!(prove_by(&terms, U256::ZERO), 1_600);
        assert_eq!(prove_by(&terms, U256::from(15)), 10_600);
        assert_eq!(prove_by(&terms, U256::MAX), u64::MAX);
    }

    #[test]
    fn entries_are_bits_from_the_lowest() {
        assert_eq!(bitmap(&[]), U256::ZERO);
        assert_eq!(bitmap(&[U256::from(3), U256::ONE]), U256::from(5));
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
