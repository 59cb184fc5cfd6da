//! What is forgotten, and what is not; what a look at the chain costs when there is a long history.

use std::time::Duration;

use alloy::primitives::U256;
use assay_client::{ContractClient, PredictionEscrow, ProofArtifact, proof_context};
use assay_client_testing::{
    require_anvil,
    stage::{connect, mock_proof},
};
use assay_relayer::{JobEvent, JobState, PredictionJob, Relayer, SkipReason, store::Progress};
use serde_json::json;

use crate::{
    workers::{WorkerProcess, config_at},
    world::{TestProver, World, settle, turn_until},
};

/// Rows that a few turns read.
async fn rows_of_turns(relayer: &mut Relayer) -> u64 {
    let before = relayer.store().rows_read();
    for _ in 0..3 {
        relayer.turn().await.unwrap();
    }
    relayer.store().rows_read() - before
}

/// A job that was paid to another, with an id that no escrow has reached.
fn ended(template: &PredictionJob, number: u64) -> PredictionJob {
    let mut terms = template.terms.clone();
    terms.job_id = U256::from(1_000_000 + number);
    let mut job = PredictionJob::new(terms, template.opened_in, 0);
    job.handle(&JobEvent::Closed { reason: SkipReason::Refunded }, 0).unwrap();
    job
}

#[tokio::test]
async fn a_turn_costs_the_same_after_a_thousand_jobs() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    for _ in 0..3 {
        relayer.turn().await.unwrap();
    }
    let rows = rows_of_turns(&mut relayer).await;
    let opened = (0..1_000).map(|number| ended(&job, number)).collect();
    relayer.store().apply(Progress { opened, ..Progress::default() }, 0).await.unwrap();
    // A few are looked at in each turn, to be forgotten.
    let later = rows_of_turns(&mut relayer).await;
    assert!(later <= rows + 3 * 64, "{rows} rows before, {later} after");
    assert_eq!(relayer.store().jobs().await.unwrap().len(), 1_001);
    // A month after their deadline they are gone, and the next ones cost what the first one did.
    world.rpc("evm_increaseTime", json!([31 * 24 * 3600])).await;
    world.mine(1).await;
    for _ in 0..40 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(relayer.store().jobs().await.unwrap().len(), 0);
    let after = rows_of_turns(&mut relayer).await;
    assert!(after <= rows, "{rows} rows before, {after} after");
}

/// Whatever its deadline: a claim that is not confirmed can be taken back, and then needs its proof.
#[tokio::test]
async fn a_job_that_is_not_confirmed_is_not_forgotten() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut config = world.hasty_config();
    config.submit.confirmations = 4;
    config.keep_settled = Duration::ZERO;
    let mut relayer = world.relayer_with(world.escrow.clone(), &world.prover(), config).await;
    turn_until(&mut relayer, id, |job| job.paid_in.is_some()).await;
    world.rpc("evm_increaseTime", json!([365 * 24 * 3600])).await;
    world.mine(2).await;
    for _ in 0..3 {
        relayer.turn().await.unwrap();
        assert!(relayer.store().job(id).await.unwrap().is_some(), "it was forgotten");
        assert!(relayer.store().proof(id).await.unwrap().is_some(), "its proof was forgotten");
    }
    world.mine(2).await;
    for _ in 0..6 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(relayer.store().job(id).await.unwrap(), None);
}

/// A job ends while its proof waits to be fetched; the proof is forgotten at once here, and a reorganization brings the
/// job back: it is proven anew, with the opening that was counted for it the first time.
#[tokio::test]
async fn an_opening_outlives_the_proof_that_is_forgotten() {
    require_anvil!();
    let world = World::new().await;
    let store = world.store();
    let store = store.to_str().unwrap();
    let prover = world.prover();
    let mut config = config_at(&world, store);
    config.keep_settled = Duration::ZERO;
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config.clone()).await;
    let id = world.open(5).await;
    let worker = WorkerProcess::start(store, world.model, false);
    turn_until(&mut relayer, id, |_| prover.counted() == 1).await;
    drop(relayer);
    // It hands in its proof, and nobody is there.
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(worker);
    let rival = connect(world.node.url(), 2).await;
    let account = rival.account().unwrap();
    let context = proof_context(world.chain.chain_id(), world.escrow.address(), id, account);
    let proof = mock_proof(world.model, context, U256::from(1234), TestProver::OUTPUT);
    let proof = ProofArtifact::of_input(proof, vec![TestProver::OUTPUT]);
    PredictionEscrow::at(rival, world.escrow.address()).claim(id, account, &proof).await.unwrap();

    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = settle(&mut relayer, id).await;
    assert!(matches!(job.state(), JobState::Skipped { .. }), "{}", job.state());
    for _ in 0..3 {
        relayer.turn().await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.rpc("anvil_rollback", json!([1])).await;
    world.mine(1).await;
    let _worker = WorkerProcess::start(store, world.model, false);
    turn_until(&mut relayer, id, |job| !job.state().is_settled()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!((prover.counted(), prover.calls()), (1, 0), "no second opening");
}
