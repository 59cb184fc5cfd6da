//! Proofs about the items of a committed collection, run by run: `assay audit prove|verify` and
//! `assay retrieve prove|verify`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Instant,
};

use alloy::primitives::B256;
use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::Bundle,
    circuit::StatementKind,
    collection::Collection,
    field::{Fr, field_from_bytes, field_to_bytes},
    model_proof::ModelProver,
    proof::{ProofFile, Srs, VerifierKey},
    run_proof,
};
use clap::Args;
use serde::Serialize;

use crate::{
    hex_words::{parse_hash, parse_word},
    keygen::{KeyFolder, ModelSource},
    output::{Output, hex, table},
    predicted::Predicted,
    resources::Stopwatch,
};

#[derive(Args)]
pub struct ProveRunsArgs {
    /// Bundle made by `assay model derive` for this statement
    bundle: PathBuf,
    /// Collection made by `assay dataset commit`
    #[arg(long, value_name = "FILE")]
    set: PathBuf,
    /// Parameters that the keys were made with
    #[arg(long, value_name = "FILE")]
    setup: PathBuf,
    /// Folder of keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Public input 0, which binds the proofs to their use
    #[arg(long, default_value = "0x0", value_name = "HEX", value_parser = parse_word)]
    context: B256,
    /// Prove these runs only: the first, and one past the last
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"])]
    runs: Option<Vec<usize>>,
    /// Proofs made at the same time; each needs the memory of one
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Folder for the proofs. Runs whose proofs are there already are not proven again
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Args)]
pub struct VerifyRunsArgs {
    /// Folder of proofs
    proofs: PathBuf,
    #[command(flatten)]
    model: ModelSource,
    /// Folder of keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
    /// Items of the collection
    #[arg(long)]
    items: usize,
    /// Root of the collection
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: B256,
    /// The model that the proofs must be for: the hash of its weight commitments
    #[arg(long, value_name = "HEX", value_parser = parse_hash)]
    model_hash: Option<B256>,
    /// The context that the proofs must have
    #[arg(long, default_value = "0x0", value_name = "HEX", value_parser = parse_word)]
    context: B256,
}

#[derive(Serialize)]
struct Proven {
    statement: &'static str,
    root: B256,
    items: usize,
    batch: usize,
    /// Proofs of the collection, and how many of them this command made.
    proofs: usize,
    made: usize,
    /// Items that count, by the proofs that are there.
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

#[derive(Serialize)]
struct Verified {
    valid: bool,
    statement: &'static str,
    items: usize,
    covered: usize,
    proofs: usize,
    /// Correct, or selected.
    counted: u64,
    /// Of a retrieval: the selected items.
    selected: Vec<usize>,
    model_hash: B256,
    dev_setup: bool,
    verify_ms: f64,
}

/// The place of one run.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    first: usize,
    items: usize,
}

/// The runs of a collection: each covers `batch` items, the last what is left.
fn places(items: usize, batch: usize) -> Vec<Place> {
    (0..items.div_ceil(batch))
        .map(|index| {
            let first = index * batch;
            Place { index, first, items: batch.min(items - first) }
        })
        .collect()
}

pub fn proof_path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("run-{index:05}.proof"))
}

/// What the proof in a file shows, when it is of this run.
fn check(
    path: &Path,
    key: &VerifierKey,
    place: Place,
    context: B256,
    root: B256,
) -> Result<([u8; 32], u128)> {
    let file = ProofFile::read(path)?;
    if file.vk_hash != key.hash() {
        bail!("{} belongs to verifying key {}", path.display(), hex(file.vk_hash));
    }
    let weights = key
        .verify(&file.public_inputs, &file.proof)
        .with_context(|| format!("{} is refused", path.display()))?;
    let words = file.public_inputs.iter().map(|x| B256::from(field_to_bytes(x)));
    let words = words.collect::<Vec<_>>();
    let number = |value: usize| B256::from(alloy::primitives::U256::from(value));
    let expected = [context, root, number(place.first), number(place.items)];
    let names = ["context", "root", "first index", "number of items"];
    for ((name, expected), found) in names.iter().zip(expected).zip(&words) {
        if *found != expected {
            bail!("{}: its {name} is {found}, not {expected}", path.display());
        }
    }
    let result = words.get(4).context("a proof about a run has five public inputs")?;
    let result = u128::from_be_bytes(result.0[16..].try_into().unwrap_or([0; 16]));
    Ok((weights, result))
}

fn counted(statement: StatementKind, result: u128) -> u64 {
    match statement {
        StatementKind::Retrieval { .. } => u64::from(result.count_ones()),
        _ => result as u64,
    }
}

/// What every worker needs.
struct Work<'a> {
    prover: ModelProver<'a>,
    set: &'a Collection,
    verifier: VerifierKey,
    context: Fr,
    words: [B256; 2],
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
        check(&path, &self.verifier, place, self.words[0], self.words[1])?;
        Ok(())
    }

    /// Whether a good proof of the run is there. A file that an interruption left damaged is none; a
    /// proof of something else is not overwritten, as it cost an opening.
    fn is_proven(&self, place: Place) -> Result<bool> {
        let path = proof_path(self.folder, place.index);
        if !path.exists() || ProofFile::read(&path).is_err() {
            return Ok(false);
        }
        check(&path, &self.verifier, place, self.words[0], self.words[1])
            .context("this is no proof of this run; give another folder, or remove the file")?;
        Ok(true)
    }
}

pub fn prove(args: &ProveRunsArgs, wanted: &str, output: &Output) -> Result<()> {
    let bundle = Bundle::read(&args.bundle)?;
    let layout = bundle.layout()?;
    let statement = layout.options.statement;
    let run = match statement.run() {
        Some(run) if statement.name() == wanted => run,
        _ => bail!(
            "{} proves statements of kind {}; `assay model derive --statement {wanted}` makes a \
             bundle that proves {wanted}s",
            args.bundle.display(),
            statement.name()
        ),
    };
    let spinner = output.spinner("reading the collection and the keys");
    let set = Collection::read(&args.set, &|_| {})?;
    if set.depth() != run.depth {
        bail!(
            "the tree of {} is {} deep, the circuit takes trees of depth {}; derive the bundle with \
             --depth {}",
            args.set.display(),
            set.depth(),
            run.depth,
            set.depth()
        );
    }
    require_labels(&set, statement, &args.set)?;
    let srs = Srs::read(&args.setup, Some(layout.k))?;
    let key = KeyFolder(&args.keys).proving_key(&layout, &srs)?;
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    let predicted = Predicted::new(&layout, &bundle.graph);
    spinner.note(&format!("predicted for each proof: {}", predicted.text()));
    drop(spinner);
    let root = B256::from(field_to_bytes(&set.root()));
    let work = Work {
        prover: ModelProver {
            bundle: &bundle,
            bundle_path: &args.bundle,
            layout: &layout,
            srs: &srs,
            key: &key,
        },
        set: &set,
        verifier: key.verifier(),
        context: field_from_bytes(&args.context.0).context("the context is not a field element")?,
        words: [args.context, root],
        folder: &args.output,
    };
    let all = places(set.len(), run.items());
    let chosen = match args.runs.as_deref() {
        Some([from, to]) if from < to && *to <= all.len() => &all[*from..*to],
        Some(_) => bail!("--runs takes two numbers, from 0 to {}", all.len()),
        None => &all[..],
    };
    let mut todo = Vec::new();
    let bar = output.bar(chosen.len() as u64, "looking for proofs that are there");
    for place in chosen {
        if !work.is_proven(*place)? {
            todo.push(*place);
        }
        bar.step("looking for proofs that are there");
    }
    drop(bar);
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
        counted: 0,
        covered: 0,
        prove_wall_s: used.wall_s,
        prove_cpu_s: used.cpu_s,
        model_hash: B256::ZERO,
        vk_hash: B256::from(key.info().hash()),
        openings_used: Bundle::openings_used(&args.bundle)?,
        openings: bundle.budget,
        output: args.output.clone(),
        predicted,
    };
    let bar = output.bar(all.len() as u64, "checking proofs");
    for place in &all {
        bar.step("checking proofs");
        let path = proof_path(&args.output, place.index);
        if !path.exists() {
            continue;
        }
        let (weights, result) = check(&path, &work.verifier, *place, args.context, root)?;
        report.model_hash = B256::from(weights);
        report.counted += counted(statement, result);
        report.covered += place.items;
    }
    drop(bar);
    output.finish(&report, || {
        table(&[
            ("proofs", format!("{} in {}", report.proofs, report.output.display())),
            ("made now", format!("{} in {:.1} s", report.made, report.prove_wall_s)),
            ("covered", format!("{} of {} items", report.covered, report.items)),
            (if wanted == "audit" { "correct" } else { "selected" }, report.counted.to_string()),
            ("root", report.root.to_string()),
            ("model", report.model_hash.to_string()),
            ("openings", format!("{} of {} used", report.openings_used, report.openings)),
        ])
    })
}

/// The items of an audit need labels.
fn require_labels(set: &Collection, statement: StatementKind, path: &Path) -> Result<()> {
    if matches!(statement, StatementKind::Audit { .. }) && set.labels().is_empty() {
        bail!("{} has no labels; an audit needs one for each item", path.display());
    }
    Ok(())
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

pub fn verify(args: &VerifyRunsArgs, wanted: &str, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the model and the key");
    let layout = args.model.architecture()?.layout()?;
    let statement = layout.options.statement;
    let run = match statement.run() {
        Some(run) if statement.name() == wanted => run,
        _ => bail!("this architecture proves statements of kind {}", statement.name()),
    };
    if args.items == 0 || args.items as u64 > 1u64 << run.depth {
        bail!("a tree of depth {} holds from 1 to {} items", run.depth, 1u64 << run.depth);
    }
    let key = KeyFolder(&args.keys).verifying_key(&layout)?;
    let all = places(args.items, run.items());
    drop(spinner);
    let bar = output.bar(all.len() as u64, "checking proofs");
    let start = Instant::now();
    let mut report = Verified {
        valid: true,
        statement: statement.name(),
        items: args.items,
        covered: 0,
        proofs: 0,
        counted: 0,
        selected: Vec::new(),
        model_hash: B256::ZERO,
        dev_setup: key.info().is_dev(),
        verify_ms: 0.0,
    };
    let mut model = args.model_hash;
    for place in &all {
        bar.step("checking proofs");
        let path = proof_path(&args.proofs, place.index);
        if !path.exists() {
            continue;
        }
        let (weights, result) = check(&path, &key, *place, args.context, args.root)?;
        let weights = B256::from(weights);
        if *model.get_or_insert(weights) != weights {
            bail!("{} holds, but for model {weights}", path.display());
        }
        report.model_hash = weights;
        report.proofs += 1;
        report.covered += place.items;
        report.counted += counted(statement, result);
        if let StatementKind::Retrieval { .. } = statement {
            let selected = (0..place.items).filter(|item| result >> item & 1 == 1);
            report.selected.extend(selected.map(|item| place.first + item));
        }
    }
    drop(bar);
    report.verify_ms = start.elapsed().as_secs_f64() * 1e3;
    if report.proofs == 0 {
        bail!("{} holds no proof of a run", args.proofs.display());
    }
    output.finish(&report, || {
        let mut rows = vec![
            ("valid", format!("yes, {} proofs in {:.0} ms", report.proofs, report.verify_ms)),
            ("covered", format!("{} of {} items", report.covered, report.items)),
            (if wanted == "audit" { "correct" } else { "selected" }, report.counted.to_string()),
            ("model", report.model_hash.to_string()),
        ];
        if report.dev_setup {
            rows.push(("setup", "development: its maker can forge proofs".to_owned()));
        }
        table(&rows)
    })
}
