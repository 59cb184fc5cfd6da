//! All contracts at addresses that follow from the build, and contracts that are taken for others.

use alloy::{primitives::Address, providers::Provider};
use assay_client::{
    AuditEscrow, Chain, ChainError, Contract, ContractClient, ModelRegistry, PredictionEscrow,
    RetrievalEscrow, ServiceBond,
    deployment::{DeploymentPlan, Found},
};
use assay_client_testing::{
    Action, Proxy,
    node::{self, artifacts},
    require_anvil,
    stage::connect,
};

async fn mine(chain: &Chain, blocks: u64) {
    let mined: serde_json::Value = chain
        .provider()
        .raw_request("anvil_mine".into(), serde_json::json!([blocks]))
        .await
        .unwrap();
    assert!(mined.is_null());
}

#[tokio::test]
async fn a_deployment_that_broke_off_is_taken_up_again() {
    require_anvil!();
    let node = node::start();
    let chain = connect(node.url(), 0).await;
    let plan = DeploymentPlan::new(&artifacts(), true, None, &[]).unwrap();
    assert_eq!(plan.first_block(&chain).await.unwrap(), None, "nothing is there");
    mine(&chain, 20).await;
    let mut begun = plan.clone();
    begun.contracts.truncate(3);
    let first = begun.deploy(&chain, |_| {}).await.unwrap();
    let since = first[0].deployed.unwrap().1;
    assert!(since > 20);
    mine(&chain, 50).await;
    let steps = plan.deploy(&chain, |_| {}).await.unwrap();
    let new: Vec<bool> = steps.iter().map(|step| step.deployed.is_some()).collect();
    assert_eq!(new, [false, false, false, true, true, true, true, true]);
    assert_eq!(plan.first_block(&chain).await.unwrap(), Some(since));
    let checked = plan.check(&chain).await.unwrap();
    assert!(checked.iter().all(|(_, found)| matches!(found, Found::Built { .. })));

    // A node that keeps the states of its last blocks only: enough of them, and too few.
    for (kept, expected) in [(since - 1, Some(since)), (since + 1, None)] {
        let proxy = Proxy::start(node.port()).await;
        proxy.rule(move |method, params| {
            let block = params.get(1).and_then(|block| block.as_str()).unwrap_or_default();
            let block = u64::from_str_radix(block.trim_start_matches("0x"), 16);
            match (method, block) {
                ("eth_getCode", Ok(block)) if block < kept => {
                    Action::Refuse { code: -32000, message: "missing trie node".into() }
                }
                _ => Action::Forward,
            }
        });
        let chain = connect(proxy.url(), 0).await;
        assert_eq!(plan.first_block(&chain).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn other_contracts_are_told_from_the_wanted_one() {
    require_anvil!();
    let node = node::start();
    let chain = connect(node.url(), 0).await;
    let plan = DeploymentPlan::new(&artifacts(), true, None, &[]).unwrap();
    plan.deploy(&chain, |_| {}).await.unwrap();
    // Contracts that hold jobs are not told from the prediction escrow.
    check::<PredictionEscrow>(&chain, &plan, &["AuditEscrow", "RetrievalEscrow"]).await;
    check::<ModelRegistry>(&chain, &plan, &[]).await;
    check::<AuditEscrow>(&chain, &plan, &[]).await;
    check::<RetrievalEscrow>(&chain, &plan, &[]).await;
    check::<ServiceBond>(&chain, &plan, &[]).await;
}

async fn check<C: ContractClient>(chain: &Chain, plan: &DeploymentPlan, passes: &[&str]) {
    for planned in &plan.contracts {
        let client = Contract::at(chain.clone(), planned.address).into_client::<C>().await;
        if planned.name == C::NAME || passes.contains(&planned.name) {
            assert_eq!(client.ok().unwrap().address(), planned.address);
            continue;
        }
        let error = client.err().unwrap();
        let ChainError::OtherContract { address, wanted, .. } = error else { panic!("{error}") };
        assert_eq!((address, wanted), (planned.address, C::NAME));
    }
    let nobody =
        Contract::at(chain.clone(), Address::with_last_byte(0x99)).into_client::<C>().await;
    assert!(matches!(nobody.err().unwrap(), ChainError::NoCode { .. }));
}
