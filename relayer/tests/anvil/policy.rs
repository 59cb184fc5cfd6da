//! Policies that change while a relayer runs.

use std::{sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use assay_client::chain::GasPolicy;
use assay_client_testing::require_anvil;
use assay_relayer::{
    CancellationToken, JobState, Policy, PolicyFile, PolicyReading, Profit, SkipReason,
};
use tokio::sync::Notify;

use crate::{
    fair::{Fair, WORDS},
    world::{Behaviour, MINUTE, World, settle, turn_until},
};

/// A job that was refused is taken when the least price is lowered, and one with another reason is not.
#[tokio::test]
async fn a_lower_price_takes_jobs_that_were_refused() {
    require_anvil!();
    let world = World::new().await;
    let (low, high) = (world.open(4).await, world.open(9).await);
    let mut config = world.config();
    config.policy.minimum_prices.insert(Address::ZERO, U256::from(10));
    let prover = world.prover();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config.clone()).await;
    for id in [low, high] {
        let job = settle(&mut relayer, id).await;
        let refused = SkipReason::PriceTooLow { price: job.terms.price, minimum: U256::from(10) };
        assert_eq!(*job.state(), JobState::Skipped { reason: refused });
    }
    let before = relayer.status().read().policy_read_at.unwrap();
    // The same again changes nothing.
    relayer.policy().offer(config.policy.clone());
    relayer.turn().await.unwrap();
    assert!(relayer.store().active().await.unwrap().is_empty());

    let mut policy = config.policy.clone();
    policy.minimum_prices.insert(Address::ZERO, U256::from(5));
    relayer.policy().offer(policy);
    let job =
        turn_until(&mut relayer, high, |job| matches!(job.state(), JobState::Confirmed { .. }))
            .await;
    world.assert_paid_once(&job).await;
    let job = relayer.store().job(low).await.unwrap().unwrap();
    assert!(matches!(job.state(), JobState::Skipped { .. }), "{}", job.state());
    assert_eq!(prover.calls(), 1);
    assert!(relayer.status().read().policy_read_at.unwrap() >= before);
}

/// What was begun under one policy goes on under another.
#[tokio::test]
async fn a_proof_that_is_being_made_is_not_given_up_for_a_policy() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    world.prove_only(id).await;
    let mut relayer = world.relayer(&world.prover_that(Behaviour::Fails)).await;
    let dear = [(Address::ZERO, U256::from(1_000))].into();
    relayer.policy().offer(Policy { minimum_prices: dear, ..Policy::default() });
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    // A job that is opened then goes by the new one.
    let id = world.open(999).await;
    let job = settle(&mut relayer, id).await;
    assert!(matches!(job.state(), JobState::Skipped { .. }), "{}", job.state());
}

#[tokio::test]
async fn a_job_that_waits_for_its_profit_or_its_fee_is_asked_again() {
    require_anvil!();
    let world = World::new().await;
    let id = world.open(5).await;
    let mut config = world.config();
    let gas = GasPolicy { max_fee_per_gas: Some(1), ..GasPolicy::default() };
    config.policy.gas = Some(gas);
    config.policy.profit = Some(Profit { minimum: U256::ZERO, proving_cost: U256::ZERO });
    let mut relayer =
        world.relayer_with(world.escrow.clone(), &world.prover(), config.clone()).await;
    let job = turn_until(&mut relayer, id, |job| job.last_error.is_some()).await;
    assert!(job.last_error.unwrap().contains("waiting for cheaper gas"));
    config.policy.profit = None;
    relayer.policy().offer(config.policy.clone());
    let over = |job: &assay_relayer::PredictionJob| {
        job.last_error.as_ref().is_some_and(|error| error.contains("over the limit of 1"))
    };
    turn_until(&mut relayer, id, over).await;
    config.policy.gas = Some(GasPolicy::default());
    relayer.policy().offer(config.policy);
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
}

#[tokio::test]
async fn a_higher_limit_enters_an_audit_that_was_left_alone() {
    require_anvil!();
    let fair = Fair::open().await;
    let set = fair.set(1, &WORDS);
    fair.offer(&set).await;
    let mut config = fair.config();
    let enough = config.policy.clone();
    config.policy.audits.most_stake = U256::ZERO;
    let escrow = fair.world.escrow.clone();
    let mut relayer = fair.relayer_of(escrow, config, fair.sales()).await.unwrap();
    let board = relayer.status().clone();
    fair.turn_until(&mut relayer, async || !board.read().left_alone.is_empty()).await;
    let order = fair.buyer.order(U256::ONE, 0).await.unwrap();
    assert_eq!(fair.entered(&order).await, []);
    // Without a new block.
    relayer.policy().offer(enough);
    fair.turn_until(&mut relayer, async || !fair.entered(&order).await.is_empty()).await;
    assert_eq!(board.read().left_alone, []);
}

/// A file as the command line reads it, but for one line: the least price.
fn parse(text: &str) -> Result<PolicyReading, String> {
    let Some(price) = text.strip_prefix("minimum-price = ") else {
        return Err("relayer.toml, line 1, `minimum-price`: no price".into());
    };
    let (price, rest) = price.split_once('\n').unwrap_or((price, ""));
    let price: u64 = price.parse().map_err(|error| format!("relayer.toml, line 1: {error}"))?;
    let minimum_prices = [(Address::ZERO, U256::from(price))].into();
    let wants_restart = rest.lines().map(str::to_owned).collect();
    Ok(PolicyReading { policy: Policy { minimum_prices, ..Policy::default() }, wants_restart })
}

/// The file is edited while the relayer runs; a broken one changes nothing and is told of.
#[tokio::test]
async fn a_file_that_is_edited_changes_the_policy_of_a_relayer_that_runs() {
    require_anvil!();
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("relayer.toml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("minimum-price = 10");
    let mut config = world.config();
    config.policy = parse("minimum-price = 10").unwrap().policy;
    let prover = world.prover();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let (policy, board, store) =
        (relayer.policy().clone(), relayer.status().clone(), relayer.store().clone());
    let (asked, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let watching =
        tokio::spawn(PolicyFile::new(&relayer, &path, parse).watch(asked.clone(), stop.clone()));
    let id = world.open(7).await;
    let state = async || store.job(id).await.unwrap().map(|job| job.state().name());
    let script = async {
        until(async || state().await == Some("skipped")).await;
        // Broken, and looked at because somebody asks.
        write("minimum-price = seven");
        asked.notify_one();
        until(async || board.read().policy_trouble.is_some()).await;
        let status = board.read();
        assert!(status.policy_trouble.is_some_and(|text| text.contains("line 1")));
        assert_eq!(status.counts.get("policy-refused"), Some(&1));
        // Gone, and noticed without being asked.
        std::fs::remove_file(&path).unwrap();
        let trouble = || board.read().policy_trouble.unwrap_or_default();
        until(async || trouble().contains("cannot read")).await;
        assert_eq!(*policy.read(), parse("minimum-price = 10").unwrap().policy);
        assert_eq!(state().await, Some("skipped"));

        write("minimum-price = 7\nstore");
        until(async || state().await == Some("confirmed")).await;
        assert!(trouble().contains("store") && trouble().contains("needs a restart"));
        write("minimum-price = 7");
        until(async || trouble().is_empty()).await;
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(relayer.run(stop.clone()), script);
    ran.unwrap();
    watching.await.unwrap();
    world.assert_paid_once(&store.job(id).await.unwrap().unwrap()).await;
    assert_eq!(prover.calls(), 1);
}

/// Waits until something holds.
async fn until(holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(MINUTE, waiting).await.expect("it never came to that");
}
