//! Signed transactions, each from before a node sees it: of jobs, duties and withdrawals, whose own entries are kept
//! without them.

use std::collections::HashMap;

use assay_client::chain::SignedTransaction;
use sqlx::query;

use super::{
    database::{Statement, Transaction},
    entries::{decode, encode, whole},
};
use crate::{
    duty::DutyRecord,
    error::StoreError,
    job::{PredictionJob, Withdrawal},
};

/// What was signed for one owner.
#[derive(Default)]
pub(super) struct Signed {
    /// Oldest first.
    pub(super) transactions: Vec<SignedTransaction>,
    /// Empty ones in the place of such, oldest first.
    pub(super) empty: Vec<SignedTransaction>,
}

/// An entry that has transactions.
pub(super) trait Sender {
    const KIND: &'static str;

    /// Takes its transactions out.
    fn take(&mut self) -> Signed;

    /// Puts its transactions in.
    fn give(&mut self, signed: Signed);
}

impl Sender for PredictionJob {
    const KIND: &'static str = "job";

    fn take(&mut self) -> Signed {
        let (transactions, empty) = (&mut self.claims, &mut self.cancellations);
        Signed { transactions: std::mem::take(transactions), empty: std::mem::take(empty) }
    }

    fn give(&mut self, signed: Signed) {
        (self.claims, self.cancellations) = (signed.transactions, signed.empty);
    }
}

impl Sender for DutyRecord {
    const KIND: &'static str = "duty";

    fn take(&mut self) -> Signed {
        let (transactions, empty) = (&mut self.transactions, &mut self.cancellations);
        Signed { transactions: std::mem::take(transactions), empty: std::mem::take(empty) }
    }

    fn give(&mut self, signed: Signed) {
        (self.transactions, self.cancellations) = (signed.transactions, signed.empty);
    }
}

impl Sender for Withdrawal {
    const KIND: &'static str = "withdrawal";

    fn take(&mut self) -> Signed {
        Signed { transactions: std::mem::take(&mut self.transactions), empty: Vec::new() }
    }

    fn give(&mut self, signed: Signed) {
        self.transactions = signed.transactions;
    }
}

/// Keeps just these transactions of an owner.
pub(super) async fn put(
    txn: &mut Transaction,
    kind: &'static str,
    owner: &str,
    signed: &Signed,
) -> Result<(), StoreError> {
    remove(txn, kind, owner).await?;
    let lists = [(0, &signed.transactions), (1, &signed.empty)];
    for (empty, list) in lists {
        for (place, transaction) in (0i64..).zip(list) {
            let sql = "INSERT INTO outbox (kind, owner, empty, place, account, nonce, hash, body)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let put = query(sql).bind(kind).bind(owner).bind(empty).bind(place);
            let put = put.bind(transaction.from.to_string()).bind(whole(transaction.nonce));
            let put = put.bind(transaction.hash.to_string()).bind(encode(transaction)?);
            txn.execute(put).await?;
        }
    }
    Ok(())
}

/// Forgets the transactions of an owner.
pub(super) async fn remove(
    txn: &mut Transaction,
    kind: &'static str,
    owner: &str,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM outbox WHERE kind = $1 AND owner = $2";
    txn.execute(query(sql).bind(kind).bind(owner)).await.map(drop)
}

/// The transactions of one owner.
pub(super) async fn of(
    txn: &mut Transaction,
    kind: &'static str,
    owner: &str,
) -> Result<Signed, StoreError> {
    let sql = "SELECT owner, empty, body FROM outbox WHERE kind = $1 AND owner = $2
        ORDER BY empty, place";
    let mut found = of_query(txn, query(sql).bind(kind).bind(owner)).await?;
    Ok(found.remove(owner).unwrap_or_default())
}

/// The transactions of all owners of a kind.
pub(super) async fn of_kind(
    txn: &mut Transaction,
    kind: &'static str,
) -> Result<HashMap<String, Signed>, StoreError> {
    let sql = "SELECT owner, empty, body FROM outbox WHERE kind = $1 ORDER BY owner, empty, place";
    of_query(txn, query(sql).bind(kind)).await
}

/// Those that a query finds: owner, whether it is empty, body, in the order of their places.
pub(super) async fn of_query(
    txn: &mut Transaction,
    query: Statement<'_>,
) -> Result<HashMap<String, Signed>, StoreError> {
    let mut found: HashMap<String, Signed> = HashMap::new();
    for row in txn.rows(query).await? {
        let owner: String = txn.column(&row, 0)?;
        let body: String = txn.column(&row, 2)?;
        let transaction = decode(&format!("a transaction of {owner}"), &body)?;
        let is_empty = txn.column::<i64>(&row, 1)? == 1;
        let signed = found.entry(owner).or_default();
        if is_empty { &mut signed.empty } else { &mut signed.transactions }.push(transaction);
    }
    Ok(found)
}
