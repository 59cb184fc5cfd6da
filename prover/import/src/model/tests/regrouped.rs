//! Networks of one input whose first step regroups its axes: what is read from a file in the shape that the
//! network's file declares is what tract makes of the same numbers, whatever way the graph stores them.

use super::{
    check_graph,
    network::{Network, ints},
};
use crate::{
    data::{Places, Source, Values},
    model::{FloatExecutor, FloatGraph, PublishedInput, nodes, reference::Reference},
};
use assay_graph::{ChannelEncoding, ValueEncoding};
use assay_testing::arbitrary::Random;
use std::path::Path;

/// A network that regroups an input of random sizes first, and sizes of the input.
fn random_regrouping(seed: u64) -> (Network, Vec<i64>) {
    let mut random = Random::new(seed);
    let [a, b, c] = [2, 1, 2].map(|least| random.between(least, 4));
    let d = [1, a, 3][random.size(0, 2)];
    let sizes = match random.size(0, 3) {
        0 => vec![1, a * b, c * d],
        1 => vec![1, a, b, c, d],
        _ => vec![1, a * b, c, d],
    };
    let count = sizes.iter().product::<i64>();
    let mut network = Network::new(&sizes);
    for step in 0..random.size(1, 2) {
        let name = format!("n{step}");
        network = regroup(network, &name, [a, b, c, d], count, &mut random);
    }
    (mixed(network, [a, b, c, d], count, &mut random), sizes)
}

/// A reshape, a transposition, or both and back, as a channel shuffle is.
fn regroup(
    mut network: Network,
    name: &str,
    [a, b, c, d]: [i64; 4],
    count: i64,
    random: &mut Random,
) -> Network {
    let rest = count / (a * b);
    let shapes = [
        vec![1, a, b, rest],
        vec![1, rest, b, a],
        vec![1, b, a, rest],
        vec![1, a * b, 1, rest],
        vec![1, c, count / c, 1],
        vec![1, b, 1, count / b],
        vec![1, 1, count / d, d],
    ];
    let (first, second) = (random.size(0, 6), random.size(0, 6));
    let last = network.last.clone();
    if random.size(0, 4) > 0 {
        network.integers(&format!("{name}.first"), &shapes[first]);
    } else {
        network.integers(&format!("{name}.first"), &shapes[0]);
    }
    network =
        network.node("Reshape", &format!("{name}.r"), &[&last, &format!("{name}.first")], &[]);
    if random.size(0, 3) > 0 {
        let perms = [[0, 2, 1, 3], [0, 3, 1, 2], [0, 2, 3, 1], [0, 1, 3, 2], [0, 3, 2, 1]];
        let perm = ints("perm", &perms[random.size(0, 4)]);
        network = network.then("Transpose", &format!("{name}.t"), &[perm]);
    }
    network.integers(&format!("{name}.second"), &shapes[second]);
    let last = network.last.clone();
    network.node("Reshape", name, &[&last, &format!("{name}.second")], &[])
}

/// A layer that tells where its numbers lie, and a head.
fn mixed(mut network: Network, sizes: [i64; 4], count: i64, random: &mut Random) -> Network {
    let [a, b, ..] = sizes;
    let rest = count / (a * b);
    match random.size(0, 3) {
        0 => {
            network.integers("conv.shape", &[1, a, b, rest]);
            let last = network.last.clone();
            network = network.node("Reshape", "conv.x", &[&last, "conv.shape"], &[]);
            network.conv("conv", &[2, a, 1, 1], &[]).head(2 * b * rest)
        }
        1 => {
            network.integers("mat.shape", &[1, a * b, rest]);
            let last = network.last.clone();
            network = network.node("Reshape", "mat.x", &[&last, "mat.shape"], &[]);
            network.random("mat.w", &[rest, 2], 0.8);
            network.node("MatMul", "mat", &["mat.x", "mat.w"], &[]).head(a * b * 2)
        }
        2 => {
            network.random("add", &[1, 1, 1, 1], 0.5);
            let last = network.last.clone();
            network.node("Add", "sum", &[&last, "add"], &[]).then("Tanh", "tanh", &[]).head(count)
        }
        _ => network.then("Sigmoid", "gate", &[]).head(count),
    }
}

fn source<'a>(graph: &FloatGraph, published: &'a PublishedInput) -> Source<'a> {
    Source::of(Path::new("x.npy"), graph.value_shape(), Values::Unencoded).in_file(published)
}

/// What the graph makes of numbers as the file declares them.
fn run(graph: &FloatGraph, places: &Places, declared: &[f32]) -> Vec<f32> {
    let stored = places.stored(declared);
    FloatExecutor::new(graph).run(&stored).expect("the right length").logits().to_vec()
}

fn same(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        let off = (found - expected).abs();
        assert!(off <= tolerance * (1.0 + expected.abs()), "{found}, tract {expected}");
    }
}

fn check(seed: u64) {
    let (network, sizes) = random_regrouping(seed);
    let proto = network.source();
    let graph = nodes::import(&proto, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&proto, &graph.input).unwrap_or_else(|e| panic!("{e}"));
    let published = graph.published_input();
    let source = source(&graph, &published);
    let count = sizes.iter().product::<i64>() as usize;
    let mut random = Random::new(seed ^ 77);
    let declared: Vec<f32> = (0..count).map(|_| random.between(-128, 127) as f32 / 128.0).collect();
    let expected = reference.run_declared(&declared).unwrap_or_else(|e| panic!("{e}"));
    // In the shape that the file declares, without its batch, and flat.
    let own = sizes[1..].iter().map(|size| *size as u64).collect::<Vec<_>>();
    for given in [own.clone(), sizes.iter().map(|size| *size as u64).collect(), vec![count as u64]]
    {
        let places = source.places(&given).unwrap_or_else(|own| panic!("{given:?} for {own:?}"));
        same(&run(&graph, &places, &declared), &expected, 2e-4);
    }
    // Whatever else is taken is another order of the same axes, never the same numbers elsewhere.
    let squeezed = own.iter().copied().filter(|size| *size != 1).collect::<Vec<_>>();
    let turned = [&squeezed[1..], &squeezed[..1]].concat();
    if let Some(places) = source.places(&turned).ok().filter(|_| turned != squeezed) {
        assert!(squeezed.len() < 4, "{turned:?} for {squeezed:?}");
        let last = squeezed[0] as usize;
        let plane = count / last;
        let image: Vec<f32> =
            (0..count).map(|at| declared[at % last * plane + at / last]).collect();
        same(&run(&graph, &places, &image), &expected, 2e-4);
    }
    // The integers, of inputs as they are stored.
    check_graph(&graph, 0.25, &|stored| reference.run(stored).unwrap_or_else(|e| panic!("{e}")));
    // And with scales of their own for the channels that the graph stores.
    let channel = |at: usize| ChannelEncoding {
        scale: f64::from(1 << (at % 3)) / 256.0,
        offset: -128.0 * f64::from(1 << (at % 3)) / 256.0,
        most: 255,
        whole: false,
    };
    let [channels, ..] = graph.value_shape();
    let values =
        ValueEncoding { bytes: 1, channels: (0..channels).map(channel).collect(), clamp: false };
    let encoded = super::super::inputs::Encoded {
        values: values.clone(),
        shape: graph.value_shape(),
        order: graph.input.parts[0].order.clone(),
    };
    let again = nodes::import_with(&proto, "test", &Default::default(), Some(encoded))
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.published_input(), published);
    let numbers: Vec<f64> = declared.iter().map(|x| f64::from(*x) / 2.0).collect();
    let stored = source.places(&own).expect("its own shape").stored(&numbers);
    let bytes = values.encode(&stored, false).unwrap_or_else(|outside| panic!("{outside}"));
    let rounded: Vec<f32> = values.decode(&bytes).iter().map(|x| *x as f32).collect();
    let expected = reference.run(&rounded).unwrap_or_else(|e| panic!("{e}"));
    let input: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
    let found = FloatExecutor::new(&again).run(&input).expect("the right length");
    same(found.logits(), &expected, 2e-3);
}

#[test]
fn random_regroupings() {
    for seed in 0..160 {
        let outcome = std::panic::catch_unwind(|| check(seed));
        if let Err(panic) = outcome {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            panic!("seed {seed}: {text}");
        }
    }
}

/// A file that takes its channels last says so: flat numbers are in its order, too.
#[test]
fn images_with_channels_last() {
    let network =
        Network::new(&[1, 2, 4, 3]).then("Transpose", "t", &[ints("perm", &[0, 3, 1, 2])]);
    let proto = network.conv("conv", &[2, 3, 1, 2], &[]).head(12).source();
    let graph = nodes::import(&proto, "test").unwrap_or_else(|error| panic!("{error}"));
    let reference = Reference::new(&proto, &graph.input).unwrap_or_else(|e| panic!("{e}"));
    let published = graph.published_input();
    assert!(published.order.is_some() && published.sizes.is_empty(), "{published:?}");
    let source = source(&graph, &published);
    let declared: Vec<f32> = (0..24).map(|at| (at * 7 % 24) as f32 / 24.0).collect();
    let expected = reference.run_declared(&declared).unwrap_or_else(|e| panic!("{e}"));
    for given in [vec![2, 4, 3], vec![24]] {
        let places = source.places(&given).expect("the file's order");
        same(&run(&graph, &places, &declared), &expected, 2e-4);
    }
    let first: Vec<f32> = (0..24).map(|at| declared[at % 8 * 3 + at / 8]).collect();
    let places = source.places(&[3, 2, 4]).expect("channels first");
    same(&run(&graph, &places, &first), &expected, 2e-4);
    assert_eq!(source.places(&[4, 2, 3]), Err(vec![2, 4, 3]));
    assert_eq!(source.picture(), Some(([3, 2, 4], Places::InOrder)));
}
