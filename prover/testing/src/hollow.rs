//! The attack on a key that nobody makes again: a circuit with the columns and gates of an honest one and
//! without its fixed values and copies. Its key has the column profile of the honest one, so the honest
//! verifier contract takes it, and it constrains nothing: everything can be "proven".

use assay_arithmetic::weight_columns::WeightTails;
use assay_proof::{KeyShape, ProofFile, ProverKey, Srs, create_proof_self_blinded};
use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner},
    halo2curves::bn256::Fr,
    plonk::{Circuit, ConstraintSystem, Error},
};

use crate::sample::SEED;

/// The columns and gates of circuit `C`.
pub struct Hollow<C: Circuit<Fr>> {
    params: C::Params,
}

impl<C: Circuit<Fr>> Clone for Hollow<C>
where
    C::Params: Clone,
{
    fn clone(&self) -> Self {
        Self { params: self.params.clone() }
    }
}

impl<C: Circuit<Fr>> Hollow<C>
where
    C::Params: Clone,
{
    /// A hollow twin of circuits with these parameters.
    pub fn new(params: C::Params) -> Self {
        Self { params }
    }

    /// The keys, of the same column profile as the honest circuit's.
    pub fn key(&self, srs: &Srs, shape: KeyShape) -> ProverKey {
        ProverKey::generate(srs, self, shape).unwrap()
    }

    /// A "proof" of any public inputs. The `self_blinded` columns after the weights are those that the
    /// honest circuit blinds itself.
    pub fn prove(
        &self,
        srs: &Srs,
        key: &ProverKey,
        public_inputs: Vec<Fr>,
        self_blinded: usize,
    ) -> ProofFile {
        let profile = key.info().profile();
        let rows = profile.blinding_factors + 1;
        let tails = WeightTails::seeded(&SEED, profile.weight_columns, rows);
        let proof =
            create_proof_self_blinded(srs, key, self.clone(), &public_inputs, &tails, self_blinded);
        ProofFile { vk_hash: key.info().hash(), public_inputs, proof: proof.unwrap() }
    }
}

impl<C: Circuit<Fr>> Circuit<Fr> for Hollow<C>
where
    C::Params: Clone,
{
    type Config = ();
    type FloorPlanner = SimpleFloorPlanner;
    type Params = C::Params;

    fn params(&self) -> C::Params {
        self.params.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, params: C::Params) {
        C::configure_with_params(meta, params);
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) {
        C::configure(meta);
    }

    fn synthesize(&self, (): (), _: impl Layouter<Fr>) -> Result<(), Error> {
        Ok(())
    }
}
