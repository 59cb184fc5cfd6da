//! Small networks of the kinds that people bring, made with `cases/*/make.py` and `examples/exports`: what is proven of each is
//! compared with what onnxruntime makes of the unrounded inputs.

use std::path::{Path, PathBuf};

use assay_graph::{Executor, QuantizedGraph};
use assay_import::{
    data::{self, DataError, Samples, Source, Values},
    model::{FloatExecutor, ImportOptions, Model},
    quantize::{
        EncodingOptions, InputChoice, InputEncoding, QuantizeOptions, calibrate_and_quantize,
        choose_encoding, compare, compare_each,
    },
};
use serde_json::Value;

/// Part of the range of a network's outputs by which one may be off.
const TOLERANCE: f64 = 0.02;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(case)
}

/// A case as `assay model import` would make it.
struct Case {
    model: Model,
    graph: QuantizedGraph,
    calibration: Samples,
    expected: Vec<Vec<f64>>,
    folder: PathBuf,
}

impl Case {
    fn new(name: &str, options: &ImportOptions) -> Self {
        let folder = folder(name);
        let model = Model::import_with(&folder.join("model.onnx"), options)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = folder.join("calib.npz");
        let shape = model.graph.value_shape();
        let failed = |error: &dyn std::fmt::Display| -> ! { panic!("{name}: {error}") };
        let published = model.graph.published_input();
        let source = |values| Source::of(&path, shape, values).in_file(&published);
        let numbers = data::samples(&source(Values::Unencoded))
            .unwrap_or_else(|error| failed(&error))
            .numbers;
        let channels = model.graph.input_channels();
        let compares = model.graph.input.compares;
        let encoding = EncodingOptions { channels, compares, ..EncodingOptions::default() };
        let choice = choose_encoding(&numbers, shape, &encoding);
        let (model, bytes) = match choice.unwrap_or_else(|error| failed(&error)) {
            InputChoice::Bytes(bytes) => (model, bytes),
            InputChoice::Channels(values) => {
                let model = model.with_values(values).unwrap_or_else(|error| failed(&error));
                (model, InputEncoding::RAW)
            }
        };
        let values = match &model.graph.input.values {
            Some(values) => Values::Channels(values),
            None => Values::Reals(bytes),
        };
        let calibration = data::samples(&source(values)).unwrap_or_else(|error| failed(&error));
        let inputs = &calibration.data.inputs;
        let graph =
            calibrate_and_quantize(&model.graph, &bytes, inputs, &QuantizeOptions::default())
                .unwrap_or_else(|error| failed(&error));
        let text = std::fs::read_to_string(folder.join("expected.json")).expect("expected.json");
        let expected: Value = serde_json::from_str(&text).expect("JSON");
        let row = |row: &Value| -> Vec<f64> {
            row.as_array().expect("a row").iter().map(|x| x.as_f64().expect("a number")).collect()
        };
        let expected = expected["logits"].as_array().expect("rows").iter().map(row).collect();
        Self { model, graph, calibration, expected, folder }
    }

    fn test(&self) -> Result<Samples, DataError> {
        data::samples(&Source::for_network(&self.folder.join("test.npz"), &self.graph))
    }

    /// Outputs of each test input, as real numbers.
    fn outputs(&self) -> Vec<Vec<f64>> {
        let executor = Executor::new(&self.graph).expect("a valid graph");
        let scale = self.graph.tensors[self.graph.output].scale;
        let test = self.test().unwrap_or_else(|error| panic!("{error}"));
        let run = |input: &Vec<u8>| {
            let run = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
            run.logits().iter().map(|logit| f64::from(*logit) / scale).collect()
        };
        test.data.inputs.iter().map(run).collect()
    }
}

fn class(outputs: &[f64]) -> usize {
    let best = |best: usize, at: usize| if outputs[at] > outputs[best] { at } else { best };
    (0..outputs.len()).fold(0, best)
}

/// All classes as expected.
fn classes_agree(case: &Case, expected: impl Fn(&[f64]) -> usize) {
    let outputs = case.outputs();
    assert_eq!(outputs.len(), case.expected.len());
    for (index, (found, wanted)) in outputs.iter().zip(&case.expected).enumerate() {
        assert_eq!(class(found), expected(wanted), "input {index}: {found:?} for {wanted:?}");
    }
}

/// All outputs within [`TOLERANCE`], and the classes as expected.
fn outputs_agree(case: &Case) {
    let ends = case
        .expected
        .iter()
        .flatten()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |ends, x| (ends.0.min(*x), ends.1.max(*x)));
    for (found, wanted) in case.outputs().iter().zip(&case.expected) {
        // A file for a batch gives the same outputs again.
        for (found, wanted) in found.iter().zip(wanted) {
            let off = (found - wanted).abs();
            assert!(off <= TOLERANCE * (ends.1 - ends.0), "{found} for {wanted}");
        }
    }
    let classes = case.graph.tensors[case.graph.output].shape[0];
    classes_agree(case, |wanted| class(&wanted[..classes]));
}

macro_rules! agree {
    ($($name:ident: $case:literal;)*) => {
        $(#[test]
        fn $name() {
            outputs_agree(&Case::new($case, &ImportOptions::default()));
        })*
    };
}

agree! {
    dynamically_quantized_layers: "01-int8-dynamic";
    quantized_operators: "03-int8-qoperator";
    lstm: "04-lstm";
    transposed_convolution: "06-convtranspose";
    bilinear_resize: "07-resize-bilinear";
    two_inputs_of_ids: "08-ncf-embedding";
    layer_normalization: "10-layernorm-mlp";
    self_attention: "11-self-attention";
    where_and_less: "12-where-mask";
    embedded_ids: "16-bert-embedding";
    softmax_inside: "18-softmax-inside";
    tree_of_matrix_products: "23-tree-gemm";
    batch_of_sixteen: "25-batch16";
    regression: "31-regression";
    features_of_different_ranges: "34-tabular-scales";
    tokens_through_a_dense_layer: "41-token-dense";
    raw_wine: "53-wine-raw";
    features_of_different_ranges_behind_a_relu: "54-features-relu";
    features_of_different_ranges_behind_a_clip: "59-features-clip";
    years_behind_a_clip: "60-far-clip";
    attention_with_a_mask_of_integers: "55-masked-attention";
    channel_shuffle_of_the_input: "61-channel-shuffle";
    view_of_the_input: "62-view-first";
    group_normalization_of_the_input: "63-group-norm-first";
    image_with_channels_last_given_flat: "64-channels-last-flat";
    ids_beside_reals: "66-ids-beside-reals";
    volumes_of_several_channels: "67-conv3d-channels";
    embedding_beside_raw_features: "68-embedding-raw-ranges";
    recurrent_layer_with_steps_first: "69-time-first";
    probabilities_behind_which_the_file_goes_on: "70-scaled-probabilities";
    integers_divided_by_integers: "71-integer-division";
    means_over_what_is_no_padding: "72-padding-mask";
    gates_that_are_clipped_and_see_the_memory: "73-clipped-peepholes";
}

/// No decision is another one than onnxruntime's, of numbers that are equal to thresholds as often as not.
#[test]
fn numbers_equal_to_thresholds() {
    let case = Case::new("65-ties", &ImportOptions::default());
    assert!(case.model.graph.input.compares || case.graph.input.values.is_some());
    for (found, wanted) in case.outputs().iter().zip(&case.expected) {
        for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
            assert!((found - wanted).abs() < 0.05, "output {at}: {found} for {wanted}");
        }
    }
    // And all of the samples, in the float network over their bytes.
    let samples = &case.calibration;
    let (encoded, plain) = (&case.model.graph, case.model.original());
    for (bytes, numbers) in samples.data.inputs.iter().zip(&samples.numbers) {
        let bytes = bytes.iter().map(|byte| f32::from(*byte)).collect::<Vec<_>>();
        let numbers = numbers.iter().map(|number| *number as f32).collect::<Vec<_>>();
        let run = |graph, input: &[f32]| {
            FloatExecutor::new(graph).run(input).expect("the right length").logits().to_vec()
        };
        assert_eq!(run(encoded, &bytes), run(plain, &numbers), "{numbers:?}");
    }
}

/// What the samples of an import show bounds the outputs of other inputs, and not by much.
#[test]
fn outputs_are_within_their_bounds() {
    for name in ["31-regression", "34-tabular-scales", "68-embedding-raw-ranges"] {
        let case = Case::new(name, &ImportOptions::default());
        let comparison =
            compare_each(case.model.original(), &case.graph, &case.calibration, &|| {});
        let comparison = comparison.expect("compared");
        let bounds = comparison.bounds(&case.graph);
        assert_eq!(bounds.len(), case.expected[0].len(), "{name}");
        for (found, wanted) in case.outputs().iter().zip(&case.expected) {
            for ((found, wanted), bound) in found.iter().zip(wanted).zip(&bounds) {
                assert!((found - wanted).abs() <= *bound, "{name}: {found} for {wanted} ± {bound}");
            }
        }
        for (bound, output) in bounds.iter().zip(&comparison.outputs) {
            assert!(*bound < 0.05 * (output.high - output.low), "{name}: {bound} for {output:?}");
        }
    }
}

/// As [`outputs_agree`], for networks of random weights, whose best two classes may be closer than any
/// rounding: there the second best of onnxruntime will do.
fn exports_agree(name: &str, tolerance: f64) {
    let case = Case::new(name, &ImportOptions::default());
    let all = case.expected.iter().flatten();
    let ends =
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    let most = tolerance * (ends.1 - ends.0);
    for (found, wanted) in case.outputs().iter().zip(&case.expected) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!((found - wanted).abs() <= most, "{found} for {wanted}, {most} at most");
        }
        let short = wanted[class(wanted)] - wanted[class(found)];
        assert!(short <= 2.0 * most, "class {} is {short} short of the best", class(found));
    }
}

macro_rules! exports {
    ($($name:ident: $case:literal, $tolerance:literal;)*) => {
        $(#[test]
        fn $name() {
            exports_agree($case, $tolerance);
        })*
    };
}

// Made with examples/exports/export.py.
exports! {
    squeeze_and_excitation: "export-squeeze_excite-dynamo18", 0.02;
    mobilevit_block: "export-mobilevit_block-script14", 0.02;
    swin_blocks: "export-swin_block-script16", 0.04;
    convnext_blocks: "export-convnext_block-dynamo18", 0.04;
    mlp_mixer: "export-mixer-script15", 0.03;
    u_net: "export-unet-script13", 0.03;
    gru_classifier: "export-gru_classifier-script14", 0.02;
}

#[test]
fn free_sizes_are_given() {
    let refused = Model::import(&folder("26-dynamic-size").join("model.onnx"));
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("--input-shape"), "{refused}");
    let input_shapes = vec![("x".to_owned(), vec![1, 1, 8, 8])];
    outputs_agree(&Case::new(
        "26-dynamic-size",
        &ImportOptions { input_shapes, ..ImportOptions::default() },
    ));
}

#[test]
fn one_of_two_outputs_is_chosen() {
    let refused = Model::import(&folder("32-two-heads").join("model.onnx"));
    let refused = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("gemm_3") && refused.contains("gemm_4"), "{refused}");
    let outputs = Some("gemm_3".to_owned());
    outputs_agree(&Case::new(
        "32-two-heads",
        &ImportOptions { outputs, ..ImportOptions::default() },
    ));
}

/// The file gives the label first, then the probabilities.
#[test]
fn logistic_regression_of_scikit_learn() {
    let case = Case::new("20-sklearn-logreg", &ImportOptions::default());
    classes_agree(&case, |label| label[0] as usize);
}

/// The label alone, as KMeans, a linear support vector machine on raw features, and a perceptron whose
/// labels are texts give it.
#[test]
fn labels_of_scikit_learn() {
    for name in ["56-kmeans", "57-linear-svc-raw", "58-text-labels"] {
        let case = Case::new(name, &ImportOptions::default());
        classes_agree(&case, |label| label[0] as usize);
        let notes = case.model.graph.notes.join("; ");
        assert!(
            !name.contains("text") || notes.contains("setosa, versicolor, virginica"),
            "{notes}"
        );
    }
}

/// Probabilities expected, logits made, or probabilities where they are wanted.
#[test]
fn pipeline_of_scikit_learn() {
    classes_agree(&Case::new("21-sklearn-mlp-pipeline", &ImportOptions::default()), class);
    let options = ImportOptions { keep_final: true, ..ImportOptions::default() };
    outputs_agree(&Case::new("21-sklearn-mlp-pipeline", &options));
}

/// A classifier's own Softmax is kept where its numbers are wanted: they add up to 1.
#[test]
fn probabilities_of_a_logistic_regression() {
    let options = ImportOptions { keep_final: true, ..ImportOptions::default() };
    let case = Case::new("20-sklearn-logreg", &options);
    assert!(case.model.graph.dropped.is_empty(), "{:?}", case.model.graph.dropped);
    for (outputs, label) in case.outputs().iter().zip(&case.expected) {
        let sum = outputs.iter().sum::<f64>();
        assert!((sum - 1.0).abs() < 0.02, "{outputs:?}");
        assert_eq!(class(outputs), label[0] as usize);
    }
}

#[test]
fn a_final_softmax_is_kept_where_numbers_are_wanted() {
    let dropped = Case::new("50-topk-logits-int", &ImportOptions::default());
    classes_agree(&dropped, class);
    assert_eq!(dropped.model.graph.dropped.len(), 1);
    let options = ImportOptions { keep_final: true, ..ImportOptions::default() };
    let kept = Case::new("50-topk-logits-int", &options);
    assert!(kept.model.graph.dropped.is_empty());
    outputs_agree(&kept);
}

/// Each table has its own number of rows.
#[test]
fn ids_beyond_a_table_are_refused() {
    let case = Case::new("08-ncf-embedding", &ImportOptions::default());
    let executor = Executor::new(&case.graph).expect("a valid graph");
    for (user, item) in [(0, 0), (9, 11)] {
        executor.run(&[user, item]).expect("rows that are there");
    }
    for (user, item) in [(10, 0), (0, 12)] {
        executor.run(&[user, item]).expect_err("no such row");
    }
    // Already the encoding says so, by name, and how many rows there are.
    let refused = |id: [f64; 2]| {
        let source = Source::for_network(&case.folder, &case.graph);
        let encoded = Values::of(&case.graph.input).encode(&id, false);
        encoded.map_err(|(index, problem)| format!("{}: {problem}", source.feature(index)))
    };
    assert_eq!(refused([9.0, 11.0]), Ok(vec![9, 11]));
    let error = refused([10.0, 0.0]).expect_err("no such user");
    assert!(error.starts_with("`user`: 10 is outside 0 to 9"), "{error}");
    let error = refused([0.0, 12.0]).expect_err("no such item");
    assert!(error.starts_with("`item`: 12 is outside 0 to 11"), "{error}");
}

#[test]
fn values_beyond_the_encoding_are_refused() {
    let case = Case::new("47-clamped-input", &ImportOptions::default());
    let refused = case.test().err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("[0]`: 3 is outside"), "{refused}");
}

/// Figures are those of the numbers that were given, not of rounded ones.
#[test]
fn figures_tell_what_rounding_the_inputs_loses() {
    let case = Case::new("53-wine-raw", &ImportOptions::default());
    let honest =
        compare(case.model.original(), &case.graph, &case.calibration, &|| {}).expect("compared");
    assert_eq!((honest.agree, honest.encoding_agree), (honest.inputs, honest.inputs));
    assert_eq!(honest.quantized_top1, honest.float_top1);
    assert_eq!(honest.loss(true), None);
    // One scale of bytes for all features, as it once was.
    let model = Model::import(&case.folder.join("model.onnx")).expect("imported");
    let bytes = InputEncoding::covering(0.0, 1680.0).expect("a range");
    let path = case.folder.join("calib.npz");
    let source = Source::of(&path, model.graph.value_shape(), Values::Reals(bytes));
    let samples = data::samples(&source).expect("samples");
    let inputs = &samples.data.inputs;
    let graph = calibrate_and_quantize(&model.graph, &bytes, inputs, &QuantizeOptions::default());
    let report =
        compare(&model.graph, &graph.expect("quantized"), &samples, &|| {}).expect("compared");
    assert_eq!(report.float_top1, honest.float_top1, "the float network is not rounded");
    assert!(report.encoding_agree * 10 < report.inputs * 9, "{report:?}");
    assert_eq!(report.loss(false), Some(assay_import::quantize::Loss::Encoding));
}
