//! `assay setup`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use assay_prover::proof::Srs;
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::output::{Output, hex, table};

#[derive(Args)]
#[command(
    group = ArgGroup::new("source").required(true).args(["dev", "import"]),
    after_help = "Example:
  assay setup --dev -k 14 -o dev.srs            for development: its maker can forge proofs
  assay setup --import ceremony.params -k 17 -o ceremony.srs"
)]
pub(crate) struct SetupArgs {
    /// Make the parameters here. Whoever made them can forge proofs: for development only
    #[arg(long, requires = "k")]
    dev: bool,
    /// Import parameters of a ceremony, in halo2's raw `params` layout
    #[arg(long, value_name = "FILE")]
    import: Option<PathBuf>,
    /// Logarithm of the number of rows; `assay model inspect` says which a model needs
    #[arg(short, long)]
    k: Option<u32>,
    /// File to write
    #[arg(short, long)]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report {
    output: PathBuf,
    k: u32,
    dev: bool,
    id: String,
    bytes: u64,
}

pub(crate) fn run(args: &SetupArgs, output: &Output) -> Result<()> {
    let srs = match (&args.import, args.k) {
        (Some(file), k) => {
            let _spinner = output.spinner("checking the parameters");
            Srs::import_halo2(file, k)?
        }
        (None, Some(k)) => {
            let _spinner = output.spinner(format!("making a development setup for 2^{k} rows"));
            Srs::dev_random(k)?
        }
        (None, None) => bail!("-k is missing: the logarithm of the number of rows"),
    };
    {
        let _spinner = output.spinner("writing the parameters");
        srs.write(&args.output)?;
    }
    let bytes = std::fs::metadata(&args.output).context("cannot see the file written")?.len();
    let report = Report {
        output: args.output.clone(),
        k: srs.k(),
        dev: srs.is_dev(),
        id: hex(srs.id()),
        bytes,
    };
    output.finish(&report, || {
        let kind = if report.dev {
            "development: whoever made it can forge proofs"
        } else {
            "imported from a ceremony"
        };
        table(&[
            ("setup", report.output.display().to_string()),
            ("kind", kind.to_owned()),
            ("rows", format!("2^{}", report.k)),
            ("id", report.id.clone()),
            ("size", format!("{:.1} MiB", report.bytes as f64 / f64::from(1 << 20))),
        ])
    })
}
