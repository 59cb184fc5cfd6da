//! Networks with sums of products over channels or whole planes.

use super::items::{Items, audit};
use super::*;
use crate::layout::profile::TileCells;
use assay_testing::arbitrary::random_graph;

/// Random networks that have them, alone and in batches.
#[test]
fn random_sums_of_products_satisfy_the_circuit() {
    let mut counts = [0; 2];
    for seed in 3000.. {
        let (graph, inputs) = random_graph(seed);
        let planes = graph.layers.iter().find_map(|layer| match layer.op {
            Op::Dot { planes, .. } => Some(planes),
            _ => None,
        });
        let Some(planes) = planes else { continue };
        let seen = &mut counts[usize::from(planes)];
        if *seen == 5 {
            continue;
        }
        *seen += 1;
        let lanes = 2 + seed as usize % 4;
        let single = options(lanes, 2, prediction(InputMode::Committed));
        let honest = failures(&graph, &inputs[0], single, Attack::None);
        assert!(honest.is_empty(), "seed {seed}: {:#?}", honest.first());
        let statement = audit(1 + seed as u32 % 2, 3, 1);
        let run = statement.run().expect("a run");
        let items = Items::untouched(graph, &inputs, run, run.items());
        let honest = items.failures(options(lanes, 2, statement), |_, _| {});
        assert!(honest.is_empty(), "batch of seed {seed}: {:#?}", honest.first());
        if counts == [5, 5] {
            return;
        }
    }
}

/// The last product of the last item, and what it is a part of.
#[test]
fn another_product_in_one_item_of_a_batch_is_refused() {
    for planes in [false, true] {
        let mut builder = Builder::new([1, 2, 4]);
        let hidden = builder.conv(0, [1, 1], [1, 1], [0; 4], 4, 1, true);
        let rescale = Rescale { shift: 8, function: 1 };
        let shape = if planes { [2, 1, 1] } else { [2, 2, 4] };
        let op = Op::Dot { inputs: [hidden; 2], groups: 2, planes, rescale };
        let sum = builder.push(shape, op);
        let logits = builder.conv(sum, [shape[1], shape[2]], [1, 1], [0; 4], 3, 1, false);
        let graph = builder.finish(logits);
        let input = (0..8u32).map(|i| (i * 71 % 256) as u8).collect::<Vec<_>>();
        let statement = audit(2, 3, 1);
        let run = statement.run().expect("a run");
        let items = Items::new(graph.clone(), &[input], run, run.items());
        for lanes in [3, 8] {
            let options = options(lanes, 1, statement);
            let layout = Layout::new(&graph, options).expect("layout");
            let tile = layout.tiles.iter().find(|tile| tile.cells == TileCells::Product);
            let tile = tile.expect("the factors");
            let row = tile.first_row + tile.rows() - 1;
            let honest = items.failures_after(options, |_, _| {}, |_, _, _| {});
            assert!(honest.is_empty(), "{lanes} lanes: {:#?}", honest.first());
            let refused = items.failures_after(
                options,
                |_, _| {},
                |_, first, _| first.lanes[0].pre.add(row, Fr::one()),
            );
            assert!(!refused.is_empty(), "{lanes} lanes, planes {planes}: accepted");
        }
    }
}
