//! Products of activations, operands of different shapes, upsampling.

use super::{
    check, check_to,
    network::{Network, float, ints, text},
};
use crate::model::FloatOp;

/// Two different activations of shape `[4, 6, 6]`: `relu` and `gate`.
fn branches() -> Network {
    Network::new(&[1, 3, 6, 6])
        .conv("left", &[4, 3, 1, 1], &[])
        .node("Relu", "relu", &["left"], &[])
        .node("Sigmoid", "gate", &["input"], &[])
        .conv("gates", &[4, 3, 1, 1], &[])
}

fn kinds(graph: &crate::model::FloatGraph) -> Vec<&'static str> {
    let kind = |op: &FloatOp| match op {
        FloatOp::Conv { .. } => "Conv",
        FloatOp::MeanPool { .. } => "MeanPool",
        FloatOp::MaxPool { .. } => "MaxPool",
        FloatOp::Sum { .. } => "Sum",
        FloatOp::Concat { .. } => "Concat",
        FloatOp::Slice { .. } => "Slice",
        FloatOp::Product { .. } => "Product",
        FloatOp::Resize { .. } => "Resize",
        FloatOp::Transpose { .. } => "Transpose",
        FloatOp::MatMul { .. } => "MatMul",
        FloatOp::Dot { .. } => "Dot",
    };
    graph.layers.iter().map(|layer| kind(&layer.op)).collect()
}

#[test]
fn arithmetic_of_two_activations() {
    for operator in ["Mul", "Add", "Sub", "Min", "Max"] {
        let network = Network::new(&[1, 3, 6, 6])
            .conv("a", &[4, 3, 3, 3], &[])
            .then("Relu", "relu", &[])
            .node("Sigmoid", "s", &["input"], &[])
            .conv("b", &[4, 3, 3, 3], &[])
            .node(operator, "both", &["relu", "b"], &[]);
        let graph = check(network.head(64));
        assert_eq!(kinds(&graph).contains(&"Product"), operator == "Mul", "{operator}");
    }
    let quotient = Network::new(&[1, 3, 6, 6])
        .conv("a", &[4, 3, 3, 3], &[])
        .node("Sigmoid", "s", &["input"], &[])
        .conv("b", &[4, 3, 3, 3], &[])
        .then("Softplus", "positive", &[])
        .node("Div", "quotient", &["a", "positive"], &[]);
    check_to(quotient.head(64), 0.05);
}

#[test]
fn a_product_keeps_its_function_and_joins_a_sum() {
    let network = branches().node("Mul", "product", &["relu", "gates"], &[]).then(
        "LeakyRelu",
        "leaky",
        &[float("alpha", 0.1)],
    );
    let graph = check(network.node("Add", "sum", &["leaky", "relu"], &[]).head(144));
    assert_eq!(kinds(&graph), ["Conv", "Sum", "Conv", "Product", "Sum", "Conv"]);
}

#[test]
fn squeeze_and_excitation() {
    let network = |swapped: bool| {
        let network = Network::new(&[1, 3, 6, 6])
            .conv("x", &[4, 3, 3, 3], &[])
            .then("GlobalAveragePool", "pool", &[])
            .conv("down", &[2, 4, 1, 1], &[])
            .then("Relu", "relu", &[])
            .conv("up", &[4, 2, 1, 1], &[])
            .then("HardSigmoid", "gate", &[]);
        let inputs = if swapped { ["gate", "x"] } else { ["x", "gate"] };
        network.node("Mul", "scaled", &inputs, &[]).head(64)
    };
    for swapped in [false, true] {
        let graph = check(network(swapped));
        assert_eq!(kinds(&graph), ["Conv", "MeanPool", "Conv", "Conv", "Product", "Conv"]);
    }
}

/// As tf2onnx writes it: gate and image channels last.
#[test]
fn a_gate_channels_last() {
    let network = Network::new(&[1, 3, 6, 6])
        .conv("x", &[4, 3, 3, 3], &[])
        .then("ReduceMean", "pool", &[ints("axes", &[2, 3])])
        .then("Sigmoid", "gate", &[])
        .node("Transpose", "gate_last", &["gate"], &[ints("perm", &[0, 2, 3, 1])])
        .node("Transpose", "x_last", &["x"], &[ints("perm", &[0, 2, 3, 1])])
        .node("Mul", "scaled", &["x_last", "gate_last"], &[])
        .then("Transpose", "back", &[ints("perm", &[0, 3, 1, 2])])
        .conv("next", &[2, 4, 2, 2], &[]);
    let graph = check(network.head(18));
    assert_eq!(kinds(&graph), ["Conv", "MeanPool", "Product", "Conv", "Conv"]);
}

#[test]
fn sums_with_one_value_for_each_channel_or_place() {
    let channels = branches().node("GlobalAveragePool", "pool", &["gates"], &[]).node(
        "Add",
        "sum",
        &["pool", "relu"],
        &[],
    );
    let graph = check(channels.head(144));
    assert!(kinds(&graph).contains(&"Resize"));
    let places = branches().node("ReduceMean", "plane", &["gates"], &[ints("axes", &[1])]).node(
        "Mul",
        "product",
        &["relu", "plane"],
        &[],
    );
    check(places.head(144));
    let one = branches()
        .node("ReduceMean", "one", &["gates"], &[ints("axes", &[1])])
        .then("GlobalAveragePool", "mean", &[])
        .node("Sub", "rest", &["relu", "mean"], &[]);
    check(one.head(144));
}

#[test]
fn constants_for_each_channel() {
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min"] {
        for reversed in [false, true] {
            let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 1, 1], &[]).then(
                "Softplus",
                "positive",
                &[],
            );
            network.constant("c", &[3, 1, 1], vec![0.5, 1.5, 0.8]);
            let inputs = if reversed { ["c", "positive"] } else { ["positive", "c"] };
            check_to(network.node(operator, "op", &inputs, &[]).head(48), 0.05);
        }
    }
}

#[test]
fn prelu_with_slopes_above_one() {
    for slopes in [vec![0.1, -0.3, 0.5], vec![0.1, 1.7, 0.5]] {
        let mut network = Network::new(&[1, 2, 5, 5]).conv("conv", &[3, 2, 2, 2], &[]);
        network.constant("slope", &[3, 1, 1], slopes);
        check(network.node("PRelu", "prelu", &["conv", "slope"], &[]).head(48));
    }
}

#[test]
fn nearest_neighbour_upsampling() {
    let resized = |attributes: &[_], factors: [f32; 2]| {
        let mut network = Network::new(&[1, 2, 3, 4]).conv("conv", &[3, 2, 1, 1], &[]);
        network.constant("scales", &[4], vec![1.0, 1.0, factors[0], factors[1]]);
        let outputs = 3 * 3 * factors[0] as i64 * 4 * factors[1] as i64;
        let network = network.node("Resize", "resize", &["conv", "", "scales"], attributes);
        check(network.then("Relu", "relu", &[]).head(outputs))
    };
    let mode = |name: &str| text("coordinate_transformation_mode", name);
    let nearest = |name: &str| text("nearest_mode", name);
    let graph = resized(&[mode("asymmetric"), nearest("floor")], [2.0, 3.0]);
    assert!(matches!(graph.layers[1].op, FloatOp::Resize { factor: [2, 3], .. }));
    resized(&[mode("half_pixel")], [2.0, 2.0]);
    resized(&[mode("half_pixel"), nearest("round_prefer_ceil")], [3.0, 1.0]);
    resized(&[mode("pytorch_half_pixel")], [2.0, 2.0]);

    // A scale of one changes nothing.
    assert_eq!(resized(&[], [1.0, 1.0]).layers.len(), 2);

    let mut sizes = Network::new(&[1, 2, 3, 4]).conv("conv", &[3, 2, 1, 1], &[]);
    sizes.integers("sizes", &[1, 3, 6, 8]);
    let sizes = sizes.node(
        "Resize",
        "resize",
        &["conv", "", "", "sizes"],
        &[mode("asymmetric"), nearest("floor")],
    );
    check(sizes.head(3 * 48));
    // tract has no Upsample; it means what Resize means.
    let mut network = Network::new(&[1, 2, 3, 4]).conv("conv", &[3, 2, 1, 1], &[]);
    network.constant("scales", &[4], vec![1.0, 1.0, 2.0, 2.0]);
    let upsample = network.node("Upsample", "up", &["conv", "scales"], &[text("mode", "nearest")]);
    let graph = crate::model::nodes::import(&upsample.head(3 * 48).source(), "test")
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(graph.layers[1].op, FloatOp::Resize { factor: [2, 2], .. }));
}
