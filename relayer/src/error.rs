//! Errors of the relayer proper.

use std::time::Duration;

use alloy::primitives::{Address, U256};

use assay_client::{ChainError, PredictionEscrowError};

use crate::job::IllegalEvent;

/// What can go wrong with the relayer's own store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "the job store {place} is in use by another relayer; stop it, or give this one a store of its own"
    )]
    InUse { place: String },

    /// It cannot be opened, or is no store.
    #[error("the job store {place} cannot be opened: {reason}")]
    Open { place: String, reason: String },

    /// A store of another escrow or chain.
    #[error(
        "the job store {place} belongs to escrow {found_escrow} on chain {found_chain}, not to {escrow} on chain {chain_id}; use another one, one per escrow"
    )]
    OtherEscrow {
        place: String,
        chain_id: u64,
        escrow: Address,
        found_chain: String,
        found_escrow: String,
    },

    /// A store of a later version.
    #[error("the job store {place} was changed by a later version of this program; use that one")]
    Format { place: String },

    /// A store of before there were databases.
    #[error(
        "the job store {place} was written by an earlier version of this program, and is left as it is; let that version finish \
         its jobs and its withdrawals (`assay relayer status` shows them), and name a new file here"
    )]
    Older { place: String },

    /// The disk. What could not be stored is tried again.
    #[error(
        "the job store could not {operation}: {reason}; make space on its disk, or look at its health: the relayer waits for that"
    )]
    Disk { operation: &'static str, reason: String },

    /// The database does not answer, or somebody else has it just now. It is tried again.
    #[error("the job store could not {operation}: {reason}; the relayer waits for its database")]
    Unreachable { operation: &'static str, reason: String },

    /// The file, or the database, is damaged as a whole.
    #[error(
        "the job store is damaged and could not {operation}: {reason}; restore it, or use a new one: jobs are found again on chain, \
         proofs and what was sent are not"
    )]
    Broken { operation: &'static str, reason: String },

    /// Anything else.
    #[error("the job store could not {operation}: {reason}")]
    Failed { operation: &'static str, reason: String },

    /// An entry that cannot be decoded.
    #[error(
        "the entry of {what} in the job store is damaged: {reason}; use a new one, jobs are found again on chain"
    )]
    Damaged { what: String, reason: String },

    /// No job has this id.
    #[error("job {0} is not in the store")]
    NoSuchJob(U256),

    /// A job that is not given up.
    #[error("job {job} is not given up: {source}")]
    NotRetriable { job: U256, source: IllegalEvent },

    /// A worker that was too slow, and whose task has gone to another. Nothing was stored.
    #[error(
        "the lease of task {task} is lost: another has it by now, or nobody wants it any more; what was made is dropped"
    )]
    LeaseLost { task: String },

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

    /// The chain says that a job has ended, and no event was read that says how.
    #[error(
        "job {job} has ended on chain, and the event that says how is missing from what the node sent"
    )]
    EventMissing { job: U256, from: u64 },

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
    /// Whether a running relayer goes on trying after this. Any trouble with the node may pass, also one that
    /// somebody has to end (an expired subscription), or an event that makes no sense; so may that of a full
    /// disk, or of a database that does not answer. A damaged store does not.
    pub fn is_survivable(&self) -> bool {
        matches!(
            self,
            Self::Chain(_)
                | Self::ChainMoved
                | Self::EventMissing { .. }
                | Self::Escrow(PredictionEscrowError::BadEvent { .. })
                | Self::Store(StoreError::Disk { .. } | StoreError::Unreachable { .. })
        )
    }

    /// Whether this is about one job, which waits then, so that it does not hold up the others.
    pub(crate) fn concerns_one_job(&self) -> bool {
        matches!(
            self,
            Self::Chain(_)
                | Self::EventMissing { .. }
                | Self::Store(
                    StoreError::IllegalEvent { .. }
                        | StoreError::NoSuchJob(_)
                        | StoreError::LeaseLost { .. }
                )
        )
    }

    /// Whether no node answered.
    pub(crate) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Chain(ChainError::Unreachable { .. }))
    }

    /// One word for the kind of error, for logs that are read by programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Chain(error) => chain_code(error),
            Self::Store(StoreError::Disk { .. }) => "store-disk",
            Self::Store(StoreError::Unreachable { .. }) => "store-unreachable",
            Self::Store(StoreError::IllegalEvent { .. }) => "illegal-event",
            Self::Store(StoreError::LeaseLost { .. }) => "lease-lost",
            Self::Store(_) => "store",
            Self::Escrow(PredictionEscrowError::BadEvent { .. }) => "bad-event",
            Self::Escrow(_) => "not-an-escrow",
            Self::ChainMoved => "chain-moved",
            Self::EventMissing { .. } => "event-missing",
            Self::DeepReorg { .. } => "deep-reorganization",
            Self::NotSettled { .. } => "not-settled",
            Self::Stopped => "stopped",
            Self::Config(_) => "configuration",
        }
    }
}

/// One word for the kind of error.
pub(crate) fn chain_code(error: &ChainError) -> &'static str {
    match error {
        ChainError::Unreachable { .. } => "node-unreachable",
        ChainError::WrongChain { .. } => "wrong-chain",
        ChainError::Refused { .. } => "node-refused",
        ChainError::BadAnswer { .. } => "bad-answer",
        ChainError::Incomplete { .. } => "node-incomplete",
        ChainError::Reverted(_) => "reverted",
        ChainError::InsufficientFunds { .. } => "insufficient-funds",
        ChainError::GasOverLimit { .. } => "gas-over-limit",
        ChainError::FeeOverLimit { .. } => "fee-over-limit",
        ChainError::NoSigner | ChainError::Signing { .. } => "signing",
        ChainError::NoCode { .. } | ChainError::OtherContract { .. } => "other-contract",
        _ => "chain",
    }
}
