//! The interfaces in the source against the contracts as built.

use std::collections::BTreeSet;

use alloy::json_abi::JsonAbi;
use assay_client::bindings::{
    ContractErrors, IAuditEscrow, ICustody, IModelRegistry, IPredictionEscrow, IRetrievalEscrow,
    IServiceBond,
};

use assay_client_testing::{node::artifacts, require_anvil};

fn built(name: &str) -> JsonAbi {
    let path = artifacts().join(format!("{name}.sol/{name}.json"));
    let artifact: serde_json::Value =
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    serde_json::from_value(artifact["abi"].clone()).unwrap()
}

/// Signatures with return types, state mutability and which fields are indexed.
fn functions(abi: &JsonAbi) -> BTreeSet<String> {
    abi.functions()
        .map(|f| format!("{} {:?}", f.signature_with_outputs(), f.state_mutability))
        .collect()
}

fn events(abi: &JsonAbi) -> BTreeSet<String> {
    abi.events()
        .map(|e| {
            format!(
                "{} {:?}",
                e.signature(),
                e.inputs.iter().map(|i| i.indexed).collect::<Vec<_>>()
            )
        })
        .collect()
}

#[test]
fn interfaces_are_those_of_the_contracts() {
    require_anvil!();
    let pairs = [
        (IModelRegistry::abi::contract(), built("ModelRegistry")),
        (IPredictionEscrow::abi::contract(), built("PredictionEscrow")),
        (IAuditEscrow::abi::contract(), built("AuditEscrow")),
        (IRetrievalEscrow::abi::contract(), built("RetrievalEscrow")),
        (IServiceBond::abi::contract(), built("ServiceBond")),
        (ICustody::abi::contract(), built("PredictionEscrow")),
        (ICustody::abi::contract(), built("AuditEscrow")),
        (ICustody::abi::contract(), built("RetrievalEscrow")),
        (ICustody::abi::contract(), built("ServiceBond")),
    ];
    let known: BTreeSet<String> =
        ContractErrors::abi::contract().errors().map(|e| e.signature()).collect();
    for (ours, theirs) in pairs {
        let extra: Vec<_> = functions(&ours).difference(&functions(&theirs)).cloned().collect();
        assert!(extra.is_empty(), "not in the contract: {extra:?}");
        let extra: Vec<_> = events(&ours).difference(&events(&theirs)).cloned().collect();
        assert!(extra.is_empty(), "not in the contract: {extra:?}");
        let unknown: Vec<_> =
            theirs.errors().map(|e| e.signature()).filter(|e| !known.contains(e)).collect();
        assert!(unknown.is_empty(), "errors without a name here: {unknown:?}");
    }
}
