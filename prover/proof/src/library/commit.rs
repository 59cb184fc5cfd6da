//! KZG with commitments that were computed before.
//!
//! The library's `create_proof_from_advice` commits to all advice columns again; this commitment
//! scheme answers with the commitments of the rounds instead, by the columns' addresses,
//! each once. All else is the library's KZG and SHPLONK. It also keeps the first polynomial that is committed
//! to by its coefficients: the random one of the vanishing argument.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use halo2_proofs::{
    halo2curves::bn256::{Bn256, Fr, G1, G1Affine},
    poly::{
        Coeff, LagrangeCoeff, Polynomial, ProverQuery,
        commitment::{Blind, CommitmentScheme, Params, ParamsProver, Prover},
        kzg::{commitment::ParamsKZG, msm::MSMKZG, multiopen::ProverSHPLONK},
    },
    transcript::{EncodedChallenge, TranscriptWrite},
};
use rand_core::RngCore;

/// KZG parameters with known commitments.
#[derive(Debug, Clone)]
pub(super) struct KnownParams {
    inner: Arc<ParamsKZG<Bn256>>,
    known: Arc<Mutex<HashMap<usize, G1>>>,
    vanishing: Arc<Mutex<Option<Vec<Fr>>>>,
}

impl KnownParams {
    pub(crate) fn new(inner: Arc<ParamsKZG<Bn256>>) -> Self {
        Self { inner, known: Arc::default(), vanishing: Arc::default() }
    }

    /// Registers the commitment to the column whose values lie here; the values must not change
    /// or move before they are committed to.
    pub(crate) fn register(&self, column: &[Fr], commitment: G1) {
        if let Ok(mut known) = self.known.lock() {
            known.insert(column.as_ptr().addr(), commitment);
        }
    }

    /// Coefficients of the vanishing argument's random polynomial, once it is committed to.
    pub(crate) fn vanishing(&self) -> Option<Vec<Fr>> {
        self.vanishing.lock().ok()?.clone()
    }

    /// Whether every registered commitment was asked for.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.known.lock().is_ok_and(|known| known.is_empty())
    }
}

/// The scheme that goes with [`KnownParams`].
#[derive(Debug)]
pub(super) struct KnownKzg;

impl CommitmentScheme for KnownKzg {
    type Scalar = Fr;
    type Curve = G1Affine;
    type ParamsProver = KnownParams;
    type ParamsVerifier = ParamsKZG<Bn256>;

    fn new_params(k: u32) -> KnownParams {
        <KnownParams as ParamsProver<'_, G1Affine>>::new(k)
    }

    fn read_params<R: io::Read>(reader: &mut R) -> io::Result<KnownParams> {
        <KnownParams as Params<'_, G1Affine>>::read(reader)
    }
}

impl<'params> Params<'params, G1Affine> for KnownParams {
    type MSM = MSMKZG<Bn256>;

    fn k(&self) -> u32 {
        self.inner.k()
    }

    fn n(&self) -> u64 {
        self.inner.n()
    }

    fn downsize(&mut self, k: u32) {
        Arc::make_mut(&mut self.inner).downsize(k);
    }

    fn empty_msm(&'params self) -> MSMKZG<Bn256> {
        self.inner.empty_msm()
    }

    fn commit_lagrange(&self, poly: &Polynomial<Fr, LagrangeCoeff>, blind: Blind<Fr>) -> G1 {
        let address = poly.values().as_ptr().addr();
        let known = match self.known.lock() {
            Ok(mut known) => known.remove(&address),
            Err(_) => None,
        };
        known.unwrap_or_else(|| self.inner.commit_lagrange(poly, blind))
    }

    fn write<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.inner.write(writer)
    }

    fn read<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        Ok(Self::new(Arc::new(ParamsKZG::read(reader)?)))
    }
}

impl<'params> ParamsProver<'params, G1Affine> for KnownParams {
    type ParamsVerifier = ParamsKZG<Bn256>;

    fn new(k: u32) -> Self {
        Self::new(Arc::new(ParamsKZG::new(k)))
    }

    fn commit(&self, poly: &Polynomial<Fr, Coeff>, blind: Blind<Fr>) -> G1 {
        if let Ok(mut vanishing) = self.vanishing.lock() {
            vanishing.get_or_insert_with(|| poly.values().to_vec());
        }
        self.inner.commit(poly, blind)
    }

    fn get_g(&self) -> &[G1Affine] {
        self.inner.get_g()
    }

    fn verifier_params(&'params self) -> &'params ParamsKZG<Bn256> {
        &self.inner
    }
}

/// SHPLONK over [`KnownParams`].
#[derive(Debug)]
pub(super) struct KnownShplonk<'params>(ProverSHPLONK<'params, Bn256>);

impl<'params> Prover<'params, KnownKzg> for KnownShplonk<'params> {
    const QUERY_INSTANCE: bool = false;

    fn new(params: &'params KnownParams) -> Self {
        Self(ProverSHPLONK::new(&params.inner))
    }

    fn create_proof<'com, E, T, R, I>(
        &self,
        rng: R,
        transcript: &mut T,
        queries: I,
    ) -> io::Result<()>
    where
        E: EncodedChallenge<G1Affine>,
        T: TranscriptWrite<G1Affine, E>,
        I: IntoIterator<Item = ProverQuery<'com, G1Affine>> + Clone,
        R: RngCore,
    {
        self.0.create_proof(rng, transcript, queries)
    }
}
