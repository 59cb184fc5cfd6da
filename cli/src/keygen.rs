//! `assay keygen`.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use assay_prover::{
    bundle::Bundle,
    model_proof::{generate_key, generate_verifying_key, model_hash},
    proof::{KeyInfo, ProverKey, VerifierKey},
};
use clap::Args;
use serde::Serialize;

use crate::{
    key_folder::{PROVING_KEY, VERIFYING_KEY},
    new_file::NewFile,
    output::{Output, hex, table},
    published::read_architecture,
    setup_trust::SetupTrust,
    trust::read_setup,
};

/// What would be broken by replacing keys.
const BREAKS: &str = "models that were registered with keys of another circuit or setup could no longer be proven from this folder";

#[derive(Args)]
#[command(after_help = "Example:
  assay keygen lenet.bundle --setup dev.srs -o keys
  assay keygen --architecture lenet.json --setup dev.srs -o keys      a buyer: the verifying key only")]
pub(crate) struct KeygenArgs {
    /// Model bundle
    #[arg(required_unless_present = "architecture", conflicts_with = "architecture")]
    bundle: Option<PathBuf>,
    /// Published architecture, for a verifying key only
    #[arg(long, value_name = "FILE")]
    architecture: Option<PathBuf>,
    /// Parameters made or imported by `assay setup`
    #[arg(long, env = "ASSAY_SETUP", value_name = "FILE")]
    setup: PathBuf,
    /// Make the verifying key only
    #[arg(long)]
    verifying_only: bool,
    /// Replace keys that are there: models registered with them could no longer be proven with them
    #[arg(long)]
    force: bool,
    /// Folder for the keys; keys that are there are not replaced
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report {
    output: PathBuf,
    k: u32,
    rows_used: usize,
    lanes: usize,
    weight_columns: usize,
    advice_columns: usize,
    fixed_columns: usize,
    proof_bytes: usize,
    vk_hash: String,
    circuit_hash: String,
    /// Only from a bundle.
    model_hash: Option<String>,
    setup: SetupTrust,
    /// Making the keys, without reading and writing files.
    keygen_wall_s: f64,
}

pub(crate) fn run(args: &KeygenArgs, output: &Output) -> Result<()> {
    let [verifying_file, proving_file] = [VERIFYING_KEY, PROVING_KEY]
        .map(|name| NewFile::new(args.output.join(name), Some(args.force), BREAKS));
    let both = args.bundle.is_some() && !args.verifying_only;
    verifying_file.require_free()?;
    if both {
        proving_file.require_free()?;
    }
    let spinner = output.spinner("reading the model");
    let bundle = args.bundle.as_deref().map(Bundle::read).transpose()?;
    let architecture = match (&bundle, &args.architecture) {
        (Some(bundle), _) => bundle.architecture(),
        (None, Some(path)) => read_architecture(path)?,
        (None, None) => bail!("give a bundle or an architecture"),
    };
    let layout = architecture.layout()?;
    spinner.message("reading the setup");
    let srs = read_setup(&args.setup, Some(layout.k), output)?;
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make the folder {}", args.output.display()))?;
    spinner.message(format!("making keys for 2^{} rows", layout.k));
    let start = std::time::Instant::now();
    let (info, verifier, proving, elapsed): (KeyInfo, VerifierKey, Option<ProverKey>, _) = if both {
        let key = generate_key(&srs, &layout)?;
        let elapsed = start.elapsed();
        (key.info().clone(), key.verifier(), Some(key), elapsed)
    } else {
        let key = generate_verifying_key(&srs, &layout)?;
        (key.info().clone(), key, None, start.elapsed())
    };
    spinner.message("writing the keys");
    verifying_file.write(|path| Ok(verifier.write(path)?))?;
    if let Some(key) = &proving {
        proving_file.write(|path| Ok(key.write(path)?))?;
    }
    let profile = info.profile();
    let model_hash = match &bundle {
        Some(bundle) => Some(hex(model_hash(bundle, &layout, &srs)?)),
        None => None,
    };
    drop(spinner);
    let report = Report {
        output: args.output.clone(),
        k: layout.k,
        rows_used: layout.rows_used(),
        lanes: layout.options.lanes,
        weight_columns: profile.weight_columns,
        advice_columns: profile.advice_columns(),
        fixed_columns: profile.fixed_columns,
        proof_bytes: profile.proof_bytes(),
        vk_hash: hex(info.hash()),
        circuit_hash: hex(architecture.circuit_hash()),
        model_hash,
        setup: SetupTrust::of(info.setup_id()),
        keygen_wall_s: elapsed.as_secs_f64(),
    };
    output.finish(&report, || {
        let mut rows = vec![
            ("keys", report.output.display().to_string()),
            ("verifying key", report.vk_hash.clone()),
            ("circuit", report.circuit_hash.clone()),
        ];
        if let Some(hash) = &report.model_hash {
            rows.push(("model", hash.clone()));
        }
        rows.push(("rows", format!("{} of 2^{}", report.rows_used, report.k)));
        rows.push((
            "columns",
            format!("{} advice, {} fixed", report.advice_columns, report.fixed_columns),
        ));
        rows.push(("proof", format!("{} bytes", report.proof_bytes)));
        rows.push(("time", format!("{:.1} s", report.keygen_wall_s)));
        rows.extend(report.setup.warning());
        table(&rows)
    })
}
