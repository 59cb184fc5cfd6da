//! The store's withdrawals: one of each token on its way, and those in blocks that may yet be taken back.

use alloy::primitives::{Address, B256};
use assay_client::chain::BlockRef;
use sqlx::query;

use super::{
    JobStore,
    database::Transaction,
    entries::{decode, encode, whole},
    outbox::{self, Sender},
};
use crate::{error::StoreError, job::Withdrawal};

/// The kind of transactions of withdrawals that are in blocks, by the transaction that is.
const WITHDRAWN: &str = "withdrawn";

impl JobStore {
    /// The withdrawals on their way.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn withdrawals(&self) -> Result<Vec<Withdrawal>, StoreError> {
        let mut txn = self.database.read("read its withdrawals").await?;
        let rows = txn.rows(query("SELECT token, body FROM withdrawals ORDER BY token")).await?;
        let mut signed = outbox::of_kind(&mut txn, Withdrawal::KIND).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let (token, body): (String, String) = (txn.column(row, 0)?, txn.column(row, 1)?);
            let mut withdrawal: Withdrawal = decode(&what(&token), &body)?;
            withdrawal.give(signed.remove(&token).unwrap_or_default());
            found.push(withdrawal);
        }
        txn.commit().await?;
        Ok(found)
    }

    /// Keeps a withdrawal in place of an earlier one of the same token.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn put_withdrawal(&self, withdrawal: &Withdrawal) -> Result<(), StoreError> {
        let mut txn = self.database.write("store a withdrawal").await?;
        put(&mut txn, withdrawal).await?;
        txn.commit().await
    }

    /// Changes the withdrawal of a token, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn update_withdrawal(
        &self,
        token: Address,
        change: impl FnOnce(&mut Withdrawal),
    ) -> Result<(), StoreError> {
        let mut txn = self.database.write("change a withdrawal").await?;
        if let Some(mut withdrawal) = get(&mut txn, token).await? {
            change(&mut withdrawal);
            put(&mut txn, &withdrawal).await?;
        }
        txn.commit().await
    }

    /// Forgets the withdrawal of a token.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn remove_withdrawal(&self, token: Address) -> Result<(), StoreError> {
        let mut txn = self.database.write("forget a withdrawal").await?;
        remove(&mut txn, token).await?;
        txn.commit().await
    }

    /// Notes that a withdrawal is in a block with enough confirmations. It is kept while its block may be taken
    /// back, and forgotten when that is below block `final_block`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn withdrawn(
        &self,
        withdrawal: &Withdrawal,
        transaction: B256,
        block: BlockRef,
        final_block: u64,
    ) -> Result<(), StoreError> {
        let mut txn = self.database.write("note a withdrawal").await?;
        remove(&mut txn, withdrawal.token).await?;
        let (hash, mut bare) = (transaction.to_string(), withdrawal.clone());
        let signed = bare.take();
        let sql = "INSERT INTO withdrawn (hash, block, body) VALUES ($1, $2, $3)
            ON CONFLICT (hash) DO UPDATE SET block = excluded.block, body = excluded.body";
        let entry = query(sql).bind(hash.clone()).bind(whole(block.number)).bind(encode(&bare)?);
        txn.execute(entry).await?;
        outbox::put(&mut txn, WITHDRAWN, &hash, &signed).await?;
        let old = query("SELECT hash FROM withdrawn WHERE block < $1").bind(whole(final_block));
        for row in txn.rows(old).await? {
            let hash: String = txn.column(&row, 0)?;
            remove_withdrawn(&mut txn, &hash).await?;
        }
        txn.commit().await
    }
}

/// Puts withdrawals whose block is gone back on their way. Where a later one of the token is on its way, the
/// credit tells what is left to do.
pub(super) async fn take_back_withdrawn(
    txn: &mut Transaction,
    gone: impl Fn(u64) -> bool,
) -> Result<(), StoreError> {
    for row in txn.rows(query("SELECT hash, block, body FROM withdrawn ORDER BY hash")).await? {
        let hash: String = txn.column(&row, 0)?;
        let (block, body): (i64, String) = (txn.column(&row, 1)?, txn.column(&row, 2)?);
        if !gone(block.unsigned_abs()) {
            continue;
        }
        let mut withdrawal: Withdrawal = decode("a withdrawal in a block", &body)?;
        withdrawal.give(outbox::of(txn, WITHDRAWN, &hash).await?);
        remove_withdrawn(txn, &hash).await?;
        if get(txn, withdrawal.token).await?.is_none() {
            put(txn, &withdrawal).await?;
        }
    }
    Ok(())
}

async fn get(txn: &mut Transaction, token: Address) -> Result<Option<Withdrawal>, StoreError> {
    let token = token.to_string();
    let sql = "SELECT body FROM withdrawals WHERE token = $1";
    let Some(body) = txn.text(query(sql).bind(token.clone())).await? else {
        return Ok(None);
    };
    let mut withdrawal: Withdrawal = decode(&what(&token), &body)?;
    withdrawal.give(outbox::of(txn, Withdrawal::KIND, &token).await?);
    Ok(Some(withdrawal))
}

async fn put(txn: &mut Transaction, withdrawal: &Withdrawal) -> Result<(), StoreError> {
    let (token, mut bare) = (withdrawal.token.to_string(), withdrawal.clone());
    let signed = bare.take();
    let sql = "INSERT INTO withdrawals (token, body) VALUES ($1, $2)
        ON CONFLICT (token) DO UPDATE SET body = excluded.body";
    txn.execute(query(sql).bind(token.clone()).bind(encode(&bare)?)).await?;
    outbox::put(txn, Withdrawal::KIND, &token, &signed).await
}

async fn remove(txn: &mut Transaction, token: Address) -> Result<(), StoreError> {
    let token = token.to_string();
    txn.execute(query("DELETE FROM withdrawals WHERE token = $1").bind(token.clone())).await?;
    outbox::remove(txn, Withdrawal::KIND, &token).await
}

async fn remove_withdrawn(txn: &mut Transaction, hash: &str) -> Result<(), StoreError> {
    txn.execute(query("DELETE FROM withdrawn WHERE hash = $1").bind(hash)).await?;
    outbox::remove(txn, WITHDRAWN, hash).await
}

fn what(token: &str) -> String {
    format!("the withdrawal of token {token}")
}
