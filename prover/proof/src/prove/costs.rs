//! How long the pieces of a proof's work take, as far as the progress that is shown needs it.

use assay_kernels::{Kernels, Parts};
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use crate::profile::Profile;

/// A piece of a proof's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The values of a phase's columns.
    Values,
    /// The commitment to a column of small values.
    SmallColumn,
    /// The commitment to a column of weights that has as many coefficients as there are rows.
    WeightColumn,
    /// The commitment to a column of any values, none of them small.
    FullColumn,
    /// A column's polynomial.
    Polynomial,
    /// A polynomial of the key.
    KeyColumn,
    /// A product of the permutation argument.
    Product,
    /// A commitment to coefficients.
    Commitment,
    /// The first part of the extended domain, for which the rotated cells are made, too.
    FirstPart,
    /// Another part.
    Part,
    /// All polynomials split at a coset, or joined again.
    Split,
    /// The evaluations.
    Evaluations,
    /// A sum of all polynomials and its commitment.
    Opening,
}

/// Nanoseconds while both of a machine's two vCPUs work; only their proportions count.
struct Times {
    /// A row of a commitment to coefficients.
    dense: f64,
    /// A row of a commitment to small values.
    small: f64,
    /// The values of a row of a phase.
    values: f64,
    /// A row of a transform, for each halving of the rows.
    transform: f64,
    /// The same in a part of the extended domain.
    part_transform: f64,
    /// A coefficient that is read.
    read: f64,
    /// A coefficient that is split, or joined.
    split: f64,
    /// A multiplication of the constraints.
    multiply: f64,
}

const VECTORS: Times = Times {
    dense: 960.0,
    small: 80.0,
    values: 240.0,
    transform: 3.2,
    part_transform: 2.5,
    read: 9.0,
    split: 10.4,
    multiply: 3.5,
};

const PORTABLE: Times = Times {
    dense: 2900.0,
    small: 240.0,
    values: 350.0,
    transform: 9.6,
    part_transform: 5.5,
    read: 14.0,
    split: 60.0,
    multiply: 8.0,
};

/// What each piece of work costs, and how often it is done.
pub(super) struct Costs {
    costs: Vec<(Work, f64)>,
    total: f64,
}

/// What costs depend on.
pub(super) struct Size<'a> {
    pub profile: &'a Profile,
    pub parts: &'a Parts,
    pub k: u32,
    /// Of the constraints, in one row.
    pub multiplications: usize,
    /// Polynomials that they read, by rotations.
    pub cells: usize,
}

impl Costs {
    pub(super) fn new(kernels: &dyn Kernels, size: &Size<'_>) -> Self {
        let Size { profile, parts, k, multiplications, cells } = size;
        let times = if kernels.cell_factor() == Fr::ONE { &PORTABLE } else { &VECTORS };
        let rows = f64::from(*k).exp2();
        let polynomial = rows * times.transform * f64::from(*k);
        let part_rows = parts.rows() as f64;
        // A polynomial of 2^18 rows, 8 MiB, is read from a cache; from 2^20 on the key's come from its file.
        let read = if *k <= 18 { 0.5 * times.read } else { times.read };
        let (key, product, first_part, part_again) =
            if *k < 20 { (1.0, 1.1, 1.95, 1.12) } else { (2.1, 1.3, 2.45, 0.93) };
        let cell = part_rows * (times.part_transform * part_rows.log2() + read);
        let polynomials = (profile.advice_columns() + profile.fixed_columns + 12) as f64;
        let program = part_rows * times.multiply * *multiplications as f64;
        let part = *cells as f64 * cell + program;
        let dense = rows * times.dense;
        let costs = vec![
            (Work::Values, rows * times.values),
            (Work::SmallColumn, rows * times.small),
            (Work::WeightColumn, dense),
            (Work::FullColumn, 0.88 * dense),
            (Work::Polynomial, polynomial),
            (Work::KeyColumn, key * polynomial),
            (Work::Product, product * dense),
            (Work::Commitment, dense),
            (Work::FirstPart, first_part * part),
            (Work::Part, part_again * part),
            (Work::Split, polynomials * rows * times.split),
            (Work::Evaluations, *cells as f64 * rows * times.read),
            (Work::Opening, dense + 0.5 * polynomials * rows * read),
        ];
        let first = profile.schedule.columns_through(0);
        let weights = profile.weight_columns.min(first);
        let cosets = 1 << parts.extension();
        let counts = [
            (Work::Values, 3),
            (Work::SmallColumn, first - weights),
            (Work::WeightColumn, weights),
            (Work::FullColumn, profile.advice_columns() - first),
            (Work::Polynomial, profile.advice_columns()),
            (Work::KeyColumn, profile.fixed_columns),
            (Work::Product, profile.products()),
            (Work::Commitment, 1 + profile.quotient_pieces),
            (Work::FirstPart, cosets),
            (Work::Part, parts.count() - cosets),
            (Work::Split, 2 * cosets),
            (Work::Evaluations, 1),
            (Work::Opening, 2),
        ];
        let mut all = Self { costs, total: 0.0 };
        all.total = counts.iter().map(|(work, count)| all.of(*work) * *count as f64).sum();
        all
    }

    /// Of one piece.
    pub(super) fn of(&self, work: Work) -> f64 {
        self.costs.iter().find(|(known, _)| *known == work).map_or(0.0, |(_, cost)| *cost)
    }

    /// `share` more pieces are expected, less where it is negative.
    pub(super) fn expect(&mut self, work: Work, share: f64) {
        self.total += self.of(work) * share;
    }

    /// Of all pieces that are expected.
    pub(super) fn total(&self) -> f64 {
        self.total
    }
}
