//! `assay bench`: one proof measured, or the proofs of an audit, each step in a process of its own.

mod audit;
mod cases;

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use assay_client::LocalNode;
use assay_prover::{kernels::kernels, openings::counter_path};
use clap::{Args, ValueEnum};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::output::{Output, table};
use cases::Case;

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    // scripts/bench.sh names places, which its own options may name again.
    args_override_self = true,
    subcommand_negates_reqs = true,
    after_help = "Example:
  assay bench lenet
  assay bench mobilenet_v2_1.0_224 --data ../shared/data --json
  assay bench audit lenet 1024"
)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    audit: Option<audit::AuditBench>,
    /// `lenet` (examples/digits), or a model of the data folder by its file's stem
    #[arg(required = true)]
    name: Option<String>,
    #[command(flatten)]
    places: Places,
    /// Another input than the model's usual one
    #[arg(long, value_name = "FILE")]
    input: Option<String>,
    /// Fix the number of lanes
    #[arg(long)]
    lanes: Option<usize>,
    /// Fix the number of weight columns
    #[arg(long)]
    weight_columns: Option<usize>,
    /// Prove with another prover too, in the same run, and compare
    #[arg(long, value_enum, value_name = "PROVER")]
    against: Option<Against>,
}

/// A prover to compare with.
#[derive(Clone, Copy, ValueEnum)]
enum Against {
    /// The proving library's own
    Library,
}

/// The same proof by two provers.
#[derive(Debug, Serialize)]
struct Comparison {
    library_wall_s: f64,
    library_cpu_s: f64,
    library_rss_mb: f64,
    /// The library's time and memory over ours.
    wall_ratio: f64,
    cpu_ratio: f64,
    rss_ratio: f64,
}

/// Where things are.
#[derive(Args)]
struct Places {
    /// Folder with `models/` and `images/`
    #[arg(long, default_value = "../shared/data", value_name = "DIR")]
    data: PathBuf,
    /// The repository's examples
    #[arg(long, default_value = "examples", value_name = "DIR")]
    examples: PathBuf,
    /// Folder for what is made
    #[arg(long, default_value = ".cache/bench", value_name = "DIR")]
    cache: PathBuf,
    /// anvil, for the gas of the verification
    #[arg(long, default_value = "node_modules/.bin/anvil", value_name = "PROGRAM")]
    anvil: PathBuf,
    /// Solidity compiler
    #[arg(long, env = "ASSAY_SOLC", default_value = "scripts/solc", value_name = "PROGRAM")]
    solc: PathBuf,
}

impl Places {
    fn case(&self, name: &str) -> Result<Case> {
        Case::find(name, &self.data, &self.examples, &self.cache.join(name))
    }

    /// A folder of the cache.
    fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.cache.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        Ok(folder)
    }

    /// A development setup for `2^k` rows, kept for the next time.
    fn setup(&self, k: u64, runner: &Runner) -> Result<PathBuf> {
        let setup = self.cache.join(format!("dev-{k}.srs"));
        if !setup.exists() {
            runner.run("setup", &[&"--dev", &"-k", &k.to_string(), &"-o", &setup])?;
        }
        Ok(setup)
    }
}

/// The figures of one proof with hidden weights and hidden input.
#[derive(Debug, Serialize)]
struct Figures {
    model: String,
    k: u64,
    rows_used: u64,
    lanes: u64,
    weight_columns: u64,
    advice_columns: u64,
    fixed_columns: u64,
    keygen_wall_s: f64,
    keygen_rss_mb: f64,
    witness_s: f64,
    /// The proof, without the witness.
    prove_wall_s: f64,
    /// Witness and proof, all threads.
    prove_cpu_s: f64,
    /// Of the whole process that proves, keys included.
    peak_rss_mb: f64,
    verify_ms: f64,
    proof_bytes: u64,
    /// Gas of the whole transaction that verifies the proof.
    verify_gas: u64,
    verifier_code_bytes: u64,
    verifier_deploy_gas: u64,
    vk_deploy_gas: u64,
    float_class: u64,
    proven_class: u64,
    predicted_wall_s: f64,
    predicted_rss_mb: f64,
    /// Parts of the predicted time to prove; they add up to 1.
    linear_share: f64,
    nonlinear_share: f64,
    /// How far the time left that was shown was from what it was, at worst, as a part of it.
    time_left_error: f64,
    /// Seconds of the proof's steps.
    steps_s: Vec<(String, f64)>,
    /// The arithmetic that the prover found on this machine.
    kernels: String,
    #[serde(flatten)]
    comparison: Option<Comparison>,
}

/// The JSON object that a command printed.
struct Answer {
    command: &'static str,
    value: Value,
}

impl Answer {
    fn get<T: DeserializeOwned>(&self, pointer: &str) -> Result<T> {
        let value = self.value.pointer(pointer).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value)
            .with_context(|| format!("`assay {}` did not report {pointer}", self.command))
    }
}

/// Runs this program's own commands.
struct Runner {
    program: PathBuf,
    key: Option<String>,
}

/// Commands that read inputs.
const READ_PICTURES: [&str; 4] = ["model import", "model predict", "prove", "dataset commit"];

impl Runner {
    fn new() -> Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        Ok(Self { program, key: None })
    }

    /// Imports a model, in place of an earlier measurement's.
    fn import(&self, case: &Case, bundle: &Path, options: &[String]) -> Result<Answer> {
        forget(bundle)?;
        forget(&counter_path(bundle))?;
        let limit = case.calibration_limit.to_string();
        let mut arguments: Vec<&dyn AsRef<OsStr>> = vec![
            &case.model,
            &"--calibrate",
            &case.calibration,
            &"--calibration-limit",
            &limit,
            &"-o",
            &bundle,
        ];
        arguments.extend(case.encoding.iter().map(|option| option as &dyn AsRef<OsStr>));
        arguments.extend(options.iter().map(|option| option as &dyn AsRef<OsStr>));
        self.run("model import", &arguments)
    }

    fn run(&self, name: &'static str, arguments: &[&dyn AsRef<OsStr>]) -> Result<Answer> {
        let mut command = Command::new(&self.program);
        command.args(name.split(' ')).args(["--json", "--progress", "never"]);
        if READ_PICTURES.contains(&name) {
            // Some networks are measured on photographs of another size.
            command.arg("--resize=crop");
        }
        command.args(arguments.iter().map(|argument| -> &OsStr { (**argument).as_ref() }));
        if let Some(key) = &self.key {
            command.env("ASSAY_PRIVATE_KEY", key);
        }
        let done = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if !done.status.success() {
            let fault = String::from_utf8_lossy(&done.stderr);
            let fault = fault.trim().trim_start_matches("error: ").to_owned();
            bail!("`assay {name}` failed ({}): {fault}", done.status);
        }
        let value = serde_json::from_slice(&done.stdout)
            .with_context(|| format!("`assay {name}` printed no JSON"))?;
        Ok(Answer { command: name, value })
    }
}

pub(crate) fn run(args: &BenchArgs, output: &Output) -> Result<()> {
    let name = match (&args.audit, &args.name) {
        (Some(bench), _) => return audit::run(bench, output),
        (None, Some(name)) => name,
        (None, None) => bail!("give the name of a model"),
    };
    let figures = measure(args, name, output)?;
    output.finish(&figures, || text(&figures))
}

/// Proves an input with a bundle, a setup and keys, in this order, in place of an earlier measurement.
fn prove(
    runner: &Runner,
    [bundle, setup, keys, input]: &[&Path; 4],
    proof: &Path,
    against: Option<Against>,
) -> Result<Answer> {
    let opening = proof.with_extension("opening.json");
    forget(proof)?;
    forget(&opening)?;
    let mut arguments: Vec<&dyn AsRef<OsStr>> = vec![
        bundle,
        &"--setup",
        setup,
        &"--keys",
        keys,
        &"--input",
        input,
        &"--opening-output",
        &opening,
        &"-o",
        &proof,
    ];
    if let Some(Against::Library) = against {
        arguments.push(&"--library-prover");
        arguments.push(&"--despite-memory");
    }
    runner.run("prove", &arguments)
}

/// Makes the verifier of a bundle and its keys with a compiler, in place of an earlier measurement's.
fn generate(runner: &Runner, [bundle, keys, solc]: &[&Path; 3], verifier: &Path) -> Result<Answer> {
    runner.run(
        "verifier generate",
        &[&"--bundle", bundle, &"--keys", keys, &"--solc", solc, &"--force", &"-o", &verifier],
    )
}

fn measure(args: &BenchArgs, name: &str, output: &Output) -> Result<Figures> {
    let case = args.places.case(name)?;
    let folder = args.places.folder(name)?;
    let mut runner = Runner::new()?;
    let bundle = folder.join("model.bundle");
    let (keys, proof, verifier) =
        (folder.join("keys"), folder.join("proof"), folder.join("verifier"));
    let input = args.input.as_ref().unwrap_or(&case.input);

    let steps = output.bar(8, "importing the model");
    let mut options: Vec<String> = Vec::new();
    for (option, value) in [("--lanes", args.lanes), ("--weight-columns", args.weight_columns)] {
        options.extend(value.map(|value| format!("{option}={value}")));
    }
    let imported = runner.import(&case, &bundle, &options)?;
    let k: u64 = imported.get("/k")?;

    steps.step("making a development setup");
    let setup = args.places.setup(k, &runner)?;

    steps.step("making keys");
    // Keys, proof and verifier of an earlier measurement are replaced: they are of a model that is gone.
    let keygen = runner.run("keygen", &[&bundle, &"--setup", &setup, &"--force", &"-o", &keys])?;

    steps.step("running the float network");
    let predicted =
        runner.run("model predict", &[&bundle, &"--input", input, &"--float", &case.model])?;

    steps.step("proving");
    let files = [&bundle, &setup, &keys, Path::new(input)];
    let compared = match args.against {
        None => None,
        Some(_) => Some(prove(&runner, &files, &folder.join("library.proof"), args.against)?),
    };
    let proven = prove(&runner, &files, &proof, None)?;

    steps.step("verifying");
    // The key was made by the step before.
    let verified =
        runner.run("verify", &[&proof, &"--bundle", &bundle, &"--keys", &keys, &"--trust-key"])?;

    steps.step("compiling the verifier contract");
    let generated = generate(&runner, &[&bundle, &keys, &args.places.solc], &verifier)?;

    steps.step("verifying on a local chain");
    let node = LocalNode::start(&args.places.anvil)?;
    runner.key = node.keys().first().cloned();
    let rpc = node.url();
    let deployed = runner.run("verifier deploy", &[&verifier, &"--rpc", &rpc])?;
    let (address, vk): (String, String) = (deployed.get("/verifier")?, deployed.get("/vk")?);
    let called = runner
        .run("verifier call", &[&proof, &"--verifier", &address, &"--vk", &vk, &"--rpc", &rpc])?;
    drop(steps);

    let figures = Figures {
        model: name.to_owned(),
        k,
        rows_used: keygen.get("/rows_used")?,
        lanes: keygen.get("/lanes")?,
        weight_columns: keygen.get("/weight_columns")?,
        advice_columns: keygen.get("/advice_columns")?,
        fixed_columns: keygen.get("/fixed_columns")?,
        keygen_wall_s: keygen.get("/keygen_wall_s")?,
        keygen_rss_mb: keygen.get("/resources/peak_rss_mb")?,
        witness_s: proven.get("/witness_s")?,
        prove_wall_s: proven.get("/prove_wall_s")?,
        prove_cpu_s: proven.get("/prove_cpu_s")?,
        peak_rss_mb: proven.get("/resources/peak_rss_mb")?,
        verify_ms: verified.get("/verify_ms")?,
        proof_bytes: proven.get("/proof_bytes")?,
        verify_gas: called.get("/gas_used")?,
        verifier_code_bytes: generated.get("/verifier_code_bytes")?,
        verifier_deploy_gas: deployed.get("/verifier_gas")?,
        vk_deploy_gas: deployed.get("/vk_gas")?,
        float_class: predicted.get("/float_class")?,
        proven_class: proven.get("/class")?,
        predicted_wall_s: proven.get("/predicted/wall_s")?,
        predicted_rss_mb: proven.get("/predicted/rss_mb")?,
        linear_share: proven.get("/predicted/linear_share")?,
        nonlinear_share: proven.get("/predicted/nonlinear_share")?,
        time_left_error: proven.get("/time_left_error")?,
        steps_s: proven.get("/steps_s")?,
        kernels: kernels().name().to_owned(),
        comparison: compared.map(|library| compare(&library, &proven)).transpose()?,
    };
    let quantized: u64 = predicted.get("/class")?;
    if quantized != figures.proven_class {
        bail!("the proof says class {}, the quantized network {quantized}", figures.proven_class);
    }
    Ok(figures)
}

fn compare(library: &Answer, ours: &Answer) -> Result<Comparison> {
    let of = |answer: &Answer| -> Result<[f64; 3]> {
        let fields = ["/prove_wall_s", "/prove_cpu_s", "/resources/peak_rss_mb"];
        let [wall, cpu, memory] = fields.map(|field| answer.get(field));
        Ok([wall?, cpu?, memory?])
    };
    let ([wall, cpu, memory], [our_wall, our_cpu, our_memory]) = (of(library)?, of(ours)?);
    Ok(Comparison {
        library_wall_s: wall,
        library_cpu_s: cpu,
        library_rss_mb: memory,
        wall_ratio: wall / our_wall,
        cpu_ratio: cpu / our_cpu,
        rss_ratio: memory / our_memory,
    })
}

fn text(figures: &Figures) -> String {
    let mut rows = rows(figures);
    if let Some(compared) = &figures.comparison {
        rows.push((
            "library",
            format!(
                "{:.1} s ({:.1} CPU seconds), {:.0} MiB: {:.1} times the wall time, {:.1} times the CPU time, \
                 {:.1} times the memory",
                compared.library_wall_s,
                compared.library_cpu_s,
                compared.library_rss_mb,
                compared.wall_ratio,
                compared.cpu_ratio,
                compared.rss_ratio
            ),
        ));
    }
    table(&rows)
}

fn rows(figures: &Figures) -> Vec<(&'static str, String)> {
    vec![
        ("model", figures.model.clone()),
        (
            "circuit",
            format!(
                "{} rows of 2^{}, {} lanes, {} weight columns, {} advice and {} fixed columns",
                figures.rows_used,
                figures.k,
                figures.lanes,
                figures.weight_columns,
                figures.advice_columns,
                figures.fixed_columns
            ),
        ),
        ("keygen", format!("{:.2} s, {:.0} MiB", figures.keygen_wall_s, figures.keygen_rss_mb)),
        (
            "prove",
            format!(
                "witness {:.2} s, proof {:.2} s, {:.2} CPU seconds, {:.0} MiB",
                figures.witness_s, figures.prove_wall_s, figures.prove_cpu_s, figures.peak_rss_mb
            ),
        ),
        (
            "predicted",
            format!(
                "{:.2} s ({:.0} % linear, {:.0} % non-linear), {:.0} MB",
                figures.predicted_wall_s,
                100.0 * figures.linear_share,
                100.0 * figures.nonlinear_share,
                figures.predicted_rss_mb
            ),
        ),
        ("verify", format!("{:.1} ms", figures.verify_ms)),
        ("proof", format!("{} bytes", figures.proof_bytes)),
        (
            "on chain",
            format!(
                "{} gas to verify; code {} bytes, {} gas to deploy; verifying key {} gas to deploy",
                figures.verify_gas,
                figures.verifier_code_bytes,
                figures.verifier_deploy_gas,
                figures.vk_deploy_gas
            ),
        ),
        ("class", format!("{} (float network {})", figures.proven_class, figures.float_class)),
    ]
}

/// Removes a file of an earlier measurement.
fn forget(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    fs::remove_file(path).with_context(|| format!("cannot remove {}", path.display()))
}
