//! Nodes that show a transaction before the state after it, as several behind one address do.

use alloy::{
    primitives::{Address, B256, Bytes, U256, aliases::U96},
    signers::SignerSync,
};
use assay_client::{
    AuditEscrow, Chain, ChainError, ContractClient, ServiceBond, SignerSource,
    deployment::DeploymentPlan,
    escrow::audit::{State, Terms},
    service_bond::{self, Receipt, receipt_digest},
};
use assay_client_testing::{
    Action, Proxy, Stage,
    node::{KEYS, artifacts},
    require_anvil,
    stage::connect,
};

/// A node that answers no question about the state once a transaction was sent; and where the contracts of
/// the build are on its chain.
async fn lagging(stage: &Stage) -> (Chain, DeploymentPlan) {
    let registry = Some(stage.registry.address());
    let plan = DeploymentPlan::new(&artifacts(), true, registry, &[]).unwrap();
    plan.deploy(&stage.chain, |_| {}).await.unwrap();
    let proxy = Proxy::start(stage.node.port()).await;
    let mut sent = false;
    proxy.rule(move |method, _| {
        sent |= method == "eth_sendRawTransaction";
        match method {
            "eth_call" | "eth_getLogs" if sent => {
                Action::Refuse { code: -32000, message: "unknown block".into() }
            }
            _ => Action::Forward,
        }
    });
    (connect(proxy.url(), 0).await, plan)
}

fn at<C: ContractClient>(chain: &Chain, plan: &DeploymentPlan) -> C {
    let planned = plan.contracts.iter().find(|planned| planned.name == C::NAME).unwrap();
    C::at(chain.clone(), planned.address)
}

#[tokio::test]
async fn the_end_of_an_audit_is_read_from_its_transaction() {
    require_anvil!();
    let stage = Stage::new().await;
    let (chain, plan) = lagging(&stage).await;
    let now = chain.head().await.unwrap().timestamp;
    let terms = Terms {
        buyer: chain.account().unwrap(),
        reward: U96::from(5),
        stake: U96::from(1),
        testSetRoot: U256::from(7),
        metric: B256::with_last_byte(1),
        items: 4,
        required: 1,
        maxEntries: 1,
        enterBy: now + 10,
        deliverBy: now + 610,
        acceptBy: now + 1_210,
        proveWindow: 600,
        ..Terms::default()
    };
    let escrow: AuditEscrow = at(&stage.chain, &plan);
    let (job, _) = escrow.open(terms, vec![], Bytes::new()).await.unwrap();
    let order = escrow.order(job, 0).await.unwrap();
    stage.rpc("evm_increaseTime", serde_json::json!([60])).await;
    stage.mine(1).await;
    let (end, _) = at::<AuditEscrow>(&chain, &plan).settle(&order).await.unwrap();
    assert_eq!((end.state, end.winner), (State::Refunded, U256::ZERO));
    let error = at::<AuditEscrow>(&chain, &plan).job(job).await.unwrap_err();
    assert!(matches!(error, ChainError::Refused { .. }), "the node lags: {error}");
}

#[tokio::test]
async fn a_posted_batch_is_read_from_its_transaction() {
    require_anvil!();
    let stage = Stage::new().await;
    let (chain, plan) = lagging(&stage).await;
    let bond: ServiceBond = at(&stage.chain, &plan);
    let account = stage.chain.account().unwrap();
    let terms = service_bond::Terms {
        modelId: stage.model_id,
        bindingHash: stage.binding_hash,
        signer: account,
        token: Address::ZERO,
        penalty: U256::from(10),
        proofCost: U256::from(1),
        contestWindow: 3600,
        proofWindow: 3600,
        noticePeriod: 10_000,
    };
    let (service, _) = bond.open_service(terms, U256::from(10), B256::ZERO).await.unwrap();
    let now = chain.head().await.unwrap().timestamp;
    let receipt = Receipt {
        serviceId: service,
        buyer: account,
        root: B256::with_last_byte(3),
        count: U256::from(2),
        price: U256::from(4),
        nonce: U256::from(5),
        validUntil: U256::from(now + 600),
    };
    let signer = SignerSource::PrivateKey(KEYS[0].into()).load().unwrap();
    let digest = receipt_digest(chain.chain_id(), bond.address(), &receipt);
    let signature = signer.sign_hash_sync(&digest).unwrap().as_bytes().to_vec();
    let late: ServiceBond = at(&chain, &plan);
    let (posted, outcome) = late.post(receipt.clone(), signature).await.unwrap();
    let batch = bond.batch(posted.batchId).await.unwrap().unwrap();
    assert_eq!(posted.contestBy, batch.contestBy);
    assert_eq!(batch.postedIn, U256::from(outcome.block_number));
    let kept = bond.receipt(posted.batchId, &batch).await.unwrap();
    assert_eq!(kept, Some(receipt));
}
