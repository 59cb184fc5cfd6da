//! Operators of `ai.onnx.ml` against plain arithmetic.

use super::network::{Network, floats, int, ints, text, texts};
use crate::model::{FinalOperator, FloatExecutor, FloatGraph, nodes};
use assay_testing::arbitrary::Random;

const ML: &str = "ai.onnx.ml";

fn import(network: Network) -> FloatGraph {
    nodes::import(&network.source(), "test").unwrap_or_else(|error| panic!("{error}"))
}

fn run(graph: &FloatGraph, input: &[f32]) -> Vec<f32> {
    FloatExecutor::new(graph).run(input).expect("the right length").logits().to_vec()
}

fn close(found: &[f32], expected: &[f32]) {
    let near = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(near),
        "{found:?}, not {expected:?}"
    );
}

/// A node of the domain that reads the last value.
fn model(
    network: Network,
    operator: &str,
    attributes: &[tract_onnx::pb::AttributeProto],
    outputs: &[&str],
) -> Network {
    network.then(operator, operator, attributes).of(ML, outputs)
}

/// Trees as the lists of a node.
#[derive(Clone)]
struct Lists {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    bounds: Vec<f32>,
    modes: Vec<&'static str>,
    yes: Vec<i64>,
    no: Vec<i64>,
    leaves: Vec<(i64, i64, i64, f32)>,
}

const MODES: [&str; 6] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];

impl Lists {
    fn random(random: &mut Random, trees: usize, features: usize, outputs: usize) -> Self {
        let mut lists = Self {
            trees: vec![],
            ids: vec![],
            features: vec![],
            bounds: vec![],
            modes: vec![],
            yes: vec![],
            no: vec![],
            leaves: vec![],
        };
        for tree in 0..trees {
            let depth = random.size(0, 4);
            lists.grow(random, (tree as i64, depth), features, outputs, &mut 0);
        }
        lists
    }

    /// Appends a node and what is below it; gives its number.
    fn grow(
        &mut self,
        random: &mut Random,
        (tree, depth): (i64, usize),
        features: usize,
        outputs: usize,
        next: &mut i64,
    ) -> i64 {
        let id = *next;
        *next += 1;
        let at = self.ids.len();
        let leaf = depth == 0 || random.size(0, 5) == 0;
        self.trees.push(tree);
        self.ids.push(id);
        self.features.push(random.size(0, features - 1) as i64);
        self.bounds.push(random.between(-8, 8) as f32 / 8.0);
        self.modes.push(if leaf { "LEAF" } else { MODES[random.size(0, 5)] });
        self.yes.push(0);
        self.no.push(0);
        if leaf {
            for output in 0..outputs {
                let value = random.between(-100, 100) as f32 / 32.0;
                self.leaves.push((tree, id, output as i64, value));
            }
        } else {
            self.yes[at] = self.grow(random, (tree, depth - 1), features, outputs, next);
            self.no[at] = self.grow(random, (tree, depth - 1), features, outputs, next);
        }
        id
    }

    fn evaluate(&self, input: &[f32], outputs: usize) -> Vec<f32> {
        let mut result = vec![0.0; outputs];
        for (root, _) in self.ids.iter().enumerate().filter(|(_, id)| **id == 0) {
            let tree = self.trees[root];
            let find = |id: i64| {
                (0..self.ids.len()).find(|at| self.trees[*at] == tree && self.ids[*at] == id)
            };
            let mut at = root;
            while self.modes[at] != "LEAF" {
                let (x, bound) = (input[self.features[at] as usize], self.bounds[at]);
                let holds = match self.modes[at] {
                    "BRANCH_LEQ" => x <= bound,
                    "BRANCH_LT" => x < bound,
                    "BRANCH_GTE" => x >= bound,
                    "BRANCH_GT" => x > bound,
                    "BRANCH_EQ" => x == bound,
                    _ => x != bound,
                };
                at = find(if holds { self.yes[at] } else { self.no[at] }).expect("a node");
            }
            for (of, id, output, value) in &self.leaves {
                if (*of, *id) == (tree, self.ids[at]) {
                    result[*output as usize] += value;
                }
            }
        }
        result
    }

    fn attributes(&self, prefix: &str) -> Vec<tract_onnx::pb::AttributeProto> {
        let list = |part: fn(&(i64, i64, i64, f32)) -> i64| -> Vec<i64> {
            self.leaves.iter().map(part).collect()
        };
        let name = |part: &str| format!("{prefix}_{part}");
        let weights: Vec<f32> = self.leaves.iter().map(|leaf| leaf.3).collect();
        vec![
            ints("nodes_treeids", &self.trees),
            ints("nodes_nodeids", &self.ids),
            ints("nodes_featureids", &self.features),
            ints("nodes_truenodeids", &self.yes),
            ints("nodes_falsenodeids", &self.no),
            floats("nodes_values", &self.bounds),
            texts("nodes_modes", &self.modes),
            ints(&name("treeids"), &list(|leaf| leaf.0)),
            ints(&name("nodeids"), &list(|leaf| leaf.1)),
            ints(&name("ids"), &list(|leaf| leaf.2)),
            floats(&name("weights"), &weights),
        ]
    }
}

#[test]
fn random_trees() {
    let mut random = Random::new(7);
    let mut grown = 0;
    for case in 0..60 {
        let (trees, features, outputs) = (random.size(1, 5), random.size(1, 6), random.size(1, 4));
        let lists = Lists::random(&mut random, trees, features, outputs);
        if !lists.modes.iter().any(|mode| *mode != "LEAF") {
            continue;
        }
        grown += 1;
        let input = || Network::new(&[1, features as i64]);
        let regressor = || {
            let mut attributes = lists.attributes("target");
            attributes.push(int("n_targets", outputs as i64));
            model(input(), "TreeEnsembleRegressor", &attributes, &["values"])
        };
        let graph = import(regressor());
        for _ in 0..20 {
            let input: Vec<f32> =
                (0..features).map(|_| random.between(-10, 10) as f32 / 8.0).collect();
            close(&run(&graph, &input), &lists.evaluate(&input, outputs));
        }
        // In integers too: every leaf is the same, and its value as close as the scale lets it be.
        let exact = std::panic::catch_unwind(|| check_trees(&graph, &lists, features, outputs));
        assert!(exact.is_ok(), "case {case}");
        if outputs > 1 {
            let mut attributes = lists.attributes("class");
            attributes.push(texts("classlabels_strings", &["a", "b", "c", "d"][..outputs]));
            attributes.push(text("post_transform", "SOFTMAX"));
            let names = ["label", "probabilities"];
            let network = model(input(), "TreeEnsembleClassifier", &attributes, &names);
            let network = network.output("label");
            let classes = import(network);
            assert_eq!(classes.dropped, [FinalOperator::Softmax]);
            let input: Vec<f32> = (0..features).map(|at| at as f32 / 8.0 - 0.5).collect();
            close(&run(&classes, &input), &lists.evaluate(&input, outputs));
        }
    }
    assert!(grown > 30);
}

/// The integers of a quantized ensemble on inputs of all bytes.
fn check_trees(graph: &FloatGraph, lists: &Lists, features: usize, outputs: usize) {
    use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
    let encoding = InputEncoding::SYMMETRIC;
    let mut random = Random::new(features as u64);
    let inputs: Vec<Vec<u8>> =
        (0..40).map(|_| (0..features).map(|_| random.word() as u8).collect()).collect();
    let options = QuantizeOptions::default();
    let quantized = calibrate_and_quantize(graph, &encoding, &inputs, &options)
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = assay_graph::Executor::new(&quantized).unwrap_or_else(|error| panic!("{error}"));
    let output = &quantized.tensors[quantized.output];
    for input in &inputs {
        let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
        let integers = executor.run(input).unwrap_or_else(|error| panic!("{error}"));
        for (found, expected) in integers.logits().iter().zip(lists.evaluate(&real, outputs)) {
            let off = (f64::from(*found) / output.scale - f64::from(expected)).abs();
            assert!(off <= 1.5 / output.scale, "{found} for {expected} at {}", output.scale);
        }
    }
}

#[test]
fn binary_trees() {
    let lists = Lists {
        trees: vec![0; 3],
        ids: vec![0, 1, 2],
        features: vec![1, 0, 0],
        bounds: vec![0.5, 0.0, 0.0],
        modes: vec!["BRANCH_LEQ", "LEAF", "LEAF"],
        yes: vec![1, 0, 0],
        no: vec![2, 0, 0],
        leaves: vec![(0, 1, 0, 0.25), (0, 2, 0, 0.75)],
    };
    let graph = |lists: &Lists| {
        let mut attributes = lists.attributes("class");
        attributes.push(ints("classlabels_int64s", &[0, 1]));
        let names = ["label", "scores"];
        import(model(Network::new(&[1, 2]), "TreeEnsembleClassifier", &attributes, &names))
    };
    // All weights positive: a probability and its complement.
    close(&run(&graph(&lists), &[0.0, 0.5]), &[0.75, 0.25]);
    close(&run(&graph(&lists), &[0.0, 0.6]), &[0.25, 0.75]);
    let second = Lists { leaves: vec![(0, 1, 1, 0.25), (0, 2, 1, 0.75)], ..lists.clone() };
    close(&run(&graph(&second), &[0.0, 0.6]), &[0.0, 0.75]);
    let signed = Lists { leaves: vec![(0, 1, 0, -1.5), (0, 2, 0, 2.0)], ..lists.clone() };
    close(&run(&graph(&signed), &[0.0, 0.5]), &[1.5, -1.5]);
    // With a sigmoid the scores are not what decides: without being asked, the label's are taken.
    let mut attributes = lists.attributes("class");
    attributes.push(ints("classlabels_int64s", &[0, 1]));
    attributes.push(text("post_transform", "LOGISTIC"));
    let names = ["label", "scores"];
    let network = || model(Network::new(&[1, 2]), "TreeEnsembleClassifier", &attributes, &names);
    let scores = import(network());
    close(&run(&scores, &[0.0, 0.5]), &[-0.25, 0.25]);
    assert_eq!(scores.dropped, [FinalOperator::Sigmoid]);
    let label = import(network().output("label"));
    close(&run(&label, &[0.0, 0.5]), &[0.75, 0.25]);
    assert_eq!(label.dropped, [FinalOperator::ArgMax]);
    assert!(label.notes.iter().any(|note| note.contains("`label`")), "{:?}", label.notes);
}

#[test]
fn linear_models_and_scalers() {
    let scaled = |network: Network| {
        let attributes = [floats("offset", &[1.0, -0.5, 0.0]), floats("scale", &[2.0, 0.5, 4.0])];
        model(network, "Scaler", &attributes, &["scaled"])
    };
    let coefficients = [0.5, -1.0, 0.25, 1.5, 0.75, -0.5];
    let dense = |x: &[f32; 3]| -> Vec<f32> {
        let x = [(x[0] - 1.0) * 2.0, (x[1] + 0.5) * 0.5, x[2] * 4.0];
        let sum = |row: &[f32]| row.iter().zip(&x).map(|(w, x)| w * x).sum::<f32>();
        vec![sum(&coefficients[..3]) + 0.125, sum(&coefficients[3..]) - 0.25]
    };
    let x = [0.3, -0.7, 1.1];
    let weights = [floats("coefficients", &coefficients), floats("intercepts", &[0.125, -0.25])];
    let mut attributes = weights.to_vec();
    attributes.push(int("targets", 2));
    let network = scaled(Network::new(&[1, 3]));
    let graph = import(model(network, "LinearRegressor", &attributes, &["y"]));
    assert_eq!(graph.layers.len(), 1, "the scaler is part of the dense layer");
    close(&run(&graph, &x), &dense(&x));
    let mut attributes = weights.to_vec();
    attributes.push(ints("classlabels_ints", &[4, 7]));
    attributes.push(text("post_transform", "LOGISTIC"));
    let classes = |network: Network| model(network, "LinearClassifier", &attributes, &["l", "p"]);
    let graph = import(classes(scaled(Network::new(&[1, 3]))).output("l"));
    close(&run(&graph, &x), &dense(&x));
    assert!(graph.notes[0].contains("4, 7"), "{:?}", graph.notes);
    // One row for two classes.
    let attributes = [
        floats("coefficients", &coefficients[..3]),
        floats("intercepts", &[0.125]),
        ints("classlabels_ints", &[0, 1]),
        text("post_transform", "LOGISTIC"),
    ];
    let network = scaled(Network::new(&[1, 3]));
    let graph = import(model(network, "LinearClassifier", &attributes, &["l", "p"]));
    close(&run(&graph, &x), &[-dense(&x)[0], dense(&x)[0]]);
}

#[test]
fn normalizers_and_small_operators() {
    let x = [0.5f32, -2.0, 1.0, 0.25];
    for (norm, size) in [("L1", 3.75), ("L2", 5.3125f32.sqrt()), ("MAX", 1.0)] {
        let network = model(Network::new(&[1, 4]), "Normalizer", &[text("norm", norm)], &["n"]);
        close(&run(&import(network), &x), &x.map(|x| x / size));
    }
    let attributes = [
        floats("imputed_value_floats", &[9.0, 8.0, 7.0, 6.0]),
        tract_onnx::pb::AttributeProto {
            f: -2.0,
            ..super::network::float("replaced_value_float", 0.0)
        },
    ];
    let network = model(Network::new(&[1, 4]), "Imputer", &attributes, &["filled"]);
    close(&run(&import(network), &x), &[0.5, 8.0, 1.0, 0.25]);
    let above = [super::network::float("threshold", 0.5)];
    let network = model(Network::new(&[1, 4]), "Binarizer", &above, &["above"]);
    close(&run(&import(network), &x), &[0.0, 0.0, 1.0, 0.0]);
    let attributes = [ints("cats_int64s", &[1, -2, 5])];
    let network = model(Network::new(&[1, 2]), "OneHotEncoder", &attributes, &["hot"]);
    let network = network.then("Flatten", "flat", &[]);
    close(&run(&import(network), &[-2.0, 5.0]), &[0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    let mut network = Network::new(&[1, 4]);
    network.integers("columns", &[1, 3]);
    let network = network.node("ArrayFeatureExtractor", "cut", &["input", "columns"], &[]);
    close(&run(&import(network.of(ML, &["cut"])), &x), &[-2.0, 0.25]);
}

#[test]
fn support_vectors() {
    let vectors = [0.5f32, -1.0, 1.0, 0.25, -0.75, 0.5];
    let (gamma, offset, degree) = (0.7f32, 0.3f32, 2.0f32);
    let x = [0.4f32, -0.6];
    let kernel = |kind: &str, v: &[f32]| {
        let product = x[0] * v[0] + x[1] * v[1];
        let distance = (x[0] - v[0]).powi(2) + (x[1] - v[1]).powi(2);
        match kind {
            "LINEAR" => product,
            "POLY" => (gamma * product + offset).powf(degree),
            "RBF" => (-gamma * distance).exp(),
            _ => (gamma * product + offset).tanh(),
        }
    };
    for kind in ["LINEAR", "POLY", "RBF", "SIGMOID"] {
        let values: Vec<f32> = vectors.chunks(2).map(|v| kernel(kind, v)).collect();
        let attributes = [
            floats("kernel_params", &[gamma, offset, degree]),
            text("kernel_type", kind),
            floats("support_vectors", &vectors),
            floats("coefficients", &[1.5, -0.5, 0.25]),
            floats("rho", &[0.125]),
            int("n_supports", 3),
        ];
        let network = model(Network::new(&[1, 2]), "SVMRegressor", &attributes, &["y"]);
        let expected = 1.5 * values[0] - 0.5 * values[1] + 0.25 * values[2] + 0.125;
        close(&run(&import(network), &x), &[expected]);
    }
}

/// A small ensemble, to be damaged.
pub(super) fn ensemble() -> Network {
    let lists = Lists::random(&mut Random::new(11), 3, 4, 3);
    let mut attributes = lists.attributes("class");
    attributes.push(ints("classlabels_int64s", &[0, 1, 2]));
    model(Network::new(&[1, 4]), "TreeEnsembleClassifier", &attributes, &["label", "scores"])
}

/// Support vectors of three classes, to be damaged.
pub(super) fn machine() -> Network {
    let attributes = [
        ints("classlabels_ints", &[0, 1, 2]),
        ints("vectors_per_class", &[1, 1, 2]),
        text("kernel_type", "RBF"),
        floats("kernel_params", &[0.5, 0.0, 3.0]),
        floats("support_vectors", &[0.5, -1.0, 1.0, 0.25, -0.75, 0.5, 0.1, 0.2]),
        floats("coefficients", &[1.5, -0.5, 0.25, 1.0, 0.5, -1.0, 0.75, -0.25]),
        floats("rho", &[0.125, -0.25, 0.5]),
    ];
    model(Network::new(&[1, 2]), "SVMClassifier", &attributes, &["scores", "label"])
}

/// The label of a support vector machine is the class with most votes.
#[test]
fn votes() {
    let mut network = machine();
    if let Some(node) = network.graph.node.last_mut() {
        node.output = ["label", "scores"].map(str::to_owned).to_vec();
    }
    network.last = "label".into();
    let graph = import(network);
    assert_eq!(graph.dropped, [FinalOperator::ArgMax]);
    let x = [0.4f32, -0.9];
    let vectors = [[0.5f32, -1.0], [1.0, 0.25], [-0.75, 0.5], [0.1, 0.2]];
    let k = vectors.map(|v| (-0.5 * ((x[0] - v[0]).powi(2) + (x[1] - v[1]).powi(2))).exp());
    let decisions = [
        1.5 * k[0] - 0.5 * k[1] + 0.125,
        0.5 * k[0] + 0.25 * k[2] + k[3] - 0.25,
        -k[1] + 0.75 * k[2] - 0.25 * k[3] + 0.5,
    ];
    // 0 against 1: rows of the coefficients are those of the other class.
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let mut votes = [0f32; 3];
    for ((i, j), decision) in pairs.into_iter().zip(decisions) {
        votes[if decision > 0.0 { i } else { j }] += 1.0;
    }
    let found = run(&graph, &x);
    assert_eq!(found, votes, "{decisions:?}");
}

/// With a linear kernel a decision is one vector: products with single support vectors, each of them large,
/// would cancel out after rounding.
#[test]
fn linear_kernels_are_linear() {
    use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
    let attributes = [
        ints("classlabels_ints", &[0, 1]),
        ints("vectors_per_class", &[1, 2]),
        text("kernel_type", "LINEAR"),
        floats("support_vectors", &[1000.0, -900.0, 1001.0, -900.5, 500.0, 100.0]),
        floats("coefficients", &[2.0, -2.0, 0.001]),
        floats("rho", &[-0.25]),
    ];
    let network = model(Network::new(&[1, 2]), "SVMClassifier", &attributes, &["label", "scores"]);
    let graph = import(network.output("label"));
    assert_eq!(graph.layers.len(), 1);
    let decision = |x: [f32; 2]| (-2.0 + 0.5) * x[0] + (1.0 + 0.1) * x[1] - 0.25;
    let inputs: Vec<Vec<u8>> = (0..=255).map(|x| vec![x, 255 - x / 2]).collect();
    let raw = InputEncoding::RAW;
    let quantized = calibrate_and_quantize(&graph, &raw, &inputs, &QuantizeOptions::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let executor = assay_graph::Executor::new(&quantized).unwrap_or_else(|error| panic!("{error}"));
    for input in &inputs {
        let x = [f32::from(input[0]), f32::from(input[1])];
        close(&run(&graph, &x), &[decision(x), -decision(x)]);
        let class = executor.run(input).unwrap_or_else(|error| panic!("{error}")).class();
        // But for what the integers cannot tell from 0.
        assert!(decision(x).abs() < 0.5 || class == usize::from(decision(x) < 0.0), "{x:?}");
    }
}

/// The same tree in the newer operator.
#[test]
fn newer_trees() {
    use tract_onnx::pb::{TensorProto, tensor_proto::DataType};
    let tensor = |name: &str, kind: DataType, floats: &[f32], bytes: &[i32]| {
        let t = TensorProto {
            dims: vec![(floats.len() + bytes.len()) as i64],
            data_type: kind as i32,
            float_data: floats.to_vec(),
            int32_data: bytes.to_vec(),
            ..TensorProto::default()
        };
        tract_onnx::pb::AttributeProto { t: Some(t), ..int(name, 0) }
    };
    // x1 <= 0.5 ? (x0 > 0 ? 1 : 2) : 3, for target 1; and a second tree that adds 10 below 0.25.
    let attributes = [
        ints("tree_roots", &[0, 2]),
        ints("nodes_featureids", &[1, 0, 0]),
        ints("nodes_truenodeids", &[1, 0, 3]),
        ints("nodes_trueleafs", &[0, 1, 1]),
        ints("nodes_falsenodeids", &[2, 1, 4]),
        ints("nodes_falseleafs", &[1, 1, 1]),
        tensor("nodes_splits", DataType::Float, &[0.5, 0.0, 0.25], &[]),
        tensor("nodes_modes", DataType::Uint8, &[], &[0, 3, 1]),
        ints("leaf_targetids", &[1, 1, 1, 0, 0]),
        tensor("leaf_weights", DataType::Float, &[1.0, 2.0, 3.0, 10.0, 0.0], &[]),
        int("n_targets", 2),
    ];
    let graph = import(model(Network::new(&[1, 2]), "TreeEnsemble", &attributes, &["y"]));
    for (x, y) in [
        ([1.0f32, 0.5], [0.0f32, 1.0]),
        ([0.0, 0.5], [10.0, 2.0]),
        ([0.25, 0.75], [0.0, 3.0]),
        ([-1.0, 2.0], [10.0, 3.0]),
    ] {
        close(&run(&graph, &x), &y);
    }
}

/// The label as a name: the class is its number, and the names are said.
#[test]
fn labels_of_text() {
    use tract_onnx::pb::{TensorProto, tensor_proto::DataType};
    let mut network = Network::new(&[1, 3]).dense("scores", 3, 3);
    network.graph.initializer.push(TensorProto {
        name: "names".into(),
        dims: vec![3],
        data_type: DataType::String as i32,
        string_data: ["oak", "ash", "elm"].map(|name| name.as_bytes().to_vec()).to_vec(),
        ..TensorProto::default()
    });
    let network = network.then("ArgMax", "place", &[int("axis", 1)]);
    let network = network.node("ArrayFeatureExtractor", "label", &["names", "place"], &[]);
    let graph = import(network.of(ML, &["label"]));
    assert_eq!(graph.dropped, [FinalOperator::ArgMax]);
    assert_eq!((graph.layers.len(), graph.classes()), (1, 3));
    assert_eq!(graph.notes, ["the classes are, in order: oak, ash, elm"]);
}
