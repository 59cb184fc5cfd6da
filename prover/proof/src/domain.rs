//! Domains of 2^k rows.

use halo2_proofs::{
    halo2curves::{
        bn256::Fr,
        ff::{Field, PrimeField, WithSmallOrderMulGroup},
    },
    poly::EvaluationDomain,
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

/// The library's domain of 2^k rows for constraints of a degree, as far as a verifying key needs it:
/// its transforms are missing, and with them half a gigabyte of tables at k = 20.
///
/// Returns `None` where the field has no domain large enough for the quotient.
pub(super) fn without_tables(degree: usize, k: u32) -> Option<EvaluationDomain<Fr>> {
    let quotient_poly_degree = degree.saturating_sub(1);
    let extended_k = k + quotient_poly_degree.next_power_of_two().ilog2();
    if extended_k > Fr::S {
        return None;
    }
    let (omega, extended_omega) = (root_of_unity(k), root_of_unity(extended_k));
    let inverse = |value: Fr| value.invert().unwrap_or(Fr::ZERO);
    let divisor = |k: u32| Fr::TWO_INV.pow_vartime([u64::from(k)]);
    Some(EvaluationDomain {
        n: 1 << k,
        k,
        extended_k,
        omega,
        omega_inv: inverse(omega),
        extended_omega,
        extended_omega_inv: inverse(extended_omega),
        g_coset: Fr::ZETA,
        g_coset_inv: Fr::ZETA.square(),
        quotient_poly_degree: quotient_poly_degree as u64,
        ifft_divisor: divisor(k),
        extended_ifft_divisor: divisor(extended_k),
        t_evaluations: Vec::new(),
        barycentric_weight: divisor(k),
        fft_data: Default::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_without_tables_is_the_librarys() {
        for (degree, k) in [(1, 3), (2, 1), (3, 4), (4, 3), (5, 6), (6, 5), (9, 3), (10, 3)] {
            let theirs = EvaluationDomain::<Fr>::new(degree as u32, k);
            let theirs = EvaluationDomain {
                t_evaluations: Vec::new(),
                fft_data: Default::default(),
                ..theirs
            };
            let ours = without_tables(degree, k).expect("small");
            assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        }
        assert!(without_tables(5, Fr::S - 2).is_some());
        assert!(without_tables(5, Fr::S - 1).is_none());
    }
}
