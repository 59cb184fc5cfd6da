//! The relayer's memory: cursor, jobs, proofs, withdrawals, and every transaction that it signed. One escrow, one process
//! that writes.
//!
//! It lies in a file of SQLite's, or in a database of PostgreSQL's, in the same tables (`relayer/migrations`). A job is
//! one text of JSON, with beside it what is asked for: what else is kept of it may grow from version to version. Every
//! change below is one transaction: what a caller sees as one step is there as a whole or not at all, and on the disk
//! when the call returns.

mod aside;
mod chain;
mod database;
mod duties;
mod entries;
mod fault;
mod holes;
mod index;
mod outbox;
mod place;
mod table;
mod tasks;
#[cfg(test)]
mod tests;
mod withdrawals;

use std::{fs, io::Read, path::Path, sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use assay_client::{ProofArtifact, chain::BlockRef};
use sqlx::query;

use crate::{
    clock::unix_now,
    error::StoreError,
    job::{Ending, JobEvent, Payment, PredictionJob},
    pauses::Pauses,
    queue::Lease,
};

use database::{Database, Transaction, cannot_open, lock_file};
use entries::{decode, encode, key};
pub use place::StorePlace;
use table::{get_job, put_job};
pub(crate) use tasks::HERE;

/// How many read blocks are remembered to find the fork after a reorganization.
pub const KEPT_BLOCKS: usize = 512;

/// The store of one relayer. Clones share it.
#[derive(Clone)]
pub struct JobStore {
    database: Arc<Database>,
    /// Held by those who may send, until the last of them is gone.
    _lock: Option<Arc<fs::File>>,
    pauses: Pauses,
}

/// What one step of following found: applied as a whole.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Jobs opened, in chain order.
    pub opened: Vec<PredictionJob>,
    /// Jobs that ended on chain without paying us.
    pub ended: Vec<(U256, Ending)>,
    /// Jobs claimed for our recipient.
    pub paid: Vec<(U256, Payment)>,
    /// The last block read.
    pub cursor: Option<BlockRef>,
}

impl JobStore {
    /// Opens or makes the store of the relayer for `escrow` on chain `chain_id`.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::OtherEscrow`], [`StoreError::Format`], [`StoreError::Older`],
    /// [`StoreError::Open`].
    pub async fn open(
        place: impl Into<StorePlace>,
        chain_id: u64,
        escrow: Address,
    ) -> Result<Self, StoreError> {
        let place = place.into();
        if let Some(path) = place.file() {
            look_at(path, &place)?;
        }
        let lock = match place.file() {
            Some(path) => Some(Arc::new(lock_file(path, &place).await?)),
            None => None,
        };
        let database = Arc::new(Database::open(&place, true).await?);
        let store = Self { database, _lock: lock, pauses: Pauses::default() };
        store.own(chain_id, escrow).await?;
        Ok(store)
    }

    /// Opens the store of a relayer for a worker, beside the relayer that has it. It has to be there.
    ///
    /// # Errors
    /// As of [`Self::open`], without those of its owner.
    pub async fn open_beside(place: impl Into<StorePlace>) -> Result<Self, StoreError> {
        let place = place.into();
        if !place.may_exist() {
            return Err(cannot_open(&place, &"there is none; start the relayer first"));
        }
        if let Some(path) = place.file() {
            look_at(path, &place)?;
        }
        let database = Arc::new(Database::open(&place, false).await?);
        Ok(Self { database, _lock: None, pauses: Pauses::default() })
    }

    /// The same store for those who make proofs: who has it keeps no other relayer away.
    pub(crate) fn for_proofs(&self) -> Self {
        Self { _lock: None, ..self.clone() }
    }

    /// Notes whose store it is, or compares that.
    async fn own(&self, chain_id: u64, escrow: Address) -> Result<(), StoreError> {
        let place = self.place();
        let mut txn = self.database.write("be prepared").await?;
        let rows = txn.rows(query("SELECT chain_id, escrow FROM owner")).await?;
        let Some(row) = rows.first() else {
            let sql = "INSERT INTO owner (one, chain_id, escrow) VALUES (1, $1, $2)";
            let owner = query(sql).bind(chain_id.to_string()).bind(escrow.to_string());
            txn.execute(owner).await?;
            return txn.commit().await;
        };
        let (found_chain, found_escrow): (String, String) =
            (txn.column(row, 0)?, txn.column(row, 1)?);
        txn.commit().await?;
        if (&found_chain, &found_escrow) != (&chain_id.to_string(), &escrow.to_string()) {
            let place = place.to_string();
            return Err(StoreError::OtherEscrow {
                place,
                chain_id,
                escrow,
                found_chain,
                found_escrow,
            });
        }
        Ok(())
    }

    /// Closes its connections, which else happens some time after the last clone is dropped.
    pub async fn close(self) {
        self.database.close().await;
    }

    /// Where it is.
    pub fn place(&self) -> &StorePlace {
        self.database.place()
    }

    /// How many rows this process has read from it so far: what a look at the chain costs must not grow with history.
    pub fn rows_read(&self) -> u64 {
        self.database.rows_read()
    }

    /// A job.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn job(&self, id: U256) -> Result<Option<PredictionJob>, StoreError> {
        let mut txn = self.database.read("read a job").await?;
        let job = get_job(&mut txn, id).await?;
        txn.commit().await?;
        Ok(job)
    }

    /// The proof of a job.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn proof(&self, id: U256) -> Result<Option<ProofArtifact>, StoreError> {
        let mut txn = self.database.read("read a proof").await?;
        let found = txn.text(query("SELECT body FROM proofs WHERE job = $1").bind(key(id))).await?;
        txn.commit().await?;
        found.map(|body| decode(&format!("the proof of job {id}"), &body)).transpose()
    }

    /// Changes a job in one transaction and returns what it is now. Its state changes by
    /// [`Self::report`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], and those of the store.
    pub async fn update(
        &self,
        id: U256,
        change: impl FnOnce(&mut PredictionJob),
    ) -> Result<PredictionJob, StoreError> {
        self.change(id, |job| {
            change(job);
            Ok(())
        })
        .await
    }

    /// Reports an event of a job and returns what the job is now.
    ///
    /// # Errors
    /// [`StoreError::IllegalEvent`] for an event that cannot happen in the job's state, which is
    /// logged; [`StoreError::NoSuchJob`], and those of the store. Nothing is changed then.
    pub async fn report(
        &self,
        id: U256,
        event: &JobEvent,
        now: u64,
    ) -> Result<PredictionJob, StoreError> {
        self.report_and(id, event, now, |_| {}).await
    }

    /// The same with a further change of the job, in one transaction.
    ///
    /// # Errors
    /// As of [`Self::report`].
    pub async fn report_and(
        &self,
        id: U256,
        event: &JobEvent,
        now: u64,
        change: impl FnOnce(&mut PredictionJob),
    ) -> Result<PredictionJob, StoreError> {
        let changed = self.change(id, |job| {
            handle(job, event, now)?;
            change(job);
            Ok(())
        });
        let job = changed.await?;
        if job.attempts == 0 {
            self.pauses.end(id);
        }
        Ok(job)
    }

    /// Notes a failed try of a job, which is tried again after a pause that grows up to `max_pause`.
    ///
    /// # Errors
    /// As of [`Self::update`].
    pub async fn postpone(
        &self,
        id: U256,
        error: String,
        now: u64,
        max_pause: Duration,
    ) -> Result<PredictionJob, StoreError> {
        let mut pause = max_pause;
        let job = self.update(id, |job| pause = job.postpone(error, now, max_pause)).await?;
        self.pauses.begin(id, pause);
        Ok(job)
    }

    /// Takes up a job again that was given up, or left alone for a reason of this relayer's own: it goes on from
    /// where its proof and its claims leave it.
    ///
    /// # Errors
    /// [`StoreError::NotRetriable`] for a job in any other state, and as of [`Self::report`].
    pub async fn retry(&self, id: U256) -> Result<PredictionJob, StoreError> {
        let proof = self.proof(id).await?.is_some();
        self.change(id, |job| {
            let kept = job.kept(proof);
            job.handle(&JobEvent::Retried(kept), unix_now())
                .map_err(|source| StoreError::NotRetriable { job: id, source })?;
            job.last_error = None;
            Ok(())
        })
        .await
    }

    /// Lets a job rest, by a clock that nobody sets. A restart ends all pauses.
    pub fn pause(&self, id: U256, pause: Duration) {
        self.pauses.begin(id, pause);
    }

    /// Ends the pause of a job.
    pub fn wake(&self, id: U256) {
        self.pauses.end(id);
    }

    /// Whether a job may be tried now.
    pub fn is_due(&self, id: U256) -> bool {
        self.pauses.is_over(id)
    }

    /// Stores a proof and reports it, in one transaction.
    ///
    /// # Errors
    /// As of [`Self::report`].
    pub async fn put_proof(
        &self,
        id: U256,
        proof: &ProofArtifact,
        now: u64,
    ) -> Result<PredictionJob, StoreError> {
        self.put_proof_of(id, proof, now, None).await
    }

    /// The same for a proof of a task, which ends with that, in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and as of [`Self::report`]; nothing is stored then.
    pub(crate) async fn put_proof_of(
        &self,
        id: U256,
        proof: &ProofArtifact,
        now: u64,
        lease: Option<&Lease>,
    ) -> Result<PredictionJob, StoreError> {
        let mut txn = self.database.write("store a proof").await?;
        if let Some(lease) = lease {
            tasks::used(&mut txn, lease).await?;
        }
        let sql = "INSERT INTO proofs (job, body) VALUES ($1, $2)
            ON CONFLICT (job) DO UPDATE SET body = excluded.body";
        txn.execute(query(sql).bind(key(id)).bind(encode(proof)?)).await?;
        let made = |job: &mut PredictionJob| handle(job, &JobEvent::ProofMade, now);
        let job = change_job(&mut txn, id, made).await?;
        txn.commit().await?;
        self.pauses.end(id);
        Ok(job)
    }

    async fn change(
        &self,
        id: U256,
        change: impl FnOnce(&mut PredictionJob) -> Result<(), StoreError>,
    ) -> Result<PredictionJob, StoreError> {
        let mut txn = self.database.write("change a job").await?;
        let job = change_job(&mut txn, id, change).await?;
        txn.commit().await?;
        Ok(job)
    }
}

/// Makes the folder of a file, and says of a file that is no store of this version's what it is. Nothing is written
/// into it.
fn look_at(path: &Path, place: &StorePlace) -> Result<(), StoreError> {
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| cannot_open(place, &error))?;
    }
    let mut start = Vec::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(cannot_open(place, &error)),
        Ok(file) => file.take(16).read_to_end(&mut start),
    }
    .map_err(|error| cannot_open(place, &error))?;
    if start.starts_with(b"redb") {
        return Err(StoreError::Older { place: place.to_string() });
    }
    if !start.is_empty() && start != b"SQLite format 3\0" {
        return Err(cannot_open(place, &"it is no store of a relayer; name another file"));
    }
    Ok(())
}

/// Applies an event to a job; one that cannot happen is logged and changes nothing.
fn handle(job: &mut PredictionJob, event: &JobEvent, now: u64) -> Result<(), StoreError> {
    job.handle(event, now).map_err(|source| {
        tracing::error!(job = %job.id(), error = %source, "an impossible event; the job is left as it is");
        StoreError::IllegalEvent { job: job.id(), source }
    })
}

async fn change_job(
    txn: &mut Transaction,
    id: U256,
    change: impl FnOnce(&mut PredictionJob) -> Result<(), StoreError>,
) -> Result<PredictionJob, StoreError> {
    let mut job = get_job(txn, id).await?.ok_or(StoreError::NoSuchJob(id))?;
    change(&mut job)?;
    put_job(txn, &job).await?;
    Ok(job)
}
