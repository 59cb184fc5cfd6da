//! A layout and a constraint system that do not belong together.

use halo2_proofs::plonk::Error;

use super::{items::audit, *};
use assay_testing::arbitrary::random_graph;

/// What a profile comes to lack.
type Loss = fn(&mut ColumnProfile);

/// Rows of a kind that the system has no gate for would be free.
#[test]
fn rows_without_a_gate_are_an_error() {
    let (graph, _) = mixed_network();
    let made = |statement, change: Loss| {
        let mut layout = Layout::new(&graph, options(2, 2, statement)).expect("layout");
        change(&mut layout.profile);
        let public = vec![vec![Fr::zero(); layout.public_inputs]];
        let circuit = ModelCircuit::without_witness(&layout);
        MockProver::run(layout.k, &circuit, public).map(|_| ())
    };
    let batch = audit(1, 1, 1);
    for statement in [StatementKind::default(), batch] {
        assert!(made(statement, |_| {}).is_ok());
    }
    let changes: [(&str, Loss); 4] = [
        ("a pattern", |profile| {
            profile.patterns.remove(1);
        }),
        ("a row of a depthwise kernel", |profile| {
            profile.kernel_rows.remove(0);
        }),
        ("the hash", |profile| profile.hash = None),
        ("the challenge u", |profile| profile.batch = false),
    ];
    for (what, change) in changes {
        let result = made(batch, change);
        assert!(matches!(result, Err(Error::Synthesis)), "without {what}: {result:?}");
    }
}

/// A layout of another network or statement is refused, not filled with what does not belong there.
#[test]
fn layouts_of_other_networks_make_no_witness() {
    let networks = (0..6).map(random_graph).map(|(graph, inputs)| (graph, inputs[0].clone()));
    let networks = networks.chain([mixed_network()]).collect::<Vec<_>>();
    for (index, (graph, input)) in networks.iter().enumerate() {
        let execution = Executor::new(graph).expect("valid").run(input).expect("in range");
        let refused = |layout: &Layout| {
            let inputs = vec![proven(input, &execution)];
            let assignment = Assignment { graph, layout, inputs, place: None };
            let columns = layout.options.weight_columns;
            let zeros = vec![Fr::zero(); layout.weight_domain()];
            let weights = vec![SmallColumn::from_full(&zeros); columns];
            matches!(assignment.first_phase(weights, OsRng), Err(WitnessError::Mismatch))
        };
        for (other, (network, _)) in networks.iter().enumerate() {
            let options = options(3, 2, StatementKind::default());
            let layout = Layout::new(network, options).expect("layout");
            assert_eq!(refused(&layout), index != other, "{index} with the layout of {other}");
        }
        let batch = Layout::new(graph, options(3, 2, audit(1, 1, 1))).expect("layout");
        assert!(refused(&batch), "{index} alone in a batch");
    }
}

/// A value outside its table is named, the first of all.
#[test]
fn values_outside_their_table_are_named() {
    let (graph, input) = mixed_network();
    let options = options(3, 2, StatementKind::default());
    let layout = Layout::new(&graph, options).expect("layout");
    let mut execution = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    let size = execution.layers[0].pre.len();
    let max = {
        let Op::Conv { rescale, .. } = &graph.layers[0].op else { panic!("a convolution") };
        let table = &graph.functions[rescale.function];
        table.min + table.values.len() as i32 - 1
    };
    for (place, by) in [(size - 1, 3), (size / 2 + 1, 2), (size / 2, 7), (5, 1), (1, 9), (0, 4)] {
        execution.layers[0].pre[place] = max + by;
        let assignment = Assignment {
            graph: &graph,
            layout: &layout,
            inputs: vec![proven(&input, &execution)],
            place: None,
        };
        let weights = layout.weight_columns(&graph, &BlindingSeed([7; 32]), OsRng);
        let refused = assignment.first_phase(weights, OsRng).err();
        let Some(WitnessError::OutOfRange { value, max: most, .. }) = refused else {
            panic!("{place}: accepted")
        };
        assert_eq!((value, most), (i64::from(max + by), max), "{place}");
    }
}
