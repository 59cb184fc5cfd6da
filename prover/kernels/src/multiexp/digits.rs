//! Signed digits of scalars.

use halo2curves::bn256::Fr;
use rayon::prelude::*;

use super::plan::{BITS, Histogram, Plan};
use crate::Kernels;
use crate::field::{FrModulus, Modulus, subtract};
use crate::words::Words;

/// Numbers that have signed digits.
pub(super) trait Digits: Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// Writes the plan's given digit of each: its magnitude, with [`NEGATIVE`](super::NEGATIVE) where it counts negative.
    fn write(&self, plan: Plan, digit: usize, out: &mut [u32]);
}

/// The given digit of a number of which `word` holds the bits from one below the digit's.
#[inline]
fn digit_of(plan: Plan, last: bool, word: u64, negative: bool) -> u32 {
    let mask = (1u64 << (plan.window + 1)) - 1;
    // The digit's bits and the highest of the digit below, which is carried where it makes that one
    // negative: rounding up half of it all adds the carry. No branches: the compiler makes vectors of this.
    let bits = if last { word } else { word & mask };
    let rounded = bits.div_ceil(2) as u32;
    let above = if last { 0 } else { (bits >> plan.window) as u32 };
    let magnitude = rounded.wrapping_sub(above << plan.window);
    let magnitude = if above == 0 { magnitude } else { magnitude.wrapping_neg() };
    let sign = (above ^ u32::from(negative)) << 31;
    if magnitude == 0 { 0 } else { magnitude | sign }
}

/// Numbers of at most 32 bits.
impl Digits for &[u32] {
    fn len(&self) -> usize {
        <[u32]>::len(self)
    }

    fn write(&self, plan: Plan, digit: usize, out: &mut [u32]) {
        let shift = plan.window * digit;
        let last = digit + 1 == plan.digits();
        for (out, value) in out.iter_mut().zip(*self) {
            *out = digit_of(plan, last, (u64::from(*value) << 1) >> shift, false);
        }
    }
}

/// Scalars by magnitude and sign.
pub(super) struct Magnitudes {
    /// By words, least first, and scalars; the highest bit of the highest word says that the scalar is
    /// negative.
    words: [Vec<u64>; 4],
}

/// Scalars that a thread turns into magnitudes at once.
const CHUNK: usize = 1 << 12;

const SIGN: u64 = 1 << 63;

impl Magnitudes {
    /// Of scalars, and how many have how many bits.
    pub(super) fn new(kernels: &dyn Kernels, scalars: &[Fr]) -> (Self, Histogram) {
        let mut words = [(); 4].map(|()| vec![0; scalars.len()]);
        let [first, second, third, fourth] = &mut words;
        let chunks = (first.par_chunks_mut(CHUNK), second.par_chunks_mut(CHUNK));
        let more = (third.par_chunks_mut(CHUNK), fourth.par_chunks_mut(CHUNK));
        let histogram = (scalars.par_chunks(CHUNK), chunks.0, chunks.1, more.0, more.1)
            .into_par_iter()
            .map(|(scalars, a, b, c, d)| {
                kernels.canonical(scalars, [&mut *a, &mut *b, &mut *c, &mut *d]);
                take_signs([a, b, c, d])
            })
            .reduce(|| [0; BITS + 1], |a, b| std::array::from_fn(|i| a[i] + b[i]));
        (Self { words }, histogram)
    }

    /// The scalars at some places.
    pub(super) fn select(&self, places: &[u32]) -> Self {
        let select = |words: &Vec<u64>| places.iter().map(|place| words[*place as usize]).collect();
        Self { words: self.words.each_ref().map(select) }
    }

    /// The places of the scalars of more than so many bits.
    pub(super) fn longer(&self, bits: usize) -> Vec<u32> {
        let longer = |place: &u32| bit_length(self.get(*place as usize)) > bits;
        (0..self.len() as u32).filter(longer).collect()
    }

    /// Turns the scalars at some places into zeros.
    pub(super) fn clear(&mut self, places: &[u32]) {
        for words in &mut self.words {
            places.iter().for_each(|place| words[*place as usize] = 0);
        }
    }

    fn get(&self, place: usize) -> Words {
        let [a, b, c, d] = &self.words;
        [a[place], b[place], c[place], d[place] & !SIGN]
    }
}

impl Digits for Magnitudes {
    fn len(&self) -> usize {
        self.words[0].len()
    }

    fn write(&self, plan: Plan, digit: usize, out: &mut [u32]) {
        let [.., signs] = &self.words;
        let last = digit + 1 == plan.digits();
        let negative = |sign: &u64| *sign & SIGN != 0;
        let Some(start) = (plan.window * digit).checked_sub(1) else {
            for ((out, low), sign) in out.iter_mut().zip(&self.words[0]).zip(signs) {
                *out = digit_of(plan, last, low << 1, negative(sign));
            }
            return;
        };
        let (word, shift) = (start / 64, start % 64);
        let low = &self.words[word];
        match self.words.get(word + 1) {
            Some(high) => {
                for (((out, low), high), sign) in out.iter_mut().zip(low).zip(high).zip(signs) {
                    let high = if word == 2 { *high & !SIGN } else { *high };
                    let bits = low >> shift | (high << 1) << (63 - shift);
                    *out = digit_of(plan, last, bits, negative(sign));
                }
            }
            None => {
                for (out, low) in out.iter_mut().zip(low) {
                    *out = digit_of(plan, last, (low & !SIGN) >> shift, negative(low));
                }
            }
        }
    }
}

/// Replaces canonical scalars above half the modulus by their negatives, with the sign bit set; gives the
/// numbers of bits.
fn take_signs(words: [&mut [u64]; 4]) -> Histogram {
    const HALF: Words = {
        let p = FrModulus::P;
        [p[0] >> 1 | p[1] << 63, p[1] >> 1 | p[2] << 63, p[2] >> 1 | p[3] << 63, p[3] >> 1]
    };
    let mut histogram = [0; BITS + 1];
    let [a, b, c, d] = words;
    for (((a, b), c), d) in a.iter_mut().zip(b).zip(c).zip(d) {
        let scalar = [*a, *b, *c, *d];
        let (_, below) = subtract(HALF, scalar);
        let magnitude = if below { subtract(FrModulus::P, scalar).0 } else { scalar };
        histogram[bit_length(magnitude)] += 1;
        [*a, *b, *c, *d] = magnitude;
        *d |= if below { SIGN } else { 0 };
    }
    histogram
}

fn bit_length(words: Words) -> usize {
    let highest = words.iter().rposition(|word| *word != 0);
    highest.map_or(0, |word| 64 * word + 64 - words[word].leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use halo2curves::ff::{Field, PrimeField};
    use proptest::prelude::*;

    use super::*;
    use crate::all_kernels;
    use crate::multiexp::NEGATIVE;

    /// The number that digits give.
    fn value(digits: &impl Digits, plan: Plan) -> Vec<Fr> {
        let mut sums = vec![Fr::ZERO; digits.len()];
        let mut written = vec![0; digits.len()];
        let base = Fr::from(1 << plan.window);
        for digit in (0..plan.digits()).rev() {
            digits.write(plan, digit, &mut written);
            for (sum, digit_written) in sums.iter_mut().zip(&written) {
                let magnitude = u64::from(digit_written & !NEGATIVE);
                assert!(magnitude as usize <= plan.largest(digit));
                assert_ne!(*digit_written, NEGATIVE);
                let part = Fr::from(magnitude);
                *sum = *sum * base + if digit_written & NEGATIVE == 0 { part } else { -part };
            }
        }
        sums
    }

    proptest! {
        #[test]
        fn digits_are_the_scalars(raw: [[u64; 4]; 9], shift in 0u32..64, window in 1..19usize) {
            let mut scalars = raw.map(Fr::from_raw).to_vec();
            scalars.extend(raw.map(|raw| Fr::from(raw[0] >> shift)));
            scalars.extend(raw.map(|raw| -Fr::from(raw[1] >> shift)));
            scalars.extend([Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::TWO_INV, -Fr::TWO_INV]);
            for kernels in all_kernels() {
                let (magnitudes, histogram) = Magnitudes::new(*kernels, &scalars);
                prop_assert_eq!(histogram.iter().sum::<usize>(), scalars.len());
                prop_assert_eq!(&value(&magnitudes, Plan { bits: BITS, window }), &scalars);
                let small = magnitudes.select(&magnitudes.longer(64));
                prop_assert!(small.len() <= 9 + 2);
            }
        }

        #[test]
        fn digits_are_the_small_numbers(numbers: [u32; 20], bits in 1..33usize, window in 1..19usize) {
            let numbers = numbers.map(|number| number >> (32 - bits));
            let expected = numbers.map(|number| Fr::from(u64::from(number)));
            prop_assume!(window < bits || bits <= 18);
            prop_assert_eq!(value(&numbers.as_slice(), Plan { bits, window }), expected);
        }
    }

    #[test]
    fn long_scalars_are_found() {
        let scalars: Vec<Fr> =
            (0..300).map(|i| if i % 100 == 7 { Fr::TWO_INV } else { -Fr::from(i) }).collect();
        let (mut magnitudes, histogram) = Magnitudes::new(&crate::Scalar, &scalars);
        assert_eq!((histogram[BITS], histogram[0], histogram[1]), (3, 1, 1));
        let long = magnitudes.longer(9);
        assert_eq!(long, [7, 107, 207]);
        magnitudes.clear(&long);
        assert!(magnitudes.longer(9).is_empty());
    }
}
