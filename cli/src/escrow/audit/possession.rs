//! Audits that are entered with a proof of the model on a public collection, so that a place needs weights.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U256};
use anyhow::{Context, Result, bail};
use assay_client::registry::ModelBinding;
use assay_prover::{arithmetic::field::field_to_bytes, collection::Collection};
use clap::Args;

use super::Job;
use crate::escrow::runs::{self, Expected};

/// What the buyer asks for.
#[derive(Args)]
pub(crate) struct ChallengeArgs {
    /// Public collection of as many labelled items as the test set: entering takes a proof of the model's first run on
    /// it, so that a place needs weights that exist. Say in --hint where it is found
    #[arg(long, value_name = "FILE", conflicts_with = "admit_at_delivery")]
    challenge: Option<PathBuf>,
}

impl ChallengeArgs {
    /// Root of the challenge; zero where nothing is asked for.
    pub(super) fn root(&self, items: u32) -> Result<U256> {
        let Some(path) = &self.challenge else { return Ok(U256::ZERO) };
        let set = Collection::read(path, &|_| {})?;
        if set.labels().is_empty() || set.len() != items as usize {
            bail!(
                "{} has {} items{}; a challenge has as many as the test set, {items}, with labels: the model's \
                 first run on it is proven like that of the test set",
                path.display(),
                set.len(),
                if set.labels().is_empty() { " without labels" } else { "" },
            );
        }
        Ok(U256::from_be_bytes(field_to_bytes(&set.root())))
    }
}

/// What the seller shows: the count of the challenge's first run, and its proof. Nothing where nothing is asked for.
pub(super) fn shown(
    job: &Job,
    binding: &ModelBinding,
    batch: usize,
    seller: Address,
    folder: Option<&Path>,
) -> Result<(U256, Bytes)> {
    let terms = job.terms();
    if terms.challengeRoot.is_zero() {
        return Ok(Default::default());
    }
    let context = job.context(seller);
    let folder = folder.with_context(|| {
        format!(
            "job {} takes sellers only that prove to have the weights, on the public collection {} (the buyer's hint \
             says where it is); prove its first run with `assay audit prove --runs 0 1 --context {}`, and give the \
             folder as --possession",
            job.order.job_id,
            B256::from(terms.challengeRoot),
            B256::from(context),
        )
    })?;
    let expected = Expected {
        vk_hash: binding.model.vk_hash,
        context,
        root: terms.challengeRoot,
        items: u64::from(terms.items),
        batch: batch as u64,
        words: 1,
        command: "assay audit prove --runs 0 1",
    };
    let runs = runs::read(folder, &expected)?;
    let first = runs.iter().find(|run| run.run == 0).with_context(|| {
        format!("{} has no proof of the first run; it is asked for", folder.display())
    })?;
    let shown = first.result();
    Ok((shown.result, shown.proof))
}
