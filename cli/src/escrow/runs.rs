//! The proofs of `assay audit prove` and `assay retrieve prove`, handed to an escrow.

use std::{fs, path::Path};

use alloy::primitives::{B256, U256};
use anyhow::{Context, Result, bail};
use assay_client::{ChainError, chain::TransactionOutcome, escrow::collection_job::RunArtifact};
use assay_prover::{arithmetic::field::field_to_bytes, proof::ProofFile};
use serde::Serialize;

use crate::{
    chain::{Sent, Session, refusal},
    output::{Decimal, hex},
};

/// What the proofs of a job must be about.
pub(super) struct Expected {
    pub vk_hash: B256,
    pub context: U256,
    pub root: U256,
    pub items: u64,
    /// Items of a run.
    pub batch: u64,
    /// The command that makes such proofs.
    pub command: &'static str,
}

/// The proofs that were handed in; part of a report.
#[derive(Serialize)]
pub(super) struct Submitted {
    /// Runs shown now, and before.
    submitted: usize,
    proven_before: usize,
    transactions: Vec<Sent>,
    pub gas_used: u64,
}

impl Submitted {
    /// A line about the runs, of which so many are still missing.
    pub(super) fn text(&self, missing: Decimal) -> String {
        let Self { submitted, proven_before, .. } = self;
        format!("{submitted} shown now, {proven_before} before, {missing} missing")
    }
}

/// Hands in the proofs of the runs that are not proven on chain yet.
pub(super) async fn submit(
    runs: &[RunArtifact],
    session: &Session,
    is_proven: impl AsyncFn(u64) -> Result<bool, ChainError>,
    prove: impl AsyncFn(&RunArtifact) -> Result<TransactionOutcome, ChainError>,
) -> Result<Submitted> {
    let (mut transactions, mut proven_before) = (Vec::new(), 0);
    for (done, run) in runs.iter().enumerate() {
        session.spinner.message(format!("run {}: {done} of {} done", run.run, runs.len()));
        if is_proven(run.run).await? {
            proven_before += 1;
            continue;
        }
        let sent = prove(run).await;
        let what = || format!("the escrow refuses run {}", run.run);
        let sent = sent.map_err(|error| refusal(error, what))?;
        transactions.push(Sent::from(&sent));
    }
    let gas_used = transactions.iter().map(|sent| sent.gas_used).sum();
    Ok(Submitted { submitted: transactions.len(), proven_before, transactions, gas_used })
}

/// The proofs in a folder, in the order of their runs.
///
/// # Errors
/// If there is none, or one is for something else than this job.
pub(super) fn read(folder: &Path, expected: &Expected) -> Result<Vec<RunArtifact>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "proof") {
            runs.push(read_one(&path, expected)?);
        }
    }
    if runs.is_empty() {
        bail!(
            "{} holds no proofs; make them with `{} --context {}`",
            folder.display(),
            expected.command,
            B256::from(expected.context)
        );
    }
    runs.sort_by_key(|run: &RunArtifact| run.run);
    Ok(runs)
}

fn read_one(path: &Path, expected: &Expected) -> Result<RunArtifact> {
    let file = ProofFile::read(path)?;
    if file.vk_hash != expected.vk_hash {
        bail!(
            "{} belongs to verifying key {}, the model of the job has {}",
            path.display(),
            hex(file.vk_hash),
            expected.vk_hash
        );
    }
    let words: Vec<U256> =
        file.public_inputs.iter().map(|x| U256::from_be_bytes(field_to_bytes(x))).collect();
    let [context, root, first, items, result] = words[..] else {
        bail!("{} is not a proof about a run of a collection", path.display());
    };
    if context != expected.context {
        bail!(
            "{} was made for another use; make it with `{} --context {}`",
            path.display(),
            expected.command,
            B256::from(expected.context)
        );
    }
    if root != expected.root {
        bail!(
            "{} is about the collection {}, the job about {}",
            path.display(),
            B256::from(root),
            B256::from(expected.root)
        );
    }
    let run = u64::try_from(first).ok().map(|first| (first / expected.batch, first));
    let place = run.filter(|(run, first)| {
        let rest = expected.items.saturating_sub(*first);
        run * expected.batch == *first && items == U256::from(rest.min(expected.batch)) && rest > 0
    });
    let Some((run, _)) = place else {
        bail!(
            "{} covers {items} items from item {first} on, which is no run of {} items of {}",
            path.display(),
            expected.batch,
            expected.items
        );
    };
    Ok(RunArtifact { run, result, proof: file.proof.into() })
}

#[cfg(test)]
mod tests {
    use assay_prover::arithmetic::field::field_from_bytes;

    use super::*;

    fn expected() -> Expected {
        Expected {
            vk_hash: B256::with_last_byte(1),
            context: U256::from(7),
            root: U256::from(8),
            items: 10,
            batch: 4,
            command: "assay audit prove ...",
        }
    }

    fn write(folder: &Path, vk: u8, words: &[u64]) {
        let public_inputs = words
            .iter()
            .map(|word| field_from_bytes(&U256::from(*word).to_be_bytes()).unwrap())
            .collect();
        let vk_hash = B256::with_last_byte(vk).0;
        let file = ProofFile { vk_hash, public_inputs, proof: vec![9; 3] };
        file.write(&folder.join(format!("{}.proof", words.get(2).unwrap_or(&0)))).unwrap();
    }

    #[test]
    fn proofs_are_told_apart_by_what_they_show() {
        let folder = tempfile::tempdir().unwrap();
        let (path, job) = (folder.path(), expected());
        assert!(read(path, &job).unwrap_err().to_string().contains("--context 0x"));
        write(path, 1, &[7, 8, 8, 2, 1]);
        write(path, 1, &[7, 8, 0, 4, 3]);
        fs::write(path.join("notes.txt"), "no proof").unwrap();
        let found: Vec<_> =
            read(path, &job).unwrap().iter().map(|run| (run.run, run.result)).collect();
        assert_eq!(found, [(0, U256::from(3)), (2, U256::from(1))]);
        for (vk, words, complaint) in [
            (2, &[7, 8, 4, 4, 1][..], "verifying key"),
            (1, &[6, 8, 4, 4, 1], "another use"),
            (1, &[7, 9, 4, 4, 1], "collection"),
            (1, &[7, 8, 5, 4, 1], "no run"),
            (1, &[7, 8, 4, 3, 1], "no run"),
            (1, &[7, 8, 12, 4, 1], "no run"),
            (1, &[7, 8, 4], "not a proof about a run"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), vk, words);
            let error = read(folder.path(), &job).unwrap_err().to_string();
            assert!(error.contains(complaint), "{words:?}: {error}");
        }
    }
}
