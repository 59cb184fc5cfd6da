use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::{data::Samples, model::Model};
use assay_graph::Dataset;
use assay_graph::Op;
use assay_testing::shared::shared;

fn load(model: &str, images: &str, encoding: &InputEncoding) -> Option<(Model, Dataset)> {
    let model = Model::import(&shared(&format!("data/models/{model}.onnx"))?)
        .unwrap_or_else(|error| panic!("{error}"));
    let images = shared(&format!("data/images/{images}"))?;
    let data = crate::data::open(&images, model.graph.input_shape(), encoding, usize::MAX)
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
    let data = Dataset { inputs: rest[..count].to_vec(), labels: data.labels[..count].to_vec() };
    let samples = Samples { data, numbers: Vec::new() };
    let report =
        compare(&model.graph, &graph, &samples, &|| {}).unwrap_or_else(|error| panic!("{error}"));
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
    let (points, report) = loss(&model, &data, &encoding, 30, 100);
    assert!(points.abs() <= 1.0, "{points} points");
    assert!(report.agree >= 97 && report.refused == 0, "{report:?}");
}

#[test]
fn mobilenet_of_full_size_keeps_its_answers() {
    let encoding = InputEncoding::SYMMETRIC;
    let Some((model, data)) = load("mobilenet_v2_1.0_224", "nips17_224_u8_100.npz", &encoding)
    else {
        return;
    };
    let (points, report) = loss(&model, &data, &encoding, 10, 20);
    assert!(points.abs() <= 5.0, "{points} points on 20 images");
    assert!(report.agree >= 19 && report.refused == 0, "{report:?}");
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
        QuantizeOptions { activation_bits: Some(0), ..defaults.clone() },
        QuantizeOptions { shift: Some(17), ..defaults.clone() },
        QuantizeOptions { margin: Some(-0.1), ..defaults.clone() },
        QuantizeOptions { margin: Some(f64::NAN), ..defaults.clone() },
        QuantizeOptions { weight_bits: Some(1), ..defaults.clone() },
        QuantizeOptions { weight_bits: Some(8), shift: Some(8), ..defaults.clone() },
        QuantizeOptions { tables_per_function: Some(0), ..defaults.clone() },
        QuantizeOptions { headroom_bits: Some(17), ..defaults.clone() },
        QuantizeOptions { method: CalibrationMethod::Percentile(f64::NAN), ..defaults.clone() },
        QuantizeOptions { method: CalibrationMethod::Percentile(30.0), ..defaults.clone() },
    ] {
        let error = with(options).expect_err("refused");
        assert!(matches!(error, QuantizeError::Option { .. }), "{error}");
    }
    let mut other = calibration.clone();
    other.seen.pop();
    let error = quantize(&graph, &unit, &other, &defaults).expect_err("other");
    assert!(matches!(error, QuantizeError::OtherNetwork), "{error}");
}

/// A small network of its own: convolution, ReLU6, head.
fn two_layers() -> FloatGraph {
    use crate::model::{FloatInput, FloatInputPart, FloatLayer, FloatOp, FloatTensor, Function};
    use assay_graph::Window;
    let tensor = |name: &str, shape| FloatTensor { name: name.into(), shape };
    let conv = |name: &str, input, output, window, outputs: usize, depth: usize, function| {
        let weight = |index: usize| ((index * 37 % 101) as f32 - 50.0) / 25.0;
        FloatLayer {
            name: name.into(),
            operator: "Conv".into(),
            output,
            op: FloatOp::Conv {
                input,
                window,
                groups: 1,
                weights: (0..outputs * depth).map(weight).collect(),
                bias: vec![0.1; outputs],
                function,
            },
        }
    };
    let relu6 = Function::clip(Some(0.0), Some(6.0));
    FloatGraph {
        name: "two".into(),
        input: FloatInput {
            tensor: 0,
            parts: vec![FloatInputPart {
                name: "x".into(),
                onnx_shape: vec![1, 2, 6, 6],
                order: None,
                elem_type: 1,
                first: 0,
            }],
            values: None,
            compares: false,
        },
        tensors: vec![tensor("x", [2, 6, 6]), tensor("hidden", [4, 4, 4]), tensor("y", [3, 1, 1])],
        layers: vec![
            conv("first", 0, 1, Window::dense([3, 3]), 4, 18, relu6),
            conv("head", 1, 2, Window::dense([4, 4]), 3, 64, Function::Identity),
        ],
        output: 2,
        dropped: Vec::new(),
        notes: Vec::new(),
    }
}

fn noise(count: usize) -> Vec<Vec<u8>> {
    let mut random = assay_testing::arbitrary::Random::new(5);
    (0..count).map(|_| (0..72).map(|_| random.word() as u8).collect()).collect()
}

#[test]
fn bits_of_single_tensors_and_weights() {
    let graph = two_layers();
    let inputs = noise(20);
    let encoding = InputEncoding::SYMMETRIC;
    let with = |options: QuantizeOptions| {
        calibrate_and_quantize(&graph, &encoding, &inputs, &options)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let plain = with(QuantizeOptions::default());
    let bits = [("hidden".to_owned(), 6)].into();
    let coarse = with(QuantizeOptions { tensor_bits: bits, ..QuantizeOptions::default() });
    assert!(coarse.tensors[1].max < 32 && plain.tensors[1].max > 200);
    assert_eq!(coarse.tensors[2].scale, plain.tensors[2].scale);
    for bits in [6, 9, 12] {
        let options = QuantizeOptions { weight_bits: Some(bits), ..QuantizeOptions::default() };
        let quantized = with(options);
        let largest = |op: &Op| match op {
            Op::Conv { weights, .. } => weights.iter().map(|w| w.abs()).max().unwrap_or(0),
            _ => i64::MAX,
        };
        let least = quantized.layers.iter().map(|layer| largest(&layer.op)).min().unwrap_or(0);
        let limit = 1 << (bits - 1);
        assert!((limit - 1..3 * limit).contains(&least), "{bits} bits: {least}");
    }
    let unknown = QuantizeOptions {
        tensor_bits: [("nothing".to_owned(), 8)].into(),
        ..QuantizeOptions::default()
    };
    let error = calibrate_and_quantize(&graph, &encoding, &inputs, &unknown).expect_err("unknown");
    assert!(error.to_string().contains("`nothing`"), "{error}");
}

#[test]
fn calibration_methods_saturate_what_they_leave_out() {
    let graph = two_layers();
    let inputs = noise(20);
    let encoding = InputEncoding::SYMMETRIC;
    let with = |method| {
        let options =
            QuantizeOptions { method, activation_bits: Some(6), ..QuantizeOptions::default() };
        calibrate_and_quantize(&graph, &encoding, &inputs, &options)
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let max = with(CalibrationMethod::Max);
    let part = with(CalibrationMethod::Percentile(70.0));
    let least = with(CalibrationMethod::MinimumError);
    assert!(part.tensors[1].scale > max.tensors[1].scale, "a finer scale");
    assert!(least.tensors[1].scale >= max.tensors[1].scale);
    assert_eq!(part.tensors[1].max, 31);
    let saturated = |quantized: &QuantizedGraph| {
        let report = report::error_by_layer(&graph, quantized, &inputs, &|| {})
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((report.inputs, report.refused, report.layers.len()), (20, 0, 2));
        report.layers[0].saturated as f64 / report.layers[0].values as f64
    };
    assert_eq!(saturated(&max), 0.0);
    let part = saturated(&part);
    assert!((0.2..0.32).contains(&part), "{part}");
}

#[test]
fn errors_by_layer() {
    let graph = two_layers();
    let inputs = noise(20);
    let encoding = InputEncoding::SYMMETRIC;
    let report = |bits| {
        let options = QuantizeOptions { activation_bits: Some(bits), ..QuantizeOptions::default() };
        let quantized = calibrate_and_quantize(&graph, &encoding, &inputs, &options)
            .unwrap_or_else(|error| panic!("{error}"));
        let done = AtomicUsize::new(0);
        let progress = || {
            done.fetch_add(1, Ordering::Relaxed);
        };
        let report = report::error_by_layer(&graph, &quantized, &inputs, &progress)
            .unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(done.into_inner(), inputs.len());
        report
    };
    let (coarse, fine) = (report(6), report(12));
    let layer = &fine.layers[0];
    assert_eq!((layer.layer.as_str(), layer.tensor.as_str()), ("first", "hidden"));
    assert!(layer.float_range[0] >= 0.0 && layer.float_range[1] <= 6.0);
    assert_eq!(layer.integer_range[0], 0);
    assert_eq!(layer.values, 20 * 64);
    // Rounding to whole steps: the error of an even distribution within one step.
    let expected = 1.0 / (12f64.sqrt() * layer.scale);
    assert!((0.3..1.2).contains(&(layer.rms_error / expected)), "{layer:?}");
    for (coarse, fine) in coarse.layers.iter().zip(&fine.layers) {
        let decibels = |layer: &report::LayerError| layer.signal_to_noise_db.expect("some noise");
        assert!(decibels(fine) > decibels(coarse) + 12.0, "{coarse:?} {fine:?}");
    }
    let json = serde_json::to_value(&fine).expect("plain data");
    assert!(json["layers"][1]["signal_to_noise_db"].as_f64().is_some_and(|x| x > 30.0));
    let other = QuantizedGraph {
        layers: Vec::new(),
        ..calibrate_and_quantize(&graph, &encoding, &inputs, &QuantizeOptions::default())
            .unwrap_or_else(|error| panic!("{error}"))
    };
    assert!(report::error_by_layer(&graph, &other, &inputs, &|| {}).is_err());
}

#[test]
fn scales_use_the_table_to_an_eighth() {
    use super::scales::largest_scale;
    for width in [0.001, 0.7, 1.0, 3.0, 133.0, 9e5] {
        for bits in [8, 12, 14] {
            let used = width * largest_scale(width, bits) / f64::from(bits).exp2();
            assert!((8.0 / 9.0 - 1e-9..=1.0).contains(&used), "{width}: {used}");
        }
    }
    assert_eq!(6.0 * largest_scale(133.0, 13) % 1.0, 0.0);
}

#[test]
fn an_input_beyond_the_calibration_is_an_error_that_names_the_layer() {
    let Some(path) = shared("data/models/lenet5_mnist.onnx") else { return };
    let model = Model::import(&path).unwrap_or_else(|error| panic!("{error}"));
    let dark = vec![0u8; 784];
    let options = QuantizeOptions { margin: Some(0.0), ..QuantizeOptions::default() };
    let graph = calibrate_and_quantize(&model.graph, &InputEncoding::UNIT, &[dark], &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = Executor::new(&graph).unwrap_or_else(|error| panic!("{error}"));
    let error = executor.run(&[255; 784]).expect_err("out of range").to_string();
    assert!(error.contains("layer `") && error.contains("calibrated range"), "{error}");
}
