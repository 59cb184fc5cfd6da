use super::{
    check_to,
    network::{Network, float, int, ints, text},
};
use assay_testing::arbitrary::Random;

/// A random network of the supported operators, tracking `[channels, height, width]`.
pub(super) fn random_network(seed: u64) -> Network {
    let mut random = Random::new(seed);
    let mut shape = [random.size(1, 3), random.size(3, 10), random.size(3, 10)];
    let mut network = Network::new(&[1, shape[0] as i64, shape[1] as i64, shape[2] as i64]);
    for layer in 0..random.size(1, 6) {
        let name = format!("n{layer}");
        network = match random.size(0, 3) {
            0 => convolution(network, &name, &mut shape, &mut random),
            1 => activation(network, &name, shape, &mut random),
            2 => resampling(network, &name, &mut shape, &mut random),
            _ => branches(network, &name, &mut shape, &mut random),
        };
    }
    // A last layer of our own, so that no network is empty.
    network.conv("mix", &[3, shape[0] as i64, 1, 1], &[]).head((3 * shape[1] * shape[2]) as i64)
}

fn convolution(
    network: Network,
    name: &str,
    shape: &mut [usize; 3],
    random: &mut Random,
) -> Network {
    let kernel = [random.size(1, 3).min(shape[1]), random.size(1, 3).min(shape[2])];
    let depthwise = random.size(0, 3) == 0;
    let stride = [random.size(1, 2), random.size(1, 2)];
    let groups = if depthwise { shape[0] } else { 1 };
    let outputs = if depthwise { shape[0] * random.size(1, 2) } else { random.size(1, 6) };
    let weights = [outputs, shape[0] / groups, kernel[0], kernel[1]];
    let mut attributes =
        vec![ints("strides", &stride.map(|x| x as i64)), int("group", groups as i64)];
    let size = if random.size(0, 2) == 0 {
        let mode = ["SAME_UPPER", "SAME_LOWER"][random.size(0, 1)];
        attributes.push(text("auto_pad", mode));
        [shape[1].div_ceil(stride[0]), shape[2].div_ceil(stride[1])]
    } else {
        let pads = [0, 1, 2, 3].map(|side: usize| random.size(0, 2).min(kernel[side % 2] - 1));
        attributes.push(ints("pads", &pads.map(|x| x as i64)));
        [0, 1].map(|axis: usize| {
            (shape[axis + 1] + pads[axis] + pads[axis + 2] - kernel[axis]) / stride[axis] + 1
        })
    };
    *shape = [outputs, size[0], size[1]];
    network.conv(name, &weights.map(|x| x as i64), &attributes)
}

fn activation(mut network: Network, name: &str, shape: [usize; 3], random: &mut Random) -> Network {
    let channels = [shape[0] as i64, 1, 1];
    let constant = format!("{name}.c");
    let last = network.last.clone();
    match random.size(0, 14) {
        0 => network.then("Relu", name, &[]),
        1 => network.then("LeakyRelu", name, &[float("alpha", 0.2)]),
        2 => network.then("Sigmoid", name, &[]),
        3 => network.then("Tanh", name, &[]),
        4 => network.then("Elu", name, &[]),
        5 => network.then("HardSigmoid", name, &[]),
        6 => network.then("Softplus", name, &[]),
        7 => {
            let gate = format!("{name}.gate");
            network.then("Sigmoid", &gate, &[]).node("Mul", name, &[&last, &gate], &[])
        }
        8 => {
            network.random(&constant, &channels, 0.9);
            network.node("PRelu", name, &[&last, &constant], &[])
        }
        9 => {
            let (low, high) = (format!("{name}.low"), format!("{name}.high"));
            network.constant(&low, &[], vec![-0.4]);
            network.constant(&high, &[], vec![0.7]);
            network.node("Clip", name, &[&last, &low, &high], &[])
        }
        10 => {
            let quantized = format!("{name}.q");
            network.constant(&constant, &[], vec![0.06]);
            network.constant("zero.u8", &[], vec![0.0]);
            if let Some(tensor) = network.graph.initializer.last_mut() {
                (tensor.data_type, tensor.raw_data) = (2, vec![100]);
                tensor.name = format!("{name}.zero");
            }
            let zero = format!("{name}.zero");
            network.node("QuantizeLinear", &quantized, &[&last, &constant, &zero], &[]).node(
                "DequantizeLinear",
                name,
                &[&quantized, &constant, &zero],
                &[],
            )
        }
        13 => {
            let [negative, small, slope] =
                ["negative", "small", "slope"].map(|part| format!("{name}.{part}"));
            network.constant(&constant, &[], vec![0.0]);
            network.constant(&slope, &[], vec![0.3]);
            network
                .node("LessOrEqual", &negative, &[&last, &constant], &[])
                .node("Mul", &small, &[&last, &slope], &[])
                .node("Where", name, &[&negative, &small, &last], &[])
        }
        14 => {
            let other = format!("{name}.other");
            network.constant(&constant, &[], vec![-0.2]);
            network.then("Tanh", &other, &[]).node("Max", name, &[&last, &other, &constant], &[])
        }
        operator => {
            network.random(&constant, &channels, 1.5);
            let operator = if operator == 11 { "Mul" } else { "Add" };
            network.node(operator, name, &[&last, &constant], &[])
        }
    }
}

fn resampling(
    mut network: Network,
    name: &str,
    shape: &mut [usize; 3],
    random: &mut Random,
) -> Network {
    let [channels, height, width] = *shape;
    let last = network.last.clone();
    match random.size(0, 6) {
        6 if height * width <= 60 => {
            let outputs = random.size(1, 3);
            let stride = [random.size(1, 3), random.size(1, 2)];
            let (weights, pad) = (format!("{name}.w"), random.size(0, 1));
            network.random(&weights, &[channels as i64, outputs as i64, 3, 2], 0.5);
            *shape = [outputs, (height - 1) * stride[0] + 3 - pad, (width - 1) * stride[1] + 2];
            let attributes =
                [ints("strides", &stride.map(|x| x as i64)), ints("pads", &[pad as i64, 0, 0, 0])];
            network.node("ConvTranspose", name, &[&last, &weights], &attributes)
        }
        0 | 1 if height > 2 && width > 2 => {
            *shape = [channels, (height - 2) / 2 + 1, (width - 2) / 2 + 1];
            let pool = ["MaxPool", "AveragePool"][random.size(0, 1)];
            let attributes = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
            network.then(pool, name, &attributes)
        }
        2 if height > 2 && width > 2 => {
            let include = random.size(0, 1) as i64;
            let attributes = [
                ints("kernel_shape", &[3, 3]),
                ints("pads", &[1; 4]),
                int("count_include_pad", include),
            ];
            network.then("AveragePool", name, &attributes)
        }
        3 if height * width <= 60 => {
            let factor = [random.size(1, 2), random.size(1, 3)];
            *shape = [channels, height * factor[0], width * factor[1]];
            let scales = format!("{name}.scales");
            let values = vec![1.0, 1.0, factor[0] as f32, factor[1] as f32];
            network.constant(&scales, &[4], values);
            let attributes = [
                text("coordinate_transformation_mode", "asymmetric"),
                text("nearest_mode", "floor"),
            ];
            network.node("Resize", name, &[&last, "", &scales], &attributes)
        }
        4 if height > 3 => {
            let names = ["from", "to", "axes", "steps"].map(|part| format!("{name}.{part}"));
            let step = random.size(1, 2);
            let first = random.size(0, 1);
            let axis = random.size(2, 3);
            let values = [first as i64, 1 << 20, axis as i64, step as i64];
            for (name, value) in names.iter().zip(values) {
                network.integers(name, &[value]);
            }
            shape[axis - 1] = (shape[axis - 1] - first).div_ceil(step);
            let [from, to, axes, steps] = &names;
            network.node("Slice", name, &[&last, from, to, axes, steps], &[])
        }
        _ => {
            let pads = [random.size(0, 2), random.size(0, 1), random.size(0, 1), random.size(0, 2)];
            let constant = format!("{name}.pads");
            let [top, left, bottom, right] = pads.map(|pad| pad as i64);
            network.integers(&constant, &[0, 0, top, left, 0, 0, bottom, right]);
            *shape = [channels, height + pads[0] + pads[2], width + pads[1] + pads[3]];
            network.node("Pad", name, &[&last, &constant], &[])
        }
    }
}

fn branches(network: Network, name: &str, shape: &mut [usize; 3], random: &mut Random) -> Network {
    let last = network.last.clone();
    let branch = format!("{name}.branch");
    let channels = shape[0] as i64;
    match random.size(0, 4) {
        0 => network.then("Tanh", &branch, &[]).node("Add", name, &[&last, &branch], &[]),
        1 if shape[0] < 6 => {
            shape[0] += 2;
            let joined = [branch.as_str(), last.as_str()];
            let network = network.conv(&branch, &[2, channels, 1, 1], &[]);
            network.node("Concat", name, &joined, &[int("axis", 1)])
        }
        2 => {
            let network = network.conv(&branch, &[channels, channels, 1, 1], &[]);
            let operator = ["Mul", "Sub", "Add", "Max", "Min"][random.size(0, 4)];
            network.node(operator, name, &[&last, &branch], &[])
        }
        3 => {
            let (pool, gate) = (format!("{name}.pool"), format!("{name}.gate"));
            let operator = ["Mul", "Add"][random.size(0, 1)];
            network
                .then("GlobalAveragePool", &pool, &[])
                .conv(&branch, &[channels, channels, 1, 1], &[])
                .then("Sigmoid", &gate, &[])
                .node(operator, name, &[&last, &gate], &[])
        }
        _ => {
            let front = format!("{name}.front");
            let mut network = network
                .then("Transpose", &front, &[ints("perm", &[0, 2, 3, 1])])
                .then("Relu", &branch, &[]);
            network.random(&format!("{name}.w"), &[channels, channels], 0.7);
            let product = format!("{name}.product");
            network.node("MatMul", &product, &[&branch, &format!("{name}.w")], &[]).then(
                "Transpose",
                name,
                &[ints("perm", &[0, 3, 1, 2])],
            )
        }
    }
}

/// A random network over tokens, `[1, tokens, width]`.
pub(super) fn random_sequence(seed: u64) -> Network {
    let mut random = Random::new(seed);
    let (tokens, mut width) = (random.size(2, 5) as i64, 2 * random.size(2, 4) as i64);
    let mut network = Network::new(&[1, tokens, width]).opset(17);
    // Parts of one are nearly alike: to normalize them would make much of every rounding.
    let mut alike = false;
    for layer in 0..random.size(1, 5) {
        let name = format!("n{layer}");
        let kind = random.size(0, 6);
        alike |= kind == 4;
        network = match kind {
            0 => attention(network, &name, [tokens, width], &mut random),
            1 => {
                let outputs = 2 * random.size(2, 4) as i64;
                let product = matrix(network, &name, width, outputs, &mut random);
                width = outputs;
                product
            }
            2 if !alike => {
                let (scale, last) = (format!("{name}.s"), network.last.clone());
                network.random(&scale, &[width], 1.5);
                network.node("LayerNormalization", &name, &[&last, &scale], &[int("axis", -1)])
            }
            3 => {
                let (constant, last) = (format!("{name}.c"), network.last.clone());
                let shapes = [vec![1, tokens, width], vec![tokens, 1], vec![width], vec![1, 1, 1]];
                network.random(&constant, &shapes[random.size(0, 3)], 1.0);
                let operator = ["Add", "Mul", "Sub"][random.size(0, 2)];
                network.node(operator, &name, &[&last, &constant], &[])
            }
            4 => network.then("Softmax", &name, &[int("axis", random.between(1, 2))]),
            5 => {
                let (other, last) = (format!("{name}.o"), network.last.clone());
                let operator = ["ReduceMean", "ReduceMax", "ReduceMin"][random.size(0, 2)];
                let axes = ints("axes", &[random.between(1, 2)]);
                let network = network.then(operator, &other, &[axes]);
                network.node(["Add", "Sub"][random.size(0, 1)], &name, &[&last, &other], &[])
            }
            _ => network.then(["Relu", "Sigmoid", "Tanh"][random.size(0, 2)], &name, &[]),
        };
    }
    matrix(network, "mix", width, 3, &mut random).head(3 * tokens)
}

/// The same matrix at each token.
fn matrix(
    mut network: Network,
    name: &str,
    inputs: i64,
    outputs: i64,
    random: &mut Random,
) -> Network {
    let (weights, last) = (format!("{name}.w"), network.last.clone());
    network.random(&weights, &[inputs, outputs], 1.5 / (inputs as f32).sqrt());
    if random.size(0, 3) > 0 {
        return network.node("MatMul", name, &[&last, &weights], &[]);
    }
    let equation = text("equation", "bti,io->bto");
    network.node("Einsum", name, &[&last, &weights], &[equation])
}

/// Attention in two heads, with a sum around it.
fn attention(
    mut network: Network,
    name: &str,
    [tokens, width]: [i64; 2],
    random: &mut Random,
) -> Network {
    let x = network.last.clone();
    let of = |part: &str| format!("{name}.{part}");
    network.integers(&of("heads"), &[1, tokens, 2, width / 2]);
    network.integers(&of("whole"), &[1, tokens, width]);
    for (part, perm) in [("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])] {
        network.last.clone_from(&x);
        network = matrix(network, &of(part), width, width, random);
        let split = of(&format!("{part}s"));
        network = network.node("Reshape", &split, &[&of(part), &of("heads")], &[]).then(
            "Transpose",
            &of(&format!("{part}t")),
            &[ints("perm", &perm)],
        );
    }
    network
        .node("MatMul", &of("scores"), &[&of("qt"), &of("kt")], &[])
        .then("Softmax", &of("part"), &[int("axis", -1)])
        .node("MatMul", &of("context"), &[&of("part"), &of("vt")], &[])
        .then("Transpose", &of("back"), &[ints("perm", &[0, 2, 1, 3])])
        .node("Reshape", &of("flat"), &[&of("back"), &of("whole")], &[])
        .node("Add", name, &[&x, &of("flat")], &[])
}

#[test]
fn random_networks() {
    check_all(random_network, 200);
}

#[test]
fn random_sequences() {
    check_all(random_sequence, 120);
}

/// Float graph, tract and integers agree on random networks, each tensor within the bound that
/// the scales imply.
fn check_all(make: fn(u64) -> Network, count: u64) {
    for seed in 0..count {
        let outcome = std::panic::catch_unwind(|| check_to(make(seed), 0.25));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("seed {seed}: {text}");
        }
    }
}
