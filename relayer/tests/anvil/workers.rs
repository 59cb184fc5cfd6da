//! Proofs that other processes make: one that is killed, and a database that is restarted.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use assay_client::ModelIdentity;
use assay_client_testing::{PostgresServer, require_anvil};
use assay_relayer::{
    CancellationToken, JobState, JobStore, RelayerConfig, StorePlace, Worker, WorkerConfig,
};

use crate::world::{Behaviour, MINUTE, TestProver, World, settle, turn_until};

const STORE: &str = "ASSAY_TEST_WORKER_STORE";
const MODEL: &str = "ASSAY_TEST_WORKER_MODEL";
const HANGS: &str = "ASSAY_TEST_WORKER_HANGS";

/// A worker in a process of its own, which has no key; it ends with this.
pub(crate) struct WorkerProcess(Child);

impl WorkerProcess {
    pub(crate) fn start(store: &str, model: ModelIdentity, hangs: bool) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "workers::worker_process", "--nocapture"]);
        command.env(STORE, store).env(MODEL, serde_json::to_string(&model).unwrap());
        if hangs {
            command.env(HANGS, "1");
        }
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // SIGKILL.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "run by the tests of this file"]
async fn worker_process() {
    let variable = |name: &str| std::env::var(name).expect("run by the tests of this file");
    let place: StorePlace = variable(STORE).parse().unwrap();
    let model: ModelIdentity = serde_json::from_str(&variable(MODEL)).unwrap();
    let hangs = std::env::var_os(HANGS).is_some();
    let behaviour = if hangs { Behaviour::Hangs } else { Behaviour::Proves };
    let prover = Arc::new(TestProver::new(model, behaviour, Duration::ZERO));
    let mut config = WorkerConfig::new(format!("worker {}", std::process::id()));
    config.lease = Duration::from_secs(1);
    config.poll_interval = Duration::from_millis(20);
    let store = JobStore::open_beside(place).await.unwrap();
    Worker::new(store, vec![prover], config).run(CancellationToken::new()).await.unwrap();
}

/// A configuration that leaves all proofs to workers.
pub(crate) fn config_at(world: &World, store: &str) -> RelayerConfig {
    let mut config = world.hasty_config();
    config.store = store.into();
    config.parallel_proofs = 0;
    config
}

/// In the end there is one payment, and the opening that was counted for the first try served the second.
async fn killed_while_proving(store: &str) {
    let world = World::new().await;
    let prover = world.prover();
    let config = config_at(&world, store);
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config.clone()).await;
    let id = world.open(5).await;
    relayer.turn().await.unwrap();
    assert_eq!(*relayer.store().job(id).await.unwrap().unwrap().state(), JobState::Seen, "nobody");

    let first = WorkerProcess::start(store, world.model, true);
    turn_until(&mut relayer, id, |_| prover.counted() == 1).await;
    drop(first);
    let _second = WorkerProcess::start(store, world.model, false);
    // Nor does a restart of the relayer begin it anew.
    drop(relayer);
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(world.claims().await, 1);
    assert_eq!((prover.counted(), prover.calls()), (1, 0), "no second opening, no proof here");
}

#[tokio::test]
async fn a_worker_is_killed_while_proving() {
    require_anvil!();
    let folder = tempfile::tempdir().unwrap();
    killed_while_proving(folder.path().join("jobs.db").to_str().unwrap()).await;
}

#[tokio::test]
async fn a_worker_of_a_store_in_postgresql_is_killed_while_proving() {
    require_anvil!();
    let Some(server) = PostgresServer::start() else { return };
    killed_while_proving(&server.database()).await;
}

#[tokio::test]
async fn postgresql_is_restarted_in_the_middle() {
    require_anvil!();
    let Some(server) = PostgresServer::start() else { return };
    let server = Arc::new(server);
    let world = World::new().await;
    let prover = world.prover();
    let mut config = world.hasty_config();
    config.store = server.database().as_str().into();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config).await;
    let first = world.open(5).await;
    // Else the claim may be in a confirmed block before anybody looks.
    world.automine(false).await;
    turn_until(&mut relayer, first, |job| *job.state() == JobState::Submitted).await;
    world.automine(true).await;
    world.mine(1).await;
    let second = world.open(6).await;
    let restarted = async {
        let stopped = Arc::clone(&server);
        tokio::task::spawn_blocking(move || stopped.stop()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        // The server ends with the last of these, after the test.
        let begun = Arc::clone(&server);
        tokio::task::spawn_blocking(move || begun.begin()).await.unwrap();
    };
    let stop = CancellationToken::new();
    let settled = relayer.run_until_settled(second, MINUTE, stop);
    let (settled, ()) = tokio::join!(settled, restarted);
    world.assert_paid_once(&settled.unwrap()).await;
    let job = settle(&mut relayer, first).await;
    world.assert_paid_once(&job).await;
    assert_eq!((world.claims().await, prover.calls()), (2, 2));
}
