//! The claims that tie tiles together, as a scalar program over evaluations.
//!
//! Notation: `X^_c` is the consumer's evaluation of channel `c`, `Y^_j` the producer's; see
//! docs/circuit.md for the identities and their soundness.

use crate::graph::{Op, QuantizedGraph, Rescale, TensorId, Window};
use crate::poseidon::{self, BYTES_PER_ELEMENT, RATE, WIDTH};

use super::{
    kernels::{Kernel, RestGrid},
    layout::{ChannelView, HashRows, InputMode},
    program::{Cell, ProgramBuilder, field},
    reading::{Reading, extent},
    tile::{Tile, TileSource},
};

pub(super) struct Parts<'a> {
    pub graph: &'a QuantizedGraph,
    pub tiles: &'a [Tile],
    pub readings: &'a [Reading],
    pub views: &'a [Vec<ChannelView>],
    pub kernels: &'a [Kernel],
    pub rests: &'a [RestGrid],
    pub hash: Option<&'a HashRows>,
    pub mode: InputMode,
}

/// Cells whose values multiply a tile's running evaluations from row to row.
#[derive(Clone, Copy, Debug)]
pub struct TileFactors {
    /// Within a line: producer's (`s1`), consumer's (`s0`).
    pub row: [Cell; 2],
    /// From line to line.
    pub line: [Cell; 2],
}

/// The factors of a tile; the cells exist once [`build`] has run.
pub(super) fn tile_factors(tile: &Tile, builder: &mut ProgramBuilder) -> TileFactors {
    let produced = if tile.packs_bytes {
        let factor = (0..tile.lanes).fold(field(1), |power, _| power * field(256));
        [builder.constant(factor); 2]
    } else {
        [tile.row_step(tile.produced), tile.line_step_or_zero(tile.produced)]
            .map(|exponent| builder.z_power(exponent))
    };
    let consumed = [tile.row_step(tile.consumed), tile.line_step_or_zero(tile.consumed)]
        .map(|exponent| builder.z_power(exponent));
    TileFactors { row: [produced[0], consumed[0]], line: [produced[1], consumed[1]] }
}

/// Builds the whole program; returns each tile's factors.
pub(super) fn build(parts: &Parts<'_>, builder: &mut ProgramBuilder) -> Vec<TileFactors> {
    let factors = parts.tiles.iter().map(|tile| tile_factors(tile, builder)).collect();
    builder.evaluations();
    let mut claims = Claims { parts, builder, sums: std::collections::HashMap::new() };
    claims.input();
    for index in 0..parts.graph.layers.len() {
        claims.layer(index);
    }
    claims.ranking();
    factors
}

impl Tile {
    /// [`Tile::line_step`], or 0 for tiles of one line, which have none.
    fn line_step_or_zero(&self, reading: Reading) -> u64 {
        if self.shape[1] > 1 { self.line_step(reading) } else { 0 }
    }
}

struct Claims<'a, 'b> {
    parts: &'a Parts<'a>,
    builder: &'b mut ProgramBuilder,
    /// `X^_c` of tensors that are sums.
    sums: std::collections::HashMap<(TensorId, usize), Cell>,
}

impl Claims<'_, '_> {
    fn tile_of(&self, source: TileSource) -> usize {
        self.parts
            .tiles
            .iter()
            .position(|tile| tile.source == source)
            .expect("the layout places a tile for each layer that needs one")
    }

    fn produced(&self, tile: usize, channel: usize) -> Cell {
        Cell::s1(self.parts.tiles[tile].channel_row(channel))
    }

    fn consumed(&self, tile: usize, channel: usize) -> Cell {
        Cell::s0(self.parts.tiles[tile].channel_row(channel))
    }

    /// `sum over (h, w) z^(h*line + w*column)`.
    fn grid(&mut self, reading: Reading, height: usize, width: usize) -> Cell {
        let columns = self.builder.geometric(reading.column, width);
        let lines = self.builder.geometric(reading.line, height);
        self.builder.multiply(columns, lines)
    }

    /// `X^_c`.
    fn evaluation(&mut self, tensor: TensorId, channel: usize) -> Cell {
        let view = &self.parts.views[tensor][channel];
        if let ([(tile, source)], 0) = (view.terms.as_slice(), view.constant) {
            return self.consumed(*tile, *source);
        }
        if let Some(cell) = self.sums.get(&(tensor, channel)) {
            return *cell;
        }
        let one = self.builder.one();
        let mut terms = view
            .terms
            .iter()
            .map(|(tile, source)| (self.consumed(*tile, *source), one))
            .collect::<Vec<_>>();
        if view.constant != 0 {
            let [_, height, width] = self.parts.graph.tensors[tensor].shape;
            let grid = self.grid(self.parts.readings[tensor], height, width);
            terms.push((grid, self.builder.integer(view.constant)));
        }
        let cell = self.builder.dot(&terms);
        self.sums.insert((tensor, channel), cell);
        cell
    }

    /// `sum_c v^c X^_c`.
    fn combined_evaluation(&mut self, tensor: TensorId) -> Cell {
        let terms = (0..self.parts.graph.tensors[tensor].shape[0])
            .map(|channel| (self.evaluation(tensor, channel), self.builder.v_power(channel)))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_j v^index(j) cell(j)` over a tile's channels.
    fn combined_tile(
        &mut self,
        tile: usize,
        index: impl Fn(usize) -> usize,
        cell: impl Fn(&Self, usize, usize) -> Cell,
    ) -> Cell {
        let terms = (0..self.parts.tiles[tile].shape[0])
            .map(|channel| (cell(self, tile, channel), self.builder.v_power(index(channel))))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_j v^index(j)`.
    fn powers(&mut self, count: usize, index: impl Fn(usize) -> usize) -> Cell {
        let cells = (0..count).map(|j| self.builder.v_power(index(j))).collect::<Vec<_>>();
        self.builder.sum(&cells)
    }

    fn half(rescale: &Rescale) -> i64 {
        if rescale.shift == 0 { 0 } else { 1 << (rescale.shift - 1) }
    }

    /// `z^((extent - 1 - pad) . reading)`: where output (0, 0) lies in the correlation grid.
    fn origin(&mut self, window: &Window, reading: Reading) -> Cell {
        let [tall, wide] = extent(window);
        let exponent = (tall - 1 - window.pads[0]) as u64 * reading.line
            + (wide - 1 - window.pads[1]) as u64 * reading.column;
        self.builder.z_power(exponent)
    }

    /// The packed bytes are those of the input tile, and they are what the statement names.
    fn input(&mut self) {
        let (input, packed) =
            (self.tile_of(TileSource::Input), self.tile_of(TileSource::PackedInput));
        let [channels, height, width] = self.parts.tiles[input].shape;
        let area = (height * width) as u64;
        let terms = (0..channels)
            .map(|c| (self.produced(input, c), self.builder.z_power(area * c as u64)))
            .collect::<Vec<_>>();
        let whole = self.builder.dot(&terms);
        let elements = self.parts.tiles[packed].shape[0];
        let again = self.packed_evaluation(packed, elements);
        self.builder.equal(whole, again);

        let exports = (0..elements).map(|e| self.produced(packed, e)).collect::<Vec<_>>();
        match (self.parts.mode, self.parts.hash) {
            (InputMode::Committed, Some(hash)) => {
                let bytes = channels * height * width;
                self.commitment(hash, bytes, &exports);
            }
            _ => {
                for (index, export) in exports.into_iter().enumerate() {
                    let instance = self.builder.instance(1 + index);
                    self.builder.equal(export, instance);
                }
            }
        }
    }

    /// `sum_e z^(31 e) X^_e` over the packed elements, in runs, so that few powers are needed.
    fn packed_evaluation(&mut self, tile: usize, elements: usize) -> Cell {
        const RUN: usize = 64;
        let step = BYTES_PER_ELEMENT as u64;
        let mut runs = Vec::with_capacity(elements.div_ceil(RUN));
        for first in (0..elements).step_by(RUN) {
            let terms = (first..elements.min(first + RUN))
                .map(|element| {
                    let power = self.builder.z_power(step * (element - first) as u64);
                    (self.consumed(tile, element), power)
                })
                .collect::<Vec<_>>();
            let sum = self.builder.dot(&terms);
            runs.push((sum, self.builder.z_power(step * first as u64)));
        }
        self.builder.dot(&runs)
    }

    fn commitment(&mut self, hash: &HashRows, bytes: usize, exports: &[Cell]) {
        let domain = self.builder.constant(poseidon::input_domain(bytes));
        let zero = self.builder.integer(0);
        for block in 0..hash.blocks {
            let row = hash.block_row(block);
            let previous = if block == 0 { domain } else { Cell::s1(row) };
            self.builder.equal(Cell::s0(row), previous);
            for position in 0..RATE {
                // Element 0 is the salt, which nothing else names.
                let Some(element) = (block * RATE + position).checked_sub(1) else { continue };
                let source = exports.get(element).copied().unwrap_or(zero);
                self.builder.equal(Cell::s0(row + WIDTH - RATE + position), source);
            }
        }
        let instance = self.builder.instance(1);
        self.builder.equal(Cell::s1(hash.block_row(hash.blocks)), instance);
    }

    fn layer(&mut self, index: usize) {
        let layer = &self.parts.graph.layers[index];
        match &layer.op {
            Op::Conv { input, window, rescale, .. } => {
                self.convolution(index, *input, window, rescale)
            }
            Op::SumPool { input, window, multiplier, rescale } => {
                self.sum_pool(index, *input, window, *multiplier, rescale);
            }
            Op::MaxPool { input, window } => self.max_pool(index, *input, window),
            Op::Pointwise { inputs, constant, rescale } => {
                self.pointwise(index, inputs, *constant, rescale);
            }
            // Sums of tile channels: nothing to prove.
            Op::Add { .. } | Op::Concat { .. } | Op::Slice { .. } => {}
        }
    }

    fn rest(&self, layer: usize) -> Option<Cell> {
        self.parts.rests.iter().find(|rest| rest.layer == layer).map(RestGrid::sum)
    }

    /// Asserts `left = origin * kept + rest`.
    fn assert_correlation(&mut self, layer: usize, left: Cell, origin: Cell, kept: Cell) {
        let right = match self.rest(layer) {
            Some(rest) => {
                let one = self.builder.one();
                self.builder.dot(&[(origin, kept), (rest, one)])
            }
            None => self.builder.multiply(origin, kept),
        };
        self.builder.equal(left, right);
    }

    fn convolution(&mut self, index: usize, input: TensorId, window: &Window, rescale: &Rescale) {
        let kernels = self.parts.kernels;
        let kernel = kernels
            .iter()
            .find(|kernel| kernel.layer == index)
            .expect("the layout places the weights of each convolution");
        let reading = self.parts.readings[input];
        let left = if kernel.is_depthwise() {
            self.depthwise(kernel, input, window, reading)
        } else {
            self.dense(kernel, input, window, reading)
        };
        // sum_j v^j acc_j = sum_j v^j (Y^_j - half * kept places), less the bias.
        let tile = self.tile_of(TileSource::Layer(index));
        let [channels, height, width] = self.parts.tiles[tile].shape;
        let produced = self.combined_tile(tile, |j| kernel.output_index(j), Self::produced);
        let places = self.grid(reading.strided(window.stride), height, width);
        let powers = self.powers(channels, |j| kernel.output_index(j));
        let (one, half) = (self.builder.one(), self.builder.integer(Self::half(rescale)));
        let added = self.builder.dot(&[(kernel.bias_sum(), one), (powers, half)]);
        let minus = self.builder.integer(-1);
        let negated = self.builder.multiply(added, minus);
        let kept = self.builder.dot(&[(produced, one), (negated, places)]);
        let origin = self.origin(window, reading);
        self.assert_correlation(index, left, origin, kept);
    }

    /// `sum over taps, inputs: X^_k * (sum_j v^j w[j,k,tap]) * z^(tap's place)`.
    fn dense(
        &mut self,
        kernel: &Kernel,
        input: TensorId,
        window: &Window,
        reading: Reading,
    ) -> Cell {
        let mut total = Vec::new();
        for line in 0..kernel.taps[0] {
            for tap in 0..kernel.taps[1] {
                let mut groups = Vec::with_capacity(kernel.groups);
                for group in 0..kernel.groups {
                    let terms = (0..kernel.inputs)
                        .map(|k| {
                            let k = group * kernel.inputs + k;
                            (self.evaluation(input, k), kernel.dense_sum([line, tap], k))
                        })
                        .collect::<Vec<_>>();
                    let sum = self.builder.dot(&terms);
                    let first = kernel.output_index(group * kernel.outputs);
                    groups.push((sum, self.builder.v_power(first)));
                }
                let sum = match groups.as_slice() {
                    [(sum, _)] => *sum,
                    _ => self.builder.dot(&groups),
                };
                let exponent = ((kernel.taps[0] - 1 - line) * window.dilation[0]) as u64
                    * reading.line
                    + ((kernel.taps[1] - 1 - tap) * window.dilation[1]) as u64 * reading.column;
                total.push((sum, self.builder.z_power(exponent)));
            }
        }
        let one = self.builder.one();
        match total.as_slice() {
            [(sum, factor)] if *factor == one => *sum,
            _ => self.builder.dot(&total),
        }
    }

    /// `sum_c v^c X^_c * (sum over taps of w[c,tap] z^(tap's place))`.
    fn depthwise(
        &mut self,
        kernel: &Kernel,
        input: TensorId,
        window: &Window,
        reading: Reading,
    ) -> Cell {
        let weighted = (0..kernel.groups)
            .map(|c| {
                let (x, power) = (self.evaluation(input, c), self.builder.v_power(c));
                self.builder.multiply(x, power)
            })
            .collect::<Vec<_>>();
        let mut total = Vec::new();
        for line in 0..kernel.taps[0] {
            for chunk in 0..kernel.chunks() {
                let terms = weighted
                    .iter()
                    .enumerate()
                    .map(|(c, x)| (*x, kernel.depthwise_sum(c, line, chunk)))
                    .collect::<Vec<_>>();
                let sum = self.builder.dot(&terms);
                let exponent = ((kernel.taps[0] - 1 - line) * window.dilation[0]) as u64
                    * reading.line
                    + (chunk * kernel.columns) as u64 * kernel.tap_step;
                total.push((sum, self.builder.z_power(exponent)));
            }
        }
        self.builder.dot(&total)
    }

    fn sum_pool(
        &mut self,
        index: usize,
        input: TensorId,
        window: &Window,
        multiplier: i64,
        rescale: &Rescale,
    ) {
        let reading = self.parts.readings[input];
        let taps = Reading {
            column: reading.column * window.dilation[1] as u64,
            line: reading.line * window.dilation[0] as u64,
        };
        let taps = self.grid(taps, window.kernel[0], window.kernel[1]);
        let factor = self.builder.integer(multiplier);
        let taps = self.builder.multiply(taps, factor);
        let combined = self.combined_evaluation(input);
        let left = self.builder.multiply(taps, combined);
        let kept = self.kept_outputs(index, reading.strided(window.stride), -Self::half(rescale));
        let origin = self.origin(window, reading);
        self.assert_correlation(index, left, origin, kept);
    }

    fn pointwise(
        &mut self,
        index: usize,
        inputs: &[(TensorId, i64)],
        constant: i64,
        rescale: &Rescale,
    ) {
        let mut terms = Vec::with_capacity(inputs.len());
        for (tensor, multiplier) in inputs {
            let combined = self.combined_evaluation(*tensor);
            terms.push((combined, self.builder.integer(*multiplier)));
        }
        let left = self.builder.dot(&terms);
        let reading = self.parts.readings[inputs[0].0];
        let right = self.kept_outputs(index, reading, -Self::half(rescale) - constant);
        self.builder.equal(left, right);
    }

    /// `sum_c v^c (Y^_c + constant * kept places)` of a layer's tile.
    fn kept_outputs(&mut self, layer: usize, reading: Reading, constant: i64) -> Cell {
        let tile = self.tile_of(TileSource::Layer(layer));
        let [channels, height, width] = self.parts.tiles[tile].shape;
        let produced = self.combined_tile(tile, |c| c, Self::produced);
        if constant == 0 {
            return produced;
        }
        let places = self.grid(reading, height, width);
        let powers = self.powers(channels, |c| c);
        let (one, constant) = (self.builder.one(), self.builder.integer(constant));
        let powers = self.builder.multiply(powers, constant);
        self.builder.dot(&[(produced, one), (powers, places)])
    }

    /// Values are taken relative to the tensor's least, so that padding is the least value. Tap
    /// `t`'s gathered values are `pre_t` plus what the taps before have reached.
    fn max_pool(&mut self, index: usize, input: TensorId, window: &Window) {
        let graph = self.parts.graph;
        let reading = self.parts.readings[input];
        let [channels, height, width] = graph.tensors[input].shape;
        let mut combined = self.combined_evaluation(input);
        let least = i64::from(graph.tensors[input].min);
        if least != 0 {
            let (one, least) = (self.builder.one(), self.builder.integer(-least));
            let powers = self.powers(channels, |c| c);
            let powers = self.builder.multiply(powers, least);
            let places = self.grid(reading, height, width);
            combined = self.builder.dot(&[(combined, one), (powers, places)]);
        }
        let taps = window.kernel[0] * window.kernel[1];
        let mut selection = Vec::with_capacity(taps);
        let mut gathered = Vec::with_capacity(taps);
        let mut reached: Vec<Cell> = Vec::with_capacity(taps);
        for tap in 0..taps {
            let (line, column) = (tap / window.kernel[1], tap % window.kernel[1]);
            let exponent = (window.kernel[0] - 1 - line) as u64 * reading.line
                + (window.kernel[1] - 1 - column) as u64 * reading.column;
            let power = self.builder.v_power(tap * channels);
            selection.push((power, self.builder.z_power(exponent)));
            let tile = self.tile_of(TileSource::PoolTap { layer: index, tap });
            let pre = self.combined_tile(tile, |c| c, Self::produced);
            let mut parts = vec![pre];
            parts.extend_from_slice(&reached);
            gathered.push((self.builder.sum(&parts), power));
            reached.push(self.combined_tile(tile, |c| c, Self::consumed));
        }
        let selection = self.builder.dot(&selection);
        let left = self.builder.multiply(selection, combined);
        let kept = self.builder.dot(&gathered);
        let origin = self.origin(window, reading);
        self.assert_correlation(index, left, origin, kept);
    }

    /// The public class is the first of the largest logits: with
    /// `key_j = 2^s * logit_j + (n - 1 - j)`, all keys are at most the largest, one equals it, and
    /// its low part names the class.
    fn ranking(&mut self) {
        let graph = self.parts.graph;
        let logits = &graph.tensors[graph.output];
        let classes = logits.shape[0];
        let tile = self.tile_of(TileSource::Ranking);
        let scale = self.builder.integer(1 << self.parts.tiles[tile].shift);
        let (one, minus) = (self.builder.one(), self.builder.integer(-1));
        let least = self.builder.integer(i64::from(logits.min) << self.parts.tiles[tile].shift);

        let below = (0..classes)
            .map(|j| (self.produced(tile, 1 + j), self.builder.v_power(j)))
            .collect::<Vec<_>>();
        let below = self.builder.dot(&below);
        let combined = self.combined_evaluation(graph.output);
        let powers = self.powers(classes, |j| j);
        // sum_j v^j (n - 1 - j) = (sum_j v^j - n) / (v - 1)
        let v = self.builder.v();
        let count = self.builder.integer(-(classes as i64));
        let numerator = self.builder.dot(&[(powers, one), (count, one)]);
        let denominator = self.builder.dot(&[(v, one), (minus, one)]);
        let places = self.builder.divide(numerator, denominator);
        let left = self.builder.dot(&[(below, one), (combined, scale), (places, one)]);
        let top = self.produced(tile, 0);
        let right = self.builder.dot(&[(top, powers), (least, powers)]);
        self.builder.equal(left, right);

        let product = (1..classes).fold(self.produced(tile, 1), |product, j| {
            let factor = self.produced(tile, 1 + j);
            self.builder.multiply(product, factor)
        });
        let zero = self.builder.integer(0);
        self.builder.equal(product, zero);

        let largest = self.consumed(tile, 0);
        let last = self.builder.integer(classes as i64 - 1);
        let class = self.builder.dot(&[(top, minus), (largest, scale), (last, one)]);
        let public_inputs = match self.parts.mode {
            InputMode::Committed => 2,
            InputMode::Public => {
                1 + self.parts.tiles[self.tile_of(TileSource::PackedInput)].shape[0]
            }
        };
        let instance = self.builder.instance(public_inputs);
        self.builder.equal(class, instance);
    }
}
