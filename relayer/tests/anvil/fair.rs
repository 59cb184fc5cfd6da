//! A world in which accuracy is paid for.

use std::{path::PathBuf, sync::Arc, time::Duration};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::SolValue,
};
use assay_client::{
    Artifact, AuditEscrow, ContractClient, PredictionEscrow,
    escrow::{
        audit::{
            AuditEntered, AuditOrder, EntryState, Offer, State, Terms, admitted_keys, entries_hash,
        },
        collection_job::RunArtifact,
    },
};
use assay_client_testing::{
    node::artifacts,
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
    AuditPolicy, AuditSales, DeliveryFolder, Refusal, Relayer, RelayerConfig, RunSale, Sales,
};
use serde_json::json;

use crate::{
    collections::{BATCH, RunProver},
    world::{MINUTE, World},
};

pub(crate) const ITEMS: u32 = 7;
/// Items of each run that the model gets right: six of seven.
pub(crate) const WORDS: [u64; 4] = [2, 1, 2, 1];
pub(crate) const CORRECT: u64 = 6;
pub(crate) const REWARD: u64 = 10_000;
pub(crate) const BOND: u64 = 1_000;
pub(crate) const STAKE: u64 = 5_000;
pub(crate) const FEE: u64 = 500;
pub(crate) const HOUR: u64 = 3600;
/// A key of audits in runs of two items, of trees of depth three, for the best class.
pub(crate) const STATEMENT: [u8; 14] = [2, 2, 0, 4, 0, 0, 0, 1, 1, 3, 0, 0, 0, 1];

/// A world in which account 1 pays for accuracy, account 0 sells it, and account 2 competes.
pub(crate) struct Fair {
    pub(crate) world: World,
    pub(crate) escrow: AuditEscrow,
    pub(crate) buyer: AuditEscrow,
    pub(crate) rival: AuditEscrow,
    pub(crate) model: RegisteredModel,
    pub(crate) prover: Arc<RunProver>,
    /// The relayer's folder, and that of the buyer's files.
    pub(crate) folder: tempfile::TempDir,
    pub(crate) files: tempfile::TempDir,
}

/// A test set, and where it lies.
pub(crate) struct Set {
    pub(crate) path: PathBuf,
    pub(crate) root: U256,
}

impl Fair {
    pub(crate) async fn open() -> Self {
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

    pub(crate) fn config(&self) -> RelayerConfig {
        let mut config = self.world.hasty_config();
        config.duties.audits = Some(self.escrow.address());
        config.policy.audits = AuditPolicy {
            most_stake: U256::from(STAKE),
            most_staked: U256::from(STAKE),
            least_reward: U256::from(REWARD),
        };
        config
    }

    pub(crate) fn sales(&self) -> AuditSales {
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
        AuditSales { models: vec![sale], deliveries }
    }

    pub(crate) async fn relayer_of(
        &self,
        escrow: PredictionEscrow,
        config: RelayerConfig,
        audits: AuditSales,
    ) -> Option<Relayer> {
        let sales = Sales { audits: Some(audits), ..Sales::default() };
        Relayer::with_sales(escrow, self.world.prover(), config, sales).await.ok()
    }

    pub(crate) async fn relayer_with(&self, audits: AuditSales) -> Relayer {
        let escrow = self.world.escrow.clone();
        self.relayer_of(escrow, self.config(), audits).await.unwrap()
    }

    pub(crate) async fn relayer(&self) -> Relayer {
        self.relayer_with(self.sales()).await
    }

    /// A test set of the buyer, which the model knows how to answer.
    pub(crate) fn set(&self, seed: u8, words: &[u64]) -> Set {
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
    pub(crate) async fn offer_with(
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

    pub(crate) async fn offer(&self, set: &Set) -> AuditOrder {
        self.offer_with(set, Vec::new(), |_| {}).await
    }

    pub(crate) async fn entered(&self, order: &AuditOrder) -> Vec<AuditEntered> {
        let entered = self.buyer.entered(order).await.unwrap();
        entered.into_iter().map(|logged| logged.event).collect()
    }

    /// Seals a file to all who entered, and says where it is; returns the sealed file.
    pub(crate) async fn deliver(
        &self,
        order: &AuditOrder,
        file: &std::path::Path,
        place: &str,
    ) -> PathBuf {
        let entered = self.entered(order).await;
        let recipients: Vec<Recipient> = entered
            .iter()
            .filter_map(|entry| String::from_utf8(entry.encryptionKey.to_vec()).ok()?.parse().ok())
            .collect();
        let sealed =
            self.files.path().join(format!("{}-{}.age", order.job_id, order.terms.testSetRoot));
        // The same again where the chain has lost it.
        if !sealed.exists() {
            seal(file, &recipients, &sealed).unwrap();
        }
        let hash = keccak256(std::fs::read(&sealed).unwrap());
        self.world.mine(1).await;
        let ids: Vec<U256> = entered.iter().map(|entry| entry.entry).collect();
        let place = place.as_bytes().to_vec().into();
        let seen = entries_hash(&entered);
        self.buyer.deliver(order, seen, &ids, hash, place).await.unwrap();
        sealed
    }

    /// Delivers a set into the relayer's folder.
    pub(crate) async fn hand_over(&self, order: &AuditOrder, file: &std::path::Path) {
        let sealed = self.deliver(order, file, "by hand").await;
        let name = format!("from the buyer {}", order.job_id);
        std::fs::copy(sealed, self.folder.path().join(name)).unwrap();
    }

    pub(crate) async fn state(&self, order: &AuditOrder) -> State {
        self.escrow.job(order.job_id).await.unwrap().unwrap().state
    }

    pub(crate) async fn entry_state(&self, order: &AuditOrder, entry: u64) -> EntryState {
        let entries = self.escrow.job(order.job_id).await.unwrap().unwrap().entries;
        if entries < U256::from(entry) {
            return EntryState::None;
        }
        self.escrow.entry(order.job_id, U256::from(entry)).await.unwrap().state
    }

    pub(crate) async fn credit_of(&self, escrow: &AuditEscrow) -> U256 {
        let account = escrow.chain().account().unwrap();
        self.escrow.contract().credit(Address::ZERO, account).await.unwrap()
    }

    pub(crate) async fn pass(&self, seconds: u64) {
        self.world.rpc("evm_increaseTime", json!([seconds])).await;
        self.world.mine(1).await;
    }

    /// Turns a relayer until something holds.
    pub(crate) async fn turn_until(&self, relayer: &mut Relayer, holds: impl AsyncFn() -> bool) {
        let turns = async {
            while !holds().await {
                relayer.turn().await.unwrap();
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let done = tokio::time::timeout(MINUTE, turns).await;
        let status = relayer.status().read();
        let (left, blocked) = (status.left_alone, status.blocked_duties);
        let duties = relayer.store().duties().await.unwrap();
        assert!(done.is_ok(), "it came to {duties:#?}, {left:?}, {blocked:?}");
    }

    /// Turns a relayer until an entry is in a state.
    pub(crate) async fn turn_until_entry(
        &self,
        relayer: &mut Relayer,
        order: &AuditOrder,
        entry: u64,
        wanted: EntryState,
    ) {
        self.turn_until(relayer, async || self.entry_state(order, entry).await == wanted).await;
    }

    /// Turns a relayer until a job is paid and nothing is under way.
    pub(crate) async fn turn_until_paid(&self, relayer: &mut Relayer, order: &AuditOrder) {
        let store = relayer.store().clone();
        let is_paid = async || {
            let records = store.duties().await.unwrap();
            let over = records.iter().all(|record| record.over_since.is_some());
            over && self.state(order).await == State::Paid
        };
        self.turn_until(relayer, is_paid).await;
    }

    /// Turns a relayer until it says why it leaves an audit alone.
    pub(crate) async fn refused(&self, config: RelayerConfig) -> Refusal {
        let escrow = self.world.escrow.clone();
        let mut relayer = self.relayer_of(escrow, config, self.sales()).await.unwrap();
        let board = relayer.status().clone();
        let says = async || !board.read().left_alone.is_empty();
        self.turn_until(&mut relayer, says).await;
        let left = relayer.store().left_alone().await.unwrap();
        assert_eq!(left, board.read().left_alone);
        left[0].reason.clone()
    }

    pub(crate) fn runs_proven(&self) -> Vec<u64> {
        let mut runs = self.prover.proven.lock().unwrap().clone();
        runs.sort_unstable();
        runs
    }

    /// The rival enters with the same model.
    pub(crate) async fn rival_enters(&self, order: &AuditOrder) {
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
    pub(crate) async fn rival_proves(&self, order: &AuditOrder, entry: u64, words: [u64; 4]) {
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
