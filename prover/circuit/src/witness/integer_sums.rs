//! Sums of field elements times integers.

use halo2_proofs::halo2curves::{bn256::Fr, serde::SerdeObject};

/// A field element that integers are multiplied by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Factor([u64; 4]);

/// A sum of products of a field element and an integer, not reduced before its end: a term costs four
/// multiplications of words, where a product of two elements costs 32. The integers of a sum together
/// stay below 2^60.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct IntegerSum([u128; 4]);

/// The field's modulus.
const MODULUS: [u64; 4] =
    [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
/// `2^314` divided by the modulus.
const RECIPROCAL: u64 = 0x1529_1d18_988e_8129;

impl Factor {
    pub(super) fn new(element: Fr) -> Self {
        // The words of Montgomery's form, in which sums and integer multiples are what they are.
        let bytes = element.to_raw_bytes();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self(words)
    }
}

impl IntegerSum {
    #[inline(always)]
    pub(super) fn add(&mut self, factor: &Factor, integer: u64) {
        for (sum, word) in self.0.iter_mut().zip(factor.0) {
            *sum += u128::from(word) * u128::from(integer);
        }
    }

    /// The sum as an element.
    #[inline(always)]
    pub(super) fn value(self) -> Fr {
        let mut words = [0; 4];
        let mut carry = 0;
        for (word, sum) in words.iter_mut().zip(self.0) {
            let sum = sum + carry;
            *word = sum as u64;
            carry = sum >> 64;
        }
        // Below 2^60 times the modulus. The leading bits times the reciprocal give the quotient or one less:
        // what is cut off of the two makes less than 0.09 and 0.92 * 0.76 of it.
        let leading = (carry as u64) << 6 | words[3] >> 58;
        let quotient = ((u128::from(leading) * u128::from(RECIPROCAL)) >> 64) as u64;
        let mut rest = subtract(words, multiply(MODULUS, quotient)).0;
        if let (less, false) = subtract(rest, MODULUS) {
            rest = less;
        }
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(rest) {
            *bytes = word.to_le_bytes();
        }
        Fr::from_raw_bytes_unchecked(&bytes)
    }
}

/// The product modulo 2^256.
#[inline(always)]
fn multiply(words: [u64; 4], by: u64) -> [u64; 4] {
    let mut carry = 0;
    words.map(|word| {
        let product = u128::from(word) * u128::from(by) + carry;
        carry = product >> 64;
        product as u64
    })
}

/// The difference modulo 2^256, and whether it is negative.
#[inline(always)]
fn subtract(from: [u64; 4], words: [u64; 4]) -> ([u64; 4], bool) {
    let mut borrow = false;
    let mut difference = [0; 4];
    for (index, cell) in difference.iter_mut().enumerate() {
        let (once, first) = from[index].overflowing_sub(words[index]);
        let (twice, second) = once.overflowing_sub(u64::from(borrow));
        (*cell, borrow) = (twice, first | second);
    }
    (difference, borrow)
}

#[cfg(test)]
mod tests {
    use halo2_proofs::halo2curves::ff::{Field, PrimeField};
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    use super::*;

    fn check(terms: &[(Fr, u64)]) {
        let mut sum = IntegerSum::default();
        let mut expected = Fr::ZERO;
        for (element, integer) in terms {
            sum.add(&Factor::new(*element), *integer);
            expected += element * Fr::from(*integer);
        }
        assert!(sum.value() == expected, "{terms:?}");
    }

    /// Elements by their internal words, the largest among them.
    fn extremes() -> Vec<Fr> {
        let least = |word: u64| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&word.to_le_bytes());
            Fr::from_raw_bytes_unchecked(&bytes)
        };
        let mut elements = [0, 1, 2, u64::MAX].map(least).to_vec();
        elements.extend(elements.clone().iter().map(|element| -element));
        elements.extend([Fr::ONE, -Fr::ONE, Fr::from(2).invert().unwrap()]);
        elements
    }

    #[test]
    fn the_constants_are_the_fields() {
        let words = MODULUS.iter().rev().map(|word| format!("{word:016x}")).collect::<String>();
        assert_eq!(Fr::MODULUS, format!("0x{words}"));
        // 2^314 less the product is below the modulus, and not zero: no power of two is a multiple.
        let mut carry = 0;
        for word in MODULUS {
            carry = (u128::from(word) * u128::from(RECIPROCAL) + carry) >> 64;
        }
        assert_eq!(carry, (1 << 58) - 1);
        let rest = subtract([0; 4], multiply(MODULUS, RECIPROCAL)).0;
        assert!(subtract(rest, MODULUS).1);
    }

    #[test]
    fn sums_of_extremes_are_reduced() {
        let most = (1 << 60) - 1;
        check(&[]);
        for element in extremes() {
            for integer in [0, 1, 2, 3, u64::from(u32::MAX), 1 << 59, most - 1, most] {
                check(&[(element, integer)]);
                check(&[(element, integer / 2), (-element, integer / 2)]);
            }
        }
    }

    #[test]
    fn random_sums_are_reduced() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        for round in 0..20_000 {
            let count = 1 + round % 20;
            let terms = (0..count)
                .map(|_| (Fr::random(&mut rng), rng.next_u64() >> (10 + round % 50)))
                .collect::<Vec<_>>();
            check(&terms);
        }
        // Around multiples of the modulus.
        for _ in 0..20_000 {
            let (element, integer) = (Fr::random(&mut rng), rng.next_u64() >> 40);
            check(&[(element, integer), (-element, integer)]);
            check(&[(element, integer), (-element, integer), (-Fr::ONE, 1)]);
        }
    }
}
