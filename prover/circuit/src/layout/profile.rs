//! The column profile: everything that decides the constraint system. Circuits of one profile
//! share one verifier contract; only their verifying keys differ.

use serde::{Deserialize, Serialize};

use assay_arithmetic::poseidon::{FULL_ROUNDS, PARTIAL_ROUNDS, WIDTH};

/// Base of the powers that weigh the lanes of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LaneBase {
    /// `z^step`, `z` the evaluation challenge: lanes are neighbours in a line.
    Challenge(u32),
    /// The challenge `u`: lanes are images of a batch.
    Image,
    /// 256: bytes packed into a field element.
    Byte,
}

/// How the lanes of a tile row enter the two running evaluations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TilePattern {
    /// What the lanes' cells are.
    pub cells: TileCells,
    /// Lanes `0..live` count; the others are dead.
    pub live: usize,
    /// Base for the producer's evaluation.
    pub produced: LaneBase,
    /// Base for the consumer's evaluation.
    pub consumed: LaneBase,
}

/// What the cells of a tile row mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TileCells {
    /// `(pre, out)` and `rem` are looked up; produced is `pre * 2^shift + rem`, consumed `out`.
    Lookup,
    /// No lookup: two factors in `pre` and `out`; produced is `pre * out`, consumed
    /// `pre + v * out`.
    Product,
}

impl TilePattern {
    /// With one live lane no base is used, so all such patterns of a kind are one.
    pub fn new(cells: TileCells, live: usize, produced: LaneBase, consumed: LaneBase) -> Self {
        if live == 1 {
            let unit = LaneBase::Challenge(1);
            return Self { cells, live, produced: unit, consumed: unit };
        }
        Self { cells, live, produced, consumed }
    }
}

/// A row of a depthwise kernel: taps `0..live`, weighed by powers of `z^step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KernelRow {
    /// Taps in the row.
    pub live: usize,
    /// Exponent of `z` from one tap to the next.
    pub step: u32,
}

/// How a permutation is spread over rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HashGates {
    /// One S-box a row: few columns, for one input.
    Narrow,
    /// Six S-boxes a row, in the cells of eight lanes and with four more fixed columns: for batches,
    /// whose hashes would take more rows than their tiles.
    Wide,
}

impl HashGates {
    /// Lanes that the wide gates need.
    pub const WIDE_LANES: usize = 8;
    /// S-boxes of partial rounds in one row of the wide gates.
    pub const PARTIAL_BOXES: usize = 6;

    /// Rows of one permutation: the absorption, the S-boxes.
    pub fn rows(self) -> usize {
        let rounds = match self {
            Self::Narrow => FULL_ROUNDS * WIDTH + PARTIAL_ROUNDS,
            Self::Wide => FULL_ROUNDS + PARTIAL_ROUNDS / Self::PARTIAL_BOXES,
        };
        WIDTH + rounds
    }
}

/// The shape of the constraint system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Lanes `L`: spatial neighbours in one row; at least 2.
    pub lanes: usize,
    /// Columns of weights, the first advice columns.
    pub weight_columns: usize,
    /// Rows from one row of the weights to the next.
    pub weight_stride: usize,
    /// Sorted, without repetition.
    pub patterns: Vec<TilePattern>,
    /// Rows of depthwise kernels; sorted, without repetition.
    pub kernel_rows: Vec<KernelRow>,
    /// The Poseidon gates, where there are any.
    pub hash: Option<HashGates>,
    /// Whether there is a challenge `u` that folds the images of a batch.
    pub batch: bool,
    /// Whether channels of tiles run on into each other: what is produced and what is consumed then start
    /// in rows of their own.
    pub folds: bool,
}

/// A profile is the parameter of the circuit; the default only satisfies the library's trait.
impl Default for ColumnProfile {
    fn default() -> Self {
        Self {
            lanes: 2,
            weight_columns: 1,
            weight_stride: 1,
            patterns: Vec::new(),
            kernel_rows: Vec::new(),
            hash: None,
            batch: false,
            folds: false,
        }
    }
}
