//! The random generator behind the constant commitments of a model's weight columns.
//!
//! The last `blinding_factors() + 1` rows of every advice column are random. They are drawn column
//! after column, in the order of the columns' indices within a phase ([`super::witness`]); the
//! library draws in the same order, and is given the same words again. A scalar takes eight
//! `next_u64` calls (`Fr::random`). The weight columns are the first columns of the first phase, so
//! the first `8 * (blinding_factors() + 1) * weight_columns` words are theirs: those come from the
//! model's seed, all later ones from the operating system's randomness. (The library also draws a
//! `Blind` for each commitment, which KZG ignores, and the vanishing argument's random polynomial
//! from a thread-local generator of its own.)
//!
//! Tests recompute the commitments without the prover, so a change of that order shows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Error, RngCore, SeedableRng};

/// `next_u64` calls that one random scalar takes.
pub(super) const WORDS_PER_SCALAR: u64 = 8;

/// Secret kept with a model: fixes the blinding rows of its weight columns.
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

    /// The blinding rows of the weight columns: `columns` vectors of `blinding_factors + 1`
    /// scalars, as the prover will draw them.
    pub fn rows(&self, columns: usize, blinding_factors: usize) -> Vec<Vec<Fr>> {
        let mut rng = ChaCha20Rng::from_seed(self.0);
        (0..columns)
            .map(|_| (0..=blinding_factors).map(|_| Fr::random(&mut rng)).collect())
            .collect()
    }
}

/// Seeded for the weight columns' blinding rows, zero for those of the columns that the circuit
/// blinds itself, fresh afterwards.
pub struct BlindingRng {
    seeded: ChaCha20Rng,
    seeded_words: u64,
    zero_words: u64,
    fresh: ChaCha20Rng,
}

impl BlindingRng {
    /// For a proof whose first `weight_columns` advice columns hold the weights and whose next
    /// `self_blinded` columns carry random values of their own in usable rows.
    pub fn new(
        seed: &BlindingSeed,
        weight_columns: usize,
        self_blinded: usize,
        blinding_factors: usize,
    ) -> Self {
        let words =
            |columns: usize| WORDS_PER_SCALAR * (blinding_factors as u64 + 1) * columns as u64;
        Self {
            seeded: ChaCha20Rng::from_seed(seed.0),
            seeded_words: words(weight_columns),
            zero_words: words(self_blinded),
            fresh: ChaCha20Rng::from_entropy(),
        }
    }
}

impl RngCore for BlindingRng {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        if let Some(left) = self.seeded_words.checked_sub(1) {
            self.seeded_words = left;
            return self.seeded.next_u64();
        }
        if let Some(left) = self.zero_words.checked_sub(1) {
            self.zero_words = left;
            return 0;
        }
        self.fresh.next_u64()
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for BlindingRng {}
