//! Generated contracts, compiled and run on revm, against the native verifier.

mod algebra;
mod corpus;
mod model;

use std::path::PathBuf;

use halo2_proofs::halo2curves::bn256::Fr;
use revm::primitives::Address;

use super::{
    evm::{Chain, Outcome, calldata},
    *,
};
use crate::proof::{
    sample::{SEED, SampleParams, setup},
    transcript::scalar_to_bytes,
};

/// The compiler: `ASSAY_SOLC`, or the repository's wrapper. Tests skip without one.
fn solc() -> Option<PathBuf> {
    let path = match std::env::var_os("ASSAY_SOLC") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/solc"),
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

struct Deployed {
    chain: Chain,
    vk: Address,
    verifier: Address,
    runtime_bytes: usize,
    vk_hash: [u8; 32],
}

fn deploy(key: &KeyInfo) -> Option<Deployed> {
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
        vk_hash: crate::proof::transcript::keccak256(&[&data]),
    })
}

fn words(inputs: &[Fr]) -> Vec<[u8; 32]> {
    inputs.iter().map(scalar_to_bytes).collect()
}

impl Deployed {
    fn verify(&mut self, proof: &[u8], inputs: &[[u8; 32]]) -> Outcome {
        self.chain.call(self.verifier, calldata(self.vk, proof, inputs))
    }
}

fn report(name: &str, deployed: &Deployed, outcome: &Outcome) {
    println!("{name}: {} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    let execution: u64 = outcome.watch.gas.values().sum();
    println!("  {:>8} intrinsic (21,000 and calldata)", outcome.gas - execution);
    for (purpose, gas) in &outcome.watch.gas {
        println!("  {gas:>8} {purpose} ({} times)", outcome.watch.counts[purpose]);
    }
}

#[test]
fn accepts_good_proofs_and_reports_gas() {
    let setup = setup(SampleParams::small());
    let Some(mut deployed) = deploy(setup.key.info()) else { return };
    assert_eq!(deployed.vk_hash, setup.key.info().hash());
    for (weights, input) in [(1, 1), (1, 5), (3, 2)] {
        let (proof, inputs) = setup.prove(weights, input, &SEED);
        let outcome = deployed.verify(&proof, &words(&inputs));
        let hash = setup.key.verify(&inputs, &proof).unwrap();
        assert_eq!(outcome.result, Ok(hash.to_vec()));
        report("small sample", &deployed, &outcome);
    }
}

/// About the size of a model's circuit.
#[test]
fn gas_at_a_models_size() {
    let params =
        SampleParams { k: 8, weights: 2, lanes: 6, inputs: 3, extra_fixed: 9, constant: 1 };
    let setup = setup(params);
    let Some(mut deployed) = deploy(setup.key.info()) else { return };
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    let outcome = deployed.verify(&proof, &words(&inputs));
    assert!(outcome.result.is_ok());
    let profile = setup.key.info().profile();
    println!(
        "{} advice, {} fixed, {} copied columns",
        profile.advice_columns(),
        profile.fixed_columns,
        profile.permutation.len()
    );
    report("model-sized sample", &deployed, &outcome);
    assert!(outcome.gas <= 600_000);
}

/// The largest profile that is foreseen fits a contract.
#[test]
fn code_size_of_a_large_profile() {
    let params =
        SampleParams { k: 6, weights: 8, lanes: 18, inputs: 8, extra_fixed: 20, constant: 1 };
    let setup = setup(params);
    let Some(mut deployed) = deploy(setup.key.info()) else { return };
    let profile = setup.key.info().profile();
    assert!(profile.advice_columns() >= 48);
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    let outcome = deployed.verify(&proof, &words(&inputs));
    assert!(outcome.result.is_ok());
    report("large sample", &deployed, &outcome);
    assert!(deployed.runtime_bytes < 24_576);
}

/// With the interface of the contracts, on the settings of the contracts, without a warning.
#[test]
fn inherits_the_interface_without_warnings() {
    let Some(solc) = solc() else { return };
    let path = "contracts/src/interfaces/IHalo2Verifier.sol";
    let interface = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let Ok(interface) = std::fs::read_to_string(&interface) else {
        println!("skipped: no {}", interface.display());
        return;
    };
    let setup = setup(SampleParams::small());
    let options = Options {
        contract_name: "SampleVerifier".to_owned(),
        interface_import: Some("./IHalo2Verifier.sol".to_owned()),
    };
    let generated = generate(setup.key.info().profile(), &options);
    let mut input = compile::standard_json(&generated);
    input["sources"]["IHalo2Verifier.sol"] = serde_json::json!({ "content": interface });
    input["settings"]["evmVersion"] = "osaka".into();
    let compiled = compile::compile_json(&solc, &generated, &input).unwrap();
    assert!(!compiled.runtime_code.is_empty());
    assert_eq!(compiled.warnings, Vec::<String>::new());
}
