//! Forgeries of what a statement says of the logits, and of a collection's items.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::gates::line_scene;
use super::prover::Forged;
use super::scene::{Scene, line, predict};
use super::{Entry, dropped};
use crate::InputMode;
use crate::OutputMode;
use crate::Run;
use crate::StatementKind;
use crate::TreePlace;
use crate::layout::scalar_program::FreeValue;
use crate::layout::tile::TileSource;
use crate::tests::items::audit;
use assay_arithmetic::poseidon;

const CLASSES: usize = 3;
/// `2^SHIFT` is at least the number of classes.
const SHIFT: i64 = 2;

/// A prediction among three classes whose best is class 1, far before the others.
pub(super) fn ranked(output: OutputMode) -> Scene {
    let (mut graph, _) = line(2, CLASSES);
    if let assay_graph::Op::Conv { weights, bias, .. } = &mut graph.layers[0].op {
        (*weights, *bias) = (vec![1, 1, 2, 2, 1, 2], vec![0, 40, 8]);
    }
    Scene::prediction(&graph, &[200, 190], [2, 1], predict(InputMode::Public, output))
}

/// A class's key above the least.
fn key(scene: &Scene, class: usize) -> i64 {
    let logit = i64::from(scene.inputs[0].execution.logits()[class]);
    let least = i64::from(scene.graph.tensors[scene.graph.output].min);
    ((logit - least) << SHIFT) + (CLASSES - 1 - class) as i64
}

fn put_split(forged: &mut Forged, row: usize, value: i64, out: Option<i64>) {
    let pre = value >> SHIFT;
    forged.put(row, 0, [pre, out.unwrap_or(pre), value & ((1 << SHIFT) - 1)]);
}

fn ranking(entries: &mut Vec<Entry>) {
    // The ranked class's out is its logit, above the least.
    let class = |top: fn(&Scene) -> i64, below: fn(&Scene, usize) -> i64| {
        move || {
            let scene = ranked(OutputMode::Class);
            assert_eq!(scene.inputs[0].execution.class(), 1);
            let mut forged = scene.proof();
            let row = forged.row(TileSource::Ranking);
            put_split(&mut forged, row, top(&scene), None);
            for class in 0..CLASSES {
                put_split(&mut forged, row + 1 + class, below(&scene, class), None);
            }
            let shown = scene.layout.public_inputs - 1;
            forged.public[shown] = Fr::ZERO;
            (scene, forged)
        }
    };
    entries.push(dropped(
        "copies: distances to the largest key".into(),
        "a lower class, the distances made up",
        class(|scene| key(scene, 0), |_, class| 5 * class as i64),
    ));
    entries.push(dropped(
        "copies: largest of the keys".into(),
        "a key above all others that is no class's",
        class(above, |scene, class| above(scene) - key(scene, class)),
    ));
    let best = |ranked_key: fn(&Scene) -> i64, compare: bool, shown_class: u64| {
        move || {
            let scene = ranked(OutputMode::Best(1));
            let mut forged = scene.proof();
            let (ranked, row) =
                (forged.row(TileSource::RankedClass), forged.row(TileSource::Comparisons));
            put_split(&mut forged, ranked, ranked_key(&scene), None);
            for class in (0..CLASSES).filter(|_| compare) {
                let difference = key(&scene, class) - ranked_key(&scene);
                let bit = i64::from(difference >= 0);
                put_split(&mut forged, row + class, difference, Some(bit));
            }
            let shown = scene.layout.public_inputs - 1;
            forged.public[shown] = Fr::from(shown_class);
            (scene, forged)
        }
    };
    entries.push(dropped(
        "copies: differences of keys".into(),
        "another class with the best one's comparisons",
        best(|scene| key(scene, 0), false, 0),
    ));
    entries.push(dropped(
        "copies: one of the keys".into(),
        "a key just below the best that is no class's",
        best(|scene| key(scene, 1) - 1, true, 2),
    ));
    entries.push(dropped(
        "copies: place of a best class".into(),
        "the second best as the best",
        best(second, true, 2),
    ));
    for (rule, output) in [
        ("public class", OutputMode::Class),
        ("public best class", OutputMode::Best(2)),
        ("public score of a best class", OutputMode::Scored(2)),
        ("public logit", OutputMode::Logits),
    ] {
        shown(entries, rule, move || {
            let scene = ranked(output);
            let last = scene.layout.public_inputs - 1;
            (scene, last)
        });
    }
    shown(entries, "public commitment", || {
        let scene = line_scene(4, 2);
        let statement = predict(InputMode::Committed, OutputMode::Logits);
        (Scene::prediction(&scene.graph, &scene.inputs[0].bytes, [2, 1], statement), 1)
    });
}

/// Class 0 with a logit that no class has.
fn above(scene: &Scene) -> i64 {
    let (low, best) = (key(scene, 0), key(scene, 1));
    low + ((((best - low) >> SHIFT) + 1) << SHIFT)
}

fn second(scene: &Scene) -> i64 {
    let mut keys = (0..CLASSES).map(|class| key(scene, class)).collect::<Vec<_>>();
    keys.sort_unstable();
    assert_eq!(keys[1], key(scene, 2), "class 2 is the second");
    keys[1]
}

/// Another value is shown than is proven.
fn shown(
    entries: &mut Vec<Entry>,
    rule: &str,
    make: impl Fn() -> (Scene, usize) + Send + Sync + 'static,
) {
    entries.push(dropped(format!("copies: {rule}"), "another value is shown", move || {
        let (scene, index) = make();
        let mut forged = scene.proof();
        forged.public[index] += Fr::ONE;
        (scene, forged)
    }));
}

/// Three items of a run of four count; item 1 has a wrong label.
pub(super) fn three_of_four() -> Scene {
    let (graph, items) = turned();
    Scene::run(&graph, &items, 3, audit(2, 4, 1), 3, &[1])
}

/// Four inputs made of one.
pub(super) fn turns(bytes: &[u8]) -> Vec<Vec<u8>> {
    let items = (0..4).map(|item| {
        let mut bytes = bytes.iter().map(|byte| byte.wrapping_mul(2 + item)).collect::<Vec<_>>();
        bytes.rotate_left(usize::from(item));
        bytes
    });
    items.collect()
}

/// Four items of a network with three classes.
pub(super) fn turned() -> (assay_graph::QuantizedGraph, Vec<Vec<u8>>) {
    let (graph, bytes) = line(4, CLASSES);
    let items = turns(&bytes);
    (graph, items)
}

pub(super) fn retrieved() -> Scene {
    let (graph, items) = turned();
    let class = super::scene::execute(&graph, &items[0]).class();
    let statement = StatementKind::Retrieval { run: Run { log_items: 2, depth: 3 }, class };
    Scene::run(&graph, &items, 3, statement, 3, &[])
}

pub(super) fn place(scene: &mut Scene) -> &mut TreePlace {
    scene.place.as_mut().expect("a place")
}

pub(super) fn leaf(scene: &Scene, item: usize) -> Fr {
    let item = &scene.inputs[item];
    poseidon::hash_leaf(item.salt, item.label, &item.bytes)
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
fn collections(entries: &mut Vec<Entry>) {
    for (rule, index) in
        [("public root", 1), ("public place", 2), ("public items", 3), ("public count", 4)]
    {
        shown(entries, rule, move || (three_of_four(), index));
    }
    shown(entries, "public bitmap", || (retrieved(), 4));
    let mut lie = |rule: &str, what, lie: fn(&mut Scene, &mut Vec<Fr>)| {
        entries.push(dropped(format!("copies: {rule}"), what, move || {
            let honest = three_of_four();
            let mut public = honest.public();
            let mut lied = honest.clone();
            lie(&mut lied, &mut public);
            let mut forged = lied.proof();
            forged.public = public;
            (honest, forged)
        }));
    };
    lie("hashed label", "a label that is not the leaf's", |scene, public| {
        scene.inputs[1].class = scene.inputs[1].execution.class();
        public[4] += Fr::ONE;
    });
    lie(
        "active bit",
        "an item that counts twice makes up for one that does not",
        |scene, public| {
            let committed = leaf(scene, 2);
            scene.inputs[2] = scene.inputs[0].clone();
            scene.inputs[2].salt += Fr::ONE;
            let made_up = leaf(scene, 2);
            let masked = made_up.double() - committed;
            place(scene).forged =
                vec![(FreeValue::Active(2), Fr::from(2)), (FreeValue::MaskedLeaf(2), masked)];
            (public[3], public[4]) = (Fr::from(4), Fr::from(3));
        },
    );
    lie("no gap", "an item that is classified wrongly is left out", |scene, public| {
        let skipped = leaf(scene, 1);
        place(scene).forged =
            vec![(FreeValue::Active(1), Fr::ZERO), (FreeValue::MaskedLeaf(1), skipped)];
        public[3] -= Fr::ONE;
    });
    lie("path bit", "a run outside the tree", |scene, public| {
        let climbed = |scene: &Scene| scene.assignment().root_of_run();
        let (own, sibling) = (climbed(scene), place(scene).siblings[0]);
        // The run is the second one: a right child.
        let (left, right) = (sibling, own);
        scene.inputs[1].class = scene.inputs[1].execution.class();
        scene.inputs[1].label = scene.inputs[1].class as u64;
        let made_up = climbed(scene);
        let beside = left + right - made_up;
        let bit = (left - made_up) * (beside - made_up).invert().expect("differ");
        place(scene).forged = vec![(FreeValue::Sibling(0), beside), (FreeValue::PathBit(0), bit)];
        public[2] = bit * Fr::from(4);
        public[4] += Fr::ONE;
    });
    entries.push(dropped("copies: children of a node".into(), "an item that is not there", || {
        let honest = three_of_four();
        let mut lied = honest.clone();
        lied.inputs[1].class = lied.inputs[1].execution.class();
        lied.inputs[1].label = lied.inputs[1].class as u64;
        let mut forged = lied.proof();
        // The nodes absorb the committed leaves.
        let blocks = super::hashes::absorbed(&honest.proof());
        let mut own = super::hashes::absorbed(&forged);
        let hash = honest.layout.hash.as_ref().expect("hashed");
        let nodes = honest.inputs.len() * hash.chain;
        own[nodes..].copy_from_slice(&blocks[nodes..]);
        super::hashes::rehash(&mut forged, &own, false, |_, _| Fr::ZERO);
        forged.public[1] = honest.public()[1];
        (honest, forged)
    }));
    entries.push(dropped("copies: verdict".into(), "a wrong item counts as right", || {
        let honest = three_of_four();
        let mut forged = honest.proof();
        let row = forged.row(TileSource::Verdict) + 1;
        forged.put(row, 0, [0, 1, 0]);
        forged.public[4] += Fr::ONE;
        (honest, forged)
    }));
    entries.push(dropped("copies: wanted class".into(), "an item of another class", || {
        let honest = retrieved();
        let wanted = honest.inputs[0].class;
        let own = |item: usize| honest.inputs[item].execution.class();
        let other = (0..3).find(|item| own(*item) != wanted).expect("an item of another class");
        let mut lied = honest.clone();
        lied.inputs[other].class = own(other);
        let forged = lied.proof();
        (honest, forged)
    }));
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    ranking(&mut entries);
    collections(&mut entries);
    entries
}
