//! Several nodes: one that is down, behind, or wrong.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use assay_client::{Chain, ChainConfig, ChainError};
use assay_client_testing::{
    Action, Proxy, node, require_anvil,
    stage::{config, connect_all},
};
use assay_relayer::JobState;
use serde_json::{Value, json};

use crate::world::{World, settle, turn_until};

async fn proxies<const N: usize>(world: &World) -> [Proxy; N] {
    let mut all = Vec::new();
    for _ in 0..N {
        all.push(Proxy::start(world.node.port()).await);
    }
    all.try_into().ok().unwrap()
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_stood_in_for() {
    require_anvil!();
    let world = World::new().await;
    let [dead, alive] = proxies(&world).await;
    dead.rule(|_, _| Action::Swallow);
    let chain = connect_all(vec![dead.url(), alive.url()], 0).await;
    for _ in 0..4 {
        chain.head().await.unwrap();
    }
    let health = chain.health();
    assert!(health[0].failed >= 1 && health[0].score > 0.5, "{health:?}");
    assert!(health[1].answered > 4 && health[1].score < 0.1, "{health:?}");
    // It is not asked first while it is unwell.
    let failed = health[0].failed;
    chain.head().await.unwrap();
    assert_eq!(chain.health()[0].failed, failed);
    // The other way round, and both.
    dead.rule(|_, _| Action::Forward);
    alive.rule(|_, _| Action::Status(503));
    chain.head().await.unwrap();
    dead.rule(|_, _| Action::Status(429));
    let error = chain.head().await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_node_of_another_chain_is_not_asked() {
    require_anvil!();
    let world = World::new().await;
    let [other, right] = proxies(&world).await;
    let another_chain = |method: &str, _: &Value| match method {
        "eth_chainId" => Action::Answer(json!("0x5")),
        _ => Action::Forward,
    };
    other.rule(another_chain);
    let urls = vec![right.url(), other.url()];
    let both = ChainConfig { rpc_urls: urls.clone(), ..config(String::new()) };
    let error = Chain::connect(both, None).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { found: 5, .. }), "{error}");
    // One that was down at the start is asked first what chain it serves.
    other.rule(|_, _| Action::Swallow);
    let chain = connect_all(urls, 0).await;
    other.rule(another_chain);
    right.rule(|_, _| Action::Swallow);
    chain.head().await.unwrap_err();
    assert!(chain.health()[1].other_chain);
    right.rule(|_, _| Action::Forward);
    chain.head().await.unwrap();
}

#[tokio::test]
async fn without_any_node_there_is_no_connection() {
    require_anvil!();
    let dead = "http://127.0.0.1:1".to_owned();
    let both = ChainConfig { rpc_urls: vec![dead.clone(), dead], ..config(String::new()) };
    let error = Chain::connect(both, None).await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
    let none = ChainConfig { rpc_urls: Vec::new(), ..config(String::new()) };
    assert!(matches!(Chain::connect(none, None).await, Err(ChainError::BadUrl { .. })));
}

#[tokio::test]
async fn jobs_are_paid_while_nodes_fail_in_turn() {
    require_anvil!();
    let world = World::new().await;
    let all = proxies::<3>(&world).await;
    for (place, proxy) in all.iter().enumerate() {
        let mut count = place;
        proxy.rule(move |_, _| {
            count += 1;
            // Each is away for a while, one after the other.
            if count / 25 % 3 == place { Action::Status(502) } else { Action::Forward }
        });
    }
    let escrow = world.escrow_through(&all.each_ref()).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.hasty_config()).await;
    for price in 1..=4 {
        let id = world.open(price).await;
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
}

#[tokio::test]
async fn nothing_is_final_without_a_quorum() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let [first, second] = proxies(&world).await;
    let other_hash = |block: &mut Value| {
        if block.is_object() {
            block["hash"] = json!(B256::with_last_byte(9));
        }
    };
    second.rule(move |method, _| match method {
        "eth_getBlockByNumber" => Action::Alter(other_hash),
        _ => Action::Forward,
    });
    let escrow = world.escrow_through(&[&first, &second]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let job = turn_until(&mut relayer, id, |job| job.paid_in.is_some()).await;
    assert_eq!(*job.state(), JobState::Submitted);
    for _ in 0..3 {
        relayer.turn().await.unwrap();
        assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Submitted);
    }
    second.rule(|_, _| Action::Forward);
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_clock_of_one_node_ends_no_job() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let [liar, one, two] = proxies(&world).await;
    let tomorrow = |block: &mut Value| {
        if block.is_object() {
            block["timestamp"] = json!("0xffffffff");
        }
    };
    liar.rule(move |method, _| match method {
        "eth_getBlockByNumber" => Action::Alter(tomorrow),
        _ => Action::Forward,
    });
    let escrow = world.escrow_through(&[&liar, &one, &two]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_node_that_comes_up_late_is_used_then() {
    require_anvil!();
    let world = World::new().await;
    let proxy = Proxy::start(world.node.port()).await;
    let late = node::start();
    let port = late.port();
    drop(late);
    let chain = connect_all(vec![format!("http://127.0.0.1:{port}"), proxy.url()], 0).await;
    assert_eq!(chain.balance(Address::with_last_byte(0x77)).await.unwrap().to::<u64>(), 0);
    let _late = node::start_on(port);
    proxy.rule(|_, _| Action::Swallow);
    tokio::time::timeout(Duration::from_secs(60), async {
        while chain.head().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the late node answers");
}
