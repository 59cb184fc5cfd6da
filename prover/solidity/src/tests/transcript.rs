//! What the challenges depend on: each absorbed item changes every later challenge, natively and in the
//! contract alike.

use assay_proof::{
    VerifierKey,
    transcript::{POINT_BYTES, SCALAR_BYTES, point_to_bytes, scalar_to_bytes},
};
use assay_testing::{
    deployed::{Deployed, deploy, words},
    sample::{SampleParams, setup},
};
use halo2_proofs::halo2curves::{
    bn256::{Fr, G1Affine},
    ff::Field,
    group::Curve,
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::algebra::{challenge_places, native_challenges, nonsense};

/// All challenges, as the library and as the contract draw them; they must agree.
fn challenges(
    key: &VerifierKey,
    deployed: &mut Deployed,
    proof: &[u8],
    inputs: &[Fr],
) -> Vec<[u8; 32]> {
    let (native, _) = native_challenges(key, proof, inputs);
    // theta comes first among the library's own, and is not used.
    let unused = key.info().profile().schedule.challenges.len();
    let native = native.iter().enumerate().filter(|(index, _)| *index != unused);
    let native = native.map(|(_, value)| scalar_to_bytes(value)).collect::<Vec<_>>();
    let outcome = deployed.verify(proof, &words(inputs));
    let on_chain = challenge_places(key.info().profile())
        .into_iter()
        .map(|at| {
            let mut word = [0; 32];
            word.copy_from_slice(&outcome.watch.memory[at..at + 32]);
            word
        })
        .collect::<Vec<_>>();
    assert_eq!(native, on_chain);
    native
}

/// Leading challenges that are the same; every later one must differ.
fn unchanged(before: &[[u8; 32]], after: &[[u8; 32]], what: &str) -> usize {
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    for (index, (a, b)) in before.iter().zip(after).enumerate().skip(same) {
        assert_ne!(a, b, "{what}: challenge {index} does not follow the one before it");
    }
    same
}

#[test]
fn every_absorbed_item_changes_every_later_challenge() {
    let params = SampleParams::small();
    let setup = setup(params.clone());
    let key = setup.key.verifier();
    let Some(mut deployed) = deploy(key.info()) else { return };
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let (proof, inputs) = nonsense(&key, &mut rng);
    let base = challenges(&key, &mut deployed, &proof, &inputs);
    let profile = key.info().profile();
    let user = profile.schedule.challenges.len();

    for index in 0..inputs.len() {
        let mut other = inputs.clone();
        other[index] += Fr::ONE;
        let drawn = challenges(&key, &mut deployed, &proof, &other);
        assert_eq!(unchanged(&base, &drawn, "a public input"), 0, "public input {index}");
    }
    // The key is absorbed by its digest: another fixed column, another key.
    let other = assay_testing::sample::setup(SampleParams { constant: 4, ..params });
    let other_key = other.key.verifier();
    if let Some(mut other_deployed) = deploy(other_key.info()) {
        let drawn = challenges(&other_key, &mut other_deployed, &proof, &inputs);
        assert_eq!(unchanged(&base, &drawn, "the key"), 0);
    }

    // Points come first, phase by phase, then scalars, then the two points of the opening.
    let points = profile.proof_points() - 2;
    let scalars = profile.proof_scalars();
    let other_point = |seed: u64| {
        point_to_bytes(&(G1Affine::generator() * Fr::from(seed + 1_000_003)).to_affine())
    };
    let mut before = 0;
    let mut seen = Vec::new();
    for item in 0..points + scalars + 2 {
        let mut changed = proof.clone();
        let scalar = (points..points + scalars).contains(&item);
        let at = if item < points {
            item * POINT_BYTES
        } else if scalar {
            points * POINT_BYTES + (item - points) * SCALAR_BYTES
        } else {
            points * POINT_BYTES + scalars * SCALAR_BYTES + (item - points - scalars) * POINT_BYTES
        };
        if scalar {
            let value = scalar_to_bytes(&Fr::from(77 + item as u64));
            changed[at..at + SCALAR_BYTES].copy_from_slice(&value);
        } else {
            changed[at..at + POINT_BYTES].copy_from_slice(&other_point(item as u64));
        }
        let drawn = challenges(&key, &mut deployed, &changed, &inputs);
        let same = unchanged(&base, &drawn, &format!("item {item}"));
        assert!(same >= before, "item {item} changes a challenge that was drawn before it");
        (before, seen) = (same, [seen, vec![same]].concat());
    }
    // A column of phase p changes the challenges of its phase: those before are the earlier phases'.
    for (column, phase) in profile.schedule.advice.iter().enumerate() {
        let earlier =
            (0..*phase).map(|phase| profile.schedule.challenges_after(phase)).sum::<usize>();
        assert_eq!(seen[column], earlier, "column {column}");
    }
    // beta, gamma, y, x; the evaluations come before both of SHPLONK's first challenges, its first
    // point before its last, and nothing is drawn after its second.
    assert!(seen[points..points + scalars].iter().all(|same| *same == user + 4), "evaluations");
    assert_eq!(seen[points + scalars..], [user + 6, user + 7], "the points of the opening");
}
