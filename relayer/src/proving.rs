//! The border between the relayer and whatever makes proofs.
//!
//! The relayer knows nothing about circuits: it hands over a [`ProofRequest`] and gets a
//! [`ProofArtifact`]. [`LocalProver`] makes the proofs in this process; it finds the inputs in an
//! [`InputStore`].

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolValue;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::job::ModelIdentity;

mod input_store;
mod local;

pub use input_store::{InputError, InputOpening, InputStore};
pub use local::{LocalProver, LocalProverError, ProofReport};

/// Everything that a proof of one prediction depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofRequest {
    pub job_id: U256,
    /// Public input 0, see [`proof_context`].
    pub context: U256,
    pub model: ModelIdentity,
    /// Public input 1: Poseidon commitment to the input.
    pub input_commitment: U256,
    /// Who is paid; bound by `context`.
    pub recipient: Address,
    /// What the buyer attached to the job to help find the input (a name, a URI, the input
    /// itself); unverified, may be empty. The commitment decides.
    pub hint: Bytes,
}

/// A proof and the output it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofArtifact {
    /// As the verifier contract takes it.
    pub proof: Bytes,
    /// Public input 2: the predicted class.
    pub output: U256,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    #[error("{0} is not held here; import it, or leave it out of the models served")]
    UnknownModel(ModelIdentity),

    #[error(
        "no input with commitment {commitment:#066x}: {reason}; put the input and its salt where the prover looks"
    )]
    InputUnavailable { commitment: U256, reason: String },

    /// Proving cannot begin before somebody puts something right on this machine, such as a full
    /// disk. Nothing was spent.
    #[error("proving cannot begin yet: {0}")]
    NotReady(String),

    /// Worth another try: out of memory, a killed process.
    #[error("proving was interrupted: {0}")]
    Interrupted(String),

    /// The same request will fail again.
    #[error("proving failed: {0}")]
    Failed(String),
}

/// Makes proofs of predictions.
#[async_trait]
pub trait Prover: Send + Sync + 'static {
    /// Whether this prover holds the model. Jobs for others are skipped.
    fn serves(&self, model: &ModelIdentity) -> bool;

    /// How long a proof is expected to take on this machine; zero if that is not known.
    fn expected_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Proves one prediction.
    ///
    /// Must not block the thread it runs on: heavy work belongs into a process or
    /// `spawn_blocking`. Dropping the returned future cancels: a child process must end with it
    /// (`kill_on_drop`).
    ///
    /// # Errors
    /// [`ProveError`], sorted by what becomes of the job: it waits for its input or for this
    /// machine until its deadline, is tried again a few times, or is given up.
    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError>;
}

/// Public input 0 of a prediction's proof:
/// `uint256(keccak256(abi.encode(chainid, escrow, jobId, recipient))) >> 8`, 248 bits.
///
/// It voids a proof on any other chain, contract or job, and makes a copied proof pay the same
/// recipient.
pub fn proof_context(chain_id: u64, escrow: Address, job_id: U256, recipient: Address) -> U256 {
    let hash: B256 = keccak256((U256::from(chain_id), escrow, job_id, recipient).abi_encode());
    U256::from_be_bytes(hash.0) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_is_a_short_hash_of_all_four() {
        let (a, b) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let base = proof_context(1, a, U256::from(7), b);
        assert_eq!(base >> 248, U256::ZERO);
        let mut words = [0u8; 128];
        words[31] = 1;
        words[63] = 1;
        words[95] = 7;
        words[127] = 2;
        assert_eq!(base, U256::from_be_bytes(keccak256(words).0) >> 8);
        for other in [
            proof_context(2, a, U256::from(7), b),
            proof_context(1, b, U256::from(7), b),
            proof_context(1, a, U256::from(8), b),
            proof_context(1, a, U256::from(7), a),
        ] {
            assert_ne!(base, other);
        }
    }
}
