//! The statement "this committed model maps this input to this output".
//!
//! Public inputs: `[context, input commitment, outputs ...]`, or with a public input
//! `[context, packed bytes ..., outputs ...]`; each below the field's modulus. See
//! [`StatementKind::Prediction`].

use std::time::{Duration, Instant};

use halo2_proofs::halo2curves::bn256::Fr;

use crate::model_proof::{ModelProofError, ModelProver, check_input};
use assay_circuit::{Assignment, ProvenInput, StatementKind};
use assay_graph::Executor;
use assay_proof::ProofFile;

/// What a proof speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Binds the proof to chain, contract, job and recipient.
    pub context: Fr,
    /// Bytes, `[channels, height, width]`.
    pub input: &'a [u8],
    /// Blinds the commitment to the input; a public input has none.
    pub salt: Fr,
}

/// A proof and what it cost.
pub struct Prediction {
    /// The proof with its public inputs and the hash of its key.
    pub proof: ProofFile,
    /// Index of the largest logit.
    pub class: usize,
    /// The public outputs: the class, the best classes, or all logits + 2^15.
    pub outputs: Vec<Fr>,
    /// Logits, integers at the output tensor's scale.
    pub logits: Vec<i32>,
    /// Reference run and first phase.
    pub witness_time: Duration,
    /// Wall-clock time of the rest: the other phases, commitments and openings.
    pub prove_time: Duration,
    /// Openings of the weights used so far, and allowed.
    pub openings: (usize, usize),
}

/// Proves one prediction.
///
/// # Errors
/// [`ModelProofError`].
pub fn prove(
    prover: ModelProver<'_>,
    statement: &Statement<'_>,
) -> Result<Prediction, ModelProofError> {
    let start = Instant::now();
    let (graph, kind) = (&prover.bundle.graph, prover.layout.options.statement);
    if !matches!(kind, StatementKind::Prediction { .. }) {
        return Err(ModelProofError::Statement { found: kind.name(), wanted: "prediction" });
    }
    check_input(&prover.bundle.graph, statement.input)?;
    let execution = Executor::new(graph)?.run(statement.input)?;
    let executed = start.elapsed();
    let assignment = Assignment {
        graph,
        layout: prover.layout,
        inputs: vec![ProvenInput {
            bytes: statement.input,
            salt: statement.salt,
            label: 0,
            class: 0,
            execution: &execution,
        }],
        place: None,
    };
    let proven = prover.prove(&assignment, statement.context)?;
    let outputs = proven.proof.public_inputs.iter().skip(kind.first_output(graph)).copied();
    Ok(Prediction {
        class: assignment.best(0),
        outputs: outputs.collect(),
        logits: execution.tensors[graph.output].clone(),
        proof: proven.proof,
        witness_time: executed + proven.witness_time,
        prove_time: proven.prove_time,
        openings: proven.openings,
    })
}
