//! Forgeries of sums of products: another sum than that of the factors, and factors of another tensor.

use super::layers::{around, computed, layer, scaled};
use super::scene::Scene;
use super::{Entry, dropped};
use crate::layout::tile::TileSource;
use assay_graph::Op;

/// Of two tensors of `[2, 2, 4]` beside a third, in so many groups; over places or whole planes.
pub(super) fn summed(groups: usize, planes: bool) -> Scene {
    around(|builder, hidden| {
        let second = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
        let third = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
        let op = Op::Dot { inputs: [hidden, second], groups, planes, rescale: scaled(3) };
        let sum = if planes {
            let sum = builder.push([groups, 1, 1], op);
            builder.push([groups, 2, 4], Op::Resize { input: sum, factor: [2, 4] })
        } else {
            builder.push([groups, 2, 4], op)
        };
        builder.push([groups + 2, 2, 4], Op::Concat { inputs: vec![sum, third] })
    })
}

fn is_dot(op: &Op) -> bool {
    matches!(op, Op::Dot { .. })
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (groups, planes) in [(1, false), (2, false), (1, true), (2, true)] {
        computed(&mut entries, "sums of products", move || {
            // The factors' tile is as it must be; squares are summed.
            let scene = summed(groups, planes);
            let mut other = scene.graph.clone();
            let index = layer(&other, is_dot);
            let Op::Dot { inputs: [a, b], .. } = &mut other.layers[index].op else {
                unreachable!()
            };
            *b = *a;
            (scene, other)
        });
        entries.push(dropped(
            "copies: product factors".into(),
            "another tensor's sum of products",
            move || {
                let scene = summed(groups, planes);
                let mut other = scene.graph.clone();
                let index = layer(&other, is_dot);
                let Op::Dot { inputs: [a, b], .. } = &mut other.layers[index].op else {
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
            },
        ));
    }
    entries
}
