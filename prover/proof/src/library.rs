//! The library's prover over the same keys, for comparison: with the same randomness it makes the same bytes.
//!
//! halo2-axiom 0.5.3 proves only circuits of one or two phases. It is given finished columns, in which all
//! belongs to one phase (see [`super::phases`]); the rounds are kept here.

mod commit;

use halo2_proofs::halo2curves::bn256::G1Affine;
use halo2_proofs::{
    halo2curves::{
        bn256::{Bn256, Fr, G1},
        ff::{Field, PrimeField},
    },
    plonk::{self, ProvingKey},
    poly::{
        EvaluationDomain,
        commitment::{Blind, Params},
        kzg::commitment::ParamsKZG,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use std::sync::Arc;

use super::{
    advice::{AdviceColumn, AdviceSource},
    blinding::Randomness,
    key_files::ProverKey,
    prove::{
        Prover,
        rounds::{Committer, Rounds},
    },
    prove_error::ProveError,
    srs::Srs,
    transcript::KeccakWrite,
};
use commit::{KnownKzg, KnownParams, KnownShplonk};

/// `next_u64` calls that one random scalar takes: it is reduced from 512 bits.
const WORDS_PER_SCALAR: usize = 8;

/// Parameters and a key in the library's form.
#[derive(Debug)]
pub struct LibraryProver {
    params: Arc<ParamsKZG<Bn256>>,
    key: ProverKey,
    pk: ProvingKey<G1Affine>,
}

/// A proof, and what makes [`Prover`] make the same.
#[derive(Debug)]
pub struct LibraryProof {
    /// The bare proof.
    pub proof: Vec<u8>,
    vanishing: Vec<Fr>,
    seed: [u8; 32],
}

impl LibraryProver {
    /// Copies parameters and key.
    pub fn new(srs: &Srs, key: &ProverKey) -> Self {
        let params = Arc::new(srs.to_library());
        Self { params, key: key.clone(), pk: key.library_key() }
    }

    /// Proves with fresh randomness.
    ///
    /// # Errors
    /// As [`LibraryProver::prove`].
    pub fn prove_fresh(
        &self,
        advice: &mut dyn AdviceSource,
        public_inputs: &[Fr],
    ) -> Result<Vec<u8>, ProveError> {
        let mut seed = [0; 32];
        rand_core::OsRng.fill_bytes(&mut seed);
        Ok(self.prove(advice, public_inputs, seed)?.proof)
    }

    /// Proves with randomness from a seed, but for the vanishing argument's, which the library draws itself.
    ///
    /// # Errors
    /// [`ProveError::Witness`], [`ProveError::Library`] and [`ProveError::Transcript`].
    pub fn prove(
        &self,
        advice: &mut dyn AdviceSource,
        public_inputs: &[Fr],
        seed: [u8; 32],
    ) -> Result<LibraryProof, ProveError> {
        let (vk, profile) = (self.pk.get_vk(), self.key.info().profile());
        let k = self.params.k();
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut columns = Columns {
            params: &self.params,
            domain: vk.get_domain(),
            values: Vec::new(),
            commitments: Vec::new(),
        };
        let transcript_repr = vk.transcript_repr();
        let rounds = Rounds { k, profile, public_inputs, transcript_repr };
        let mut transcript = KeccakWrite::new(std::io::sink(), &profile.schedule);
        rounds.run(advice, &mut rng, &mut transcript, &mut columns)?;
        transcript.finish()?;

        let Columns { values, commitments, .. } = columns;
        let known = KnownParams::new(Arc::clone(&self.params));
        for (column, commitment) in values.iter().zip(&commitments) {
            known.register(column, *commitment);
        }
        let draws = Draws::new(&values, profile.blinding_factors, &mut rng);
        let proof = Vec::with_capacity(profile.proof_bytes());
        let mut transcript = KeccakWrite::new(proof, &profile.schedule);
        let work = || {
            plonk::create_proof_from_advice::<KnownKzg, KnownShplonk<'_>, _, _, _>(
                &known,
                &self.pk,
                &[public_inputs],
                values,
                draws,
                &mut transcript,
            )
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        // Else the library has moved the columns, and every commitment was computed twice.
        debug_assert!(outcome.is_err() || known.is_exhausted());
        let proof = transcript.finish()?;
        match outcome {
            Ok(Ok(())) => {
                let vanishing = known.vanishing().unwrap_or_default();
                Ok(LibraryProof { proof, vanishing, seed })
            }
            Ok(Err(error)) => Err(ProveError::Library(error)),
            Err(payload) => Err(ProveError::Witness(super::panic_message(&payload))),
        }
    }
}

impl LibraryProof {
    /// Makes the proof again, with our prover and the same randomness.
    ///
    /// # Errors
    /// As [`Prover::prove`].
    pub fn again(
        &self,
        prover: &Prover<'_>,
        advice: &mut dyn AdviceSource,
        public_inputs: &[Fr],
    ) -> Result<Vec<u8>, ProveError> {
        let rng = ChaCha20Rng::from_seed(self.seed);
        let vanishing = Some(self.vanishing.clone());
        prover.prove_with(advice, public_inputs, Randomness { rng, vanishing })
    }
}

/// The columns by rows, committed to by the library.
struct Columns<'a> {
    params: &'a ParamsKZG<Bn256>,
    domain: &'a EvaluationDomain<Fr>,
    values: Vec<Vec<Fr>>,
    commitments: Vec<G1>,
}

impl Columns<'_> {
    fn by_rows(&self, column: &AdviceColumn) -> Vec<Fr> {
        match column {
            AdviceColumn::Values(values) | AdviceColumn::Complete(values) => values.to_full(),
            AdviceColumn::OnSubgroup(values) => {
                let small = EvaluationDomain::new(1, values.len().ilog2());
                let polynomial = small.lagrange_from_vec(values.to_full());
                let mut values = small.lagrange_to_coeff(polynomial).into_values();
                values.resize(self.params.n() as usize, Fr::ZERO);
                let data = self.domain.get_fft_data(values.len());
                let (omega, k) = (self.domain.get_omega(), self.params.k());
                halo2_proofs::arithmetic::best_fft(&mut values, omega, k, data, false);
                values
            }
        }
    }
}

impl Committer for Columns<'_> {
    fn commit(&mut self, column: &AdviceColumn, _: Option<G1Affine>) -> Result<G1, ProveError> {
        let polynomial = self.domain.lagrange_from_vec(self.by_rows(column));
        let commitment = self.params.commit_lagrange(&polynomial, Blind::default());
        self.values.push(polynomial.into_values());
        self.commitments.push(commitment);
        Ok(commitment)
    }

    fn keep(&mut self, _: usize, _: AdviceColumn) -> Result<(), ProveError> {
        Ok(())
    }
}

/// What the library draws: the blinding rows that the columns have already, then a `Blind` for each
/// commitment, which KZG ignores, and between those the blinding rows of the products, which alone come from
/// our generator.
struct Draws<'a> {
    /// Of the columns' blinding rows and of their ignored blinds.
    words: std::vec::IntoIter<u64>,
    /// Words since then.
    drawn: usize,
    blinding_factors: usize,
    rng: &'a mut ChaCha20Rng,
}

impl<'a> Draws<'a> {
    fn new(columns: &[Vec<Fr>], blinding_factors: usize, rng: &'a mut ChaCha20Rng) -> Self {
        let mut words = Vec::new();
        for column in columns {
            for value in &column[column.len() - (blinding_factors + 1)..] {
                words.extend(words_of(value));
            }
        }
        words.resize(words.len() + columns.len() * WORDS_PER_SCALAR, 0);
        Self { words: words.into_iter(), drawn: 0, blinding_factors, rng }
    }
}

/// The words from which `Fr::random` makes `value`: it reduces a 512-bit number.
fn words_of(value: &Fr) -> [u64; WORDS_PER_SCALAR] {
    let mut words = [0; WORDS_PER_SCALAR];
    let little_endian: [u8; 32] = value.to_repr();
    for (word, bytes) in words.iter_mut().zip(little_endian.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    words
}

impl RngCore for Draws<'_> {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        if let Some(word) = self.words.next() {
            return word;
        }
        let of_product = WORDS_PER_SCALAR * (self.blinding_factors + 1);
        let ignored = self.drawn % of_product >= WORDS_PER_SCALAR * self.blinding_factors;
        self.drawn += 1;
        // After the products all are ignored.
        if ignored { 0 } else { self.rng.next_u64() }
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}
