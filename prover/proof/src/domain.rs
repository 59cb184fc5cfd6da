//! Domains of 2^k rows.

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};

/// Generator of the domain of 2^k rows.
pub(super) fn root_of_unity(k: u32) -> Fr {
    let mut omega = Fr::ROOT_OF_UNITY;
    for _ in k..Fr::S {
        omega = omega.square();
    }
    omega
}

/// omega^rotation * x in the domain of 2^k rows.
pub(super) fn rotate(x: Fr, k: u32, rotation: i32) -> Fr {
    let omega = root_of_unity(k);
    // The order of omega is 2^k, so its power -r is its power 2^k - r.
    let power = i64::from(rotation).rem_euclid(1 << k);
    x * omega.pow_vartime([power.unsigned_abs()])
}
