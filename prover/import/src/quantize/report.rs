//! Where a quantized network loses precision: each layer's integers against the float run.

use rayon::prelude::*;
use serde::Serialize;

use super::{InputEncoding, QuantizeError};
use crate::model::{FloatExecutor, FloatGraph};
use assay_graph::{Executor, QuantizedGraph};

/// What quantization did to one layer's result, over all inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerError {
    /// Name of the ONNX node.
    pub layer: String,
    /// Operator of that node.
    pub operator: String,
    /// Operation of the quantized graph.
    pub kind: String,
    /// Tensor that the layer writes, as options name it.
    pub tensor: String,
    /// Shape of that tensor, `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Real value of one is `1 / scale`.
    pub scale: f64,
    /// Least and largest value of the float network.
    pub float_range: [f64; 2],
    /// Least and largest integer.
    pub integer_range: [i32; 2],
    /// Integers that the tensor may take at all.
    pub integer_limits: [i32; 2],
    /// Mean square of the float values over that of the error, in dB; `None` without any error.
    pub signal_to_noise_db: Option<f64>,
    /// Root of the mean squared error, in real units.
    pub rms_error: f64,
    /// Values compared.
    pub values: u64,
    /// Of these, those whose float value is more than one step beyond what the tensor can hold.
    pub saturated: u64,
}

/// Errors layer by layer, in execution order.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorReport {
    /// Inputs compared.
    pub inputs: usize,
    /// Inputs left out because the quantized network refuses them.
    pub refused: usize,
    /// One entry for each layer; none when every input was left out.
    pub layers: Vec<LayerError>,
}

/// Runs both networks on `inputs` and compares each layer. `progress` is called after each input,
/// from several threads.
///
/// # Errors
/// [`QuantizeError::Graph`] for a broken quantized graph, [`QuantizeError::OtherNetwork`] when the
/// two differ in their layers, [`QuantizeError::InputLength`].
pub fn error_by_layer<T: AsRef<[u8]> + Sync>(
    graph: &FloatGraph,
    quantized: &QuantizedGraph,
    inputs: &[T],
    progress: &(dyn Fn() + Sync),
) -> Result<ErrorReport, QuantizeError> {
    let executor = Executor::new(quantized)?;
    let float = FloatExecutor::new(graph);
    let same = graph.tensors.len() == quantized.tensors.len()
        && graph.layers.len() == quantized.layers.len()
        && graph.tensors.iter().zip(&quantized.tensors).all(|(f, q)| f.shape == q.shape)
        && graph.layers.iter().zip(&quantized.layers).all(|(f, q)| f.output == q.output);
    if !same {
        return Err(QuantizeError::OtherNetwork);
    }
    let encoding =
        InputEncoding { scale: quantized.input.byte_scale, offset: quantized.input.byte_offset };
    let shape = graph.input_shape();
    let total = inputs
        .par_iter()
        .enumerate()
        .map(|(index, input)| {
            let input = input.as_ref();
            let real: Vec<f32> = input.iter().map(|byte| encoding.decode(*byte) as f32).collect();
            let expected = float.run(&real).ok_or_else(|| QuantizeError::InputLength {
                index,
                expected: shape.iter().product(),
                actual: input.len(),
                shape,
            })?;
            let Ok(run) = executor.run(input) else {
                return Ok(Sums { refused: 1, ..Sums::default() });
            };
            let layers = graph.layers.iter().map(|layer| {
                let tensor = &quantized.tensors[layer.output];
                let limits = [tensor.min, tensor.max].map(|end| f64::from(end) / tensor.scale);
                let mut sum = LayerSum::default();
                let pairs = expected.tensors[layer.output].iter().zip(&run.tensors[layer.output]);
                for (float, integer) in pairs {
                    sum.add(f64::from(*float), *integer, tensor.scale, limits);
                }
                sum
            });
            Ok(Sums { inputs: 1, refused: 0, layers: layers.collect() })
        })
        .inspect(|_| progress())
        .try_reduce(Sums::default, |a, b| Ok::<_, QuantizeError>(a.join(b)))?;
    let layers = graph.layers.iter().zip(&quantized.layers).zip(total.layers);
    let layers = layers.map(|((float, integer), sum)| {
        let tensor = &quantized.tensors[integer.output];
        let values = sum.values.max(1) as f64;
        LayerError {
            layer: float.name.clone(),
            operator: float.operator.clone(),
            kind: integer.op.kind().into(),
            tensor: tensor.name.clone(),
            shape: tensor.shape,
            scale: tensor.scale,
            float_range: sum.float,
            integer_range: sum.integer,
            integer_limits: [tensor.min, tensor.max],
            signal_to_noise_db: (sum.noise > 0.0 && sum.signal > 0.0)
                .then(|| 10.0 * (sum.signal / sum.noise).log10()),
            rms_error: (sum.noise / values).sqrt(),
            values: sum.values,
            saturated: sum.saturated,
        }
    });
    Ok(ErrorReport { inputs: total.inputs, refused: total.refused, layers: layers.collect() })
}

#[derive(Clone, Debug, Default)]
struct Sums {
    inputs: usize,
    refused: usize,
    layers: Vec<LayerSum>,
}

#[derive(Clone, Copy, Debug)]
struct LayerSum {
    float: [f64; 2],
    integer: [i32; 2],
    signal: f64,
    noise: f64,
    values: u64,
    saturated: u64,
}

impl Default for LayerSum {
    fn default() -> Self {
        Self {
            float: [f64::INFINITY, f64::NEG_INFINITY],
            integer: [i32::MAX, i32::MIN],
            signal: 0.0,
            noise: 0.0,
            values: 0,
            saturated: 0,
        }
    }
}

impl LayerSum {
    fn add(&mut self, float: f64, integer: i32, scale: f64, limits: [f64; 2]) {
        self.float = [self.float[0].min(float), self.float[1].max(float)];
        self.integer = [self.integer[0].min(integer), self.integer[1].max(integer)];
        self.signal += float * float;
        let error = f64::from(integer) / scale - float;
        self.noise += error * error;
        self.values += 1;
        let step = 1.0 / scale;
        self.saturated += u64::from(float < limits[0] - step || float > limits[1] + step);
    }

    fn join(self, other: Self) -> Self {
        Self {
            float: [self.float[0].min(other.float[0]), self.float[1].max(other.float[1])],
            integer: [self.integer[0].min(other.integer[0]), self.integer[1].max(other.integer[1])],
            signal: self.signal + other.signal,
            noise: self.noise + other.noise,
            values: self.values + other.values,
            saturated: self.saturated + other.saturated,
        }
    }
}

impl Sums {
    fn join(mut self, other: Self) -> Self {
        self.inputs += other.inputs;
        self.refused += other.refused;
        if self.layers.is_empty() {
            self.layers = other.layers;
        } else {
            for (sum, more) in self.layers.iter_mut().zip(other.layers) {
                *sum = sum.join(more);
            }
        }
        self
    }
}
