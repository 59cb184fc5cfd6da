//! Claims about layers that move elements or multiply matrices of activations. Pairs of positions, one of
//! each of two grids, have exponents of their own: one grid lies between neighbours of the other.

use assay_graph::{Rescale, TensorId};

use super::Claims;
use crate::layout::scalar_program::Cell;
use crate::layout::tile::TileSource;

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
        let places = self.builder.z_grid(reading, [height, width]);
        let left =
            self.grouped(groups, &channels, |claims, channel| claims.evaluation(input, channel));
        let right = self.grouped(groups, &places, |claims, channel| claims.produced(tile, channel));
        let right = self.less_halves(right, groups, rescale, |claims| {
            let pairs = claims.ones(reading, height, width);
            let others = claims.grid(produced, tall, wide);
            claims.builder.multiply(pairs, others)
        });
        self.builder.equal("transposition", left, right);
    }

    /// `sum_e A^_e B^_e = sum_i z^(i's place) acc^_i` in each group, with `A` read from its copy, so far
    /// apart that a line of `B` fits between neighbours. In a batch for each image by itself.
    pub(super) fn matrix_product(
        &mut self,
        index: usize,
        inputs: [TensorId; 2],
        groups: usize,
        rescale: &Rescale,
    ) {
        let first = self.tile_of(TileSource::Copied { layer: index, input: 0 });
        let tile = self.tile_of(TileSource::Layer(index));
        let images = self.parts.tiles[tile].apart;
        self.copied(index, 0, inputs[0]);
        let second = (images > 1).then(|| {
            self.copied(index, 1, inputs[1]);
            self.tile_of(TileSource::Copied { layer: index, input: 1 })
        });
        let [_, _, rows] = self.parts.tiles[first].shape;
        let [_, _, columns] = self.parts.tiles[tile].shape;
        let channels = self.parts.tiles[first].channels();
        let apart = self.parts.tiles[first].consumed;
        let places = self.builder.z_grid(apart, [1, rows]);
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for image in 0..images {
            let products = (0..groups)
                .map(|group| {
                    let pairs = (0..channels / groups)
                        .map(|e| {
                            let channel = group * (channels / groups) + e;
                            let own = image * channels + channel;
                            let b = match second {
                                Some(second) => self.consumed(second, own),
                                None => self.evaluation(inputs[1], channel),
                            };
                            (self.consumed(first, own), b)
                        })
                        .collect::<Vec<_>>();
                    self.builder.dot(&pairs)
                })
                .collect();
            lefts.push(self.fold_groups(products));
            rights.push(self.grouped(groups, &places, |claims, channel| {
                claims.produced(tile, image * groups * rows + channel)
            }));
        }
        let (left, right) = (self.fold_images(lefts), self.fold_images(rights));
        let reading = self.parts.readings[inputs[1]];
        let right = self.less_halves(right, groups, rescale, |claims| {
            let pairs = claims.ones(reading, 1, columns);
            let others = claims.grid(apart, 1, rows);
            claims.builder.multiply(pairs, others)
        });
        self.builder.equal("matrix product", left, right);
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
        let powers = self.powers(groups, |group| group);
        let (one, half) = (self.builder.one(), self.builder.integer(-rescale.half()));
        let powers = self.builder.multiply(powers, half);
        self.builder.dot(&[(produced, one), (powers, pairs)])
    }
}
