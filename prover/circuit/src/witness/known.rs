//! What the columns of the last phase are computed from.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::witness::assignment::{FirstChallenges, FirstPhase};
use crate::witness::small_column::SmallColumn;

/// What the third phase is computed from, beyond the assignment.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub first: &'a FirstPhase,
    /// By rows of the weights' domain.
    pub weights: &'a [SmallColumn<u32>],
    /// By rows of the weights' domain.
    pub rest: &'a [Fr],
    pub challenges: FirstChallenges,
    pub z: Fr,
    /// All public inputs.
    pub instances: &'a [Fr],
}

/// The first `count` powers.
pub(super) fn powers(base: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(power * base)).take(count).collect()
}

/// A column of zeros, made by all threads: memory that is new takes longer than the zeros.
pub(super) fn zeros(rows: usize) -> Vec<Fr> {
    (0..rows).into_par_iter().map(|_| Fr::ZERO).collect()
}
