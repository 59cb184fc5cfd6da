//! Forgeries of what a run shows of each of its items.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use super::prover::Forged;
use super::scene::{Scene, line};
use super::statements::{leaf, place, turned, turns};
use super::{Entry, dropped};
use crate::AnswerMode;
use crate::Run;
use crate::StatementKind;
use crate::layout::scalar_program::FreeValue;
use crate::layout::tile::TileSource;
use assay_arithmetic::packed_outputs::pack_outputs;

/// Items of the run that count.
const COUNT: usize = 3;
/// Public input that holds the answers.
const ANSWERS: usize = 4;

fn statement(answers: AnswerMode) -> StatementKind {
    StatementKind::Classification { run: Run { log_items: 2, depth: 3 }, answers }
}

/// Three items of a run of four, of a network with three classes.
pub(super) fn classified() -> Scene {
    let (graph, items) = turned();
    Scene::run(&graph, &items, 3, statement(AnswerMode::Classes), COUNT, &[])
}

/// The same of a network with one output.
pub(super) fn numbered() -> Scene {
    let (graph, bytes) = line(4, 1);
    let items = turns(&bytes);
    Scene::run(&graph, &items, 3, statement(AnswerMode::Numbers), COUNT, &[])
}

/// Bits of a key below the logit.
fn shift(scene: &Scene) -> u32 {
    classes(scene).next_power_of_two().ilog2()
}

fn classes(scene: &Scene) -> usize {
    scene.graph.tensors[scene.graph.output].shape[0]
}

/// The key of an item's class, above the least.
fn key(scene: &Scene, item: usize, class: usize) -> i64 {
    let logit = i64::from(scene.inputs[item].execution.logits()[class]);
    let least = i64::from(scene.graph.tensors[scene.graph.output].min);
    ((logit - least) << shift(scene)) + (classes(scene) - 1 - class) as i64
}

fn best(scene: &Scene, item: usize) -> usize {
    scene.inputs[item].execution.class()
}

/// The second class of an item.
fn second(scene: &Scene, item: usize) -> usize {
    let others = (0..classes(scene)).filter(|class| *class != best(scene, item));
    others.max_by_key(|class| key(scene, item, *class)).expect("another class")
}

/// Two items that count and are of different classes.
fn different(scene: &Scene) -> [usize; 2] {
    let other = (1..COUNT).find(|item| best(scene, *item) != best(scene, 0));
    [0, other.expect("an item of another class")]
}

/// Shows these answers of the places.
fn show(forged: &mut Forged, answers: &[usize]) {
    let answers = answers.iter().map(|answer| *answer as u16).collect::<Vec<_>>();
    forged.public[ANSWERS] = pack_outputs(&answers)[0];
}

/// Writes the largest key of an item, and how far its classes' keys are below.
fn rank(forged: &mut Forged, item: usize, top: i64, below: impl Fn(usize) -> i64) {
    let scene = &forged.scene;
    let (classes, shift) = (classes(scene), shift(scene));
    let row = forged.row(TileSource::Ranking) + item * (1 + classes);
    for (channel, value) in std::iter::once(top).chain((0..classes).map(below)).enumerate() {
        let pre = value >> shift;
        forged.put(row + channel, 0, [pre, pre, value & ((1 << shift) - 1)]);
    }
}

fn honest_classes(scene: &Scene) -> Vec<usize> {
    (0..COUNT).map(|item| best(scene, item)).collect()
}

fn ranked(entries: &mut Vec<Entry>) {
    entries.push(dropped(
        "copies: distances to the largest key".into(),
        "an item's second class, the distances made up",
        || {
            let scene = classified();
            let mut forged = scene.proof();
            let other = second(&scene, 1);
            rank(&mut forged, 1, key(&scene, 1, other), |class| 3 * class.abs_diff(other) as i64);
            let mut answers = honest_classes(&scene);
            answers[1] = other;
            show(&mut forged, &answers);
            (scene, forged)
        },
    ));
    entries.push(dropped(
        "copies: distances to the largest key".into(),
        "the classes of two items exchanged, each with its distances",
        || {
            let scene = classified();
            let mut forged = scene.proof();
            let [a, b] = different(&scene);
            let mut answers = honest_classes(&scene);
            for (item, other) in [(a, b), (b, a)] {
                let top = key(&scene, other, best(&scene, other));
                rank(&mut forged, item, top, |class| top - key(&scene, other, class));
                answers[item] = best(&scene, other);
            }
            show(&mut forged, &answers);
            (scene, forged)
        },
    ));
    entries.push(dropped(
        "copies: largest of the keys".into(),
        "an item's key above all others that is no class's",
        || {
            let scene = classified();
            let mut forged = scene.proof();
            let other = second(&scene, 1);
            let (low, high) = (key(&scene, 1, other), key(&scene, 1, best(&scene, 1)));
            let steps = ((high - low) >> shift(&scene)) + 1;
            let top = low + (steps << shift(&scene));
            rank(&mut forged, 1, top, |class| top - key(&scene, 1, class));
            let mut answers = honest_classes(&scene);
            answers[1] = other;
            show(&mut forged, &answers);
            (scene, forged)
        },
    ));
}

fn packed(entries: &mut Vec<Entry>) {
    let mut shown = |what, change: fn(&Scene, &mut Vec<usize>)| {
        entries.push(dropped("copies: public answers".into(), what, move || {
            let scene = classified();
            let mut forged = scene.proof();
            let mut answers = honest_classes(&scene);
            change(&scene, &mut answers);
            show(&mut forged, &answers);
            (scene, forged)
        }));
    };
    shown("another class of an item", |scene, answers| answers[2] = second(scene, 2));
    shown("the classes of two items swapped", |scene, answers| {
        let [a, b] = different(scene);
        answers.swap(a, b);
    });
    shown("a class at a place without an item", |scene, answers| {
        answers.push(1 + best(scene, 0));
    });
    shown("a class moved past the number of items", |scene, answers| {
        let [_, item] = different(scene);
        let moved = std::mem::take(&mut answers[item]);
        answers.push(moved + 1);
    });
    shown("a class at a place that no run has", |_, answers| answers.extend([0, 0, 0, 1]));
    entries.push(dropped("copies: public items".into(), "one item more", || {
        let scene = classified();
        let mut forged = scene.proof();
        forged.public[3] += Fr::ONE;
        (scene, forged)
    }));
    let mut lie = |rule: &str, what, lie: fn(&mut Scene, &mut Vec<usize>, &mut Fr)| {
        entries.push(dropped(format!("copies: {rule}"), what, move || {
            let honest = classified();
            let mut lied = honest.clone();
            let (mut answers, mut items) = (honest_classes(&honest), honest.public()[3]);
            lie(&mut lied, &mut answers, &mut items);
            let mut forged = lied.proof();
            forged.public = honest.public();
            forged.public[3] = items;
            show(&mut forged, &answers);
            (honest, forged)
        }));
    };
    lie("no gap", "an item is left out", |scene, answers, items| {
        let [_, item] = different(scene);
        // Not the last one, before which there is no gap.
        let item = item.min(COUNT - 2);
        let skipped = leaf(scene, item);
        place(scene).forged =
            vec![(FreeValue::Active(item), Fr::ZERO), (FreeValue::MaskedLeaf(item), skipped)];
        answers[item] = 0;
        *items -= Fr::ONE;
    });
    lie("active bit", "twice an item's class", |scene, answers, items| {
        let committed = leaf(scene, 2);
        scene.inputs[2].salt += Fr::ONE;
        let masked = leaf(scene, 2).double() - committed;
        place(scene).forged =
            vec![(FreeValue::Active(2), Fr::from(2)), (FreeValue::MaskedLeaf(2), masked)];
        answers[2] *= 2;
        *items += Fr::ONE;
    });
}

fn numbers(entries: &mut Vec<Entry>) {
    let mut lie = |what, lie: fn(&mut [i64])| {
        entries.push(dropped("copies: numbers of the items".into(), what, move || {
            let scene = numbered();
            let mut forged = scene.proof();
            let number = |item: usize| i64::from(scene.inputs[item].execution.logits()[0]);
            let mut numbers = (0..COUNT).map(number).collect::<Vec<_>>();
            lie(&mut numbers);
            let row = forged.row(TileSource::Number);
            for (item, number) in numbers.iter().enumerate() {
                forged.put(row + item, 0, [*number, *number, 0]);
            }
            let shown = numbers.iter().map(|number| (number + (1 << 15)) as usize);
            show(&mut forged, &shown.collect::<Vec<_>>());
            (scene, forged)
        }));
    };
    lie("another number", |numbers| numbers[1] += if numbers[1] > 0 { -1 } else { 1 });
    lie("the numbers of two items exchanged", |numbers| {
        let other = numbers.iter().position(|number| *number != numbers[0]);
        numbers.swap(0, other.expect("an item with another number"));
    });
}

pub(super) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    ranked(&mut entries);
    packed(&mut entries);
    numbers(&mut entries);
    entries
}
