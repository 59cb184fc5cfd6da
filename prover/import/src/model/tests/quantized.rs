//! QuantizeLinear and DequantizeLinear.

use tract_onnx::pb::{TensorProto, tensor_proto::DataType};

use super::{
    check_to,
    network::{Network, int, ints},
};
use crate::model::{FloatExecutor, FloatOp, Function, nodes};
use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
use assay_graph::Executor;

fn bytes(network: &mut Network, name: &str, kind: DataType, shape: &[i64], values: &[i32]) {
    network.graph.initializer.push(TensorProto {
        name: name.into(),
        dims: shape.to_vec(),
        data_type: kind as i32,
        raw_data: values.iter().map(|value| *value as u8).collect(),
        ..TensorProto::default()
    });
}

/// Quantizes the last value and back, as exporters write it around each activation.
fn requantized(mut network: Network, name: &str, scale: f32, zero: i32, kind: DataType) -> Network {
    let (scale_name, zero_name) = (format!("{name}.scale"), format!("{name}.zero"));
    network.constant(&scale_name, &[], vec![scale]);
    bytes(&mut network, &zero_name, kind, &[], &[zero]);
    let last = network.last.clone();
    let quantized = format!("{name}.q");
    network.node("QuantizeLinear", &quantized, &[&last, &scale_name, &zero_name], &[]).node(
        "DequantizeLinear",
        name,
        &[&quantized, &scale_name, &zero_name],
        &[],
    )
}

fn qdq_network() -> Network {
    let mut network = Network::new(&[1, 2, 5, 5]);
    let weights: Vec<i32> = (0..24).map(|i| (i * 37) % 255 - 127).collect();
    bytes(&mut network, "w.q", DataType::Int8, &[3, 2, 2, 2], &weights);
    network.constant("w.scale", &[3], vec![0.01, 0.02, 0.015]);
    bytes(&mut network, "w.zero", DataType::Int8, &[3], &[0, 0, 0]);
    let network = requantized(network, "x", 1.0 / 128.0, 128, DataType::Uint8)
        .node("DequantizeLinear", "w", &["w.q", "w.scale", "w.zero"], &[int("axis", 0)])
        .node("Conv", "conv", &["x", "w"], &[])
        .then("Relu", "relu", &[]);
    requantized(network, "y", 0.03, -128, DataType::Int8).then(
        "MaxPool",
        "pool",
        &[ints("kernel_shape", &[2, 2])],
    )
}

#[test]
fn a_network_quantized_in_the_file() {
    let graph = check_to(qdq_network().head(27), 0.03);
    // Input steps, convolution with ReLU and steps, pool, head.
    assert_eq!(graph.layers.len(), 4);
    let steps: Vec<Option<f64>> =
        graph.layers.iter().map(|layer| layer.op.function().and_then(Function::step)).collect();
    assert!(steps[0].is_some_and(|step| (step - 1.0 / 128.0).abs() < 1e-12));
    assert!(steps[1].is_some_and(|step| (step - 0.03).abs() < 1e-6));
    assert!(matches!(graph.layers[2].op, FloatOp::MaxPool { .. }));
}

/// The quantized tensors of the file are integers of the quantized graph: the same ones, but for
/// values that lie on the edge between two.
#[test]
fn integers_are_those_of_the_file() {
    let graph = nodes::import(&qdq_network().head(27).source(), "test")
        .unwrap_or_else(|error| panic!("{error}"));
    let encoding = InputEncoding::SYMMETRIC;
    let inputs: Vec<Vec<u8>> =
        (0..8u32).map(|n| (0..50u32).map(|i| (i * 73 + n * 31) as u8).collect()).collect();
    let quantized = calibrate_and_quantize(&graph, &encoding, &inputs, &QuantizeOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&quantized).unwrap_or_else(|error| panic!("{error}"));
    let (mut same, mut total) = (0, 0);
    for input in &inputs {
        let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
        let float = FloatExecutor::new(&graph).run(&real).expect("the right length");
        let run = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        let tensor = graph.layers[1].output;
        let scale = quantized.tensors[tensor].scale;
        assert!((scale * 0.03 - 1.0).abs() < 1e-6, "one step of the file is one integer");
        for (x, q) in float.tensors[tensor].iter().zip(&run.tensors[tensor]) {
            let expected = (f64::from(*x) * scale).round() as i32;
            assert!((expected - q).abs() <= 1, "{x} became {q}");
            same += usize::from(expected == *q);
            total += 1;
        }
    }
    assert!(same * 100 >= total * 98, "{same} of {total}");
}

#[test]
fn weights_are_quantized_exactly_in_the_graph() {
    let mut network = Network::new(&[1, 1, 2, 2]);
    // Ties to even, saturation at both ends.
    network.constant("w.f", &[1, 1, 2, 2], vec![0.25, 0.75, 100.0, -100.0]);
    network.constant("s", &[], vec![0.5]);
    bytes(&mut network, "z", DataType::Int8, &[], &[1]);
    let network = network
        .node("QuantizeLinear", "w.q", &["w.f", "s", "z"], &[])
        .node("DequantizeLinear", "w", &["w.q", "s", "z"], &[])
        .node("Conv", "conv", &["input", "w"], &[])
        .then("Flatten", "flat", &[]);
    let graph = nodes::import(&network.source(), "test").unwrap_or_else(|e| panic!("{e}"));
    let FloatOp::Conv { weights, .. } = &graph.layers[0].op else { panic!("a convolution") };
    assert_eq!(weights, &[0.0, 1.0, 63.0, -64.5]);
}

#[test]
fn what_cannot_be_quantized_is_named() {
    let error = |network: Network| {
        nodes::import(&network.source(), "test").expect_err("refused").to_string()
    };
    let mut each = Network::new(&[1, 2, 3, 3]);
    each.constant("s", &[2], vec![0.5, 0.25]);
    let each = each.node("QuantizeLinear", "q", &["input", "s"], &[]);
    let text = error(each);
    assert!(text.contains("`q`") && text.contains("each channel"), "{text}");
    let mut zero = Network::new(&[1, 2, 3, 3]);
    zero.constant("s", &[], vec![0.0]);
    let text = error(zero.node("QuantizeLinear", "q", &["input", "s"], &[]));
    assert!(text.contains("`q`") && text.contains("not positive"), "{text}");
    let mut wide = Network::new(&[1, 2, 3, 3]);
    wide.constant("s", &[], vec![0.5]);
    wide.integers("z", &[0]);
    let text = error(wide.node("QuantizeLinear", "q", &["input", "s", "z"], &[]));
    assert!(text.contains("`q`") && text.contains("8 and 16 bit"), "{text}");
    let mut unfit = Network::new(&[1, 2, 3, 3]);
    unfit.constant("w", &[2, 2, 1, 1], vec![1.0; 4]);
    unfit.constant("s", &[3], vec![0.5; 3]);
    let text = error(unfit.node("DequantizeLinear", "q", &["w", "s"], &[int("axis", 0)]));
    assert!(text.contains("`q`") && text.contains("do not fit"), "{text}");
}
