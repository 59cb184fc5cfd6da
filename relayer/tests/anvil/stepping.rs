//! The relayer is killed at each of its requests in turn, and the chain reorganizes at each of its steps: in the end
//! exactly one payment for each job.
//!
//! Between two requests a relayer does nothing but change its store, each change on disk before the next request. So
//! a relayer that is dropped when it makes its n-th request leaves what a `kill -9` there would.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, U256};
use assay_client::ContractClient;
use assay_client_testing::{Action, Proxy, require_anvil};
use assay_relayer::{CancellationToken, JobState, PredictionJob, Relayer};
use serde_json::json;
use tokio::sync::Notify;

use crate::world::{MINUTE, World, settle};

/// Runs a relayer through a proxy until its n-th request, which meets `fate`, and drops it then. Whether it came to
/// that; else the job is settled.
async fn killed_at(world: &World, id: U256, n: u32, fate: Action) -> bool {
    let proxy = Proxy::start(world.node.port()).await;
    let escrow = world.escrow_through(&[&proxy]).await;
    let (count, killed) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let kill = killed.clone();
    proxy.rule(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 < n {
            return Action::Forward;
        }
        kill.notify_one();
        fate.clone()
    });
    let mut config = world.hasty_config();
    config.withdraw = true;
    let prover = world.prover();
    let work = async {
        let mut relayer = Relayer::new(escrow, prover, config).await.ok()?;
        relayer.run_until_settled(id, MINUTE, CancellationToken::new()).await.ok()
    };
    tokio::select! {
        biased;
        () = killed.notified() => true,
        settled = work => settled.is_none(),
    }
}

/// One job for each request that a relayer makes for one, or for each `stride`-th.
async fn killed_at_each_request(stride: u32, fate: Action) {
    let world = World::new().await;
    let account = world.chain.account().unwrap();
    let nonce = world.nonce().await;
    let (mut n, mut jobs) = (1, 0);
    loop {
        let id = world.open(5).await;
        jobs += 1;
        let killed = killed_at(&world, id, n, fate.clone()).await;
        let mut config = world.hasty_config();
        config.withdraw = true;
        let mut relayer = world.relayer_with(world.escrow.clone(), &world.prover(), config).await;
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
        assert_eq!(job.recent_claims(), 1, "killed at request {n}");
        if !killed {
            break;
        }
        n += stride;
    }
    assert!(n > 20, "a relayer makes more than {n} requests");
    assert_eq!(world.claims().await, jobs);
    assert_eq!(world.escrow.contract().credit(Address::ZERO, account).await.unwrap(), U256::ZERO);
    assert_eq!(world.nonce().await, nonce + 2 * jobs as u64, "a claim and a withdrawal for each");
}

#[tokio::test]
async fn killed_at_every_fourth_request() {
    require_anvil!();
    killed_at_each_request(4, Action::Swallow).await;
}

/// `cargo test --release --workspace --test anvil -- --ignored killed_at_every_request`
#[tokio::test]
#[ignore = "takes a minute"]
async fn killed_at_every_request() {
    require_anvil!();
    for fate in [Action::Swallow, Action::LoseAnswer] {
        killed_at_each_request(1, fate).await;
    }
}

/// Whether a job has come to a step.
type Step = fn(&PredictionJob) -> bool;

const STEPS: [(&str, Step); 4] = [
    ("proving", |job| *job.state() == JobState::Proving),
    ("submitted", |job| *job.state() == JobState::Submitted),
    ("paid", |job| job.paid_in.is_some()),
    ("confirmed", |job| matches!(job.state(), JobState::Confirmed { .. })),
];

/// The chain loses so many blocks when a job has come to a step. The order is given again where it was lost.
async fn reorganized(depth: u64, name: &str, step: Step) {
    let world = World::new().await;
    // So that not even the deepest one takes the contracts.
    world.mine(depth).await;
    let order = world.order(5).await;
    let id = world.buyer.open(order.clone()).await.unwrap().job_id;
    let opened = world.chain.head().await.unwrap().number;
    let mut config = world.hasty_config();
    config.submit.confirmations = 2;
    let prover = world.prover();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    // Each step in a block of its own, so that it is seen.
    world.automine(false).await;
    let come_to_it = async {
        loop {
            relayer.turn().await.unwrap();
            let job = relayer.store().job(id).await.unwrap().unwrap();
            if step(&job) {
                return;
            }
            if *job.state() == JobState::Submitted {
                world.mine(1).await;
            }
        }
    };
    tokio::time::timeout(MINUTE, come_to_it).await.expect("it comes to that");
    // In this order: a claim that waits must not be mined before the blocks are lost.
    world.rpc("anvil_reorg", json!([depth, []])).await;
    world.automine(true).await;
    if world.chain.head().await.unwrap().number < opened || world.escrow.count().await.unwrap() < id
    {
        assert_eq!(world.buyer.open(order).await.unwrap().job_id, id);
    }
    let paid = async {
        loop {
            relayer.turn().await.unwrap();
            let job = relayer.store().job(id).await.unwrap().unwrap();
            if matches!(job.state(), JobState::Confirmed { .. })
                && world.claims().await == 1
                && world.chain.head().await.unwrap().number > opened + depth + 4
            {
                return job;
            }
            world.mine(1).await;
            relayer.store().wake(id);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let job = tokio::time::timeout(MINUTE, paid).await;
    let job =
        job.unwrap_or_else(|_| panic!("not paid after a reorganization of {depth} when {name}"));
    world.assert_paid_once(&job).await;
    assert!(prover.calls() <= 2, "{depth} when {name}: {} proofs", prover.calls());
}

#[tokio::test]
async fn reorganizations_of_some_depths() {
    require_anvil!();
    for (depth, place) in [(1, 0), (3, 1), (20, 1), (1, 2), (2, 3), (7, 3)] {
        let (name, step) = STEPS[place];
        reorganized(depth, name, step).await;
    }
}

/// `cargo test --release --workspace --test anvil -- --ignored reorganizations_of_all_depths`
#[tokio::test]
#[ignore = "takes minutes"]
async fn reorganizations_of_all_depths() {
    require_anvil!();
    for depth in 1..=20 {
        for (name, step) in STEPS {
            reorganized(depth, name, step).await;
        }
    }
}
