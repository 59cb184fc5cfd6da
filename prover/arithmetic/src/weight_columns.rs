//! The columns that commit to a model's weights: where their last rows come from, and how the same column
//! looks in a larger circuit (docs/circuit.md, section 8).

use halo2_proofs::{
    arithmetic::best_fft,
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
    },
    poly::EvaluationDomain,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

/// Secret kept with a model: fixes the last rows of its weight columns.
///
/// One seed belongs to one set of weights. Two different sets of weights under one seed would let
/// everybody compute the commitment to their difference, which is not blinded.
#[derive(Clone, Copy)]
pub struct BlindingSeed(pub [u8; 32]);

impl std::fmt::Debug for BlindingSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlindingSeed(secret)")
    }
}

impl BlindingSeed {
    /// A fresh seed from the operating system.
    pub fn random() -> Self {
        let mut seed = [0u8; 32];
        rand_core::OsRng.fill_bytes(&mut seed);
        Self(seed)
    }

    /// The last `count` rows of each of `columns` columns.
    pub fn rows(&self, columns: usize, count: usize) -> Vec<Vec<Fr>> {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        (0..columns).map(|_| (0..count).map(|_| Fr::random(&mut rng)).collect()).collect()
    }
}

/// What a proof holds in the weight columns beyond the rows that the circuit assigns.
#[derive(Clone, Debug)]
pub struct WeightTails {
    /// The last rows of each weight column: all that the library would blind, and any number of
    /// rows before those.
    pub rows: Vec<Vec<Fr>>,
    /// The commitments to the whole columns, where they are known already. Wrong ones make an
    /// invalid proof.
    pub commitments: Option<Vec<G1Affine>>,
}

impl WeightTails {
    /// Rows drawn from a seed.
    pub fn seeded(seed: &BlindingSeed, columns: usize, count: usize) -> Self {
        Self { rows: seed.rows(columns, count), commitments: None }
    }
}

/// The values of a column's polynomial on a subgroup that is `stride` times as large; row `i` of the
/// column is row `i * stride` there. The length and `stride` are powers of two.
pub fn extend_column(column: &[Fr], stride: usize) -> Vec<Fr> {
    let (k, factor) = (column.len().ilog2(), stride.ilog2());
    let domain = EvaluationDomain::<Fr>::new(1, k);
    let coefficients = domain.lagrange_to_coeff(domain.lagrange_from_vec(column.to_vec()));
    let mut extended = vec![Fr::ZERO; column.len() << factor];
    extended[..column.len()].copy_from_slice(&coefficients);
    let large = EvaluationDomain::<Fr>::new(1, k + factor);
    let data = large.get_fft_data(extended.len());
    best_fft(&mut extended, large.get_omega(), k + factor, data, false);
    extended
}
