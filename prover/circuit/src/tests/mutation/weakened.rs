//! Forgeries for what challenges and fixed values see to.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::gates::{line_scene, logits};
use super::prover::Forged;
use super::scene::{Scene, biased, finish, line, small, two_layers};
use super::weaker::Weakening;
use super::{Entry, Play, weakened};
use crate::layout::lookup_table::Tables;
use crate::layout::tile::{TileRow, TileSource};
use crate::tests::items::audit;
use assay_graph::{FunctionTable, Op};

fn challenges(entries: &mut Vec<Entry>) {
    entries.push(weakened("challenges: v", "v is 1; errors of two outputs cancel", || {
        let (graph, bytes) = two_layers();
        let scene = Scene::prediction(&graph, &bytes, [2, 2], logits());
        let other = biased(&biased(&graph, 1, 0, 8), 1, 1, -8);
        let forged = scene.computed_by(0, &other).proof();
        let weaker = Weakening::challenges(|drawn| drawn.first.v = Fr::ONE);
        Play { honest: scene.proof(), forged, weaker }
    }));
    entries.push(weakened("challenges: u", "u is 1; errors of two images cancel", || {
        let (graph, bytes) = line(4, 3);
        let mut turned = bytes.clone();
        turned.rotate_left(2);
        let mut honest = Scene::run(&graph, &[bytes, turned], 2, audit(1, 2, 1), 2, &[]);
        let own = [0, 1].map(|item| honest.inputs[item].class);
        // The first image stays right.
        let class = (0..3).find(|class| !own.contains(class)).expect("three classes");
        (honest.inputs[1].class, honest.inputs[1].label) = (class, class as u64);
        let forged = honest
            .computed_by(0, &biased(&graph, 0, class, -8 * 40))
            .computed_by(1, &biased(&graph, 0, class, 8 * 40))
            .proof();
        let weaker = Weakening::challenges(|drawn| drawn.first.u = Fr::ONE);
        Play { honest: honest.proof(), forged, weaker }
    }));
    entries.push(weakened("challenges: theta", "theta is 0; the function's value is free", || {
        let scene = line_scene(2, 2);
        let mut forged = scene.proof();
        let (row, shown) = (forged.row(TileSource::Layer(0)), scene.layout.public_inputs - 2);
        forged.first.lanes[0].out.add(row, Fr::ONE);
        forged.public[shown] += Fr::ONE;
        forged.count = false;
        let weaker = Weakening::challenges(|drawn| drawn.first.theta = Fr::ZERO);
        Play { honest: scene.proof(), forged, weaker }
    }));
    let what = "beta is known; a row of another function is scaled to look like one of this";
    entries.push(weakened("challenges: beta", what, known_beta));
    let what = "z is known; errors of two positions cancel";
    entries.push(weakened("challenges: z", what, known_z));
}

/// `beta + pre + theta * out + theta^2 * tag` is the share `1 / c` of another function's row for every
/// `theta`, if `c` is the quotient of the tags and `beta` suits.
fn known_beta() -> Play {
    let scene = line_scene(2, 2);
    let mut forged = scene.proof();
    let layout = &scene.layout;
    let tile = scene.tile(TileSource::Layer(0));
    assert_eq!(tile.function, 1);
    let share = Tables::function_tag(1) * Tables::function_tag(0).invert().expect("not zero");
    let row = layout.tables.function_row(0, 5).expect("a row of the first function");
    let mut entry = [Fr::ZERO; 3];
    layout.tables.for_each_row(|other, values| {
        if other == row {
            entry = values;
        }
    });
    let pre = forged.first.lanes[0].pre.get(tile.first_row);
    let out = entry[1] * share;
    let beta = (entry[0] * share - pre) * (Fr::ONE - share).invert().expect("tags differ");
    forged.first.lanes[0].out.set(tile.first_row, out);
    forged.multiplicities.push((row, share.invert().expect("not zero")));
    let shown = layout.public_inputs - 2;
    forged.public[shown] = out;
    let weaker = Weakening::challenges(move |drawn| drawn.first.beta = beta);
    Play { honest: scene.proof(), forged, weaker }
}

fn known_z() -> Play {
    let mut builder = small([1, 1, 3]);
    let hidden = builder.conv(0, [1, 2], [1, 1], [0; 4], 1, 1, false);
    let output = builder.conv(hidden, [1, 2], [1, 1], [0; 4], 2, 1, false);
    let mut graph = finish(builder, output);
    for layer in &mut graph.layers {
        let Op::Conv { weights, .. } = &mut layer.op else { panic!("a convolution") };
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = 4 + i as i64);
    }
    let scene = Scene::prediction(&graph, &[120, 140, 90], [2, 1], logits());
    let mut other = graph.clone();
    let Op::Conv { weights, .. } = &mut other.layers[0].op else { panic!("a convolution") };
    weights[0] += 8;
    let lied = scene.computed_by(0, &other);
    let sums = |scene: &Scene| {
        let trace = &scene.inputs[0].execution.layers[0];
        [0, 1].map(|i| i64::from(trace.pre[i]) * 8 + i64::from(trace.rem[i]))
    };
    let (right, wrong) = (sums(&scene), sums(&lied));
    let [first, second] = [0, 1].map(|i| crate::layout::scalar_program::field(wrong[i] - right[i]));
    let z = -first * second.invert().expect("both positions differ");
    let weaker = Weakening::challenges(move |drawn| drawn.z = z);
    Play { honest: scene.proof(), forged: lied.proof(), weaker }
}

fn fixed_values(entries: &mut Vec<Entry>) {
    let what = "kept positions have rest cells, one of which hides an error";
    entries.push(weakened("fixed: kept positions", what, || {
        let scene = line_scene(2, 2);
        let mut forged = scene.computed_by(0, &biased(&scene.graph, 0, 0, 8)).proof();
        forged.rest = Some(Box::new(|scene, _, cells| {
            let grid = &scene.layout.rests[0];
            assert!(grid.kept(0, 1).is_some());
            cells[grid.row(0, 1)] -= Fr::from(8);
        }));
        let weaker = Weakening::fixed(|system, _, column, _, value| {
            let kept = column == system.config.rest_kind.index() && value == Fr::ONE;
            if kept { value.double() } else { value }
        });
        Play { honest: scene.proof(), forged, weaker }
    }));
    let what = "one tag for all functions; the logits' table is another one";
    entries.push(weakened("fixed: tags of functions", what, || {
        let (mut graph, bytes) = line(2, 2);
        let Op::Conv { bias, .. } = &mut graph.layers[0].op else { panic!("a convolution") };
        *bias = vec![-200, 100];
        let scene = Scene::prediction(&graph, &bytes, [2, 1], logits());
        let mut other = graph.clone();
        let Op::Conv { rescale, .. } = &mut other.layers[0].op else { panic!("a convolution") };
        rescale.function = 0;
        let lied = scene.computed_by(0, &other);
        let execution = lied.inputs[0].execution.clone();
        let mut forged = lied.proof();
        forged.fill(TileSource::Layer(0), |[channel, _, _]| {
            let trace = &execution.layers[0];
            let out = execution.tensors[1][channel];
            [i64::from(trace.pre[channel]), i64::from(out), i64::from(trace.rem[channel])]
        });
        let weaker = tags(|tag| {
            let function = (0..8).any(|function| tag == Tables::function_tag(function));
            function.then(|| Tables::function_tag(0))
        });
        Play { honest: scene.proof(), forged, weaker }
    }));
    let power_of_two = |tag: Fr| (0..=16).any(|shift| tag == Fr::from(1 << shift));
    let what = "one tag for all ranges; a remainder is in another layer's range";
    entries.push(weakened("fixed: tags of ranges", what, move || {
        let (mut graph, bytes) = two_layers();
        let Op::Conv { rescale, .. } = &mut graph.layers[0].op else { panic!("a convolution") };
        rescale.shift = 5;
        let scene = Scene::prediction(&graph, &bytes, [2, 2], logits());
        let forged = beyond_its_range(&scene, 1);
        let weaker = tags(move |tag| power_of_two(tag).then_some(Fr::ONE));
        Play { honest: scene.proof(), forged, weaker }
    }));
    let what = "a function has a range's tag; a remainder is in its table";
    entries.push(weakened("fixed: tags of functions are no ranges'", what, || {
        let (mut graph, bytes) = line(2, 2);
        let (name, least) = ("floor".into(), -(1 << 15));
        graph.functions.push(FunctionTable { name, min: least, values: vec![least; 16] });
        let scene = Scene::prediction(&graph, &bytes, [2, 1], logits());
        let forged = beyond_its_range(&scene, 0);
        let weaker = tags(|tag| (tag == Tables::function_tag(2)).then_some(Fr::from(8)));
        Play { honest: scene.proof(), forged, weaker }
    }));
    let what = "lanes beyond a line count; one of them takes from the next line";
    entries.push(weakened("fixed: dead lanes", what, dead_lanes));
}

/// Other tags, in the tiles' rows and in the table.
fn tags(change: impl Fn(Fr) -> Option<Fr> + Sync + 'static) -> Weakening {
    Weakening::fixed(move |system, gate, column, _, value| {
        let config = &system.config;
        let tile =
            gate == "lookup" && [config.function.index(), config.shift.index()].contains(&column);
        let table = gate == "lookup sum" && column == config.table[2].index();
        if tile || table { change(value).unwrap_or(value) } else { value }
    })
}

/// The first logit of a layer with shift 3 is one too small, its remainder eight too large.
fn beyond_its_range(scene: &Scene, layer: usize) -> Forged {
    let trace = &scene.inputs[0].execution.layers[layer];
    let (pre, rem) = (i64::from(trace.pre[0]), i64::from(trace.rem[0]));
    let mut forged = scene.proof();
    let row = forged.row(TileSource::Layer(layer));
    forged.put(row, 0, [pre - 1, pre - 1, rem + 8]);
    let first = scene.layout.options.statement.first_output(&scene.graph);
    forged.public[first] -= Fr::ONE;
    forged
}

fn dead_lanes() -> Play {
    const MORE: i64 = 20;
    let mut builder = small([1, 2, 4]);
    let hidden = builder.conv(0, [1, 1], [1, 1], [0; 4], 1, 1, true);
    let output = builder.conv(hidden, [2, 4], [1, 1], [0; 4], 2, 1, false);
    let scene = Scene::prediction(
        &finish(builder, output),
        &[10, 200, 150, 77, 120, 90, 30, 240],
        [3, 1],
        logits(),
    );
    let source = TileSource::Layer(0);
    let tile = scene.tile(source).clone();
    let neutral = |forged: &mut Forged| {
        tile.for_each_row(|at| {
            for lane in tile.live_lanes(at.group, at.position)..tile.lanes {
                forged.put(at.row, lane, [0; 3]);
            }
        });
    };
    let mut honest = scene.proof();
    neutral(&mut honest);
    // Line 0, column 4 has the exponent of line 1, column 0.
    let mut lied = scene.clone();
    let execution = &mut lied.inputs[0].execution;
    execution.layers[0].pre[4] += MORE as i32;
    execution.tensors[hidden][4] = execution.layers[0].pre[4].max(0);
    let Op::Conv { weights, bias, .. } = &scene.graph.layers[1].op else { panic!("the logits") };
    for class in 0..2 {
        let values = execution.tensors[hidden].iter().zip(&weights[class * 8..]);
        let sum = bias[class] + values.map(|(x, w)| i64::from(*x) * w).sum::<i64>() + 4;
        execution.layers[1].pre[class] = (sum >> 3) as i32;
        execution.layers[1].rem[class] = (sum & 7) as u32;
        execution.tensors[output][class] = (sum >> 3) as i32;
    }
    let mut forged = lied.proof();
    neutral(&mut forged);
    let mut row = None;
    tile.for_each_row(|at: TileRow| {
        if (at.line, at.position) == (0, 1) {
            row = Some(at.row);
        }
    });
    forged.put(row.expect("a row with dead lanes"), 1, [-MORE, 0, 0]);
    let rows = tile.first_row..tile.first_row + tile.rows();
    let weaker = Weakening::fixed(move |system, _, column, row, value| {
        let config = &system.config;
        let Some(index) = config.patterns.iter().position(|other| other.index() == column) else {
            return value;
        };
        if !rows.contains(&row) {
            return value;
        }
        let pattern = config.profile.patterns[index];
        Fr::from(u64::from(pattern == tile.pattern(tile.lanes)))
    });
    Play { honest, forged, weaker }
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    challenges(&mut entries);
    fixed_values(&mut entries);
    entries
}
