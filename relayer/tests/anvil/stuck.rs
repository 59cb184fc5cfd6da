//! Transactions that do not get into a block by themselves.

use std::time::Duration;

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    rpc::types::TransactionRequest,
};
use assay_client::{ChainError, ContractClient};
use assay_client_testing::{Action, require_anvil};
use assay_relayer::JobState;
use serde_json::json;

use crate::world::{MINUTE, World, assert_expired, settle, turn_until, turn_until_signed};

#[tokio::test]
async fn a_stuck_claim_is_sent_again_with_higher_fees() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    world.automine(false).await;
    let mut config = world.config();
    config.submit.resend_after = Duration::from_secs(1);
    let mut relayer = world.relayer_with(world.escrow.clone(), &world.prover(), config).await;
    let claims = turn_until(&mut relayer, id, |job| job.claims.len() == 2).await.claims;
    assert_eq!(claims[0].nonce, claims[1].nonce);
    assert!(claims[1].max_fee_per_gas >= claims[0].max_fee_per_gas / 10 * 11);
    world.automine(true).await;
    world.mine(1).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(world.nonce().await, nonce + 1);
}

#[tokio::test]
async fn a_claim_that_pays_less_than_its_rival_in_the_pool_raises_its_fees() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    // The claim is signed, and never sent.
    let mut relayer = world.relayer_whose_claims(Action::Swallow).await;
    turn_until_signed(&mut relayer, id).await;
    drop(relayer);
    // Another transaction lies in the pool at its nonce.
    world.automine(false).await;
    let rival =
        TransactionRequest::default().with_to(Address::with_last_byte(0x99)).with_value(U256::ONE);
    let keep = async |_| Ok::<(), ChainError>(());
    let (rival, _) = world.chain.send_with(rival, keep).await.unwrap();
    assert_eq!(rival.nonce, nonce);

    let mut relayer = world.relayer(&world.prover()).await;
    let job = turn_until(&mut relayer, id, |job| *job.state() == JobState::Submitted).await;
    assert_eq!(job.claims.len(), 2);
    assert!(job.claims[1].max_fee_per_gas > rival.max_fee_per_gas);
    world.automine(true).await;
    world.mine(1).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(world.nonce().await, nonce + 1, "the claim took the nonce");
}

#[tokio::test]
async fn two_claims_of_ours_do_not_outbid_each_other() {
    require_anvil!();
    let world = World::new().await;
    let first = world.open(5).await;
    let nonce = world.nonce().await;
    let mut relayer = world.relayer_whose_claims(Action::Swallow).await;
    turn_until_signed(&mut relayer, first).await;
    drop(relayer);
    // The first claim never came to the node, so the second gets its nonce.
    let second = world.open(6).await;
    world.automine(false).await;
    let mut relayer = world.relayer(&world.prover()).await;
    relayer.store().pause(first, MINUTE);
    turn_until(&mut relayer, second, |job| *job.state() == JobState::Submitted).await;
    relayer.store().wake(first);
    let job = turn_until(&mut relayer, first, |job| *job.state() == JobState::Submitted).await;
    let nonces: Vec<u64> = job.claims.iter().map(|claim| claim.nonce).collect();
    assert_eq!(nonces, [nonce, nonce + 1]);
    world.automine(true).await;
    world.mine(1).await;
    for id in [first, second] {
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
    assert_eq!(relayer.store().job(second).await.unwrap().unwrap().claims.len(), 1);
    assert_eq!(world.nonce().await, nonce + 2);
}

#[tokio::test]
async fn a_claim_that_waits_when_its_job_expires_gives_its_nonce_back() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let nonce = world.nonce().await;
    world.automine(false).await;
    let mut relayer = world.relayer(&world.prover()).await;
    turn_until(&mut relayer, id, |job| *job.state() == JobState::Submitted).await;
    // The blocks have no room for the claim until its deadline has passed.
    world.rpc("evm_setBlockGasLimit", json!(["0x7530"])).await;
    world.pass_deadline().await;
    world.rpc("evm_setBlockGasLimit", json!(["0x1c9c380"])).await;
    assert_eq!(world.nonce().await, nonce);

    let job = turn_until(&mut relayer, id, |job| !job.cancellations.is_empty()).await;
    assert_expired(&job);
    relayer.turn().await.unwrap();
    let job = relayer.store().job(id).await.unwrap().unwrap();
    assert_eq!(job.cancellations.len(), 1, "once is enough");
    assert_eq!(job.cancellations[0].nonce, job.claims[0].nonce);
    world.mine(1).await;
    assert_eq!(world.nonce().await, nonce + 1);
    let freed = world.chain.outcome(job.cancellations[0].hash).await.unwrap().unwrap();
    assert!(freed.success && freed.gas_used < 30_000);
    world.automine(true).await;

    let next = world.open(6).await;
    let job = settle(&mut relayer, next).await;
    world.assert_paid_once(&job).await;
    assert_eq!(world.claims().await, 1);
}

#[tokio::test]
async fn a_withdrawal_is_not_waited_for_and_not_sent_twice() {
    require_anvil!();
    let world = World::new().await;
    let account = world.chain.account().unwrap();
    let mut config = world.config();
    config.withdraw = true;
    config.submit.resend_after = Duration::from_secs(1);
    let first = world.open(5).await;
    let nonce = world.nonce().await;
    world.automine(false).await;
    // Had a turn waited for the withdrawal, it would have taken minutes.
    let escrow = world.escrow.clone();
    let mut relayer = world.relayer_with(escrow.clone(), &world.prover(), config.clone()).await;
    turn_until(&mut relayer, first, |job| *job.state() == JobState::Submitted).await;
    world.mine(1).await;
    turn_until(&mut relayer, first, |job| matches!(job.state(), JobState::Confirmed { .. })).await;
    let sent = relayer.store().withdrawals().await.unwrap();
    assert_eq!((sent.len(), sent[0].transactions.len(), sent[0].token), (1, 1, Address::ZERO));
    assert_eq!(sent[0].transactions[0].nonce, nonce + 1);
    // The next job goes on while the withdrawal, which the node has lost, waits.
    world.rpc("anvil_dropAllTransactions", json!([])).await;
    world.automine(true).await;
    let second = world.open(6).await;
    world.automine(false).await;
    turn_until(&mut relayer, second, |job| *job.state() == JobState::Submitted).await;
    drop(relayer);

    // A restart knows of it, and raises the fees of both.
    let mut relayer = world.relayer_with(escrow.clone(), &world.prover(), config).await;
    let job = turn_until(&mut relayer, second, |job| job.claims.len() == 2).await;
    assert_eq!(job.claims[1].nonce, nonce + 2);
    let sent = relayer.store().withdrawals().await.unwrap();
    assert_eq!(sent.len(), 1);
    let transactions = &sent[0].transactions;
    assert!(transactions.len() >= 2 && transactions.iter().all(|t| t.nonce == nonce + 1));
    world.automine(true).await;
    world.mine(1).await;
    let job = settle(&mut relayer, second).await;
    world.assert_paid_once(&job).await;
    assert_eq!(relayer.store().withdrawals().await.unwrap(), []);
    assert_eq!(world.escrow.contract().credit(Address::ZERO, account).await.unwrap(), U256::ZERO);
    assert_eq!(world.nonce().await, nonce + 4, "two claims, two withdrawals");
}
