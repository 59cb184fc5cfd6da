//! The repository's own network, for tests.

use std::path::Path;

use assay_prover::{
    graph::QuantizedGraph,
    import::data,
    import::model::Model,
    import::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize},
};

pub(crate) fn quantized() -> QuantizedGraph {
    let digits = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/digits");
    let model = Model::import(&digits.join("lenet.onnx")).expect("network");
    let unit = InputEncoding::UNIT;
    let samples = digits.join("calibration.npz");
    let data = data::open(&samples, model.graph.input_shape(), &unit, 8).expect("samples");
    let options = QuantizeOptions::default();
    calibrate_and_quantize(&model.graph, &unit, &data.inputs, &options).expect("quantized")
}
