//! Errors of the relayer proper.

use std::{path::PathBuf, time::Duration};

use alloy::primitives::{Address, U256};

use assay_client::{ChainError, PredictionEscrowError};

use crate::job::IllegalEvent;

/// What can go wrong with the relayer's own store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum StoreError {
    /// Another process has it open.
    #[error("the job store {path} is in use by another relayer; stop it, or give this one a store of its own", path = .path.display())]
    InUse { path: PathBuf },

    /// The file cannot be opened, or is no store.
    #[error("the job store {path} cannot be opened: {reason}", path = .path.display())]
    Open { path: PathBuf, reason: String },

    /// A store of another escrow or chain.
    #[error(
        "the job store {path} belongs to escrow {found_escrow} on chain {found_chain}, not to {escrow} on chain {chain_id}; use another file, one per escrow",
        path = .path.display()
    )]
    OtherEscrow {
        path: PathBuf,
        chain_id: u64,
        escrow: Address,
        found_chain: u64,
        found_escrow: Address,
    },

    /// A store of another version.
    #[error("the job store {path} has format {found}, this version reads {expected}; use a new file", path = .path.display())]
    Format { path: PathBuf, found: u64, expected: u64 },

    /// The disk, mostly.
    #[error("the job store could not {operation}: {reason}; check the disk's space and health")]
    Failed { operation: &'static str, reason: String },

    /// An entry that cannot be decoded.
    #[error(
        "the entry of {what} in the job store is damaged: {reason}; use a new file, jobs are found again on chain"
    )]
    Damaged { what: String, reason: String },

    /// No job has this id.
    #[error("job {0} is not in the store")]
    NoSuchJob(U256),

    /// Nothing was stored.
    #[error("job {job} is left as it is: {source}; this is a fault of the relayer, report it")]
    IllegalEvent { job: U256, source: IllegalEvent },
}

/// What stops the relayer or one of its steps.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum RelayerError {
    /// The node, or a contract that says no.
    #[error(transparent)]
    Chain(#[from] ChainError),

    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),

    /// Not [`PredictionEscrowError::Chain`], which is [`RelayerError::Chain`].
    #[error(transparent)]
    Escrow(PredictionEscrowError),

    /// Blocks were replaced during a look at them.
    #[error("the chain changed while its events were read; they are read again")]
    ChainMoved,

    /// A reorganization below all remembered blocks.
    #[error(
        "the chain reorganized more than {kept} blocks deep, below everything remembered; the events are read again from block {from}"
    )]
    DeepReorg { kept: usize, from: u64 },

    /// The time that a caller gave is over.
    #[error("job {job} is not settled after {} s (state: {state}{})", .waited.as_secs(), .last_error.as_ref().map(|e| format!("; last trouble: {e}")).unwrap_or_default())]
    NotSettled { job: U256, waited: Duration, state: String, last_error: Option<String> },

    /// By its [`crate::CancellationToken`].
    #[error("the relayer was told to stop")]
    Stopped,

    /// Settings that contradict each other or the chain.
    #[error("the configuration is not usable: {0}")]
    Config(String),
}

impl From<PredictionEscrowError> for RelayerError {
    fn from(error: PredictionEscrowError) -> Self {
        match error {
            PredictionEscrowError::Chain(error) => Self::Chain(error),
            other => Self::Escrow(other),
        }
    }
}

impl RelayerError {
    /// Whether a running relayer goes on trying after this. Any trouble with the node may pass,
    /// also one that somebody has to end (an expired subscription); a broken store, or contracts
    /// of another version, do not.
    pub fn is_survivable(&self) -> bool {
        matches!(self, Self::Chain(_) | Self::ChainMoved)
    }

    /// Whether this is about one job, which waits then, so that it does not hold up the others.
    pub(crate) fn concerns_one_job(&self) -> bool {
        match self {
            Self::Chain(error) => !matches!(error, ChainError::Unreachable { .. }),
            Self::Store(StoreError::IllegalEvent { .. }) => true,
            _ => false,
        }
    }
}
