//! The values that fill a tile: `pre` and `rem` of each cell, from the reference runs.

use assay_arithmetic::poseidon::BYTES_PER_ELEMENT;
use assay_graph::{Op, TensorId};

use crate::WitnessError;
use crate::layout::tile::{Tile, TileSource};
use crate::witness::assignment::{Assignment, ProvenInput};

/// Where a value of a tile is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub image: usize,
    pub channel: usize,
    pub line: usize,
    pub column: usize,
}

/// Where the values are that a lane holds of one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub image: usize,
    pub channel: usize,
    pub line: usize,
    /// Column of the first value.
    pub first: usize,
    /// Columns from one value to the next.
    pub step: usize,
    /// Number of values.
    pub count: usize,
}

/// Looks up the values of one tile.
pub(crate) struct TileValues<'a> {
    assignment: &'a Assignment<'a>,
    tile: &'a Tile,
    /// The classes, the best first, where one input is ranked.
    ranking: Vec<usize>,
    /// Each image's class, where all are ranked.
    best: Vec<usize>,
}

impl<'a> TileValues<'a> {
    /// # Errors
    /// [`WitnessError::Mismatch`] when the tile is not of this graph.
    pub(crate) fn new(
        assignment: &'a Assignment<'a>,
        tile: &'a Tile,
    ) -> Result<Self, WitnessError> {
        if !fits(assignment, tile) {
            return Err(WitnessError::Mismatch);
        }
        let (mut ranking, mut best) = (Vec::new(), Vec::new());
        match tile.source {
            TileSource::Ranking => {
                best.extend((0..assignment.inputs.len()).map(|image| assignment.class(image)));
            }
            TileSource::RankedClass | TileSource::Comparisons => ranking = assignment.ranking(0),
            _ => {}
        }
        Ok(Self { assignment, tile, ranking, best })
    }

    /// Visits the values of a stretch: position, `pre`, `rem`.
    pub(super) fn for_each(&self, stretch: &Stretch, mut visit: impl FnMut(usize, i64, u32)) {
        if stretch.count == 0 {
            return;
        }
        let stretch = &self.own_channel(stretch);
        let TileSource::Layer(layer) = self.tile.source else {
            for position in 0..stretch.count {
                let (pre, rem) = self.value(stretch.place(position));
                visit(position, pre, rem);
            }
            return;
        };
        // Most rows of most circuits.
        let [_, height, width] = self.tile.shape;
        let trace = &self.input(stretch.image).execution.layers[layer];
        let start = (stretch.channel * height + stretch.line) * width;
        let line = start + stretch.first..start + width;
        let cells = trace.pre[line.clone()].iter().zip(&trace.rem[line]);
        let cells = cells.step_by(stretch.step).take(stretch.count);
        for (position, (pre, rem)) in cells.enumerate() {
            visit(position, i64::from(*pre), *rem);
        }
    }

    /// Visits the factors that a product's tile holds, as [`Self::for_each`] does.
    pub(super) fn for_each_factors(
        &self,
        stretch: &Stretch,
        mut visit: impl FnMut(usize, [i64; 2]),
    ) {
        for position in 0..stretch.count {
            visit(position, self.factors(stretch.place(position)));
        }
    }

    /// The factors that a product's tile holds.
    pub(crate) fn factors(&self, at: Place) -> [i64; 2] {
        let TileSource::Factors(layer) = self.tile.source else { return [0; 2] };
        let (Op::Multiply { inputs, .. } | Op::Dot { inputs, .. }) =
            &self.assignment.graph.layers[layer].op
        else {
            return [0; 2];
        };
        inputs.map(|tensor| self.tensor(tensor, at))
    }

    /// Where images have channels of their own: the image and its channel.
    fn own_channel(&self, stretch: &Stretch) -> Stretch {
        if self.tile.apart == 1 {
            return *stretch;
        }
        let channels = self.tile.channels();
        let (image, channel) = (stretch.channel / channels, stretch.channel % channels);
        Stretch { image, channel, ..*stretch }
    }

    /// `(pre, rem)` of a cell of the tile.
    #[cfg(test)]
    pub(crate) fn get(&self, at: Place) -> (i64, u32) {
        let Place { image, channel, line, column } = at;
        let stretch = Stretch { image, channel, line, first: column, step: 1, count: 1 };
        self.value(self.own_channel(&stretch).place(0))
    }

    /// `(pre, rem)` of an image's channel.
    fn value(&self, at: Place) -> (i64, u32) {
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
            TileSource::Copied { layer, input } => {
                let inputs = self.assignment.graph.layers[layer].op.inputs();
                (inputs.get(input).map_or(0, |input| self.tensor(*input, at)), 0)
            }
            // Products are not looked up.
            TileSource::Factors(_) => (0, 0),
            TileSource::PoolTap { layer, tap } => (self.pool_tap(layer, tap, at), 0),
            TileSource::Ranking => {
                let channels = 1 + self.classes();
                let image = at.channel / channels;
                let top = self.key(image, self.best[image]);
                self.split(match (at.channel % channels).checked_sub(1) {
                    None => top - self.least_key(),
                    Some(class) => top - self.key(image, class),
                })
            }
            TileSource::Number => {
                let output = self.assignment.graph.output;
                (i64::from(self.input(at.channel).execution.tensors[output][0]), 0)
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
            (0, self.ranking.get(rank).copied().unwrap_or(0))
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

impl Stretch {
    fn place(&self, position: usize) -> Place {
        let Self { image, channel, line, first, step, .. } = *self;
        Place { image, channel, line, column: first + position * step }
    }
}

/// Whether the network and its runs have what the tile holds.
fn fits(assignment: &Assignment<'_>, tile: &Tile) -> bool {
    let Assignment { graph, inputs, .. } = assignment;
    let own_shape = [tile.channels(), tile.shape[1], tile.shape[2]];
    let size = own_shape.iter().product::<usize>();
    if tile.apart > inputs.len() {
        return false;
    }
    let op = |layer: usize| graph.layers.get(layer).map(|layer| &layer.op);
    // The values of a tensor, in each run.
    let known = |tensor: TensorId| {
        let length = graph.tensors[tensor].shape.iter().product::<usize>();
        let tensors = inputs.iter().map(|input| input.execution.tensors.get(tensor));
        tensors.into_iter().all(|values| values.is_some_and(|values| values.len() == length))
    };
    match tile.source {
        TileSource::Input => inputs.iter().all(|input| input.bytes.len() == size),
        TileSource::PackedInput => tile.shape[0].is_multiple_of(inputs.len()),
        TileSource::Layer(layer) => inputs.iter().all(|input| {
            let trace = input.execution.layers.get(layer);
            trace.is_some_and(|trace| trace.pre.len() == size && trace.rem.len() == size)
        }),
        TileSource::Factors(layer) => {
            let Some(Op::Multiply { inputs, .. } | Op::Dot { inputs, .. }) = op(layer) else {
                return false;
            };
            inputs.iter().all(|input| {
                let [channels, height, width] = graph.tensors[*input].shape;
                known(*input)
                    && channels == tile.shape[0]
                    && ([height, width] == tile.shape[1..] || height * width == 1)
            })
        }
        TileSource::Copied { layer, input } => {
            let copies = matches!(
                op(layer),
                Some(Op::Resize { .. } | Op::Spread { .. } | Op::MatMul { .. })
            );
            let inputs = op(layer).map(Op::inputs).unwrap_or_default();
            copies
                && inputs
                    .get(input)
                    .is_some_and(|input| known(*input) && graph.tensors[*input].shape == own_shape)
        }
        TileSource::PoolTap { layer, .. } => {
            let Some(Op::MaxPool { input, .. }) = op(layer) else { return false };
            known(*input) && graph.tensors[*input].shape[0] == tile.shape[0]
        }
        TileSource::Ranking => {
            let channels = 1 + graph.tensors[graph.output].shape[0];
            known(graph.output) && inputs.len() * channels == tile.shape[0]
        }
        TileSource::Number => {
            let classes = graph.tensors[graph.output].shape[0];
            known(graph.output) && classes == 1 && inputs.len() == tile.shape[0]
        }
        TileSource::RankedClass | TileSource::Verdict => known(graph.output),
        TileSource::Comparisons => {
            known(graph.output)
                && tile.shape[0].is_multiple_of(graph.tensors[graph.output].shape[0])
        }
    }
}
