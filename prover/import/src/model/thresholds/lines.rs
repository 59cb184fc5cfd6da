//! Which elements of a network are straight lines of one number of its input.

use super::super::{
    FloatOp, FloatTensor, FloatTensorId, Function,
    raw_layer::{RawLayer, Step},
    rows::transposed,
};
use assay_graph::{Shape, Window};

/// Larger tensors are not followed.
const MOST_ELEMENTS: usize = 1 << 16;
/// Steps that are followed in all.
const MOST_STEPS: usize = 1 << 25;

/// What an element is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Element {
    /// The same whatever the input.
    Constant(f64),
    /// `slope * x + offset` of the number `x` at `number`, the slope not 0.
    Line { number: usize, slope: f64, offset: f64 },
    /// Something else.
    Other,
}

impl Element {
    /// `slope` times it, and `offset`.
    fn affine(self, by: f64, plus: f64) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value * by + plus),
            Self::Line { offset, .. } if by == 0.0 => {
                // Activations are finite.
                if offset.is_finite() { Self::Constant(plus) } else { Self::Other }
            }
            Self::Line { number, slope, offset } => {
                Self::Line { number, slope: slope * by, offset: offset * by + plus }
            }
            Self::Other if by == 0.0 => Self::Constant(plus),
            Self::Other => Self::Other,
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Constant(value), other) | (other, Self::Constant(value)) => {
                other.affine(1.0, value)
            }
            (
                Self::Line { number, slope, offset },
                Self::Line { number: same, slope: more, offset: plus },
            ) if number == same => {
                let (slope, offset) = (slope + more, offset + plus);
                if slope == 0.0 {
                    Self::Constant(offset)
                } else {
                    Self::Line { number, slope, offset }
                }
            }
            _ => Self::Other,
        }
    }

    /// The same of its channel's first number, for one at `place` of the channel; `None` if it lies elsewhere.
    pub(super) fn at_channel(self, plane: usize, place: usize) -> Option<Self> {
        match self {
            Self::Line { number, slope, offset } => (number % plane == place)
                .then_some(Self::Line { number: number - place, slope, offset }),
            other => Some(other),
        }
    }
}

/// The elements of tensors, as far as they are known.
pub(super) struct Lines<'a> {
    tensors: &'a [FloatTensor],
    known: Vec<Option<Vec<Element>>>,
    steps: usize,
}

impl<'a> Lines<'a> {
    /// Of tensors that layers make of `numbers`, in order.
    pub(super) fn of(
        tensors: &'a [FloatTensor],
        layers: &[RawLayer],
        numbers: FloatTensorId,
    ) -> Lines<'static> {
        let mut lines = Lines { tensors, known: vec![None; tensors.len()], steps: 0 };
        let count = tensors[numbers].shape.iter().product::<usize>();
        if count <= MOST_ELEMENTS {
            let line = |number| Element::Line { number, slope: 1.0, offset: 0.0 };
            lines.known[numbers] = Some((0..count).map(line).collect());
            for layer in layers.iter().filter(|layer| layer.output != numbers) {
                let elements = lines.made(layer);
                lines.known[layer.output] =
                    elements.filter(|elements| elements.iter().any(|e| *e != Element::Other));
            }
        }
        Lines { tensors: &[], known: lines.known, steps: 0 }
    }

    /// Elements of a tensor, `[channels, height, width]` row by row.
    pub(super) fn known(&self, tensor: FloatTensorId) -> Option<&[Element]> {
        self.known.get(tensor)?.as_deref()
    }

    fn shape(&self, tensor: FloatTensorId) -> Shape {
        self.tensors[tensor].shape
    }

    /// Elements of a tensor, of which nothing may be known.
    fn elements(&self, tensor: FloatTensorId) -> Option<Vec<Element>> {
        self.known[tensor].clone()
    }

    fn made(&mut self, layer: &RawLayer) -> Option<Vec<Element>> {
        let shape = self.shape(layer.output);
        let count = shape.iter().product::<usize>();
        self.steps = self.steps.saturating_add(count);
        if count > MOST_ELEMENTS || self.steps > MOST_STEPS {
            return None;
        }
        let plane = shape[1] * shape[2];
        match &layer.step {
            Step::Affine { input, scale, bias } => {
                let elements = self.elements(*input)?.into_iter().enumerate();
                Some(
                    elements.map(|(at, x)| x.affine(scale[at / plane], bias[at / plane])).collect(),
                )
            }
            Step::Apply { input, function } => {
                let (slope, offset) = function.line()?;
                let elements = self.elements(*input)?.into_iter();
                Some(elements.map(|x| x.affine(slope, offset)).collect())
            }
            Step::Layer(op) => self.layer(op, shape),
        }
    }

    fn layer(&mut self, op: &FloatOp, shape @ [_, height, width]: Shape) -> Option<Vec<Element>> {
        let plane = height * width;
        let count = shape.iter().product::<usize>();
        match op {
            FloatOp::Slice { input, start } => {
                Some(self.elements(*input)?.get(start * plane..)?.get(..count)?.to_vec())
            }
            FloatOp::Concat { inputs } => {
                let parts = inputs.iter().map(|input| {
                    let missing = self.shape(*input).iter().product::<usize>();
                    self.elements(*input).unwrap_or_else(|| vec![Element::Other; missing])
                });
                Some(parts.collect::<Vec<_>>().concat())
            }
            FloatOp::Transpose { input, groups, function: Function::Identity } => {
                let elements = self.elements(*input)?;
                let places = (0..elements.len() as u32).collect::<Vec<_>>();
                let places = transposed(&places, self.shape(*input), *groups);
                Some(places.into_iter().map(|place| elements[place as usize]).collect())
            }
            FloatOp::Resize { input, factor, zeros } => {
                let [_, rows, columns] = self.shape(*input);
                let elements = self.elements(*input)?;
                let source = |at: usize| {
                    let (channel, place) = (at / plane, at % plane);
                    let (y, x) = (place / width, place % width);
                    if *zeros && (y % factor[0], x % factor[1]) != (0, 0) {
                        return Element::Constant(0.0);
                    }
                    elements[(channel * rows + y / factor[0]) * columns + x / factor[1]]
                };
                Some((0..count).map(source).collect())
            }
            FloatOp::Sum { inputs, constant, function: Function::Identity } => {
                let mut sums = vec![Element::Constant(*constant); count];
                for (input, coefficient) in inputs {
                    let elements = self.elements(*input)?;
                    for (sum, x) in sums.iter_mut().zip(elements) {
                        *sum = sum.plus(x.affine(*coefficient, 0.0));
                    }
                }
                Some(sums)
            }
            FloatOp::Conv {
                input,
                window,
                groups,
                weights,
                bias,
                function: Function::Identity,
            } => self.convolved(*input, window, *groups, (weights, bias), shape),
            _ => None,
        }
    }

    fn convolved(
        &mut self,
        input: FloatTensorId,
        window: &Window,
        groups: usize,
        (weights, bias): (&[f32], &[f32]),
        [outputs, height, width]: Shape,
    ) -> Option<Vec<Element>> {
        let [channels, rows, columns] = self.shape(input);
        let (depth, in_group) = (channels / groups, outputs / groups);
        let [kernel_h, kernel_w] = window.kernel;
        let work = weights.len().saturating_mul(height * width);
        self.steps = self.steps.saturating_add(work);
        if self.steps > MOST_STEPS {
            return None;
        }
        // A constant is a layer whose weights are all 0, whatever it reads.
        let unknown = weights.iter().all(|weight| *weight == 0.0);
        let elements = match self.elements(input) {
            Some(elements) => elements,
            None if unknown => vec![Element::Other; channels * rows * columns],
            None => return None,
        };
        let inside = |at: usize, tap: usize, axis: usize, size: usize| {
            let padded = at * window.stride[axis] + tap * window.dilation[axis];
            padded.checked_sub(window.pads[axis]).filter(|real| *real < size)
        };
        let mut result = Vec::with_capacity(outputs * height * width);
        for (output, row) in weights.chunks(depth * kernel_h * kernel_w).enumerate() {
            let first = output / in_group * depth;
            let used = row.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            let used = used.collect::<Vec<_>>();
            for place in 0..height * width {
                let mut sum = Element::Constant(f64::from(bias[output]));
                for (tap, weight) in &used {
                    let (channel, tap) = (tap / (kernel_h * kernel_w), tap % (kernel_h * kernel_w));
                    let y = inside(place / width, tap / kernel_w, 0, rows);
                    let x = inside(place % width, tap % kernel_w, 1, columns);
                    if let (Some(y), Some(x)) = (y, x) {
                        let element = elements[((first + channel) * rows + y) * columns + x];
                        sum = sum.plus(element.affine(f64::from(**weight), 0.0));
                    }
                    if sum == Element::Other {
                        break;
                    }
                }
                result.push(sum);
            }
        }
        Some(result)
    }
}
