//! Claims that tie the tiles of a layer to those of its inputs.

use assay_graph::{Op, Rescale, TensorId, Window};

use super::Claims;
use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::reading::{Reading, extent};
use crate::layout::scalar_program::Cell;
use crate::layout::tile::{CONSUMED, PRODUCED, TileSource};

impl Claims<'_, '_> {
    /// What ties layer `index` to its inputs.
    pub(super) fn layer(&mut self, index: usize) {
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
            Op::Multiply { inputs, rescale } => self.product(index, *inputs, rescale),
            Op::Dot { inputs, rescale, .. } => self.dot(index, *inputs, rescale),
            Op::Resize { input, .. } | Op::Spread { input, .. } => self.copied(index, 0, *input),
            Op::Transpose { input, groups, rescale } => {
                self.transposition(index, *input, *groups, rescale);
            }
            Op::MatMul { inputs, groups, rescale } => {
                self.matrix_product(index, *inputs, *groups, rescale);
            }
            // Sums of tile channels: nothing to prove.
            Op::Add { .. } | Op::Concat { .. } | Op::Slice { .. } => {}
        }
    }

    fn rest(&self, layer: usize) -> Option<Cell> {
        self.parts.rests.iter().find(|rest| rest.layer == layer).map(RestGrid::sum)
    }

    /// Asserts `left = origin * kept + rest`.
    fn assert_correlation(
        &mut self,
        rule: &'static str,
        layer: usize,
        [left, origin, kept]: [Cell; 3],
    ) {
        let right = match self.rest(layer) {
            Some(rest) => {
                let one = self.builder.one();
                self.builder.dot(&[(origin, kept), (rest, one)])
            }
            None => self.builder.multiply(origin, kept),
        };
        self.builder.equal(rule, left, right);
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
        let [_, height, width] = self.parts.tiles[tile].shape;
        let produced = self.combined_tile(tile, PRODUCED, |j| kernel.output_index(j));
        let places = self.ones(reading.strided(window.stride), height, width);
        let powers = self.output_powers(kernel);
        let (one, half) = (self.builder.one(), self.builder.integer(Self::half(rescale)));
        let added = self.builder.dot(&[(kernel.bias_sum(), one), (powers, half)]);
        let minus = self.builder.integer(-1);
        let negated = self.builder.multiply(added, minus);
        let kept = self.builder.dot(&[(produced, one), (negated, places)]);
        let origin = self.origin(window, reading);
        let rule = if kernel.is_depthwise() { "depthwise convolution" } else { "convolution" };
        self.assert_correlation(rule, index, [left, origin, kept]);
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
        self.assert_correlation("sum-pool", index, [left, origin, kept]);
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
        self.builder.equal("pointwise", left, right);
    }

    /// The factors' tile holds the inputs, and its products are the layer's accumulators.
    fn product(&mut self, index: usize, inputs: [TensorId; 2], rescale: &Rescale) {
        let factors = self.factors(index, inputs);
        let left = self.combined_elements(factors, PRODUCED);
        let reading = self.parts.readings[inputs[0]];
        let right = self.kept_outputs(index, reading, -Self::half(rescale));
        self.builder.equal("product accumulators", left, right);
    }

    /// The factors' tile holds the inputs; the products of a group's channels add up to one accumulator
    /// a position. Over whole planes the products' evaluation is a plain sum, for the one position there is.
    fn dot(&mut self, index: usize, inputs: [TensorId; 2], rescale: &Rescale) {
        let factors = self.factors(index, inputs);
        let [groups, ..] = self.parts.tiles[self.tile_of(TileSource::Layer(index))].shape;
        let depth = self.parts.tiles[factors].shape[0] / groups;
        let power = self.parts.folds.power();
        let left = self.combined_tile(factors, PRODUCED, |c| c / depth * power);
        let reading = self.parts.readings[inputs[0]];
        let right = self.kept_outputs(index, reading, -Self::half(rescale));
        self.builder.equal("sums of products", left, right);
    }

    /// The tile of a layer's factors, tied to them channel by channel: `A^_c + v B^_c`. Channels that run on
    /// count even powers of `v`, so that no power is both an `A`'s and a `B`'s.
    fn factors(&mut self, index: usize, inputs: [TensorId; 2]) -> usize {
        let graph = self.parts.graph;
        let [a, b] = inputs;
        let factors = self.tile_of(TileSource::Factors(index));
        let [channels, height, width] = self.parts.tiles[factors].shape;
        let reading = self.parts.readings[a];
        let one = self.builder.one();
        let mut second = self.builder.v();
        if graph.tensors[b].shape != graph.tensors[a].shape {
            // A gate stands at every position.
            let grid = self.grid(reading, height, width);
            second = self.builder.multiply(second, grid);
        }
        if self.parts.tiles[factors].folds[CONSUMED].is_some() {
            let terms = [(self.combined_evaluation(a), one), (self.combined_evaluation(b), second)];
            let held = self.builder.dot(&terms);
            self.builder.equal("product factors", held, self.consumed(factors, 0));
            return factors;
        }
        for channel in 0..channels {
            let terms = [(self.evaluation(a, channel), one), (self.evaluation(b, channel), second)];
            let held = self.builder.dot(&terms);
            self.builder.equal("product factors", held, self.consumed(factors, channel));
        }
        factors
    }

    /// The tile of a copied tensor, a layer's input number `number`, holds its values.
    pub(super) fn copied(&mut self, index: usize, number: usize, input: TensorId) {
        let tile = self.tile_of(TileSource::Copied { layer: index, input: number });
        let held = if self.parts.tiles[tile].folds[PRODUCED].is_some() {
            self.produced(tile, 0)
        } else {
            let terms = (0..self.parts.tiles[tile].channels())
                .map(|c| (self.over_images(tile, c, Self::produced), self.power(c)))
                .collect::<Vec<_>>();
            self.builder.dot(&terms)
        };
        let combined = self.combined_evaluation(input);
        self.builder.equal("copy", held, combined);
    }

    /// `sum_c v^(c * power) (Y^_c + constant * kept places)` of a layer's tile.
    fn kept_outputs(&mut self, layer: usize, reading: Reading, constant: i64) -> Cell {
        let tile = self.tile_of(TileSource::Layer(layer));
        let [channels, height, width] = self.parts.tiles[tile].shape;
        let produced = self.combined_elements(tile, PRODUCED);
        if constant == 0 {
            return produced;
        }
        let places = self.ones(reading, height, width);
        let powers = self.powers(channels);
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
            let powers = self.powers(channels);
            let powers = self.builder.multiply(powers, least);
            let places = self.ones(reading, height, width);
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
            let power = self.power(tap * channels);
            selection.push((power, self.builder.z_power(exponent)));
            let tile = self.tile_of(TileSource::PoolTap { layer: index, tap });
            let pre = self.combined_elements(tile, PRODUCED);
            let mut parts = vec![pre];
            parts.extend_from_slice(&reached);
            gathered.push((self.builder.sum(&parts), power));
            reached.push(self.combined_elements(tile, CONSUMED));
        }
        let selection = self.builder.dot(&selection);
        let left = self.builder.multiply(selection, combined);
        let kept = self.builder.dot(&gathered);
        let origin = self.origin(window, reading);
        self.assert_correlation("max-pool", index, [left, origin, kept]);
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
}
