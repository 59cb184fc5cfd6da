//! `assay setup`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use assay_prover::proof::{CEREMONIES, Existing, Import, Srs};
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::{
    new_file::NewFile,
    output::{Output, hex, table},
    setup_trust::SetupTrust,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("source").required(true).args(["dev", "import", "check"]),
    after_help = "Example:
  assay setup --import powersOfTau28_hez_final_17.ptau -k 17 -o ceremony.srs
  assay setup --check ceremony.srs              by pairings; names its ceremony
  assay setup --dev -k 14 -o dev.srs            for development: its maker can forge proofs"
)]
pub(crate) struct SetupArgs {
    /// Make the parameters here. Whoever made them can forge proofs: for development only
    #[arg(long, requires = "k")]
    dev: bool,
    /// Import parameters of a ceremony: a snarkjs .ptau file (fastest when prepared for phase 2), or halo2's
    /// `params`, raw or compressed. Every point is checked
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Check a file of `assay setup` that somebody else made: that its points are the powers of the one
    /// secret that its id names
    #[arg(long, value_name = "FILE", conflicts_with_all = ["k", "output", "force"])]
    check: Option<PathBuf>,
    /// Logarithm of the number of rows; `assay model inspect` says which a model needs. An import takes
    /// all of the file without it
    #[arg(short, long)]
    k: Option<u32>,
    /// File to write; one that is there is kept
    #[arg(short, long, required_unless_present = "check")]
    output: Option<PathBuf>,
    /// Import parameters whose point `[s]_2` is of no known ceremony and was not given with --ceremony-point:
    /// whoever made them may know the secret, and then can forge proofs
    #[arg(long, requires = "import")]
    unknown_ceremony: bool,
    /// Replace the file to write. Keys that were made with the old one can no longer be used with it
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Report {
    output: PathBuf,
    k: u32,
    dev: bool,
    setup: SetupTrust,
    /// What an import was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    bytes: u64,
}

#[derive(Serialize)]
struct CheckReport {
    file: PathBuf,
    k: u32,
    setup: SetupTrust,
}

pub(crate) fn run(args: &SetupArgs, output: &Output) -> Result<()> {
    if let Some(file) = &args.check {
        return check(file, output);
    }
    let target = args.output.as_deref().context("-o is missing: the file to write")?;
    NewFile::new(
        target,
        Some(args.force),
        "keys made with it could no longer be used with the file",
    )
    .require_free()?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let made = match (&args.import, args.k) {
        (Some(file), k) => import(file, k, args.unknown_ceremony, target, existing, output)?,
        (None, Some(k)) => develop(k, target, existing, output)?,
        (None, None) => bail!("-k is missing: the logarithm of the number of rows"),
    };
    let bytes = std::fs::metadata(target).context("cannot see the file written")?.len();
    let report = Report { bytes, ..made };
    output.finish(&report, || {
        let kind = if report.dev {
            "development: whoever made it can forge proofs".to_owned()
        } else {
            report.setup.text()
        };
        let mut rows = vec![("setup", report.output.display().to_string()), ("kind", kind)];
        rows.extend(report.format.clone().map(|format| ("from", format)));
        rows.extend([
            ("rows", format!("2^{}", report.k)),
            ("id", hex(report.setup.id)),
            ("size", format!("{:.1} MiB", report.bytes as f64 / f64::from(1 << 20))),
        ]);
        table(&rows)
    })
}

fn develop(k: u32, target: &Path, existing: Existing, output: &Output) -> Result<Report> {
    let spinner = output.spinner(format!("making a development setup for 2^{k} rows"));
    let srs = Srs::dev_random(k)?;
    spinner.message("writing the parameters");
    match existing {
        Existing::Keep => srs.write_new(target)?,
        Existing::Replace => srs.write(target)?,
    }
    let setup = SetupTrust::of(srs.id());
    Ok(Report { output: target.to_owned(), k: srs.k(), dev: true, setup, format: None, bytes: 0 })
}

fn import(
    file: &Path,
    k: Option<u32>,
    unknown: bool,
    target: &Path,
    existing: Existing,
    output: &Output,
) -> Result<Report> {
    let import = Import::open(file, k)?;
    let setup = SetupTrust::of(import.id());
    if !setup.is_trusted() && !unknown {
        let known = CEREMONIES.map(|ceremony| ceremony.name).join("; ");
        bail!(
            "{} is of no known ceremony (its id is {}), so whoever made it may know the secret and forge \
             proofs. Known are: {known}. If you have the point of its ceremony from elsewhere than this \
             file, give it with --ceremony-point; --unknown-ceremony imports the file as what it is",
            file.display(),
            setup.id
        );
    }
    {
        let message = if import.has_lagrange() {
            "checking and writing the points"
        } else {
            "computing the Lagrange form, which the file has not for this k"
        };
        let gauge = output.gauge(message);
        import.write(target, existing, &|done, total| gauge.at(done, total))?;
    }
    Ok(Report {
        output: target.to_owned(),
        k: import.k(),
        dev: false,
        setup,
        format: Some(import.format().to_string()),
        bytes: 0,
    })
}

fn check(file: &Path, output: &Output) -> Result<()> {
    let checked = {
        let gauge = output.gauge("checking the points");
        Srs::check_file(file, &|done, total| gauge.at(done, total))?
    };
    let setup = SetupTrust::of(checked.id);
    let report = CheckReport { file: file.to_owned(), k: checked.k, setup };
    output.finish(&report, || {
        table(&[
            ("setup", report.file.display().to_string()),
            ("points", "powers of one secret, in both forms".to_owned()),
            ("kind", report.setup.text()),
            ("rows", format!("2^{}", report.k)),
            ("id", hex(report.setup.id)),
        ])
    })
}
