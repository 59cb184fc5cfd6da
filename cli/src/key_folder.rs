//! The folder of keys that `assay keygen` fills and other commands read.

use std::path::Path;

use anyhow::{Context, Result, bail};
use assay_prover::{
    circuit::Layout,
    model_proof::{read_key, read_verifying_key},
    proof::{ProverKey, Srs, VerifierKey},
};

pub(crate) const PROVING_KEY: &str = "proving.key";
pub(crate) const VERIFYING_KEY: &str = "verifying.key";

/// A folder that `assay keygen` filled.
pub(crate) struct KeyFolder<'a>(pub &'a Path);

impl KeyFolder<'_> {
    pub(crate) fn proving_key(&self, layout: &Layout, srs: &Srs) -> Result<ProverKey> {
        let path = self.0.join(PROVING_KEY);
        let key = read_key(&path, layout)
            .context("the proving key of this model is needed; `assay keygen` makes it")?;
        if key.info().setup_id() != srs.id() {
            bail!(
                "{} was made with another setup; use that one, or run `assay keygen` again",
                path.display()
            );
        }
        Ok(key)
    }

    pub(crate) fn verifying_key(&self, layout: &Layout) -> Result<VerifierKey> {
        read_verifying_key(&self.0.join(VERIFYING_KEY), layout)
            .context("the verifying key of this model is needed; `assay keygen` makes it")
    }
}
