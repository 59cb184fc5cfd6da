//! KZG parameters as far as a verifier needs them.

use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine, G2Affine},
    poly::kzg::commitment::ParamsKZG,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// Parameters that can only verify.
pub(crate) fn verifier_params(k: u32, s_g2: G2Affine) -> ParamsKZG<Bn256> {
    assemble(k, vec![G1Affine::generator()], Some(Vec::new()), s_g2)
}

pub(crate) fn assemble(
    k: u32,
    g: Vec<G1Affine>,
    g_lagrange: Option<Vec<G1Affine>>,
    s_g2: G2Affine,
) -> ParamsKZG<Bn256> {
    // The library's constructor is a method; any value will do.
    let any = ParamsKZG::<Bn256>::setup(1, ChaCha20Rng::from_seed([0; 32]));
    any.from_parts(k, g, g_lagrange, G2Affine::generator(), s_g2)
}
