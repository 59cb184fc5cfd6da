//! Domains of 2^k rows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::PrimeField};

/// Generator of the domain of 2^k rows.
pub(super) fn root_of_unity(k: u32) -> Fr {
    let mut omega = Fr::ROOT_OF_UNITY;
    for _ in k..Fr::S {
        omega = omega.square();
    }
    omega
}
