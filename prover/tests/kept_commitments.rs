//! The commitments to a bundle's weights, kept beside it by its first proof.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use assay_circuit::{Layout, PlanRequest};
use assay_files::{Kind, envelope};
use assay_proof::{ProverKey, Srs, Unwatched};
use assay_prover::{
    bundle::Bundle,
    model_proof::{self, ModelProofError, ModelProver},
    openings::{Marks, Openings},
    prediction::{self, Prediction, Statement},
};
use assay_testing::networks::mixed_network;
use halo2_proofs::halo2curves::bn256::Fr;

const COMMITMENTS: Kind = Kind::public(*b"ASSAYWPT", "weight commitments");

struct Model {
    bundle: Bundle,
    layout: Layout,
    srs: Srs,
    key: ProverKey,
    input: Vec<u8>,
    openings: Openings,
    folder: tempfile::TempDir,
}

impl Model {
    fn new() -> Self {
        let (graph, input) = mixed_network();
        let bundle = Bundle::new(graph, PlanRequest::default()).unwrap();
        let layout = bundle.layout().unwrap();
        let srs = Srs::dev(layout.k, [5; 32]).unwrap();
        let key = model_proof::generate_key(&srs, &layout).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::at(folder.path().join("marks"));
        let openings = bundle.create(&folder.path().join("bundle"), &marks).unwrap();
        Self { bundle, layout, srs, key, input, openings, folder }
    }

    fn prove(&self) -> Result<Prediction, ModelProofError> {
        let statement = Statement { context: Fr::from(1), input: &self.input, salt: Fr::from(3) };
        let prover = ModelProver {
            bundle: &self.bundle,
            openings: &self.openings,
            layout: &self.layout,
            srs: &self.srs,
            key: &self.key,
            watch: &Unwatched,
            despite_memory: false,
            library: None,
        };
        prediction::prove(prover, &statement)
    }

    fn verify(&self, prediction: &Prediction) -> [u8; 32] {
        let proof = &prediction.proof;
        self.key.verify(&proof.public_inputs, &proof.proof).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("bundle.commitments")
    }
}

#[test]
fn later_proofs_begin_with_the_commitments_of_the_first() {
    let model = Model::new();
    assert!(!model.file().exists());
    let first = model.prove().unwrap();
    let kept = fs::read(model.file()).unwrap();
    let points = 64 * model.layout.options.weight_columns;
    let (_, body) = envelope::read(&model.file(), COMMITMENTS).unwrap();
    assert_eq!(body, first.proof.proof[..points]);

    let second = model.prove().unwrap();
    assert_eq!(second.proof.proof[..points], body);
    assert_eq!(model.verify(&first), model.verify(&second));
    assert_eq!(fs::read(model.file()).unwrap(), kept);
}

#[test]
fn damaged_and_foreign_commitments_are_made_again() {
    let model = Model::new();
    model.prove().unwrap();
    let kept = fs::read(model.file()).unwrap();
    let mut damaged = kept.clone();
    damaged[80] ^= 1;
    let (belongs_to, body) = envelope::read(&model.file(), COMMITMENTS).unwrap();
    let mut stranger = belongs_to;
    stranger[0] ^= 1;
    let foreign = model.folder.path().join("foreign");
    envelope::write(&foreign, COMMITMENTS, &stranger, &body).unwrap();
    for content in [damaged, kept[..kept.len() - 1].to_vec(), fs::read(&foreign).unwrap()] {
        fs::write(model.file(), content).unwrap();
        model.verify(&model.prove().unwrap());
        assert_eq!(fs::read(model.file()).unwrap(), kept);
    }
}

#[test]
fn forged_commitments_make_no_proof_and_go() {
    let model = Model::new();
    let first = model.prove().unwrap();
    let (belongs_to, mut body) = envelope::read(&model.file(), COMMITMENTS).unwrap();
    // The commitment to another column, in place of the last weight column's.
    let (from, to) = (body.len(), body.len() - 64);
    body[to..].copy_from_slice(&first.proof.proof[from..from + 64]);
    envelope::write(&model.file(), COMMITMENTS, &belongs_to, &body).unwrap();
    let error = model.prove().err().unwrap();
    assert!(matches!(error, ModelProofError::KeptCommitments { .. }), "{error}");
    assert!(!model.file().exists());
    model.verify(&model.prove().unwrap());
}
