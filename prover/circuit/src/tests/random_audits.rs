//! Audits of random networks: the circuit counts what the reference counts.

use proptest::prelude::*;

use super::items::{Items, audit, first_of_largest};
use super::*;
use assay_testing::arbitrary::random_graph;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        max_global_rejects: 10,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Random networks of all operators, labels, batch sizes, fillings, places in the tree, lanes (from 8
    /// on with the wide hash gates) and k of top-k.
    #[test]
    fn random_audits_count_what_the_reference_counts(
        seed in any::<u64>(),
        log_items in 0u32..4,
        path in 0u32..4,
        place in any::<prop::sample::Index>(),
        filling in any::<prop::sample::Index>(),
        top in any::<prop::sample::Index>(),
        labels in prop::collection::vec(any::<prop::sample::Index>(), 8),
        lanes in 2usize..=10,
        columns in 1usize..=3,
        beside in any::<bool>(),
    ) {
        let (graph, inputs) = random_graph(seed);
        // A few random networks have pools that no layout serves, see `LayoutError`.
        let layout = Layout::new(&graph, options(lanes, columns, StatementKind::default()));
        prop_assume!(!matches!(layout, Err(LayoutError::ConflictingPools { .. })));
        let classes = graph.tensors[graph.output].shape[0];
        let top = 1 + top.index(classes);
        let statement = audit(log_items, (log_items + path).max(1), top);
        let run = statement.run().expect("a run");
        let count = 1 + filling.index(run.items());
        let mut items = Items::untouched(graph, &inputs, run, count);
        items.move_to(run, place.index(1 << run.path()));
        for (label, drawn) in items.labels.iter_mut().zip(&labels) {
            *label = drawn.index(classes);
        }
        let options = options(lanes, columns, statement);
        let options = if beside { beside_a_prediction(&items.graph, options) } else { options };
        let correct = items.correct(top);
        let honest = items.failures(options, |_, public| {
            assert_eq!(public[4], Fr::from(correct as u64));
        });
        prop_assert!(honest.is_empty(), "{:#?}", honest.first());
        for by in [Fr::one(), -Fr::one()] {
            let refused = items.failures(options, |_, public| public[4] += by);
            prop_assert!(!refused.is_empty(), "another count was accepted");
        }
    }
}

/// Two classes with the same logits, where the later one is the label.
#[test]
fn ties_go_to_the_lowest_class() {
    let (mut graph, input) = mixed_network();
    let execution = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    let winner = first_of_largest(&execution.tensors[graph.output]);
    let twin = (winner + 1) % 5;
    let (low, high) = (winner.min(twin), winner.max(twin));
    let last = graph.layers.last_mut().expect("a layer");
    let Op::Conv { weights, bias, .. } = &mut last.op else {
        panic!("the logits are a convolution")
    };
    let inputs = weights.len() / 5;
    weights.copy_within(winner * inputs..(winner + 1) * inputs, twin * inputs);
    bias[twin] = bias[winner];

    let tied = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    let logits = &tied.tensors[graph.output];
    assert_eq!(logits[low], logits[high]);
    assert_eq!(first_of_largest(logits), low);
    for (label, top, correct) in [(low, 1, true), (high, 1, false), (high, 2, true)] {
        let statement = audit(1, 2, top);
        let run = statement.run().expect("a run");
        let mut items = Items::untouched(graph.clone(), std::slice::from_ref(&input), run, 1);
        items.labels = vec![label; 2];
        for options in [options(3, 1, statement), options(8, 1, statement)] {
            let honest = items.failures(options, |_, public| {
                assert_eq!(public[4], Fr::from(u64::from(correct)), "label {label}, top {top}");
            });
            assert!(honest.is_empty(), "label {label}, top {top}: {:#?}", honest.first());
            let refused = items.failures(options, |_, public| {
                public[4] = Fr::from(u64::from(!correct));
            });
            assert!(!refused.is_empty(), "label {label}, top {top}: accepted");
        }
    }
    // Predictions name the lower one, and no proof the other.
    let predicted = options(3, 1, prediction(InputMode::Committed));
    assert!(failures(&graph, &input, predicted, Attack::None).is_empty());
    let other = failures(&graph, &input, predicted, Attack::PublicInput(2));
    assert!(!other.is_empty(), "class {high}: accepted");
}
