//! Witnesses that are changed behind the prover's back.

use halo2_proofs::halo2curves::bn256::Fr;

/// A change to one advice cell, as a dishonest prover might make it: nothing else follows it. For tests of
/// verifiers.
#[derive(Clone, Copy, Debug)]
pub struct CellChange {
    /// Index of the advice column.
    pub column: usize,
    /// Row of the circuit.
    pub row: usize,
    /// What is added.
    pub delta: Fr,
}
