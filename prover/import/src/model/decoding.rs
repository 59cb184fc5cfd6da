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
    /// The bytes of a number lie side by side in one channel instead.
    along: bool,
}

/// A join of numbers made of bytes, whose sizes differ much, with others: what reads it reads its parts.
#[derive(Clone)]
struct Joined {
    parts: Vec<FloatTensorId>,
    layer: RawLayer,
}

/// Sizes of joined numbers that differ by less are left as they are.
const LEAST_RATIO: f64 = 8.0;

/// One channel of numbers: the sum of its bytes times their factors, and the offset.
#[derive(Clone, PartialEq)]
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
        Some(Self { source, channels, name: layer.name.clone(), along: false })
    }

    /// All channels alike: their numbers may stand for each other's.
    fn uniform(&self) -> Option<Channel> {
        let first = self.channels.first()?;
        self.channels.iter().all(|channel| channel == first).then(|| first.clone())
    }

    /// The largest size of a number over the least, counting 1 as that of what they are joined with.
    fn ratio(&self) -> f64 {
        let sizes = self.channels.iter().map(|channel| {
            let reach = |sign: f64| {
                channel.factors.iter().map(|factor| 255.0 * (sign * factor).max(0.0)).sum::<f64>()
            };
            (channel.offset - reach(-1.0)).abs().max((channel.offset + reach(1.0)).abs())
        });
        let sizes = sizes.filter(|size| *size > 0.0);
        let (least, most) = sizes.fold((1f64, 1f64), |(l, m), size| (l.min(size), m.max(size)));
        most / least
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
        let bytes = self.bytes();
        let window = if self.along {
            Window { stride: [1, bytes], ..Window::dense([1, bytes]) }
        } else {
            Window::dense([1, 1])
        };
        Step::Layer(FloatOp::Conv {
            input: self.source,
            window,
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
    let (decoded, joined) = (HashMap::new(), HashMap::new());
    let mut spreading = Spreading { tensors, layers: Vec::new(), decoded, joined };
    for layer in layers {
        spreading.add(layer);
    }
    if spreading.decoded.contains_key(&output) {
        spreading.make(output, output);
    }
    spreading.join(output);
    spreading.layers
}

struct Spreading<'a> {
    tensors: &'a mut Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    /// Tensors of numbers that no layer writes yet.
    decoded: HashMap<FloatTensorId, Decoded>,
    /// Joins that no layer makes yet.
    joined: HashMap<FloatTensorId, Joined>,
}

impl Spreading<'_> {
    fn add(&mut self, layer: RawLayer) {
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
            Step::Layer(FloatOp::Transpose { input, groups: 1, function: Function::Identity }) => {
                self.transpose(&layer, *input)
            }
            _ => None,
        };
        if let Some(decoded) = moved {
            self.decoded.insert(layer.output, decoded);
            return;
        }
        if self.is_joined(&layer) || self.is_scaled(&layer) || self.is_read_apart(&layer) {
            return;
        }
        for input in layer.step.inputs() {
            self.join(input);
        }
        self.read(layer);
    }

    /// Appends the layer that makes the numbers of `decoded`.
    fn make(&mut self, decoded: FloatTensorId, output: FloatTensorId) {
        if let Some(decoded) = self.decoded.get(&decoded) {
            let (name, operator) = (decoded.name.clone(), INPUT.to_owned());
            self.layers.push(RawLayer { name, operator, output, step: decoded.step() });
        }
    }

    fn slice(&mut self, layer: &RawLayer, input: FloatTensorId, start: usize) -> Option<Decoded> {
        let decoded = self.decoded.get(&input).filter(|decoded| !decoded.along)?;
        let [channels, height, width] = self.tensors[layer.output].shape;
        let (bytes, source, name) = (decoded.bytes(), decoded.source, decoded.name.clone());
        let channels = decoded.channels.get(start..)?.get(..channels)?.to_vec();
        let op = FloatOp::Slice { input: source, start: start * bytes };
        let source = self.push(layer, [channels.len() * bytes, height, width], op);
        Some(Decoded { source, channels, name, along: false })
    }

    fn concat(&mut self, layer: &RawLayer, inputs: &[FloatTensorId]) -> Option<Decoded> {
        let parts = inputs.iter().map(|input| self.decoded.get(input).cloned());
        let parts = parts.collect::<Option<Vec<_>>>()?;
        let first = parts.first()?;
        if parts.iter().any(|part| part.bytes() != first.bytes() || part.along) {
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
            along: false,
        })
    }

    /// Numbers that are channels of one place each, brought into one channel, as ids of a table are.
    fn transpose(&mut self, layer: &RawLayer, input: FloatTensorId) -> Option<Decoded> {
        let decoded = self.decoded.get(&input).filter(|decoded| !decoded.along)?;
        let [channels, height, width] = self.tensors[input].shape;
        if height * width != 1 || self.tensors[layer.output].shape != [1, 1, channels] {
            return None;
        }
        let (channel, bytes) = (decoded.uniform()?, decoded.bytes());
        let (source, name) = (decoded.source, decoded.name.clone());
        let op = FloatOp::Transpose { input: source, groups: 1, function: Function::Identity };
        let source = self.push(layer, [1, 1, channels * bytes], op);
        Some(Decoded { source, channels: vec![channel], name, along: bytes > 1 })
    }

    /// Keeps a join of numbers of different sizes with others apart.
    fn is_joined(&mut self, layer: &RawLayer) -> bool {
        let Step::Layer(FloatOp::Concat { inputs }) = &layer.step else { return false };
        let decoded = inputs.iter().filter_map(|input| self.decoded.get(input));
        let differ = decoded.into_iter().any(|decoded| decoded.ratio() >= LEAST_RATIO);
        if differ {
            let parts = inputs.clone();
            self.joined.insert(layer.output, Joined { parts, layer: layer.clone() });
        }
        differ
    }

    /// An affine step behind such a join: one for each part.
    fn is_scaled(&mut self, layer: &RawLayer) -> bool {
        let Step::Affine { input, scale, bias } = &layer.step else { return false };
        let Some(joined) = self.joined.get(input).cloned() else { return false };
        let (mut parts, mut first) = (Vec::with_capacity(joined.parts.len()), 0);
        for part in joined.parts {
            let shape = self.tensors[part].shape;
            let own = first..first + shape[0];
            first = own.end;
            let (Some(scale), Some(bias)) = (scale.get(own.clone()), bias.get(own)) else {
                return false;
            };
            let output = self.tensors.len();
            self.tensors.push(FloatTensor { name: self.tensors[layer.output].name.clone(), shape });
            let (scale, bias) = (scale.to_vec(), bias.to_vec());
            self.add(RawLayer {
                output,
                step: Step::Affine { input: part, scale, bias },
                ..layer.clone()
            });
            parts.push(output);
        }
        let concat = Step::Layer(FloatOp::Concat { inputs: parts.clone() });
        let layer = RawLayer { step: concat, ..layer.clone() };
        self.joined.insert(layer.output, Joined { parts, layer });
        true
    }

    /// A convolution of one place that reads such a join: the sum of one for each part.
    fn is_read_apart(&mut self, layer: &RawLayer) -> bool {
        let Step::Layer(FloatOp::Conv { input, window, groups: 1, weights, bias, function }) =
            &layer.step
        else {
            return false;
        };
        let Some(joined) = self.joined.get(input).cloned() else { return false };
        if window.kernel != [1, 1] || window.pads != [0; 4] {
            return false;
        }
        let (shape, depth) = (self.tensors[layer.output].shape, weights.len() / bias.len());
        let (mut sums, mut first) = (Vec::with_capacity(joined.parts.len()), 0);
        for part in joined.parts {
            let channels = self.tensors[part].shape[0];
            let own = weights.chunks(depth).flat_map(|row| &row[first..first + channels]);
            let op = FloatOp::Conv {
                input: part,
                window: *window,
                groups: 1,
                weights: own.copied().collect(),
                bias: if first == 0 { bias.clone() } else { vec![0.0; bias.len()] },
                function: Function::Identity,
            };
            first += channels;
            let output = self.tensors.len();
            self.tensors.push(FloatTensor { name: self.tensors[layer.output].name.clone(), shape });
            self.add(RawLayer { output, step: Step::Layer(op), ..layer.clone() });
            sums.push((output, 1.0));
        }
        let op = FloatOp::Sum { inputs: sums, constant: 0.0, function: function.clone() };
        self.layers.push(RawLayer { step: Step::Layer(op), ..layer.clone() });
        true
    }

    /// Makes a join that has been kept apart.
    fn join(&mut self, tensor: FloatTensorId) {
        let Some(Joined { layer, parts }) = self.joined.remove(&tensor) else { return };
        for part in parts {
            self.join(part);
        }
        self.read(layer);
    }

    /// Appends a layer that reads numbers, each its own copy.
    fn read(&mut self, mut layer: RawLayer) {
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

    fn push(&mut self, layer: &RawLayer, shape: Shape, op: FloatOp) -> FloatTensorId {
        let output = self.tensors.len();
        self.tensors.push(FloatTensor { name: self.tensors[layer.output].name.clone(), shape });
        let (name, operator) = (layer.name.clone(), layer.operator.clone());
        self.layers.push(RawLayer { name, operator, output, step: Step::Layer(op) });
        output
    }
}
