//! The columns handed over whole are those that the circuit assigns cell by cell.

use std::cell::RefCell;

use assay_testing::arbitrary::random_graph;
use halo2_proofs::{
    circuit::{SimpleFloorPlanner, Value},
    halo2curves::ff::Field,
    plonk::{
        Advice, Any, Assigned, Assignment as Assign, Challenge, Circuit, Column, ConstraintSystem,
        Error, Fixed, FloorPlanner, Instance, Selector,
    },
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::items::{Items, audit};
use super::*;
use crate::layout::RESERVED_ROWS;

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

/// Compares all columns, honest and with a change in each.
fn compare(assignment: &Assignment<'_>) {
    let layout = assignment.layout;
    let mut rng = ChaCha20Rng::from_seed([5; 32]);
    let challenges = (0..5).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
    let mut public = vec![Fr::from(123)];
    public.extend(assignment.public_values());
    let first = || {
        let mut rng = ChaCha20Rng::from_seed([6; 32]);
        let seed = BlindingSeed([7; 32]);
        let weights = layout.weight_columns(assignment.graph, &seed, &mut rng);
        assignment.first_phase(weights, rng).expect("witness")
    };
    let columns = layout.options.weight_columns + 4 * layout.options.lanes + 9;
    let usable = (1 << layout.k) - RESERVED_ROWS;
    let changes = (0..columns)
        .map(|column| {
            // Rows of the weights' domain are rows of the circuit.
            let row = column * 17 % usable / layout.weight_stride() * layout.weight_stride();
            CellChange { column, row, delta: Fr::random(&mut rng) }
        })
        .collect::<Vec<_>>();
    for changes in [Vec::new(), changes] {
        let cell_by_cell = first();
        let circuit = ModelCircuit::new(assignment, &cell_by_cell, &public);
        let expected = assigned(&circuit.with_changes(changes.clone()), layout.k, &challenges);
        let mut advice = ModelAdvice::new(assignment, first(), &public).with_changes(changes);
        let drawn = if layout.profile.batch { [0, 4, 5] } else { [0, 3, 4] };
        let mut index = 0;
        for (phase, drawn) in drawn.into_iter().enumerate() {
            for column in advice.columns(phase as u8, &challenges[..drawn]) {
                assert!(column.to_full() == expected[index], "column {index}, phase {phase}");
                index += 1;
            }
        }
        assert_eq!(index, expected.len());
    }
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
        retrieval in any::<bool>(),
    ) {
        let (graph, inputs) = random_graph(seed);
        let layout = Layout::new(&graph, options(lanes, columns, StatementKind::default()));
        prop_assume!(!matches!(layout, Err(LayoutError::ConflictingPools { .. })));
        let audit = audit(log_items, (log_items + path).max(1), 1);
        let run = audit.run().expect("a run");
        let statement =
            if retrieval { StatementKind::Retrieval { run, class: 0 } } else { audit };
        let count = 1 + filling.index(run.items());
        let items = Items::untouched(graph, &inputs, run, count);
        let options = options(lanes, columns, statement);
        let options = if beside { beside_a_prediction(&items.graph, options) } else { options };
        let layout = Layout::new(&items.graph, options).expect("layout");
        compare(&Assignment {
            graph: &items.graph,
            layout: &layout,
            inputs: items.inputs(|item| if retrieval { 0 } else { items.labels[item] }, !retrieval),
            place: Some(items.place.clone()),
        });
    }
}
