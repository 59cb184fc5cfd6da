//! Proofs as tasks: one for each proof that is wanted, taken by one worker at a time under a lease.
//!
//! The relayer puts a task into the queue of its store, and whoever makes it, in this process or in another, has a lease that
//! is renewed while the proof is made. A worker that dies renews nothing, and another takes the task. Each lease has a
//! number, the fence, greater than those before it: a worker that was only slow, and comes back after its lease has gone to
//! another, is refused. So one proof of a task is stored at most, and only a proof that is stored leaves this house. That
//! is why a further try may take the opening of the weights that an earlier one was counted for: nobody saw anything of it.

use std::{fmt, time::Duration};

use alloy::primitives::{U256, hex, keccak256};
use assay_client::{ModelIdentity, ProofArtifact};
use serde::{Deserialize, Serialize};

use crate::{
    duty::ProofKey,
    error::StoreError,
    proving::{ProofRequest, ProveError},
};

/// How long a lease lasts without being renewed.
pub const LEASE: Duration = Duration::from_secs(30);

/// What a task is for, and a hash of its request: the same proof has the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskName(String);

impl TaskName {
    /// Of the proof of a job.
    pub(crate) fn of_job(id: U256, request: &ProofRequest) -> Result<Self, StoreError> {
        Self::of(&format!("job/{id}"), request)
    }

    /// Of the proof of a duty.
    pub(crate) fn of_duty(key: &ProofKey, request: &ProofRequest) -> Result<Self, StoreError> {
        Self::of(&format!("duty/{}", key.as_str()), request)
    }

    fn of(what: &str, request: &ProofRequest) -> Result<Self, StoreError> {
        let text = serde_json::to_vec(request)
            .map_err(|e| StoreError::Failed { operation: "name a task", reason: e.to_string() })?;
        Ok(Self(format!("{what}/{}", hex::encode(&keccak256(text)[..8]))))
    }

    /// Of what it is a proof.
    pub(crate) fn subject(&self) -> Subject<'_> {
        // A hash of the request stands last; what a proof of a duty is kept under has slashes of its own.
        let parts =
            self.0.split_once('/').and_then(|(kind, rest)| Some((kind, rest.rsplit_once('/')?.0)));
        match parts {
            Some(("job", id)) => id.parse().map_or(Subject::Unknown, Subject::Job),
            Some(("duty", key)) => Subject::Duty(key),
            _ => Subject::Unknown,
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TaskName {
    fn from(name: String) -> Self {
        Self(name)
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Of what a task is a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject<'a> {
    /// Of a job.
    Job(U256),
    /// Of a duty, by what its proof is kept under.
    Duty(&'a str),
    /// Of something that this version does not know.
    Unknown,
}

/// A proof that is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: TaskName,
    /// Unix time at which it has to be begun to be in time: the earliest goes first.
    pub(crate) latest_begin: u64,
    pub(crate) request: ProofRequest,
}

/// The right of one worker to make one proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which proof.
    pub task: TaskName,
    /// Greater than that of every earlier lease of the task.
    pub fence: i64,
    /// Who has it.
    pub worker: String,
}

/// A task as it lies in the queue.
#[derive(Clone, Debug)]
pub(crate) struct TaskState {
    pub(crate) name: TaskName,
    pub(crate) fence: i64,
    /// Who has it, or had it last.
    pub(crate) worker: Option<String>,
    /// How it ended.
    pub(crate) outcome: Option<Outcome>,
}

/// How a task ended, as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Proof(ProofArtifact),
    UnknownModel(ModelIdentity),
    InputUnavailable { commitment: U256, reason: String },
    NotReady(String),
    Interrupted(String),
    Failed(String),
}

impl From<Result<ProofArtifact, ProveError>> for Outcome {
    fn from(result: Result<ProofArtifact, ProveError>) -> Self {
        match result {
            Ok(proof) => Self::Proof(proof),
            Err(ProveError::UnknownModel(model)) => Self::UnknownModel(model),
            Err(ProveError::InputUnavailable { commitment, reason }) => {
                Self::InputUnavailable { commitment, reason }
            }
            Err(ProveError::NotReady(why)) => Self::NotReady(why),
            Err(ProveError::Interrupted(why)) => Self::Interrupted(why),
            Err(ProveError::Failed(why)) => Self::Failed(why),
        }
    }
}

impl From<Outcome> for Result<ProofArtifact, ProveError> {
    fn from(outcome: Outcome) -> Self {
        Err(match outcome {
            Outcome::Proof(proof) => return Ok(proof),
            Outcome::UnknownModel(model) => ProveError::UnknownModel(model),
            Outcome::InputUnavailable { commitment, reason } => {
                ProveError::InputUnavailable { commitment, reason }
            }
            Outcome::NotReady(why) => ProveError::NotReady(why),
            Outcome::Interrupted(why) => ProveError::Interrupted(why),
            Outcome::Failed(why) => ProveError::Failed(why),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_of_what_it_is_a_proof() {
        let request = ProofRequest {
            job_id: U256::from(7),
            context: U256::ONE,
            model: ModelIdentity { vk_hash: Default::default(), model_hash: Default::default() },
            input_commitment: U256::ONE,
            recipient: Default::default(),
            hint: Default::default(),
            run: None,
            expected: None,
        };
        let job = TaskName::of_job(U256::from(7), &request).unwrap();
        assert_eq!(job.subject(), Subject::Job(U256::from(7)));
        let key = ProofKey::new(Default::default(), U256::ONE, 3);
        let duty = TaskName::of_duty(&key, &request).unwrap();
        assert_eq!(duty.subject(), Subject::Duty(key.as_str()));
        assert_eq!(TaskName::from("other/1/2".to_owned()).subject(), Subject::Unknown);
        assert_eq!(TaskName::from("job/x/2".to_owned()).subject(), Subject::Unknown);
    }
}
