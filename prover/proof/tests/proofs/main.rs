//! Proofs of the sample circuit, and the files around them.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

mod crafted_keys;
mod files;
mod oracle;
mod srs;
mod transcript;

use halo2_proofs::halo2curves::{
    bn256::{Fr, G1Affine},
    ff::Field,
    group::Curve,
};

use assay_arithmetic::weight_columns::BlindingSeed;
use assay_proof::{
    KeyError, KeyShape, ProofFile, ProveError, ProverKey, Srs, VerifierKey, VerifyError,
    create_proof, create_proof_self_blinded, public_inputs,
    transcript::{POINT_BYTES, point_to_bytes, scalar_to_bytes},
    weights_hash,
};
use assay_testing::sample::{SEED, Sample, SampleParams, Setup, setup};

fn small() -> Setup {
    setup(SampleParams::small())
}

#[test]
fn proves_and_verifies() {
    let setup = small();
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    assert_eq!(proof.len(), setup.key.info().profile().proof_bytes());
    let hash = setup.key.verify(&inputs, &proof).unwrap();
    let points = setup.weight_points(1, &SEED);
    assert_eq!(hash, weights_hash(&points));
}

#[test]
fn weight_points_are_constant_per_seed_and_differ_between_seeds() {
    let setup = small();
    let weights = setup.params.weights * POINT_BYTES;
    let (first, inputs) = setup.prove(1, 1, &SEED);
    let (second, other_inputs) = setup.prove(1, 6, &SEED);
    assert_eq!(first[..weights], second[..weights]);
    // Everything after the weights is fresh, for equal inputs too.
    let (again, _) = setup.prove(1, 1, &SEED);
    assert_eq!(first[..weights], again[..weights]);
    for (index, (a, b)) in
        first[weights..].chunks(POINT_BYTES).zip(again[weights..].chunks(POINT_BYTES)).enumerate()
    {
        assert_ne!(a, b, "element {index} after the weights repeats");
    }
    let (other_seed, _) = setup.prove(1, 1, &BlindingSeed([43; 32]));
    let (other_weights, _) = setup.prove(2, 1, &SEED);
    for proof in [&other_seed, &other_weights] {
        for column in 0..setup.params.weights {
            let range = column * POINT_BYTES..(column + 1) * POINT_BYTES;
            assert_ne!(first[range.clone()], proof[range]);
        }
    }
    let hash = |proof: &[u8], inputs: &[Fr]| setup.key.verify(inputs, proof).unwrap();
    assert_eq!(hash(&first, &inputs), hash(&second, &other_inputs));
    assert_ne!(hash(&first, &inputs), hash(&other_seed, &inputs));
}

#[test]
fn weight_points_match_the_plain_commitment() {
    let setup = small();
    for (salt, seed) in [(1, SEED), (7, BlindingSeed([5; 32]))] {
        let (proof, _) = setup.prove(salt, 3, &seed);
        let points = setup.weight_points(salt, &seed);
        let bytes: Vec<u8> = points.iter().flat_map(|p: &G1Affine| point_to_bytes(p)).collect();
        assert_eq!(proof[..bytes.len()], bytes);
    }
}

#[test]
fn tampered_witness_is_refused() {
    let setup = small();
    let mut circuit = Sample::new(setup.params.clone(), 1, 1);
    circuit.tamper = true;
    let inputs = circuit.public_inputs();
    let proof =
        create_proof(&setup.srs, &setup.key, circuit, &inputs, &setup.tails(&SEED)).unwrap();
    assert!(matches!(setup.key.verify(&inputs, &proof), Err(VerifyError::Invalid)));
}

#[test]
fn wrong_public_inputs_are_refused() {
    let setup = small();
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    for index in 0..inputs.len() {
        let mut wrong = inputs.clone();
        wrong[index] += Fr::ONE;
        assert!(matches!(setup.key.verify(&wrong, &proof), Err(VerifyError::Invalid)));
    }
    assert!(matches!(
        setup.key.verify(&inputs[1..], &proof),
        Err(VerifyError::PublicInputs { found: 2, expected: 3 })
    ));
    let r = {
        let mut word = scalar_to_bytes(&-Fr::ONE);
        word[31] += 1;
        word
    };
    assert!(matches!(public_inputs(&[r]), Err(VerifyError::PublicInput(0))));
}

/// The rows that the library would randomize stay zero in self-blinded columns, so that their
/// commitment is that of their usable rows; it is not while the library randomizes them.
#[test]
fn self_blinded_columns_keep_their_last_rows() {
    let setup = small();
    let weights = setup.params.weights;
    let lane: Vec<Fr> = Sample::new(setup.params.clone(), 1, 1).lanes()[0].clone();
    let column = {
        let mut rows = lane;
        rows.resize(1 << setup.params.k, Fr::ZERO);
        setup.srs.lagrange().exponentiate_full(&rows).to_affine()
    };
    let range = weights * POINT_BYTES..(weights + 1) * POINT_BYTES;
    for (self_blinded, same) in [(0, false), (1, true)] {
        let circuit = Sample::new(setup.params.clone(), 1, 1);
        let inputs = circuit.public_inputs();
        let proof = create_proof_self_blinded(
            &setup.srs,
            &setup.key,
            circuit,
            &inputs,
            &setup.tails(&SEED),
            self_blinded,
        )
        .unwrap();
        assert_eq!(proof[range.clone()] == point_to_bytes(&column), same);
        // The weights' blinding does not depend on it.
        let hash = setup.key.verify(&inputs, &proof).unwrap();
        assert_eq!(hash, weights_hash(&setup.weight_points(1, &SEED)));
    }
}

#[test]
fn misuse_is_reported() {
    let setup = small();
    let circuit = || Sample::new(setup.params.clone(), 1, 1);
    let inputs = circuit().public_inputs();
    let other = Srs::dev(setup.params.k, [10; 32]).unwrap();
    let error =
        create_proof(&other, &setup.key, circuit(), &inputs, &setup.tails(&SEED)).unwrap_err();
    assert!(matches!(error, ProveError::OtherSrs { .. }));
    let smaller = Srs::dev(setup.params.k - 1, [9; 32]).unwrap();
    let error =
        create_proof(&smaller, &setup.key, circuit(), &inputs, &setup.tails(&SEED)).unwrap_err();
    assert!(matches!(error, ProveError::OtherSrs { .. }));
    let error = create_proof(&setup.srs, &setup.key, circuit(), &inputs[1..], &setup.tails(&SEED))
        .unwrap_err();
    assert!(matches!(error, ProveError::PublicInputs { found: 2, expected: 3 }));
    // More weight columns than the first phase has.
    let error = ProverKey::generate(
        &setup.srs,
        &circuit(),
        KeyShape { weight_columns: 99, ..setup.params.shape() },
    )
    .unwrap_err();
    assert!(matches!(error, KeyError::Profile(_)), "{error}");
    // A circuit that does not fit.
    let mut params = setup.params.clone();
    params.k = 9;
    let shape = params.shape();
    let error = ProverKey::generate(&setup.srs, &Sample::new(params, 1, 1), shape).unwrap_err();
    assert!(matches!(error, KeyError::Layout(_)), "{error}");
}
