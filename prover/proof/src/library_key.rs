//! Our keys in the library's form, for comparison.

use assay_kernels::Column;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
    },
    plonk::{ProvingKey, VerifyingKey, permutation},
    poly::EvaluationDomain,
};

use crate::proving_key::ProverKey;

impl ProverKey {
    /// Makes the library's key, which is many times larger.
    pub fn library_key(&self) -> ProvingKey<G1Affine> {
        let cs = self.vk().cs();
        let domain = EvaluationDomain::new(cs.degree() as u32, self.info().data().k);
        let rows = domain.n as usize;
        let last = rows - cs.blinding_factors() - 1;
        let coefficients =
            |values: &Vec<Fr>| domain.lagrange_to_coeff(domain.lagrange_from_vec(values.clone()));
        let indicator = |holds: &dyn Fn(usize) -> bool| {
            let values = (0..rows).map(|row| if holds(row) { Fr::ONE } else { Fr::ZERO });
            coefficients(&values.collect())
        };
        let l0 = indicator(&|row| row == 0);
        let l_last = indicator(&|row| row == last);
        let l_active_row = indicator(&|row| row < last);
        let columns = |values: Vec<Vec<Fr>>| {
            let polynomials = values.iter().map(&coefficients).collect();
            let values = values.into_iter().map(|values| domain.lagrange_from_vec(values));
            (values.collect(), polynomials)
        };
        let (fixed, fixed_polynomials) =
            columns(self.fixed().iter().map(Column::to_full).collect());
        let (sigmas, polynomials) =
            columns((0..self.moved().len()).map(|column| self.sigma(column)).collect());
        let permutation = permutation::ProvingKey::from_parts(sigmas, polynomials);
        let vk = VerifyingKey::from_parts(
            domain.clone(),
            self.vk().fixed_commitments().clone(),
            self.vk().permutation().clone(),
            cs.clone(),
            Vec::new(),
            false,
        );
        ProvingKey::from_parts(vk, l0, l_last, l_active_row, fixed, fixed_polynomials, permutation)
    }
}
