//! What is said when something is not as configured, and how narrow log queries are found.

use std::{collections::HashSet, sync::Arc, time::Duration};

use alloy::primitives::{Address, Bytes};
use assay_relayer::{
    Artifact, Chain, ChainError, PredictionEscrow, Relayer, RelayerConfig, RelayerError,
    SignerSource, StoreError, TypedContract,
};

use crate::{
    node::{Anvil, KEYS, artifacts},
    proxy::{Action, Proxy},
    require_anvil,
    world::{World, config, connect, settle},
};

#[tokio::test]
async fn nobody_listens() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in ["http", "ws"] {
        let error = Chain::connect(config(format!("{scheme}://127.0.0.1:{port}/key")), None)
            .await
            .unwrap_err();
        assert!(matches!(error, ChainError::Unreachable { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&port.to_string()) && text.contains("check that it runs"), "{text}");
        assert!(!text.contains("key"), "the path may hold an API key: {text}");
    }
}

#[tokio::test]
async fn wrong_chain_wrong_contract_wrong_store() {
    require_anvil!();
    let world = World::new().await;
    let mut other_chain = config(world.anvil.url());
    other_chain.expected_chain_id = Some(1);
    let error = Chain::connect(other_chain, None).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { expected: 1, found: 31337, .. }), "{error}");

    let prover = world.prover();
    for address in [Address::with_last_byte(0x99), world.registry.address()] {
        let escrow = PredictionEscrow::at(world.chain.clone(), address);
        let error = Relayer::new(escrow, prover.clone(), world.config()).await.err().unwrap();
        assert!(matches!(error, RelayerError::NotAnEscrow { .. }), "{error}");
    }
    let read_only = Chain::connect(config(world.anvil.url()), None).await.unwrap();
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
    let proxy = Proxy::start(world.anvil.port).await;
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
    let head = relayer.store().cursor().unwrap().unwrap().number;
    let seen = seen.lock().unwrap();
    assert!((0..=head).all(|block| seen.contains(&block)), "no gap");
}

#[tokio::test]
async fn reverts_and_mistakes_are_spelled_out() {
    require_anvil!();
    let world = World::new().await;
    let mut order = world.order(5).await;
    order.deadline = 1;
    let error = world.buyer.open(order).await.err().unwrap();
    assert_eq!(error.revert().unwrap().name.as_deref(), Some("DeadlineOutOfRange"), "{error}");
    let error = world.registry.get(99u64.try_into().unwrap()).await.err().unwrap();
    assert_eq!(error.to_string(), "the call reverted: ModelNotFound(modelId: 99)");
    assert_eq!(world.escrow.job(99u64.try_into().unwrap()).await.unwrap(), None);

    // Init code that only reverts, and one that leaves no code.
    let error = world.chain.deploy(Bytes::from_static(&[0x5f, 0x5f, 0xfd])).await.unwrap_err();
    assert!(matches!(error, ChainError::Reverted(_)), "{error}");
    let error = world.chain.deploy(Bytes::from_static(&[0x00])).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    // A loop that never ends.
    let error = world.chain.deploy(Bytes::from_static(&[0x5b, 0x5f, 0x56])).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::Reverted(_) | ChainError::Refused { .. } | ChainError::GasOverLimit { .. }
        ),
        "{error}"
    );

    let nobody = PredictionEscrow::at(world.chain.clone(), Address::with_last_byte(0x99));
    let error = nobody.count().await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
}

#[tokio::test]
async fn answers_to_sent_transactions_get_lost() {
    require_anvil!();
    let world = World::new().await;
    let proxy = Proxy::start(world.anvil.port).await;
    let chain = connect(proxy.url(), 0).await;
    let nonce = world.nonce().await;
    let mut lost = 0;
    proxy.rule(move |method, _| match method {
        "eth_sendRawTransaction" if lost == 0 => {
            lost += 1;
            Action::LoseAnswer
        }
        _ => Action::Forward,
    });
    chain.deploy_data(b"x").await.unwrap();
    assert_eq!(world.nonce().await, nonce + 1, "sent again, mined once");

    proxy.rule(|method, _| match method {
        "eth_sendRawTransaction" => Action::LoseAnswer,
        _ => Action::Forward,
    });
    let error = chain.deploy_data(b"x").await.unwrap_err();
    let ChainError::SendUnanswered { hash, .. } = error else { panic!("{error}") };
    assert!(world.chain.outcome(hash).await.unwrap().is_some_and(|outcome| outcome.success));
}

#[tokio::test]
async fn the_node_goes_away_after_a_transaction_was_sent() {
    require_anvil!();
    let world = World::new().await;
    let proxy = Proxy::start(world.anvil.port).await;
    let chain = connect(proxy.url(), 0).await;
    let nonce = world.nonce().await;
    // For longer than one request is tried again.
    let mut refused = 0;
    proxy.rule(move |method, _| match method {
        "eth_getTransactionReceipt" if refused < 10 => {
            refused += 1;
            Action::Swallow
        }
        _ => Action::Forward,
    });
    chain.deploy_data(b"x").await.unwrap();
    assert_eq!(world.nonce().await, nonce + 1);

    // It does not come back: the error names the transaction.
    let mut settings = config(proxy.url());
    settings.transaction_timeout = Duration::from_secs(1);
    let signer = SignerSource::PrivateKey(KEYS[0].into()).load().unwrap();
    let impatient = Chain::connect(settings, Some(signer)).await.unwrap();
    let lost = async |method_lost: &'static str, refused: bool| {
        proxy.rule(move |method, _| match method {
            "eth_sendRawTransaction" if refused => {
                Action::Refuse { code: -32000, message: "nonce too low".into() }
            }
            method if method == method_lost => Action::Swallow,
            _ => Action::Forward,
        });
        let error = impatient.deploy_data(b"x").await.unwrap_err();
        let text = error.to_string();
        let ChainError::SendUnanswered { hash, .. } = error else { panic!("{error}") };
        assert!(
            text.contains(&hash.to_string()) && text.contains("before sending again"),
            "{text}"
        );
        hash
    };
    let hash = lost("eth_getTransactionReceipt", false).await;
    assert!(world.chain.outcome(hash).await.unwrap().is_some_and(|outcome| outcome.success));
    lost("eth_getTransactionByHash", true).await;
    // The code is asked for once the contract is in a block.
    proxy.rule(|method, _| match method {
        "eth_getCode" => Action::Swallow,
        _ => Action::Forward,
    });
    let error = chain.deploy_data(b"x").await.unwrap_err();
    assert!(matches!(error, ChainError::SendUnanswered { .. }), "{error}");
}

#[tokio::test]
async fn a_websocket_comes_back() {
    require_anvil!();
    let first = Anvil::start();
    let mut slow = config(first.ws_url());
    slow.retry.request_timeout = Duration::from_secs(1);
    let chain = Chain::connect(slow, None).await.unwrap();
    chain.head().await.unwrap();
    let port = first.port;
    drop(first);
    let error = chain.head().await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
    let _second = Anvil::start_on(port);
    for _ in 0..20 {
        if chain.head().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no reconnection");
}
