//! Blocks that are taken back while a retrieval or an audit is served. What the other side did in them it does again.

use std::time::Duration;

use alloy::primitives::U256;
use assay_client::escrow::{
    audit::{AuditOrder, EntryState, State as AuditState},
    retrieval::State as RetrievalState,
};
use assay_client_testing::require_anvil;
use assay_relayer::{Duty, DutyRecord, Relayer};
use serde_json::json;

use crate::{
    fair::{CORRECT, Fair, REWARD, STAKE, Set, WORDS},
    retrievals::{self, Library, PRICE},
    world::{MINUTE, World},
};

/// Blocks that make a payment final here.
const CONFIRMATIONS: u64 = 2;

/// Each run is proven once. Where more blocks are lost than confirm a payment, its proofs may have been forgotten, and
/// are made again.
fn assert_proven_once(mut runs: Vec<u64>, depth: u64, name: &str) {
    if depth > CONFIRMATIONS {
        runs.dedup();
    }
    assert_eq!(runs, [0, 1, 2, 3], "{depth} when {name}: an opening was spent twice");
}

/// Whether a call has come to a step.
type Step = fn(&DutyRecord) -> bool;

fn sent(record: &DutyRecord) -> bool {
    !record.transactions.is_empty()
}

fn over(record: &DutyRecord) -> bool {
    record.over_since.is_some()
}

/// The chain loses so many blocks. A transaction that waits must not be mined before.
async fn lose(world: &World, depth: u64) {
    world.rpc("anvil_reorg", json!([depth, []])).await;
    world.automine(true).await;
    world.mine(1).await;
}

/// One turn, and a block for what was sent, or where nothing is under way.
async fn turn(world: &World, relayer: &mut Relayer) -> Vec<DutyRecord> {
    relayer.turn().await.unwrap();
    let records = relayer.store().duties().await.unwrap();
    if records.iter().all(over) || records.iter().any(|record| sent(record) && !over(record)) {
        world.mine(1).await;
    }
    records
}

const RETRIEVAL: [(&str, Step); 4] = [
    ("a run is sent", |r| matches!(r.duty, Duty::ProveRetrievalRun { .. }) && sent(r)),
    ("a run is over", |r| matches!(r.duty, Duty::ProveRetrievalRun { .. }) && over(r)),
    ("it is published", |r| matches!(r.duty, Duty::PublishRetrieval { .. }) && sent(r)),
    ("it is over", |r| matches!(r.duty, Duty::PublishRetrieval { .. }) && over(r)),
];

async fn retrieval_reorganized(depth: u64, (name, step): (&str, Step)) {
    let library = Library::open().await;
    let world = &library.world;
    // So that not even the deepest one takes the contracts.
    world.mine(depth).await;
    library.prover.has(U256::from(5), &retrievals::WORDS);
    let mut order = library.ask(5).await;
    let mut config = library.config();
    config.submit.confirmations = CONFIRMATIONS;
    let mut relayer = library.relayer_with(world.escrow.clone(), config).await;
    // Each step in a block of its own, so that it is seen.
    world.automine(false).await;
    let come_to_it = async {
        while !turn(world, &mut relayer).await.iter().any(step) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(MINUTE, come_to_it).await;
    assert!(came.is_ok(), "it never came to that: {name}");
    lose(world, depth).await;
    if library.escrow.job(order.job_id).await.unwrap().is_none() {
        order = library.ask(5).await;
    }
    let paid = async {
        loop {
            let records = turn(world, &mut relayer).await;
            if library.state(&order).await == RetrievalState::Paid && records.iter().all(over) {
                return;
            }
            world.mine(1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let paid = tokio::time::timeout(MINUTE, paid).await;
    assert!(paid.is_ok(), "not paid after a reorganization of {depth} when {name}");
    assert_eq!(library.publication(&order).await.1, "item 0\nitem 5\nitem 6\n");
    assert_eq!(library.credit().await, U256::from(PRICE), "{depth} when {name}");
    assert_proven_once(library.runs_proven(), depth, name);
}

#[tokio::test]
async fn reorganizations_during_a_retrieval() {
    require_anvil!();
    for (depth, place) in [(1, 0), (4, 0), (1, 1), (3, 1), (1, 2), (2, 3), (6, 3)] {
        retrieval_reorganized(depth, RETRIEVAL[place]).await;
    }
}

/// `cargo test --release --workspace --test anvil -- --ignored reorganizations_of_all_depths`
#[tokio::test]
#[ignore = "takes minutes"]
async fn reorganizations_of_all_depths_during_a_retrieval() {
    require_anvil!();
    for depth in 1..=12 {
        for step in RETRIEVAL {
            retrieval_reorganized(depth, step).await;
        }
    }
}

const AUDIT: [(&str, Step); 5] = [
    ("it enters", |r| matches!(r.duty, Duty::EnterAudit { .. }) && sent(r)),
    ("it has entered", |r| matches!(r.duty, Duty::EnterAudit { .. }) && over(r)),
    ("it answers", |r| matches!(r.duty, Duty::AcceptAudit { .. }) && sent(r)),
    ("a run is sent", |r| matches!(r.duty, Duty::ProveAuditRun { .. }) && sent(r)),
    ("it is over", |r| matches!(r.duty, Duty::SettleAudit { .. }) && over(r)),
];

/// The buyer does what is its turn: offers, where the chain has lost that, and delivers once somebody has entered.
async fn buyer_acts(fair: &Fair, set: &Set, order: &mut AuditOrder) {
    let Some(job) = fair.escrow.job(order.job_id).await.unwrap() else {
        *order = fair.offer(set).await;
        return;
    };
    let entered = fair.entry_state(order, 1).await == EntryState::Entered;
    if job.state == AuditState::Open && entered {
        fair.world.automine(true).await;
        fair.hand_over(order, &set.path).await;
    }
}

async fn audit_reorganized(depth: u64, (name, step): (&str, Step)) {
    let fair = Fair::open().await;
    let world = &fair.world;
    world.mine(depth).await;
    let set = fair.set(1, &WORDS);
    let mut order = fair.offer(&set).await;
    let mut config = fair.config();
    config.submit.confirmations = CONFIRMATIONS;
    let escrow = world.escrow.clone();
    let mut relayer = fair.relayer_of(escrow, config, fair.sales()).await.unwrap();
    let come_to_it = async {
        loop {
            world.automine(false).await;
            if turn(world, &mut relayer).await.iter().any(step) {
                return;
            }
            buyer_acts(&fair, &set, &mut order).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let came = tokio::time::timeout(MINUTE, come_to_it).await;
    assert!(came.is_ok(), "it never came to that: {name}");
    lose(world, depth).await;
    let paid = async {
        loop {
            buyer_acts(&fair, &set, &mut order).await;
            let records = turn(world, &mut relayer).await;
            let paid = fair.state(&order).await == AuditState::Paid;
            if paid && !records.is_empty() && records.iter().all(over) {
                return;
            }
            world.mine(1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let paid = tokio::time::timeout(MINUTE, paid).await;
    let records = relayer.store().duties().await.unwrap();
    assert!(paid.is_ok(), "not paid after a reorganization of {depth} when {name}: {records:#?}");
    assert_eq!(fair.entered(&order).await.len(), 1, "{depth} when {name}: it staked twice");
    let entry = fair.escrow.entry(order.job_id, U256::ONE).await.unwrap();
    assert_eq!((entry.claim, entry.state), (U256::from(CORRECT), EntryState::Returned));
    assert_eq!(fair.credit_of(&fair.escrow).await, U256::from(STAKE + REWARD));
    assert_proven_once(fair.runs_proven(), depth, name);
}

#[tokio::test]
async fn reorganizations_during_an_audit() {
    require_anvil!();
    for (depth, place) in [(1, 0), (1, 1), (4, 1), (1, 2), (3, 2), (1, 3), (2, 4), (6, 4)] {
        audit_reorganized(depth, AUDIT[place]).await;
    }
}

/// `cargo test --release --workspace --test anvil -- --ignored reorganizations_of_all_depths`
#[tokio::test]
#[ignore = "takes minutes"]
async fn reorganizations_of_all_depths_during_an_audit() {
    require_anvil!();
    for depth in 1..=12 {
        for step in AUDIT {
            audit_reorganized(depth, step).await;
        }
    }
}
