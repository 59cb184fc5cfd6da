//! Which digits scalars are cut into.

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

/// What a bucket that is not empty costs in additions.
const REDUCING: f64 = 2.5;

/// What a doubling at the end costs in additions, with the addition that follows.
const DOUBLING: f64 = 20.0;

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

    /// The cost, in additions, of scalars of which so many have so many bits.
    fn cost(&self, histogram: &Histogram) -> f64 {
        let scalars: usize = histogram[..=self.bits].iter().sum();
        let digits = 0..self.digits();
        let digits = digits.map(|digit| {
            let least = (digit * self.window).max(1);
            let used: usize = histogram[least..=self.bits].iter().sum();
            let (used, buckets) = (used as f64, self.largest(digit) as f64);
            // How many buckets are not empty, when digits are equally likely.
            let filled = buckets * (1.0 - (-used / buckets).exp());
            used * (1.0 + SORTING) + (REDUCING - 1.0) * filled + SCANNING * scalars as f64
        });
        digits.sum::<f64>() + DOUBLING * self.bits as f64
    }

    /// The best for scalars of at most so many bits, and its cost.
    pub(super) fn best(histogram: &Histogram, bits: usize) -> (Self, f64) {
        let plans = (1..=LARGEST_WINDOW).map(|window| {
            let plan = Self { bits, window };
            (plan, plan.cost(histogram))
        });
        let first = (Self { bits, window: 1 }, f64::INFINITY);
        plans.fold(first, |best, next| if next.1 < best.1 { next } else { best })
    }
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
        let bits = |least: usize| (least..=BITS).rev().find(|bits| histogram[*bits] > 0);
        let Some(longest) = bits(1) else {
            return Self { most: Plan { bits: 1, window: 1 }, rest: None };
        };
        let (most, cost) = Plan::best(histogram, longest);
        let mut best = (Self { most, rest: None }, cost);
        let mut apart = Histogram::from([0; BITS + 1]);
        let mut remaining = *histogram;
        let mut cut = 0;
        for bits in (2..=longest).rev() {
            cut += histogram[bits];
            // Rows are copied to be treated apart, and so they have to be few.
            if cut * 8 > scalars {
                break;
            }
            (apart[bits], remaining[bits]) = (histogram[bits], 0);
            let Some(below) = (1..bits).rev().find(|bits| histogram[*bits] > 0) else { break };
            if below + 1 < bits || histogram[bits] > 0 {
                let (most, cost) = Plan::best(&remaining, below);
                let (rest, more) = Plan::best(&apart, longest);
                if cost + more < best.1 {
                    best = (Self { most, rest: Some(rest) }, cost + more);
                }
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
