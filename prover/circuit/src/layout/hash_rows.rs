//! Rows of the statement's hashes.

use assay_arithmetic::poseidon::{RATE, WIDTH};

use crate::layout::profile::HashGates;
use crate::statement::StatementKind;

/// Rows of the hashes: permutations one after another, each with the six elements it absorbs.
#[derive(Clone, Debug)]
pub struct HashRows {
    /// First row.
    pub first_row: usize,
    /// Permutations.
    pub blocks: usize,
    /// Permutations of one input's chain; the chains come first.
    pub chain: usize,
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

    /// One past the last row: the export row and the row that its shift writes to.
    pub fn end(&self) -> usize {
        self.block_row(self.blocks) + 2
    }

    /// Rows whose `s0` and `s1` the hash uses. With two lanes the S-box needs them too; else only the
    /// absorption does.
    pub(crate) fn blocked_rows(&self, lanes: usize) -> Vec<std::ops::Range<usize>> {
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
/// way to the root.
pub(crate) fn hash_rows(
    statement: StatementKind,
    gates: HashGates,
    packed: usize,
    first_row: usize,
) -> HashRows {
    let Some(run) = statement.run() else {
        let chain = (packed + 1).div_ceil(RATE);
        return HashRows { first_row, blocks: chain, chain, gates };
    };
    let chain = (packed + 2).div_ceil(RATE);
    let blocks = run.items() * chain + run.items() - 1 + run.path();
    HashRows { first_row, blocks, chain, gates }
}
