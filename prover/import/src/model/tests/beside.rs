//! Ids of tables of many sizes beside real inputs.

use super::network::{Network, int, ints};
use crate::{
    model::{nodes, reference::Reference},
    quantize::{
        EncodingOptions, InputChoice, InputEncoding, QuantizeOptions, calibrate_and_quantize,
        choose_encoding,
    },
};
use assay_graph::Executor;
use assay_testing::arbitrary::Random;
use tract_onnx::pb::{tensor_proto::DataType, tensor_shape_proto::dimension, type_proto};

/// The mean of some rows of a table, joined with reals, and a dense layer.
fn network(rows: i64, ids: i64, reals: i64) -> Network {
    let mut network = Network::new(&[1, reals]);
    let mut input = network.graph.input[0].clone();
    input.name = "ids".into();
    if let Some(type_proto::Value::TensorType(kind)) =
        input.r#type.as_mut().and_then(|kind| kind.value.as_mut())
    {
        kind.elem_type = DataType::Int64 as i32;
        if let Some(dim) = kind.shape.as_mut().and_then(|shape| shape.dim.last_mut()) {
            dim.value = Some(dimension::Value::DimValue(ids));
        }
    }
    network.graph.input.insert(0, input);
    network.random("table", &[rows, 3], 1.0);
    network
        .node("Gather", "rows", &["table", "ids"], &[])
        .then("ReduceMean", "mean", &[ints("axes", &[1]), int("keepdims", 0)])
        .node("Concat", "all", &["mean", "input"], &[int("axis", 1)])
        .dense("out", 3 + reals, 2)
}

fn check(rows: i64, ids: i64, reals: i64, amount: f64) {
    let source = network(rows, ids, reals).source();
    let plain = nodes::import(&source, "beside").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&source, &plain.input).unwrap_or_else(|e| panic!("{e}"));
    let mut random = Random::new((rows * 10 + ids) as u64);
    let sample = |random: &mut Random| -> Vec<f64> {
        let chosen = (0..ids).map(|_| random.between(0, rows - 1) as f64).collect::<Vec<_>>();
        let real = |_| f64::from((random.between(-1000, 1000) as f64 / 300.0 * amount) as f32);
        chosen.into_iter().chain((0..reals).map(real)).collect()
    };
    let samples = (0..24).map(|_| sample(&mut random)).collect::<Vec<_>>();
    let options =
        EncodingOptions { channels: plain.input_channels(), ..EncodingOptions::default() };
    let choice = choose_encoding(&samples, plain.value_shape(), &options);
    let InputChoice::Channels(values) = choice.unwrap_or_else(|error| panic!("{error}")) else {
        panic!("ids are whole numbers of their own")
    };
    let encode = |row: &Vec<f64>| values.encode(row, false).expect("a sample");
    let bytes = samples.iter().map(encode).collect::<Vec<_>>();
    let encoded = super::super::inputs::Encoded {
        values: values.clone(),
        shape: plain.value_shape(),
        order: None,
    };
    let graph = nodes::import_with(&source, "beside", &Default::default(), Some(encoded));
    let graph = graph.unwrap_or_else(|error| panic!("{error}"));
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(&graph, &InputEncoding::RAW, &bytes, &options);
    let quantized = quantized.unwrap_or_else(|error| panic!("{rows} rows, {ids} ids: {error}"));
    let executor = Executor::new(&quantized).expect("a valid graph");
    let scale = quantized.tensors[quantized.output].scale;
    let floats = |row: &[f64]| row.iter().map(|x| *x as f32).collect::<Vec<_>>();
    let expected = samples.iter().map(|row| reference.run_declared(&floats(row)).expect("a run"));
    let expected = expected.collect::<Vec<_>>();
    let most = expected.iter().flatten().fold(0f32, |most, x| most.max(x.abs()));
    for (row, (bytes, expected)) in samples.iter().zip(bytes.iter().zip(&expected)) {
        let run = executor.run(bytes).unwrap_or_else(|error| panic!("{error}"));
        for (found, expected) in run.logits().iter().zip(expected) {
            let off = (f64::from(*found) / scale - f64::from(*expected)).abs();
            assert!(off < 0.02 * f64::from(most), "{rows} rows, {ids} ids, {row:?}: {off}");
        }
    }
}

#[test]
fn ids_beside_reals() {
    for rows in [2, 5, 8, 10, 16, 24, 31, 33, 40, 50, 64, 100, 127, 129, 255, 257, 500, 1000, 5000]
    {
        for ids in [1, 2, 7] {
            check(rows, ids, 3, 1.0);
        }
    }
    // As many rows as only both bytes tell apart, and raw amounts.
    check(40_000, 2, 1, 1.0);
    check(50, 2, 2, 20_000.0);
}
