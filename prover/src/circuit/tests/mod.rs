//! The circuit against the reference executor, and against tampered witnesses.

use halo2_proofs::{
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
};
use rand_core::OsRng;

mod forgeries;
mod items;
mod layouts;
mod mismatch;
mod mutation;
mod random_audits;
mod statements;
mod tampering;

use super::*;
use crate::graph::{
    Execution, Executor, FunctionTable, Input, Layer, Op, QuantizedGraph, Rescale, Tensor, Window,
};
use crate::proof::BlindingSeed;

/// A network with every kind of layer, 2 x 6 x 5 input.
pub(crate) fn mixed_network() -> (QuantizedGraph, Vec<u8>) {
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

struct Builder {
    graph: QuantizedGraph,
    seed: u64,
}

impl Builder {
    fn new(shape: [usize; 3]) -> Self {
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
            },
            tensors: vec![tensor(shape, -10, 21)],
            functions: vec![relu, identity],
            layers: Vec::new(),
            output: 0,
        };
        Self { graph, seed: 1 }
    }

    fn shape(&self, tensor: usize) -> [usize; 3] {
        self.graph.tensors[tensor].shape
    }

    fn random(&mut self, bound: i64) -> i64 {
        self.seed = self.seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.seed >> 33) as i64 % (2 * bound + 1) - bound
    }

    fn push(&mut self, shape: [usize; 3], op: Op) -> usize {
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

    #[allow(clippy::too_many_arguments)]
    fn conv(
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

    fn max_pool(
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

    fn finish(mut self, output: usize) -> QuantizedGraph {
        self.graph.output = output;
        self.graph
    }
}

fn tensor(shape: [usize; 3], min: i32, max: i32) -> Tensor {
    Tensor { name: "t".into(), shape, scale: 1.0, min, max }
}

/// What a dishonest prover changes. After a change of the first phase everything later follows it.
enum Attack<'a> {
    None,
    FirstPhase(&'a dyn Fn(&Layout, &mut FirstPhase)),
    Cell { column: usize, row: &'a dyn Fn(&Layout) -> usize },
    PublicInput(usize),
}

/// Runs the constraint check; returns what fails. The lookup gate needs no selector in the last
/// rows because the prover puts zeros into `rem` there, which the checker does not know: it calls
/// the gate poisoned, and that alone is ignored.
fn failures(
    graph: &QuantizedGraph,
    input: &[u8],
    options: LayoutOptions,
    attack: Attack<'_>,
) -> Vec<VerifyFailure> {
    let layout = Layout::new(graph, options).expect("layout");
    let execution = Executor::new(graph).expect("valid graph").run(input).expect("in range");
    let assignment =
        Assignment { graph, layout: &layout, inputs: vec![proven(input, &execution)], place: None };
    let weights = layout.weight_columns(graph, &BlindingSeed([7; 32]), OsRng);
    let mut first = assignment.first_phase(weights, OsRng).expect("witness");
    let mut public = vec![Fr::from(123)];
    public.extend(assignment.public_values());
    let mut tampering = Vec::new();
    match attack {
        Attack::None => {}
        Attack::FirstPhase(change) => change(&layout, &mut first),
        Attack::Cell { column, row } => {
            tampering.push(Tampering { column, row: row(&layout), delta: Fr::one() });
        }
        Attack::PublicInput(index) => public[index] += Fr::one(),
    }
    check(&assignment, &first, &public, tampering)
}

/// The constraints that do not hold.
fn check(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    public: &[Fr],
    tampering: Vec<Tampering>,
) -> Vec<VerifyFailure> {
    let circuit = ModelCircuit::new(assignment, first, public).tampered(tampering);
    let k = assignment.layout.k;
    let prover = MockProver::run(k, &circuit, vec![public.to_vec()]).expect("mock prover");
    match prover.verify() {
        Ok(()) => Vec::new(),
        Err(failures) => failures
            .into_iter()
            .filter(|failure| {
                !matches!(failure, VerifyFailure::ConstraintPoisoned { .. })
                    || !format!("{failure}").contains("lookup")
            })
            .collect(),
    }
}

/// The options with the weights where the circuit of a single prediction has them.
fn beside_a_prediction(graph: &QuantizedGraph, options: LayoutOptions) -> LayoutOptions {
    let statement = StatementKind::default();
    let single = Layout::new(graph, LayoutOptions { statement, lanes: 2, ..options });
    let place = single.expect("layout").weights_place();
    LayoutOptions { weights_k: Some(place.k), ..options }
}

fn options(lanes: usize, weight_columns: usize, statement: StatementKind) -> LayoutOptions {
    LayoutOptions {
        lanes,
        weight_columns,
        statement,
        openings: 16,
        weights_row: 128,
        weights_k: None,
    }
}

fn prediction(input: InputMode) -> StatementKind {
    StatementKind::Prediction { input, output: OutputMode::Class }
}

fn proven<'a>(bytes: &'a [u8], execution: &'a Execution) -> ProvenInput<'a> {
    ProvenInput { bytes, salt: Fr::from(77), label: 0, class: 0, execution }
}
