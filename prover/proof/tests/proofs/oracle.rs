//! Our prover against the library's: with the same randomness both make the same bytes.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use assay_kernels::all_kernels;
use assay_proof::{Prover, Step, Unwatched, Watch, library::LibraryProver, prove::circuit_advice};
use assay_testing::sample::{SEED, Sample, SampleParams, setup};

use super::*;

/// Circuits of different sizes, of zero to six lanes and one to four weight columns.
fn circuits() -> Vec<SampleParams> {
    let small = SampleParams::small();
    vec![
        small.clone(),
        SampleParams { weights: 1, lanes: 1, ..small.clone() },
        SampleParams { weights: 4, lanes: 2, inputs: 1, ..small.clone() },
        SampleParams { lanes: 6, extra_fixed: 5, ..small.clone() },
        SampleParams { k: 7, lanes: 4, inputs: 9, ..small.clone() },
        SampleParams { k: 10, ..small.clone() },
        SampleParams { k: 11, lanes: 5, extra_fixed: 2, ..small.clone() },
        SampleParams { k: 12, lanes: 2, ..small.clone() },
        SampleParams { k: 13, weights: 3, lanes: 1, ..small },
    ]
}

#[test]
fn makes_the_librarys_proofs() {
    for (index, params) in circuits().into_iter().enumerate() {
        let setup = setup(params.clone());
        let library = LibraryProver::new(&setup.srs, &setup.key);
        let circuit = Sample::new(params.clone(), 1, index as u64);
        let (inputs, tails) = (circuit.public_inputs(), setup.tails(&SEED));
        for self_blinded in [0, 1] {
            let advice =
                || circuit_advice(&setup.key, &circuit, &inputs, &tails, self_blinded).unwrap();
            let expected = library.prove(&mut advice(), &inputs, [index as u8; 32]).unwrap();
            setup.key.verify(&inputs, &expected.proof).unwrap();
            for kernels in all_kernels() {
                let srs = setup.srs.with_kernels(*kernels);
                let prover = Prover { srs: &srs, key: &setup.key, watch: &Unwatched };
                let proof = expected.again(&prover, &mut advice(), &inputs).unwrap();
                assert!(proof == expected.proof, "{params:?}, {}", kernels.name());
                // With fresh randomness it is another one, and holds.
                let fresh = prover.prove(&mut advice(), &inputs).unwrap();
                assert!(fresh != proof);
                setup.key.verify(&inputs, &fresh).unwrap();
            }
        }
    }
}

/// Cancels at a certain call.
struct Counter {
    calls: AtomicUsize,
    cancel_at: usize,
    told: Mutex<Vec<(Step, f64)>>,
}

impl Counter {
    fn new(cancel_at: usize) -> Self {
        Self { calls: AtomicUsize::new(0), cancel_at, told: Mutex::default() }
    }
}

impl Watch for Counter {
    fn progress(&self, step: Step, fraction: f64) {
        self.told.lock().unwrap().push((step, fraction));
    }

    fn is_cancelled(&self) -> bool {
        self.calls.fetch_add(1, Ordering::Relaxed) >= self.cancel_at
    }
}

#[test]
fn tells_how_far_it_is_and_stops_when_told() {
    let setup = small();
    let circuit = Sample::new(setup.params.clone(), 1, 1);
    let (inputs, tails) = (circuit.public_inputs(), setup.tails(&SEED));
    let run = |watch: &Counter| {
        let mut advice = circuit_advice(&setup.key, &circuit, &inputs, &tails, 0).unwrap();
        Prover { srs: &setup.srs, key: &setup.key, watch }.prove(&mut advice, &inputs)
    };
    let watch = Counter::new(usize::MAX);
    run(&watch).unwrap();
    let told = watch.told.into_inner().unwrap();
    assert!(told.is_sorted_by(|a, b| a.1 <= b.1), "{told:?}");
    assert!((0.95..=1.0).contains(&told.last().unwrap().1), "{told:?}");
    let steps = [Step::Columns, Step::Permutation, Step::Key, Step::Quotient, Step::Opening];
    for step in steps {
        assert!(told.iter().any(|(told, _)| *told == step), "{step}");
    }
    for calls in 0..told.len() {
        let error = run(&Counter::new(calls)).unwrap_err();
        assert!(matches!(error, ProveError::Cancelled), "{error}");
    }
}

#[test]
fn a_source_of_other_columns_is_refused() {
    struct Short;
    impl assay_proof::AdviceSource for Short {
        fn columns(
            &mut self,
            _: u8,
            _: &[Fr],
        ) -> Result<Vec<assay_proof::AdviceColumn>, ProveError> {
            let column = assay_kernels::Column::Full(vec![Fr::ONE; 3]);
            Ok(vec![assay_proof::AdviceColumn::Values(column)])
        }
    }
    let setup = small();
    let inputs = Sample::new(setup.params.clone(), 1, 1).public_inputs();
    let prover = Prover { srs: &setup.srs, key: &setup.key, watch: &Unwatched };
    let error = prover.prove(&mut Short, &inputs).unwrap_err();
    assert!(matches!(error, ProveError::Witness(_)), "{error}");
}
