//! What is proven, and the columns that come of it.

use std::ops::Range;

use assay_arithmetic::weight_columns::{WeightTails, extend_column};
use assay_graph::{Execution, QuantizedGraph};
use halo2_proofs::halo2curves::bn256::Fr;

#[cfg(test)]
use crate::layout::scalar_program::FreeValue;
use crate::layout::scalar_program::ScalarColumns;
use crate::layout::{Layout, RESERVED_ROWS};
use crate::witness::small_column::SmallColumn;

/// What is proven: one input or the items of a run, with their reference runs.
pub struct Assignment<'a> {
    /// The network, with its weights.
    pub graph: &'a QuantizedGraph,
    /// The layout of its circuit.
    pub layout: &'a Layout,
    /// As many as the statement has images; a masked item repeats another.
    pub inputs: Vec<ProvenInput<'a>>,
    /// For statements about a collection.
    pub place: Option<TreePlace>,
}

/// One input.
pub struct ProvenInput<'a> {
    /// `[channels, height, width]`.
    pub bytes: &'a [u8],
    /// Salt of the input's commitment or of the item's leaf.
    pub salt: Fr,
    /// Salt of the commitment to the outputs; unused where they are shown.
    pub output_salt: Fr,
    /// The label that the item's leaf holds, 0 for none.
    pub label: u64,
    /// The class that the statement speaks of: an audited item's label, the class that a retrieval
    /// looks for, a prediction's result.
    pub class: usize,
    /// The reference run on the input.
    pub execution: &'a Execution,
}

/// Where in its tree a run lies.
#[derive(Clone, Debug, Default)]
pub struct TreePlace {
    /// Index of the run's first leaf: a multiple of the run's items.
    pub first: usize,
    /// Items that count; the rest of the run is masked.
    pub count: usize,
    /// Leaves at the masked places.
    pub masked_leaves: Vec<Fr>,
    /// Siblings from the run's own root to the tree's.
    pub siblings: Vec<Fr>,
    /// What a dishonest prover chooses instead.
    #[cfg(test)]
    pub(crate) forged: Vec<(FreeValue, Fr)>,
}

impl TreePlace {
    /// A run from leaf `first` on, of which `count` items count.
    pub fn new(first: usize, count: usize, masked_leaves: Vec<Fr>, siblings: Vec<Fr>) -> Self {
        Self {
            first,
            count,
            masked_leaves,
            siblings,
            #[cfg(test)]
            forged: Vec::new(),
        }
    }
}

/// Challenges drawn after the first phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FirstChallenges {
    pub v: Fr,
    pub theta: Fr,
    pub beta: Fr,
    /// Folds the images of a batch; 1 without one.
    pub u: Fr,
}

/// First-phase columns, each of the layout's length.
#[derive(Clone)]
pub struct FirstPhase {
    /// `weights[column][row]`, by rows of the weights' domain.
    pub weights: Vec<SmallColumn<u32>>,
    /// Rows from one row of the weights to the next.
    pub(super) weight_stride: usize,
    /// What the tile rows and hash rows hold.
    pub lanes: Vec<LaneColumns>,
    /// By rows of the table.
    pub multiplicity: SmallColumn<u32>,
    /// `s0` and `s1` of the hash rows, from the hash's first row on.
    pub(crate) hash_scalars: Vec<[Fr; 2]>,
}

/// The columns of one lane.
#[derive(Clone, Debug)]
pub struct LaneColumns {
    /// Arguments of functions, offset by 2^15.
    pub pre: SmallColumn<u16>,
    /// Values of functions, offset by 2^15.
    pub out: SmallColumn<u16>,
    /// Remainders of shifts.
    pub rem: SmallColumn<u32>,
}

/// Third-phase columns.
pub(crate) struct ThirdPhase {
    /// One helper column a lane.
    pub lookups: Vec<Vec<Fr>>,
    pub lookup_sum: Vec<Fr>,
    pub produced: Vec<Fr>,
    pub consumed: Vec<Fr>,
    pub scalars: ScalarColumns,
}

impl FirstPhase {
    /// The weight columns by rows of the circuit.
    pub fn extended_weights(&self) -> Vec<Vec<Fr>> {
        let extended = |column: &SmallColumn<u32>| match self.weight_stride {
            1 => column.to_full(),
            stride => extend_column(&column.to_full(), stride),
        };
        self.weights.iter().map(extended).collect()
    }

    /// The rows of the weight columns that a circuit does not assign.
    pub fn weight_tails(&self) -> WeightTails {
        let tail = |column: &Vec<Fr>| column[column.len() - RESERVED_ROWS..].to_vec();
        let rows = self.extended_weights().iter().map(tail).collect();
        WeightTails { rows, commitments: None }
    }
}

impl LaneColumns {
    pub(super) fn zeros(rows: usize) -> Self {
        Self {
            pre: SmallColumn::zeros(rows),
            out: SmallColumn::zeros(rows),
            rem: SmallColumn::zeros(rows),
        }
    }

    /// Changes a cell of column `index` in the order `pre`, `out`, `rem`.
    pub fn set(&mut self, index: usize, row: usize, value: Fr) {
        match index {
            0 => self.pre.set(row, value),
            1 => self.out.set(row, value),
            _ => self.rem.set(row, value),
        }
    }

    /// The cells of a row: `[pre, out, rem]`.
    pub fn cells(&self, row: usize) -> [Fr; 3] {
        [self.pre.get(row), self.out.get(row), self.rem.get(row)]
    }

    /// Whether these rows hold nothing but numbers.
    pub(super) fn is_small(&self, rows: &Range<usize>) -> bool {
        self.pre.is_small(rows) && self.out.is_small(rows) && self.rem.is_small(rows)
    }
}
