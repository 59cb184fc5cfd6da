//! A service whose answers are contested: the relayer proves them before their deadline, with nobody at a keyboard.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::{
    primitives::{Address, B256, U256},
    signers::SignerSync,
    sol_types::SolValue,
};
use assay_client::{
    Artifact, ContractClient, ServiceBond, SignerSource,
    service_bond::{Answer, Answers, BatchState, Receipt, Terms, batch_id, receipt_digest},
};
use assay_client_testing::{
    Action, Proxy,
    node::{KEYS, artifacts},
    require_anvil,
    stage::connect,
};
use assay_relayer::{DutyRecord, JobState, Relayer, RelayerConfig};
use serde_json::json;
use tokio::sync::Notify;

use crate::world::{Behaviour, MINUTE, TestProver, World, settle, turn_until};

const COST: u64 = 10;

/// A world with a service of account 0, and account 1 as its buyer.
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) bond: ServiceBond,
    pub(crate) buyer: ServiceBond,
    pub(crate) service: B256,
    answers: tempfile::TempDir,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let world = World::new().await;
        let arguments = (world.registry.address(), true).abi_encode_params();
        let artifact = Artifact::load(&artifacts(), "ServiceBond").unwrap();
        let code = artifact.with_arguments(&arguments);
        let address = world.chain.deploy(code).await.unwrap().address;
        let bond = ServiceBond::at(world.chain.clone(), address);
        let buyer = ServiceBond::at(connect(world.node.url(), 1).await, address);
        let terms = Terms {
            modelId: world.model_id,
            bindingHash: world.binding_hash,
            signer: world.chain.account().unwrap(),
            token: Address::ZERO,
            penalty: U256::from(1000),
            proofCost: U256::from(COST),
            contestWindow: 3600,
            proofWindow: 3600,
            noticePeriod: 10_000,
        };
        let (service, _) = bond.open_service(terms, U256::from(100_000), B256::ZERO).await.unwrap();
        Self { world, bond, buyer, service, answers: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn answers(&self) -> PathBuf {
        self.answers.path().to_owned()
    }

    pub(crate) fn config(&self) -> RelayerConfig {
        let mut config = self.world.hasty_config();
        config.duties.services = Some(self.bond.address());
        config.duties.answers = Some(self.answers());
        config
    }

    pub(crate) async fn relayer(&self, prover: &Arc<TestProver>) -> Relayer {
        self.world.relayer_with(self.world.escrow.clone(), prover, self.config()).await
    }

    /// The answers to two inputs, which tell batches apart.
    fn answers_to(&self, inputs: [u64; 2]) -> Answers {
        let answer = |input: u64| Answer {
            commitment: B256::from(U256::from(input)),
            outputs: vec![TestProver::OUTPUT],
        };
        Answers { list: inputs.map(answer).to_vec(), items: 2, batch: 0 }
    }

    pub(crate) fn keep(&self, answers: &Answers) {
        let name = format!("{}.json", answers.tree().unwrap().root());
        std::fs::write(self.answers().join(name), answers.to_json().unwrap()).unwrap();
    }

    /// Signs a receipt over answers, and posts it as the buyer.
    pub(crate) async fn post(&self, answers: &Answers, nonce: u64) -> Receipt {
        let receipt = Receipt {
            serviceId: self.service,
            buyer: self.buyer.chain().account().unwrap(),
            root: answers.tree().unwrap().root(),
            count: U256::from(answers.items),
            price: U256::from(100),
            nonce: U256::from(nonce),
            validUntil: U256::from(u64::MAX),
        };
        let digest = receipt_digest(self.world.chain.chain_id(), self.bond.address(), &receipt);
        let signer = SignerSource::PrivateKey(KEYS[0].into()).load().unwrap();
        let signature = signer.sign_hash_sync(&digest).unwrap().as_bytes().to_vec();
        self.buyer.post(receipt.clone(), signature).await.unwrap();
        receipt
    }

    /// A batch of two answers, whose file is in its place.
    pub(crate) async fn sell(&self, nonce: u64) -> Receipt {
        let answers = self.answers_to([2 * nonce + 1, 2 * nonce + 2]);
        self.keep(&answers);
        self.post(&answers, nonce).await
    }

    pub(crate) async fn state(&self, receipt: &Receipt) -> BatchState {
        self.bond.batch(batch_id(receipt)).await.unwrap().unwrap().state
    }

    async fn credit(&self) -> U256 {
        let account = self.world.chain.account().unwrap();
        self.bond.contract().credit(Address::ZERO, account).await.unwrap()
    }

    /// Turns a relayer until a batch is in a state and nothing is under way.
    pub(crate) async fn turn_until(
        &self,
        relayer: &mut Relayer,
        receipt: &Receipt,
        wanted: BatchState,
    ) {
        let turns = async {
            loop {
                relayer.turn().await.unwrap();
                let records = relayer.store().duties().await.unwrap();
                let over = records.iter().all(|record| record.over_since.is_some());
                if self.state(receipt).await == wanted && over {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(MINUTE, turns).await;
        assert!(done.is_ok(), "it came to {:#?}", relayer.store().duties().await.unwrap());
    }
}

#[tokio::test]
async fn contested_items_are_proven_and_the_same_proof_serves_twice() {
    require_anvil!();
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    let nonce = shop.world.nonce().await;
    let prover = shop.world.prover();
    let mut relayer = shop.relayer(&prover).await;
    relayer.turn().await.unwrap();
    assert_eq!(prover.calls(), 0, "nothing is contested");
    shop.buyer.contest(receipt.clone(), &[0, 1]).await.unwrap();
    shop.turn_until(&mut relayer, &receipt, BatchState::Posted).await;
    assert_eq!((prover.calls(), shop.world.nonce().await), (2, nonce + 2));
    assert_eq!(shop.credit().await, U256::from(2 * COST));
    // The next contest is another one, the proof of its item is there.
    shop.buyer.contest(receipt.clone(), &[1]).await.unwrap();
    shop.turn_until(&mut relayer, &receipt, BatchState::Posted).await;
    assert_eq!((prover.calls(), shop.world.nonce().await), (2, nonce + 3));
    assert_eq!(shop.credit().await, U256::from(3 * COST));
}

#[tokio::test]
async fn what_the_proofs_earn_is_withdrawn() {
    require_anvil!();
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
    let nonce = shop.world.nonce().await;
    let mut config = shop.config();
    config.withdraw = true;
    let escrow = shop.world.escrow.clone();
    let mut relayer = shop.world.relayer_with(escrow, &shop.world.prover(), config).await;
    let done = async {
        while shop.world.nonce().await < nonce + 2 || shop.credit().await > U256::ZERO {
            relayer.turn().await.unwrap();
        }
        for _ in 0..5 {
            relayer.turn().await.unwrap();
        }
    };
    tokio::time::timeout(MINUTE, done).await.expect("it is withdrawn");
    assert_eq!(shop.world.nonce().await, nonce + 2, "a proof and a withdrawal");
}

#[tokio::test]
async fn a_contest_without_its_answers_is_said_and_proven_once_they_are_there() {
    require_anvil!();
    let shop = Shop::open().await;
    let answers = shop.answers_to([8, 9]);
    let receipt = shop.post(&answers, 7).await;
    shop.buyer.contest(receipt.clone(), &[1]).await.unwrap();
    let prover = shop.world.prover();
    let mut relayer = shop.relayer(&prover).await;
    relayer.turn().await.unwrap();
    let obstacles = relayer.status().read().obstacles();
    let risk = obstacles.iter().find(|found| found.code == "bond-at-risk");
    assert!(risk.is_some_and(|risk| risk.text.contains("answers under root")), "{obstacles:?}");
    shop.keep(&answers);
    tokio::time::sleep(Duration::from_millis(1100)).await; // the folder is looked through again
    shop.world.mine(1).await;
    shop.turn_until(&mut relayer, &receipt, BatchState::Posted).await;
    assert!(relayer.status().read().blocked_duties.is_empty());
    assert_eq!(prover.calls(), 1);
}

#[tokio::test]
async fn an_answer_that_cannot_be_proven_holds_up_nothing_else() {
    require_anvil!();
    let shop = Shop::open().await;
    let mut answers = shop.answers_to([3, 4]);
    answers.list[0].outputs[0] += U256::ONE;
    shop.keep(&answers);
    let receipt = shop.post(&answers, 1).await;
    shop.buyer.contest(receipt.clone(), &[0, 1]).await.unwrap();
    let id = shop.world.open(5).await;
    let prover = shop.world.prover();
    let mut relayer = shop.relayer(&prover).await;
    let job = settle(&mut relayer, id).await;
    shop.world.assert_paid_once(&job).await;
    for _ in 0..5 {
        relayer.turn().await.unwrap();
    }
    let batch = shop.bond.batch(batch_id(&receipt)).await.unwrap().unwrap();
    assert_eq!((batch.state, batch.proven), (BatchState::Contested, U256::from(2)));
    let blocked = relayer.status().read().blocked_duties;
    assert!(blocked.len() == 1 && blocked[0].contains("cannot be proven"), "{blocked:?}");
    assert_eq!(prover.calls(), 3, "no proof is tried again that can only fail");
}

#[tokio::test]
async fn a_contest_goes_before_a_job_with_more_slack() {
    require_anvil!();
    let shop = Shop::open().await;
    let mut order = shop.world.order(5).await;
    order.deadline += 100_000;
    let id = shop.world.buyer.open(order).await.unwrap().job_id;
    let receipt = shop.sell(1).await;
    shop.buyer.contest(receipt, &[0]).await.unwrap();
    let prover = shop.world.prover_that(Behaviour::Hangs);
    let mut relayer = shop.relayer(&prover).await;
    relayer.turn().await.unwrap();
    assert!(relayer.store().duties().await.unwrap()[0].proving);
    assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Seen);
}

#[tokio::test]
async fn openings_are_kept_back_for_contests() {
    require_anvil!();
    let shop = Shop::open().await;
    let prover = shop.world.prover();
    let openings = assay_relayer::OpeningsLeft { left: 2, budget: 9 };
    *prover.openings.lock().unwrap() = Some(openings);
    let mut config = shop.config();
    config.policy.openings_for_bonds = 2;
    let id = shop.world.open(5).await;
    let escrow = shop.world.escrow.clone();
    let mut relayer = shop.world.relayer_with(escrow, &prover, config).await;
    let job = turn_until(&mut relayer, id, |job| job.attempts > 0).await;
    assert!(job.last_error.unwrap().contains("kept back"));
    let receipt = shop.sell(1).await;
    shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
    shop.turn_until(&mut relayer, &receipt, BatchState::Posted).await;
    assert_eq!(prover.calls(), 1);
}

/// Runs a relayer through a proxy until its n-th request, which meets `fate`, and drops it then. Whether it came to
/// that; else the batch is proven.
async fn killed_at(shop: &Shop, receipt: &Receipt, n: u32, fate: Action) -> bool {
    let proxy = Proxy::start(shop.world.node.port()).await;
    let escrow = shop.world.escrow_through(&[&proxy]).await;
    let (count, killed) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let kill = killed.clone();
    proxy.rule(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 < n {
            return Action::Forward;
        }
        kill.notify_one();
        fate.clone()
    });
    let prover = shop.world.prover();
    let work = async {
        let mut relayer = Relayer::new(escrow, prover, shop.config()).await.ok()?;
        shop.turn_until(&mut relayer, receipt, BatchState::Posted).await;
        Some(())
    };
    tokio::select! {
        biased;
        () = killed.notified() => true,
        done = work => done.is_none(),
    }
}

/// One contest for each request that a relayer makes for one, or for each `stride`-th.
async fn killed_at_each_request(stride: u32, fate: Action) {
    let shop = Shop::open().await;
    let nonce = shop.world.nonce().await;
    let (mut n, mut contests) = (1, 0);
    loop {
        let receipt = shop.sell(contests).await;
        shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
        contests += 1;
        let killed = killed_at(&shop, &receipt, n, fate.clone()).await;
        let mut relayer = shop.relayer(&shop.world.prover()).await;
        shop.turn_until(&mut relayer, &receipt, BatchState::Posted).await;
        let sent: Vec<DutyRecord> = relayer.store().duties().await.unwrap();
        assert!(sent.iter().all(|record| record.transactions.len() == 1), "killed at request {n}");
        if !killed {
            break;
        }
        n += stride;
    }
    assert!(n > 20, "a relayer makes more than {n} requests");
    assert_eq!(shop.world.nonce().await, nonce + contests, "one transaction for each contest");
    assert_eq!(shop.credit().await, U256::from(contests * COST));
}

#[tokio::test]
async fn killed_at_every_fifth_request_of_a_contest() {
    require_anvil!();
    killed_at_each_request(5, Action::Swallow).await;
}

/// `cargo test --release --workspace --test anvil -- --ignored killed_at_every_request_of_a_contest`
#[tokio::test]
#[ignore = "takes minutes"]
async fn killed_at_every_request_of_a_contest() {
    require_anvil!();
    for fate in [Action::Swallow, Action::LoseAnswer] {
        killed_at_each_request(1, fate).await;
    }
}

/// Whether the proof of a contested item has come to a step.
type Step = fn(&DutyRecord) -> bool;

const STEPS: [(&str, Step); 3] = [
    ("proving", |record| record.proving),
    ("sent", |record| !record.transactions.is_empty()),
    ("over", |record| record.over_since.is_some()),
];

/// The chain loses so many blocks when a proof has come to a step. The contest is made again where it was lost.
async fn reorganized(depth: u64, name: &str, step: Step) {
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    // So that not even the deepest one takes the batch.
    shop.world.mine(depth).await;
    shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
    let prover = shop.world.prover();
    let mut config = shop.config();
    config.submit.confirmations = 2;
    let escrow = shop.world.escrow.clone();
    let mut relayer = shop.world.relayer_with(escrow, &prover, config).await;
    shop.world.automine(false).await;
    let come_to_it = async {
        loop {
            relayer.turn().await.unwrap();
            let records = relayer.store().duties().await.unwrap();
            if records.iter().any(step) {
                return;
            }
            if records.is_empty() || records.iter().any(|r| !r.transactions.is_empty()) {
                shop.world.mine(1).await;
            }
        }
    };
    tokio::time::timeout(MINUTE, come_to_it).await.expect("it comes to that");
    // In this order: a transaction that waits must not be mined before the blocks are lost.
    shop.world.rpc("anvil_reorg", json!([depth, []])).await;
    shop.world.automine(true).await;
    shop.world.mine(1).await;
    let batch = batch_id(&receipt);
    let again = shop.bond.batch(batch).await.unwrap().unwrap();
    if again.contested.is_zero() {
        shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
    }
    let proven = async {
        loop {
            relayer.turn().await.unwrap();
            let records = relayer.store().duties().await.unwrap();
            let batch = shop.bond.batch(batch).await.unwrap().unwrap();
            let over = records.iter().all(|record| record.over_since.is_some());
            if batch.state == BatchState::Posted && batch.proven == U256::ONE && over {
                return;
            }
            shop.world.mine(1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let done = tokio::time::timeout(MINUTE, proven).await;
    assert!(done.is_ok(), "not proven after a reorganization of {depth} when {name}");
    assert_eq!(shop.credit().await, U256::from(COST));
    assert_eq!(prover.calls(), 1, "{depth} when {name}: an opening was spent twice");
}

#[tokio::test]
async fn reorganizations_during_a_contest() {
    require_anvil!();
    for (depth, place) in [(1, 0), (3, 0), (1, 1), (4, 1), (1, 2), (3, 2), (9, 2)] {
        let (name, step) = STEPS[place];
        reorganized(depth, name, step).await;
    }
}
