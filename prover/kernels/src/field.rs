//! The two fields: moduli and constants, as 64-bit and as 52-bit limbs.

use crate::words::Words;

/// A prime of 254 bits.
pub(crate) trait Modulus: Copy + Send + Sync + 'static {
    /// The prime.
    const P: Words;
    /// -1/P modulo 2^64.
    const INVERSE: u64 = negated_inverse(Self::P[0]);
    /// The prime in 52-bit limbs.
    const LIMBS: [u64; 5] = limbs(Self::P);
    /// -1/P modulo 2^52.
    const INVERSE_52: u64 = Self::INVERSE & LIMB;
}

/// Of scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrModulus;

/// Of coordinates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FqModulus;

impl Modulus for FrModulus {
    const P: Words =
        [0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029];
}

impl Modulus for FqModulus {
    const P: Words =
        [0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029];
}

/// The largest 52-bit limb.
pub(crate) const LIMB: u64 = (1 << 52) - 1;

/// Words to 52-bit limbs, least first.
pub(crate) const fn limbs(words: Words) -> [u64; 5] {
    [
        words[0] & LIMB,
        (words[0] >> 52 | words[1] << 12) & LIMB,
        (words[1] >> 40 | words[2] << 24) & LIMB,
        (words[2] >> 28 | words[3] << 36) & LIMB,
        words[3] >> 16,
    ]
}

const fn negated_inverse(least: u64) -> u64 {
    // Newton's iteration doubles the correct bits.
    let mut inverse = 1u64;
    let mut step = 0;
    while step < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(least.wrapping_mul(inverse)));
        step += 1;
    }
    inverse.wrapping_neg()
}

/// `a - b` and whether it wrapped around.
pub(crate) const fn subtract(a: Words, b: Words) -> (Words, bool) {
    let mut difference = [0; 4];
    let mut borrow = false;
    let mut i = 0;
    while i < 4 {
        let (step, first) = a[i].overflowing_sub(b[i]);
        let (step, second) = step.overflowing_sub(borrow as u64);
        difference[i] = step;
        borrow = first | second;
        i += 1;
    }
    (difference, borrow)
}

/// `words` less the modulus, as often as it goes.
pub(crate) const fn reduced<M: Modulus>(words: Words) -> Words {
    let mut words = words;
    loop {
        let (less, wrapped) = subtract(words, M::P);
        if wrapped {
            return words;
        }
        words = less;
    }
}

/// 2^exponent modulo the prime.
pub(crate) const fn power_of_two<M: Modulus>(exponent: u32) -> Words {
    let mut power = [1, 0, 0, 0];
    let mut done = 0;
    while done < exponent {
        power = reduced::<M>([
            power[0] << 1,
            power[1] << 1 | power[0] >> 63,
            power[2] << 1 | power[1] >> 63,
            power[3] << 1 | power[2] >> 63,
        ]);
        done += 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use halo2curves::{
        bn256::{Fq, Fr},
        ff::Field,
    };

    use super::*;
    use crate::words::{of_fq, of_fr};

    #[test]
    fn words_are_the_librarys() {
        assert_eq!(of_fr(&Fr::ONE), power_of_two::<FrModulus>(256));
        assert_eq!(of_fq(&Fq::ONE), power_of_two::<FqModulus>(256));
        let minus_one = subtract(FrModulus::P, of_fr(&Fr::ONE)).0;
        assert_eq!(of_fr(&-Fr::ONE), minus_one);
    }

    #[test]
    fn inverses_fit() {
        assert_eq!(FrModulus::P[0].wrapping_mul(FrModulus::INVERSE), u64::MAX);
        assert_eq!(FqModulus::P[0].wrapping_mul(FqModulus::INVERSE), u64::MAX);
    }
}
