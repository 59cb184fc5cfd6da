//! The store's withdrawals: one of each token on its way, and those in blocks that may yet be taken back.

use alloy::primitives::{Address, B256};
use assay_client::chain::BlockRef;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::{
    JobStore, WITHDRAWALS,
    entries::{Fault, decode, encode},
};
use crate::{error::StoreError, job::Withdrawal};

/// Withdrawals in blocks, by transaction.
const WITHDRAWN: TableDefinition<'static, [u8; 32], &'static [u8]> =
    TableDefinition::new("withdrawn");

#[derive(Serialize, Deserialize)]
struct Withdrawn {
    withdrawal: Withdrawal,
    block: BlockRef,
}

impl JobStore {
    /// The withdrawals on their way.
    ///
    /// # Errors
    /// Those of the store.
    pub fn withdrawals(&self) -> Result<Vec<Withdrawal>, StoreError> {
        self.disk.read("read its withdrawals", |txn| {
            let mut found = Vec::new();
            for entry in txn.open_table(WITHDRAWALS)?.iter()? {
                let (token, bytes) = entry?;
                let token = Address::from(token.value());
                found.push(decode(&what(token), bytes.value())?);
            }
            Ok(found)
        })
    }

    /// Keeps a withdrawal in place of an earlier one of the same token.
    ///
    /// # Errors
    /// Those of the store.
    pub fn put_withdrawal(&self, withdrawal: &Withdrawal) -> Result<(), StoreError> {
        self.disk.write("store a withdrawal", |txn| {
            let bytes = encode(withdrawal)?;
            txn.open_table(WITHDRAWALS)?.insert(withdrawal.token.0.0, bytes.as_slice())?;
            Ok(())
        })
    }

    /// Changes the withdrawal of a token, if there is one.
    ///
    /// # Errors
    /// Those of the store.
    pub fn update_withdrawal(
        &self,
        token: Address,
        change: impl FnOnce(&mut Withdrawal),
    ) -> Result<(), StoreError> {
        self.disk.write("change a withdrawal", |txn| {
            let mut withdrawals = txn.open_table(WITHDRAWALS)?;
            let found: Option<Withdrawal> = withdrawals
                .get(token.0.0)?
                .map(|bytes| decode(&what(token), bytes.value()))
                .transpose()?;
            if let Some(mut withdrawal) = found {
                change(&mut withdrawal);
                withdrawals.insert(token.0.0, encode(&withdrawal)?.as_slice())?;
            }
            Ok(())
        })
    }

    /// Forgets the withdrawal of a token.
    ///
    /// # Errors
    /// Those of the store.
    pub fn remove_withdrawal(&self, token: Address) -> Result<(), StoreError> {
        self.disk.write("forget a withdrawal", |txn| {
            txn.open_table(WITHDRAWALS)?.remove(token.0.0)?;
            Ok(())
        })
    }

    /// Notes that a withdrawal is in a block with enough confirmations. It is kept while its block may be taken
    /// back, and forgotten when that is below block `final_block`.
    ///
    /// # Errors
    /// Those of the store.
    pub fn withdrawn(
        &self,
        withdrawal: &Withdrawal,
        transaction: B256,
        block: BlockRef,
        final_block: u64,
    ) -> Result<(), StoreError> {
        self.disk.write("note a withdrawal", |txn| {
            txn.open_table(WITHDRAWALS)?.remove(withdrawal.token.0.0)?;
            let mut withdrawn = txn.open_table(WITHDRAWN)?;
            let entry = Withdrawn { withdrawal: withdrawal.clone(), block };
            withdrawn.insert(transaction.0, encode(&entry)?.as_slice())?;
            for (transaction, earlier) in all_withdrawn(&withdrawn)? {
                if earlier.block.number < final_block {
                    withdrawn.remove(transaction)?;
                }
            }
            Ok(())
        })
    }
}

/// Makes the table.
pub(super) fn prepare(txn: &WriteTransaction) -> Result<(), Fault> {
    txn.open_table(WITHDRAWN)?;
    Ok(())
}

/// Puts withdrawals whose block is gone back on their way. Where a later one of the token is on its way, the
/// credit tells what is left to do.
pub(super) fn take_back_withdrawn(
    txn: &WriteTransaction,
    gone: impl Fn(u64) -> bool,
) -> Result<(), Fault> {
    let mut withdrawn = txn.open_table(WITHDRAWN)?;
    let mut withdrawals = txn.open_table(WITHDRAWALS)?;
    for (transaction, Withdrawn { withdrawal, block }) in all_withdrawn(&withdrawn)? {
        if gone(block.number) {
            withdrawn.remove(transaction)?;
            let token = withdrawal.token.0.0;
            if withdrawals.get(token)?.is_none() {
                withdrawals.insert(token, encode(&withdrawal)?.as_slice())?;
            }
        }
    }
    Ok(())
}

fn all_withdrawn(
    table: &impl ReadableTable<[u8; 32], &'static [u8]>,
) -> Result<Vec<([u8; 32], Withdrawn)>, Fault> {
    let mut found = Vec::new();
    for entry in table.iter()? {
        let (transaction, bytes) = entry?;
        found.push((transaction.value(), decode("a withdrawal in a block", bytes.value())?));
    }
    Ok(found)
}

fn what(token: Address) -> String {
    format!("the withdrawal of token {token}")
}
