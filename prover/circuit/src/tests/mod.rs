//! The circuit against the reference executor, and against tampered witnesses.

use halo2_proofs::{
    dev::{MockProver, VerifyFailure},
    halo2curves::bn256::Fr,
};
use rand_core::OsRng;

mod dots;
mod forgeries;
mod items;
mod layouts;
mod matrices;
mod mismatch;
mod mutation;
mod plain_witness;
mod random_audits;
mod statements;
mod tampering;
mod whole_columns;

use crate::*;
use assay_arithmetic::weight_columns::BlindingSeed;
use assay_graph::{Execution, Executor, Op, QuantizedGraph, Rescale, Window};
use assay_testing::networks::{Builder, mixed_network};

/// What a dishonest prover changes. After a change of the first phase everything later follows it.
enum Attack<'a> {
    None,
    FirstPhase(&'a dyn Fn(&Layout, &mut FirstPhase)),
    Cell { column: usize, row: &'a dyn Fn(&Layout) -> usize },
    PublicInput(usize),
}

/// Runs the constraint check; returns what fails. The lookup gate needs no selector in the last
/// rows because the prover puts zeros into `rem` there, which the checker does not know: it calls
/// the gate poisoned, and that alone is ignored.
fn failures(
    graph: &QuantizedGraph,
    input: &[u8],
    options: LayoutOptions,
    attack: Attack<'_>,
) -> Vec<VerifyFailure> {
    let layout = Layout::new(graph, options).expect("layout");
    let execution = Executor::new(graph).expect("valid graph").run(input).expect("in range");
    let assignment =
        Assignment { graph, layout: &layout, inputs: vec![proven(input, &execution)], place: None };
    let weights = layout.weight_columns(graph, &BlindingSeed([7; 32]), OsRng);
    let mut first = assignment.first_phase(weights, OsRng).expect("witness");
    let mut public = vec![Fr::from(123)];
    public.extend(assignment.public_values());
    let mut tampering = Vec::new();
    match attack {
        Attack::None => {}
        Attack::FirstPhase(change) => change(&layout, &mut first),
        Attack::Cell { column, row } => {
            tampering.push(CellChange { column, row: row(&layout), delta: Fr::one() });
        }
        Attack::PublicInput(index) => public[index] += Fr::one(),
    }
    check(&assignment, &first, &public, tampering)
}

/// The constraints that do not hold.
fn check(
    assignment: &Assignment<'_>,
    first: &FirstPhase,
    public: &[Fr],
    tampering: Vec<CellChange>,
) -> Vec<VerifyFailure> {
    let circuit = ModelCircuit::new(assignment, first, public).with_changes(tampering);
    let k = assignment.layout.k;
    let prover = MockProver::run(k, &circuit, vec![public.to_vec()]).expect("mock prover");
    match prover.verify() {
        Ok(()) => Vec::new(),
        Err(failures) => failures
            .into_iter()
            .filter(|failure| {
                !matches!(failure, VerifyFailure::ConstraintPoisoned { .. })
                    || !format!("{failure}").contains("lookup")
            })
            .collect(),
    }
}

/// The options with the weights where the circuit of a single prediction has them.
fn beside_a_prediction(graph: &QuantizedGraph, options: LayoutOptions) -> LayoutOptions {
    let statement = StatementKind::default();
    let single = Layout::new(graph, LayoutOptions { statement, lanes: 2, ..options });
    let place = single.expect("layout").weights_place();
    LayoutOptions { weights_k: Some(place.k), ..options }
}

fn options(lanes: usize, weight_columns: usize, statement: StatementKind) -> LayoutOptions {
    LayoutOptions {
        lanes,
        weight_columns,
        statement,
        openings: 16,
        weights_row: 128,
        weights_k: None,
    }
}

fn prediction(input: InputMode) -> StatementKind {
    StatementKind::Prediction { input, output: OutputMode::Class }
}

fn proven<'a>(bytes: &'a [u8], execution: &'a Execution) -> ProvenInput<'a> {
    let (salt, output_salt) = (Fr::from(77), Fr::from(78));
    ProvenInput { bytes, salt, output_salt, label: 0, class: 0, execution }
}
