//! What is said when something is not as configured, and what becomes of answers that get lost.

use std::time::Duration;

use alloy::primitives::{Address, Bytes};
use assay_client::{Chain, ChainError, ContractClient, PredictionEscrow, SignerSource};
use assay_client_testing::{
    Action, Proxy, Stage,
    node::{self, KEYS},
    require_anvil,
    stage::{config, connect},
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
async fn another_chain_is_refused() {
    require_anvil!();
    let node = node::start();
    let mut other_chain = config(node.url());
    other_chain.expected_chain_id = Some(1);
    let error = Chain::connect(other_chain, None).await.unwrap_err();
    assert!(matches!(error, ChainError::WrongChain { expected: 1, found: 31337, .. }), "{error}");
}

#[tokio::test]
async fn reverts_and_mistakes_are_spelled_out() {
    require_anvil!();
    let stage = Stage::new().await;
    let mut order = stage.order(5).await;
    order.deadline = 1;
    let error = stage.buyer.open(order).await.err().unwrap();
    assert_eq!(error.revert().unwrap().name.as_deref(), Some("DeadlineOutOfRange"), "{error}");
    let error = stage.registry.get(99u64.try_into().unwrap()).await.err().unwrap();
    assert_eq!(error.to_string(), "the call reverted: ModelNotFound(modelId: 99)");
    assert_eq!(stage.escrow.job(99u64.try_into().unwrap()).await.unwrap(), None);

    // Init code that only reverts, and one that leaves no code.
    let error = stage.chain.deploy(Bytes::from_static(&[0x5f, 0x5f, 0xfd])).await.unwrap_err();
    assert!(matches!(error, ChainError::Reverted(_)), "{error}");
    let error = stage.chain.deploy(Bytes::from_static(&[0x00])).await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
    // A loop that never ends.
    let error = stage.chain.deploy(Bytes::from_static(&[0x5b, 0x5f, 0x56])).await.unwrap_err();
    assert!(
        matches!(
            error,
            ChainError::Reverted(_) | ChainError::Refused { .. } | ChainError::GasOverLimit { .. }
        ),
        "{error}"
    );

    let nobody = PredictionEscrow::at(stage.chain.clone(), Address::with_last_byte(0x99));
    let error = nobody.count().await.unwrap_err();
    assert!(matches!(error, ChainError::NoCode { .. }), "{error}");
}

#[tokio::test]
async fn answers_to_sent_transactions_get_lost() {
    require_anvil!();
    let stage = Stage::new().await;
    let proxy = Proxy::start(stage.node.port()).await;
    let chain = connect(proxy.url(), 0).await;
    let nonce = stage.nonce().await;
    let mut lost = 0;
    proxy.rule(move |method, _| match method {
        "eth_sendRawTransaction" if lost == 0 => {
            lost += 1;
            Action::LoseAnswer
        }
        _ => Action::Forward,
    });
    chain.deploy_data(b"x").await.unwrap();
    assert_eq!(stage.nonce().await, nonce + 1, "sent again, mined once");

    proxy.rule(|method, _| match method {
        "eth_sendRawTransaction" => Action::LoseAnswer,
        _ => Action::Forward,
    });
    let error = chain.deploy_data(b"x").await.unwrap_err();
    let ChainError::SendUnanswered { hash, .. } = error else { panic!("{error}") };
    assert!(stage.chain.outcome(hash).await.unwrap().is_some_and(|outcome| outcome.success));
}

#[tokio::test]
async fn the_node_goes_away_after_a_transaction_was_sent() {
    require_anvil!();
    let stage = Stage::new().await;
    let proxy = Proxy::start(stage.node.port()).await;
    let chain = connect(proxy.url(), 0).await;
    let nonce = stage.nonce().await;
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
    assert_eq!(stage.nonce().await, nonce + 1);

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
    assert!(stage.chain.outcome(hash).await.unwrap().is_some_and(|outcome| outcome.success));
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
    let first = node::start();
    let mut slow = config(first.ws_url());
    slow.retry.request_timeout = Duration::from_secs(1);
    let chain = Chain::connect(slow, None).await.unwrap();
    chain.head().await.unwrap();
    let port = first.port();
    drop(first);
    let error = chain.head().await.unwrap_err();
    assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
    let _second = node::start_on(port);
    for _ in 0..20 {
        if chain.head().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("no reconnection");
}
