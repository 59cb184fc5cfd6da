//! The attack on a key that nobody makes again: a circuit with the columns and gates of an honest one and
//! without its fixed values and copies. Its key has the column profile of the honest one, so the honest
//! verifier contract takes it, and it constrains nothing: everything can be "proven".

use std::ops::Range;

use assay_arithmetic::weight_columns::WeightTails;
use assay_proof::{KeyShape, ProofFile, ProverKey, Srs, create_proof_self_blinded};
use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value},
    halo2curves::bn256::Fr,
    plonk::{Advice, Circuit, Column, ConstraintSystem, Error},
};

use crate::sample::SEED;

/// The columns and gates of circuit `C`.
pub struct Hollow<C: Circuit<Fr>> {
    params: C::Params,
    /// Advice columns that the honest circuit blinds itself. Anything in a row that nothing constrains will do,
    /// and here nothing constrains any.
    blinded: Range<usize>,
}

impl<C: Circuit<Fr>> Clone for Hollow<C>
where
    C::Params: Clone,
{
    fn clone(&self) -> Self {
        Self { params: self.params.clone(), blinded: self.blinded.clone() }
    }
}

impl<C: Circuit<Fr>> Hollow<C>
where
    C::Params: Clone,
{
    /// A hollow twin of circuits with these parameters.
    pub fn new(params: C::Params) -> Self {
        Self { params, blinded: 0..0 }
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
        let weights = profile.weight_columns;
        let tails = WeightTails::seeded(&SEED, weights, rows);
        let circuit = Self { blinded: weights..weights + self_blinded, ..self.clone() };
        let proof =
            create_proof_self_blinded(srs, key, circuit, &public_inputs, &tails, self_blinded)
                .unwrap();
        key.verify(&public_inputs, &proof).unwrap();
        ProofFile { vk_hash: key.info().hash(), public_inputs, proof }
    }
}

impl<C: Circuit<Fr>> Circuit<Fr> for Hollow<C>
where
    C::Params: Clone,
{
    type Config = Vec<Column<Advice>>;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = C::Params;

    fn params(&self) -> C::Params {
        self.params.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, params: C::Params) -> Self::Config {
        C::configure_with_params(meta, params);
        columns(meta)
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> Self::Config {
        C::configure(meta);
        columns(meta)
    }

    fn synthesize(
        &self,
        columns: Self::Config,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        layouter.assign_region(
            || "hollow",
            |mut region| {
                for column in columns.iter().filter(|column| self.blinded.contains(&column.index()))
                {
                    region.assign_advice(*column, 0, Value::known(Fr::from(7)));
                }
                Ok(())
            },
        )
    }
}

/// All advice columns: each is queried somewhere.
fn columns(meta: &ConstraintSystem<Fr>) -> Vec<Column<Advice>> {
    let mut columns: Vec<_> = meta.advice_queries().iter().map(|(column, _)| *column).collect();
    columns.sort_by_key(Column::index);
    columns.dedup();
    columns
}
