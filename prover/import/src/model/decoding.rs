//! Features with scales of their own keep them as long as possible: what makes numbers of an input's bytes
//! is moved behind the slices, joins and affine steps that follow, and each layer that reads the numbers
//! gets a copy of its own, which it can take up.

use std::collections::HashMap;

use super::{
    FloatOp, FloatTensor, FloatTensorId, Function,
    raw_layer::{RawLayer, Step},
};
use assay_graph::{Shape, Window};

/// Operator of the layer that makes numbers of bytes.
pub(super) const INPUT: &str = "Input";

/// Numbers, as what they are made of.
#[derive(Clone)]
struct Decoded {
    /// Tensor of bytes, as many channels a number as each of `channels` has factors.
    source: FloatTensorId,
    channels: Vec<Channel>,
    name: String,
}

/// One channel of numbers: the sum of its bytes times their factors, and the offset.
#[derive(Clone)]
struct Channel {
    factors: Vec<f64>,
    offset: f64,
}

impl Decoded {
    /// What a layer computes, if it makes numbers of bytes.
    fn of(layer: &RawLayer) -> Option<Self> {
        if layer.operator != INPUT {
            return None;
        }
        let (source, channels) = match &layer.step {
            Step::Affine { input, scale, bias } => {
                let channel =
                    |(scale, bias): (&f64, &f64)| Channel { factors: vec![*scale], offset: *bias };
                (*input, scale.iter().zip(bias).map(channel).collect())
            }
            Step::Layer(FloatOp::Conv { input, groups, weights, bias, .. }) => {
                let channel = |(factors, bias): (&[f32], &f32)| Channel {
                    factors: factors.iter().copied().map(f64::from).collect(),
                    offset: f64::from(*bias),
                };
                (*input, weights.chunks(weights.len() / groups).zip(bias).map(channel).collect())
            }
            _ => return None,
        };
        Some(Self { source, channels, name: layer.name.clone() })
    }

    fn bytes(&self) -> usize {
        self.channels.first().map_or(1, |channel| channel.factors.len())
    }

    /// After `scale[c] * x + bias[c]`.
    fn affine(mut self, scale: &[f64], bias: &[f64]) -> Self {
        for (channel, (scale, bias)) in self.channels.iter_mut().zip(scale.iter().zip(bias)) {
            channel.factors.iter_mut().for_each(|factor| *factor *= scale);
            channel.offset = channel.offset * scale + bias;
        }
        self
    }

    /// The layer that computes it.
    fn step(&self) -> Step {
        let offsets = self.channels.iter().map(|channel| channel.offset);
        let factors = self.channels.iter().flat_map(|channel| &channel.factors);
        if self.bytes() == 1 {
            let scale = factors.copied().collect();
            return Step::Affine { input: self.source, scale, bias: offsets.collect() };
        }
        Step::Layer(FloatOp::Conv {
            input: self.source,
            window: Window::dense([1, 1]),
            groups: self.channels.len(),
            weights: factors.map(|factor| *factor as f32).collect(),
            bias: offsets.map(|offset| offset as f32).collect(),
            function: Function::Identity,
        })
    }
}

/// The layers with the decoding moved as far as it goes.
pub(super) fn spread(
    tensors: &mut Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    output: FloatTensorId,
) -> Vec<RawLayer> {
    let mut spreading = Spreading { tensors, layers: Vec::new(), decoded: HashMap::new() };
    for layer in layers {
        spreading.add(layer);
    }
    if spreading.decoded.contains_key(&output) {
        spreading.make(output, output);
    }
    spreading.layers
}

struct Spreading<'a> {
    tensors: &'a mut Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    /// Tensors of numbers that no layer writes yet.
    decoded: HashMap<FloatTensorId, Decoded>,
}

impl Spreading<'_> {
    fn add(&mut self, mut layer: RawLayer) {
        if let Some(decoded) = Decoded::of(&layer) {
            self.decoded.insert(layer.output, decoded);
            return;
        }
        let moved = match &layer.step {
            Step::Affine { input, scale, bias } => {
                self.decoded.get(input).map(|decoded| decoded.clone().affine(scale, bias))
            }
            Step::Layer(FloatOp::Slice { input, start }) => self.slice(&layer, *input, *start),
            Step::Layer(FloatOp::Concat { inputs }) => self.concat(&layer, inputs),
            _ => None,
        };
        if let Some(decoded) = moved {
            self.decoded.insert(layer.output, decoded);
            return;
        }
        // Others read numbers, each its own copy.
        for input in layer.step.inputs_mut() {
            if self.decoded.contains_key(input) {
                let copy = self.tensors.len();
                self.tensors.push(self.tensors[*input].clone());
                self.make(*input, copy);
                *input = copy;
            }
        }
        self.layers.push(layer);
    }

    /// Appends the layer that makes the numbers of `decoded`.
    fn make(&mut self, decoded: FloatTensorId, output: FloatTensorId) {
        if let Some(decoded) = self.decoded.get(&decoded) {
            let (name, operator) = (decoded.name.clone(), INPUT.to_owned());
            self.layers.push(RawLayer { name, operator, output, step: decoded.step() });
        }
    }

    fn slice(&mut self, layer: &RawLayer, input: FloatTensorId, start: usize) -> Option<Decoded> {
        let decoded = self.decoded.get(&input)?;
        let [channels, height, width] = self.tensors[layer.output].shape;
        let (bytes, source, name) = (decoded.bytes(), decoded.source, decoded.name.clone());
        let channels = decoded.channels.get(start..)?.get(..channels)?.to_vec();
        let op = FloatOp::Slice { input: source, start: start * bytes };
        let source = self.push(layer, [channels.len() * bytes, height, width], op);
        Some(Decoded { source, channels, name })
    }

    fn concat(&mut self, layer: &RawLayer, inputs: &[FloatTensorId]) -> Option<Decoded> {
        let parts = inputs.iter().map(|input| self.decoded.get(input).cloned());
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let first = parts.first()?;
        if parts.iter().any(|part| part.bytes() != first.bytes()) {
            return None;
        }
        let (bytes, name) = (first.bytes(), first.name.clone());
        let [channels, height, width] = self.tensors[layer.output].shape;
        let inputs = parts.iter().map(|part| part.source).collect();
        let op = FloatOp::Concat { inputs };
        let source = self.push(layer, [channels * bytes, height, width], op);
        Some(Decoded {
            source,
            channels: parts.into_iter().flat_map(|p| p.channels).collect(),
            name,
        })
    }

    fn push(&mut self, layer: &RawLayer, shape: Shape, op: FloatOp) -> FloatTensorId {
        let output = self.tensors.len();
        self.tensors.push(FloatTensor { name: self.tensors[layer.output].name.clone(), shape });
        let (name, operator) = (layer.name.clone(), layer.operator.clone());
        self.layers.push(RawLayer { name, operator, output, step: Step::Layer(op) });
        output
    }
}
