//! Audits that the relayer enters by its policy, answers for and proves, with nobody at a keyboard.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use assay_client::{
    Artifact, AuditEscrow, ContractClient, PredictionEscrow,
    escrow::{
        audit::{
            AuditEntered, AuditOrder, EntryState, Offer, State, Terms, admission_hash,
            admitted_keys, entries_hash,
        },
        collection_job::RunArtifact,
        sellers::Sellers,
    },
};
use assay_client_testing::{
    Action, Proxy,
    node::artifacts,
    require_anvil,
    stage::{RegisteredModel, connect, mock_proof_of},
};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    collection::{
        Collection, SaltSeed,
        sealed::{Recipient, SealingKey, seal},
    },
    graph::Dataset,
};
use assay_relayer::{
    AuditPolicy, AuditSales, DeliveryFolder, OpeningsLeft, Profit, Refusal, Relayer, RelayerConfig,
    RunSale, Sales,
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    collections::{BATCH, RunProver},
    world::{MINUTE, World},
};

const ITEMS: u32 = 7;
/// Items of each run that the model gets right: six of seven.
const WORDS: [u64; 4] = [2, 1, 2, 1];
const CORRECT: u64 = 6;
const REWARD: u64 = 10_000;
const BOND: u64 = 1_000;
const STAKE: u64 = 5_000;
const FEE: u64 = 500;
const HOUR: u64 = 3600;
/// A key of audits in runs of two items, of trees of depth three, for the best class.
const STATEMENT: [u8; 14] = [2, 2, 0, 4, 0, 0, 0, 1, 1, 3, 0, 0, 0, 1];

/// A world in which account 1 pays for accuracy, account 0 sells it, and account 2 competes.
struct Fair {
    world: World,
    escrow: AuditEscrow,
    buyer: AuditEscrow,
    rival: AuditEscrow,
    model: RegisteredModel,
    prover: Arc<RunProver>,
    /// The relayer's folder, and that of the buyer's files.
    folder: tempfile::TempDir,
    files: tempfile::TempDir,
}

/// A test set, and where it lies.
struct Set {
    path: PathBuf,
    root: U256,
}

impl Fair {
    async fn open() -> Self {
        let world = World::new().await;
        let deploy = async |name: &str, arguments: Vec<u8>| {
            let artifact = Artifact::load(&artifacts(), name).unwrap();
            world.chain.deploy(artifact.with_arguments(&arguments)).await.unwrap().address
        };
        let registry = world.registry.address();
        let results = deploy("ResultRegistry", registry.abi_encode()).await;
        let arguments = (registry, results, true).abi_encode_params();
        let address = deploy("AuditEscrow", arguments).await;
        let at = async |account| AuditEscrow::at(connect(world.node.url(), account).await, address);
        let (escrow, buyer, rival) = (at(0).await, at(1).await, at(2).await);
        let model = world.register(&STATEMENT, "weights that are audited").await;
        let prover = Arc::new(RunProver::new(model.model, Duration::ZERO));
        let (folder, files) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        SealingKey::random().write(&files.path().join("key")).unwrap();
        Self { world, escrow, buyer, rival, model, prover, folder, files }
    }

    fn config(&self) -> RelayerConfig {
        let mut config = self.world.hasty_config();
        config.duties.audits = Some(self.escrow.address());
        config
    }

    fn sales(&self) -> AuditSales {
        let sale = RunSale {
            prover: self.prover.clone(),
            binding: Some(self.model.binding_hash),
            model_id: self.model.id,
        };
        let deliveries = DeliveryFolder {
            folder: self.folder.path().to_owned(),
            key: self.files.path().join("key"),
            fetch: None,
        };
        let policy = AuditPolicy {
            most_stake: U256::from(STAKE),
            most_staked: U256::from(STAKE),
            least_reward: U256::from(REWARD),
        };
        AuditSales { models: vec![sale], deliveries, policy }
    }

    async fn relayer_of(
        &self,
        escrow: PredictionEscrow,
        config: RelayerConfig,
        audits: AuditSales,
    ) -> Option<Relayer> {
        let sales = Sales { audits: Some(audits), ..Sales::default() };
        Relayer::with_sales(escrow, self.world.prover(), config, sales).await.ok()
    }

    async fn relayer_with(&self, audits: AuditSales) -> Relayer {
        let escrow = self.world.escrow.clone();
        self.relayer_of(escrow, self.config(), audits).await.unwrap()
    }

    async fn relayer(&self) -> Relayer {
        self.relayer_with(self.sales()).await
    }

    /// A test set of the buyer, which the model knows how to answer.
    fn set(&self, seed: u8, words: &[u64]) -> Set {
        let data = Dataset {
            inputs: (0..ITEMS as u8).map(|item| vec![item, seed]).collect(),
            labels: vec![1; ITEMS as usize],
        };
        let seed = SaltSeed([seed; 32]);
        let set = Collection::commit(&data, [2, 1, 1], seed, Some(3), &|| {}).unwrap();
        let root = U256::from_be_bytes(field_to_bytes(&set.root()));
        let path = self.files.path().join(format!("{root}.set"));
        if !path.exists() {
            set.write(&path).unwrap();
        }
        self.prover.has(root, words);
        Set { path, root }
    }

    /// Opens an audit as the buyer.
    async fn offer_with(
        &self,
        set: &Set,
        admitted: Vec<B256>,
        change: impl FnOnce(&mut Terms),
    ) -> AuditOrder {
        let now = self.world.chain.head().await.unwrap().timestamp;
        let amount = |amount: u64| amount.to_string().parse().unwrap();
        let mut terms = Terms {
            buyer: self.buyer.chain().account().unwrap(),
            reward: amount(REWARD),
            bond: amount(BOND),
            stake: amount(STAKE),
            abortFee: amount(FEE),
            testSetRoot: set.root,
            metric: keccak256("top-1"),
            items: ITEMS,
            required: 5,
            maxEntries: 1,
            enterBy: now + HOUR,
            deliverBy: now + 2 * HOUR,
            acceptBy: now + 3 * HOUR,
            proveWindow: HOUR,
            admittedKeys: admitted_keys(&admitted),
            ..Terms::default()
        };
        change(&mut terms);
        let (id, _) = self.buyer.open(terms, admitted, Bytes::new()).await.unwrap();
        self.buyer.order(id, 0).await.unwrap()
    }

    async fn offer(&self, set: &Set) -> AuditOrder {
        self.offer_with(set, Vec::new(), |_| {}).await
    }

    async fn entered(&self, order: &AuditOrder) -> Vec<AuditEntered> {
        let entered = self.buyer.entered(order).await.unwrap();
        entered.into_iter().map(|logged| logged.event).collect()
    }

    /// Seals a file to all who entered, and says where it is; returns the sealed file.
    async fn deliver(&self, order: &AuditOrder, file: &std::path::Path, place: &str) -> PathBuf {
        let entered = self.entered(order).await;
        let recipients: Vec<Recipient> = entered
            .iter()
            .filter_map(|entry| String::from_utf8(entry.encryptionKey.to_vec()).ok()?.parse().ok())
            .collect();
        let sealed =
            self.files.path().join(format!("{}-{}.age", order.job_id, order.terms.testSetRoot));
        seal(file, &recipients, &sealed).unwrap();
        let hash = keccak256(std::fs::read(&sealed).unwrap());
        self.world.mine(1).await;
        let ids: Vec<U256> = entered.iter().map(|entry| entry.entry).collect();
        let place = place.as_bytes().to_vec().into();
        let seen = entries_hash(&entered);
        self.buyer.deliver(order, seen, &ids, hash, place).await.unwrap();
        sealed
    }

    /// Delivers a set into the relayer's folder.
    async fn hand_over(&self, order: &AuditOrder, file: &std::path::Path) {
        let sealed = self.deliver(order, file, "by hand").await;
        let name = format!("from the buyer {}", order.job_id);
        std::fs::copy(sealed, self.folder.path().join(name)).unwrap();
    }

    async fn state(&self, order: &AuditOrder) -> State {
        self.escrow.job(order.job_id).await.unwrap().unwrap().state
    }

    async fn entry_state(&self, order: &AuditOrder, entry: u64) -> EntryState {
        let entries = self.escrow.job(order.job_id).await.unwrap().unwrap().entries;
        if entries < U256::from(entry) {
            return EntryState::None;
        }
        self.escrow.entry(order.job_id, U256::from(entry)).await.unwrap().state
    }

    async fn credit_of(&self, escrow: &AuditEscrow) -> U256 {
        let account = escrow.chain().account().unwrap();
        self.escrow.contract().credit(Address::ZERO, account).await.unwrap()
    }

    async fn pass(&self, seconds: u64) {
        self.world.rpc("evm_increaseTime", json!([seconds])).await;
        self.world.mine(1).await;
    }

    /// Turns a relayer until something holds.
    async fn turn_until(&self, relayer: &mut Relayer, holds: impl AsyncFn() -> bool) {
        let turns = async {
            while !holds().await {
                relayer.turn().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(MINUTE, turns).await;
        let status = relayer.status().read();
        let (left, blocked) = (status.left_alone, status.blocked_duties);
        let duties = relayer.store().duties().unwrap();
        assert!(done.is_ok(), "it came to {duties:#?}, {left:?}, {blocked:?}");
    }

    /// Turns a relayer until an entry is in a state.
    async fn turn_until_entry(
        &self,
        relayer: &mut Relayer,
        order: &AuditOrder,
        entry: u64,
        wanted: EntryState,
    ) {
        self.turn_until(relayer, async || self.entry_state(order, entry).await == wanted).await;
    }

    /// Turns a relayer until a job is paid and nothing is under way.
    async fn turn_until_paid(&self, relayer: &mut Relayer, order: &AuditOrder) {
        let store = relayer.store().clone();
        let is_paid = async || {
            let records = store.duties().unwrap();
            let over = records.iter().all(|record| record.over_since.is_some());
            over && self.state(order).await == State::Paid
        };
        self.turn_until(relayer, is_paid).await;
    }

    /// Turns a relayer until it says why it leaves an audit alone.
    async fn refused(&self, audits: AuditSales, config: RelayerConfig) -> Refusal {
        let escrow = self.world.escrow.clone();
        let mut relayer = self.relayer_of(escrow, config, audits).await.unwrap();
        let board = relayer.status().clone();
        let says = async || !board.read().left_alone.is_empty();
        self.turn_until(&mut relayer, says).await;
        let left = relayer.store().left_alone().unwrap();
        assert_eq!(left, board.read().left_alone);
        left[0].reason.clone()
    }

    fn runs_proven(&self) -> Vec<u64> {
        let mut runs = self.prover.proven.lock().unwrap().clone();
        runs.sort_unstable();
        runs
    }

    /// The rival enters with the same model.
    async fn rival_enters(&self, order: &AuditOrder) {
        let offer = Offer {
            modelId: self.model.id,
            bindingHash: self.model.binding_hash,
            batch: BATCH as u32,
            admitted: Vec::new(),
            which: U256::ZERO,
            path: Vec::new(),
            encryptionKey: Bytes::new(),
            correct: U256::ZERO,
            possession: Bytes::new(),
        };
        self.rival.enter(order, offer).await.unwrap();
    }

    /// The rival proves these counts, run by run.
    async fn rival_proves(&self, order: &AuditOrder, entry: u64, words: [u64; 4]) {
        let rival = self.rival.chain().account().unwrap();
        let context = self.rival.contract().proof_context(order.job_id, rival);
        for (run, word) in (0u64..).zip(words) {
            let (first, word) = (run * BATCH, U256::from(word));
            let length = BATCH.min(u64::from(ITEMS) - first);
            let root = order.terms.testSetRoot;
            let inputs = vec![context, root, U256::from(first), U256::from(length), word];
            let proof = mock_proof_of(self.model.model, inputs);
            let run = RunArtifact { run, result: word, proof };
            self.rival.prove(order, U256::from(entry), &run).await.unwrap();
        }
    }
}

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
        let mut sales = fair.sales();
        change(&mut sales.policy);
        sales
    };
    let stake = with(|policy| policy.most_stake -= U256::ONE);
    let stake = fair.refused(stake, fair.config()).await;
    assert!(matches!(stake, Refusal::StakeTooHigh { .. }), "{stake}");
    let all = with(|policy| policy.most_staked -= U256::ONE);
    let all = fair.refused(all, fair.config()).await;
    assert!(matches!(all, Refusal::StakesTooHigh { .. }), "{all}");
    let reward = with(|policy| policy.least_reward += U256::ONE);
    let reward = fair.refused(reward, fair.config()).await;
    assert!(matches!(reward, Refusal::RewardTooLow { .. }), "{reward}");
    let mut config = fair.config();
    config.deadline_margin = Some(Duration::from_secs(901));
    let window = fair.refused(fair.sales(), config).await;
    assert_eq!(window, Refusal::WindowTooShort { seconds: 3600, needed: 3604 });
    *fair.prover.openings.lock().unwrap() = Some(OpeningsLeft { left: 3, budget: 9 });
    let openings = fair.refused(fair.sales(), fair.config()).await;
    assert_eq!(openings, Refusal::TooFewOpenings { left: 3, needed: 4 });
    *fair.prover.openings.lock().unwrap() = None;
    // The reward has to cover all that follows.
    let mut config = fair.config();
    config.profit = Some(Profit { minimum: U256::from(REWARD), proving_cost: U256::ONE });
    let escrow = fair.world.escrow.clone();
    let mut relayer = fair.relayer_of(escrow, config, fair.sales()).await.unwrap();
    let store = relayer.store().clone();
    let waits = async || {
        let records = store.duties().unwrap();
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
    for (admitted, change, is) in cases {
        let mark = fair.world.rpc("evm_snapshot", json!([])).await;
        fair.offer_with(&set, admitted, change).await;
        let reason = fair.refused(fair.sales(), fair.config()).await;
        assert!(is(&reason), "{reason:?}");
        std::fs::remove_file(fair.world.store()).unwrap();
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
            let over =
                async || store.duties().unwrap().iter().all(|record| record.over_since.is_some());
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
