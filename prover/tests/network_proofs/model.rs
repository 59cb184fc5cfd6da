//! A small model that proofs are made of.

use halo2_proofs::halo2curves::bn256::Fr;
use rand_core::OsRng;

use assay_circuit::{
    Assignment, CellChange, FirstPhase, Layout, ModelCircuit, PlanRequest, ProvenInput,
};
use assay_graph::{Executor, QuantizedGraph};
use assay_proof::{ProverKey, Srs, create_proof_self_blinded};
use assay_prover::{
    bundle::Bundle,
    model_proof::{self, ModelProofError, ModelProver},
    openings::{Marks, Openings},
    prediction::{self, Prediction, Statement},
};
use assay_testing::networks::mixed_network;

/// A model with its keys and the folder of its bundle.
pub(crate) struct Model {
    pub bundle: Bundle,
    pub layout: Layout,
    pub srs: Srs,
    pub key: ProverKey,
    pub input: Vec<u8>,
    pub openings: Openings,
    pub marks: Marks,
    pub folder: tempfile::TempDir,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self::of(mixed_network())
    }

    pub(crate) fn of((graph, input): (QuantizedGraph, Vec<u8>)) -> Self {
        let bundle = Bundle::new(graph, PlanRequest::default()).unwrap();
        let layout = bundle.layout().unwrap();
        let srs = Srs::dev(layout.k, [5; 32]).unwrap();
        let key = model_proof::generate_key(&srs, &layout).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let marks = Marks::at(folder.path().join("marks"));
        let openings = bundle.create(&folder.path().join("bundle"), &marks).unwrap();
        Self { bundle, layout, srs, key, input, openings, marks, folder }
    }

    /// The model in the circuit of another statement, with 8 openings.
    pub(crate) fn derive(&self, request: PlanRequest) -> (Bundle, Openings) {
        let at = |name: &str| self.folder.path().join(name);
        let (source, output) = (at("bundle"), at("audit"));
        let (bundle, _) = self.bundle.derive(&source, &output, request, 8, &self.marks).unwrap();
        let openings = bundle.openings(&output, &self.marks);
        (bundle, openings)
    }

    /// A prediction of `bundle`, this one or one with the same circuit, whose openings are counted as this one's.
    pub(crate) fn prove(
        &self,
        bundle: &Bundle,
        context: u64,
    ) -> Result<Prediction, ModelProofError> {
        let statement =
            Statement { context: Fr::from(context), input: &self.input, salt: Fr::from(3) };
        let (layout, srs, key) = (&self.layout, &self.srs, &self.key);
        let prover = ModelProver::new(bundle, &self.openings, layout, srs, key);
        prediction::prove(prover, &statement)
    }

    pub(crate) fn model_hash(&self, bundle: &Bundle) -> [u8; 32] {
        model_proof::model_hash(bundle, &self.layout, &self.srs).unwrap()
    }

    /// A proof after changes of the witness, and its public inputs.
    pub(crate) fn forge(
        &self,
        change: impl Fn(&Layout, &mut FirstPhase),
        tampering: Vec<CellChange>,
    ) -> (Vec<u8>, Vec<Fr>) {
        let graph = &self.bundle.graph;
        let execution = Executor::new(graph).unwrap().run(&self.input).unwrap();
        let assignment = Assignment {
            graph,
            layout: &self.layout,
            inputs: vec![ProvenInput {
                bytes: &self.input,
                salt: Fr::from(3),
                output_salt: Fr::from(5),
                label: 0,
                class: 0,
                execution: &execution,
            }],
            place: None,
        };
        let weights = self.bundle.weight_columns(&self.layout);
        let mut first = assignment.first_phase(weights, OsRng).unwrap();
        change(&self.layout, &mut first);
        let mut public = vec![Fr::from(1)];
        public.extend(assignment.public_values());
        let circuit = ModelCircuit::new(&assignment, &first, &public).with_changes(tampering);
        let lanes = self.layout.options.lanes;
        let tails = first.weight_tails();
        let proof =
            create_proof_self_blinded(&self.srs, &self.key, circuit, &public, &tails, lanes)
                .unwrap();
        (proof, public)
    }
}
