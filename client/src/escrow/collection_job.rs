//! What audits and retrievals share: jobs about a committed collection, proven run by run, whose terms
//! the escrow keeps as a hash only.

use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolEvent,
};

use crate::{
    chain::ChainError,
    contract::{Contract, Logged},
};

/// A proof about a run of a collection, with what it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunArtifact {
    /// Run i covers the items from i * batch on.
    pub run: u64,
    /// The number classified correctly, or the bitmap of the selected items.
    pub result: U256,
    /// As the verifier contract takes it.
    pub proof: Bytes,
}

/// Why an order is not available.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum OrderError {
    /// The node, or a contract that says no.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// No job has this id.
    #[error("escrow {escrow} has no job {job}")]
    NoSuchJob { escrow: Address, job: U256 },
    /// The event that opened the job is older than the first block that was searched.
    #[error(
        "the terms of job {job} are not among the events of escrow {escrow} from block {from} on; \
         start at the block of its opening or earlier"
    )]
    NotFound { escrow: Address, job: U256, from: u64 },
}

/// The event that opened a job, in block `from` or later: the one with the terms that the escrow keeps
/// the hash of. `hash` computes it from an event; `terms_hash` is `None` for a job that is not there.
pub(crate) async fn find_opened_event<E: SolEvent>(
    contract: &Contract,
    job_id: U256,
    terms_hash: Option<B256>,
    from: u64,
    hash: impl Fn(&E) -> B256,
) -> Result<Logged<E>, OrderError> {
    let (escrow, job) = (contract.address(), job_id);
    let terms_hash = terms_hash.ok_or(OrderError::NoSuchJob { escrow, job })?;
    let opened = contract.events_about::<E>(job_id.into(), from).await?;
    let found = opened.into_iter().find(|logged| hash(&logged.event) == terms_hash);
    found.ok_or(OrderError::NotFound { escrow, job, from })
}
