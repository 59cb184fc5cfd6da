//! Tiles: blocks of rows that hold a tensor. Order of rows: channel, group of images, line,
//! position. With one image a row holds `L` neighbours of a line, with a batch the same position of
//! `L` images.

use crate::layout::profile::{LaneBase, TileCells, TilePattern};
use crate::layout::reading::Reading;

/// What fills a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileSource {
    /// The input bytes in `pre`, their activations in `out`.
    Input,
    /// The input bytes again, 31 a channel, image after image, in `pre` and `out`: the packing for
    /// the hash.
    PackedInput,
    /// A layer with a rescale: its trace.
    Layer(usize),
    /// The factors of an elementwise product, in `pre` and `out`.
    Factors(usize),
    /// A tensor that its layer repeats, spreads or multiplies as a matrix: its values, to be read in
    /// another way than its other readers do.
    Copied {
        /// Index of the layer.
        layer: usize,
        /// Which of its inputs.
        input: usize,
    },
    /// Comparison number `tap` of a max-pool: `pre` = gathered value - largest so far,
    /// `out = max(0, pre)`.
    PoolTap {
        /// Index of the max-pool among the layers.
        layer: usize,
        /// Index of the tap, row-major in the window.
        tap: usize,
    },
    /// For each image, one after the other, channel 0: the largest logit and the class; channel `1 + j`:
    /// how far class `j` is below.
    Ranking,
    /// One channel an image: the one output of the network.
    Number,
    /// One channel for each rank that is proven: the logit of its class, and which class it is.
    RankedClass,
    /// Channels `rank * classes + j`: how far class `j` is above the ranked class; `out` is 1 where
    /// it is not below.
    Comparisons,
    /// One channel an item: `out` is 1 when few enough classes beat its class.
    Verdict,
}

/// What the evaluation of a channel is multiplied by where it is added to that of the channel before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelStep {
    /// Power of `v`.
    pub v: usize,
    /// Power of `z`; going back is negative.
    pub z: i64,
}

/// How the channels of a tile run on into each other: one evaluation then stands for all of them,
/// `sum_c s_c X^_c`, where `s_c` is the product of the steps up to channel `c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// Channels of a block, which divide all channels.
    pub block: usize,
    /// From a channel to the next one of its block, and from the last of a block to the next block's first.
    pub steps: [ChannelStep; 2],
}

impl Fold {
    /// `sum_c v^(c * power) X^_c`.
    pub fn powers(power: usize) -> Self {
        let step = ChannelStep { v: power, z: 0 };
        Self { block: 1, steps: [step; 2] }
    }
}

/// The two evaluations of a tile.
pub(crate) const PRODUCED: usize = 0;
pub(crate) const CONSUMED: usize = 1;

/// A block of rows that holds one tensor, or one part of a claim.
#[derive(Clone, Debug)]
pub struct Tile {
    /// For messages: the layer or the part of the statement.
    pub name: String,
    /// What fills it.
    pub source: TileSource,
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Images that a channel holds; more than one are spread over the lanes.
    pub images: usize,
    /// Images of a batch that have channels of their own, all those of one image after those of the one
    /// before: what multiplies evaluations needs each by itself.
    pub apart: usize,
    /// What its cells are.
    pub cells: TileCells,
    /// First row.
    pub first_row: usize,
    /// Lanes of a row.
    pub lanes: usize,
    /// Exponents of the producer's evaluation; unused when `packs_bytes`.
    pub produced: Reading,
    /// Exponents of the readers' evaluation.
    pub consumed: Reading,
    /// The producer's evaluation packs bytes (base 256) instead.
    pub packs_bytes: bool,
    /// Each value stands for so many lines and columns in the tensor that is read.
    pub repeat: [usize; 2],
    /// Index into the circuit's function tables; unused without lookups.
    pub function: usize,
    /// Bits of the remainder: `pre * 2^shift + rem` is the accumulator.
    pub shift: u32,
    /// How channels run on into each other, what is produced and what is consumed; without it each channel
    /// has an evaluation of its own.
    pub folds: [Option<Fold>; 2],
}

/// Where a row of a tile is.
#[derive(Clone, Copy, Debug)]
pub struct TileRow {
    pub row: usize,
    pub channel: usize,
    /// Group of images.
    pub group: usize,
    pub line: usize,
    /// Counts the rows of a line.
    pub position: usize,
}

/// How a row's running evaluation continues in the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Within a line.
    Row,
    /// To the next line.
    Line,
    /// To the next group of images.
    Group,
    /// To the next channel.
    Channel,
    /// To the next channel, the first of a block.
    Block,
}

impl Step {
    pub const ALL: [Self; 5] = [Self::Row, Self::Line, Self::Group, Self::Channel, Self::Block];
}

impl TileRow {
    fn starts_channel(&self) -> bool {
        (self.group, self.line, self.position) == (0, 0, 0)
    }

    /// How the row is reached from the one before it, where it does not start a channel.
    fn step(&self) -> Step {
        match (self.line, self.position) {
            (0, 0) => Step::Group,
            (_, 0) => Step::Line,
            _ => Step::Row,
        }
    }
}

impl Tile {
    /// Channels of one image, where several have their own; otherwise all.
    pub fn channels(&self) -> usize {
        self.shape[0] / self.apart
    }

    /// Rows of one line of one channel.
    pub fn rows_per_line(&self) -> usize {
        if self.images > 1 { self.shape[2] } else { self.shape[2].div_ceil(self.lanes) }
    }

    /// Rows of one group of images in a channel.
    pub fn rows_per_group(&self) -> usize {
        self.shape[1] * self.rows_per_line()
    }

    /// Groups of images, each spread over the lanes.
    pub fn groups(&self) -> usize {
        if self.images > 1 { self.images.div_ceil(self.lanes) } else { 1 }
    }

    /// Rows of a channel.
    pub fn rows_per_channel(&self) -> usize {
        self.groups() * self.rows_per_group()
    }

    /// Rows of the tile.
    pub fn rows(&self) -> usize {
        self.shape[0] * self.rows_per_channel()
    }

    /// First row of a channel: its two evaluations end up here.
    pub fn channel_row(&self, channel: usize) -> usize {
        self.first_row + channel * self.rows_per_channel()
    }

    /// How an evaluation runs on from the row before into this one; `None` where one starts.
    pub fn entered(&self, side: usize, at: &TileRow) -> Option<Step> {
        if at.starts_channel() { self.channel_step(side, at.channel) } else { Some(at.step()) }
    }

    /// How an evaluation runs on into a channel.
    pub fn channel_step(&self, side: usize, channel: usize) -> Option<Step> {
        let fold = self.folds[side].filter(|_| channel > 0)?;
        Some(if channel.is_multiple_of(fold.block) { Step::Block } else { Step::Channel })
    }

    /// Exponents of `z` and `u` from a channel's first row to its last.
    pub fn to_last_row(&self, reading: Reading) -> (u64, usize) {
        let lines = (self.shape[1] as u64 - 1) * reading.line;
        let rows = (self.rows_per_line() as u64 - 1) * self.row_step(reading);
        (lines + rows, self.lanes * (self.groups() - 1))
    }

    /// Live lanes of a row of `group`, at `position` of a line.
    pub fn live_lanes(&self, group: usize, position: usize) -> usize {
        if self.images > 1 {
            (self.images - group * self.lanes).min(self.lanes)
        } else {
            (self.shape[2] - position * self.lanes).min(self.lanes)
        }
    }

    /// Image and column of a live lane's value.
    pub fn place(&self, at: &TileRow, lane: usize) -> (usize, usize) {
        if self.images > 1 {
            (at.group * self.lanes + lane, at.position)
        } else {
            (0, at.position * self.lanes + lane)
        }
    }

    /// The pattern of a row with so many live lanes.
    pub fn pattern(&self, live: usize) -> TilePattern {
        let [produced, consumed] = self.lane_bases();
        TilePattern::new(self.cells, live, produced, consumed)
    }

    /// Bases of the producer's and the consumer's evaluation.
    pub fn lane_bases(&self) -> [LaneBase; 2] {
        if self.images > 1 {
            return [LaneBase::Image; 2];
        }
        let consumed = LaneBase::Challenge(self.consumed.column as u32);
        if self.packs_bytes {
            return [LaneBase::Byte, consumed];
        }
        [LaneBase::Challenge(self.produced.column as u32), consumed]
    }

    /// Patterns of a full row and of the last one.
    pub fn patterns(&self) -> [TilePattern; 2] {
        let last = self.live_lanes(self.groups() - 1, self.rows_per_line() - 1);
        [self.pattern(self.live_lanes(0, 0)), self.pattern(last)]
    }

    /// Exponent of `z` from a row to the next in the same line.
    pub fn row_step(&self, reading: Reading) -> u64 {
        if self.images > 1 { reading.column } else { reading.column * self.lanes as u64 }
    }

    /// Exponent of `z` from a line's last row to the next line's first.
    pub fn line_step(&self, reading: Reading) -> u64 {
        reading.line - (self.rows_per_line() as u64 - 1) * self.row_step(reading)
    }

    /// How row `index` of a channel, not the first, is reached from the row before it.
    pub fn step_to(&self, index: usize) -> Step {
        if index.is_multiple_of(self.rows_per_group()) {
            Step::Group
        } else if index.is_multiple_of(self.rows_per_line()) {
            Step::Line
        } else {
            Step::Row
        }
    }

    /// Visits each row.
    pub fn for_each_row(&self, mut visit: impl FnMut(TileRow)) {
        let mut row = self.first_row;
        for channel in 0..self.shape[0] {
            for group in 0..self.groups() {
                for line in 0..self.shape[1] {
                    for position in 0..self.rows_per_line() {
                        visit(TileRow { row, channel, group, line, position });
                        row += 1;
                    }
                }
            }
        }
    }
}

/// One channel of a tensor: a sum of tile channels and a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelView {
    /// `(tile, channel)`.
    pub terms: Vec<(usize, usize)>,
    /// Added at every position.
    pub constant: i64,
}
