//! Small networks by hand.

use assay_graph::{FunctionTable, Input, Layer, Op, QuantizedGraph, Rescale, Tensor, Window};

/// A network with every kind of layer, 2 x 6 x 5 input.
pub fn mixed_network() -> (QuantizedGraph, Vec<u8>) {
    let mut builder = Builder::new([2, 6, 5]);
    let conv = builder.conv(0, [3, 3], [1, 1], [1, 1, 1, 1], 4, 1, true);
    let pool = builder.max_pool(conv, [2, 2], [2, 2], [0, 0, 0, 1]);
    let depthwise = builder.conv(pool, [3, 3], [1, 1], [1, 1, 1, 1], 4, 4, true);
    let sum = builder.push([4, 3, 3], Op::Add { inputs: vec![pool, depthwise] });
    let pointwise = builder.conv(sum, [1, 1], [1, 1], [0; 4], 2, 1, false);
    let joined = builder.push([6, 3, 3], Op::Concat { inputs: vec![depthwise, pointwise] });
    let strided = builder.conv(joined, [2, 3], [2, 2], [0, 1, 1, 1], 4, 2, true);
    let scaled = builder.push(
        builder.shape(strided),
        Op::Pointwise {
            inputs: vec![(strided, 3)],
            constant: 5,
            rescale: Rescale { shift: 1, function: 1 },
        },
    );
    let averaged = builder.push(
        [4, 1, 1],
        Op::SumPool {
            input: scaled,
            window: Window { kernel: [2, 2], stride: [1, 1], dilation: [1, 1], pads: [0; 4] },
            multiplier: 3,
            rescale: Rescale { shift: 2, function: 1 },
        },
    );
    let logits = builder.conv(averaged, [1, 1], [1, 1], [0; 4], 5, 1, false);
    let input = (0..60u32).map(|i| (i * 37 % 256) as u8).collect();
    (builder.finish(logits), input)
}

const HEADS: usize = 2;
/// Channels of a head.
const DEPTH: usize = 2;
const TOKENS: usize = 5;

fn table(name: &str, domain: std::ops::Range<i32>, value: impl Fn(f64) -> f64) -> FunctionTable {
    let values = domain.clone().map(|x| value(f64::from(x)).round() as i32).collect();
    FunctionTable { name: name.into(), min: domain.start, values }
}

/// One sum for each head, or one value for all of its channels.
fn over_heads(input: usize, from: usize, to: usize, rescale: Rescale) -> Op {
    Op::Conv {
        input,
        window: Window::dense([1, 1]),
        groups: HEADS,
        weights: vec![1; HEADS * from * to],
        bias: vec![0; HEADS * to],
        rescale,
    }
}

/// Attention of two heads over five tokens: scores, a softmax, the context, a residual sum. Queries,
/// keys and values are layers of their own or, if `joint`, slices of one.
pub fn attention(joint: bool) -> (QuantizedGraph, Vec<u8>) {
    const EXP: usize = 2;
    const INVERSE: usize = 3;
    const WIDE: usize = 4;
    let rescale = |shift, function| Rescale { shift, function };
    let mut builder = Builder::new([4, 1, TOKENS]);
    builder.graph.functions.extend([
        table("exp", -300..300, |x| (64.0 * (x / 40.0).exp()).min(800.0)),
        table("inverse", 0..200, |x| (2000.0 / x.max(1.0)).min(900.0)),
        table("wide", -900..901, |x| x),
    ]);
    let width = HEADS * DEPTH;
    let [query, key, value] = if joint {
        let all = builder.conv(0, [1, 1], [1, 1], [0; 4], 3 * width, 1, false);
        [0, 1, 2].map(|part| {
            builder.push([width, 1, TOKENS], Op::Slice { input: all, start: part * width })
        })
    } else {
        [(); 3].map(|()| builder.conv(0, [1, 1], [1, 1], [0; 4], width, 1, false))
    };
    let scores = Op::MatMul { inputs: [key, query], groups: HEADS, rescale: rescale(3, EXP) };
    let scores = builder.push([HEADS * TOKENS, 1, TOKENS], scores);
    let sums = over_heads(scores, TOKENS, 1, rescale(5, INVERSE));
    let sums = builder.push([HEADS, 1, TOKENS], sums);
    let inverse = over_heads(sums, 1, TOKENS, rescale(0, WIDE));
    let inverse = builder.push([HEADS * TOKENS, 1, TOKENS], inverse);
    let part = Op::Multiply { inputs: [scores, inverse], rescale: rescale(8, WIDE) };
    let part = builder.push([HEADS * TOKENS, 1, TOKENS], part);
    let moved = Op::Transpose { input: value, groups: HEADS, rescale: rescale(0, 1) };
    let moved = builder.push([HEADS * TOKENS, 1, DEPTH], moved);
    let context = Op::MatMul { inputs: [moved, part], groups: HEADS, rescale: rescale(5, WIDE) };
    let context = builder.push([width, 1, TOKENS], context);
    let sum = builder.push([width, 1, TOKENS], Op::Add { inputs: vec![value, context] });
    let logits = builder.conv(sum, [1, TOKENS], [1, 1], [0; 4], 3, 1, false);
    let last = builder.graph.layers.last_mut().expect("a layer");
    let Op::Conv { rescale: of_logits, .. } = &mut last.op else { panic!("a convolution") };
    of_logits.function = WIDE;
    let input = (0..20u32).map(|i| (i * 71 % 256) as u8).collect();
    (builder.finish(logits), input)
}

/// Builds small networks layer by layer, with reproducible weights.
pub struct Builder {
    /// The network so far; its output is set by [`Builder::finish`].
    pub graph: QuantizedGraph,
    seed: u64,
}

impl Builder {
    /// A network of an input of `[channels, height, width]` and no layers; the input is tensor 0.
    pub fn new(shape: [usize; 3]) -> Self {
        let relu = FunctionTable {
            name: "relu".into(),
            min: -400,
            values: (-400..400).map(|x: i32| x.max(0)).collect(),
        };
        let identity =
            FunctionTable { name: "identity".into(), min: -300, values: (-300..300).collect() };
        let graph = QuantizedGraph {
            name: "test".into(),
            input: Input {
                tensor: 0,
                map: (0..256).map(|b| b / 8 - 10).collect(),
                byte_scale: 1.0,
                byte_offset: 0.0,
                values: None,
                parts: Vec::new(),
                order: None,
                sizes: Vec::new(),
            },
            tensors: vec![tensor(shape, -10, 21)],
            functions: vec![relu, identity],
            layers: Vec::new(),
            output: 0,
        };
        Self { graph, seed: 1 }
    }

    /// Channels, height and width of a tensor.
    pub fn shape(&self, tensor: usize) -> [usize; 3] {
        self.graph.tensors[tensor].shape
    }

    fn random(&mut self, bound: i64) -> i64 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.seed >> 33) as i64 % (2 * bound + 1) - bound
    }

    /// Adds a layer with an output of this shape; returns the output's index.
    pub fn push(&mut self, shape: [usize; 3], op: Op) -> usize {
        let output = self.graph.tensors.len();
        let (min, max) = match &op {
            Op::MaxPool { input, .. } => {
                (self.graph.tensors[*input].min, self.graph.tensors[*input].max)
            }
            Op::Add { .. } => (-2000, 2000),
            _ => (-900, 900),
        };
        self.graph.tensors.push(tensor(shape, min, max));
        self.graph.layers.push(Layer { name: format!("layer {output}"), output, op });
        output
    }

    /// Adds a convolution of `outputs` channels, weights -2 to 2; returns its output's index.
    #[allow(clippy::too_many_arguments)]
    pub fn conv(
        &mut self,
        input: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        pads: [usize; 4],
        outputs: usize,
        groups: usize,
        relu: bool,
    ) -> usize {
        let [channels, height, width] = self.shape(input);
        let window = Window { kernel, stride, dilation: [1, 1], pads };
        let count = outputs * channels / groups * kernel[0] * kernel[1];
        let weights = (0..count).map(|_| self.random(2)).collect();
        let bias = (0..outputs).map(|_| self.random(20)).collect();
        let shape = [
            outputs,
            (height + pads[0] + pads[2] - kernel[0]) / stride[0] + 1,
            (width + pads[1] + pads[3] - kernel[1]) / stride[1] + 1,
        ];
        let rescale = Rescale { shift: 3, function: usize::from(!relu) };
        self.push(shape, Op::Conv { input, window, groups, weights, bias, rescale })
    }

    /// Adds a max-pool, its window as in [`Window`]; returns its output's index.
    pub fn max_pool(
        &mut self,
        input: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        pads: [usize; 4],
    ) -> usize {
        let [channels, height, width] = self.shape(input);
        let shape = [
            channels,
            (height + pads[0] + pads[2] - kernel[0]) / stride[0] + 1,
            (width + pads[1] + pads[3] - kernel[1]) / stride[1] + 1,
        ];
        let window = Window { kernel, stride, dilation: [1, 1], pads };
        self.push(shape, Op::MaxPool { input, window })
    }

    /// The network whose logits are tensor `output`.
    pub fn finish(mut self, output: usize) -> QuantizedGraph {
        self.graph.output = output;
        self.graph
    }
}

fn tensor(shape: [usize; 3], min: i32, max: i32) -> Tensor {
    Tensor { name: "t".into(), shape, scale: 1.0, min, max }
}
