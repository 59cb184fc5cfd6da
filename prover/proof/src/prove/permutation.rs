//! The permutation argument's product polynomials (docs/circuit.md, the paper's PLONK).

use std::io::Write;

use assay_kernels::{Domain, Kernels};
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::{Field, PrimeField},
        group::Curve,
    },
    transcript::TranscriptWrite,
};
use rand_core::RngCore;

use super::{costs::Work, watch::Meter};
use crate::{key_files::ProverKey, prove_error::ProveError, srs::Srs, transcript::KeccakWrite};

/// Coefficients of the argument's polynomials.
pub(super) struct Permutation {
    /// One for each chunk of columns.
    pub products: Vec<Vec<Fr>>,
    /// One for each column.
    pub sigma: Vec<Vec<Fr>>,
}

/// What the products are made of.
pub(super) struct Argument<'a> {
    pub srs: &'a Srs,
    pub key: &'a ProverKey,
    pub domain: &'a Domain,
    pub beta: Fr,
    pub gamma: Fr,
}

impl Argument<'_> {
    /// Commits to the products. `values[i]` are those of the permutation's column `i`, by rows.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn commit<W: Write>(
        &self,
        values: Vec<Vec<Fr>>,
        rng: &mut dyn RngCore,
        transcript: &mut KeccakWrite<W>,
        meter: &mut Meter<'_>,
    ) -> Result<Permutation, ProveError> {
        let profile = self.key.info().profile();
        let rows = 1usize << self.srs.k();
        let last = rows - (profile.blinding_factors + 1);
        let mut omegas = vec![self.domain.omega(); rows];
        self.kernels().running_product(&mut omegas, Fr::ONE);
        let mut delta = Fr::ONE;
        let mut start = Fr::ONE;
        let mut permutation = Permutation { products: Vec::new(), sigma: Vec::new() };
        for (chunk, columns) in values.chunks(profile.permutation_chunk).enumerate() {
            let first = chunk * profile.permutation_chunk;
            let mut product = self.ratios(first, columns, &omegas, &mut delta, &mut permutation);
            self.kernels().running_product(&mut product, start);
            for value in &mut product[last + 1..] {
                *value = Fr::random(&mut *rng);
            }
            start = product[last];
            let commitment: G1Affine = self.srs.lagrange().exponentiate_full(&product).to_affine();
            transcript.write_point(commitment)?;
            self.domain.coefficients_in_place(&mut product);
            permutation.products.push(product);
            meter.done(Work::Product)?;
        }
        for sigma in &mut permutation.sigma {
            self.domain.coefficients_in_place(sigma);
        }
        Ok(permutation)
    }

    /// By rows: the product over the columns of (value + beta delta^c omega^row + gamma) / (value + beta
    /// sigma + gamma).
    fn ratios(
        &self,
        first: usize,
        columns: &[Vec<Fr>],
        omegas: &[Fr],
        delta: &mut Fr,
        permutation: &mut Permutation,
    ) -> Vec<Fr> {
        let mut ratios = vec![Fr::ONE; omegas.len()];
        let mut factors = vec![Fr::ZERO; omegas.len()];
        for (index, values) in columns.iter().enumerate() {
            let sigma = self.key.sigma(first + index);
            self.kernels().affine(values, &sigma, self.beta, self.gamma, &mut factors);
            self.kernels().multiply_all(&mut ratios, &factors);
            permutation.sigma.push(sigma);
        }
        self.kernels().invert_all(&mut ratios);
        for values in columns {
            self.kernels().affine(values, omegas, self.beta * *delta, self.gamma, &mut factors);
            self.kernels().multiply_all(&mut ratios, &factors);
            *delta *= Fr::DELTA;
        }
        ratios
    }

    fn kernels(&self) -> &'static dyn Kernels {
        self.srs.kernels()
    }
}
