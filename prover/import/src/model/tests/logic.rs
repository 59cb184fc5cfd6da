use super::{
    check_to,
    network::{Network, float, int},
    same_as_tract,
};

const COMPARISONS: [&str; 5] = ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"];

fn cast(network: Network, name: &str, to: i64) -> Network {
    network.then("Cast", name, &[int("to", to)])
}

#[test]
fn comparisons_with_numbers_channels_and_tensors() {
    for operator in COMPARISONS {
        for bound in [&[0.0][..], &[0.5], &[0.25, -0.5, 0.125, 1.0, 0.0]] {
            let mut network = Network::new(&[1, 5]);
            network.constant("bound", &[bound.len() as i64], bound.to_vec());
            let network = network.node(operator, "truth", &["input", "bound"], &[]);
            same_as_tract(cast(network, "number", 1).head(5));
            let mut network = Network::new(&[1, 5]);
            network.constant("bound", &[bound.len() as i64], bound.to_vec());
            let network = network.node(operator, "truth", &["bound", "input"], &[]);
            same_as_tract(cast(network, "number", 1).head(5));
        }
        let network = Network::new(&[1, 2, 3, 3]).conv("a", &[2, 2, 1, 1], &[]).node(
            operator,
            "truth",
            &["a", "input"],
            &[],
        );
        same_as_tract(cast(network, "number", 1).head(18));
    }
}

#[test]
fn steps_of_integers_are_exact() {
    // Inputs are multiples of 1/128, and so are the bounds: the integers decide as the file does.
    for operator in COMPARISONS {
        let mut network = Network::new(&[1, 6]);
        network.constant("bound", &[6], vec![0.25, -0.5, 0.125, 0.0, 63.0 / 128.0, 0.3]);
        let network = network.node(operator, "truth", &["input", "bound"], &[]);
        check_to(cast(network, "number", 1).head(6), 0.02);
        let mut network = Network::new(&[1, 6]);
        network.constant("bound", &[1], vec![0.25]);
        let network = network.node(operator, "truth", &["input", "bound"], &[]);
        check_to(cast(network, "number", 1).head(6), 0.02);
    }
}

#[test]
fn connectives() {
    for operator in ["And", "Or", "Xor"] {
        let mut network = Network::new(&[1, 5]);
        network.constant("low", &[5], vec![-0.5, 0.0, 0.25, -1.0, -0.125]);
        network.constant("high", &[1], vec![0.5]);
        let network = network
            .node("Less", "below", &["input", "high"], &[])
            .node("Greater", "above", &["input", "low"], &[])
            .node(operator, "both", &["below", "above"], &[])
            .then("Not", "other", &[]);
        same_as_tract(cast(network, "number", 1).head(5));
        // Of one tensor: one table.
        let mut network = Network::new(&[1, 5]);
        network.constant("low", &[], vec![-0.5]);
        network.constant("high", &[], vec![0.5]);
        let network = network
            .node("Less", "below", &["input", "high"], &[])
            .node("Greater", "above", &["input", "low"], &[])
            .node(operator, "both", &["below", "above"], &[]);
        let graph = same_as_tract(cast(network, "number", 1).head(5));
        assert_eq!(graph.layers.len(), 2);
    }
}

#[test]
fn choices() {
    let mut leaky = Network::new(&[1, 3, 4, 4]).conv("conv", &[4, 3, 1, 1], &[]);
    leaky.constant("zero", &[], vec![0.0]);
    leaky.constant("slope", &[], vec![0.2]);
    let leaky = leaky
        .node("Less", "negative", &["conv", "zero"], &[])
        .node("Mul", "small", &["conv", "slope"], &[])
        .node("Where", "leaky", &["negative", "small", "conv"], &[]);
    let graph = check_to(leaky.head(64), 0.02);
    assert_eq!(graph.layers.len(), 2);
    assert!(graph.layers[0].op.function().is_some_and(crate::model::Function::is_homogeneous));

    let mut between = Network::new(&[1, 4]).dense("a", 4, 4);
    between.constant("bound", &[4], vec![0.1, -0.2, 0.3, 0.0]);
    between.constant("other", &[], vec![0.75]);
    let between = between.node("Less", "negative", &["input", "bound"], &[]).node(
        "Where",
        "chosen",
        &["negative", "a", "other"],
        &[],
    );
    same_as_tract(between.head(4));

    let mut masked = Network::new(&[1, 4]);
    masked.constant("other", &[1, 4], vec![0.5, 1.0, -2.0, 3.0]);
    masked.truths("mask", &[1, 4], &[1, 0, 0, 1]);
    let masked = masked.node("Where", "masked", &["mask", "input", "other"], &[]);
    same_as_tract(masked.head(4));
}

#[test]
fn functions_with_jumps() {
    for (operator, attributes) in [
        ("Sign", vec![]),
        ("Ceil", vec![]),
        ("Floor", vec![]),
        ("Round", vec![]),
        ("ThresholdedRelu", vec![float("alpha", 0.5)]),
        ("Shrink", vec![float("lambd", 0.5), float("bias", 0.25)]),
    ] {
        same_as_tract(Network::new(&[1, 9]).then(operator, "f", &attributes).head(9));
    }
    // Towards 0, and not 0.
    for kind in [6, 9] {
        let network = cast(Network::new(&[1, 9]), "whole", kind);
        same_as_tract(cast(network, "real", 1).head(9));
    }
}

#[test]
fn the_largest_of_several() {
    for operator in ["Max", "Min", "Mean"] {
        let mut network = Network::new(&[1, 2, 3, 3]).conv("a", &[2, 2, 1, 1], &[]);
        network = network.node("Tanh", "b", &["input"], &[]);
        network = network.node(operator, "all", &["a", "b", "input"], &[]);
        same_as_tract(network.head(18));
    }
}

#[test]
fn remainders() {
    for (fmod, divisor) in [(0, 3.0), (0, -2.0), (1, 0.5)] {
        let mut network = Network::new(&[1, 6]);
        network.constant("divisor", &[], vec![divisor]);
        let network = network.node("Mod", "rest", &["input", "divisor"], &[int("fmod", fmod)]);
        let source = network.head(6).source();
        let graph = crate::model::nodes::import(&source, "test").expect("a remainder");
        let run = |x: f32| {
            let run = crate::model::FloatExecutor::new(&graph).run(&[x; 6]).expect("six numbers");
            run.tensors[1][0]
        };
        for x in [-7.5f32, -1.0, -0.25, 0.0, 0.75, 4.0] {
            let floor = x - divisor * (x / divisor).floor();
            let expected = if fmod == 1 { x % divisor } else { floor };
            assert!((run(x) - expected).abs() < 1e-6, "{x} mod {divisor}: {}", run(x));
        }
    }
}

#[test]
fn shapes_that_follow_from_the_input() {
    let mut network = Network::new(&[1, 2, 3, 3]).conv("a", &[2, 2, 1, 1], &[]);
    network.integers("zero", &[0]);
    network.integers("one", &[1]);
    network.integers("four", &[4]);
    let network = network
        .node("Shape", "shape", &["a"], &[])
        .node("Slice", "front", &["shape", "zero", "one"], &[])
        .node("ConstantOfShape", "none", &["front"], &[])
        .node("Cast", "nothing", &["none"], &[int("to", 7)])
        .node("Equal", "equal", &["nothing", "zero"], &[])
        .node("Where", "sizes", &["equal", "front", "one"], &[])
        .node("Slice", "rest", &["shape", "one", "four"], &[])
        .node("ReduceProd", "count", &["rest"], &[int("keepdims", 1)])
        .node("Concat", "target", &["sizes", "count"], &[int("axis", 0)])
        .node("Reshape", "vector", &["a", "target"], &[]);
    same_as_tract(network.then("Relu", "relu", &[]).head(18));
}

/// As exporters write it for inputs of free length, of which the import has fixed one.
#[test]
fn sizes_of_some_axes_of_a_constant() {
    let mut network = Network::new(&[1, 6]);
    network.constant("table", &[1, 6], (0..6).map(|value| value as f32).collect());
    network.integers("zero", &[0]);
    network.integers("one", &[1]);
    let network = network
        .opset(15)
        .node("Shape", "width", &["table"], &[int("start", 1), int("end", 2)])
        .node("Slice", "part", &["table", "zero", "width", "one"], &[])
        .node("Add", "sum", &["input", "part"], &[]);
    same_as_tract(network.head(6));
}

/// Triangles of constants: the mask of a causal attention, as the older exporter of PyTorch writes it.
#[test]
fn triangles_of_constants() {
    for upper in [0, 1] {
        for diagonal in [-1, 0, 1] {
            let mut network = Network::new(&[1, 2, 2, 3]).conv("a", &[2, 2, 1, 1], &[]);
            network.constant("ones", &[2, 2, 3], (1..13).map(|value| value as f32).collect());
            network.integers("diagonal", &[diagonal]);
            let network = network
                .node("Squeeze", "number", &["diagonal"], &[])
                .node("Trilu", "mask", &["ones", "number"], &[int("upper", upper)])
                .node("Mul", "masked", &["a", "mask"], &[]);
            same_as_tract(network.head(12));
        }
    }
}

/// A branch that is known at import becomes part of the graph.
#[test]
fn known_branches() {
    use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
    let branch = |name: &str, operator: &str| {
        let node = NodeProto {
            op_type: operator.into(),
            input: vec!["input".into()],
            output: vec![format!("{name}.y")],
            ..NodeProto::default()
        };
        let output = ValueInfoProto { name: format!("{name}.y"), ..ValueInfoProto::default() };
        let graph = GraphProto { node: vec![node], output: vec![output], ..GraphProto::default() };
        AttributeProto { g: Some(graph), ..int(name, 0) }
    };
    let branches = [branch("then_branch", "Neg"), branch("else_branch", "Abs")];
    for (condition, expected) in [(1, -2.0), (0, 2.0)] {
        let mut network = Network::new(&[1, 1]);
        network.truths("condition", &[], &[condition]);
        let network = network.node("If", "if", &["condition"], &branches);
        let graph = crate::model::nodes::import(&network.source(), "test").expect("a branch");
        let run = crate::model::FloatExecutor::new(&graph).run(&[2.0]).expect("one number");
        assert_eq!(run.logits(), [expected]);
    }
    let open = Network::new(&[1, 1]).node("If", "if", &["input"], &branches);
    let error = crate::model::nodes::import(&open.source(), "test").expect_err("an open branch");
    assert!(error.to_string().contains("depends on the network's input"), "{error}");
}

/// A bound that no value comes near.
#[test]
fn bounds_that_are_far_away() {
    let mut network = Network::new(&[1, 4]);
    network.constant("bound", &[], vec![1e6]);
    let network = network.node("Less", "below", &["input", "bound"], &[]).then(
        "Cast",
        "number",
        &[int("to", 1)],
    );
    check_to(network.head(4), 0.02);
}
