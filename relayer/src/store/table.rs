//! Jobs in their table, with their transactions from the outbox.

use alloy::primitives::U256;
use sqlx::query;

use super::{
    database::{Statement, Transaction},
    entries::{decode_job, encode, id_of, key, whole},
    outbox::{self, Sender},
};
use crate::{error::StoreError, job::PredictionJob};

/// Writes a job where it belongs.
pub(super) async fn put_job(txn: &mut Transaction, job: &PredictionJob) -> Result<(), StoreError> {
    let id = key(job.id());
    let settled = job.state().is_settled();
    let loose = settled && !job.claims.is_empty();
    let mut bare = job.clone();
    let signed = bare.take();
    let sql = "INSERT INTO jobs (id, active, loose, deadline, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO UPDATE SET active = excluded.active, loose = excluded.loose,
        deadline = excluded.deadline, body = excluded.body";
    let put = query(sql).bind(id.clone()).bind(i64::from(!settled)).bind(i64::from(loose));
    txn.execute(put.bind(whole(job.terms.deadline)).bind(encode(&bare)?)).await?;
    outbox::put(txn, PredictionJob::KIND, &id, &signed).await
}

pub(super) async fn get_job(
    txn: &mut Transaction,
    id: U256,
) -> Result<Option<PredictionJob>, StoreError> {
    let owner = key(id);
    let sql = "SELECT body FROM jobs WHERE id = $1";
    let Some(body) = txn.text(query(sql).bind(owner.clone())).await? else {
        return Ok(None);
    };
    let mut job = decode_job(id, &body)?;
    job.give(outbox::of(txn, PredictionJob::KIND, &owner).await?);
    Ok(Some(job))
}

pub(super) async fn all_jobs(txn: &mut Transaction) -> Result<Vec<PredictionJob>, StoreError> {
    let jobs = query("SELECT id, body FROM jobs ORDER BY id");
    let signed = "SELECT owner, empty, body FROM outbox WHERE kind = 'job'
        ORDER BY owner, empty, place";
    jobs_of(txn, jobs, query(signed)).await
}

/// Jobs by a query for their ids and bodies, and one for their transactions.
pub(super) async fn jobs_of(
    txn: &mut Transaction,
    jobs: Statement<'_>,
    signed: Statement<'_>,
) -> Result<Vec<PredictionJob>, StoreError> {
    let rows = txn.rows(jobs).await?;
    let mut signed = outbox::of_query(txn, signed).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (id, body): (String, String) = (txn.column(&row, 0)?, txn.column(&row, 1)?);
        let mut job = decode_job(id_of(&id)?, &body)?;
        job.give(signed.remove(&id).unwrap_or_default());
        found.push(job);
    }
    Ok(found)
}
