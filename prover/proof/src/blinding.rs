//! Where the last rows of the advice columns come from.
//!
//! The last `blinding_factors() + 1` rows of every advice column are random. They are drawn column
//! after column, in the order of the columns' indices within a phase (`witness.rs`); the
//! library draws in the same order, and is given the same words again. A scalar takes eight
//! `next_u64` calls (`Fr::random`). The weight columns come with rows of their own
//! ([`assay_arithmetic::weight_columns::WeightTails`]), so that the commitments to them are the same in every proof of a model; all
//! other rows come from the operating system's randomness. (The library also draws a `Blind` for
//! each commitment, which KZG ignores, and the vanishing argument's random polynomial from a
//! thread-local generator of its own.)
//!
//! Tests recompute the commitments without the prover, so a change of that order shows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Error, RngCore, SeedableRng};

/// `next_u64` calls that one random scalar takes.
pub(super) const WORDS_PER_SCALAR: usize = 8;

/// The words from which `Fr::random` makes `value`: it reduces a 512-bit number.
pub(super) fn words_of(value: &Fr) -> [u64; WORDS_PER_SCALAR] {
    let mut words = [0; WORDS_PER_SCALAR];
    let little_endian: [u8; 32] = value.to_repr();
    for (word, bytes) in words.iter_mut().zip(little_endian.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

/// Zero for the last rows of the columns that the circuit blinds itself, which come first; fresh
/// afterwards.
pub struct BlindingRng {
    zero_words: usize,
    fresh: ChaCha20Rng,
}

impl BlindingRng {
    /// For a proof whose first `self_blinded` columns after the weight columns carry random values
    /// of their own in usable rows.
    pub fn new(self_blinded: usize, blinding_factors: usize) -> Self {
        Self {
            zero_words: WORDS_PER_SCALAR * (blinding_factors + 1) * self_blinded,
            fresh: ChaCha20Rng::from_entropy(),
        }
    }
}

impl RngCore for BlindingRng {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
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
