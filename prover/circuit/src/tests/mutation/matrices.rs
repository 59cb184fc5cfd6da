//! Forgeries of the claims about layers that move elements or multiply matrices.

use super::layers::{around, computed, layer, scaled};
use super::scene::Scene;
use super::{Entry, dropped};
use crate::layout::tile::TileSource;
use assay_graph::{Op, QuantizedGraph};

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

/// The product of two of three tensors, two groups of it.
pub(super) fn multiplied() -> Scene {
    around(|builder, hidden| {
        let [first, second, _] = lines(builder, hidden);
        let op = Op::MatMul { inputs: [first, second], groups: 2, rescale: scaled(4) };
        builder.push([8, 1, 4], op)
    })
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
    for change in [[0, 1], [2, 0]] {
        computed(&mut entries, "matrix product", move || {
            changed(multiplied(), is_product, |op| {
                let Op::MatMul { inputs, .. } = op else { unreachable!() };
                inputs.iter_mut().zip(change).for_each(|(input, by)| *input += by);
            })
        });
    }
    entries.push(dropped("copies: copy".into(), "another matrix is multiplied", || {
        miscopied(multiplied(), is_product)
    }));
    entries.push(dropped("copies: copy".into(), "another tensor is spread", || {
        miscopied(spread(), |op| matches!(op, Op::Spread { .. }))
    }));
    entries
}
