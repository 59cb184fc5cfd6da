//! Key and proof files.

use std::{path::Path, time::Instant};

use super::*;
use assay_files::{FileError, check_belongs, hex_id};

fn damage(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn keys_survive_their_files() {
    let setup = small();
    let folder = tempfile::tempdir().unwrap();
    let (pk, vk) = (folder.path().join("model.pk"), folder.path().join("model.vk"));
    setup.key.write(&pk).unwrap();
    setup.key.verifier().write(&vk).unwrap();
    let prover = ProverKey::read::<Sample>(&pk, setup.params.clone()).unwrap();
    let verifier = VerifierKey::read::<Sample>(&vk, setup.params.clone()).unwrap();
    assert_eq!(prover.info().hash(), setup.key.info().hash());
    assert_eq!(verifier.hash(), setup.key.info().hash());
    assert_eq!(verifier.info().setup_id(), setup.srs.id());
    assert_eq!(verifier.info().ceremony(), None);
    let fresh = VerifierKey::generate(
        &setup.srs,
        &Sample::new(setup.params.clone(), 5, 5),
        setup.params.shape(),
    )
    .unwrap();
    assert_eq!(fresh.hash(), verifier.hash(), "the key does not depend on the witness");

    let read = Setup { srs: setup.srs.clone(), key: prover, params: setup.params.clone() };
    let (proof, inputs) = read.prove(2, 3, &SEED);
    let hash = verifier.verify(&inputs, &proof).unwrap();
    assert_eq!(setup.key.verify(&inputs, &proof).unwrap(), hash);
}

#[test]
fn damaged_key_files_are_refused() {
    let setup = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pk");
    let read = || ProverKey::read::<Sample>(&path, setup.params.clone()).map(|_| ());
    let file_error = || match read().unwrap_err() {
        KeyError::File(error) => error,
        other => panic!("{other}"),
    };
    setup.key.write(&path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let length = bytes.len();
    let key = u64::from_le_bytes(*bytes[56..].first_chunk().unwrap()) as usize;
    // In the columns and copies, whatever they then seem to say, and in the hash itself.
    for at in (64 + key..length - 32).step_by(3).chain([length - 1]) {
        damage(&path, at);
        assert!(matches!(file_error(), FileError::Damaged { .. }));
        damage(&path, at);
    }
    damage(&path, 0);
    assert!(matches!(file_error(), FileError::Kind { .. }));
    damage(&path, 0);
    damage(&path, 8);
    assert!(matches!(read(), Err(KeyError::Version { expected: 2, .. })));
    damage(&path, 8);
    damage(&path, 16);
    assert!(matches!(file_error(), FileError::Mismatch { .. }));
    damage(&path, 16);
    // Everywhere in the part that is interpreted: refused, whatever the reason.
    for at in 0..1_200 {
        damage(&path, at);
        assert!(read().is_err(), "byte {at}");
        damage(&path, at);
    }
    read().unwrap();
    for length in [0, 7, 56, 100, 1_000, length - 33, length - 1] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = file_error();
        assert!(matches!(error, FileError::Kind { .. } | FileError::Length { .. }), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(file_error(), FileError::Read { .. }));
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let setup = small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.vk");
    setup.key.verifier().write(&path).unwrap();
    let mut params = setup.params.clone();
    params.lanes += 1;
    let error = VerifierKey::read::<Sample>(&path, params).unwrap_err();
    assert!(matches!(error, KeyError::File(FileError::Content { .. })), "{error}");
    // The same columns with another constant in a gate.
    let mut params = setup.params.clone();
    params.constant = 4;
    let error = VerifierKey::read::<Sample>(&path, params).unwrap_err();
    assert!(error.to_string().contains("column profile"), "{error}");
    let error = ProverKey::read::<Sample>(&path, setup.params).unwrap_err();
    assert!(error.to_string().contains("is not a proving key file"), "{error}");
}

#[test]
fn proofs_survive_their_files() {
    let setup = small();
    let (proof, public_inputs) = setup.prove(1, 1, &SEED);
    let vk_hash = setup.key.info().hash();
    let file = ProofFile { vk_hash, public_inputs, proof };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.proof");
    file.write(&path).unwrap();
    let read = ProofFile::read(&path).unwrap();
    assert_eq!(read, file);
    let hash = setup.key.verify(&read.public_inputs, &read.proof).unwrap();
    assert_eq!(read.weights_hash(setup.params.weights), Some(hash));
    assert_eq!(read.weights_hash(usize::MAX), None);
    for at in 0..std::fs::metadata(&path).unwrap().len() as usize {
        damage(&path, at);
        assert!(ProofFile::read(&path).is_err(), "byte {at}");
        damage(&path, at);
    }
    let error = check_belongs(&path, "verifying key", &[1; 32], &vk_hash).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&hex_id(&[1; 32])) && text.contains(&hex_id(&vk_hash)));
}

/// Prints the times of parameters and keys at the size in `ASSAY_TIME_K`.
#[test]
#[ignore = "a measurement"]
fn times() {
    let k = std::env::var("ASSAY_TIME_K").map_or(16, |k| k.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let clock = |what: &str, start: Instant| println!("k = {k}: {what} {:.2?}", start.elapsed());
    let start = Instant::now();
    let srs = Srs::dev(k, [9; 32]).unwrap();
    clock("development setup", start);
    let path = folder.path().join("srs");
    let start = Instant::now();
    srs.write(&path).unwrap();
    clock("parameters written", start);
    let start = Instant::now();
    Srs::read(&path, None).unwrap();
    clock("parameters read", start);
    let params = SampleParams { k, lanes: 6, extra_fixed: 9, ..SampleParams::small() };
    let start = Instant::now();
    let circuit = Sample::new(params.clone(), 1, 1);
    let key = ProverKey::generate(&srs, &circuit, params.shape()).unwrap();
    clock("keys", start);
    let path = folder.path().join("pk");
    let start = Instant::now();
    key.write(&path).unwrap();
    clock("proving key written", start);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let start = Instant::now();
    let key = ProverKey::read::<Sample>(&path, params.clone()).unwrap();
    clock(&format!("proving key of {} MB read", bytes >> 20), start);
    let setup = Setup { srs, key, params };
    let start = Instant::now();
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    clock("proof", start);
    let start = Instant::now();
    setup.key.verify(&inputs, &proof).unwrap();
    clock("verification", start);
}
