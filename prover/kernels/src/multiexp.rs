//! Multi-exponentiations: sums of points times scalars.
//!
//! Scalars are cut into signed digits ([`plan`], [`digits`]). For each digit the points are sorted into
//! buckets by the digit's magnitude ([`schedule`]) and each bucket is summed up; the sums times their
//! buckets' numbers are taken apart by the bits of these numbers ([`buckets`]), and what remains are a few
//! hundred doublings.

mod buckets;
mod digits;
mod plan;
mod point;
mod portable;
mod schedule;
#[cfg(test)]
mod tests;

use halo2curves::{
    bn256::{Fr, G1, G1Affine},
    group::prime::PrimeCurveAffine,
};
use rayon::prelude::*;

use self::buckets::{Doublings, Numbered, Sums, bucket_sums, join, number_bits};
use self::digits::{Digits, Magnitudes};
use self::plan::{BITS, Choice, Histogram, Plan};
pub(crate) use self::point::Point;
pub(crate) use self::schedule::{NEGATIVE, NONE, Octet, Schedule, Terms};
use crate::{Column, Kernels};

/// Points prepared for the kernels.
#[derive(Clone, Debug)]
pub struct Bases {
    kernels: &'static dyn Kernels,
    points: Vec<Point>,
    /// Which points are at infinity, ascending.
    infinite: Vec<u32>,
}

/// What the kernels of a set of instructions do in a multi-exponentiation.
pub trait Exponentiation {
    /// Turns points into the kernels' form; both slices have the same length.
    #[doc(hidden)]
    fn prepare_points(&self, affine: &[G1Affine], points: &mut [Point]);

    /// Back into the library's form.
    #[doc(hidden)]
    fn affine_point(&self, point: &Point) -> G1Affine;

    /// Scalars as numbers below the modulus, by words, least first; all slices have the same length.
    #[doc(hidden)]
    fn canonical(&self, scalars: &[Fr], words: [&mut [u64]; 4]);

    /// How many octets share a division.
    #[doc(hidden)]
    fn octets_at_once(&self) -> usize;

    /// Adds up the chains of some octets; `sums` has eight sums for each octet, of which those without
    /// items are the point at infinity.
    #[doc(hidden)]
    fn add_chains(
        &self,
        points: &[Point],
        schedule: &Schedule,
        octets: &[Octet],
        sums: &mut [Point],
    );
}

/// The digits that are sorted together have at most so many rows in all, unless one digit has more.
const ROWS_AT_ONCE: usize = 1 << 19;

/// Points that a thread prepares at once.
const PREPARED_AT_ONCE: usize = 1 << 10;

impl Bases {
    /// No points yet, with room for so many.
    pub fn with_capacity(kernels: &'static dyn Kernels, capacity: usize) -> Self {
        Self { kernels, points: Vec::with_capacity(capacity), infinite: Vec::new() }
    }

    /// Some points, in the library's form.
    pub fn new(kernels: &'static dyn Kernels, points: &[G1Affine]) -> Self {
        let mut bases = Self::with_capacity(kernels, points.len());
        bases.extend(points);
        bases
    }

    /// Adds points at the end. The point at infinity may be among them.
    ///
    /// # Panics
    ///
    /// Where there are 2^31 points or more.
    pub fn extend(&mut self, points: &[G1Affine]) {
        let before = self.points.len();
        let len = before + points.len();
        assert!(len < NEGATIVE as usize, "more points than their numbers' 31 bits");
        self.points.resize(len, Point::INFINITY);
        self.points[before..]
            .par_chunks_mut(PREPARED_AT_ONCE)
            .zip(points.par_chunks(PREPARED_AT_ONCE))
            .for_each(|(prepared, points)| self.kernels.prepare_points(points, prepared));
        let infinite =
            points.iter().enumerate().filter(|(_, point)| bool::from(point.is_identity()));
        self.infinite.extend(infinite.map(|(i, _)| (before + i) as u32));
    }

    /// The number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The kernels that the points were prepared for.
    pub fn kernels(&self) -> &'static dyn Kernels {
        self.kernels
    }

    /// A point in the library's form.
    pub fn get(&self, index: usize) -> G1Affine {
        self.kernels.affine_point(&self.points[index])
    }

    /// All points in the library's form.
    pub fn to_points(&self) -> Vec<G1Affine> {
        self.points.par_iter().map(|point| self.kernels.affine_point(point)).collect()
    }

    /// The sum of each row's value times the row's point. There are at least as many points as rows.
    ///
    /// # Panics
    ///
    /// Where there are fewer points than rows.
    pub fn exponentiate(&self, column: &Column) -> G1 {
        let task = self.task(column.len());
        match column {
            Column::Full(scalars) => task.full(scalars),
            Column::Palette { indices, palette } => task.palette(indices, palette),
            Column::Small { values, exceptions } => {
                let mut doublings = task.small(values);
                doublings.append(&mut self.sparse(exceptions));
                join(self.kernels, doublings)
            }
        }
    }

    /// The sum of the scalars times the points, of which there are at least as many.
    ///
    /// # Panics
    ///
    /// Where there are fewer points than scalars.
    pub fn exponentiate_full(&self, scalars: &[Fr]) -> G1 {
        self.task(scalars.len()).full(scalars)
    }

    /// The sum of scalars times the points of the rows beside them. A row may be there several times.
    ///
    /// # Panics
    ///
    /// Where there is no point for a row.
    pub fn exponentiate_sparse(&self, terms: &[(u32, Fr)]) -> G1 {
        join(self.kernels, self.sparse(terms))
    }

    fn task(&self, rows: usize) -> Task<'_> {
        let points = &self.points[..rows];
        let infinite = self.infinite.partition_point(|row| (*row as usize) < rows);
        Task { kernels: self.kernels, points, infinite: &self.infinite[..infinite] }
    }

    fn sparse(&self, terms: &[(u32, Fr)]) -> Doublings {
        let finite = |(row, _): &&(u32, Fr)| !self.points[*row as usize].is_infinity();
        let terms: Vec<&(u32, Fr)> = terms.iter().filter(finite).collect();
        let points: Vec<Point> = terms.iter().map(|(row, _)| self.points[*row as usize]).collect();
        let scalars: Vec<Fr> = terms.iter().map(|(_, scalar)| *scalar).collect();
        Task { kernels: self.kernels, points: &points, infinite: &[] }.doublings(&scalars)
    }
}

/// Points that are to be multiplied with scalars.
#[derive(Clone, Copy)]
struct Task<'a> {
    kernels: &'a dyn Kernels,
    points: &'a [Point],
    infinite: &'a [u32],
}

impl Task<'_> {
    fn full(self, scalars: &[Fr]) -> G1 {
        join(self.kernels, self.doublings(scalars))
    }

    fn palette(self, indices: &[u16], palette: &[Fr]) -> G1 {
        let numbers: Vec<u32> = (1..)
            .zip(palette)
            .map(
                |(number, value)| {
                    if bool::from(halo2curves::ff::Field::is_zero(value)) { 0 } else { number }
                },
            )
            .collect();
        let mut digits: Vec<u32> =
            indices.par_iter().map(|index| numbers[usize::from(*index)]).collect();
        self.skip_infinite(&mut digits);
        let sums = bucket_sums(
            self.kernels,
            self.points,
            palette.len() + 1,
            &Sorted { digits: &digits, rows: self.points.len(), starts: &[0] },
        );
        let used = sums.places[1..].iter().zip(palette).filter(|(place, _)| **place != NONE);
        let (points, scalars): (Vec<Point>, Vec<Fr>) = used
            .map(|(place, value)| (sums.points[*place as usize], *value))
            .filter(|(point, _)| !point.is_infinity())
            .unzip();
        Task { points: &points, infinite: &[], ..self }.full(&scalars)
    }

    fn small(self, values: &[u32]) -> Doublings {
        let mut histogram: Histogram = [0; BITS + 1];
        for value in values {
            histogram[(u32::BITS - value.leading_zeros()) as usize] += 1;
        }
        let mut doublings = Vec::new();
        self.add(&values, Plan::best(&histogram), &mut doublings);
        doublings
    }

    fn doublings(self, scalars: &[Fr]) -> Doublings {
        let (mut magnitudes, histogram) = Magnitudes::new(self.kernels, scalars);
        let choice = Choice::new(&histogram);
        let mut doublings = Vec::new();
        if let Some(rest) = choice.rest {
            let mut places = magnitudes.longer(choice.most.bits);
            places.retain(|place| !self.points[*place as usize].is_infinity());
            let points: Vec<Point> = places.iter().map(|at| self.points[*at as usize]).collect();
            let task = Task { points: &points, infinite: &[], ..self };
            task.add(&magnitudes.select(&places), rest, &mut doublings);
            magnitudes.clear(&places);
        }
        self.add(&magnitudes, choice.most, &mut doublings);
        doublings
    }

    /// Adds the points times the numbers that the digits give.
    fn add(self, numbers: &impl Digits, plan: Plan, doublings: &mut Doublings) {
        let digits: Vec<usize> = (0..plan.digits()).collect();
        let threads = rayon::current_num_threads();
        let at_once = (ROWS_AT_ONCE / self.points.len().max(1)).max(1);
        let at_once = at_once.min(digits.len().div_ceil(threads));
        // As many groups at a time as there are threads, which bounds the memory: waiting for another thread's
        // part of a group does not start a further group.
        for groups in digits.chunks(at_once * threads) {
            let groups = groups.par_chunks(at_once);
            doublings.par_extend(groups.flat_map_iter(|digits| {
                let mut doublings = Vec::new();
                self.add_digits(numbers, plan, digits, &mut doublings);
                doublings
            }));
        }
    }

    /// Adds the points times some digits.
    fn add_digits(
        self,
        numbers: &impl Digits,
        plan: Plan,
        digits: &[usize],
        doublings: &mut Doublings,
    ) {
        let rows = self.points.len();
        let mut written = vec![0; rows * digits.len()];
        let mut starts = Vec::with_capacity(digits.len());
        let mut buckets = 0;
        if rows > 0 {
            for (digit, written) in digits.iter().zip(written.chunks_exact_mut(rows)) {
                numbers.write(plan, *digit, written);
                self.skip_infinite(written);
            }
        }
        for digit in digits {
            starts.push(buckets);
            buckets += plan.largest(*digit) + 1;
        }
        let sorted = Sorted { digits: &written, rows, starts: &starts };
        let Sums { points, places } = bucket_sums(self.kernels, self.points, buckets, &sorted);
        drop(written);
        let numbered = digits.iter().zip(&starts).map(|(digit, start)| Numbered {
            exponent: plan.window * digit,
            places: places[*start..][..plan.largest(*digit) + 1].to_vec(),
        });
        number_bits(self.kernels, points, numbered.collect(), doublings);
    }

    fn skip_infinite(self, digits: &mut [u32]) {
        self.infinite.iter().for_each(|row| digits[*row as usize] = 0);
    }
}

/// Rows by digits: the terms of some digits' buckets.
struct Sorted<'a> {
    /// Magnitudes with [`NEGATIVE`], by digits and rows; zeros are left out.
    digits: &'a [u32],
    rows: usize,
    /// By digits, the bucket of magnitude 0.
    starts: &'a [usize],
}

impl Terms for Sorted<'_> {
    fn each(&self, visit: &mut impl FnMut(usize, u32)) {
        if self.rows == 0 {
            return;
        }
        for (digits, start) in self.digits.chunks_exact(self.rows).zip(self.starts) {
            for (digit, row) in digits.iter().zip(0..) {
                if *digit != 0 {
                    visit(start + (digit & !NEGATIVE) as usize, row | (digit & NEGATIVE));
                }
            }
        }
    }
}
