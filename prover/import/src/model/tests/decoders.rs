//! Transposed convolutions, blocks of channels, interpolation.

use super::{
    check, check_to,
    network::{Network, int, ints, text},
};
use crate::model::{FloatExecutor, FloatOp, nodes};

/// A transposed convolution with random weights and a bias.
fn transposed(
    mut network: Network,
    name: &str,
    shape: &[i64],
    groups: i64,
    attributes: &[tract_onnx::pb::AttributeProto],
) -> Network {
    let (weights, bias) = (format!("{name}.w"), format!("{name}.b"));
    network.random(&weights, shape, 0.7);
    network.random(&bias, &[shape[1] * groups], 0.3);
    let last = network.last.clone();
    let attributes = [attributes, &[int("group", groups)]].concat();
    network.node("ConvTranspose", name, &[&last, &weights, &bias], &attributes)
}

#[test]
fn transposed_convolutions() {
    let cases: [(&[i64], i64, &[_], i64); 7] = [
        (&[2, 3, 2, 2], 1, &[ints("strides", &[2, 2])], 3 * 10 * 8),
        (&[2, 3, 3, 3], 1, &[ints("strides", &[2, 2]), ints("pads", &[1; 4])], 3 * 9 * 7),
        (
            &[2, 1, 3, 4],
            2,
            &[
                ints("strides", &[2, 3]),
                ints("pads", &[1, 0, 1, 1]),
                ints("output_padding", &[1, 0]),
            ],
            2 * 10 * 12,
        ),
        (&[2, 3, 2, 2], 1, &[ints("strides", &[3, 3])], 3 * 14 * 11),
        (&[2, 2, 3, 2], 1, &[ints("dilations", &[2, 2])], 2 * 9 * 6),
        (&[2, 2, 1, 1], 1, &[ints("strides", &[2, 1])], 2 * 9 * 4),
        (&[2, 2, 3, 3], 1, &[ints("pads", &[1, 2, 0, 1])], 2 * 6 * 3),
    ];
    for (shape, groups, attributes, outputs) in cases {
        let network = Network::new(&[1, 2, 5, 4]);
        let network =
            transposed(network, "up", shape, groups, attributes).then("Relu", "relu", &[]);
        check_to(network.head(outputs), 0.02);
    }
    let line = Network::new(&[1, 2, 5]);
    let line = transposed(line, "up", &[2, 3, 4], 1, &[ints("strides", &[2])]);
    check(line.head(36));
}

/// Padding that is larger than the window cuts the result.
#[test]
fn more_padding_than_window() {
    let network = Network::new(&[1, 1, 4, 4]);
    let attributes = [ints("strides", &[2, 2]), ints("pads", &[1, 1, 2, 1])];
    let mut network = transposed(network, "up", &[1, 1, 1, 1], 1, &attributes);
    network.constant("up.w", &[1, 1, 1, 1], vec![2.0]);
    network.graph.initializer.retain(|tensor| tensor.name != "up.w" || tensor.dims == [1, 1, 1, 1]);
    network.graph.initializer.remove(0);
    let source = network.then("Flatten", "flat", &[]).then("Neg", "negative", &[]).source();
    let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(graph.classes(), 4 * 5);
    let input: Vec<f32> = (0..16).map(|x| x as f32).collect();
    let run = FloatExecutor::new(&graph).run(&input).expect("sixteen numbers");
    let bias = run.logits()[0];
    // Of a 7 x 7 result the lines 1 to 4 and the columns 1 to 5.
    for (index, found) in run.logits().iter().enumerate() {
        let (y, x) = (index / 5 + 1, index % 5 + 1);
        let real = if y % 2 == 0 && x % 2 == 0 { 2.0 * input[y / 2 * 4 + x / 2] } else { 0.0 };
        assert!((found - (bias - real)).abs() < 1e-5, "{index}");
    }
}

#[test]
fn blocks_and_channels() {
    for mode in ["DCR", "CRD"] {
        let network = Network::new(&[1, 8, 3, 2]).conv("conv", &[8, 8, 1, 1], &[]);
        let attributes = [int("blocksize", 2), text("mode", mode)];
        let network = network.then("DepthToSpace", "space", &attributes);
        check(network.conv("after", &[2, 2, 3, 3], &[]).head(2 * 4 * 2));
    }
    let network = Network::new(&[1, 2, 4, 6]).conv("conv", &[2, 2, 1, 1], &[]);
    let network = network.then("SpaceToDepth", "depth", &[int("blocksize", 2)]);
    check(network.conv("after", &[3, 8, 1, 1], &[]).head(18));
}

/// Interpolation that repeats a line at its ends, against loops over the definition.
#[test]
fn linear_interpolation() {
    for (coordinates, factor) in
        [("half_pixel", 2usize), ("half_pixel", 3), ("align_corners", 2), ("asymmetric", 2)]
    {
        let mut network = Network::new(&[1, 2, 5, 4]);
        network.constant("scales", &[4], vec![1.0, 1.0, factor as f32, factor as f32]);
        let attributes =
            [text("mode", "linear"), text("coordinate_transformation_mode", coordinates)];
        let network = network.node("Resize", "up", &["input", "", "scales"], &attributes);
        let source = network.then("Flatten", "flat", &[]).then("Neg", "negative", &[]).source();
        let graph = nodes::import(&source, "test").unwrap_or_else(|error| panic!("{error}"));
        assert!(graph.layers.iter().any(|layer| matches!(layer.op, FloatOp::Transpose { .. })));
        let input: Vec<f32> = (0..40).map(|x| (x * x % 17) as f32 / 8.0).collect();
        let run = FloatExecutor::new(&graph).run(&input).expect("forty numbers");
        let size = [5, 4].map(|size| size * factor);
        let place = |x: usize, from: usize, to: usize| {
            let (x, f) = (x as f64, factor as f64);
            let at = match coordinates {
                "half_pixel" => (x + 0.5) / f - 0.5,
                "asymmetric" => x / f,
                _ => x * (from as f64 - 1.0) / (to as f64 - 1.0),
            };
            let at = at.clamp(0.0, from as f64 - 1.0);
            (at.floor() as usize, (at.floor() as usize + 1).min(from - 1), at - at.floor())
        };
        for (index, found) in run.logits().iter().enumerate() {
            let (channel, y, x) =
                (index / (size[0] * size[1]), index / size[1] % size[0], index % size[1]);
            let (top, bottom, v) = place(y, 5, size[0]);
            let (left, right, h) = place(x, 4, size[1]);
            let at = |y: usize, x: usize| f64::from(input[channel * 20 + y * 4 + x]);
            let mix = |a: f64, b: f64, part: f64| a + (b - a) * part;
            let line = |y| mix(at(y, left), at(y, right), h);
            let expected = mix(line(top), line(bottom), v);
            assert!((f64::from(-found) - expected).abs() < 1e-5, "{coordinates} {index}");
        }
    }
}

#[test]
fn interpolation_in_integers() {
    let mut network = Network::new(&[1, 2, 4, 4]).conv("conv", &[3, 2, 1, 1], &[]);
    network.constant("scales", &[4], vec![1.0, 1.0, 2.0, 2.0]);
    let attributes = [text("mode", "linear"), text("coordinate_transformation_mode", "asymmetric")];
    let network = network.node("Resize", "up", &["conv", "", "scales"], &attributes);
    check(network.conv("after", &[2, 3, 3, 3], &[]).then("Relu", "relu", &[]).head(72));
}

/// A decoder, to be damaged.
pub(super) fn decoder() -> Network {
    let mut network = Network::new(&[1, 2, 5, 4]);
    network.constant("scales", &[4], vec![1.0, 1.0, 1.5, 2.0]);
    let attributes = [ints("strides", &[2, 2]), ints("pads", &[1; 4])];
    transposed(network, "up", &[2, 4, 3, 3], 1, &attributes)
        .then("DepthToSpace", "space", &[int("blocksize", 2)])
        .node("Resize", "more", &["space", "", "scales"], &[text("mode", "cubic")])
        .head(27 * 28)
}
