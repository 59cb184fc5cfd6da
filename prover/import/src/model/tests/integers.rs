//! Quantized exports against tract.

use tract_onnx::pb::tensor_proto::DataType;

use super::{
    network::{Network, int, ints},
    same_as_tract,
};
use crate::model::{FloatExecutor, nodes};
use assay_testing::arbitrary::Random;

/// Scales and zero points of three tensors.
fn scales(network: &mut Network) {
    network.constant("xs", &[], vec![1.0 / 64.0]);
    network.bytes("xz", DataType::Uint8, &[], &[128]);
    network.constant("ws", &[], vec![1.0 / 128.0]);
    network.bytes("wz", DataType::Int8, &[], &[0]);
    network.constant("ys", &[], vec![1.0 / 32.0]);
    network.bytes("yz", DataType::Uint8, &[], &[100]);
}

fn weights(network: &mut Network, name: &str, shape: &[i64]) {
    let mut random = Random::new(3);
    let count = shape.iter().product::<i64>();
    let values: Vec<i32> = (0..count).map(|_| random.between(-100, 100) as i32).collect();
    network.bytes(name, DataType::Int8, shape, &values);
}

/// Within a step of the last quantization: tract may round a half to another side.
fn close_to_tract(network: Network, step: f32) {
    let source = network.source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = crate::model::reference::Reference::new(&source, &graph.input)
        .unwrap_or_else(|error| panic!("{error}"));
    let elements: usize = graph.input_shape().iter().product();
    let mut random = Random::new(9);
    let (mut same, mut all) = (0, 0);
    for _ in 0..20 {
        let input: Vec<f32> =
            (0..elements).map(|_| random.between(-100, 100) as f32 / 64.0).collect();
        let expected = reference.run(&input).unwrap_or_else(|error| panic!("{error}"));
        let run = FloatExecutor::new(&graph).run(&input).expect("the right length");
        for (found, expected) in run.logits().iter().zip(&expected) {
            let off = (found - expected).abs();
            assert!(off <= step * 1.001, "{found}, tract {expected}");
            same += usize::from(off < 1e-5);
            all += 1;
        }
    }
    assert!(same * 10 > all * 9, "{same} of {all} equal");
}

#[test]
fn convolutions_of_integers() {
    let mut network = Network::new(&[1, 2, 5, 5]);
    scales(&mut network);
    weights(&mut network, "w", &[3, 2, 3, 3]);
    network.bytes("b", DataType::Int32, &[3], &[100, -2000, 500]);
    let names = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"];
    let network = network
        .node("QuantizeLinear", "q", &["input", "xs", "xz"], &[])
        .node("QLinearConv", "conv", &names, &[ints("pads", &[1; 4]), ints("strides", &[2, 2])])
        .then("Flatten", "row", &[])
        .node("DequantizeLinear", "real", &["row", "ys", "yz"], &[]);
    close_to_tract(network, 1.0 / 32.0);
}

#[test]
fn products_of_integers() {
    let mut network = Network::new(&[1, 8]);
    scales(&mut network);
    weights(&mut network, "w", &[8, 3]);
    let names = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"];
    let network = network
        .node("QuantizeLinear", "q", &["input", "xs", "xz"], &[])
        .node("QLinearMatMul", "product", &names, &[])
        .node("DequantizeLinear", "real", &["product", "ys", "yz"], &[]);
    close_to_tract(network, 1.0 / 32.0);
}

/// The file's own rounding to 255 steps of the input's range is left out.
#[test]
fn dynamic_quantization() {
    let mut network = Network::new(&[1, 8]);
    scales(&mut network);
    weights(&mut network, "w", &[8, 3]);
    let mut network = network.node("DynamicQuantizeLinear", "q", &["input"], &[]);
    if let Some(node) = network.graph.node.last_mut() {
        node.output = ["q", "qs", "qz"].map(str::to_owned).to_vec();
    }
    let network = network
        .node("MatMulInteger", "sums", &["q", "w", "qz", "wz"], &[])
        .node("Cast", "real", &["sums"], &[int("to", 1)])
        .node("Mul", "scale", &["qs", "ws"], &[])
        .node("Mul", "scaled", &["real", "scale"], &[]);
    let source = network.source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(graph.layers.len(), 1);
    let weights: Vec<f32> = {
        let mut random = Random::new(3);
        (0..24).map(|_| random.between(-100, 100) as f32 / 128.0).collect()
    };
    let input: [f32; 8] = std::array::from_fn(|at| at as f32 / 4.0 - 0.7);
    let run = FloatExecutor::new(&graph).run(&input).expect("eight numbers");
    for (output, found) in run.logits().iter().enumerate() {
        let expected: f32 = (0..8).map(|at| input[at] * weights[at * 3 + output]).sum();
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }
}

/// Operators that only onnxruntime has, against the same as plain operators.
#[test]
fn operators_of_onnxruntime() {
    let start = || {
        let mut network = Network::new(&[1, 6]);
        scales(&mut network);
        weights(&mut network, "w", &[4, 6]);
        network.bytes("b", DataType::Int32, &[4], &[100, -2000, 500, 0]);
        network.node("QuantizeLinear", "q", &["input", "xs", "xz"], &[])
    };
    let end = |network: Network| {
        let last = network.last.clone();
        let network = network.node("DequantizeLinear", "end", &[&last, "ys", "yz"], &[]);
        let graph = nodes::import(&network.source(), "test").unwrap_or_else(|e| panic!("{e}"));
        let input: [f32; 6] = std::array::from_fn(|at| at as f32 / 8.0 - 0.3);
        FloatExecutor::new(&graph).run(&input).expect("six numbers").logits().to_vec()
    };
    let plain = |operator: &str, inputs: &[&str], attributes: &[_]| {
        let mut network = start();
        network.constant("bias", &[4], [100.0, -2000.0, 500.0, 0.0].map(|x| x / 8192.0).to_vec());
        let network = network
            .node("DequantizeLinear", "x", &["q", "xs", "xz"], &[])
            .node("DequantizeLinear", "m", &["w", "ws", "wz"], &[])
            .node(operator, "real", inputs, attributes);
        end(network.node("QuantizeLinear", "y", &["real", "ys", "yz"], &[]))
    };
    let own = |operator: &str, inputs: &[&str], attributes: &[_]| {
        let name = format!("{operator}.y");
        end(start().node(operator, &name, inputs, attributes).of("com.microsoft", &["y"]))
    };
    let attributes = [int("transB", 1)];
    let names = ["q", "xs", "xz", "w", "ws", "wz", "b", "ys", "yz"];
    assert_eq!(own("QGemm", &names, &attributes), plain("Gemm", &["x", "m", "bias"], &attributes));
    let twice = ["q", "xs", "xz", "q", "xs", "xz", "ys", "yz"];
    assert_eq!(own("QLinearAdd", &twice, &[]), plain("Add", &["x", "x"], &[]));
    assert_eq!(own("QLinearMul", &twice, &[]), plain("Mul", &["x", "x"], &[]));
    let one = ["q", "xs", "xz", "ys", "yz"];
    assert_eq!(own("QLinearSigmoid", &one, &[]), plain("Sigmoid", &["x"], &[]));
    let joined = ["ys", "yz", "q", "xs", "xz", "q", "xs", "xz"];
    let axis = [int("axis", 1)];
    assert_eq!(own("QLinearConcat", &joined, &axis), plain("Concat", &["x", "x"], &axis));
}

/// Integers that are added and multiplied keep what the file computes.
#[test]
fn integers_stay_what_they_are() {
    let mut network = Network::new(&[1, 2, 4, 4]);
    weights(&mut network, "w", &[3, 2, 2, 2]);
    network.bytes("wz", DataType::Int8, &[], &[7]);
    network.bytes("xz", DataType::Int8, &[], &[-3]);
    let network = network
        .node("Cast", "whole", &["input"], &[int("to", 3)])
        .node("ConvInteger", "sums", &["whole", "w", "xz", "wz"], &[ints("pads", &[1, 0, 1, 0])])
        .node("Cast", "real", &["sums"], &[int("to", 1)]);
    same_as_tract(network.head(3 * 5 * 3));
}

/// A quantized network, to be damaged.
pub(super) fn quantized() -> Network {
    let mut network = Network::new(&[1, 2, 5, 5]);
    scales(&mut network);
    weights(&mut network, "w", &[3, 2, 3, 3]);
    let names = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"];
    network
        .node("QuantizeLinear", "q", &["input", "xs", "xz"], &[])
        .node("QLinearConv", "conv", &names, &[ints("pads", &[1; 4]), ints("strides", &[2, 2])])
        .node("DequantizeLinear", "real", &["conv", "ys", "yz"], &[])
        .head(27)
}
