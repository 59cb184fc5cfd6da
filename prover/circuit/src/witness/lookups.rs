//! The lookup argument's columns: a helper for each lane, and the running sum.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::ACTIVATION_OFFSET;

use crate::layout::Layout;
use crate::layout::profile::TileCells;
use crate::layout::tile::Tile;
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase, LaneColumns};
use crate::witness::known::zeros;

/// Rows that a thread sums up at a time; few in tests, whose circuits are small.
const BLOCK_ROWS: usize = if cfg!(test) { 1 << 6 } else { 1 << 12 };

/// Where the table has what a tile's cells look up.
#[derive(Clone, Copy)]
pub(super) struct TableRows {
    /// Row of the stored `pre` 0, were it there: modulo 2^32.
    function: u32,
    /// Row of remainder 0.
    remainder: u32,
}

impl TableRows {
    pub(super) fn of(layout: &Layout, tile: &Tile) -> Self {
        let tables = &layout.tables;
        let min = tables.functions[tile.function].min;
        let first = tables.function_row(tile.function, i64::from(min)).unwrap_or_default() as u32;
        let function = first.wrapping_sub((min + ACTIVATION_OFFSET) as u32);
        let remainder = tables.remainder_row(tile.shift, 0).unwrap_or_default() as u32;
        Self { function, remainder }
    }

    /// The rows for a cell's two lookups, as long as the table has them.
    #[inline]
    pub(super) fn looked_up(self, pre: u16, rem: u32) -> [usize; 2] {
        let function = self.function.wrapping_add(pre.into());
        [function as usize, self.remainder.wrapping_add(rem) as usize]
    }
}

/// The helper columns and the running sum. Each looked-up tuple is a table row, so the inverses of the
/// table's rows serve all lookups. A cell with values that the table lacks gets a helper that its gate
/// refuses.
pub(super) fn columns(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    challenges: FirstChallenges,
) -> (Vec<Vec<Fr>>, Vec<Fr>) {
    let layout = assignment.layout;
    let rows = assignment.rows();
    let mut table_rows = vec![None; rows];
    for tile in layout.tiles.iter().filter(|tile| tile.cells == TileCells::Lookup) {
        table_rows[tile.first_row..tile.first_row + tile.rows()]
            .fill(Some(TableRows::of(layout, tile)));
    }
    let inverses = inverses(layout, challenges);
    let helper = |lane: &LaneColumns| {
        let cells = lane.pre.numbers().par_iter().zip(lane.rem.numbers()).zip(&table_rows);
        let helpers = cells.map(|((pre, rem), table)| {
            let Some(table) = table else { return Fr::ZERO };
            let [function, remainder] = table.looked_up(*pre, *rem).map(|row| inverses.get(row));
            match (function, remainder) {
                (Some(function), Some(remainder)) => function + remainder,
                _ => Fr::ZERO,
            }
        });
        helpers.collect::<Vec<_>>()
    };
    let helpers = first.lanes.iter().map(helper).collect::<Vec<_>>();
    let sum = running_sum(first, &helpers, &inverses);
    (helpers, sum)
}

/// `1 / (a + theta * b + theta^2 * tag + beta)` for each row of the table, zero before the first.
fn inverses(layout: &Layout, challenges: FirstChallenges) -> Vec<Fr> {
    let FirstChallenges { theta, beta, .. } = challenges;
    let mut inverses = vec![Fr::ZERO; layout.tables.end()];
    layout.tables.for_each_row(|row, [a, b, tag]| {
        inverses[row] = a + (b + tag * theta) * theta + beta;
    });
    batch_invert(&mut inverses);
    inverses
}

/// In each row what the rows before it sum up to.
fn running_sum(first: &FirstPhase, helpers: &[Vec<Fr>], inverses: &[Fr]) -> Vec<Fr> {
    let multiplicity = &first.multiplicity;
    let mut running = zeros(multiplicity.rows());
    let [_, sums @ ..] = running.as_mut_slice() else { return running };
    // Each block by itself, then on top of those before it.
    sums.par_chunks_mut(BLOCK_ROWS).enumerate().for_each(|(block, sums)| {
        let start = block * BLOCK_ROWS;
        let mut sum = Fr::ZERO;
        for (row, cell) in (start..).zip(sums) {
            sum += helpers.iter().map(|helper| helper[row]).sum::<Fr>();
            let count = multiplicity.get(row);
            if let Some(inverse) = inverses.get(row).filter(|_| count != Fr::ZERO) {
                sum -= count * inverse;
            }
            *cell = sum;
        }
    });
    let before = sums.chunks(BLOCK_ROWS).scan(Fr::ZERO, |sum, block| {
        let before = *sum;
        *sum += block[block.len() - 1];
        Some(before)
    });
    let before = before.collect::<Vec<_>>();
    sums.par_chunks_mut(BLOCK_ROWS).zip(before).for_each(|(block, before)| {
        block.iter_mut().for_each(|sum| *sum += before);
    });
    running
}

/// Inverts all values in place, in parallel chunks; zeros stay zero.
pub(crate) fn batch_invert(values: &mut [Fr]) {
    values.par_chunks_mut(1 << 12).for_each(|chunk| {
        let mut products = Vec::with_capacity(chunk.len());
        let mut product = Fr::ONE;
        for value in chunk.iter() {
            products.push(product);
            if !bool::from(value.is_zero()) {
                product *= value;
            }
        }
        let mut inverse = product.invert().unwrap_or(Fr::ZERO);
        for (value, before) in chunk.iter_mut().zip(products).rev() {
            if !bool::from(value.is_zero()) {
                let inverted = inverse * before;
                inverse *= *value;
                *value = inverted;
            }
        }
    });
}
