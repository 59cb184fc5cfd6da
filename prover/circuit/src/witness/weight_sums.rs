//! The running sums over weights and rest cells.

use std::ops::Range;

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::WEIGHT_OFFSET;

use crate::layout::Layout;
use crate::layout::profile::KernelRow;
use crate::witness::assignment::Assignment;
use crate::witness::integer_sums::{Factor, IntegerSum};
use crate::witness::known::zeros;
use crate::witness::known::{Known, powers};
use crate::witness::pieces::pieces;
use crate::witness::small_column::SmallColumn;

/// By rows of the weights' domain.
pub(super) fn column(assignment: &Assignment<'_>, known: Known<'_>) -> Vec<Fr> {
    let layout = assignment.layout;
    let mut sums = zeros(layout.weight_domain());
    let runs = runs(layout);
    let pieces = pieces(&mut sums, runs.iter().map(|run| run.rows.clone()));
    let dense = RowSums::new(known.weights, known.challenges.v, layout.options.weight_columns);
    let row = |kind: &KernelRow| {
        let step = known.z.pow_vartime([u64::from(kind.step)]);
        RowSums::new(known.weights, step, kind.live)
    };
    let rows = layout.profile.kernel_rows.iter().map(row).collect::<Vec<_>>();
    runs.par_iter().zip(pieces).for_each(|(run, sums)| {
        let small = known.weights.iter().all(|column| column.is_small(&run.rows));
        let mut next = Fr::ZERO;
        for (row, sum) in run.rows.clone().zip(sums).rev() {
            next = match run.kind {
                RunKind::Dense => next * dense.next + dense.of(row, small),
                RunKind::Kernel(kind) => rows[kind].of(row, small),
                RunKind::Rest => next * known.z + known.rest[row],
            };
            *sum = next;
        }
    });
    sums
}

/// Consecutive rows.
struct Run {
    rows: Range<usize>,
    kind: RunKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RunKind {
    /// Horner's rule in `v` over the cells of all rows.
    Dense,
    /// Each row by itself; an index among the profile's kinds of rows.
    Kernel(usize),
    /// Horner's rule in `z` over the rest cells.
    Rest,
}

/// All rows that sum something up, ascending.
fn runs(layout: &Layout) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let kinds = &layout.profile.kernel_rows;
    let mut push = |row: usize, kind: RunKind| match runs.last_mut() {
        Some(run) if run.rows.end == row && run.kind == kind => run.rows.end += 1,
        _ => runs.push(Run { rows: row..row + 1, kind }),
    };
    for kernel in &layout.kernels {
        kernel.for_each_kernel_row(|row, kind| {
            // A profile lists all kinds of its layout.
            if let Ok(index) = kinds.binary_search(&kind) {
                push(row, RunKind::Kernel(index));
            }
        });
        kernel.for_each_dense_row(|row| push(row, RunKind::Dense));
    }
    let grids = layout.rests.iter().map(|grid| Run {
        rows: grid.first_row..grid.first_row + grid.rows(),
        kind: RunKind::Rest,
    });
    runs.extend(grids);
    runs
}

/// Sums of the first cells of a row, weighed by the powers of a base.
struct RowSums<'a> {
    columns: &'a [SmallColumn<u32>],
    powers: Vec<Fr>,
    factors: Vec<Factor>,
    /// What the cells' offsets add up to.
    offset: Fr,
    /// The power after the last.
    next: Fr,
}

impl<'a> RowSums<'a> {
    fn new(columns: &'a [SmallColumn<u32>], base: Fr, cells: usize) -> Self {
        let mut powers = powers(base, cells + 1);
        let next = powers.pop().unwrap_or(Fr::ONE);
        let offset = powers.iter().sum::<Fr>() * Fr::from(WEIGHT_OFFSET as u64);
        let factors = powers.iter().copied().map(Factor::new).collect();
        Self { columns: &columns[..cells], powers, factors, offset, next }
    }

    /// `small`: the row holds nothing but numbers.
    fn of(&self, row: usize, small: bool) -> Fr {
        if !small {
            let cells = self.columns.iter().zip(&self.powers);
            return cells.map(|(column, power)| column.get(row) * power).sum::<Fr>() - self.offset;
        }
        let mut sum = IntegerSum::default();
        for (column, factor) in self.columns.iter().zip(&self.factors) {
            sum.add(factor, column.numbers()[row].into());
        }
        sum.value() - self.offset
    }
}
