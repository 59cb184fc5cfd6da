//! The third phase once more, cell by cell as the gates read it, so that a prover can move any of its
//! cells and have the rest follow. Without changes it is the honest one.

use std::collections::HashMap;

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::checker::{Challenges, Columns, System};
use super::weaker::Weakening;
use crate::Assignment;
use crate::FirstPhase;
use crate::LaneColumns;
use crate::layout::profile::{LaneBase, TileCells};
use crate::layout::scalar_program::{Cell, Chain, Load, Operand, ScalarColumn, Step};
use crate::layout::tile::{CONSUMED, PRODUCED};
use crate::witness::lookups::batch_invert;
use assay_graph::{ACTIVATION_OFFSET, WEIGHT_OFFSET};

/// Columns of the last phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Late {
    /// The helper of a lane's lookups.
    Helper(usize),
    Sum,
    Produced,
    Consumed,
    /// By rows of the weights' domain.
    Weights,
    Product,
    S0,
    S1,
}

pub(super) struct Later<'a> {
    pub system: &'a System,
    pub weaker: &'a Weakening,
    pub drawn: Challenges,
    pub assignment: &'a Assignment<'a>,
    pub first: &'a FirstPhase,
    pub rest: &'a [Fr],
    pub multiplicity: &'a [Fr],
    pub public: &'a [Fr],
    pub late: &'a HashMap<(Late, usize), Fr>,
}

#[derive(Default)]
struct Scalars {
    s0: Vec<Fr>,
    s1: Vec<Fr>,
    product: Vec<Fr>,
    weights: Vec<Fr>,
    produced: Vec<Fr>,
    consumed: Vec<Fr>,
}

impl Later<'_> {
    fn moved(&self, column: Late, row: usize) -> Fr {
        self.late.get(&(column, row)).copied().unwrap_or(Fr::ZERO)
    }

    pub(super) fn columns(&self) -> Columns {
        let config = &self.system.config;
        let stride = config.profile.weight_stride;
        let mut advice = vec![vec![Fr::ZERO; self.system.rows]; self.system.advice_columns];
        let strided = |values: &[Fr]| {
            let mut column = vec![Fr::ZERO; self.system.rows];
            for (row, value) in values.iter().enumerate() {
                column[row * stride] = *value;
            }
            column
        };
        for (column, values) in config.weights.iter().zip(&*self.first.extended_weights()) {
            advice[column.index()] = values.clone();
        }
        for (lane, values) in config.lanes.iter().zip(&self.first.lanes) {
            advice[lane.pre.index()] = values.pre.to_full();
            advice[lane.out.index()] = values.out.to_full();
            advice[lane.rem.index()] = values.rem.to_full();
        }
        advice[config.multiplicity.index()] = self.multiplicity.to_vec();
        advice[config.rest.index()] = strided(self.rest);
        let helpers = self.helpers();
        advice[config.lookup_sum.index()] = self.lookup_sum(&helpers);
        for (column, helper) in config.lookups.iter().zip(helpers) {
            advice[column.index()] = helper;
        }
        let scalars = self.scalars();
        advice[config.weight_sum.index()] = strided(&scalars.weights);
        for (column, values) in [
            (config.produced, scalars.produced),
            (config.consumed, scalars.consumed),
            (config.product, scalars.product),
            (config.s0, scalars.s0),
            (config.s1, scalars.s1),
        ] {
            advice[column.index()] = values;
        }
        Columns { advice, public: self.public.to_vec(), challenges: self.drawn }
    }

    /// `1 / (beta + e1) + 1 / (beta + e2)` for each lane.
    fn helpers(&self) -> Vec<Vec<Fr>> {
        let config = &self.system.config;
        let theta = self.drawn.first.theta;
        let tiles = &self.assignment.layout.tiles;
        let lanes = self.first.lanes.iter().enumerate();
        let fill = |(lane, columns): (usize, &LaneColumns)| {
            let [mut looked_up, mut remainders] =
                [(); 2].map(|()| vec![Fr::ZERO; self.system.rows]);
            for tile in tiles.iter().filter(|tile| tile.cells == TileCells::Lookup) {
                for row in tile.first_row..tile.first_row + tile.rows() {
                    let tag = |column: usize| {
                        let tag = self.system.fixed("lookup", column, row, self.weaker);
                        tag * theta.square() + self.drawn.first.beta
                    };
                    let function = tag(config.function.index());
                    let [pre, out, rem] = columns.cells(row);
                    looked_up[row] = pre + out * theta + function;
                    remainders[row] = rem + tag(config.shift.index());
                }
            }
            batch_invert(&mut looked_up);
            batch_invert(&mut remainders);
            let rows = 0..self.system.rows;
            rows.map(|row| looked_up[row] + remainders[row] + self.moved(Late::Helper(lane), row))
                .collect()
        };
        lanes.map(fill).collect()
    }

    fn lookup_sum(&self, helpers: &[Vec<Fr>]) -> Vec<Fr> {
        let theta = self.drawn.first.theta;
        let table = self.system.config.table.map(|column| column.index());
        let mut inverses = (0..self.system.rows)
            .map(|row| {
                let [a, b, tag] =
                    table.map(|c| self.system.fixed("lookup sum", c, row, self.weaker));
                a + (b + tag * theta) * theta + self.drawn.first.beta
            })
            .collect::<Vec<_>>();
        batch_invert(&mut inverses);
        let mut sums = vec![self.moved(Late::Sum, 0)];
        for row in 0..self.system.rows - 1 {
            let sum = helpers.iter().fold(sums[row], |sum, helper| sum + helper[row]);
            let moved = self.moved(Late::Sum, row + 1);
            sums.push(sum - self.multiplicity[row] * inverses[row] + moved);
        }
        sums
    }

    /// By rows of the weights' domain, from the last to the first.
    fn weight_sums(&self) -> Vec<Fr> {
        let layout = self.assignment.layout;
        let (v, z) = (self.drawn.first.v, self.drawn.z);
        let rows = layout.weight_domain();
        let zero = Fr::from(WEIGHT_OFFSET as u64);
        // Base of Horner's rule, cells, and whether the next row goes on.
        let mut kinds = vec![None; rows];
        for kernel in &layout.kernels {
            kernel.for_each_dense_row(|row| {
                kinds[row] = Some((v, layout.options.weight_columns, true));
            });
            kernel.for_each_kernel_row(|row, kind| {
                let step = z.pow_vartime([u64::from(kind.step)]);
                kinds[row] = Some((step, kind.live, false));
            });
        }
        for grid in &layout.rests {
            kinds[grid.first_row..grid.first_row + grid.rows()].fill(Some((z, 0, true)));
        }
        let mut sums = vec![Fr::ZERO; rows + 1];
        for row in (0..rows).rev() {
            let sum = kinds[row].map_or(Fr::ZERO, |(base, cells, goes_on)| {
                let cells = self.first.weights[..cells].iter().rev();
                let next = if goes_on { sums[row + 1] } else { Fr::ZERO };
                if cells.len() == 0 {
                    return next * base + self.rest[row];
                }
                cells.fold(next, |sum, column| sum * base + column.get(row) - zero)
            });
            sums[row] = sum + self.moved(Late::Weights, row);
        }
        sums.truncate(rows);
        sums
    }

    fn scalars(&self) -> Scalars {
        let layout = self.assignment.layout;
        let column = || vec![Fr::ZERO; self.system.rows];
        let mut scalars = Scalars {
            s0: column(),
            s1: column(),
            product: column(),
            weights: self.weight_sums(),
            produced: column(),
            consumed: column(),
        };
        let Challenges { first, z } = self.drawn;
        for (row, load) in &layout.program.loads {
            let value = match load {
                Load::Instance => self.public.get(*row).copied().unwrap_or(Fr::ZERO),
                Load::Constant(value) => *value,
                Load::V => first.v,
                Load::Z => z,
                Load::U => first.u,
            };
            scalars.s1[*row] = value + self.moved(Late::S1, *row);
        }
        if let Some(hash) = &layout.hash {
            for (row, [s0, s1]) in (hash.first_row..).zip(&self.first.hash_scalars) {
                scalars.s0[row] = *s0 + self.moved(Late::S0, row);
                scalars.s1[row] = *s1 + self.moved(Late::S1, row);
            }
        }
        for step in &layout.program.steps {
            match step {
                Step::Chain(chain) => self.chain(chain, &mut scalars),
                Step::Evaluations => self.tiles(&mut scalars),
            }
        }
        scalars
    }

    fn chain(&self, chain: &Chain, scalars: &mut Scalars) {
        let after = chain.row + 1 + chain.terms.len();
        let mut sum = self.moved(Late::Product, after);
        scalars.product[after] = sum;
        for (index, (a, b)) in chain.terms.iter().enumerate().rev() {
            let row = chain.row + 1 + index;
            scalars.s0[row] = self.operand(a, scalars) + self.moved(Late::S0, row);
            scalars.s1[row] = self.operand(b, scalars) + self.moved(Late::S1, row);
            sum += scalars.s0[row] * scalars.s1[row] + self.moved(Late::Product, row);
            scalars.product[row] = sum;
        }
        scalars.s0[chain.row] = sum + self.moved(Late::S0, chain.row);
    }

    fn operand(&self, operand: &Operand, scalars: &Scalars) -> Fr {
        let get = |cell: Cell| match cell.column {
            ScalarColumn::S0 => scalars.s0[cell.row],
            ScalarColumn::S1 => scalars.s1[cell.row],
            ScalarColumn::WeightSum => scalars.weights[cell.row],
        };
        match operand {
            Operand::Free(value) => self.assignment.free_value(*value),
            Operand::Copy(cell) => get(*cell),
            Operand::Quotient { numerator, denominator } => {
                get(*numerator) * get(*denominator).invert().unwrap_or(Fr::ZERO)
            }
        }
    }

    fn tiles(&self, scalars: &mut Scalars) {
        let config = &self.system.config;
        let layout = self.assignment.layout;
        let offset = Fr::from(ACTIVATION_OFFSET as u64);
        let Challenges { first: drawn, z } = self.drawn;
        let base = |base: LaneBase| match base {
            LaneBase::Challenge(step) => z.pow_vartime([u64::from(step)]),
            LaneBase::Image => drawn.u,
            LaneBase::Byte => Fr::from(256),
        };
        for (tile, factors) in layout.tiles.iter().zip(&layout.tile_factors) {
            let scale = Fr::from(1 << tile.shift);
            let per_channel = tile.rows_per_channel();
            for index in (0..tile.rows()).rev() {
                let (row, within) = (tile.first_row + index, index % per_channel);
                let flagged = config.patterns.iter().position(|column| {
                    let flag =
                        self.system.fixed("tile evaluations", column.index(), row, self.weaker);
                    flag == Fr::ONE
                });
                let pattern = config.profile.patterns[flagged.expect("each row has a pattern")];
                let bases = [pattern.produced, pattern.consumed].map(base);
                let mut sums = [Fr::ZERO; 2];
                for lane in self.first.lanes[..pattern.live].iter().rev() {
                    let [pre, out, rem] = lane.cells(row);
                    let (pre, out) = (pre - offset, out - offset);
                    let values = match tile.cells {
                        TileCells::Lookup => [pre * scale + rem, out],
                        TileCells::Product => [pre * out, pre + drawn.v * out],
                    };
                    sums = [0, 1].map(|side| sums[side] * bases[side] + values[side]);
                }
                for side in [PRODUCED, CONSUMED] {
                    let step = if within + 1 < per_channel {
                        Some(tile.step_to(within + 1))
                    } else {
                        let channel = index / per_channel + 1;
                        (channel < tile.shape[0])
                            .then(|| tile.channel_step(side, channel))
                            .flatten()
                    };
                    let Some(step) = step else { continue };
                    let factor = self.operand(&Operand::Copy(factors.of(step)[side]), scalars);
                    let next = row + 1;
                    if side == PRODUCED {
                        scalars.s1[next] = factor + self.moved(Late::S1, next);
                        sums[side] += scalars.s1[next] * scalars.produced[next];
                    } else {
                        scalars.s0[next] = factor + self.moved(Late::S0, next);
                        sums[side] += scalars.s0[next] * scalars.consumed[next];
                    }
                }
                scalars.produced[row] = sums[0] + self.moved(Late::Produced, row);
                scalars.consumed[row] = sums[1] + self.moved(Late::Consumed, row);
                // Of a channel that others run on into the factor follows.
                if within == 0 {
                    scalars.s1[row] = scalars.produced[row] + self.moved(Late::S1, row);
                    scalars.s0[row] = scalars.consumed[row] + self.moved(Late::S0, row);
                }
            }
        }
        // The gate continues the first channel into the row before it, backwards.
        let row = layout.tiles[0].first_row;
        scalars.produced[row - 1] = -(scalars.s1[row] * scalars.produced[row]);
        scalars.consumed[row - 1] = -(scalars.s0[row] * scalars.consumed[row]);
    }
}
