//! Which digits scalars are cut into.

use std::ops::RangeInclusive;

/// Digits of scalars that have at most `bits` bits: all but the highest are signed and have `window` bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// Bits of the scalars' magnitudes.
    pub(super) bits: usize,
    /// Bits of a digit.
    pub(super) window: usize,
}

/// How many scalars have how many bits.
pub(super) type Histogram = [usize; BITS + 1];

/// Scalars of either sign are below half the modulus.
pub(super) const BITS: usize = 253;

/// What a digit that is not zero costs in additions, besides the addition.
const SORTING: f64 = 0.25;

/// What a digit costs in additions that is zero.
const SCANNING: f64 = 0.1;

/// What a bucket costs in additions, even an empty one.
const BUCKET: f64 = 0.3;

/// The largest window; more buckets would not stay in the caches.
const LARGEST_WINDOW: usize = 18;

impl Plan {
    /// The number of digits.
    pub(super) fn digits(&self) -> usize {
        self.bits.div_ceil(self.window).max(1)
    }

    /// Bucket numbers are at most this for a digit: its largest magnitude.
    pub(super) fn largest(&self, digit: usize) -> usize {
        let last = self.digits() - 1;
        match digit {
            0 if last == 0 => (1 << self.bits) - 1,
            // The digit below may carry.
            _ if digit == last => 1 << (self.bits - self.window * last),
            _ => 1 << (self.window - 1),
        }
    }

    /// The cost, in additions, of scalars of which so many have at least so many bits.
    fn cost(&self, at_least: &Histogram) -> f64 {
        let scalars = at_least[0] as f64;
        let digit = |digit: usize| {
            let used = at_least[(digit * self.window).max(1)] as f64;
            let largest = self.largest(digit);
            let filled = filled(used, largest as f64);
            let bits = largest.ilog2() + 1;
            used * (1.0 + SORTING) - filled
                + SCANNING * scalars
                + BUCKET * largest as f64
                + numbering(filled, bits)
        };
        (0..self.digits()).map(digit).sum()
    }

    /// The best for scalars of so many bits, and its cost, by how many have at least so many bits.
    fn best_of(at_least: &Histogram, bits: usize) -> (Self, f64) {
        let plans = (1..=LARGEST_WINDOW.min(bits)).map(|window| {
            let plan = Self { bits, window };
            (plan, plan.cost(at_least))
        });
        let first = (Self { bits, window: 1 }, f64::INFINITY);
        plans.fold(first, |best, next| if next.1 < best.1 { next } else { best })
    }

    /// The best for scalars of which so many have so many bits.
    pub(super) fn best(histogram: &Histogram) -> Self {
        let bits = histogram.iter().rposition(|count| *count > 0).unwrap_or(0);
        Self::best_of(&at_least(histogram, 0..=bits), bits.max(1)).0
    }
}

/// How many scalars have at least so many bits, of those whose bits are in a range.
fn at_least(histogram: &Histogram, bits: RangeInclusive<usize>) -> Histogram {
    let mut at_least = [0; BITS + 1];
    let mut sum = 0;
    for i in (0..=*bits.end()).rev() {
        sum += if bits.contains(&i) { histogram[i] } else { 0 };
        at_least[i] = sum;
    }
    at_least
}

/// How many of so many buckets are not empty, when so many items are spread evenly.
fn filled(items: f64, buckets: f64) -> f64 {
    buckets * (1.0 - (-items / buckets).exp())
}

/// The additions that take buckets' numbers of so many bits apart.
fn numbering(filled_buckets: f64, bits: u32) -> f64 {
    if bits <= 1 {
        return 0.0;
    }
    let half = bits / 2;
    2.0 * filled_buckets + 2.0 * numbering(filled(filled_buckets, f64::from(1 << half)), half)
}

/// How scalars are treated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    /// Those of at most this plan's bits.
    pub(super) most: Plan,
    /// Those of more bits, if there are any: they are few.
    pub(super) rest: Option<Plan>,
}

impl Choice {
    /// The best for scalars of which so many have so many bits.
    pub(super) fn new(histogram: &Histogram) -> Self {
        let scalars: usize = histogram[1..].iter().sum();
        let longest = histogram.iter().rposition(|count| *count > 0).unwrap_or(0);
        let (most, cost) = Plan::best_of(&at_least(histogram, 0..=longest), longest.max(1));
        let mut best = (Self { most, rest: None }, cost);
        let mut apart = 0;
        let mut above = longest;
        for bits in (1..longest).rev().filter(|bits| histogram[*bits] > 0) {
            apart += histogram[above];
            above = bits;
            // Their points are copied, and so they have to be few.
            if apart * 8 > scalars {
                break;
            }
            let (most, cost) = Plan::best_of(&at_least(histogram, 0..=bits), bits);
            let (rest, more) = Plan::best_of(&at_least(histogram, bits + 1..=longest), longest);
            if cost + more < best.1 {
                best = (Self { most, rest: Some(rest) }, cost + more);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(counts: &[(usize, usize)]) -> Histogram {
        let mut histogram = [0; BITS + 1];
        counts.iter().for_each(|(bits, count)| histogram[*bits] = *count);
        histogram
    }

    #[test]
    fn a_few_long_scalars_are_treated_apart() {
        let choice = Choice::new(&histogram(&[(16, 1 << 20), (253, 3), (252, 2), (250, 1)]));
        assert_eq!(choice.most.bits, 16);
        assert_eq!(choice.rest.map(|rest| rest.bits), Some(253));
        let choice = Choice::new(&histogram(&[(253, 1 << 19), (252, 1 << 18), (251, 1 << 18)]));
        assert_eq!((choice.most.bits, choice.rest), (253, None));
        assert_eq!(Choice::new(&histogram(&[(0, 100)])).rest, None);
        assert_eq!(Choice::new(&histogram(&[(5, 1)])).most.bits, 5);
    }
}
