//! The portable kernels.

use halo2curves::{
    bn256::{Fq, Fr, G1Affine},
    ff::Field,
};

use super::{Exponentiation, NEGATIVE, NONE, Octet, Point, Schedule};
use crate::Scalar;
use crate::words::{of_fq, of_fr, to_fq, to_fr};

impl Exponentiation for Scalar {
    fn prepare_points(&self, affine: &[G1Affine], points: &mut [Point]) {
        for (point, affine) in points.iter_mut().zip(affine) {
            *point = to_point(affine.x, affine.y);
        }
    }

    fn affine_point(&self, point: &Point) -> G1Affine {
        let (x, y) = coordinates(point);
        G1Affine { x, y }
    }

    fn canonical(&self, scalars: &[Fr], words: [&mut [u64]; 4]) {
        // The library's product divides by 2^256.
        let one = to_fr([1, 0, 0, 0]);
        let [a, b, c, d] = words;
        for ((((scalar, a), b), c), d) in scalars.iter().zip(a).zip(b).zip(c).zip(d) {
            [*a, *b, *c, *d] = of_fr(&(scalar * one));
        }
    }

    fn octets_at_once(&self) -> usize {
        64
    }

    fn add_chains(
        &self,
        points: &[Point],
        schedule: &Schedule,
        octets: &[Octet],
        sums: &mut [Point],
    ) {
        let mut additions = Vec::with_capacity(sums.len());
        let longest = octets.first().map_or(0, Octet::longest);
        for step in 0..longest {
            let mut product = Fq::ONE;
            let octets = octets.iter().take_while(|octet| octet.longest() > step);
            let items = octets.flat_map(|octet| &schedule.items(octet)[8 * step..][..8]);
            for (place, item) in items.enumerate().filter(|(_, item)| **item != NONE) {
                let (x, y) = coordinates(&points[(item & !NEGATIVE) as usize]);
                let y = if item & NEGATIVE == 0 { y } else { -y };
                if let Some((numerator, denominator)) = begin(&mut sums[place], x, y) {
                    additions.push(Addition { place, x, numerator, denominator, before: product });
                    product *= denominator;
                }
            }
            finish(product, &mut additions, sums);
        }
    }
}

/// An addition that waits for the division.
struct Addition {
    place: usize,
    /// Of the point that is added.
    x: Fq,
    /// The slope.
    numerator: Fq,
    denominator: Fq,
    /// The product of the denominators before this one.
    before: Fq,
}

/// The slope's numerator and denominator of `sum` plus a point that is not at infinity. Where there is no
/// slope, replaces the sum.
#[inline]
fn begin(sum: &mut Point, x: Fq, y: Fq) -> Option<(Fq, Fq)> {
    if sum.is_infinity() {
        *sum = to_point(x, y);
        return None;
    }
    let (sum_x, sum_y) = coordinates(sum);
    if sum_x != x {
        Some((y - sum_y, x - sum_x))
    } else if sum_y == y && y != Fq::ZERO {
        let square = x.square();
        Some((square + square.double(), y.double()))
    } else {
        *sum = Point::INFINITY;
        None
    }
}

/// Divides and completes the additions, the last first.
fn finish(product: Fq, additions: &mut Vec<Addition>, sums: &mut [Point]) {
    // A product of what is not zero is not zero.
    let mut inverse = product.invert().unwrap_or(Fq::ZERO);
    while let Some(addition) = additions.pop() {
        let slope = addition.numerator * (inverse * addition.before);
        inverse *= addition.denominator;
        let sum = &mut sums[addition.place];
        let (sum_x, sum_y) = coordinates(sum);
        let x = slope.square() - sum_x - addition.x;
        *sum = to_point(x, slope * (sum_x - x) - sum_y);
    }
}

fn coordinates(point: &Point) -> (Fq, Fq) {
    let [a, b, c, d, e, f, g, h] = point.0;
    (to_fq([a, b, c, d]), to_fq([e, f, g, h]))
}

fn to_point(x: Fq, y: Fq) -> Point {
    let ([a, b, c, d], [e, f, g, h]) = (of_fq(&x), of_fq(&y));
    Point([a, b, c, d, e, f, g, h])
}
