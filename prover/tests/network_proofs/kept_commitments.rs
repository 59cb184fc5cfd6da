//! The commitments to a bundle's weights, kept beside it by its first proof.

use std::{fs, path::PathBuf};

use assay_files::{Kind, envelope};
use assay_prover::{model_proof::ModelProofError, prediction::Prediction};

use crate::model::Model;

const COMMITMENTS: Kind = Kind::public(*b"ASSAYWPT", "weight commitments");

fn file(model: &Model) -> PathBuf {
    model.folder.path().join("bundle.commitments")
}

fn prove(model: &Model) -> Prediction {
    model.prove(&model.bundle, 1).unwrap()
}

fn verify(model: &Model, prediction: &Prediction) -> [u8; 32] {
    let proof = &prediction.proof;
    model.key.verify(&proof.public_inputs, &proof.proof).unwrap()
}

#[test]
fn later_proofs_begin_with_the_commitments_of_the_first() {
    let model = Model::new();
    assert!(!file(&model).exists());
    let first = prove(&model);
    let kept = fs::read(file(&model)).unwrap();
    let points = 64 * model.layout.options.weight_columns;
    let (_, body) = envelope::read(&file(&model), COMMITMENTS).unwrap();
    assert_eq!(body, first.proof.proof[..points]);

    let second = prove(&model);
    assert_eq!(second.proof.proof[..points], body);
    assert_eq!(verify(&model, &first), verify(&model, &second));
    assert_eq!(fs::read(file(&model)).unwrap(), kept);
}

#[test]
fn damaged_and_foreign_commitments_are_made_again() {
    let model = Model::new();
    prove(&model);
    let kept = fs::read(file(&model)).unwrap();
    let mut damaged = kept.clone();
    damaged[80] ^= 1;
    let (belongs_to, body) = envelope::read(&file(&model), COMMITMENTS).unwrap();
    let mut stranger = belongs_to;
    stranger[0] ^= 1;
    let foreign = model.folder.path().join("foreign");
    envelope::write(&foreign, COMMITMENTS, &stranger, &body).unwrap();
    for content in [damaged, kept[..kept.len() - 1].to_vec(), fs::read(&foreign).unwrap()] {
        fs::write(file(&model), content).unwrap();
        verify(&model, &prove(&model));
        assert_eq!(fs::read(file(&model)).unwrap(), kept);
    }
}

#[test]
fn forged_commitments_make_no_proof_and_go() {
    let model = Model::new();
    let first = prove(&model);
    let (belongs_to, mut body) = envelope::read(&file(&model), COMMITMENTS).unwrap();
    // The commitment to another column, in place of the last weight column's.
    let (from, to) = (body.len(), body.len() - 64);
    body[to..].copy_from_slice(&first.proof.proof[from..from + 64]);
    envelope::write(&file(&model), COMMITMENTS, &belongs_to, &body).unwrap();
    let error = model.prove(&model.bundle, 1).err().unwrap();
    assert!(matches!(error, ModelProofError::KeptCommitments { .. }), "{error}");
    assert!(!file(&model).exists());
    verify(&model, &prove(&model));
}
