//! Generated contracts, compiled and run on revm, against the native verifier.

mod algebra;
mod refusals;
mod transcript;

use std::path::PathBuf;

use assay_testing::{
    corpus::Corpus,
    deployed::{Deployed, deploy, solc, words},
    evm::Outcome,
    sample::{SEED, SampleParams, setup},
};

use super::*;
use crate::template::placeholders;

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

/// Every `<NAME>` of the template is replaced, whatever the profile.
#[test]
fn no_placeholder_is_left() {
    let large =
        SampleParams { k: 6, weights: 8, lanes: 18, inputs: 8, extra_fixed: 20, constant: 1 };
    let import = Some("./IHalo2Verifier.sol".to_owned());
    for params in [SampleParams::small(), large] {
        let setup = setup(params);
        for interface_import in [None, import.clone()] {
            let options = Options { interface_import, ..Options::default() };
            let source = generate(setup.key.info().profile(), &options).source;
            let left = placeholders(&source);
            assert!(left.is_empty(), "{left:?}");
        }
    }
    assert_eq!(placeholders("if <(x) <A_1> <b> <E_KEY> < Y> <"), ["A_1", "E_KEY"]);
}

/// With the interface of the contracts, on the settings of the contracts, without a warning.
#[test]
fn inherits_the_interface_without_warnings() {
    let Some(solc) = solc() else { return };
    let path = "contracts/src/interfaces/IHalo2Verifier.sol";
    let interface = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let interface = std::fs::read_to_string(&interface).expect("the interface of the contracts");
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

#[test]
fn native_and_contract_agree_on_malformed_proofs() {
    let setup = setup(SampleParams::small());
    let Some(deployed) = deploy(setup.key.info()) else { return };
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    let key = setup.key.verifier();
    Corpus { key, deployed, proof, inputs: words(&inputs), cases: 0 }.refuse_all();
}
