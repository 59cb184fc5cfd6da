//! Forgeries of the hashes: another hash comes out.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::gates::line_scene;
use super::late::Late;
use super::prover::Forged;
use super::scene::{Scene, line, predict};
use super::{Entry, dropped};
use crate::HashGates;
use crate::InputMode;
use crate::OutputMode;
use crate::layout::tile::TileSource;
use crate::tests::items::audit;
use assay_arithmetic::poseidon::{self, RATE, WIDTH};

/// What each permutation absorbs.
pub(super) fn absorbed(forged: &Forged) -> Vec<[Fr; WIDTH]> {
    let hash = forged.layout().hash.as_ref().expect("hashed");
    (0..hash.blocks)
        .map(|block| {
            let first = hash.block_row(block) - hash.first_row;
            std::array::from_fn(|index| forged.first.hash_scalars[first + index][0])
        })
        .collect()
}

/// Fills all hash rows from what is absorbed, cell by cell as the gates say; `poke` changes a cell of a
/// row, and what follows from it follows. Returns the permutations' results. `chained`: blocks start
/// with the result of the one before, but the first.
pub(super) fn rehash(
    forged: &mut Forged,
    blocks: &[[Fr; WIDTH]],
    chained: bool,
    poke: impl Fn(usize, usize) -> Fr,
) -> Vec<Fr> {
    let hash = forged.layout().hash.clone().expect("hashed");
    let mut state = [Fr::ZERO; WIDTH];
    let mut results = Vec::new();
    for (block, absorbed) in blocks.iter().enumerate() {
        let mut row = hash.block_row(block);
        let mut absorbed = *absorbed;
        if let Some(before) = results.last().filter(|_| chained) {
            absorbed[0] = *before;
        }
        for value in absorbed {
            arrive(&mut state, row, &poke);
            write(forged, row, &state);
            forged.first.hash_scalars[row - hash.first_row] = [value, state[0]];
            state.rotate_left(1);
            state[WIDTH - 1] = value;
            row += 1;
        }
        let mut boxes = Vec::new();
        for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
            let full = poseidon::is_full_round(round);
            match (hash.gates, full) {
                (HashGates::Narrow, _) => {
                    let count = if full { WIDTH } else { 1 };
                    for (index, constant) in constants[..count].iter().enumerate() {
                        arrive(&mut state, row, &poke);
                        let mut cells = state.to_vec();
                        let fifth = sbox(&mut cells, row, state[0] + constant, WIDTH, 1, &poke);
                        write(forged, row, &cells[..WIDTH + 2]);
                        if full {
                            state.rotate_left(1);
                        }
                        state[if full { WIDTH - 1 } else { 0 }] = fifth;
                        if index + 1 == count {
                            state = mixed(&state);
                        }
                        row += 1;
                    }
                }
                (HashGates::Wide, true) => {
                    arrive(&mut state, row, &poke);
                    let mut cells = state.to_vec();
                    for i in 0..WIDTH {
                        state[i] =
                            sbox(&mut cells, row, state[i] + constants[i], WIDTH + i, WIDTH, &poke);
                    }
                    write(forged, row, &cells[..3 * WIDTH]);
                    state = mixed(&state);
                    row += 1;
                }
                (HashGates::Wide, false) => {
                    if boxes.is_empty() {
                        arrive(&mut state, row, &poke);
                        boxes = state.to_vec();
                    }
                    let index = (round - poseidon::FULL_ROUNDS / 2) % HashGates::PARTIAL_BOXES;
                    let input = state[0] + constants[0];
                    let fifth = sbox(&mut boxes, row, input, WIDTH + index, WIDTH, &poke);
                    let fifth = fifth + poke(row, 3 * WIDTH + index);
                    boxes.resize(4 * WIDTH, Fr::ZERO);
                    boxes[3 * WIDTH + index] = fifth;
                    state[0] = fifth;
                    state = mixed(&state);
                    if index + 1 == HashGates::PARTIAL_BOXES {
                        write(forged, row, &std::mem::take(&mut boxes));
                        row += 1;
                    }
                }
            }
        }
        // The next row's first cell is what comes out.
        let mut arriving = state;
        arrive(&mut arriving, row, &poke);
        results.push(arriving[0]);
    }
    let row = hash.block_row(hash.blocks);
    write(forged, row, &state);
    forged.first.hash_scalars[row - hash.first_row] = [Fr::ZERO, state[0]];
    state.rotate_left(1);
    state[WIDTH - 1] = Fr::ZERO;
    write(forged, row + 1, &state);
    results
}

fn arrive(state: &mut [Fr; WIDTH], row: usize, poke: &impl Fn(usize, usize) -> Fr) {
    for (cell, value) in state.iter_mut().enumerate() {
        *value += poke(row, cell);
    }
}

/// Square and fourth power go to the cells `at` and `at + step`; returns the fifth power.
fn sbox(
    cells: &mut Vec<Fr>,
    row: usize,
    input: Fr,
    at: usize,
    step: usize,
    poke: &impl Fn(usize, usize) -> Fr,
) -> Fr {
    cells.resize(cells.len().max(at + step + 1), Fr::ZERO);
    cells[at] = input.square() + poke(row, at);
    cells[at + step] = cells[at].square() + poke(row, at + step);
    cells[at + step] * input
}

fn mixed(state: &[Fr; WIDTH]) -> [Fr; WIDTH] {
    std::array::from_fn(|i| {
        poseidon::mds()[i].iter().zip(state).fold(Fr::ZERO, |sum, (a, b)| sum + *a * b)
    })
}

fn write(forged: &mut Forged, row: usize, cells: &[Fr]) {
    let first = forged.layout().hash.as_ref().expect("hashed").first_row;
    let lane_cells = 3 * forged.first.lanes.len();
    for (index, value) in cells.iter().enumerate() {
        if index < lane_cells {
            forged.first.lanes[index / 3].set(index % 3, row, *value);
        } else {
            forged.first.hash_scalars[row - first][index - lane_cells] = *value;
        }
    }
}

/// The hash of a prediction's input, or of a run of items, with the given lanes.
fn scene(wide: bool, lanes: usize) -> Scene {
    if wide {
        let (graph, bytes) = line(4, 2);
        return Scene::run(&graph, &[bytes], lanes, audit(1, 1, 1), 2, &[]);
    }
    let (graph, bytes) = line(4, 2);
    let statement = predict(InputMode::Committed, OutputMode::Logits);
    Scene::prediction(&graph, &bytes, [lanes, 1], statement)
}

/// A cell of the last permutation is another, `offset` rows after the permutation's first.
fn poked(entries: &mut Vec<Entry>, rule: String, wide: bool, lanes: usize, at: (usize, usize)) {
    entries.push(dropped(
        format!("hash: {rule}"),
        "another step of the last permutation",
        move || {
            let scene = scene(wide, lanes);
            let mut forged = scene.proof();
            let hash = scene.layout.hash.as_ref().expect("hashed");
            let row = hash.block_row(hash.blocks - 1) + at.0;
            let blocks = absorbed(&forged);
            let poke =
                |other: usize, cell: usize| Fr::from(u64::from((other, cell) == (row, at.1)));
            forged.public[1] = *rehash(&mut forged, &blocks, false, poke).last().expect("a hash");
            (scene, forged)
        },
    ));
}

fn gates(entries: &mut Vec<Entry>) {
    let absorbing = |entries: &mut Vec<Entry>, wide, lanes| {
        poked(entries, "absorption (absorbing)".into(), wide, lanes, (WIDTH, WIDTH - 1));
        for i in 0..WIDTH - 1 {
            poked(entries, format!("shift {i} (absorbing)"), wide, lanes, (WIDTH, i));
        }
    };
    for lanes in [2, 3] {
        absorbing(entries, false, lanes);
        poked(entries, "square".into(), false, lanes, (WIDTH + 2, WIDTH));
        poked(entries, "fourth".into(), false, lanes, (WIDTH + 2, WIDTH + 1));
        poked(entries, "S-box".into(), false, lanes, (WIDTH + 2, WIDTH - 1));
        for i in 0..WIDTH - 1 {
            poked(entries, format!("shift {i}"), false, lanes, (WIDTH + 2, i));
        }
        let partial = WIDTH + poseidon::FULL_ROUNDS / 2 * WIDTH;
        for i in 0..WIDTH {
            poked(entries, format!("full round {i}"), false, lanes, (2 * WIDTH, i));
            poked(entries, format!("partial round {i}"), false, lanes, (partial + 1, i));
        }
    }
    absorbing(entries, true, 8);
    let (full, partial) = (WIDTH + 1, WIDTH + poseidon::FULL_ROUNDS / 2 + 1);
    for i in 0..WIDTH {
        poked(entries, format!("square {i} of a full round"), true, 8, (full, WIDTH + i));
        poked(entries, format!("full round {i}"), true, 8, (full + 1, i));
        poked(entries, format!("square {i} of partial rounds"), true, 8, (partial, WIDTH + i));
        for row in [full, partial] {
            poked(entries, format!("fourth {i}"), true, 8, (row, 2 * WIDTH + i));
        }
        poked(entries, format!("fifth {i}"), true, 8, (partial, 3 * WIDTH + i));
        poked(entries, format!("partial rounds {i}"), true, 8, (partial + 1, i));
    }
    for (wide, lanes) in [(false, 2), (false, 3), (true, 8)] {
        entries.push(dropped("hash: export".into(), "a hash that is not the state's", move || {
            let scene = scene(wide, lanes);
            let mut forged = scene.proof();
            let hash = scene.layout.hash.as_ref().expect("hashed");
            forged.late.insert((Late::S1, hash.block_row(hash.blocks)), Fr::ONE);
            forged.public[1] += Fr::ONE;
            (scene, forged)
        }));
    }
}

/// Two permutations, the second with room for padding.
pub(super) fn long_scene() -> Scene {
    let (graph, bytes) = line(140, 2);
    let mut graph = graph;
    // So that sums stay small.
    if let assay_graph::Op::Conv { weights, .. } = &mut graph.layers[0].op {
        weights.iter_mut().enumerate().for_each(|(i, w)| *w = i64::from(i % 40 == 0));
    }
    let statement = predict(InputMode::Committed, OutputMode::Logits);
    Scene::prediction(&graph, &bytes, [3, 1], statement)
}

fn absorbing_another(
    entries: &mut Vec<Entry>,
    rule: &str,
    chained: bool,
    make: fn() -> Scene,
    cell: impl Fn(usize) -> (usize, usize) + Send + Sync + 'static,
) {
    entries.push(dropped(format!("copies: {rule}"), "another value is absorbed", move || {
        let scene = make();
        let mut forged = scene.proof();
        let mut blocks = absorbed(&forged);
        let (block, position) = cell(blocks.len());
        blocks[block][position] += Fr::ONE;
        let results = rehash(&mut forged, &blocks, chained, |_, _| Fr::ZERO);
        forged.public[1] = *results.last().expect("a hash");
        (scene, forged)
    }));
}

fn copies(entries: &mut Vec<Entry>) {
    absorbing_another(entries, "domain of a chain", true, long_scene, |_| (0, 0));
    absorbing_another(entries, "chaining", false, long_scene, |blocks| (blocks - 1, 0));
    absorbing_another(entries, "padding of a chain", true, long_scene, |blocks| (blocks - 1, RATE));
    let tree: fn() -> Scene = || scene(true, 8);
    absorbing_another(entries, "domain of a node", false, tree, |blocks| (blocks - 1, 0));
    absorbing_another(entries, "padding of a node", false, tree, |blocks| (blocks - 1, RATE));
    entries.push(dropped("copies: hashed bytes".into(), "the hash of other bytes", || {
        let scene = scene(false, 3);
        let mut other = scene.clone();
        other.inputs[0].bytes[2] ^= 85;
        let other = other.computed_by(0, &other.graph);
        // Everything but the hash is that of the other bytes.
        let (committed, mut forged) = (scene.proof(), other.proof());
        let hash = scene.layout.hash.as_ref().expect("hashed");
        forged.take(&committed, hash.first_row..hash.end());
        forged.first.hash_scalars = committed.first.hash_scalars.clone();
        forged.public[1] = committed.public[1];
        (scene, forged)
    }));
    entries.push(dropped("copies: packed bytes".into(), "a result of other bytes", || {
        let scene = line_scene(4, 2);
        let mut other = scene.clone();
        other.inputs[0].bytes[2] ^= 85;
        let other = other.computed_by(0, &other.graph);
        let (named, mut forged) = (scene.proof(), other.proof());
        forged.take_tile(&named, TileSource::PackedInput);
        forged.public[1] = named.public[1];
        (scene, forged)
    }));
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    gates(&mut entries);
    copies(&mut entries);
    entries
}
