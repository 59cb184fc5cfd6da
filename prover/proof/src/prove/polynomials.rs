//! What a proof is made of, as coefficients.

use assay_kernels::{Column, Domain};
use halo2_proofs::halo2curves::bn256::Fr;

use super::{by_values::ByValues, permutation::Permutation};
use crate::profile::Profile;

/// Coefficients of everything that a proof opens, but for the quotient.
pub(super) struct Polynomials {
    /// n, the number of rows.
    pub rows: usize,
    /// None of the columns that are kept by values.
    pub advice: Vec<Vec<Fr>>,
    pub by_values: ByValues,
    pub fixed: Vec<Vec<Fr>>,
    pub instance: Vec<Fr>,
    pub permutation: Permutation,
    /// Of the vanishing argument: hides the quotient's evaluation. None until the quotient is made.
    pub random: Vec<Fr>,
    /// One in the rows before that in which the permutation's products end.
    pub active: Vec<Fr>,
    /// Of columns, while the quotient is made.
    pub sums: Vec<Vec<Fr>>,
}

/// The polynomial that is one in the rows before that in which the permutation's products end, and zero
/// in all others.
pub(super) fn active_rows(domain: &Domain, profile: &Profile) -> Vec<Fr> {
    let mut values = vec![0; 1 << domain.k()];
    let last = values.len() - (profile.blinding_factors + 1);
    values[..last].fill(1);
    domain.coefficients(&Column::Small { values, exceptions: Vec::new() })
}
