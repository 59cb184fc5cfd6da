//! Field elements as machine words.
//!
//! The library keeps an element as four 64-bit words, least first, of its Montgomery form (2^256 times
//! the value, below the modulus), in a structure of one field, and gives no way to borrow the words.

use halo2curves::bn256::{Fq, Fr};

/// Four words, least first, of 2^256 times the value.
pub(crate) type Words = [u64; 4];

// An element has the size of its words, so they are all of it, whatever the compiler's layout.
const _: () =
    assert!(size_of::<Fr>() == size_of::<Words>() && align_of::<Fr>() == align_of::<Words>());
const _: () =
    assert!(size_of::<Fq>() == size_of::<Words>() && align_of::<Fq>() == align_of::<Words>());

/// The words of elements.
pub(crate) fn words(elements: &[Fr]) -> &[Words] {
    // SAFETY: same size and alignment (asserted above), so each element is its four words and nothing else;
    // every word is initialized, and the lifetime is that of the borrow.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), elements.len()) }
}

/// The words of elements, to be changed. What is written has to be below the modulus: arithmetic on other
/// words is wrong, though defined.
pub(crate) fn words_mut(elements: &mut [Fr]) -> &mut [Words] {
    // SAFETY: as in `words`; any words are a valid element to the compiler.
    unsafe { std::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), elements.len()) }
}

/// One element's words.
pub(crate) fn of_fr(element: &Fr) -> Words {
    words(std::slice::from_ref(element))[0]
}

/// The element of words that are below the modulus.
pub(crate) fn to_fr(words: Words) -> Fr {
    // SAFETY: same size, and any words are a valid element to the compiler.
    unsafe { std::mem::transmute::<Words, Fr>(words) }
}

/// One coordinate's words.
pub(crate) fn of_fq(element: &Fq) -> Words {
    // SAFETY: same size, and every word of an element is initialized.
    unsafe { std::mem::transmute::<Fq, Words>(*element) }
}

/// The coordinate of words that are below the modulus.
pub(crate) fn to_fq(words: Words) -> Fq {
    // SAFETY: same size, and any words are a valid element to the compiler.
    unsafe { std::mem::transmute::<Words, Fq>(words) }
}
