//! ArgMax, ArgMin, TopK and Loop inside a network, against plain arithmetic.

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};

use super::network::{Network, int};
use crate::model::{FinalOperator, FloatExecutor, FloatGraph, nodes};
use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
use assay_graph::Executor;
use assay_testing::arbitrary::Random;

fn import(network: Network) -> FloatGraph {
    nodes::import(&network.source(), "test").unwrap_or_else(|error| panic!("{error}"))
}

fn run(graph: &FloatGraph, input: &[f32]) -> Vec<f32> {
    FloatExecutor::new(graph).run(input).expect("the right length").logits().to_vec()
}

/// Checks the float network, and the integers within rounding, on bytes of which many are equal.
fn check(graph: &FloatGraph, plain: impl Fn(&[f32]) -> Vec<f32>) {
    let elements = graph.input_shape().iter().product::<usize>();
    let mut random = Random::new(elements as u64);
    let inputs: Vec<Vec<u8>> =
        (0..60).map(|_| (0..elements).map(|_| random.size(0, 5) as u8).collect()).collect();
    let raw = InputEncoding::RAW;
    let quantized = calibrate_and_quantize(graph, &raw, &inputs, &QuantizeOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&quantized).unwrap_or_else(|error| panic!("{error}"));
    let scale = quantized.tensors[quantized.output].scale;
    for input in &inputs {
        let real: Vec<f32> = input.iter().map(|byte| f32::from(*byte)).collect();
        let expected = plain(&real);
        assert_eq!(run(graph, &real), expected, "{input:?}");
        let integers = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(integers.logits().len(), expected.len());
        for (integer, expected) in integers.logits().iter().zip(&expected) {
            let found = f64::from(*integer) / scale;
            assert!((found - f64::from(*expected)).abs() < 0.03, "{found} for {expected}");
        }
    }
}

/// Places of the elements, the best first, of equals the first, or the last.
fn places(x: &[f32], largest: bool, last: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..x.len()).collect();
    if last {
        places.reverse();
    }
    places.sort_by(|a, b| if largest { x[*b].total_cmp(&x[*a]) } else { x[*a].total_cmp(&x[*b]) });
    places
}

#[test]
fn places_inside_a_network() {
    for operator in ["ArgMax", "ArgMin"] {
        for last in [false, true] {
            let attributes = [int("axis", 1), int("select_last_index", i64::from(last))];
            let network = Network::new(&[1, 6]).then(operator, "place", &attributes);
            let network = network.then("Cast", "number", &[int("to", 1)]).then("Neg", "y", &[]);
            check(&import(network), |x| vec![-(places(x, operator == "ArgMax", last)[0] as f32)]);
            // Along another axis than the last, of each column.
            let attributes = [&attributes[..], &[int("keepdims", 0)]].concat();
            let network = Network::new(&[1, 3, 4]).then(operator, "place", &attributes);
            let network = network.then("Cast", "number", &[int("to", 1)]).then("Neg", "y", &[]);
            check(&import(network), |x| {
                let column = |at: usize| [x[at], x[4 + at], x[8 + at]];
                let place = |at| places(&column(at), operator == "ArgMax", last)[0];
                (0..4).map(|at| -(place(at) as f32)).collect()
            });
        }
    }
}

/// A place may choose a row of a table.
#[test]
fn places_choose_rows() {
    let mut network = Network::new(&[1, 5]);
    network.constant("table", &[5, 2], (0..10).map(|at| at as f32 * 1.5 - 3.0).collect());
    let network = network.then("ArgMax", "place", &[int("axis", 1), int("keepdims", 0)]);
    let network = network.node("Gather", "y", &["table", "place"], &[]);
    check(&import(network), |x| {
        let row = places(x, true, false)[0] as f32;
        vec![row * 3.0 - 3.0, row * 3.0 - 1.5]
    });
}

#[test]
fn the_best_few() {
    for largest in [true, false] {
        for (count, output) in [(1, "values"), (3, "values"), (5, "places"), (2, "places")] {
            let mut network = Network::new(&[1, 5]);
            network.integers("k", &[count]);
            let attributes = [int("axis", -1), int("largest", i64::from(largest))];
            let network = network.node("TopK", "top", &["input", "k"], &attributes);
            let mut network = network.of("", &["values", "places"]);
            network.last = output.into();
            check(&import(network), |x| {
                let best = places(x, largest, false).into_iter().take(count as usize);
                best.map(|at| if output == "values" { x[at] } else { at as f32 }).collect()
            });
        }
    }
}

/// Of equal numbers a proof shows the first class.
#[test]
fn the_last_of_equals_at_the_end_is_refused() {
    for operator in ["ArgMax", "ArgMin"] {
        let last = [int("axis", 1), int("select_last_index", 1)];
        let source = Network::new(&[1, 3]).then(operator, "y", &last).source();
        let error = nodes::import(&source, "test").expect_err("refused").to_string();
        assert!(error.contains("`y`") && error.contains("select_last_index"), "{error}");
    }
}

/// At the very end the least number is the class, as the largest is of an ArgMax.
#[test]
fn the_least_of_all_at_the_end() {
    let graph = import(Network::new(&[1, 3]).then("ArgMin", "nearest", &[int("axis", 1)]));
    assert_eq!(graph.dropped, [FinalOperator::ArgMax]);
    assert_eq!(run(&graph, &[3.0, -1.0, 2.0]), [-3.0, 1.0, -2.0]);
}

/// `count` turns of `x = x / 2 + turn`, which also give each turn's sum of the elements.
fn turning(count: Option<&str>, condition: &str) -> Network {
    let value = |name: &str| ValueInfoProto { name: name.into(), ..ValueInfoProto::default() };
    let node = |operator: &str, inputs: &[&str], output: &str| NodeProto {
        name: output.into(),
        op_type: operator.into(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let mut network = Network::new(&[1, 3]);
    network.integers("three", &[3]);
    network.constant("half", &[], vec![0.5]);
    let body = GraphProto {
        input: ["turn", "goes_on", "x"].map(value).to_vec(),
        output: [condition, "next", "sum"].map(value).to_vec(),
        initializer: std::mem::take(&mut network.graph.initializer)
            .into_iter()
            .filter(|tensor| tensor.name == "half")
            .collect(),
        node: vec![
            node("Mul", &["x", "half"], "less"),
            NodeProto { attribute: vec![int("to", 1)], ..node("Cast", &["turn"], "number") },
            node("Add", &["less", "number"], "next"),
            NodeProto {
                attribute: vec![int("keepdims", 0)],
                ..node("ReduceSum", &["next"], "sum")
            },
            node("Less", &["number", "half"], "first"),
        ],
        ..GraphProto::default()
    };
    network.integers("three", &[3]);
    let body = AttributeProto { g: Some(body), ..int("body", 0) };
    network
        .node("Loop", "loop", &[count.unwrap_or(""), "", "input"], &[body])
        .of("", &["x", "sums"])
}

#[test]
fn loops_are_unrolled() {
    let plain = |x: &[f32], turns: usize| {
        let mut x = x.to_vec();
        let turn = |turn: usize| {
            x.iter_mut().for_each(|x| *x = *x / 2.0 + turn as f32);
            x.iter().sum::<f32>()
        };
        let sums = (0..turns).map(turn).collect::<Vec<f32>>();
        (x, sums)
    };
    for (count, condition, turns) in
        [(Some("three"), "goes_on", 3), (None, "first", 2), (Some("three"), "first", 2)]
    {
        let mut last = turning(count, condition);
        last.last = "x".into();
        check(&import(last), |x| plain(x, turns).0);
        check(&import(turning(count, condition)), |x| plain(x, turns).1);
    }
    let error = |network: Network| match nodes::import(&network.source(), "test") {
        Ok(graph) => panic!("{graph:?}"),
        Err(error) => error.to_string(),
    };
    let open = error(turning(Some("input"), "goes_on"));
    assert!(open.contains("how often it runs (`input`) depends"), "{open}");
    let endless = error(turning(None, "goes_on"));
    assert!(endless.contains("1024 turns"), "{endless}");
    let open = error(turning(Some("three"), "sum"));
    assert!(open.contains("whether it goes on") && open.contains("depends"), "{open}");
}
