//! The transcript by itself.

use halo2_proofs::{
    halo2curves::group::prime::PrimeCurveAffine,
    transcript::{Transcript, TranscriptRead, TranscriptWrite},
};

use super::*;
use assay_arithmetic::keccak256;
use assay_proof::{
    phases::Schedule,
    transcript::{DOMAIN, KeccakRead, KeccakWrite, TranscriptError, scalar_from_digest},
};

fn draw<T: Transcript<G1Affine, assay_proof::transcript::KeccakChallenge>>(from: &mut T) -> Fr {
    *from.squeeze_challenge_scalar::<()>()
}

/// Two columns, a challenge; one column, two challenges.
fn schedule() -> Schedule {
    Schedule { advice: vec![0, 0, 1], challenges: vec![0, 1, 1] }
}

#[test]
fn challenges_are_the_documented_hashes() {
    let points: Vec<G1Affine> =
        (2u64..5).map(|scalar| (G1Affine::generator() * Fr::from(scalar)).into()).collect();
    let bytes: Vec<_> = points.iter().map(point_to_bytes).collect();
    let scalar = scalar_to_bytes(&Fr::from(9));
    let zero = keccak256(&[DOMAIN]);
    let one = keccak256(&[&zero, &scalar, &bytes[0], &bytes[1]]);
    let two = keccak256(&[&one, &bytes[2]]);
    let three = keccak256(&[&two, &[1]]);
    let four = keccak256(&[&three, &scalar]);
    let expected = [one, two, three, four].map(|digest| scalar_from_digest(&digest));

    let mut writer = KeccakWrite::new(Vec::new(), &schedule());
    writer.common_scalar(Fr::from(9)).unwrap();
    // The library writes all points before it asks for a challenge; the order of hashing is that
    // of the phases all the same.
    for point in &points {
        writer.write_point(*point).unwrap();
    }
    let mut drawn = [(); 3].map(|()| draw(&mut writer)).to_vec();
    writer.write_scalar(Fr::from(9)).unwrap();
    drawn.push(draw(&mut writer));
    assert_eq!(drawn, expected);
    let proof = writer.finish().unwrap();
    assert_eq!(proof, [bytes.concat(), scalar.to_vec()].concat());

    // A circuit that goes through its phases asks earlier and gets the same.
    let mut reader = KeccakRead::new(proof.as_slice(), &schedule());
    reader.common_scalar(Fr::from(9)).unwrap();
    reader.read_point().unwrap();
    reader.read_point().unwrap();
    let mut drawn = vec![draw(&mut reader)];
    reader.read_point().unwrap();
    drawn.extend([draw(&mut reader), draw(&mut reader)]);
    assert_eq!(reader.read_scalar().unwrap(), Fr::from(9));
    drawn.push(draw(&mut reader));
    assert_eq!(drawn, expected);
    assert!(reader.fault().is_none() && reader.into_reader().is_empty());
}

#[test]
fn the_point_at_infinity_cannot_be_written() {
    let mut writer = KeccakWrite::new(Vec::new(), &Schedule::default());
    writer.write_point(G1Affine::generator()).unwrap();
    // No error here: the library would panic on it.
    writer.write_point(G1Affine::identity()).unwrap();
    let error = writer.finish().unwrap_err();
    assert_eq!(error, TranscriptError::ProverInfinity { index: 1 });
}

#[test]
fn digests_are_reduced() {
    let mut r = scalar_to_bytes(&-Fr::ONE);
    r[31] += 1;
    assert_eq!(scalar_from_digest(&r), Fr::ZERO);
    let two_to_256 = Fr::from(2).pow([256]);
    assert_eq!(scalar_from_digest(&[0xff; 32]), two_to_256 - Fr::ONE);
}
