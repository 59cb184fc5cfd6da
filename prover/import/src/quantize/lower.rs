//! Rounds a calibrated float graph to a quantized one.

use super::{
    Calibration, CalibrationMethod, InputEncoding, QuantizeError, QuantizeOptions,
    options::Choices,
    scales::{Scales, choose, exact_sums, integer_range, largest_scale},
    steps::Threshold,
};
use crate::model::{
    FloatGraph, FloatLayer, FloatOp, Function, PublishedInput, chosen::differences,
};
use assay_graph::{
    ACTIVATION_OFFSET, FunctionTable, Input, Layer, MAX_SHIFT, Op, QuantizedGraph, Rescale, Tensor,
    TensorId, WEIGHT_OFFSET,
};

/// A pool's multiplier keeps at least this value, for precision, where the shift allows.
const LEAST_MULTIPLIER: f64 = 8.0;

/// Quantizes `graph` with the ranges of `calibration`.
///
/// # Errors
/// [`QuantizeError::Option`] and [`QuantizeError::Encoding`] for bad arguments,
/// [`QuantizeError::OtherNetwork`] when the calibration has other sizes, and
/// [`QuantizeError::Layer`] where a range or weight does not fit its integer format.
pub fn quantize(
    graph: &FloatGraph,
    encoding: &InputEncoding,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<QuantizedGraph, QuantizeError> {
    Ok(quantize_with_scales(graph, encoding, calibration, options)?.0)
}

/// As [`quantize`]; also the scale of each layer's values before its function.
pub(crate) fn quantize_with_scales(
    graph: &FloatGraph,
    encoding: &InputEncoding,
    calibration: &Calibration,
    options: &QuantizeOptions,
) -> Result<(QuantizedGraph, Vec<f64>), QuantizeError> {
    if calibration.tensors.len() != graph.tensors.len()
        || calibration.histograms.len() != graph.tensors.len()
        || calibration.layers.len() != graph.layers.len()
        || calibration.seen.len() != graph.layers.len()
    {
        return Err(QuantizeError::OtherNetwork);
    }
    let mut choices = Choices::new(graph, options)?;
    let (map, input_scale) = encoding.map()?;
    let exact = exact_sums(graph);
    let scales = choose(graph, calibration, &choices, &exact, input_scale)?;
    if let Some(bits) = choices.weight_bits {
        choices.shift = shift_for(graph, &scales, bits);
    }
    let mut lowering = Lowering {
        graph,
        calibration,
        choices,
        exact,
        scales,
        tables: Vec::new(),
        layers: Vec::with_capacity(graph.layers.len()),
    };
    for index in 0..graph.layers.len() {
        let op = lowering.lower(index)?;
        lowering.layers.push(op);
    }
    let (functions, ranges) = lowering.ranges(&map)?;
    let tensors = graph
        .tensors
        .iter()
        .zip(&lowering.scales.tensors)
        .zip(&ranges)
        .map(|((tensor, scale), (min, max))| Tensor {
            name: tensor.name.clone(),
            shape: tensor.shape,
            scale: *scale,
            min: *min,
            max: *max,
        })
        .collect();
    let layers = graph
        .layers
        .iter()
        .zip(std::mem::take(&mut lowering.layers))
        .map(|(layer, op)| Layer { name: layer.name.clone(), output: layer.output, op })
        .collect();
    let PublishedInput { parts, order, sizes, .. } = graph.published_input();
    let quantized = QuantizedGraph {
        name: graph.name.clone(),
        input: Input {
            tensor: graph.input.tensor,
            map,
            byte_scale: encoding.scale,
            byte_offset: encoding.offset,
            values: graph.input.values.clone(),
            parts,
            order,
            sizes,
        },
        tensors,
        functions,
        layers,
        output: graph.output,
    };
    quantized.validate()?;
    Ok((quantized, lowering.scales.layers))
}

/// A table in the making: its domain grows with every layer that uses it.
pub(super) struct TableDraft {
    function: Function,
    /// Scales before and after; irrelevant for a homogeneous function at equal scales.
    scales: (f64, f64),
    domain: (i64, i64),
    /// Part of the domain that calibration saw: the function must have values there.
    seen: (i64, i64),
    /// Values are kept within `-limit..limit`.
    limit: i32,
    /// A layer that uses it, for messages.
    layer: usize,
}

/// All tables, and the smallest and largest integer of each tensor.
type TablesAndRanges = (Vec<FunctionTable>, Vec<(i32, i32)>);

pub(super) struct Lowering<'a> {
    pub(super) graph: &'a FloatGraph,
    pub(super) calibration: &'a Calibration,
    pub(super) choices: Choices,
    pub(super) exact: Vec<bool>,
    pub(super) scales: Scales,
    pub(super) tables: Vec<TableDraft>,
    pub(super) layers: Vec<Op>,
}

impl Lowering<'_> {
    fn lower(&mut self, index: usize) -> Result<Op, QuantizeError> {
        let layer = &self.graph.layers[index];
        let scale = self.scales.layers[index];
        let shift = self.choices.shift;
        if let Some(threshold) = layer.op.function().and_then(Threshold::of)
            && let Some(op) = self.threshold(index, &threshold)?
        {
            return Ok(op);
        }
        Ok(match &layer.op {
            FloatOp::Conv { .. } => self.convolution(index)?,
            FloatOp::MeanPool { input, window, function } => {
                let taps = (window.kernel[0] * window.kernel[1]) as f64;
                let input_scale = self.scales.tensors[*input];
                let exact = |shift: u32| scale * f64::from(shift).exp2() / (input_scale * taps);
                let shift = (shift..=MAX_SHIFT)
                    .find(|shift| exact(*shift) >= LEAST_MULTIPLIER)
                    .unwrap_or(MAX_SHIFT);
                let multiplier = self.integer(layer, exact(shift).max(1.0))?;
                // The rounding of the multiplier is a change of scale, which the next layer's
                // weights can take up.
                if self.scales.alone[layer.output] && function.is_homogeneous() {
                    let kept = scale * multiplier as f64 / exact(shift);
                    self.scales.tensors[layer.output] = kept;
                    self.scales.layers[index] = kept;
                }
                let rescale = Rescale { shift, function: self.table(index, function) };
                Op::SumPool { input: *input, window: *window, multiplier, rescale }
            }
            FloatOp::MaxPool { input, window } => Op::MaxPool { input: *input, window: *window },
            op @ FloatOp::Sum { .. } if self.exact[index] => Op::Add { inputs: op.inputs() },
            FloatOp::Sum { .. } => self.sum(index)?,
            FloatOp::Concat { inputs } => Op::Concat { inputs: inputs.clone() },
            FloatOp::Slice { input, start } => Op::Slice { input: *input, start: *start },
            FloatOp::Product { inputs, function } => {
                let rescale = self.following(index, inputs, 1.0, function);
                Op::Multiply { inputs: *inputs, rescale }
            }
            FloatOp::MatMul { inputs, groups, function } => {
                let rescale = self.following(index, inputs, 1.0, function);
                Op::MatMul { inputs: *inputs, groups: *groups, rescale }
            }
            FloatOp::Dot { inputs, groups, planes, factor, function } => {
                let rescale = self.following(index, inputs, *factor, function);
                Op::Dot { inputs: *inputs, groups: *groups, planes: *planes, rescale }
            }
            FloatOp::Transpose { input, groups, function } => {
                let rescale = self.moving(index, *input, function);
                Op::Transpose { input: *input, groups: *groups, rescale }
            }
            FloatOp::Resize { input, factor, zeros: true } => {
                Op::Spread { input: *input, factor: *factor }
            }
            FloatOp::Resize { input, factor, .. } => Op::Resize { input: *input, factor: *factor },
        })
    }

    /// Shift and table of a layer that moves elements: nothing is shifted out where the scale stays.
    fn moving(&mut self, index: usize, input: TensorId, function: &Function) -> Rescale {
        if function.keeps_scale() {
            return Rescale { shift: 0, function: self.table(index, function) };
        }
        self.following(index, &[input], 1.0, function)
    }

    /// Shift and table of a layer whose accumulators have the product of its inputs' scales, where the
    /// layer's values are so many times as large as the accumulators stand for.
    fn following(
        &mut self,
        index: usize,
        inputs: &[TensorId],
        factor: f64,
        function: &Function,
    ) -> Rescale {
        let full = inputs.iter().map(|input| self.scales.tensors[*input]).product::<f64>();
        let shift = self.following_shift(index, full / factor, function);
        Rescale { shift, function: self.table(index, function) }
    }

    /// The least shift at which the table is not too large. A product has no factor to absorb a ratio
    /// of scales, so the shift decides the scale before the function, from `full` on; the tensor takes
    /// the same scale where it may.
    fn following_shift(&mut self, index: usize, full: f64, function: &Function) -> u32 {
        let output = self.graph.layers[index].output;
        let range = self.calibration.layers[index].widened(self.choices.margin);
        let is_output = output == self.graph.output;
        let bits = if is_output { self.choices.output_bits } else { self.choices.table_bits };
        let mut most = largest_scale(range.max - range.min, bits);
        let follows = self.scales.alone[output] && function.is_homogeneous();
        if follows {
            let magnitude = self.calibration.tensors[output].widened(self.choices.margin);
            let bits = self.choices.activation_bits[output] - 1;
            most = most.min(largest_scale(magnitude.magnitude(), bits));
        }
        let scale = |shift: u32| full / f64::from(shift).exp2();
        let least = (0..MAX_SHIFT).find(|shift| scale(*shift) <= most).unwrap_or(MAX_SHIFT);
        // Each further shift is one more range table: one that is in use is worth half a bit.
        let used = |shift: u32| {
            let of = |op: &Op| op.rescale().map(|rescale| rescale.shift);
            shift <= MAX_SHIFT && self.layers.iter().any(|op| of(op) == Some(shift))
        };
        let shift = [least, least + 1].into_iter().find(|shift| used(*shift)).unwrap_or(least);
        self.scales.layers[index] = scale(shift);
        if follows {
            self.scales.tensors[output] = scale(shift);
        }
        shift
    }

    pub(super) fn integer(&self, layer: &FloatLayer, value: f64) -> Result<i64, QuantizeError> {
        let value = value.round();
        if value.is_nan() || value.abs() >= WEIGHT_OFFSET as f64 {
            let problem = format!(
                "a weight or bias becomes {value}, the limit is {WEIGHT_OFFSET}; use a smaller shift"
            );
            return Err(layer_error(layer, problem));
        }
        Ok(value as i64)
    }

    /// The table of a layer's function, grown to the layer's calibrated range.
    pub(super) fn table(&mut self, index: usize, function: &Function) -> usize {
        let layer = &self.graph.layers[index];
        let scales = (self.scales.layers[index], self.scales.tensors[layer.output]);
        let range = self.calibration.layers[index].widened(self.choices.margin);
        let mut domain = integer_range(range, scales.0);
        if function.is_indicator() {
            // Differences of two of as many integers as there are outputs, whatever was seen.
            let most = self.graph.tensors[layer.output].shape[0] as i64 - 1;
            domain = match &layer.op {
                FloatOp::Conv { groups, weights, bias, .. } => differences(*groups, weights, bias),
                _ => (-most, most),
            };
        }
        // Beyond the bounds of a clamp all values are the same: its table may go on.
        if let Some(bits) = self.choices.headroom_bits
            && function.is_clamp()
            && !function.is_homogeneous()
        {
            let half = 1i64 << (bits - 1);
            domain = (domain.0.min(-half), domain.1.max(half - 1));
        }
        // Saturation is for values that the method left out, never for the logits.
        let saturates =
            self.choices.method != CalibrationMethod::Max && layer.output != self.graph.output;
        let bits = self.choices.activation_bits[layer.output];
        let limit = if saturates { 1 << (bits - 1) } else { ACTIVATION_OFFSET };
        self.share(index, function, scales, domain, limit)
    }

    pub(super) fn share(
        &mut self,
        layer: usize,
        function: &Function,
        scales: (f64, f64),
        domain: (i64, i64),
        limit: i32,
    ) -> usize {
        let scale_free = function.is_homogeneous() && scales.0 == scales.1;
        let range = self.calibration.seen[layer];
        let seen = ((range.min * scales.0).floor() as i64, (range.max * scales.0).ceil() as i64);
        let seen = (seen.0.clamp(domain.0, domain.1), seen.1.clamp(domain.0, domain.1));
        let known = self.tables.iter().position(|table| {
            let same = table.scales == scales || (scale_free && table.scales.0 == table.scales.1);
            // The bounds of an indicator refuse ids beyond its own table of rows.
            let same = same && (!function.is_indicator() || table.domain == domain);
            table.function == *function && table.limit == limit && same
        });
        if let Some(known) = known {
            let table = &mut self.tables[known];
            table.domain = (table.domain.0.min(domain.0), table.domain.1.max(domain.1));
            table.seen = (table.seen.0.min(seen.0), table.seen.1.max(seen.1));
            return known;
        }
        self.tables.push(TableDraft {
            function: function.clone(),
            scales,
            domain,
            seen,
            limit,
            layer,
        });
        self.tables.len() - 1
    }

    /// The tables, and the range of each tensor that follows from them. An exact sum whose range
    /// could leave the activation format gets an identity table of its own calibrated range.
    fn ranges(&mut self, map: &[i32]) -> Result<TablesAndRanges, QuantizeError> {
        loop {
            let functions = self
                .tables
                .iter()
                .map(|draft| self.build(draft))
                .collect::<Result<Vec<_>, QuantizeError>>()?;
            let mut ranges = vec![(0i64, 0i64); self.graph.tensors.len()];
            ranges[self.graph.input.tensor] = bounds(map);
            let mut too_wide = None;
            for (index, (layer, op)) in self.graph.layers.iter().zip(&self.layers).enumerate() {
                let union = |inputs: &[TensorId]| {
                    inputs.iter().fold((i64::MAX, i64::MIN), |(min, max), input| {
                        (min.min(ranges[*input].0), max.max(ranges[*input].1))
                    })
                };
                let range = match op {
                    Op::Conv { rescale, .. }
                    | Op::SumPool { rescale, .. }
                    | Op::Pointwise { rescale, .. }
                    | Op::Multiply { rescale, .. }
                    | Op::Transpose { rescale, .. }
                    | Op::MatMul { rescale, .. }
                    | Op::Dot { rescale, .. } => bounds(&functions[rescale.function].values),
                    Op::MaxPool { input, .. }
                    | Op::Slice { input, .. }
                    | Op::Resize { input, .. } => ranges[*input],
                    Op::Spread { input, .. } => {
                        let (min, max) = ranges[*input];
                        (min.min(0), max.max(0))
                    }
                    Op::Concat { inputs } => union(inputs),
                    Op::Add { inputs } => inputs.iter().fold((0, 0), |(min, max), input| {
                        (min + ranges[*input].0, max + ranges[*input].1)
                    }),
                };
                let limit = i64::from(ACTIVATION_OFFSET);
                if range.0 < -limit || range.1 >= limit {
                    too_wide = Some(index);
                    break;
                }
                ranges[layer.output] = range;
            }
            let Some(index) = too_wide else {
                let narrow = ranges.iter().map(|(min, max)| (*min as i32, *max as i32));
                return Ok((functions, narrow.collect()));
            };
            let Op::Add { inputs } = &self.layers[index] else {
                return Err(self.too_wide(index));
            };
            let inputs = inputs.iter().map(|input| (*input, 1)).collect();
            let scale = self.scales.tensors[self.graph.layers[index].output];
            let range = self.calibration.layers[index].widened(self.choices.margin);
            let domain = integer_range(range, scale);
            let function =
                self.share(index, &Function::Identity, (scale, scale), domain, ACTIVATION_OFFSET);
            let rescale = Rescale { shift: 0, function };
            self.layers[index] = Op::Pointwise { inputs, constant: 0, rescale };
        }
    }

    fn build(&self, draft: &TableDraft) -> Result<FunctionTable, QuantizeError> {
        let (low, high) = draft.domain;
        let limit = i64::from(ACTIVATION_OFFSET);
        if low < -limit || high >= limit {
            return Err(self.too_wide(draft.layer));
        }
        let value = |pre: i64| {
            let real = draft.function.evaluate(pre as f64 / draft.scales.0) * draft.scales.1;
            // Halves upwards, as the shift rounds.
            let rounded = (real + 0.5).floor();
            if !rounded.is_finite() {
                return None;
            }
            let saturation = f64::from(draft.limit);
            if draft.limit < ACTIVATION_OFFSET {
                return Some(rounded.clamp(-saturation, saturation - 1.0) as i32);
            }
            (rounded.abs() < saturation).then_some(rounded as i32)
        };
        // Where the function has no value, the table ends: such inputs are out of range.
        let (mut first, mut last) = draft.seen;
        while first > low && value(first - 1).is_some() {
            first -= 1;
        }
        while last < high && value(last + 1).is_some() {
            last += 1;
        }
        let (low, high) = (first, last);
        let values: Option<Vec<i32>> = (low..=high).map(value).collect();
        let values = values.ok_or_else(|| {
            let layer = &self.graph.layers[draft.layer];
            let problem = format!(
                "`{}` has no value that fits 16 bits everywhere between {} and {}, where its \
                 arguments lie in calibration: a table has even steps of {} there, too wide where the function is \
                 steep. Bound its argument further from that (Clip, or a larger number added to it), or compute it \
                 before the network, so that its inputs are the logarithms or quotients",
                draft.function,
                low as f64 / draft.scales.0,
                high as f64 / draft.scales.0,
                1.0 / draft.scales.0
            );
            layer_error(layer, problem)
        })?;
        Ok(FunctionTable { name: draft.function.to_string(), min: low as i32, values })
    }

    fn too_wide(&self, index: usize) -> QuantizeError {
        let layer = &self.graph.layers[index];
        layer_error(
            layer,
            "its values do not fit 16 bits; use fewer bits or a smaller margin".into(),
        )
    }
}

/// The least shift at which the largest weight of each layer has `bits` bits, sign included.
fn shift_for(graph: &FloatGraph, scales: &Scales, bits: u32) -> u32 {
    let needed = graph.layers.iter().zip(&scales.layers).filter_map(|(layer, scale)| {
        let FloatOp::Conv { input, weights, .. } = &layer.op else { return None };
        let largest = weights.iter().fold(0f32, |most, weight| most.max(weight.abs()));
        let unit = f64::from(largest) * scale / scales.tensors[*input];
        (unit > 0.0).then(|| (f64::from(bits - 1) - unit.log2()).ceil())
    });
    needed.fold(0.0, f64::max).min(f64::from(MAX_SHIFT)) as u32
}

pub(super) fn layer_error(layer: &FloatLayer, problem: String) -> QuantizeError {
    QuantizeError::Layer { layer: layer.name.clone(), operator: layer.operator.clone(), problem }
}

fn bounds(values: &[i32]) -> (i64, i64) {
    values.iter().fold((i64::MAX, i64::MIN), |(min, max), value| {
        (min.min(i64::from(*value)), max.max(i64::from(*value)))
    })
}
