//! The statement "this committed model maps this input to this class".
//!
//! Public inputs: `[context, input commitment, class]`, or with a public input
//! `[context, packed bytes ..., class]`; each below the field's modulus.

use std::path::Path;
use std::time::{Duration, Instant};

use halo2_proofs::{
    halo2curves::{bn256::Fr, ff::PrimeField},
    plonk::Circuit,
};
use rand_core::OsRng;

use crate::{
    bundle::{Bundle, BundleError},
    circuit::{Assignment, Layout, ModelCircuit, WitnessError},
    graph::{ExecuteError, Executor, GraphError},
    proof::{
        KeyError, ProofFile, ProveError, ProverKey, Srs, VerifierKey, commit_weights,
        create_proof_self_blinded, weights_hash,
    },
};

/// Why there is no proof of a prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error("the parameters are for 2^{found} rows, this network needs 2^{needed}")]
    SetupSize { found: u32, needed: u32 },
    #[error("the weights do not fit the rows of their columns")]
    Weights,
}

/// A proof and what it cost.
pub struct Prediction {
    pub proof: ProofFile,
    pub class: usize,
    /// Logits, integers at the output tensor's scale.
    pub logits: Vec<i32>,
    pub witness_time: Duration,
    pub prove_time: Duration,
    /// Openings of the weights used so far, and allowed.
    pub openings: (usize, usize),
}

/// Makes the keys of a layout.
///
/// # Errors
/// [`KeyError`].
pub fn generate_key(srs: &Srs, layout: &Layout) -> Result<ProverKey, KeyError> {
    let circuit = ModelCircuit::without_witness(layout);
    ProverKey::generate(srs, &circuit, layout.options.weight_columns, layout.public_inputs)
}

/// Makes the verifying key only: what a buyer recomputes from a published architecture.
///
/// # Errors
/// [`KeyError`].
pub fn generate_verifying_key(srs: &Srs, layout: &Layout) -> Result<VerifierKey, KeyError> {
    let circuit = ModelCircuit::without_witness(layout);
    VerifierKey::generate(srs, &circuit, layout.options.weight_columns, layout.public_inputs)
}

/// Reads a proving key that was made for `layout`.
///
/// # Errors
/// [`KeyError`].
pub fn read_key(path: &Path, layout: &Layout) -> Result<ProverKey, KeyError> {
    ProverKey::read::<ModelCircuit<'_>>(path, ModelCircuit::without_witness(layout).params())
}

/// Reads a verifying key that was made for `layout`.
///
/// # Errors
/// [`KeyError`].
pub fn read_verifying_key(path: &Path, layout: &Layout) -> Result<VerifierKey, KeyError> {
    VerifierKey::read::<ModelCircuit<'_>>(path, ModelCircuit::without_witness(layout).params())
}

/// The model's hash: that of the weight points that each of its proofs carries.
///
/// # Errors
/// [`PredictionError::SetupSize`] when the parameters are for another size.
pub fn model_hash(
    bundle: &Bundle,
    layout: &Layout,
    srs: &Srs,
    blinding_factors: usize,
) -> Result<[u8; 32], PredictionError> {
    if srs.k() != layout.k {
        return Err(PredictionError::SetupSize { found: srs.k(), needed: layout.k });
    }
    let columns = layout.weight_columns(&bundle.graph, bundle.opening_values());
    let points = commit_weights(srs, &columns, blinding_factors, &bundle.seed)
        .ok_or(PredictionError::Weights)?;
    Ok(weights_hash(&points))
}

/// Proves one prediction. `bundle_path` is where the bundle lies: its openings are counted there.
///
/// # Errors
/// [`PredictionError`].
pub fn prove(
    bundle: &Bundle,
    bundle_path: &Path,
    layout: &Layout,
    srs: &Srs,
    key: &ProverKey,
    statement: &Statement<'_>,
) -> Result<Prediction, PredictionError> {
    let start = Instant::now();
    let execution = Executor::new(&bundle.graph)?.run(statement.input)?;
    let assignment = Assignment {
        graph: &bundle.graph,
        layout,
        input: statement.input,
        salt: statement.salt,
        execution: &execution,
    };
    let weights = layout.weight_columns(&bundle.graph, bundle.opening_values());
    let first = assignment.first_phase(weights, OsRng)?;
    let witness_time = start.elapsed();
    let mut public_inputs = vec![statement.context];
    public_inputs.extend(assignment.public_values());

    let used = bundle.count_opening(bundle_path)?;
    let start = Instant::now();
    let circuit = ModelCircuit::new(&assignment, &first, &public_inputs);
    let lanes = layout.options.lanes;
    let proof = create_proof_self_blinded(srs, key, circuit, &public_inputs, &bundle.seed, lanes)?;
    Ok(Prediction {
        proof: ProofFile { vk_hash: key.info().hash(), public_inputs, proof },
        class: assignment.class(),
        logits: execution.tensors[bundle.graph.output].clone(),
        witness_time,
        prove_time: start.elapsed(),
        openings: (used, bundle.options.openings),
    })
}

/// What a proof speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// Binds the proof to chain, contract, job and recipient.
    pub context: Fr,
    /// Bytes, `[channels, height, width]`.
    pub input: &'a [u8],
    pub salt: Fr,
}

/// A field element from 32 big-endian bytes, `None` at or above the modulus.
pub fn field_from_bytes(bytes: &[u8; 32]) -> Option<Fr> {
    let mut repr = *bytes;
    repr.reverse();
    Fr::from_repr(repr).into()
}

/// 32 big-endian bytes.
pub fn field_to_bytes(value: &Fr) -> [u8; 32] {
    let mut bytes = value.to_repr();
    bytes.reverse();
    bytes
}
