//! Channels taken together, with powers of `v`.

use assay_graph::TensorId;

use super::{Claims, Parts};
use crate::layout::kernels::Kernel;
use crate::layout::scalar_program::Cell;
use crate::layout::tile::{CONSUMED, PRODUCED};

/// Sums of more channels are made of sums of so many: each power of `v` is a cell of its own.
const BLOCK: usize = 256;

impl Claims<'_, '_> {
    /// `sum_c v^(c * power) X^_c`, with the power of claims about elements.
    pub(super) fn combined_evaluation(&mut self, tensor: TensorId) -> Cell {
        let channels = self.parts.graph.tensors[tensor].shape[0];
        if !self.parts.folds.any {
            let terms = (0..channels)
                .map(|channel| (self.evaluation(tensor, channel), self.builder.v_power(channel)))
                .collect::<Vec<_>>();
            return self.builder.dot(&terms);
        }
        if let Some(cell) = self.combined.get(&tensor) {
            return *cell;
        }
        let cell = self.combined_parts(tensor, channels);
        self.combined.insert(tensor, cell);
        cell
    }

    /// The sum over the tiles whose channels run on, which stand for all channels of the tensor, and over the
    /// others, channel by channel.
    fn combined_parts(&mut self, tensor: TensorId, channels: usize) -> Cell {
        let Parts { tiles, views, readings, .. } = *self.parts;
        let views = &views[tensor];
        let runs_on = |tile: usize| tiles[tile].folds[CONSUMED].is_some();
        let whole = views[0].terms.iter().map(|(tile, _)| *tile).filter(|tile| runs_on(*tile));
        let whole = whole.collect::<Vec<_>>();
        if whole.is_empty() {
            if views.iter().all(|view| *view == views[0]) {
                // One channel, everywhere.
                let (cell, powers) = (self.evaluation(tensor, 0), self.powers(channels));
                return self.builder.multiply(cell, powers);
            }
            let cells = (0..channels).map(|channel| self.evaluation(tensor, channel));
            let cells = cells.collect::<Vec<_>>();
            return self.weighted(&cells);
        }
        let mut terms = Vec::with_capacity(whole.len() + 2);
        for tile in whole {
            let [tall, wide] = tiles[tile].repeat;
            let copies = self.grid(readings[tensor], tall, wide);
            terms.push((self.consumed(tile, 0), copies));
        }
        let others = views.iter().map(|view| {
            let others = view.terms.iter().filter(|(tile, _)| !runs_on(*tile));
            self.terms(tensor, others)
        });
        let others = others.collect::<Vec<_>>();
        if others.iter().any(|others| !others.is_empty()) {
            let one = self.builder.one();
            let cells = others.iter().map(|others| match others.as_slice() {
                [(cell, copies)] if *copies == one => *cell,
                others => self.builder.dot(others),
            });
            let cells = cells.collect::<Vec<_>>();
            terms.push((self.weighted(&cells), one));
        }
        let constants = views.iter().map(|view| view.constant).collect::<Vec<_>>();
        if constants.iter().any(|constant| *constant != 0) {
            let [_, height, width] = self.parts.graph.tensors[tensor].shape;
            let ones = self.ones(readings[tensor], height, width);
            let constants = if constants.iter().all(|constant| *constant == constants[0]) {
                let (powers, constant) =
                    (self.powers(channels), self.builder.integer(constants[0]));
                self.builder.multiply(powers, constant)
            } else {
                let cells = constants.iter().map(|constant| self.builder.integer(*constant));
                let cells = cells.collect::<Vec<_>>();
                self.weighted(&cells)
            };
            terms.push((constants, ones));
        }
        let one = self.builder.one();
        match terms.as_slice() {
            [(cell, copies)] if *copies == one => *cell,
            _ => self.builder.dot(&terms),
        }
    }

    /// `sum_j v^index(j) cell(j)` over a tile's channels, of one of its two evaluations. Where they run on
    /// into each other that is what the first of them holds: the tile's steps are these powers.
    pub(super) fn combined_tile(
        &mut self,
        tile: usize,
        side: usize,
        index: impl Fn(usize) -> usize,
    ) -> Cell {
        let cell = |claims: &Self, channel| match side {
            PRODUCED => claims.produced(tile, channel),
            _ => claims.consumed(tile, channel),
        };
        if self.parts.tiles[tile].folds[side].is_some() {
            return cell(self, 0);
        }
        let terms = (0..self.parts.tiles[tile].shape[0])
            .map(|channel| (cell(self, channel), self.builder.v_power(index(channel))))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// The same with the powers of claims about elements.
    pub(super) fn combined_elements(&mut self, tile: usize, side: usize) -> Cell {
        let power = self.parts.folds.power();
        self.combined_tile(tile, side, |channel| channel * power)
    }

    /// `v^(index * power)`, with the power of claims about elements.
    pub(super) fn power(&mut self, index: usize) -> Cell {
        self.builder.v_power(index * self.parts.folds.power())
    }

    /// `sum_j v^(j * power)`.
    pub(super) fn powers(&mut self, count: usize) -> Cell {
        if self.parts.folds.any {
            return self.builder.v_geometric(self.parts.folds.power(), count);
        }
        let cells = (0..count).map(|j| self.builder.v_power(j)).collect::<Vec<_>>();
        self.builder.sum(&cells)
    }

    /// `sum_g v^g`.
    pub(super) fn group_powers(&mut self, groups: usize) -> Cell {
        if self.parts.folds.any {
            return self.builder.v_geometric(1, groups);
        }
        let cells = (0..groups).map(|g| self.builder.v_power(g)).collect::<Vec<_>>();
        self.builder.sum(&cells)
    }

    /// `sum_j v^index(j)` over a convolution's outputs.
    pub(super) fn output_powers(&mut self, kernel: &Kernel) -> Cell {
        let (groups, outputs) = (kernel.groups, kernel.outputs);
        if self.parts.folds.any {
            let within = self.builder.v_geometric(1, outputs);
            let between = self.builder.v_geometric(kernel.output_index(outputs), groups);
            return self.builder.multiply(within, between);
        }
        let cells = (0..groups * outputs).map(|j| self.builder.v_power(kernel.output_index(j)));
        let cells = cells.collect::<Vec<_>>();
        self.builder.sum(&cells)
    }

    /// `sum_j v^(j * power) cell_j`.
    pub(super) fn weighted(&mut self, cells: &[Cell]) -> Cell {
        let block = if self.parts.folds.any { BLOCK } else { cells.len().max(1) };
        let mut sums = Vec::new();
        for (index, cells) in cells.chunks(block).enumerate() {
            let terms = cells.iter().enumerate().map(|(j, cell)| (*cell, self.power(j)));
            let terms = terms.collect::<Vec<_>>();
            sums.push((self.builder.dot(&terms), index * block));
        }
        match sums.as_slice() {
            [(sum, _)] => *sum,
            _ => {
                let terms = sums.into_iter().map(|(sum, first)| (sum, self.power(first)));
                let terms = terms.collect::<Vec<_>>();
                self.builder.dot(&terms)
            }
        }
    }
}
