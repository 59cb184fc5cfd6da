//! Tasks whose job or duty has ended: put aside, so that no look reads them again, and forgotten some time later. The
//! openings that were counted for them stay.

use std::time::Duration;

use sqlx::query;

use super::{JobStore, entries::whole, tasks::millis};
use crate::{error::StoreError, queue::TaskName};

impl JobStore {
    /// Puts tasks that have ended aside, and takes those out of the queue that nobody has made: whoever makes one would
    /// spend an opening for nothing. One that is wanted again is there again, with its outcome.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn put_aside(&self, names: &[TaskName]) -> Result<(), StoreError> {
        if names.is_empty() {
            return Ok(());
        }
        let mut txn = self.database.write("put tasks aside").await?;
        let now = txn.now().await?;
        for name in names {
            let sql = "DELETE FROM tasks WHERE name = $1 AND outcome IS NULL";
            txn.execute(query(sql).bind(name.as_str())).await?;
            let sql = "UPDATE tasks SET aside_since = $1 WHERE name = $2 AND aside_since IS NULL";
            txn.execute(query(sql).bind(now).bind(name.as_str())).await?;
        }
        txn.commit().await
    }

    /// Forgets tasks, at most so many, that were put aside longer ago than `age`, and workers that were not seen for so
    /// long; how many tasks.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn forget_aside(
        &self,
        age: Duration,
        at_most: usize,
    ) -> Result<usize, StoreError> {
        let mut txn = self.database.read("look for old tasks").await?;
        let before = txn.now().await?.saturating_sub(millis(age));
        let sql = "SELECT name FROM tasks WHERE aside_since < $1 ORDER BY aside_since LIMIT $2";
        let rows = txn.rows(query(sql).bind(before).bind(whole(at_most as u64))).await?;
        let old: Vec<String> =
            rows.iter().map(|row| txn.column(row, 0)).collect::<Result<_, _>>()?;
        let sql = "SELECT name FROM workers WHERE seen_until < $1 LIMIT 1";
        let gone = !txn.rows(query(sql).bind(before)).await?.is_empty();
        txn.commit().await?;
        if old.is_empty() && !gone {
            return Ok(0);
        }
        let mut txn = self.database.write("forget old tasks").await?;
        for name in &old {
            // It may have been wanted again just now.
            let sql = "DELETE FROM tasks WHERE name = $1 AND aside_since < $2";
            txn.execute(query(sql).bind(name).bind(before)).await?;
        }
        txn.execute(query("DELETE FROM workers WHERE seen_until < $1").bind(before)).await?;
        txn.commit().await?;
        Ok(old.len())
    }
}
