use super::*;
use crate::{
    data::{Dataset, shared::shared},
    graph::Op,
    model::Model,
};

fn load(model: &str, images: &str, encoding: &InputEncoding) -> Option<(Model, Dataset)> {
    let model = Model::import(&shared(&format!("data/models/{model}.onnx"))?)
        .unwrap_or_else(|error| panic!("{error}"));
    let images = shared(&format!("data/images/{images}"))?;
    let data = Dataset::open(&images, model.graph.input_shape(), encoding, usize::MAX)
        .unwrap_or_else(|error| panic!("{error}"));
    Some((model, data))
}

fn quantized(model: &Model, inputs: &[Vec<u8>], encoding: &InputEncoding) -> QuantizedGraph {
    calibrate_and_quantize(&model.graph, encoding, inputs, &QuantizeOptions::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Points of top-1 that quantization costs, over `count` images not used for calibration.
fn loss(
    model: &Model,
    data: &Dataset,
    encoding: &InputEncoding,
    calibrate: usize,
    count: usize,
) -> (f64, AccuracyReport) {
    let (rest, calibration) = data.inputs.split_at(data.inputs.len() - calibrate);
    let graph = quantized(model, calibration, encoding);
    let report = compare(&model.graph, &graph, &rest[..count], &data.labels)
        .unwrap_or_else(|error| panic!("{error}"));
    println!("{}: {report:?}, {} table rows", graph.name, graph.table_rows());
    (report.percent(report.float_top1) - report.percent(report.quantized_top1), report)
}

#[test]
fn lenet_keeps_its_accuracy_with_small_tables() {
    let encoding = InputEncoding::UNIT;
    let Some((model, data)) = load("lenet5_mnist", "mnist_test10k.npz", &encoding) else { return };
    let graph = quantized(&model, &data.inputs[9800..], &encoding);
    assert!(graph.table_rows() < 8000, "{} table rows", graph.table_rows());
    assert_eq!(graph.layers.len(), 7);
    let (points, report) = loss(&model, &data, &encoding, 200, 1000);
    assert_eq!(report.inputs, 1000);
    assert!(points.abs() <= 0.3, "{points} points");
    assert!(report.agree >= 995 && report.refused == 0, "{report:?}");
}

#[test]
fn resnet8_keeps_its_accuracy() {
    let encoding = InputEncoding::UNIT;
    let images = "cifar10_test1000_jpegdecoded.npz";
    let Some((model, data)) = load("resnet8_cifar10_jpeg", images, &encoding) else { return };
    let (points, report) = loss(&model, &data, &encoding, 100, 200);
    assert!(points.abs() <= 0.5, "{points} points");
    assert!(report.agree >= 197 && report.refused == 0, "{report:?}");
}

#[test]
fn mobilenet_keeps_its_answers() {
    let encoding = InputEncoding::SYMMETRIC;
    let Some((model, data)) = load("mobilenet_v2_0.5_96", "nips17_96_u8_500.npz", &encoding) else {
        return;
    };
    let (_, report) = loss(&model, &data, &encoding, 30, 40);
    assert!(report.agree >= 34 && report.refused == 0, "{report:?}");
}

#[test]
fn layers_share_tables_and_exact_sums_stay_exact() {
    let Some(path) = shared("data/models/resnet8_cifar10.onnx") else { return };
    let model = Model::import(&path).unwrap_or_else(|error| panic!("{error}"));
    let input = vec![77u8; 32 * 32 * 3];
    let graph = quantized(&model, &[input], &InputEncoding::RAW);
    let names: Vec<&str> = graph.functions.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["relu", "identity"]);
    assert!(graph.layers.iter().any(|layer| matches!(layer.op, Op::Pointwise { .. })));
}

#[test]
fn input_encodings() {
    let map = |encoding: InputEncoding| encoding.map().unwrap_or_else(|error| panic!("{error}"));
    let (unit, scale) = map(InputEncoding::UNIT);
    assert_eq!((unit[0], unit[255], scale), (0, 255, 255.0));
    let (symmetric, scale) = map(InputEncoding::SYMMETRIC);
    assert_eq!((symmetric[0], symmetric[128], scale), (-128, 0, 128.0));
    // px / 127.5 - 1: zero lies on half a step.
    let (centred, scale) = map(InputEncoding { scale: 1.0 / 127.5, offset: -1.0 });
    assert_eq!((centred[0], centred[255], scale), (-255, 255, 255.0));
    // No integer multiple brings zero on a step.
    let odd = InputEncoding { scale: 0.01, offset: 0.003_3 };
    let (rounded, scale) = map(odd);
    for byte in [0u8, 1, 77, 255] {
        let back = f64::from(rounded[usize::from(byte)]) / scale;
        assert!((back - odd.decode(byte)).abs() <= 0.005 + 1e-9, "{byte}");
    }
    let covering = InputEncoding::covering(-3.0, 9.0).unwrap_or_else(|error| panic!("{error}"));
    for value in [-3.0, 0.0, 4.3, 9.0] {
        let back = covering.decode(covering.encode(value));
        assert!((back - value).abs() <= covering.scale, "{value} becomes {back}");
    }
    assert_eq!(covering.decode(covering.encode(0.0)), 0.0);
    for (low, high) in [(0.0, 0.0), (f64::NAN, f64::NAN), (0.0, f64::INFINITY)] {
        assert!(InputEncoding::covering(low, high).is_err(), "{low} {high}");
    }
    let far = InputEncoding { scale: 1.0, offset: 1e6 };
    assert!(matches!(far.map(), Err(QuantizeError::Encoding(_))));
}

#[test]
fn bad_arguments_are_refused() {
    let Some(path) = shared("data/models/zkml_mnist.onnx") else { return };
    let graph = Model::import(&path).unwrap_or_else(|error| panic!("{error}")).graph;
    let unit = InputEncoding::UNIT;
    let good = vec![vec![9u8; 784]];
    let none: Vec<Vec<u8>> = Vec::new();
    assert!(matches!(calibrate(&graph, &unit, &none), Err(QuantizeError::NoInputs)));
    let error = calibrate(&graph, &unit, &[vec![0u8; 784], vec![0u8; 783]]).expect_err("short");
    assert!(error.to_string().contains("input 1 has 783 bytes"), "{error}");
    let negative = InputEncoding { scale: -1.0, offset: 0.0 };
    assert!(matches!(calibrate(&graph, &negative, &good), Err(QuantizeError::Encoding(_))));
    let calibration = calibrate(&graph, &unit, &good).unwrap_or_else(|error| panic!("{error}"));
    let with = |options: QuantizeOptions| quantize(&graph, &unit, &calibration, &options);
    let defaults = QuantizeOptions::default();
    for options in [
        QuantizeOptions { table_bits: Some(17), ..defaults.clone() },
        QuantizeOptions { output_bits: Some(1), ..defaults.clone() },
        QuantizeOptions { activation_bits: 0, ..defaults.clone() },
        QuantizeOptions { shift: Some(17), ..defaults.clone() },
        QuantizeOptions { margin: -0.1, ..defaults.clone() },
        QuantizeOptions { margin: f64::NAN, ..defaults.clone() },
    ] {
        let error = with(options).expect_err("refused");
        assert!(matches!(error, QuantizeError::Option { .. }), "{error}");
    }
    let mut other = calibration.clone();
    other.seen.pop();
    let error = quantize(&graph, &unit, &other, &defaults).expect_err("other");
    assert!(matches!(error, QuantizeError::OtherNetwork), "{error}");
}

#[test]
fn an_input_beyond_the_calibration_is_an_error_that_names_the_layer() {
    let Some(path) = shared("data/models/lenet5_mnist.onnx") else { return };
    let model = Model::import(&path).unwrap_or_else(|error| panic!("{error}"));
    let dark = vec![0u8; 784];
    let options = QuantizeOptions { margin: 0.0, ..QuantizeOptions::default() };
    let graph = calibrate_and_quantize(&model.graph, &InputEncoding::UNIT, &[dark], &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&graph).unwrap_or_else(|error| panic!("{error}"));
    let error = executor.run(&[255; 784]).expect_err("out of range").to_string();
    assert!(error.contains("layer `") && error.contains("calibrated range"), "{error}");
}
