//! Networks built node by node, compared with tract's own run of them, and files that must be
//! refused.

mod beside;
mod bound;
mod cases;
mod decoders;
mod embeddings;
mod fuzz;
mod given;
mod integers;
mod layouts;
mod logic;
mod matrices;
mod models;
mod network;
mod operators;
mod products;
mod quantized;
mod random;
mod ranks;
mod recurrent;
mod refused;
mod regrouped;
mod ties;
mod transformers;
mod volumes;

use network::Network;

use super::{FloatExecutor, FloatGraph, nodes, reference::Reference};
use crate::quantize::{InputEncoding, QuantizeOptions, calibrate, quantize_with_scales};
use assay_graph::Executor;
use assay_testing::arbitrary::Random;

/// Imports the network, and checks that the float graph computes what tract computes and that the
/// quantized graph stays close. Returns the float graph.
fn check(network: Network) -> FloatGraph {
    check_to(network, 0.02)
}

/// Imports the network, and checks that the float graph computes what tract computes, on inputs
/// that are multiples of 1/8: many are equal to a bound.
fn same_as_tract(network: Network) -> FloatGraph {
    let source = network.source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&source, &graph.input).unwrap_or_else(|e| panic!("{e}"));
    let elements: usize = graph.input_shape().iter().product();
    let mut random = Random::new(elements as u64);
    for _ in 0..8 {
        let input: Vec<f32> = (0..elements).map(|_| random.between(-16, 16) as f32 / 8.0).collect();
        let expected = reference.run(&input).unwrap_or_else(|error| panic!("{error}"));
        let run = FloatExecutor::new(&graph).run(&input).expect("the input has the right length");
        assert_eq!(run.logits().len(), expected.len());
        for (found, expected) in run.logits().iter().zip(&expected) {
            let off = (found - expected).abs();
            assert!(off <= 2e-4 * (1.0 + expected.abs()), "{found}, tract {expected}");
        }
    }
    graph
}

/// As [`check`]; the integers may be off by `tolerance` of the largest output seen.
fn check_to(network: Network, tolerance: f64) -> FloatGraph {
    let source = network.source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&source, &graph.input).unwrap_or_else(|e| panic!("{e}"));
    check_graph(&graph, tolerance, &|real| {
        reference.run(real).unwrap_or_else(|error| panic!("{error}"))
    });
    graph
}

/// Checks that the float graph computes what `reference` computes and that the quantized graph stays
/// close: off by at most `tolerance` of the largest output seen.
fn check_graph(graph: &FloatGraph, tolerance: f64, reference: &dyn Fn(&[f32]) -> Vec<f32>) {
    let encoding = InputEncoding::SYMMETRIC;
    let elements: usize = graph.input_shape().iter().product();
    let mut random = Random::new(elements as u64);
    let inputs: Vec<Vec<u8>> =
        (0..6).map(|_| (0..elements).map(|_| random.word() as u8).collect()).collect();
    let options = QuantizeOptions {
        table_bits: Some(15),
        output_bits: Some(15),
        activation_bits: Some(15),
        shift: Some(14),
        ..QuantizeOptions::default()
    };
    let calibration =
        calibrate(graph, &encoding, &inputs).unwrap_or_else(|error| panic!("{error}"));
    let (quantized, before) = quantize_with_scales(graph, &encoding, &calibration, &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&quantized).unwrap_or_else(|error| panic!("{error}"));
    let scale = quantized.tensors[quantized.output].scale;
    let (mut largest, mut error) = (0f64, 0f64);
    let mut runs = Vec::new();
    for input in &inputs {
        let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
        let expected = reference(&real);
        let run = FloatExecutor::new(graph).run(&real).expect("the input has the right length");
        assert_eq!(run.logits().len(), expected.len());
        let integers = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        for ((float, expected), integer) in
            run.logits().iter().zip(&expected).zip(integers.logits())
        {
            let off = (float - expected).abs();
            assert!(off <= 2e-4 * (1.0 + expected.abs()), "{float}, tract {expected}");
            largest = largest.max(f64::from(expected.abs()));
            error = error.max((f64::from(*integer) / scale - f64::from(*float)).abs());
        }
        runs.push(run);
    }
    let bounds = bound::error_bounds(graph, &quantized, &before, &runs);
    for (input, run) in inputs.iter().zip(&runs) {
        let integers = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        for (tensor, bound) in bounds.iter().enumerate() {
            let scale = quantized.tensors[tensor].scale;
            for (float, integer) in run.tensors[tensor].iter().zip(&integers.tensors[tensor]) {
                let off = (f64::from(*integer) / scale - f64::from(*float)).abs();
                // A little for the float run's own rounding.
                let allowed = bound * 1.001 + 1e-4 * (1.0 + f64::from(float.abs()));
                let name = &graph.tensors[tensor].name;
                assert!(off <= allowed, "`{name}`: {integer} / {scale} for {float}, bound {bound}");
            }
        }
    }
    assert!(largest > 0.0, "the network gives only zeros");
    assert!(error <= tolerance * largest, "integers are off by {error}, outputs reach {largest}");
}
