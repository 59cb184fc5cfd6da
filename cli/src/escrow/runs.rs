//! The proofs of `assay audit prove`, `assay retrieve prove` and `assay classify prove`, handed to a contract.

use std::{fs, path::Path};

use alloy::primitives::{B256, Bytes, U256};
use anyhow::{Context, Result, bail};
use assay_client::{
    ChainError, ProofArtifact, chain::TransactionOutcome, escrow::collection_job::RunArtifact,
};
use assay_prover::{arithmetic::field::field_to_bytes, proof::ProofFile};
use serde::Serialize;

use crate::{
    chain::{Sent, Session, refusal},
    output::{Decimal, hex},
};

/// A proof of a run, with the output words that it shows.
#[derive(Clone, Debug)]
pub(crate) struct ShownRun {
    pub run: u64,
    pub outputs: Vec<U256>,
    /// As the verifier contract takes it.
    pub proof: Bytes,
}

impl ShownRun {
    /// Of an audit or a retrieval, which shows one word.
    pub(super) fn result(&self) -> RunArtifact {
        let result = self.outputs.first().copied().unwrap_or_default();
        RunArtifact { run: self.run, result, proof: self.proof.clone() }
    }

    /// Of a classification.
    pub(super) fn artifact(&self) -> ProofArtifact {
        let Self { run, outputs, proof } = self.clone();
        ProofArtifact { proof, run: U256::from(run), outputs }
    }
}

/// What the proofs of a job, or of a batch of answers, must be about.
pub(crate) struct Expected {
    pub vk_hash: B256,
    pub context: U256,
    pub root: U256,
    pub items: u64,
    /// Items of a run.
    pub batch: u64,
    /// Output words of a proof.
    pub words: usize,
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
        format!("{}, {missing} missing", self.shown())
    }

    pub(super) fn shown(&self) -> String {
        let Self { submitted, proven_before, .. } = self;
        format!("{submitted} shown now, {proven_before} before")
    }
}

/// Hands in the proofs of the runs that are not proven on chain yet.
pub(super) async fn submit(
    runs: &[ShownRun],
    session: &Session,
    is_proven: impl AsyncFn(u64) -> Result<bool, ChainError>,
    prove: impl AsyncFn(&ShownRun) -> Result<TransactionOutcome, ChainError>,
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
pub(crate) fn read(folder: &Path, expected: &Expected) -> Result<Vec<ShownRun>> {
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
    runs.sort_by_key(|run: &ShownRun| run.run);
    Ok(runs)
}

fn read_one(path: &Path, expected: &Expected) -> Result<ShownRun> {
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
    let [context, root, first, items, ref outputs @ ..] = words[..] else {
        bail!("{} is not a proof about a run of a collection", path.display());
    };
    if outputs.len() != expected.words {
        bail!(
            "{} is not a proof about such a run: it shows {} output words, not {}",
            path.display(),
            outputs.len(),
            expected.words
        );
    }
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
    Ok(ShownRun { run, outputs: outputs.to_vec(), proof: file.proof.into() })
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
            words: 1,
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
            read(path, &job).unwrap().iter().map(|run| (run.run, run.result().result)).collect();
        assert_eq!(found, [(0, U256::from(3)), (2, U256::from(1))]);
        for (vk, words, complaint) in [
            (2, &[7, 8, 4, 4, 1][..], "verifying key"),
            (1, &[6, 8, 4, 4, 1], "another use"),
            (1, &[7, 9, 4, 4, 1], "collection"),
            (1, &[7, 8, 5, 4, 1], "no run"),
            (1, &[7, 8, 4, 3, 1], "no run"),
            (1, &[7, 8, 12, 4, 1], "no run"),
            (1, &[7, 8, 4], "not a proof about a run"),
            (1, &[7, 8, 4, 4, 1, 2], "shows 2 output words"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), vk, words);
            let error = read(folder.path(), &job).unwrap_err().to_string();
            assert!(error.contains(complaint), "{words:?}: {error}");
        }
    }
}
