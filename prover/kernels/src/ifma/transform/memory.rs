//! Blocks of eight elements, and how they come from where the elements are.

use core::arch::x86_64::*;

use crate::{
    ifma::vector::{self, Eight},
    transform::LANES,
    words::Words,
};

/// Eight elements in memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Block(pub(super) [[u64; LANES]; 5]);

impl Block {
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    pub(super) fn get(&self) -> Eight {
        let at: *const __m512i = std::ptr::from_ref(self).cast();
        // SAFETY: a block is 5 vectors of 64 bytes and aligned as they are.
        Eight(unsafe {
            [
                _mm512_load_si512(at),
                _mm512_load_si512(at.add(1)),
                _mm512_load_si512(at.add(2)),
                _mm512_load_si512(at.add(3)),
                _mm512_load_si512(at.add(4)),
            ]
        })
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    pub(super) fn put(&mut self, element: &Eight) {
        let at: *mut __m512i = std::ptr::from_mut(self).cast();
        // SAFETY: as in `get`.
        unsafe {
            for (i, limb) in element.0.into_iter().enumerate() {
                _mm512_store_si512(at.add(i), limb);
            }
        }
    }
}

/// Asks for eight elements from `at` to be in the cache of the second level. A hint: there need be none.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn prefetch(elements: &[Words], at: usize) {
    for pair in 0..LANES / 2 {
        _mm_prefetch::<_MM_HINT_T1>(elements.as_ptr().wrapping_add(at + 2 * pair).cast());
    }
}

/// Eight elements from `start`, zero beyond the end.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn load_up_to(elements: &[Words], start: usize) -> Eight {
    let rest = elements.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => vector::load(eight),
        None => {
            let mut eight = [Words::default(); LANES];
            eight[..rest.len()].copy_from_slice(rest);
            vector::load(&eight)
        }
    }
}

/// Eight numbers, at least as many as there are in front of `values`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn load_small(values: &[u32]) -> __m512i {
    let eight: &[u32] = &values[..LANES];
    // SAFETY: 8 numbers of 4 bytes are 32 bytes; the load needs no alignment.
    _mm512_cvtepu32_epi64(unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) })
}

/// The elements of a palette at the first eight indices.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn load_palette(palette: &[Words], indices: &[u16]) -> Eight {
    let indices = &indices[..LANES];
    vector::load(&std::array::from_fn(|lane| palette[usize::from(indices[lane])]))
}

/// From eight rows of eight elements to eight columns.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn load_transposed(rows: &[[Words; LANES]; LANES], out: &mut [Block; LANES]) {
    for (pair, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let two = |row: &[Words; LANES]| {
            let two: &[Words; 2] = &row.as_chunks().0[pair];
            // SAFETY: two elements are 64 bytes; the load needs no alignment.
            unsafe { _mm512_loadu_si512(two.as_ptr().cast()) }
        };
        let words = vector::transpose(rows.each_ref().map(two));
        out[0].put(&vector::from_words([words[0], words[1], words[2], words[3]]));
        out[1].put(&vector::from_words([words[4], words[5], words[6], words[7]]));
    }
}
