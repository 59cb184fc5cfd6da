//! `assay audit prove`, `assay retrieve prove` and `assay classify prove`.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Instant,
};

use alloy::primitives::B256;
use anyhow::{Context, Result, bail};
use assay_prover::{
    arithmetic::field::{Fr, field_from_bytes, field_to_bytes},
    bundle::Bundle,
    collection::Collection,
    files::FileError,
    model_proof::{ModelProver, model_hash, require_memory},
    openings::{Marks, Openings},
    proof::ProofFile,
    run_proof,
};
use clap::Args;
use serde::Serialize;

use super::{Common, Place, Reference, counted_name, places, proof_path, runs_of};
use crate::{
    hex_words::parse_word,
    key_folder::KeyFolder,
    output::{Output, table},
    predicted::Predicted,
    proof_watch::ProofWatch,
    resources::Stopwatch,
    trust::read_setup,
};

#[derive(Args)]
pub(crate) struct ProveRunsArgs {
    /// Bundle made by `assay model derive` for this statement
    bundle: PathBuf,
    /// Collection made by `assay dataset commit`
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Public input 0, which binds the proofs to their use: 64 hexadecimal digits [default: 0]
    #[arg(long, default_value_t = B256::ZERO, hide_default_value = true, value_name = "HEX", value_parser = parse_word)]
    context: B256,
    /// Prove these runs only: the first, and one past the last. Another machine needs a bundle of its own,
    /// from `assay model derive`: with a copy the openings of the weights would be used twice
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    runs: Option<Vec<usize>>,
    /// Proofs made at the same time; each needs the memory of one
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Begin even if a proof is expected to take more memory than is free
    #[arg(long)]
    despite_memory: bool,
    /// Folder for the proofs. Runs whose proofs are there already are not proven again
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

impl ProveRunsArgs {
    /// The runs that are to be proven, of all.
    fn chosen<'a>(&self, all: &'a [Place]) -> Result<&'a [Place]> {
        match self.runs.as_deref() {
            Some([from, to]) if from < to && *to <= all.len() => Ok(&all[*from..*to]),
            Some(_) => bail!(
                "--runs takes the first run and one past the last; the collection has runs 0 to {}, so \
                 `--runs 0 {}` is all of them",
                all.len() - 1,
                all.len()
            ),
            None => Ok(all),
        }
    }
}

#[derive(Serialize)]
struct Proven {
    statement: &'static str,
    root: B256,
    items: usize,
    batch: usize,
    /// Proofs of the collection, how many of them this command made, and how many are there.
    proofs: usize,
    made: usize,
    present: usize,
    /// Items that are correct, selected, or answered, by the proofs that are there.
    counted: u64,
    covered: usize,
    /// Of the proofs made now.
    prove_wall_s: f64,
    prove_cpu_s: f64,
    model_hash: B256,
    vk_hash: B256,
    openings_used: usize,
    openings: usize,
    output: PathBuf,
    /// By the planner for one proof, before proving.
    predicted: Predicted,
}

impl Proven {
    /// Checks the proofs that are there, of all runs, and counts what they say.
    fn count_present(&mut self, work: &Work<'_>, all: &[Place], output: &Output) -> Result<()> {
        let bar = output.bar(all.len() as u64, "checking proofs");
        for place in all {
            bar.step("checking proofs");
            let path = proof_path(work.folder, place.index);
            if !path.exists() {
                continue;
            }
            let (_, result) = work.common.check(&path, *place)?;
            self.present += 1;
            self.counted += result.counted();
            self.covered += place.items;
        }
        Ok(())
    }

    fn text(&self, wanted: &str) -> String {
        let mut rows = vec![
            ("proofs", format!("{} of {} in {}", self.present, self.proofs, self.output.display())),
            ("made now", format!("{} in {:.1} s", self.made, self.prove_wall_s)),
            ("covered", format!("{} of {} items", self.covered, self.items)),
        ];
        rows.extend(counted_name(wanted).map(|name| (name, self.counted.to_string())));
        rows.extend([
            ("root", self.root.to_string()),
            ("model", self.model_hash.to_string()),
            ("openings", format!("{} of {} used", self.openings_used, self.openings)),
        ]);
        table(&rows)
    }
}

/// What every worker needs.
struct Work<'a> {
    prover: ModelProver<'a>,
    set: &'a Collection,
    common: Common,
    context: Fr,
    folder: &'a Path,
}

impl Work<'_> {
    fn prove(&self, place: Place) -> Result<()> {
        let run = self.prover.layout.options.statement.run().context("no run")?;
        let opening = self.set.open_run(place.first, run.log_items)?;
        let proof = run_proof::prove(self.prover, &opening, self.context)
            .with_context(|| format!("run {} cannot be proven", place.index))?;
        let path = proof_path(self.folder, place.index);
        proof.proof.write(&path)?;
        self.common.check(&path, place)?;
        Ok(())
    }

    /// Whether a good proof of the run is there. A file that an interruption left damaged is none; a
    /// proof of something else is not overwritten, as it cost an opening.
    fn is_proven(&self, place: Place) -> Result<bool> {
        let path = proof_path(self.folder, place.index);
        match ProofFile::read(&path) {
            Ok(_) => {}
            Err(FileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(false);
            }
            Err(error @ FileError::Read { .. }) => return Err(error.into()),
            Err(_) => return Ok(false),
        }
        self.common
            .check(&path, place)
            .context("this is no proof of this run; give another folder, or remove the file")?;
        Ok(true)
    }

    /// Those of the runs that have no good proof yet.
    fn missing(&self, runs: &[Place], output: &Output) -> Result<Vec<Place>> {
        const MESSAGE: &str = "looking for proofs that are there";
        let bar = output.bar(runs.len() as u64, MESSAGE);
        let mut missing = Vec::new();
        for place in runs {
            if !self.is_proven(*place)? {
                missing.push(*place);
            }
            bar.step(MESSAGE);
        }
        Ok(missing)
    }
}

pub(crate) fn prove(args: &ProveRunsArgs, wanted: &str, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the model and the collection");
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let statement = layout.options.statement;
    let run = runs_of(statement, wanted, &args.bundle)?;
    let set = Collection::read(&args.set, &|_| {})?;
    let openings = bundle.openings(&args.bundle, &Marks::of_user()?);
    openings.usage()?;
    let reference = Reference::new(&bundle, &layout, &set)
        .with_context(|| format!("{} cannot be proven", args.set.display()))?;
    spinner.message("reading the keys");
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    let key = KeyFolder(&args.keys).proving_key(&layout, &srs)?;
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    spinner.message("committing to the weights");
    let model = B256::from(model_hash(&bundle, &layout, &srs)?);
    let predicted = Predicted::new(&layout, &bundle.graph);
    spinner.note(&format!("predicted for each proof: {}", predicted.text()));
    drop(spinner);
    let root = B256::from(field_to_bytes(&set.root()));
    let watch = ProofWatch::of_several();
    let work = Work {
        prover: ModelProver {
            bundle: &bundle,
            openings: &openings,
            count: &Openings::count_proof,
            layout: &layout,
            srs: &srs,
            key: &key,
            watch: &watch,
            despite_memory: args.despite_memory,
            library: None,
        },
        set: &set,
        common: Common {
            key: key.verifier(),
            statement,
            context: args.context,
            root,
            model: Some(model),
        },
        context: field_from_bytes(&args.context.0).context("the context is not a field element")?,
        folder: &args.output,
    };
    let all = places(set.len(), run.items());
    let todo = work.missing(args.chosen(&all)?, output)?;
    reference
        .require_openings(&args.bundle, todo.len())
        .context("--runs proves some of the runs only")?;
    if todo.len() > 1 {
        // A run that cannot be proven would be found after those before it had cost an opening each.
        reference.counts(&todo, output)?;
    }
    if !args.despite_memory {
        require_memory(&layout, args.workers.clamp(1, todo.len().max(1)))?;
    }
    let stopwatch = Stopwatch::start();
    prove_all(&work, &todo, args.workers.max(1), predicted.wall_s, output)?;
    let used = stopwatch.read();

    let mut report = Proven {
        statement: statement.name(),
        root,
        items: set.len(),
        batch: run.items(),
        proofs: all.len(),
        made: todo.len(),
        present: 0,
        counted: 0,
        covered: 0,
        prove_wall_s: used.wall_s,
        prove_cpu_s: used.cpu_s,
        model_hash: model,
        vk_hash: B256::from(key.info().hash()),
        openings_used: openings.usage()?.used,
        openings: bundle.budget,
        output: args.output.clone(),
        predicted,
    };
    report.count_present(&work, &all, output)?;
    output.finish(&report, || report.text(wanted))
}

/// Proves the runs, `workers` at a time, each expected to take so many seconds; stops handing out runs
/// at the first fault.
fn prove_all(
    work: &Work<'_>,
    todo: &[Place],
    workers: usize,
    expected: f64,
    output: &Output,
) -> Result<()> {
    let bar = output.bar(todo.len() as u64, remaining(todo.len(), expected));
    let next = Mutex::new(todo.iter());
    let done = Mutex::new((0usize, Instant::now()));
    let fault: Mutex<Option<anyhow::Error>> = Mutex::new(None);
    let lock_failed = "a worker panicked";
    let worker = || -> Result<()> {
        loop {
            let stop = fault.lock().map_err(|_| anyhow::anyhow!(lock_failed))?.is_some();
            let place = next.lock().map_err(|_| anyhow::anyhow!(lock_failed))?.next().copied();
            let Some(place) = place.filter(|_| !stop) else { return Ok(()) };
            if let Err(error) = work.prove(place) {
                *fault.lock().map_err(|_| anyhow::anyhow!(lock_failed))? = Some(error);
                return Ok(());
            }
            let mut done = done.lock().map_err(|_| anyhow::anyhow!(lock_failed))?;
            done.0 += 1;
            let each = done.1.elapsed().as_secs_f64() / done.0 as f64;
            bar.step(remaining(todo.len() - done.0, each));
        }
    };
    std::thread::scope(|scope| -> Result<()> {
        let handles = (0..workers).map(|_| scope.spawn(worker)).collect::<Vec<_>>();
        for handle in handles {
            handle.join().map_err(|_| anyhow::anyhow!(lock_failed))??;
        }
        Ok(())
    })?;
    match fault.into_inner().map_err(|_| anyhow::anyhow!(lock_failed))? {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn remaining(proofs: usize, each: f64) -> String {
    format!("proofs made, about {:.0} s to go", proofs as f64 * each)
}
