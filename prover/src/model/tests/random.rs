use super::{
    check_to,
    network::{Network, float, int, ints},
};
use crate::graph::arbitrary::Random;

/// A random network of the supported operators, tracking `[channels, height, width]`.
pub(super) fn random_network(seed: u64) -> Network {
    let mut random = Random::new(seed);
    let mut shape = [random.size(1, 3), random.size(3, 10), random.size(3, 10)];
    let dims = |shape: [usize; 3]| [1, shape[0] as i64, shape[1] as i64, shape[2] as i64];
    let mut network = Network::new(&dims(shape));
    for layer in 0..random.size(1, 6) {
        let name = format!("n{layer}");
        let last = network.last.clone();
        network = match random.size(0, 8) {
            0 | 1 => {
                let kernel = [random.size(1, 3).min(shape[1]), random.size(1, 3).min(shape[2])];
                let stride = [random.size(1, 2), random.size(1, 2)];
                let pads = [0; 4].map(|_| random.size(0, 2));
                let pads = [0, 1, 2, 3].map(|side: usize| pads[side].min(kernel[side % 2] - 1));
                let depthwise = random.size(0, 3) == 0;
                let groups = if depthwise { shape[0] } else { 1 };
                let outputs = if depthwise { shape[0] } else { random.size(1, 6) };
                let weights = [outputs, shape[0] / groups, kernel[0], kernel[1]];
                let size = |axis: usize| {
                    (shape[axis + 1] + pads[axis] + pads[axis + 2] - kernel[axis]) / stride[axis]
                        + 1
                };
                shape = [outputs, size(0), size(1)];
                let attributes = [
                    ints("strides", &stride.map(|x| x as i64)),
                    ints("pads", &pads.map(|x| x as i64)),
                    int("group", groups as i64),
                ];
                network.conv(&name, &weights.map(|x| x as i64), &attributes)
            }
            2 => network.then("Relu", &name, &[]),
            3 => network.then("LeakyRelu", &name, &[float("alpha", 0.2)]),
            4 => network.then("Sigmoid", &name, &[]),
            5 if shape[1] > 2 && shape[2] > 2 => {
                shape = [shape[0], (shape[1] - 2) / 2 + 1, (shape[2] - 2) / 2 + 1];
                let pool = if random.size(0, 1) == 0 { "MaxPool" } else { "AveragePool" };
                let attributes = [ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
                network.then(pool, &name, &attributes)
            }
            6 => {
                let gate = format!("{name}.gate");
                network.then("Tanh", &gate, &[]).node("Add", &name, &[&last, &gate], &[])
            }
            7 if shape[0] < 6 => {
                let branch = format!("{name}.branch");
                let weights = [2, shape[0] as i64, 1, 1];
                shape[0] += 2;
                network.conv(&branch, &weights, &[]).node(
                    "Concat",
                    &name,
                    &[&branch, &last],
                    &[int("axis", 1)],
                )
            }
            _ => {
                network.random(&format!("{name}.c"), &[shape[0] as i64, 1, 1], 1.5);
                let operator = if random.size(0, 1) == 0 { "Mul" } else { "Add" };
                network.node(operator, &name, &[&last, &format!("{name}.c")], &[])
            }
        };
    }
    // A last layer of our own, so that no network is empty.
    network.conv("mix", &[3, shape[0] as i64, 1, 1], &[]).head((3 * shape[1] * shape[2]) as i64)
}

/// Float graph, tract and integers agree on random networks.
#[test]
fn random_networks() {
    let mut refused = 0;
    for seed in 0..150 {
        let outcome = std::panic::catch_unwind(|| check_to(random_network(seed), 0.05));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            assert!(text.contains("concatenated with the network's input"), "seed {seed}: {text}");
            refused += 1;
        }
    }
    assert!(refused < 30, "{refused} networks were refused");
}
