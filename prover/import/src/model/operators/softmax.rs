//! Softmax and LogSoftmax inside a network.

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Unary, Value, activation, arrange, pad,
    windows,
};
use crate::model::{FinalOperator, FloatTensorId, importer::Dropped};
use assay_graph::Window;

/// Softmax and LogSoftmax: at the very end they are left out, as they keep the order of the logits; over
/// several vectors, as in a map of classes, they do not.
pub(in crate::model) fn softmax(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let output = node.outputs().first().map_or("", String::as_str);
    let value = activation(importer, node, 0)?;
    let is_vector = value.shape.iter().filter(|size| **size > 1).count() <= 1;
    if is_vector && importer.outlook.may_leave_out(output) {
        return dropped(importer, node);
    }
    let value = pad::applied(importer, node, value)?;
    let axes = axes(importer, node, value.shape.len())?;
    let value = inside(importer, node, &value, &axes)?;
    importer.bind(node, value)
}

/// An operator that is left out: it does not change which logit is the largest.
pub(in crate::model) fn dropped(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut value = activation(importer, node, 0)?;
    if value.shape.iter().filter(|size| **size > 1).count() > 1 {
        return Err(node.error(format!(
            "over a tensor of shape {:?} at the end of the network, where only one over a vector of \
             logits is supported",
            value.shape
        )));
    }
    let mut operators = value.dropped.take().map_or_else(Vec::new, |before| before.operators);
    operators.push(match node.operator() {
        "Softmax" => FinalOperator::Softmax,
        "LogSoftmax" => FinalOperator::LogSoftmax,
        _ => FinalOperator::ArgMax,
    });
    value.dropped = Some(Dropped { node: node.name().into(), operators });
    importer.bind(node, value)
}

/// The axes that a Softmax runs over: one, or in older operator sets all from one on.
pub(in crate::model) fn axes(
    importer: &Importer<'_>,
    node: &Node<'_>,
    rank: usize,
) -> Result<Vec<usize>, ImportError> {
    let old = importer.source.opset() < 13;
    let axis = windows::axis(node, node.int("axis", if old { 1 } else { -1 }), rank)?;
    Ok(if old { (axis..rank).collect() } else { vec![axis] })
}

/// The Softmax of `value` over `axes`, or its logarithm for a LogSoftmax node:
/// `exp(x - m - ln(sum of exp(x - m)))`, with `m` the largest `x`. The sum is between 1 and the
/// number of its terms, so its logarithm is small and precise, and no product is needed.
pub(in crate::model) fn inside(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axes: &[usize],
) -> Result<Value, ImportError> {
    let rest = arrange::others(value.shape.len(), axes);
    let (value, _) = arrange::with_channels(importer, node, value, &rest)?;
    let (largest, sum) = largest_and_sum(importer, node, value.tensor)?;
    let stored @ [channels, height, width] = importer.shape(&value);
    let log = Function::unary(Unary::Log, Function::clip(Some(1.0), None).after(sum.1));
    let log = apply(importer, node, sum.0, log)?;
    let total = add(importer, node, [channels, 1, 1], &[(largest, 1.0), (log, 1.0)])?;
    let op = FloatOp::Resize { input: total, factor: [height, width], zeros: false };
    let total = importer.push(node, stored, Step::Layer(op))?;
    let mut tensor = add(importer, node, stored, &[(value.tensor, 1.0), (total, -1.0)])?;
    if node.operator() != "LogSoftmax" {
        tensor = apply(importer, node, tensor, negative_exp())?;
    }
    Ok(Value { tensor, ..value })
}

/// `ln(sum of exp(x))` of each channel of a tensor.
pub(in crate::model) fn log_sum_exp(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    tensor: FloatTensorId,
) -> Result<FloatTensorId, ImportError> {
    let [channels, ..] = importer.tensors[tensor].shape;
    let (largest, sum) = largest_and_sum(importer, node, tensor)?;
    let log = Function::unary(Unary::Log, Function::clip(Some(1.0), None).after(sum.1));
    let log = apply(importer, node, sum.0, log)?;
    add(importer, node, [channels, 1, 1], &[(largest, 1.0), (log, 1.0)])
}

/// `e^x` where `x` is never positive but for rounding.
fn negative_exp() -> Function {
    Function::unary(Unary::Exp, Function::clip(None, Some(0.0)))
}

/// For each channel of a tensor the largest element, and a tensor and a function that together give
/// the sum of `e` to the differences from it.
fn largest_and_sum(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: FloatTensorId,
) -> Result<(FloatTensorId, (FloatTensorId, Function)), ImportError> {
    let stored @ [channels, height, width] = importer.tensors[input].shape;
    let window = Window::dense([height, width]);
    let largest = largest(importer, node, input)?;
    let op = FloatOp::Resize { input: largest, factor: [height, width], zeros: false };
    let wide = importer.push(node, stored, Step::Layer(op))?;
    let below = add(importer, node, stored, &[(input, 1.0), (wide, -1.0)])?;
    let powers = apply(importer, node, below, negative_exp())?;
    let op = FloatOp::MeanPool { input: powers, window, function: Function::Identity };
    let mean = importer.push(node, [channels, 1, 1], Step::Layer(op))?;
    Ok((largest, (mean, Function::affine((height * width) as f64, 0.0))))
}

/// The largest element of each channel. Of a long line by windows of a few places, then by windows of their
/// results: each place of a window is a tile of its own, whose rows hold as many neighbours as there are windows.
fn largest(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: FloatTensorId,
) -> Result<FloatTensorId, ImportError> {
    const PLACES: usize = 4;
    let mut input = input;
    loop {
        let [channels, height, width] = importer.tensors[input].shape;
        if height > 1 || width < 2 * PLACES {
            let op = FloatOp::MaxPool { input, window: Window::dense([height, width]) };
            return importer.push(node, [channels, 1, 1], Step::Layer(op));
        }
        let windows = width.div_ceil(PLACES);
        let window = Window {
            stride: [1, PLACES],
            pads: [0, 0, 0, windows * PLACES - width],
            ..Window::dense([1, PLACES])
        };
        let op = FloatOp::MaxPool { input, window };
        input = importer.push(node, [channels, 1, windows], Step::Layer(op))?;
    }
}

fn apply(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: FloatTensorId,
    function: Function,
) -> Result<FloatTensorId, ImportError> {
    let shape = importer.tensors[input].shape;
    importer.push(node, shape, Step::Apply { input, function })
}

fn add(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    shape: [usize; 3],
    inputs: &[(FloatTensorId, f64)],
) -> Result<FloatTensorId, ImportError> {
    let op = FloatOp::Sum { inputs: inputs.to_vec(), constant: 0.0, function: Function::Identity };
    importer.push(node, shape, Step::Layer(op))
}
