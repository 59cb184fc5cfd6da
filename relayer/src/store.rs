//! The relayer's memory: cursor, jobs, proofs, withdrawals. One file, one escrow, one process.
//!
//! redb rather than SQLite: it is pure Rust (no C compiler, 2 MB less to build), keeps a commit
//! durable through a power cut (copy-on-write B-trees, fsync at commit), and takes a file lock, so
//! that two relayers cannot share a store by mistake. What is kept is a map from job id to job;
//! nothing of SQL would be used. Every change below is one transaction: what a caller sees as
//! one step is on disk as a whole or not at all.

mod chain;
mod disk;
mod duties;
mod entries;
mod holes;
mod index;
#[cfg(test)]
mod tests;
mod withdrawals;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use alloy::primitives::{Address, U256};
use assay_client::{ProofArtifact, chain::BlockRef};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::{
    clock::unix_now,
    error::StoreError,
    job::{Ending, JobEvent, Payment, PredictionJob},
    pauses::Pauses,
};

use disk::Disk;
use entries::{Fault, decode, decode_job, encode, key};

const FORMAT: u64 = 1;
const META: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("meta");
/// Blocks read so far, by number; the last is the cursor.
const BLOCKS: TableDefinition<'static, u64, &'static [u8]> = TableDefinition::new("blocks");
const JOBS: TableDefinition<'static, [u8; 32], &'static [u8]> = TableDefinition::new("jobs");
const PROOFS: TableDefinition<'static, [u8; 32], &'static [u8]> = TableDefinition::new("proofs");
/// By token.
const WITHDRAWALS: TableDefinition<'static, [u8; 20], &'static [u8]> =
    TableDefinition::new("withdrawals");

/// How many read blocks are remembered to find the fork after a reorganization.
pub const KEPT_BLOCKS: usize = 512;

/// The store of one relayer. Clones share it.
#[derive(Clone)]
pub struct JobStore {
    disk: Arc<Disk>,
    pauses: Pauses,
}

#[derive(Serialize, Deserialize)]
struct Owner {
    format: u64,
    chain_id: u64,
    escrow: Address,
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
    /// [`StoreError::InUse`], [`StoreError::OtherEscrow`], [`StoreError::Format`],
    /// [`StoreError::Open`].
    pub fn open(path: &Path, chain_id: u64, escrow: Address) -> Result<Self, StoreError> {
        let fault = |reason: String| StoreError::Open { path: path.to_owned(), reason };
        if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|e| fault(e.to_string()))?;
        }
        let store = Self { disk: Arc::new(Disk::open(path)?), pauses: Pauses::default() };
        store.disk.write("be prepared", |txn| {
            txn.open_table(BLOCKS)?;
            txn.open_table(JOBS)?;
            txn.open_table(PROOFS)?;
            txn.open_table(WITHDRAWALS)?;
            withdrawals::prepare(txn)?;
            duties::prepare(txn)?;
            index::prepare(txn)?;
            let mut meta = txn.open_table(META)?;
            let found = meta.get("owner")?.map(|v| v.value().to_vec());
            match found {
                None => {
                    let owner = Owner { format: FORMAT, chain_id, escrow };
                    meta.insert("owner", encode(&owner)?.as_slice())?;
                }
                Some(bytes) => {
                    let owner: Owner = decode("its owner", &bytes)?;
                    if owner.format != FORMAT {
                        let path = path.to_owned();
                        return Err(StoreError::Format {
                            path,
                            found: owner.format,
                            expected: FORMAT,
                        }
                        .into());
                    }
                    if (owner.chain_id, owner.escrow) != (chain_id, escrow) {
                        return Err(StoreError::OtherEscrow {
                            path: path.to_owned(),
                            chain_id,
                            escrow,
                            found_chain: owner.chain_id,
                            found_escrow: owner.escrow,
                        }
                        .into());
                    }
                }
            }
            Ok(())
        })?;
        Ok(store)
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.disk.path().to_path_buf()
    }

    /// The last block read, if any.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn cursor(&self) -> Result<Option<BlockRef>, StoreError> {
        self.disk.read("read its cursor", |txn| {
            let blocks = txn.open_table(BLOCKS)?;
            match blocks.last()? {
                Some((number, bytes)) => {
                    Ok(Some(decode(&format!("block {}", number.value()), bytes.value())?))
                }
                None => Ok(None),
            }
        })
    }

    /// Blocks read, newest first.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn blocks(&self) -> Result<Vec<BlockRef>, StoreError> {
        self.disk.read("read its blocks", |txn| {
            let blocks = txn.open_table(BLOCKS)?;
            let mut found = Vec::new();
            for entry in blocks.iter()?.rev() {
                let (number, bytes) = entry?;
                found.push(decode(&format!("block {}", number.value()), bytes.value())?);
            }
            Ok(found)
        })
    }

    /// A job.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn job(&self, id: U256) -> Result<Option<PredictionJob>, StoreError> {
        self.disk.read("read a job", |txn| {
            let jobs = txn.open_table(JOBS)?;
            Ok(jobs.get(key(id))?.map(|bytes| decode_job(id, bytes.value())).transpose()?)
        })
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn jobs(&self) -> Result<Vec<PredictionJob>, StoreError> {
        self.disk.read("read its jobs", |txn| all_jobs(&txn.open_table(JOBS)?))
    }

    /// At most so many jobs, the newest first, of ids below `before` where one is named.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn newest(
        &self,
        before: Option<U256>,
        at_most: usize,
    ) -> Result<Vec<PredictionJob>, StoreError> {
        self.disk.read("read its jobs", |txn| {
            let jobs = txn.open_table(JOBS)?;
            let range = match before {
                Some(before) => jobs.range(..key(before))?,
                None => jobs.range::<[u8; 32]>(..)?,
            };
            let mut found = Vec::new();
            for entry in range.rev().take(at_most) {
                let (id, bytes) = entry?;
                found.push(decode_job(U256::from_be_bytes(id.value()), bytes.value())?);
            }
            Ok(found)
        })
    }

    /// The proof of a job.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn proof(&self, id: U256) -> Result<Option<ProofArtifact>, StoreError> {
        self.disk.read("read a proof", |txn| {
            let proofs = txn.open_table(PROOFS)?;
            let found = proofs.get(key(id))?;
            Ok(found
                .map(|bytes| decode(&format!("the proof of job {id}"), bytes.value()))
                .transpose()?)
        })
    }

    /// Changes a job in one transaction and returns what it is now. Its state changes by
    /// [`Self::report`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`], [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn update(
        &self,
        id: U256,
        change: impl FnOnce(&mut PredictionJob),
    ) -> Result<PredictionJob, StoreError> {
        self.disk.write("change a job", |txn| {
            change_job(txn, id, |job| {
                change(job);
                Ok(())
            })
        })
    }

    /// Reports an event of a job and returns what the job is now.
    ///
    /// # Errors
    /// [`StoreError::IllegalEvent`] for an event that cannot happen in the job's state, which is
    /// logged; [`StoreError::NoSuchJob`], [`StoreError::Failed`] and [`StoreError::Damaged`]. Nothing
    /// is changed then.
    pub fn report(
        &self,
        id: U256,
        event: &JobEvent,
        now: u64,
    ) -> Result<PredictionJob, StoreError> {
        self.report_and(id, event, now, |_| {})
    }

    /// The same with a further change of the job, in one transaction.
    ///
    /// # Errors
    /// As of [`Self::report`].
    pub fn report_and(
        &self,
        id: U256,
        event: &JobEvent,
        now: u64,
        change: impl FnOnce(&mut PredictionJob),
    ) -> Result<PredictionJob, StoreError> {
        let job = self.disk.write("change a job", |txn| {
            change_job(txn, id, |job| {
                handle(job, event, now)?;
                change(job);
                Ok(())
            })
        })?;
        if job.attempts == 0 {
            self.pauses.end(id);
        }
        Ok(job)
    }

    /// Notes a failed try of a job, which is tried again after a pause that grows up to `max_pause`.
    ///
    /// # Errors
    /// As of [`Self::update`].
    pub fn postpone(
        &self,
        id: U256,
        error: String,
        now: u64,
        max_pause: Duration,
    ) -> Result<PredictionJob, StoreError> {
        let mut pause = max_pause;
        let job = self.update(id, |job| pause = job.postpone(error, now, max_pause))?;
        self.pauses.begin(id, pause);
        Ok(job)
    }

    /// Takes up a job again that was given up, or left alone for a reason of this relayer's own: it goes on from
    /// where its proof and its claims leave it.
    ///
    /// # Errors
    /// [`StoreError::NotRetriable`] for a job in any other state, and as of [`Self::report`].
    pub fn retry(&self, id: U256) -> Result<PredictionJob, StoreError> {
        let proof = self.proof(id)?.is_some();
        self.disk.write("change a job", |txn| {
            change_job(txn, id, |job| {
                let kept = job.kept(proof);
                job.handle(&JobEvent::Retried(kept), unix_now())
                    .map_err(|source| StoreError::NotRetriable { job: id, source })?;
                job.last_error = None;
                Ok(())
            })
        })
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
    pub fn put_proof(
        &self,
        id: U256,
        proof: &ProofArtifact,
        now: u64,
    ) -> Result<PredictionJob, StoreError> {
        let job = self.disk.write("store a proof", |txn| {
            txn.open_table(PROOFS)?.insert(key(id), encode(proof)?.as_slice())?;
            change_job(txn, id, |job| handle(job, &JobEvent::ProofMade, now))
        })?;
        self.pauses.end(id);
        Ok(job)
    }
}

/// Applies an event to a job; one that cannot happen is logged and changes nothing.
fn handle(job: &mut PredictionJob, event: &JobEvent, now: u64) -> Result<(), StoreError> {
    job.handle(event, now).map_err(|source| {
        tracing::error!(job = %job.id(), error = %source, "an impossible event; the job is left as it is");
        StoreError::IllegalEvent { job: job.id(), source }
    })
}

fn change_job(
    txn: &WriteTransaction,
    id: U256,
    change: impl FnOnce(&mut PredictionJob) -> Result<(), StoreError>,
) -> Result<PredictionJob, Fault> {
    let mut job = get_job(txn, id)?.ok_or(StoreError::NoSuchJob(id))?;
    change(&mut job)?;
    index::put_job(txn, &job)?;
    Ok(job)
}

fn get_job(txn: &WriteTransaction, id: U256) -> Result<Option<PredictionJob>, Fault> {
    let jobs = txn.open_table(JOBS)?;
    Ok(jobs.get(key(id))?.map(|bytes| decode_job(id, bytes.value())).transpose()?)
}

fn all_jobs(
    jobs: &impl ReadableTable<[u8; 32], &'static [u8]>,
) -> Result<Vec<PredictionJob>, Fault> {
    let mut found = Vec::new();
    for entry in jobs.iter()? {
        let (id, bytes) = entry?;
        found.push(decode_job(U256::from_be_bytes(id.value()), bytes.value())?);
    }
    Ok(found)
}
