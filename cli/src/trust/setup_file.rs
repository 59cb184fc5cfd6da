//! Reading a setup: never without a check of its points by pairings, which is made once for each file.

use std::path::Path;

use anyhow::Result;
use assay_prover::{checked_setup::CheckedSetups, proof::Srs};

use super::kept_folder;
use crate::output::Output;

/// The setup in a file, for circuits of 2^k rows (all of it without).
pub(crate) fn read_setup(path: &Path, k: Option<u32>, output: &Output) -> Result<Srs> {
    let gauge = output.gauge("checking the setup by pairings, once for this file");
    Ok(checked_setups()?.read(path, k, &|done, all| gauge.at(done, all))?)
}

/// That the setup in a file may be used; for what reads it by itself.
pub(crate) fn check_setup(path: &Path, output: &Output) -> Result<()> {
    let gauge = output.gauge("checking the setup by pairings, once for this file");
    checked_setups()?.check(path, &|done, all| gauge.at(done, all))?;
    Ok(())
}

/// The checks that were made for this user.
pub(super) fn checked_setups() -> Result<CheckedSetups> {
    Ok(CheckedSetups::new(kept_folder()?.join("setups")))
}
