//! Eight field elements at a time, in 52-bit limbs.
//!
//! The multiplication divides by 2^260 where the library's divides by 2^256. So a product of
//! an element of the library's form with a constant that carries another factor 16 is in the library's form
//! again; the kernels keep constants, points and the cells of gates so.
//!
//! An element need not be below the modulus p: 5 limbs hold 84 p. Each function says which multiple of p it
//! takes and gives; *normal* means that each limb is below 2^52, which a factor has to be.

use core::arch::x86_64::*;

use crate::field::{LIMB, Modulus, limbs};
use crate::words::Words;

/// Eight elements: `0[i]` holds limb `i` of each.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Eight(pub(crate) [__m512i; 5]);

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn all(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

/// Eight zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn zero() -> Eight {
    Eight([_mm512_setzero_si512(); 5])
}

/// The same element eight times.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn broadcast(limbs: &[u64; 5]) -> Eight {
    Eight([all(limbs[0]), all(limbs[1]), all(limbs[2]), all(limbs[3]), all(limbs[4])])
}

/// As [`broadcast`], of words.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn broadcast_words(words: Words) -> Eight {
    broadcast(&limbs(words))
}

/// `a * b / 2^260`, normal and below `(1 + AB/84) p` for normal factors below `Ap` and `Bp`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn multiply<M: Modulus>(a: &Eight, b: &Eight) -> Eight {
    let zero = _mm512_setzero_si512();
    let p = M::LIMBS.map(|limb| _mm512_set1_epi64(limb.cast_signed()));
    let inverse = all(M::INVERSE_52);
    let a = &a.0;
    let mut t = [zero; 5];
    // Each round adds a times a limb of b, and what makes the lowest limb zero, which is then dropped. A limb
    // gathers at most 5 rounds of 4 products of 52 bits and a carry: below 2^57.
    for b in b.0 {
        let low = _mm512_madd52lo_epu64(t[0], a[0], b);
        let m = _mm512_madd52lo_epu64(zero, low, inverse);
        let carry = _mm512_srli_epi64::<52>(_mm512_madd52lo_epu64(low, m, p[0]));
        let mut next = [
            _mm512_madd52lo_epu64(t[1], a[1], b),
            _mm512_madd52lo_epu64(t[2], a[2], b),
            _mm512_madd52lo_epu64(t[3], a[3], b),
            _mm512_madd52lo_epu64(t[4], a[4], b),
            zero,
        ];
        for i in 0..5 {
            next[i] = _mm512_madd52hi_epu64(next[i], a[i], b);
        }
        for i in 0..4 {
            next[i] = _mm512_madd52lo_epu64(next[i], m, p[i + 1]);
        }
        for i in 0..5 {
            next[i] = _mm512_madd52hi_epu64(next[i], m, p[i]);
        }
        next[0] = _mm512_add_epi64(next[0], carry);
        t = next;
    }
    normalize(&Eight(t))
}

/// Carries between limbs, which may be negative, as long as the sum is not.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn normalize(a: &Eight) -> Eight {
    let mask = all(LIMB);
    let mut t = a.0;
    for i in 0..4 {
        t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srai_epi64::<52>(t[i]));
        t[i] = _mm512_and_si512(t[i], mask);
    }
    Eight(t)
}

/// `a + b`, not normal. Up to 2^11 such sums before a [`normalize`].
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn add_raw(a: &Eight, b: &Eight) -> Eight {
    let (a, b) = (&a.0, &b.0);
    Eight([
        _mm512_add_epi64(a[0], b[0]),
        _mm512_add_epi64(a[1], b[1]),
        _mm512_add_epi64(a[2], b[2]),
        _mm512_add_epi64(a[3], b[3]),
        _mm512_add_epi64(a[4], b[4]),
    ])
}

/// `a + b`, normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn add(a: &Eight, b: &Eight) -> Eight {
    normalize(&add_raw(a, b))
}

/// `a - b + Kp`, not normal, for `b` at most `Kp`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn sub_raw<M: Modulus, const K: u64>(a: &Eight, b: &Eight) -> Eight {
    let mut t = a.0;
    for i in 0..5 {
        t[i] = _mm512_sub_epi64(_mm512_add_epi64(t[i], all(M::LIMBS[i] * K)), b.0[i]);
    }
    Eight(t)
}

/// `a - b + Kp`, normal, for `b` at most `Kp`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn sub<M: Modulus, const K: u64>(a: &Eight, b: &Eight) -> Eight {
    normalize(&sub_raw::<M, K>(a, b))
}

/// `a` less `Kp` where it is not below; normal to normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn reduce<M: Modulus, const K: u64>(a: &Eight) -> Eight {
    let mut t = a.0;
    for i in 0..5 {
        t[i] = _mm512_sub_epi64(t[i], all(M::LIMBS[i] * K));
    }
    let t = normalize(&Eight(t));
    select(_mm512_movepi64_mask(t.0[4]), &t, a)
}

/// Where the mask has a one, `b`, else `a`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn select(mask: __mmask8, a: &Eight, b: &Eight) -> Eight {
    Eight([
        _mm512_mask_blend_epi64(mask, a.0[0], b.0[0]),
        _mm512_mask_blend_epi64(mask, a.0[1], b.0[1]),
        _mm512_mask_blend_epi64(mask, a.0[2], b.0[2]),
        _mm512_mask_blend_epi64(mask, a.0[3], b.0[3]),
        _mm512_mask_blend_epi64(mask, a.0[4], b.0[4]),
    ])
}

/// Which of eight reduced elements are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn is_zero(a: &Eight) -> __mmask8 {
    let a = &a.0;
    let or = _mm512_or_si512(
        _mm512_or_si512(_mm512_or_si512(a[0], a[1]), _mm512_or_si512(a[2], a[3])),
        a[4],
    );
    _mm512_testn_epi64_mask(or, or)
}

/// From four vectors of 64-bit words; normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn from_words(x: [__m512i; 4]) -> Eight {
    let mask = all(LIMB);
    let join = |low, high| _mm512_and_si512(_mm512_or_si512(low, high), mask);
    Eight([
        _mm512_and_si512(x[0], mask),
        join(_mm512_srli_epi64::<52>(x[0]), _mm512_slli_epi64::<12>(x[1])),
        join(_mm512_srli_epi64::<40>(x[1]), _mm512_slli_epi64::<24>(x[2])),
        join(_mm512_srli_epi64::<28>(x[2]), _mm512_slli_epi64::<36>(x[3])),
        _mm512_srli_epi64::<16>(x[3]),
    ])
}

/// To four vectors of 64-bit words, of normal elements below 2^256.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn to_words(a: &Eight) -> [__m512i; 4] {
    let x = &a.0;
    [
        _mm512_or_si512(x[0], _mm512_slli_epi64::<52>(x[1])),
        _mm512_or_si512(_mm512_srli_epi64::<12>(x[1]), _mm512_slli_epi64::<40>(x[2])),
        _mm512_or_si512(_mm512_srli_epi64::<24>(x[2]), _mm512_slli_epi64::<28>(x[3])),
        _mm512_or_si512(_mm512_srli_epi64::<36>(x[3]), _mm512_slli_epi64::<16>(x[4])),
    ]
}

/// Loads eight neighbouring elements.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn load(elements: &[Words; 8]) -> Eight {
    let at: *const __m512i = elements.as_ptr().cast();
    // SAFETY: 8 elements of 32 bytes are 4 vectors of 64 bytes; the loads need no alignment.
    let [r0, r1, r2, r3] = unsafe {
        [
            _mm512_loadu_si512(at),
            _mm512_loadu_si512(at.add(1)),
            _mm512_loadu_si512(at.add(2)),
            _mm512_loadu_si512(at.add(3)),
        ]
    };
    // Each vector has the words of two elements, one after the other.
    let words_0_1 = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
    let words_2_3 = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    let a = _mm512_permutex2var_epi64(r0, words_0_1, r1);
    let b = _mm512_permutex2var_epi64(r2, words_0_1, r3);
    let c = _mm512_permutex2var_epi64(r0, words_2_3, r1);
    let d = _mm512_permutex2var_epi64(r2, words_2_3, r3);
    from_words([
        _mm512_shuffle_i64x2::<0x44>(a, b),
        _mm512_shuffle_i64x2::<0xee>(a, b),
        _mm512_shuffle_i64x2::<0x44>(c, d),
        _mm512_shuffle_i64x2::<0xee>(c, d),
    ])
}

/// Stores eight normal elements below 2^256 beside each other.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn store(a: &Eight, elements: &mut [Words; 8]) {
    let x = to_words(a);
    let low = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    let high = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    let a = _mm512_permutex2var_epi64(x[0], low, x[1]);
    let b = _mm512_permutex2var_epi64(x[2], low, x[3]);
    let c = _mm512_permutex2var_epi64(x[0], high, x[1]);
    let d = _mm512_permutex2var_epi64(x[2], high, x[3]);
    let first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    let second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    let at: *mut __m512i = elements.as_mut_ptr().cast();
    // SAFETY: as in `load`.
    unsafe {
        _mm512_storeu_si512(at, _mm512_permutex2var_epi64(a, first, b));
        _mm512_storeu_si512(at.add(1), _mm512_permutex2var_epi64(a, second, b));
        _mm512_storeu_si512(at.add(2), _mm512_permutex2var_epi64(c, first, d));
        _mm512_storeu_si512(at.add(3), _mm512_permutex2var_epi64(c, second, d));
    }
}

/// Turns eight rows of eight words into eight columns.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn transpose(r: [__m512i; 8]) -> [__m512i; 8] {
    let even = |i: usize| _mm512_unpacklo_epi64(r[i], r[i + 1]);
    let odd = |i: usize| _mm512_unpackhi_epi64(r[i], r[i + 1]);
    let (e0, e1, e2, e3) = (even(0), even(2), even(4), even(6));
    let (o0, o1, o2, o3) = (odd(0), odd(2), odd(4), odd(6));
    let ea = _mm512_shuffle_i64x2::<0x88>(e0, e1);
    let eb = _mm512_shuffle_i64x2::<0x88>(e2, e3);
    let ec = _mm512_shuffle_i64x2::<0xdd>(e0, e1);
    let ed = _mm512_shuffle_i64x2::<0xdd>(e2, e3);
    let oa = _mm512_shuffle_i64x2::<0x88>(o0, o1);
    let ob = _mm512_shuffle_i64x2::<0x88>(o2, o3);
    let oc = _mm512_shuffle_i64x2::<0xdd>(o0, o1);
    let od = _mm512_shuffle_i64x2::<0xdd>(o2, o3);
    [
        _mm512_shuffle_i64x2::<0x88>(ea, eb),
        _mm512_shuffle_i64x2::<0x88>(oa, ob),
        _mm512_shuffle_i64x2::<0x88>(ec, ed),
        _mm512_shuffle_i64x2::<0x88>(oc, od),
        _mm512_shuffle_i64x2::<0xdd>(ea, eb),
        _mm512_shuffle_i64x2::<0xdd>(oa, ob),
        _mm512_shuffle_i64x2::<0xdd>(ec, ed),
        _mm512_shuffle_i64x2::<0xdd>(oc, od),
    ]
}
