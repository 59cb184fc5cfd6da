//! Every rule of the circuit is noticed: for each there is a forgery, carried through, that all other
//! rules accept and it refuses.
//!
//! A rule is a constraint of a gate in rows of one kind, a family of copy constraints, or what a
//! challenge or a fixed value sees to. The names are those of the gates' constraints and of the copies
//! ([`crate::Layout::for_each_copy`]). That a forgery breaks its rule and nothing else is the
//! same as being accepted by a circuit without the rule. `scripts/mutate-circuit.sh` prints the score.

use std::{
    collections::{BTreeSet, HashMap},
    panic::{AssertUnwindSafe, catch_unwind},
};

mod answers;
mod checker;
mod complete;
mod dots;
mod equivalent;
mod gates;
mod hashes;
mod late;
mod layers;
mod matrices;
mod outputs;
mod places;
mod prover;
mod scene;
mod statements;
mod transformers;
mod weakened;
mod weaker;

use halo2_proofs::halo2curves::bn256::Fr;

use super::{Assignment, FirstPhase};
use crate::witness::assignment::FirstChallenges;
use checker::{Challenges, System};
use late::Later;
use prover::{Forged, draw};
use scene::Scene;
use weaker::Weakening;

/// A rule and a forgery for it.
struct Entry {
    rule: String,
    what: &'static str,
    kind: Kind,
    make: Box<dyn Fn() -> Play + Send + Sync>,
}

#[derive(PartialEq)]
enum Kind {
    /// The forgery breaks this rule alone.
    Dropped,
    /// The forgery breaks nothing in a circuit of weaker challenges or fixed values.
    Weakened,
}

struct Play {
    honest: Forged,
    forged: Forged,
    weaker: Weakening,
}

fn dropped(
    rule: String,
    what: &'static str,
    make: impl Fn() -> (Scene, Forged) + Send + Sync + 'static,
) -> Entry {
    let make = Box::new(move || {
        let (scene, forged) = make();
        Play { honest: scene.proof(), forged, weaker: Weakening::none() }
    });
    Entry { rule, what, kind: Kind::Dropped, make }
}

fn weakened(
    rule: &str,
    what: &'static str,
    make: impl Fn() -> Play + Send + Sync + 'static,
) -> Entry {
    Entry { rule: rule.into(), what, kind: Kind::Weakened, make: Box::new(make) }
}

/// What speaks against the entry; nothing when its rule is noticed.
fn fault(entry: &Entry) -> Result<(), String> {
    let Play { honest, forged, weaker } = (entry.make)();
    let system = System::new(forged.layout());
    let none = Weakening::none();
    let broken = |proof: &Forged, weaker: &Weakening| {
        let columns = proof.columns(&system, weaker, weaker.apply(draw(1)));
        system.broken(&columns, weaker)
    };
    let accepted = |name: &str, broken: BTreeSet<String>| match broken.len() {
        0 => Ok(()),
        _ => Err(format!("{name} breaks {broken:?}")),
    };
    accepted("the honest proof", broken(&honest, &none))?;
    if forged.public == honest.public {
        return Err("the forgery says nothing else than the honest proof".into());
    }
    let with = broken(&forged, &none);
    if entry.kind == Kind::Weakened {
        accepted("without the rule, the honest proof", broken(&honest, &weaker))?;
        accepted("without the rule, the forgery", broken(&forged, &weaker))?;
        return if with.is_empty() { Err("the forgery is accepted".into()) } else { Ok(()) };
    }
    match with.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Err("the forgery is accepted".into()),
        [rule] if *rule == entry.rule => Ok(()),
        others => Err(format!("the forgery breaks {others:?}")),
    }
}

/// Plays the forgeries, prints what came of them, and fails for rules that are not noticed.
fn play(entries: &[Entry]) {
    let mut missed = Vec::new();
    for entry in entries {
        let played = catch_unwind(AssertUnwindSafe(|| fault(entry)));
        let played = played.unwrap_or_else(|_| Err("the forgery could not be made".into()));
        let (rule, what) = (&entry.rule, entry.what);
        match played {
            Ok(()) => println!("mutation: noticed: {rule} | {what}"),
            Err(why) => {
                println!("mutation: MISSED: {rule} | {what} | {why}");
                missed.push(format!("{rule} ({what}): {why}"));
            }
        }
    }
    assert!(missed.is_empty(), "rules that are not noticed:\n{}", missed.join("\n"));
}

#[test]
fn every_rule_of_the_gates_is_noticed() {
    play(&gates::entries());
}

#[test]
fn every_rule_of_the_hashes_is_noticed() {
    play(&hashes::entries());
}

#[test]
fn every_claim_about_a_layer_is_noticed() {
    play(&layers::entries());
}

#[test]
fn every_claim_about_matrices_is_noticed() {
    play(&matrices::entries());
}

#[test]
fn every_claim_about_sums_of_products_is_noticed() {
    play(&dots::entries());
}

#[test]
fn every_lie_about_a_transformer_is_noticed() {
    play(&transformers::entries());
}

#[test]
fn every_claim_of_a_statement_is_noticed() {
    play(&statements::entries());
}

#[test]
fn every_claim_about_the_answers_is_noticed() {
    play(&answers::entries());
}

#[test]
fn every_claim_about_hidden_outputs_is_noticed() {
    play(&outputs::entries());
}

#[test]
fn every_challenge_and_fixed_value_is_noticed() {
    play(&weakened::entries());
}

/// The columns that follow from the first phase and from `rest`, cell by cell as the gates read them.
/// `drawn` are `v`, `theta`, `beta`, `u` and `z`.
pub(super) fn cell_by_cell(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    rest: &[Fr],
    public: &[Fr],
    [v, theta, beta, u, z]: [Fr; 5],
) -> Vec<Vec<Fr>> {
    let later = Later {
        system: &System::new(assignment.layout),
        weaker: &Weakening::none(),
        drawn: Challenges { first: FirstChallenges { v, theta, beta, u }, z },
        assignment,
        first,
        rest,
        multiplicity: &first.multiplicity.to_full(),
        public,
        late: &HashMap::new(),
    };
    later.columns().advice
}
