//! Proofs about the items of a committed collection, run by run: `assay audit prove|verify`,
//! `assay retrieve prove|verify` and `assay classify prove|verify`.

mod item_answers;
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
    run_proof::RunResult,
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
    statement: StatementKind,
    context: B256,
    root: B256,
    /// The model's hash, where it is known.
    model: Option<B256>,
}

impl Common {
    /// The model and the result that the proof in a file shows, when it is of this run.
    fn check(&self, path: &Path, place: Place) -> Result<(B256, RunResult)> {
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
        let results = file.public_inputs.get(expected.len()..).unwrap_or_default();
        let result = RunResult::read(self.statement, place.items, results);
        let result = result.with_context(|| {
            format!("{}: its result is none that the circuit shows", path.display())
        })?;
        Ok((weights, result))
    }
}

/// What is counted, for people; a classification has an answer for each item and counts nothing.
fn counted_name(wanted: &str) -> Option<&'static str> {
    match wanted {
        "audit" => Some("correct"),
        "retrieval" => Some("selected"),
        _ => None,
    }
}
