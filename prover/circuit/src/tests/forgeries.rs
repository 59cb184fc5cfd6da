//! What a seller might try in an audit, a retrieval or a classification. Each forgery is carried through: everything
//! that follows from it is computed from it, so that only the rule under test stands in its way.

use super::items::{Items, audit, first_of_largest};
use super::tampering::look_up_again;
use super::*;
use crate::layout::{scalar_program::FreeValue, tile::TileSource};
use crate::witness::hash as hashing;
use assay_arithmetic::packed_outputs::pack_outputs;
use assay_arithmetic::poseidon::{self, WIDTH};

type Change<'a> = &'a dyn Fn(&mut Assignment<'_>, &mut Vec<Fr>);

/// Three items of a run of four count; item 1 has a wrong label.
fn three_of_four() -> (Items, LayoutOptions) {
    let (graph, input) = mixed_network();
    let statement = audit(2, 4, 1);
    let items = Items::new(graph, &[input], statement.run().expect("a run"), 3);
    (items, options(3, 2, statement))
}

fn best(items: &Items, item: usize) -> usize {
    first_of_largest(&items.executions[item].tensors[items.graph.output])
}

fn place<'a>(assignment: &'a mut Assignment<'_>) -> &'a mut TreePlace {
    assignment.place.as_mut().expect("place")
}

/// Puts item `from` in the place of item `to`.
fn repeat(assignment: &mut Assignment<'_>, from: usize, to: usize) {
    let ProvenInput { bytes, salt, output_salt, label, class, execution } = assignment.inputs[from];
    assignment.inputs[to] = ProvenInput { bytes, salt, output_salt, label, class, execution };
}

#[test]
fn tampered_audits_are_refused() {
    let (items, options) = three_of_four();
    assert_eq!(items.correct(1), 2);
    let honest = items.failures(options, |_, _| {});
    assert!(honest.is_empty(), "{:#?}", honest.first());
    let refused = |name: &str, change: Change<'_>| {
        let failures = items.failures(options, change);
        assert!(!failures.is_empty(), "{name}: accepted");
    };
    refused("one more correct", &|_, public| public[4] += Fr::one());
    refused("one less correct", &|_, public| public[4] -= Fr::one());
    refused("one more item", &|_, public| public[3] += Fr::one());
    refused("one item less", &|_, public| public[3] -= Fr::one());
    refused("another place", &|_, public| public[2] += Fr::one());
    refused("the place of the next run", &|_, public| public[2] += Fr::from(4));
    refused("another root", &|_, public| public[1] += Fr::one());
    // From here on the count is the one that the forgery leads to; the root stays the committed one.
    refused("another label", &|assignment, public| {
        assignment.inputs[1].class = best(&items, 1);
        assignment.inputs[1].label = best(&items, 1) as u64;
        public[4] += Fr::one();
    });
    refused("a label that is not the leaf's", &|assignment, public| {
        assignment.inputs[1].class = best(&items, 1);
        public[4] += Fr::one();
    });
    refused("an item of another place", &|assignment, _| assignment.inputs.swap(0, 2));
    refused("an item twice", &|assignment, public| {
        repeat(assignment, 0, 1);
        public[4] += Fr::one();
    });
    refused("another salt", &|assignment, _| assignment.inputs[2].salt += Fr::one());
    refused("a masked item that counts", &|assignment, public| {
        place(assignment).count = 4;
        place(assignment).masked_leaves.clear();
        public[3] = Fr::from(4);
        public[4] += Fr::one();
    });
    refused("another node beside the way", &|assignment, _| {
        place(assignment).siblings[0] += Fr::one();
    });
    refused("another masked leaf", &|assignment, _| {
        place(assignment).masked_leaves[0] += Fr::one();
    });
    refused("a run past the tree's end", &|assignment, public| {
        place(assignment).first += 16;
        public[2] += Fr::from(16);
    });
}

/// With bits that are neither 0 nor 1 the way could lead from any run to the committed root.
#[test]
fn a_run_outside_the_tree_is_refused() {
    let (items, options) = three_of_four();
    let forged = |assignment: &mut Assignment<'_>, public: &mut Vec<Fr>| {
        let (own, sibling) = (assignment.root_of_run(), items.place.siblings[0]);
        // The run is the second one: a right child.
        assert_eq!(items.place.first / 4, 1);
        let (left, right) = (sibling, own);
        assignment.inputs[1].class = best(&items, 1);
        assignment.inputs[1].label = best(&items, 1) as u64;
        let made_up = assignment.root_of_run();
        assert_ne!(own, made_up);
        let beside = left + right - made_up;
        let bit = (left - made_up) * (beside - made_up).invert().expect("differ");
        place(assignment).forged =
            vec![(FreeValue::Sibling(0), beside), (FreeValue::PathBit(0), bit)];
        assert_eq!(assignment.root(), public[1], "the committed root");
        public[2] = bit * Fr::from(4);
        public[4] += Fr::one();
    };
    let failures = items.failures(options, forged);
    assert_eq!(kinds(&failures), [Kind::Copy], "{failures:#?}");
}

/// An item that counts twice would make up for one that is not there.
#[test]
fn an_item_that_counts_twice_is_refused() {
    let (items, options) = three_of_four();
    let forged = |assignment: &mut Assignment<'_>, public: &mut Vec<Fr>| {
        let leaf =
            |input: &ProvenInput<'_>| poseidon::hash_leaf(input.salt, input.label, input.bytes);
        let committed = leaf(&assignment.inputs[2]);
        // Any item will do.
        repeat(assignment, 0, 2);
        assignment.inputs[2].salt += Fr::one();
        let made_up = leaf(&assignment.inputs[2]);
        place(assignment).forged = vec![
            (FreeValue::Active(2), Fr::from(2)),
            (FreeValue::MaskedLeaf(2), made_up.double() - committed),
        ];
        assert_eq!(assignment.root(), public[1], "the committed root");
        public[3] = Fr::from(4);
        // Items 0 and twice 2.
        public[4] = Fr::from(3);
    };
    let failures = items.failures(options, forged);
    // Its own square, and the product with the item before it.
    assert_eq!(kinds(&failures), [Kind::Copy], "{failures:#?}");
}

/// Leaving out an item that is classified wrongly.
#[test]
fn a_gap_among_the_items_is_refused() {
    let (items, options) = three_of_four();
    let forged = |assignment: &mut Assignment<'_>, public: &mut Vec<Fr>| {
        let skipped = &assignment.inputs[1];
        let leaf = poseidon::hash_leaf(skipped.salt, skipped.label, skipped.bytes);
        place(assignment).forged =
            vec![(FreeValue::Active(1), Fr::zero()), (FreeValue::MaskedLeaf(1), leaf)];
        assert_eq!(assignment.root(), public[1], "the committed root");
        public[3] = Fr::from(2);
        assert_eq!(public[4], Fr::from(2), "items 0 and 2");
    };
    let failures = items.failures(options, forged);
    assert_eq!(kinds(&failures), [Kind::Copy], "{failures:#?}");
}

/// A key above all others that belongs to no class would make every label right.
#[test]
fn keys_of_no_class_are_refused() {
    let (items, options) = three_of_four();
    let raise = |assignment: &Assignment<'_>, first: &mut FirstPhase, public: &mut Vec<Fr>| {
        let layout = assignment.layout;
        let tile = |source| layout.tiles.iter().find(|tile| tile.source == source).expect("tile");
        let logits = &items.executions[1].tensors[items.graph.output];
        let by = i64::from(logits[best(&items, 1)] - logits[items.labels[1]]) + 1;
        let mut move_cell = |source, channel, by| {
            look_up_again(layout, first, 0, tile(source).channel_row(channel), 0, by);
        };
        move_cell(TileSource::RankedClass, 1, by);
        for class in 0..5 {
            move_cell(TileSource::Comparisons, 5 + class, -by);
        }
        // Some keys were not below the label's, its own among them; now none is left.
        let label = items.labels[1];
        let beats = |j: usize| (logits[j], label) > (logits[label], j);
        let not_below = 1 + (0..5).filter(|j| *j != label && beats(*j)).count();
        move_cell(TileSource::Verdict, 1, not_below as i64);
        public[4] += Fr::one();
    };
    let failures = items.failures_after(options, |_, _| {}, raise);
    assert_eq!(kinds(&failures), [Kind::Copy], "{failures:#?}");
}

/// The same in predictions: the class, and the k best.
#[test]
fn rankings_of_no_class_are_refused() {
    let (graph, input) = mixed_network();
    let classes = graph.tensors[graph.output].shape[0];
    for output in [OutputMode::Class, OutputMode::Best(2), OutputMode::Scored(2)] {
        let statement = StatementKind::Prediction { input: InputMode::Committed, output };
        let options = options(3, 1, statement);
        let raise = |layout: &Layout, first: &mut FirstPhase| {
            let tile =
                |source| layout.tiles.iter().find(|tile| tile.source == source).expect("tile");
            if output == OutputMode::Class {
                for channel in 0..=classes {
                    let row = tile(TileSource::Ranking).channel_row(channel);
                    look_up_again(layout, first, 0, row, 0, 1);
                }
                return;
            }
            let row = tile(TileSource::RankedClass).channel_row(0);
            look_up_again(layout, first, 0, row, 0, 1);
            for class in 0..classes {
                let row = tile(TileSource::Comparisons).channel_row(class);
                look_up_again(layout, first, 0, row, 0, -1);
            }
        };
        let failures = failures(&graph, &input, options, Attack::FirstPhase(&raise));
        assert!(!failures.is_empty(), "{output:?}: accepted");
        assert!(kinds(&failures) == [Kind::Copy], "{output:?}: {failures:#?}");
    }
}

#[test]
fn tampered_retrievals_are_refused() {
    let (graph, input) = mixed_network();
    let run = Run { log_items: 2, depth: 3 };
    let items = Items::new(graph, &[input], run, 3);
    let class = best(&items, 0);
    let selected = |item: usize| best(&items, item) == class;
    let options = options(4, 1, StatementKind::Retrieval { run, class });
    let bitmap = |assignment: &Assignment<'_>| {
        (0..4).filter(|item| assignment.counts(*item)).map(|item| 1u64 << item).sum::<u64>()
    };
    let refused = |name: &str, change: Change<'_>| {
        let failures = items.failures(options, |assignment, public| {
            change(assignment, public);
            public[4] = Fr::from(bitmap(assignment));
        });
        assert!(!failures.is_empty(), "{name}: accepted");
    };
    refused("an item of another place", &|assignment, _| assignment.inputs.swap(0, 2));
    refused("an item twice", &|assignment, _| repeat(assignment, 0, 1));
    refused("another salt", &|assignment, _| assignment.inputs[2].salt += Fr::one());
    refused("another place", &|assignment, public| {
        place(assignment).first = 0;
        public[2] = Fr::zero();
    });
    refused("a masked item that is selected", &|assignment, public| {
        place(assignment).count = 4;
        place(assignment).masked_leaves.clear();
        public[3] = Fr::from(4);
    });
    // An item that is selected is left out.
    let skipped = (0..3).find(|item| selected(*item)).expect("one is selected");
    let failures = items.failures(options, |assignment, public| {
        let input = &assignment.inputs[skipped];
        let leaf = poseidon::hash_leaf(input.salt, input.label, input.bytes);
        place(assignment).forged =
            vec![(FreeValue::Active(skipped), Fr::zero()), (FreeValue::MaskedLeaf(skipped), leaf)];
        public[3] -= Fr::one();
        public[4] -= Fr::from(1 << skipped);
    });
    assert!(!failures.is_empty(), "an item left out: accepted");
}

/// Words follow each forgery, so that the tree alone stands in its way.
#[test]
fn tampered_classifications_are_refused() {
    let (graph, input) = mixed_network();
    let run = Run { log_items: 2, depth: 3 };
    let items = Items::new(graph, &[input], run, 3);
    let statement = StatementKind::Classification { run, answers: AnswerMode::Classes };
    let refused = |name: &str, change: Change<'_>| {
        let failures = items.failures(options(4, 1, statement), |assignment, public| {
            change(assignment, public);
            public[4] = pack_outputs(&assignment.answers())[0];
        });
        assert!(!failures.is_empty(), "{name}: accepted");
    };
    refused("an item of another place", &|assignment, _| assignment.inputs.swap(0, 2));
    refused("an item twice", &|assignment, _| repeat(assignment, 0, 1));
    refused("another salt", &|assignment, _| assignment.inputs[2].salt += Fr::one());
    refused("another place", &|assignment, public| {
        place(assignment).first = 0;
        public[2] = Fr::zero();
    });
    refused("a masked item with an answer", &|assignment, public| {
        place(assignment).count = 4;
        place(assignment).masked_leaves.clear();
        public[3] = Fr::from(4);
    });
    refused("the last item left out", &|assignment, _| place(assignment).count = 2);
}

/// Each power of S-boxes of both kinds and each cell of the state, wrong and carried on to another root.
#[test]
fn forged_hashes_are_refused() {
    let (graph, input) = mixed_network();
    let statement = audit(1, 1, 1);
    let items = Items::new(graph, &[input], statement.run().expect("a run"), 2);
    for lanes in [2, 3, 8] {
        let options = options(lanes, 1, statement);
        let forged = |at: Option<(usize, usize)>, mixing: Option<(usize, usize)>| {
            items.failures_after(
                options,
                |_, _| {},
                |assignment, first, public| {
                    let (mut boxes, mut mixes) = (0, 0);
                    let powers = |input: Fr| {
                        let [mut square, mut fourth, mut fifth] = hashing::powers(input);
                        if let Some((number, power)) = at
                            && number == boxes
                        {
                            if power == 0 {
                                square += Fr::one();
                                fourth = square.square();
                            } else if power == 1 {
                                fourth += Fr::one();
                            }
                            fifth = fourth * input;
                            if power == 2 {
                                fifth += Fr::one();
                            }
                        }
                        boxes += 1;
                        [square, fourth, fifth]
                    };
                    let mix = |state: &mut [Fr; WIDTH]| {
                        hashing::mix(state);
                        if let Some((number, cell)) = mixing
                            && number == mixes
                        {
                            state[cell] += Fr::one();
                        }
                        mixes += 1;
                    };
                    public[1] = hashing::forge_last(assignment, first, powers, mix);
                },
            )
        };
        assert!(forged(None, None).is_empty(), "{lanes} lanes: the honest one");
        // In the first full rounds, in six partial rounds in a row, in the last full round.
        for number in [0, 5, 6, 23, 24, 25, 26, 27, 28, 29, 83, 84, 107] {
            for power in 0..3 {
                let failures = forged(Some((number, power)), None);
                assert!(!failures.is_empty(), "{lanes} lanes: power {power} of box {number}");
            }
        }
        for round in [0, 3, 4, 9, 63, 67] {
            for cell in 0..WIDTH {
                let failures = forged(None, Some((round, cell)));
                // Nothing but the first element comes out of the last round.
                let seen = round < 67 || cell == 0;
                assert!(!seen || !failures.is_empty(), "{lanes} lanes: cell {cell}, round {round}");
            }
        }
    }
}

/// Values of the tiles that rank and count, moved to another row of their table.
#[test]
fn tampered_rankings_are_refused() {
    let (graph, input) = mixed_network();
    let statement = audit(1, 2, 2);
    let items = Items::new(graph, &[input], statement.run().expect("a run"), 2);
    for source in [TileSource::RankedClass, TileSource::Comparisons, TileSource::Verdict] {
        for (last, by) in [(false, 1), (false, -1), (true, 1), (true, -1)] {
            let failures = items.failures_after(
                options(3, 1, statement),
                |_, _| {},
                |assignment, first, _| {
                    let layout = assignment.layout;
                    let tile = layout.tiles.iter().find(|tile| tile.source == source);
                    let tile = tile.expect("tile");
                    let row = tile.first_row + if last { tile.rows() - 1 } else { 0 };
                    look_up_again(layout, first, 0, row, 0, by);
                },
            );
            assert!(!failures.is_empty(), "{source:?}, {by}: accepted");
        }
    }
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Gate,
    Copy,
    Other,
}

/// Kinds of rules that refuse, each once.
fn kinds(failures: &[VerifyFailure]) -> Vec<Kind> {
    let mut kinds = failures
        .iter()
        .map(|failure| match failure {
            VerifyFailure::ConstraintNotSatisfied { .. } => Kind::Gate,
            VerifyFailure::Permutation { .. } => Kind::Copy,
            _ => Kind::Other,
        })
        .collect::<Vec<_>>();
    kinds.sort();
    kinds.dedup();
    kinds
}
