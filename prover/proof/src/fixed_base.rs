//! Many multiples of one point: windows of precomputed multiples, added in affine form with one
//! inversion for a whole batch. This is what makes a development setup of 2^20 rows take seconds.

use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr, G1, G1Affine},
    ff::{BatchInvert, Field, PrimeField},
    group::{Curve, Group, prime::PrimeCurveAffine},
};
use rayon::prelude::*;

const SCALAR_BITS: usize = 254;
/// Additions that share an inversion.
const BATCH: usize = 1 << 10;

/// Multiples of a point, `windows[w][d - 1] = d * 2^(w * bits) * P`.
pub(crate) struct FixedBase {
    bits: usize,
    windows: Vec<Vec<G1Affine>>,
}

impl FixedBase {
    /// Precomputes for about 2^k multiplications.
    pub(crate) fn new(point: G1Affine, k: u32) -> Self {
        let bits = (k as usize).clamp(6, 18) - 2;
        let count = SCALAR_BITS.div_ceil(bits);
        let mut bases = Vec::with_capacity(count);
        let mut base = G1::from(point);
        for _ in 0..count {
            bases.push(base);
            for _ in 0..bits {
                base = base.double();
            }
        }
        let windows = bases
            .into_par_iter()
            .map(|base| {
                let mut multiple = base;
                let multiples: Vec<G1> = (1..1usize << bits)
                    .map(|_| {
                        let current = multiple;
                        multiple += base;
                        current
                    })
                    .collect();
                let mut affine = vec![G1Affine::identity(); multiples.len()];
                G1::batch_normalize(&multiples, &mut affine);
                affine
            })
            .collect();
        Self { bits, windows }
    }

    /// The multiples by these scalars.
    pub(crate) fn multiply(&self, scalars: &[Fr]) -> Vec<G1Affine> {
        let mut points = vec![G1Affine::identity(); scalars.len()];
        points
            .par_chunks_mut(BATCH)
            .zip(scalars.par_chunks(BATCH))
            .for_each(|(points, scalars)| self.multiply_batch(points, scalars));
        points
    }

    fn multiply_batch(&self, points: &mut [G1Affine], scalars: &[Fr]) {
        let digits: Vec<[u8; 32]> = scalars.iter().map(|scalar| scalar.to_repr()).collect();
        let mut differences = vec![Fq::ONE; points.len()];
        for (window, table) in self.windows.iter().enumerate() {
            let addend = |scalar: &[u8; 32]| -> Option<&G1Affine> {
                let digit = digit(scalar, window * self.bits, self.bits);
                digit.checked_sub(1).and_then(|index| table.get(index))
            };
            for ((difference, point), scalar) in differences.iter_mut().zip(&*points).zip(&digits) {
                *difference = match addend(scalar) {
                    Some(addend) if addend.x != point.x => addend.x - point.x,
                    _ => Fq::ONE,
                };
            }
            differences.iter_mut().batch_invert();
            for ((inverse, point), scalar) in differences.iter().zip(points.iter_mut()).zip(&digits)
            {
                let Some(addend) = addend(scalar) else {
                    continue;
                };
                if bool::from(point.is_identity()) {
                    *point = *addend;
                } else if addend.x == point.x {
                    *point = (G1::from(*point) + addend).to_affine();
                } else {
                    let slope = (addend.y - point.y) * inverse;
                    let x = slope.square() - point.x - addend.x;
                    point.y = slope * (point.x - x) - point.y;
                    point.x = x;
                }
            }
        }
    }
}

/// `bits` bits of a little-endian integer from bit `start` on; bits past its end are zero.
pub(super) fn digit(bytes: &[u8; 32], start: usize, bits: usize) -> usize {
    let mut value = 0usize;
    for index in (start / 8..(start + bits).div_ceil(8)).rev() {
        value = value << 8 | usize::from(bytes.get(index).copied().unwrap_or(0));
    }
    value >> (start % 8) & ((1 << bits) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn matches_the_plain_multiplication() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let base = G1Affine::generator();
        let mut scalars = vec![Fr::ZERO, Fr::ONE, -Fr::ONE, Fr::from(2), Fr::from(1 << 20)];
        scalars.extend((0..50).map(|_| Fr::random(&mut rng)));
        for k in [1, 9, 16] {
            let points = FixedBase::new(base, k).multiply(&scalars);
            for (scalar, point) in scalars.iter().zip(points) {
                assert_eq!(point, G1Affine::from(base * scalar));
            }
        }
    }
}
