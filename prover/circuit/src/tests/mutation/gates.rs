//! Forgeries for lookups, evaluations, weights and the scalar program: a wrong result, and one cell
//! that a rule no longer holds is moved so that all others agree.

use std::collections::HashSet;

use super::late::Late;
use super::prover::{Forged, Target};
use super::scene::{Scene, biased, finish, line, predict, show_differences, small, two_layers};
use super::{Entry, dropped};
use crate::InputMode;
use crate::Layout;
use crate::OutputMode;
use crate::StatementKind;
use crate::layout::scalar_program::{Chain, Load, Operand, Step};
use crate::layout::tile::TileSource;
use assay_graph::QuantizedGraph;
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

pub(super) fn logits() -> StatementKind {
    predict(InputMode::Public, OutputMode::Logits)
}

fn two_layer_scene() -> Scene {
    let (graph, bytes) = two_layers();
    Scene::prediction(&graph, &bytes, [2, 2], logits())
}

pub(super) fn line_scene(width: usize, lanes: usize) -> Scene {
    let (graph, bytes) = line(width, 2);
    Scene::prediction(&graph, &bytes, [lanes, 1], logits())
}

/// A depthwise convolution with kernels of two rows of weights.
pub(super) fn depthwise_scene() -> Scene {
    let mut builder = small([2, 1, 4]);
    let hidden = builder.conv(0, [1, 3], [1, 1], [0; 4], 2, 2, true);
    let output = builder.conv(hidden, [1, 2], [1, 1], [0; 4], 2, 1, false);
    let mut graph = finish(builder, output);
    show_differences(&mut graph, 1);
    Scene::prediction(&graph, &[30, 200, 150, 77, 120, 90, 30, 240], [2, 2], logits())
}

/// The scene computed with a layer's first output one too large.
fn off_by_one(scene: &Scene, layer: usize) -> Scene {
    let by = if scene.layout.kernels[layer].is_depthwise() { 24 } else { 8 };
    scene.computed_by(0, &biased(&scene.graph, layer, 0, by))
}

/// The chain that computes a side of a claim.
fn claim_chain(layout: &Layout, rule: &str, index: usize, side: usize) -> Chain {
    let mut claims = layout.program.equalities.iter().filter(|equality| equality.rule == rule);
    let result = claims.nth(index).expect("a claim").cells[side];
    chains(layout).find(|chain| chain.row == result.row).expect("a chain").clone()
}

fn chains(layout: &Layout) -> impl Iterator<Item = &Chain> {
    layout.program.steps.iter().filter_map(|step| match step {
        Step::Chain(chain) => Some(chain),
        Step::Evaluations => None,
    })
}

fn load_row(layout: &Layout, wanted: Load) -> usize {
    let found = layout.program.loads.iter().find(|(_, load)| *load == wanted);
    found.expect("loaded").0
}

/// A four-image audit over two groups of lanes: item 1 is classified as its label says, wrongly.
pub(super) fn batch_scenes() -> (Scene, Scene) {
    let (graph, bytes) = line(4, 3);
    let items = (0..4)
        .map(|item| {
            let mut bytes = bytes.clone();
            bytes.rotate_left(item);
            bytes
        })
        .collect::<Vec<_>>();
    let statement = crate::tests::items::audit(2, 3, 1);
    let honest = Scene::run(&graph, &items, 2, statement, 4, &[1]);
    let other = biased(&graph, 0, honest.inputs[1].class, 8 * 40);
    let forged = honest.computed_by(1, &other);
    (honest, forged)
}

fn wrong_activation(scene: &Scene, lane: usize) -> Forged {
    let mut other = scene.graph.clone();
    let byte = usize::from(scene.inputs[0].bytes[lane]);
    let mapped = &mut other.input.map[byte];
    *mapped += if *mapped < 5 { 12 } else { -12 };
    let mut forged = scene.computed_by(0, &other).proof();
    let row = forged.row(TileSource::Input);
    forged.put(row, lane, [byte as i64, i64::from(other.input.map[byte]), 0]);
    forged
}

fn lookups(entries: &mut Vec<Entry>) {
    let mut entry =
        |rule: String, what, lane: usize, place: fn(&Layout) -> Option<(Late, usize)>| {
            entries.push(dropped(rule, what, move || {
                let scene = line_scene(8, 8);
                let mut forged = wrong_activation(&scene, lane);
                if let Some((mut column, row)) = place(&scene.layout) {
                    if let Late::Helper(of) = &mut column {
                        *of = lane;
                    }
                    forged = forged.solving(column, row, Target::LookupSum);
                }
                (scene, forged)
            }));
        };
    let looked_up: fn(&Layout) -> _ = |layout| Some((Late::Helper(0), layout.tiles[0].first_row));
    let elsewhere: fn(&Layout) -> _ = |layout| Some((Late::Helper(0), layout.rows.lanes + 1));
    for lane in 0..8 {
        let what = "an activation that is not the byte's, helped by";
        entry(format!("lookup: lane {lane} (looked up)"), what, lane, looked_up);
        let what = "the same, made up for in a row that looks nothing up";
        entry(format!("lookup: lane {lane} (elsewhere)"), what, lane, elsewhere);
    }
    let what = "an activation that is not the byte's, the sum put right";
    let within: fn(&Layout) -> _ = |layout| Some((Late::Sum, layout.tables.first_row + 5));
    entry("lookup sum: step".into(), what, 0, within);
    entry("lookup sum: ends (start)".into(), what, 1, |_| Some((Late::Sum, 0)));
    entry("lookup sum: ends (end)".into(), what, 2, |_| None);
}

/// A wrong result of a layer of [`two_layer_scene`], put right in a cell.
fn two_layer_entry(
    entries: &mut Vec<Entry>,
    rule: &str,
    layer: usize,
    cell: impl Fn(&Layout, usize) -> (Late, usize) + Send + Sync + 'static,
) {
    entries.push(dropped(rule.into(), "a wrong sum, put right there", move || {
        let scene = two_layer_scene();
        let forged = off_by_one(&scene, layer).proof();
        let (column, row) = cell(&scene.layout, forged.row(TileSource::Layer(0)));
        let target = Target::Copy("convolution", layer);
        (scene, forged.solving(column, row, target))
    }));
}

fn batch_entry(
    entries: &mut Vec<Entry>,
    rule: &str,
    tile: TileSource,
    column: Late,
    offset: usize,
) {
    let what = "another class of one image, put right between groups of images";
    entries.push(dropped(rule.into(), what, move || {
        let (honest, forged) = batch_scenes();
        let forged = forged.proof();
        let row = forged.row(tile) + offset;
        (honest, forged.solving(column, row, Target::Copy("convolution", 0)))
    }));
}

fn evaluations(entries: &mut Vec<Entry>) {
    for (side, layer, running, factor) in
        [("produced", 0, Late::Produced, Late::S1), ("consumed", 1, Late::Consumed, Late::S0)]
    {
        for (place, offset) in
            [("within a line", 0), ("to the next line", 1), ("end of a channel", 3)]
        {
            let rule = format!("tile evaluations: {side} ({place})");
            two_layer_entry(entries, &rule, layer, move |_, row| (running, row + offset));
        }
        let rule = format!("tile evaluations: {side}, result");
        two_layer_entry(entries, &rule, layer, move |_, row| (factor, row));
        for (step, offset) in [("row", 1), ("line", 2)] {
            let rule = format!("copies: {side}: factor of a {step}");
            two_layer_entry(entries, &rule, layer, move |_, row| (factor, row + offset));
        }
    }
    let (layer, input) = (TileSource::Layer(0), TileSource::Input);
    let group = "to the next group";
    batch_entry(
        entries,
        &format!("tile evaluations: produced ({group})"),
        layer,
        Late::Produced,
        0,
    );
    batch_entry(
        entries,
        &format!("tile evaluations: consumed ({group})"),
        input,
        Late::Consumed,
        3,
    );
    batch_entry(entries, "copies: produced: factor of a group", layer, Late::S1, 1);
    batch_entry(entries, "copies: consumed: factor of a group", input, Late::S0, 4);
}

fn weights(entries: &mut Vec<Entry>) {
    let mut entry = |place: &str, row: fn(&Layout) -> usize| {
        let rule = format!("weight sums: step ({place})");
        two_layer_entry(entries, &rule, 0, move |layout, _| (Late::Weights, row(layout)));
    };
    entry("weights", |layout| layout.kernels[0].first_row);
    entry("after a block of weights", |layout| layout.kernels[0].first_row + 1);
    entry("rest cell", |layout| layout.rests[0].first_row);
    entry("kept position", |layout| {
        let rest = &layout.rests[0];
        let mut cells = HashSet::new();
        rest.for_each_cell(|row, _, _| {
            cells.insert(row);
        });
        let mut rows = rest.first_row..rest.first_row + rest.rows();
        rows.find(|row| !cells.contains(row)).expect("a kept position")
    });
    entry("after a grid of rest cells", |layout| {
        layout.rests[0].first_row + layout.rests[0].rows()
    });
    let rule = "weight sums: step (line of a depthwise kernel)";
    entries.push(dropped(rule.into(), "a wrong sum, put right there", || {
        let scene = depthwise_scene();
        let row = scene.layout.kernels[0].first_row;
        let target = Target::Copy("depthwise convolution", 0);
        let forged = off_by_one(&scene, 0).proof().solving(Late::Weights, row, target);
        (scene, forged)
    }));
}

fn scalars(entries: &mut Vec<Entry>) {
    let chain = |layout: &Layout| claim_chain(layout, "convolution", 1, 1);
    two_layer_entry(entries, "scalar program: products (term)", 1, move |layout, _| {
        (Late::Product, chain(layout).row + 1)
    });
    let rule = "scalar program: products (after the last term)";
    two_layer_entry(entries, rule, 1, move |layout, _| {
        let chain = chain(layout);
        (Late::Product, chain.row + 1 + chain.terms.len())
    });
    two_layer_entry(entries, "scalar program: result", 1, move |layout, _| {
        (Late::S0, chain(layout).row)
    });
    two_layer_entry(entries, "copies: first operands", 1, move |layout, _| {
        (Late::S0, chain(layout).row + 1)
    });
    two_layer_entry(entries, "copies: second operands", 1, move |layout, _| {
        (Late::S1, chain(layout).row + 1)
    });
    two_layer_entry(entries, "copies: division", 0, |layout, _| {
        let quotient = |chain: &&Chain| matches!(chain.terms[0].0, Operand::Quotient { .. });
        (Late::S0, chains(layout).find(quotient).expect("a quotient").row + 1)
    });
    let mut load = |kind: &str, wanted: Load| {
        let rule = format!("scalar program: load ({kind})");
        entries.push(dropped(rule, "a wrong result and what makes it right", move || {
            let scene = line_scene(2, 2);
            let row = load_row(&scene.layout, wanted);
            let target = Target::Copy("convolution", 0);
            (scene.clone(), off_by_one(&scene, 0).proof().solving(Late::S1, row, target))
        }));
    };
    // Half of 2^3, added before the shift.
    load("constant", Load::Constant(Fr::from(4)));
    load("v", Load::V);
    load("z", Load::Z);
    let rule = "scalar program: load (public input)";
    entries.push(dropped(rule.into(), "another logit is shown than is proven", || {
        let scene = line_scene(2, 2);
        let mut forged = scene.proof();
        let last = scene.layout.public_inputs - 1;
        forged.public[last] += Fr::ONE;
        forged.late.insert((Late::S1, last), -Fr::ONE);
        (scene, forged)
    }));
    let what = "an image of other bytes than are committed to, weighed by another u";
    entries.push(dropped("scalar program: load (u)".into(), what, other_bytes_by_another_u));
}

/// No logit of the second image's made-up bytes differs from zero, so that only the claim about its
/// bytes depends on `u`.
fn other_bytes_by_another_u() -> (Scene, Forged) {
    let (mut graph, _) = line(2, 3);
    let plain = |graph: &mut QuantizedGraph| {
        let assay_graph::Op::Conv { weights, bias, rescale, .. } = &mut graph.layers[0].op else {
            panic!("a convolution")
        };
        (*weights, *bias, rescale.shift) = (vec![1, 1, 2, 1, 1, 2], vec![0; 3], 0);
    };
    plain(&mut graph);
    let statement = crate::tests::items::audit(1, 1, 1);
    // The label of item 1 is 0, its class is not.
    let mut honest = Scene::run(&graph, &[vec![100, 120], vec![120, 110]], 2, statement, 2, &[]);
    assert_ne!(honest.inputs[1].class, 0);
    (honest.inputs[1].class, honest.inputs[1].label) = (0, 0);
    let mut zeros = honest.clone();
    zeros.inputs[1].bytes = vec![80, 81];
    let zeros = zeros.computed_by(1, &graph);
    let (true_proof, mut forged) = (honest.proof(), zeros.proof());
    forged.take_tile(&true_proof, TileSource::PackedInput);
    let hash = honest.layout.hash.clone().expect("hashed");
    forged.take(&true_proof, hash.first_row..hash.end());
    forged.first.hash_scalars = true_proof.first.hash_scalars.clone();
    forged.public[1] = true_proof.public[1];
    let row = load_row(&honest.layout, Load::U);
    (honest, forged.solving(Late::S1, row, Target::Copy("packed bytes", 0)))
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    lookups(&mut entries);
    evaluations(&mut entries);
    weights(&mut entries);
    scalars(&mut entries);
    entries
}
