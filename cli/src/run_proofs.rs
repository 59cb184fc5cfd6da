//! Proofs about the items of a committed collection, run by run: `assay audit prove|verify` and
//! `assay retrieve prove|verify`.

mod prove;
mod reference;
mod verify;

use std::path::{Path, PathBuf};

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    circuit::{Run, StatementKind},
    proof::{ProofFile, VerifierKey},
};

use crate::output::hex;

pub(crate) use prove::{ProveRunsArgs, prove};
pub(crate) use reference::Reference;
pub(crate) use verify::{VerifyRunsArgs, verify};

/// The place of one run.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    first: usize,
    items: usize,
}

/// The runs of a collection: each covers `batch` items, the last what is left.
fn places(items: usize, batch: usize) -> Vec<Place> {
    (0..items.div_ceil(batch))
        .map(|index| {
            let first = index * batch;
            Place { index, first, items: batch.min(items - first) }
        })
        .collect()
}

pub(crate) fn proof_path(folder: &Path, index: usize) -> PathBuf {
    folder.join(format!("run-{index:05}.proof"))
}

/// The runs of a circuit's statement, if it is of the wanted kind.
fn runs_of(statement: StatementKind, wanted: &str, what: &Path) -> Result<Run> {
    match statement.run() {
        Some(run) if statement.name() == wanted => Ok(run),
        _ => bail!(
            "{} is for statements of kind {}; `assay model derive --statement {wanted}` makes a bundle that \
             proves {wanted}s, `assay model architecture` its public part",
            what.display(),
            statement.name()
        ),
    }
}

/// What the proofs of a collection's runs have in common.
struct Common {
    key: VerifierKey,
    context: B256,
    root: B256,
    /// The model's hash, where it is known.
    model: Option<B256>,
}

impl Common {
    /// The model and the result that the proof in a file shows, when it is of this run.
    fn check(&self, path: &Path, place: Place) -> Result<(B256, u128)> {
        let file = ProofFile::read(path)?;
        if file.vk_hash != self.key.hash() {
            bail!("{} belongs to verifying key {}", path.display(), hex(file.vk_hash));
        }
        let weights = self
            .key
            .verify(&file.public_inputs, &file.proof)
            .with_context(|| format!("{} is refused", path.display()))?;
        let weights = B256::from(weights);
        if let Some(model) = self.model.filter(|model| *model != weights) {
            bail!("{} holds, but for model {weights}, not {model}", path.display());
        }
        let words = file.public_inputs.iter().map(|x| B256::from(field_to_bytes(x)));
        let words = words.collect::<Vec<_>>();
        let number = |value: usize| B256::from(U256::from(value));
        let expected = [self.context, self.root, number(place.first), number(place.items)];
        let names = ["context", "root", "first index", "number of items"];
        for ((name, expected), found) in names.iter().zip(expected).zip(&words) {
            if *found != expected {
                bail!("{}: its {name} is {found}, not {expected}", path.display());
            }
        }
        let result = words.get(4).context("a proof about a run has five public inputs")?;
        let result = u128::from_be_bytes(result.0[16..].try_into().unwrap_or([0; 16]));
        Ok((weights, result))
    }
}

fn counted(statement: StatementKind, result: u128) -> u64 {
    match statement {
        StatementKind::Retrieval { .. } => u64::from(result.count_ones()),
        _ => result as u64,
    }
}

/// What is counted, for people.
fn counted_name(wanted: &str) -> &'static str {
    if wanted == "audit" { "correct" } else { "selected" }
}
