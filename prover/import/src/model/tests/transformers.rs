//! Attention, normalizations, embeddings and the arrangements of tensors that they need.

use super::{
    check, check_to,
    network::{Network, float, int, ints, text},
};
use crate::model::FloatOp;

/// A layer over tokens, `[.., inputs]` to `[.., outputs]`.
fn dense(mut network: Network, name: &str, from: &str, inputs: i64, outputs: i64) -> Network {
    let (weights, bias, product) =
        (format!("{name}.w"), format!("{name}.b"), format!("{name}.product"));
    network.random(&weights, &[inputs, outputs], 2.0 / (inputs as f32).sqrt());
    network.random(&bias, &[outputs], 0.2);
    network.node("MatMul", &product, &[from, &weights], &[]).node(
        "Add",
        name,
        &[&product, &bias],
        &[],
    )
}

fn reshape(mut network: Network, name: &str, from: &str, shape: &[i64]) -> Network {
    let target = format!("{name}.shape");
    network.integers(&target, shape);
    network.node("Reshape", name, &[from, &target], &[])
}

fn transpose(network: Network, name: &str, from: &str, perm: &[i64]) -> Network {
    network.node("Transpose", name, &[from], &[ints("perm", perm)])
}

/// Attention as exporters write it, over `[1, tokens, width]`.
pub(super) fn attention(
    network: Network,
    name: &str,
    tokens: i64,
    width: i64,
    heads: i64,
) -> Network {
    let x = network.last.clone();
    let of = |part: &str| format!("{name}.{part}");
    let mut network = network;
    for part in ["q", "k", "v"] {
        network = dense(network, &of(part), &x, width, width);
        let (split, moved) = (of(&format!("{part}4")), of(&format!("{part}t")));
        network = reshape(network, &split, &of(part), &[1, tokens, heads, width / heads]);
        let perm: &[i64] = if part == "k" { &[0, 2, 3, 1] } else { &[0, 2, 1, 3] };
        network = transpose(network, &moved, &split, perm);
    }
    network.constant(&of("root"), &[], vec![((width / heads) as f32).sqrt()]);
    let network = network
        .node("MatMul", &of("scores"), &[&of("qt"), &of("kt")], &[])
        .node("Div", &of("scaled"), &[&of("scores"), &of("root")], &[])
        .node("Softmax", &of("part"), &[&of("scaled")], &[int("axis", -1)])
        .node("MatMul", &of("context"), &[&of("part"), &of("vt")], &[]);
    let network = transpose(network, &of("back"), &of("context"), &[0, 2, 1, 3]);
    let network = reshape(network, &of("flat"), &of("back"), &[1, tokens, width]);
    dense(network, name, &of("flat"), width, width)
}

/// LayerNormalization of the last axis.
pub(super) fn norm(mut network: Network, name: &str, width: i64) -> Network {
    let (scale, bias, last) = (format!("{name}.s"), format!("{name}.o"), network.last.clone());
    let values = (0..width).map(|i| 0.8 + i as f32 * 0.05).collect();
    network.constant(&scale, &[width], values);
    network.random(&bias, &[width], 0.2);
    let inputs = [last.as_str(), &scale, &bias];
    network.opset(17).node("LayerNormalization", name, &inputs, &[int("axis", -1)])
}

#[test]
fn attention_with_one_head_and_with_several() {
    for (tokens, width, heads) in [(4, 8, 1), (5, 6, 2), (3, 8, 4), (1, 4, 2)] {
        let network = attention(Network::new(&[1, tokens, width]), "a", tokens, width, heads);
        let graph = check(network.head(tokens * width));
        let products = graph.layers.iter().filter(|l| matches!(l.op, FloatOp::MatMul { .. }));
        assert_eq!(products.count(), 2);
        // Only the values and the parts of the Softmax change their places.
        let moved = graph.layers.iter().filter(|l| matches!(l.op, FloatOp::Transpose { .. }));
        assert!(moved.count() <= 2, "{graph:?}");
    }
}

/// A block of a transformer, normalized before or after its parts.
#[test]
fn blocks_of_transformers() {
    for before in [true, false] {
        let (tokens, width) = (4, 6);
        let mut network = Network::new(&[1, tokens, width]);
        network.random("positions", &[1, tokens, width], 0.5);
        let network = network.node("Add", "x", &["input", "positions"], &[]);
        let network = if before { norm(network, "n1", width) } else { network };
        let network = attention(network, "a", tokens, width, 2);
        let network = network.node("Add", "x1", &["x", "a"], &[]);
        let network = norm(network, "n2", width);
        let network = dense(network, "up", "n2", width, 9).then("Gelu", "gelu", &[]).opset(20);
        let network = dense(network, "down", "gelu", 9, width);
        let skip = if before { "x1" } else { "n2" };
        let mut network = network.node("Add", "x2", &[skip, "down"], &[]);
        network.integers("axis", &[1]);
        let network =
            network.node("ReduceMean", "mean", &["x2", "axis"], &[int("keepdims", 0)]).opset(20);
        check(network.head(width));
    }
}

#[test]
fn a_class_token_and_positions() {
    let (tokens, width) = (9, 4);
    let mut network =
        Network::new(&[1, 2, 6, 6]).conv("patch", &[4, 2, 2, 2], &[ints("strides", &[2, 2])]);
    network.random("class", &[1, 1, width], 0.5);
    network.random("positions", &[1, tokens + 1, width], 0.5);
    let network = reshape(network, "lines", "patch", &[1, width, tokens]);
    let network = transpose(network, "tokens", "lines", &[0, 2, 1])
        .node("Concat", "with", &["class", "tokens"], &[int("axis", 1)])
        .node("Add", "x", &["with", "positions"], &[]);
    let network = attention(network, "a", tokens + 1, width, 2);
    let mut network = network.node("Add", "sum", &["x", "a"], &[]);
    network.constant("first", &[], vec![0.0]);
    if let Some(tensor) = network.graph.initializer.last_mut() {
        (tensor.data_type, tensor.raw_data) = (7, 0i64.to_le_bytes().to_vec());
    }
    let network = network.node("Gather", "chosen", &["sum", "first"], &[int("axis", 1)]);
    check(network.head(width));
}

/// What takes one position's numbers is no part of the layer behind it, which would have all positions'.
#[test]
fn the_last_position_is_taken_before_the_head() {
    let (tokens, width, words) = (12, 6, 40);
    let network = dense(Network::new(&[1, tokens, width]), "x", "input", width, width);
    let mut network = network.then("Gelu", "gelu", &[]).opset(20);
    network.integers("last", &[tokens - 1]);
    let network = network.node("Gather", "chosen", &["gelu", "last"], &[int("axis", 1)]);
    let graph = check(dense(network, "words", "chosen", width, words).head(words));
    let weights = graph.layers.iter().map(|layer| match &layer.op {
        FloatOp::Conv { weights, .. } => weights.len() as i64,
        _ => 0,
    });
    let parts = width * width + tokens * width + width * words + words * 3;
    assert!(weights.sum::<i64>() <= parts, "{graph:?}");
}

#[test]
fn tokens_are_mixed() {
    let (tokens, width) = (4, 6);
    let network = transpose(Network::new(&[1, tokens, width]), "t", "input", &[0, 2, 1]);
    let network = dense(network, "mix", "t", tokens, tokens).then("Relu", "relu", &[]);
    let network = transpose(network, "back", "relu", &[0, 2, 1]);
    let network = network.node("Add", "sum", &["input", "back"], &[]);
    let network = dense(network, "features", "sum", width, width).then("Relu", "out", &[]);
    check(network.head(tokens * width));
    // A matrix on the left, and one for each head.
    let mut left = Network::new(&[1, tokens, width]);
    left.random("w", &[3, tokens], 0.8);
    let left = left.node("MatMul", "left", &["w", "input"], &[]);
    check(dense(left, "next", "left", width, 5).head(15));
    let mut heads = Network::new(&[1, 2, tokens, width]);
    heads.random("w", &[2, width, 3], 0.8);
    check(heads.node("MatMul", "heads", &["input", "w"], &[]).head(2 * tokens * 3));
}

#[test]
fn products_of_activations_in_all_forms() {
    let parts = || {
        let network = dense(Network::new(&[1, 4, 6]), "a", "input", 6, 6);
        dense(network, "b", "input", 6, 6)
    };
    let network = transpose(parts(), "bt", "b", &[0, 2, 1]);
    check(network.node("MatMul", "m", &["a", "bt"], &[]).head(16));
    let network = transpose(parts(), "at", "a", &[0, 2, 1]);
    check(network.node("MatMul", "m", &["at", "b"], &[]).head(36));
    for (equation, outputs) in
        [("bid,bjd->bij", 16), ("bid,bie->bde", 36), ("bid,bjd->bji", 16), ("bid,bid->bi", 4)]
    {
        let network = parts().node("Einsum", "m", &["a", "b"], &[text("equation", equation)]);
        check(network.head(outputs));
    }
    let mut weights = Network::new(&[1, 4, 6]);
    weights.random("w", &[2, 6, 3], 0.8);
    let equation = [text("equation", "btd,hde->bhte")];
    check(weights.node("Einsum", "m", &["input", "w"], &equation).head(24));
    let squeezed = reshape(parts(), "a2", "a", &[4, 6]);
    let squeezed = reshape(squeezed, "b2", "b", &[4, 6]);
    let attributes = [int("transB", 1), float("alpha", 0.5)];
    check(squeezed.node("Gemm", "m", &["a2", "b2"], &attributes).head_of(16));
}

#[test]
fn softmax_over_any_axis() {
    for (operator, axis, opset) in [
        ("Softmax", 1, 13),
        ("Softmax", 2, 13),
        ("Softmax", -1, 13),
        ("LogSoftmax", 1, 13),
        ("Softmax", 2, 11),
    ] {
        let network = Network::new(&[1, 2, 4, 3])
            .conv("conv", &[3, 2, 1, 1], &[])
            .opset(opset)
            .then(operator, "soft", &[int("axis", axis)]);
        check(network.head(36));
    }
    let vector = Network::new(&[1, 8]);
    let vector = dense(vector, "d", "input", 8, 5).then("Softmax", "soft", &[int("axis", 1)]);
    check(dense(vector, "out", "soft", 5, 3));
}

#[test]
fn layer_normalization_as_one_node_and_as_several() {
    let network = dense(Network::new(&[1, 12]), "d", "input", 12, 8);
    check(dense(norm(network, "n", 8), "out", "n", 8, 3));
    let tokens = dense(Network::new(&[1, 5, 6]), "d", "input", 6, 8);
    check(norm(tokens, "n", 8).head(40));
    for (square, keep_tokens) in [("Pow", false), ("Mul", false), ("Pow", true)] {
        let input: &[i64] = if keep_tokens { &[1, 4, 6] } else { &[1, 6] };
        let mut network = dense(Network::new(input), "d", "input", 6, 6);
        network.constant("two", &[], vec![2.0]);
        network.constant("epsilon", &[], vec![1e-5]);
        network.random("scale", &[6], 1.0);
        network.random("offset", &[6], 0.3);
        let second = if square == "Pow" { "two" } else { "centred" };
        let last = [ints("axes", &[-1])];
        let network = network
            .node("ReduceMean", "mean", &["d"], &last)
            .node("Sub", "centred", &["d", "mean"], &[])
            .node(square, "square", &["centred", second], &[])
            .node("ReduceMean", "variance", &["square"], &last)
            .node("Add", "positive", &["variance", "epsilon"], &[])
            .node("Sqrt", "deviation", &["positive"], &[])
            .node("Div", "normal", &["centred", "deviation"], &[])
            .node("Mul", "scaled", &["normal", "scale"], &[])
            .node("Add", "shifted", &["scaled", "offset"], &[]);
        check(network.head(if keep_tokens { 24 } else { 6 }));
    }
}

/// Squares are summed before they are rounded: tokens of which one is a twentieth of another keep
/// their precision.
#[test]
fn tokens_of_very_different_size_are_normalized() {
    let (tokens, width) = (4, 16);
    let mut network = dense(Network::new(&[1, tokens, width]), "d", "input", width, width);
    network.constant("sizes", &[tokens, 1], vec![1.0, 0.3, 0.1, 0.05]);
    let network = network.node("Mul", "x", &["d", "sizes"], &[]);
    let graph = check_to(norm(network, "n", width).head(tokens * width), 0.02);
    let count =
        |wanted: fn(&FloatOp) -> bool| graph.layers.iter().filter(|l| wanted(&l.op)).count();
    assert_eq!(count(|op| matches!(op, FloatOp::Dot { planes: false, .. })), 1);
    assert_eq!(count(|op| matches!(op, FloatOp::Product { inputs: [a, b], .. } if a == b)), 0);
}

#[test]
fn normalizations_of_images() {
    let conv = || Network::new(&[1, 2, 4, 4]).conv("conv", &[4, 2, 2, 2], &[]);
    let mut instance = conv();
    instance.random("s", &[4], 1.0);
    instance.random("b", &[4], 0.5);
    let graph =
        check(instance.node("InstanceNormalization", "n", &["conv", "s", "b"], &[]).head(36));
    assert!(graph.layers.iter().any(|l| matches!(l.op, FloatOp::Dot { planes: true, .. })));
    let whole = conv();
    let mut whole = whole;
    whole.random("s", &[4, 3, 3], 1.0);
    whole.random("b", &[4, 3, 3], 0.5);
    let whole =
        whole.opset(17).node("LayerNormalization", "n", &["conv", "s", "b"], &[int("axis", 1)]);
    check(whole.head(36));
    // Over the last axis only, of an image in lines.
    let mut lines = conv();
    lines.random("s", &[3], 1.0);
    check(lines.opset(17).node("LayerNormalization", "n", &["conv", "s"], &[]).head(36));
}

#[test]
fn reductions_over_any_axes() {
    let reduced = |operator: &str, axes: &[i64], outputs: i64| {
        let network = Network::new(&[1, 2, 5, 4]).conv("conv", &[3, 2, 1, 1], &[]);
        let network = network.then(operator, "r", &[ints("axes", axes)]).opset(11);
        check_to(network.head(outputs), 0.03)
    };
    for operator in [
        "ReduceMax",
        "ReduceMin",
        "ReduceMean",
        "ReduceSum",
        "ReduceL1",
        "ReduceL2",
        "ReduceSumSquare",
    ] {
        for (axes, outputs) in
            [(&[1][..], 20), (&[1, 2], 4), (&[1, 3], 5), (&[1, 2, 3], 1), (&[2, 3], 3), (&[-1], 15)]
        {
            reduced(operator, axes, outputs);
        }
    }
    reduced("ReduceLogSumExp", &[2], 12);
    reduced("ReduceLogSumExp", &[1, 2, 3], 1);
    reduced("ReduceProd", &[1], 20);
}

#[test]
fn elements_are_gathered_in_any_order() {
    let conv = || Network::new(&[1, 2, 4, 4]).conv("conv", &[5, 2, 1, 1], &[]);
    let gathered = |axis: i64, places: &[i64], outputs: i64| {
        let mut network = conv();
        network.integers("places", places);
        check(network.node("Gather", "g", &["conv", "places"], &[int("axis", axis)]).head(outputs));
    };
    gathered(1, &[3, 0, -1], 48);
    gathered(1, &[2, 2, 0], 48);
    gathered(2, &[3, 1, 0], 60);
    gathered(3, &[0, 0, 3], 60);
    let mut elements = conv();
    elements.integers("places", &[3, 0, 2, 2]);
    if let Some(tensor) = elements.graph.initializer.last_mut() {
        tensor.dims = vec![1, 1, 2, 2];
    }
    let attribute = [int("axis", 1)];
    check(elements.node("GatherElements", "g", &["conv", "places"], &attribute).head(4));
    let mut pairs = conv();
    pairs.integers("places", &[0, 4, 0, 1, 0, 3]);
    if let Some(tensor) = pairs.graph.initializer.last_mut() {
        tensor.dims = vec![3, 2];
    }
    let pairs = reshape(pairs.node("GatherND", "g", &["conv", "places"], &[]), "r", "g", &[1, 48]);
    check(pairs.head(48));
}

/// As exporters look up a mask over tokens.
#[test]
fn constants_are_gathered_too() {
    let gathered = |operator: &str, places: &[i64], shape: &[i64]| {
        let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[4, 2, 1, 1], &[]);
        network.random("mask", &[2, 4], 2.0);
        network.integers("places", places);
        if let Some(tensor) = network.graph.initializer.last_mut() {
            tensor.dims = shape.to_vec();
        }
        let axis = [int("axis", 1)];
        let attributes = if operator == "GatherElements" { &axis[..] } else { &[] };
        let network = network.node(operator, "found", &["mask", "places"], attributes);
        let network = reshape(network, "line", "found", &[4, 1, 1]);
        check(network.node("Add", "y", &["conv", "line"], &[]).head(64));
    };
    gathered("GatherND", &[0, 1, 0, 3, 1, 0, 1, 2], &[4, 2]);
    gathered("GatherND", &[1], &[1, 1]);
    gathered("GatherElements", &[2, 0, 3, 3], &[2, 2]);
}

#[test]
fn constants_of_any_shape() {
    for (operator, shape) in [
        ("Add", &[1, 3, 4, 5][..]),
        ("Mul", &[4, 5]),
        ("Sub", &[3, 4, 1]),
        ("Max", &[5]),
        ("Add", &[2, 3, 1, 1]),
    ] {
        for reversed in [false, true] {
            let mut network = Network::new(&[1, 2, 4, 5]).conv("conv", &[3, 2, 1, 1], &[]);
            network.random("c", shape, 1.0);
            let operands = if reversed { ["c", "conv"] } else { ["conv", "c"] };
            let network = network.node(operator, "x", &operands, &[]);
            let count = if shape[0] == 2 { 120 } else { 60 };
            check(reshape(network, "flat1", "x", &[1, count]).head(count));
        }
    }
}

#[test]
fn values_are_repeated() {
    let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 4, 4], &[]);
    network.integers("shape", &[1, 3, 2, 5]);
    check(network.node("Expand", "x", &["conv", "shape"], &[]).then("Relu", "r", &[]).head(30));
    let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 1, 1], &[]);
    network.integers("repeats", &[1, 2, 1, 3]);
    check(network.node("Tile", "x", &["conv", "repeats"], &[]).then("Relu", "r", &[]).head(288));
}

/// Scores that a mask leaves out, added or chosen, as exporters write them.
#[test]
fn scores_are_masked() {
    let (tokens, width) = (4i64, 6);
    for (form, masked) in
        [("Add", -1e9f32), ("Add", f32::MIN), ("Add", f32::NEG_INFINITY), ("Where", -1e9)]
    {
        let mut network = dense(Network::new(&[1, tokens, width]), "q", "input", width, width);
        network = transpose(network, "qt", "q", &[0, 2, 1]);
        let count = (tokens * tokens) as usize;
        let allowed = |at: usize| at % tokens as usize <= at / tokens as usize;
        let mask = (0..count).map(|at| if allowed(at) { 0.0 } else { masked }).collect();
        network.constant("mask", &[1, tokens, tokens], mask);
        network.truths(
            "allowed",
            &[1, tokens, tokens],
            &(0..count).map(|at| allowed(at).into()).collect::<Vec<u8>>(),
        );
        network.constant("low", &[], vec![masked]);
        let network = network.node("MatMul", "scores", &["q", "qt"], &[]);
        let network = match form {
            "Add" => network.node("Add", "masked", &["scores", "mask"], &[]),
            _ => network.node("Where", "masked", &["allowed", "scores", "low"], &[]),
        };
        let network = network.node("Softmax", "part", &["masked"], &[int("axis", -1)]).node(
            "MatMul",
            "context",
            &["part", "q"],
            &[],
        );
        check_to(network.head(tokens * width), 0.03);
    }
}

/// Both networks compute the same.
fn same(left: Network, right: Network) {
    use crate::model::{FloatExecutor, nodes};
    let run = |network: Network| {
        let graph = nodes::import(&network.source(), "test").unwrap_or_else(|e| panic!("{e}"));
        let elements: usize = graph.input_shape().iter().product();
        let input: Vec<f32> = (0..elements).map(|at| (at * 37 % 101) as f32 / 50.0 - 1.0).collect();
        FloatExecutor::new(&graph).run(&input).expect("the right length").logits().to_vec()
    };
    let (left, right) = (run(left), run(right));
    assert_eq!(left.len(), right.len());
    assert!(left.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-4), "{left:?} {right:?}");
    assert!(left.iter().any(|x| x.abs() > 1e-2));
}

/// Operators that few programs run, against the same made of others.
#[test]
fn normalizations_by_their_definitions() {
    let start = || {
        let mut network = Network::new(&[1, 4, 3, 2]).conv("conv", &[4, 4, 1, 1], &[]);
        network.constant("epsilon", &[], vec![1e-5]);
        network.random("each", &[4], 1.0);
        network.random("other", &[4], 1.0);
        network.random("each4", &[4, 1, 1], 1.0);
        network.random("other4", &[4, 1, 1], 1.0);
        for (from, to) in [("each", "each4"), ("other", "other4")] {
            let data = network.graph.initializer.iter().find(|t| t.name == from).cloned();
            let into = network.graph.initializer.iter_mut().find(|t| t.name == to);
            if let (Some(data), Some(into)) = (data, into) {
                into.raw_data = data.raw_data;
            }
        }
        network
    };
    let group = start().node(
        "GroupNormalization",
        "g",
        &["conv", "each", "other"],
        &[int("num_groups", 2)],
    );
    let by_hand = reshape(start(), "grouped", "conv", &[1, 2, 12]).opset(17).node(
        "LayerNormalization",
        "normal",
        &["grouped", "one"],
        &[int("axis", 2)],
    );
    let mut by_hand = reshape(by_hand, "image", "normal", &[1, 4, 3, 2]);
    by_hand.constant("one", &[12], vec![1.0; 12]);
    let by_hand =
        by_hand.node("Mul", "m", &["image", "each4"], &[]).node("Add", "g", &["m", "other4"], &[]);
    same(group.opset(21).head(24), by_hand.head(24));
    let squares = |axis: i64| {
        start()
            .node("Mul", "square", &["conv", "conv"], &[])
            .node("ReduceSum", "sum", &["square"], &[ints("axes", &[axis])])
            .opset(11)
    };
    let unit = start().then("LpNormalization", "n", &[int("axis", 1)]);
    let by_hand =
        squares(1).node("Sqrt", "root", &["sum"], &[]).node("Div", "n", &["conv", "root"], &[]);
    same(unit.head(24), by_hand.head(24));
    let mut root = start();
    root.constant("s", &[2], vec![0.7, 1.3]);
    let root = root.node("RMSNormalization", "n", &["conv", "s"], &[]).opset(23);
    let mut by_hand = squares(3);
    by_hand.constant("half", &[], vec![0.5]);
    by_hand.constant("s", &[2], vec![0.7, 1.3]);
    let by_hand = by_hand
        .node("Mul", "mean", &["sum", "half"], &[])
        .node("Add", "more", &["mean", "epsilon"], &[])
        .node("Sqrt", "root", &["more"], &[])
        .node("Div", "normal", &["conv", "root"], &[])
        .node("Mul", "n", &["normal", "s"], &[]);
    same(root.head(24), by_hand.head(24));
}

/// Three blocks with the options that the program takes by default: the errors of single layers do
/// not add up to much.
#[test]
fn several_blocks_with_default_options() {
    use crate::model::{FloatExecutor, nodes};
    use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
    let (tokens, width) = (12, 24);
    let mut network = Network::new(&[1, tokens, width]);
    network.random("positions", &[tokens, width], 0.5);
    let mut network = network.node("Add", "x0", &["input", "positions"], &[]);
    for block in 0..3 {
        let of = |part: &str| format!("{part}{block}");
        network = norm(network, &of("n"), width);
        network = attention(network, &of("a"), tokens, width, 4);
        network = network.node("Add", &of("s"), &[&of("x"), &of("a")], &[]);
        network = norm(network, &of("m"), width);
        network = dense(network, &of("up"), &of("m"), width, 2 * width).then("Gelu", &of("g"), &[]);
        network = dense(network, &of("down"), &of("g"), 2 * width, width);
        let sum = format!("x{}", block + 1);
        network = network.node("Add", &sum, &[&of("s"), &of("down")], &[]);
    }
    let network = norm(network, "last", width).then("ReduceMean", "mean", &[ints("axes", &[1])]);
    let graph = nodes::import(&network.head(width).source(), "test").expect("imported");
    let mut random = assay_testing::arbitrary::Random::new(5);
    let elements = (tokens * width) as usize;
    let inputs: Vec<Vec<u8>> =
        (0..40).map(|_| (0..elements).map(|_| random.word() as u8).collect()).collect();
    let encoding = InputEncoding::SYMMETRIC;
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(&graph, &encoding, &inputs[..32], &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = assay_graph::Executor::new(&quantized).unwrap_or_else(|e| panic!("{e}"));
    let scale = quantized.tensors[quantized.output].scale;
    let (mut low, mut high, mut error) = (f64::MAX, f64::MIN, 0f64);
    for input in &inputs[32..] {
        let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
        let run = FloatExecutor::new(&graph).run(&real).expect("the right length");
        let integers = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        for (float, integer) in run.logits().iter().zip(integers.logits()) {
            (low, high) = (low.min(f64::from(*float)), high.max(f64::from(*float)));
            error = error.max((f64::from(*integer) / scale - f64::from(*float)).abs());
        }
    }
    println!(
        "off by {:.2} % of the range, {} rows",
        100.0 * error / (high - low),
        quantized.table_rows()
    );
    assert!(error <= 0.05 * (high - low), "integers are off by {error} of {low} to {high}");
}
