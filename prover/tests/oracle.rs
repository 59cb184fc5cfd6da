//! Our prover against the library's, on circuits of networks: with the same randomness both make the same
//! bytes, whatever the statement, the batch, the lanes and the kernels; and each proof holds, natively and on chain.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};

use assay_circuit::{
    AnswerMode, Assignment, InputMode, Layout, ModelAdvice, OutputMode, PlanRequest, ProvenInput,
    Run, StatementKind, TreePlace, WeightsPlace,
};
use assay_graph::{Execution, Executor, QuantizedGraph};
use assay_kernels::all_kernels;
use assay_proof::{Prover, Srs, Unwatched, library::LibraryProver};
use assay_prover::{
    bundle::Bundle,
    model_proof::{ModelWitness, generate_key},
};
use assay_testing::{
    deployed::{deploy, words},
    networks::{attention, mixed_network},
};
use halo2_proofs::halo2curves::bn256::Fr;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// A statement, the number of lanes, and the least number of openings, which makes circuits larger.
type Case = (StatementKind, usize, usize);

fn prediction(input: InputMode, output: OutputMode) -> StatementKind {
    StatementKind::Prediction { input, output }
}

fn audit(log_items: u32, depth: u32, top: usize) -> StatementKind {
    StatementKind::Audit { run: Run { log_items, depth }, top }
}

fn retrieval(log_items: u32, depth: u32) -> StatementKind {
    StatementKind::Retrieval { run: Run { log_items, depth }, class: 1 }
}

fn classification(log_items: u32, depth: u32) -> StatementKind {
    let run = Run { log_items, depth };
    StatementKind::Classification { run, answers: AnswerMode::Classes }
}

fn cases() -> Vec<Case> {
    use InputMode::{Committed, Public};
    vec![
        (prediction(Committed, OutputMode::Class), 2, 256),
        (prediction(Committed, OutputMode::Class), 3, 256),
        (prediction(Committed, OutputMode::Class), 4, 8),
        (prediction(Committed, OutputMode::Class), 7, 256),
        (prediction(Committed, OutputMode::Class), 14, 256),
        (prediction(Committed, OutputMode::Best(3)), 3, 256),
        (prediction(Committed, OutputMode::Best(2)), 8, 64),
        (prediction(Committed, OutputMode::Scored(3)), 4, 64),
        (prediction(Committed, OutputMode::Logits), 5, 256),
        (prediction(Public, OutputMode::Commitment), 2, 256),
        (prediction(Public, OutputMode::Class), 2, 256),
        (prediction(Public, OutputMode::Logits), 6, 256),
        (prediction(Committed, OutputMode::Class), 5, 10_000),
        (audit(0, 1, 1), 3, 256),
        (audit(1, 4, 2), 4, 256),
        (audit(2, 2, 1), 6, 256),
        (audit(3, 3, 1), 10, 256),
        (audit(4, 6, 1), 16, 256),
        (audit(5, 5, 1), 18, 256),
        (retrieval(0, 1), 5, 256),
        (retrieval(2, 3), 8, 256),
        (retrieval(3, 8), 12, 256),
        (retrieval(4, 4), 20, 256),
        (classification(1, 3), 4, 256),
    ]
}

/// What is proven of a circuit: a full run but for its last item, or the one input.
fn assignment<'a>(
    bundle: &'a Bundle,
    layout: &'a Layout,
    images: &'a [Vec<u8>],
    executions: &'a [Execution],
) -> Assignment<'a> {
    let statement = layout.options.statement;
    let items = statement.images();
    let run = statement.run();
    let count = if items > 1 { items - 1 } else { 1 };
    let logits = |index: usize| &executions[index].tensors[bundle.graph.output];
    let inputs = (0..items).map(|item| {
        let index = if item < count { item % images.len() } else { 0 };
        let best = (0..logits(index).len()).max_by_key(|class| logits(index)[*class]).unwrap();
        let class = match statement {
            StatementKind::Retrieval { class, .. } => class,
            StatementKind::Audit { .. } => item % logits(index).len(),
            StatementKind::Prediction { .. } | StatementKind::Classification { .. } => best,
        };
        let (salt, output_salt) = (Fr::from(4 + item as u64), Fr::from(5));
        let (label, execution) = (class as u64, &executions[index]);
        ProvenInput { bytes: &images[index], salt, output_salt, label, class, execution }
    });
    let inputs = inputs.collect();
    let place = run.map(|run| {
        let siblings = (0..run.path()).map(|height| Fr::from(90 + height as u64)).collect();
        TreePlace::new(0, count, vec![Fr::from(77); items - count], siblings)
    });
    Assignment { graph: &bundle.graph, layout, inputs, place }
}

fn compare(
    (graph, image): (QuantizedGraph, Vec<u8>),
    (statement, lanes, openings): Case,
    on_chain: bool,
) {
    let request = PlanRequest {
        statement,
        lanes: Some(lanes),
        openings: Some(openings),
        ..PlanRequest::default()
    };
    let bundle = Bundle::new(graph, request).unwrap();
    let layout = bundle.layout().unwrap();
    let name = format!("{statement:?}, {lanes} lanes, k = {}", layout.k);
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = generate_key(&srs, &layout).unwrap();
    let images: Vec<Vec<u8>> = (0..5)
        .map(|by| {
            let mut image = image.clone();
            image.rotate_left(by);
            image
        })
        .collect();
    let executor = Executor::new(&bundle.graph).unwrap();
    let executions: Vec<_> = images.iter().map(|image| executor.run(image).unwrap()).collect();
    let assignment = assignment(&bundle, &layout, &images, &executions);
    let mut public = vec![Fr::from(6)];
    public.extend(assignment.public_values());
    let witness = || {
        let weights = bundle.weight_columns(&layout);
        let first = assignment.first_phase(weights, ChaCha20Rng::from_seed([8; 32])).unwrap();
        ModelWitness::new(ModelAdvice::new(&assignment, first, &public), &layout)
    };

    let library = LibraryProver::new(&srs, &key);
    let expected = library.prove(&mut witness(), &public, [3; 32]).unwrap();
    for kernels in all_kernels() {
        let srs = srs.with_kernels(*kernels);
        let prover = Prover { srs: &srs, key: &key, watch: &Unwatched };
        let proof = expected.again(&prover, &mut witness(), &public).unwrap();
        assert!(proof == expected.proof, "{name}: {} makes another proof", kernels.name());
    }
    key.verifier()
        .verify(&public, &expected.proof)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    if on_chain && let Some(mut deployed) = deploy(key.info()) {
        let outcome = deployed.verify(&expected.proof, &words(&public));
        assert!(outcome.result.is_ok(), "{name}: refused on chain");
    }
}

#[test]
fn makes_the_librarys_proofs_of_every_statement() {
    // Two at a time: the Solidity compiler and parts of the library's prover keep one core busy only.
    let cases = cases();
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            compare(mixed_network(), *case, true);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    assert!(next.load(Ordering::Relaxed) > cases.len());
}

/// Of networks whose channels run on into each other, alone and in a batch.
#[test]
fn makes_the_librarys_proofs_of_attention() {
    for (joint, case) in [
        (false, (prediction(InputMode::Committed, OutputMode::Class), 4, 256)),
        (true, (prediction(InputMode::Committed, OutputMode::Logits), 3, 256)),
        (true, (audit(2, 2, 1), 6, 256)),
    ] {
        compare(attention(joint), case, true);
    }
}

/// The largest circuit that is asked for: 2^22 rows, of which the network takes few. Takes minutes and 10 GiB.
#[test]
#[ignore = "takes minutes and 10 GiB"]
fn proves_circuits_of_four_million_rows() {
    let (graph, image) = attention(true);
    let place = WeightsPlace { columns: 1, first_row: 128, k: 22, openings: 256 };
    let request = PlanRequest { place: Some(place), lanes: Some(2), ..PlanRequest::default() };
    let bundle = Bundle::new(graph, request).unwrap();
    let layout = bundle.layout().unwrap();
    assert_eq!(layout.k, 22);
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = generate_key(&srs, &layout).unwrap();
    let execution = Executor::new(&bundle.graph).unwrap().run(&image).unwrap();
    let (images, executions) = ([image], [execution]);
    let assignment = assignment(&bundle, &layout, &images, &executions);
    let mut public = vec![Fr::from(6)];
    public.extend(assignment.public_values());
    let weights = bundle.weight_columns(&layout);
    let first = assignment.first_phase(weights, ChaCha20Rng::from_seed([8; 32])).unwrap();
    let advice = ModelAdvice::new(&assignment, first, &public);
    let mut witness = ModelWitness::new(advice, &layout);
    let proof = Prover { srs: &srs, key: &key, watch: &Unwatched }.prove(&mut witness, &public);
    let proof = proof.unwrap();
    key.verifier().verify(&public, &proof).unwrap();
    public[2] += Fr::from(1);
    assert!(key.verifier().verify(&public, &proof).is_err(), "another class is accepted");
}

/// Takes minutes: `cargo test --release --workspace --test oracle -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn makes_the_librarys_proofs_of_large_circuits() {
    for openings in [30_000, 60_000, 120_000, 250_000] {
        let case = (prediction(InputMode::Committed, OutputMode::Class), 4, openings);
        compare(mixed_network(), case, false);
    }
}
