//! The list of forgeries against the rules that circuits of all shapes have, and the checker against
//! the library's.

use std::collections::BTreeSet;

use halo2_proofs::{dev::VerifyFailure, halo2curves::bn256::Fr};

use super::super::{check, items::audit, mixed_network, options, prediction};
use super::checker::System;
use super::equivalent::EQUIVALENT;
use super::prover::draw;
use super::weaker::Weakening;
use super::{
    Entry, Kind, answers, dots, gates, hashes, layers, matrices, outputs, statements, transformers,
    weakened,
};
use crate::AnswerMode;
use crate::InputMode;
use crate::Layout;
use crate::OutputMode;
use crate::Run;
use crate::StatementKind;

fn all() -> Vec<Entry> {
    let mut entries = gates::entries();
    entries.extend(hashes::entries());
    entries.extend(layers::entries());
    entries.extend(matrices::entries());
    entries.extend(dots::entries());
    entries.extend(transformers::entries());
    entries.extend(statements::entries());
    entries.extend(weakened::entries());
    entries.extend(answers::entries());
    entries.extend(outputs::entries());
    entries
}

/// Layouts with each kind of layer, statement, hash gate and batch.
fn layouts() -> Vec<Layout> {
    let (graph, _) = mixed_network();
    let predict = |output| StatementKind::Prediction { input: InputMode::Committed, output };
    let retrieval = StatementKind::Retrieval { run: Run { log_items: 1, depth: 3 }, class: 1 };
    let answers = AnswerMode::Classes;
    let run = Run { log_items: 2, depth: 3 };
    let classification = StatementKind::Classification { run, answers };
    let mut layouts = [
        (2, prediction(InputMode::Committed)),
        (3, prediction(InputMode::Public)),
        (4, predict(OutputMode::Best(2))),
        (4, predict(OutputMode::Scored(2))),
        (5, predict(OutputMode::Logits)),
        (3, audit(2, 4, 2)),
        (8, audit(4, 5, 1)),
        (2, retrieval),
        (8, retrieval),
        (3, classification),
        (8, classification),
    ]
    .map(|(lanes, statement)| Layout::new(&graph, options(lanes, 2, statement)).expect("layout"))
    .to_vec();
    for scene in [
        layers::product(),
        layers::repeated(),
        dots::summed(1, false),
        dots::summed(2, true),
        matrices::transposed(1),
        matrices::multiplied(),
        matrices::copied(),
        matrices::batch(0).0,
        transformers::scene(),
        gates::batch_scenes().0,
        answers::numbered(),
        outputs::hidden(),
        outputs::hidden_of_public(),
        outputs::many_hidden(),
    ] {
        layouts.push(scene.layout);
    }
    layouts.push(hashes::long_scene().layout);
    layouts
}

/// What challenges and fixed values see to: every challenge of the circuit, and each fixed value that is a
/// rule by itself.
const WEAKENED: [&str; 10] = [
    "challenges: v",
    "challenges: u",
    "challenges: theta",
    "challenges: beta",
    "challenges: z",
    "fixed: kept positions",
    "fixed: tags of functions",
    "fixed: tags of ranges",
    "fixed: tags of functions are no ranges'",
    "fixed: dead lanes",
];

#[test]
fn every_rule_has_a_forgery() {
    let mut registered = BTreeSet::new();
    for layout in layouts() {
        registered.extend(System::new(&layout).rules(draw(2)));
    }
    let equivalent = EQUIVALENT.map(|(rule, _)| rule.to_string());
    let mut listed = BTreeSet::from(equivalent);
    println!("mutation: equivalent: {}", listed.len());
    for (rule, reason) in EQUIVALENT {
        println!("mutation: equivalent: {rule} | {reason}");
    }
    for entry in all() {
        if entry.kind == Kind::Dropped {
            listed.insert(entry.rule);
        }
    }
    let weakened = all().into_iter().filter(|entry| entry.kind == Kind::Weakened);
    let weakened = weakened.map(|entry| entry.rule).collect::<BTreeSet<_>>();
    for rule in WEAKENED {
        assert!(weakened.contains(rule), "no forgery for the weaker rule {rule}");
    }
    let missing = registered.difference(&listed).collect::<Vec<_>>();
    assert!(missing.is_empty(), "rules without a forgery: {missing:#?}");
    let unknown = listed.difference(&registered).collect::<Vec<_>>();
    assert!(unknown.is_empty(), "forgeries of rules that no circuit has: {unknown:#?}");
}

/// Forgeries of all families, as the library's own checker sees them with the circuit's own witness.
#[test]
fn the_checker_agrees_with_the_library() {
    let rules = [
        "copies: convolution",
        "copies: sum-pool",
        "copies: public class",
        "copies: path bit",
        "hash: S-box",
        "hash: absorption (absorbing)",
        "hash: square 3 of partial rounds",
        "hash: fourth 2",
        "copies: chaining",
    ];
    for entry in all().iter().filter(|entry| rules.contains(&entry.rule.as_str())) {
        let play = (entry.make)();
        for proof in [&play.honest, &play.forged] {
            let system = System::new(proof.layout());
            let none = Weakening::none();
            let broken = system.broken(&proof.columns(&system, &none, draw(3)), &none);
            let ours = broken.iter().map(|rule| match rule.split(" (").next() {
                Some(name) if !name.starts_with("copies") => name.to_string(),
                _ => "copies".to_string(),
            });
            let failures =
                check(&proof.scene.assignment(), &proof.first, &proof.public, Vec::new());
            let theirs = failures.iter().map(name).collect::<BTreeSet<_>>();
            assert_eq!(ours.collect::<BTreeSet<_>>(), theirs, "{}", entry.rule);
        }
    }
}

/// `gate: constraint`, or `copies`.
fn name(failure: &VerifyFailure) -> String {
    match failure {
        VerifyFailure::ConstraintNotSatisfied { constraint, .. } => {
            let shown = constraint.to_string();
            let names = shown.split('\'').collect::<Vec<_>>();
            format!("{}: {}", names[3], names[1])
        }
        VerifyFailure::Permutation { .. } => "copies".into(),
        other => format!("{other:?}"),
    }
}

/// The prover's third phase, cell by cell, is the circuit's.
#[test]
fn the_honest_third_phase_is_the_same() {
    // Not what is weaker: of some of these the honest proof has cells of its own.
    let dropped = all().into_iter().filter(|entry| entry.kind == Kind::Dropped);
    for entry in dropped.step_by(17) {
        let proof = (entry.make)().honest;
        let system = System::new(proof.layout());
        let drawn = draw(4);
        let columns = proof.columns(&system, &Weakening::none(), drawn);
        let assignment = proof.scene.assignment();
        let rest = assignment.second_phase(drawn.first.v, drawn.first.u);
        let third =
            assignment.third_phase(&proof.first, &rest, drawn.first, drawn.z, &proof.public);
        let config = &system.config;
        let same = |column: usize, values: &[Fr]| {
            let rows = 0..system.rows - crate::layout::RESERVED_ROWS;
            rows.clone().all(|row| columns.advice[column][row] == values[row])
        };
        assert!(same(config.lookup_sum.index(), &third.lookup_sum), "{}", entry.rule);
        assert!(same(config.produced.index(), &third.produced), "{}", entry.rule);
        assert!(same(config.consumed.index(), &third.consumed), "{}", entry.rule);
        assert!(same(config.product.index(), &third.scalars.product));
        assert!(same(config.s0.index(), &third.scalars.s0));
        assert!(same(config.s1.index(), &third.scalars.s1));
    }
}
