//! The forgeries that a seller of a transformer would try. Each changes one thing about attention, and the
//! reference executor computes everything behind it, so that only the claim about the changed layer is
//! broken. Then lies that are made up for where channels run on into each other.

use assay_graph::{FunctionTable, Op, QuantizedGraph, Rescale, Window};

use super::super::Builder;
use super::gates::logits;
use super::late::Late;
use super::layers::layer;
use super::prover::{Forged, Target};
use super::scene::Scene;
use super::{Entry, dropped};
use crate::layout::tile::TileSource;

const TOKENS: usize = 3;
const HEADS: usize = 2;
/// Channels of a head.
const DEPTH: usize = 2;
const WIDTH: usize = HEADS * DEPTH;
/// Rows of the table of embeddings.
const IDS: usize = 4;
const TEXT: [u8; TOKENS] = [2, 0, 3];

const IDENTITY: usize = 0;
const IS_ZERO: usize = 1;
const EXP: usize = 2;
const INVERSE: usize = 3;
const WIDE: usize = 4;

/// What is different from the network that the seller has committed to.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// The second head's keys are the first one's.
    SwappedHead,
    /// A token has the position of the one before it.
    ShiftedPosition,
    /// The mask lets the second token see the third one.
    FutureToken,
    /// Scores are taken without their mask.
    NoMask,
    /// Of a row of scores the largest value of another row is taken off.
    AnotherMaximum,
    /// A row is divided by the sum of another row.
    AnotherNormalizer,
    /// The embedding of one id is that of another.
    AnotherEmbedding,
    /// A token counts as another id.
    AnotherId,
    /// Twice the largest score is taken off.
    TwiceTheMaximum,
}

fn scaled(shift: u32, function: usize) -> Rescale {
    Rescale { shift, function }
}

fn tables() -> Vec<FunctionTable> {
    let table = |name: &str, domain: std::ops::Range<i32>, value: &dyn Fn(i32) -> f64| {
        let values = domain.clone().map(|x| value(x).round() as i32).collect();
        FunctionTable { name: name.into(), min: domain.start, values }
    };
    vec![
        table("identity", -120..120, &f64::from),
        table("is zero", -4..5, &|x| f64::from(u8::from(x == 0))),
        // Another row's largest value may be less than a score.
        table("exp", -300..300, &|x| 64.0 * (f64::from(x.min(0)) / 24.0).exp()),
        table("inverse", 0..200, &|x| (4096.0 / f64::from(x.max(1))).min(119.0)),
        table("wide", -4000..4000, &f64::from),
    ]
}

/// A layer over tokens, its weights from a pattern.
fn dense(builder: &mut Builder, input: usize, outputs: usize, rescale: Rescale) -> usize {
    let [inputs, ..] = builder.shape(input);
    let seed = builder.graph.layers.len();
    let weight = |i: usize| [3, -2, 1, 2, -1, 4, -3][(i * 5 + seed * 3 + i / inputs) % 7];
    let op = Op::Conv {
        input,
        window: Window::dense([1, 1]),
        groups: 1,
        weights: (0..inputs * outputs).map(weight).collect(),
        bias: (0..outputs).map(|j| 5 - 3 * j as i64).collect(),
        rescale,
    };
    let [_, height, width] = builder.shape(input);
    builder.push([outputs, height, width], op)
}

/// Numbers that do not depend on the input, `[channels, 1, TOKENS]`: what a kernel makes of a single 1.
fn constants(builder: &mut Builder, one: usize, values: &[i64]) -> usize {
    let channels = values.len() / TOKENS;
    let more = TOKENS - 1;
    let op = Op::Conv {
        input: one,
        window: Window { pads: [0, more, 0, more], ..Window::dense([1, TOKENS]) },
        groups: 1,
        weights: values.chunks(TOKENS).flat_map(|line| line.iter().rev().copied()).collect(),
        bias: vec![0; channels],
        rescale: scaled(0, IDENTITY),
    };
    builder.push([channels, 1, TOKENS], op)
}

/// The tensor's blocks of channels in this order: free in the circuit, so the layers that read it are tied to
/// the order of the honest network.
fn arranged(builder: &mut Builder, input: usize, order: &[usize]) -> usize {
    let shape @ [channels, height, width] = builder.shape(input);
    let each = channels / order.len();
    let slice = |builder: &mut Builder, block: &usize| {
        builder.push([each, height, width], Op::Slice { input, start: block * each })
    };
    let inputs = order.iter().map(|block| slice(builder, block)).collect();
    builder.push(shape, Op::Concat { inputs })
}

/// Embeddings of ids and their positions.
fn embedded(builder: &mut Builder, one: usize, lie: Option<Lie>) -> usize {
    let mut ids = (0..IDS as i64).map(|id| -id).collect::<Vec<_>>();
    if lie == Some(Lie::AnotherId) {
        ids.swap(0, 1);
    }
    let compared = Op::Conv {
        input: 0,
        window: Window::dense([1, 1]),
        groups: 1,
        weights: vec![1; IDS],
        bias: ids,
        rescale: scaled(0, IS_ZERO),
    };
    let chosen = builder.push([IDS, 1, TOKENS], compared);
    let table = [[9, -14, 3, 11], [-6, 8, 17, -2], [12, 5, -9, -13], [-4, 16, 7, 2]];
    let row = |id: usize| if lie == Some(Lie::AnotherEmbedding) && id == 2 { 1 } else { id };
    let weights = (0..WIDTH).flat_map(|e| (0..IDS).map(move |id| table[row(id)][e]));
    let looked_up = Op::Conv {
        input: chosen,
        window: Window::dense([1, 1]),
        groups: 1,
        weights: weights.collect(),
        bias: vec![0; WIDTH],
        rescale: scaled(0, IDENTITY),
    };
    let tokens = builder.push([WIDTH, 1, TOKENS], looked_up);
    let place = |t: usize| if lie == Some(Lie::ShiftedPosition) && t == 2 { 1 } else { t };
    let positions = (0..WIDTH).flat_map(|e| (0..TOKENS).map(move |t| (e, place(t))));
    let positions = positions.map(|(e, t)| [2, -3, 5, 1][e] * (t as i64 * 3 - 2));
    let positions = constants(builder, one, &positions.collect::<Vec<_>>());
    builder.push([WIDTH, 1, TOKENS], Op::Add { inputs: vec![tokens, positions] })
}

/// Scores of each head, `[HEADS * TOKENS, 1, TOKENS]`, without what a token may not see.
fn masked(builder: &mut Builder, hidden: usize, one: usize, lie: Option<Lie>) -> usize {
    let [query, key] = [(); 2].map(|()| dense(builder, hidden, WIDTH, scaled(3, IDENTITY)));
    let heads = if lie == Some(Lie::SwappedHead) { [1, 0] } else { [0, 1] };
    let key = arranged(builder, key, &heads);
    let scores = Op::MatMul { inputs: [query, key], groups: HEADS, rescale: scaled(2, IDENTITY) };
    let stored = [HEADS * TOKENS, 1, TOKENS];
    let scores = builder.push(stored, scores);
    let pairs = (0..HEADS).flat_map(|h| (0..TOKENS * TOKENS).map(move |at| (h, at)));
    let hidden = |(h, at): (usize, usize)| {
        let (i, t) = (at / TOKENS, at % TOKENS);
        let seen = lie == Some(Lie::FutureToken) && (h, i, t) == (0, 1, 2);
        if t > i && !seen { -40 } else { 0 }
    };
    let mask = constants(builder, one, &pairs.map(hidden).collect::<Vec<_>>());
    let counts = i64::from(lie != Some(Lie::NoMask));
    let inputs = vec![(scores, 1), (mask, counts)];
    builder.push(stored, Op::Pointwise { inputs, constant: 0, rescale: scaled(0, IDENTITY) })
}

/// Softmax along the places.
fn softmax(builder: &mut Builder, scores: usize, lie: Option<Lie>) -> usize {
    let stored @ [rows, ..] = builder.shape(scores);
    let own = (0..rows).collect::<Vec<_>>();
    let next = (0..rows).map(|row| (row + 1) % rows).collect::<Vec<_>>();
    let order = |told: Lie| if lie == Some(told) { &next } else { &own };
    let compared = arranged(builder, scores, order(Lie::AnotherMaximum));
    let window = Window::dense([1, TOKENS]);
    let largest = builder.push([rows, 1, 1], Op::MaxPool { input: compared, window });
    let wide = builder.push(stored, Op::Resize { input: largest, factor: [1, TOKENS] });
    let times = if lie == Some(Lie::TwiceTheMaximum) { -2 } else { -1 };
    let inputs = vec![(scores, 1), (wide, times)];
    let below = Op::Pointwise { inputs, constant: 0, rescale: scaled(0, EXP) };
    let powers = builder.push(stored, below);
    let total = Op::SumPool { input: powers, window, multiplier: 1, rescale: scaled(0, INVERSE) };
    let inverse = builder.push([rows, 1, 1], total);
    let inverse = arranged(builder, inverse, order(Lie::AnotherNormalizer));
    let part = Op::Multiply { inputs: [powers, inverse], rescale: scaled(6, IDENTITY) };
    builder.push(stored, part)
}

/// A transformer of one block over three ids, with a lie or as it is.
fn network(lie: Option<Lie>) -> QuantizedGraph {
    let mut builder = Builder::new([1, 1, TOKENS]);
    builder.graph.functions = tables();
    builder.graph.input.map = (0..256).map(|byte| byte.min(IDS as i32 - 1)).collect();
    let first = Window { stride: [1, TOKENS], ..Window::dense([1, 1]) };
    let op = Op::Conv {
        input: 0,
        window: first,
        groups: 1,
        weights: vec![0],
        bias: vec![1],
        rescale: scaled(0, IDENTITY),
    };
    let one = builder.push([1, 1, 1], op);
    let hidden = embedded(&mut builder, one, lie);
    let scores = masked(&mut builder, hidden, one, lie);
    let parts = softmax(&mut builder, scores, lie);
    let value = dense(&mut builder, hidden, WIDTH, scaled(4, IDENTITY));
    let moved = |builder: &mut Builder, input: usize, width: usize| {
        let op = Op::Transpose { input, groups: HEADS, rescale: scaled(0, IDENTITY) };
        builder.push([HEADS * TOKENS, 1, width], op)
    };
    let value = moved(&mut builder, value, DEPTH);
    let parts = moved(&mut builder, parts, TOKENS);
    let context =
        Op::MatMul { inputs: [value, parts], groups: HEADS, rescale: scaled(6, IDENTITY) };
    let context = builder.push([WIDTH, 1, TOKENS], context);
    let sum = builder.push([WIDTH, 1, TOKENS], Op::Add { inputs: vec![hidden, context] });
    let output = builder.conv(sum, [1, TOKENS], [1, 1], [0; 4], 3, 1, false);
    let mut graph = builder.finish(output);
    let input = graph.input.tensor;
    for tensor in &mut graph.tensors {
        (tensor.min, tensor.max) = (-120, 119);
    }
    (graph.tensors[input].min, graph.tensors[input].max) = (0, 255);
    for layer in &mut graph.layers {
        let range = &mut graph.tensors[layer.output];
        match &mut layer.op {
            Op::Add { inputs } if *inputs == [hidden, context] => {
                (range.min, range.max) = (-360, 357);
            }
            Op::Add { .. } => (range.min, range.max) = (-240, 238),
            Op::Conv { weights, rescale, .. } if layer.output == output => {
                weights.iter_mut().enumerate().for_each(|(i, w)| *w = [2, -3, 5, 1, -4][i % 5]);
                *rescale = scaled(0, WIDE);
                (range.min, range.max) = (-4000, 3999);
            }
            _ => {}
        }
    }
    graph
}

pub(super) fn scene() -> Scene {
    Scene::prediction(&network(None), &TEXT, [2, 3], logits())
}

fn told(lie: Lie) -> (Scene, Forged) {
    let scene = scene();
    let forged = scene.computed_by(0, &network(Some(lie))).proof();
    (scene, forged)
}

/// Lies that are put right in one cell between two channels that run on into each other: before the second
/// one's first row, or in it.
fn between_channels(entries: &mut Vec<Entry>) {
    let tile_of = |scene: &Scene, rule: &str| {
        let graph = &scene.graph;
        let index = |wanted: &dyn Fn(&Op) -> bool| layer(graph, wanted);
        match rule {
            // The layers before make the 1 and the one-hot vectors.
            "convolution" => TileSource::Layer(2),
            "matrix product" => TileSource::Layer(index(&|op| matches!(op, Op::MatMul { .. }))),
            _ => {
                TileSource::Copied { layer: index(&|op| matches!(op, Op::Resize { .. })), input: 0 }
            }
        }
    };
    for (rule, lie, (claim, number), column, before) in [
        (
            "tile evaluations: produced (to the next channel)",
            Lie::AnotherEmbedding,
            ("convolution", 1),
            Late::Produced,
            1,
        ),
        (
            "copies: produced: factor of a block of channels",
            Lie::AnotherEmbedding,
            ("convolution", 1),
            Late::S1,
            0,
        ),
        (
            "copies: produced: factor of a channel",
            Lie::SwappedHead,
            ("matrix product", 0),
            Late::S1,
            0,
        ),
        (
            "tile evaluations: consumed (to the next channel)",
            Lie::TwiceTheMaximum,
            ("pointwise", 1),
            Late::Consumed,
            1,
        ),
        (
            "copies: consumed: factor of a block of channels",
            Lie::TwiceTheMaximum,
            ("pointwise", 1),
            Late::S0,
            0,
        ),
    ] {
        let what = "a lie that is put right between two channels";
        entries.push(dropped(rule.into(), what, move || {
            let (scene, forged) = told(lie);
            let row = scene.tile(tile_of(&scene, claim)).channel_row(1) - before;
            (scene, forged.solving(column, row, Target::Copy(claim, number)))
        }));
    }
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = [
        (Lie::SwappedHead, "matrix product", "a head with the keys of another"),
        (Lie::ShiftedPosition, "convolution", "a token at another's position"),
        (Lie::FutureToken, "convolution", "a mask that lets a token see the next one"),
        (Lie::NoMask, "pointwise", "scores without their mask"),
        (Lie::AnotherMaximum, "max-pool", "the largest score of another row"),
        (Lie::AnotherNormalizer, "product factors", "a row divided by another's sum"),
        (Lie::AnotherEmbedding, "convolution", "an id with the embedding of another"),
        (Lie::AnotherId, "convolution", "a token that counts as another id"),
    ]
    .into_iter()
    .map(|(lie, rule, what)| dropped(format!("copies: {rule}"), what, move || told(lie)))
    .collect();
    between_channels(&mut entries);
    entries
}
