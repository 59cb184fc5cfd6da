//! Which jobs there is work on, so that a look at them does not grow with history; and what is forgotten.

use alloy::primitives::U256;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::{
    JOBS, JobStore, META, PROOFS, all_jobs,
    entries::{Fault, decode_job, encode, key},
};
use crate::{error::StoreError, job::PredictionJob};

/// Jobs that are not settled, with their deadline.
const ACTIVE: TableDefinition<'static, [u8; 32], u64> = TableDefinition::new("active");
/// Settled jobs with claims that may still wait in a pool.
const LOOSE: TableDefinition<'static, [u8; 32], ()> = TableDefinition::new("loose");
/// Set when the tables above are complete.
const INDEXED: &str = "indexed";

impl JobStore {
    /// The jobs that are not settled: the nearest deadline first.
    ///
    /// # Errors
    /// Those of the store.
    pub fn active(&self) -> Result<Vec<PredictionJob>, StoreError> {
        let mut active = self.indexed(|txn| {
            let entries = txn.open_table(ACTIVE)?;
            let ids = entries.iter()?.map(|entry| Ok(entry?.0.value()));
            ids.collect()
        })?;
        active.sort_by_key(|job| (job.terms.deadline, job.id()));
        Ok(active)
    }

    /// The settled jobs that have claims of which some may wait in a pool.
    ///
    /// # Errors
    /// Those of the store.
    pub fn loose(&self) -> Result<Vec<PredictionJob>, StoreError> {
        self.indexed(|txn| {
            let entries = txn.open_table(LOOSE)?;
            let ids = entries.iter()?.map(|entry| Ok(entry?.0.value()));
            ids.collect()
        })
    }

    /// Notes that all claims of these jobs are in blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub fn all_mined(&self, ids: &[U256]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.disk.write("note mined claims", |txn| {
            let mut loose = txn.open_table(LOOSE)?;
            for id in ids {
                loose.remove(key(*id))?;
            }
            Ok(())
        })
    }

    /// Forgets settled jobs, with their proofs, whose deadline was before `time`, Unix time of the chain. Looks at
    /// `at_most` jobs from id `from` on, and returns where to go on.
    ///
    /// # Errors
    /// Those of the store.
    pub fn prune(&self, from: U256, at_most: usize, time: u64) -> Result<Option<U256>, StoreError> {
        let (mut old, mut last, mut looked) = (Vec::new(), from, 0);
        self.disk.read("look for old jobs", |txn| {
            let (jobs, loose) = (txn.open_table(JOBS)?, txn.open_table(LOOSE)?);
            for entry in jobs.range(key(from)..)?.take(at_most) {
                let (id, bytes) = entry?;
                let job = decode_job(U256::from_be_bytes(id.value()), bytes.value())?;
                (last, looked) = (job.id(), looked + 1);
                let over = job.state().is_settled() && job.terms.deadline < time;
                if over && loose.get(id.value())?.is_none() {
                    old.push(job.id());
                }
            }
            Ok(())
        })?;
        if !old.is_empty() {
            self.disk.write("forget old jobs", |txn| {
                let (mut jobs, mut proofs) = (txn.open_table(JOBS)?, txn.open_table(PROOFS)?);
                for id in &old {
                    jobs.remove(key(*id))?;
                    proofs.remove(key(*id))?;
                }
                Ok(())
            })?;
            tracing::info!(jobs = old.len(), "forgot settled jobs whose deadlines are long past");
        }
        Ok((looked == at_most).then(|| last.saturating_add(U256::ONE)))
    }

    fn indexed(
        &self,
        ids: impl FnOnce(&redb::ReadTransaction) -> Result<Vec<[u8; 32]>, Fault>,
    ) -> Result<Vec<PredictionJob>, StoreError> {
        self.disk.read("read its jobs", |txn| {
            let jobs = txn.open_table(JOBS)?;
            let mut found = Vec::new();
            for id in ids(txn)? {
                if let Some(bytes) = jobs.get(id)? {
                    found.push(decode_job(U256::from_be_bytes(id), bytes.value())?);
                }
            }
            Ok(found)
        })
    }
}

/// Makes the tables, from the jobs where a store has none yet.
pub(super) fn prepare(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.open_table(ACTIVE)?;
    txn.open_table(LOOSE)?;
    if txn.open_table(META)?.get(INDEXED)?.is_none() {
        let jobs = all_jobs(&txn.open_table(JOBS)?)?;
        for job in &jobs {
            put_job(txn, job)?;
        }
        txn.open_table(META)?.insert(INDEXED, encode(&true)?.as_slice())?;
    }
    Ok(())
}

/// Writes a job where it belongs.
pub(super) fn put_job(txn: &WriteTransaction, job: &PredictionJob) -> Result<(), Fault> {
    let id = key(job.id());
    txn.open_table(JOBS)?.insert(id, encode(job)?.as_slice())?;
    let (mut active, mut loose) = (txn.open_table(ACTIVE)?, txn.open_table(LOOSE)?);
    if job.state().is_settled() {
        active.remove(id)?;
        if !job.claims.is_empty() {
            loose.insert(id, ())?;
        }
    } else {
        active.insert(id, job.terms.deadline)?;
        loose.remove(id)?;
    }
    Ok(())
}
