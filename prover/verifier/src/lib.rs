//! What a browser, a phone or a contract's front end needs: verifying a proof, committing to an input or to outputs,
//! reading a classification's answers, and computing a collection's root. Builds for wasm32 without an importer, threads or a file system.
//!
//! ```
//! use assay_verifier::{Fr, input_commitment};
//!
//! let salt = Fr::from(7);
//! let commitment = input_commitment(salt, &[0, 128, 255], 1);
//! assert_ne!(commitment, input_commitment(salt, &[0, 128, 254], 1));
//! ```

use assay_circuit::{Architecture, ArchitectureError, ModelCircuit};
use assay_collection::{Collection, CollectionError, SaltSeed};
use assay_graph::{Dataset, Shape};
use assay_proof::{KeyShape, VerifierKey, VerifierKeyError, VerifyError};

pub use halo2_proofs::halo2curves::bn256::Fr;

/// Why a proof is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The architecture describes no circuit.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The key is not one of the architecture's circuit.
    #[error("the verifying key is not usable: {0}")]
    Key(#[from] VerifierKeyError),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] VerifyError),
}

/// Decodes the content of a verifying key's data contract for a published architecture.
///
/// The key is compared with the architecture's gates, columns and sizes. Whether its *fixed columns* are
/// the architecture's can only be seen by making the key again with the setup; whoever takes a key from a
/// stranger must compare its hash with a recomputed one (docs/protocols.md).
///
/// # Errors
/// [`VerifierError::Architecture`] and [`VerifierError::Key`].
pub fn verifying_key(
    architecture: &Architecture,
    data: &[u8],
) -> Result<VerifierKey, VerifierError> {
    let layout = architecture.layout()?;
    let shape = KeyShape {
        weight_columns: layout.options.weight_columns,
        public_inputs: layout.public_inputs,
        statement: layout.statement_code.to_bytes(),
    };
    Ok(VerifierKey::from_data::<ModelCircuit<'_>>(data, layout.profile, shape)?)
}

/// Checks a proof under a key, with public inputs as 32-byte big-endian words. Returns the model's hash:
/// Keccak-256 of the points that commit to the weights, to be compared with the model that is expected.
///
/// # Errors
/// [`VerifierError::Proof`].
pub fn verify(
    key: &VerifierKey,
    public_inputs: &[[u8; 32]],
    proof: &[u8],
) -> Result<[u8; 32], VerifierError> {
    let inputs = assay_proof::public_inputs(public_inputs)?;
    Ok(key.verify(&inputs, proof)?)
}

/// The salted Poseidon commitment to an input's bytes, `number_bytes` (1 to 3) of them to a number
/// (docs/circuit.md, section 7).
pub fn input_commitment(salt: Fr, input: &[u8], number_bytes: usize) -> Fr {
    assay_arithmetic::poseidon::commit_input(salt, input, number_bytes)
}

/// The salted Poseidon commitment to a network's outputs, each an integer + 2^15 (docs/inputs.md): what a proof
/// shows that hides them.
pub fn output_commitment(salt: Fr, outputs: &[u16]) -> Fr {
    assay_arithmetic::poseidon::commit_outputs(salt, outputs)
}

/// The answers in the output words of a classification about so many items: classes, or numbers + 2^15; [`None`]
/// for words that no proof shows.
pub fn classification_answers(words: &[Fr], items: usize) -> Option<Vec<u16>> {
    assay_arithmetic::packed_outputs::unpack_outputs(words, items)
}

/// The root of a collection of inputs, `[channels, height, width]` bytes each, with a label each or none
/// (docs/collections.md). `depth` is that of the tree, by default the smallest that holds the items.
///
/// # Errors
/// [`CollectionError`] for no items, items of another size, labels for some of them only, or a depth that
/// does not hold them.
pub fn collection_root(
    data: &Dataset,
    shape: Shape,
    seed: SaltSeed,
    depth: Option<u32>,
) -> Result<Fr, CollectionError> {
    Ok(Collection::commit(data, shape, seed, depth, &|| ())?.root())
}
