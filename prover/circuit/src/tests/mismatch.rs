//! A layout and a constraint system that do not belong together.

use halo2_proofs::plonk::Error;

use super::{items::audit, *};

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
