//! What the chain did, and what it took back, as changes of the store.

use alloy::primitives::U256;
use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{
    BLOCKS, JOBS, JobStore, KEPT_BLOCKS, PROOFS, Progress, all_jobs,
    entries::{Fault, encode, key},
    get_job, handle,
    holes::lower_whole,
    index::put_job,
    withdrawals::take_back_withdrawn,
};
use crate::{
    error::StoreError,
    job::{JobEvent, JobState, PredictionJob, SkipReason},
};

impl JobStore {
    /// Applies what was read from the chain and moves the cursor. Applying the same twice
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`]; nothing is changed then.
    pub fn apply(&self, progress: Progress, now: u64) -> Result<(), StoreError> {
        self.disk.write("apply events", |txn| {
            for opened in progress.opened {
                apply_opened(txn, opened, now)?;
            }
            for (id, payment) in progress.paid {
                if let Some(mut job) = get_job(txn, id)? {
                    job.paid_in = Some(payment);
                    // Somebody may have sent our proof although we gave the job up: the payment
                    // is ours all the same, to be confirmed and withdrawn.
                    handle(&mut job, &JobEvent::Paid, now)?;
                    put_job(txn, &job)?;
                }
            }
            for (id, ending) in progress.ended {
                if let Some(mut job) = get_job(txn, id)?.filter(|job| !job.state().is_settled()) {
                    job.ended_in = Some(ending);
                    put_job(txn, &job)?;
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
        self.disk.write("roll back", |txn| {
            txn.open_table(BLOCKS)?.retain(|number, _| !gone(number))?;
            let jobs = all_jobs(&txn.open_table(JOBS)?)?;
            let mut touched = Vec::new();
            for mut job in jobs {
                if take_back(txn, &mut job, gone, now)? {
                    put_job(txn, &job)?;
                    touched.push(job.id());
                }
            }
            // What was opened again may be missing.
            if let Some(lowest) = touched.iter().min() {
                lower_whole(txn, lowest.saturating_sub(U256::ONE))?;
            }
            take_back_withdrawn(txn, gone)?;
            Ok(touched)
        })
    }
}

fn apply_opened(txn: &WriteTransaction, opened: PredictionJob, now: u64) -> Result<(), Fault> {
    let id = opened.id();
    let known = get_job(txn, id)?;
    let same_terms = known.as_ref().is_some_and(|k| k.terms == opened.terms);
    let job = match known {
        Some(mut known) if same_terms => {
            known.opened_in = opened.opened_in;
            let kept = known.kept(has_proof(txn, id)?);
            handle(&mut known, &JobEvent::OpenedAgain(kept), now)?;
            known
        }
        // After a reorganization the id can stand for another order.
        _ => {
            txn.open_table(PROOFS)?.remove(key(id))?;
            opened
        }
    };
    put_job(txn, &job)
}

/// Undoes what happened to a job in blocks that are gone; whether anything did.
fn take_back(
    txn: &WriteTransaction,
    job: &mut PredictionJob,
    gone: impl Fn(u64) -> bool,
    now: u64,
) -> Result<bool, Fault> {
    let unpaid = job.paid_in.is_some_and(|payment| gone(payment.block.number));
    if unpaid {
        job.paid_in = None;
    }
    let unended = job.ended_in.as_ref().is_some_and(|ending| gone(ending.block.number));
    if unended {
        job.ended_in = None;
    }
    let kept = job.kept(has_proof(txn, job.id())?);
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
        (unpaid || undecided).then_some(JobEvent::TakenBack(kept))
    };
    if let Some(event) = &event {
        handle(job, event, now)?;
    }
    Ok(unended || event.is_some())
}

fn has_proof(txn: &WriteTransaction, id: U256) -> Result<bool, Fault> {
    Ok(txn.open_table(PROOFS)?.get(key(id))?.is_some())
}
