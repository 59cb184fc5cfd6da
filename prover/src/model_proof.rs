//! Keys of a model's circuit, the hash that stands for its weights, and its proofs, whatever the
//! statement; [`crate::prediction`] and [`crate::run_proof`] say what is proven.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use halo2_proofs::{
    halo2curves::bn256::{Fr, G1Affine},
    plonk::Circuit,
};
use rand_core::OsRng;

use crate::{
    bundle::Bundle,
    free_memory::{free_memory, resident_memory},
    kept_points::KeptPoints,
    openings::{Openings, OpeningsError},
    output_opening::OutputOpeningError,
};
use assay_circuit::{Assignment, Layout, ModelAdvice, ModelCircuit, SmallColumn, WitnessError};
use assay_files::FileError;
use assay_graph::{ExecuteError, GraphError, QuantizedGraph};
use assay_proof::{
    AdviceColumn, AdviceSource, KeyError, KeyInfo, KeyShape, ProofFile, ProveError, Prover,
    ProverKey, Srs, Unwatched, VerifierKey, Watch, commit_columns, library::LibraryProver,
    weights_hash,
};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ModelProofError {
    /// The count of openings cannot be kept, or none is left.
    #[error(transparent)]
    Openings(#[from] OpeningsError),
    /// The network breaks a rule.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The reference run refuses an input: a value leaves its calibrated range.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// A value leaves its calibrated range, or the layout is that of another network.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// The proof system fails, or parameters and key do not fit each other.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// A proof would take more memory than there is.
    #[error(
        "this is expected to take {needed_mb} MB more, and {free_mb} MB are free: end other programs, make \
         fewer proofs at a time, use a larger machine, or take a circuit that needs less (`assay model import --prefer memory`); \
         `--despite-memory` tries all the same, and may end with the process killed"
    )]
    Memory {
        /// By the planner.
        needed_mb: u64,
        /// What the system would give, or the limit on this process leaves.
        free_mb: u64,
    },
    /// The parameters have another number of rows than the circuit.
    #[error("the parameters are for 2^{found} rows, this network needs 2^{needed}")]
    SetupSize {
        /// k of the parameters.
        found: u32,
        /// k of the circuit.
        needed: u32,
    },
    /// The commitments to the weights that are kept beside the bundle were not its own.
    #[error(
        "{path} did not hold the commitments to this bundle's weights, so the proof does not hold; the file is \
         removed now, prove again (one opening was used)"
    )]
    KeptCommitments {
        /// The file.
        path: PathBuf,
    },
    /// The weight columns are longer than the parameters, or of different lengths.
    #[error("the weights do not fit the rows of their columns")]
    Weights,
    /// The circuit is for another statement.
    #[error(
        "this bundle's circuit proves a statement of kind {found}, not {wanted}; `assay model derive` \
         makes a bundle of the same model for another statement"
    )]
    Statement {
        /// Kind of the circuit's statement.
        found: &'static str,
        /// Kind, or kinds, that the call proves.
        wanted: &'static str,
    },
    /// An output that no commitment holds.
    #[error(transparent)]
    Outputs(#[from] OutputOpeningError),
    /// An input is not as long as the network's.
    #[error("the circuit takes {expected} bytes for each input, not {found}")]
    InputLength {
        /// Bytes that the network takes.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The run has another length than the circuit's, or no items.
    #[error("a run of 2^{found} items was given, the circuit takes 2^{expected}")]
    RunLength {
        /// Logarithm, to base 2, of the circuit's run.
        expected: u32,
        /// Logarithm, to base 2, of the run given.
        found: u32,
    },
    /// The collection's tree has another depth than the circuit is for.
    #[error("the collection's tree is {found} deep, the circuit's {expected}")]
    Depth {
        /// Depth in the circuit.
        expected: u32,
        /// Depth of the collection.
        found: usize,
    },
    /// An item's label is no class of the model.
    #[error("item {item} has label {label}, the model has {classes} classes")]
    Label {
        /// Position of the item in the run, from 0.
        item: usize,
        /// Its label.
        label: u64,
        /// Number of the model's classes.
        classes: usize,
    },
}

/// Counts an opening just before a proof is begun, and returns how many are used then.
pub type CountOpening<'a> = &'a (dyn Fn(&Openings) -> Result<usize, OpeningsError> + Sync);

/// What a proof is made with.
#[derive(Clone, Copy)]
pub struct ModelProver<'a> {
    /// The model, with its weights and the seed that blinds them.
    pub bundle: &'a Bundle,
    /// Where the bundle's openings are counted.
    pub openings: &'a Openings,
    /// How this proof's is counted there; it need not be where an earlier try of the same proof was counted and nobody saw
    /// anything of it.
    pub count: CountOpening<'a>,
    /// Layout of the bundle's circuit.
    pub layout: &'a Layout,
    /// Parameters with which `key` was made.
    pub srs: &'a Srs,
    /// Proving key of that circuit.
    pub key: &'a ProverKey,
    /// Is told how far a proof is, and can stop it.
    pub watch: &'a dyn Watch,
    /// Begins also where the memory is not expected to suffice.
    pub despite_memory: bool,
    /// Makes the proof instead, for comparison; it cannot be watched.
    pub library: Option<&'a LibraryProver>,
}

/// A proof and what it cost.
pub struct ModelProof {
    /// The proof with its public inputs, the context first, and the hash of its key.
    pub proof: ProofFile,
    /// The first phase of the witness.
    pub witness_time: Duration,
    /// Wall-clock time of the rest: the other phases, commitments and openings.
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
    ProverKey::generate(srs, &circuit, key_shape(layout))
}

/// Makes the verifying key only: what a buyer recomputes from a published architecture.
///
/// # Errors
/// [`KeyError`].
pub fn generate_verifying_key(srs: &Srs, layout: &Layout) -> Result<VerifierKey, KeyError> {
    let circuit = ModelCircuit::without_witness(layout);
    VerifierKey::generate(srs, &circuit, key_shape(layout))
}

/// Reads a proving key that was made for `layout`.
///
/// # Errors
/// [`KeyError`].
pub fn read_key(path: &Path, layout: &Layout) -> Result<ProverKey, KeyError> {
    let params = ModelCircuit::without_witness(layout).params();
    let key = ProverKey::read::<ModelCircuit<'_>>(path, params)?;
    check_statement(path, key.info(), layout)?;
    Ok(key)
}

/// Reads a verifying key that was made for `layout`.
///
/// # Errors
/// [`KeyError`].
pub fn read_verifying_key(path: &Path, layout: &Layout) -> Result<VerifierKey, KeyError> {
    let params = ModelCircuit::without_witness(layout).params();
    let key = VerifierKey::read::<ModelCircuit<'_>>(path, params)?;
    check_statement(path, key.info(), layout)?;
    Ok(key)
}

/// What a layout's key says beside its circuit.
fn key_shape(layout: &Layout) -> KeyShape {
    KeyShape {
        weight_columns: layout.options.weight_columns,
        public_inputs: layout.public_inputs,
        statement: layout.statement_code.to_bytes(),
    }
}

fn check_statement(path: &Path, info: &KeyInfo, layout: &Layout) -> Result<(), KeyError> {
    if *info.statement() == layout.statement_code.to_bytes() {
        return Ok(());
    }
    let reason = "it says of itself that it proves another statement than this circuit's";
    Err(FileError::content(path, reason).into())
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
    let columns = bundle.weight_columns(layout).into_iter().map(SmallColumn::into_column);
    let points = commit_columns(srs, columns).ok_or(ModelProofError::Weights)?;
    Ok(weights_hash(&points))
}

impl<'a> ModelProver<'a> {
    /// Our own prover, which nobody watches and which begins only where the memory is expected to suffice.
    pub fn new(
        bundle: &'a Bundle,
        openings: &'a Openings,
        layout: &'a Layout,
        srs: &'a Srs,
        key: &'a ProverKey,
    ) -> Self {
        let (watch, library, count) = (&Unwatched, None, &Openings::count_proof);
        Self { bundle, openings, count, layout, srs, key, watch, despite_memory: false, library }
    }

    /// Proves what `assignment` holds, bound to `context`.
    ///
    /// # Errors
    /// [`ModelProofError`].
    pub fn prove(
        &self,
        assignment: &Assignment<'_>,
        context: Fr,
    ) -> Result<ModelProof, ModelProofError> {
        if !self.despite_memory {
            require_memory(self.layout, 1)?;
        }
        let start = Instant::now();
        let weights = self.bundle.weight_columns(self.layout);
        let kept = KeptPoints::of(self.bundle, self.openings, self.layout, self.srs);
        let first = assignment.first_phase(weights, OsRng)?;
        let witness_time = start.elapsed();
        let mut public_inputs = vec![context];
        public_inputs.extend(assignment.public_values());

        let prover = Prover { srs: self.srs, key: self.key, watch: self.watch };
        prover.check(&public_inputs)?;
        let used = (self.count)(self.openings)?;
        let start = Instant::now();
        let advice = ModelAdvice::new(assignment, first, &public_inputs);
        let known = kept.read();
        let were_known = known.is_some();
        let mut witness = ModelWitness::new(advice, self.layout).with_points(known);
        let proof = match self.library {
            Some(library) => library.prove_fresh(&mut witness, &public_inputs)?,
            None => prover.prove(&mut witness, &public_inputs)?,
        };
        if !were_known {
            kept.keep(&proof);
        } else if self.key.verify(&public_inputs, &proof).is_err() {
            return Err(ModelProofError::KeptCommitments { path: kept.discard() });
        }
        Ok(ModelProof {
            proof: ProofFile { vk_hash: self.key.info().hash(), public_inputs, proof },
            witness_time,
            prove_time: start.elapsed(),
            openings: (used, self.bundle.budget),
        })
    }
}

/// Refuses proofs of a circuit, made at the same time, that the free memory, where it is known, does not hold.
///
/// # Errors
/// [`ModelProofError::Memory`].
pub fn require_memory(layout: &Layout, proofs: usize) -> Result<(), ModelProofError> {
    let each = layout.estimate().peak_rss_mb.ceil() as u64;
    // The estimate is of a whole process, of which some is here already.
    let needed = (each * proofs as u64).saturating_sub(resident_memory().unwrap_or(0) >> 20);
    suffices(needed, free_memory())
}

fn suffices(needed_mb: u64, free_bytes: Option<u64>) -> Result<(), ModelProofError> {
    match free_bytes.map(|bytes| bytes >> 20) {
        Some(free_mb) if free_mb < needed_mb => Err(ModelProofError::Memory { needed_mb, free_mb }),
        _ => Ok(()),
    }
}

/// Of a model's circuit, counted from 0.
const LAST_PHASE: u8 = 2;

/// The columns of a model's circuit, for the prover.
pub struct ModelWitness<'a> {
    /// Gone with the last phase's columns.
    advice: Option<ModelAdvice<'a>>,
    layout: &'a Layout,
    /// Commitments to the weight columns, where they are known.
    points: Vec<G1Affine>,
}

impl<'a> ModelWitness<'a> {
    /// The columns of `advice`.
    pub fn new(advice: ModelAdvice<'a>, layout: &'a Layout) -> Self {
        Self { advice: Some(advice.with_weights_on_own_domain()), layout, points: Vec::new() }
    }

    /// With the commitments to the weight columns, where they are known from an earlier proof.
    pub(crate) fn with_points(mut self, points: Option<Vec<G1Affine>>) -> Self {
        self.points = points.unwrap_or_default();
        self
    }
}

impl AdviceSource for ModelWitness<'_> {
    fn commitment(&self, index: usize) -> Option<G1Affine> {
        self.points.get(index).copied()
    }

    fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Result<Vec<AdviceColumn>, ProveError> {
        let Some(mut advice) = self.advice.take() else {
            return Err(ProveError::Witness("the columns were given out already".into()));
        };
        let columns = advice.columns(phase, challenges);
        if phase < LAST_PHASE {
            self.advice = Some(advice);
        }
        if phase > 0 {
            return Ok(columns.into_iter().map(AdviceColumn::Values).collect());
        }
        // The weights come with rows of their own, so that the commitments are those of every proof. The
        // columns of the remainders carry random values in rows that nothing constrains.
        let weights = self.layout.options.weight_columns;
        let complete = weights + self.layout.options.lanes;
        let columns = columns.into_iter().enumerate().map(|(index, column)| {
            if index < weights {
                AdviceColumn::OnSubgroup(column)
            } else if index < complete {
                AdviceColumn::Complete(column)
            } else {
                AdviceColumn::Values(column)
            }
        });
        Ok(columns.collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_begins_only_where_it_fits() {
        assert!(suffices(10, Some(10 << 20)).is_ok());
        assert!(suffices(10, None).is_ok());
        let refused = suffices(11, Some(10 << 20)).expect_err("refused").to_string();
        assert!(refused.contains("11 MB") && refused.contains("10 MB are free"), "{refused}");
    }
}
