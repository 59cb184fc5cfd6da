//! Solidity verifiers.
//!
//! [`generate`] writes the contract of a column profile: all models of that profile share it. The
//! verifying key of a model is a separate data contract ([`vk_data`], [`vk_init_code`]) whose
//! code hash callers pin.

mod compile;
mod contract;
mod gates;
mod loops;
mod memory;
mod tables;
mod template;
mod text;

use assay_arithmetic::keccak256;
use assay_proof::{KeyInfo, profile::Profile};

pub use compile::{CompileError, Compiled, compile};
pub use contract::error_signatures;

/// How the contract is written.
#[derive(Debug, Clone)]
pub struct Options {
    /// Name of the contract.
    pub contract_name: String,
    /// Import path of a file that declares `IHalo2Verifier`, which the contract then inherits.
    pub interface_import: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { contract_name: "Halo2Verifier".to_owned(), interface_import: None }
    }
}

/// A verifier contract for a column profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedVerifier {
    /// Solidity source of one file.
    pub source: String,
    /// Name of the contract in it.
    pub contract_name: String,
    /// Digest of the column profile; the data contract of a key carries the same.
    pub profile: [u8; 32],
    /// Exact length of a proof in bytes.
    pub proof_bytes: usize,
    /// Exact length of the data contract in bytes.
    pub vk_bytes: usize,
}

/// Writes the verifier contract of a column profile.
pub fn generate(profile: &Profile, options: &Options) -> GeneratedVerifier {
    contract::generate(profile, options)
}

/// The code of the data contract of a verifying key: `0x00`, format, statement, header, commitments; layout in
/// [`assay_proof::vk_data`]. Its Keccak-256 is the key's hash.
pub fn vk_data(key: &KeyInfo) -> Vec<u8> {
    key.data().to_bytes()
}

/// Init code that deploys `code` as it is.
///
/// `PUSH2 len, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN` then the code. `None` if it is
/// longer than a contract may be (24,576 bytes, EIP-170).
pub fn vk_init_code(code: &[u8]) -> Option<Vec<u8>> {
    const MAX_CODE: usize = 24_576;
    if code.len() > MAX_CODE {
        return None;
    }
    let [high, low] = (code.len() as u16).to_be_bytes();
    let mut init = vec![0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    init.extend_from_slice(code);
    Some(init)
}

/// First four bytes of the Keccak-256 of a signature.
pub fn selector(signature: &str) -> u32 {
    let [a, b, c, d, ..] = keccak256(&[signature.as_bytes()]);
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
