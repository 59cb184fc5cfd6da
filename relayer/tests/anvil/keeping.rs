//! A keeper makes the calls that pay its account, each once, when their time has come.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, B256, U256};
use assay_client::{
    ContractClient, PredictionEscrow,
    escrow::prediction::OnChainState,
    service_bond::{BatchState, ServiceState},
};
use assay_client_testing::{Action, Proxy, require_anvil, stage::connect};
use assay_relayer::{CancellationToken, Duty, Keeper, KeeperConfig};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{reorg::ask, services::Shop, world::MINUTE};

impl Shop {
    fn keeper_config(&self, name: &str) -> KeeperConfig {
        let mut config = KeeperConfig::new(self.world.store().with_file_name(name));
        config.poll_interval = Duration::from_millis(20);
        config.submit.max_pause = Duration::from_millis(100);
        config.duties.services = Some(self.bond.address());
        config
    }

    /// A keeper of anvil's account of that number.
    async fn keeper(&self, account: usize) -> Keeper {
        let chain = connect(self.world.node.url(), account).await;
        let escrow = PredictionEscrow::at(chain, self.world.escrow.address());
        Keeper::new(escrow, self.keeper_config(&format!("keeper-{account}.db"))).await.unwrap()
    }

    /// Keeps until nothing is left to do for now.
    async fn keep_all(&self, account: usize) -> Vec<Duty> {
        let mut keeper = self.keeper(account).await;
        let run = keeper.run(true, CancellationToken::new());
        tokio::time::timeout(MINUTE, run).await.expect("it comes to an end").unwrap();
        keeper.store().duties().await.unwrap().into_iter().map(|record| record.duty).collect()
    }

    async fn nonce_of(&self, account: usize) -> u64 {
        connect(self.world.node.url(), account).await.mined_nonce().await.unwrap()
    }

    async fn credit_of(&self, account: usize) -> U256 {
        let who = connect(self.world.node.url(), account).await.account().unwrap();
        self.bond.contract().credit(Address::ZERO, who).await.unwrap()
    }

    async fn pass(&self, seconds: u64) {
        self.world.rpc("evm_increaseTime", json!([seconds])).await;
        self.world.mine(1).await;
    }
}

#[tokio::test]
async fn a_provider_is_paid_and_has_its_bond_back() {
    require_anvil!();
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    let nonce = shop.nonce_of(0).await;
    assert_eq!(shop.keep_all(0).await, [], "the buyer may still contest");
    shop.pass(3601).await;
    assert_eq!(shop.keep_all(1).await, [], "the payment is the provider's");
    let done = shop.keep_all(0).await;
    assert_eq!(done.len(), 2, "a payment and a withdrawal: {done:?}");
    assert_eq!(shop.state(&receipt).await, BatchState::Paid);
    assert_eq!((shop.nonce_of(0).await, shop.credit_of(0).await), (nonce + 2, U256::ZERO));

    shop.bond.give_notice(shop.service).await.unwrap();
    shop.keep_all(0).await;
    shop.pass(10_001).await;
    shop.keep_all(0).await;
    let service = shop.bond.service(shop.service).await.unwrap().unwrap();
    assert_eq!((service.state, service.bond), (ServiceState::Closed, U256::ZERO));
    assert_eq!((shop.nonce_of(0).await, shop.credit_of(0).await), (nonce + 5, U256::ZERO));
    assert_eq!(shop.bond.chain().balance(shop.bond.address()).await.unwrap(), U256::ZERO);
    assert_eq!(
        shop.keep_all(0).await.len(),
        3,
        "the second withdrawal is another turn of the first"
    );
}

#[tokio::test]
async fn a_provider_that_does_not_prove_is_punished_by_its_buyer() {
    require_anvil!();
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    shop.buyer.contest(receipt.clone(), &[0]).await.unwrap();
    let nonce = shop.nonce_of(1).await;
    shop.keep_all(1).await;
    assert_eq!(shop.state(&receipt).await, BatchState::Contested);
    shop.pass(3601).await;
    assert_eq!(shop.keep_all(0).await, [], "nobody punishes himself");
    shop.keep_all(1).await;
    assert_eq!(shop.state(&receipt).await, BatchState::Punished);
    assert_eq!((shop.nonce_of(1).await, shop.credit_of(1).await), (nonce + 2, U256::ZERO));
}

#[tokio::test]
async fn predictions_are_refunded_to_their_buyer() {
    require_anvil!();
    let shop = Shop::open().await;
    let (first, second) = (shop.world.open(5).await, shop.world.open(6).await);
    let nonce = shop.nonce_of(1).await;
    assert_eq!(shop.keep_all(1).await, []);
    shop.world.pass_deadline().await;
    assert_eq!(shop.keep_all(0).await, [], "the seller has nothing of it");
    // Somebody else was faster with the first.
    shop.world.escrow.refund(first).await.unwrap();
    shop.keep_all(1).await;
    for id in [first, second] {
        let job = shop.world.escrow.job(id).await.unwrap().unwrap();
        assert_eq!(job.state, OnChainState::Refunded);
    }
    assert_eq!(shop.nonce_of(1).await, nonce + 2, "a refund and one withdrawal");
    assert_eq!(shop.keep_all(1).await.len(), 2);
    assert_eq!(shop.nonce_of(1).await, nonce + 2);
}

#[tokio::test]
async fn an_event_that_was_not_shown_is_looked_for() {
    require_anvil!();
    // The newest event is left out, the first one, or all of them: then nothing contradicts the answer but the count.
    let newest: fn(&mut Vec<Value>) = |logs| drop(logs.pop());
    let first: fn(&mut Vec<Value>) = |logs| drop(logs.drain(..logs.len().min(1)));
    for hide in [newest, first, Vec::clear] {
        looked_for(hide).await;
    }
}

async fn looked_for(hide: fn(&mut Vec<Value>)) {
    let shop = Shop::open().await;
    let ids = [shop.world.open(5).await, shop.world.open(6).await];
    shop.world.pass_deadline().await;
    let proxy = Proxy::start(shop.world.node.port()).await;
    let asked = Arc::new(AtomicU32::new(0));
    let (hiding, port) = (asked.clone(), shop.world.node.port());
    proxy.rule(move |method, params| {
        if method == "eth_getLogs" && hiding.fetch_add(1, Ordering::SeqCst) < 2 {
            let mut logs = ask(port, method, params);
            if let Some(logs) = logs.as_array_mut() {
                hide(logs);
            }
            return Action::Answer(logs);
        }
        Action::Forward
    });
    let chain = connect(proxy.url(), 1).await;
    let escrow = PredictionEscrow::at(chain, shop.world.escrow.address());
    let mut keeper = Keeper::new(escrow, shop.keeper_config("lied-to.db")).await.unwrap();
    let refunded = async {
        for id in ids {
            while shop.world.escrow.job(id).await.unwrap().unwrap().state != OnChainState::Refunded
            {
                keeper.turn().await.unwrap();
            }
        }
    };
    tokio::time::timeout(MINUTE, refunded).await.expect("both jobs are found");
    assert!(asked.load(Ordering::SeqCst) > 2);
}

/// Keeps through a proxy that swallows the n-th request; the keeper is dropped there. Whether it came to that.
async fn killed_at(shop: &Shop, n: u32, fate: Action) -> bool {
    let proxy = Proxy::start(shop.world.node.port()).await;
    let (count, killed) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let kill = killed.clone();
    proxy.rule(move |_, _| {
        if count.fetch_add(1, Ordering::SeqCst) + 1 < n {
            return Action::Forward;
        }
        kill.notify_one();
        fate.clone()
    });
    let (url, address) = (proxy.url(), shop.world.escrow.address());
    let config = shop.keeper_config("keeper-0.db");
    let work = async {
        let chain = connect_or_die(url).await?;
        let mut keeper = Keeper::new(PredictionEscrow::at(chain, address), config).await.ok()?;
        keeper.run(true, CancellationToken::new()).await.ok()
    };
    tokio::select! {
        biased;
        () = killed.notified() => true,
        done = work => done.is_none(),
    }
}

async fn connect_or_die(url: String) -> Option<assay_client::Chain> {
    let key = assay_client::SignerSource::PrivateKey(assay_client_testing::node::KEYS[0].into());
    let config = assay_client_testing::stage::config(url);
    assay_client::Chain::connect(config, Some(key.load().unwrap())).await.ok()
}

#[tokio::test]
async fn killed_anywhere_it_pays_its_fees_once() {
    require_anvil!();
    let shop = Shop::open().await;
    let (mut n, mut batches) = (1, 0);
    let nonce = shop.nonce_of(0).await;
    loop {
        let receipt = shop.sell(batches).await;
        batches += 1;
        shop.pass(3601).await;
        let killed = killed_at(&shop, n, Action::LoseAnswer).await;
        shop.keep_all(0).await;
        assert_eq!(shop.state(&receipt).await, BatchState::Paid, "killed at request {n}");
        assert_eq!(shop.credit_of(0).await, U256::ZERO);
        if !killed {
            break;
        }
        n += 6;
    }
    assert!(n > 20, "a keeper makes more than {n} requests");
    assert_eq!(shop.nonce_of(0).await, nonce + 2 * batches, "a payment and a withdrawal for each");
}

#[tokio::test]
async fn what_is_taken_back_is_done_again() {
    require_anvil!();
    let shop = Shop::open().await;
    let receipt = shop.sell(1).await;
    shop.pass(3601).await;
    // So that not even the deepest reorganization takes the batch.
    shop.world.mine(5).await;
    for depth in [1, 2, 5] {
        shop.keep_all(0).await;
        assert_eq!(shop.state(&receipt).await, BatchState::Paid);
        let nonce = shop.nonce_of(0).await;
        shop.world.rpc("anvil_reorg", json!([depth, []])).await;
        shop.world.mine(1).await;
        let back = shop.nonce_of(0).await;
        shop.keep_all(0).await;
        assert_eq!(shop.state(&receipt).await, BatchState::Paid, "{depth} blocks were lost");
        assert_eq!(shop.credit_of(0).await, U256::ZERO);
        assert_eq!(shop.nonce_of(0).await, nonce, "the same transactions, from {back} on");
    }
    assert_ne!(shop.service, B256::ZERO);
}
