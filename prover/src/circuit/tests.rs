//! The circuit against the reference executor, and against tampered witnesses.

use halo2_proofs::{
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
};
use rand_core::OsRng;

use super::*;
use crate::graph::{
    Executor, FunctionTable, Input, Layer, Op, QuantizedGraph, Rescale, Tensor, Window,
};

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
        Assignment { graph, layout: &layout, input, salt: Fr::from(77), execution: &execution };
    let weights = layout.weight_columns(graph, OsRng);
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
    let circuit = ModelCircuit::new(&assignment, &first, &public).tampered(tampering);
    let prover = MockProver::run(layout.k, &circuit, vec![public.clone()]).expect("mock prover");
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

fn options(lanes: usize, weight_columns: usize, input_mode: InputMode) -> LayoutOptions {
    LayoutOptions { lanes, weight_columns, input_mode, openings: 16 }
}

#[test]
fn honest_witness_satisfies_the_circuit() {
    let (graph, input) = mixed_network();
    for (lanes, columns, mode) in [
        (2, 1, InputMode::Committed),
        (3, 2, InputMode::Committed),
        (4, 3, InputMode::Public),
        (7, 4, InputMode::Committed),
    ] {
        let failures = failures(&graph, &input, options(lanes, columns, mode), Attack::None);
        assert!(failures.is_empty(), "{lanes} lanes: {:#?}", failures.first());
    }
}

fn assert_refused(name: &str, attack: Attack<'_>) {
    let (graph, input) = mixed_network();
    let options = options(3, 2, InputMode::Committed);
    assert!(!failures(&graph, &input, options, attack).is_empty(), "{name} was accepted");
}

fn first_row(layout: &Layout, source: TileSource) -> usize {
    layout.tiles.iter().find(|tile| tile.source == source).expect("tile").first_row
}

/// Moves a lane's lookup to another valid table row, consistently.
fn look_up_again(
    layout: &Layout,
    first: &mut FirstPhase,
    lane: usize,
    row: usize,
    which: usize,
    by: i64,
) {
    let old = first.looked_up[lane][row][which] as usize;
    let new = (old as i64 + by) as usize;
    first.looked_up[lane][row][which] = new as u32;
    first.multiplicity[old] -= Fr::one();
    first.multiplicity[new] += Fr::one();
    let mut values = [Fr::zero(); 3];
    layout.tables.for_each_row(|row, entry| {
        if row == new {
            values = entry;
        }
    });
    if which == 0 {
        first.lanes[lane][0][row] = values[0];
        first.lanes[lane][1][row] = values[1];
    } else {
        first.lanes[lane][2][row] = values[0];
    }
}

#[test]
fn consistent_first_phase_tampering_is_refused() {
    assert_refused(
        "a weight",
        Attack::FirstPhase(&|layout, first| {
            first.weights[1][layout.kernels[0].first_row] += Fr::one();
        }),
    );
    assert_refused(
        "a depthwise weight",
        Attack::FirstPhase(&|layout, first| {
            first.weights[0][layout.kernels[1].first_row] += Fr::one();
        }),
    );
    assert_refused(
        "a bias",
        Attack::FirstPhase(&|layout, first| {
            first.weights[0][layout.kernels[2].bias_row] += Fr::one();
        }),
    );
    for tile in [
        TileSource::Input,
        TileSource::PackedInput,
        TileSource::Layer(0),
        TileSource::PoolTap { layer: 1, tap: 0 },
        TileSource::PoolTap { layer: 1, tap: 3 },
        TileSource::Layer(2),
        TileSource::Layer(4),
        TileSource::Layer(6),
        TileSource::Layer(7),
        TileSource::Layer(8),
        TileSource::Layer(9),
        TileSource::Ranking,
    ] {
        for by in [-1, 1] {
            let change = |layout: &Layout, first: &mut FirstPhase| {
                let row = first_row(layout, tile);
                look_up_again(layout, first, 0, row, 0, by);
            };
            assert_refused(
                &format!("an activation of {tile:?}, {by}"),
                Attack::FirstPhase(&change),
            );
        }
    }
    assert_refused(
        "a remainder",
        Attack::FirstPhase(&|layout, first| {
            let row = first_row(layout, TileSource::Layer(0));
            let old = first.lanes[1][2][row];
            let by = if old == Fr::zero() { 1 } else { -1 };
            look_up_again(layout, first, 1, row, 1, by);
        }),
    );
    assert_refused(
        "a swapped lane",
        Attack::FirstPhase(&|layout, first| {
            let tile =
                layout.tiles.iter().find(|t| t.source == TileSource::Layer(0)).expect("tile");
            let row = (tile.first_row..tile.first_row + tile.rows())
                .find(|row| first.lanes[0][1][*row] != first.lanes[1][1][*row])
                .expect("two values differ");
            first.lanes.swap(0, 1);
            first.looked_up.swap(0, 1);
            for other in (0..first.multiplicity.len()).filter(|other| *other != row) {
                let (a, b) = first.lanes.split_at_mut(1);
                for (a, b) in a[0].iter_mut().zip(b[0].iter_mut()) {
                    std::mem::swap(&mut a[other], &mut b[other]);
                }
                let (a, b) = first.looked_up.split_at_mut(1);
                std::mem::swap(&mut a[0][other], &mut b[0][other]);
            }
        }),
    );
    assert_refused(
        "a multiplicity",
        Attack::FirstPhase(&|layout, first| {
            first.multiplicity[layout.tables.first_row] += Fr::one()
        }),
    );
    assert_refused(
        "a remainder beyond its range",
        Attack::FirstPhase(&|layout, first| {
            // pre one less, rem 2^shift more: the same accumulator.
            let row = first_row(layout, TileSource::Layer(0));
            look_up_again(layout, first, 0, row, 0, -1);
            first.lanes[0][2][row] += Fr::from(8);
        }),
    );
    assert_refused(
        "a hash state",
        Attack::FirstPhase(&|layout, first| {
            let row = layout.hash.as_ref().expect("hashed").first_row + 40;
            first.lanes[1][0][row] += Fr::one();
        }),
    );
}

#[test]
fn public_inputs_are_bound() {
    assert_refused("another commitment", Attack::PublicInput(1));
    assert_refused("another class", Attack::PublicInput(2));
}

/// Every advice column, in a row where it is used.
#[test]
fn every_column_is_constrained() {
    let (graph, _) = mixed_network();
    let layout = Layout::new(&graph, options(3, 2, InputMode::Committed)).expect("layout");
    let mut meta = halo2_proofs::plonk::ConstraintSystem::<Fr>::default();
    let config = ModelConfig::configure(&mut meta, &layout.profile);
    let tile: &dyn Fn(&Layout) -> usize = &|layout| first_row(layout, TileSource::Layer(2));
    let mut cases = Vec::new();
    for lane in &config.lanes {
        cases.extend([(lane.pre, tile), (lane.out, tile), (lane.rem, tile)]);
    }
    cases.extend(config.lookups.iter().map(|column| (*column, tile)));
    let table: &dyn Fn(&Layout) -> usize = &|layout| layout.tables.first_row + 3;
    let rest: &dyn Fn(&Layout) -> usize = &|layout| layout.rests[0].first_row;
    let kernel: &dyn Fn(&Layout) -> usize = &|layout| layout.kernels[0].first_row;
    let scalars: &dyn Fn(&Layout) -> usize = &|layout| layout.program.end - 3;
    let load: &dyn Fn(&Layout) -> usize = &|_| 5;
    cases.extend([
        (config.multiplicity, table),
        (config.lookup_sum, table),
        (config.rest, rest),
        (config.weight_sum, rest),
        (config.weight_sum, kernel),
        (config.produced, tile),
        (config.consumed, tile),
        (config.product, scalars),
        (config.s0, scalars),
        (config.s1, scalars),
        (config.s0, tile),
        (config.s1, tile),
        (config.s1, load),
    ]);
    cases.extend(config.weights.iter().map(|column| (*column, kernel)));
    for (column, row) in cases {
        let name = format!("column {} at row {}", column.index(), row(&layout));
        assert_refused(&name, Attack::Cell { column: column.index(), row });
    }
}

/// Random shapes, strides, paddings, groups, dilations, pools and sums: the circuit accepts the
/// reference executor's run, and refuses another class.
#[test]
fn random_networks_satisfy_the_circuit() {
    for seed in 0..24 {
        let (graph, inputs) = crate::graph::arbitrary::random_graph(seed);
        let lanes = 2 + seed as usize % 4;
        let columns = 1 + seed as usize % 3;
        let mode = if seed % 5 == 0 { InputMode::Public } else { InputMode::Committed };
        let options = options(lanes, columns, mode);
        let input = &inputs[seed as usize % inputs.len()];
        let honest = failures(&graph, input, options, Attack::None);
        assert!(honest.is_empty(), "seed {seed}: {:#?}", honest.first());
        let layout = Layout::new(&graph, options).expect("layout");
        let class = layout.public_inputs - 1;
        let refused = failures(&graph, input, options, Attack::PublicInput(class));
        assert!(!refused.is_empty(), "seed {seed}: another class was accepted");
    }
}
