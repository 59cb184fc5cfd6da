//! Which tensors share a scale, and how fine each scale is.

use super::{
    Calibration, CalibrationMethod, InputEncoding, QuantizeError, calibrate::Range,
    options::Choices, tables,
};
use crate::model::{FloatGraph, FloatOp, FloatTensorId, Function};
use assay_graph::{ACTIVATION_OFFSET, MAX_SHIFT};

/// Finest scale ever taken: only degenerate ranges come near.
const MAX_SCALE: f64 = 1_073_741_824.0;

impl InputEncoding {
    pub(super) fn check(&self) -> Result<(), QuantizeError> {
        if !self.scale.is_finite() || !self.offset.is_finite() || self.scale <= 0.0 {
            return Err(QuantizeError::Encoding(format!(
                "scale {} must be positive and finite, offset {} finite",
                self.scale, self.offset
            )));
        }
        Ok(())
    }

    /// Integer of each byte, and their scale. Exact where the real 0 lies on a step or half a step
    /// of the bytes; rounded to a step at most as wide otherwise.
    pub(super) fn map(&self) -> Result<(Vec<i32>, f64), QuantizeError> {
        self.check()?;
        let zero = self.offset / self.scale;
        for multiple in 1..=4 {
            let zero = zero * f64::from(multiple);
            if (zero - zero.round()).abs() < 1e-6 {
                let map = (0..256).map(|byte| (multiple * byte) as f64 + zero.round());
                return Self::integers(map, f64::from(multiple) / self.scale);
            }
        }
        let scale = (1.0 / self.scale).log2().ceil().exp2();
        Self::integers((0..=255).map(|byte| (self.decode(byte) * scale).round()), scale)
    }

    fn integers(
        map: impl Iterator<Item = f64>,
        scale: f64,
    ) -> Result<(Vec<i32>, f64), QuantizeError> {
        let bound = f64::from(ACTIVATION_OFFSET);
        let map: Vec<i32> =
            map.map(|x| if x.abs() < bound { x as i32 } else { i32::MAX }).collect();
        if map.contains(&i32::MAX) {
            return Err(QuantizeError::Encoding(
                "the offset is too large for the scale: shift the inputs towards 0".into(),
            ));
        }
        Ok((map, scale))
    }
}

/// Scale of each tensor, and of each layer before its function.
#[derive(Clone, Debug)]
pub(super) struct Scales {
    pub tensors: Vec<f64>,
    pub layers: Vec<f64>,
    /// Tensors whose scale no other tensor has to match.
    pub alone: Vec<bool>,
}

/// A sum that needs no rounding: plain addition of tensors at one scale. What holds values of the
/// network's input has its scale, and what was quantized in the file has that of the file: neither
/// takes part in one.
pub(super) fn exact_sums(graph: &FloatGraph) -> Vec<bool> {
    let mut bound = graph.holds_input();
    for layer in &graph.layers {
        bound[layer.output] |= layer.op.function().is_some_and(|f| f.step().is_some());
    }
    let is_exact = |op: &FloatOp| {
        matches!(op, FloatOp::Sum { inputs, constant, function: Function::Identity }
            if inputs.len() > 1
                && *constant == 0.0
                && inputs.iter().all(|(tensor, c)| *c == 1.0 && !bound[*tensor]))
    };
    graph.layers.iter().map(|layer| is_exact(&layer.op)).collect()
}

/// Chooses all scales. `input_scale` is that of the input map.
pub(super) fn choose(
    graph: &FloatGraph,
    calibration: &Calibration,
    choices: &Choices,
    exact: &[bool],
    input_scale: f64,
) -> Result<Scales, QuantizeError> {
    let group = groups(graph, exact);
    let mut scale = vec![MAX_SCALE; graph.tensors.len()];
    for tensor in 0..graph.tensors.len() {
        let limit = choices.magnitude(calibration, tensor, group[tensor] == group[graph.output]);
        let most = largest_scale(limit, choices.activation_bits[tensor] - 1);
        scale[group[tensor]] = scale[group[tensor]].min(most);
    }
    let mut before = vec![MAX_SCALE; graph.layers.len()];
    for (index, layer) in graph.layers.iter().enumerate() {
        let Some(function) = layer.op.function() else { continue };
        if exact[index] || tables::scale_follows(&layer.op) {
            continue;
        }
        let moved = matches!(layer.op, FloatOp::Transpose { .. });
        if group[layer.output] == group[graph.input.tensor] && !moved {
            return Err(QuantizeError::Layer {
                layer: layer.name.clone(),
                operator: layer.operator.clone(),
                problem: "its result is joined with the network's input, which has another scale; \
                          that is not supported"
                    .into(),
            });
        }
        before[index] = choices.most_before(calibration, graph, index, &group);
        if function.is_indicator() || function.takes_integers() {
            before[index] = 1.0;
        }
        if function.keeps_scale() {
            let slot = &mut scale[group[layer.output]];
            *slot = slot.min(before[index]);
        }
    }
    let fixed = quantized_in_file(graph, &group, &mut scale);
    leave_room(graph, calibration, choices, &group, &mut scale);
    tables::share(graph, choices.tables_per_function, &group, &fixed, &mut scale, &mut before);
    for (before, layer) in before.iter_mut().zip(&graph.layers) {
        // Whole numbers stay whole, so that they are equal when the file's are.
        if *before > 1.0 && layer.op.function().is_some_and(Function::has_equality) {
            *before = before.floor();
        }
    }
    let tensors: Vec<f64> = group
        .iter()
        .map(|of| if *of == group[graph.input.tensor] { input_scale } else { scale[*of] })
        .collect();
    let layers = graph
        .layers
        .iter()
        .zip(&before)
        .map(|(layer, before)| match layer.op.function() {
            Some(function) if !function.keeps_scale() => *before,
            _ => tensors[layer.output],
        })
        .collect();
    let alone = (0..graph.tensors.len())
        .map(|tensor| group.iter().filter(|other| **other == group[tensor]).count() == 1)
        .collect();
    Ok(Scales { tensors, layers, alone })
}

/// Lowers the scales of what is multiplied and summed until the sums, with all that a shift can take
/// away, fit their layer's table: a sum of many squares may have more bits than one shift takes.
fn leave_room(
    graph: &FloatGraph,
    calibration: &Calibration,
    choices: &Choices,
    group: &[usize],
    scale: &mut [f64],
) {
    for (index, layer) in graph.layers.iter().enumerate() {
        let FloatOp::Dot { inputs, factor, .. } = &layer.op else { continue };
        let table = choices.most_before(calibration, graph, index, group);
        let most = table * f64::from(MAX_SHIFT).exp2() * factor;
        let [a, b] = inputs.map(|input| group[input]);
        let excess = scale[a] * scale[b] / most;
        if excess > 1.0 {
            let root = excess.sqrt().log2().ceil().exp2();
            scale[a] /= root;
            if a != b {
                scale[b] /= root;
            }
        }
    }
}

/// For each tensor, a tensor that stands for all that share its scale.
fn groups(graph: &FloatGraph, exact: &[bool]) -> Vec<FloatTensorId> {
    let mut groups = Groups::new(graph.tensors.len());
    for (layer, exact) in graph.layers.iter().zip(exact) {
        let joined = match &layer.op {
            FloatOp::MaxPool { .. }
            | FloatOp::Slice { .. }
            | FloatOp::Resize { .. }
            | FloatOp::Concat { .. } => true,
            FloatOp::Transpose { function, .. } => function.keeps_scale(),
            _ => *exact,
        };
        if joined {
            layer.op.inputs().into_iter().for_each(|input| groups.join(input, layer.output));
        }
    }
    (0..graph.tensors.len()).map(|tensor| groups.find(tensor)).collect()
}

/// Gives tensors that hold multiples of one step, as after a DequantizeLinear, the scale at which
/// they are integers, where it is not too fine. Returns which groups have such a scale.
fn quantized_in_file(graph: &FloatGraph, group: &[usize], scale: &mut [f64]) -> Vec<bool> {
    let mut steps: Vec<Option<f64>> = vec![None; scale.len()];
    let mut differ = vec![false; scale.len()];
    for layer in &graph.layers {
        let Some(function) = layer.op.function() else { continue };
        if matches!(layer.op, FloatOp::Transpose { .. }) && *function == Function::Identity {
            // The same values in other places.
            continue;
        }
        let of = group[layer.output];
        let step = function.step();
        differ[of] |= step.is_none() || steps[of].is_some_and(|known| Some(known) != step);
        steps[of] = step;
    }
    let mut fixed = vec![false; scale.len()];
    for of in 0..scale.len() {
        let Some(step) = steps[of].filter(|_| !differ[of]) else { continue };
        if 1.0 / step <= scale[of] {
            (scale[of], fixed[of]) = (1.0 / step, true);
        }
    }
    fixed
}

impl Choices {
    /// Magnitude of a tensor that its integers must represent.
    fn magnitude(&self, calibration: &Calibration, tensor: FloatTensorId, output: bool) -> f64 {
        let most = calibration.tensors[tensor].widened(self.margin).magnitude();
        let histogram = &calibration.histograms[tensor];
        match self.method {
            _ if output => most,
            CalibrationMethod::Max => most,
            CalibrationMethod::Percentile(part) => histogram.percentile(part / 100.0).min(most),
            CalibrationMethod::MinimumError => {
                histogram.least_error(self.activation_bits[tensor]).min(most)
            }
        }
    }

    /// Finest scale before the function of a layer at which its table is not too large.
    pub(super) fn most_before(
        &self,
        calibration: &Calibration,
        graph: &FloatGraph,
        index: usize,
        group: &[usize],
    ) -> f64 {
        let is_output = group[graph.layers[index].output] == group[graph.output];
        let range = calibration.layers[index].widened(self.margin);
        let bits = if is_output { self.output_bits } else { self.table_bits };
        largest_scale(range.max - range.min, bits)
    }
}

/// Largest scale with `width * scale <= 2^bits` that is a power of two times 8/8 to 15/8: bounds
/// of clamps stay integers, and no more than an eighth is given away.
pub(super) fn largest_scale(width: f64, bits: u32) -> f64 {
    if width <= 0.0 {
        return MAX_SCALE;
    }
    let most = (f64::from(bits).exp2() / width).clamp(1.0 / MAX_SCALE, MAX_SCALE);
    let octave = most.log2().floor().exp2();
    (most / octave * 8.0).floor().clamp(8.0, 15.0) / 8.0 * octave
}

/// Union-find over tensors.
struct Groups {
    parents: Vec<FloatTensorId>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn find(&mut self, mut tensor: FloatTensorId) -> FloatTensorId {
        while self.parents[tensor] != tensor {
            self.parents[tensor] = self.parents[self.parents[tensor]];
            tensor = self.parents[tensor];
        }
        tensor
    }

    fn join(&mut self, a: FloatTensorId, b: FloatTensorId) {
        let (a, b) = (self.find(a), self.find(b));
        self.parents[a] = b;
    }
}

/// Integers that a real range takes at `scale`, a little wider for rounding.
pub(super) fn integer_range(range: Range, scale: f64) -> (i64, i64) {
    let (low, high) = ((range.min * scale).floor() as i64, (range.max * scale).ceil() as i64);
    (low.saturating_sub(2), high.saturating_add(2))
}
