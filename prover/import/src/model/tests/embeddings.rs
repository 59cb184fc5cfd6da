//! Rows of tables that ids of the input choose.

use super::{
    network::{Network, int, ints},
    transformers::{attention, norm},
};
use crate::{
    model::{FloatExecutor, nodes, reference::Reference},
    quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize},
};

/// Ids of the input choose rows of tables: the classes of integers are those of the reference.
fn check_ids(network: Network, ids: usize) {
    let source = network.source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&source, &graph.input).unwrap_or_else(|e| panic!("{e}"));
    let elements: usize = graph.input_shape().iter().product();
    let input = |seed: usize| -> Vec<u8> {
        (0..elements).map(|at| ((at * 7 + seed * 5 + seed * at) % ids) as u8).collect()
    };
    let samples: Vec<Vec<u8>> = (0..40).map(input).collect();
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(&graph, &InputEncoding::RAW, &samples, &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = assay_graph::Executor::new(&quantized).unwrap_or_else(|e| panic!("{e}"));
    let scale = quantized.tensors[quantized.output].scale;
    let (mut largest, mut error) = (0f64, 0f64);
    for sample in (40..48).map(input) {
        let real: Vec<f32> = sample.iter().map(|id| f32::from(*id)).collect();
        let expected = reference.run(&real).unwrap_or_else(|error| panic!("{error}"));
        let run = FloatExecutor::new(&graph).run(&real).expect("the right length");
        let integers = executor.run(&sample).unwrap_or_else(|error| panic!("{error}"));
        for ((float, expected), integer) in
            run.logits().iter().zip(&expected).zip(integers.logits())
        {
            assert!((float - expected).abs() <= 2e-4 * (1.0 + expected.abs()));
            largest = largest.max(f64::from(expected.abs()));
            error = error.max((f64::from(*integer) / scale - f64::from(*expected)).abs());
        }
    }
    assert!(error <= 0.02 * largest, "integers are off by {error}, outputs reach {largest}");
}

#[test]
fn ids_choose_rows_of_tables() {
    let cast = [int("to", 7)];
    let mut pair = Network::new(&[1, 2]).then("Cast", "ids", &cast);
    pair.random("users", &[9, 4], 1.0);
    pair.random("items", &[11, 3], 1.0);
    let mut pair = pair.node("Split", "user", &["ids"], &[int("axis", 1)]);
    if let Some(node) = pair.graph.node.last_mut() {
        node.output.push("item".into());
    }
    let pair = pair
        .node("Gather", "u", &["users", "user"], &[])
        .node("Gather", "i", &["items", "item"], &[])
        .node("Concat", "both", &["u", "i"], &[int("axis", 2)]);
    check_ids(pair.head(7), 9);
    let (tokens, width) = (5, 6);
    let mut words = Network::new(&[1, tokens]).then("Cast", "ids", &cast);
    words.random("words", &[20, width], 1.0);
    words.random("positions", &[1, tokens, width], 0.5);
    let words = words.node("Gather", "w", &["words", "ids"], &[]).node(
        "Add",
        "x",
        &["w", "positions"],
        &[],
    );
    let words = attention(norm(words, "n", width), "a", tokens, width, 2).opset(17);
    let words = words.node("Add", "sum", &["n", "a"], &[]);
    let words = norm(words, "n2", width).then("ReduceMean", "mean", &[ints("axes", &[1])]);
    check_ids(words.head(width), 20);
}
