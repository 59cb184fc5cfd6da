//! What a proof is to the contracts: bytes, and a context that binds them to one job.

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use serde::{Deserialize, Serialize};

/// A proof and what it proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProofArtifact {
    /// As the verifier contract takes it.
    pub proof: Bytes,
    /// Which run of a job's collection it is about; 0 for a job of one input.
    #[serde(default)]
    pub run: U256,
    /// Its last public inputs, the output words, as the model's key states.
    pub outputs: Vec<U256>,
}

impl ProofArtifact {
    /// The proof of a prediction of one input.
    pub fn of_input(proof: Bytes, outputs: Vec<U256>) -> Self {
        Self { proof, run: U256::ZERO, outputs }
    }
}

/// Public input 0 of a proof for a job:
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
