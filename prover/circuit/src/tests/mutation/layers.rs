//! Forgeries of the claims that tie a layer to its inputs: the layer is computed wrongly, all later ones
//! from its wrong result.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::gates::{depthwise_scene, line_scene, logits};
use super::scene::{Scene, biased, finish, small, two_layers};
use super::{Entry, dropped};
use crate::layout::tile::TileSource;
use assay_graph::{FunctionTable, Op, QuantizedGraph, Rescale, Window};

pub(super) fn scaled(shift: u32) -> Rescale {
    Rescale { shift, function: 1 }
}

const BYTES: [u8; 8] = [30, 200, 150, 77, 120, 90, 30, 240];

/// A convolution, then what `middle` makes of it, then the logits.
pub(super) fn around(middle: impl Fn(&mut super::super::Builder, usize) -> usize) -> Scene {
    let mut builder = small([1, 2, 4]);
    let hidden = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
    let tensor = middle(&mut builder, hidden);
    let [_, height, width] = builder.shape(tensor);
    let output = builder.conv(tensor, [height, width], [1, 1], [0; 4], 2, 1, false);
    let mut graph = finish(builder, output);
    // Logits of a wide range show every difference; what comes before them is small and not zero.
    let wide = FunctionTable { name: "wide".into(), min: -1000, values: (-1000..1000).collect() };
    graph.functions.push(wide);
    (graph.tensors[output].min, graph.tensors[output].max) = (-1000, 1000);
    for (index, layer) in graph.layers.iter_mut().enumerate() {
        let Op::Conv { weights, bias, rescale, .. } = &mut layer.op else { continue };
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = 1 + ((i + index) % 2) as i64);
        if layer.output == output {
            *rescale = Rescale { shift: 1, function: 2 };
        } else {
            bias.fill(15 + 7 * index as i64);
        }
    }
    Scene::prediction(&graph, &BYTES, [2, 2], logits())
}

pub(super) fn computed(
    entries: &mut Vec<Entry>,
    rule: &str,
    make: impl Fn() -> (Scene, QuantizedGraph) + Send + Sync + 'static,
) {
    entries.push(dropped(format!("copies: {rule}"), "a layer computed otherwise", move || {
        let (scene, other) = make();
        let forged = scene.computed_by(0, &other).proof();
        (scene, forged)
    }));
}

pub(super) fn pooled() -> Scene {
    around(|builder, hidden| {
        let window = Window { kernel: [1, 2], stride: [1, 2], dilation: [1, 1], pads: [0; 4] };
        let op = Op::SumPool { input: hidden, window, multiplier: 1, rescale: scaled(1) };
        builder.push([2, 2, 2], op)
    })
}

pub(super) fn pointwise() -> Scene {
    around(|builder, hidden| {
        let op = Op::Pointwise { inputs: vec![(hidden, 3)], constant: 1, rescale: scaled(2) };
        builder.push([2, 2, 4], op)
    })
}

/// A product of two tensors beside a third of the same shape.
pub(super) fn product() -> Scene {
    around(|builder, hidden| {
        let second = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
        let third = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
        let product =
            builder.push([2, 2, 4], Op::Multiply { inputs: [hidden, second], rescale: scaled(1) });
        builder.push([2, 2, 4], Op::Add { inputs: vec![product, third] })
    })
}

/// A repeated tensor beside another of the same shape.
pub(super) fn repeated() -> Scene {
    around(|builder, hidden| {
        let other = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
        let large = builder.push([2, 2, 8], Op::Resize { input: hidden, factor: [1, 2] });
        let window = Window { kernel: [1, 2], stride: [1, 2], dilation: [1, 1], pads: [0; 4] };
        let op = Op::SumPool { input: large, window, multiplier: 1, rescale: scaled(1) };
        let mean = builder.push([2, 2, 4], op);
        builder.push([2, 2, 4], Op::Add { inputs: vec![hidden, other, mean] })
    })
}

/// The logits are the largest values of each channel.
pub(super) fn largest() -> Scene {
    let mut builder = small([1, 2, 4]);
    let hidden = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
    let output = builder.max_pool(hidden, [2, 4], [1, 1], [0; 4]);
    Scene::prediction(&finish(builder, output), &BYTES, [2, 2], logits())
}

/// The layer whose operator is as asked.
pub(super) fn layer(graph: &QuantizedGraph, wanted: impl Fn(&Op) -> bool) -> usize {
    graph.layers.iter().position(|layer| wanted(&layer.op)).expect("such a layer")
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    computed(&mut entries, "convolution", || {
        let (graph, bytes) = two_layers();
        let scene = Scene::prediction(&graph, &bytes, [3, 1], logits());
        (scene, biased(&graph, 0, 0, 8))
    });
    computed(&mut entries, "depthwise convolution", || {
        let scene = depthwise_scene();
        let other = biased(&scene.graph, 0, 0, 24);
        (scene, other)
    });
    computed(&mut entries, "sum-pool", || {
        let scene = pooled();
        let mut other = scene.graph.clone();
        let index = layer(&other, |op| matches!(op, Op::SumPool { .. }));
        let Op::SumPool { multiplier, .. } = &mut other.layers[index].op else { unreachable!() };
        *multiplier += 1;
        (scene, other)
    });
    computed(&mut entries, "pointwise", || {
        let scene = pointwise();
        let mut other = scene.graph.clone();
        let index = layer(&other, |op| matches!(op, Op::Pointwise { .. }));
        let Op::Pointwise { constant, .. } = &mut other.layers[index].op else { unreachable!() };
        *constant += 4;
        (scene, other)
    });
    computed(&mut entries, "product accumulators", || {
        let scene = product();
        let mut other = scene.graph.clone();
        let index = layer(&other, |op| matches!(op, Op::Multiply { .. }));
        let Op::Multiply { inputs: [a, b], rescale } = other.layers[index].op else {
            unreachable!()
        };
        let inputs = vec![(a, 2), (b, 7)];
        other.layers[index].op = Op::Pointwise { inputs, constant: 33, rescale };
        (scene, other)
    });
    entries.push(dropped("copies: product factors".into(), "another tensor's product", || {
        let scene = product();
        let mut other = scene.graph.clone();
        let index = layer(&other, |op| matches!(op, Op::Multiply { .. }));
        let Op::Multiply { inputs: [a, b], .. } = &mut other.layers[index].op else {
            unreachable!()
        };
        *b += 1;
        let (a, b) = (*a, *b);
        let lied = scene.computed_by(0, &other);
        let tensors = lied.inputs[0].execution.tensors.clone();
        let mut forged = lied.proof();
        forged.fill(TileSource::Factors(index), |[channel, line, column]| {
            let at = (channel * 2 + line) * 4 + column;
            [i64::from(tensors[a][at]), i64::from(tensors[b][at]), 0]
        });
        (scene, forged)
    }));
    entries.push(dropped("copies: copy".into(), "another tensor is repeated", || {
        let scene = repeated();
        let mut other = scene.graph.clone();
        let index = layer(&other, |op| matches!(op, Op::Resize { .. }));
        let Op::Resize { input, .. } = &mut other.layers[index].op else { unreachable!() };
        *input += 1;
        let input = *input;
        let lied = scene.computed_by(0, &other);
        let values = lied.inputs[0].execution.tensors[input].clone();
        let mut forged = lied.proof();
        forged.fill(TileSource::Copied { layer: index, input: 0 }, |[channel, line, column]| {
            let value = i64::from(values[(channel * 2 + line) * 4 + column]);
            [value, value, 0]
        });
        (scene, forged)
    }));
    entries.push(dropped("copies: max-pool".into(), "more than the largest value", || {
        let scene = largest();
        let mut forged = scene.proof();
        let source = TileSource::PoolTap { layer: 1, tap: 0 };
        let row = forged.row(source);
        let value = forged.first.lanes[0].pre.get(row) - Fr::from(1 << 15);
        let first = (0..300).find(|tap| Fr::from(*tap as u64) == value).expect("not below");
        forged.put(row, 0, [first + 1, first + 1, 0]);
        let shown = scene.layout.options.statement.first_output(&scene.graph);
        forged.public[shown] += Fr::ONE;
        (scene, forged)
    }));
    entries.push(dropped("copies: public input bytes".into(), "other bytes are named", || {
        let scene = line_scene(4, 2);
        let mut forged = scene.proof();
        forged.public[1] += Fr::ONE;
        (scene, forged)
    }));
    entries
}
