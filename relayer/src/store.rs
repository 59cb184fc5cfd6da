//! The relayer's memory: cursor, jobs, proofs, withdrawals. One file, one escrow, one process.
//!
//! redb rather than SQLite: it is pure Rust (no C compiler, 2 MB less to build), keeps a commit
//! durable through a power cut (copy-on-write B-trees, fsync at commit), and takes a file lock, so
//! that two relayers cannot share a store by mistake. What is kept is a map from job id to job;
//! nothing of SQL would be used. Every change below is one transaction: what a caller sees as
//! one step is on disk as a whole or not at all.

mod entries;
#[cfg(test)]
mod tests;
mod withdrawals;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy::primitives::{Address, U256};
use assay_client::{ProofArtifact, chain::BlockRef};
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata,
    TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    job::{JobEvent, JobState, Payment, PredictionJob, SkipReason},
};

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
    db: Arc<Database>,
    path: Arc<Path>,
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
    /// Jobs that ended on chain without paying us, with the reason.
    pub ended: Vec<(U256, SkipReason)>,
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
        let db = Database::create(path).map_err(|e| match e {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
            other => fault(other.to_string()),
        })?;
        let store = Self { db: Arc::new(db), path: path.into() };
        store.write("be prepared", |txn| {
            txn.open_table(BLOCKS)?;
            txn.open_table(JOBS)?;
            txn.open_table(PROOFS)?;
            txn.open_table(WITHDRAWALS)?;
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
        self.path.to_path_buf()
    }

    /// The last block read, if any.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn cursor(&self) -> Result<Option<BlockRef>, StoreError> {
        self.read("read its cursor", |txn| {
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
        self.read("read its blocks", |txn| {
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
        self.read("read a job", |txn| {
            let jobs = txn.open_table(JOBS)?;
            Ok(jobs.get(key(id))?.map(|bytes| decode_job(id, bytes.value())).transpose()?)
        })
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn jobs(&self) -> Result<Vec<PredictionJob>, StoreError> {
        self.read("read its jobs", |txn| all_jobs(&txn.open_table(JOBS)?))
    }

    /// The proof of a job.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn proof(&self, id: U256) -> Result<Option<ProofArtifact>, StoreError> {
        self.read("read a proof", |txn| {
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
        self.write("change a job", |txn| {
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
        self.write("change a job", |txn| {
            change_job(txn, id, |job| {
                handle(job, event, now)?;
                change(job);
                Ok(())
            })
        })
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
        self.write("store a proof", |txn| {
            txn.open_table(PROOFS)?.insert(key(id), encode(proof)?.as_slice())?;
            change_job(txn, id, |job| handle(job, &JobEvent::ProofMade, now))
        })
    }

    /// Applies what was read from the chain and moves the cursor. Applying the same twice
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`]; nothing is changed then.
    pub fn apply(&self, progress: Progress, now: u64) -> Result<(), StoreError> {
        self.write("apply events", |txn| {
            {
                let mut jobs = txn.open_table(JOBS)?;
                let mut proofs = txn.open_table(PROOFS)?;
                for opened in progress.opened {
                    let id = opened.id();
                    let known = jobs
                        .get(key(id))?
                        .map(|bytes| decode_job(id, bytes.value()))
                        .transpose()?;
                    let has_proof = proofs.get(key(id))?.is_some();
                    let same_terms = known.as_ref().is_some_and(|k| k.terms == opened.terms);
                    let job = match known {
                        Some(mut known) if same_terms => {
                            known.opened_in = opened.opened_in;
                            let kept = known.kept(has_proof);
                            handle(&mut known, &JobEvent::OpenedAgain(kept), now)?;
                            known
                        }
                        // After a reorganization the id can stand for another order.
                        _ => {
                            proofs.remove(key(id))?;
                            opened
                        }
                    };
                    jobs.insert(key(id), encode(&job)?.as_slice())?;
                }
                for (id, payment) in progress.paid {
                    let found = jobs
                        .get(key(id))?
                        .map(|bytes| decode_job(id, bytes.value()))
                        .transpose()?;
                    if let Some(mut job) = found {
                        job.paid_in = Some(payment);
                        // Somebody may have sent our proof although we gave the job up: the payment
                        // is ours all the same, to be confirmed and withdrawn.
                        handle(&mut job, &JobEvent::Paid, now)?;
                        jobs.insert(key(id), encode(&job)?.as_slice())?;
                    }
                }
                for (id, reason) in progress.ended {
                    let found = jobs
                        .get(key(id))?
                        .map(|bytes| decode_job(id, bytes.value()))
                        .transpose()?;
                    if let Some(mut job) = found {
                        handle(&mut job, &JobEvent::Closed { reason }, now)?;
                        jobs.insert(key(id), encode(&job)?.as_slice())?;
                    }
                }
            }
            if let Some(cursor) = progress.cursor {
                let mut blocks = txn.open_table(BLOCKS)?;
                blocks.insert(cursor.number, encode(&cursor)?.as_slice())?;
                while blocks.len()? > KEPT_BLOCKS as u64 {
                    blocks.pop_first()?;
                }
            }
            Ok(())
        })
    }

    /// Takes back everything that happened after block `ancestor` (or everything, for `None`):
    /// jobs opened there become skipped as reorged, claims and refunds seen there become undecided.
    /// Returns the ids of the jobs touched.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`]; nothing is changed then.
    pub fn roll_back(&self, ancestor: Option<u64>, now: u64) -> Result<Vec<U256>, StoreError> {
        let gone = |block: u64| ancestor.is_none_or(|a| block > a);
        self.write("roll back", |txn| {
            let mut touched = Vec::new();
            {
                let mut blocks = txn.open_table(BLOCKS)?;
                blocks.retain(|number, _| !gone(number))?;
                let mut jobs = txn.open_table(JOBS)?;
                let proofs = txn.open_table(PROOFS)?;
                for mut job in all_jobs(&jobs)? {
                    let id = job.id();
                    let has_proof = proofs.get(key(id))?.is_some();
                    let unpaid = job.paid_in.is_some_and(|payment| gone(payment.block.number));
                    if unpaid {
                        job.paid_in = None;
                    }
                    let kept = job.kept(has_proof);
                    let event = if gone(job.opened_in.number) {
                        let known =
                            *job.state() == JobState::Skipped { reason: SkipReason::Reorged };
                        (unpaid || !known).then_some(JobEvent::OpeningTakenBack)
                    } else {
                        let undecided = match job.state() {
                            JobState::Confirmed { block, .. } => gone(*block),
                            // The event that ended it may be gone; the chain is asked again.
                            JobState::Skipped {
                                reason: SkipReason::ClaimedByOther { .. } | SkipReason::Refunded,
                            } => true,
                            _ => false,
                        };
                        (unpaid || undecided).then_some(JobEvent::TakenBack(kept))
                    };
                    if let Some(event) = event {
                        handle(&mut job, &event, now)?;
                        jobs.insert(key(id), encode(&job)?.as_slice())?;
                        touched.push(id);
                    }
                }
            }
            Ok(touched)
        })
    }

    fn read<T>(
        &self,
        operation: &'static str,
        f: impl FnOnce(&redb::ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let run = || f(&self.db.begin_read()?);
        run().map_err(|fault| fault.into_error(operation))
    }

    fn write<T>(
        &self,
        operation: &'static str,
        f: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let run = || {
            let txn = self.db.begin_write()?;
            let value = f(&txn)?;
            txn.commit()?;
            Ok(value)
        };
        run().map_err(|fault: Fault| fault.into_error(operation))
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
    let mut jobs = txn.open_table(JOBS)?;
    let found = jobs.get(key(id))?.map(|bytes| decode_job(id, bytes.value())).transpose()?;
    let mut job = found.ok_or(StoreError::NoSuchJob(id))?;
    change(&mut job)?;
    jobs.insert(key(id), encode(&job)?.as_slice())?;
    Ok(job)
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
