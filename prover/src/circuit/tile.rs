//! Tiles: blocks of rows that hold a tensor, `L` spatial neighbours a row. Order of rows: channel,
//! line, position.

use super::{
    profile::{LaneBase, TilePattern},
    reading::Reading,
};

/// What fills a tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileSource {
    /// The input bytes in `pre`, their activations in `out`.
    Input,
    /// The input bytes again, 31 a channel, in `pre` and `out`: the packing for the hash.
    PackedInput,
    /// A layer with a rescale: its trace.
    Layer(usize),
    /// Comparison number `tap` of a max-pool: `pre` = gathered value - largest so far,
    /// `out = max(0, pre)`.
    PoolTap { layer: usize, tap: usize },
    /// Channel 0: the largest logit and the class; channel `1 + j`: how far class `j` is below.
    Ranking,
}

#[derive(Clone, Debug)]
pub struct Tile {
    pub name: String,
    pub source: TileSource,
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    pub first_row: usize,
    pub lanes: usize,
    /// Exponents of the producer's evaluation; unused when `packs_bytes`.
    pub produced: Reading,
    pub consumed: Reading,
    /// The producer's evaluation packs bytes (base 256) instead.
    pub packs_bytes: bool,
    /// Index into the circuit's function tables.
    pub function: usize,
    pub shift: u32,
}

impl Tile {
    pub fn rows_per_line(&self) -> usize {
        self.shape[2].div_ceil(self.lanes)
    }

    pub fn rows_per_channel(&self) -> usize {
        self.shape[1] * self.rows_per_line()
    }

    pub fn rows(&self) -> usize {
        self.shape[0] * self.rows_per_channel()
    }

    /// First row of a channel: its two evaluations end up here.
    pub fn channel_row(&self, channel: usize) -> usize {
        self.first_row + channel * self.rows_per_channel()
    }

    /// Live lanes of the row at `position` (0-based) of a line.
    pub fn live_lanes(&self, position: usize) -> usize {
        (self.shape[2] - position * self.lanes).min(self.lanes)
    }

    pub fn pattern(&self, live: usize) -> TilePattern {
        let produced = if self.packs_bytes {
            LaneBase::Byte
        } else {
            LaneBase::Challenge(self.produced.column as u32)
        };
        TilePattern::new(live, produced, LaneBase::Challenge(self.consumed.column as u32))
    }

    /// Patterns of a full row and of a line's last row.
    pub fn patterns(&self) -> [TilePattern; 2] {
        let full = self.live_lanes(0);
        let last = self.live_lanes(self.rows_per_line() - 1);
        [self.pattern(full), self.pattern(last)]
    }

    /// Exponent from a row to the next in the same line.
    pub fn row_step(&self, reading: Reading) -> u64 {
        reading.column * self.lanes as u64
    }

    /// Exponent from a line's last row to the next line's first.
    pub fn line_step(&self, reading: Reading) -> u64 {
        reading.line - (self.rows_per_line() as u64 - 1) * self.row_step(reading)
    }

    /// Visits each row: `(row, channel, line, position in the line)`.
    pub fn for_each_row(&self, mut visit: impl FnMut(usize, usize, usize, usize)) {
        let mut row = self.first_row;
        for channel in 0..self.shape[0] {
            for line in 0..self.shape[1] {
                for position in 0..self.rows_per_line() {
                    visit(row, channel, line, position);
                    row += 1;
                }
            }
        }
    }
}
