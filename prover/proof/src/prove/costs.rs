//! How long the pieces of a proof's work take, as far as the progress that is shown needs it.

use assay_kernels::{Kernels, Parts};
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use crate::profile::Profile;

/// A piece of a proof's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// The commitment to a column of small values, and its polynomial.
    SmallColumn,
    /// The same of a column of any values, the computation of the values included.
    FullColumn,
    /// A polynomial of the key.
    KeyColumn,
    /// A product of the permutation argument.
    Product,
    /// A commitment to coefficients.
    Commitment,
    /// A part of the extended domain.
    Part,
    /// The evaluations.
    Evaluations,
    /// A sum of all polynomials and its commitment.
    Opening,
}

/// Nanoseconds of a thread while both of a machine's two vCPUs work; only their proportions count.
struct Times {
    /// A row of a commitment to any values.
    full: f64,
    /// A row of a commitment to small values.
    small: f64,
    /// A row of a transform, for each halving of the rows.
    transform: f64,
    /// A multiplication.
    multiply: f64,
}

const VECTORS: Times = Times { full: 1600.0, small: 150.0, transform: 7.5, multiply: 8.0 };
const PORTABLE: Times = Times { full: 4800.0, small: 450.0, transform: 22.0, multiply: 28.0 };

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
        let transform = rows * times.transform * f64::from(*k);
        let part_rows = parts.rows() as f64;
        let fold = rows * times.multiply;
        let part_transform = part_rows * times.transform * part_rows.log2() + fold;
        let program = part_rows * times.multiply * *multiplications as f64;
        let (full, small) = (rows * times.full, rows * times.small);
        let polynomials = (profile.advice_columns() + profile.fixed_columns + 12) as f64;
        let costs = vec![
            (Work::SmallColumn, small + transform),
            (Work::FullColumn, full + transform + rows * 8.0 * times.multiply),
            (Work::KeyColumn, transform),
            (Work::Product, full + 3.0 * transform + rows * 50.0 * times.multiply),
            (Work::Commitment, full),
            (Work::Part, *cells as f64 * part_transform + program),
            (Work::Evaluations, *cells as f64 * rows * times.multiply),
            (Work::Opening, full + 0.7 * polynomials * rows * times.multiply),
        ];
        let first = profile.schedule.columns_through(0);
        let counts = [
            (Work::SmallColumn, first),
            (Work::FullColumn, profile.advice_columns() - first),
            (Work::KeyColumn, profile.fixed_columns),
            (Work::Product, profile.products()),
            (Work::Commitment, 1 + profile.quotient_pieces),
            (Work::Part, parts.count()),
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

    /// Of all pieces that are expected.
    pub(super) fn total(&self) -> f64 {
        self.total
    }
}
