//! What the integer network says about a collection, before any proof.

use std::path::Path;

use anyhow::{Context, Result, bail};
use assay_prover::{
    arithmetic::field::Fr,
    bundle::Bundle,
    circuit::{Layout, Run, StatementKind},
    collection::Collection,
    openings::Marks,
    run_proof::{self, RunResult},
};

use super::{Place, places};
use crate::output::Output;

/// A collection, and the circuit in which statements about it are proven.
pub(crate) struct Reference<'a> {
    bundle: &'a Bundle,
    layout: &'a Layout,
    set: &'a Collection,
    run: Run,
}

impl<'a> Reference<'a> {
    /// # Errors
    /// If the circuit takes no such collection.
    pub(crate) fn new(bundle: &'a Bundle, layout: &'a Layout, set: &'a Collection) -> Result<Self> {
        let statement = layout.options.statement;
        let run = statement.run().context("the bundle proves predictions")?;
        if set.depth() != run.depth {
            bail!(
                "its tree is {} deep, the circuit takes trees of depth {}; derive the bundle with --depth {}",
                set.depth(),
                run.depth,
                set.depth()
            );
        }
        if matches!(statement, StatementKind::Audit { .. }) && set.labels().is_empty() {
            bail!("it has no labels; an audit needs one for each item");
        }
        Ok(Self { bundle, layout, set, run })
    }

    /// Proofs that cover the collection.
    pub(crate) fn runs(&self) -> usize {
        places(self.set.len(), self.run.items()).len()
    }

    /// Refuses more proofs than the bundle in this file has openings of the weights for.
    ///
    /// # Errors
    /// If they do not last, or cannot be counted.
    pub(crate) fn require_openings(&self, path: &Path, proofs: usize) -> Result<()> {
        let left = self.bundle.openings(path, &Marks::of_user()?).usage()?.left;
        if proofs > left {
            bail!(
                "{proofs} runs are to be proven, and {left} of the {} openings of {} are left; derive a bundle \
                 with more (`assay model derive --openings`)",
                self.bundle.budget,
                path.display()
            );
        }
        Ok(())
    }

    /// Items that count: those classified correctly, selected, or answered.
    ///
    /// # Errors
    /// If a run cannot be proven.
    pub(crate) fn count(&self, output: &Output) -> Result<u64> {
        Ok(self.counts(&places(self.set.len(), self.run.items()), output)?.into_iter().sum())
    }

    /// Items that count, run by run.
    ///
    /// # Errors
    /// If a run cannot be proven.
    pub(super) fn counts(&self, runs: &[Place], output: &Output) -> Result<Vec<u64>> {
        Ok(self.results(runs, output)?.iter().map(RunResult::counted).collect())
    }

    /// The output words of a classification, run by run.
    ///
    /// # Errors
    /// If a run cannot be proven, or the circuit classifies nothing.
    pub(crate) fn answers(&self, output: &Output) -> Result<Vec<Vec<Fr>>> {
        let results = self.results(&places(self.set.len(), self.run.items()), output)?;
        let words = results.iter().map(|result| result.answer_words(self.run));
        words.collect::<Option<_>>().context("the circuit has no answers for single items")
    }

    fn results(&self, runs: &[Place], output: &Output) -> Result<Vec<RunResult>> {
        const MESSAGE: &str = "running the network";
        let bar = output.bar(runs.len() as u64, MESSAGE);
        runs.iter()
            .map(|place| {
                let opening = self.set.open_run(place.first, self.run.log_items)?;
                let result = run_proof::reference(self.bundle, self.layout, &opening)
                    .with_context(|| {
                        format!("run {} (items from {}) cannot be proven", place.index, place.first)
                    })?;
                bar.step(MESSAGE);
                Ok(result)
            })
            .collect()
    }
}
