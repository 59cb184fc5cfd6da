//! The statements about a run of neighbouring items of a committed collection: of these items so
//! many are classified correctly ([`StatementKind::Audit`]); these items are the ones that the model
//! assigns to a class ([`StatementKind::Retrieval`]).
//!
//! Public inputs: `[context, root, first index, items, result]`.

use std::time::{Duration, Instant};

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::bundle::Bundle;
use crate::model_proof::{ModelProofError, ModelProver, check_input};
use assay_circuit::{Assignment, Layout, ProvenInput, Run, StatementKind, TreePlace};
use assay_collection::{Item, RunOpening};
use assay_graph::{Execution, Executor, QuantizedGraph};
use assay_proof::ProofFile;

/// A proof about a run and what it cost.
pub struct RunProof {
    /// The proof with its public inputs and the hash of its key.
    pub proof: ProofFile,
    /// The number classified correctly, or the bitmap of the selected items.
    pub result: u128,
    /// Reference runs and first phase.
    pub witness_time: Duration,
    /// Wall-clock time of the rest: the other phases, commitments and openings.
    pub prove_time: Duration,
    /// Openings of the weights used so far, and allowed.
    pub openings: (usize, usize),
}

/// What the reference says about a run, without keys or a proof: for each item whether it counts. A run
/// for which it fails cannot be proven.
///
/// # Errors
/// [`ModelProofError`].
pub fn reference(
    bundle: &Bundle,
    layout: &Layout,
    opening: &RunOpening,
) -> Result<Vec<bool>, ModelProofError> {
    let run = PreparedRun::new(&bundle.graph, layout, opening)?;
    let assignment = run.assignment(&bundle.graph, layout, opening);
    Ok((0..opening.items.len()).map(|item| assignment.counts(item)).collect())
}

/// Proves the statement of the bundle's circuit about a run.
///
/// # Errors
/// [`ModelProofError`].
pub fn prove(
    prover: ModelProver<'_>,
    opening: &RunOpening,
    context: Fr,
) -> Result<RunProof, ModelProofError> {
    let start = Instant::now();
    let graph = &prover.bundle.graph;
    let run = PreparedRun::new(graph, prover.layout, opening)?;
    let executed = start.elapsed();
    let assignment = run.assignment(graph, prover.layout, opening);
    let proven = prover.prove(&assignment, context)?;
    let result = assignment.small_result();
    Ok(RunProof {
        proof: proven.proof,
        result,
        witness_time: executed + proven.witness_time,
        prove_time: proven.prove_time,
        openings: proven.openings,
    })
}

/// The reference runs of a run's items.
struct PreparedRun {
    run: Run,
    executions: Vec<Execution>,
    /// Fixed class of a retrieval.
    class: Option<usize>,
}

impl PreparedRun {
    fn new(
        graph: &QuantizedGraph,
        layout: &Layout,
        opening: &RunOpening,
    ) -> Result<Self, ModelProofError> {
        let kind = layout.options.statement;
        let (run, class) = match kind {
            StatementKind::Audit { run, .. } => (run, None),
            StatementKind::Retrieval { run, class } => (run, Some(class)),
            StatementKind::Prediction { .. } => {
                let wanted = "audit or retrieval";
                return Err(ModelProofError::Statement { found: kind.name(), wanted });
            }
        };
        if opening.bits != run.log_items || opening.items.is_empty() {
            let (expected, found) = (run.log_items, opening.bits);
            return Err(ModelProofError::RunLength { expected, found });
        }
        if opening.siblings.len() != run.path() {
            let found = opening.siblings.len() + run.log_items as usize;
            return Err(ModelProofError::Depth { expected: run.depth, found });
        }
        let classes = graph.tensors[graph.output].shape[0];
        for (item, Item { input, label, .. }) in opening.items.iter().enumerate() {
            check_input(graph, input)?;
            let label = u64::from(*label);
            if class.is_none() && label >= classes as u64 {
                return Err(ModelProofError::Label { item, label, classes });
            }
        }
        let executor = Executor::new(graph)?;
        let executions = opening
            .items
            .par_iter()
            .map(|item| executor.run(&item.input))
            .collect::<Result<_, _>>()?;
        Ok(Self { run, executions, class })
    }

    /// Masked items repeat the first one.
    fn assignment<'a>(
        &'a self,
        graph: &'a QuantizedGraph,
        layout: &'a Layout,
        opening: &'a RunOpening,
    ) -> Assignment<'a> {
        let count = opening.items.len();
        let inputs = (0..self.run.items())
            .map(|place| {
                let index = if place < count { place } else { 0 };
                let item = &opening.items[index];
                let label = u64::from(item.label);
                ProvenInput {
                    bytes: &item.input,
                    salt: item.salt,
                    label,
                    class: self.class.unwrap_or(label as usize),
                    execution: &self.executions[index],
                }
            })
            .collect();
        let masked_leaves = vec![Fr::ZERO; self.run.items() - count];
        let siblings = opening.siblings.clone();
        let place = TreePlace::new(opening.first, count, masked_leaves, siblings);
        Assignment { graph, layout, inputs, place: Some(place) }
    }
}
