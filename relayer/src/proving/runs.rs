//! Proofs about runs of committed collections.

use std::sync::{Arc, PoisonError};

use alloy::primitives::{B256, U256};
use assay_client::ProofArtifact;
use assay_prover::{
    arithmetic::field::{field_from_bytes, field_to_bytes},
    circuit::StatementKind,
    collection::{Collection, OpeningFile, RunOpening},
    model_proof::CountOpening,
    run_proof::{self, RunResult},
};

use super::{
    InputStore, ProofRequest, ProveError, RunPlace,
    local::{LoadedModel, prove_error, refuse_other, words_of},
};

impl LoadedModel {
    /// Proves what the model makes of the items of a run.
    pub(super) fn prove_run(
        &self,
        inputs: &InputStore,
        request: &ProofRequest,
        place: RunPlace,
        count: CountOpening<'_>,
    ) -> Result<ProofArtifact, ProveError> {
        let failed = |reason: &str| ProveError::Failed(reason.to_owned());
        let run = self.layout.options.statement.run();
        let run = run.ok_or_else(|| failed("the bundle proves single inputs"))?;
        let opening = self.run_opening(inputs, request, place)?;
        let context = field_from_bytes(&request.context.to_be_bytes())
            .ok_or_else(|| failed("the context is not a field element"))?;
        if let Some(expected) = &request.expected {
            let result = run_proof::reference(&self.bundle, &self.layout, &opening);
            let words = result.map_err(|error| prove_error(&error))?.answer_words(run);
            let words = words.ok_or_else(|| failed("the circuit has no answers for items"))?;
            refuse_other(expected, &words_of(&words))?;
        }
        let made = run_proof::prove(self.prover(count), &opening, context);
        let made = made.map_err(|error| prove_error(&error))?;
        self.check(&made.proof)?;
        let outputs = words_of(made.proof.public_inputs.get(4..).unwrap_or_default());
        Ok(ProofArtifact { proof: made.proof.proof.into(), run: U256::from(place.run), outputs })
    }

    /// The word that the proof of each run of a collection will show.
    pub(super) fn survey(
        &self,
        inputs: &InputStore,
        root: U256,
        items: u64,
    ) -> Result<Vec<U256>, ProveError> {
        let failed = |reason: String| ProveError::Failed(reason);
        let statement = self.layout.options.statement;
        let run =
            statement.run().ok_or_else(|| failed("the bundle proves single inputs".into()))?;
        let set = self.collection_of(inputs, B256::from(root.to_be_bytes()))?;
        if set.len() as u64 != items {
            return Err(failed(format!("the collection has {} items, not {items}", set.len())));
        }
        if set.depth() != run.depth {
            return Err(failed(format!(
                "its tree is {} deep, the circuit takes trees of depth {}; derive the bundle with --depth {}",
                set.depth(),
                run.depth,
                set.depth()
            )));
        }
        if matches!(statement, StatementKind::Audit { .. }) && set.labels().is_empty() {
            return Err(failed("it has no labels, and an audit needs one for each item".into()));
        }
        let word = |first: usize| {
            let cannot = |reason: String| failed(format!("the run from item {first} on: {reason}"));
            let opening = set.open_run(first, run.log_items).map_err(|e| cannot(e.to_string()))?;
            match run_proof::reference(&self.bundle, &self.layout, &opening) {
                Ok(RunResult::Correct(count)) => Ok(U256::from(count)),
                Ok(RunResult::Selected(bitmap)) => Ok(U256::from(bitmap)),
                Ok(_) => Err(cannot("its proof shows more than one word".into())),
                Err(error) => Err(cannot(error.to_string())),
            }
        };
        (0..set.len()).step_by(run.items()).map(word).collect()
    }

    /// The openings of items of a collection, each a line.
    pub(super) fn open_items(
        &self,
        inputs: &InputStore,
        root: U256,
        items: &[u64],
    ) -> Result<String, ProveError> {
        let set = self.collection_of(inputs, B256::from(root.to_be_bytes()))?;
        let line = |index: &u64| {
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            let opened = OpeningFile::of(&set, index);
            Ok(opened.map_err(|error| ProveError::Failed(error.to_string()))?.to_json())
        };
        items.iter().map(line).collect()
    }

    /// The items of a run, from the collection in the folder of inputs.
    fn run_opening(
        &self,
        inputs: &InputStore,
        request: &ProofRequest,
        place: RunPlace,
    ) -> Result<RunOpening, ProveError> {
        let commitment = request.input_commitment;
        let unavailable = |reason: String| ProveError::InputUnavailable { commitment, reason };
        let set = self.collection_of(inputs, B256::from(commitment.to_be_bytes()))?;
        if set.len() as u64 != place.items {
            let text = format!("the collection has {} items, not {}", set.len(), place.items);
            return Err(ProveError::Failed(text));
        }
        let run = self.layout.options.statement.run();
        let run =
            run.ok_or_else(|| ProveError::Failed("the bundle proves single inputs".into()))?;
        let first = usize::try_from(place.run).ok().and_then(|at| at.checked_mul(run.items()));
        let first = first.ok_or_else(|| unavailable("there is no such run".into()))?;
        set.open_run(first, run.log_items).map_err(|error| ProveError::Failed(error.to_string()))
    }

    fn collection_of(
        &self,
        inputs: &InputStore,
        root: B256,
    ) -> Result<Arc<Collection>, ProveError> {
        let commitment = U256::from_be_bytes(root.0);
        let unavailable = |reason: String| ProveError::InputUnavailable { commitment, reason };
        let mut kept = self.collection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, set)) = kept.as_ref()
            && *known == root
        {
            return Ok(Arc::clone(set));
        }
        let path = inputs.collection_path(root);
        if !path.exists() {
            return Err(unavailable(format!("there is no collection {}", path.display())));
        }
        let set = Collection::read(&path, &|_| {}).map_err(|e| unavailable(e.to_string()))?;
        let found = B256::from(field_to_bytes(&set.root()));
        if found != root {
            return Err(unavailable(format!("{} has root {found}", path.display())));
        }
        let set = Arc::new(set);
        *kept = Some((root, Arc::clone(&set)));
        Ok(set)
    }
}
