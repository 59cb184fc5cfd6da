//! Many proofs in one process: none fails, and the memory does not grow.
//!
//! `cargo test --release --workspace --test endurance -- --ignored --nocapture`; `ASSAY_PROOFS` is their
//! number, 1,000 unless set.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::{path::Path, time::Instant};

use assay_prover::{
    bundle::Bundle,
    circuit::PlanRequest,
    import::{
        data,
        model::Model,
        quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize},
    },
    model_proof::{ModelProver, generate_key},
    openings::Marks,
    prediction::{self, Statement},
    proof::Srs,
};
use halo2_proofs::halo2curves::bn256::Fr;

/// Resident memory in MiB; `None` where the system does not tell.
fn resident() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_proofs_take_no_more_memory_than_a_hundred() {
    let proofs = std::env::var("ASSAY_PROOFS").map_or(1000, |text| text.parse().unwrap());
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
    let model = Model::import(&digits.join("lenet.onnx")).unwrap();
    let unit = InputEncoding::UNIT;
    let samples = digits.join("calibration.npz");
    let data = data::open(&samples, model.graph.input_shape(), &unit, 8).unwrap();
    let options = QuantizeOptions::default();
    let graph = calibrate_and_quantize(&model.graph, &unit, &data.inputs, &options).unwrap();
    let request = PlanRequest { openings: Some(proofs), ..PlanRequest::default() };
    let bundle = Bundle::new(graph, request).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let marks = Marks::at(folder.path().join("marks"));
    let openings = bundle.create(&folder.path().join("bundle"), &marks).unwrap();
    let layout = bundle.layout().unwrap();
    let srs = Srs::dev(layout.k, [5; 32]).unwrap();
    let key = generate_key(&srs, &layout).unwrap();

    let start = Instant::now();
    let mut early = None;
    for proof in 0..proofs {
        let prover = ModelProver::new(&bundle, &openings, &layout, &srs, &key);
        let input = &data.inputs[proof % data.inputs.len()];
        let statement = Statement { context: Fr::from(proof as u64), input, salt: Fr::from(3) };
        let proven = prediction::prove(prover, &statement).unwrap().proof;
        key.verify(&proven.public_inputs, &proven.proof).unwrap();
        if proof + 1 == (proofs / 10).max(1) {
            early = resident();
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let late = resident();
    println!("{proofs} proofs, each verified, in {seconds:.0} s; MiB: {early:?}, then {late:?}");
    if let (Some(early), Some(late)) = (early, late) {
        assert!(late < early * 1.05 + 4.0, "from {early:.0} to {late:.0} MiB");
    }
}
