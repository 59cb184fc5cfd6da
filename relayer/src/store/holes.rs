//! Which jobs are missing from what was read. Ids run from 1 without a gap, so that an opening that a node did not
//! show is noticed by its number.

use alloy::primitives::U256;
use redb::{ReadableTable, WriteTransaction};

use super::{
    JOBS, JobStore, META,
    entries::{Fault, decode, decode_job, encode, key},
};
use crate::{
    error::StoreError,
    job::{JobState, PredictionJob, SkipReason},
};

/// Up to this id no job is missing.
const WHOLE: &str = "whole";

impl JobStore {
    /// The id up to which no job is missing; `None` before the first look.
    ///
    /// # Errors
    /// Those of the store.
    pub fn whole(&self) -> Result<Option<U256>, StoreError> {
        self.disk.read("read up to where it is whole", |txn| {
            let meta = txn.open_table(META)?;
            Ok(meta
                .get(WHOLE)?
                .map(|bytes| decode("where it is whole", bytes.value()))
                .transpose()?)
        })
    }

    /// Notes that no job up to `id` is wanted, or missing.
    ///
    /// # Errors
    /// Those of the store.
    pub fn set_whole(&self, id: U256) -> Result<(), StoreError> {
        self.disk.write("note up to where it is whole", |txn| {
            txn.open_table(META)?.insert(WHOLE, encode(&id)?.as_slice())?;
            Ok(())
        })
    }

    /// The ids of the first few jobs up to `count` that are missing, and notes up to where none is.
    ///
    /// # Errors
    /// Those of the store.
    pub fn missing(&self, count: U256, at_most: usize) -> Result<Vec<U256>, StoreError> {
        let before = self.whole()?.unwrap_or_default();
        let (mut missing, mut whole) = (Vec::new(), before);
        let mut next = before.saturating_add(U256::ONE);
        self.disk.read("look for missing jobs", |txn| {
            let jobs = txn.open_table(JOBS)?;
            while next <= count && missing.len() < at_most {
                let found = jobs.get(key(next))?.map(|bytes| decode_job(next, bytes.value()));
                if found.transpose()?.is_none_or(|job| is_reorged(&job)) {
                    missing.push(next);
                } else if missing.is_empty() {
                    whole = next;
                }
                next = next.saturating_add(U256::ONE);
            }
            Ok(())
        })?;
        if whole > before {
            self.set_whole(whole)?;
        }
        Ok(missing)
    }

    /// The lowest id of a job that is there; `None` without jobs.
    ///
    /// # Errors
    /// Those of the store.
    pub fn lowest(&self) -> Result<Option<U256>, StoreError> {
        self.disk.read("read its first job", |txn| {
            let jobs = txn.open_table(JOBS)?;
            Ok(jobs.first()?.map(|(id, _)| U256::from_be_bytes(id.value())))
        })
    }

    /// The blocks that opened the jobs next to a missing one, below and above it.
    ///
    /// # Errors
    /// Those of the store.
    pub fn opened_around(&self, id: U256) -> Result<(Option<u64>, Option<u64>), StoreError> {
        self.disk.read("read the neighbours of a job", |txn| {
            let jobs = txn.open_table(JOBS)?;
            let mut below = jobs.range(..key(id))?.rev();
            let mut above = jobs.range(key(id.saturating_add(U256::ONE))..)?;
            Ok((first_opened(&mut below)?, first_opened(&mut above)?))
        })
    }
}

/// Looks again from an id on.
pub(super) fn lower_whole(txn: &WriteTransaction, id: U256) -> Result<(), Fault> {
    let mut meta = txn.open_table(META)?;
    let whole: Option<U256> =
        meta.get(WHOLE)?.map(|bytes| decode("where it is whole", bytes.value())).transpose()?;
    if whole.is_some_and(|whole| whole > id) {
        meta.insert(WHOLE, encode(&id)?.as_slice())?;
    }
    Ok(())
}

fn is_reorged(job: &PredictionJob) -> bool {
    *job.state() == JobState::Skipped { reason: SkipReason::Reorged }
}

fn first_opened<'a>(
    entries: &mut impl Iterator<
        Item = Result<
            (redb::AccessGuard<'a, [u8; 32]>, redb::AccessGuard<'a, &'static [u8]>),
            redb::StorageError,
        >,
    >,
) -> Result<Option<u64>, Fault> {
    for entry in entries {
        let (id, bytes) = entry?;
        let job = decode_job(U256::from_be_bytes(id.value()), bytes.value())?;
        if !is_reorged(&job) {
            return Ok(Some(job.opened_in.number));
        }
    }
    Ok(None)
}
