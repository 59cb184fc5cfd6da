//! Three spatial axes.

use super::{
    check_to,
    network::{Network, int, ints, text},
    same_as_tract,
};

#[test]
fn convolutions() {
    let cases: [(&[i64], &[_], i64); 4] = [
        (&[3, 2, 2, 3, 3], &[ints("pads", &[1, 1, 1, 0, 1, 1])], 3 * 4 * 5 * 4),
        (&[3, 2, 3, 2, 2], &[ints("strides", &[2, 1, 2])], 3 * 4 * 2),
        (&[4, 1, 2, 2, 1], &[int("group", 2), ints("dilations", &[2, 1, 1])], 4 * 2 * 4 * 4),
        (&[2, 2, 2, 2, 2], &[text("auto_pad", "SAME_UPPER"), ints("strides", &[2, 2, 2])], 2 * 12),
    ];
    for (shape, attributes, outputs) in cases {
        let network = Network::new(&[1, 2, 4, 5, 4]).conv("conv", shape, attributes);
        check_to(network.then("Relu", "relu", &[]).head(outputs), 0.02);
    }
}

#[test]
fn pools_and_normalization() {
    let start = || Network::new(&[1, 2, 4, 5, 4]).conv("conv", &[3, 2, 2, 2, 2], &[]);
    let attributes = [ints("kernel_shape", &[2, 2, 2]), ints("strides", &[1, 2, 1])];
    for operator in ["MaxPool", "AveragePool"] {
        let pooled = start().then(operator, "pool", &attributes);
        same_as_tract(pooled.conv("after", &[2, 3, 2, 1, 2], &[]).head(2 * 2));
    }
    for operator in ["GlobalMaxPool", "GlobalAveragePool"] {
        same_as_tract(start().then(operator, "pool", &[]).head(3));
    }
    let mut network = start();
    for name in ["gamma", "beta", "mean"] {
        network.random(name, &[3], 0.8);
    }
    network.constant("variance", &[3], vec![0.5, 1.5, 2.0]);
    let names = ["conv", "gamma", "beta", "mean", "variance"];
    same_as_tract(network.node("BatchNormalization", "norm", &names, &[]).head(3 * 3 * 4 * 3));
}
