//! Many jobs at once, with a stub in place of the prover: it only takes its time. What is measured is all else: chain,
//! store, queue, claims.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::primitives::U256;
use assay_client::{ModelIdentity, ProofArtifact};
use assay_client_testing::{require_anvil, stage::mock_proof};
use assay_relayer::{
    CancellationToken, JobState, JobStore, ProofRequest, ProveError, Prover, StorePlace, Worker,
    WorkerConfig, proving::TaskOpening,
};
use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::world::{TestProver, World, proven_with};

const STORE: &str = "ASSAY_TEST_LOAD_STORE";
const MODEL: &str = "ASSAY_TEST_LOAD_MODEL";
const MILLISECONDS: &str = "ASSAY_TEST_LOAD_MILLISECONDS";

/// Jobs that are opened at the same time.
const AT_ONCE: usize = 16;

/// Makes no proof: it waits for as long as one takes, and hands out what the test double of a verifier accepts.
struct StubProver {
    model: ModelIdentity,
    takes: Duration,
}

#[async_trait]
impl Prover for StubProver {
    fn serves(&self, model: &ModelIdentity) -> bool {
        *model == self.model
    }

    fn expected_time(&self) -> Duration {
        self.takes
    }

    fn models(&self) -> Vec<ModelIdentity> {
        vec![self.model]
    }

    fn count_opening(&self) -> Result<(), ProveError> {
        Ok(())
    }

    async fn prove_task(
        &self,
        request: &ProofRequest,
        opening: Arc<dyn TaskOpening>,
    ) -> Result<ProofArtifact, ProveError> {
        proven_with(self, request, opening).await
    }

    async fn prove(&self, request: &ProofRequest) -> Result<ProofArtifact, ProveError> {
        tokio::time::sleep(self.takes).await;
        let output = TestProver::OUTPUT;
        let proof = mock_proof(request.model, request.context, request.input_commitment, output);
        Ok(ProofArtifact::of_input(proof, vec![output]))
    }
}

/// A worker with the stub in a process of its own; it ends with this.
struct StubWorker(Child);

impl StubWorker {
    fn start(store: &str, model: ModelIdentity, takes: Duration) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "load::stub_worker", "--nocapture"]);
        command.env(STORE, store).env(MODEL, serde_json::to_string(&model).unwrap());
        command.env(MILLISECONDS, takes.as_millis().to_string());
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for StubWorker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "run by the tests of this file"]
async fn stub_worker() {
    // Asked for by name only: `--ignored` alone has nothing for it to do.
    let Ok(place) = std::env::var(STORE) else { return };
    let variable = |name: &str| std::env::var(name).expect("run by the tests of this file");
    let place: StorePlace = place.parse().unwrap();
    let model: ModelIdentity = serde_json::from_str(&variable(MODEL)).unwrap();
    let takes = Duration::from_millis(variable(MILLISECONDS).parse().unwrap());
    let mut config = WorkerConfig::new(format!("stub {}", std::process::id()));
    config.poll_interval = Duration::from_millis(20);
    let store = JobStore::open_beside(place).await.unwrap();
    let prover = Arc::new(StubProver { model, takes });
    Worker::new(store, vec![prover], config).run(CancellationToken::new()).await.unwrap();
}

/// What a process has, or had at most, in its memory, in MiB; 0 where the system does not say.
fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|found| found.strip_prefix(line));
    let kib = found.and_then(|rest| rest.split_whitespace().find_map(|word| word.parse().ok()));
    kib.unwrap_or(0u64) / 1024
}

async fn open(world: &World, jobs: usize) -> Vec<U256> {
    let order = world.order(5).await;
    let (mut opening, mut ids) = (JoinSet::new(), Vec::new());
    for _ in 0..jobs {
        if opening.len() == AT_ONCE {
            ids.extend(opening.join_next().await.unwrap());
        }
        let (buyer, order) = (world.buyer.clone(), order.clone());
        opening.spawn(async move { buyer.open(order).await.unwrap().job_id });
    }
    ids.extend(opening.join_all().await);
    ids
}

/// Has so many jobs served, by this process or by workers, and checks that none is lost.
async fn load(jobs: usize, workers: usize, takes: Duration) {
    let world = World::new().await;
    let ids = open(&world, jobs).await;
    let mut config = world.config();
    config.parallel_proofs = usize::from(workers == 0);
    config.poll_interval = Duration::from_millis(200);
    let store = world.store();
    let prover = Arc::new(StubProver { model: world.model, takes });
    let mut relayer =
        assay_relayer::Relayer::new(world.escrow.clone(), prover, config).await.unwrap();
    let workers: Vec<StubWorker> = (0..workers)
        .map(|_| StubWorker::start(store.to_str().unwrap(), world.model, takes))
        .collect();
    let (board, stop) = (relayer.status().clone(), CancellationToken::new());
    let confirmed =
        || board.read().counts.get("claims_confirmed").copied().unwrap_or_default() as usize;
    let (begun, me) = (Instant::now(), std::process::id());
    // What is taken for each job, at most, before this is called a failure.
    let limit = Duration::from_secs(30) + Duration::from_secs(2) * u32::try_from(jobs).unwrap();
    let watching = async {
        let mut half = None;
        while confirmed() < jobs && begun.elapsed() < limit {
            tokio::time::sleep(Duration::from_millis(100)).await;
            if confirmed() >= jobs / 2 {
                half.get_or_insert_with(|| memory(me, "VmRSS:"));
            }
        }
        let took = begun.elapsed();
        stop.cancel();
        (took, half.unwrap_or_default(), memory(me, "VmRSS:"))
    };
    let (ran, (took, half, end)) = tokio::join!(relayer.run(stop.clone()), watching);
    ran.unwrap();
    let mut lost = 0;
    for id in &ids {
        let job = relayer.store().job(*id).await.unwrap();
        let paid = job.is_some_and(|job| matches!(job.state(), JobState::Confirmed { .. }));
        lost += usize::from(!paid);
    }
    let most = workers.iter().map(|worker| memory(worker.0.id(), "VmHWM:")).max();
    let who = match most {
        None => "one process".to_owned(),
        Some(most) => format!("{} workers of at most {most} MiB each", workers.len()),
    };
    println!(
        "{jobs} jobs, stub prover of {} ms, {who}: {:.1} s, {:.1} jobs a second; memory of the relayer {half} MiB half \
         way, {end} MiB at the end, {} MiB at most; {lost} lost",
        takes.as_millis(),
        took.as_secs_f64(),
        jobs as f64 / took.as_secs_f64(),
        memory(me, "VmHWM:"),
    );
    assert_eq!((lost, world.claims().await), (0, jobs), "each is paid once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_are_served_and_none_is_lost() {
    require_anvil!();
    load(30, 0, Duration::from_millis(10)).await;
    load(30, 2, Duration::from_millis(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; run by scripts/load.sh"]
async fn a_thousand_jobs_in_one_process() {
    require_anvil!();
    load(1_000, 0, Duration::from_millis(100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; run by scripts/load.sh"]
async fn a_thousand_jobs_with_four_workers() {
    require_anvil!();
    load(1_000, 4, Duration::from_millis(100)).await;
}
