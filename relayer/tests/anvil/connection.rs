//! What is said when something is not as configured, and how narrow log queries are found.

use std::{collections::HashSet, sync::Arc};

use alloy::primitives::Address;
use assay_client::{
    Artifact, Chain, ChainError, ContractClient, PredictionEscrow, PredictionEscrowError,
};
use assay_client_testing::{
    Action, Proxy,
    node::artifacts,
    require_anvil,
    stage::{config, connect},
};
use assay_relayer::{Relayer, RelayerConfig, RelayerError, StoreError};

use crate::world::{World, settle};

#[tokio::test]
async fn wrong_contract_wrong_store() {
    require_anvil!();
    let world = World::new().await;
    let prover = world.prover();
    for address in [Address::with_last_byte(0x99), world.registry.address()] {
        let escrow = PredictionEscrow::at(world.chain.clone(), address);
        let error = Relayer::new(escrow, prover.clone(), world.config()).await.err().unwrap();
        assert!(
            matches!(error, RelayerError::Escrow(PredictionEscrowError::NotAnEscrow { .. })),
            "{error}"
        );
    }
    let read_only = Chain::connect(config(world.node.url()), None).await.unwrap();
    let escrow = PredictionEscrow::at(read_only, world.escrow.address());
    let error = Relayer::new(escrow, prover.clone(), world.config()).await.err().unwrap();
    assert!(matches!(error, RelayerError::Chain(ChainError::NoSigner)), "{error}");

    let first = world.relayer(&prover).await;
    let error =
        Relayer::new(world.escrow.clone(), prover.clone(), world.config()).await.err().unwrap();
    assert!(matches!(error, RelayerError::Store(StoreError::InUse { .. })), "{error}");
    drop(first);
    let artifact = Artifact::load(&artifacts(), "PredictionEscrow").unwrap();
    let (second, _) =
        PredictionEscrow::deploy(&world.chain, &artifact, world.registry.address(), true)
            .await
            .unwrap();
    let error = Relayer::new(second, prover.clone(), world.config()).await.err().unwrap();
    assert!(matches!(error, RelayerError::Store(StoreError::OtherEscrow { .. })), "{error}");

    let config = RelayerConfig { recipient: Some(world.escrow.address()), ..world.config() };
    let error = Relayer::new(world.escrow.clone(), prover, config).await.err().unwrap();
    assert!(matches!(error, RelayerError::Config(_)), "{error}");
}

#[tokio::test]
async fn nodes_that_limit_log_queries() {
    require_anvil!();
    let world = World::new().await;
    world.mine(60).await;
    let id = world.open(5).await;
    world.mine(60).await;
    let proxy = Proxy::start(world.node.port()).await;
    let hex = |v: &serde_json::Value| {
        u64::from_str_radix(v.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
    };
    let seen = Arc::new(std::sync::Mutex::new(HashSet::new()));
    let blocks = seen.clone();
    proxy.rule(move |method, params| {
        if method != "eth_getLogs" {
            return Action::Forward;
        }
        let (from, to) = (hex(&params[0]["fromBlock"]), hex(&params[0]["toBlock"]));
        if to - from >= 10 {
            let message = "query exceeds max block range 10".to_owned();
            return Action::Refuse { code: -32005, message };
        }
        blocks.lock().unwrap().extend(from..=to);
        Action::Forward
    });
    let escrow = PredictionEscrow::at(connect(proxy.url(), 0).await, world.escrow.address());
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    let head = relayer.store().cursor().await.unwrap().unwrap().number;
    let seen = seen.lock().unwrap();
    assert!((0..=head).all(|block| seen.contains(&block)), "no gap");
}
