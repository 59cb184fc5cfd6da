//! Random small graphs, for tests: every operation with random windows, strides, padding, groups and
//! dilations.

use assay_graph::{
    FunctionTable, Input, Layer, Op, QuantizedGraph, Rescale, Shape, Tensor, TensorId, Window,
};

pub use crate::plain::plain_run;
use crate::plain::{accumulators, plain_layer};

/// Largest width of a function table before layers share it.
const TABLE_WIDTH: i64 = 200;
const MAX_SHIFT: u32 = 6;
/// Channels that a transposition or a product of matrices may make.
const MOST_CHANNELS: usize = 24;

/// SplitMix64: small, and the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence that depends on `seed` alone.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + (self.word() % (high - low + 1) as u64) as i64
    }

    /// As [`Random::between`], for sizes.
    pub fn size(&mut self, low: usize, high: usize) -> usize {
        self.between(low as i64, high as i64) as usize
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.size(0, items.len() - 1)]
    }
}

/// A valid graph of at most 22 layers over an input of at most 3x9x9, and inputs that it runs on
/// without leaving any range. The same for the same `seed`.
pub fn random_graph(seed: u64) -> (QuantizedGraph, Vec<Vec<u8>>) {
    let mut random = Random::new(seed);
    let shape = [random.size(1, 3), random.size(1, 9), random.size(1, 9)];
    let elements: usize = shape.iter().product();
    let inputs: Vec<Vec<u8>> = (0..random.size(2, 3))
        .map(|_| (0..elements).map(|_| random.word() as u8).collect())
        .collect();
    let (step, zero) = random.pick(&[(1, 0), (1, 128), (4, 32), (2, 100)]);
    let map: Vec<i32> = (0..256).map(|byte| byte / step - zero).collect();
    let values = inputs.iter().map(|input| input.iter().map(|b| map[usize::from(*b)]).collect());
    let mut builder = Builder {
        tensors: vec![(shape, values.collect())],
        functions: Vec::new(),
        layers: Vec::new(),
        random,
    };
    for _ in 0..builder.random.size(1, 7) {
        builder.add_layer();
    }
    builder.add_output();
    let graph = builder.finish(seed, map);
    (graph, inputs)
}

struct Builder {
    /// Shape, and values for each input.
    tensors: Vec<(Shape, Vec<Vec<i32>>)>,
    functions: Vec<FunctionTable>,
    layers: Vec<Layer>,
    random: Random,
}

impl Builder {
    /// A layer that reads the newest tensor, so that none is without a reader.
    fn add_layer(&mut self) {
        let input = self.tensors.len() - 1;
        let [channels, height, width] = self.tensors[input].0;
        let like = |builder: &Self, same_channels: bool| -> Vec<TensorId> {
            let fits = |shape: Shape| {
                shape[1..] == [height, width] && (!same_channels || shape[0] == channels)
            };
            (0..=input).filter(|tensor| fits(builder.tensors[*tensor].0)).collect()
        };
        match self.random.size(0, 21) {
            0..=3 => self.add_conv(input, false),
            4 => self.add_conv(input, true),
            5 => self.add_sum_pool(input),
            6 => {
                let window = self.window([height, width], false);
                let [out_h, out_w] = window.output_size([height, width]).expect("the window fits");
                self.push([channels, out_h, out_w], Op::MaxPool { input, window });
            }
            7 => {
                let others = like(self, true);
                let mut inputs = vec![(input, self.random.pick(&[-3, -1, 1, 2]))];
                if self.random.size(0, 1) == 1 {
                    inputs.push((self.random.pick(&others), self.random.between(1, 4)));
                }
                let constant = self.random.between(-20, 20);
                let rescale = Rescale { shift: self.random.size(0, 3) as u32, function: 0 };
                self.push_rescaled(
                    [channels, height, width],
                    Op::Pointwise { inputs, constant, rescale },
                );
            }
            8 | 9 => {
                let inputs = vec![self.random.pick(&like(self, true)), input];
                self.push([channels, height, width], Op::Add { inputs });
            }
            10 => {
                let other = self.random.pick(&like(self, false));
                let inputs = vec![input, other];
                let total = channels + self.tensors[other].0[0];
                if total <= 8 {
                    self.push([total, height, width], Op::Concat { inputs });
                }
            }
            11 | 12 => self.add_product(input),
            13 => {
                let factor = [self.random.size(1, 3), self.random.size(1, 2)];
                let output = [channels, height * factor[0], width * factor[1]];
                if output[1] * output[2] <= 200 {
                    self.push(output, Op::Resize { input, factor });
                }
            }
            14 => {
                let factor = [self.random.size(1, 2), self.random.size(1, 3)];
                let output = [channels, height * factor[0], width * factor[1]];
                if output[1] * output[2] <= 200 {
                    self.push(output, Op::Spread { input, factor });
                }
            }
            15 | 16 => self.add_transpose(input, false),
            17 | 18 => self.add_matrix_product(input),
            19 | 20 => self.add_dot(input),
            _ => {
                let count = self.random.size(1, channels);
                let start = self.random.size(0, channels - count);
                self.push([count, height, width], Op::Slice { input, start });
            }
        }
    }

    fn window(&mut self, size: [usize; 2], dilated: bool) -> Window {
        loop {
            let random = &mut self.random;
            let mut pair = |low, high| [random.size(low, high), random.size(low, high)];
            let kernel = pair(1, 4);
            let stride = pair(1, 3);
            let dilation = if dilated { pair(1, 2) } else { [1, 1] };
            let ([top, left], [bottom, right]) = (pair(0, 2), pair(0, 2));
            let window = Window { kernel, stride, dilation, pads: [top, left, bottom, right] };
            let extent = window.extent().expect("the window fits");
            let Some(output) = window.output_size(size) else { continue };
            let padded = (0..4).all(|side| window.pads[side] < extent[side % 2]);
            let covered = (0..2)
                .all(|axis| (output[axis] - 1) * stride[axis] < size[axis] + window.pads[axis]);
            if padded && covered {
                return window;
            }
        }
    }

    fn add_conv(&mut self, input: TensorId, same: bool) {
        let [channels, height, width] = self.tensors[input].0;
        let window = if same {
            Window { pads: [1; 4], ..Window::dense([3, 3]) }
        } else {
            self.window([height, width], true)
        };
        let divisors: Vec<usize> = (1..=channels).filter(|n| channels.is_multiple_of(*n)).collect();
        let groups = self.random.pick(&divisors);
        let outputs =
            if same { channels } else { groups * self.random.size(1, (6 / groups).max(1)) };
        let [out_h, out_w] = window.output_size([height, width]).expect("the window fits");
        self.push_conv(input, window, groups, [outputs, out_h, out_w]);
    }

    fn push_conv(&mut self, input: TensorId, window: Window, groups: usize, output: Shape) {
        let taps = window.kernel[0] * window.kernel[1];
        let count = output[0] * self.tensors[input].0[0] / groups * taps;
        let most = self.random.pick(&[1, 3, 20, 60]);
        let weights = (0..count).map(|_| self.random.between(-most, most)).collect();
        let bias = (0..output[0]).map(|_| self.random.between(-most * 20, most * 20)).collect();
        let rescale = Rescale { shift: self.random.size(0, 6) as u32, function: 0 };
        self.push_rescaled(output, Op::Conv { input, window, groups, weights, bias, rescale });
    }

    fn add_sum_pool(&mut self, input: TensorId) {
        let [channels, height, width] = self.tensors[input].0;
        let window = if self.random.size(0, 2) == 0 {
            Window::dense([height, width])
        } else {
            self.window([height, width], true)
        };
        let [out_h, out_w] = window.output_size([height, width]).expect("the window fits");
        let shift = self.random.size(0, 6) as u32;
        let taps = (window.kernel[0] * window.kernel[1]) as i64;
        let multiplier = ((1 << shift) / taps).max(1);
        let rescale = Rescale { shift, function: 0 };
        let op = Op::SumPool { input, window, multiplier, rescale };
        self.push_rescaled([channels, out_h, out_w], op);
    }

    /// The newest tensor times an earlier one, or times a gate that it makes itself.
    fn add_product(&mut self, input: TensorId) {
        let shape = self.tensors[input].0;
        let fits = |other: Shape| other == shape || other == [shape[0], 1, 1];
        let mut others: Vec<TensorId> =
            (0..=input).filter(|tensor| fits(self.tensors[*tensor].0)).collect();
        if self.random.size(0, 1) == 0 {
            let before = self.tensors.len();
            self.push_conv(input, Window::dense([shape[1], shape[2]]), 1, [shape[0], 1, 1]);
            if self.tensors.len() > before {
                others = vec![before];
            }
        }
        let inputs = [input, self.random.pick(&others)];
        let rescale = Rescale { shift: self.random.size(0, 6) as u32, function: 0 };
        self.push_rescaled(shape, Op::Multiply { inputs, rescale });
    }

    fn divisor(&mut self, number: usize) -> usize {
        let divisors: Vec<usize> = (1..=number).filter(|n| number.is_multiple_of(*n)).collect();
        self.random.pick(&divisors)
    }

    /// Channels and positions change places, where that makes few channels; on one line if asked.
    fn add_transpose(&mut self, input: TensorId, flat: bool) {
        let [channels, height, width] = self.tensors[input].0;
        let groups = self.divisor(channels);
        let tall = if flat { 1 } else { self.divisor(channels / groups) };
        let output = [groups * height * width, tall, channels / groups / tall];
        if output[0] <= MOST_CHANNELS {
            let rescale = Rescale { shift: self.random.size(0, 2) as u32, function: 0 };
            self.push_rescaled(output, Op::Transpose { input, groups, rescale });
        }
    }

    /// A tensor on one line times one of as many channels.
    fn add_matrix_product(&mut self, mut input: TensorId) {
        if self.tensors[input].0[1] > 1 {
            self.add_transpose(input, true);
            input = self.tensors.len() - 1;
        }
        let [channels, height, rows] = self.tensors[input].0;
        if height > 1 {
            return;
        }
        if self.random.size(0, 1) == 0 {
            let kernel = self.random.size(1, rows);
            let output = [channels, 1, rows + 1 - kernel];
            self.push_conv(input, Window::dense([1, kernel]), self.tensors[input].0[0], output);
        }
        let fits = |shape: Shape| shape[0] == channels && shape[1] == 1;
        let others: Vec<TensorId> =
            (0..self.tensors.len()).filter(|tensor| fits(self.tensors[*tensor].0)).collect();
        let mut inputs = [input, self.random.pick(&others)];
        if self.random.size(0, 1) == 0 {
            inputs.reverse();
        }
        let [rows, columns] = inputs.map(|input| self.tensors[input].0[2]);
        let groups = self.divisor(channels);
        if groups * rows <= MOST_CHANNELS {
            let rescale = Rescale { shift: self.random.size(0, 6) as u32, function: 0 };
            let op = Op::MatMul { inputs, groups, rescale };
            self.push_rescaled([groups * rows, 1, columns], op);
        }
    }

    /// The newest tensor times itself or an earlier one, summed over channels and perhaps positions.
    fn add_dot(&mut self, input: TensorId) {
        let shape @ [channels, height, width] = self.tensors[input].0;
        let others: Vec<TensorId> =
            (0..=input).filter(|tensor| self.tensors[*tensor].0 == shape).collect();
        let inputs = [input, self.random.pick(&others)];
        let (groups, planes) = (self.divisor(channels), self.random.size(0, 2) == 0);
        let plane = if planes { [1, 1] } else { [height, width] };
        let rescale = Rescale { shift: self.random.size(0, 6) as u32, function: 0 };
        let op = Op::Dot { inputs, groups, planes, rescale };
        self.push_rescaled([groups, plane[0], plane[1]], op);
    }

    fn add_output(&mut self) {
        let input = self.tensors.len() - 1;
        let [_, height, width] = self.tensors[input].0;
        let classes = self.random.size(2, 5);
        self.push_conv(input, Window::dense([height, width]), 1, [classes, 1, 1]);
    }

    /// Fits shift, weights and table to the values that the layer takes, then adds it.
    fn push_rescaled(&mut self, shape: Shape, mut op: Op) {
        let (shift, low, high) = loop {
            let sums: Vec<i64> = (0..self.tensors[0].1.len())
                .flat_map(|sample| {
                    let view = |tensor: TensorId| {
                        let (shape, values) = &self.tensors[tensor];
                        (*shape, values[sample].as_slice())
                    };
                    accumulators(&op, shape, &view)
                })
                .collect();
            let (Some(low), Some(high)) = (sums.iter().min(), sums.iter().max()) else { return };
            let wanted = op.rescale().map_or(0, |rescale| rescale.shift);
            let fits = |shift: &u32| {
                (high - low) >> shift <= TABLE_WIDTH && low.abs().max(high.abs()) >> shift < 1000
            };
            if let Some(shift) = (wanted..=MAX_SHIFT).find(fits) {
                let half = if shift == 0 { 0 } else { 1 << (shift - 1) };
                break (shift, (low + half) >> shift, (high + half) >> shift);
            }
            // A product has no factor of its own: when no shift fits, there is no such layer.
            if matches!(
                op,
                Op::Multiply { .. } | Op::MatMul { .. } | Op::Dot { .. } | Op::Transpose { .. }
            ) {
                return;
            }
            shrink(&mut op);
        };
        let function = self.function(low, high);
        match &mut op {
            Op::Conv { rescale, .. }
            | Op::SumPool { rescale, .. }
            | Op::Pointwise { rescale, .. }
            | Op::Multiply { rescale, .. }
            | Op::Transpose { rescale, .. }
            | Op::MatMul { rescale, .. }
            | Op::Dot { rescale, .. } => *rescale = Rescale { shift, function },
            _ => unreachable!("only layers with an accumulator are rescaled"),
        }
        self.push(shape, op);
    }

    /// A table over `low..=high` and a little more; equal functions share one.
    fn function(&mut self, low: i64, high: i64) -> usize {
        let name = self.random.pick(&["relu", "identity", "clip", "steps"]);
        let (low, high) = (low.min(0) - self.random.between(0, 4), high.max(0) + 4);
        let known = self.functions.iter().position(|table| table.name == name);
        let (low, high) = match known {
            Some(index) => {
                let table = &self.functions[index];
                let end = i64::from(table.min) + table.values.len() as i64 - 1;
                (low.min(i64::from(table.min)), high.max(end))
            }
            None => (low, high),
        };
        let value = |x: i64| match name {
            "relu" => x.max(0),
            "identity" => x,
            "clip" => x.clamp(-10, 60),
            _ => (x * 37).rem_euclid(101) - 50,
        };
        let table = FunctionTable {
            name: name.into(),
            min: low as i32,
            values: (low..=high).map(|x| value(x) as i32).collect(),
        };
        match known {
            Some(index) => {
                self.functions[index] = table;
                index
            }
            None => {
                self.functions.push(table);
                self.functions.len() - 1
            }
        }
    }

    fn push(&mut self, shape: Shape, op: Op) {
        let values = (0..self.tensors[0].1.len())
            .map(|sample| {
                let view = |tensor: TensorId| {
                    let (shape, values) = &self.tensors[tensor];
                    (*shape, values[sample].as_slice())
                };
                let functions = &self.functions;
                plain_layer(&op, shape, functions, &view).expect("the table was made to fit").0
            })
            .collect();
        self.layers.push(Layer {
            name: format!("{}_{}", op.kind().to_lowercase(), self.layers.len()),
            output: self.tensors.len(),
            op,
        });
        self.tensors.push((shape, values));
    }

    fn finish(self, seed: u64, map: Vec<i32>) -> QuantizedGraph {
        let bounds = |values: &[i32]| {
            (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0))
        };
        let mut ranges = vec![bounds(&map)];
        for layer in &self.layers {
            let inputs = layer.op.inputs();
            let of_inputs = inputs.iter().map(|input| ranges[*input]);
            let range = match &layer.op {
                Op::Add { .. } => of_inputs.fold((0, 0), |sum, r| (sum.0 + r.0, sum.1 + r.1)),
                Op::Spread { .. } => {
                    of_inputs.fold((0, 0), |all, r| (all.0.min(r.0), all.1.max(r.1)))
                }
                op => match op.rescale() {
                    Some(rescale) => bounds(&self.functions[rescale.function].values),
                    None => of_inputs
                        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
                        .expect("every layer has an input"),
                },
            };
            ranges.push(range);
        }
        let tensors =
            self.tensors.iter().zip(ranges).enumerate().map(|(index, ((shape, _), r))| Tensor {
                name: format!("t{index}"),
                shape: *shape,
                scale: 1.0,
                min: r.0,
                max: r.1,
            });
        QuantizedGraph {
            name: format!("random_{seed}"),
            input: Input {
                tensor: 0,
                map,
                byte_scale: 1.0,
                byte_offset: 0.0,
                values: None,
                parts: Vec::new(),
                order: None,
                sizes: Vec::new(),
            },
            tensors: tensors.collect(),
            functions: self.functions,
            output: self.layers.len(),
            layers: self.layers,
        }
    }
}

/// Halves what a layer multiplies with.
fn shrink(op: &mut Op) {
    match op {
        Op::Conv { weights, bias, .. } => {
            weights.iter_mut().chain(bias).for_each(|w| *w /= 2);
        }
        Op::SumPool { multiplier, .. } => *multiplier /= 2,
        Op::Pointwise { inputs, constant, .. } => {
            inputs.iter_mut().for_each(|(_, m)| *m /= 2);
            *constant /= 2;
        }
        _ => {}
    }
}
