//! Proofs about runs of committed collections.

use std::sync::{Arc, PoisonError};

use alloy::primitives::{B256, U256};
use assay_client::ProofArtifact;
use assay_prover::{
    arithmetic::field::{field_from_bytes, field_to_bytes},
    collection::{Collection, RunOpening},
    run_proof,
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
        let made = run_proof::prove(self.prover(), &opening, context);
        let made = made.map_err(|error| prove_error(&error))?;
        self.check(&made.proof)?;
        let outputs = words_of(made.proof.public_inputs.get(4..).unwrap_or_default());
        Ok(ProofArtifact { proof: made.proof.proof.into(), run: U256::from(place.run), outputs })
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
