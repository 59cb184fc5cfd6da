//! Sums of products as one layer: rounded by themselves, products lose what their sum would keep.

use crate::model::{Binary, FloatOp, FloatTensor, FloatTensorId, Function, raw_layer::Step};
use assay_graph::{Shape, Window};

/// Replaces a sum or mean of products, over channels or over whole planes, by one layer over the
/// factors. Returns the tensors that it reads once more than the products did; `None` where it is
/// nothing of the kind.
pub(super) fn absorb(
    step: &mut Step,
    before: &Step,
    tensors: &[FloatTensor],
) -> Option<Vec<FloatTensorId>> {
    let Step::Layer(op) = step else { return None };
    let input = *op.inputs().first()?;
    let sum = Sum::of(op, tensors[input].shape)?;
    let function = op.function()?.clone();
    let (dot, again) = match before {
        Step::Layer(FloatOp::Product { inputs, function: Function::Identity })
            if inputs.map(|input| tensors[input].shape) == [tensors[input].shape; 2] =>
        {
            (sum.over(*inputs, function), Vec::new())
        }
        Step::Apply { input, function: inner } if is_square(inner) => {
            (sum.over([*input; 2], function), vec![*input])
        }
        // Planes are summed already, and now the channels.
        Step::Layer(FloatOp::Dot {
            inputs,
            planes: true,
            factor,
            function: Function::Identity,
            ..
        }) => {
            let sum = Sum { planes: true, factor: sum.factor * factor, ..sum };
            (sum.over(*inputs, function), Vec::new())
        }
        _ => return None,
    };
    *op = dot;
    Some(again)
}

/// What is summed, and times what.
struct Sum {
    groups: usize,
    planes: bool,
    factor: f64,
}

impl Sum {
    /// The layer as a sum with one positive factor over neighbouring channels, or over planes.
    fn of(op: &FloatOp, [channels, height, width]: Shape) -> Option<Self> {
        match op {
            FloatOp::Conv { window, groups, weights, bias, .. } => {
                let factor = f64::from(*weights.first()?);
                let plain = *window == Window::dense([1, 1])
                    && *groups == bias.len()
                    && *groups < channels
                    && bias.iter().all(|bias| *bias == 0.0)
                    && weights.iter().all(|weight| *weight == weights[0])
                    && factor > 0.0;
                plain.then_some(Self { groups: *groups, planes: false, factor })
            }
            FloatOp::MeanPool { window, .. } => {
                let plane = height * width;
                let whole = *window == Window::dense([height, width]) && plane > 1;
                let factor = 1.0 / plane as f64;
                whole.then_some(Self { groups: channels, planes: true, factor })
            }
            _ => None,
        }
    }

    fn over(self, inputs: [FloatTensorId; 2], function: Function) -> FloatOp {
        let Self { groups, planes, factor } = self;
        FloatOp::Dot { inputs, groups, planes, factor, function }
    }
}

fn is_square(function: &Function) -> bool {
    let two = Function::Constant(2.0);
    *function == Function::binary(Binary::Pow, Function::Identity, two)
        || *function == Function::binary(Binary::Mul, Function::Identity, Function::Identity)
}
