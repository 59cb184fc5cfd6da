//! Padding, pooling borders, cutting, joining and the order of axes.

use super::{
    check,
    network::{Network, int, ints, text},
};
use crate::model::FloatOp;

fn square(size: i64) -> tract_onnx::pb::AttributeProto {
    ints("kernel_shape", &[size, size])
}

#[test]
fn averages_over_windows_cut_at_the_border() {
    let pool = |attributes: &[_], outputs: i64| {
        let network = Network::new(&[1, 2, 7, 8]).conv("conv", &[4, 2, 1, 1], &[]);
        check(network.then("AveragePool", "pool", attributes).head(outputs))
    };
    let graph = pool(&[square(3), ints("pads", &[1; 4])], 4 * 7 * 8);
    assert!(graph.layers.iter().any(|layer| matches!(layer.op, FloatOp::Product { .. })));
    let strides = ints("strides", &[2, 2]);
    pool(&[square(3), ints("pads", &[1; 4]), strides.clone()], 4 * 4 * 4);
    pool(&[square(3), text("auto_pad", "SAME_UPPER"), strides.clone()], 4 * 4 * 4);
    pool(&[square(2), text("auto_pad", "SAME_LOWER"), strides.clone()], 4 * 4 * 4);
    // Padding that no window reaches changes nothing.
    let unreached = pool(&[square(2), ints("pads", &[0, 0, 0, 1]), strides.clone()], 4 * 3 * 4);
    assert_eq!(unreached.layers.len(), 3);
}

#[test]
fn averages_rounded_up() {
    // Against the definition: tract counts padding beyond the border here.
    use crate::model::FloatExecutor;
    for include in [0, 1] {
        let attributes = [
            square(3),
            ints("strides", &[2, 2]),
            ints("pads", &[1, 0, 0, 0]),
            int("ceil_mode", 1),
            int("count_include_pad", include),
        ];
        let network = Network::new(&[1, 1, 5, 6]).then("AveragePool", "pool", &attributes);
        let network = network.then("GlobalMaxPool", "max", &[]).then("Flatten", "flat", &[]);
        let graph = crate::model::nodes::import(&network.source(), "test")
            .unwrap_or_else(|error| panic!("{error}"));
        let image: Vec<f32> = (0..30).map(|x| (x * 7 % 30) as f32).collect();
        let run = FloatExecutor::new(&graph).run(&image).expect("the right length");
        // 3 x 3 windows that start at (-1, 0), and overhang on the right.
        let mut largest = f32::MIN;
        for (row, column) in (0..3).flat_map(|row| (0..3).map(move |column| (row, column))) {
            let (mut sum, mut count) = (0.0, 0.0);
            for (a, b) in (0..3).flat_map(|a| (0..3).map(move |b| (a, b))) {
                let (y, x) = (row * 2 + a, column * 2 + b);
                let real = y >= 1 && y - 1 < 5 && x < 6;
                let counted = y - usize::from(y > 0) < 5 && x < 6 && (include == 1 || y >= 1);
                sum += if real { image[(y - 1) * 6 + x] } else { 0.0 };
                count += if counted { 1.0 } else { 0.0 };
            }
            largest = largest.max(sum / count);
        }
        let pooled = run.logits()[0];
        assert!((pooled - largest).abs() < 1e-4, "{pooled}, expected {largest}");
    }
}

#[test]
fn padding_that_no_window_takes() {
    let mut network = Network::new(&[1, 2, 5, 5]).conv("conv", &[3, 2, 2, 2], &[]);
    network.integers("pads", &[0, 0, 1, 0, 0, 0, 2, 3]);
    let network = network.node("Pad", "pad", &["conv", "pads"], &[]).then("Sigmoid", "s", &[]);
    check(network.head(3 * 7 * 7));
    // Channels last, as Keras pads.
    let mut last = Network::new(&[1, 2, 5, 5]).conv("conv", &[3, 2, 2, 2], &[]).then(
        "Transpose",
        "last",
        &[ints("perm", &[0, 2, 3, 1])],
    );
    last.integers("pads", &[0, 1, 0, 0, 0, 1, 1, 0]);
    let last = last
        .node("Pad", "pad", &["last", "pads"], &[])
        .then("Transpose", "first", &[ints("perm", &[0, 3, 1, 2])])
        .conv("next", &[2, 3, 3, 3], &[]);
    let graph = check(last.head(2 * 4 * 3));
    assert!(
        matches!(graph.layers[1].op, FloatOp::Conv { window, .. } if window.pads == [1, 0, 1, 1])
    );
}

#[test]
fn means_and_sums_over_axes() {
    let reduced = |operator: &str, axes: &[i64], outputs: i64| {
        let network = Network::new(&[1, 2, 5, 4]).conv("conv", &[3, 2, 1, 1], &[]);
        check(network.then(operator, "reduce", &[ints("axes", axes)]).opset(11).head(outputs))
    };
    reduced("ReduceMean", &[2], 3 * 4);
    reduced("ReduceMean", &[3], 3 * 5);
    reduced("ReduceMean", &[1], 20);
    reduced("ReduceSum", &[2, 3], 3);
    reduced("ReduceSum", &[1], 20);
    reduced("ReduceMax", &[3], 15);
    let last = Network::new(&[1, 2, 5, 4])
        .conv("conv", &[3, 2, 1, 1], &[])
        .then("Transpose", "last", &[ints("perm", &[0, 2, 3, 1])])
        .then("ReduceMean", "mean", &[ints("axes", &[1, 2]), int("keepdims", 0)]);
    check(last.head(3));
}

fn slice(
    mut network: Network,
    starts: &[i64],
    ends: &[i64],
    axes: &[i64],
    steps: &[i64],
) -> Network {
    for (name, values) in [("starts", starts), ("ends", ends), ("axes", axes), ("steps", steps)] {
        network.integers(name, values);
    }
    let last = network.last.clone();
    network.node("Slice", "slice", &[&last, "starts", "ends", "axes", "steps"], &[])
}

#[test]
fn lines_and_columns_are_cut() {
    let conv = || Network::new(&[1, 2, 6, 7]).conv("conv", &[4, 2, 1, 1], &[]);
    check(slice(conv(), &[1, 2], &[5, 7], &[2, 3], &[1, 1]).head(4 * 4 * 5));
    check(slice(conv(), &[1, 0], &[6, 7], &[2, 3], &[2, 3]).head(4 * 3 * 3));
    check(slice(conv(), &[0, 3], &[4, 4], &[1, 2], &[2, 1]).head(2 * 7));
    // Space to depth, as YOLO's first layer.
    let focus = slice(Network::new(&[1, 3, 6, 6]), &[0, 0], &[6, 6], &[2, 3], &[2, 2]);
    check(focus.conv("conv", &[2, 3, 2, 2], &[]).head(8));
    // Channels last: the cut channels are the tensor's first axis all the same.
    let last = conv().then("Transpose", "last", &[ints("perm", &[0, 2, 3, 1])]);
    let last = slice(last, &[1, 1], &[5, 3], &[1, 3], &[1, 1])
        .then("Transpose", "back", &[ints("perm", &[0, 3, 1, 2])])
        .then("Relu", "relu", &[]);
    check(last.head(2 * 4 * 7));
}

#[test]
fn lines_are_split_and_gathered() {
    let mut split = Network::new(&[1, 3, 4, 4]).conv("conv", &[2, 3, 1, 1], &[]).node(
        "Split",
        "a",
        &["conv"],
        &[int("axis", 2)],
    );
    if let Some(node) = split.graph.node.last_mut() {
        node.output.push("b".into());
    }
    check(split.node("Mul", "product", &["a", "b"], &[]).head(16));
    let mut gathered = Network::new(&[1, 3, 4, 4]).conv("conv", &[5, 3, 1, 1], &[]);
    gathered.integers("channels", &[0, 2, 3]);
    let gathered = gathered.node("Gather", "gather", &["conv", "channels"], &[int("axis", 1)]);
    check(gathered.head(48));
}

#[test]
fn concatenation_in_other_orders() {
    let last = Network::new(&[1, 3, 4, 4])
        .conv("a", &[2, 3, 1, 1], &[])
        .then("Transpose", "a_last", &[ints("perm", &[0, 2, 3, 1])])
        .node("Sigmoid", "s", &["input"], &[])
        .conv("b", &[3, 3, 1, 1], &[])
        .then("Transpose", "b_last", &[ints("perm", &[0, 2, 3, 1])])
        .node("Concat", "joined", &["a_last", "b_last"], &[int("axis", -1)]);
    let back = last.then("Transpose", "back", &[ints("perm", &[0, 3, 1, 2])]);
    check(back.conv("next", &[2, 5, 2, 2], &[]).head(18));
    // Flat vectors of several images.
    let flat = Network::new(&[1, 3, 4, 4])
        .conv("a", &[2, 3, 1, 1], &[])
        .then("Flatten", "a_flat", &[])
        .node("Sigmoid", "s", &["input"], &[])
        .then("Flatten", "s_flat", &[])
        .node("Concat", "joined", &["a_flat", "s_flat"], &[int("axis", 1)]);
    check(flat.head(80));
}

/// The network's input has its own scale; joined with others it gets a layer of its own.
#[test]
fn the_input_is_concatenated() {
    let network = Network::new(&[1, 2, 5, 5])
        .conv("conv", &[3, 2, 3, 3], &[ints("pads", &[1; 4])])
        .node("Concat", "joined", &["input", "conv"], &[int("axis", 1)]);
    let graph = check(network.head(125));
    assert_eq!(graph.layers.len(), 4);
}

#[test]
fn channels_are_shuffled() {
    let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[6, 2, 1, 1], &[]);
    network.integers("groups", &[1, 2, 3, 4, 4]);
    network.integers("image", &[1, 6, 4, 4]);
    let network = network
        .node("Reshape", "split", &["conv", "groups"], &[])
        .then("Transpose", "swap", &[ints("perm", &[0, 2, 1, 3, 4])])
        .node("Reshape", "shuffled", &["swap", "image"], &[])
        .conv("next", &[6, 3, 2, 2], &[int("group", 2)]);
    check(network.head(54));
}

#[test]
fn one_dimensional_layers() {
    let network = Network::new(&[1, 2, 12])
        .conv("conv", &[4, 2, 3], &[ints("pads", &[2, 0]), ints("dilations", &[2])])
        .then("Relu", "relu", &[])
        .then("MaxPool", "pool", &[ints("kernel_shape", &[2]), ints("strides", &[2])])
        .conv("depthwise", &[4, 1, 3], &[int("group", 4), ints("pads", &[1, 1])])
        .then("AveragePool", "mean", &[ints("kernel_shape", &[3]), ints("pads", &[1, 1])]);
    check(network.head(4 * 5));
}

/// As tf2onnx exports one-dimensional convolutions.
#[test]
fn one_dimensional_layers_as_images() {
    let network = Network::new(&[1, 2, 12])
        .then("Unsqueeze", "image", &[ints("axes", &[2])])
        .opset(11)
        .conv("conv", &[4, 2, 1, 3], &[])
        .then("Relu", "relu", &[])
        .then("Squeeze", "line", &[ints("axes", &[2])])
        .conv("next", &[3, 4, 2], &[]);
    check(network.head(27));
}
