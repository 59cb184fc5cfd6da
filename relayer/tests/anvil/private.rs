//! Transactions that go to a private endpoint: the public node sees none of them before their time.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use alloy::primitives::{Bytes, keccak256};
use assay_client::{
    Chain, ContractClient, PredictionEscrow, SignerSource,
    chain::{ChainConfig, PrivateEndpoint},
};
use assay_client_testing::{Action, Proxy, node::KEYS, require_anvil, stage::config};
use assay_relayer::{JobState, Relayer};
use serde_json::json;

use crate::world::{World, settle, turn_until};

/// The raw transactions that a proxy has seen.
type Seen = Arc<Mutex<Vec<Bytes>>>;

/// A public node, and an endpoint that takes transactions; it includes them, or keeps them for itself.
struct Endpoints {
    public: Proxy,
    private: Proxy,
    public_saw: Seen,
    private_saw: Seen,
    includes: Arc<AtomicBool>,
}

fn raw(params: &serde_json::Value) -> Bytes {
    params[0].as_str().unwrap().parse().unwrap()
}

impl Endpoints {
    async fn of(world: &World, includes: bool) -> Self {
        let (public, private) =
            (Proxy::start(world.node.port()).await, Proxy::start(world.node.port()).await);
        let (public_saw, private_saw) = (Seen::default(), Seen::default());
        let includes = Arc::new(AtomicBool::new(includes));
        let saw = public_saw.clone();
        public.rule(move |method, params| {
            if method == "eth_sendRawTransaction" {
                saw.lock().unwrap().push(raw(params));
            }
            Action::Forward
        });
        let (saw, forwards) = (private_saw.clone(), includes.clone());
        private.rule(move |method, params| match method {
            "eth_sendRawTransaction" => {
                saw.lock().unwrap().push(raw(params));
                match forwards.load(Ordering::SeqCst) {
                    true => Action::Forward,
                    false => Action::Answer(json!(keccak256(raw(params)))),
                }
            }
            "eth_chainId" => Action::Forward,
            // Nothing is read there.
            other => panic!("{other} was asked of the private endpoint"),
        });
        Self { public, private, public_saw, private_saw, includes }
    }

    async fn relayer(&self, world: &World, public_after: Option<u64>) -> Relayer {
        let private = Some(PrivateEndpoint { url: self.private.url(), public_after });
        let config = ChainConfig { private, ..config(self.public.url()) };
        let signer = SignerSource::PrivateKey(KEYS[0].into()).load().unwrap();
        let chain = Chain::connect(config, Some(signer)).await.unwrap();
        let escrow = PredictionEscrow::at(chain, world.escrow.address());
        world.relayer_with(escrow, &world.prover(), world.hasty_config()).await
    }

    fn public(&self) -> usize {
        self.public_saw.lock().unwrap().len()
    }

    fn private(&self) -> usize {
        self.private_saw.lock().unwrap().len()
    }
}

#[tokio::test]
async fn a_claim_goes_to_the_private_endpoint_alone() {
    require_anvil!();
    let world = World::new().await;
    let ends = Endpoints::of(&world, true).await;
    let mut relayer = ends.relayer(&world, Some(25)).await;
    let id = world.open(5).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!((ends.public(), ends.private()), (0, 1));
}

#[tokio::test]
async fn what_is_not_included_is_sent_publicly_after_so_many_blocks() {
    require_anvil!();
    let world = World::new().await;
    let ends = Endpoints::of(&world, false).await;
    let mut relayer = ends.relayer(&world, Some(25)).await;
    let ids = [world.open(5).await, world.open(6).await];
    for id in ids {
        turn_until(&mut relayer, id, |job| *job.state() == JobState::Submitted).await;
    }
    // Two claims wait out of sight, each with a nonce of its own.
    let mut nonces = Vec::new();
    for id in ids {
        let job = relayer.store().job(id).await.unwrap().unwrap();
        nonces.push(job.claims.last().unwrap().nonce);
    }
    assert_eq!(nonces[0] + 1, nonces[1]);
    for _ in 0..24 {
        world.mine(1).await;
        relayer.turn().await.unwrap();
    }
    assert_eq!((ends.public(), world.claims().await), (0, 0));
    assert!(ends.private() >= 2 * 24, "each is sent again with each block: {}", ends.private());
    world.mine(1).await;
    for id in ids {
        let job = settle(&mut relayer, id).await;
        world.assert_paid_once(&job).await;
    }
    assert!(ends.public() >= 2);
}

#[tokio::test]
async fn privately_only_is_never_sent_publicly() {
    require_anvil!();
    let world = World::new().await;
    let ends = Endpoints::of(&world, false).await;
    let mut relayer = ends.relayer(&world, None).await;
    let id = world.open(5).await;
    turn_until(&mut relayer, id, |job| *job.state() == JobState::Submitted).await;
    for _ in 0..60 {
        world.mine(1).await;
        relayer.turn().await.unwrap();
    }
    assert_eq!((ends.public(), world.claims().await), (0, 0));
    ends.includes.store(true, Ordering::SeqCst);
    world.mine(1).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(ends.public(), 0);
}
