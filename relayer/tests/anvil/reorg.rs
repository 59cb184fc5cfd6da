//! Blocks that are taken back.

use alloy::primitives::U256;
use assay_client_testing::require_anvil;
use assay_relayer::{JobState, SkipReason};
use serde_json::json;

use crate::world::{World, settle};

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
    let job = relayer.store().job(id).unwrap().unwrap();
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
