//! `assay relayer worker`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use assay_relayer::{
    CancellationToken, JobStore, Prover, Worker, WorkerConfig,
    proving::{InputStore, LocalProver},
};
use clap::Args;
use serde::Serialize;

use super::{log::start_log, store::StorePlaceArgs, waiting::interrupted};
use crate::{chain::block_on, output::Output, trust::check_setup};

#[derive(Args)]
#[command(after_help = "Example:
  assay relayer worker --store postgres://worker@db.example/jobs --bundle lenet.bundle --setup dev.srs --keys keys \\
    --inputs openings

Makes the proofs that a relayer wants, and has no key that signs. It takes the most urgent one under a lease, which another
worker gets when this one dies. Bundle and keys are copies of the relayer's; the openings of the weights are counted where the relayer is,
so the counter beside the bundle is neither needed nor changed here. A store in a file serves workers of the same machine only.")]
pub(crate) struct WorkerArgs {
    #[command(flatten)]
    store: StorePlaceArgs,
    /// Model bundle; may be repeated, each with a --keys of its own
    #[arg(long, value_name = "FILE", required = true)]
    bundle: Vec<PathBuf>,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys, one for each --bundle in their order; a proving key is made where there is none
    #[arg(long, value_name = "DIR", required = true)]
    keys: Vec<PathBuf>,
    /// Folder of openings, `<commitment>.json`, and of collections, `<root>.set`
    #[arg(long, value_name = "DIR")]
    inputs: PathBuf,
    /// Its name, one for each worker [default: the machine's name and the process]
    #[arg(long)]
    name: Option<String>,
    /// Proofs made at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    places: usize,
    /// How long another worker waits for this one when it says nothing any more
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(3..))]
    lease: u64,
    /// Write the log as one JSON object a line
    #[arg(long)]
    json_log: bool,
}

#[derive(Serialize)]
struct Report {
    worker: String,
}

pub(super) fn work(args: &WorkerArgs, output: &Output) -> Result<()> {
    start_log(output.is_json(), args.json_log);
    if args.keys.len() != args.bundle.len() || args.places == 0 {
        bail!("give one --keys for each --bundle, in the same order, and one place or more");
    }
    check_setup(&args.setup, output)?;
    let mut provers: Vec<Arc<dyn Prover>> = Vec::new();
    for (bundle, keys) in args.bundle.iter().zip(&args.keys) {
        let inputs = InputStore::new(&args.inputs);
        let prover = LocalProver::open_uncounted(bundle, &args.setup, keys, inputs)?;
        provers.push(Arc::new(prover.with_parallel_proofs(args.places)));
    }
    let mut config = WorkerConfig::new(args.name.clone().unwrap_or_else(own_name));
    config.places = args.places;
    config.lease = Duration::from_secs(args.lease);
    let report = Report { worker: config.name.clone() };
    block_on(async {
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        tokio::spawn(async move {
            if interrupted().await.is_ok() {
                stop.cancel();
            }
        });
        let store = JobStore::open_beside(&args.store.place).await?;
        Worker::new(store, provers, config).run(shutdown).await?;
        output.finish(&report, || "stopped".to_owned())
    })
}

fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}/{}", host.trim(), std::process::id())
}
