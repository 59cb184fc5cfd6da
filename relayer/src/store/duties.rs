//! The store's duties, their proofs, and what watches remember.

use alloy::primitives::{Address, U256};
use assay_client::{ProofArtifact, chain::SignedTransaction};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::query;

use super::{
    JobStore,
    database::Transaction,
    entries::{decode, encode},
    holes::{note, put_note},
    outbox::{self, Sender},
    tasks::used,
};
use crate::{
    duty::{Duty, DutyRecord, ProofKey},
    error::StoreError,
    queue::Lease,
    refusal::LeftAlone,
};

/// The note of the jobs that are left alone.
const LEFT_ALONE: &str = "left_alone";

impl JobStore {
    /// Retrievals and audits in which the account could sell and does not, by the newest look.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn left_alone(&self) -> Result<Vec<LeftAlone>, StoreError> {
        let mut txn = self.database.read("read what is left alone").await?;
        let found = note(&mut txn, LEFT_ALONE).await?;
        txn.commit().await?;
        let found = found.map(|body| decode("what is left alone", &body));
        Ok(found.transpose()?.unwrap_or_default())
    }

    /// Keeps which jobs are left alone, instead of those that were before.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn put_left_alone(&self, found: &[LeftAlone]) -> Result<(), StoreError> {
        let mut txn = self.database.write("store what is left alone").await?;
        put_note(&mut txn, LEFT_ALONE, &found).await?;
        txn.commit().await
    }

    /// All duties for which anything was done, also those that are over, for as long as that may be taken back.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn duties(&self) -> Result<Vec<DutyRecord>, StoreError> {
        let mut txn = self.database.read("read its duties").await?;
        let rows = txn.rows(query("SELECT name, body FROM duties ORDER BY name")).await?;
        let mut signed = outbox::of_kind(&mut txn, DutyRecord::KIND).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (name, body): (String, String) = (txn.column(row, 0)?, txn.column(row, 1)?);
            let mut record: DutyRecord = decode(&name, &body)?;
            record.give(signed.remove(&name).unwrap_or_default());
            found.push(record);
        }
        txn.commit().await?;
        Ok(found)
    }

    /// What was done about a duty, if anything.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn duty(&self, duty: &Duty) -> Result<Option<DutyRecord>, StoreError> {
        let name = encode(duty)?;
        let mut txn = self.database.read("read a duty").await?;
        let found = get(&mut txn, &name).await?;
        txn.commit().await?;
        Ok(found)
    }

    /// Changes what is kept about a duty, and returns it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn update_duty(
        &self,
        duty: &Duty,
        change: impl FnOnce(&mut DutyRecord),
    ) -> Result<DutyRecord, StoreError> {
        let mut txn = self.database.write("change a duty").await?;
        let record = change_duty(&mut txn, duty, change).await?;
        txn.commit().await?;
        Ok(record)
    }

    /// Keeps an empty transaction that takes the nonce of one whose duty is over.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cancel_duty(
        &self,
        duty: &Duty,
        signed: SignedTransaction,
    ) -> Result<(), StoreError> {
        self.update_duty(duty, |record| record.cancellations.push(signed)).await.map(drop)
    }

    /// Forgets a duty.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn forget_duty(&self, duty: &Duty) -> Result<(), StoreError> {
        let name = encode(duty)?;
        let mut txn = self.database.write("forget a duty").await?;
        txn.execute(query("DELETE FROM duties WHERE name = $1").bind(name.clone())).await?;
        outbox::remove(&mut txn, DutyRecord::KIND, &name).await?;
        txn.commit().await
    }

    /// The proof kept under a key.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn duty_proof(&self, key: &ProofKey) -> Result<Option<ProofArtifact>, StoreError> {
        let mut txn = self.database.read("read a proof").await?;
        let sql = "SELECT body FROM duty_proofs WHERE name = $1";
        let found = txn.text(query(sql).bind(key.as_str())).await?;
        txn.commit().await?;
        found.map(|body| decode(key.as_str(), &body)).transpose()
    }

    /// Whether a proof is kept under a key.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn has_duty_proof(&self, key: &ProofKey) -> Result<bool, StoreError> {
        let mut txn = self.database.read("look for a proof").await?;
        let sql = "SELECT name FROM duty_proofs WHERE name = $1";
        let found = txn.text(query(sql).bind(key.as_str())).await?;
        txn.commit().await?;
        Ok(found.is_some())
    }

    /// Keeps the proof of a duty, and notes that it came to an end, in one transaction.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_duty_proof(
        &self,
        duty: &Duty,
        key: &ProofKey,
        proof: &ProofArtifact,
    ) -> Result<(), StoreError> {
        self.put_duty_proof_of(duty, key, proof, None).await
    }

    /// The same for a proof of a task, which ends with that, in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and those of the store; nothing is stored then.
    pub(crate) async fn put_duty_proof_of(
        &self,
        duty: &Duty,
        key: &ProofKey,
        proof: &ProofArtifact,
        lease: Option<&Lease>,
    ) -> Result<(), StoreError> {
        let mut txn = self.database.write("store a proof").await?;
        if let Some(lease) = lease {
            used(&mut txn, lease).await?;
        }
        let sql = "INSERT INTO duty_proofs (name, body) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET body = excluded.body";
        txn.execute(query(sql).bind(key.as_str()).bind(encode(proof)?)).await?;
        let ended = |record: &mut DutyRecord| {
            (record.proving, record.failed_proofs, record.last_error) = (false, 0, None);
        };
        change_duty(&mut txn, duty, ended).await?;
        txn.commit().await
    }

    /// Forgets the proofs for a batch or a job of which nothing is left to do.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn forget_duty_proofs(
        &self,
        contract: Address,
        subject: U256,
    ) -> Result<(), StoreError> {
        let first = ProofKey::new(contract, subject, 0);
        // Digits and letters only: nothing in it stands for anything else.
        let names = format!("{}%", first.as_str().trim_end_matches('0'));
        let mut txn = self.database.write("forget proofs").await?;
        txn.execute(query("DELETE FROM duty_proofs WHERE name LIKE $1").bind(names)).await?;
        txn.commit().await
    }

    /// What a watch has found so far.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn found<T: DeserializeOwned>(
        &self,
        watch: &str,
    ) -> Result<Option<T>, StoreError> {
        let mut txn = self.database.read("read what was found").await?;
        let found = txn.text(query("SELECT body FROM found WHERE watch = $1").bind(watch)).await?;
        txn.commit().await?;
        found.map(|body| decode(watch, &body)).transpose()
    }

    /// Keeps what a watch has found so far.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn put_found(
        &self,
        watch: &str,
        found: &(impl Serialize + Sync),
    ) -> Result<(), StoreError> {
        let body = encode(found)?;
        let mut txn = self.database.write("store what was found").await?;
        let sql = "INSERT INTO found (watch, body) VALUES ($1, $2)
            ON CONFLICT (watch) DO UPDATE SET body = excluded.body";
        txn.execute(query(sql).bind(watch).bind(body)).await?;
        txn.commit().await
    }
}

async fn get(txn: &mut Transaction, name: &str) -> Result<Option<DutyRecord>, StoreError> {
    let sql = "SELECT body FROM duties WHERE name = $1";
    let Some(body) = txn.text(query(sql).bind(name)).await? else {
        return Ok(None);
    };
    let mut record: DutyRecord = decode(name, &body)?;
    record.give(outbox::of(txn, DutyRecord::KIND, name).await?);
    Ok(Some(record))
}

async fn change_duty(
    txn: &mut Transaction,
    duty: &Duty,
    change: impl FnOnce(&mut DutyRecord),
) -> Result<DutyRecord, StoreError> {
    let name = encode(duty)?;
    let mut record = get(txn, &name).await?.unwrap_or_else(|| DutyRecord::new(*duty));
    change(&mut record);
    let mut bare = record.clone();
    let signed = bare.take();
    let sql = "INSERT INTO duties (name, body) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET body = excluded.body";
    txn.execute(query(sql).bind(name.clone()).bind(encode(&bare)?)).await?;
    outbox::put(txn, DutyRecord::KIND, &name, &signed).await?;
    Ok(record)
}
