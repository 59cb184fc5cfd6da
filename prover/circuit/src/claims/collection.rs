//! Statements about the items of a committed collection: leaves and tree, which items count, and
//! what is counted.

use assay_arithmetic::packed_outputs::{OUTPUT_BITS, OUTPUTS_PER_ELEMENT};
use assay_arithmetic::poseidon;

use super::Claims;
use crate::layout::hash_rows::HashRows;
use crate::layout::scalar_program::{Cell, FreeValue};
use crate::layout::tile::TileSource;
use crate::statement::{AnswerMode, Run};

/// Places of the public inputs.
const ROOT: usize = 1;
const FIRST: usize = 2;
const ITEMS: usize = 3;
/// The first of a classification's words.
const RESULT: usize = 4;

impl Claims<'_, '_> {
    /// So many of the items are correct: fewer than `top` classes beat the item's label.
    pub(super) fn audit(&mut self, run: Run, top: usize) {
        let labels = self.ranked_classes();
        let active = self.collection(run, Some(&labels));
        let verdicts = self.verdicts(top);
        let terms = active.into_iter().zip(verdicts).collect::<Vec<_>>();
        let count = self.builder.dot(&terms);
        let instance = self.builder.instance(RESULT);
        self.builder.equal("public count", count, instance);
    }

    /// Bit `i` of the bitmap says that the model assigns item `i` to `class`.
    pub(super) fn retrieval(&mut self, run: Run, class: usize) {
        let wanted = self.builder.integer(class as i64);
        for class in self.ranked_classes() {
            self.builder.equal("wanted class", class, wanted);
        }
        let active = self.collection(run, None);
        let verdicts = self.verdicts(1);
        let mut terms = Vec::with_capacity(run.items());
        for (index, (active, verdict)) in active.into_iter().zip(verdicts).enumerate() {
            let selected = self.builder.multiply(active, verdict);
            let bit = self.builder.power_of_two(index as u32);
            terms.push((selected, bit));
        }
        let bitmap = self.builder.dot(&terms);
        let instance = self.builder.instance(RESULT);
        self.builder.equal("public bitmap", bitmap, instance);
    }

    /// What the model makes of each item. The answer of item `i` stands in word `i / 15` from bit
    /// `16 (i mod 15)` on; places without an item hold 0.
    pub(super) fn classification(&mut self, run: Run, answers: AnswerMode) {
        let answers = match answers {
            AnswerMode::Classes => self.largest(),
            AnswerMode::Numbers => self.numbers(),
        };
        let active = self.collection(run, None);
        let items = active.into_iter().zip(answers).collect::<Vec<_>>();
        for (word, items) in items.chunks(OUTPUTS_PER_ELEMENT).enumerate() {
            let mut terms = Vec::with_capacity(items.len());
            for (place, (active, answer)) in items.iter().enumerate() {
                let shown = self.builder.multiply(*active, *answer);
                terms.push((shown, self.builder.power_of_two(OUTPUT_BITS * place as u32)));
            }
            let packed = self.builder.dot(&terms);
            let instance = self.builder.instance(RESULT + word);
            self.builder.equal("public answers", packed, instance);
        }
    }

    /// 1 for each item that fewer than `top` classes beat.
    fn verdicts(&mut self, top: usize) -> Vec<Cell> {
        let not_below = self.comparisons();
        let tile = self.tile_of(TileSource::Verdict);
        let top = self.builder.integer(top as i64);
        // The class itself is among those that are not below it: top - (1 + beating) >= 0.
        for (item, not_below) in not_below.into_iter().enumerate() {
            let sum = self.builder.sum(&[self.produced(tile, item), not_below]);
            self.builder.equal("verdict", sum, top);
        }
        (0..self.parts.tiles[tile].shape[0]).map(|item| self.consumed(tile, item)).collect()
    }

    /// The items are those of the public tree at the public place; returns which of them count.
    fn collection(&mut self, run: Run, labels: Option<&[Cell]>) -> Vec<Cell> {
        let hash = self.parts.hash.expect("the layout hashes the items of a collection");
        let active = self.active(run.items());
        let mut level = self.leaves(hash, labels);
        for (item, leaf) in level.iter_mut().enumerate() {
            let masked = self.builder.free(FreeValue::MaskedLeaf(item));
            *leaf = self.select(active[item], *leaf, masked);
        }
        let mut block = hash.chain_block(run.items(), 0);
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| {
                    block += 1;
                    self.node(hash, block - 1, pair[0], pair[pair.len() - 1])
                })
                .collect();
        }
        let mut root = level[0];
        let mut places = Vec::with_capacity(run.path());
        for height in 0..run.path() {
            let bit = self.boolean("path bit", FreeValue::PathBit(height));
            let sibling = self.builder.free(FreeValue::Sibling(height));
            let left = self.select(bit, sibling, root);
            let (one, minus) = (self.builder.one(), self.builder.integer(-1));
            let right = self.builder.dot(&[(sibling, one), (root, one), (left, minus)]);
            root = self.node(hash, block, left, right);
            block += 1;
            places.push((bit, self.builder.power_of_two(run.log_items + height as u32)));
        }
        let first = self.builder.dot(&places);
        for (rule, cell, place) in [("public root", root, ROOT), ("public place", first, FIRST)] {
            let instance = self.builder.instance(place);
            self.builder.equal(rule, cell, instance);
        }
        active
    }

    /// Which items count: the first so many as the public input says.
    fn active(&mut self, items: usize) -> Vec<Cell> {
        let active = (0..items)
            .map(|item| self.boolean("active bit", FreeValue::Active(item)))
            .collect::<Vec<_>>();
        // What follows an item that does not count does not count.
        for pair in active.windows(2) {
            let both = self.builder.multiply(pair[0], pair[1]);
            self.builder.equal("no gap", both, pair[1]);
        }
        let count = self.builder.sum(&active);
        let instance = self.builder.instance(ITEMS);
        self.builder.equal("public items", count, instance);
        active
    }

    /// The items' leaves. Without `labels` a leaf may hold any label: the root binds it, and the
    /// statement does not speak of it.
    fn leaves(&mut self, hash: &HashRows, labels: Option<&[Cell]>) -> Vec<Cell> {
        let input = &self.parts.graph.tensors[self.parts.graph.input.tensor];
        let bytes = input.shape.iter().product();
        let domain = self.builder.constant(poseidon::leaf_domain(bytes));
        (0..self.parts.statement.images())
            .map(|item| {
                let mut elements = vec![labels.map(|labels| ("hashed label", labels[item]))];
                let exports = self.packed_exports(item).into_iter();
                elements.extend(exports.map(|cell| Some(("hashed bytes", cell))));
                self.chain(hash, hash.chain_blocks(item), domain, &elements)
            })
            .collect()
    }

    fn node(&mut self, hash: &HashRows, block: usize, left: Cell, right: Cell) -> Cell {
        let domain = self.builder.constant(poseidon::node_domain());
        let padding = Some(("padding of a node", self.builder.integer(0)));
        let children = [left, right].map(|child| Some(("children of a node", child)));
        let inputs = [children[0], children[1], padding, padding, padding];
        self.absorb(hash, block, ("domain of a node", domain), inputs)
    }

    /// A value that the prover chooses, 0 or 1.
    fn boolean(&mut self, rule: &'static str, value: FreeValue) -> Cell {
        let bit = self.builder.free(value);
        let square = self.builder.multiply(bit, bit);
        self.builder.equal(rule, square, bit);
        bit
    }

    /// `yes` where `bit` is 1, else `no`.
    fn select(&mut self, bit: Cell, yes: Cell, no: Cell) -> Cell {
        let (one, minus) = (self.builder.one(), self.builder.integer(-1));
        let other = self.builder.dot(&[(one, one), (bit, minus)]);
        self.builder.dot(&[(bit, yes), (other, no)])
    }
}
