//! Networks, inputs and statements that forgeries are about, and the honest proof of each.

use assay_graph::FunctionTable;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::super::*;
use super::prover::Forged;
use crate::layout::tile::{Tile, TileSource};

/// What is to be proven: everything that an assignment borrows.
#[derive(Clone)]
pub(super) struct Scene {
    /// The network of the layout.
    pub graph: QuantizedGraph,
    pub layout: Layout,
    pub inputs: Vec<Item>,
    pub place: Option<TreePlace>,
}

/// One input with what the prover says that the network computes.
#[derive(Clone)]
pub(super) struct Item {
    pub bytes: Vec<u8>,
    pub salt: Fr,
    pub label: u64,
    pub class: usize,
    pub execution: Execution,
}

pub(super) fn execute(graph: &QuantizedGraph, bytes: &[u8]) -> Execution {
    Executor::new(graph).expect("valid graph").run(bytes).expect("in range")
}

pub(super) fn predict(input: InputMode, output: OutputMode) -> StatementKind {
    StatementKind::Prediction { input, output }
}

impl Scene {
    /// A prediction for `bytes`.
    pub(super) fn prediction(
        graph: &QuantizedGraph,
        bytes: &[u8],
        [lanes, columns]: [usize; 2],
        statement: StatementKind,
    ) -> Self {
        let layout = Layout::new(graph, options(lanes, columns, statement)).expect("layout");
        let execution = execute(graph, bytes);
        let item =
            Item { bytes: bytes.to_vec(), salt: Fr::from(77), label: 0, class: 0, execution };
        Self { graph: graph.clone(), layout, inputs: vec![item], place: None }
    }

    /// A run of items of which `count` count; each is right about its class, but for those in `wrong`.
    pub(super) fn run(
        graph: &QuantizedGraph,
        bytes: &[Vec<u8>],
        lanes: usize,
        statement: StatementKind,
        count: usize,
        wrong: &[usize],
    ) -> Self {
        let layout = Layout::new(graph, options(lanes, 2, statement)).expect("layout");
        let run = statement.run().expect("a run");
        let classes = graph.tensors[graph.output].shape[0];
        let inputs = (0..run.items())
            .map(|item| {
                let bytes = bytes[item % bytes.len()].clone();
                let execution = execute(graph, &bytes);
                let mut class = execution.class();
                if wrong.contains(&item) {
                    class = (class + 1) % classes;
                }
                let mut label = class as u64;
                if let StatementKind::Retrieval { class: wanted, .. } = statement {
                    (class, label) = (wanted, 0);
                }
                Item { bytes, salt: Fr::from(500 + item as u64), label, class, execution }
            })
            .collect();
        let first = if run.path() > 0 { run.items() } else { 0 };
        let place = TreePlace::new(
            first,
            count,
            (count..run.items()).map(|item| Fr::from(item as u64)).collect(),
            (0..run.path()).map(|height| Fr::from(1000 + height as u64)).collect(),
        );
        Self { graph: graph.clone(), layout, inputs, place: Some(place) }
    }

    pub(super) fn assignment(&self) -> Assignment<'_> {
        let inputs = self.inputs.iter().map(|item| ProvenInput {
            bytes: &item.bytes,
            salt: item.salt,
            output_salt: Fr::from(78),
            label: item.label,
            class: item.class,
            execution: &item.execution,
        });
        Assignment {
            graph: &self.graph,
            layout: &self.layout,
            inputs: inputs.collect(),
            place: self.place.clone(),
        }
    }

    pub(super) fn public(&self) -> Vec<Fr> {
        let mut public = vec![Fr::from(123)];
        public.extend(self.assignment().public_values());
        public
    }

    /// The proof that follows from the scene as it is.
    pub(super) fn proof(&self) -> Forged {
        let seed = BlindingSeed([7; 32]);
        let mut rng = ChaCha20Rng::from_seed([9; 32]);
        let weights = self.layout.weight_columns(&self.graph, &seed, &mut rng);
        let first = self.assignment().first_phase(weights, rng).expect("witness");
        Forged::new(self.clone(), first)
    }

    /// The same with item `index` computed by another network.
    pub(super) fn computed_by(&self, index: usize, other: &QuantizedGraph) -> Self {
        let mut scene = self.clone();
        scene.inputs[index].execution = execute(other, &self.inputs[index].bytes);
        scene
    }

    pub(super) fn tile(&self, source: TileSource) -> &Tile {
        self.layout.tiles.iter().find(|tile| tile.source == source).expect("tile")
    }
}

/// The network with the bias of one output of a convolution moved.
pub(super) fn biased(
    graph: &QuantizedGraph,
    layer: usize,
    output: usize,
    by: i64,
) -> QuantizedGraph {
    let mut graph = graph.clone();
    let Op::Conv { bias, .. } = &mut graph.layers[layer].op else { panic!("a convolution") };
    bias[output] += by;
    graph
}

/// A builder of networks with small tables.
pub(super) fn small(shape: [usize; 3]) -> Builder {
    let mut builder = Builder::new(shape);
    builder.graph.functions = vec![
        FunctionTable {
            name: "relu".into(),
            min: -120,
            values: (-120..120).map(|x: i32| x.max(0)).collect(),
        },
        FunctionTable { name: "identity".into(), min: -120, values: (-120..120).collect() },
    ];
    builder
}

/// Finishes a network of [`small`] with `logits`.
pub(super) fn finish(builder: Builder, logits: usize) -> QuantizedGraph {
    let mut graph = builder.finish(logits);
    let input = graph.input.tensor;
    for (index, tensor) in graph.tensors.iter_mut().enumerate() {
        if index != input {
            (tensor.min, tensor.max) = (-120, 120);
        }
    }
    for layer in &graph.layers {
        if let Op::Add { .. } = layer.op {
            let sum = &mut graph.tensors[layer.output];
            (sum.min, sum.max) = (-480, 480);
        }
    }
    graph
}

/// One line of `width` bytes, all different, one convolution over all of it.
pub(super) fn line(width: usize, classes: usize) -> (QuantizedGraph, Vec<u8>) {
    let mut builder = small([1, 1, width]);
    let logits = builder.conv(0, [1, width], [1, 1], [0; 4], classes, 1, false);
    let bytes = (0..width).map(|i| (i * 29 % 251) as u8).collect();
    let mut graph = finish(builder, logits);
    let Op::Conv { weights, .. } = &mut graph.layers[0].op else { panic!("a convolution") };
    weights.iter_mut().filter(|w| **w == 0).for_each(|w| *w = 1);
    (graph, bytes)
}

/// Two convolutions, the first of two lines of four values.
pub(super) fn two_layers() -> (QuantizedGraph, Vec<u8>) {
    let mut builder = small([1, 2, 4]);
    let hidden = builder.conv(0, [3, 3], [1, 1], [1; 4], 2, 1, true);
    let logits = builder.conv(hidden, [2, 4], [1, 1], [0; 4], 3, 1, false);
    let mut graph = finish(builder, logits);
    show_differences(&mut graph, 1);
    (graph, vec![10, 200, 150, 77, 120, 90, 30, 240])
}

/// Gives the last layer, a convolution over all of two channels, weights with which a small difference of
/// one channel shows in each output.
pub(super) fn show_differences(graph: &mut QuantizedGraph, layer: usize) {
    let Op::Conv { weights, .. } = &mut graph.layers[layer].op else { panic!("a convolution") };
    let classes = graph.tensors[graph.output].shape[0];
    let each = weights.len() / classes;
    for (index, weight) in weights.iter_mut().enumerate() {
        let sign = if index % each < each / 2 { 1 } else { -1 };
        *weight = sign * (3 + (index / each) as i64);
    }
}
