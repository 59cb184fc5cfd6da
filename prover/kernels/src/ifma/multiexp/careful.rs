//! Additions that are right whatever the points.

use core::arch::x86_64::*;

use super::{Batch, ONE, Slope, Sum, gather, invert, missing};
use crate::field::FqModulus;
use crate::ifma::vector::{self, Eight};

/// How eight additions are done.
struct Cases {
    /// The item is the sum where the sum was at infinity.
    replaced: __mmask8,
    /// The sum is at infinity where the points are opposite.
    vanishing: __mmask8,
    /// The sum stays where there is no item.
    kept: __mmask8,
}

impl Batch<'_> {
    /// Adds an item to each of the first `active` octets' sums.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    pub(super) fn step_carefully(&mut self, step: usize, active: usize) {
        let mut product = vector::broadcast_words(ONE);
        let mut additions = Vec::with_capacity(active);
        for i in 0..active {
            let items = self.items(&self.octets[i], step);
            let (x, y) = gather(self.points, items);
            let item = canonical(&Sum { x, y });
            let sum = canonical(&self.sums[i]);
            let (slope, cases) = begin(&sum, &item, missing(items), product);
            product = vector::multiply::<FqModulus>(&product, &slope.denominator);
            self.sums[i] = sum;
            self.slopes[i] = slope;
            additions.push((item, cases));
        }
        // No denominator is zero.
        let mut inverse = invert(&product).unwrap_or(vector::zero());
        self.infinite = false;
        for (i, (item, cases)) in additions.iter().enumerate().rev() {
            let Slope { before, denominator, numerator } = &self.slopes[i];
            let own = vector::multiply::<FqModulus>(&inverse, before);
            inverse = vector::multiply::<FqModulus>(&inverse, denominator);
            let slope = vector::multiply::<FqModulus>(numerator, &own);
            let sum = complete(&self.sums[i], item, &slope, cases);
            // Lanes that never have an item do not count.
            let used = !missing(self.items(&self.octets[i], 0));
            self.infinite |= is_infinity(&sum) & used != 0;
            self.sums[i] = sum;
        }
    }
}

/// The slopes, with a denominator of 1 where there is none.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn begin(sum: &Sum, item: &Sum, kept: __mmask8, before: Eight) -> (Slope, Cases) {
    let one = vector::broadcast_words(ONE);
    let replaced = is_infinity(sum) & !kept;
    let dx = reduced(&vector::sub::<FqModulus, 1>(&item.x, &sum.x));
    let dy = reduced(&vector::sub::<FqModulus, 1>(&item.y, &sum.y));
    let meeting = vector::is_zero(&dx) & !replaced & !kept;
    let doubled = meeting & vector::is_zero(&dy) & !vector::is_zero(&item.y);
    let vanishing = meeting & !doubled;

    let square = vector::multiply::<FqModulus>(&item.x, &item.x);
    let tangent = vector::add(&vector::add_raw(&square, &square), &square);
    let numerator = vector::select(doubled, &dy, &tangent);
    let denominator = vector::select(doubled, &dx, &vector::add(&item.y, &item.y));
    let denominator = vector::select(replaced | vanishing | kept, &denominator, &one);
    (Slope { before, denominator, numerator }, Cases { replaced, vanishing, kept })
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn complete(sum: &Sum, item: &Sum, slope: &Eight, cases: &Cases) -> Sum {
    let square = vector::multiply::<FqModulus>(slope, slope);
    let x = vector::sub_raw::<FqModulus, 2>(&square, &vector::add_raw(&sum.x, &item.x));
    let x = reduced(&vector::normalize(&x));
    let back = vector::sub::<FqModulus, 1>(&item.x, &x);
    let product = vector::multiply::<FqModulus>(slope, &back);
    let y = reduced(&vector::sub::<FqModulus, 1>(&product, &item.y));

    let zero = vector::zero();
    let pick = |added: &Eight, sum: &Eight, item: &Eight| {
        let result = vector::select(cases.replaced, added, item);
        let result = vector::select(cases.vanishing, &result, &zero);
        vector::select(cases.kept, &result, sum)
    };
    Sum { x: pick(&x, &sum.x, &item.x), y: pick(&y, &sum.y, &item.y) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn canonical(sum: &Sum) -> Sum {
    Sum { x: reduced(&sum.x), y: reduced(&vector::normalize(&sum.y)) }
}

/// Below p, for normal elements below 4p.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn reduced(a: &Eight) -> Eight {
    vector::reduce::<FqModulus, 1>(&vector::reduce::<FqModulus, 2>(a))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn is_infinity(point: &Sum) -> __mmask8 {
    vector::is_zero(&point.x) & vector::is_zero(&point.y)
}
