//! The input tile, its packing, and the commitment that a prediction names.

use std::ops::Range;

use assay_arithmetic::poseidon::{self, BYTES_PER_ELEMENT, RATE, WIDTH};

use super::Claims;
use crate::layout::hash_rows::HashRows;
use crate::layout::scalar_program::Cell;
use crate::layout::tile::TileSource;
use crate::statement::StatementKind;

impl Claims<'_, '_> {
    /// The packed bytes are those of the input tile, and they are what the statement names.
    pub(super) fn input(&mut self) {
        let (input, packed) =
            (self.tile_of(TileSource::Input), self.tile_of(TileSource::PackedInput));
        let [channels, height, width] = self.parts.tiles[input].shape;
        let area = (height * width) as u64;
        let terms = (0..channels)
            .map(|c| (self.produced(input, c), self.builder.z_power(area * c as u64)))
            .collect::<Vec<_>>();
        let whole = self.builder.dot(&terms);
        let elements = self.packed_elements();
        let images = (0..self.parts.statement.images())
            .map(|image| {
                let again = self.packed_evaluation(packed, image * elements, elements);
                (again, self.image_power(image))
            })
            .collect::<Vec<_>>();
        let again = match images.as_slice() {
            [(again, _)] => *again,
            _ => self.builder.dot(&images),
        };
        self.builder.equal("packed bytes", whole, again);

        let StatementKind::Prediction { .. } = self.parts.statement else { return };
        match self.parts.hash.filter(|_| self.parts.statement.hashes_inputs()) {
            Some(hash) => {
                let bytes = channels * height * width;
                let exports = self.packed_exports(0).into_iter();
                let exports = exports.map(|cell| Some(("hashed bytes", cell))).collect::<Vec<_>>();
                let domain = self
                    .builder
                    .constant(poseidon::input_domain(bytes, self.parts.graph.input.number_bytes()));
                let commitment = self.chain(hash, hash.chain_blocks(0), domain, &exports);
                let instance = self.builder.instance(1);
                self.builder.equal("public commitment", commitment, instance);
            }
            None => {
                for (index, export) in self.packed_exports(0).into_iter().enumerate() {
                    let instance = self.builder.instance(1 + index);
                    self.builder.equal("public input bytes", export, instance);
                }
            }
        }
    }

    /// Field elements that one input packs into.
    pub(super) fn packed_elements(&self) -> usize {
        let tile = self.tile_of(TileSource::PackedInput);
        self.parts.tiles[tile].shape[0] / self.parts.statement.images()
    }

    /// The packed elements of an image.
    pub(super) fn packed_exports(&self, image: usize) -> Vec<Cell> {
        let packed = self.tile_of(TileSource::PackedInput);
        let elements = self.packed_elements();
        (0..elements).map(|e| self.produced(packed, image * elements + e)).collect()
    }

    /// `sum_e z^(31 e) X^_e` over the packed elements of an image, in runs, so that few powers are
    /// needed.
    fn packed_evaluation(&mut self, tile: usize, from: usize, elements: usize) -> Cell {
        const RUN: usize = 64;
        let step = BYTES_PER_ELEMENT as u64;
        let mut runs = Vec::with_capacity(elements.div_ceil(RUN));
        for first in (0..elements).step_by(RUN) {
            let terms = (first..elements.min(first + RUN))
                .map(|element| {
                    let power = self.builder.z_power(step * (element - first) as u64);
                    (self.consumed(tile, from + element), power)
                })
                .collect::<Vec<_>>();
            let sum = self.builder.dot(&terms);
            runs.push((sum, self.builder.z_power(step * first as u64)));
        }
        match runs.as_slice() {
            [(sum, _)] => *sum,
            _ => self.builder.dot(&runs),
        }
    }

    /// The chain in `blocks`: the salt, which nothing else names, then `elements`, of which those that
    /// nothing else names are [`None`], then zeros.
    pub(super) fn chain(
        &mut self,
        hash: &HashRows,
        blocks: Range<usize>,
        domain: Cell,
        elements: &[Option<(&'static str, Cell)>],
    ) -> Cell {
        let zero = self.builder.integer(0);
        // An element too many would be left out without a word.
        assert!(elements.len() < blocks.len() * RATE, "the chain takes the salt and all elements");
        let mut previous = ("domain of a chain", domain);
        for (index, block) in blocks.enumerate() {
            let inputs: [Option<(&'static str, Cell)>; RATE] = std::array::from_fn(|position| {
                let element = (index * RATE + position).checked_sub(1)?;
                elements.get(element).copied().unwrap_or(Some(("padding of a chain", zero)))
            });
            previous = ("chaining", self.absorb(hash, block, previous, inputs));
        }
        previous.1
    }

    /// Ties what permutation `block` absorbs to other cells; returns the cell of its result.
    pub(super) fn absorb(
        &mut self,
        hash: &HashRows,
        block: usize,
        (rule, initial): (&'static str, Cell),
        inputs: [Option<(&'static str, Cell)>; RATE],
    ) -> Cell {
        let row = hash.block_row(block);
        self.builder.equal(rule, Cell::s0(row), initial);
        for (position, input) in inputs.into_iter().enumerate() {
            if let Some((rule, cell)) = input {
                self.builder.equal(rule, Cell::s0(row + WIDTH - RATE + position), cell);
            }
        }
        Cell::s1(hash.block_row(block + 1))
    }
}
