//! The Lagrange form of powers of a secret: an inverse transform whose values are points.

use halo2_proofs::halo2curves::{
    bn256::{Fr, G1, G1Affine},
    ff::{Field, PrimeField},
    group::{Curve, Group, prime::PrimeCurveAffine},
};
use rayon::prelude::*;

use super::{domain::root_of_unity, fixed_base::digit};

/// Bits of a window, for odd multiples below 2^4.
const WINDOW: usize = 5;
const SCALAR_BITS: usize = 256;
/// Multiplications that are worth a task of their own.
const TASK: usize = 16;

/// Multiplications of [`to_lagrange`], the unit of its progress: all but what is multiplied by one.
pub(super) fn multiplications(k: u32) -> u64 {
    let n = 1u64 << k;
    match k {
        0 => 0,
        _ => (1..k).map(|stage| n / 2 - (n >> stage)).sum::<u64>() + n,
    }
}

/// `[l_i(s)]_1` for all i from `[s^i]_1`, 2^k points each. Takes some 0.1 ms of a core for each of the
/// [`multiplications`], and holds 160 bytes a point.
pub(super) fn to_lagrange(powers: &[G1Affine], k: u32, progress: &dyn Fn(u64)) -> Vec<G1Affine> {
    let n = powers.len();
    debug_assert_eq!(n, 1 << k);
    let mut values: Vec<G1> = (0..n).map(|i| powers[reversed(i, k)].to_curve()).collect();
    let n_inverse = Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let mut done = 0;
    for stage in 1..=k {
        let half = 1usize << (stage - 1);
        // The inverse of a root of order m is its power m - 1.
        let root = root_of_unity(stage).pow_vartime([(1u64 << stage) - 1]);
        let mut twiddles = vec![Fr::ONE; half];
        for index in 1..half {
            twiddles[index] = twiddles[index - 1] * root;
        }
        // The factor 1/n comes with the last stage's twiddles.
        let scale = (stage == k).then_some(n_inverse);
        values.par_chunks_mut(2 * half).for_each(|chunk| {
            let (low, high) = chunk.split_at_mut(half);
            let pairs = low.par_iter_mut().zip(high).zip(&twiddles).with_min_len(TASK);
            pairs.for_each(|((low, high), twiddle)| {
                let (a, b) = match scale {
                    Some(scale) => (multiply(low, &scale), multiply(high, &(*twiddle * scale))),
                    None => (*low, multiply(high, twiddle)),
                };
                *low = a + b;
                *high = a - b;
            });
        });
        done += if stage == k { n as u64 } else { (n / 2 - (n >> stage)) as u64 };
        progress(done);
    }
    let mut points = vec![G1Affine::identity(); n];
    points
        .par_chunks_mut(1 << 10)
        .zip(values.par_chunks(1 << 10))
        .for_each(|(points, values)| G1::batch_normalize(values, points));
    points
}

/// The `bits` lowest bits of an index in the other order.
fn reversed(index: usize, bits: u32) -> usize {
    match bits {
        0 => index,
        _ => index.reverse_bits() >> (usize::BITS - bits),
    }
}

/// A multiple, in time that depends on the scalar, which is public here. The library's own adds once for each
/// bit, this one for about every sixth.
fn multiply(point: &G1, scalar: &Fr) -> G1 {
    if *scalar == Fr::ONE {
        return *point;
    }
    let twice = point.double();
    let mut odd = [*point; 1 << (WINDOW - 2)];
    for index in 1..odd.len() {
        odd[index] = odd[index - 1] + twice;
    }
    let mut sum = G1::identity();
    let mut started = false;
    for digit in signed_digits(scalar).iter().rev() {
        if started {
            sum = sum.double();
        }
        let multiple = odd[usize::from(digit.unsigned_abs() / 2)];
        match digit.signum() {
            1 => sum += multiple,
            -1 => sum -= multiple,
            _ => continue,
        }
        started = true;
    }
    sum
}

/// `scalar = sum digit_i 2^i` with digits that are zero or odd and below 2^4 in size, at most one of any
/// five neighbours not zero.
fn signed_digits(scalar: &Fr) -> [i8; SCALAR_BITS] {
    let bytes: [u8; 32] = scalar.to_repr();
    let mut digits = [0i8; SCALAR_BITS];
    let (mut at, mut carry) = (0, 0);
    while at < SCALAR_BITS {
        if digit(&bytes, at, 1) == carry {
            at += 1;
            continue;
        }
        let value = digit(&bytes, at, WINDOW) + carry;
        carry = usize::from(value >= 1 << (WINDOW - 1));
        // Below 2^4 in size.
        digits[at] = (value as i64 - ((carry as i64) << WINDOW)) as i8;
        at += WINDOW;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    #[test]
    fn matches_the_plain_multiplication() {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let point = G1::random(&mut rng);
        let mut scalars: Vec<Fr> = (0..70).map(Fr::from).collect();
        scalars.extend((0..254).map(|bit| Fr::from(2).pow_vartime([bit]) - Fr::ONE));
        scalars.extend((1..70).map(|small| -Fr::from(small)));
        scalars.extend((0..100).map(|_| Fr::random(&mut rng)));
        for scalar in scalars {
            assert_eq!(multiply(&point, &scalar), point * scalar, "{scalar:?}");
        }
    }

    #[test]
    fn points_are_those_of_the_definition() {
        let s = Fr::from(7);
        for k in 0..6 {
            let n = 1u64 << k;
            let powers: Vec<G1Affine> =
                (0..n).map(|i| (G1::generator() * s.pow_vartime([i])).to_affine()).collect();
            let seen = std::cell::Cell::new(0);
            let found = to_lagrange(&powers, k, &|done| seen.set(done));
            assert_eq!(seen.get(), multiplications(k));
            let omega = root_of_unity(k);
            for (i, point) in (0..n).zip(found) {
                let node = omega.pow_vartime([i]);
                let others = (0..n).filter(|j| *j != i).map(|j| omega.pow_vartime([j]));
                let value = others.fold(Fr::ONE, |product, other| {
                    product * (s - other) * (node - other).invert().expect("other nodes")
                });
                assert_eq!(point, (G1::generator() * value).to_affine(), "k = {k}, {i}");
            }
        }
    }
}
