//! Forgeries of the claims about layers that move elements or multiply matrices.

use super::super::items::audit;
use super::layers::{around, computed, layer, scaled};
use super::scene::Scene;
use super::{Entry, dropped};
use crate::layout::tile::TileSource;
use assay_graph::{Executor, Op, QuantizedGraph};
use assay_testing::arbitrary::Random;

/// Tensors of `[4, 1, 4]`.
fn lines(builder: &mut super::super::Builder, hidden: usize) -> [usize; 3] {
    [(); 3].map(|()| builder.conv(hidden, [2, 1], [1, 1], [0; 4], 4, 1, true))
}

/// One of two tensors transposed, so many groups of it, and added to the other.
pub(super) fn transposed(groups: usize) -> Scene {
    around(|builder, hidden| {
        let [first, second, third] = lines(builder, hidden);
        let op = Op::Transpose { input: first, groups, rescale: scaled(1) };
        let moved = builder.push([4 * groups, 1, 4 / groups], op);
        let back = Op::Transpose { input: moved, groups, rescale: scaled(0) };
        let back = builder.push([4, 1, 4], back);
        builder.push([4, 1, 4], Op::Add { inputs: vec![back, second, third] })
    })
}

/// The product of two of three tensors, two groups of it. The first has room for it.
pub(super) fn multiplied() -> Scene {
    around(|builder, hidden| product(builder, hidden)[0])
}

/// The same beside the first tensor, which has no room.
pub(super) fn copied() -> Scene {
    around(|builder, hidden| {
        let inputs = product(builder, hidden).to_vec();
        builder.push([12, 1, 4], Op::Concat { inputs })
    })
}

/// The product and its first factor.
fn product(builder: &mut super::super::Builder, hidden: usize) -> [usize; 2] {
    let [first, second, _] = lines(builder, hidden);
    let op = Op::MatMul { inputs: [first, second], groups: 2, rescale: scaled(4) };
    [builder.push([8, 1, 4], op), first]
}

/// One of two tensors with zeros between its elements.
fn spread() -> Scene {
    around(|builder, hidden| {
        let [first, second, _] = lines(builder, hidden);
        let wide = builder.push([4, 1, 8], Op::Spread { input: first, factor: [1, 2] });
        let repeated = builder.push([4, 1, 8], Op::Resize { input: second, factor: [1, 2] });
        builder.push([4, 1, 8], Op::Add { inputs: vec![wide, repeated] })
    })
}

/// The scene, and its network with the first operator of a kind changed.
fn changed(
    scene: Scene,
    wanted: impl Fn(&Op) -> bool,
    change: impl FnOnce(&mut Op),
) -> (Scene, QuantizedGraph) {
    let mut other = scene.graph.clone();
    let index = layer(&other, wanted);
    change(&mut other.layers[index].op);
    (scene, other)
}

fn is_transposition(op: &Op) -> bool {
    matches!(op, Op::Transpose { .. })
}

fn is_product(op: &Op) -> bool {
    matches!(op, Op::MatMul { .. })
}

/// The layer of a kind copies another tensor, the next one, and computes from it.
fn miscopied(scene: Scene, wanted: impl Fn(&Op) -> bool) -> (Scene, super::prover::Forged) {
    let index = layer(&scene.graph, &wanted);
    let mut input = 0;
    let (scene, other) = changed(scene, wanted, |op| match op {
        Op::MatMul { inputs: [copied, _], .. } | Op::Spread { input: copied, .. } => {
            *copied += 2;
            input = *copied;
        }
        _ => panic!("a layer that copies"),
    });
    let lied = scene.computed_by(0, &other);
    let values = lied.inputs[0].execution.tensors[input].clone();
    let mut forged = lied.proof();
    forged.fill(TileSource::Copied { layer: index, input: 0 }, |[channel, _, column]| {
        let value = i64::from(values[channel * 4 + column]);
        [value, value, 0]
    });
    (scene, forged)
}

/// The product of a batch of two whose second item is computed from another tensor in place of input
/// `number`, and of a class that it is not.
pub(super) fn batch(number: usize) -> (Scene, Scene, QuantizedGraph) {
    let mut single = multiplied();
    // One logit is twice the other: the sign of what they have in common says which one is larger.
    let mut convolutions = single.graph.layers.iter_mut().filter_map(|layer| match &mut layer.op {
        Op::Conv { weights, .. } => Some(weights),
        _ => None,
    });
    // The third of the tensors sees the second line alone.
    let third = convolutions.nth(3).expect("the third tensor");
    third.iter_mut().enumerate().for_each(|(index, weight)| *weight = 3 * (index % 2) as i64);
    let last = convolutions.next().expect("the logits");
    let each = last.len() / 2;
    last.iter_mut().enumerate().for_each(|(index, weight)| {
        *weight = if index % 2 == 0 { 1 } else { -1 } * (1 + (index / each) as i64);
    });
    let (single, other) = changed(single, is_product, |op| {
        let Op::MatMul { inputs, .. } = op else { unreachable!() };
        inputs[number] += 2 - number;
    });
    let class = |graph, item: &[u8]| {
        let run = Executor::new(graph).expect("valid graph").run(item);
        run.ok().map(|run| run.class())
    };
    let (first, second) = (0..2000u64)
        .find_map(|seed| {
            let mut random = Random::new(seed);
            let mut item = || (0..8).map(|_| random.word() as u8).collect::<Vec<_>>();
            let (first, second) = (item(), item());
            class(&single.graph, &first)?;
            let (told, true_one) = (class(&other, &second)?, class(&single.graph, &second)?);
            (told != true_one).then_some((first, second))
        })
        .expect("an item whose class the other tensor changes");
    let statement = audit(1, 2, 1);
    let honest = Scene::run(&single.graph, &[first, second], 3, statement, 2, &[]);
    let lied = honest.computed_by(1, &other);
    (honest, lied, other)
}

/// As [`batch`], with the copy of what is multiplied as wrong as the product.
fn miscopied_in_batch(number: usize) -> (Scene, super::prover::Forged) {
    let (scene, lied, other) = batch(number);
    let index = layer(&scene.graph, is_product);
    let mut forged = lied.proof();
    let inputs = [&scene, &lied].map(|scene| &scene.inputs);
    let graphs = [&scene.graph, &other];
    forged.fill(TileSource::Copied { layer: index, input: number }, |[channel, _, column]| {
        let (image, channel) = (channel / 4, channel % 4);
        let tensor = graphs[image].layers[index].op.inputs()[number];
        let values = &inputs[image][image].execution.tensors[tensor];
        let value = i64::from(values[channel * 4 + column]);
        [value, value, 0]
    });
    (scene, forged)
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    computed(&mut entries, "transposition", || {
        // Nothing is moved.
        changed(transposed(1), is_transposition, |op| {
            let Op::Transpose { input, rescale, .. } = *op else { unreachable!() };
            *op = Op::Pointwise { inputs: vec![(input, 1)], constant: 0, rescale };
        })
    });
    for groups in [1, 2, 4] {
        computed(&mut entries, "transposition", move || {
            changed(transposed(groups), is_transposition, |op| {
                let Op::Transpose { input, .. } = op else { unreachable!() };
                *input += 1;
            })
        });
    }
    let scenes: [fn() -> Scene; 2] = [multiplied, copied];
    for (scene, change) in scenes.into_iter().flat_map(|s| [(s, [0, 1]), (s, [2, 0])]) {
        computed(&mut entries, "matrix product", move || {
            changed(scene(), is_product, |op| {
                let Op::MatMul { inputs, .. } = op else { unreachable!() };
                inputs.iter_mut().zip(change).for_each(|(input, by)| *input += by);
            })
        });
    }
    entries.push(dropped("copies: copy".into(), "another matrix is multiplied", || {
        miscopied(copied(), is_product)
    }));
    for number in [0, 1] {
        entries.push(dropped(
            "copies: matrix product".into(),
            "in one item of a batch",
            move || {
                let (scene, lied, _) = batch(number);
                (scene, lied.proof())
            },
        ));
        entries.push(dropped("copies: copy".into(), "in one item of a batch", move || {
            miscopied_in_batch(number)
        }));
    }
    entries.push(dropped("copies: copy".into(), "another tensor is spread", || {
        miscopied(spread(), |op| matches!(op, Op::Spread { .. }))
    }));
    entries
}
