//! What a proof is made of, as coefficients.

use assay_kernels::{Column, Domain};
use halo2_proofs::halo2curves::bn256::Fr;

use super::permutation::Permutation;
use crate::profile::Profile;

/// Coefficients of everything that a proof opens, but for the quotient.
pub(super) struct Polynomials {
    /// n, the number of rows.
    pub rows: usize,
    pub advice: Vec<Vec<Fr>>,
    pub fixed: Vec<Vec<Fr>>,
    pub instance: Vec<Fr>,
    pub permutation: Permutation,
    /// Of the vanishing argument: hides the quotient's evaluation.
    pub random: Vec<Fr>,
    pub row_indicators: RowIndicators,
}

/// Polynomials that are one in some rows and zero in all others.
pub(super) struct RowIndicators {
    pub first: Vec<Fr>,
    /// The row in which the permutation's products end.
    pub last: Vec<Fr>,
    /// The rows before.
    pub active: Vec<Fr>,
}

impl RowIndicators {
    pub(super) fn new(domain: &Domain, profile: &Profile) -> Self {
        let rows = 1usize << domain.k();
        let last = rows - (profile.blinding_factors + 1);
        let of = |range: std::ops::Range<usize>| {
            let mut values = vec![0; rows];
            values[range].fill(1);
            domain.coefficients(&Column::Small { values, exceptions: Vec::new() })
        };
        Self { first: of(0..1), last: of(last..last + 1), active: of(0..last) }
    }
}
