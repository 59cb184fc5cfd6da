//! Forgeries of the commitment to outputs that are hidden.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::hashes::{absorbed, rehash};
use super::scene::{Scene, line, predict};
use super::{Entry, dropped};
use crate::InputMode;
use crate::OutputMode;
use assay_arithmetic::packed_outputs::pack_outputs;
use assay_arithmetic::poseidon::{self, RATE, WIDTH};

/// What the outputs' chain absorbs after its state and the salt.
const FIRST_ELEMENT: usize = 2;

/// Three outputs of a committed input.
pub(super) fn hidden() -> Scene {
    of(3, InputMode::Committed)
}

/// Three outputs of a public input: nothing else is hashed.
pub(super) fn hidden_of_public() -> Scene {
    of(3, InputMode::Public)
}

/// So many outputs that two permutations absorb them.
pub(super) fn many_hidden() -> Scene {
    of(70, InputMode::Committed)
}

fn of(outputs: usize, input: InputMode) -> Scene {
    let (graph, bytes) = line(4, outputs);
    Scene::prediction(&graph, &bytes, [3, 1], predict(input, OutputMode::Commitment))
}

fn stored(scene: &Scene) -> Vec<u16> {
    scene.assignment().stored_outputs()
}

/// The last permutation absorbs something else, and its result is shown.
fn absorbing(
    entries: &mut Vec<Entry>,
    rule: &str,
    what: &'static str,
    make: fn() -> Scene,
    change: fn(&Scene, &mut [Fr; WIDTH]),
) {
    entries.push(dropped(format!("copies: {rule}"), what, move || {
        let scene = make();
        let mut forged = scene.proof();
        let mut blocks = absorbed(&forged);
        change(&scene, blocks.last_mut().expect("a permutation"));
        let results = rehash(&mut forged, &blocks, false, |_, _| Fr::ZERO);
        let shown = scene.layout.options.statement.first_output(&scene.graph);
        forged.public[shown] = *results.last().expect("a hash");
        (scene, forged)
    }));
}

/// The outputs of the same network for another input.
fn of_another_input(scene: &Scene, absorbed: &mut [Fr; WIDTH]) {
    let mut other = scene.clone();
    other.inputs[0].bytes[2] ^= 85;
    let other = other.computed_by(0, &other.graph);
    absorbed[FIRST_ELEMENT] = pack_outputs(&stored(&other))[0];
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for make in [hidden, hidden_of_public] {
        let another = "another output in the hash";
        absorbing(&mut entries, "hashed outputs", another, make, |_, absorbed| {
            absorbed[FIRST_ELEMENT] += Fr::from(1 << 16);
        });
        let other = "the outputs of another input";
        absorbing(&mut entries, "hashed outputs", other, make, of_another_input);
    }
    let swapped = "two outputs swapped in the hash";
    absorbing(&mut entries, "hashed outputs", swapped, hidden, |scene, absorbed| {
        let mut outputs = stored(scene);
        outputs.swap(0, 2);
        absorbed[FIRST_ELEMENT] = pack_outputs(&outputs)[0];
    });
    let length = "another number of outputs";
    absorbing(&mut entries, "domain of a chain", length, hidden, |scene, absorbed| {
        absorbed[0] = poseidon::output_domain(stored(scene).len() + 1);
    });
    let more = "an element after the outputs";
    absorbing(&mut entries, "padding of a chain", more, hidden, |_, absorbed| {
        absorbed[RATE] += Fr::ONE;
    });
    let start = "a second permutation that starts anew";
    absorbing(&mut entries, "chaining", start, many_hidden, |_, absorbed| {
        absorbed[0] += Fr::ONE;
    });
    for (what, salt, change) in
        [("the hash with another salt", 79, 0), ("the hash of other outputs", 78, 1)]
    {
        entries.push(dropped("copies: public output commitment".into(), what, move || {
            let scene = hidden();
            let mut forged = scene.proof();
            let mut outputs = stored(&scene);
            outputs[1] += change;
            let shown = scene.layout.options.statement.first_output(&scene.graph);
            forged.public[shown] = poseidon::commit_outputs(Fr::from(salt), &outputs);
            (scene, forged)
        }));
    }
    entries
}
