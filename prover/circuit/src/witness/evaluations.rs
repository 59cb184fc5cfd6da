//! Third-phase columns, and the tiles' running evaluations among them.

use std::ops::Range;

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_graph::ACTIVATION_OFFSET;

use crate::layout::profile::{LaneBase, TileCells};
use crate::layout::scalar_program::{self, ScalarColumns};
use crate::layout::tile::{CONSUMED, PRODUCED, Step, Tile};
use crate::witness::assignment::{Assignment, FirstChallenges, LaneColumns, ThirdPhase};
use crate::witness::integer_sums::{Factor, IntegerSum};
use crate::witness::known::{Known, powers, zeros};
use crate::witness::{lookups, weight_sums};

pub(super) fn third_phase(assignment: &Assignment<'_>, known: Known<'_>) -> ThirdPhase {
    let layout = assignment.layout;
    let rows = assignment.rows();
    let Known { first, challenges, z, .. } = known;
    let (lookups, lookup_sum) = lookups::columns(assignment, first, challenges);
    let weight_sum = weight_sums::column(assignment, known);
    let [s0, s1, product] = [(); 3].map(|()| zeros(rows));
    let mut scalars = ScalarColumns { s0, s1, product, weight_sum };
    scalars.load(&layout.program.loads, known.instances, [challenges.v, z, challenges.u]);
    if let Some(hash) = &layout.hash {
        for (index, [s0, s1]) in first.hash_scalars.iter().enumerate() {
            scalars.s0[hash.first_row + index] = *s0;
            scalars.s1[hash.first_row + index] = *s1;
        }
    }
    let (mut produced, mut consumed) = (zeros(rows), zeros(rows));
    for step in &layout.program.steps {
        match step {
            scalar_program::Step::Chain(chain) => {
                scalars.run(chain, &|value| assignment.free_value(value))
            }
            scalar_program::Step::Evaluations => {
                let columns = [&mut produced, &mut consumed];
                evaluate_tiles(assignment, known, &mut scalars, columns);
            }
        }
    }
    ThirdPhase { lookups, lookup_sum, produced, consumed, scalars }
}

/// Fills the running evaluations, and `s0`, `s1` of tile rows.
fn evaluate_tiles(
    assignment: &Assignment<'_>,
    known: Known<'_>,
    scalars: &mut ScalarColumns,
    columns: [&mut Vec<Fr>; 2],
) {
    let [produced, consumed] = columns;
    let layout = assignment.layout;
    for (tile, factors) in layout.tiles.iter().zip(&layout.tile_factors) {
        let factors = Step::ALL.map(|step| factors.of(step).map(|cell| scalars.get(cell)));
        let evaluation = Evaluation::new(tile, factors, known);
        let per_channel = tile.rows_per_channel();
        let range = tile.first_row..tile.first_row + tile.rows();
        let (produced, consumed) = (&mut produced[range.clone()], &mut consumed[range.clone()]);
        let (s0, s1) = (&mut scalars.s0[range.clone()], &mut scalars.s1[range]);
        produced
            .par_chunks_mut(per_channel)
            .zip(consumed.par_chunks_mut(per_channel))
            .zip(s0.par_chunks_mut(per_channel).zip(s1.par_chunks_mut(per_channel)))
            .enumerate()
            .for_each(|(channel, ((produced, consumed), (s0, s1)))| {
                evaluation.run(channel, Running { produced, consumed, s0, s1 });
            });
        evaluation.run_on(PRODUCED, produced, s1);
        evaluation.run_on(CONSUMED, consumed, s0);
    }
    // The gate continues the first channel into the row before it, backwards; nothing reads it.
    if let Some(tile) = layout.tiles.first() {
        let row = tile.first_row;
        produced[row - 1] = -(scalars.s1[row] * produced[row]);
        consumed[row - 1] = -(scalars.s0[row] * consumed[row]);
    }
}

/// The rows of one channel.
struct Running<'a> {
    produced: &'a mut [Fr],
    consumed: &'a mut [Fr],
    s0: &'a mut [Fr],
    s1: &'a mut [Fr],
}

/// How the rows of a tile are evaluated.
struct Evaluation<'a> {
    tile: &'a Tile,
    lanes: &'a [LaneColumns],
    /// Whether its rows hold nothing but numbers.
    small: bool,
    v: Fr,
    /// Powers of the two bases, one for each lane.
    powers: [Vec<Fr>; 2],
    /// From a row to the next, in the order of [`Step::ALL`].
    factors: [[Fr; 2]; Step::ALL.len()],
    sums: LaneSums,
}

impl<'a> Evaluation<'a> {
    fn new(tile: &'a Tile, factors: [[Fr; 2]; Step::ALL.len()], known: Known<'a>) -> Self {
        let FirstChallenges { v, u, .. } = known.challenges;
        let powers = tile.lane_bases().map(|base| {
            let base = match base {
                LaneBase::Challenge(step) => known.z.pow_vartime([u64::from(step)]),
                LaneBase::Image => u,
                LaneBase::Byte => Fr::from(256),
            };
            powers(base, tile.lanes)
        });
        let sums = LaneSums::new(tile, &powers, v);
        let lanes = known.first.lanes.as_slice();
        let rows = tile.first_row..tile.first_row + tile.rows();
        let small = lanes.iter().all(|lane| lane.is_small(&rows));
        Self { tile, lanes, small, v, powers, factors, sums }
    }

    /// Horner's rule over the rows of a channel, the last one first.
    fn run(&self, channel: usize, cells: Running<'_>) {
        let tile = self.tile;
        let Running { produced, consumed, s0, s1 } = cells;
        let rows = tile.channel_row(channel)..tile.channel_row(channel) + produced.len();
        let numbers = self.numbers(rows.clone());
        let (per_line, per_group) = (tile.rows_per_line(), tile.rows_per_group());
        let mut next = [Fr::ZERO; 2];
        for index in (0..rows.len()).rev() {
            let live = tile.live_lanes(index / per_group, index % per_line);
            let mut sums = if self.small {
                self.sums.of(&numbers[..live], index)
            } else {
                self.sums_of_any(rows.start + index, live)
            };
            if index + 1 < rows.len() {
                let factors = self.factors[tile.step_to(index + 1) as usize];
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
    }

    /// Lets the channels of one side run on into each other, where they do: `cells` hold each channel by
    /// itself, `factors` their results.
    fn run_on(&self, side: usize, cells: &mut [Fr], factors: &mut [Fr]) {
        let tile = self.tile;
        let step =
            |channel| tile.channel_step(side, channel).map(|step| self.factors[step as usize]);
        if tile.folds[side].is_none() {
            return;
        }
        let per_channel = tile.rows_per_channel();
        // What each row's evaluation multiplies that of the next channel by.
        let mut onwards = vec![Fr::ONE; per_channel];
        for index in (0..per_channel - 1).rev() {
            let factor = self.factors[tile.step_to(index + 1) as usize][side];
            onwards[index] = factor * onwards[index + 1];
        }
        let mut added = vec![Fr::ZERO; tile.shape[0]];
        let mut next = Fr::ZERO;
        for channel in (0..tile.shape[0]).rev() {
            let factor = step(channel + 1).map_or(Fr::ZERO, |factors| factors[side]);
            added[channel] = factor * next;
            next = cells[channel * per_channel] + onwards[0] * added[channel];
        }
        let channels = cells.par_chunks_mut(per_channel).zip(factors.par_chunks_mut(per_channel));
        channels.zip(added).enumerate().for_each(|(channel, ((cells, factors), added))| {
            cells.iter_mut().zip(&onwards).for_each(|(cell, onwards)| *cell += onwards * added);
            factors[0] = step(channel).map_or(cells[0], |factors| factors[side]);
        });
    }

    fn numbers(&self, rows: Range<usize>) -> Vec<LaneNumbers<'a>> {
        let numbers = |lane: &'a LaneColumns| LaneNumbers {
            pre: &lane.pre.numbers()[rows.clone()],
            out: &lane.out.numbers()[rows.clone()],
            rem: &lane.rem.numbers()[rows.clone()],
        };
        self.lanes.iter().map(numbers).collect()
    }

    /// The evaluations of a row that holds more than numbers, as that of a dishonest prover.
    fn sums_of_any(&self, row: usize, live: usize) -> [Fr; 2] {
        let offset = Fr::from(ACTIVATION_OFFSET as u64);
        let scale = Fr::from(1 << self.tile.shift);
        let mut sums = [Fr::ZERO; 2];
        for (lane, columns) in self.lanes[..live].iter().enumerate() {
            let [pre, out, rem] = columns.cells(row);
            let (pre, out) = (pre - offset, out - offset);
            let values = match self.tile.cells {
                TileCells::Lookup => [pre * scale + rem, out],
                TileCells::Product => [pre * out, pre + self.v * out],
            };
            sums[0] += values[0] * self.powers[0][lane];
            sums[1] += values[1] * self.powers[1][lane];
        }
        sums
    }
}

/// The numbers of a lane in the rows of a channel.
struct LaneNumbers<'a> {
    pre: &'a [u16],
    out: &'a [u16],
    rem: &'a [u32],
}

/// Evaluates rows of numbers over their lanes.
struct LaneSums {
    cells: TileCells,
    shift: u32,
    /// Weights of each lane: what is produced, what is consumed, the second factor of a product.
    weights: Vec<[Factor; 3]>,
    /// What the offsets of the numbers add up to, by live lanes.
    offsets: Vec<[Fr; 2]>,
}

/// Added to a product of two activations, so that it is not negative.
const PRODUCT_OFFSET: i64 = 1 << 31;

impl LaneSums {
    fn new(tile: &Tile, powers: &[Vec<Fr>; 2], v: Fr) -> Self {
        let offset = Fr::from(ACTIVATION_OFFSET as u64);
        let mut offsets = vec![[Fr::ZERO; 2]];
        let mut weights = Vec::with_capacity(tile.lanes);
        let [mut produced, mut consumed] = [Fr::ZERO; 2];
        for (of_produced, of_consumed) in powers[0].iter().zip(&powers[1]) {
            weights.push([*of_produced, *of_consumed, v * of_consumed].map(Factor::new));
            match tile.cells {
                TileCells::Lookup => {
                    produced += offset * Fr::from(1 << tile.shift) * of_produced;
                    consumed += offset * of_consumed;
                }
                TileCells::Product => {
                    produced += Fr::from(PRODUCT_OFFSET as u64) * of_produced;
                    consumed += offset * (*of_consumed + v * of_consumed);
                }
            }
            offsets.push([produced, consumed]);
        }
        Self { cells: tile.cells, shift: tile.shift, weights, offsets }
    }

    /// Of row `index` of the live lanes.
    #[inline(always)]
    fn of(&self, live: &[LaneNumbers<'_>], index: usize) -> [Fr; 2] {
        let [mut produced, mut consumed] = [IntegerSum::default(); 2];
        for (lane, [of_produced, of_consumed, of_second]) in live.iter().zip(&self.weights) {
            let (pre, out) = (u64::from(lane.pre[index]), u64::from(lane.out[index]));
            match self.cells {
                TileCells::Lookup => {
                    produced.add(of_produced, (pre << self.shift) + u64::from(lane.rem[index]));
                    consumed.add(of_consumed, out);
                }
                TileCells::Product => {
                    let [a, b] = [pre, out].map(|cell| cell as i64 - i64::from(ACTIVATION_OFFSET));
                    produced.add(of_produced, (a * b + PRODUCT_OFFSET) as u64);
                    consumed.add(of_consumed, pre);
                    consumed.add(of_second, out);
                }
            }
        }
        let [of_produced, of_consumed] = self.offsets[live.len()];
        [produced.value() - of_produced, consumed.value() - of_consumed]
    }
}
