//! Which jobs there is work on, so that a look at them does not grow with history; and what is forgotten.

use alloy::primitives::U256;
use sqlx::query;

use super::{
    JobStore,
    entries::{id_of, key, whole},
    outbox::{self, Sender},
    table::{all_jobs, jobs_of},
};
use crate::{
    error::StoreError,
    job::{JobState, PredictionJob},
};

impl JobStore {
    /// The jobs that are not settled: the nearest deadline first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn active(&self) -> Result<Vec<PredictionJob>, StoreError> {
        let mut txn = self.database.read("read its jobs").await?;
        let jobs = query("SELECT id, body FROM jobs WHERE active = 1");
        let signed = "SELECT owner, empty, body FROM outbox WHERE kind = 'job'
            AND owner IN (SELECT id FROM jobs WHERE active = 1) ORDER BY owner, empty, place";
        let mut active = jobs_of(&mut txn, jobs, query(signed)).await?;
        txn.commit().await?;
        active.sort_by_key(|job| (job.terms.deadline, job.id()));
        Ok(active)
    }

    /// The settled jobs that have claims of which some may wait in a pool.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn loose(&self) -> Result<Vec<PredictionJob>, StoreError> {
        let mut txn = self.database.read("read its jobs").await?;
        let jobs = query("SELECT id, body FROM jobs WHERE loose = 1 ORDER BY id");
        let signed = "SELECT owner, empty, body FROM outbox WHERE kind = 'job'
            AND owner IN (SELECT id FROM jobs WHERE loose = 1) ORDER BY owner, empty, place";
        let loose = jobs_of(&mut txn, jobs, query(signed)).await?;
        txn.commit().await?;
        Ok(loose)
    }

    /// The jobs that were left alone for a policy, and whose deadline is after `time`, Unix time of the chain.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn left_by_policy(&self, time: u64) -> Result<Vec<PredictionJob>, StoreError> {
        let mut txn = self.database.read("read its jobs").await?;
        let jobs = "SELECT id, body FROM jobs WHERE active = 0 AND deadline > $1 ORDER BY id";
        let signed = "SELECT owner, empty, body FROM outbox WHERE kind = 'job' AND owner IN
            (SELECT id FROM jobs WHERE active = 0 AND deadline > $1) ORDER BY owner, empty, place";
        let (jobs, signed) = (query(jobs).bind(whole(time)), query(signed).bind(whole(time)));
        let mut left = jobs_of(&mut txn, jobs, signed).await?;
        txn.commit().await?;
        left.retain(|job| match job.state() {
            JobState::Skipped { reason } => reason.is_of_policy(),
            _ => false,
        });
        Ok(left)
    }

    /// All jobs, by id.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn jobs(&self) -> Result<Vec<PredictionJob>, StoreError> {
        let mut txn = self.database.read("read its jobs").await?;
        let jobs = all_jobs(&mut txn).await?;
        txn.commit().await?;
        Ok(jobs)
    }

    /// At most so many jobs, the newest first, of ids below `before` where one is named.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn newest(
        &self,
        before: Option<U256>,
        at_most: usize,
    ) -> Result<Vec<PredictionJob>, StoreError> {
        // No id is above this text.
        let before = before.map_or_else(|| "g".to_owned(), key);
        let at_most = whole(at_most as u64);
        let mut txn = self.database.read("read its jobs").await?;
        let jobs = "SELECT id, body FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2";
        let signed = "SELECT owner, empty, body FROM outbox WHERE kind = 'job'
            AND owner IN (SELECT id FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2)
            ORDER BY owner, empty, place";
        let jobs = query(jobs).bind(before.clone()).bind(at_most);
        let signed = query(signed).bind(before).bind(at_most);
        let newest = jobs_of(&mut txn, jobs, signed).await?;
        txn.commit().await?;
        Ok(newest)
    }

    /// Notes that all claims of these jobs are in blocks.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all_mined(&self, ids: &[U256]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut txn = self.database.write("note mined claims").await?;
        for id in ids {
            let sql = "UPDATE jobs SET loose = 0 WHERE id = $1";
            txn.execute(query(sql).bind(key(*id))).await?;
        }
        txn.commit().await
    }

    /// Forgets settled jobs, with their proofs, whose deadline was before `time`, Unix time of the chain. Looks at
    /// `at_most` jobs from id `from` on, and returns where to go on.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn prune(
        &self,
        from: U256,
        at_most: usize,
        time: u64,
    ) -> Result<Option<U256>, StoreError> {
        let mut txn = self.database.read("look for old jobs").await?;
        let sql =
            "SELECT id, active, loose, deadline FROM jobs WHERE id >= $1 ORDER BY id LIMIT $2";
        let looked = txn.rows(query(sql).bind(key(from)).bind(whole(at_most as u64))).await?;
        let (mut old, mut last) = (Vec::new(), from);
        for row in &looked {
            let id: String = txn.column(row, 0)?;
            last = id_of(&id)?;
            let (active, loose): (i64, i64) = (txn.column(row, 1)?, txn.column(row, 2)?);
            if active == 0 && loose == 0 && txn.column::<i64>(row, 3)? < whole(time) {
                old.push(id);
            }
        }
        let whole_step = looked.len() == at_most;
        txn.commit().await?;
        if !old.is_empty() {
            let mut txn = self.database.write("forget old jobs").await?;
            for id in &old {
                txn.execute(query("DELETE FROM jobs WHERE id = $1").bind(id)).await?;
                txn.execute(query("DELETE FROM proofs WHERE job = $1").bind(id)).await?;
                outbox::remove(&mut txn, PredictionJob::KIND, id).await?;
            }
            txn.commit().await?;
            tracing::info!(jobs = old.len(), "forgot settled jobs whose deadlines are long past");
        }
        Ok(whole_step.then(|| last.saturating_add(U256::ONE)))
    }
}
