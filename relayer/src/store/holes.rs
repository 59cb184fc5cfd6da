//! Which jobs are missing from what was read. Ids run from 1 without a gap, so that an opening that a node did not
//! show is noticed by its number.

use alloy::primitives::U256;
use sqlx::query;

use super::{
    JobStore,
    database::{Statement, Transaction},
    entries::{decode, decode_job, encode, id_of, key},
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
    pub async fn whole(&self) -> Result<Option<U256>, StoreError> {
        let mut txn = self.database.read("read up to where it is whole").await?;
        let found = whole(&mut txn).await?;
        txn.commit().await?;
        Ok(found)
    }

    /// Notes that no job up to `id` is wanted, or missing.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn set_whole(&self, id: U256) -> Result<(), StoreError> {
        let mut txn = self.database.write("note up to where it is whole").await?;
        put_note(&mut txn, WHOLE, &id).await?;
        txn.commit().await
    }

    /// The ids of the first few jobs up to `count` that are missing, and notes up to where none is.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn missing(&self, count: U256, at_most: usize) -> Result<Vec<U256>, StoreError> {
        let mut txn = self.database.read("look for missing jobs").await?;
        let before = whole(&mut txn).await?.unwrap_or_default();
        let (mut missing, mut whole) = (Vec::new(), before);
        let mut next = before.saturating_add(U256::ONE);
        while next <= count && missing.len() < at_most {
            let sql = "SELECT body FROM jobs WHERE id = $1";
            let found = txn.text(query(sql).bind(key(next))).await?;
            let found = found.map(|body| decode_job(next, &body)).transpose()?;
            if found.is_none_or(|job| is_reorged(&job)) {
                missing.push(next);
            } else if missing.is_empty() {
                whole = next;
            }
            next = next.saturating_add(U256::ONE);
        }
        txn.commit().await?;
        if whole > before {
            self.set_whole(whole).await?;
        }
        Ok(missing)
    }

    /// The lowest id of a job that is there; `None` without jobs.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn lowest(&self) -> Result<Option<U256>, StoreError> {
        let mut txn = self.database.read("read its first job").await?;
        let first = txn.text(query("SELECT id FROM jobs ORDER BY id LIMIT 1")).await?;
        txn.commit().await?;
        first.map(|id| id_of(&id)).transpose()
    }

    /// The blocks that opened the jobs next to a missing one, below and above it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn opened_around(&self, id: U256) -> Result<(Option<u64>, Option<u64>), StoreError> {
        let mut txn = self.database.read("read the neighbours of a job").await?;
        let below = "SELECT id, body FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT 1";
        let above = "SELECT id, body FROM jobs WHERE id > $1 ORDER BY id LIMIT 1";
        let below = first_opened(&mut txn, id, |id| query(below).bind(id)).await?;
        let above = first_opened(&mut txn, id, |id| query(above).bind(id)).await?;
        txn.commit().await?;
        Ok((below, above))
    }
}

/// Looks again from an id on.
pub(super) async fn lower_whole(txn: &mut Transaction, id: U256) -> Result<(), StoreError> {
    if whole(txn).await?.is_some_and(|whole| whole > id) {
        put_note(txn, WHOLE, &id).await?;
    }
    Ok(())
}

async fn whole(txn: &mut Transaction) -> Result<Option<U256>, StoreError> {
    let found = note(txn, WHOLE).await?;
    found.map(|body| decode("where it is whole", &body)).transpose()
}

/// A single fact.
pub(super) async fn note(txn: &mut Transaction, name: &str) -> Result<Option<String>, StoreError> {
    txn.text(query("SELECT body FROM notes WHERE name = $1").bind(name)).await
}

/// Keeps a single fact.
pub(super) async fn put_note(
    txn: &mut Transaction,
    name: &str,
    fact: &impl serde::Serialize,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO notes (name, body) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET body = excluded.body";
    txn.execute(query(sql).bind(name).bind(encode(fact)?)).await.map(drop)
}

fn is_reorged(job: &PredictionJob) -> bool {
    *job.state() == JobState::Skipped { reason: SkipReason::Reorged }
}

/// The block of the first job in one direction that is not taken back.
async fn first_opened(
    txn: &mut Transaction,
    from: U256,
    next: impl Fn(String) -> Statement<'static>,
) -> Result<Option<u64>, StoreError> {
    let mut at = key(from);
    loop {
        let found = txn.rows(next(at)).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        at = txn.column(row, 0)?;
        let body: String = txn.column(row, 1)?;
        let job = decode_job(id_of(&at)?, &body)?;
        if !is_reorged(&job) {
            return Ok(Some(job.opened_in.number));
        }
    }
}
