//! Predictions: honest witnesses, and changes of every kind of cell.

use std::collections::BTreeMap;

use super::*;
use crate::layout::lookup_table::Tables;
use crate::layout::tile::TileSource;

#[test]
fn honest_witness_satisfies_the_circuit() {
    let (graph, input) = mixed_network();
    for (lanes, columns, mode) in [
        (2, 1, InputMode::Committed),
        (3, 2, InputMode::Committed),
        (4, 3, InputMode::Public),
        (7, 4, InputMode::Committed),
    ] {
        let failures =
            failures(&graph, &input, options(lanes, columns, prediction(mode)), Attack::None);
        assert!(failures.is_empty(), "{lanes} lanes: {:#?}", failures.first());
    }
}

fn assert_refused(name: &str, attack: Attack<'_>) {
    let (graph, input) = mixed_network();
    let options = options(3, 2, prediction(InputMode::Committed));
    assert!(!failures(&graph, &input, options, attack).is_empty(), "{name} was accepted");
}

fn first_row(layout: &Layout, source: TileSource) -> usize {
    layout.tiles.iter().find(|tile| tile.source == source).expect("tile").first_row
}

/// Moves a lane's lookup to another valid table row, consistently.
pub(super) fn look_up_again(
    layout: &Layout,
    first: &mut FirstPhase,
    lane: usize,
    row: usize,
    which: usize,
    by: i64,
) {
    let cells = &mut first.lanes[lane];
    let tile = layout
        .tiles
        .iter()
        .find(|tile| (tile.first_row..tile.first_row + tile.rows()).contains(&row))
        .expect("a tile's row");
    let tag = match which {
        0 => Tables::function_tag(tile.function),
        _ => Fr::from(1 << tile.shift),
    };
    let looked_up = if which == 0 { cells.pre.get(row) } else { cells.rem.get(row) };
    let mut entries = BTreeMap::new();
    layout.tables.for_each_row(|row, entry| {
        entries.insert(row, entry);
    });
    let old = entries.iter().find(|(_, entry)| entry[0] == looked_up && entry[2] == tag);
    let old = *old.expect("a row of the table").0;
    let new = (old as i64 + by) as usize;
    first.multiplicity.add(old, -Fr::one());
    first.multiplicity.add(new, Fr::one());
    let values = entries.get(&new).copied().unwrap_or_default();
    if which == 0 {
        cells.pre.set(row, values[0]);
        cells.out.set(row, values[1]);
    } else {
        cells.rem.set(row, values[0]);
    }
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[test]
fn consistent_first_phase_tampering_is_refused() {
    assert_refused(
        "a weight",
        Attack::FirstPhase(&|layout, first| {
            first.weights[1].add(layout.kernels[0].first_row, Fr::one());
        }),
    );
    assert_refused(
        "a depthwise weight",
        Attack::FirstPhase(&|layout, first| {
            first.weights[0].add(layout.kernels[1].first_row, Fr::one());
        }),
    );
    assert_refused(
        "a bias",
        Attack::FirstPhase(&|layout, first| {
            first.weights[0].add(layout.kernels[2].bias_row, Fr::one());
        }),
    );
    for tile in [
        TileSource::Input,
        TileSource::PackedInput,
        TileSource::Layer(0),
        TileSource::PoolTap { layer: 1, tap: 0 },
        TileSource::PoolTap { layer: 1, tap: 3 },
        TileSource::Layer(2),
        TileSource::Layer(4),
        TileSource::Layer(6),
        TileSource::Layer(7),
        TileSource::Layer(8),
        TileSource::Layer(9),
        TileSource::Ranking,
    ] {
        for by in [-1, 1] {
            let change = |layout: &Layout, first: &mut FirstPhase| {
                let row = first_row(layout, tile);
                look_up_again(layout, first, 0, row, 0, by);
            };
            assert_refused(
                &format!("an activation of {tile:?}, {by}"),
                Attack::FirstPhase(&change),
            );
        }
    }
    assert_refused(
        "a remainder",
        Attack::FirstPhase(&|layout, first| {
            let row = first_row(layout, TileSource::Layer(0));
            let old = first.lanes[1].rem.get(row);
            let by = if old == Fr::zero() { 1 } else { -1 };
            look_up_again(layout, first, 1, row, 1, by);
        }),
    );
    assert_refused(
        "a swapped lane",
        Attack::FirstPhase(&|layout, first| {
            let tile =
                layout.tiles.iter().find(|t| t.source == TileSource::Layer(0)).expect("tile");
            let row = (tile.first_row..tile.first_row + tile.rows())
                .find(|row| first.lanes[0].out.get(*row) != first.lanes[1].out.get(*row))
                .expect("two values differ");
            let cells = [0, 1].map(|lane: usize| first.lanes[lane].cells(row));
            for (index, (one, other)) in cells[0].into_iter().zip(cells[1]).enumerate() {
                first.lanes[0].set(index, row, other);
                first.lanes[1].set(index, row, one);
            }
        }),
    );
    assert_refused(
        "a multiplicity",
        Attack::FirstPhase(&|layout, first| {
            first.multiplicity.add(layout.tables.first_row, Fr::one());
        }),
    );
    assert_refused(
        "a remainder beyond its range",
        Attack::FirstPhase(&|layout, first| {
            // pre one less, rem 2^shift more: the same accumulator.
            let row = first_row(layout, TileSource::Layer(0));
            look_up_again(layout, first, 0, row, 0, -1);
            first.lanes[0].rem.add(row, Fr::from(8));
        }),
    );
    assert_refused(
        "a hash state",
        Attack::FirstPhase(&|layout, first| {
            let row = layout.hash.as_ref().expect("hashed").first_row + 40;
            first.lanes[1].pre.add(row, Fr::one());
        }),
    );
}

#[test]
fn public_inputs_are_bound() {
    assert_refused("another commitment", Attack::PublicInput(1));
    assert_refused("another class", Attack::PublicInput(2));
}

/// Every advice column, in a row where it is used.
#[test]
fn every_column_is_constrained() {
    let (graph, _) = mixed_network();
    let layout =
        Layout::new(&graph, options(3, 2, prediction(InputMode::Committed))).expect("layout");
    let mut meta = halo2_proofs::plonk::ConstraintSystem::<Fr>::default();
    let config = ModelConfig::configure(&mut meta, &layout.profile);
    let tile: &dyn Fn(&Layout) -> usize = &|layout| first_row(layout, TileSource::Layer(2));
    let mut cases = Vec::new();
    for lane in &config.lanes {
        cases.extend([(lane.pre, tile), (lane.out, tile), (lane.rem, tile)]);
    }
    cases.extend(config.lookups.iter().map(|column| (*column, tile)));
    let table: &dyn Fn(&Layout) -> usize = &|layout| layout.tables.first_row + 3;
    let rest: &dyn Fn(&Layout) -> usize = &|layout| layout.rests[0].first_row;
    let kernel: &dyn Fn(&Layout) -> usize = &|layout| layout.kernels[0].first_row;
    let scalars: &dyn Fn(&Layout) -> usize = &|layout| layout.program.end - 3;
    let load: &dyn Fn(&Layout) -> usize = &|_| 5;
    cases.extend([
        (config.multiplicity, table),
        (config.lookup_sum, table),
        (config.rest, rest),
        (config.weight_sum, rest),
        (config.weight_sum, kernel),
        (config.produced, tile),
        (config.consumed, tile),
        (config.product, scalars),
        (config.s0, scalars),
        (config.s1, scalars),
        (config.s0, tile),
        (config.s1, tile),
        (config.s1, load),
    ]);
    cases.extend(config.weights.iter().map(|column| (*column, kernel)));
    for (column, row) in cases {
        let name = format!("column {} at row {}", column.index(), row(&layout));
        assert_refused(&name, Attack::Cell { column: column.index(), row });
    }
}

/// Random shapes, strides, paddings, groups, dilations, pools and sums: the circuit accepts the
/// reference executor's run, and refuses another class.
#[test]
fn random_networks_satisfy_the_circuit() {
    for seed in 0..24 {
        let (graph, inputs) = assay_testing::arbitrary::random_graph(seed);
        let lanes = 2 + seed as usize % 4;
        let columns = 1 + seed as usize % 3;
        let mode = if seed % 5 == 0 { InputMode::Public } else { InputMode::Committed };
        let options = options(lanes, columns, prediction(mode));
        let input = &inputs[seed as usize % inputs.len()];
        let honest = failures(&graph, input, options, Attack::None);
        assert!(honest.is_empty(), "seed {seed}: {:#?}", honest.first());
        let layout = Layout::new(&graph, options).expect("layout");
        let class = layout.public_inputs - 1;
        let refused = failures(&graph, input, options, Attack::PublicInput(class));
        assert!(!refused.is_empty(), "seed {seed}: another class was accepted");
    }
}

/// A repeated tensor, a product of two tensors and a gate, one value a channel.
#[test]
fn tampered_products_and_repetitions_are_refused() {
    let mut builder = Builder::new([2, 4, 4]);
    let small = builder.conv(0, [3, 3], [2, 2], [1; 4], 2, 1, true);
    let repeated = builder.push([2, 4, 4], Op::Resize { input: small, factor: [2, 2] });
    let large = builder.conv(0, [3, 3], [1, 1], [1; 4], 2, 1, false);
    let scaled = |shift| Rescale { shift, function: 1 };
    let inputs = [large, repeated];
    let product = builder.push([2, 4, 4], Op::Multiply { inputs, rescale: scaled(6) });
    let mean = |input| Op::SumPool {
        input,
        window: Window::dense([4, 4]),
        multiplier: 1,
        rescale: scaled(4),
    };
    let gate = builder.push([2, 1, 1], mean(product));
    let inputs = [large, gate];
    let gated = builder.push([2, 4, 4], Op::Multiply { inputs, rescale: scaled(6) });
    let pooled = builder.push([2, 1, 1], mean(gated));
    let logits = builder.conv(pooled, [1, 1], [1, 1], [0; 4], 3, 1, false);
    let graph = builder.finish(logits);
    let input = (0..32u32).map(|i| (i * 37 % 256) as u8).collect::<Vec<_>>();
    let options = options(3, 1, prediction(InputMode::Committed));
    let fails = |attack: Attack<'_>| !failures(&graph, &input, options, attack).is_empty();
    assert!(!fails(Attack::None));
    for source in
        [TileSource::Copied { layer: 1, input: 0 }, TileSource::Layer(3), TileSource::Layer(5)]
    {
        for by in [-1, 1] {
            let change = |layout: &Layout, first: &mut FirstPhase| {
                let row = first_row(layout, source);
                look_up_again(layout, first, 0, row, 0, by);
            };
            assert!(fails(Attack::FirstPhase(&change)), "{source:?}, {by}: accepted");
        }
    }
    for source in [TileSource::Factors(3), TileSource::Factors(5)] {
        for cell in [0, 1] {
            let change = |layout: &Layout, first: &mut FirstPhase| {
                let (lane, row) = (&mut first.lanes[1], first_row(layout, source));
                lane.set(cell, row, lane.cells(row)[cell] + Fr::one());
            };
            assert!(fails(Attack::FirstPhase(&change)), "{source:?}, cell {cell}: accepted");
        }
    }
}
