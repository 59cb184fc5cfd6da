//! What a statement says of the logits: the largest, the best few, with their logits or without, all, or how
//! many classes beat a given one; of a network with one output, the number itself.
//!
//! With `key_j = 2^s * logit_j + (n - 1 - j)`, `2^s >= n`, all keys differ, and a larger one means a
//! larger logit or, among equals, a lower class.

use assay_graph::ACTIVATION_OFFSET;

use super::Claims;
use crate::layout::scalar_program::Cell;
use crate::layout::tile::TileSource;
use crate::statement::OutputMode;

impl Claims<'_, '_> {
    /// The outputs of a prediction.
    pub(super) fn outputs(&mut self, mode: OutputMode) {
        let first = self.parts.statement.first_output(self.parts.graph);
        match mode {
            OutputMode::Class => {
                let instance = self.builder.instance(first);
                for class in self.largest() {
                    self.builder.equal("public class", class, instance);
                }
            }
            OutputMode::Best(count) | OutputMode::Scored(count) => {
                let classes = self.ranked_classes();
                for (rank, not_below) in self.comparisons().into_iter().enumerate() {
                    let place = self.builder.integer(1 + rank as i64);
                    self.builder.equal("place of a best class", not_below, place);
                    let instance = self.builder.instance(first + rank);
                    self.builder.equal("public best class", classes[rank], instance);
                }
                if mode == OutputMode::Scored(count) {
                    self.ranked_logits(first + count);
                }
            }
            OutputMode::Commitment => self.output_commitment(first),
            OutputMode::Logits => {
                let graph = self.parts.graph;
                let offset = self.builder.integer(i64::from(ACTIVATION_OFFSET));
                for class in 0..graph.tensors[graph.output].shape[0] {
                    let logit = self.evaluation(graph.output, class);
                    let stored = self.builder.sum(&[logit, offset]);
                    let instance = self.builder.instance(first + class);
                    self.builder.equal("public logit", stored, instance);
                }
            }
        }
    }

    /// The class of each image's largest key: all its keys are at most the largest, one equals it, and
    /// its low part names the class.
    pub(super) fn largest(&mut self) -> Vec<Cell> {
        let graph = self.parts.graph;
        let classes = graph.tensors[graph.output].shape[0];
        let tile = self.tile_of(TileSource::Ranking);
        let tops = (0..self.parts.statement.images()).map(|image| image * (classes + 1));
        let tops = tops.collect::<Vec<_>>();
        let below = |claims: &Self, top: usize| {
            (top + 1..=top + classes).map(|j| claims.produced(tile, j)).collect::<Vec<_>>()
        };
        let (mut keys, mut negated) = (Vec::new(), Vec::new());
        for top in &tops {
            keys.push(self.key(tile, *top));
            let minus = self.builder.integer(-1);
            let distances = self.weighted(&below(self, *top));
            negated.push(self.builder.multiply(distances, minus));
        }
        let (negated, key) = (self.folded(&negated), self.folded(&keys));
        let images = self.images();
        self.assert_differences("distances to the largest key", negated, images, key);
        let class = |top: usize| {
            self.assert_some_zero("largest of the keys", &below(self, top));
            self.class_of(tile, top)
        };
        tops.into_iter().map(class).collect()
    }

    /// The one output of the network for each image, as integer + 2^15.
    pub(super) fn numbers(&mut self) -> Vec<Cell> {
        let graph = self.parts.graph;
        let tile = self.tile_of(TileSource::Number);
        let images = 0..self.parts.statement.images();
        let numbers = images.map(|image| self.produced(tile, image)).collect::<Vec<_>>();
        let folded = self.folded(&numbers);
        let output = self.evaluation(graph.output, 0);
        self.builder.equal("numbers of the items", folded, output);
        let offset = self.builder.integer(i64::from(ACTIVATION_OFFSET));
        numbers.into_iter().map(|number| self.builder.sum(&[number, offset])).collect()
    }

    /// `sum_b u^b cell_b`; of one image its cell.
    fn folded(&mut self, cells: &[Cell]) -> Cell {
        if let [cell] = cells {
            return *cell;
        }
        let powers = cells.iter().enumerate();
        let terms = powers.map(|(image, cell)| (*cell, self.image_power(image)));
        let terms = terms.collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// The classes of the ranked keys.
    pub(super) fn ranked_classes(&mut self) -> Vec<Cell> {
        let tile = self.tile_of(TileSource::RankedClass);
        (0..self.parts.tiles[tile].shape[0]).map(|rank| self.class_of(tile, rank)).collect()
    }

    /// The logits of the ranked keys, which are the keys without their low bits, are public from `first` on.
    fn ranked_logits(&mut self, first: usize) {
        let tile = self.tile_of(TileSource::RankedClass);
        // A tile holds logits less the least one.
        let least = self.parts.graph.tensors[self.parts.graph.output].min;
        let offset = self.builder.integer(i64::from(ACTIVATION_OFFSET) + i64::from(least));
        for rank in 0..self.parts.tiles[tile].shape[0] {
            let logit = self.consumed(tile, rank);
            let stored = self.builder.sum(&[logit, offset]);
            let instance = self.builder.instance(first + rank);
            self.builder.equal("public score of a best class", stored, instance);
        }
    }

    /// For each ranked class, how many classes are not below it, itself included. The ranked key
    /// is one of the keys.
    pub(super) fn comparisons(&mut self) -> Vec<Cell> {
        let graph = self.parts.graph;
        let classes = graph.tensors[graph.output].shape[0];
        let ranked = self.tile_of(TileSource::RankedClass);
        let tile = self.tile_of(TileSource::Comparisons);
        let ranks = self.parts.tiles[ranked].shape[0];
        let one = self.builder.one();
        let (mut sums, mut folded, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for rank in 0..ranks {
            let channels = rank * classes..(rank + 1) * classes;
            let above = channels.clone().map(|c| self.produced(tile, c)).collect::<Vec<_>>();
            let weighted = self.weighted(&above);
            let key = self.key(ranked, rank);
            if self.parts.statement.images() == 1 {
                self.assert_differences("differences of keys", weighted, one, key);
            } else {
                let power = self.image_power(rank);
                folded.push((weighted, power));
                keys.push((key, power));
            }
            self.assert_some_zero("one of the keys", &above);
            let bits = channels.map(|c| self.consumed(tile, c)).collect::<Vec<_>>();
            sums.push(self.builder.sum(&bits));
        }
        if !folded.is_empty() {
            let (above, keys) = (self.builder.dot(&folded), self.builder.dot(&keys));
            let images = self.images();
            self.assert_differences("differences of keys", above, images, keys);
        }
        sums
    }

    /// Asserts `above = sum_j v^(j * power) (key_j - key)`, or its fold over the images: `images` is the sum
    /// of their powers.
    fn assert_differences(&mut self, rule: &'static str, above: Cell, images: Cell, key: Cell) {
        let graph = self.parts.graph;
        let classes = graph.tensors[graph.output].shape[0];
        let scale = self.builder.integer(1 << self.ranking_shift());
        let (one, minus) = (self.builder.one(), self.builder.integer(-1));
        let combined = self.combined_evaluation(graph.output);
        let powers = self.powers(classes);
        // sum_j v^j (n - 1 - j) = (sum_j v^j - n) / (v - 1), and so for powers of a power of v.
        let v = self.power(1);
        let count = self.builder.integer(-(classes as i64));
        let numerator = self.builder.dot(&[(powers, one), (count, one)]);
        let denominator = self.builder.dot(&[(v, one), (minus, one)]);
        let places = self.builder.divide(numerator, denominator);
        let left = self.builder.dot(&[(above, one), (key, powers)]);
        let right = self.builder.dot(&[(combined, scale), (places, images)]);
        self.builder.equal(rule, left, right);
    }

    fn assert_some_zero(&mut self, rule: &'static str, cells: &[Cell]) {
        let product =
            cells.iter().copied().reduce(|product, cell| self.builder.multiply(product, cell));
        let zero = self.builder.integer(0);
        // Among none there is no zero: the empty product is 1.
        let product = product.unwrap_or_else(|| self.builder.one());
        self.builder.equal(rule, product, zero);
    }

    /// The key that a channel of a ranking tile holds.
    fn key(&mut self, tile: usize, channel: usize) -> Cell {
        let graph = self.parts.graph;
        let least = i64::from(graph.tensors[graph.output].min) << self.ranking_shift();
        let least = self.builder.integer(least);
        self.builder.sum(&[self.produced(tile, channel), least])
    }

    /// The class of that key: `n - 1` less its low part.
    fn class_of(&mut self, tile: usize, channel: usize) -> Cell {
        let graph = self.parts.graph;
        let classes = graph.tensors[graph.output].shape[0] as i64;
        let scale = self.builder.integer(1 << self.ranking_shift());
        let (one, minus) = (self.builder.one(), self.builder.integer(-1));
        let last = self.builder.integer(classes - 1);
        let (key, logit) = (self.produced(tile, channel), self.consumed(tile, channel));
        self.builder.dot(&[(key, minus), (logit, scale), (last, one)])
    }

    fn ranking_shift(&self) -> u32 {
        let graph = self.parts.graph;
        graph.tensors[graph.output].shape[0].next_power_of_two().ilog2()
    }
}
