//! Jobs that are left alone, and claims that are not sent.

use std::time::Duration;

use alloy::primitives::{Address, U256, keccak256};
use assay_client::{ContractClient, ModelIdentity, PredictionEscrow, chain::GasPolicy};
use assay_client_testing::{require_anvil, stage::commitment};
use assay_relayer::{JobState, SkipReason};
use serde_json::json;

use crate::world::{Behaviour, World, assert_expired, settle, turn_until};

#[tokio::test]
async fn an_expired_job() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    world.pass_deadline().await;
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    assert_expired(&job);
    assert_eq!((prover.calls(), world.claims().await), (0, 0));
}

#[tokio::test]
async fn a_job_that_expires_while_it_is_proven() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    world.prove_only(id).await;
    world.pass_deadline().await;
    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    assert_expired(&job);
    assert_eq!(world.nonce().await, nonce, "nothing was sent");
}

#[tokio::test]
async fn a_job_whose_deadline_is_nearer_than_its_proof() {
    require_anvil!();
    let world = World::new().await;
    // The deadline is an hour away.
    let slow = Duration::from_secs(2500);
    let id = world.open(5).await;
    let prover = world.prover_that_takes(slow, Behaviour::Proves);
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    assert_expired(&job);
    drop(relayer);

    let id = world.open(5).await;
    let mut config = world.config();
    config.policy.deadline_margin = Some(Duration::from_secs(3000));
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn fees_over_the_limit_are_waited_for() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    let limited = |max_fee_per_gas| {
        let gas = GasPolicy { max_fee_per_gas, ..GasPolicy::default() };
        PredictionEscrow::at(world.chain.with_gas_policy(gas), world.escrow.address())
    };
    let mut relayer = world.relayer_with(limited(Some(1)), &world.prover(), world.config()).await;
    let job = turn_until(&mut relayer, id, |job| job.last_error.is_some()).await;
    assert_eq!((job.state(), job.claims.len()), (&JobState::Proven, 0));
    assert!(job.last_error.unwrap().contains("over the limit of 1"));
    assert_eq!(world.nonce().await, nonce, "nothing was sent");
    drop(relayer);

    let dear = limited(Some(1_000_000_000_000));
    let mut relayer = world.relayer_with(dear, &world.prover(), world.config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_model_that_is_not_served() {
    require_anvil!();
    let world = World::new().await;
    let other = ModelIdentity { model_hash: keccak256("other weights"), ..world.model };
    let registered =
        world.registry.register(commitment(other), world.vk, world.verifier).await.unwrap();
    let record = world.registry.get(registered.model_id).await.unwrap();
    assert_eq!(
        record.binding.map(|b| (b.model, b.binding_hash, b.dev_setup)),
        Some((other, registered.binding_hash, true))
    );
    let mut order = world.order(5).await;
    order.modelId = registered.model_id;
    order.bindingHash = registered.binding_hash;
    let id = world.buyer.open(order).await.unwrap().job_id;
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    assert_eq!(
        *job.state(),
        JobState::Skipped { reason: SkipReason::UnknownModel { model: other } }
    );
    assert_eq!(prover.calls(), 0);
}

#[tokio::test]
async fn a_proof_that_the_verifier_rejects_is_not_sent() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    let prover = world.prover_that(Behaviour::ProvesWrongly);
    let mut relayer = world.relayer(&prover).await;
    let job = turn_until(&mut relayer, id, |job| job.attempts > 0).await;
    assert_eq!((job.state(), job.claims.len()), (&JobState::Proven, 0));
    assert!(job.last_error.as_ref().unwrap().contains("would fail"), "{:?}", job.last_error);
    // Only its deadline ends it.
    world.pass_deadline().await;
    relayer.store().wake(id);
    assert_expired(&settle(&mut relayer, id).await);
    assert_eq!(world.nonce().await, nonce, "nothing was sent");
}

#[tokio::test]
async fn a_job_that_is_refunded_while_it_is_proven() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut relayer = world.relayer(&world.prover_that(Behaviour::Hangs)).await;
    relayer.turn().await.unwrap();
    assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Proving);
    world.pass_deadline().await;
    world.buyer.refund(id).await.unwrap();
    let job = settle(&mut relayer, id).await;
    assert_eq!(*job.state(), JobState::Skipped { reason: SkipReason::Refunded });
}

#[tokio::test]
async fn an_account_without_money_waits_for_it() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let account = world.chain.account().unwrap();
    world.rpc("anvil_setBalance", json!([account, "0x1"])).await;
    let mut relayer = world.relayer(&world.prover()).await;
    let job = turn_until(&mut relayer, id, |job| job.last_error.is_some()).await;
    assert_eq!(*job.state(), JobState::Proven);
    assert!(job.last_error.unwrap().contains("send funds"), "the text says what to do");
    world.rpc("anvil_setBalance", json!([account, U256::from(10).pow(U256::from(18))])).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_token_that_is_not_accepted() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut config = world.config();
    config.policy.minimum_prices.clear();
    let mut relayer = world.relayer_with(world.escrow.clone(), &world.prover(), config).await;
    let job = settle(&mut relayer, id).await;
    assert_eq!(
        *job.state(),
        JobState::Skipped { reason: SkipReason::TokenNotAccepted { token: Address::ZERO } }
    );
}
