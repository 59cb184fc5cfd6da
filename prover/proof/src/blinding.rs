//! What hides a witness.
//!
//! The last `blinding_factors + 1` rows of an advice column are random, unless its source fills them (see
//! [`super::advice::AdviceColumn`]): column after column within a phase, phase after phase. The same
//! number of rows of each product polynomial follow, less one, then the vanishing argument's random polynomial.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use rayon::prelude::*;

/// The randomness of one proof.
pub(crate) struct Randomness {
    /// Of the blinding rows, and of the vanishing argument unless that is given.
    pub rng: ChaCha20Rng,
    /// Coefficients of the vanishing argument's polynomial, where they are not to be drawn.
    pub vanishing: Option<Vec<Fr>>,
}

impl Randomness {
    /// From the operating system.
    pub(crate) fn fresh() -> Self {
        Self { rng: ChaCha20Rng::from_entropy(), vanishing: None }
    }

    /// The vanishing argument's polynomial; what else is to be drawn has been.
    pub(crate) fn into_polynomial(mut self) -> RandomPolynomial {
        match self.vanishing {
            Some(coefficients) => RandomPolynomial::Given(coefficients),
            None => RandomPolynomial::drawn(&mut self.rng),
        }
    }
}

/// A polynomial that is made twice, for its commitment and for the opening, and takes no memory meanwhile.
pub(crate) enum RandomPolynomial {
    /// Its coefficients.
    Given(Vec<Fr>),
    /// What uniform ones follow from.
    Drawn([u8; 32]),
}

impl RandomPolynomial {
    fn drawn(rng: &mut ChaCha20Rng) -> Self {
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self::Drawn(seed)
    }

    /// Its coefficients, `length` of them where they are drawn.
    pub(crate) fn coefficients(&self, length: usize) -> Vec<Fr> {
        match self {
            Self::Given(coefficients) => coefficients.clone(),
            Self::Drawn(seed) => uniform(length, *seed),
        }
    }
}

/// Uniform coefficients: each block from a stream of its own under one seed.
fn uniform(length: usize, seed: [u8; 32]) -> Vec<Fr> {
    const BLOCK: usize = 1 << 12;
    let mut coefficients = vec![Fr::ZERO; length];
    coefficients.par_chunks_mut(BLOCK).enumerate().for_each(|(index, block)| {
        let mut rng = ChaCha20Rng::from_seed(seed);
        rng.set_stream(index as u64);
        for coefficient in block {
            *coefficient = Fr::random(&mut rng);
        }
    });
    coefficients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coefficients_do_not_repeat() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let [first, second] = [(); 2].map(|()| RandomPolynomial::drawn(&mut rng));
        let mut coefficients = first.coefficients(3 << 12);
        assert_eq!(coefficients, first.coefficients(3 << 12), "the same each time");
        coefficients.extend(second.coefficients(1));
        let mut sorted = coefficients.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), coefficients.len());
    }
}
