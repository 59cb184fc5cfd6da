//! Networks with products of matrices, transpositions and zeros between elements.

use super::tampering::look_up_again;
use super::*;
use crate::layout::profile::TileCells;
use assay_graph::FunctionTable;

const HEADS: usize = 2;
/// Channels of a head.
const DEPTH: usize = 2;
const TOKENS: usize = 5;

fn table(name: &str, domain: std::ops::Range<i32>, value: impl Fn(f64) -> f64) -> FunctionTable {
    let values = domain.clone().map(|x| value(f64::from(x)).round() as i32).collect();
    FunctionTable { name: name.into(), min: domain.start, values }
}

/// One sum for each head, or one value for all of its channels.
fn over_heads(input: usize, from: usize, to: usize, rescale: Rescale) -> Op {
    Op::Conv {
        input,
        window: Window::dense([1, 1]),
        groups: HEADS,
        weights: vec![1; HEADS * from * to],
        bias: vec![0; HEADS * to],
        rescale,
    }
}

/// Attention of two heads over five tokens: scores, a softmax, the context, a residual sum.
pub(super) fn attention() -> (QuantizedGraph, Vec<u8>) {
    const EXP: usize = 2;
    const INVERSE: usize = 3;
    const WIDE: usize = 4;
    let rescale = |shift, function| Rescale { shift, function };
    let mut builder = Builder::new([4, 1, TOKENS]);
    builder.graph.functions.extend([
        table("exp", -300..300, |x| (64.0 * (x / 40.0).exp()).min(800.0)),
        table("inverse", 0..200, |x| (2000.0 / x.max(1.0)).min(900.0)),
        table("wide", -900..901, |x| x),
    ]);
    let width = HEADS * DEPTH;
    let [query, key, value] =
        [(); 3].map(|()| builder.conv(0, [1, 1], [1, 1], [0; 4], width, 1, false));
    let scores = Op::MatMul { inputs: [key, query], groups: HEADS, rescale: rescale(3, EXP) };
    let scores = builder.push([HEADS * TOKENS, 1, TOKENS], scores);
    let sums = over_heads(scores, TOKENS, 1, rescale(5, INVERSE));
    let sums = builder.push([HEADS, 1, TOKENS], sums);
    let inverse = over_heads(sums, 1, TOKENS, rescale(0, WIDE));
    let inverse = builder.push([HEADS * TOKENS, 1, TOKENS], inverse);
    let part = Op::Multiply { inputs: [scores, inverse], rescale: rescale(8, WIDE) };
    let part = builder.push([HEADS * TOKENS, 1, TOKENS], part);
    let moved = Op::Transpose { input: value, groups: HEADS, rescale: rescale(0, 1) };
    let moved = builder.push([HEADS * TOKENS, 1, DEPTH], moved);
    let context = Op::MatMul { inputs: [moved, part], groups: HEADS, rescale: rescale(5, WIDE) };
    let context = builder.push([width, 1, TOKENS], context);
    let sum = builder.push([width, 1, TOKENS], Op::Add { inputs: vec![value, context] });
    let logits = builder.conv(sum, [1, TOKENS], [1, 1], [0; 4], 3, 1, false);
    let last = builder.graph.layers.last_mut().expect("a layer");
    let Op::Conv { rescale: of_logits, .. } = &mut last.op else { panic!("a convolution") };
    of_logits.function = WIDE;
    let input = (0..20u32).map(|i| (i * 71 % 256) as u8).collect();
    (builder.finish(logits), input)
}

#[test]
fn attention_satisfies_the_circuit() {
    let (graph, input) = attention();
    for (lanes, columns) in [(2, 1), (3, 2), (4, 1), (7, 3)] {
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
    let (graph, input) = attention();
    let options = options(3, 1, prediction(InputMode::Committed));
    let layout = Layout::new(&graph, options).expect("layout");
    let copies =
        layout.tiles.iter().filter(|t| matches!(t.source, TileSource::Copied { .. })).count();
    assert_eq!(copies, 2, "one for each product of matrices");
    for tile in &layout.tiles {
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

/// A copy and what is computed from it both changed: the products of the other matrix with it.
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
