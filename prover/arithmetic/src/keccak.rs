//! Keccak-256, the hash of the chain: names of keys, models, architectures and setups.

use sha3::{Digest, Keccak256};

/// Keccak-256 of the concatenation of `parts`.
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
