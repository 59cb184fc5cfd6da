//! Sums of buckets, and of buckets times their numbers.

use halo2curves::{
    bn256::G1,
    group::{Group, prime::PrimeCurveAffine},
};
use rayon::prelude::*;

use super::point::Point;
use super::schedule::{NONE, Schedule, Terms};
use crate::Kernels;

/// Sums, and by buckets where they lie or [`NONE`]. A sum may be the point at infinity.
pub(super) struct Sums {
    pub(super) points: Vec<Point>,
    pub(super) places: Vec<u32>,
}

/// The sums of the terms' points by buckets, which are below `buckets`. No item may be the point at infinity.
pub(super) fn bucket_sums(
    kernels: &dyn Kernels,
    points: &[Point],
    buckets: usize,
    terms: &impl Terms,
) -> Sums {
    let schedule = Schedule::new(terms, buckets);
    let octets = schedule.octets();
    let mut sums = vec![Point::INFINITY; 8 * octets.len()];
    let at_once = kernels.octets_at_once();
    sums.par_chunks_mut(8 * at_once)
        .zip(octets.par_chunks(at_once))
        .for_each(|(sums, octets)| kernels.add_chains(points, &schedule, octets, sums));
    let (mut places, further) = schedule.into_places();
    if further.is_empty() {
        return Sums { points: sums, places };
    }

    // The sums of a bucket's chains are the terms of a smaller task of the same kind.
    let mut cut: Vec<u32> = Vec::new();
    let mut chains: Vec<(u32, u32)> = Vec::new();
    for chain in &further {
        if cut.last() != Some(&chain.bucket) {
            chains.push((cut.len() as u32, places[chain.bucket as usize]));
            cut.push(chain.bucket);
        }
        chains.push((cut.len() as u32 - 1, chain.place));
    }
    chains.retain(|(_, place)| !sums[*place as usize].is_infinity());
    let joined = joined_sums(kernels, &sums, cut.len(), &Chains(chains));
    let before = sums.len() as u32;
    for (bucket, place) in cut.iter().zip(joined.places) {
        places[*bucket as usize] = if place == NONE { NONE } else { before + place };
    }
    sums.extend(joined.points);
    Sums { points: sums, places }
}

/// [`bucket_sums`] of a call within itself, which the compiler must not unfold for ever.
fn joined_sums(kernels: &dyn Kernels, points: &[Point], buckets: usize, terms: &Chains) -> Sums {
    bucket_sums(kernels, points, buckets, terms)
}

/// Pairs of a bucket and an item.
struct Chains(Vec<(u32, u32)>);

impl Terms for Chains {
    fn each(&self, visit: &mut impl FnMut(usize, u32)) {
        self.0.iter().for_each(|(bucket, place)| visit(*bucket as usize, *place));
    }
}

/// Numbered buckets: the sum of each is to be multiplied with its number and with a power of two.
pub(super) struct Numbered {
    /// The power's exponent.
    pub(super) exponent: usize,
    /// By numbers, where the bucket's sum lies, or [`NONE`]; what lies at number 0 does not count.
    pub(super) places: Vec<u32>,
}

impl Numbered {
    /// The number of bits of bucket numbers.
    fn bits(&self) -> usize {
        (usize::BITS - self.places.len().saturating_sub(1).leading_zeros()) as usize
    }
}

/// A sum of points that are each multiplied with a power of two, given by its exponent.
pub(super) type Doublings = Vec<(usize, Point)>;

/// Turns sums times bucket numbers into sums times powers of two: the numbers are cut in halves and the
/// sums of equal halves taken, until a half is one bit. Nearly all additions are those of the first cut, two
/// for each bucket, and all are independent of each other.
pub(super) fn number_bits(
    kernels: &dyn Kernels,
    mut points: Vec<Point>,
    mut numbered: Vec<Numbered>,
    doublings: &mut Doublings,
) {
    loop {
        for done in numbered.extract_if(.., |numbered| numbered.bits() <= 1) {
            let place = done.places.get(1).copied().unwrap_or(NONE);
            if place != NONE {
                doublings.push((done.exponent, points[place as usize]));
            }
        }
        if numbered.is_empty() {
            return;
        }
        let halves = Halves::new(&points, &numbered);
        let sums = bucket_sums(kernels, &points, halves.buckets, &halves);
        let mut rest = sums.places.as_slice();
        let mut next = Vec::with_capacity(2 * numbered.len());
        for (numbered, half) in numbered.iter().zip(&halves.halves) {
            let (high, further) = rest.split_at(half.high);
            let (low, further) = further.split_at(half.low);
            rest = further;
            let exponent = numbered.exponent;
            next.push(Numbered { exponent: exponent + half.bits, places: high.to_vec() });
            next.push(Numbered { exponent, places: low.to_vec() });
        }
        (points, numbered) = (sums.points, next);
    }
}

/// The terms of a cut of bucket numbers in halves.
struct Halves<'a> {
    points: &'a [Point],
    numbered: &'a [Numbered],
    halves: Vec<Half>,
    buckets: usize,
}

struct Half {
    /// Bits of the low half.
    bits: usize,
    /// The number of buckets of each half.
    high: usize,
    low: usize,
}

impl<'a> Halves<'a> {
    fn new(points: &'a [Point], numbered: &'a [Numbered]) -> Self {
        let half = |numbered: &Numbered| {
            let bits = numbered.bits() / 2;
            Half { bits, high: ((numbered.places.len() - 1) >> bits) + 1, low: 1 << bits }
        };
        let halves: Vec<Half> = numbered.iter().map(half).collect();
        let buckets = halves.iter().map(|half| half.high + half.low).sum();
        Self { points, numbered, halves, buckets }
    }
}

impl Terms for Halves<'_> {
    fn each(&self, visit: &mut impl FnMut(usize, u32)) {
        let mut start = 0;
        for (numbered, half) in self.numbered.iter().zip(&self.halves) {
            for (number, place) in numbered.places.iter().enumerate().skip(1) {
                if *place == NONE || self.points[*place as usize].is_infinity() {
                    continue;
                }
                let (high, low) = (number >> half.bits, number & (half.low - 1));
                if high > 0 {
                    visit(start + high, *place);
                }
                if low > 0 {
                    visit(start + half.high + low, *place);
                }
            }
            start += half.high + half.low;
        }
    }
}

/// The sum of points times powers of two.
pub(super) fn join(kernels: &dyn Kernels, mut doublings: Doublings) -> G1 {
    doublings.sort_unstable_by_key(|(exponent, _)| std::cmp::Reverse(*exponent));
    let mut sum = G1::identity();
    let mut reached = doublings.first().map_or(0, |(exponent, _)| *exponent);
    for (exponent, point) in doublings {
        for _ in exponent..reached {
            sum = sum.double();
        }
        reached = exponent;
        let point = kernels.affine_point(&point);
        if !bool::from(point.is_identity()) {
            sum += point;
        }
    }
    for _ in 0..reached {
        sum = sum.double();
    }
    sum
}
