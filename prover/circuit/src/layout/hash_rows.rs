//! Rows of the statement's hashes.

use std::ops::Range;

use assay_arithmetic::packed_outputs::OUTPUTS_PER_ELEMENT;
use assay_arithmetic::poseidon::{BYTES_PER_ELEMENT, RATE, WIDTH};
use assay_graph::QuantizedGraph;

use crate::layout::profile::HashGates;
use crate::statement::StatementKind;

/// Rows of the hashes: permutations one after another, each with the six elements it absorbs.
#[derive(Clone, Debug)]
pub struct HashRows {
    /// First row.
    pub first_row: usize,
    /// Permutations.
    pub blocks: usize,
    /// Permutations of one input's chain, none where inputs are public; the chains come first.
    pub chain: usize,
    /// Permutations of the chain over the outputs, where they are hidden; it comes last.
    pub output_chain: usize,
    /// The form of the gates, which says how many rows a permutation takes.
    pub gates: HashGates,
}

impl HashRows {
    /// First row of block `index`, which exports the result of the block before it; that of `blocks`
    /// exports the last.
    pub fn block_row(&self, index: usize) -> usize {
        self.first_row + index * self.gates.rows()
    }

    /// Block `index` of the chain over image `image`.
    pub fn chain_block(&self, image: usize, index: usize) -> usize {
        image * self.chain + index
    }

    /// The blocks of the chain over image `image`.
    pub fn chain_blocks(&self, image: usize) -> Range<usize> {
        self.chain_block(image, 0)..self.chain_block(image + 1, 0)
    }

    /// The blocks of the chain over the outputs.
    pub fn output_blocks(&self) -> Range<usize> {
        self.blocks - self.output_chain..self.blocks
    }

    /// One past the last row: the export row and the row that its shift writes to.
    pub fn end(&self) -> usize {
        self.block_row(self.blocks) + 2
    }

    /// Rows whose `s0` and `s1` the hash uses. With two lanes the S-box needs them too; else only the
    /// absorption does.
    pub(crate) fn blocked_rows(&self, lanes: usize) -> Vec<Range<usize>> {
        if lanes < 3 {
            return std::iter::once(self.first_row..self.end()).collect();
        }
        (0..=self.blocks)
            .map(|block| self.block_row(block)..self.block_row(block) + WIDTH)
            .collect()
    }
}

/// The rows of a statement's hashes: a chain for each input, of which the salt is an element and
/// for items of a collection the label another; then the tree over a run, level by level, and the
/// way to the root. Of a prediction that hides its outputs, a chain over their salt and the outputs.
pub(crate) fn hash_rows(
    graph: &QuantizedGraph,
    statement: StatementKind,
    gates: HashGates,
    first_row: usize,
) -> HashRows {
    // Field elements that hold one input, and all outputs.
    let bytes = graph.tensors[graph.input.tensor].shape.iter().product::<usize>();
    let input = bytes.div_ceil(BYTES_PER_ELEMENT);
    let outputs = graph.tensors[graph.output].shape[0].div_ceil(OUTPUTS_PER_ELEMENT);
    let Some(run) = statement.run() else {
        let salted = |elements: usize| (elements + 1).div_ceil(RATE);
        let chain = if statement.hashes_inputs() { salted(input) } else { 0 };
        let output_chain = if statement.hashes_outputs() { salted(outputs) } else { 0 };
        return HashRows { first_row, blocks: chain + output_chain, chain, output_chain, gates };
    };
    let chain = (input + 2).div_ceil(RATE);
    let blocks = run.items() * chain + run.items() - 1 + run.path();
    HashRows { first_row, blocks, chain, output_chain: 0, gates }
}
