//! `assay model link`: whether two circuits are circuits of one model.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use assay_prover::{
    bundle::{Architecture, Bundle},
    model_link::check_link,
    model_proof::model_hash,
};
use clap::Args;
use serde::Serialize;

use crate::{
    output::{Output, hex, table},
    published::read_architecture,
    trust::read_setup,
};

#[derive(Args)]
#[command(after_help = "Example:
  assay model link lenet.json lenet-audit.json
  assay model link lenet.bundle lenet-audit.bundle --setup dev.srs

All circuits of one model commit to its weights with the same points, so their proofs show the same
model hash. Two accepted proofs with one hash, over keys of one setup, are about the same weights; this
command says whether the two circuits read them as the same network, `assay circuit vk` whether the keys
are theirs.")]
pub(crate) struct LinkArgs {
    /// Bundle, card or architecture of the one circuit
    a: PathBuf,
    /// Bundle, card or architecture of the other
    b: PathBuf,
    /// KZG parameters: compares the model hashes of two bundles too
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    linked: bool,
    circuit_a: String,
    circuit_b: String,
    /// With a setup.
    model_hash: Option<String>,
}

/// One side: a bundle where it is at hand.
struct Side {
    architecture: Architecture,
    bundle: Option<Bundle>,
}

impl Side {
    fn read(path: &Path) -> Result<Self> {
        if Bundle::is_bundle(path) {
            let bundle = Bundle::read(path)?;
            return Ok(Self { architecture: bundle.architecture(), bundle: Some(bundle) });
        }
        Ok(Self { architecture: read_architecture(path)?, bundle: None })
    }

    fn hash(&self, path: &Path, setup: &Path, output: &Output) -> Result<[u8; 32]> {
        let Some(bundle) = &self.bundle else {
            bail!("{} holds no weights; --setup is for two bundles", path.display());
        };
        let layout = bundle.layout()?;
        let srs = read_setup(setup, Some(layout.k), output)?;
        Ok(model_hash(bundle, &layout, &srs)?)
    }
}

pub(super) fn run(args: &LinkArgs, output: &Output) -> Result<()> {
    let spinner = output.spinner("reading the models");
    let (a, b) = (Side::read(&args.a)?, Side::read(&args.b)?);
    spinner.message("comparing the circuits");
    check_link(&a.architecture, &b.architecture)?;
    let mut hash = None;
    if let Some(setup) = &args.setup {
        spinner.message("committing to the weights");
        let hashes = (a.hash(&args.a, setup, output)?, b.hash(&args.b, setup, output)?);
        if hashes.0 != hashes.1 {
            bail!(
                "the weights or their blinding differ: the model hashes are {} and {}",
                hex(hashes.0),
                hex(hashes.1)
            );
        }
        hash = Some(hex(hashes.0));
    }
    drop(spinner);
    let report = Report {
        linked: true,
        circuit_a: hex(a.architecture.circuit_hash()),
        circuit_b: hex(b.architecture.circuit_hash()),
        model_hash: hash,
    };
    output.finish(&report, || {
        let mut rows = vec![
            ("linked", "circuits of one network, weights in one place".to_owned()),
            ("circuit", report.circuit_a.clone()),
            ("circuit", report.circuit_b.clone()),
        ];
        match &report.model_hash {
            Some(hash) => rows.push(("model", hash.clone())),
            None => rows.push((
                "model",
                "the same where proofs or registrations show the same model hash".to_owned(),
            )),
        }
        table(&rows)
    })
}
