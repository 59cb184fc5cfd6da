//! Sums of products of eight elements, reduced once; remainders.
//!
//! Reducing costs as much as multiplying without it, so a sum of n products costs (n + 1)/2 multiplications.

use core::arch::x86_64::*;

use crate::field::{LIMB, Modulus, reduced};
use crate::ifma::vector::{Eight, normalize};

/// Eight sums of products: `0[i]` holds the limb of weight 2^(52 i) of each, the five lower ones with another
/// 2^52 - 1, so that shifting their lower bits out rounds up. Limbs may be negative and are below 2^62 in
/// absolute value, which hundred products do not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide([__m512i; 10]);

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn all(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// Eight empty sums.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn empty() -> Wide {
    let (rounding, zero) = (all(LIMB), _mm512_setzero_si512());
    Wide([rounding, rounding, rounding, rounding, rounding, zero, zero, zero, zero, zero])
}

/// `t + a * b` for normal factors.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn multiply_add(t: &Wide, a: &Eight, b: &Eight) -> Wide {
    let (mut t, a) = (t.0, &a.0);
    for (i, b) in b.0.into_iter().enumerate() {
        for j in 0..5 {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], a[j], b);
        }
        for j in 0..5 {
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], a[j], b);
        }
    }
    Wide(t)
}

/// `-t`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn negate(t: &Wide) -> Wide {
    let mut negative = t.0;
    for (i, limb) in negative.iter_mut().enumerate() {
        let from = if i < 5 { all(2 * LIMB) } else { _mm512_setzero_si512() };
        *limb = _mm512_sub_epi64(from, *limb);
    }
    Wide(negative)
}

/// `t / 2^260`, not normal, for `t` that is at least `-A p^2` and below `B p^2`: at least `-A/84 p` and below
/// `(1 + B/84) p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn reduce_wide<M: Modulus>(t: &Wide) -> Eight {
    let p = M::LIMBS.map(|limb| all(limb));
    let inverse = all(M::INVERSE_52);
    let mut t = t.0;
    // Each round adds the multiple of p that makes the lowest limb a multiple of 2^52, which is carried on.
    // The lower bits need not be added for that: they are the next such multiple, which rounding up finds.
    for i in 0..5 {
        // Of the limb without the 2^52 - 1, which is the same as minus one here, times the inverse.
        let m = _mm512_madd52lo_epu64(inverse, t[i], inverse);
        let carry = _mm512_srai_epi64::<52>(t[i]);
        for j in 1..5 {
            t[i + j] = _mm512_madd52lo_epu64(t[i + j], m, p[j]);
        }
        for j in 0..5 {
            t[i + j + 1] = _mm512_madd52hi_epu64(t[i + j + 1], m, p[j]);
        }
        t[i + 1] = _mm512_add_epi64(t[i + 1], carry);
    }
    Eight([t[5], t[6], t[7], t[8], t[9]])
}

/// `a` less a multiple of p; normal to normal, at most `(1 + 2^-40) p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn remainder<M: Modulus>(a: &Eight) -> Eight {
    let zero = _mm512_setzero_si512();
    // The quotient from the highest limb alone: it is never above a/p, and not below a/p - 1 - 2^-44, since
    // the lower limbs are less than 2^-45 p and the inverse is short by less than one in 2^51.
    let inverse = all(const { scaled_inverse::<M>() });
    let quotient = _mm512_srli_epi64::<45>(_mm512_madd52hi_epu64(zero, a.0[4], inverse));
    let mut t = a.0;
    // The last `high` is zero: the multiple is at most `a`.
    let mut high = zero;
    for (limb, p) in t.iter_mut().zip(M::LIMBS) {
        *limb = _mm512_sub_epi64(*limb, _mm512_madd52lo_epu64(high, quotient, all(p)));
        high = _mm512_madd52hi_epu64(zero, quotient, all(p));
    }
    normalize(&Eight(t))
}

/// 2^305 / p, rounded down.
const fn scaled_inverse<M: Modulus>() -> u64 {
    let mut quotient = 0u64;
    let mut rest = [1, 0, 0, 0];
    let mut done = 0;
    while done < 305 {
        rest = [
            rest[0] << 1,
            rest[1] << 1 | rest[0] >> 63,
            rest[2] << 1 | rest[1] >> 63,
            rest[3] << 1 | rest[2] >> 63,
        ];
        let less = reduced::<M>(rest);
        quotient = quotient << 1 | (less[0] != rest[0]) as u64;
        rest = less;
        done += 1;
    }
    quotient
}

#[cfg(test)]
mod tests {
    use halo2curves::{bn256::Fr, ff::Field};
    use proptest::prelude::*;

    use super::*;
    use crate::field::{FrModulus, subtract};
    use crate::ifma::{Ifma, memory, vector};
    use crate::words::{Words, of_fr, to_fr};

    /// `a_i * b_i` for eight elements each, and whether it is subtracted.
    type Product = ([Fr; 8], [Fr; 8], bool);

    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn sum_here(products: &[Product], out: &mut [Words; 8]) {
        let mut sum = empty();
        for subtracted in [true, false] {
            for (a, b, _) in products.iter().filter(|product| product.2 == subtracted) {
                let [a, b] =
                    [a, b].map(|factor| vector::load(&factor.map(|factor| of_fr(&factor))));
                sum = multiply_add(&sum, &a, &b);
            }
            if subtracted {
                sum = negate(&sum);
            }
        }
        let lift = vector::broadcast(&FrModulus::LIMBS.map(|limb| 2 * limb));
        let sum = vector::add(&reduce_wide::<FrModulus>(&sum), &lift);
        memory::store(&sum, out);
    }

    /// Compares with the library, with at most 84 products.
    fn check(products: &[Product]) {
        if Ifma::detect().is_none() {
            return;
        }
        let mut found = [[0; 4]; 8];
        // SAFETY: the instructions are there.
        unsafe { sum_here(products, &mut found) };
        let sixteenth = Fr::from(16).invert().unwrap();
        for (lane, found) in found.into_iter().enumerate() {
            let products = products.iter().map(|(a, b, subtracted)| {
                let product = a[lane] * b[lane] * sixteenth;
                if *subtracted { -product } else { product }
            });
            assert_eq!(found, of_fr(&products.sum::<Fr>()));
        }
    }

    fn product() -> impl Strategy<Value = Product> {
        any::<([[u64; 4]; 8], [[u64; 4]; 8], bool)>()
            .prop_map(|(a, b, subtracted)| (a.map(Fr::from_raw), b.map(Fr::from_raw), subtracted))
    }

    proptest! {
        #[test]
        fn sums_are_the_librarys(products in prop::collection::vec(product(), 0..20)) {
            check(&products);
        }
    }

    #[test]
    fn extremes() {
        let largest = to_fr(subtract(FrModulus::P, [1, 0, 0, 0]).0);
        let values = [Fr::ZERO, Fr::ONE, -Fr::ONE, largest];
        for count in [0, 1, 2, 64, 84] {
            for (a, b) in values.iter().flat_map(|a| values.map(|b| ([*a; 8], [b; 8]))) {
                check(&vec![(a, b, false); count]);
                check(&vec![(a, b, true); count]);
                let alternating = (0..count).map(|i| (a, b, i % 2 == 0));
                check(&alternating.collect::<Vec<_>>());
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn remainder_here(limbs: &[u64; 5]) -> [Words; 8] {
        let mut out = [[0; 4]; 8];
        vector::store(&remainder::<FrModulus>(&vector::broadcast(limbs)), &mut out);
        out
    }

    #[test]
    fn remainders_are_small() {
        if Ifma::detect().is_none() {
            return;
        }
        for times in 0..=84 {
            for offset in [-1i64, 0, 1] {
                let mut limbs = [0; 5];
                let mut carry = i128::from(offset);
                for (limb, p) in limbs.iter_mut().zip(FrModulus::LIMBS) {
                    carry += i128::from(p) * times;
                    *limb = carry as u64 & LIMB;
                    carry >>= 52;
                }
                if carry < 0 {
                    continue;
                }
                // SAFETY: the instructions are there.
                let [found, ..] = unsafe { remainder_here(&limbs) };
                // The same up to a multiple of p, and hardly above p.
                let expected = reduced::<FrModulus>([offset.unsigned_abs(), 0, 0, 0]);
                let expected =
                    if offset < 0 { subtract(FrModulus::P, expected).0 } else { expected };
                assert_eq!(reduced::<FrModulus>(found), expected, "{times} {offset}");
                assert!(
                    subtract(FrModulus::P, found).0[3] >> 63 == 0 || found[3] == FrModulus::P[3]
                );
            }
        }
    }
}
