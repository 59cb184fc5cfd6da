//! Blocks that are taken back.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use alloy::primitives::U256;
use assay_client_testing::{Action, Proxy, require_anvil};
use assay_relayer::{JobState, SkipReason};
use serde_json::{Value, json};

use crate::world::{World, settle};

/// Asks a node and waits for its answer, so that nothing else happens meanwhile.
pub(crate) fn ask(port: u16, method: &str, params: &Value) -> Value {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let mut node = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head =
        "POST / HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json";
    write!(node, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    node.read_to_string(&mut answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str::<Value>(body).unwrap()["result"].take()
}

/// The block of the claim goes just after its receipt was read, or after its block was read too: the answers are
/// those of a block that is gone when they arrive.
#[tokio::test]
async fn a_claim_whose_block_goes_while_it_is_looked_at_is_not_paid() {
    require_anvil!();
    for also_the_block in [false, true] {
        let world = World::new().await;
        let id = world.open(5).await;
        let (port, proxy) = (world.node.port(), Proxy::start(world.node.port()).await);
        let (old_answers, mut block) = (Arc::new(AtomicU32::new(0)), None);
        let given = old_answers.clone();
        proxy.rule(move |method, params| {
            let count = given.load(Ordering::SeqCst);
            if method == "eth_getTransactionReceipt" && count == 0 {
                let receipt = ask(port, method, params);
                if receipt.is_null() {
                    return Action::Forward;
                }
                let at = json!([receipt["blockNumber"], false]);
                block = Some((at[0].clone(), ask(port, "eth_getBlockByNumber", &at)));
                ask(port, "anvil_reorg", &json!([1, []]));
                given.store(1, Ordering::SeqCst);
                return Action::Answer(receipt);
            }
            if let Some((number, block)) = &block
                && also_the_block
                && (method, count) == ("eth_getBlockByNumber", 1)
                && params[0] == *number
            {
                given.store(2, Ordering::SeqCst);
                return Action::Answer(block.clone());
            }
            Action::Forward
        });
        let escrow = world.escrow_through(&[&proxy]).await;
        let (prover, config) = (world.prover(), world.hasty_config());
        let mut relayer = world.relayer_with(escrow, &prover, config).await;
        while old_answers.load(Ordering::SeqCst) == 0 {
            relayer.turn().await.unwrap();
        }
        assert_eq!(old_answers.load(Ordering::SeqCst), 1 + u32::from(also_the_block));
        assert_eq!(world.claims().await, 0, "anvil kept the claim");
        let job = relayer.store().job(id).await.unwrap().unwrap();
        assert_eq!(*job.state(), JobState::Submitted, "by answers of a block that is gone");

        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
        assert_eq!(prover.calls(), 1);
    }
}

#[tokio::test]
async fn a_claim_that_was_dropped_is_sent_again() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let first = settle(&mut relayer, id).await;
    world.assert_paid_once(&first).await;

    world.rpc("anvil_reorg", json!([1, []])).await;
    let dropped = world.claims().await == 0;
    assert!(dropped, "anvil kept the claim");
    relayer.turn().await.unwrap();
    let second = settle(&mut relayer, id).await;
    world.assert_paid_once(&second).await;
    assert_eq!(prover.calls(), 1);
    assert_eq!(second.claims.first().map(|c| c.hash), first.claims.first().map(|c| c.hash));
}

#[tokio::test]
async fn a_job_that_was_dropped_and_one_that_came_back() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let first = settle(&mut relayer, id).await;
    world.assert_paid_once(&first).await;

    // Claim and order vanish, and the chain is shorter than what was read.
    world.rpc("anvil_rollback", json!([2])).await;
    relayer.turn().await.unwrap();
    world.mine(3).await;
    relayer.turn().await.unwrap();
    let job = relayer.store().job(id).await.unwrap().unwrap();
    assert_eq!(*job.state(), JobState::Skipped { reason: SkipReason::Reorged });

    // The same id again, for another order: the old proof must not be used.
    let mut order = world.order(6).await;
    order.inputCommitment = U256::from(99);
    assert_eq!(world.buyer.open(order).await.unwrap().job_id, id);
    relayer.turn().await.unwrap();
    let second = settle(&mut relayer, id).await;
    world.assert_paid_once(&second).await;
    assert_eq!(second.terms.input_commitment, U256::from(99));
    assert_eq!(prover.calls(), 2);
}

#[tokio::test]
async fn the_same_order_in_another_block_keeps_its_proof() {
    require_anvil!();
    let world = World::new().await;
    let order = world.order(5).await;
    let id = world.buyer.open(order.clone()).await.unwrap().job_id;
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let first = settle(&mut relayer, id).await;
    world.assert_paid_once(&first).await;

    world.rpc("anvil_rollback", json!([2])).await;
    world.mine(1).await;
    assert_eq!(world.buyer.open(order).await.unwrap().job_id, id);
    world.mine(1).await;
    relayer.turn().await.unwrap();
    let second = settle(&mut relayer, id).await;
    world.assert_paid_once(&second).await;
    assert_eq!(prover.calls(), 1);
    assert_ne!(first.opened_in, second.opened_in);
}
