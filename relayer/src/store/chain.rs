//! What the chain did, and what it took back, as changes of the store.

use alloy::primitives::U256;
use assay_client::chain::BlockRef;
use sqlx::query;

use super::{
    JobStore, KEPT_BLOCKS, Progress,
    database::Transaction,
    entries::{decode, encode, key, whole},
    handle,
    holes::lower_whole,
    table::{all_jobs, get_job, put_job},
    withdrawals::take_back_withdrawn,
};
use crate::{
    error::StoreError,
    job::{JobEvent, JobState, PredictionJob, SkipReason},
};

impl JobStore {
    /// The last block read, if any.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn cursor(&self) -> Result<Option<BlockRef>, StoreError> {
        let mut txn = self.database.read("read its cursor").await?;
        let sql = "SELECT body FROM blocks ORDER BY number DESC LIMIT 1";
        let found = txn.text(query(sql)).await?;
        txn.commit().await?;
        found.map(|body| decode("the last block read", &body)).transpose()
    }

    /// Blocks read, newest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn blocks(&self) -> Result<Vec<BlockRef>, StoreError> {
        let mut txn = self.database.read("read its blocks").await?;
        let rows = txn.rows(query("SELECT body FROM blocks ORDER BY number DESC")).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let body: String = txn.column(row, 0)?;
            found.push(decode("a block", &body)?);
        }
        txn.commit().await?;
        Ok(found)
    }

    /// Applies what was read from the chain and moves the cursor. Applying the same twice
    /// changes nothing.
    ///
    /// # Errors
    /// Those of the store; nothing is changed then.
    pub async fn apply(&self, progress: Progress, now: u64) -> Result<(), StoreError> {
        let mut txn = self.database.write("apply events").await?;
        for opened in progress.opened {
            apply_opened(&mut txn, opened, now).await?;
        }
        for (id, payment) in progress.paid {
            if let Some(mut job) = get_job(&mut txn, id).await? {
                job.paid_in = Some(payment);
                // Somebody may have sent our proof although we gave the job up: the payment
                // is ours all the same, to be confirmed and withdrawn.
                handle(&mut job, &JobEvent::Paid, now)?;
                put_job(&mut txn, &job).await?;
            }
        }
        for (id, ending) in progress.ended {
            let job = get_job(&mut txn, id).await?;
            if let Some(mut job) = job.filter(|job| !job.state().is_settled()) {
                job.ended_in = Some(ending);
                put_job(&mut txn, &job).await?;
            }
        }
        if let Some(cursor) = progress.cursor {
            put_block(&mut txn, cursor).await?;
        }
        txn.commit().await
    }

    /// Takes back everything that happened after block `ancestor` (or everything, for `None`):
    /// jobs opened there become skipped as reorged, claims and refunds seen there become undecided.
    /// Returns the ids of the jobs touched.
    ///
    /// # Errors
    /// Those of the store; nothing is changed then.
    pub async fn roll_back(
        &self,
        ancestor: Option<u64>,
        now: u64,
    ) -> Result<Vec<U256>, StoreError> {
        let gone = |block: u64| ancestor.is_none_or(|a| block > a);
        let mut txn = self.database.write("roll back").await?;
        let kept = ancestor.map_or(-1, whole);
        txn.execute(query("DELETE FROM blocks WHERE number > $1").bind(kept)).await?;
        let mut touched = Vec::new();
        for mut job in all_jobs(&mut txn).await? {
            if take_back(&mut txn, &mut job, gone, now).await? {
                put_job(&mut txn, &job).await?;
                touched.push(job.id());
            }
        }
        // What was opened again may be missing.
        if let Some(lowest) = touched.iter().min() {
            lower_whole(&mut txn, lowest.saturating_sub(U256::ONE)).await?;
        }
        take_back_withdrawn(&mut txn, gone).await?;
        txn.commit().await?;
        Ok(touched)
    }
}

/// Notes that a block was read, and forgets the oldest.
async fn put_block(txn: &mut Transaction, block: BlockRef) -> Result<(), StoreError> {
    let sql = "INSERT INTO blocks (number, body) VALUES ($1, $2)
        ON CONFLICT (number) DO UPDATE SET body = excluded.body";
    txn.execute(query(sql).bind(whole(block.number)).bind(encode(&block)?)).await?;
    let sql = "DELETE FROM blocks WHERE number <= (
        SELECT number FROM blocks ORDER BY number DESC LIMIT 1 OFFSET $1)";
    txn.execute(query(sql).bind(whole(KEPT_BLOCKS as u64))).await.map(drop)
}

async fn apply_opened(
    txn: &mut Transaction,
    opened: PredictionJob,
    now: u64,
) -> Result<(), StoreError> {
    let id = opened.id();
    let known = get_job(txn, id).await?;
    let same_terms = known.as_ref().is_some_and(|k| k.terms == opened.terms);
    let job = match known {
        Some(mut known) if same_terms => {
            known.opened_in = opened.opened_in;
            let kept = known.kept(has_proof(txn, id).await?);
            handle(&mut known, &JobEvent::OpenedAgain(kept), now)?;
            known
        }
        // After a reorganization the id can stand for another order.
        _ => {
            txn.execute(query("DELETE FROM proofs WHERE job = $1").bind(key(id))).await?;
            opened
        }
    };
    put_job(txn, &job).await
}

/// Undoes what happened to a job in blocks that are gone; whether anything did.
async fn take_back(
    txn: &mut Transaction,
    job: &mut PredictionJob,
    gone: impl Fn(u64) -> bool,
    now: u64,
) -> Result<bool, StoreError> {
    let unpaid = job.paid_in.is_some_and(|payment| gone(payment.block.number));
    if unpaid {
        job.paid_in = None;
    }
    let unended = job.ended_in.as_ref().is_some_and(|ending| gone(ending.block.number));
    if unended {
        job.ended_in = None;
    }
    let event = if gone(job.opened_in.number) {
        let known = *job.state() == JobState::Skipped { reason: SkipReason::Reorged };
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
        match unpaid || undecided {
            true => Some(JobEvent::TakenBack(job.kept(has_proof(txn, job.id()).await?))),
            false => None,
        }
    };
    if let Some(event) = &event {
        handle(job, event, now)?;
    }
    Ok(unended || event.is_some())
}

async fn has_proof(txn: &mut Transaction, id: U256) -> Result<bool, StoreError> {
    let sql = "SELECT job FROM proofs WHERE job = $1";
    Ok(txn.text(query(sql).bind(key(id))).await?.is_some())
}
