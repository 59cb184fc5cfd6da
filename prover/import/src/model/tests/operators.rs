use super::{
    check, check_to,
    network::{Network, float, int, ints, text},
};
use crate::model::{FinalOperator, FloatOp, Function};

#[test]
fn convolutions_of_all_shapes() {
    let cases: [(&[i64], &[_], i64); 6] = [
        (&[4, 3, 3, 3], &[ints("pads", &[1, 1, 1, 1])], 4 * 81),
        (&[4, 3, 3, 2], &[ints("strides", &[2, 3]), ints("pads", &[1, 0, 2, 1])], 4 * 5 * 3),
        (&[6, 1, 3, 3], &[int("group", 3), ints("dilations", &[2, 1])], 6 * 5 * 7),
        (&[2, 3, 3, 3], &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2])], 2 * 25),
        (&[2, 3, 2, 2], &[text("auto_pad", "SAME_LOWER")], 2 * 81),
        (&[5, 3, 9, 9], &[], 5),
    ];
    for (shape, attributes, outputs) in cases {
        let network = Network::new(&[1, 3, 9, 9]).conv("conv", shape, attributes);
        let graph = check(network.then("Relu", "relu", &[]).head(outputs));
        assert_eq!(graph.layers.len(), 2);
        assert_eq!(graph.layers[0].op.function(), Some(&Function::relu()));
        assert_eq!(
            (graph.layers[0].name.as_str(), graph.layers[0].operator.as_str()),
            ("conv", "Conv")
        );
    }
}

#[test]
fn a_one_dimensional_convolution() {
    let network = Network::new(&[1, 2, 12]).conv("conv", &[3, 2, 3], &[ints("strides", &[2])]);
    check(network.then("Relu", "relu", &[]).head(3 * 5));
}

#[test]
fn batch_normalization_is_folded() {
    let normalized = |before: bool| {
        let mut network = Network::new(&[1, 3, 6, 6]);
        let channels = if before { 3 } else { 4 };
        for (name, shift) in [("gamma", 1.5), ("beta", 0.1), ("mean", 0.0), ("variance", 1.2)] {
            let values = (0..channels).map(|i| shift + i as f32 * 0.2).collect();
            network.constant(name, &[channels], values);
        }
        let normalize = |network: Network| {
            let last = network.last.clone();
            let inputs = [last.as_str(), "gamma", "beta", "mean", "variance"];
            network.node("BatchNormalization", "bn", &inputs, &[float("epsilon", 1e-3)])
        };
        let conv = |network: Network| network.conv("conv", &[4, 3, 3, 3], &[]);
        let network = if before { conv(normalize(network)) } else { normalize(conv(network)) };
        check(network.then("Relu", "relu", &[]).head(4 * 16))
    };
    assert_eq!(normalized(false).layers.len(), 2);
    assert_eq!(normalized(true).layers.len(), 2);
}

#[test]
fn constants_are_folded_or_become_a_depthwise_layer() {
    let mut network = Network::new(&[1, 3, 5, 5]);
    network.random("scale", &[1, 3, 1, 1], 2.0);
    network.random("offset", &[3, 1, 1], 1.0);
    network.constant("two", &[], vec![2.0]);
    let network = network
        .node("Mul", "mul", &["scale", "input"], &[])
        .node("Sub", "sub", &["mul", "offset"], &[])
        .node("Div", "div", &["sub", "two"], &[])
        .then("Relu", "relu", &[]);
    let graph = check(network.head(75));
    assert_eq!(graph.layers.len(), 2);
    assert!(matches!(graph.layers[0].op, FloatOp::Conv { groups: 3, .. }));
}

/// `x -> function(x)` between a convolution and the head.
fn activation(build: impl FnOnce(Network) -> Network) -> Function {
    let network = Network::new(&[1, 2, 5, 5]).conv("conv", &[3, 2, 2, 2], &[]);
    let graph = check(build(network).head(3 * 16));
    assert_eq!(graph.layers.len(), 2, "the function is folded into the convolution");
    graph.layers[0].op.function().expect("a convolution has a function").clone()
}

#[test]
fn activation_functions() {
    let clip = |network: Network| {
        network.then("Clip", "clip", &[float("min", 0.0), float("max", 6.0)]).opset(6)
    };
    assert_eq!(activation(clip), Function::clip(Some(0.0), Some(6.0)));
    activation(|network| network.then("LeakyRelu", "f", &[float("alpha", 0.1)]));
    activation(|network| network.then("HardSigmoid", "f", &[]));
    activation(|network| network.then("HardSwish", "f", &[]).opset(14));
    activation(|network| network.then("Elu", "f", &[]));
    activation(|network| network.then("Selu", "f", &[]));
    activation(|network| network.then("Sigmoid", "f", &[]));
    activation(|network| network.then("Tanh", "f", &[]));
    activation(|network| network.then("Softplus", "f", &[]));
}

#[test]
fn activations_made_of_several_nodes() {
    let silu = |network: Network| {
        network.then("Sigmoid", "gate", &[]).node("Mul", "silu", &["conv", "gate"], &[])
    };
    assert_eq!(activation(silu).to_string(), "(x * sigmoid(x))");
    let hard_swish = |mut network: Network| {
        network.constant("three", &[], vec![3.0]);
        network.constant("six", &[], vec![6.0]);
        network.constant("zero", &[], vec![0.0]);
        network
            .node("Add", "plus", &["conv", "three"], &[])
            .node("Clip", "clip", &["plus", "zero", "six"], &[])
            .node("Mul", "gated", &["conv", "clip"], &[])
            .node("Div", "scaled", &["gated", "six"], &[])
    };
    activation(hard_swish);
    let gelu = |mut network: Network| {
        network.constant("root", &[], vec![std::f32::consts::SQRT_2]);
        network.constant("one", &[], vec![1.0]);
        network.constant("half", &[], vec![0.5]);
        network
            .node("Div", "div", &["conv", "root"], &[])
            .node("Erf", "erf", &["div"], &[])
            .node("Add", "add", &["erf", "one"], &[])
            .node("Mul", "mul", &["conv", "add"], &[])
            .node("Mul", "gelu", &["mul", "half"], &[])
    };
    activation(gelu);
}

#[test]
fn prelu_with_a_slope_for_each_channel() {
    let mut network = Network::new(&[1, 2, 5, 5]).conv("conv", &[3, 2, 2, 2], &[]);
    network.constant("slope", &[3, 1, 1], vec![0.1, -0.3, 0.5]);
    check(network.node("PRelu", "prelu", &["conv", "slope"], &[]).head(48));
}

#[test]
fn pools() {
    let square = |size: i64| ints("kernel_shape", &[size, size]);
    let pool = |operator: &str, attributes: &[_], outputs: i64| {
        let network = Network::new(&[1, 2, 7, 8]).conv("conv", &[4, 2, 1, 1], &[]);
        check(network.then(operator, "pool", attributes).head(outputs))
    };
    pool("MaxPool", &[square(2), ints("strides", &[2, 2])], 4 * 3 * 4);
    pool("MaxPool", &[square(3), ints("strides", &[2, 2]), ints("pads", &[1; 4])], 4 * 4 * 4);
    pool("MaxPool", &[square(3), ints("strides", &[2, 2]), int("ceil_mode", 1)], 4 * 3 * 4);
    pool("AveragePool", &[square(2), ints("strides", &[2, 2])], 4 * 3 * 4);
    let counted = [square(3), ints("pads", &[1; 4]), int("count_include_pad", 1)];
    pool("AveragePool", &counted, 4 * 7 * 8);
    pool("GlobalAveragePool", &[], 4);
    pool("GlobalMaxPool", &[], 4);
    pool("ReduceMean", &[ints("axes", &[2, 3]), int("keepdims", 0)], 4);
    pool("ReduceMean", &[ints("axes", &[-1, -2])], 4);
}

#[test]
fn residual_sums_and_differences() {
    let branches = || {
        Network::new(&[1, 2, 6, 6])
            .conv("first", &[4, 2, 3, 3], &[])
            .then("Relu", "relu", &[])
            .conv("second", &[4, 4, 3, 3], &[ints("pads", &[1; 4])])
    };
    let sum = check(branches().node("Add", "sum", &["relu", "second"], &[]).head(64));
    assert_eq!(sum.layers.len(), 4);
    let relu = branches().node("Add", "sum", &["second", "relu"], &[]).then("Relu", "out", &[]);
    assert_eq!(check(relu.head(64)).layers.len(), 4);
    check(branches().node("Sub", "difference", &["relu", "second"], &[]).head(64));
    check(branches().node("Sum", "sum", &["relu", "second", "relu"], &[]).head(64));
}

#[test]
fn channels_are_joined_and_cut() {
    let branches = || {
        Network::new(&[1, 3, 6, 6])
            .conv("left", &[4, 3, 1, 1], &[])
            .node("Relu", "relu", &["left"], &[])
            .node("Sigmoid", "gate", &["input"], &[])
    };
    let joined = branches().node("Concat", "joined", &["relu", "gate", "relu"], &[int("axis", 1)]);
    check(joined.head(11 * 36));
    let mut sliced = branches().node("Concat", "joined", &["relu", "gate"], &[int("axis", -3)]);
    sliced.integers("starts", &[3]);
    sliced.integers("ends", &[-1]);
    sliced.integers("axes", &[1]);
    check(sliced.node("Slice", "slice", &["joined", "starts", "ends", "axes"], &[]).head(3 * 36));
    let mut split = Network::new(&[1, 3, 4, 4]).conv("conv", &[6, 3, 1, 1], &[]);
    split.integers("sizes", &[2, 4]);
    let mut split = split.node("Split", "a", &["conv", "sizes"], &[int("axis", 1)]);
    if let Some(node) = split.graph.node.last_mut() {
        node.output.push("b".into());
    }
    let split = split.node("Concat", "swapped", &["b", "a"], &[int("axis", 1)]);
    check(split.then("Relu", "relu", &[]).head(96));
}

#[test]
fn padding_is_folded_into_the_window() {
    let mut network = Network::new(&[1, 2, 5, 5]);
    network.integers("pads", &[0, 0, 1, 0, 0, 0, 1, 2]);
    let network = network.node("Pad", "pad", &["input", "pads"], &[]);
    let graph = check(network.conv("conv", &[3, 2, 3, 3], &[]).head(3 * 25));
    assert!(
        matches!(graph.layers[0].op, FloatOp::Conv { window, .. } if window.pads == [1, 0, 1, 2])
    );
}

#[test]
fn channels_last_files() {
    let network = Network::new(&[1, 5, 6, 3])
        .then("Transpose", "in", &[ints("perm", &[0, 3, 1, 2])])
        .conv("conv", &[4, 3, 2, 2], &[])
        .then("Relu", "relu", &[])
        .then("Transpose", "out", &[ints("perm", &[0, 2, 3, 1])]);
    let graph = check(network.head(4 * 20));
    assert_eq!((graph.input_shape(), graph.layers.len()), ([3, 5, 6], 2));
}

#[test]
fn a_matrix_product_at_every_position() {
    let mut network = Network::new(&[1, 4, 3, 3]).then("Relu", "relu", &[]);
    network.random("w", &[4, 5], 0.5);
    network.random("b", &[5], 0.5);
    let network = network
        .then("Transpose", "last", &[ints("perm", &[0, 2, 3, 1])])
        .node("MatMul", "product", &["last", "w"], &[])
        .node("Add", "biased", &["product", "b"], &[])
        .then("Relu", "relu2", &[]);
    let graph = check(network.head(45));
    assert_eq!(graph.layers.len(), 3);
}

#[test]
fn shapes_computed_in_the_graph() {
    let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 2, 2], &[]);
    network.integers("zero", &[0]);
    network.integers("minus", &[-1]);
    network.random("w", &[27, 4], 0.5);
    let network = network
        .node("Shape", "shape", &["conv"], &[])
        .node("Gather", "batch", &["shape", "zero"], &[int("axis", 0)])
        .node("Concat", "target", &["batch", "minus"], &[int("axis", 0)])
        .node("Reshape", "flat", &["conv", "target"], &[])
        .node("MatMul", "logits", &["flat", "w"], &[]);
    check(network);
}

#[test]
fn a_flat_vector_read_as_an_image() {
    let mut network = Network::new(&[1, 32]);
    network.integers("image", &[1, 2, 4, 4]);
    let network = network.node("Reshape", "reshape", &["input", "image"], &[]);
    let graph = check(network.conv("conv", &[3, 2, 3, 3], &[]).head(12));
    assert_eq!(graph.input_shape(), [2, 4, 4]);
}

#[test]
fn what_does_not_matter_is_left_out() {
    let network = Network::new(&[1, 2, 4, 4])
        .conv("conv", &[3, 2, 3, 3], &[])
        .then("Dropout", "dropout", &[])
        .then("Identity", "identity", &[])
        .node("Sigmoid", "unused", &["conv"], &[])
        .node("Relu", "relu", &["identity"], &[]);
    let graph = check(network.head(12));
    assert_eq!(graph.layers.len(), 2);
}

#[test]
fn a_final_softmax_is_dropped() {
    let network = || Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 3, 3], &[]).head(12);
    let plain = check(network());
    let source = network().then("Softmax", "softmax", &[int("axis", 1)]).source();
    let mut dropped = crate::model::nodes::import(&source, "test").expect("a final softmax");
    assert_eq!(dropped.dropped, [FinalOperator::Softmax]);
    assert!(plain.dropped.is_empty());
    dropped.dropped.clear();
    assert_eq!(plain, dropped);
    let source = network()
        .then("LogSoftmax", "softmax", &[int("axis", 1)])
        .then("ArgMax", "class", &[int("axis", 1)])
        .source();
    let dropped = crate::model::nodes::import(&source, "test").expect("two final operators");
    assert_eq!(dropped.dropped, [FinalOperator::LogSoftmax, FinalOperator::ArgMax]);
}

#[test]
fn weights_stored_as_integers() {
    let mut network = Network::new(&[1, 2, 4, 4]);
    network.constant("q", &[3, 2, 1, 1], vec![3.0, -7.0, 120.0, 5.0, -90.0, 11.0]);
    network.constant("scale", &[3], vec![0.01, 0.02, 0.005]);
    network.constant("zero", &[3], vec![1.0, 0.0, -2.0]);
    for tensor in &mut network.graph.initializer {
        if matches!(tensor.name.as_str(), "q" | "zero") {
            let values = std::mem::take(&mut tensor.raw_data);
            let byte = |b: &[u8; 4]| f32::from_le_bytes(*b) as i8 as u8;
            tensor.raw_data = values.as_chunks().0.iter().map(byte).collect();
            tensor.data_type = 3;
        }
    }
    let network = network
        .node("DequantizeLinear", "w", &["q", "scale", "zero"], &[int("axis", 0)])
        .node("Conv", "conv", &["input", "w"], &[]);
    check_to(network.head(48), 0.02);
}
