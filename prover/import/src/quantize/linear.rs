//! Layers that are sums with coefficients, as sums of integers.

use super::{
    QuantizeError,
    lower::{Lowering, layer_error},
    steps::Threshold,
};
use crate::model::FloatOp;
use assay_graph::{ACTIVATION_OFFSET, Op, Rescale, TensorId, WEIGHT_OFFSET};

impl Lowering<'_> {
    pub(super) fn convolution(&mut self, index: usize) -> Result<Op, QuantizeError> {
        let layer = &self.graph.layers[index];
        let FloatOp::Conv { input, window, groups, weights, bias, function } = &layer.op else {
            return Err(layer_error(layer, "it is no convolution".into()));
        };
        let scale = self.scales.layers[index];
        let shift = self.shift_that_fits(index, *input, weights, bias);
        let unit = scale * f64::from(shift).exp2();
        let ratio = unit / self.scales.tensors[*input];
        if function.is_indicator() && ratio != ratio.round() {
            return Err(layer_error(
                layer,
                "its input has to be integers as they are; give the network's input the \
                 scale 1 and no offset"
                    .into(),
            ));
        }
        let round = |values: &[f32], factor: f64| {
            values
                .iter()
                .map(|x| self.integer(layer, f64::from(*x) * factor))
                .collect::<Result<Vec<i64>, _>>()
        };
        Ok(Op::Conv {
            input: *input,
            window: *window,
            groups: *groups,
            weights: round(weights, ratio)?,
            bias: round(bias, unit)?,
            rescale: Rescale { shift, function: self.table(index, function) },
        })
    }

    pub(super) fn sum(&mut self, index: usize) -> Result<Op, QuantizeError> {
        let layer = &self.graph.layers[index];
        let FloatOp::Sum { inputs, constant, function } = &layer.op else {
            return Err(layer_error(layer, "it is no sum".into()));
        };
        let (scale, shift) = (self.scales.layers[index], self.choices.shift);
        // Without a change of scale there is nothing to shift out.
        let plain = *constant == 0.0
            && inputs.iter().all(|(tensor, coefficient)| {
                let factor = coefficient * scale / self.scales.tensors[*tensor];
                factor == factor.round() && factor.abs() < 256.0
            });
        let shift = if plain { 0 } else { shift };
        let unit = scale * f64::from(shift).exp2();
        let terms = inputs
            .iter()
            .map(|(tensor, coefficient)| {
                let factor = coefficient * unit / self.scales.tensors[*tensor];
                Ok((*tensor, self.integer(layer, factor)?))
            })
            .collect::<Result<Vec<(TensorId, i64)>, QuantizeError>>()?;
        Ok(Op::Pointwise {
            inputs: terms,
            constant: self.integer(layer, constant * unit)?,
            rescale: Rescale { shift, function: self.table(index, function) },
        })
    }

    /// The shift of a convolution: less than the others' where its weights would be too large, as where
    /// large values cancel out.
    pub(super) fn shift_that_fits(
        &self,
        index: usize,
        input: TensorId,
        weights: &[f32],
        bias: &[f32],
    ) -> u32 {
        let largest = |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
        let ratio = 1.0 / self.scales.tensors[input];
        let weight = (f64::from(largest(weights)) * ratio).max(f64::from(largest(bias)));
        let unit = weight * self.scales.layers[index];
        let fits = |shift: &u32| unit * f64::from(*shift).exp2() < WEIGHT_OFFSET as f64 - 1.0;
        (0..=self.choices.shift).rev().find(fits).unwrap_or(self.choices.shift)
    }

    /// A layer of which only the side of a threshold counts: exact in the accumulator, whatever is
    /// shifted out.
    pub(super) fn threshold(
        &mut self,
        index: usize,
        threshold: &Threshold,
    ) -> Result<Option<Op>, QuantizeError> {
        let layer = &self.graph.layers[index];
        let (inputs, factors): (Vec<TensorId>, Vec<f64>) = match &layer.op {
            FloatOp::Conv { input, weights, .. } => {
                (vec![*input], weights.iter().map(|weight| f64::from(*weight)).collect())
            }
            FloatOp::Sum { inputs, .. } => inputs.iter().copied().unzip(),
            _ => return Ok(None),
        };
        let scales: Vec<f64> = inputs.iter().map(|input| self.scales.tensors[*input]).collect();
        let wanted = self.scales.layers[index] * f64::from(self.choices.shift).exp2();
        let unit = Threshold::unit(wanted, &scales, &factors);
        let range = self.calibration.layers[index].widened(self.choices.margin);
        let constants = match &layer.op {
            FloatOp::Conv { bias, .. } => {
                bias.iter().fold(0.0, |most: f64, x| most.max(f64::from(x.abs())))
            }
            FloatOp::Sum { constant, .. } => constant.abs(),
            _ => 0.0,
        };
        let Some(shift) =
            threshold.shift(range, unit, constants, (self.choices.shift, self.choices.table_bits))
        else {
            return Ok(None);
        };
        let scale = unit / f64::from(shift).exp2();
        self.scales.layers[index] = scale;
        let scales = (1.0, self.scales.tensors[layer.output]);
        let domain = threshold.domain(range, scale);
        let function = self.share(index, &threshold.function(), scales, domain, ACTIVATION_OFFSET);
        let rescale = Rescale { shift, function };
        let of = |input: TensorId, factor: f64| {
            self.integer(layer, factor * unit / self.scales.tensors[input])
        };
        let constant = |real: f64| self.integer(layer, threshold.constant(real, unit, shift));
        Ok(Some(match &layer.op {
            FloatOp::Conv { input, window, groups, weights, bias, .. } => Op::Conv {
                input: *input,
                window: *window,
                groups: *groups,
                weights: weights
                    .iter()
                    .map(|weight| of(*input, f64::from(*weight)))
                    .collect::<Result<_, _>>()?,
                bias: bias.iter().map(|x| constant(f64::from(*x))).collect::<Result<_, _>>()?,
                rescale,
            },
            FloatOp::Sum { inputs, constant: offset, .. } => Op::Pointwise {
                inputs: inputs
                    .iter()
                    .map(|(input, factor)| Ok((*input, of(*input, *factor)?)))
                    .collect::<Result<_, QuantizeError>>()?,
                constant: constant(*offset)?,
                rescale,
            },
            _ => return Ok(None),
        }))
    }
}
