//! Claims about layers that move elements or multiply matrices of activations. Pairs of positions, one of
//! each of two grids, have exponents of their own: one grid lies between neighbours of the other.

use assay_graph::{Rescale, TensorId};

use super::{Claims, Parts};
use crate::layout::reading::Reading;
use crate::layout::scalar_program::Cell;
use crate::layout::tile::{PRODUCED, TileSource};

impl Claims<'_, '_> {
    /// `sum_i z^(i's place) X^_i = sum_p z^(p's place) acc^_p` in each group, over its channels `i` and
    /// positions `p`, which are the output's positions and channels.
    pub(super) fn transposition(
        &mut self,
        index: usize,
        input: TensorId,
        groups: usize,
        rescale: &Rescale,
    ) {
        let [_, height, width] = self.parts.graph.tensors[input].shape;
        let tile = self.tile_of(TileSource::Layer(index));
        let ([_, tall, wide], produced) =
            (self.parts.tiles[tile].shape, self.parts.tiles[tile].produced);
        let reading = self.parts.readings[input];
        let channels = self.builder.z_grid(produced, [tall, wide]);
        let left =
            self.grouped(groups, &channels, |claims, channel| claims.evaluation(input, channel));
        let right = if self.runs_on(tile) {
            self.produced(tile, 0)
        } else {
            let places = self.builder.z_grid(reading, [height, width]);
            self.grouped(groups, &places, |claims, channel| claims.produced(tile, channel))
        };
        let right = self.less_halves(right, groups, rescale, |claims| {
            let pairs = claims.ones(reading, height, width);
            let others = claims.grid(produced, tall, wide);
            claims.builder.multiply(pairs, others)
        });
        self.builder.equal("transposition", left, right);
    }

    /// `sum_e A^_e B^_e = sum_i z^(i's place) acc^_i` in each group, with `A` read so far apart that a
    /// line of `B` fits between neighbours, from a copy where need be. In a batch for each image by itself.
    pub(super) fn matrix_product(
        &mut self,
        index: usize,
        inputs: [TensorId; 2],
        groups: usize,
        rescale: &Rescale,
    ) {
        let Parts { graph, readings, .. } = *self.parts;
        let copies = [0, 1].map(|number| self.copy_of(index, number, inputs[number]));
        let tile = self.tile_of(TileSource::Layer(index));
        let images = self.parts.tiles[tile].apart;
        let [channels, _, rows] = graph.tensors[inputs[0]].shape;
        let [_, _, columns] = self.parts.tiles[tile].shape;
        let reading = readings[inputs[1]];
        let apart = Reading { column: reading.column * columns as u64, line: 0 };
        let runs_on = self.runs_on(tile);
        let rows_alone = if runs_on { 0 } else { rows };
        let places = self.builder.z_grid(apart, [1, rows_alone]);
        let depth = channels / groups;
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for image in 0..images {
            let products = (0..groups)
                .map(|group| {
                    let pairs = (group * depth..(group + 1) * depth)
                        .map(|channel| {
                            let [a, b] = [0, 1].map(|number| match copies[number] {
                                Some(copy) => self.consumed(copy, image * channels + channel),
                                None => self.evaluation(inputs[number], channel),
                            });
                            (a, b)
                        })
                        .collect::<Vec<_>>();
                    self.builder.dot(&pairs)
                })
                .collect();
            lefts.push(self.fold_groups(products));
            if runs_on {
                rights.push(self.produced(tile, 0));
                continue;
            }
            rights.push(self.grouped(groups, &places, |claims, channel| {
                claims.produced(tile, image * groups * rows + channel)
            }));
        }
        let (left, right) = (self.fold_images(lefts), self.fold_images(rights));
        let right = self.less_halves(right, groups, rescale, |claims| {
            let pairs = claims.ones(reading, 1, columns);
            let others = claims.grid(apart, 1, rows);
            claims.builder.multiply(pairs, others)
        });
        self.builder.equal("matrix product", left, right);
    }

    /// Whether what a layer's tile produces is one evaluation: its steps are the powers of the claim.
    fn runs_on(&self, tile: usize) -> bool {
        self.parts.tiles[tile].folds[PRODUCED].is_some()
    }

    /// The copy of a layer's input, tied to it, where the layer has one.
    fn copy_of(&mut self, index: usize, number: usize, input: TensorId) -> Option<usize> {
        let source = TileSource::Copied { layer: index, input: number };
        let copy = self.parts.tiles.iter().position(|tile| tile.source == source)?;
        self.copied(index, number, input);
        Some(copy)
    }

    /// `sum_g v^g sum_i factors[i] * of(g's channel i)`.
    fn grouped(
        &mut self,
        groups: usize,
        factors: &[Cell],
        of: impl Fn(&mut Self, usize) -> Cell,
    ) -> Cell {
        let sums = (0..groups)
            .map(|group| {
                let terms = factors.iter().enumerate();
                let terms = terms.map(|(i, factor)| (of(self, group * factors.len() + i), *factor));
                let terms = terms.collect::<Vec<_>>();
                self.builder.dot(&terms)
            })
            .collect();
        self.fold_groups(sums)
    }

    /// `sum_g v^g sums[g]`.
    fn fold_groups(&mut self, sums: Vec<Cell>) -> Cell {
        if let [sum] = sums.as_slice() {
            return *sum;
        }
        let terms = sums.into_iter().enumerate();
        let terms = terms.map(|(group, sum)| (sum, self.builder.v_power(group)));
        let terms = terms.collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_b u^b sums[b]`.
    fn fold_images(&mut self, sums: Vec<Cell>) -> Cell {
        if let [sum] = sums.as_slice() {
            return *sum;
        }
        let terms = sums.into_iter().enumerate();
        let terms = terms.map(|(image, sum)| (sum, self.image_power(image)));
        let terms = terms.collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// What is produced less the rounding constant at each pair of places of each group.
    fn less_halves(
        &mut self,
        produced: Cell,
        groups: usize,
        rescale: &Rescale,
        pairs: impl FnOnce(&mut Self) -> Cell,
    ) -> Cell {
        if rescale.half() == 0 {
            return produced;
        }
        let pairs = pairs(self);
        let powers = self.group_powers(groups);
        let (one, half) = (self.builder.one(), self.builder.integer(-rescale.half()));
        let powers = self.builder.multiply(powers, half);
        self.builder.dot(&[(produced, one), (powers, pairs)])
    }
}
