//! Third-phase columns: lookup helpers and sums, the tiles' running evaluations, the weights' sums,
//! the scalar program.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::{ACTIVATION_OFFSET, WEIGHT_OFFSET};

use crate::layout::profile::{LaneBase, TileCells};
use crate::layout::scalar_program::{self, ScalarColumns};
use crate::layout::tile::Step;
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase, ThirdPhase};

pub(super) fn third_phase(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    rest: &[Fr],
    challenges: FirstChallenges,
    z: Fr,
    instances: &[Fr],
) -> ThirdPhase {
    let layout = assignment.layout;
    let rows = assignment.rows();
    let (lookups, lookup_sum) = lookups(assignment, first, challenges);
    let sums = weight_sums(assignment, first, rest, challenges.v, z);
    let mut scalars = ScalarColumns::new(rows, sums);
    scalars.load(&layout.program.loads, instances, [challenges.v, z, challenges.u]);
    if let Some(hash) = &layout.hash {
        for (index, [s0, s1]) in first.hash_scalars.iter().enumerate() {
            scalars.s0[hash.first_row + index] = *s0;
            scalars.s1[hash.first_row + index] = *s1;
        }
    }
    let mut produced = vec![Fr::ZERO; rows];
    let mut consumed = vec![Fr::ZERO; rows];
    for step in &layout.program.steps {
        match step {
            scalar_program::Step::Chain(chain) => {
                scalars.run(chain, &|value| assignment.free_value(value))
            }
            scalar_program::Step::Evaluations => {
                let columns = [&mut produced, &mut consumed];
                evaluate_tiles(assignment, first, challenges, z, &mut scalars, columns);
            }
        }
    }
    ThirdPhase { lookups, lookup_sum, produced, consumed, scalars }
}

/// Helper columns and the running sum. Each looked-up tuple is a table row, so the inverses of the
/// table's rows serve all lookups.
fn lookups(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    challenges: FirstChallenges,
) -> (Vec<Vec<Fr>>, Vec<Fr>) {
    let rows = assignment.rows();
    let tables = &assignment.layout.tables;
    let FirstChallenges { theta, beta, .. } = challenges;
    let mut inverses = vec![Fr::ZERO; tables.end()];
    tables.for_each_row(|row, [a, b, tag]| {
        inverses[row] = a + (b + tag * theta) * theta + beta;
    });
    batch_invert(&mut inverses);
    let looking_up =
        || assignment.layout.tiles.iter().filter(|tile| tile.cells == TileCells::Lookup);
    let columns = first
        .looked_up
        .par_iter()
        .map(|looked_up| {
            let mut column = vec![Fr::ZERO; rows];
            for tile in looking_up() {
                for row in tile.first_row..tile.first_row + tile.rows() {
                    let [function, remainder] = looked_up[row];
                    column[row] = inverses[function as usize] + inverses[remainder as usize];
                }
            }
            column
        })
        .collect::<Vec<_>>();
    let mut running = vec![Fr::ZERO; rows];
    let mut sum = Fr::ZERO;
    for row in 0..rows - 1 {
        for column in &columns {
            sum += column[row];
        }
        if row >= tables.first_row && row < tables.end() {
            sum -= first.multiplicity[row] * inverses[row];
        }
        running[row + 1] = sum;
    }
    (columns, running)
}

/// By rows of the weights' domain.
fn weight_sums(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    rest: &[Fr],
    v: Fr,
    z: Fr,
) -> Vec<Fr> {
    let mut sums = vec![Fr::ZERO; assignment.layout.weight_domain()];
    let zero = Fr::from(WEIGHT_OFFSET as u64);
    let columns = assignment.layout.options.weight_columns;
    for kernel in &assignment.layout.kernels {
        let mut dense = Vec::new();
        kernel.for_each_dense_row(|row| dense.push(row));
        for row in dense.into_iter().rev() {
            sums[row] = (0..columns)
                .rev()
                .fold(sums[row + 1], |sum, column| sum * v + first.weights[column][row] - zero);
        }
        kernel.for_each_kernel_row(|row, kind| {
            let step = z.pow_vartime([u64::from(kind.step)]);
            sums[row] = (0..kind.live)
                .rev()
                .fold(Fr::ZERO, |sum, column| sum * step + first.weights[column][row] - zero);
        });
    }
    for grid in &assignment.layout.rests {
        for row in (grid.first_row..grid.first_row + grid.rows()).rev() {
            sums[row] = sums[row + 1] * z + rest[row];
        }
    }
    sums
}

/// Fills the running evaluations, and `s0`, `s1` of tile rows.
fn evaluate_tiles(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    challenges: FirstChallenges,
    z: Fr,
    scalars: &mut ScalarColumns,
    columns: [&mut Vec<Fr>; 2],
) {
    let [produced, consumed] = columns;
    let offset = Fr::from(ACTIVATION_OFFSET as u64);
    let layout = assignment.layout;
    for (tile, factors) in layout.tiles.iter().zip(&layout.tile_factors) {
        let factors = |step: Step| factors.of(step).map(|cell| scalars.get(cell));
        let [row_factors, line_factors, group_factors] =
            [Step::Row, Step::Line, Step::Group].map(factors);
        let scale = Fr::from(1 << tile.shift);
        let bases = tile.lane_bases().map(|base| match base {
            LaneBase::Challenge(step) => z.pow_vartime([u64::from(step)]),
            LaneBase::Image => challenges.u,
            LaneBase::Byte => Fr::from(256),
        });
        let per_line = tile.rows_per_line();
        let per_group = tile.rows_per_group();
        let per_channel = tile.rows_per_channel();
        // Horner's rule within each channel, channels in parallel.
        let begin = tile.first_row;
        let range = begin..begin + tile.rows();
        let (produced, consumed) = (&mut produced[range.clone()], &mut consumed[range.clone()]);
        let (s0, s1) = (&mut scalars.s0[range.clone()], &mut scalars.s1[range]);
        produced
            .par_chunks_mut(per_channel)
            .zip(consumed.par_chunks_mut(per_channel))
            .zip(s0.par_chunks_mut(per_channel).zip(s1.par_chunks_mut(per_channel)))
            .enumerate()
            .for_each(|(channel, ((produced, consumed), (s0, s1)))| {
                let mut next = [Fr::ZERO; 2];
                for index in (0..per_channel).rev() {
                    let row = begin + channel * per_channel + index;
                    let live = tile.live_lanes(index / per_group, index % per_line);
                    let mut sums = [Fr::ZERO; 2];
                    for lane in first.lanes[..live].iter().rev() {
                        let (pre, out) = (lane[0][row] - offset, lane[1][row] - offset);
                        let values = match tile.cells {
                            TileCells::Lookup => [pre * scale + lane[2][row], out],
                            TileCells::Product => [pre * out, pre + challenges.v * out],
                        };
                        for (sum, (base, value)) in sums.iter_mut().zip(bases.iter().zip(values)) {
                            *sum = *sum * base + value;
                        }
                    }
                    if index + 1 < per_channel {
                        let factors = match tile.step_to(index + 1) {
                            Step::Row => row_factors,
                            Step::Line => line_factors,
                            Step::Group => group_factors,
                        };
                        sums[0] += factors[0] * next[0];
                        sums[1] += factors[1] * next[1];
                        s1[index + 1] = factors[0];
                        s0[index + 1] = factors[1];
                    }
                    produced[index] = sums[0];
                    consumed[index] = sums[1];
                    next = sums;
                }
                s1[0] = produced[0];
                s0[0] = consumed[0];
            });
    }
    // The gate continues the first channel into the row before it, backwards; nothing reads it.
    if let Some(tile) = layout.tiles.first() {
        let row = tile.first_row;
        produced[row - 1] = -(scalars.s1[row] * produced[row]);
        consumed[row - 1] = -(scalars.s0[row] * consumed[row]);
    }
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
