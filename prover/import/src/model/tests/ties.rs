//! Random networks that decide about single numbers of the input, on numbers that are equal to thresholds: in
//! float and in integers they give what tract gives, each time.

use super::network::{Network, int};
use crate::{
    model::{FloatExecutor, FloatGraph, nodes, reference::Reference},
    quantize::{
        EncodingOptions, InputChoice, InputEncoding, QuantizeOptions, calibrate_and_quantize,
        choose_encoding,
    },
};
use assay_graph::Executor;
use assay_testing::arbitrary::Random;

/// Rows of numbers with a few decimals, each feature of its own size, or with none in common.
fn rows(random: &mut Random, features: usize) -> Vec<Vec<f32>> {
    let kinds: Vec<(f64, i64, i64)> = (0..features)
        .map(|_| {
            let step = [0.1, 0.01, 0.0001, 1.0, 0.5, 1.0 / 3.0][random.size(0, 5)];
            let low = random.between(-40, 40);
            (step, low, low + [30, 200, 5000][random.size(0, 2)])
        })
        .collect();
    let number = |random: &mut Random, (step, low, high): (f64, i64, i64)| {
        (random.between(low, high) as f64 * step) as f32
    };
    (0..40).map(|_| kinds.iter().map(|kind| number(random, *kind)).collect()).collect()
}

/// One to three decisions about a feature, or about all, against thresholds that are numbers of the data.
fn deciding(random: &mut Random, rows: &[Vec<f32>]) -> Network {
    let features = rows[0].len();
    let mut network = Network::new(&[1, features as i64]).opset(17);
    let mut names = Vec::new();
    let operators = ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"];
    for index in 0..random.size(1, 3) {
        let name = format!("d{index}");
        let of = |part: &str| format!("{name}.{part}");
        let feature = random.size(0, features - 1);
        let value =
            |random: &mut Random, feature: usize| rows[random.size(0, rows.len() - 1)][feature];
        network.integers(&of("i"), &[feature as i64]);
        network = network.node("Gather", &of("x"), &["input", &of("i")], &[int("axis", 1)]);
        let column = rows.iter().map(|row| row[feature]);
        let ends = column.fold((f32::MAX, f32::MIN), |(l, h), x| (l.min(x), h.max(x)));
        // Functions with more than a few jumps are tables.
        let few = ends.1 - ends.0 <= 10.0;
        let (made, outputs) = match random.size(0, if few { 5 } else { 4 }) {
            // One feature against several thresholds.
            0 | 1 => {
                let several = random.size(1, 4);
                let values = (0..several).map(|_| value(random, feature)).collect();
                network.constant(&of("t"), &[1, several as i64], values);
                let (x, t) = (of("x"), of("t"));
                let pair = if random.size(0, 1) == 0 { [&x, &t] } else { [&t, &x] };
                let operator = operators[random.size(0, 4)];
                (network.node(operator, &of("c"), &pair.map(String::as_str), &[]), several)
            }
            // Each feature against one of its own.
            2 => {
                let values = (0..features).map(|at| value(random, at)).collect();
                network.constant(&of("t"), &[features as i64], values);
                let operator = operators[random.size(0, 4)];
                (network.node(operator, &of("c"), &["input", &of("t")], &[]), features)
            }
            3 => {
                network.constant(&of("t"), &[], vec![value(random, feature)]);
                let operator = operators[random.size(0, 4)];
                (network.node(operator, &of("c"), &[&of("x"), &of("t")], &[]), 1)
            }
            4 => {
                network.constant(&of("t"), &[], vec![value(random, feature)]);
                let network = network.node("Sub", &of("z"), &[&of("x"), &of("t")], &[]);
                (network.then("Sign", &of("c"), &[]), 1)
            }
            _ => {
                let network = network.node("Neg", &of("z"), &[&of("x")], &[]);
                let operator = ["Floor", "Ceil"][random.size(0, 1)];
                (network.then(operator, &of("c"), &[]), 1)
            }
        };
        network = made.then("Cast", &of("y"), &[int("to", 1)]);
        if random.size(0, 2) == 0 {
            network.integers(&of("s"), &[1, outputs as i64]);
            let last = network.last.clone();
            network = network.node("Reshape", &of("y2"), &[&last, &of("s")], &[]);
        }
        names.push(network.last.clone());
    }
    let names = names.iter().map(String::as_str).collect::<Vec<_>>();
    network.node("Concat", "all", &names, &[int("axis", 1)])
}

fn as_floats(bytes: &[u8]) -> Vec<f32> {
    bytes.iter().map(|byte| f32::from(*byte)).collect()
}

fn check(seed: u64) {
    let mut random = Random::new(seed);
    let features = random.size(1, 4);
    let rows = rows(&mut random, features);
    let source = deciding(&mut random, &rows).source();
    let plain = nodes::import(&source, "ties").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&source, &plain.input).unwrap_or_else(|e| panic!("{e}"));
    let bits = [None, Some(16), Some(24)][random.size(0, 2)];
    let options = EncodingOptions {
        bits,
        compares: plain.input.compares,
        channels: plain.input_channels(),
        ..EncodingOptions::default()
    };
    let samples = rows.iter().map(|row| row.iter().map(|x| f64::from(*x)).collect());
    let samples = samples.collect::<Vec<Vec<f64>>>();
    let choice = choose_encoding(&samples, plain.value_shape(), &options);
    let choice = choice.unwrap_or_else(|error| panic!("{error}"));
    let (graph, encoding, bytes): (FloatGraph, _, Vec<Vec<u8>>) = match choice {
        InputChoice::Bytes(encoding) => {
            let encode = |row: &Vec<f64>| row.iter().map(|x| encoding.encode(*x)).collect();
            (plain.clone(), encoding, samples.iter().map(encode).collect())
        }
        InputChoice::Channels(values) => {
            let (shape, order) = (plain.value_shape(), plain.input.parts[0].order.clone());
            let encode = |row: &Vec<f64>| values.encode(row, false).expect("a sample");
            let bytes = samples.iter().map(encode).collect();
            let encoded = Some(super::super::inputs::Encoded { values, shape, order });
            let graph = nodes::import_with(&source, "ties", &Default::default(), encoded);
            (graph.unwrap_or_else(|error| panic!("{error}")), InputEncoding::RAW, bytes)
        }
    };
    let quantized = calibrate_and_quantize(&graph, &encoding, &bytes, &QuantizeOptions::default());
    let quantized = quantized.unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&quantized).expect("a valid graph");
    let scale = quantized.tensors[quantized.output].scale;
    for (row, bytes) in rows.iter().zip(&bytes) {
        let expected = reference.run_declared(row).unwrap_or_else(|error| panic!("{error}"));
        let input = match &graph.input.values {
            Some(_) => as_floats(bytes),
            None => bytes.iter().map(|byte| encoding.decode(*byte) as f32).collect(),
        };
        let float = FloatExecutor::new(&graph).run(&input).expect("the right length");
        let integers = executor.run(bytes).unwrap_or_else(|error| panic!("{error}"));
        for (at, expected) in expected.iter().enumerate() {
            let (float, integer) = (float.logits()[at], integers.logits()[at]);
            assert!((float - expected).abs() < 0.02, "output {at} of {row:?}: {float}, {expected}");
            let shown = f64::from(integer) / scale;
            let off = (shown - f64::from(*expected)).abs();
            // No decision is another one; whole numbers of some size are rounded as in any layer.
            let allowed = 0.02 + 0.002 * f64::from(expected.abs());
            assert!(off < allowed, "output {at} of {row:?}: {shown} in integers, {expected}");
        }
    }
}

#[test]
fn random_decisions_at_ties() {
    for seed in 0..150 {
        let outcome = std::panic::catch_unwind(|| check(seed));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("seed {seed}: {text}");
        }
    }
}
