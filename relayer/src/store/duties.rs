//! The store's duties, their proofs, and what watches remember.

use alloy::primitives::U256;
use assay_client::{ProofArtifact, chain::SignedTransaction};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    JobStore,
    entries::{Fault, decode, encode},
};
use crate::{
    duty::{Duty, DutyRecord, ProofKey},
    error::StoreError,
    refusal::LeftAlone,
};

/// Duties by their JSON, which is the same for the same duty.
const DUTIES: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("duties");
/// Proofs of duties.
const DUTY_PROOFS: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("duty_proofs");
/// What watches have found so far, by their name.
const FOUND: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("found");

/// Jobs that are left alone, in one entry.
const LEFT_ALONE: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("left_alone");
const NEWEST: &str = "newest";

/// Makes the tables.
pub(super) fn prepare(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.open_table(DUTIES)?;
    txn.open_table(DUTY_PROOFS)?;
    txn.open_table(FOUND)?;
    txn.open_table(LEFT_ALONE)?;
    Ok(())
}

impl JobStore {
    /// Retrievals and audits in which the account could sell and does not, by the newest look.
    ///
    /// # Errors
    /// Those of the store.
    pub fn left_alone(&self) -> Result<Vec<LeftAlone>, StoreError> {
        self.disk.read("read what is left alone", |txn| {
            let table = txn.open_table(LEFT_ALONE)?;
            let entry = table.get(NEWEST)?;
            let found = entry.map(|bytes| decode("what is left alone", bytes.value()));
            Ok(found.transpose()?.unwrap_or_default())
        })
    }

    /// Keeps which jobs are left alone, instead of those that were before.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn put_left_alone(&self, found: &[LeftAlone]) -> Result<(), StoreError> {
        self.disk.write("store what is left alone", |txn| {
            txn.open_table(LEFT_ALONE)?.insert(NEWEST, encode(&found)?.as_slice())?;
            Ok(())
        })
    }

    /// All duties for which anything was done, also those that are over, for as long as that may be taken back.
    ///
    /// # Errors
    /// Those of the store.
    pub fn duties(&self) -> Result<Vec<DutyRecord>, StoreError> {
        self.disk.read("read its duties", |txn| {
            let mut found = Vec::new();
            for entry in txn.open_table(DUTIES)?.iter()? {
                let (name, bytes) = entry?;
                found.push(decode(name.value(), bytes.value())?);
            }
            Ok(found)
        })
    }

    /// What was done about a duty, if anything.
    ///
    /// # Errors
    /// Those of the store.
    pub fn duty(&self, duty: &Duty) -> Result<Option<DutyRecord>, StoreError> {
        let name = name_of(duty)?;
        self.disk.read("read a duty", |txn| {
            let duties = txn.open_table(DUTIES)?;
            Ok(duties.get(name.as_str())?.map(|bytes| decode(&name, bytes.value())).transpose()?)
        })
    }

    /// Changes what is kept about a duty, and returns it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn update_duty(
        &self,
        duty: &Duty,
        change: impl FnOnce(&mut DutyRecord),
    ) -> Result<DutyRecord, StoreError> {
        let name = name_of(duty)?;
        self.disk.write("change a duty", |txn| {
            let mut duties = txn.open_table(DUTIES)?;
            let found: Option<DutyRecord> =
                duties.get(name.as_str())?.map(|bytes| decode(&name, bytes.value())).transpose()?;
            let mut record = found.unwrap_or_else(|| DutyRecord::new(*duty));
            change(&mut record);
            duties.insert(name.as_str(), encode(&record)?.as_slice())?;
            Ok(record)
        })
    }

    /// Keeps an empty transaction that takes the nonce of one whose duty is over.
    ///
    /// # Errors
    /// Those of the store.
    pub fn cancel_duty(&self, duty: &Duty, signed: &SignedTransaction) -> Result<(), StoreError> {
        self.update_duty(duty, |record| record.cancellations.push(signed.clone())).map(drop)
    }

    /// Forgets a duty.
    ///
    /// # Errors
    /// Those of the store.
    pub fn forget_duty(&self, duty: &Duty) -> Result<(), StoreError> {
        let name = name_of(duty)?;
        self.disk.write("forget a duty", |txn| {
            txn.open_table(DUTIES)?.remove(name.as_str())?;
            Ok(())
        })
    }

    /// The proof kept under a key.
    ///
    /// # Errors
    /// Those of the store.
    pub fn duty_proof(&self, key: &ProofKey) -> Result<Option<ProofArtifact>, StoreError> {
        self.disk.read("read a proof", |txn| {
            let proofs = txn.open_table(DUTY_PROOFS)?;
            let found = proofs.get(key.as_str())?;
            Ok(found.map(|bytes| decode(key.as_str(), bytes.value())).transpose()?)
        })
    }

    /// Whether a proof is kept under a key.
    ///
    /// # Errors
    /// Those of the store.
    pub fn has_duty_proof(&self, key: &ProofKey) -> Result<bool, StoreError> {
        self.disk.read("look for a proof", |txn| {
            Ok(txn.open_table(DUTY_PROOFS)?.get(key.as_str())?.is_some())
        })
    }

    /// Keeps the proof of a duty, and notes that it came to an end, in one transaction.
    ///
    /// # Errors
    /// Those of the store.
    pub fn put_duty_proof(
        &self,
        duty: &Duty,
        key: &ProofKey,
        proof: &ProofArtifact,
    ) -> Result<(), StoreError> {
        let name = name_of(duty)?;
        self.disk.write("store a proof", |txn| {
            txn.open_table(DUTY_PROOFS)?.insert(key.as_str(), encode(proof)?.as_slice())?;
            let mut duties = txn.open_table(DUTIES)?;
            let found: Option<DutyRecord> =
                duties.get(name.as_str())?.map(|bytes| decode(&name, bytes.value())).transpose()?;
            let mut record = found.unwrap_or_else(|| DutyRecord::new(*duty));
            (record.proving, record.failed_proofs, record.last_error) = (false, 0, None);
            duties.insert(name.as_str(), encode(&record)?.as_slice())?;
            Ok(())
        })
    }

    /// Forgets the proofs for a batch or a job of which nothing is left to do.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn forget_duty_proofs(
        &self,
        contract: alloy::primitives::Address,
        subject: U256,
    ) -> Result<(), StoreError> {
        let first = ProofKey::new(contract, subject, 0);
        let prefix = first.as_str().trim_end_matches('0').to_owned();
        self.disk.write("forget proofs", |txn| {
            txn.open_table(DUTY_PROOFS)?.retain(|key, _| !key.starts_with(&prefix))?;
            Ok(())
        })
    }

    /// What a watch has found so far.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn found<T: DeserializeOwned>(&self, watch: &str) -> Result<Option<T>, StoreError> {
        self.disk.read("read what was found", |txn| {
            let found = txn.open_table(FOUND)?;
            let entry = found.get(watch)?;
            Ok(entry.map(|bytes| decode(watch, bytes.value())).transpose()?)
        })
    }

    /// Keeps what a watch has found so far.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn put_found(&self, watch: &str, found: &impl Serialize) -> Result<(), StoreError> {
        self.disk.write("store what was found", |txn| {
            txn.open_table(FOUND)?.insert(watch, encode(found)?.as_slice())?;
            Ok(())
        })
    }
}

fn name_of(duty: &Duty) -> Result<String, StoreError> {
    serde_json::to_string(duty)
        .map_err(|e| StoreError::Failed { operation: "name a duty", reason: e.to_string() })
}
