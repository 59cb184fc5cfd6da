//! Keys of a model's circuit, the hash that stands for its weights, and its proofs, whatever the
//! statement; [`crate::prediction`] and [`crate::run_proof`] say what is proven.

use std::path::Path;
use std::time::{Duration, Instant};

use halo2_proofs::{halo2curves::bn256::Fr, plonk::Circuit};
use rand_core::OsRng;

use crate::bundle::{Bundle, BundleError};
use assay_arithmetic::weight_columns::WeightTails;
use assay_circuit::{Assignment, FirstPhase, Layout, ModelCircuit, WitnessError};
use assay_graph::{ExecuteError, GraphError, QuantizedGraph};
use assay_proof::{
    KeyError, ProofFile, ProveError, ProverKey, Srs, VerifierKey, commit_columns,
    create_proof_self_blinded, weights_hash,
};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ModelProofError {
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
    #[error(
        "this bundle's circuit proves a statement of kind {found}, not {wanted}; `assay model derive` \
         makes a bundle of the same model for another statement"
    )]
    Statement { found: &'static str, wanted: &'static str },
    #[error("the circuit takes {expected} bytes for each input, not {found}")]
    InputLength { expected: usize, found: usize },
    #[error("a run of 2^{found} items was given, the circuit takes 2^{expected}")]
    RunLength { expected: u32, found: u32 },
    #[error("the collection's tree is {found} deep, the circuit's {expected}")]
    Depth { expected: u32, found: usize },
    #[error("item {item} has label {label}, the model has {classes} classes")]
    Label { item: usize, label: u64, classes: usize },
}

/// What a proof is made with.
#[derive(Clone, Copy)]
pub struct ModelProver<'a> {
    pub bundle: &'a Bundle,
    /// Where the bundle lies: its openings are counted there.
    pub bundle_path: &'a Path,
    pub layout: &'a Layout,
    pub srs: &'a Srs,
    pub key: &'a ProverKey,
}

/// A proof and what it cost.
pub struct ModelProof {
    pub proof: ProofFile,
    /// The first phase of the witness.
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

/// The model's hash: that of the weight points that each of its proofs carries, whatever the circuit.
///
/// # Errors
/// [`ModelProofError::SetupSize`] when the parameters are for another size.
pub fn model_hash(
    bundle: &Bundle,
    layout: &Layout,
    srs: &Srs,
) -> Result<[u8; 32], ModelProofError> {
    if srs.k() != layout.k {
        return Err(ModelProofError::SetupSize { found: srs.k(), needed: layout.k });
    }
    let columns = bundle.weight_columns(layout);
    let points = commit_columns(srs, &columns).ok_or(ModelProofError::Weights)?;
    Ok(weights_hash(&points))
}

impl ModelProver<'_> {
    /// Proves what `assignment` holds, bound to `context`.
    ///
    /// # Errors
    /// [`ModelProofError`].
    pub fn prove(
        &self,
        assignment: &Assignment<'_>,
        context: Fr,
    ) -> Result<ModelProof, ModelProofError> {
        let start = Instant::now();
        let weights = self.bundle.weight_columns(self.layout);
        let first = assignment.first_phase(weights, OsRng)?;
        let tails = self.weight_tails(&first)?;
        let witness_time = start.elapsed();
        let mut public_inputs = vec![context];
        public_inputs.extend(assignment.public_values());

        let used = self.bundle.count_opening(self.bundle_path)?;
        let start = Instant::now();
        let circuit = ModelCircuit::new(assignment, &first, &public_inputs);
        let proof = create_proof_self_blinded(
            self.srs,
            self.key,
            circuit,
            &public_inputs,
            &tails,
            self.layout.options.lanes,
        )?;
        Ok(ModelProof {
            proof: ProofFile { vk_hash: self.key.info().hash(), public_inputs, proof },
            witness_time,
            prove_time: start.elapsed(),
            openings: (used, self.bundle.budget),
        })
    }

    /// The last rows of the weight columns; in a circuit of more rows than the weights' domain these
    /// columns are full of large values, but their commitments are those of the small domain.
    fn weight_tails(&self, first: &FirstPhase) -> Result<WeightTails, ModelProofError> {
        let commitments = match self.layout.weight_stride() {
            1 => None,
            _ => commit_columns(self.srs, &first.weights),
        };
        Ok(WeightTails { commitments, ..first.weight_tails() })
    }
}

/// Refuses an input of another length than the network's.
pub(crate) fn check_input(graph: &QuantizedGraph, bytes: &[u8]) -> Result<(), ModelProofError> {
    let expected = graph.tensors[graph.input.tensor].shape.iter().product();
    if bytes.len() == expected {
        return Ok(());
    }
    Err(ModelProofError::InputLength { expected, found: bytes.len() })
}
