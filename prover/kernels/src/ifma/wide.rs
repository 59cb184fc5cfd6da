//! Sums of products of eight elements, reduced once; remainders.
//!
//! Reducing costs as much as multiplying without it, so a sum of n products costs (n + 1)/2 multiplications.

use core::arch::x86_64::*;

use crate::field::{Modulus, reduced};
use crate::ifma::vector::{Eight, normalize};

/// Eight sums of products: `0[i]` holds the limb of weight 2^(52 i) of each. Limbs may be negative and are
/// below 2^62 in absolute value, which hundred products do not exceed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide(pub(crate) [__m512i; 10]);

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn all(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// Eight empty sums.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn empty() -> Wide {
    Wide([_mm512_setzero_si512(); 10])
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
    Wide(t.0.map(|limb| _mm512_sub_epi64(_mm512_setzero_si512(), limb)))
}

/// `t / 2^260`, not normal, for `t` that is at least `-A p^2` and below `B p^2`: at least `-A/84 p` and below
/// `(1 + B/84) p`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn reduce_wide<M: Modulus>(t: &Wide) -> Eight {
    let zero = _mm512_setzero_si512();
    let p = M::LIMBS.map(|limb| all(limb));
    let inverse = all(M::INVERSE_52);
    let mut t = t.0;
    // Each round makes the lowest limb a multiple of 2^52 and carries it on. The lowest limb may be negative:
    // its lowest 52 bits, in two's complement, are what counts, and the shift keeps the sign.
    for i in 0..5 {
        let m = _mm512_madd52lo_epu64(zero, t[i], inverse);
        let carry = _mm512_srai_epi64::<52>(_mm512_madd52lo_epu64(t[i], m, p[0]));
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
