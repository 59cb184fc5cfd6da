//! The store's withdrawals, one of each token.

use alloy::primitives::Address;
use redb::ReadableTable;

use super::{
    JobStore, WITHDRAWALS,
    entries::{decode, encode},
};
use crate::{error::StoreError, job::Withdrawal};

impl JobStore {
    /// The withdrawals on their way.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn withdrawals(&self) -> Result<Vec<Withdrawal>, StoreError> {
        self.read("read its withdrawals", |txn| {
            let mut found = Vec::new();
            for entry in txn.open_table(WITHDRAWALS)?.iter()? {
                let (token, bytes) = entry?;
                let token = Address::from(token.value());
                found.push(decode(&format!("the withdrawal of token {token}"), bytes.value())?);
            }
            Ok(found)
        })
    }

    /// Keeps a withdrawal in place of an earlier one of the same token.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub fn put_withdrawal(&self, withdrawal: &Withdrawal) -> Result<(), StoreError> {
        self.write("store a withdrawal", |txn| {
            let bytes = encode(withdrawal)?;
            txn.open_table(WITHDRAWALS)?.insert(withdrawal.token.0.0, bytes.as_slice())?;
            Ok(())
        })
    }

    /// Changes the withdrawal of a token, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Failed`] and [`StoreError::Damaged`].
    pub fn update_withdrawal(
        &self,
        token: Address,
        change: impl FnOnce(&mut Withdrawal),
    ) -> Result<(), StoreError> {
        self.write("change a withdrawal", |txn| {
            let mut withdrawals = txn.open_table(WITHDRAWALS)?;
            let what = format!("the withdrawal of token {token}");
            let found: Option<Withdrawal> = withdrawals
                .get(token.0.0)?
                .map(|bytes| decode(&what, bytes.value()))
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
    /// [`StoreError::Failed`].
    pub fn remove_withdrawal(&self, token: Address) -> Result<(), StoreError> {
        self.write("forget a withdrawal", |txn| {
            txn.open_table(WITHDRAWALS)?.remove(token.0.0)?;
            Ok(())
        })
    }
}
