//! The queue of proofs: which are wanted, who makes them under which lease, and how they ended.

use std::time::Duration;

use assay_client::ModelIdentity;
use sqlx::query;

use super::{
    JobStore,
    database::Transaction,
    entries::{decode, encode, whole},
};
use crate::{
    error::StoreError,
    proving::ProofRequest,
    queue::{Lease, Outcome, Task, TaskName, TaskState},
};

/// A lease that ends later than so many of its lengths from now is of a clock that was set back.
const LONGEST_LEASES: i64 = 2;

impl JobStore {
    /// Has a proof made by whoever takes it first. Where that is wanted already, nothing changes unless the request does.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn want(&self, task: &Task) -> Result<(), StoreError> {
        let mut txn = self.database.write("want a proof").await?;
        put(&mut txn, task, None, Duration::ZERO).await?;
        txn.commit().await
    }

    /// The same for a proof that is made here: the lease begins at once.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn want_here(
        &self,
        task: &Task,
        worker: &str,
        period: Duration,
    ) -> Result<Lease, StoreError> {
        let mut txn = self.database.write("begin a proof").await?;
        let fence = put(&mut txn, task, Some(worker), period).await?;
        txn.commit().await?;
        Ok(Lease { task: task.name.clone(), fence, worker: worker.to_owned() })
    }

    /// All tasks that are not put aside, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn tasks(&self) -> Result<Vec<TaskState>, StoreError> {
        let mut txn = self.database.read("read its tasks").await?;
        let sql = "SELECT name, fence, worker, outcome FROM tasks WHERE aside_since IS NULL
            ORDER BY name";
        let rows = txn.rows(query(sql)).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = txn.column(row, 0)?;
            let outcome: Option<String> = txn.column(row, 3)?;
            let outcome = outcome.map(|text| decode(&name, &text)).transpose()?;
            found.push(TaskState {
                fence: txn.column(row, 1)?,
                worker: txn.column(row, 2)?,
                outcome,
                name: TaskName::from(name),
            });
        }
        txn.commit().await?;
        Ok(found)
    }

    /// Takes a task out of the queue. What a worker tells of it later is refused. Its opening stays counted for it.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn drop_task(&self, name: &TaskName) -> Result<(), StoreError> {
        let mut txn = self.database.write("drop a task").await?;
        remove(&mut txn, name).await?;
        txn.commit().await
    }
}

impl JobStore {
    /// Takes tasks out of the queue that an earlier process of the relayer has begun itself, and come to no end.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn forget_tasks_here(&self) -> Result<(), StoreError> {
        let mut txn = self.database.write("forget broken proofs").await?;
        let sql = "DELETE FROM tasks WHERE worker LIKE $1";
        txn.execute(query(sql).bind(format!("{HERE}%"))).await?;
        txn.commit().await
    }

    /// Gives the most urgent task of these models that nobody has to a worker.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn lease(
        &self,
        worker: &str,
        models: &[ModelIdentity],
        period: Duration,
    ) -> Result<Option<(Lease, ProofRequest)>, StoreError> {
        let mut txn = self.database.write("take a task").await?;
        let (now, length) = (txn.now().await?, millis(period));
        let sql = "SELECT name, fence, model, request FROM tasks WHERE outcome IS NULL
            AND aside_since IS NULL
            AND (worker IS NULL OR lease_until < $1 OR lease_until > $2)
            ORDER BY latest_begin, name LIMIT 100";
        let latest = now.saturating_add(LONGEST_LEASES * length);
        let waiting = txn.rows(query(sql).bind(now).bind(latest)).await?;
        for row in &waiting {
            let (name, fence): (String, i64) = (txn.column(row, 0)?, txn.column(row, 1)?);
            let (model, request): (String, String) = (txn.column(row, 2)?, txn.column(row, 3)?);
            let model: ModelIdentity = decode(&name, &model)?;
            if !models.contains(&model) {
                continue;
            }
            // Of several that look at once, one changes it.
            let sql = "UPDATE tasks SET fence = $1, worker = $2, lease_until = $3
                WHERE name = $4 AND fence = $5 AND outcome IS NULL";
            let next = next_fence(&mut txn).await?;
            let take = query(sql).bind(next).bind(worker).bind(now + length);
            if txn.execute(take.bind(name.clone()).bind(fence)).await? == 1 {
                let request = decode(&name, &request)?;
                txn.commit().await?;
                let task = TaskName::from(name);
                let lease = Lease { task, fence: next, worker: worker.to_owned() };
                return Ok(Some((lease, request)));
            }
        }
        txn.commit().await?;
        Ok(None)
    }

    /// Lets a lease last longer; false where it is lost.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn renew(&self, lease: &Lease, period: Duration) -> Result<bool, StoreError> {
        let mut txn = self.database.write("renew a lease").await?;
        let until = txn.now().await? + millis(period);
        let sql = "UPDATE tasks SET lease_until = $1 WHERE name = $2 AND fence = $3";
        let renew = query(sql).bind(until).bind(lease.task.as_str()).bind(lease.fence);
        let renewed = txn.execute(renew).await? == 1;
        txn.commit().await?;
        Ok(renewed)
    }

    /// Hands in how a task ended; false, and nothing is kept, where the lease is lost.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn finish(
        &self,
        lease: &Lease,
        outcome: &Outcome,
    ) -> Result<bool, StoreError> {
        let mut txn = self.database.write("hand in a proof").await?;
        let sql = "UPDATE tasks SET outcome = $1 WHERE name = $2 AND fence = $3
            AND outcome IS NULL";
        let finish = query(sql).bind(encode(outcome)?);
        let finish = finish.bind(lease.task.as_str()).bind(lease.fence);
        let finished = txn.execute(finish).await? == 1;
        txn.commit().await?;
        Ok(finished)
    }

    /// Takes a task out of the queue that ended without a proof. Nothing changes where the lease is lost.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn end_task(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut txn = self.database.write("end a task").await?;
        let sql = "DELETE FROM tasks WHERE name = $1 AND fence = $2";
        txn.execute(query(sql).bind(lease.task.as_str()).bind(lease.fence)).await?;
        txn.commit().await
    }

    /// Whether an opening of the weights is counted for a task.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and those of the store.
    pub(crate) async fn opening_is_counted(&self, lease: &Lease) -> Result<bool, StoreError> {
        let mut txn = self.database.read("look for an opening").await?;
        require(&mut txn, lease).await?;
        let sql = "SELECT task FROM openings WHERE task = $1 AND counted = 1";
        let found = txn.text(query(sql).bind(lease.task.as_str())).await?;
        txn.commit().await?;
        Ok(found.is_some())
    }

    /// Notes that an opening was counted for a task.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and those of the store.
    pub(crate) async fn note_opening(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut txn = self.database.write("note an opening").await?;
        require(&mut txn, lease).await?;
        put_opening(&mut txn, &lease.task, 1).await?;
        txn.commit().await
    }

    /// Asks whoever has the counter for an opening.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`], and those of the store.
    pub(crate) async fn want_opening(&self, lease: &Lease) -> Result<(), StoreError> {
        let mut txn = self.database.write("ask for an opening").await?;
        require(&mut txn, lease).await?;
        put_opening(&mut txn, &lease.task, 0).await?;
        txn.commit().await
    }

    /// Tasks for which workers want an opening.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn wanted_openings(
        &self,
    ) -> Result<Vec<(TaskName, ModelIdentity)>, StoreError> {
        let mut txn = self.database.read("look for wanted openings").await?;
        let sql = "SELECT o.task, t.model FROM openings o JOIN tasks t ON t.name = o.task
            WHERE o.counted = 0 AND t.aside_since IS NULL ORDER BY t.latest_begin";
        let rows = txn.rows(query(sql)).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (task, model): (String, String) = (txn.column(row, 0)?, txn.column(row, 1)?);
            found.push((TaskName::from(task.clone()), decode(&task, &model)?));
        }
        txn.commit().await?;
        Ok(found)
    }

    /// Notes that a wanted opening was counted.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn give_opening(&self, task: &TaskName) -> Result<(), StoreError> {
        let mut txn = self.database.write("give an opening").await?;
        put_opening(&mut txn, task, 1).await?;
        txn.commit().await
    }

    /// Says that a worker is there, for a while.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn announce(
        &self,
        name: &str,
        models: &[ModelIdentity],
        places: usize,
        period: Duration,
    ) -> Result<(), StoreError> {
        let mut txn = self.database.write("announce a worker").await?;
        let until = txn.now().await? + millis(period);
        let sql = "INSERT INTO workers (name, models, places, seen_until) VALUES ($1, $2, $3, $4)
            ON CONFLICT (name) DO UPDATE SET models = excluded.models, places = excluded.places,
            seen_until = excluded.seen_until";
        let put = query(sql).bind(name).bind(encode(&models)?);
        txn.execute(put.bind(whole(places as u64)).bind(until)).await?;
        txn.commit().await
    }

    /// Forgets a worker that has ended.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn forget_worker(&self, name: &str) -> Result<(), StoreError> {
        let mut txn = self.database.write("forget a worker").await?;
        txn.execute(query("DELETE FROM workers WHERE name = $1").bind(name)).await?;
        txn.commit().await
    }

    /// How many proofs of a model the workers of other processes make at a time.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn places(&self, model: &ModelIdentity) -> Result<usize, StoreError> {
        let mut txn = self.database.read("look for workers").await?;
        let now = txn.now().await?;
        let sql = "SELECT name, models, places FROM workers WHERE seen_until >= $1";
        let rows = txn.rows(query(sql).bind(now)).await?;
        let mut places = 0;
        for row in &rows {
            let (name, models): (String, String) = (txn.column(row, 0)?, txn.column(row, 1)?);
            let models: Vec<ModelIdentity> = decode(&name, &models)?;
            if models.contains(model) {
                places += usize::try_from(txn.column::<i64>(row, 2)?).unwrap_or_default();
            }
        }
        txn.commit().await?;
        Ok(places)
    }
}

/// Begins the names of workers in the relayer's own process.
pub(crate) const HERE: &str = "here/";

/// Keeps a task; the fence that it has then. One that is the same and wanted already stays as it is, unless it is taken.
async fn put(
    txn: &mut Transaction,
    task: &Task,
    worker: Option<&str>,
    period: Duration,
) -> Result<i64, StoreError> {
    let until = match worker {
        Some(_) => txn.now().await? + millis(period),
        None => 0,
    };
    if worker.is_none() {
        // Put aside or not: how it ended is as good as new.
        let known = "UPDATE tasks SET aside_since = NULL WHERE name = $1";
        if txn.execute(query(known).bind(task.name.as_str())).await? > 0 {
            return Ok(0);
        }
    }
    let fence = next_fence(txn).await?;
    let sql = "INSERT INTO tasks (name, model, latest_begin, request, fence, worker, lease_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (name) DO UPDATE SET fence = excluded.fence, worker = excluded.worker,
        lease_until = excluded.lease_until, latest_begin = excluded.latest_begin, outcome = NULL,
        aside_since = NULL";
    let put = query(sql).bind(task.name.as_str()).bind(encode(&task.request.model)?);
    let put = put.bind(whole(task.latest_begin)).bind(encode(&task.request)?);
    txn.execute(put.bind(fence).bind(worker).bind(until)).await?;
    Ok(fence)
}

/// A number that no lease has had.
async fn next_fence(txn: &mut Transaction) -> Result<i64, StoreError> {
    let sql = "UPDATE notes SET body = CAST(CAST(body AS BIGINT) + 1 AS TEXT) WHERE name = 'fence'
        RETURNING body";
    let fence = txn.text(query(sql)).await?.and_then(|fence| fence.parse().ok());
    let reason = "there is no number of the last lease".to_owned();
    fence.ok_or_else(|| StoreError::Damaged { what: "the queue".into(), reason })
}

/// That a lease is the newest of its task.
pub(super) async fn require(txn: &mut Transaction, lease: &Lease) -> Result<(), StoreError> {
    let sql = "SELECT name FROM tasks WHERE name = $1 AND fence = $2";
    let found = txn.text(query(sql).bind(lease.task.as_str()).bind(lease.fence)).await?;
    found.map(drop).ok_or_else(|| StoreError::LeaseLost { task: lease.task.to_string() })
}

/// Ends a task whose proof is stored in the same transaction: its opening is used.
pub(super) async fn used(txn: &mut Transaction, lease: &Lease) -> Result<(), StoreError> {
    require(txn, lease).await?;
    remove(txn, &lease.task).await?;
    let sql = "DELETE FROM openings WHERE task = $1";
    txn.execute(query(sql).bind(lease.task.as_str())).await.map(drop)
}

async fn remove(txn: &mut Transaction, name: &TaskName) -> Result<(), StoreError> {
    txn.execute(query("DELETE FROM tasks WHERE name = $1").bind(name.as_str())).await.map(drop)
}

async fn put_opening(
    txn: &mut Transaction,
    task: &TaskName,
    counted: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO openings (task, counted) VALUES ($1, $2)
        ON CONFLICT (task) DO UPDATE SET counted = excluded.counted WHERE openings.counted = 0";
    txn.execute(query(sql).bind(task.as_str()).bind(counted)).await.map(drop)
}

pub(super) fn millis(period: Duration) -> i64 {
    i64::try_from(period.as_millis()).unwrap_or(i64::MAX / 4)
}
