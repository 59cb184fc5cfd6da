//! Small networks of kinds that people bring, with the right outputs computed by another program.

use std::{fs::File, io::Read, path::Path};

use crate::model::Model;
use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
use assay_graph::Executor;
use assay_testing::shared::shared;

/// The numbers of array `X` of an archive, one vector for each input.
fn inputs(path: &Path) -> Vec<Vec<f32>> {
    let file = File::open(path).expect("the archive");
    let mut archive = zip::ZipArchive::new(file).expect("an archive");
    let mut bytes = Vec::new();
    archive.by_name("X.npy").expect("array X").read_to_end(&mut bytes).expect("readable");
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = String::from_utf8_lossy(&bytes[10..10 + header]).into_owned();
    assert!(text.contains("<f4"), "{text}");
    let shape = text.split('(').nth(1).and_then(|rest| rest.split(')').next()).expect("a shape");
    let sizes: Vec<usize> = shape.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let elements = sizes[1..].iter().product();
    let (values, _) = bytes[10 + header..].as_chunks::<4>();
    let values: Vec<f32> = values.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    values.chunks(elements).map(<[f32]>::to_vec).collect()
}

/// Imports the case, quantizes it as the program does by default, and compares the integers with the
/// right outputs: every class is right and no output is off by more than `tolerance` of their range.
fn check(case: &str, encoding: InputEncoding, tolerance: f64) {
    let Some(file) = shared(&format!("cases/{case}/model.onnx")) else { return };
    let model = Model::import(&file).unwrap_or_else(|error| panic!("{case}: {error}"));
    let folder = file.parent().expect("a folder");
    let order = model.graph.input.parts[0].order.clone();
    let encode = |values: &Vec<f32>| -> Vec<u8> {
        let mut bytes = vec![0; values.len()];
        for (index, value) in values.iter().enumerate() {
            let at = order.as_ref().map_or(index, |order| order[index] as usize);
            bytes[at] = encoding.encode(f64::from(*value));
        }
        bytes
    };
    let samples: Vec<Vec<u8>> = inputs(&folder.join("calib.npz")).iter().map(encode).collect();
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(&model.graph, &encoding, &samples, &options)
        .unwrap_or_else(|error| panic!("{case}: {error}"));
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("right outputs");
    let expected: serde_json::Value = serde_json::from_str(&text).expect("json");
    let rows: Vec<Vec<f64>> =
        serde_json::from_value(expected["logits"].clone()).expect("rows of outputs");
    let classes: Vec<usize> = serde_json::from_value(expected["class"].clone()).expect("classes");
    let all = || rows.iter().flatten().copied();
    let range = all().fold(f64::MIN, f64::max) - all().fold(f64::MAX, f64::min);
    let executor = Executor::new(&quantized).unwrap_or_else(|error| panic!("{case}: {error}"));
    let scale = quantized.tensors[quantized.output].scale;
    let (mut worst, mut right) = (0f64, 0);
    let tests = inputs(&folder.join("test.npz"));
    for ((values, row), class) in tests.iter().zip(&rows).zip(&classes) {
        let run = executor.run(&encode(values)).unwrap_or_else(|error| panic!("{case}: {error}"));
        for (integer, expected) in run.logits().iter().zip(row) {
            worst = worst.max((f64::from(*integer) / scale - expected).abs());
        }
        right += usize::from(run.class() == *class);
    }
    let part = worst / range;
    println!(
        "{case}: {right} of {} classes, outputs off by up to {:.2} % of their range; {} layers, {} table rows",
        rows.len(),
        100.0 * part,
        quantized.layers.len(),
        quantized.table_rows()
    );
    assert_eq!(right, rows.len(), "{case}: classes");
    assert!(part <= tolerance, "{case}: off by {worst} of {range}");
}

#[test]
fn a_perceptron_with_layer_normalization() {
    check("10-layernorm-mlp", InputEncoding::UNIT, 0.02);
}

#[test]
fn self_attention() {
    check("11-self-attention", InputEncoding::UNIT, 0.02);
}

#[test]
fn an_embedding_of_tokens() {
    check("16-bert-embedding", InputEncoding::RAW, 0.02);
}

#[test]
fn a_softmax_between_layers() {
    check("18-softmax-inside", InputEncoding::UNIT, 0.02);
}

#[test]
fn the_same_layer_for_each_token() {
    check("41-token-dense", InputEncoding::UNIT, 0.02);
}
