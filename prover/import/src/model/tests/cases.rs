//! Networks as people bring them, with the outputs that onnxruntime computed.

use std::{fs::File, io::Read, path::Path};

use crate::model::{FinalOperator, FloatExecutor, FloatGraph, ImportError, ImportOptions, Model};
use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
use assay_graph::Executor;
use assay_testing::shared::shared;

/// Imports a case, and checks the largest difference from the expected outputs relative to them.
fn check(case: &str, options: &ImportOptions, tolerance: f32) -> Option<FloatGraph> {
    let folder = shared(&format!("cases/{case}"))?;
    let (graph, off, largest) =
        compare(&folder, options).unwrap_or_else(|error| panic!("{case}: {error}"));
    println!("{case}: off by {off} of {largest}");
    assert!(off <= tolerance * largest, "{case}: off by {off} of {largest}");
    Some(graph)
}

/// The graph, the largest difference, and the largest number expected.
fn compare(folder: &Path, options: &ImportOptions) -> Result<(FloatGraph, f32, f32), ImportError> {
    let model = Model::import_with(&folder.join("model.onnx"), options)?;
    let expected = expected(folder);
    let inputs = inputs(folder, "test.npz");
    let elements: usize = model.graph.input_shape().iter().product();
    assert!(model.graph.input.parts[0].order.is_none());
    let (mut largest, mut off) = (0f32, 0f32);
    for (input, expected) in inputs.chunks(elements).zip(&expected) {
        let run = FloatExecutor::new(&model.graph).run(input).expect("the right length");
        for (found, expected) in finished(&model.graph, run.logits()).iter().zip(expected) {
            largest = largest.max(expected.abs());
            off = off.max((found - expected).abs());
        }
    }
    Ok((model.graph, off, largest))
}

/// All cases below `$ASSAY_CASES`, for whoever has made some.
#[test]
fn cases_of_ones_own() {
    let Some(root) = std::env::var_os("ASSAY_CASES") else { return };
    let mut folders: Vec<_> = std::fs::read_dir(root)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("expected.json").exists())
        .collect();
    folders.sort();
    let mut wrong = 0;
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
        let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let outputs = json["output"].as_str().map(str::to_owned);
        let options = ImportOptions { outputs, ..ImportOptions::default() };
        wrong += 1;
        match compare(&folder, &options) {
            Ok((_, off, largest)) if off <= 1e-4 * largest => {
                println!("{name}: {off} of {largest}");
                wrong -= 1;
            }
            Ok((_, off, largest)) => println!("{name}: WRONG by {off} of {largest}."),
            Err(error) => println!("{name}: REFUSED: {error}"),
        }
    }
    assert_eq!(wrong, 0);
}

/// The operators that the import left out.
fn finished(graph: &FloatGraph, logits: &[f32]) -> Vec<f32> {
    let mut values = logits.to_vec();
    for operator in &graph.dropped {
        let total: f32 = match operator {
            FinalOperator::Softmax => {
                let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                values.iter_mut().for_each(|x| *x = (*x - most).exp());
                values.iter().sum()
            }
            FinalOperator::Sigmoid => {
                values.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp()));
                1.0
            }
            FinalOperator::Normalizer => values.iter().sum(),
            FinalOperator::LogSoftmax | FinalOperator::ArgMax => panic!("{operator}"),
        };
        values.iter_mut().for_each(|x| *x /= total);
    }
    values
}

fn expected(folder: &Path) -> Vec<Vec<f32>> {
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows = json["logits"].as_array().expect("a list of rows");
    let row = |row: &serde_json::Value| {
        let row = row.as_array().expect("a row");
        row.iter().map(|x| x.as_f64().expect("a number") as f32).collect()
    };
    rows.iter().map(row).collect()
}

/// All numbers of the only array, which holds float32.
fn inputs(folder: &Path, file: &str) -> Vec<f32> {
    let file = File::open(folder.join(file)).expect("an archive");
    let mut bytes = Vec::new();
    let mut archive = zip::ZipArchive::new(file).expect("an archive");
    archive.by_index(0).expect("an array").read_to_end(&mut bytes).expect("readable");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert!(bytes[10..10 + header].windows(5).any(|text| text == b"'<f4'"), "float32");
    bytes[10 + header..].as_chunks().0.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

#[test]
fn comparisons_and_choices() {
    let defaults = ImportOptions::default();
    if let Some(graph) = check("12-where-mask", &defaults, 1e-5) {
        assert_eq!(graph.layers.len(), 2, "the choice is the first layer's function");
    }
    check("23-tree-gemm", &defaults, 1e-6);
}

#[test]
fn models_of_scikit_learn() {
    let defaults = ImportOptions::default();
    if let Some(graph) = check("21-sklearn-mlp-pipeline", &defaults, 1e-5) {
        assert_eq!((graph.layers.len(), graph.dropped.len()), (2, 1));
    }
    let Some(folder) = shared("cases/20-sklearn-logreg") else { return };
    let graph = Model::import(&folder.join("model.onnx")).expect("a linear model").graph;
    // What onnxruntime gives is the label.
    assert_eq!(graph.dropped, [FinalOperator::Softmax, FinalOperator::Normalizer]);
    for (input, expected) in inputs(&folder, "test.npz").chunks(4).zip(expected(&folder)) {
        let run = FloatExecutor::new(&graph).run(input).expect("four features");
        let best = (0..3).max_by(|a, b| run.logits()[*a].total_cmp(&run.logits()[*b]));
        assert_eq!(best, Some(expected[0] as usize));
    }
}

#[test]
fn sizes_that_are_fixed_or_free() {
    if let Some(graph) = check("25-batch16", &ImportOptions::default(), 1e-5) {
        assert_eq!(graph.input.parts[0].onnx_shape, [1, 1, 8, 8]);
        assert!(graph.notes[0].contains("16 inputs at once"), "{:?}", graph.notes);
    }
    let shape = |shape: &[usize]| ImportOptions {
        input_shapes: vec![("x".into(), shape.to_vec())],
        ..ImportOptions::default()
    };
    check("26-dynamic-size", &shape(&[1, 1, 8, 8]), 1e-5);
    let Some(folder) = shared("cases/26-dynamic-size") else { return };
    let refused = |options: &ImportOptions, part: &str| {
        let error = Model::import_with(&folder.join("model.onnx"), options).expect_err("refused");
        assert!(error.to_string().contains(part), "{error}");
    };
    refused(&ImportOptions::default(), "`--input-shape x=1,1,8,8`");
    refused(&shape(&[1, 2, 8, 8]), "axis 1 has 1 elements, not 2");
    refused(&shape(&[1, 8, 8]), "not one of 4 sizes");
}

#[test]
fn several_outputs() {
    let Some(folder) = shared("cases/32-two-heads") else { return };
    let path = folder.join("model.onnx");
    let names: Vec<String> = {
        let error = Model::import(&path).expect_err("two outputs").to_string();
        assert!(error.contains("2 outputs") && error.contains("choose one"), "{error}");
        error.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let choose = |name: &str| {
        let options = ImportOptions { outputs: Some(name.into()), ..ImportOptions::default() };
        Model::import_with(&path, &options)
    };
    let classes: Vec<usize> =
        names.iter().map(|name| choose(name).expect("an output").graph.classes()).collect();
    assert_eq!(classes, [3, 1]);
    let error = choose("nothing").expect_err("no such output").to_string();
    assert!(error.contains("no output `nothing`") && error.contains(&names[1]), "{error}");
}

#[test]
fn quantized_exports() {
    let defaults = ImportOptions::default();
    // The file rounds its activations to 255 steps of their range: it is off by that itself.
    check("01-int8-dynamic", &defaults, 0.02);
    check("03-int8-qoperator", &defaults, 1e-5);
}

#[test]
fn recurrent_layers() {
    check("04-lstm", &ImportOptions::default(), 1e-5);
}

#[test]
fn decoders() {
    check("06-convtranspose", &ImportOptions::default(), 1e-5);
    check("07-resize-bilinear", &ImportOptions::default(), 1e-5);
}

/// The integers of cases whose inputs are 0 to 1 in steps of 1/255: within `tolerance` of the largest
/// number expected, and of the same class wherever two are not as close as that.
fn check_integers(case: &str, options: &ImportOptions, tolerance: f64) {
    let Some(folder) = shared(&format!("cases/{case}")) else { return };
    let graph = Model::import_with(&folder.join("model.onnx"), options)
        .unwrap_or_else(|error| panic!("{case}: {error}"))
        .graph;
    let elements: usize = graph.input_shape().iter().product();
    let encoding = InputEncoding::UNIT;
    let bytes = |file: &str| -> Vec<Vec<u8>> {
        let all = inputs(&folder, file);
        let encode = |row: &[f32]| row.iter().map(|x| encoding.encode(f64::from(*x))).collect();
        all.chunks(elements).map(encode).collect()
    };
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(&graph, &encoding, &bytes("calib.npz"), &options)
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    let executor = Executor::new(&quantized).unwrap_or_else(|error| panic!("{case}: {error}"));
    let scale = quantized.tensors[quantized.output].scale;
    let (mut largest, mut off, mut same, mut all) = (0f64, 0f64, 0, 0);
    for (input, expected) in bytes("test.npz").iter().zip(expected(&folder)) {
        let run = executor.run(input).unwrap_or_else(|error| panic!("{case}: {error}"));
        let expected = &expected[..graph.classes()];
        for (found, expected) in run.logits().iter().zip(expected) {
            largest = largest.max(f64::from(expected.abs()));
            off = off.max((f64::from(*found) / scale - f64::from(*expected)).abs());
        }
        let best = (0..expected.len()).max_by(|a, b| expected[*a].total_cmp(&expected[*b]));
        same += usize::from(best == Some(run.class()));
        all += 1;
    }
    println!("{case}: integers off by {off} of {largest}, {same} of {all} classes");
    assert!(off <= tolerance * largest, "{case}: off by {off} of {largest}");
    assert!(same + 1 >= all, "{case}: {same} of {all}");
}

#[test]
fn cases_in_integers() {
    let defaults = ImportOptions::default();
    for (case, tolerance) in [
        ("01-int8-dynamic", 0.03),
        ("03-int8-qoperator", 0.05),
        ("04-lstm", 0.03),
        ("06-convtranspose", 0.02),
        ("07-resize-bilinear", 0.02),
        ("12-where-mask", 0.02),
        ("23-tree-gemm", 0.005),
        ("25-batch16", 0.02),
    ] {
        check_integers(case, &defaults, tolerance);
    }
    let input_shapes = vec![("x".to_owned(), vec![1, 1, 8, 8])];
    check_integers("26-dynamic-size", &ImportOptions { input_shapes, ..defaults }, 0.02);
}
