//! Retrievals that name the relayer's account as holder: proven run by run, published, withdrawn; or left alone, and why.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use assay_client::{
    Artifact, ContractClient, PredictionEscrow, RetrievalEscrow,
    escrow::retrieval::{RetrievalOrder, State, Terms},
};
use assay_client_testing::{
    Action, Proxy,
    node::artifacts,
    require_anvil,
    stage::{RegisteredModel, connect},
};
use assay_prover::collection::sealed::{SealingKey, unseal};
use assay_relayer::{
    Duty, OpeningsLeft, Profit, Publishing, Refusal, Relayer, RelayerConfig, RetrievalSales,
    RunSale, Sales,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    collections::{BATCH, RunProver},
    world::{MINUTE, World},
};

/// Four runs, the last of one item: bitmaps of what is selected.
pub(crate) const WORDS: [u64; 4] = [0b01, 0b00, 0b10, 0b1];
const ITEMS: u32 = 7;
pub(crate) const PRICE: u64 = 4000;
/// What a key of a retrieval in runs of two states.
const STATEMENT: [u8; 14] = [2, 3, 0, 5, 0, 0, 0, 1, 1, 3, 0, 0, 0, 4];

/// A world in which account 0 holds a collection and account 1 asks what a model selects of it.
pub(crate) struct Library {
    pub(crate) world: World,
    pub(crate) escrow: RetrievalEscrow,
    requester: RetrievalEscrow,
    model: RegisteredModel,
    pub(crate) prover: Arc<RunProver>,
    published: tempfile::TempDir,
    key: SealingKey,
}

impl Library {
    pub(crate) async fn open() -> Self {
        let world = World::new().await;
        let arguments = (world.registry.address(), true).abi_encode_params();
        let artifact = Artifact::load(&artifacts(), "RetrievalEscrow").unwrap();
        let deployed = world.chain.deploy(artifact.with_arguments(&arguments)).await.unwrap();
        let escrow = RetrievalEscrow::at(world.chain.clone(), deployed.address);
        let requester = RetrievalEscrow::at(connect(world.node.url(), 1).await, deployed.address);
        let model = world.register(&STATEMENT, "weights that retrieve").await;
        let prover = Arc::new(RunProver::new(model.model, Duration::ZERO));
        let (published, key) = (tempfile::tempdir().unwrap(), SealingKey::random());
        Self { world, escrow, requester, model, prover, published, key }
    }

    fn publishing(&self) -> Publishing {
        let place = "https://example.org/".into();
        Publishing { folder: self.published.path().to_owned(), place, unsealed: false }
    }

    pub(crate) fn config(&self) -> RelayerConfig {
        let mut config = self.world.hasty_config();
        config.duties.retrievals = Some(self.escrow.address());
        config
    }

    fn sales(&self) -> Sales {
        let sale = RunSale {
            prover: self.prover.clone(),
            binding: Some(self.model.binding_hash),
            model_id: self.model.id,
        };
        let publishing = Some(self.publishing());
        Sales { retrievals: RetrievalSales { models: vec![sale], publishing }, ..Sales::default() }
    }

    pub(crate) async fn relayer_with(
        &self,
        escrow: PredictionEscrow,
        config: RelayerConfig,
    ) -> Relayer {
        let prover = self.world.prover();
        Relayer::with_sales(escrow, prover, config, self.sales()).await.unwrap()
    }

    async fn relayer(&self) -> Relayer {
        self.relayer_with(self.world.escrow.clone(), self.config()).await
    }

    /// Opens a retrieval of a collection as the requester; the hint has a key, unless another one is given.
    async fn ask_with(&self, root: u64, hint: Option<&str>, seconds: u64) -> RetrievalOrder {
        let now = self.world.chain.head().await.unwrap().timestamp;
        let terms = Terms {
            requester: self.requester.chain().account().unwrap(),
            holder: self.world.chain.account().unwrap(),
            token: Address::ZERO,
            price: PRICE.to_string().parse().unwrap(),
            modelId: self.model.id,
            collectionRoot: U256::from(root),
            items: ITEMS,
            batch: BATCH as u16,
            proveBy: now + seconds,
            openBy: now + 2 * seconds,
        };
        let own = format!("please seal to {}", self.key.recipient());
        let hint: Bytes = hint.unwrap_or(&own).as_bytes().to_vec().into();
        let (id, _) = self.requester.open(terms, self.model.binding_hash, hint).await.unwrap();
        self.requester.order(id, 0).await.unwrap()
    }

    pub(crate) async fn ask(&self, root: u64) -> RetrievalOrder {
        self.ask_with(root, None, 3600).await
    }

    pub(crate) async fn state(&self, order: &RetrievalOrder) -> State {
        self.escrow.job(order.job_id).await.unwrap().unwrap().state
    }

    pub(crate) async fn credit(&self) -> U256 {
        let account = self.world.chain.account().unwrap();
        self.escrow.contract().credit(Address::ZERO, account).await.unwrap()
    }

    /// Turns a relayer until a retrieval is paid and nothing is under way.
    async fn turn_until_paid(&self, relayer: &mut Relayer, order: &RetrievalOrder) {
        let turns = async {
            loop {
                relayer.turn().await.unwrap();
                let records = relayer.store().duties().await.unwrap();
                let over = records.iter().all(|record| record.over_since.is_some());
                if self.state(order).await == State::Paid && over {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(MINUTE, turns).await;
        let left = relayer.status().read().left_alone;
        assert!(
            done.is_ok(),
            "it came to {:#?}, {left:?}",
            relayer.store().duties().await.unwrap()
        );
    }

    /// Turns a relayer until it says why it leaves a retrieval alone.
    async fn refused(&self, relayer: &mut Relayer) -> Refusal {
        let turns = async {
            loop {
                relayer.turn().await.unwrap();
                if let Some(left) = relayer.status().read().left_alone.first() {
                    assert_eq!(relayer.store().left_alone().await.unwrap().first(), Some(left));
                    return left.reason.clone();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(MINUTE, turns).await.expect("it says why")
    }

    /// The one file that was published, which must be what is on chain.
    pub(crate) async fn publication(&self, order: &RetrievalOrder) -> (PathBuf, String) {
        let event = self.escrow.publication(order).await.unwrap().unwrap().event;
        let place = String::from_utf8(event.place.to_vec()).unwrap();
        let name = place.strip_prefix("https://example.org/").unwrap();
        let path = self.published.path().join(name);
        assert_eq!(keccak256(std::fs::read(&path).unwrap()), event.dataHash);
        let plain = self.published.path().join("plain");
        unseal(&path, &self.key, &plain).unwrap();
        let text = std::fs::read_to_string(&plain).unwrap();
        std::fs::remove_file(plain).unwrap();
        (path, text)
    }

    pub(crate) fn runs_proven(&self) -> Vec<u64> {
        let mut runs = self.prover.proven.lock().unwrap().clone();
        runs.sort_unstable();
        runs
    }
}

#[tokio::test]
async fn a_retrieval_is_proven_published_and_withdrawn() {
    require_anvil!();
    let library = Library::open().await;
    library.prover.has(U256::from(5), &WORDS);
    let order = library.ask(5).await;
    let nonce = library.world.nonce().await;
    let mut config = library.config();
    config.withdraw = true;
    let mut relayer = library.relayer_with(library.world.escrow.clone(), config).await;
    library.turn_until_paid(&mut relayer, &order).await;
    let withdrawn = async {
        while library.credit().await > U256::ZERO {
            relayer.turn().await.unwrap();
        }
    };
    tokio::time::timeout(MINUTE, withdrawn).await.expect("it is withdrawn");
    assert_eq!(library.runs_proven(), [0, 1, 2, 3], "each run once");
    assert_eq!(library.prover.surveys(), 1);
    let (_, openings) = library.publication(&order).await;
    assert_eq!(openings, "item 0\nitem 5\nitem 6\n");
    for _ in 0..3 {
        relayer.turn().await.unwrap();
    }
    let sent = library.world.nonce().await - nonce;
    assert_eq!(sent, 6, "four runs, a publication, and a withdrawal");
}

#[tokio::test]
async fn what_selects_nothing_is_settled_without_openings() {
    require_anvil!();
    let library = Library::open().await;
    library.prover.has(U256::from(5), &[0; 4]);
    // Nobody has to be able to read what is not published.
    let order = library.ask_with(5, Some("no key"), 3600).await;
    let mut relayer = library.relayer().await;
    library.turn_until_paid(&mut relayer, &order).await;
    let settled = relayer.store().duties().await.unwrap();
    let settled = settled.iter().any(|one| matches!(one.duty, Duty::SettleRetrieval { .. }));
    assert!(settled && library.credit().await == U256::from(PRICE));
    assert!(library.escrow.publication(&order).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_not_worth_it_or_not_possible_is_left_alone_and_said() {
    require_anvil!();
    let library = Library::open().await;
    library.ask(5).await;
    let mut relayer = library.relayer().await;
    let missing = library.refused(&mut relayer).await;
    assert!(matches!(missing, Refusal::Collection { .. }), "{missing}");
    assert!(missing.to_string().contains("put it there"));
    drop(relayer);
    library.prover.has(U256::from(5), &WORDS[..3]);
    let mut relayer = library.relayer().await;
    let unproven = library.refused(&mut relayer).await;
    assert!(matches!(unproven, Refusal::NotProvable { .. }), "{unproven}");
    drop(relayer);
    library.prover.has(U256::from(5), &WORDS);
    let mut config = library.config();
    config.policy.minimum_prices.insert(Address::ZERO, U256::from(PRICE / 4 + 1));
    let mut relayer = library.relayer_with(library.world.escrow.clone(), config).await;
    let price = library.refused(&mut relayer).await;
    assert!(matches!(price, Refusal::PriceTooLow { .. }), "{price}");
    drop(relayer);
    *library.prover.openings.lock().unwrap() = Some(OpeningsLeft { left: 3, budget: 9 });
    let mut relayer = library.relayer().await;
    let openings = library.refused(&mut relayer).await;
    assert_eq!(openings, Refusal::TooFewOpenings { left: 3, needed: 4 });
    drop(relayer);
    *library.prover.openings.lock().unwrap() = None;
    let mut config = library.config();
    // Four of them do not fit into the hour.
    config.policy.deadline_margin = Some(Duration::from_secs(901));
    let mut relayer = library.relayer_with(library.world.escrow.clone(), config).await;
    let time = library.refused(&mut relayer).await;
    assert!(matches!(time, Refusal::TooLate { needed: 3604, .. }), "{time}");
    drop(relayer);
    let mut config = library.config();
    config.policy.profit = Some(Profit { minimum: U256::from(PRICE), proving_cost: U256::ZERO });
    let mut relayer = library.relayer_with(library.world.escrow.clone(), config).await;
    let waits = async {
        loop {
            relayer.turn().await.unwrap();
            let records = relayer.store().duties().await.unwrap();
            if let Some(why) = records.iter().find_map(|one| one.last_error.clone()) {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let why = tokio::time::timeout(MINUTE, waits).await.expect("it says why");
    assert!(why.contains("5 calls cost") && why.contains("cheaper gas"), "{why}");
    assert_eq!(library.runs_proven(), [0u64; 0], "nothing was spent on any of it");
}

#[tokio::test]
async fn openings_are_not_published_for_everybody_unless_that_is_said() {
    require_anvil!();
    let library = Library::open().await;
    library.prover.has(U256::from(5), &WORDS);
    let order = library.ask_with(5, Some("no key"), 3600).await;
    let mut relayer = library.relayer().await;
    let reason = library.refused(&mut relayer).await;
    assert!(matches!(reason, Refusal::NotPublishable { .. }), "{reason}");
    assert!(reason.to_string().contains("--publish-unsealed"));
    drop(relayer);
    let mut sales = library.sales();
    let unsealed = Publishing { unsealed: true, ..library.publishing() };
    sales.retrievals.publishing = Some(unsealed);
    let (escrow, prover) = (library.world.escrow.clone(), library.world.prover());
    let config = library.config();
    let mut relayer = Relayer::with_sales(escrow, prover, config, sales).await.unwrap();
    library.turn_until_paid(&mut relayer, &order).await;
    let event = library.escrow.publication(&order).await.unwrap().unwrap().event;
    assert_eq!(event.dataHash, keccak256("item 0\nitem 5\nitem 6\n"));
}

#[tokio::test]
async fn a_retrieval_of_another_model_holds_up_nothing() {
    require_anvil!();
    let mut library = Library::open().await;
    library.prover.has(U256::from(5), &WORDS);
    let own = library.model;
    library.model = library.world.register(&STATEMENT, "other weights").await;
    let other = library.ask(5).await;
    library.model = own;
    let order = library.ask(5).await;
    let mut relayer = library.relayer().await;
    library.turn_until_paid(&mut relayer, &order).await;
    assert_eq!(library.state(&other).await, State::Open);
    let left = relayer.status().read().left_alone;
    assert!(left.len() == 1 && matches!(left[0].reason, Refusal::OtherModel { .. }), "{left:?}");
    assert!(relayer.status().read().obstacles().iter().all(|found| found.code == "starting"));
}

#[tokio::test]
async fn what_is_begun_is_finished_at_any_price_but_not_in_vain() {
    require_anvil!();
    let library = Library::open().await;
    library.prover.has(U256::from(5), &WORDS);
    let order = library.ask(5).await;
    let mut relayer = library.relayer().await;
    let begun = async {
        while library.escrow.bitmap(order.job_id, 0).await.unwrap().is_none() {
            relayer.turn().await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(MINUTE, begun).await.expect("it begins");
    drop(relayer);
    // What is left is paid for by the whole price; the least price was for beginning.
    let mut config = library.config();
    config.policy.minimum_prices.insert(Address::ZERO, U256::from(PRICE));
    let mut relayer = library.relayer_with(library.world.escrow.clone(), config).await;
    library.turn_until_paid(&mut relayer, &order).await;
    let mut proven = library.runs_proven();
    // The one that was being proven may have been proven in vain.
    assert!(proven.len() <= 5, "{proven:?}");
    proven.dedup();
    assert_eq!(proven, [0, 1, 2, 3]);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_proven() {
    require_anvil!();
    let library = Library::open().await;
    library.prover.has(U256::from(5), &WORDS);
    library.ask(5).await;
    library.world.rpc("evm_increaseTime", json!([3700])).await;
    library.world.mine(1).await;
    let mut relayer = library.relayer().await;
    for _ in 0..10 {
        relayer.turn().await.unwrap();
    }
    assert_eq!(library.runs_proven(), [0u64; 0]);
    assert!(relayer.store().duties().await.unwrap().is_empty());
}

/// Runs a relayer through a proxy until its n-th request, which meets `fate`, and drops it then. Whether it came to
/// that; else the retrieval is paid.
async fn killed_at(library: &Library, order: &RetrievalOrder, n: u32, fate: Action) -> bool {
    let proxy = Proxy::start(library.world.node.port()).await;
    let escrow = library.world.escrow_through(&[&proxy]).await;
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
        let (prover, config) = (library.world.prover(), library.config());
        let relayer = Relayer::with_sales(escrow, prover, config, library.sales()).await;
        library.turn_until_paid(&mut relayer.ok()?, order).await;
        Some(())
    };
    tokio::select! {
        biased;
        () = killed.notified() => true,
        done = work => done.is_none(),
    }
}

#[tokio::test]
async fn killed_anywhere_it_pays_each_fee_once_and_proves_no_run_twice() {
    require_anvil!();
    let library = Library::open().await;
    let nonce = library.world.nonce().await;
    let (mut n, mut jobs) = (1, 0);
    loop {
        library.prover.has(U256::from(100 + jobs), &WORDS);
        let order = library.ask(100 + jobs).await;
        jobs += 1;
        let killed = killed_at(&library, &order, n, Action::Swallow).await;
        let mut relayer = library.relayer().await;
        library.turn_until_paid(&mut relayer, &order).await;
        assert_eq!(library.publication(&order).await.1, "item 0\nitem 5\nitem 6\n");
        if !killed {
            break;
        }
        n += 11;
    }
    assert!(n > 60, "a relayer makes more than {n} requests");
    assert_eq!(library.world.nonce().await, nonce + 5 * jobs, "four runs and a publication each");
    assert_eq!(library.credit().await, U256::from(jobs * PRICE));
    // A run may be proven again where it was killed between the proof and its way to the disk.
    let proven = library.runs_proven().len() as u64;
    assert!((4 * jobs..=5 * jobs).contains(&proven), "{proven} proofs for {jobs} retrievals");
}
