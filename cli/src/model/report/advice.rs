//! What to do about what a quantized network loses, cause by cause, each as a command.

use std::path::Path;

use assay_prover::{
    graph::QuantizedGraph,
    import::quantize::{
        AccuracyReport, Comparison, LEAST_AGREEMENT, Loss, MOST_ERROR, OutputError,
        report::LayerError,
    },
};
use serde::Serialize;

use super::origin::quoted;

/// Most bits that import takes, of a tensor, a table or a number.
const MOST_BITS: u32 = 16;
/// A layer with less signal to noise, in dB, is worth a word even where classes and outputs are good.
const LITTLE_SIGNAL: f64 = 20.0;

/// Why something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cause {
    /// Values leave their calibrated ranges.
    NarrowRange,
    /// Inputs are rounded too coarsely.
    InputEncoding,
    /// One scale holds a small output and a large one.
    SmallOutput,
    /// A layer has too few bits.
    NoisyLayer,
}

/// What to do.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Advice {
    pub cause: Cause,
    pub text: String,
    pub command: String,
}

/// What is known of a network.
pub(super) struct Findings<'a> {
    pub float: &'a Path,
    pub graph: &'a QuantizedGraph,
    pub comparison: &'a Comparison,
    pub layers: &'a [LayerError],
    /// Whether a proof shows the outputs' numbers.
    pub shows_numbers: bool,
}

impl Findings<'_> {
    /// What to do, the most urgent first; nothing where nothing is lost.
    pub(super) fn advice(&self) -> Vec<Advice> {
        let found =
            [self.narrow_range(), self.input_encoding(), self.small_output(), self.noisy_layer()];
        let mut found: Vec<Advice> = found.into_iter().flatten().collect();
        let urgent = match self.accuracy().loss(self.shows_numbers) {
            Some(Loss::Ranges) => Some(Cause::NarrowRange),
            Some(Loss::Encoding) => Some(Cause::InputEncoding),
            Some(Loss::Quantization) | None => None,
        };
        found.sort_by_key(|advice| Some(advice.cause) != urgent);
        found
    }

    fn accuracy(&self) -> &AccuracyReport {
        &self.comparison.accuracy
    }

    /// Import again, with options more.
    fn command(&self, options: &str) -> String {
        let float = quoted(&self.float.to_string_lossy());
        format!("assay model import {float} --calibrate SAMPLES {options} -o BETTER.bundle")
    }

    fn narrow_range(&self) -> Option<Advice> {
        let (refused, inputs) = (self.accuracy().refused, self.accuracy().inputs);
        let saturated = self
            .layers
            .iter()
            .filter(|layer| layer.saturated > 0)
            .max_by(|a, b| part(a).total_cmp(&part(b)));
        let text = match (refused, saturated) {
            (1.., _) => format!(
                "{refused} of {inputs} inputs are refused: a value in the network leaves the range that the samples \
                 of the import showed. Calibrate on more samples, such as these inputs, or leave more room."
            ),
            (0, Some(layer)) => format!(
                "{:.3} % of the values of {} lie beyond what its integers hold and become the nearest end: the \
                 samples of the import did not show them. Calibrate on more samples, or leave more room.",
                100.0 * part(layer),
                layer.layer
            ),
            (0, None) => return None,
        };
        Some(Advice { cause: Cause::NarrowRange, text, command: self.command("--margin 1") })
    }

    fn input_encoding(&self) -> Option<Advice> {
        let accuracy = self.accuracy();
        if accuracy.loss(self.shows_numbers) != Some(Loss::Encoding) {
            return None;
        }
        let bytes = self.graph.input.values.as_ref().map_or(0, |values| values.bytes);
        let (what, options) = match bytes {
            0 | 1 => ("give numbers more bits", "--encoding features --value-bits 16"),
            2 => ("give numbers more bits", "--encoding features --value-bits 24"),
            _ => ("they have all bits that there are, so narrow their range", "--value-margin 0.1"),
        };
        let text = format!(
            "Rounding the inputs alone changes {} of {} classes and moves an output by up to {:.4}, before the network \
             computes anything: {what}.",
            accuracy.inputs - accuracy.encoding_agree,
            accuracy.inputs,
            accuracy.max_encoding_error
        );
        let command = self.command(options);
        Some(Advice { cause: Cause::InputEncoding, text, command })
    }

    /// An output that is off by much of its own range, which is a small part of the largest output's.
    fn small_output(&self) -> Option<Advice> {
        if !self.shows_numbers {
            return None;
        }
        let range = |output: &OutputError| output.high - output.low;
        let outputs = self.comparison.outputs.iter().enumerate();
        let largest = outputs.clone().map(|(_, output)| range(output)).fold(0.0, f64::max);
        let (index, output, off) = outputs
            .filter_map(|(index, output)| Some((index, output, output.part()?)))
            .filter(|(_, output, off)| range(output) < largest / 8.0 && *off > MOST_ERROR)
            .max_by(|a, b| a.2.total_cmp(&b.2))?;
        let text = format!(
            "Output {index} goes from {:.4} to {:.4}, the widest output over {largest:.4}: they share one scale, and the \
             small one is off by up to {off:.1} % of its range. More bits for the outputs, or scale them alike in the \
             network and undo it afterwards.",
            output.low, output.high
        );
        let bits = table_bits(self.graph) + 1;
        let output = &self.graph.tensors[self.graph.output];
        let tensor = quoted(&format!("{}={}", output.name, MOST_BITS));
        let command =
            self.command(&format!("--output-bits {} --tensor-bits {tensor}", bits.min(MOST_BITS)));
        Some(Advice { cause: Cause::SmallOutput, text, command })
    }

    /// The layer that adds most noise to what it is given.
    fn noisy_layer(&self) -> Option<Advice> {
        let accuracy = self.accuracy();
        let (index, own) = self.noise()?;
        let layer = &self.layers[index];
        let signal = layer.signal_to_noise_db?;
        let lost = accuracy.loss(self.shows_numbers) == Some(Loss::Quantization);
        if !lost && signal >= LITTLE_SIGNAL {
            return None;
        }
        let tables = (table_bits(self.graph) + 1).min(MOST_BITS);
        let bits = (bits(layer) + 2).min(MOST_BITS);
        let why = if lost {
            format!(
                "the classes or outputs are not the float network's often enough (the bounds: {LEAST_AGREEMENT} % of \
                 the classes, {MOST_ERROR} % of an output's range)"
            )
        } else {
            "classes and outputs bear it as yet".to_owned()
        };
        let text = format!(
            "{} adds most noise: {signal:.1} dB of signal to noise are left behind it, and by itself it would leave \
             {:.1} dB; {why}. Give it more bits, and the tables that bound all layers one more.",
            layer.layer,
            -10.0 * own.log10()
        );
        let tensor = quoted(&format!("{}={bits}", layer.tensor));
        let options = if self.graph.layers[index].output == self.graph.output {
            format!("--table-bits {tables} --output-bits {tables}")
        } else {
            format!("--table-bits {tables} --tensor-bits {tensor}")
        };
        Some(Advice { cause: Cause::NoisyLayer, text, command: self.command(&options) })
    }

    /// The layer of most noise of its own, and that noise as a part of its signal.
    fn noise(&self) -> Option<(usize, f64)> {
        let mut noise = vec![0.0; self.graph.tensors.len()];
        let mut most: Option<(usize, f64)> = None;
        for (index, (layer, error)) in self.graph.layers.iter().zip(self.layers).enumerate() {
            let behind = error.signal_to_noise_db.map_or(0.0, |signal| 10f64.powf(-signal / 10.0));
            let before =
                layer.op.inputs().into_iter().map(|input| noise[input]).fold(0.0, f64::max);
            noise[layer.output] = behind;
            let own = behind - before;
            if own > 0.0 && most.is_none_or(|(_, most)| own > most) {
                most = Some((index, own));
            }
        }
        most
    }
}

/// Of a layer's values, the part that is beyond what its integers hold.
fn part(layer: &LayerError) -> f64 {
    layer.saturated as f64 / layer.values.max(1) as f64
}

/// Bits, sign included, of a layer's integers.
fn bits(layer: &LayerError) -> u32 {
    let most = layer.integer_limits.map(i32::unsigned_abs).into_iter().max().unwrap_or(0);
    u32::BITS - most.leading_zeros() + 1
}

/// Bits of the largest function's table.
fn table_bits(graph: &QuantizedGraph) -> u32 {
    let most = graph.functions.iter().map(|function| function.values.len()).max().unwrap_or(1);
    most.max(1).next_power_of_two().trailing_zeros().min(MOST_BITS)
}
