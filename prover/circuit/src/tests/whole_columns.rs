//! The columns handed over whole are plain ones and those that the circuit assigns cell by cell.

use std::cell::RefCell;

use assay_testing::arbitrary::random_graph;
use halo2_proofs::{
    circuit::{SimpleFloorPlanner, Value},
    halo2curves::ff::{Field, PrimeField},
    plonk::{
        Advice, Any, Assigned, Assignment as Assign, Challenge, Circuit, Column, ConstraintSystem,
        Error, Fixed, FloorPlanner, Instance, Selector,
    },
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::items::{Items, audit};
use super::mutation::cell_by_cell;
use super::*;
use crate::layout::{BLINDING_ROWS, RESERVED_ROWS};

/// Records the advice that a circuit assigns.
struct Recorder<'a> {
    challenges: &'a [Fr],
    advice: RefCell<Vec<Vec<Fr>>>,
}

impl Assign<Fr> for Recorder<'_> {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn query_instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, Error> {
        Ok(Value::unknown())
    }

    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        to.map(|value| self.advice.borrow_mut()[column.index()][row] = value.evaluate());
        Value::unknown()
    }

    fn assign_fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) {}

    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {}

    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        Value::known(self.challenges[challenge.index()])
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}

    fn next_phase(&mut self) {}
}

/// The columns that a circuit assigns.
fn assigned(circuit: &ModelCircuit<'_>, k: u32, challenges: &[Fr]) -> Vec<Vec<Fr>> {
    let mut cs = ConstraintSystem::default();
    let config = ModelConfig::configure(&mut cs, &circuit.params());
    let advice = RefCell::new(vec![vec![Fr::ZERO; 1 << k]; cs.num_advice_columns()]);
    let mut recorder = Recorder { challenges, advice };
    SimpleFloorPlanner::synthesize(&mut recorder, circuit, config, Vec::new()).expect("fits");
    recorder.advice.into_inner()
}

/// Compares all columns with plain ones and with those that the circuit assigns, honest and with a
/// change in each.
fn compare(assignment: &Assignment<'_>) {
    let layout = assignment.layout;
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let [v, theta, beta, mut u, z] = [(); 5].map(|()| Fr::random(&mut rng));
    let batch = layout.profile.batch;
    let (challenges, drawn) = if batch {
        (vec![v, theta, beta, u, z], [0, 4, 5])
    } else {
        u = Fr::ONE;
        (vec![v, theta, beta, z], [0, 3, 4])
    };
    let mut public = vec![Fr::from(123)];
    public.extend(assignment.public_values());
    let weights = layout.weight_columns(assignment.graph, &BlindingSeed([7; 32]), &mut rng);
    let first = assignment.first_phase(weights, rng.clone()).expect("witness");
    compare_first_phase(assignment, &first);

    let usable = (1 << layout.k) - RESERVED_ROWS;
    let rest = plain_witness::rest(assignment, v, u);
    let mut expected = cell_by_cell(assignment, &first, &rest, &public, [v, theta, beta, u, z]);
    let weights = layout.options.weight_columns;
    expected[weights..].iter_mut().for_each(|column| column[usable..].fill(Fr::ZERO));
    let unchanged = expected.clone();
    let changes = (0..expected.len()).map(|column| CellChange {
        column,
        row: column * 17 % usable,
        delta: Fr::random(&mut rng),
    });
    for changes in [Vec::new(), changes.collect()] {
        for CellChange { column, row, delta } in &changes {
            expected[*column][*row] += delta;
        }
        let circuit = ModelCircuit::new(assignment, &first, &public);
        let assigned = assigned(&circuit.with_changes(changes.clone()), layout.k, &challenges);
        let advice = ModelAdvice::new(assignment, first.clone(), &public);
        let mut advice = advice.with_changes(changes);
        let mut index = 0;
        for (phase, drawn) in drawn.into_iter().enumerate() {
            for column in advice.columns(phase as u8, &challenges[..drawn]) {
                let full = column.to_full();
                assert!(full == expected[index], "column {index}, phase {phase}");
                // The last rows of the weight columns are for the prover, not the circuit.
                let end = if index < weights { usable } else { full.len() };
                assert!(full[..end] == assigned[index][..end], "column {index}, phase {phase}");
                index += 1;
            }
        }
        assert_eq!(index, expected.len());
    }
    let tails = first.weight_tails().rows;
    assert!(tails.iter().zip(&expected).all(|(tail, column)| *tail == column[usable..]));
    let of_weights = first.weights.clone();
    let mut advice = ModelAdvice::new(assignment, first, &public).with_weights_on_own_domain();
    let columns = advice.columns(0, &[]);
    for (index, (column, expected)) in columns.iter().zip(&of_weights).enumerate() {
        assert!(column.to_full() == expected.to_full(), "weight column {index}");
    }
    for (index, column) in columns.iter().enumerate().skip(weights) {
        assert!(column.to_full() == unchanged[index], "column {index}");
    }
}

/// The lanes and the multiplicities, but for the hash rows and the blinding, which the gates and
/// nothing speak of.
fn compare_first_phase(assignment: &Assignment<'_>, first: &FirstPhase) {
    let layout = assignment.layout;
    let (lanes, multiplicity) = plain_witness::first_phase(assignment);
    assert!(first.multiplicity.to_full() == multiplicity, "multiplicities");
    let hashes = layout.hash.as_ref().map_or(0..0, |hash| hash.first_row..hash.end());
    let blinding = layout.blinding_row..layout.blinding_row + BLINDING_ROWS;
    for (lane, (columns, expected)) in first.lanes.iter().zip(&lanes).enumerate() {
        let full = [columns.pre.to_full(), columns.out.to_full(), columns.rem.to_full()];
        for (column, (full, expected)) in full.iter().zip(expected).enumerate() {
            for row in (0..full.len()).filter(|row| !hashes.contains(row)) {
                if column < 2 || !blinding.contains(&row) {
                    assert!(full[row] == expected[row], "lane {lane}, column {column}, row {row}");
                }
            }
        }
    }
    let blinded = first.lanes.iter().flat_map(|lane| {
        blinding.clone().map(|row| lane.rem.get(row).to_repr()).collect::<Vec<_>>()
    });
    let different = std::collections::BTreeSet::from_iter(blinded).len();
    assert_eq!(different, first.lanes.len() * BLINDING_ROWS, "random values");
}

#[test]
fn whole_columns_of_predictions() {
    for seed in 0..12 {
        let (graph, inputs) = random_graph(seed);
        let (lanes, columns) = (2 + seed as usize % 5, 1 + seed as usize % 3);
        let mode = if seed % 5 == 0 { InputMode::Public } else { InputMode::Committed };
        let options = options(lanes, columns, prediction(mode));
        let layout = Layout::new(&graph, options).expect("layout");
        let execution = Executor::new(&graph).expect("valid").run(&inputs[0]).expect("in range");
        compare(&Assignment {
            graph: &graph,
            layout: &layout,
            inputs: vec![proven(&inputs[0], &execution)],
            place: None,
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 16,
        max_global_rejects: 10,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whole_columns_of_runs(
        seed in any::<u64>(),
        log_items in 0u32..4,
        path in 0u32..3,
        filling in any::<prop::sample::Index>(),
        lanes in 2usize..=10,
        columns in 1usize..=3,
        beside in any::<bool>(),
        kind in 0u8..3,
    ) {
        let (graph, inputs) = random_graph(seed);
        let layout = Layout::new(&graph, options(lanes, columns, StatementKind::default()));
        prop_assume!(!matches!(layout, Err(LayoutError::ConflictingPools { .. })));
        let audit = audit(log_items, (log_items + path).max(1), 1);
        let run = audit.run().expect("a run");
        let statement = match kind {
            0 => audit,
            1 => StatementKind::Retrieval { run, class: 0 },
            _ => StatementKind::Classification { run, answers: AnswerMode::Classes },
        };
        let count = 1 + filling.index(run.items());
        let items = Items::untouched(graph, &inputs, run, count);
        let options = options(lanes, columns, statement);
        let options = if beside { beside_a_prediction(&items.graph, options) } else { options };
        let layout = Layout::new(&items.graph, options).expect("layout");
        compare(&Assignment {
            graph: &items.graph,
            layout: &layout,
            inputs: items.inputs(|item| if kind == 0 { items.labels[item] } else { 0 }, kind == 0),
            place: Some(items.place.clone()),
        });
    }
}
