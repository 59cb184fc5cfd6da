//! A generated verifier, compiled and deployed on revm.

use std::path::PathBuf;

use assay_arithmetic::keccak256;
use assay_proof::{KeyInfo, transcript::scalar_to_bytes};
use assay_solidity::{Options, compile, generate, vk_data, vk_init_code};
use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::Address;

use crate::evm::{Chain, Outcome, calldata};

/// The compiler: `ASSAY_SOLC`, or the repository's wrapper. Tests skip without one.
pub fn solc() -> Option<PathBuf> {
    let path = match std::env::var_os("ASSAY_SOLC") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../scripts/solc"),
    };
    let runs = std::process::Command::new(&path)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if !runs {
        println!("skipped: no Solidity compiler at {}; set ASSAY_SOLC", path.display());
    }
    runs.then_some(path)
}

/// A verifier and a key on a chain of their own.
pub struct Deployed {
    /// The chain that holds both contracts.
    pub chain: Chain,
    /// Address of the key's data contract.
    pub vk: Address,
    /// Address of the verifier contract.
    pub verifier: Address,
    /// Length of the verifier's deployed code, in bytes.
    pub runtime_bytes: usize,
    /// Keccak-256 of the key's data: the EXTCODEHASH of its contract.
    pub vk_hash: [u8; 32],
}

/// Generates, compiles and deploys the verifier of a key; `None` without a compiler.
pub fn deploy(key: &KeyInfo) -> Option<Deployed> {
    let solc = solc()?;
    let generated = generate(key.profile(), &Options::default());
    if let Some(path) = std::env::var_os("ASSAY_KEEP_SOLIDITY") {
        std::fs::write(path, &generated.source).unwrap();
    }
    let compiled = compile(&solc, &generated).unwrap();
    let data = vk_data(key);
    assert_eq!(data.len(), generated.vk_bytes);
    let mut chain = Chain::new();
    let (vk, vk_gas) = chain.deploy(vk_init_code(&data).unwrap());
    let (verifier, gas) = chain.deploy(compiled.init_code);
    println!("deployment gas: verifier {gas}, key {vk_gas}");
    Some(Deployed {
        chain,
        vk,
        verifier,
        runtime_bytes: compiled.runtime_code.len(),
        vk_hash: keccak256(&[&data]),
    })
}

/// Public inputs as the contract takes them.
pub fn words(inputs: &[Fr]) -> Vec<[u8; 32]> {
    inputs.iter().map(scalar_to_bytes).collect()
}

impl Deployed {
    /// Calls the verifier.
    pub fn verify(&mut self, proof: &[u8], inputs: &[[u8; 32]]) -> Outcome {
        self.chain.call(self.verifier, calldata(self.vk, proof, inputs))
    }
}
