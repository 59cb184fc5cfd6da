//! Audits that the relayer enters by its policy, answers for and proves, with nobody at a keyboard.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    hex,
    primitives::{Address, B256, U256, keccak256},
    sol_types::SolEvent,
};
use assay_client::{
    ContractClient,
    bindings::IAuditEscrow::AuditDelivered,
    escrow::{
        audit::{AuditOrder, EntryState, State, Terms, admission_hash},
        sellers::Sellers,
    },
};
use assay_client_testing::{Action, Proxy, require_anvil};
use assay_relayer::{AuditPolicy, OpeningsLeft, Profit, Refusal, Relayer};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    fair::{BOND, CORRECT, FEE, Fair, HOUR, REWARD, STAKE, WORDS},
    world::MINUTE,
};

#[tokio::test]
async fn an_audit_is_entered_answered_proven_settled_and_withdrawn() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer(&set).await;
    let nonce = fair.world.nonce().await;
    let mut config = fair.config();
    config.withdraw = true;
    let escrow = fair.world.escrow.clone();
    let mut relayer = fair.relayer_of(escrow, config, fair.sales()).await.unwrap();
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    assert_eq!(fair.runs_proven(), [0u64; 0]);
    fair.hand_over(&order, &set.path).await;
    fair.turn_until_paid(&mut relayer, &order).await;
    let entry = fair.escrow.entry(order.job_id, U256::ONE).await.unwrap();
    assert_eq!((entry.claim, entry.state), (U256::from(CORRECT), EntryState::Returned));
    assert_eq!(fair.runs_proven(), [0, 1, 2, 3], "each run once");
    let is_out = async || fair.credit_of(&fair.escrow).await.is_zero();
    fair.turn_until(&mut relayer, is_out).await;
    for _ in 0..3 {
        relayer.turn().await.unwrap();
    }
    let sent = fair.world.nonce().await - nonce;
    assert_eq!(sent, 8, "an entry, a claim, four runs, an end, and a withdrawal");
    let left = fair.escrow.chain().balance(fair.escrow.address()).await.unwrap();
    assert_eq!(left, U256::from(BOND), "that is the buyer's");
}

#[tokio::test]
async fn what_is_not_worth_the_stake_is_not_entered() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    fair.offer(&set).await;
    let with = |change: fn(&mut AuditPolicy)| {
        let mut config = fair.config();
        change(&mut config.policy.audits);
        config
    };
    let stake = with(|policy| policy.most_stake -= U256::ONE);
    let stake = fair.refused(stake).await;
    assert!(matches!(stake, Refusal::StakeTooHigh { .. }), "{stake}");
    let all = with(|policy| policy.most_staked -= U256::ONE);
    let all = fair.refused(all).await;
    assert!(matches!(all, Refusal::StakesTooHigh { .. }), "{all}");
    let reward = with(|policy| policy.least_reward += U256::ONE);
    let reward = fair.refused(reward).await;
    assert!(matches!(reward, Refusal::RewardTooLow { .. }), "{reward}");
    let mut config = fair.config();
    config.policy.deadline_margin = Some(Duration::from_secs(901));
    let window = fair.refused(config).await;
    assert_eq!(window, Refusal::WindowTooShort { seconds: 3600, needed: 3604 });
    *fair.prover.openings.lock().unwrap() = Some(OpeningsLeft { left: 3, budget: 9 });
    let openings = fair.refused(fair.config()).await;
    assert_eq!(openings, Refusal::TooFewOpenings { left: 3, needed: 4 });
    *fair.prover.openings.lock().unwrap() = None;
    // The reward has to cover all that follows.
    let mut config = fair.config();
    config.policy.profit = Some(Profit { minimum: U256::from(REWARD), proving_cost: U256::ONE });
    let escrow = fair.world.escrow.clone();
    let mut relayer = fair.relayer_of(escrow, config, fair.sales()).await.unwrap();
    let store = relayer.store().clone();
    let waits = async || {
        let records = store.duties().await.unwrap();
        let errors = records.iter().filter_map(|record| record.last_error.clone());
        errors.into_iter().any(|why| why.contains("7 calls cost") && why.contains("4 proofs"))
    };
    fair.turn_until(&mut relayer, waits).await;
    assert_eq!(fair.entered(&fair.buyer.order(U256::ONE, 0).await.unwrap()).await, []);
}

#[tokio::test]
async fn terms_that_are_not_for_it_are_left_alone() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    type Change = fn(&mut Terms);
    type Is = fn(&Refusal) -> bool;
    let cases: [(Vec<B256>, Change, Is); 4] = [
        (vec![B256::ZERO], |_| {}, |reason| matches!(reason, Refusal::NotAdmitted { .. })),
        (
            Vec::new(),
            |terms| terms.abortFee = Default::default(),
            |reason| *reason == Refusal::NoAbortFee,
        ),
        (
            Vec::new(),
            |terms| terms.sellers = Sellers::new(&[Address::with_last_byte(7)]).root(),
            |reason| matches!(reason, Refusal::NamedSellers { .. }),
        ),
        (
            Vec::new(),
            |terms| terms.enterBy -= HOUR - 20,
            |reason| matches!(reason, Refusal::TooLate { .. }),
        ),
    ];
    for (number, (admitted, change, is)) in cases.into_iter().enumerate() {
        let mark = fair.world.rpc("evm_snapshot", json!([])).await;
        fair.offer_with(&set, admitted, change).await;
        let mut config = fair.config();
        config.store = fair.world.store().with_file_name(format!("case-{number}.db")).into();
        let reason = fair.refused(config).await;
        assert!(is(&reason), "{reason:?}");
        fair.world.rpc("evm_revert", json!([mark])).await;
    }
    let key = admission_hash(fair.model.model.vk_hash, code_hash(&fair).await);
    // Named alone, with its key on the list: it goes in.
    let account = fair.world.chain.account().unwrap();
    let alone = Sellers::new(&[account]).root();
    let named = |terms: &mut Terms| terms.sellers = alone;
    let order = fair.offer_with(&set, vec![B256::ZERO, key], named).await;
    let mut relayer = fair.relayer().await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    // And its stake is all that may be staked.
    let second = fair.offer(&set).await;
    let board = relayer.status().clone();
    let says = async || {
        let left = board.read().left_alone;
        left.iter().any(|one| matches!(one.reason, Refusal::StakesTooHigh { .. }))
    };
    fair.turn_until(&mut relayer, says).await;
    assert_eq!(fair.entry_state(&second, 1).await, EntryState::None);
}

async fn code_hash(fair: &Fair) -> B256 {
    fair.world.registry.binding(fair.model.id).await.unwrap().unwrap().verifier_code_hash
}

#[tokio::test]
async fn garbage_is_given_up_for_the_abort_fee() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let other = fair.set(2, &WORDS);
    let hard = fair.set(3, &[1, 1, 1, 1]);
    let broken = fair.set(4, &WORDS[..3]);
    let text = fair.files.path().join("text");
    std::fs::write(&text, "no set at all").unwrap();
    let mut given_up = 0;
    for (committed, delivered, why) in [
        (&set, &other.path, "another set"),
        (&set, &text, "no set"),
        (&hard, &hard.path, "4 of the 7 items"),
        (&broken, &broken.path, "cannot be proven"),
    ] {
        let order = fair.offer(committed).await;
        let mut relayer = fair.relayer().await;
        fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
        let board = relayer.status().clone();
        fair.hand_over(&order, delivered).await;
        let mut said = String::new();
        let turns = async {
            while fair.entry_state(&order, 1).await != EntryState::Aborted {
                relayer.turn().await.unwrap();
                let left = board.read().left_alone;
                said.extend(left.iter().map(|one| one.reason.to_string()));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(MINUTE, turns).await.expect("it gives up");
        assert!(said.contains(why), "{why}: {said}");
        given_up += 1;
        let credit = U256::from(given_up * (STAKE - FEE));
        assert_eq!(fair.credit_of(&fair.escrow).await, credit);
    }
    assert_eq!(fair.runs_proven(), [0u64; 0]);
}

#[tokio::test]
async fn a_set_that_is_not_there_is_said_and_found_later() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer(&set).await;
    let mut relayer = fair.relayer().await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    let sealed = fair.deliver(&order, &set.path, "https://example.org/set.age").await;
    let board = relayer.status().clone();
    let says = async || board.read().blocked_duties.iter().any(|why| why.contains("--fetch-sets"));
    fair.turn_until(&mut relayer, says).await;
    assert!(board.read().obstacles().iter().any(|found| found.code == "bond-at-risk"));
    std::fs::copy(sealed, fair.folder.path().join("any name")).unwrap();
    fair.turn_until_paid(&mut relayer, &order).await;
    assert!(board.read().blocked_duties.is_empty());
}

/// Threat: a node that says that garbage was delivered, which the seller would pay the abort fee for.
#[tokio::test]
async fn a_delivery_that_one_of_three_nodes_invents_is_not_believed() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer(&set).await;
    std::fs::write(fair.folder.path().join("garbage"), GARBAGE).unwrap();
    let port = fair.world.node.port();
    let proxies = [Proxy::start(port).await, Proxy::start(port).await, Proxy::start(port).await];
    proxies[0].rule(|method, _| match method {
        "eth_getLogs" => Action::Alter(deliver_garbage),
        _ => Action::Forward,
    });
    let escrow = fair.world.escrow_through(&proxies.each_ref()).await;
    let mut relayer = fair.relayer_of(escrow, fair.config(), fair.sales()).await.unwrap();
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    fair.hand_over(&order, &set.path).await;
    fair.turn_until_paid(&mut relayer, &order).await;
    assert_eq!(fair.runs_proven(), [0, 1, 2, 3]);
}

const GARBAGE: &str = "no set at all";

/// Has each delivery in a node's logs name the hash of [`GARBAGE`].
fn deliver_garbage(logs: &mut Value) {
    let topic = json!(AuditDelivered::SIGNATURE_HASH);
    for log in logs.as_array_mut().into_iter().flatten().filter(|log| log["topics"][0] == topic) {
        let mut data = log["data"].as_str().unwrap().to_owned();
        data.replace_range(66..130, &hex::encode(keccak256(GARBAGE)));
        log["data"] = json!(data);
    }
}

#[tokio::test]
async fn a_set_is_fetched_from_where_its_buyer_says() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer(&set).await;
    let mut sales = fair.sales();
    sales.deliveries.fetch = Some(1 << 20);
    let mut relayer = fair.relayer_with(sales).await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}/set.age", listener.local_addr().unwrap());
    let sealed = fair.deliver(&order, &set.path, &place).await;
    let data = std::fs::read(sealed).unwrap();
    std::thread::spawn(move || {
        // Something else at first, which is not kept.
        for body in [b"wrong".to_vec(), data] {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(&[head.into_bytes(), body].concat()).unwrap();
        }
    });
    fair.turn_until_paid(&mut relayer, &order).await;
    assert_eq!(fair.runs_proven(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_claim_behind_a_proven_one_is_not_proven() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer_with(&set, Vec::new(), two_places).await;
    let mut relayer = fair.relayer().await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    fair.rival_enters(&order).await;
    fair.hand_over(&order, &set.path).await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Accepted).await;
    for _ in 0..5 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(fair.runs_proven(), [0u64; 0], "the rival may claim more");
    fair.rival.accept(&order, U256::from(2), U256::from(7)).await.unwrap();
    for _ in 0..5 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(fair.runs_proven(), [0u64; 0], "the rival's claim comes first");
    fair.rival_proves(&order, 2, [2, 2, 2, 1]).await;
    // Its stake comes back, for nothing but that call.
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Returned).await;
    assert_eq!(fair.runs_proven(), [0u64; 0]);
    assert_eq!(fair.credit_of(&fair.escrow).await, U256::from(STAKE));
}

fn two_places(terms: &mut Terms) {
    (terms.maxEntries, terms.bond) = (2, (2 * BOND).to_string().parse().unwrap());
}

#[tokio::test]
async fn a_claim_is_proven_when_the_one_before_it_was_not() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    let order = fair.offer_with(&set, Vec::new(), two_places).await;
    let mut relayer = fair.relayer().await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    fair.rival_enters(&order).await;
    fair.hand_over(&order, &set.path).await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Accepted).await;
    fair.rival.accept(&order, U256::from(2), U256::from(7)).await.unwrap();
    let now = fair.world.chain.head().await.unwrap().timestamp;
    fair.pass(order.terms.acceptBy + HOUR - now - 5).await;
    for _ in 0..5 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(fair.runs_proven(), [0u64; 0], "the rival's window has not passed");
    fair.pass(6).await;
    fair.turn_until_paid(&mut relayer, &order).await;
    assert_eq!(fair.runs_proven(), [0, 1, 2, 3]);
    assert_eq!(fair.credit_of(&fair.escrow).await, U256::from(STAKE + REWARD));
}

#[tokio::test]
async fn a_challenge_is_proven_before_the_entry() {
    require_anvil!();
    let fair = Fair::open().await;
    let (set, challenge) = (fair.set(1, &WORDS), fair.set(2, &[1, 1, 1, 1]));
    let key = admission_hash(fair.model.model.vk_hash, code_hash(&fair).await);
    let root = challenge.root;
    let order = fair.offer_with(&set, vec![key], |terms| terms.challengeRoot = root).await;
    let mut relayer = fair.relayer().await;
    fair.turn_until_entry(&mut relayer, &order, 1, EntryState::Entered).await;
    assert_eq!(fair.runs_proven(), [0], "the first run of the challenge");
    fair.hand_over(&order, &set.path).await;
    fair.turn_until_paid(&mut relayer, &order).await;
    assert_eq!(fair.runs_proven(), [0, 0, 1, 2, 3]);
}

/// Runs a relayer through a proxy until its n-th request, which meets `fate`, and drops it then. Whether it came to
/// that; else it comes to what is wanted.
async fn killed_at(fair: &Fair, order: &AuditOrder, n: u32, fate: Action, wanted: State) -> bool {
    let proxy = Proxy::start(fair.world.node.port()).await;
    let escrow = fair.world.escrow_through(&[&proxy]).await;
    let (count, killed) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let kill = killed.clone();
    proxy.rule(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 < n {
            return Action::Forward;
        }
        kill.notify_one();
        fate.clone()
    });
    let work = async {
        let mut relayer = fair.relayer_of(escrow, fair.config(), fair.sales()).await?;
        bring_to(fair, &mut relayer, order, wanted).await;
        Some(())
    };
    tokio::select! {
        biased;
        () = killed.notified() => true,
        done = work => done.is_none(),
    }
}

/// To an entry for an open job, else to the end of the job.
async fn bring_to(fair: &Fair, relayer: &mut Relayer, order: &AuditOrder, wanted: State) {
    match wanted {
        State::Open => {
            fair.turn_until_entry(relayer, order, 1, EntryState::Entered).await;
            let store = relayer.store().clone();
            let over = async || {
                store.duties().await.unwrap().iter().all(|record| record.over_since.is_some())
            };
            fair.turn_until(relayer, over).await;
        }
        _ => fair.turn_until_paid(relayer, order).await,
    }
}

#[tokio::test]
async fn killed_anywhere_it_stakes_once_and_proves_no_run_twice() {
    require_anvil!();
    let fair = Fair::open().await;
    let nonce = fair.world.nonce().await;
    let (mut n, mut jobs) = (1, 0);
    loop {
        let set = fair.set(jobs as u8 + 10, &WORDS);
        let order = fair.offer(&set).await;
        jobs += 1;
        // Once on the way to the entry, once on that to the end.
        let mut any = false;
        for wanted in [State::Open, State::Paid] {
            any |= killed_at(&fair, &order, n, Action::Swallow, wanted).await;
            let mut relayer = fair.relayer().await;
            bring_to(&fair, &mut relayer, &order, wanted).await;
            drop(relayer);
            if wanted == State::Open {
                fair.hand_over(&order, &set.path).await;
            }
        }
        assert_eq!(fair.entered(&order).await.len(), 1, "killed at request {n}");
        if !any {
            break;
        }
        n += 17;
    }
    assert!(n > 60, "a relayer makes more than {n} requests");
    let sent = fair.world.nonce().await - nonce;
    assert_eq!(sent, 7 * jobs, "an entry, a claim, four runs and an end each");
    assert_eq!(fair.credit_of(&fair.escrow).await, U256::from(jobs * (STAKE + REWARD)));
    // A run may be proven again where it was killed between the proof and its way to the disk.
    let proven = fair.runs_proven().len() as u64;
    assert!((4 * jobs..=5 * jobs).contains(&proven), "{proven} proofs for {jobs} audits");
}
