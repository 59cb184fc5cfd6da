use super::network::{Network, float, int, ints, text};
use crate::model::{ImportError, Model, nodes};
use assay_testing::arbitrary::Random;
use assay_testing::shared::shared;

fn error(network: Network) -> String {
    match nodes::import(&network.source(), "test") {
        Ok(graph) => panic!("imported: {graph:?}"),
        Err(error) => error.to_string(),
    }
}

fn expect(network: Network, parts: &[&str]) {
    let error = error(network);
    for part in parts {
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

fn image() -> Network {
    Network::new(&[1, 2, 6, 6])
}

#[test]
fn unsupported_operators_are_named() {
    expect(image().then("Det", "sum", &[]), &["`sum`", "(Det)", "not supported"]);
    let custom = |mut network: Network| {
        network.graph.node[0].domain = "com.example".into();
        network
    };
    expect(custom(image().then("Relu", "relu", &[])), &["`relu`", "com.example"]);
    let two =
        |operator| {
            image()
                .conv("a", &[2, 2, 1, 1], &[])
                .node("Conv", "b", &["input", "a.w", "a.b"], &[])
                .node(operator, "both", &["a", "b"], &[])
        };
    expect(two("Pow"), &["`both`", "(Pow)", "two activations"]);
    let shapes = image().conv("a", &[3, 2, 1, 1], &[ints("strides", &[6, 1])]).node(
        "Add",
        "sum",
        &["input", "a"],
        &[],
    );
    expect(shapes, &["`sum`", "(Add)", "[1, 2, 6, 6]", "[1, 3, 1, 6]"]);
    let mixed = image()
        .then("Flatten", "flat", &[])
        .node("GlobalAveragePool", "pool", &["input"], &[])
        .node("Concat", "joined", &["flat", "pool"], &[int("axis", 1)]);
    expect(mixed, &["`joined`", "(Concat)", "input 1"]);
    let dilated = [ints("kernel_shape", &[2, 2]), ints("dilations", &[2, 2])];
    expect(image().then("MaxPool", "pool", &dilated), &["`pool`", "dilated"]);
    let reflected = |mut network: Network| {
        network.integers("pads", &[0, 0, 1, 1, 0, 0, 1, 1]);
        network.node("Pad", "pad", &["input", "pads"], &[text("mode", "reflect")])
    };
    expect(reflected(image()), &["`pad`", "`reflect`"]);
    let resized = |attributes: &[_], scale: f32| {
        let mut network = image();
        network.constant("scales", &[4], vec![1.0, 1.0, scale, scale]);
        network.node("Resize", "resize", &["input", "", "scales"], attributes)
    };
    let smooth = [text("mode", "linear"), int("antialias", 1)];
    expect(resized(&smooth, 0.5), &["`resize`", "antialias"]);
    expect(resized(&[], 500.5), &["`resize`", "to 3003 x 3003", "whole factors"]);
    expect(resized(&[], 1e9), &["`resize`", "elements"]);
    let cropped = [text("coordinate_transformation_mode", "tf_crop_and_resize")];
    expect(resized(&cropped, 2.0), &["`resize`", "`tf_crop_and_resize`"]);
    let places = Network::new(&[1, 65]).then("ArgMax", "place", &[int("axis", 1)]);
    expect(places.then("Relu", "relu", &[]), &["`place`", "(ArgMax)", "65 elements", "up to 64"]);
    let samples = image().then("Scan", "scan", &[]);
    expect(samples, &["`scan`", "(Scan)", "traced", "nearest neighbours"]);
    let unequal =
        image().conv("a", &[3, 2, 1, 1], &[]).node("MatMul", "both", &["input", "a"], &[]);
    expect(unequal, &["`both`", "(MatMul)", "[1, 2, 6, 6]", "[1, 3, 6, 6]", "fit"]);
}

#[test]
fn broken_constants_are_named() {
    let with = |value: f32| {
        let mut network = image();
        network.constant("w", &[1, 2, 1, 1], vec![1.0, value]);
        network.node("Conv", "conv", &["input", "w"], &[])
    };
    expect(with(f32::NAN), &["`w`", "element 1", "NaN"]);
    expect(with(f32::INFINITY), &["`w`", "inf"]);
    let edited = |edit: fn(&mut tract_onnx::pb::TensorProto)| {
        let mut network = with(1.0);
        edit(&mut network.graph.initializer[0]);
        network
    };
    expect(edited(|t| t.dims = vec![1 << 40, 1 << 40]), &["`w`", "elements"]);
    expect(edited(|t| t.dims = vec![1, -2, 1, 1]), &["`w`", "negative"]);
    expect(edited(|t| t.dims = vec![1, 3, 1, 1]), &["`w`", "2 values"]);
    expect(edited(|t| t.raw_data.truncate(7)), &["`w`", "7 bytes"]);
    expect(edited(|t| t.data_type = 99), &["`w`", "data type"]);
    expect(edited(|t| t.data_location = Some(1)), &["`w`", "external data"]);
}

#[test]
fn external_data_is_looked_up_beside_the_model_only() {
    let load = |location: &str, folder: Option<&std::path::Path>| {
        let mut network = image();
        network.constant("w", &[1, 2, 1, 1], vec![0.5, -0.25]);
        let tensor = &mut network.graph.initializer[0];
        let bytes = std::mem::take(&mut tensor.raw_data);
        tensor.data_location = Some(1);
        tensor.external_data.push(tract_onnx::pb::StringStringEntryProto {
            key: "location".into(),
            value: location.into(),
        });
        let network = network.node("Conv", "conv", &["input", "w"], &[]).head(36);
        let mut source = network.source();
        source.folder = folder.map(std::path::Path::to_owned);
        (nodes::import(&source, "test").map_err(|error| error.to_string()), bytes)
    };
    let folder = std::env::temp_dir().join(format!("assay-external-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let refused = |location, folder, part: &str| {
        let error = load(location, folder).0.expect_err("refused");
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    };
    refused("weights.bin", None, "not read from a folder");
    refused("weights.bin", Some(folder.as_path()), "cannot be read beside the model");
    refused("../weights.bin", Some(folder.as_path()), "outside");
    refused("/etc/hostname", Some(folder.as_path()), "outside");
    let (_, bytes) = load("weights.bin", None);
    std::fs::write(folder.join("weights.bin"), &bytes[..7]).expect("written");
    refused("weights.bin", Some(folder.as_path()), "7 bytes");
    std::fs::write(folder.join("weights.bin"), &bytes).expect("written");
    assert!(load("weights.bin", Some(folder.as_path())).0.is_ok());
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[test]
fn broken_graphs_are_refused() {
    let cyclic = image().node("Relu", "a", &["b"], &[]).node("Relu", "b", &["a"], &[]);
    expect(cyclic, &["`a`", "`b`", "cycle"]);
    let twice = image().node("Relu", "a", &["input"], &[]).node("Relu", "a", &["input"], &[]);
    expect(twice, &["`a`", "twice"]);
    expect(image().conv("conv", &[2, 3, 1, 1], &[]), &["`conv`", "2 input channels"]);
    expect(image().conv("conv", &[2, 2, 7, 7], &[]), &["`conv`", "does not fit"]);
    let wide = ints("pads", &[3, 0, 0, 0]);
    expect(image().conv("conv", &[2, 2, 3, 3], &[wide]), &["`conv`", "padding"]);
    let stride = ints("strides", &[0, 1]);
    expect(image().conv("conv", &[2, 2, 3, 3], &[stride]), &["`conv`", "strides"]);
    expect(image().conv("conv", &[2, 2, 1, 1], &[int("group", 0)]), &["`conv`", "0 groups"]);
    let nan = [float("alpha", f32::NAN)];
    expect(image().then("LeakyRelu", "leaky", &nan), &["`leaky`", "NaN"]);
    let map = nodes::import(&image().then("Relu", "relu", &[]).source(), "test").expect("a map");
    assert!(map.notes.iter().any(|note| note.contains("[1, 2, 6, 6]")), "{:?}", map.notes);
    let mixed = Network::new(&[3, 2, 6, 6]).then("ReduceMean", "mean", &[ints("axes", &[0])]);
    expect(mixed, &["`mean`", "batch of 3"]);
    expect(Network::new(&[1, 1 << 20, 1 << 20]).head(9), &["elements"]);
    let mut inputs = image().head(72);
    inputs.graph.input.clear();
    expect(inputs, &["no input"]);
}

/// A few bytes that ask for much memory.
#[test]
fn large_constants_are_refused() {
    let mut huge = image();
    huge.integers("shape", &[1 << 13, 1 << 13]);
    for copy in 0..5 {
        huge = huge.node("ConstantOfShape", &format!("c{copy}"), &["shape"], &[]);
    }
    expect(huge, &["`c", "elements"]);
    let mut gathered = image();
    gathered.constant("data", &[1, 1 << 14], vec![0.0; 1 << 14]);
    gathered.integers("zeros", &[0; 1 << 14]);
    expect(gathered.node("Gather", "gather", &["data", "zeros"], &[]), &["`gather`", "elements"]);
    let mut joined = image();
    joined.constant("data", &[1 << 14], vec![0.0; 1 << 14]);
    let inputs = vec!["data"; 1 << 14];
    let joined = joined.node("Concat", "join", &inputs, &[int("axis", 0)]);
    expect(joined, &["`join`", "elements"]);
    expect(image().conv("conv", &[1 << 20, 2, 1, 1], &[]), &["`conv`", "elements"]);
}

/// Any part of a real file, and any byte of it changed: an error or a graph, never a panic.
#[test]
fn damaged_files_never_panic() {
    let Some(path) = shared("data/models/zkml_mnist.onnx") else { return };
    let content = std::fs::read(path).expect("readable");
    assert!(Model::from_bytes(&content, "whole", None).is_ok());
    for end in (0..content.len()).step_by(97) {
        assert!(Model::from_bytes(&content[..end], "cut", None).is_err(), "cut at {end}");
    }
    let mut random = Random::new(3);
    // Names and attributes lie between the weights; most changes there matter.
    for _ in 0..3000 {
        let mut damaged = content.clone();
        for _ in 0..random.size(1, 4) {
            let position = random.size(0, content.len() - 1);
            damaged[position] = random.word() as u8;
        }
        let _ = Model::from_bytes(&damaged, "damaged", None);
    }
}

#[test]
fn files_that_cannot_be_read() {
    let missing = Model::import(std::path::Path::new("missing.onnx")).expect_err("missing");
    assert!(matches!(missing, ImportError::Read { .. }), "{missing}");
    let text = Model::from_bytes(b"not a network", "text", None).expect_err("text");
    assert!(matches!(text, ImportError::Parse(_)), "{text}");
    let empty = Model::from_bytes(b"", "empty", None).expect_err("empty");
    assert!(matches!(empty, ImportError::Parse(_)), "{empty}");
}
