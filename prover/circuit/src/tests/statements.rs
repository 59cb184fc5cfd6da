//! Outputs other than the class, and statements about collections.

use rand_core::SeedableRng;

use super::items::{Items, audit, first_of_largest};
use super::*;
use assay_arithmetic::{packed_outputs::pack_outputs, poseidon};

#[test]
fn best_classes_and_logits_are_public() {
    let (graph, input) = mixed_network();
    use OutputMode::{Best, Logits, Scored};
    for output in [Best(1), Best(3), Scored(1), Scored(5), Logits] {
        let statement = StatementKind::Prediction { input: InputMode::Committed, output };
        let options = options(3, 2, statement);
        let honest = failures(&graph, &input, options, Attack::None);
        assert!(honest.is_empty(), "{output:?}: {:#?}", honest.first());
        for index in 1..statement.public_inputs(&graph) {
            let refused = failures(&graph, &input, options, Attack::PublicInput(index));
            assert!(!refused.is_empty(), "{output:?}: public input {index} is not bound");
        }
    }
}

#[test]
fn scores_are_those_of_the_best_classes() {
    let (graph, input) = mixed_network();
    let execution = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    let logits = execution.logits();
    let mut ranking = (0..logits.len()).collect::<Vec<_>>();
    ranking.sort_by_key(|class| (std::cmp::Reverse(logits[*class]), *class));
    for count in [1, 3, 5] {
        let output = OutputMode::Scored(count);
        let statement = StatementKind::Prediction { input: InputMode::Committed, output };
        let layout = Layout::new(&graph, options(3, 2, statement)).expect("layout");
        let inputs = vec![proven(&input, &execution)];
        let assignment = Assignment { graph: &graph, layout: &layout, inputs, place: None };
        let scores = ranking[..count].iter().map(|class| (logits[*class] + (1 << 15)) as u64);
        let classes = ranking[..count].iter().map(|class| *class as u64);
        let expected = classes.chain(scores).map(Fr::from).collect::<Vec<_>>();
        assert_eq!(assignment.public_values()[1..], expected, "{count}");
    }
}

#[test]
fn hidden_outputs_are_committed_to() {
    let (graph, input) = mixed_network();
    let execution = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    for (lanes, mode) in
        [(2, InputMode::Committed), (3, InputMode::Public), (4, InputMode::Committed)]
    {
        let statement = StatementKind::Prediction { input: mode, output: OutputMode::Commitment };
        let options = options(lanes, 2, statement);
        let layout = Layout::new(&graph, options).expect("layout");
        let inputs = vec![proven(&input, &execution)];
        let assignment = Assignment { graph: &graph, layout: &layout, inputs, place: None };
        let stored = execution.logits().iter().map(|logit| (logit + (1 << 15)) as u16);
        let stored = stored.collect::<Vec<_>>();
        let expected = poseidon::commit_outputs(Fr::from(78), &stored);
        assert_eq!(assignment.public_values().last(), Some(&expected), "{mode:?}");
        let honest = failures(&graph, &input, options, Attack::None);
        assert!(honest.is_empty(), "{mode:?}: {:#?}", honest.first());
        for index in 1..statement.public_inputs(&graph) {
            let refused = failures(&graph, &input, options, Attack::PublicInput(index));
            assert!(!refused.is_empty(), "{mode:?}: public input {index} is not bound");
        }
    }
}

#[test]
fn statements_that_no_circuit_proves_are_refused() {
    let (graph, _) = mixed_network();
    let predict = |output| StatementKind::Prediction { input: InputMode::Committed, output };
    for statement in [
        predict(OutputMode::Best(0)),
        predict(OutputMode::Best(6)),
        predict(OutputMode::Scored(0)),
        predict(OutputMode::Scored(6)),
        audit(3, 2, 1),
        audit(13, 20, 1),
        audit(3, 33, 1),
        audit(3, 4, 0),
        audit(3, 4, 6),
        StatementKind::Retrieval { run: Run { log_items: 1, depth: 1 }, class: 5 },
        StatementKind::Retrieval { run: Run { log_items: 8, depth: 9 }, class: 0 },
        classification(9, 9, AnswerMode::Classes),
        classification(2, 1, AnswerMode::Classes),
        // The network has five classes.
        classification(2, 3, AnswerMode::Numbers),
    ] {
        let layout = Layout::new(&graph, options(2, 1, statement));
        assert!(matches!(layout, Err(LayoutError::Statement(_))), "{statement:?}");
    }
}

#[test]
fn audits_count_what_the_reference_counts() {
    let (graph, input) = mixed_network();
    for (lanes, log_items, depth, count, top) in [
        (2, 2, 2, 4, 1),
        (3, 2, 4, 3, 2),
        (4, 3, 4, 8, 1),
        (5, 3, 3, 1, 5),
        (2, 0, 3, 1, 1),
        // With the wide hash gates.
        (8, 3, 4, 7, 1),
        (10, 1, 2, 2, 2),
    ] {
        let statement = audit(log_items, depth, top);
        let run = statement.run().expect("a run");
        let items = Items::new(graph.clone(), std::slice::from_ref(&input), run, count);
        let options = options(lanes, 2, statement);
        let failures = items.failures(options, |_, public| {
            assert_eq!(public[4], Fr::from(items.correct(top) as u64));
            assert_eq!(public[3], Fr::from(count as u64));
        });
        assert!(failures.is_empty(), "{statement:?} {lanes}: {:#?}", failures.first());
    }
}

#[test]
fn retrieval_shows_the_selected_items() {
    let (graph, input) = mixed_network();
    let run = Run { log_items: 2, depth: 3 };
    let mut items = Items::new(graph, &[input], run, 3);
    let class = first_of_largest(&items.executions[0].tensors[items.graph.output]);
    for (class, labelled) in [(class, false), ((class + 1) % 5, false), (class, true)] {
        items.labelled = labelled;
        let options = options(4, 1, StatementKind::Retrieval { run, class });
        let honest = items.failures(options, |_, public| {
            let expected = (0..3)
                .filter(|item| {
                    first_of_largest(&items.executions[*item].tensors[items.graph.output]) == class
                })
                .map(|item| 1u64 << item)
                .sum::<u64>();
            assert_eq!(public[4], Fr::from(expected));
        });
        assert!(honest.is_empty(), "{:#?}", honest.first());
        for bit in 0..4 {
            let refused = items.failures(options, |_, public| {
                let shown = public[4] == Fr::zero();
                public[4] += if shown { Fr::from(1 << bit) } else { -Fr::from(1 << bit) };
            });
            assert!(!refused.is_empty(), "another bitmap, bit {bit}");
        }
        let refused = items.failures(options, |assignment, _| assignment.inputs[0].label += 1);
        assert!(!refused.is_empty(), "a label that is not the leaf's");
    }
}

fn classification(log_items: u32, depth: u32, answers: AnswerMode) -> StatementKind {
    StatementKind::Classification { run: Run { log_items, depth }, answers }
}

/// With one output word and two, all places filled, one empty, one item alone.
#[test]
fn classification_shows_the_class_of_each_item() {
    let (graph, input) = mixed_network();
    for (lanes, log_items, depth, count) in
        [(2, 0, 2, 1), (3, 2, 3, 3), (8, 4, 4, 16), (10, 4, 5, 14)]
    {
        let statement = classification(log_items, depth, AnswerMode::Classes);
        let run = statement.run().expect("a run");
        let items = Items::new(graph.clone(), std::slice::from_ref(&input), run, count);
        let class = |item: usize| first_of_largest(items.logits(item)) as u16;
        shows(&items, options(lanes, 1, statement), &(0..count).map(class).collect::<Vec<_>>());
    }
}

/// Of a network with one output, which may be negative.
#[test]
fn classification_shows_the_number_of_each_item() {
    let mut builder = Builder::new([1, 3, 4]);
    let hidden = builder.conv(0, [2, 2], [1, 1], [0; 4], 3, 1, true);
    let output = builder.conv(hidden, [2, 3], [1, 1], [0; 4], 1, 1, false);
    let graph = builder.finish(output);
    let inputs = (0..5u32).map(|item| (0..12).map(|i| (i * 53 + item * 91) as u8).collect());
    let inputs = inputs.collect::<Vec<Vec<u8>>>();
    for (lanes, log_items, depth, count) in [(3, 2, 3, 3), (8, 4, 4, 16)] {
        let statement = classification(log_items, depth, AnswerMode::Numbers);
        let run = statement.run().expect("a run");
        let items = Items::new(graph.clone(), &inputs, run, count);
        let number = |item: usize| (items.logits(item)[0] + (1 << 15)) as u16;
        let numbers = (0..count).map(number).collect::<Vec<_>>();
        assert!(numbers.iter().any(|number| *number != numbers[0]));
        shows(&items, options(lanes, 1, statement), &numbers);
    }
}

/// That the run shows these answers and no others, whatever label a leaf holds.
fn shows(items: &Items, options: LayoutOptions, answers: &[u16]) {
    let words = options.statement.run().expect("a run").answer_words();
    let mut expected = pack_outputs(answers);
    expected.resize(words, Fr::zero());
    let honest = items.failures(options, |_, public| assert_eq!(public[4..], expected));
    assert!(honest.is_empty(), "{:?}: {:#?}", options.statement, honest.first());
    for word in 0..words {
        let refused = items.failures(options, |_, public| public[4 + word] += Fr::one());
        assert!(!refused.is_empty(), "{:?}: word {word} is not bound", options.statement);
    }
    let refused = items.failures(options, |assignment, _| assignment.inputs[0].label += 1);
    assert!(!refused.is_empty(), "a label that is not the leaf's");
}

/// The weights of a model lie in one place in all its circuits; between their rows in a larger circuit
/// nothing is read.
#[test]
fn circuits_of_a_model_share_its_weights() {
    let (graph, input) = mixed_network();
    let statement = audit(4, 4, 1);
    let items = Items::new(graph, &[input], statement.run().expect("a run"), 16);
    let options = beside_a_prediction(&items.graph, options(2, 2, statement));
    let layout = Layout::new(&items.graph, options).expect("layout");
    let stride = layout.weight_stride();
    assert!(stride > 1, "{:?} of 2^{}", layout.rows, layout.k);

    let single =
        LayoutOptions { statement: StatementKind::default(), lanes: 3, weights_k: None, ..options };
    let single = Layout::new(&items.graph, single).expect("layout");
    let columns = |layout: &Layout| {
        let openings = rand_chacha::ChaCha20Rng::from_seed([8; 32]);
        layout.weight_columns(&items.graph, &BlindingSeed([7; 32]), openings)
    };
    let full = |layout: &Layout| columns(layout).iter().map(|c| c.to_full()).collect::<Vec<_>>();
    assert_eq!(full(&single), full(&layout));

    let assignment = Assignment {
        graph: &items.graph,
        layout: &layout,
        inputs: items.inputs(|item| items.labels[item], true),
        place: Some(items.place.clone()),
    };
    let mut public = vec![Fr::from(9)];
    public.extend(assignment.public_values());
    let first = assignment.first_phase(columns(&layout), OsRng).expect("witness");
    let extended = first.extended_weights();
    for (column, extended) in full(&layout).iter().zip(&extended) {
        assert!(column.iter().enumerate().all(|(row, value)| extended[row * stride] == *value));
    }
    let row = layout.kernels[0].first_row * stride;
    for (row, refused) in [(row, true), (row + 1, false), (row + stride - 1, false)] {
        let tampering = vec![CellChange { column: 0, row, delta: Fr::one() }];
        let failures = check(&assignment, &first, &public, tampering);
        assert_eq!(!failures.is_empty(), refused, "row {row}: {:?}", failures.first());
    }
}

#[test]
fn weights_out_of_place_are_refused() {
    let (graph, _) = mixed_network();
    let fits = options(2, 2, StatementKind::default());
    let k = Layout::new(&graph, fits).expect("layout").k;
    for wrong in [
        LayoutOptions { weights_k: Some(7), ..fits },
        LayoutOptions { weights_row: 8, ..fits },
        LayoutOptions { weights_row: 1 << 19, weights_k: Some(k), ..fits },
    ] {
        assert!(matches!(Layout::new(&graph, wrong), Err(LayoutError::WeightsPlace)), "{wrong:?}");
    }
    let beyond = LayoutOptions { weights_k: Some(40), ..fits };
    assert!(matches!(Layout::new(&graph, beyond), Err(LayoutError::Options)));
}
