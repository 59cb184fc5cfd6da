//! `assay bench audit` and `assay bench audit-table`: audits measured, each proof in a process of its
//! own, its gas on a local chain.

mod choice;
mod figures;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use assay_client::LocalNode;
use assay_prover::{
    bundle::Bundle, collection::Collection, graph::Executor, openings::counter_path,
};
use clap::{Args, Subcommand};

use super::{Answer, Places, Runner, cases::Case, forget, generate};
use crate::{
    output::{Output, Spinner},
    predicted::Predicted,
};
use choice::Choice;
use figures::{Comparison, Figures, comparison_text, text};

/// Largest runtime code of a contract, in bytes (EIP-170).
const MAX_CODE: u64 = 24_576;

#[derive(Subcommand)]
pub(super) enum AuditBench {
    /// Measure an audit: all its proofs, and their verification on a chain
    Audit(AuditArgs),
    /// Measure one proof for each of several batch sizes: seconds and gas an item
    AuditTable(TableArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay bench audit lenet 1024 --json
  assay bench audit resnet8_cifar10 256 --batch 32 --lanes 8")]
pub(super) struct AuditArgs {
    /// `lenet` (examples/digits), or a model of the data folder by its file's stem
    name: String,
    /// Items of the hidden test set
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    items: u32,
    /// Items in one proof, a power of two [default: what the cost model finds cheapest]
    #[arg(long)]
    batch: Option<usize>,
    #[command(flatten)]
    circuit: CircuitArgs,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay bench audit-table lenet
  assay bench audit-table resnet8_cifar10 --batches 1,2,4,8 --json")]
pub(super) struct TableArgs {
    /// `lenet` (examples/digits), or a model of the data folder by its file's stem
    name: String,
    /// Items in a proof, powers of two
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16, 64], value_name = "N,...")]
    batches: Vec<usize>,
    #[command(flatten)]
    circuit: CircuitArgs,
}

#[derive(Args)]
struct CircuitArgs {
    /// Fix the number of lanes [default: what the cost model finds cheapest]
    #[arg(long)]
    lanes: Option<usize>,
    /// Largest circuit that is chosen: 2^K rows
    #[arg(long, default_value_t = 20, value_name = "K")]
    max_k: u32,
    #[command(flatten)]
    places: Places,
}

pub(super) fn run(command: &AuditBench, output: &Output) -> Result<()> {
    match command {
        AuditBench::Audit(args) => {
            let figures = measure(args, output)?;
            output.finish(&figures, || text(&figures))
        }
        AuditBench::AuditTable(args) => {
            let comparison = compare(args, output)?;
            output.finish(&comparison, || comparison_text(&comparison))
        }
    }
}

fn measure(args: &AuditArgs, output: &Output) -> Result<Figures> {
    let items = args.items as usize;
    let steps = output.spinner("importing the model");
    let audited = TestSet::prepare(&args.name, items, &args.circuit.places, &steps)?;
    let Some(circuit) = fitting(&args.circuit, &audited, items, args.batch, &steps)? else {
        bail!(
            "no batch of {} fits 2^{} rows and a contract of {MAX_CODE} bytes; another --batch, --lanes or \
             --max-k may",
            args.name,
            args.circuit.max_k
        )
    };
    circuit.audit(&audited, items.div_ceil(circuit.choice.batch), &args.circuit.places, &steps)
}

/// The cheapest circuit for an audit of `items` items whose verifier fits a contract; nothing when none fits
/// the rows.
fn fitting(
    args: &CircuitArgs,
    audited: &TestSet,
    items: usize,
    batch: Option<usize>,
    steps: &Spinner,
) -> Result<Option<Circuit>> {
    let mut most_lanes = choice::MOST_LANES;
    loop {
        steps.message("choosing a circuit");
        let (lanes, depth) = (args.lanes, audited.depth);
        let source = &audited.source;
        let Some(choice) =
            choice::choose(source, items, depth, batch, lanes, most_lanes, args.max_k)?
        else {
            return Ok(None);
        };
        let circuit = Circuit::make(audited, choice, &args.places, steps)?;
        if circuit.code_bytes <= MAX_CODE {
            return Ok(Some(circuit));
        }
        circuit.give_back(audited)?;
        if args.lanes.is_some() || choice.lanes <= 2 {
            bail!(
                "the verifier for {} lanes has {} bytes of code, a contract may have {MAX_CODE}; choose fewer \
                 --lanes",
                choice.lanes,
                circuit.code_bytes
            );
        }
        most_lanes = choice.lanes - 1;
    }
}

fn compare(args: &TableArgs, output: &Output) -> Result<Comparison> {
    let Some(items) = args.batches.iter().copied().max() else { bail!("give --batches") };
    let steps = output.spinner("importing the model");
    let audited = TestSet::prepare(&args.name, items, &args.circuit.places, &steps)?;
    let mut comparison =
        Comparison { model: args.name.clone(), rows: Vec::new(), left_out: Vec::new() };
    for batch in args.batches.iter().copied() {
        let found = fitting(&args.circuit, &audited, batch, Some(batch), &steps)?;
        let Some(circuit) = found else {
            comparison.left_out.push(batch);
            continue;
        };
        comparison.rows.push(circuit.audit(&audited, 1, &args.circuit.places, &steps)?);
    }
    Ok(comparison)
}

/// A model and the committed test set on which it is audited.
struct TestSet {
    name: String,
    runner: Runner,
    /// Bundle of the model, as it is for single predictions.
    bundle: PathBuf,
    source: Bundle,
    set: PathBuf,
    root: String,
    depth: u32,
    /// For each item whether the integer network classifies it correctly.
    reference: Vec<bool>,
    labelled: bool,
}

impl TestSet {
    fn prepare(name: &str, items: usize, places: &Places, steps: &Spinner) -> Result<Self> {
        let case = places.case(name)?;
        let folder = places.folder(&format!("audit-{name}"))?;
        let runner = Runner::new()?;
        let (bundle, set) = (folder.join("model.bundle"), folder.join("test.set"));
        let imported = runner.import(&case, &bundle, &[])?;
        steps.message("committing to the test set");
        forget(&set)?;
        let (limit, skip) = (items.to_string(), case.audited.skip.to_string());
        let labels = folder.join("made-up-labels.txt");
        let mut commit: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
            &case.audited.inputs,
            &"--bundle",
            &bundle,
            &"--skip",
            &skip,
            &"--limit",
            &limit,
            &"-o",
            &set,
        ];
        if !case.audited.labelled {
            make_up_labels(&labels, &case, items, imported.get("/classes")?)?;
            commit.extend([&"--labels-file" as &dyn AsRef<std::ffi::OsStr>, &labels]);
        }
        let committed = runner.run("dataset commit", &commit)?;
        let found: usize = committed.get("/items")?;
        if found < items {
            let inputs = case.audited.inputs.display();
            bail!("{inputs} has {found} items beside those of the calibration, not {items}");
        }
        let (root, depth) = (committed.get("/root")?, committed.get("/depth")?);
        steps.message("running the integer network");
        let source = Bundle::read(&bundle)?;
        let reference = reference(&source, &set)?;
        let (name, labelled) = (name.to_owned(), case.audited.labelled);
        Ok(Self { name, runner, bundle, source, set, root, depth, reference, labelled })
    }
}

/// As many labels as inputs, classes in turn.
fn make_up_labels(path: &Path, case: &Case, items: usize, classes: usize) -> Result<()> {
    let lines = (0..case.audited.skip + items).map(|item| format!("{}\n", item % classes.max(1)));
    fs::write(path, lines.collect::<String>())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The count that the proofs must have, without the circuit.
fn reference(bundle: &Bundle, set: &Path) -> Result<Vec<bool>> {
    let set = Collection::read(set, &|_| {})?;
    let executor = Executor::new(&bundle.graph)?;
    (0..set.len())
        .map(|index| {
            let item = set.item(index)?;
            let run = executor
                .run(&item.input)
                .with_context(|| format!("item {index} of the test set cannot be classified"))?;
            Ok(run.class() == item.label as usize)
        })
        .collect()
}

/// A circuit for runs of the test set, with its keys and its verifier.
struct Circuit {
    choice: Choice,
    folder: PathBuf,
    bundle: PathBuf,
    setup: PathBuf,
    keygen: Answer,
    code_bytes: u64,
    proof_bytes: u64,
}

impl Circuit {
    fn make(audited: &TestSet, choice: Choice, places: &Places, steps: &Spinner) -> Result<Self> {
        let Choice { batch, lanes } = choice;
        let note = |what: &str| steps.message(format!("batch {batch}, {lanes} lanes: {what}"));
        let runner = &audited.runner;
        let folder = places.folder(&format!("audit-{}/{batch}", audited.name))?;
        let bundle = folder.join("audit.bundle");
        forget(&bundle)?;
        forget(&counter_path(&bundle))?;
        note("planning");
        let openings = audited.reference.len().div_ceil(batch).to_string();
        runner.run(
            "model derive",
            &[
                &audited.bundle,
                &"--statement",
                &"audit",
                &"--items",
                &batch.to_string(),
                &"--depth",
                &audited.depth.to_string(),
                &"--lanes",
                &lanes.to_string(),
                &"--openings",
                &openings,
                &"-o",
                &bundle,
            ],
        )?;
        let k = Bundle::read(&bundle)?.layout()?.k;
        note("making a development setup");
        let setup = places.setup(u64::from(k), runner)?;
        note("making keys");
        let keys = folder.join("keys");
        let keygen =
            runner.run("keygen", &[&bundle, &"--setup", &setup, &"--force", &"-o", &keys])?;
        note("compiling the verifier contract");
        let verifier = folder.join("verifier");
        let generated = generate(runner, &[&bundle, &keys, &places.solc], &verifier)?;
        Ok(Self {
            choice,
            folder,
            bundle,
            setup,
            keygen,
            code_bytes: generated.get("/verifier_code_bytes")?,
            proof_bytes: generated.get("/proof_bytes")?,
        })
    }

    /// Removes the bundle; what it did not use is there for the next circuit.
    fn give_back(&self, audited: &TestSet) -> Result<()> {
        let line: [&dyn AsRef<std::ffi::OsStr>; 3] = [&self.bundle, &"--to", &audited.bundle];
        audited.runner.run("model give-back", &line)?;
        Ok(())
    }

    fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    /// Proves the first `runs` runs, and verifies them here and on a chain.
    fn audit(
        &self,
        audited: &TestSet,
        runs: usize,
        places: &Places,
        steps: &Spinner,
    ) -> Result<Figures> {
        let Choice { batch, .. } = self.choice;
        let items = audited.reference.len().min(runs * batch);
        let proofs = self.folder.join("proofs");
        if proofs.exists() {
            fs::remove_dir_all(&proofs)
                .with_context(|| format!("cannot remove {}", proofs.display()))?;
        }
        let proven = self.prove(audited, runs, &proofs, steps)?;
        steps.message(format!("batch {batch}: verifying"));
        let verified = self.verify(audited, &proofs)?;
        let correct: u64 = verified.get("/counted")?;
        let counted = audited.reference.iter().take(items).filter(|correct| **correct).count();
        if correct != counted as u64 {
            bail!("the proofs count {correct} of {items}, the integer network {counted}");
        }
        steps.message(format!("batch {batch}: verifying on a local chain"));
        let gas = on_chain(&self.folder, runs, places)?;
        let bundle = Bundle::read(&self.bundle)?;
        let predicted = Predicted::new(&bundle.layout()?, &bundle.graph);
        self.give_back(audited)?;
        let advice: u64 = self.keygen.get("/advice_columns")?;
        let fixed: u64 = self.keygen.get("/fixed_columns")?;
        Ok(Figures {
            model: audited.name.clone(),
            items,
            correct,
            reference_correct: counted as u64,
            labelled: audited.labelled,
            proofs: runs,
            batch,
            lanes: self.keygen.get("/lanes")?,
            k: self.keygen.get("/k")?,
            rows: self.keygen.get("/rows_used")?,
            columns: advice + fixed,
            keygen_wall_s: self.keygen.get("/keygen_wall_s")?,
            prove_wall_s: proven.wall_s,
            prove_cpu_s: proven.cpu_s,
            peak_rss_mb: proven.peak_rss_mb,
            verify_ms: verified.get("/verify_ms")?,
            proof_bytes: self.proof_bytes,
            total_verify_gas: gas.verify,
            verifier_code_bytes: self.code_bytes,
            verifier_deploy_gas: gas.deploy_verifier,
            vk_deploy_gas: gas.deploy_key,
            predicted_wall_s: predicted.wall_s * runs as f64,
            predicted_cpu_s: predicted.cpu_s * runs as f64,
            predicted_rss_mb: predicted.rss_mb,
            predicted_verify_gas: predicted.verify_gas * runs as f64,
        })
    }

    /// Proves the first `runs` runs, each in a process of its own.
    fn prove(
        &self,
        audited: &TestSet,
        runs: usize,
        proofs: &Path,
        steps: &Spinner,
    ) -> Result<Proven> {
        let mut sum = Proven { wall_s: 0.0, cpu_s: 0.0, peak_rss_mb: 0.0 };
        for run in 0..runs {
            steps.message(format!("batch {}: proof {} of {runs}", self.choice.batch, run + 1));
            let (from, to) = (run.to_string(), (run + 1).to_string());
            let proven = audited.runner.run(
                "audit prove",
                &[
                    &self.bundle,
                    &"--set",
                    &audited.set,
                    &"--setup",
                    &self.setup,
                    &"--keys",
                    &self.keys(),
                    &"--runs",
                    &from,
                    &to,
                    &"-o",
                    &proofs,
                ],
            )?;
            sum.wall_s += proven.get::<f64>("/prove_wall_s")?;
            sum.cpu_s += proven.get::<f64>("/prove_cpu_s")?;
            sum.peak_rss_mb = sum.peak_rss_mb.max(proven.get("/resources/peak_rss_mb")?);
        }
        Ok(sum)
    }

    fn verify(&self, audited: &TestSet, proofs: &Path) -> Result<Answer> {
        audited.runner.run(
            "audit verify",
            &[
                &proofs,
                &"--bundle",
                &self.bundle,
                // Made by an earlier step.
                &"--keys",
                &self.keys(),
                &"--trust-key",
                &"--items",
                &audited.reference.len().to_string(),
                &"--root",
                &audited.root,
                // A table proves one run of a batch; what is missing would be missing from the count.
                &"--partial",
            ],
        )
    }
}

/// What the proofs of an audit took: seconds of all together, memory of the largest.
struct Proven {
    wall_s: f64,
    cpu_s: f64,
    peak_rss_mb: f64,
}

struct Gas {
    deploy_verifier: u64,
    deploy_key: u64,
    verify: u64,
}

/// Has a chain of its own verify the proofs, each in a transaction.
fn on_chain(folder: &Path, runs: usize, places: &Places) -> Result<Gas> {
    let node = LocalNode::start(&places.anvil)?;
    let runner = Runner { key: node.keys().first().cloned(), ..Runner::new()? };
    let rpc = node.url();
    let verifier = folder.join("verifier");
    let deployed = runner.run("verifier deploy", &[&verifier, &"--rpc", &rpc])?;
    let (address, vk): (String, String) = (deployed.get("/verifier")?, deployed.get("/vk")?);
    let mut verify = 0;
    for run in 0..runs {
        let proof = crate::run_proofs::proof_path(&folder.join("proofs"), run);
        let called = runner.run(
            "verifier call",
            &[&proof, &"--verifier", &address, &"--vk", &vk, &"--rpc", &rpc],
        )?;
        verify += called.get::<u64>("/gas_used")?;
    }
    Ok(Gas {
        deploy_verifier: deployed.get("/verifier_gas")?,
        deploy_key: deployed.get("/vk_gas")?,
        verify,
    })
}
