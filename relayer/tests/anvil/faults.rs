//! Faults of nodes, machines and rivals: none of them ends a job, or holds up another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, U256};
use assay_client::{ChainError, ContractClient, PredictionEscrow, ProofArtifact, proof_context};
use assay_client_testing::{
    Action, Proxy, Stage, require_anvil,
    stage::{connect, mock_proof},
};
use assay_relayer::{JobState, JobStore, OpeningsLeft, Profit, SkipReason};
use serde_json::{Value, json};

use crate::world::{Behaviour, TestProver, World, settle, turn_until};

/// What a node with a gas cap, or from before a fork, says of a call that is good.
fn false_revert() -> Action {
    Action::Refuse { code: 3, message: "execution reverted".into() }
}

/// Whether a request is about a claim of a job: `claim(uint256,address,...)`.
fn is_claim_of(params: &Value, selector: &str, job: Option<U256>) -> bool {
    let data = params[0]["input"].as_str().or(params[0]["data"].as_str()).unwrap_or_default();
    let argument = || data.get(10..74).and_then(|word| U256::from_str_radix(word, 16).ok());
    data.starts_with(selector) && job.is_none_or(|job| argument() == Some(job))
}

/// The selector of claims, as these tests send them.
fn claim_selector(world: &Stage) -> String {
    let artifact = ProofArtifact::of_input(Default::default(), vec![]);
    let request = world.escrow.claim_request(U256::ONE, Address::ZERO, &artifact);
    let input = request.input.into_input().unwrap();
    alloy::hex::encode_prefixed(&input[..4])
}

#[tokio::test]
async fn one_false_revert_ends_nothing() {
    require_anvil!();
    for method in ["eth_call", "eth_estimateGas"] {
        let world = World::new().await;
        let id = world.open(5).await;
        let proxy = Proxy::start(world.node.port()).await;
        let (selector, lies) = (claim_selector(&world), Arc::new(AtomicU32::new(0)));
        let told = lies.clone();
        proxy.rule(move |called, params| {
            let lie = called == method && is_claim_of(params, &selector, None);
            if lie && told.fetch_add(1, Ordering::SeqCst) < 2 {
                return false_revert();
            }
            Action::Forward
        });
        let (prover, escrow) = (world.prover(), world.escrow_through(&[&proxy]).await);
        let mut relayer = world.relayer_with(escrow, &prover, world.hasty_config()).await;
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
        assert!(lies.load(Ordering::SeqCst) >= 3, "{method}");
        assert_eq!(prover.calls(), 1);
    }
}

#[tokio::test]
async fn a_node_that_always_says_no_is_not_the_last_word() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let (liar, honest) =
        (Proxy::start(world.node.port()).await, Proxy::start(world.node.port()).await);
    let selector = claim_selector(&world);
    liar.rule(
        move |_, params| {
            if is_claim_of(params, &selector, None) { false_revert() } else { Action::Forward }
        },
    );
    let escrow = world.escrow_through(&[&liar, &honest]).await;
    // Pauses would take longer than this test may.
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(job.attempts, 0, "the other node is asked at once");
}

#[tokio::test]
async fn a_job_that_was_given_up_is_taken_up_by_hand() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut relayer = world.relayer(&world.prover_that(Behaviour::Fails)).await;
    assert!(matches!(settle(&mut relayer, id).await.state(), JobState::Failed { .. }));
    drop(relayer);
    let store = JobStore::open(world.store(), world.chain.chain_id(), world.escrow.address())
        .await
        .unwrap();
    assert_eq!(*store.retry(id).await.unwrap().state(), JobState::Seen);
    drop(store);
    let mut relayer = world.relayer(&world.prover()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn one_jobs_trouble_holds_up_no_other() {
    require_anvil!();
    let world = World::new().await;
    let mut ids = Vec::new();
    for price in 1..=3 {
        ids.push(world.open(price).await);
    }
    let (first, proxy) = (ids[0], Proxy::start(world.node.port()).await);
    let selector = claim_selector(&world);
    proxy.rule(move |method, params| {
        if method == "eth_call" && is_claim_of(params, &selector, Some(first)) {
            return Action::Status(500);
        }
        Action::Forward
    });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.hasty_config()).await;
    for id in &ids[1..] {
        let job = settle(&mut relayer, *id).await;
        world.assert_paid_once(&job).await;
    }
    let job = relayer.store().job(first).await.unwrap().unwrap();
    assert_eq!(*job.state(), JobState::Proven);
    assert!(job.last_error.unwrap().contains("500"));
    proxy.rule(|_, _| Action::Forward);
    let job = settle(&mut relayer, first).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn the_nearest_deadline_goes_first() {
    require_anvil!();
    let world = World::new().await;
    let mut ids = Vec::new();
    for seconds in [9000, 3000, 6000] {
        let mut order = world.order(5).await;
        order.deadline += seconds;
        ids.push(world.buyer.open(order).await.unwrap().job_id);
    }
    let mut relayer = world.relayer(&world.prover_that(Behaviour::Hangs)).await;
    relayer.turn().await.unwrap();
    let states: Vec<_> =
        relayer.store().jobs().await.unwrap().into_iter().map(|job| job.state().clone()).collect();
    assert_eq!(states, [JobState::Seen, JobState::Proving, JobState::Seen]);
}

#[tokio::test]
async fn crashes_while_proving_end_nothing() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    for _ in 0..7 {
        let mut relayer = world.relayer(&world.prover_that(Behaviour::Hangs)).await;
        relayer.turn().await.unwrap();
        relayer.store().wake(id);
        relayer.turn().await.unwrap();
        assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Proving);
    }
    let prover = world.prover();
    let mut relayer = world.relayer(&prover).await;
    relayer.turn().await.unwrap();
    // Each try may cost an opening: it has to wait a while, and not for ever.
    let job = relayer.store().job(id).await.unwrap().unwrap();
    assert_eq!((job.state(), job.failed_proofs), (&JobState::Seen, 7));
    assert!(!relayer.store().is_due(id));
    assert_eq!(prover.calls(), 0);
    relayer.store().wake(id);
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_withdrawal_that_is_taken_back_is_made_again() {
    require_anvil!();
    let world = World::new().await;
    let account = world.chain.account().unwrap();
    let id = world.open(1_000_000_000_000_000_000).await;
    let mut config = world.config();
    config.withdraw = true;
    let escrow = world.escrow.clone();
    let mut relayer = world.relayer_with(escrow, &world.prover(), config).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    let nonce = world.nonce().await;
    let credit = async || world.escrow.contract().credit(Address::ZERO, account).await.unwrap();
    assert_eq!(credit().await, U256::ZERO);

    // The block of the withdrawal goes, that of the claim stays.
    world.rpc("anvil_reorg", json!([1, []])).await;
    assert!(credit().await > U256::ZERO, "anvil kept the withdrawal");
    assert_eq!(world.claims().await, 1);
    let done = async {
        while credit().await > U256::ZERO
            || !relayer.store().withdrawals().await.unwrap().is_empty()
        {
            relayer.turn().await.unwrap();
            world.mine(1).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.expect("it is withdrawn");
    assert_eq!(world.nonce().await, nonce, "the same transaction, not another");
}

/// A claim for another account, ready to be sent by it.
async fn rival(world: &World, id: U256) -> impl AsyncFn() -> Address {
    let chain = connect(world.node.url(), 2).await;
    let recipient = chain.account().unwrap();
    let escrow = PredictionEscrow::at(chain.clone(), world.escrow.address());
    let context = proof_context(chain.chain_id(), escrow.address(), id, recipient);
    let proof = mock_proof(world.model, context, U256::from(1234), TestProver::OUTPUT);
    let artifact = ProofArtifact::of_input(proof, vec![TestProver::OUTPUT]);
    async move || {
        let request = escrow.claim_request(id, recipient, &artifact);
        chain.send_with(request, async |_| Ok::<(), ChainError>(())).await.unwrap();
        recipient
    }
}

#[tokio::test]
async fn a_claim_in_the_pool_is_not_raced() {
    require_anvil!();
    for proven in [false, true] {
        let world = World::new().await;
        let id = world.open(5).await;
        let nonce = world.nonce().await;
        if proven {
            world.prove_only(id).await;
        }
        world.automine(false).await;
        let recipient = (rival(&world, id).await)().await;
        let prover = world.prover();
        let escrow = world.escrow.clone();
        let mut relayer = world.relayer_with(escrow, &prover, world.hasty_config()).await;
        let job = turn_until(&mut relayer, id, |job| job.attempts > 1).await;
        assert!(job.last_error.unwrap().contains("pool"));
        assert_eq!((prover.calls(), job.claims.len()), (0, 0));
        world.mine(1).await;
        let job = settle(&mut relayer, id).await;
        let reason = SkipReason::ClaimedByOther { recipient };
        assert_eq!(*job.state(), JobState::Skipped { reason });
        assert_eq!((prover.calls(), world.nonce().await), (0, nonce), "nothing was spent");
    }
}

#[tokio::test]
async fn a_claim_that_leaves_the_pool_frees_its_job() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    world.automine(false).await;
    (rival(&world, id).await)().await;
    let escrow = world.escrow.clone();
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.hasty_config()).await;
    turn_until(&mut relayer, id, |job| job.attempts > 0).await;
    world.rpc("anvil_dropAllTransactions", json!([])).await;
    world.automine(true).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn spent_openings_are_waited_for() {
    require_anvil!();
    let world = World::new().await;
    let prover = world.prover();
    let openings = |left| *prover.openings.lock().unwrap() = Some(OpeningsLeft { left, budget: 9 });
    openings(1);
    let (first, second) = (world.open(5).await, world.open(6).await);
    let escrow = world.escrow.clone();
    let mut relayer = world.relayer_with(escrow, &prover, world.hasty_config()).await;
    turn_until(&mut relayer, first, |job| *job.state() == JobState::Proving).await;
    openings(0);
    let job = settle(&mut relayer, first).await;
    world.assert_paid_once(&job).await;
    let job = turn_until(&mut relayer, second, |job| job.attempts > 1).await;
    assert_eq!(*job.state(), JobState::Seen);
    assert!(job.last_error.unwrap().contains("openings"));
    let obstacles = relayer.status().read().obstacles();
    assert!(obstacles.iter().any(|found| found.code == "openings-spent"), "{obstacles:?}");
    assert_eq!(prover.calls(), 1);

    openings(8);
    tokio::time::sleep(Duration::from_millis(1100)).await; // the count is read again
    let job = settle(&mut relayer, second).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_job_that_costs_more_than_it_pays_waits_for_cheaper_gas() {
    require_anvil!();
    let world = World::new().await;
    let cheap = u64::try_from(world.chain.gas_price().await.unwrap()).unwrap();
    let id = world.open(2 * cheap * 700_000).await;
    let base_fee = async |wei: u64| {
        world.rpc("anvil_setNextBlockBaseFeePerGas", json!([format!("{wei:#x}")])).await;
        world.mine(1).await;
    };
    base_fee(100 * cheap).await;
    let prover = world.prover();
    let mut config = world.hasty_config();
    config.policy.profit = Some(Profit { minimum: U256::ZERO, proving_cost: U256::ZERO });
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = turn_until(&mut relayer, id, |job| job.attempts > 1).await;
    assert_eq!((job.state(), prover.calls()), (&JobState::Seen, 0));
    assert!(job.last_error.unwrap().contains("cheaper gas"));
    base_fee(cheap / 2).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}
