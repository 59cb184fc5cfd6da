//! Nodes that do not show all logs, or none of so many blocks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use alloy::sol_types::SolEvent;
use assay_client::{ContractClient, bindings::IPredictionEscrow, escrow::prediction::EventKind};
use assay_client_testing::{Action, Proxy, require_anvil};
use assay_relayer::{JobState, SkipReason};
use serde_json::{Value, json};

use crate::world::{World, settle, turn_until};

fn nothing() -> Action {
    Action::Answer(json!([]))
}

/// How many blocks a query for logs asks for; `None` for one block by its hash.
fn width(params: &Value) -> Option<u64> {
    let number = |name: &str| {
        let text = params[0][name].as_str()?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    Some(number("toBlock")? - number("fromBlock")? + 1)
}

#[tokio::test]
async fn an_opening_that_a_node_leaves_out_is_looked_for_again() {
    require_anvil!();
    let world = World::new().await;
    let (first, second) = (world.open(5).await, world.open(6).await);
    world.mine(20).await;
    let proxy = Proxy::start(world.node.port()).await;
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    proxy.rule(move |method, _| {
        let empty = method == "eth_getLogs" && count.fetch_add(1, Ordering::SeqCst) < 3;
        if empty { nothing() } else { Action::Forward }
    });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    relayer.turn().await.unwrap();
    assert_eq!(relayer.store().jobs().await.unwrap().len(), 0, "both are hidden at first");
    for id in [first, second] {
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
    assert!(asked.load(Ordering::SeqCst) >= 4);
    assert_eq!(relayer.status().read().missing_jobs, 0);
}

#[tokio::test]
async fn a_second_node_shows_what_the_first_never_does() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let (blind, seeing) =
        (Proxy::start(world.node.port()).await, Proxy::start(world.node.port()).await);
    blind.rule(|method, _| if method == "eth_getLogs" { nothing() } else { Action::Forward });
    let escrow = world.escrow_through(&[&blind, &seeing]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_job_that_no_node_shows_is_missed() {
    require_anvil!();
    let world = World::new().await;
    world.open(5).await;
    let proxy = Proxy::start(world.node.port()).await;
    proxy.rule(|method, _| if method == "eth_getLogs" { nothing() } else { Action::Forward });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    relayer.turn().await.unwrap();
    let status = relayer.status().read();
    assert_eq!(status.missing_jobs, 1);
    assert!(status.obstacles().iter().any(|found| found.code == "logs-incomplete"));
}

#[tokio::test]
async fn a_new_block_is_asked_for_by_its_hash_where_its_filter_says_more() {
    require_anvil!();
    let world = World::new().await;
    let proxy = Proxy::start(world.node.port()).await;
    // Queries by number find nothing, ever; so a jobless index of the node looks.
    proxy.rule(|method, params| {
        let by_number = method == "eth_getLogs" && width(params).is_some();
        if by_number { nothing() } else { Action::Forward }
    });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    relayer.turn().await.unwrap();
    let id = world.open(5).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_payment_that_a_node_leaves_out_is_looked_for_again() {
    require_anvil!();
    for refunded in [false, true] {
        let world = World::new().await;
        let id = world.open(5).await;
        let proxy = Proxy::start(world.node.port()).await;
        let escrow = world.escrow_through(&[&proxy]).await;
        let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
        let begun = |job: &assay_relayer::PredictionJob| *job.state() == JobState::Proving;
        turn_until(&mut relayer, id, begun).await;
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        proxy.rule(move |method, _| {
            // While the chain moves on over the block that has it.
            let hide = method == "eth_getLogs" && count.fetch_add(1, Ordering::SeqCst) < 6;
            if hide { nothing() } else { Action::Forward }
        });
        if refunded {
            world.pass_deadline().await;
            world.buyer.refund(id).await.unwrap();
        }
        let ended = async {
            loop {
                relayer.turn().await.unwrap();
                let job = relayer.store().job(id).await.unwrap().unwrap();
                if job.state().is_settled() {
                    return job;
                }
                world.mine(1).await;
                relayer.store().wake(id);
            }
        };
        let job = tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it ends");
        if refunded {
            assert_eq!(*job.state(), JobState::Skipped { reason: SkipReason::Refunded });
        } else {
            world.assert_paid_once(&job).await;
        }
        assert!(asked.load(Ordering::SeqCst) >= 6);
    }
}

#[tokio::test]
async fn a_job_does_not_end_by_an_event_that_the_chain_denies() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let proxy = Proxy::start(world.node.port()).await;
    let refunded = IPredictionEscrow::JobRefunded::SIGNATURE_HASH;
    let topic = json!(refunded);
    let buyer = world.buyer.chain().account().unwrap();
    let (mut lies, model) = (0, world.model_id);
    let (head, address) = (world.chain.head().await.unwrap(), world.escrow.address());
    proxy.rule(move |method, params| {
        if method != "eth_getLogs" || lies > 0 || width(params).is_none() {
            return Action::Forward;
        }
        lies += 1;
        let number = format!("{:#x}", head.number);
        Action::Answer(json!([{
            "address": address, "topics": [topic, format!("{id:#066x}"), format!("{model:#066x}"), buyer.into_word()],
            "data": format!("{:#066x}", 5), "blockNumber": number, "blockHash": head.hash,
            "transactionHash": head.hash, "transactionIndex": "0x0", "logIndex": "0x9", "removed": false,
        }]))
    });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.hasty_config()).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn ranges_narrow_whatever_the_node_says() {
    require_anvil!();
    let world = World::new().await;
    world.mine(30).await;
    let id = world.open(5).await;
    world.mine(30).await;
    let refuse = |code, message: &str| Action::Refuse { code, message: message.to_owned() };
    let head = world.chain.head().await.unwrap().number;
    for (cap, refusal) in [
        (10, refuse(-32005, "limit exceeded")),
        (10, refuse(-32000, "range not allowed on this plan")),
        (1, refuse(-32602, "nope")),
        (10, refuse(-32603, "internal error")),
        (7, Action::Status(413)),
        (10, Action::Status(400)),
        (10, Action::Status(503)),
        (10, Action::Swallow),
        (1, Action::Answer(json!("not logs"))),
    ] {
        let proxy = Proxy::start(world.node.port()).await;
        let said = format!("{refusal:?}");
        proxy.rule(move |method, params| {
            let wide = method == "eth_getLogs" && width(params).is_some_and(|width| width > cap);
            if wide { refusal.clone() } else { Action::Forward }
        });
        let escrow = world.escrow_through(&[&proxy]).await;
        let (mut scanner, mut next) = (escrow.scanner(2000).with_parallel(4), 0);
        let mut found = Vec::new();
        let started = Instant::now();
        while next <= head {
            let (logs, to) = scanner.scan(escrow.chain(), next, head).await.unwrap();
            found.extend(logs.iter().map(|log| escrow.decode_event(log).unwrap()));
            next = to + 1;
        }
        assert_eq!(found.len(), 1, "{said}");
        assert!(matches!(&found[0].kind, EventKind::Opened(event) if event.jobId == id), "{said}");
        assert!(started.elapsed() < Duration::from_secs(5), "{said}: {:?}", started.elapsed());
    }
}

/// Reads so many blocks of history through a node with a cap of 100 blocks; returns the requests for each 100
/// blocks, and the time.
async fn history(blocks: u64) -> (f64, Duration) {
    let world = World::new().await;
    world.mine(blocks).await;
    let id = world.open(5).await;
    let proxy = Proxy::start(world.node.port()).await;
    let requests = Arc::new(AtomicU64::new(0));
    let count = requests.clone();
    proxy.rule(move |method, params| {
        count.fetch_add(1, Ordering::SeqCst);
        let wide = method == "eth_getLogs" && width(params).is_some_and(|width| width > 100);
        let message = "limit exceeded".to_owned();
        if wide { Action::Refuse { code: -32005, message } } else { Action::Forward }
    });
    let escrow = world.escrow_through(&[&proxy]).await;
    let mut relayer = world.relayer_with(escrow, &world.prover(), world.config()).await;
    let started = Instant::now();
    relayer.turn().await.unwrap();
    let took = started.elapsed();
    assert!(relayer.store().job(id).await.unwrap().is_some());
    (requests.load(Ordering::SeqCst) as f64 / (blocks as f64 / 100.0), took)
}

#[tokio::test]
async fn history_takes_few_requests() {
    require_anvil!();
    // How long that takes depends on the machine: see `long_history`. A start and the search for a
    // range that the node admits take some forty requests of their own.
    let (requests, _) = history(1_000).await;
    assert!(requests < 8.0, "{requests} for each 100 blocks");
}

/// `cargo test --release --workspace --test anvil -- --ignored long_history`
#[tokio::test]
#[ignore = "takes a minute"]
async fn long_history() {
    require_anvil!();
    let (requests, took) = history(100_000).await;
    println!("100,000 blocks: {took:?}, {requests:.2} requests for each 100 blocks");
    assert!(requests < 2.0 && took < Duration::from_secs(60), "{requests}, {took:?}");
}
