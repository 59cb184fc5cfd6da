//! Folds affine steps and functions into the layers they belong to, and products into their sums.

mod dots;

use std::collections::HashMap;

use super::{
    FloatLayer, FloatOp, FloatTensor, FloatTensorId, Function, ImportError, decoding,
    raw_layer::{RawLayer, Step},
};
use assay_graph::Window;

type Fused = (Vec<FloatTensor>, Vec<FloatLayer>, Box<dyn Fn(FloatTensorId) -> FloatTensorId>);

/// Removes what the output does not depend on, fuses, and renumbers the tensors that are left; the
/// returned function maps an old tensor to its new number.
pub(super) fn fuse(
    mut tensors: Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    input: FloatTensorId,
    output: FloatTensorId,
) -> Result<Fused, ImportError> {
    let layers = live_layers(layers, tensors.len(), output);
    let layers = decoding::spread(&mut tensors, layers, output);
    let layers = live_layers(layers, tensors.len(), output);
    let mut readers = vec![0usize; tensors.len()];
    readers[output] += 1;
    for layer in &layers {
        for tensor in layer.step.inputs() {
            readers[tensor] += 1;
        }
    }
    let mut fused: Vec<RawLayer> = Vec::new();
    let mut producers: HashMap<FloatTensorId, usize> = HashMap::new();
    for mut layer in layers {
        // The layer before, if this one is the only reader of its result.
        let before = match &layer.step {
            Step::Affine { input, .. }
            | Step::Apply { input, .. }
            | Step::Layer(FloatOp::Conv { input, .. } | FloatOp::MeanPool { input, .. })
                if readers[*input] == 1 =>
            {
                producers.get(input).copied()
            }
            _ => None,
        };
        if let Some(index) = before {
            if merge(&mut fused[index], &layer.step) {
                fused[index].output = layer.output;
                producers.insert(layer.output, index);
                continue;
            }
            let before = &fused[index];
            if let Some(again) = dots::absorb(&mut layer.step, &before.step, &tensors) {
                // The products have no reader left. Squares are read as two factors.
                let products = fused[index].output;
                again.into_iter().for_each(|tensor| readers[tensor] += 1);
                readers[products] = 0;
                producers.remove(&products);
                producers.insert(layer.output, fused.len());
                fused.push(layer);
                continue;
            }
            let absorbed = absorb_affine(&mut layer.step, &before.step)
                .or_else(|| absorb_decoding(&mut layer.step, before));
            if let Some(source) = absorbed {
                // The affine layer has no reader left; it is dropped below.
                let affine = fused[index].output;
                readers[affine] = 0;
                producers.remove(&affine);
                debug_assert!(layer.step.reads(source));
            }
        }
        producers.insert(layer.output, fused.len());
        fused.push(layer);
    }
    fused.retain(|layer| readers[layer.output] > 0);
    renumber(tensors, fused, input)
}

pub(super) fn live_layers(
    layers: Vec<RawLayer>,
    tensors: usize,
    output: FloatTensorId,
) -> Vec<RawLayer> {
    let mut live = vec![false; tensors];
    live[output] = true;
    let mut kept: Vec<RawLayer> = Vec::new();
    for layer in layers.into_iter().rev() {
        if live[layer.output] {
            for tensor in layer.step.inputs() {
                live[tensor] = true;
            }
            kept.push(layer);
        }
    }
    kept.reverse();
    kept
}

/// Extends `layer` by `next`, its only reader, if one layer can do both.
fn merge(layer: &mut RawLayer, next: &Step) -> bool {
    match (&mut layer.step, next) {
        (
            Step::Layer(FloatOp::Conv { weights, bias, function: Function::Identity, .. }),
            Step::Affine { scale, bias: offset, .. },
        ) => {
            let depth = weights.len() / bias.len();
            for (channel, row) in weights.chunks_mut(depth).enumerate() {
                for weight in row {
                    *weight = (f64::from(*weight) * scale[channel]) as f32;
                }
                let value = f64::from(bias[channel]) * scale[channel] + offset[channel];
                bias[channel] = value as f32;
            }
            true
        }
        (Step::Affine { scale, bias, .. }, Step::Affine { scale: s, bias: b, .. }) => {
            for channel in 0..scale.len() {
                scale[channel] *= s[channel];
                bias[channel] = bias[channel] * s[channel] + b[channel];
            }
            true
        }
        (
            Step::Layer(FloatOp::Dot { factor, function: Function::Identity, .. }),
            Step::Affine { scale, bias, .. },
        ) if uniform(scale, bias).is_some_and(|(slope, offset)| slope > 0.0 && offset == 0.0) => {
            *factor *= scale[0];
            true
        }
        (
            Step::Layer(FloatOp::Sum { inputs, constant, function: Function::Identity }),
            Step::Affine { scale, bias, .. },
        ) => {
            let Some((slope, offset)) = uniform(scale, bias) else { return false };
            for (_, coefficient) in inputs {
                *coefficient *= slope;
            }
            *constant = *constant * slope + offset;
            true
        }
        (Step::Layer(op), Step::Apply { function: next, .. }) => {
            op.function_mut().is_some_and(|function| compose(function, next))
        }
        (Step::Layer(op), Step::Affine { scale, bias, .. }) => {
            op.function_mut().is_some_and(|function| compose_affine(function, scale, bias))
        }
        (Step::Apply { function, .. }, Step::Apply { function: next, .. }) => {
            compose(function, next)
        }
        (Step::Apply { function, .. }, Step::Affine { scale, bias, .. }) => {
            compose_affine(function, scale, bias)
        }
        (Step::Affine { input, scale, bias }, Step::Apply { function: next, .. }) => {
            layer.step = match uniform(scale, bias) {
                Some((slope, offset)) => {
                    let mut function = Function::affine(slope, offset);
                    if !compose(&mut function, next) {
                        return false;
                    }
                    Step::Apply { input: *input, function }
                }
                None => Step::Layer(depthwise(*input, scale, bias, next.clone())),
            };
            true
        }
        _ => false,
    }
}

/// An affine step that no neighbour takes, as a depthwise convolution of one element.
fn depthwise(input: FloatTensorId, scale: &[f64], bias: &[f64], function: Function) -> FloatOp {
    FloatOp::Conv {
        input,
        window: Window::dense([1, 1]),
        groups: scale.len(),
        weights: scale.iter().map(|x| *x as f32).collect(),
        bias: bias.iter().map(|x| *x as f32).collect(),
        function,
    }
}

fn compose(function: &mut Function, next: &Function) -> bool {
    let composed = next.after(function.clone());
    if composed.may_grow() {
        *function = composed;
        true
    } else {
        false
    }
}

fn compose_affine(function: &mut Function, scale: &[f64], bias: &[f64]) -> bool {
    match uniform(scale, bias) {
        // A plain clamp keeps its table: the affine step is better folded into what follows.
        Some((slope, offset)) if !function.is_clamp() || *function == Function::Identity => {
            compose(function, &Function::affine(slope, offset))
        }
        _ => false,
    }
}

fn uniform(scale: &[f64], bias: &[f64]) -> Option<(f64, f64)> {
    let same = |values: &[f64]| values.iter().all(|x| *x == values[0]);
    (same(scale) && same(bias)).then(|| (scale[0], bias[0]))
}

/// Folds an affine step into the convolution that reads it; returns what the convolution reads
/// now. With padding that is exact only if the step maps 0 to 0.
fn absorb_affine(step: &mut Step, before: &Step) -> Option<FloatTensorId> {
    let Step::Layer(FloatOp::Conv { input, window, groups, weights, bias, .. }) = step else {
        return None;
    };
    let Step::Affine { input: source, scale, bias: offset } = before else { return None };
    if window.pads != [0; 4] && offset.iter().any(|x| *x != 0.0) {
        return None;
    }
    let in_group = scale.len() / *groups;
    let out_group = bias.len() / *groups;
    let taps = window.kernel[0] * window.kernel[1];
    for (j, row) in weights.chunks_mut(in_group * taps).enumerate() {
        let mut constant = f64::from(bias[j]);
        for (k, kernel) in row.chunks_mut(taps).enumerate() {
            let channel = j / out_group * in_group + k;
            for weight in kernel {
                constant += f64::from(*weight) * offset[channel];
                *weight = (f64::from(*weight) * scale[channel]) as f32;
            }
        }
        bias[j] = constant as f32;
    }
    *input = *source;
    Some(*source)
}

/// Folds the layer that makes numbers of bytes, several to each, into the convolution that reads it;
/// returns what the convolution reads now. With padding as [`absorb_affine`].
fn absorb_decoding(step: &mut Step, before: &RawLayer) -> Option<FloatTensorId> {
    let Step::Layer(FloatOp::Conv { input, window, groups, weights, bias, .. }) = step else {
        return None;
    };
    let Step::Layer(FloatOp::Conv {
        input: source,
        window: place,
        groups: channels,
        weights: scale,
        bias: offset,
        function: Function::Identity,
    }) = &before.step
    else {
        return None;
    };
    // A file's own choice of places or channels is not folded: the weights would be multiplied by it.
    if before.operator != decoding::INPUT && scale.len() > *channels {
        return None;
    }
    let padded = window.pads != [0; 4] && offset.iter().any(|x| *x != 0.0);
    let dense = Window::dense([1, 1]);
    // Bytes side by side, as many as the window is wide.
    let along = place.stride == place.kernel && place.pads == [0; 4] && *window == dense;
    if !(*place == dense || along) || *channels != offset.len() || padded {
        return None;
    }
    let joint = if *place == dense { *window } else { *place };
    let (in_group, out_group) = (channels / *groups, bias.len() / *groups);
    let taps = window.kernel[0] * window.kernel[1];
    let scales = scale.chunks(scale.len() / channels).collect::<Vec<_>>();
    let mut folded = Vec::with_capacity(weights.len() * scales[0].len());
    for (j, row) in weights.chunks(in_group * taps).enumerate() {
        let mut constant = f64::from(bias[j]);
        for (k, kernel) in row.chunks(taps).enumerate() {
            let channel = j / out_group * in_group + k;
            constant +=
                kernel.iter().map(|w| f64::from(*w) * f64::from(offset[channel])).sum::<f64>();
            for scale in scales[channel] {
                folded.extend(kernel.iter().map(|w| (f64::from(*w) * f64::from(*scale)) as f32));
            }
        }
        bias[j] = constant as f32;
    }
    (*weights, *input, *window) = (folded, *source, joint);
    Some(*source)
}

fn renumber(
    tensors: Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    input: FloatTensorId,
) -> Result<Fused, ImportError> {
    let mut numbers: HashMap<FloatTensorId, FloatTensorId> = HashMap::from([(input, 0)]);
    let mut kept = vec![tensors[input].clone()];
    let mut result = Vec::with_capacity(layers.len());
    for layer in layers {
        let node_error = |problem: &str| ImportError::Node {
            node: layer.name.clone(),
            operator: layer.operator.clone(),
            problem: problem.into(),
        };
        let number = |tensor: FloatTensorId| {
            numbers.get(&tensor).copied().ok_or_else(|| node_error("it reads a removed tensor"))
        };
        let op = match layer.step {
            Step::Layer(mut op) => {
                for input in op.inputs_mut() {
                    *input = number(*input)?;
                }
                op
            }
            Step::Apply { input, function } => {
                FloatOp::Sum { inputs: vec![(number(input)?, 1.0)], constant: 0.0, function }
            }
            Step::Affine { input, scale, bias } => {
                depthwise(number(input)?, &scale, &bias, Function::Identity)
            }
        };
        if let FloatOp::Conv { weights, bias, .. } = &op
            && weights.iter().chain(bias).any(|x| !x.is_finite())
        {
            return Err(node_error("a folded weight is too large for float32"));
        }
        numbers.insert(layer.output, kept.len());
        kept.push(tensors[layer.output].clone());
        result.push(FloatLayer {
            name: layer.name,
            operator: layer.operator,
            output: kept.len() - 1,
            op,
        });
    }
    Ok((kept, result, Box::new(move |tensor| numbers.get(&tensor).copied().unwrap_or(0))))
}
