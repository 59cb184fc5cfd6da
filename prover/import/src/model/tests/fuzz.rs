//! Damaged files, in bytes and in structure: an error or a graph each time, never a panic, and no
//! more time or memory than the file's size justifies.
//!
//! Deterministic for a given number of cases; runs for `ASSAY_FUZZ_SECONDS` (default 5). The cases run
//! in a process of their own, which the system denies more than [`MOST_MEMORY_KIB`].

use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use tract_onnx::{
    pb::{AttributeProto, GraphProto, StringStringEntryProto, TensorProto},
    prelude::Framework,
};

use super::network::Network;
use crate::model::{FloatGraph, FloatOp, nodes, protobuf::Source};
use crate::quantize::{InputEncoding, QuantizeError, QuantizeOptions, calibrate_and_quantize};
use assay_testing::arbitrary::Random;

/// Longest that one small file may take, on a slow and busy machine.
const LONGEST: Duration = Duration::from_secs(20);
/// The importer's own bound on all tensors, weights and constants.
const MOST_ELEMENTS: usize = 1 << 28;
/// Address space of the process that imports: twice that bound in numbers of 8 bytes, and the program.
const MOST_MEMORY_KIB: u64 = 5 << 20;

fn seconds() -> Duration {
    let wanted = std::env::var("ASSAY_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(wanted.unwrap_or(5))
}

fn digits() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/digits")
}

/// The repository's own network, read in place.
fn example() -> Vec<u8> {
    std::fs::read(digits().join("lenet.onnx")).expect("the network of examples/digits")
}

fn elements(graph: &FloatGraph) -> usize {
    let tensors: usize =
        graph.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    let weights: usize = graph
        .layers
        .iter()
        .map(|layer| match &layer.op {
            FloatOp::Conv { weights, bias, .. } => weights.len() + bias.len(),
            _ => 0,
        })
        .sum();
    tensors + weights
}

/// Imports, and checks what came out.
fn import(case: u64, source: &Source) {
    let start = Instant::now();
    let outcome = nodes::import(source, "fuzz");
    let taken = start.elapsed();
    assert!(taken < LONGEST, "case {case} took {taken:?}");
    match outcome {
        Ok(graph) => {
            let size = elements(&graph);
            assert!(size <= 2 * MOST_ELEMENTS, "case {case} has {size} elements");
            for layer in &graph.layers {
                let known = |tensor: usize| tensor < graph.tensors.len();
                assert!(known(layer.output), "case {case}");
                assert!(layer.op.inputs().into_iter().all(known), "case {case}");
            }
            if size <= 100_000 && graph.multiply_accumulates() <= 1_000_000 {
                quantize(case, &graph);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Whatever was imported is quantized and run, or refused.
fn quantize(case: u64, graph: &FloatGraph) {
    let start = Instant::now();
    let mut random = Random::new(case);
    let elements: usize = graph.input_shape().iter().product();
    let inputs: Vec<Vec<u8>> =
        (0..2).map(|_| (0..elements).map(|_| random.word() as u8).collect()).collect();
    let options = QuantizeOptions::default();
    let encoding = InputEncoding::SYMMETRIC;
    match calibrate_and_quantize(graph, &encoding, &inputs, &options) {
        Ok(quantized) => assert_eq!(quantized.validate(), Ok(()), "case {case}"),
        Err(QuantizeError::Graph(error)) => panic!("case {case}: {error}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let taken = start.elapsed();
    assert!(taken < LONGEST, "case {case} took {taken:?}");
}

#[test]
fn damaged_files_are_refused_within_bounds() {
    let program = std::env::current_exe().expect("this program");
    let here = module_path!().split_once("::").map_or("", |(_, path)| path);
    let cases = ["damaged_bytes", "damaged_structure"].map(|name| format!("{here}::{name}"));
    let mut command = if cfg!(unix) {
        let mut shell = Command::new("sh");
        let limited = format!("ulimit -v {MOST_MEMORY_KIB}; exec \"$@\"");
        shell.args(["-c", &limited, "sh"]).arg(program);
        shell
    } else {
        Command::new(program)
    };
    command.args(["--exact", "--ignored", "--nocapture", "--test-threads=2"]).args(&cases);
    let done = command.output().expect("this program runs");
    let said = String::from_utf8_lossy(&done.stdout);
    println!("{said}");
    assert!(done.status.success(), "{}\n{said}", String::from_utf8_lossy(&done.stderr));
    assert!(said.contains("2 passed"), "{said}");
}

#[test]
#[ignore = "run by damaged_files_are_refused_within_bounds"]
fn damaged_bytes() {
    let content = example();
    let whole = crate::model::Model::from_bytes(&content, "whole", None);
    assert!(whole.is_ok(), "{whole:?}");
    let until = Instant::now() + seconds() / 2;
    let mut case = 0;
    while Instant::now() < until || case < 50 {
        let mut random = Random::new(case);
        let mut damaged = content.clone();
        match random.size(0, 4) {
            0 => damaged.truncate(random.size(0, content.len() - 1)),
            1 => {
                // Structure lies at both ends of the file, between the weights.
                let end = random.size(1, 3000.min(content.len()));
                for _ in 0..random.size(1, 6) {
                    let at = content.len() - random.size(1, end);
                    damaged[at] = random.word() as u8;
                }
            }
            2 => {
                let from = random.size(0, content.len() - 1);
                let count = random.size(1, 64).min(content.len() - from);
                damaged.drain(from..from + count);
            }
            3 => {
                let from = random.size(0, content.len() - 1);
                let count = random.size(1, 64).min(content.len() - from);
                let copy = content[from..from + count].to_vec();
                let at = random.size(0, content.len());
                damaged.splice(at..at, copy);
            }
            _ => {
                for _ in 0..random.size(1, 4) {
                    let at = random.size(0, content.len() - 1);
                    damaged[at] ^= 1 << random.size(0, 7);
                }
            }
        }
        if let Ok(source) = Source::parse(&damaged, None) {
            import(case, &source);
        }
        case += 1;
    }
    println!("{case} damaged files");
}

#[test]
#[ignore = "run by damaged_files_are_refused_within_bounds"]
fn damaged_structure() {
    let mut seeds: Vec<Source> = Vec::new();
    {
        let content = example();
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut content.as_slice())
            .unwrap_or_else(|error| panic!("{error}"));
        seeds.push(Source { proto, folder: None, length: 0 });
    }
    seeds.extend((0..40).map(|seed| super::random::random_network(seed).source()));
    seeds.push(varied().source());
    seeds.extend((0..40).map(|seed| super::random::random_sequence(seed).source()));
    seeds.push(super::models::ensemble().source());
    seeds.push(super::models::machine().source());
    seeds.push(super::integers::quantized().source());
    seeds.push(super::decoders::decoder().source());
    let volume = Network::new(&[1, 2, 3, 4, 4]).conv("conv", &[3, 2, 2, 2, 2], &[]);
    let attributes = [super::network::ints("kernel_shape", &[2, 2, 2])];
    seeds.push(volume.then("MaxPool", "pool", &attributes).head(3 * 4).source());
    for (operator, directions) in [("LSTM", 2), ("GRU", 1), ("RNN", 1)] {
        let direction = if directions == 2 { "bidirectional" } else { "reverse" };
        let attributes = [super::network::text("direction", direction)];
        seeds.push(super::recurrent::layer(operator, directions, &attributes, true, 0).source());
    }
    let until = Instant::now() + seconds() / 2;
    let mut case = 0;
    while Instant::now() < until || case < 100 {
        let mut random = Random::new(case + 1_000_000);
        let seed = &seeds[random.size(0, seeds.len() - 1)];
        let folder = (random.size(0, 1) == 0).then(digits);
        let mut source = Source { proto: seed.proto.clone(), folder, length: 0 };
        if let Some(graph) = &mut source.proto.graph {
            for _ in 0..random.size(1, 4) {
                mutate(graph, &mut random);
            }
        }
        import(case, &source);
        case += 1;
    }
    println!("{case} damaged graphs");
}

/// A network with operators that the random ones lack.
fn varied() -> Network {
    use super::network::{int, ints, text};
    let mut network = Network::new(&[1, 3, 8, 8]);
    network.constant("scales", &[4], vec![1.0, 1.0, 2.0, 2.0]);
    network.constant("step", &[], vec![0.05]);
    network.constant("slope", &[4, 1, 1], vec![0.1, 0.2, 0.3, 0.4]);
    network.integers("pads", &[0, 0, 1, 1, 0, 0, 1, 1]);
    network.integers("from", &[1]);
    network.integers("to", &[7]);
    network.integers("axis", &[2]);
    network.integers("flat", &[1, -1]);
    network
        .node("Pad", "pad", &["input", "pads"], &[])
        .conv("conv", &[4, 3, 3, 3], &[text("auto_pad", "SAME_UPPER")])
        .node("PRelu", "prelu", &["conv", "slope"], &[])
        .then("AveragePool", "mean", &[ints("kernel_shape", &[3, 3]), ints("pads", &[1; 4])])
        .node("QuantizeLinear", "q", &["mean", "step"], &[])
        .node("DequantizeLinear", "dq", &["q", "step"], &[])
        .node("GlobalAveragePool", "pool", &["dq"], &[])
        .node("Mul", "gated", &["dq", "pool"], &[])
        .node("Resize", "up", &["gated", "", "scales"], &[])
        .node("Slice", "slice", &["up", "from", "to", "axis"], &[])
        .then("Transpose", "last", &[ints("perm", &[0, 2, 3, 1])])
        .then("ReduceMean", "rows", &[ints("axes", &[1])])
        .node("Concat", "joined", &["rows", "rows"], &[int("axis", 3)])
        .node("Reshape", "vector", &["joined", "flat"], &[])
        .head(160)
}

/// One change to a graph: of a number, a name, a node's place, a shape or the data.
#[expect(clippy::too_many_lines, reason = "a table of changes, each a few lines")]
fn mutate(graph: &mut GraphProto, random: &mut Random) {
    const NUMBERS: [i64; 14] =
        [0, 1, -1, 2, 3, 7, 255, 65_536, 1 << 20, 1 << 31, -(1 << 31), 1 << 40, i64::MAX, i64::MIN];
    const OPERATORS: [&str; 56] = [
        "Conv",
        "Gemm",
        "MatMul",
        "Add",
        "Mul",
        "Div",
        "Max",
        "Relu",
        "Sigmoid",
        "Softmax",
        "Concat",
        "Split",
        "Slice",
        "Reshape",
        "Transpose",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Resize",
        "ReduceMean",
        "AveragePool",
        "MaxPool",
        "DequantizeLinear",
        "Gather",
        "Einsum",
        "Expand",
        "GatherElements",
        "GatherND",
        "GroupNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "LogSoftmax",
        "LpNormalization",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMin",
        "ReduceProd",
        "ReduceSumSquare",
        "Tile",
        "Less",
        "Equal",
        "Where",
        "And",
        "Mod",
        "ConvTranspose",
        "DepthToSpace",
        "LSTM",
        "GRU",
        "QLinearConv",
        "MatMulInteger",
        "If",
        "Loop",
        "ArgMax",
        "ArgMin",
        "TopK",
    ];
    let number = NUMBERS[random.size(0, NUMBERS.len() - 1)];
    let mut names: Vec<String> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    names.extend(graph.node.iter().flat_map(|node| node.output.clone()));
    names.extend(["input".to_owned(), String::new(), "nowhere".to_owned()]);
    let name = names[random.size(0, names.len() - 1)].clone();
    let pick = |random: &mut Random, count: usize| random.size(0, count.max(1) - 1);
    let at = pick(random, graph.node.len());
    match random.size(0, 12) {
        0 | 1 => {
            let Some(node) = graph.node.get_mut(at) else { return };
            let index = pick(random, node.attribute.len());
            if let Some(attribute) = node.attribute.get_mut(index) {
                change_attribute(attribute, number, random);
            }
        }
        2 => {
            let Some(node) = graph.node.get_mut(at) else { return };
            let index = pick(random, node.input.len());
            if let Some(input) = node.input.get_mut(index) {
                *input = name;
            }
        }
        3 => {
            let Some(node) = graph.node.get_mut(at) else { return };
            node.op_type = OPERATORS[random.size(0, OPERATORS.len() - 1)].into();
        }
        4 => {
            let other = pick(random, graph.node.len());
            if !graph.node.is_empty() {
                graph.node.swap(at, other);
            }
        }
        5 => {
            let Some(node) = graph.node.get(at).cloned() else { return };
            graph.node.insert(at, node);
        }
        6 => {
            if !graph.node.is_empty() {
                graph.node.remove(at);
            }
        }
        7 | 8 => {
            let index = pick(random, graph.initializer.len());
            let Some(tensor) = graph.initializer.get_mut(index) else { return };
            match random.size(0, 6) {
                0 => {
                    let axis = pick(random, tensor.dims.len());
                    if let Some(dim) = tensor.dims.get_mut(axis) {
                        *dim = number;
                    }
                }
                1 => tensor.raw_data.truncate(random.size(0, 64)),
                2 => tensor.data_type = random.size(0, 20) as i32,
                3 => {
                    let place = pick(random, tensor.int64_data.len());
                    if let Some(value) = tensor.int64_data.get_mut(place) {
                        *value = number;
                    }
                }
                4 => not_a_number(tensor, random),
                5 => move_outside(tensor, number, random),
                _ => {
                    let place = pick(random, tensor.raw_data.len());
                    if let Some(byte) = tensor.raw_data.get_mut(place) {
                        *byte = 0xff;
                    }
                }
            }
        }
        9 => {
            let Some(node) = graph.node.get_mut(at) else { return };
            if random.size(0, 1) == 0 {
                node.output.push(name);
            } else {
                node.input.push(name);
            }
        }
        10 => {
            // A cycle: a node takes what it, or one that needs it, makes.
            let later = at + pick(random, graph.node.len() - at.min(graph.node.len()));
            let made = graph.node.get(later).and_then(|node| node.output.first()).cloned();
            let input = graph.node.get_mut(at).and_then(|node| node.input.first_mut());
            if let (Some(input), Some(made)) = (input, made) {
                *input = made;
            }
        }
        11 => {
            // A shape of another length.
            let index = pick(random, graph.initializer.len());
            let Some(tensor) = graph.initializer.get_mut(index) else { return };
            match random.size(0, 2) {
                0 => tensor.dims.push(number),
                1 => tensor.dims.reverse(),
                _ => tensor.dims.clear(),
            }
        }
        _ => {
            use tract_onnx::pb::{tensor_shape_proto::dimension::Value, type_proto};
            let kind = graph.input.first_mut().and_then(|input| input.r#type.as_mut());
            let Some(type_proto::Value::TensorType(kind)) = kind.and_then(|k| k.value.as_mut())
            else {
                return;
            };
            let Some(shape) = kind.shape.as_mut() else { return };
            let axis = pick(random, shape.dim.len());
            if let Some(dim) = shape.dim.get_mut(axis) {
                dim.value = Some(Value::DimValue(number));
            }
        }
    }
}

/// A weight becomes NaN or infinite.
fn not_a_number(tensor: &mut TensorProto, random: &mut Random) {
    let value = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][random.size(0, 2)];
    let (values, _) = tensor.raw_data.as_chunks_mut::<4>();
    let place = random.size(0, values.len().max(1) - 1);
    match values.get_mut(place) {
        Some(bytes) => *bytes = value.to_le_bytes(),
        None => tensor.float_data.push(value),
    }
}

/// The weights are said to lie in another file: one that is missing, is no file, lies elsewhere, or
/// holds something else.
fn move_outside(tensor: &mut TensorProto, number: i64, random: &mut Random) {
    const PLACES: [&str; 6] =
        ["weights.bin", "../digits/lenet.onnx", "/dev/zero", ".", "", "lenet.onnx"];
    let mut entry = |key: &str, value: String| {
        let (key, value) = (key.to_owned(), value);
        tensor.external_data.push(StringStringEntryProto { key, value });
    };
    entry("location", PLACES[random.size(0, PLACES.len() - 1)].to_owned());
    for key in ["offset", "length"] {
        match random.size(0, 2) {
            0 => entry(key, number.to_string()),
            1 => entry(key, random.size(0, 5000).to_string()),
            _ => {}
        }
    }
    tensor.data_location = Some(1);
    if random.size(0, 1) == 0 {
        tensor.raw_data.clear();
    }
}

fn change_attribute(attribute: &mut AttributeProto, number: i64, random: &mut Random) {
    attribute.i = number;
    attribute.f = f32::from_bits(random.word() as u32);
    let place = random.size(0, attribute.ints.len().max(1) - 1);
    match attribute.ints.get_mut(place) {
        Some(value) if random.size(0, 3) > 0 => *value = number,
        _ => attribute.ints.push(number),
    }
    if random.size(0, 5) == 0 {
        attribute.s = b"SAME_LOWER".to_vec();
    }
}
