//! Sums of products of elements, reduced once, with machine words.

use crate::field::{FrModulus, Modulus, subtract};
use crate::words::Words;

/// Products that may be added before a reduction.
pub(crate) const MOST_PRODUCTS: usize = 8;

/// A sum of products.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Wide {
    /// Least first.
    words: [u64; 8],
    products: usize,
}

impl Wide {
    /// Adds `a * b`, factors at most the modulus. There may be [`MOST_PRODUCTS`] products: a product is below
    /// 2^508, so that their sum is below 2^511.
    #[inline]
    pub(crate) fn add_product(&mut self, a: &Words, b: &Words) {
        self.products += 1;
        debug_assert!(self.products <= MOST_PRODUCTS);
        let mut product = [0; 8];
        for (i, a) in a.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in b.iter().enumerate() {
                (product[i + j], carry) = multiply_add(*a, *b, product[i + j], carry);
            }
            product[i + 4] = carry;
        }
        let mut carry = false;
        for (word, product) in self.words.iter_mut().zip(product) {
            (*word, carry) = word.carrying_add(product, carry);
        }
    }

    /// Subtracts `a * b`, factors below the modulus.
    #[inline]
    pub(crate) fn subtract_product(&mut self, a: &Words, b: &Words) {
        self.add_product(a, &subtract(FrModulus::P, *b).0);
    }

    /// The sum divided by 2^256, below the modulus.
    #[inline]
    pub(crate) fn reduce(self) -> Words {
        let mut words = self.words;
        let mut above = false;
        for i in 0..4 {
            let multiple = words[i].wrapping_mul(FrModulus::INVERSE);
            let mut carry = 0;
            for (j, p) in FrModulus::P.iter().enumerate() {
                (words[i + j], carry) = multiply_add(multiple, *p, words[i + j], carry);
            }
            (words[i + 4], above) = words[i + 4].carrying_add(carry, above);
        }
        // A product is below 0.19 * 2^256 p, and the multiples of p add less than 2^256 p: what is left is
        // below 2 p for five products and below 3 p for eight.
        let value = at_most_once([words[4], words[5], words[6], words[7]]);
        if self.products > 5 { at_most_once(value) } else { value }
    }
}

/// Less the modulus unless below it. Without a branch: nobody foresees which it is.
#[inline]
fn at_most_once(value: Words) -> Words {
    let mut less = [0; 4];
    let mut borrow = false;
    for ((less, value), p) in less.iter_mut().zip(value).zip(FrModulus::P) {
        (*less, borrow) = value.borrowing_sub(p, borrow);
    }
    let keep = u64::from(borrow).wrapping_neg();
    std::array::from_fn(|i| less[i] ^ ((less[i] ^ value[i]) & keep))
}

/// `a * b + c + d`, which has two words: the lower, then the upper.
#[inline]
const fn multiply_add(a: u64, b: u64, c: u64, d: u64) -> (u64, u64) {
    let sum = a as u128 * b as u128 + c as u128 + d as u128;
    (sum as u64, (sum >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use halo2curves::{bn256::Fr, ff::Field};
    use proptest::prelude::*;

    use super::*;
    use crate::words::{of_fr, to_fr};

    /// The sum of products, some of which are subtracted.
    fn sum(products: &[(Fr, Fr, bool)]) -> Fr {
        let mut sum = Wide::default();
        for (a, b, negative) in products {
            let (a, b) = (of_fr(a), of_fr(b));
            if *negative { sum.subtract_product(&a, &b) } else { sum.add_product(&a, &b) }
        }
        to_fr(sum.reduce())
    }

    fn expected(products: &[(Fr, Fr, bool)]) -> Fr {
        products.iter().map(|(a, b, negative)| if *negative { -(a * b) } else { a * b }).sum()
    }

    proptest! {
        #[test]
        fn sums_are_the_librarys(
            products in prop::collection::vec(any::<([u64; 4], [u64; 4], bool)>(), 0..=MOST_PRODUCTS),
        ) {
            let products: Vec<_> = products
                .iter()
                .map(|(a, b, negative)| (Fr::from_raw(*a), Fr::from_raw(*b), *negative))
                .collect();
            prop_assert_eq!(sum(&products), expected(&products));
        }
    }

    #[test]
    fn extremes() {
        let largest = to_fr(subtract(FrModulus::P, [1, 0, 0, 0]).0);
        let values = [Fr::ZERO, Fr::ONE, -Fr::ONE, largest];
        for count in 0..=MOST_PRODUCTS {
            for (a, b) in values.iter().flat_map(|a| values.map(|b| (*a, b))) {
                for negative in [false, true] {
                    let products = vec![(a, b, negative); count];
                    let (found, expected) = (sum(&products), expected(&products));
                    // The words, not only the value: they are to be below the modulus.
                    assert_eq!(of_fr(&found), of_fr(&expected), "{count} times {a:?} {b:?}");
                }
            }
        }
    }
}
