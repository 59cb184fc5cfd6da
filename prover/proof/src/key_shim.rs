use halo2_proofs::{halo2curves::bn256::{Fr, G1Affine}, plonk::ProvingKey};
use assay_kernels::Column;
use crate::key_files::ProverKey;
impl ProverKey {
    pub fn fixed(&self) -> Vec<Column> { self.pk().fixed_values().iter().map(|v| Column::Full(v.to_vec())).collect() }
    pub fn sigma(&self, c: usize) -> Vec<Fr> { self.pk().permutation().permutations()[c].to_vec() }
    pub fn library_key(&self) -> ProvingKey<G1Affine> { self.pk().clone() }
}
