//! Outputs other than the class, and statements about collections.

use rand_core::SeedableRng;

use super::*;
use crate::circuit::tile::TileSource;
use crate::graph::arbitrary::random_graph;

/// Items of a run in a tree, everything else of the tree made up.
struct Items {
    graph: QuantizedGraph,
    bytes: Vec<Vec<u8>>,
    executions: Vec<Execution>,
    labels: Vec<usize>,
    /// Whether the items of a retrieval have labels.
    labelled: bool,
    place: TreePlace,
}

impl Items {
    /// `count` of the run's items count; labels alternate between right ones and others.
    fn new(graph: QuantizedGraph, inputs: &[Vec<u8>], run: Run, count: usize) -> Self {
        let classes = graph.tensors[graph.output].shape[0];
        let executor = Executor::new(&graph).expect("valid graph");
        let bytes = (0..run.items())
            .map(|item| {
                let mut bytes = inputs[item % inputs.len()].clone();
                turn(&mut bytes, item % 7);
                bytes
            })
            .collect::<Vec<_>>();
        let executions =
            bytes.iter().map(|bytes| executor.run(bytes).expect("in range")).collect::<Vec<_>>();
        let labels = executions
            .iter()
            .enumerate()
            .map(|(item, execution)| {
                let best = first_of_largest(&execution.tensors[graph.output]);
                if item % 3 == 1 { (best + 1) % classes } else { best }
            })
            .collect();
        let place = TreePlace {
            first: run.items() * (if run.path() > 0 { 1 } else { 0 }),
            count,
            masked_leaves: (count..run.items()).map(|item| Fr::from(item as u64)).collect(),
            siblings: (0..run.path()).map(|height| Fr::from(1000 + height as u64)).collect(),
        };
        drop(executor);
        Self { graph, bytes, executions, labels, labelled: false, place }
    }

    fn inputs(&self, class: impl Fn(usize) -> usize, labelled: bool) -> Vec<ProvenInput<'_>> {
        (0..self.bytes.len())
            .map(|item| ProvenInput {
                bytes: &self.bytes[item],
                salt: Fr::from(500 + item as u64),
                label: if labelled { self.labels[item] as u64 } else { 0 },
                class: class(item),
                execution: &self.executions[item],
            })
            .collect()
    }

    /// Checks the circuit after `change`.
    fn failures(
        &self,
        options: LayoutOptions,
        change: impl Fn(&mut Assignment<'_>, &mut Vec<Fr>),
    ) -> Vec<VerifyFailure> {
        let layout = Layout::new(&self.graph, options).expect("layout");
        let inputs = match options.statement {
            StatementKind::Retrieval { class, .. } => self.inputs(|_| class, self.labelled),
            _ => self.inputs(|item| self.labels[item], true),
        };
        let mut assignment = Assignment {
            graph: &self.graph,
            layout: &layout,
            inputs,
            place: Some(self.place.clone()),
        };
        let mut public = vec![Fr::from(9)];
        public.extend(assignment.public_values());
        change(&mut assignment, &mut public);
        let weights = layout.weight_columns(&self.graph, &BlindingSeed([7; 32]), OsRng);
        let first = assignment.first_phase(weights, OsRng).expect("witness");
        check(&assignment, &first, &public, Vec::new())
    }

    fn correct(&self, top: usize) -> usize {
        (0..self.place.count)
            .filter(|item| {
                let logits = &self.executions[*item].tensors[self.graph.output];
                let label = self.labels[*item];
                let beats = |j: usize| {
                    logits[j] > logits[label] || (logits[j] == logits[label] && j < label)
                };
                (0..logits.len()).filter(|j| beats(*j)).count() < top
            })
            .count()
    }
}

fn turn(bytes: &mut [u8], by: usize) {
    let length = bytes.len().max(1);
    bytes.rotate_left(by % length);
}

fn first_of_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max().expect("logits");
    logits.iter().position(|logit| logit == largest).expect("found")
}

fn audit(log_items: u32, depth: u32, top: usize) -> StatementKind {
    StatementKind::Audit { run: Run { log_items, depth }, top }
}

#[test]
fn best_classes_and_logits_are_public() {
    let (graph, input) = mixed_network();
    for output in [OutputMode::Best(1), OutputMode::Best(3), OutputMode::Logits] {
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
fn statements_that_no_circuit_proves_are_refused() {
    let (graph, _) = mixed_network();
    let predict = |output| StatementKind::Prediction { input: InputMode::Committed, output };
    for statement in [
        predict(OutputMode::Best(0)),
        predict(OutputMode::Best(6)),
        audit(3, 2, 1),
        audit(13, 20, 1),
        audit(3, 33, 1),
        audit(3, 4, 0),
        audit(3, 4, 6),
        StatementKind::Retrieval { run: Run { log_items: 1, depth: 1 }, class: 5 },
        StatementKind::Retrieval { run: Run { log_items: 8, depth: 9 }, class: 0 },
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

/// What a seller might try in an audit, each refused by the constraints.
#[test]
fn tampered_audits_are_refused() {
    let (graph, input) = mixed_network();
    let statement = audit(2, 4, 1);
    let run = statement.run().expect("a run");
    let items = Items::new(graph, &[input], run, 3);
    let options = options(3, 2, statement);
    let refused = |name: &str, change: &dyn Fn(&mut Assignment<'_>, &mut Vec<Fr>)| {
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
    // The public inputs stay those of the committed items.
    refused("another label", &|assignment, _| {
        let best = first_of_largest(&items.executions[1].tensors[items.graph.output]);
        assignment.inputs[1].class = best;
        assignment.inputs[1].label = best as u64;
    });
    refused("a label that is not the leaf's", &|assignment, public| {
        let best = first_of_largest(&items.executions[1].tensors[items.graph.output]);
        assignment.inputs[1].class = best;
        public[4] += Fr::one();
    });
    refused("an item of another place", &|assignment, _| assignment.inputs.swap(0, 2));
    refused("an item twice", &|assignment, _| {
        assignment.inputs[1] = ProvenInput {
            bytes: assignment.inputs[0].bytes,
            salt: assignment.inputs[0].salt,
            label: assignment.inputs[0].label,
            class: assignment.inputs[0].class,
            execution: assignment.inputs[0].execution,
        };
    });
    refused("another salt", &|assignment, _| assignment.inputs[2].salt += Fr::one());
    refused("a masked item that counts", &|assignment, public| {
        let place = assignment.place.as_mut().expect("place");
        place.count = 4;
        place.masked_leaves.clear();
        public[3] = Fr::from(4);
    });
    refused("a leaf outside the tree", &|assignment, _| {
        assignment.place.as_mut().expect("place").siblings[0] += Fr::one();
    });
    refused("another masked leaf", &|assignment, _| {
        assignment.place.as_mut().expect("place").masked_leaves[0] += Fr::one();
    });
    refused("a run past the tree's end", &|assignment, public| {
        assignment.place.as_mut().expect("place").first += 16;
        public[2] += Fr::from(16);
    });
}

/// Each cell of a permutation in the wide gates, changed.
#[test]
fn tampered_wide_hashes_are_refused() {
    let (graph, input) = mixed_network();
    let statement = audit(1, 1, 1);
    let items = Items::new(graph, &[input], statement.run().expect("a run"), 2);
    let layout = Layout::new(&items.graph, options(8, 1, statement)).expect("layout");
    let assignment = Assignment {
        graph: &items.graph,
        layout: &layout,
        inputs: items.inputs(|item| items.labels[item], true),
        place: Some(items.place.clone()),
    };
    let mut public = vec![Fr::from(9)];
    public.extend(assignment.public_values());
    let weights = layout.weight_columns(&items.graph, &BlindingSeed([7; 32]), OsRng);
    let hash = layout.hash.as_ref().expect("hashed");
    let honest = assignment.first_phase(weights.clone(), OsRng).expect("witness");
    assert!(check(&assignment, &honest, &public, Vec::new()).is_empty());
    // The absorption, a full round, partial rounds, a full round.
    for (row, cells) in [(2, 6), (7, 18), (12, 24), (21, 18)] {
        for cell in (0..cells).step_by(5) {
            let mut first = assignment.first_phase(weights.clone(), OsRng).expect("witness");
            first.lanes[cell / 3][cell % 3][hash.block_row(1) + row] += Fr::one();
            let refused = check(&assignment, &first, &public, Vec::new());
            assert!(!refused.is_empty(), "cell {cell} of row {row}: accepted");
        }
    }
}

/// Values of the tiles that rank and count, moved to another row of their table.
#[test]
fn tampered_rankings_are_refused() {
    let (graph, input) = mixed_network();
    let statement = audit(1, 2, 2);
    let run = statement.run().expect("a run");
    let items = Items::new(graph, &[input], run, 2);
    let layout = Layout::new(&items.graph, options(3, 1, statement)).expect("layout");
    let assignment = Assignment {
        graph: &items.graph,
        layout: &layout,
        inputs: items.inputs(|item| items.labels[item], true),
        place: Some(items.place.clone()),
    };
    let mut public = vec![Fr::from(9)];
    public.extend(assignment.public_values());
    let weights = layout.weight_columns(&items.graph, &BlindingSeed([7; 32]), OsRng);
    for source in [TileSource::RankedClass, TileSource::Comparisons, TileSource::Verdict] {
        let tile = layout.tiles.iter().find(|tile| tile.source == source).expect("tile");
        for (row, by) in [(0, 1), (0, -1), (tile.rows() - 1, 1), (tile.rows() - 1, -1)] {
            let mut first = assignment.first_phase(weights.clone(), OsRng).expect("witness");
            tampering::look_up_again(&layout, &mut first, 0, tile.first_row + row, 0, by);
            let refused = check(&assignment, &first, &public, Vec::new());
            assert!(!refused.is_empty(), "{source:?} at {row}, {by}: accepted");
        }
    }
}

/// Random networks of all operators, batch sizes, fillings, lanes and k of top-k.
#[test]
fn random_networks_are_audited() {
    for seed in 0..16u64 {
        let (graph, inputs) = random_graph(seed);
        let classes = graph.tensors[graph.output].shape[0];
        let log_items = 1 + (seed % 3) as u32;
        let top = 1 + seed as usize % classes;
        let statement = audit(log_items, log_items + (seed % 2) as u32, top);
        let run = statement.run().expect("a run");
        let count = 1 + seed as usize % run.items();
        let usable = inputs
            .iter()
            .filter(|input| {
                let executor = Executor::new(&graph).expect("valid");
                (0..7).all(|by| {
                    let mut turned = (*input).clone();
                    turn(&mut turned, by);
                    executor.run(&turned).is_ok()
                })
            })
            .cloned()
            .collect::<Vec<_>>();
        if usable.is_empty() {
            continue;
        }
        let items = Items::new(graph, &usable, run, count);
        let options = options(2 + seed as usize % 4, 1 + seed as usize % 2, statement);
        let options = match seed % 4 {
            0 => options,
            _ => beside_a_prediction(&items.graph, options),
        };
        let honest = items.failures(options, |_, public| {
            assert_eq!(public[4], Fr::from(items.correct(top) as u64), "seed {seed}");
        });
        assert!(honest.is_empty(), "seed {seed}: {:#?}", honest.first());
        let refused = items.failures(options, |_, public| public[4] += Fr::one());
        assert!(!refused.is_empty(), "seed {seed}: one more was accepted");
    }
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
    assert_eq!(columns(&single), columns(&layout));

    let assignment = Assignment {
        graph: &items.graph,
        layout: &layout,
        inputs: items.inputs(|item| items.labels[item], true),
        place: Some(items.place.clone()),
    };
    let mut public = vec![Fr::from(9)];
    public.extend(assignment.public_values());
    let first = assignment.first_phase(columns(&layout), OsRng).expect("witness");
    for (index, column) in first.weights.iter().enumerate() {
        let extended = &first.extended_weights()[index];
        assert!(column.iter().enumerate().all(|(row, value)| extended[row * stride] == *value));
    }
    let row = layout.kernels[0].first_row * stride;
    for (row, refused) in [(row, true), (row + 1, false), (row + stride - 1, false)] {
        let tampering = vec![Tampering { column: 0, row, delta: Fr::one() }];
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
