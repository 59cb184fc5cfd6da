//! Networks with products of matrices, transpositions and zeros between elements.

use super::items::{Items, audit};
use super::tampering::look_up_again;
use super::*;
use crate::layout::profile::TileCells;
use crate::layout::reading::Reading;
use assay_testing::arbitrary::random_graph;
use assay_testing::networks::attention;

#[test]
fn attention_satisfies_the_circuit() {
    for (lanes, columns, joint) in
        [(2, 1, false), (3, 2, true), (4, 1, true), (4, 1, false), (7, 3, false)]
    {
        let (graph, input) = attention(joint);
        let options = options(lanes, columns, prediction(InputMode::Committed));
        let honest = failures(&graph, &input, options, Attack::None);
        assert!(honest.is_empty(), "{lanes} lanes: {:#?}", honest.first());
        let refused = failures(&graph, &input, options, Attack::PublicInput(2));
        assert!(!refused.is_empty(), "{lanes} lanes: another class was accepted");
    }
}

/// Every tile of attention, its first cell and its last one, moved to another row of its table.
#[test]
fn tampered_attention_is_refused() {
    // Keys that are layers of their own, and transposed values, are read by nothing else.
    for (joint, copies) in [(false, 0), (true, 1)] {
        let (graph, input) = attention(joint);
        let options = options(3, 1, prediction(InputMode::Committed));
        let layout = Layout::new(&graph, options).expect("layout");
        let is_copy = |tile: &&Tile| matches!(tile.source, TileSource::Copied { .. });
        assert_eq!(layout.tiles.iter().filter(is_copy).count(), copies);
        for tile in layout.tiles.iter().filter(|tile| !joint || is_copy(tile)) {
            for row in [tile.first_row, tile.first_row + tile.rows() - 1] {
                let change = |layout: &Layout, first: &mut FirstPhase| match tile.cells {
                    TileCells::Lookup => {
                        let at_end = first.lanes[0].out.get(row) == Fr::from(900 + (1 << 15));
                        look_up_again(layout, first, 0, row, 0, if at_end { -1 } else { 1 });
                    }
                    TileCells::Product => first.lanes[0].pre.add(row, Fr::one()),
                };
                let failures = failures(&graph, &input, options, Attack::FirstPhase(&change));
                assert!(!failures.is_empty(), "{}, row {row}: accepted", tile.name);
            }
        }
    }
}

/// Random networks that have products of matrices, alone and in batches.
#[test]
fn random_products_of_matrices_satisfy_the_circuit() {
    let mut counts = [0; 2];
    for seed in 1000.. {
        let (graph, inputs) = random_graph(seed);
        if !graph.layers.iter().any(|layer| matches!(layer.op, Op::MatMul { .. })) {
            continue;
        }
        let single = options(2 + seed as usize % 4, 2, prediction(InputMode::Committed));
        let layout = Layout::new(&graph, single).expect("layout");
        let copies = |tile: &Tile| {
            matches!(tile.source, TileSource::Copied { layer, .. }
            if matches!(graph.layers[layer].op, Op::MatMul { .. }))
        };
        counts[usize::from(layout.tiles.iter().any(copies))] += 1;
        let honest = failures(&graph, &inputs[0], single, Attack::None);
        assert!(honest.is_empty(), "seed {seed}: {:#?}", honest.first());
        let statement = audit(1 + seed as u32 % 2, 3, 1);
        let run = statement.run().expect("a run");
        let items = Items::untouched(graph, &inputs, run, run.items());
        let honest = items.failures(options(2 + seed as usize % 4, 2, statement), |_, _| {});
        assert!(honest.is_empty(), "batch of seed {seed}: {:#?}", honest.first());
        if counts.iter().all(|count| *count >= 8) {
            return;
        }
    }
}

/// The same in a batch, where each item has its own copies and products.
#[test]
fn attention_over_several_items_counts_what_is_right() {
    for (log_items, lanes, joint) in [(0, 2, true), (1, 3, false), (2, 8, true)] {
        let (graph, input) = attention(joint);
        let statement = audit(log_items, 3, 1);
        let run = statement.run().expect("a run");
        let items = Items::new(graph.clone(), std::slice::from_ref(&input), run, run.items());
        let options = options(lanes, 1, statement);
        let correct = items.correct(1);
        let honest = items.failures(options, |_, public| {
            assert_eq!(public[4], Fr::from(correct as u64));
        });
        assert!(honest.is_empty(), "{log_items}: {:#?}", honest.first());
        let refused = items.failures(options, |_, public| public[4] += Fr::one());
        assert!(!refused.is_empty(), "{log_items}: another count was accepted");
        let layout = Layout::new(&graph, options).expect("layout");
        for tile in layout.tiles.iter().filter(|tile| tile.apart == 2) {
            // Of the last item.
            for row in [tile.first_row + tile.rows() - 1] {
                let failures = items.failures_after(
                    options,
                    |_, _| {},
                    |_, first, _| look_up_again(&layout, first, 0, row, 0, -1),
                );
                assert!(!failures.is_empty(), "{}, row {row}: accepted", tile.name);
            }
        }
    }
}

/// Each pair of positions would need an exponent of its own.
#[test]
fn matrices_too_large_for_the_exponents_are_refused() {
    let layout = |shapes: [[usize; 3]; 2], op: Op| {
        let mut builder = Builder::new(shapes[0]);
        let tensor = builder.push(shapes[1], op);
        Layout::new(&builder.finish(tensor), options(3, 1, StatementKind::default()))
    };
    let rescale = Rescale { shift: 0, function: 1 };
    let (many, more) = (1 << 16, 1 << 17);
    let moved = Op::Transpose { input: 0, groups: 1, rescale };
    let refused = layout([[more, 1, many], [many, 1, more]], moved);
    assert!(matches!(refused, Err(LayoutError::Exponents { .. })), "{refused:?}");
    let product = Op::MatMul { inputs: [0, 0], groups: 1, rescale };
    let refused = layout([[1, 1, many], [many, 1, many]], product);
    assert!(matches!(refused, Err(LayoutError::Exponents { .. })), "{refused:?}");
    assert!(Reading::around(1 << 16, [2, 1 << 14]).is_some());
    assert_eq!(Reading::around(1 << 16, [2, 1 << 15]), None);
}

#[test]
fn a_network_with_zeros_between_its_elements_satisfies_the_circuit() {
    let mut builder = Builder::new([2, 3, 4]);
    let hidden = builder.conv(0, [1, 1], [1, 1], [0; 4], 3, 1, false);
    let stuffed = builder.push([3, 6, 12], Op::Spread { input: hidden, factor: [2, 3] });
    let repeated = builder.push([3, 6, 12], Op::Resize { input: hidden, factor: [2, 3] });
    let sum = builder.push([3, 6, 12], Op::Add { inputs: vec![stuffed, repeated] });
    let wide = builder.conv(sum, [3, 3], [1, 1], [1; 4], 2, 1, true);
    let pool = builder.max_pool(stuffed, [2, 2], [2, 2], [0; 4]);
    let pool = builder.conv(pool, [3, 6], [1, 1], [0; 4], 3, 1, false);
    let logits = builder.conv(wide, [6, 12], [1, 1], [0; 4], 3, 1, false);
    let last = builder.graph.layers.last_mut().expect("a layer");
    let Op::Conv { weights, .. } = &mut last.op else { panic!("a convolution") };
    weights.iter_mut().enumerate().for_each(|(i, w)| *w = if i % 5 == 0 { *w } else { 0 });
    let logits = builder.push([3, 1, 1], Op::Add { inputs: vec![logits, pool] });
    let graph = builder.finish(logits);
    let input = (0..24u32).map(|i| (i * 71 % 256) as u8).collect::<Vec<_>>();
    for lanes in [2, 3, 5] {
        let options = options(lanes, 1, prediction(InputMode::Committed));
        let honest = failures(&graph, &input, options, Attack::None);
        assert!(honest.is_empty(), "{lanes} lanes: {:#?}", honest.first());
        let layout = Layout::new(&graph, options).expect("layout");
        let tile = layout
            .tiles
            .iter()
            .find(|tile| tile.source == TileSource::Copied { layer: 1, input: 0 });
        let row = tile.expect("the copy").first_row;
        let change =
            |layout: &Layout, first: &mut FirstPhase| look_up_again(layout, first, 0, row, 0, 1);
        let refused = failures(&graph, &input, options, Attack::FirstPhase(&change));
        assert!(!refused.is_empty(), "{lanes} lanes: another value is spread");
    }
}
