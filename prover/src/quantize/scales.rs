//! Which tensors share a scale, and how fine each scale is.

use super::{Calibration, InputEncoding, QuantizeError, QuantizeOptions, calibrate::Range};
use crate::graph::ACTIVATION_OFFSET;
use crate::model::{FloatGraph, FloatOp, FloatTensorId, Function};

/// Finest scale ever taken: only degenerate ranges come near.
const MAX_FRACTION_BITS: i32 = 30;

/// [`QuantizeOptions`] with all defaults filled in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices {
    pub table_bits: u32,
    pub output_bits: u32,
    pub activation_bits: u32,
    pub shift: u32,
    pub margin: f64,
}

impl Choices {
    pub fn new(graph: &FloatGraph, options: &QuantizeOptions) -> Result<Self, QuantizeError> {
        let activations: usize =
            graph.tensors.iter().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
        let default = match activations {
            0..=0x2_0000 => 12,
            0x2_0001..=0x4_0000 => 13,
            _ => 14,
        };
        let table_bits = options.table_bits.unwrap_or(default);
        let output_bits = options.output_bits.unwrap_or(table_bits.saturating_sub(1));
        let shift = options.shift.unwrap_or(table_bits.saturating_sub(2));
        let check = |option, value: u32, low, high, allowed| {
            if (low..=high).contains(&value) {
                return Ok(value);
            }
            Err(QuantizeError::Option { option, value: value.to_string(), allowed })
        };
        check("table_bits", table_bits, 4, 16, "4 to 16")?;
        check("output_bits", output_bits, 3, 16, "3 to 16")?;
        check("activation_bits", options.activation_bits, 3, 16, "3 to 16")?;
        check("shift", shift, 0, crate::graph::MAX_SHIFT, "0 to 16")?;
        if !(0.0..=4.0).contains(&options.margin) {
            return Err(QuantizeError::Option {
                option: "margin",
                value: options.margin.to_string(),
                allowed: "0 to 4",
            });
        }
        Ok(Self {
            table_bits,
            output_bits,
            activation_bits: options.activation_bits,
            shift,
            margin: options.margin,
        })
    }
}

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

/// A sum that needs no rounding: plain addition of tensors at one scale. The network's input has a
/// scale of its own, so it never takes part in one.
pub(super) fn is_exact_sum(graph: &FloatGraph, op: &FloatOp) -> bool {
    matches!(op, FloatOp::Sum { inputs, constant, function: Function::Identity }
        if inputs.len() > 1
            && *constant == 0.0
            && inputs.iter().all(|(tensor, c)| *c == 1.0 && *tensor != graph.input.tensor))
}

/// The scale before the function is that after it.
pub(super) fn keeps_scale(function: &Function) -> bool {
    function.is_clamp() || function.is_homogeneous()
}

/// Chooses all scales. `input_scale` is that of the input map.
pub(super) fn choose(
    graph: &FloatGraph,
    calibration: &Calibration,
    choices: &Choices,
    input_scale: f64,
) -> Result<Scales, QuantizeError> {
    let mut groups = Groups::new(graph.tensors.len());
    for layer in &graph.layers {
        match &layer.op {
            FloatOp::MaxPool { input, .. } | FloatOp::Slice { input, .. } => {
                groups.join(*input, layer.output);
            }
            FloatOp::Concat { inputs } => {
                inputs.iter().for_each(|input| groups.join(*input, layer.output));
            }
            op if is_exact_sum(graph, op) => {
                op.inputs().into_iter().for_each(|input| groups.join(input, layer.output));
            }
            _ => {}
        }
    }
    let group: Vec<usize> = (0..graph.tensors.len()).map(|tensor| groups.find(tensor)).collect();
    let mut bits = vec![MAX_FRACTION_BITS; graph.tensors.len()];
    for (tensor, range) in calibration.tensors.iter().enumerate() {
        let magnitude = range.widened(choices.margin).magnitude();
        let most = fraction_bits(magnitude, choices.activation_bits - 1);
        bits[group[tensor]] = bits[group[tensor]].min(most);
    }
    let mut before = vec![MAX_FRACTION_BITS; graph.layers.len()];
    for (index, layer) in graph.layers.iter().enumerate() {
        let Some(function) = layer.op.function() else { continue };
        if is_exact_sum(graph, &layer.op) {
            continue;
        }
        if group[layer.output] == group[graph.input.tensor] {
            return Err(QuantizeError::Layer {
                layer: layer.name.clone(),
                operator: layer.operator.clone(),
                problem: "its result is concatenated with the network's input, which has another \
                          scale; that is not supported"
                    .into(),
            });
        }
        let is_output = group[layer.output] == group[graph.output];
        let table_bits = if is_output { choices.output_bits } else { choices.table_bits };
        let range = calibration.layers[index].widened(choices.margin);
        before[index] = fraction_bits(range.max - range.min, table_bits);
        if keeps_scale(function) {
            let slot = &mut bits[group[layer.output]];
            *slot = (*slot).min(before[index]);
        }
    }
    share_tables(graph, &group, &mut bits, &mut before);
    let tensors: Vec<f64> = group
        .iter()
        .map(|group_of| {
            if *group_of == group[graph.input.tensor] {
                input_scale
            } else {
                f64::from(bits[*group_of]).exp2()
            }
        })
        .collect();
    let layers = graph
        .layers
        .iter()
        .zip(&before)
        .map(|(layer, bits)| match layer.op.function() {
            Some(function) if !keeps_scale(function) => f64::from(*bits).exp2(),
            _ => tensors[layer.output],
        })
        .collect();
    let alone = (0..graph.tensors.len())
        .map(|tensor| group.iter().filter(|other| **other == group[tensor]).count() == 1)
        .collect();
    Ok(Scales { tensors, layers, alone })
}

/// A function whose table depends on the scale takes one scale in all layers that have it.
fn share_tables(graph: &FloatGraph, group: &[usize], bits: &mut [i32], before: &mut [i32]) {
    let mut kinds: Vec<(&Function, Vec<usize>)> = Vec::new();
    for (index, layer) in graph.layers.iter().enumerate() {
        let Some(function) = layer.op.function().filter(|f| !f.is_homogeneous()) else { continue };
        match kinds.iter_mut().find(|(kind, _)| *kind == function) {
            Some((_, layers)) => layers.push(index),
            None => kinds.push((function, vec![index])),
        }
    }
    // Lowering one group may affect another function that writes to it: repeat until stable.
    loop {
        let mut changed = false;
        for (_, layers) in &kinds {
            let outputs = layers.iter().map(|index| group[graph.layers[*index].output]);
            let least = outputs.clone().map(|group| bits[group]).min().unwrap_or(0);
            let least_before = layers.iter().map(|index| before[*index]).min().unwrap_or(0);
            for group in outputs {
                changed |= std::mem::replace(&mut bits[group], least) != least;
            }
            for index in layers {
                before[*index] = least_before;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Largest `f` with `width * 2^f <= 2^bits`.
fn fraction_bits(width: f64, bits: u32) -> i32 {
    if width <= 0.0 {
        return MAX_FRACTION_BITS;
    }
    let most = f64::from(bits) - width.log2();
    (most.floor() as i32).clamp(-MAX_FRACTION_BITS, MAX_FRACTION_BITS)
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
    ((range.min * scale).floor() as i64 - 2, (range.max * scale).ceil() as i64 + 2)
}
