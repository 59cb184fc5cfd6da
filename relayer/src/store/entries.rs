//! Entries of the store as texts.

use alloy::primitives::U256;
use serde::{Serialize, de::DeserializeOwned};

use crate::{error::StoreError, job::PredictionJob};

/// 64 digits, so that the order of the texts is the order of the ids.
pub(super) fn key(id: U256) -> String {
    format!("{id:064x}")
}

/// The id under such a key.
pub(super) fn id_of(key: &str) -> Result<U256, StoreError> {
    U256::from_str_radix(key, 16)
        .map_err(|e| StoreError::Damaged { what: format!("job {key}"), reason: e.to_string() })
}

/// A number as the database has it. Nothing that is as far away is compared with something farther.
pub(super) fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn encode(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|e| StoreError::Failed { operation: "encode an entry", reason: e.to_string() })
}

pub(super) fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|e| StoreError::Damaged { what: what.to_owned(), reason: e.to_string() })
}

pub(super) fn decode_job(id: U256, text: &str) -> Result<PredictionJob, StoreError> {
    decode(&format!("job {id}"), text)
}
