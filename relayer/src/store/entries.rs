//! Entries of the store as bytes, and what goes wrong inside a transaction.

use alloy::primitives::U256;
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StoreError, job::PredictionJob};

/// Big-endian, so that the table's order is the order of the ids.
pub(super) fn key(id: U256) -> [u8; 32] {
    id.to_be_bytes()
}

pub(super) fn encode(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value)
        .map_err(|e| StoreError::Failed { operation: "encode an entry", reason: e.to_string() })
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|e| StoreError::Damaged { what: what.to_owned(), reason: e.to_string() })
}

pub(super) fn decode_job(id: U256, bytes: &[u8]) -> Result<PredictionJob, StoreError> {
    decode(&format!("job {id}"), bytes)
}

/// An error of redb or of our own, inside a transaction.
pub(super) enum Fault {
    Db(redb::Error),
    Own(StoreError),
}

impl Fault {
    pub(super) fn into_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Db(e) if is_of_disk(&e) => StoreError::Disk { operation, reason: e.to_string() },
            Self::Db(e) => StoreError::Failed { operation, reason: e.to_string() },
            Self::Own(e) => e,
        }
    }

    /// Whether the disk did it, which may pass.
    pub(super) fn is_of_disk(&self) -> bool {
        matches!(self, Self::Db(error) if is_of_disk(error))
    }
}

fn is_of_disk(error: &redb::Error) -> bool {
    matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed)
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        Self::Own(e)
    }
}

macro_rules! db_faults {
    ($($error:ty),*) => {$(
        impl From<$error> for Fault {
            fn from(e: $error) -> Self {
                Self::Db(e.into())
            }
        }
    )*};
}
db_faults!(redb::TableError, redb::StorageError, redb::TransactionError, redb::CommitError);
