//! `assay model give-back`: openings of a derived bundle go back to its source.

use std::path::PathBuf;

use anyhow::{Result, bail};
use assay_prover::openings::{BundleId, GivenBack, Marks, give_back, give_back_deleted};
use clap::{ArgGroup, Args};
use serde::Serialize;

use crate::output::{Output, table};

#[derive(Args)]
#[command(
    group = ArgGroup::new("what").required(true).args(["bundle", "deleted"]),
    after_help = "Example:
  assay model give-back lenet-audit.bundle --to lenet.bundle
  assay model give-back --deleted 0123456789abcdef0123456789abcdef --to lenet.bundle --no-copy-of-it-exists

The bundle is ended first, then its source gets what was not used, then the bundle is removed. Whatever
interrupts that, there are never too many openings, and the same command goes on."
)]
pub(crate) struct GiveBackArgs {
    /// Derived bundle. It is removed
    bundle: Option<PathBuf>,
    /// Instead: the id of a derived bundle that was deleted, as `assay model inspect` of its source says. What
    /// it used is what this machine has recorded
    #[arg(long, value_name = "ID", requires = "no_copy_of_it_exists")]
    deleted: Option<BundleId>,
    /// The bundle that it was derived from
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// With --deleted: you know that no copy of the bundle exists, and that it was used on this machine
    /// only. If that is wrong, more proofs can be made than the weights stay hidden in
    #[arg(long, requires = "deleted")]
    no_copy_of_it_exists: bool,
}

#[derive(Serialize)]
struct Report {
    bundle_id: String,
    /// Openings that the derived bundle had got.
    openings: usize,
    openings_used: usize,
    returned: usize,
    source_openings_left: usize,
    /// The bundle was not there: what it used is what this machine recorded, and a copy of it would make
    /// too many openings.
    unseen: bool,
}

pub(super) fn run(args: &GiveBackArgs, output: &Output) -> Result<()> {
    let marks = Marks::of_user()?;
    let back = match (&args.bundle, args.deleted) {
        (Some(bundle), _) => give_back(bundle, &args.to, &marks)?,
        (None, Some(id)) if args.no_copy_of_it_exists => give_back_deleted(id, &args.to, &marks)?,
        (None, _) => bail!("give a derived bundle, or --deleted with --no-copy-of-it-exists"),
    };
    let report = Report::new(&back, args.bundle.is_none());
    output.finish(&report, || report.text())
}

impl Report {
    fn new(back: &GivenBack, unseen: bool) -> Self {
        Self {
            bundle_id: back.bundle.to_string(),
            openings: back.given,
            openings_used: back.used,
            returned: back.returned,
            source_openings_left: back.source_left,
            unseen,
        }
    }

    fn text(&self) -> String {
        let mut text = table(&[
            ("ended", format!("bundle {}", self.bundle_id)),
            ("openings", format!("{} of {} used", self.openings_used, self.openings)),
            ("given back", self.returned.to_string()),
            ("left", format!("{} of the source", self.source_openings_left)),
        ]);
        if self.unseen {
            text.push_str(
                "unsafe if a copy of the bundle exists, or if it was used on another machine: then more proofs \
                 can be made than the weights stay hidden in\n",
            );
        }
        text
    }
}
