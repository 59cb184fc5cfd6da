//! Proofs of a network's predictions: native and on chain, honest and from tampered witnesses.

use std::collections::HashSet;

use halo2_proofs::halo2curves::bn256::Fr;

use assay_arithmetic::packed_outputs::{pack_outputs, unpack_outputs};
use assay_arithmetic::weight_columns::BlindingSeed;
use assay_circuit::{
    AnswerMode, Assignment, CellChange, FirstPhase, InputMode, Layout, OutputMode, PlanRequest,
    ProvenInput, Run, StatementKind, TreePlace,
};
use assay_collection::{Collection, SaltSeed};
use assay_graph::{Dataset, Executor, Op};
use assay_proof::{ProverKey, Srs, VerifyError};
use assay_prover::bundle::Bundle;
use assay_prover::model_proof::{self, ModelProver};
use assay_prover::openings::BundleId;
use assay_prover::output_opening::OutputOpening;
use assay_prover::prediction::{self, Prediction, Statement};
use assay_prover::run_proof::{self, RunResult};
use assay_testing::{
    corpus::Corpus,
    deployed::{Deployed, deploy, words},
    networks::{Builder, attention},
};

use crate::model::Model;

#[test]
fn predictions_verify_natively_and_on_chain() {
    let model = Model::new();
    let verifier = model.key.verifier();
    let (one, two) =
        (model.prove(&model.bundle, 1).unwrap(), model.prove(&model.bundle, 2).unwrap());
    assert_eq!(two.openings.0, 2);
    let points = 64 * model.layout.options.weight_columns;
    assert_eq!(one.proof.proof[..points], two.proof.proof[..points], "one model, one commitment");
    assert_ne!(one.proof.proof[points..], two.proof.proof[points..]);
    let hash = verifier.verify(&one.proof.public_inputs, &one.proof.proof).unwrap();
    assert_eq!(hash, model.model_hash(&model.bundle));

    let reseeded = Bundle {
        graph: model.bundle.graph.clone(),
        options: model.bundle.options,
        seed: BlindingSeed([9; 32]),
        budget: 1,
        id: BundleId::random(),
        dropped: Vec::new(),
        bounds: Vec::new(),
    };
    assert_ne!(model.model_hash(&reseeded), hash, "another seed, another commitment");
    let mut other = Bundle {
        graph: model.bundle.graph.clone(),
        options: model.bundle.options,
        seed: model.bundle.seed,
        budget: 1,
        id: BundleId::random(),
        dropped: Vec::new(),
        bounds: Vec::new(),
    };
    if let Op::Conv { weights, .. } = &mut other.graph.layers[0].op {
        weights[0] += 1;
    }
    assert_ne!(model.model_hash(&other), hash, "other weights, another commitment");

    let Some(mut deployed) = deploy(model.key.info()) else { return };
    for prediction in [&one, &two] {
        let outcome =
            deployed.verify(&prediction.proof.proof, &words(&prediction.proof.public_inputs));
        assert_eq!(outcome.result, Ok(hash.to_vec()));
        println!("{} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    }
    for index in 0..3 {
        let mut inputs = one.proof.public_inputs.clone();
        inputs[index] += Fr::one();
        assert_refused(&model, &mut deployed, "another public input", &one.proof.proof, &inputs);
    }
}

/// Products of matrices and transpositions need nothing of prover, verifier and contract.
#[test]
fn attention_verifies_natively_and_on_chain() {
    let model = Model::of(attention(true));
    let proof = model.prove(&model.bundle, 1).unwrap().proof;
    let hash = model.model_hash(&model.bundle);
    let verified = model.key.verifier().verify(&proof.public_inputs, &proof.proof);
    assert_eq!(verified.unwrap(), hash);
    let Some(mut deployed) = deploy(model.key.info()) else { return };
    let outcome = deployed.verify(&proof.proof, &words(&proof.public_inputs));
    assert_eq!(outcome.result, Ok(hash.to_vec()));
    println!("{} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    let (forged, public) =
        model.forge(|layout, first| first.lanes[0].out.add(tile_row(layout), Fr::one()), vec![]);
    assert_refused(&model, &mut deployed, "an activation", &forged, &public);
}

#[test]
fn proofs_from_tampered_witnesses_are_refused() {
    let model = Model::new();
    let Some(mut deployed) = deploy(model.key.info()) else { return };
    let (honest, public) = model.forge(|_, _| {}, vec![]);
    assert!(model.key.verifier().verify(&public, &honest).is_ok());

    type Change = fn(&Layout, &mut FirstPhase);
    let changes: [(&str, Change); 5] = [
        ("a weight", |layout, first| {
            first.weights[0].add(layout.kernel_first_row(0), Fr::one());
        }),
        ("an activation", |layout, first| first.lanes[0].out.add(tile_row(layout), Fr::one())),
        ("a remainder", |layout, first| first.lanes[1].rem.add(tile_row(layout), Fr::one())),
        ("a multiplicity", |layout, first| {
            first.multiplicity.add(layout.tables_first_row(), Fr::one());
        }),
        ("a swapped lane", |layout, first| {
            let row = tile_row(layout);
            let cells = [0, 1].map(|lane: usize| first.lanes[lane].cells(row));
            for (index, (one, other)) in cells[0].into_iter().zip(cells[1]).enumerate() {
                first.lanes[0].set(index, row, other);
                first.lanes[1].set(index, row, one);
            }
        }),
    ];
    for (name, change) in changes {
        let (proof, public) = model.forge(change, vec![]);
        assert_refused(&model, &mut deployed, name, &proof, &public);
    }
    // A `rest` cell and each kind of running sum, in the columns after the first phase.
    let first_phase = model.layout.options.weight_columns + 3 * model.layout.options.lanes + 1;
    let columns = first_phase..model.key.info().profile().advice_columns();
    for column in columns {
        let row = if column == first_phase {
            model.layout.rests_first_row().unwrap()
        } else {
            tile_row(&model.layout)
        };
        let tampering = vec![CellChange { column, row, delta: Fr::one() }];
        let (proof, public) = model.forge(|_, _| {}, tampering);
        let name = format!("a cell of column {column}");
        assert_refused(&model, &mut deployed, &name, &proof, &public);
    }
}

/// The corpus of damaged proofs on a network's own circuit.
#[test]
fn native_and_contract_agree_on_a_models_malformed_proofs() {
    let model = Model::new();
    let Some(deployed) = deploy(model.key.info()) else { return };
    let proof = model.prove(&model.bundle, 1).unwrap().proof;
    let inputs = words(&proof.public_inputs);
    let key = model.key.verifier();
    Corpus { key, deployed, proof: proof.proof, inputs, cases: 0 }.refuse_all();
}

/// A batch with its own challenge, tree and counts: natively and on chain. Its weights are committed
/// to with the points of the circuit for single predictions.
#[test]
fn audits_verify_natively_and_on_chain() {
    let model = Model::new();
    let input = &model.input;
    let run = Run { log_items: 4, depth: 5 };
    let request = PlanRequest {
        statement: StatementKind::Audit { run, top: 1 },
        lanes: Some(3),
        ..PlanRequest::default()
    };
    let (bundle, openings) = model.derive(request);
    let layout = bundle.layout().unwrap();
    assert!(layout.weight_stride() > 1);
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = model_proof::generate_key(&srs, &layout).unwrap();
    let inputs = (0..3u8).map(|item| {
        let mut input = input.clone();
        input.rotate_left(usize::from(item));
        input
    });
    let data = Dataset { inputs: inputs.collect(), labels: vec![1, 2, 3] };
    let shape = bundle.graph.tensors[bundle.graph.input.tensor].shape;
    let seed = SaltSeed([4; 32]);
    let set = Collection::commit(&data, shape, seed, Some(run.depth), &|| {}).unwrap();
    let prover = ModelProver::new(&bundle, &openings, &layout, &srs, &key);
    let opening = set.open_run(0, run.log_items).unwrap();
    let proven = run_proof::prove(prover, &opening, Fr::from(6)).unwrap();
    let public = proven.proof.public_inputs.clone();
    let number = |value: usize| Fr::from(value as u64);
    let reference = run_proof::reference(prover.bundle, prover.layout, &opening).unwrap();
    assert_eq!(proven.result, reference);
    let correct = reference.counted() as usize;
    assert_eq!(public, [Fr::from(6), set.root(), number(0), number(3), number(correct)]);
    let hash = key.verifier().verify(&public, &proven.proof.proof).unwrap();
    assert_eq!(hash, model.model_hash(&model.bundle), "one model in both circuits");
    assert_eq!(hash, model_proof::model_hash(&bundle, &layout, &srs).unwrap());
    let Some(mut deployed) = deploy(key.info()) else { return };
    assert!(deployed.verify(&proven.proof.proof, &words(&public)).result.is_ok());
    for index in 0..5 {
        let mut other = public.clone();
        other[index] += Fr::one();
        assert!(key.verifier().verify(&other, &proven.proof.proof).is_err());
        assert!(deployed.verify(&proven.proof.proof, &words(&other)).result.is_err());
    }
}

/// The classes of a run of sixteen items, of which fifteen count: two words, the second of them empty.
#[test]
fn classifications_verify_natively_and_on_chain() {
    let mut builder = Builder::new([1, 3, 4]);
    let hidden = builder.conv(0, [2, 2], [1, 1], [0; 4], 3, 1, true);
    let logits = builder.conv(hidden, [2, 3], [1, 1], [0; 4], 5, 1, false);
    let inputs = (0..31u32).map(|item| (0..12).map(|i| (i * 53 + item * 91) as u8).collect());
    let inputs = inputs.collect::<Vec<Vec<u8>>>();
    let mut graph = builder.finish(logits);
    // Without biases the classes follow the inputs.
    if let Some(Op::Conv { bias, .. }) = graph.layers.last_mut().map(|last| &mut last.op) {
        bias.fill(0);
    }
    let model = Model::of((graph, inputs[0].clone()));
    let run = Run { log_items: 4, depth: 5 };
    let request = PlanRequest {
        statement: StatementKind::Classification { run, answers: AnswerMode::Classes },
        lanes: Some(4),
        ..PlanRequest::default()
    };
    let (bundle, openings) = model.derive(request);
    let layout = bundle.layout().unwrap();
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = model_proof::generate_key(&srs, &layout).unwrap();
    let data = Dataset { inputs, labels: Vec::new() };
    let shape = bundle.graph.tensors[bundle.graph.input.tensor].shape;
    let set = Collection::commit(&data, shape, SaltSeed([4; 32]), Some(run.depth), &|| {}).unwrap();
    let prover = ModelProver::new(&bundle, &openings, &layout, &srs, &key);
    let opening = set.open_run(16, run.log_items).unwrap();
    let proven = run_proof::prove(prover, &opening, Fr::from(6)).unwrap();
    let executor = Executor::new(&bundle.graph).unwrap();
    let class = |item: usize| executor.run(&data.inputs[item]).unwrap().class() as u16;
    let classes = (16..31).map(class).collect::<Vec<_>>();
    assert_eq!(proven.result, RunResult::Classes(classes.clone()));
    let public = proven.proof.public_inputs.clone();
    let number = |value: usize| Fr::from(value as u64);
    let mut expected = vec![Fr::from(6), set.root(), number(16), number(15)];
    expected.extend([pack_outputs(&classes)[0], Fr::zero()]);
    assert_eq!(public, expected);
    let hash = key.verifier().verify(&public, &proven.proof.proof).unwrap();
    assert_eq!(hash, model.model_hash(&model.bundle), "one model in both circuits");

    let mut deployed = deploy(key.info());
    if let Some(deployed) = &mut deployed {
        let outcome = deployed.verify(&proven.proof.proof, &words(&public));
        assert_eq!(outcome.result, Ok(hash.to_vec()));
        println!("{} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    }
    let mut refused = |other: &[Fr]| {
        assert!(key.verifier().verify(other, &proven.proof.proof).is_err());
        if let Some(deployed) = &mut deployed {
            assert!(deployed.verify(&proven.proof.proof, &words(other)).result.is_err());
        }
    };
    for index in 0..public.len() {
        let mut other = public.clone();
        other[index] += Fr::one();
        refused(&other);
    }
    // Two classes swapped; a class moved to the place that holds no item.
    let other = classes.iter().position(|class| *class != classes[0]).expect("another class");
    let mut swapped = classes.clone();
    swapped.swap(0, other);
    let mut moved = classes.clone();
    let last = std::mem::take(&mut moved[14]);
    for (answers, past) in [(&swapped, 0), (&moved, 1 + u64::from(last))] {
        let words = [pack_outputs(answers)[0], Fr::from(past)];
        assert_eq!(unpack_outputs(&words, 15).is_none(), past > 0);
        refused(&[&public[..4], words.as_slice()].concat());
    }
}

/// The model in a circuit that shows something else of a committed input, its key, and two proofs of its input.
fn shown(model: &Model, output: OutputMode) -> (Bundle, ProverKey, [Prediction; 2]) {
    let statement = StatementKind::Prediction { input: InputMode::Committed, output };
    let (bundle, openings) = model.derive(PlanRequest { statement, ..PlanRequest::default() });
    let layout = bundle.layout().unwrap();
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = model_proof::generate_key(&srs, &layout).unwrap();
    let statement = Statement { context: Fr::from(6), input: &model.input, salt: Fr::from(3) };
    let prove = || {
        let prover = ModelProver::new(&bundle, &openings, &layout, &srs, &key);
        prediction::prove(prover, &statement).unwrap()
    };
    let proofs = [prove(), prove()];
    (bundle, key, proofs)
}

/// A prediction that shows a commitment to all outputs, and what opens it.
#[test]
fn hidden_outputs_verify_natively_and_on_chain() {
    let model = Model::new();
    let (bundle, key, [one, two]) = shown(&model, OutputMode::Commitment);
    let opening = one.output_opening.unwrap();
    let execution = Executor::new(&bundle.graph).unwrap().run(&model.input).unwrap();
    assert_eq!(opening.outputs(), execution.logits());
    let public = one.proof.public_inputs;
    assert_eq!(public[2..], [opening.commitment()]);
    // The salt is another one each time: equal answers do not show.
    assert_eq!(public[..2], two.proof.public_inputs[..2]);
    assert_ne!(public[2], two.proof.public_inputs[2]);
    let hash = key.verifier().verify(&public, &one.proof.proof).unwrap();
    assert_eq!(hash, model.model_hash(&model.bundle), "one model in both circuits");
    let mut deployed = deploy(key.info());
    if let Some(deployed) = &mut deployed {
        let outcome = deployed.verify(&one.proof.proof, &words(&public));
        assert_eq!(outcome.result, Ok(hash.to_vec()));
        println!("{} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    }
    let mut outputs = opening.outputs().to_vec();
    outputs[0] += 1;
    let other = OutputOpening::new(outputs, Fr::from(9)).unwrap();
    for shown in [other.commitment(), two.proof.public_inputs[2], Fr::zero()] {
        let lie = [public[0], public[1], shown];
        assert!(key.verifier().verify(&lie, &one.proof.proof).is_err());
        if let Some(deployed) = &mut deployed {
            assert!(deployed.verify(&one.proof.proof, &words(&lie)).result.is_err());
        }
    }
}

/// The best classes and their scores: each word is bound.
#[test]
fn scores_verify_natively_and_on_chain() {
    let model = Model::new();
    let (bundle, key, [proof, _]) = shown(&model, OutputMode::Scored(2));
    let proof = proof.proof;
    let execution = Executor::new(&bundle.graph).unwrap().run(&model.input).unwrap();
    let logits = execution.logits();
    let mut ranking = (0..logits.len()).collect::<Vec<_>>();
    ranking.sort_by_key(|class| (std::cmp::Reverse(logits[*class]), *class));
    let score = |class: usize| Fr::from((logits[class] + (1 << 15)) as u64);
    let [first, second] = [ranking[0], ranking[1]];
    let expected = [Fr::from(first as u64), Fr::from(second as u64), score(first), score(second)];
    assert_eq!(proof.public_inputs[2..], expected);
    let hash = key.verifier().verify(&proof.public_inputs, &proof.proof).unwrap();
    let mut deployed = deploy(key.info());
    if let Some(deployed) = &mut deployed {
        let outcome = deployed.verify(&proof.proof, &words(&proof.public_inputs));
        assert_eq!(outcome.result, Ok(hash.to_vec()));
        println!("{} gas, {} bytes of code", outcome.gas, deployed.runtime_bytes);
    }
    for index in 0..6 {
        let mut lie = proof.public_inputs.clone();
        lie[index] += Fr::one();
        assert!(key.verifier().verify(&lie, &proof.proof).is_err(), "public input {index}");
        if let Some(deployed) = &mut deployed {
            assert!(deployed.verify(&proof.proof, &words(&lie)).result.is_err(), "input {index}");
        }
    }
}

/// What two proofs have in common: their length and the points that stand for the model, nothing else,
/// also where all public inputs are the same.
#[test]
fn proofs_about_other_hidden_images_share_only_the_models_points() {
    let model = Model::new();
    let run = Run { log_items: 1, depth: 1 };
    let request = PlanRequest {
        statement: StatementKind::Audit { run, top: 1 },
        lanes: Some(3),
        ..PlanRequest::default()
    };
    let (bundle, openings) = model.derive(request);
    let layout = bundle.layout().unwrap();
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = model_proof::generate_key(&srs, &layout).unwrap();
    let (openings, bundle, layout) = (&openings, &bundle, &layout);
    let (srs, key) = (&srs, &key);
    let prover = ModelProver::new(bundle, openings, layout, srs, key);
    let executor = Executor::new(&bundle.graph).unwrap();

    // The first item counts, the second is masked: its image is bound by nothing public.
    let prove = |images: [&[u8]; 2]| {
        let executions = images.map(|image| executor.run(image).unwrap());
        let class = first_of_largest(&executions[0].tensors[bundle.graph.output]);
        let inputs = images
            .iter()
            .zip(&executions)
            .map(|(bytes, execution)| {
                let (salt, output_salt, label) = (Fr::from(4), Fr::zero(), class as u64);
                ProvenInput { bytes, salt, output_salt, label, class, execution }
            })
            .collect();
        let place = Some(TreePlace::new(0, 1, vec![Fr::zero()], Vec::new()));
        let assignment = Assignment { graph: &bundle.graph, layout, inputs, place };
        prover.prove(&assignment, Fr::from(6)).unwrap().proof
    };
    let images = [0, 1, 2].map(|by| {
        let mut image = model.input.clone();
        image.rotate_left(by);
        image
    });
    let [a, b, c] = [[0, 0], [0, 1], [2, 1]].map(|[i, j]| prove([&images[i], &images[j]]));
    assert_eq!(a.public_inputs, b.public_inputs);
    // Another image that counts: another root, the same count.
    assert_ne!(a.public_inputs[1], c.public_inputs[1]);
    assert_eq!(a.public_inputs[2..], c.public_inputs[2..]);
    let points = 64 * layout.options.weight_columns;
    for (one, other) in [(&a, &b), (&a, &c), (&b, &c)] {
        assert!(key.verifier().verify(&one.public_inputs, &one.proof).is_ok());
        assert_eq!(one.proof.len(), other.proof.len());
        assert_eq!(one.proof[..points], other.proof[..points], "one model");
        let seen = one.proof.chunks(32).collect::<HashSet<_>>();
        let shared = other.proof[points..].chunks(32).filter(|word| seen.contains(word)).count();
        assert_eq!(shared, 0, "two proofs share more than the model's points");
    }
}

fn first_of_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max().unwrap();
    logits.iter().position(|logit| logit == largest).unwrap()
}

fn tile_row(layout: &Layout) -> usize {
    layout.tiles[2].first_row
}

fn assert_refused(model: &Model, deployed: &mut Deployed, name: &str, proof: &[u8], public: &[Fr]) {
    let native: Result<_, VerifyError> = model.key.verifier().verify(public, proof);
    assert!(native.is_err(), "{name}: accepted natively");
    assert!(deployed.verify(proof, &words(public)).result.is_err(), "{name}: accepted on chain");
}
