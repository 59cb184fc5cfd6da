//! Multiplication by factors known beforehand.

use core::arch::x86_64::*;

use halo2curves::bn256::Fr;

use super::memory::Block;
use crate::{
    field::{FrModulus, LIMB, Modulus, limbs},
    ifma::vector::{self, Eight},
    words::{of_fr, to_fr},
};

/// A factor and its quotient by the modulus: eight elements times it take a fifth fewer instructions than a
/// product of two unknowns, and the product is in the elements' form, whichever that is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor {
    /// The number below p.
    number: [u64; 5],
    /// `2^260 number / p`, rounded down.
    quotient: [u64; 5],
}

impl Factor {
    pub(crate) fn of(factor: Fr) -> Self {
        // The words of an element are 2^256 times it. The division's remainder is 2^260 times it, so the
        // quotient is what makes `quotient * p` the negated remainder modulo 2^260.
        let number = limbs(of_fr(&(factor * to_fr([1, 0, 0, 0]))));
        let remainder = limbs(of_fr(&(factor * Fr::from(16))));
        Self { number, quotient: low_product(&remainder, &NEGATED_INVERSE) }
    }

    pub(crate) fn all(factors: &[Fr]) -> Vec<Self> {
        factors.iter().map(|factor| Self::of(*factor)).collect()
    }
}

/// `a * b` modulo 2^260.
const fn low_product(a: &[u64; 5], b: &[u64; 5]) -> [u64; 5] {
    let mut product = [0; 5];
    let mut sum = 0u128;
    let mut limb = 0;
    while limb < 5 {
        let mut i = 0;
        while i <= limb {
            sum += a[i] as u128 * b[limb - i] as u128;
            i += 1;
        }
        product[limb] = sum as u64 & LIMB;
        sum >>= 52;
        limb += 1;
    }
    product
}

/// -1/p modulo 2^260.
const NEGATED_INVERSE: [u64; 5] = {
    // Newton's iteration doubles the correct bits: from x to x (2 + p x).
    let mut inverse = [FrModulus::INVERSE_52, 0, 0, 0, 0];
    let mut step = 0;
    while step < 3 {
        let mut two_plus = low_product(&FrModulus::LIMBS, &inverse);
        two_plus[0] += 2;
        inverse = low_product(&inverse, &two_plus);
        step += 1;
    }
    inverse
};

/// 2^260 - p.
const COMPLEMENT: [u64; 5] = {
    let p = FrModulus::LIMBS;
    [LIMB + 1 - p[0], LIMB - p[1], LIMB - p[2], LIMB - p[3], LIMB - p[4]]
};

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn all(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// Carries between limbs as [`vector::normalize`] does, but leaves what was carried in place above the lowest
/// 52 bits, which is all that a multiplication reads.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn carried(a: &Eight) -> [__m512i; 5] {
    let mut t = a.0;
    for i in 0..4 {
        t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srai_epi64::<52>(t[i]));
    }
    t
}

/// `a` times a factor, normal and below 2 p. `a` need not be normal, but is at least 0 and below 83 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn times(a: &Eight, factor: &Factor) -> Eight {
    product(a, |limb| all(factor.number[limb]), |limb| all(factor.quotient[limb]))
}

/// Eight factors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EightFactors {
    number: Block,
    quotient: Block,
}

impl EightFactors {
    pub(crate) fn of(factors: &[Fr; 8]) -> Self {
        let factors = factors.map(Factor::of);
        let block = |limbs: fn(&Factor) -> &[u64; 5]| {
            Block(std::array::from_fn(|limb| factors.each_ref().map(|factor| limbs(factor)[limb])))
        };
        Self { number: block(|factor| &factor.number), quotient: block(|factor| &factor.quotient) }
    }
}

/// As [`times`], each lane by its own factor.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn times_each(a: &Eight, factors: &EightFactors) -> Eight {
    let (number, quotient) = (factors.number.get(), factors.quotient.get());
    product(a, |limb| number.0[limb], |limb| quotient.0[limb])
}

/// `a` times a factor by its limbs and its quotient's.
///
/// With q the product of `a` and the quotient divided by 2^260, the result is `a * number - q p`, of which
/// only the lowest 260 bits are computed. The quotient is less than 1 too small, which makes q less than
/// `a / 2^260` too small; its own rounding makes it less than 1 too small; and what it is computed without,
/// the products below limb 4 but for their high halves in it, is below 2^-48: in all less than 2.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn product(
    a: &Eight,
    number: impl Fn(usize) -> __m512i,
    quotient: impl Fn(usize) -> __m512i,
) -> Eight {
    let a = carried(a);
    let zero = _mm512_setzero_si512();
    // Limbs 4 to 9, low and high halves apart: shorter chains of dependent additions.
    let mut low = [zero; 6];
    let mut high = [zero; 6];
    for limb in 3..9 {
        for (i, a) in a.iter().enumerate() {
            if i <= limb && limb - i < 5 {
                let b = quotient(limb - i);
                if limb > 3 {
                    low[limb - 4] = _mm512_madd52lo_epu64(low[limb - 4], *a, b);
                }
                high[limb - 3] = _mm512_madd52hi_epu64(high[limb - 3], *a, b);
            }
        }
    }
    let mut q = [zero; 6];
    let mut carry = zero;
    for (q, (low, high)) in q.iter_mut().zip(low.iter().zip(&high)) {
        *q = _mm512_add_epi64(_mm512_add_epi64(*low, *high), carry);
        carry = _mm512_srli_epi64::<52>(*q);
    }
    let mut t = [zero; 5];
    let mut u = [zero; 5];
    add_low_product(&mut t, &mut u, &a, number);
    let [_, q @ ..] = q;
    add_low_product(&mut t, &mut u, &q, |limb| all(COMPLEMENT[limb]));
    low_bits(&vector::add_raw(&Eight(t), &Eight(u)))
}

/// Adds `a * b` modulo 2^260: the products' low halves to `low`, their high halves to `high`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn add_low_product(
    low: &mut [__m512i; 5],
    high: &mut [__m512i; 5],
    a: &[__m512i; 5],
    b: impl Fn(usize) -> __m512i,
) {
    for limb in 0..5 {
        for (i, a) in a[..=limb].iter().enumerate() {
            let b = b(limb - i);
            low[limb] = _mm512_madd52lo_epu64(low[limb], *a, b);
            if limb < 4 {
                high[limb + 1] = _mm512_madd52hi_epu64(high[limb + 1], *a, b);
            }
        }
    }
}

/// Modulo 2^260, normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn low_bits(a: &Eight) -> Eight {
    let mut t = vector::normalize(a);
    t.0[4] = _mm512_and_si512(t.0[4], all(LIMB));
    t
}

/// 2^97 divided by what the uppermost limb of p is below.
const QUOTIENT: u64 = ((1 << 97) / (FrModulus::LIMBS[4] as u128 + 1)) as u64;

/// Less the multiples of p that the uppermost limb shows to fit: normal and below 1.01 p. `a` need not be
/// normal, but is at least 0 and below 84 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn reduce_roughly(a: &Eight) -> Eight {
    let mut t = vector::normalize(a).0;
    // The limb is below 2^52, so the quotient below 85. The divisor is too large by one in 2^45.
    let scaled = _mm512_madd52hi_epu64(_mm512_setzero_si512(), t[4], all(QUOTIENT));
    let quotient = _mm512_srli_epi64::<45>(scaled);
    for i in 0..5 {
        t[i] = _mm512_madd52lo_epu64(t[i], quotient, all(COMPLEMENT[i]));
    }
    for i in 0..4 {
        t[i + 1] = _mm512_madd52hi_epu64(t[i + 1], quotient, all(COMPLEMENT[i]));
    }
    low_bits(&Eight(t))
}

#[cfg(test)]
mod tests {
    use halo2curves::ff::Field;
    use proptest::prelude::*;

    use super::*;
    use crate::{ifma::Ifma, words::Words};

    /// The low halves of 260-bit numbers times p, plus some: elements of up to 83 p.
    fn number(multiple: u64, element: Fr) -> [u64; 5] {
        let mut sum = 0u128;
        let element = limbs(of_fr(&element));
        std::array::from_fn(|i| {
            sum += FrModulus::LIMBS[i] as u128 * u128::from(multiple) + u128::from(element[i]);
            let limb = sum as u64 & LIMB;
            sum >>= 52;
            limb
        })
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn product(number: &[u64; 5], factor: Option<&Factor>) -> (Words, bool) {
        let number = vector::broadcast(number);
        let product = match factor {
            Some(factor) => times(&number, factor),
            None => reduce_roughly(&number),
        };
        let mut out = [[0; 4]; 8];
        let reduced = vector::reduce::<FrModulus, 1>(&product);
        vector::store(&reduced, &mut out);
        let again = vector::reduce::<FrModulus, 1>(&reduced);
        let below = (0..5).all(|i| {
            _mm512_cmpeq_epi64_mask(again.0[i], reduced.0[i]) == u8::MAX
                && _mm512_cmpgt_epi64_mask(product.0[i], all(LIMB)) == 0
        });
        (out[3], below)
    }

    fn check(multiple: u64, element: Fr, factor: Fr) {
        if Ifma::detect().is_some() {
            let number = number(multiple, element);
            // SAFETY: the instructions are there.
            let (found, below) = unsafe { product(&number, Some(&Factor::of(factor))) };
            assert_eq!(to_fr(found), element * factor);
            assert!(below, "{multiple} {element:?} {factor:?}");
            // SAFETY: as above.
            let (found, below) = unsafe { product(&number, None) };
            assert_eq!(to_fr(found), element);
            assert!(below, "{multiple} {element:?}");
        }
    }

    #[test]
    fn extremes() {
        let elements = [Fr::ZERO, Fr::ONE, -Fr::ONE, to_fr([1, 0, 0, 0]), -to_fr([1, 0, 0, 0])];
        for multiple in [0, 1, 2, 41, 81, 82] {
            for element in elements {
                for factor in elements {
                    check(multiple, element, factor);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn as_the_library(multiple in 0u64..=82, element: [u64; 4], factor: [u64; 4]) {
            check(multiple, Fr::from_raw(element), Fr::from_raw(factor));
        }
    }
}
