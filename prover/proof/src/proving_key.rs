//! Proving keys: what circuits fix, beside the verifying key.

use assay_kernels::Column;
use halo2_proofs::{
    halo2curves::bn256::{Fr, G1Affine},
    plonk::{Circuit, VerifyingKey},
};

use crate::{
    assembly::{Assembled, Moved},
    key_error::KeyError,
    key_generation,
    keys::{KeyInfo, KeyShape, VerifierKey},
    labels::Labels,
    srs::Srs,
    verify::{self, VerifyError},
};

/// What is needed to prove.
#[derive(Debug, Clone)]
pub struct ProverKey {
    vk: VerifyingKey<G1Affine>,
    info: KeyInfo,
    fixed: Vec<Column>,
    moved: Vec<Vec<Moved>>,
}

impl ProverKey {
    /// Makes the proving key of a circuit; see [`VerifierKey::generate`].
    ///
    /// # Errors
    /// As [`VerifierKey::generate`].
    pub fn generate<C: Circuit<Fr>>(
        srs: &Srs,
        circuit: &C,
        shape: KeyShape,
    ) -> Result<Self, KeyError> {
        let (key, content) = key_generation::generate(srs, circuit, shape)?;
        Ok(Self::new(key, content))
    }

    /// `content` fits the key's profile and number of rows.
    pub(crate) fn new(key: VerifierKey, content: Assembled) -> Self {
        let VerifierKey { vk, info } = key;
        let Assembled { fixed, moved } = content;
        Self { vk, info, fixed, moved }
    }

    /// The library's verifying key. Its domain cannot transform: the tables for that are left out.
    pub fn vk(&self) -> &VerifyingKey<G1Affine> {
        &self.vk
    }

    /// Everything else.
    pub fn info(&self) -> &KeyInfo {
        &self.info
    }

    /// The verifying key.
    pub fn verifier(&self) -> VerifierKey {
        VerifierKey { vk: self.vk.clone(), info: self.info.clone() }
    }

    /// The fixed columns, of 2^k rows.
    pub fn fixed(&self) -> &[Column] {
        &self.fixed
    }

    /// For each column of the permutation argument the cells that the permutation moves, by rows.
    pub fn moved(&self) -> &[Vec<Moved>] {
        &self.moved
    }

    /// Values of the permutation polynomial of a column, by rows: the label (delta^column omega^row,
    /// columns counted among the permuted ones) of the cell to which each cell is moved.
    ///
    /// # Panics
    /// For a column that is not there.
    pub fn sigma(&self, column: usize) -> Vec<Fr> {
        let labels = Labels::new(self.info.data().k, self.moved.len());
        labels.sigma(column, &self.moved[column])
    }

    /// As [`VerifierKey::verify`].
    ///
    /// # Errors
    /// As [`VerifierKey::verify`].
    pub fn verify(&self, public_inputs: &[Fr], proof: &[u8]) -> Result<[u8; 32], VerifyError> {
        verify::verify(&self.vk, &self.info, public_inputs, proof)
    }
}
