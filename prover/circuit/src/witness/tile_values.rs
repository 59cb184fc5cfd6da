//! The values that fill a tile: `pre` and `rem` of each cell, from the reference runs.

use assay_arithmetic::poseidon::BYTES_PER_ELEMENT;
use assay_graph::{Op, TensorId};

use crate::WitnessError;
use crate::layout::tile::{Tile, TileSource};
use crate::witness::assignment::{Assignment, ProvenInput};

/// Where a value of a tile is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub image: usize,
    pub channel: usize,
    pub line: usize,
    pub column: usize,
}

/// Looks up the values of one tile.
pub(super) struct TileValues<'a> {
    assignment: &'a Assignment<'a>,
    tile: &'a Tile,
}

impl<'a> TileValues<'a> {
    /// # Errors
    /// [`WitnessError::Mismatch`] when the tile is not of this graph.
    pub(super) fn new(
        assignment: &'a Assignment<'a>,
        tile: &'a Tile,
    ) -> Result<Self, WitnessError> {
        let layers = &assignment.graph.layers;
        let fits = match tile.source {
            TileSource::PoolTap { layer, .. } => {
                matches!(layers.get(layer).map(|layer| &layer.op), Some(Op::MaxPool { .. }))
            }
            TileSource::Factors(layer) => {
                matches!(layers.get(layer).map(|layer| &layer.op), Some(Op::Multiply { .. }))
            }
            TileSource::Repeated(layer) => {
                matches!(layers.get(layer).map(|layer| &layer.op), Some(Op::Resize { .. }))
            }
            TileSource::Layer(layer) => layer < layers.len(),
            _ => true,
        };
        if fits { Ok(Self { assignment, tile }) } else { Err(WitnessError::Mismatch) }
    }

    /// `(pre, rem)`.
    pub(super) fn get(&self, at: Place) -> (i64, u32) {
        let tile = self.tile;
        let [_, height, width] = tile.shape;
        let index = (at.channel * height + at.line) * width + at.column;
        match tile.source {
            TileSource::Input => (i64::from(self.input(at.image).bytes[index]), 0),
            TileSource::PackedInput => {
                let elements = tile.shape[0] / self.assignment.inputs.len();
                let (image, element) = (at.channel / elements, at.channel % elements);
                let byte = element * BYTES_PER_ELEMENT + at.column;
                (self.input(image).bytes.get(byte).copied().map_or(0, i64::from), 0)
            }
            TileSource::Layer(layer) => {
                let trace = &self.input(at.image).execution.layers[layer];
                (i64::from(trace.pre[index]), trace.rem[index])
            }
            TileSource::Repeated(layer) => {
                let Op::Resize { input, .. } = &self.assignment.graph.layers[layer].op else {
                    return (0, 0);
                };
                (self.tensor(*input, at), 0)
            }
            // Products are not looked up.
            TileSource::Factors(_) => (0, 0),
            TileSource::PoolTap { layer, tap } => (self.pool_tap(layer, tap, at), 0),
            TileSource::Ranking => {
                let top = self.key(0, self.assignment.best(0));
                self.split(match at.channel.checked_sub(1) {
                    None => top - self.least_key(),
                    Some(class) => top - self.key(0, class),
                })
            }
            TileSource::RankedClass => {
                let (image, class) = self.ranked(at.channel);
                self.split(self.key(image, class) - self.least_key())
            }
            TileSource::Comparisons => {
                let classes = self.classes();
                let (image, class) = self.ranked(at.channel / classes);
                self.split(self.key(image, at.channel % classes) - self.key(image, class))
            }
            TileSource::Verdict => {
                let (image, class) = self.ranked(at.channel);
                let key = self.key(image, class);
                let not_below =
                    (0..self.classes()).filter(|other| self.key(image, *other) >= key).count();
                let top = self.assignment.layout.options.statement.top();
                (top as i64 - not_below as i64, 0)
            }
        }
    }

    /// The factors that a product's tile holds.
    pub(super) fn factors(&self, at: Place) -> [i64; 2] {
        let TileSource::Factors(layer) = self.tile.source else { return [0; 2] };
        let Op::Multiply { inputs, .. } = &self.assignment.graph.layers[layer].op else {
            return [0; 2];
        };
        inputs.map(|tensor| self.tensor(tensor, at))
    }

    /// A tensor's value; one of a single position stands everywhere.
    fn tensor(&self, tensor: TensorId, at: Place) -> i64 {
        let [_, height, width] = self.assignment.graph.tensors[tensor].shape;
        let (line, column) = if height * width == 1 { (0, 0) } else { (at.line, at.column) };
        let values = &self.input(at.image).execution.tensors[tensor];
        i64::from(values[(at.channel * height + line) * width + column])
    }

    fn input(&self, image: usize) -> &ProvenInput<'a> {
        &self.assignment.inputs[image]
    }

    /// How far a pool's tap is above the taps before it.
    fn pool_tap(&self, layer: usize, tap: usize, at: Place) -> i64 {
        let Op::MaxPool { input, window } = &self.assignment.graph.layers[layer].op else {
            return 0;
        };
        let info = &self.assignment.graph.tensors[*input];
        let values = &self.input(at.image).execution.tensors[*input];
        let [_, height, width] = info.shape;
        let place = |index: usize, axis: usize, offset: usize, size: usize| {
            (index * window.stride[axis] + offset)
                .checked_sub(window.pads[axis])
                .filter(|place| *place < size)
        };
        let gather = |tap: usize| {
            let h = place(at.line, 0, tap / window.kernel[1], height);
            let w = place(at.column, 1, tap % window.kernel[1], width);
            match (h, w) {
                (Some(h), Some(w)) => {
                    i64::from(values[(at.channel * height + h) * width + w] - info.min)
                }
                _ => 0,
            }
        };
        gather(tap) - (0..tap).map(gather).fold(0, i64::max)
    }

    /// Image and class of rank `rank`.
    fn ranked(&self, rank: usize) -> (usize, usize) {
        if self.assignment.layout.options.statement.run().is_some() {
            (rank, self.input(rank).class)
        } else {
            (0, self.assignment.best(rank))
        }
    }

    fn classes(&self) -> usize {
        let graph = self.assignment.graph;
        graph.tensors[graph.output].shape[0]
    }

    fn key(&self, image: usize, class: usize) -> i64 {
        let graph = self.assignment.graph;
        let logits = &self.input(image).execution.tensors[graph.output];
        let shift = self.classes().next_power_of_two().ilog2();
        (i64::from(logits[class]) << shift) + (self.classes() - 1 - class) as i64
    }

    fn least_key(&self) -> i64 {
        let graph = self.assignment.graph;
        let shift = self.classes().next_power_of_two().ilog2();
        i64::from(graph.tensors[graph.output].min) << shift
    }

    fn split(&self, value: i64) -> (i64, u32) {
        let shift = self.tile.shift;
        (value >> shift, (value & ((1 << shift) - 1)) as u32)
    }
}
