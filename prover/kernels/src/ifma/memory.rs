//! Elements in memory: loads and stores of fewer than eight, and of eight that are apart.

use core::arch::x86_64::*;

use crate::field::FrModulus;
use crate::ifma::{
    vector::{self, Eight},
    wide,
};
use crate::words::Words;

/// The first eight elements, or as many as there are and zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn load(elements: &[Words]) -> Eight {
    match elements.first_chunk() {
        Some(elements) => vector::load(elements),
        None => {
            let mut padded = [[0; 4]; 8];
            padded[..elements.len()].copy_from_slice(elements);
            vector::load(&padded)
        }
    }
}

/// Stores as many of eight normal elements below 84 p as there are places, at most eight, reduced below p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn store(value: &Eight, places: &mut [Words]) {
    store_below_two(&wide::remainder::<FrModulus>(value), places);
}

/// As [`store`], of elements below 2 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn store_below_two(value: &Eight, places: &mut [Words]) {
    let value = vector::reduce::<FrModulus, 1>(value);
    match places.first_chunk_mut() {
        Some(places) => vector::store(&value, places),
        None => {
            let mut padded = [[0; 4]; 8];
            vector::store(&value, &mut padded);
            let length = places.len();
            places.copy_from_slice(&padded[..length]);
        }
    }
}

/// Places `at` and `at + 1` of eight blocks of this length, one block in each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn load_two(blocks: &[Words], length: usize, at: usize) -> [Eight; 2] {
    let mut rows = [_mm512_setzero_si512(); 8];
    for (row, block) in rows.iter_mut().zip(blocks.chunks_exact(length)) {
        let pair: &[Words] = &block[at..at + 2];
        // SAFETY: two elements are a vector of 64 bytes; the load needs no alignment.
        *row = unsafe { _mm512_loadu_si512(pair.as_ptr().cast()) };
    }
    let [a, b, c, d, e, f, g, h] = vector::transpose(rows);
    [vector::from_words([a, b, c, d]), vector::from_words([e, f, g, h])]
}

/// Stores to where [`load_two`] loads from; elements normal and below 2^256.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(crate) fn store_two(elements: [Eight; 2], blocks: &mut [Words], length: usize, at: usize) {
    let [[a, b, c, d], [e, f, g, h]] =
        [vector::to_words(&elements[0]), vector::to_words(&elements[1])];
    let rows = vector::transpose([a, b, c, d, e, f, g, h]);
    for (row, block) in rows.iter().zip(blocks.chunks_exact_mut(length)) {
        let pair: &mut [Words] = &mut block[at..at + 2];
        // SAFETY: as in `load_two`.
        unsafe { _mm512_storeu_si512(pair.as_mut_ptr().cast(), *row) };
    }
}
