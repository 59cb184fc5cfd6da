//! Jobs that are paid.

use alloy::{
    primitives::{Address, U256},
    sol,
};
use assay_client::{
    Artifact, ChainError, ContractClient, PredictionEscrow, ProofArtifact,
    escrow::prediction::OnChainState, proof_context,
};
use assay_client_testing::{
    node::artifacts,
    require_anvil,
    stage::{connect, mock_proof},
};
use assay_relayer::{JobState, PredictionJob, SkipReason};

use crate::world::{Behaviour, TestProver, World, settle, turn_until};

#[tokio::test]
async fn a_job_is_proven_claimed_and_paid_out() {
    require_anvil!();
    let world = World::new().await;
    let price = 1_000_000_000_000_000_000;
    let id = world.open(price).await;
    let account = world.chain.account().unwrap();
    let before = world.chain.balance(account).await.unwrap();

    let prover = world.prover();
    let mut config = world.config();
    config.withdraw = true;
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = settle(&mut relayer, id).await;

    world.assert_paid_once(&job).await;
    assert_eq!(prover.calls(), 1);
    assert_eq!(world.escrow.contract().credit(Address::ZERO, account).await.unwrap(), U256::ZERO);
    assert_eq!(world.chain.balance(world.escrow.address()).await.unwrap(), U256::ZERO);
    let gained = world.chain.balance(account).await.unwrap() - before;
    assert!(
        gained < U256::from(price) && gained > U256::from(price) * U256::from(99) / U256::from(100),
        "{gained}"
    );
}

#[tokio::test]
async fn several_jobs_over_websocket() {
    require_anvil!();
    let world = World::new().await;
    let mut ids = Vec::new();
    for price in 1..=4 {
        ids.push(world.open(price).await);
    }
    let ws = connect(world.node.ws_url(), 0).await;
    let prover = world.prover();
    let mut config = world.config();
    config.parallel_proofs = 3;
    config.max_log_range = 1;
    let escrow = PredictionEscrow::at(ws, world.escrow.address());
    let mut relayer = world.relayer_with(escrow, &prover, config).await;
    for id in ids {
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
    assert_eq!(prover.calls(), 4);
}

#[tokio::test]
async fn confirmations_are_waited_for() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let prover = world.prover();
    let mut config = world.config();
    config.submit.confirmations = 3;
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    turn_until(&mut relayer, id, |job| job.paid_in.is_some()).await;
    for _ in 0..2 {
        relayer.turn().await.unwrap();
        assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Submitted);
        world.mine(1).await;
    }
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_copied_proof_pays_us_and_a_rival_does_not() {
    require_anvil!();
    let world = World::new().await;
    let ours = world.open(5).await;
    let theirs = world.open(6).await;
    let (us, rival) = (world.chain.account().unwrap(), connect(world.node.url(), 2).await);
    let rival_escrow = PredictionEscrow::at(rival.clone(), world.escrow.address());
    let claim = async |id: U256, recipient: Address| {
        let context = proof_context(world.chain.chain_id(), world.escrow.address(), id, recipient);
        assert_eq!(context, world.escrow.context(id, recipient).await.unwrap());
        let proof = mock_proof(world.model, context, U256::from(1234), TestProver::OUTPUT);
        rival_escrow
            .claim(id, recipient, &ProofArtifact::of_input(proof, vec![TestProver::OUTPUT]))
            .await
            .unwrap()
    };
    let copied = claim(ours, us).await;
    claim(theirs, rival.account().unwrap()).await;

    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    let job = settle(&mut relayer, ours).await;
    assert!(
        matches!(job.state(), JobState::Confirmed { transaction, .. } if *transaction == copied.hash),
        "{}",
        job.state()
    );
    let job = settle(&mut relayer, theirs).await;
    let recipient = rival.account().unwrap();
    assert_eq!(
        *job.state(),
        JobState::Skipped { reason: SkipReason::ClaimedByOther { recipient } }
    );
    assert_eq!(prover.calls(), 0, "nothing was left to prove");
}

#[tokio::test]
async fn a_payment_for_a_job_given_up_is_confirmed_and_withdrawn() {
    require_anvil!();
    let world = World::new().await;
    let us = world.chain.account().unwrap();
    let given_up = world.open(5).await;
    let left_alone = world.open(3).await;
    let mut config = world.config();
    config.withdraw = true;
    config.policy.minimum_prices.insert(Address::ZERO, U256::from(4));
    let prover = world.prover_that(Behaviour::Fails);
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    assert!(matches!(settle(&mut relayer, given_up).await.state(), JobState::Failed { .. }));
    assert!(matches!(settle(&mut relayer, left_alone).await.state(), JobState::Skipped { .. }));

    let other = connect(world.node.url(), 2).await;
    let other = PredictionEscrow::at(other, world.escrow.address());
    for id in [given_up, left_alone] {
        let context = proof_context(world.chain.chain_id(), world.escrow.address(), id, us);
        let proof = mock_proof(world.model, context, U256::from(1234), TestProver::OUTPUT);
        other
            .claim(id, us, &ProofArtifact::of_input(proof, vec![TestProver::OUTPUT]))
            .await
            .unwrap();
        let paid = |job: &PredictionJob| matches!(job.state(), JobState::Confirmed { .. });
        let job = turn_until(&mut relayer, id, paid).await;
        world.assert_paid_once(&job).await;
        settle(&mut relayer, id).await;
        assert_eq!(world.escrow.contract().credit(Address::ZERO, us).await.unwrap(), U256::ZERO);
    }
}

#[tokio::test]
async fn tokens_and_refunds() {
    require_anvil!();
    sol! {
        function mint(address to, uint256 amount);
        function balanceOf(address account) returns (uint256);
    }
    let world = World::new().await;
    let artifact =
        Artifact::load_file(&artifacts().join("Tokens.sol/PlainToken.json"), "PlainToken").unwrap();
    let token = world.chain.deploy(artifact.init_code).await.unwrap().address;
    let buyer = world.buyer.chain().account().unwrap();
    let mint = mintCall { to: buyer, amount: U256::from(300) };
    world.chain.transact(token, &mint, U256::ZERO).await.unwrap();

    let mut order = world.order(100).await;
    order.token = token;
    let paid = world.buyer.open(order.clone()).await.unwrap().job_id;
    let mut config = world.config();
    config.policy.minimum_prices.insert(token, U256::from(100));
    config.withdraw = true;
    let prover = world.prover();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = settle(&mut relayer, paid).await;
    world.assert_paid_once(&job).await;
    let us = world.chain.account().unwrap();
    assert_eq!(
        world.chain.query(token, &balanceOfCall { account: us }).await.unwrap(),
        U256::from(100)
    );

    order.price = U256::from(99);
    let cheap = world.buyer.open(order.clone()).await.unwrap().job_id;
    let reason = SkipReason::PriceTooLow { price: U256::from(99), minimum: U256::from(100) };
    assert_eq!(*settle(&mut relayer, cheap).await.state(), JobState::Skipped { reason });

    let early = world.buyer.refund(cheap).await.err().unwrap();
    assert_eq!(early.revert().unwrap().name.as_deref(), Some("DeadlineNotPassed"), "{early}");
    world.pass_deadline().await;
    world.buyer.refund(cheap).await.unwrap();
    assert_eq!(world.escrow.job(cheap).await.unwrap().unwrap().state, OnChainState::Refunded);
    assert_eq!(world.buyer.contract().credit(token, buyer).await.unwrap(), U256::from(99));
    world.buyer.contract().withdraw_to(token, us, U256::from(9)).await.unwrap();
    world.buyer.contract().withdraw(token).await.unwrap();
    assert_eq!(
        world.chain.query(token, &balanceOfCall { account: us }).await.unwrap(),
        U256::from(109)
    );
    let empty = world.buyer.contract().withdraw(token).await.err().unwrap();
    assert!(
        matches!(&empty, ChainError::Reverted(r) if r.name.as_deref() == Some("InsufficientCredit")),
        "{empty}"
    );
}
