//! Restarts at every step, and answers that get lost: always exactly one payment.

use std::time::Duration;

use assay_client::{ContractClient, PredictionEscrow};
use assay_client_testing::{Action, Proxy, require_anvil, stage::connect};
use assay_relayer::{CancellationToken, JobEvent, JobState, RelayerError};

use crate::world::{Behaviour, World, assert_expired, settle, turn_until, turn_until_signed};

#[tokio::test]
async fn killed_while_proving() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut relayer = world.relayer(&world.prover_that(Behaviour::Hangs)).await;
    relayer.turn().await.unwrap();
    assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Proving);
    drop(relayer);

    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(prover.calls(), 1);
}

#[tokio::test]
async fn stopped_after_proving() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    world.prove_only(id).await;
    let second = world.prover();
    let mut relayer = world.relayer(&second).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(second.calls(), 0, "the stored proof is used");
}

/// Brings a relayer into `Submitting` with a node that treats the claim as `action` says, kills
/// it, and lets a second one go on.
async fn killed_while_submitting(action: Action, mined: usize) {
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    let mut relayer = world.relayer_whose_claims(action).await;
    let stored = turn_until_signed(&mut relayer, id).await;
    assert_eq!(stored.claims.len(), 1);
    assert_eq!(world.claims().await, mined);
    drop(relayer);

    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(prover.calls(), 0);
    assert_eq!(job.claims, stored.claims, "the same transaction, not another");
    assert_eq!(world.nonce().await, nonce + 1);
}

#[tokio::test]
async fn killed_before_the_node_had_the_claim() {
    require_anvil!();
    killed_while_submitting(Action::Swallow, 0).await;
}

#[tokio::test]
async fn killed_after_the_node_had_the_claim() {
    require_anvil!();
    killed_while_submitting(Action::LoseAnswer, 1).await;
}

#[tokio::test]
async fn killed_while_submitting_and_restarted_too_late() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    let mut relayer = world.relayer_whose_claims(Action::Swallow).await;
    turn_until_signed(&mut relayer, id).await;
    drop(relayer);
    world.pass_deadline().await;

    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    assert_expired(&job);
    assert_eq!(world.nonce().await, nonce, "the stale claim is not sent");
}

#[tokio::test]
async fn another_transaction_took_the_nonce() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut relayer = world.relayer_whose_claims(Action::Swallow).await;
    turn_until_signed(&mut relayer, id).await;
    drop(relayer);
    // The owner uses the account by hand.
    world.chain.deploy_data(b"x").await.unwrap();

    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(job.claims.len(), 2);
    assert_eq!(job.claims[1].nonce, job.claims[0].nonce + 1);
}

#[tokio::test]
async fn the_node_goes_away_and_comes_back() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let proxy = Proxy::start(world.node.port()).await;
    let escrow = PredictionEscrow::at(connect(proxy.url(), 0).await, world.escrow.address());
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    proxy.rule(|_, _| Action::Swallow);
    let error = relayer
        .run_until_settled(id, Duration::from_secs(2), CancellationToken::new())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, RelayerError::NotSettled { .. }));
    assert!(error.to_string().contains("cannot be reached"), "{error}");

    let running = tokio::spawn({
        let proxy = proxy.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            // First a gateway that is up before its node is.
            let mut count = 0;
            proxy.rule(move |_, _| {
                count += 1;
                // Not every other request: a turn that makes an even number of them would meet the same each time.
                if count % 3 == 0 { Action::Status(503) } else { Action::Forward }
            });
        }
    });
    let job = settle(&mut relayer, id).await;
    running.await.unwrap();
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn proving_is_tried_again() {
    require_anvil!();
    let world = World::new().await;
    for behaviour in [Behaviour::FailsFirst(1), Behaviour::Panics] {
        let panics = matches!(behaviour, Behaviour::Panics);
        let id = world.open(5).await;
        let prover = world.prover_that(behaviour);
        let escrow = world.escrow.clone();
        let mut relayer = world.relayer_with(escrow, &prover, world.hasty_config()).await;
        let job = turn_until(&mut relayer, id, |job| job.failed_proofs == 1).await;
        assert_eq!(*job.state(), JobState::Seen);
        if panics {
            assert!(job.last_error.unwrap().contains("panicked"));
            drop(relayer);
            relayer = world.relayer(&world.prover()).await;
        }
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
}

#[tokio::test]
async fn a_job_waits_for_its_input_and_for_the_machine() {
    require_anvil!();
    for behaviour in [Behaviour::LacksInputFirst(6), Behaviour::NotReadyFirst(6)] {
        let world = World::new().await;
        let mut config = world.config();
        config.submit.max_pause = Duration::from_millis(100);
        let id = world.open(5).await;
        let prover = world.prover_that(behaviour);
        let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
        assert_eq!(prover.calls(), 7);
    }
}

#[tokio::test]
async fn only_the_deadline_ends_the_wait_for_an_input() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let prover = world.prover_that(Behaviour::LacksInputFirst(u32::MAX));
    let mut relayer = world.relayer(&prover).await;
    relayer.turn().await.unwrap();
    // As after hours of waiting.
    relayer
        .store()
        .report_and(id, &JobEvent::ProofPutOff, 0, |job| job.attempts = 900)
        .await
        .unwrap();
    let job = turn_until(&mut relayer, id, |job| job.attempts > 900).await;
    assert_eq!((job.state(), job.failed_proofs), (&JobState::Seen, 0));
    assert!(job.last_error.unwrap().contains("not here yet"));

    world.pass_deadline().await;
    relayer.store().wake(id);
    let job = settle(&mut relayer, id).await;
    assert_expired(&job);
}

#[tokio::test]
async fn a_proof_stopped_on_purpose_is_no_failed_one() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let prover = world.prover_that(Behaviour::Hangs);
    let mut relayer = world.relayer(&prover).await;
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    let waits = async {
        while prover.calls() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stopping.cancel();
    };
    let (ran, ()) = tokio::join!(relayer.run(stop), waits);
    ran.unwrap();
    let job = relayer.store().job(id).await.unwrap().unwrap();
    assert_eq!((job.state(), job.failed_proofs), (&JobState::Seen, 0));
    drop(relayer);

    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}
