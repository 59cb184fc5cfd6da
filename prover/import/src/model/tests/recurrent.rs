//! Recurrent layers against tract's own, and against loops over their definitions.

use super::{
    check_to,
    network::{Network, int, text},
    same_as_tract,
};
use crate::model::{FloatExecutor, FloatOp, nodes};
use tract_onnx::pb::AttributeProto;

const STEPS: i64 = 4;
const FEATURES: i64 = 3;
const HIDDEN: i64 = 5;

/// A recurrent layer over the input, with random weights, and the result as logits.
pub(super) fn layer(
    operator: &str,
    directions: i64,
    attributes: &[AttributeProto],
    initial: bool,
    output: usize,
) -> Network {
    let gates = match operator {
        "LSTM" => 4,
        "GRU" => 3,
        _ => 1,
    };
    let mut network = Network::new(&[STEPS, 1, FEATURES]);
    network.random("w", &[directions, gates * HIDDEN, FEATURES], 0.6);
    network.random("r", &[directions, gates * HIDDEN, HIDDEN], 0.5);
    network.random("b", &[directions, 2 * gates * HIDDEN], 0.3);
    network.random("h", &[directions, 1, HIDDEN], 0.5);
    network.random("c", &[directions, 1, HIDDEN], 0.5);
    network.integers("flat", &[1, -1]);
    let mut inputs = vec!["input", "w", "r", "b"];
    if initial {
        inputs.extend(["", "h"]);
        inputs.extend((operator == "LSTM").then_some("c"));
    }
    let attributes = [attributes, &[int("hidden_size", HIDDEN)]].concat();
    let mut network = network.node(operator, "memory", &inputs, &attributes);
    let outputs = ["", "", ""].map(str::to_owned);
    if let Some(node) = network.graph.node.last_mut() {
        node.output = outputs[..output].to_vec();
        node.output.push("memory".into());
    }
    let size = if output == 0 { STEPS } else { 1 } * directions * HIDDEN;
    network.node("Reshape", "row", &["memory", "flat"], &[]).dense("last", size, 3)
}

#[test]
fn all_kinds_and_directions() {
    for operator in ["LSTM", "GRU", "RNN"] {
        // tract runs a layer that is `reverse` forward.
        for (direction, directions) in [("forward", 1), ("bidirectional", 2)] {
            for output in [0, 1] {
                let attributes = [text("direction", direction)];
                same_as_tract(layer(operator, directions, &attributes, false, output));
            }
        }
        same_as_tract(layer(operator, 1, &[], true, 1));
    }
    same_as_tract(layer("LSTM", 1, &[], true, 2));
    for initial in [false, true] {
        same_as_tract(layer("GRU", 1, &[int("linear_before_reset", 1)], initial, 0));
    }
}

/// A reversed layer is the same layer over the reversed steps.
#[test]
fn reversed_layers() {
    for operator in ["LSTM", "GRU", "RNN"] {
        let run = |direction: &str, input: &[f32]| {
            let network = layer(operator, 1, &[text("direction", direction)], false, 1);
            let graph = nodes::import(&network.source(), "test").unwrap_or_else(|e| panic!("{e}"));
            FloatExecutor::new(&graph).run(input).expect("twelve numbers").logits().to_vec()
        };
        let input: Vec<f32> = (0..12).map(|x| (x * 5 % 7) as f32 / 4.0 - 0.8).collect();
        let reversed: Vec<f32> = input.chunks(3).rev().flatten().copied().collect();
        assert_eq!(run("reverse", &input), run("forward", &reversed));
        assert_ne!(run("reverse", &input), run("forward", &input));
    }
}

#[test]
fn recurrent_layers_in_integers() {
    for operator in ["LSTM", "GRU", "RNN"] {
        let graph = check_to(layer(operator, 1, &[], false, 1), 0.03);
        let sums = graph.layers.iter().filter(|layer| matches!(layer.op, FloatOp::Sum { .. }));
        assert!(sums.count() >= 3, "{operator}");
    }
    check_to(layer("LSTM", 2, &[text("direction", "bidirectional")], true, 0), 0.03);
}

/// Batch first, and another activation: what tract does not know.
#[test]
fn batch_first_and_another_function() {
    let mut network = Network::new(&[1, 3, 2]);
    network.constant("w", &[1, 2, 2], vec![0.5, -0.25, 1.0, 0.75]);
    network.constant("r", &[1, 2, 2], vec![0.1, 0.2, -0.3, 0.4]);
    network.integers("flat", &[1, -1]);
    let attributes = [
        int("hidden_size", 2),
        int("layout", 1),
        AttributeProto { f: 0.8, ..super::network::float("clip", 0.0) },
        super::network::texts("activations", &["LeakyRelu"]),
        super::network::floats("activation_alpha", &[0.5]),
    ];
    let network = network.node("RNN", "memory", &["input", "w", "r"], &attributes);
    let network = network.node("Reshape", "row", &["memory", "flat"], &[]).then("Neg", "n", &[]);
    let graph = nodes::import(&network.source(), "test").unwrap_or_else(|e| panic!("{e}"));
    let input = [0.5f32, -1.0, 2.0, 0.25, -0.75, 1.5];
    let run = FloatExecutor::new(&graph).run(&input).expect("six numbers");
    let mut state = [0f32; 2];
    let mut expected = Vec::new();
    for x in input.chunks(2) {
        let sum = |w: [f32; 2], r: [f32; 2]| {
            let sum = w[0] * x[0] + w[1] * x[1] + r[0] * state[0] + r[1] * state[1];
            let sum = sum.clamp(-0.8, 0.8);
            if sum < 0.0 { 0.5 * sum } else { sum }
        };
        state = [sum([0.5, -0.25], [0.1, 0.2]), sum([1.0, 0.75], [-0.3, 0.4])];
        expected.extend(state.map(|x| -x));
    }
    for (found, expected) in run.logits().iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
    }
}

/// A file for four inputs at once, with a state for each.
#[test]
fn a_batch_of_sequences() {
    let batch = |count: i64| {
        let mut network = layer("LSTM", 1, &[], true, 1);
        let old = network.graph.input.remove(0);
        network.graph.input = Network::new(&[STEPS, count, FEATURES]).graph.input;
        assert_eq!(old.name, network.graph.input[0].name);
        for tensor in &mut network.graph.initializer {
            if matches!(tensor.name.as_str(), "h" | "c") {
                tensor.dims = vec![1, count, HIDDEN];
                tensor.raw_data = tensor.raw_data.repeat(count as usize);
            }
            if tensor.name == "flat" {
                tensor.int64_data = vec![count, -1];
            }
        }
        nodes::import(&network.source(), "test").unwrap_or_else(|error| panic!("{error}"))
    };
    let (one, mut four) = (batch(1), batch(4));
    assert!(four.notes[0].contains("4 inputs at once"), "{:?}", four.notes);
    four.notes.clear();
    assert_eq!(one, four);
}

/// Two layers, and a head over all steps.
#[test]
fn layers_on_layers() {
    let mut network = layer("LSTM", 2, &[text("direction", "bidirectional")], false, 0);
    network.graph.node.truncate(1);
    network.integers("order", &[0, 1, 2, 3]);
    network.integers("rows", &[STEPS, 1, 2 * HIDDEN]);
    network.random("w2", &[1, 3 * HIDDEN, 2 * HIDDEN], 0.5);
    network.random("r2", &[1, 3 * HIDDEN, HIDDEN], 0.5);
    let network = network
        .node("Transpose", "turned", &["memory"], &[super::network::ints("perm", &[0, 2, 1, 3])])
        .node("Reshape", "sequence", &["turned", "rows"], &[])
        .node("GRU", "second", &["sequence", "w2", "r2"], &[int("hidden_size", HIDDEN)])
        .node("Reshape", "row", &["second", "flat"], &[]);
    same_as_tract(network.dense("end", STEPS * HIDDEN, 2));
}

#[test]
fn what_is_refused() {
    let error = |network: Network| {
        let result = nodes::import(&network.source(), "test");
        result.map(|_| ()).expect_err("refused").to_string()
    };
    let mut shorter = layer("GRU", 1, &[], true, 1);
    shorter.integers("lengths", &[2]);
    shorter.graph.node[0].input[4] = "lengths".into();
    assert!(error(shorter).contains("shorter than the input"));
    let unknown = [super::network::texts("activations", &["Swish", "Tanh"])];
    assert!(error(layer("GRU", 1, &unknown, false, 1)).contains("`Swish`"));
    let sideways = [text("direction", "sideways")];
    assert!(error(layer("RNN", 1, &sideways, false, 1)).contains("`sideways`"));
    let mut narrow = layer("RNN", 1, &[], false, 1);
    narrow.graph.initializer.retain(|tensor| tensor.name != "w");
    narrow.random("w", &[1, HIDDEN, 2], 0.5);
    assert!(error(narrow).contains("values are needed"));
}
