//! Constants as tensors, for where no layer can take them as weights.

use super::{
    Constant, FloatOp, Function, ImportError, Importer, Node, Step, Value, arrange, channels,
    shapes,
};
use crate::model::{FloatTensorId, constant::broadcast_shape};
use assay_graph::{Shape, Window};

/// The constant as a value that fits `value` in an elementwise operation, stored as that is.
pub(in crate::model) fn like(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    constant: &Constant,
    value: &Value,
) -> Result<Value, ImportError> {
    let joint = broadcast_shape(&value.shape, &constant.shape);
    if joint.as_ref() != Some(&value.shape) {
        return alone(importer, node, constant);
    }
    let stored = importer.shape(value);
    let count = stored.iter().product();
    importer.reserve(2 * count).map_err(|problem| node.error(problem))?;
    let offsets = shapes::broadcast_offsets(&constant.shape, &value.shape)
        .ok_or_else(|| node.error("a constant that does not fit"))?;
    let mut values = vec![0.0; count];
    for (index, offset) in offsets.into_iter().enumerate() {
        values[arrange::element(value, index)] = constant.values[offset];
    }
    let tensor = tensor(importer, node, stored, &values)?;
    Ok(Value { tensor, ..value.clone() })
}

/// The constant as a value of its own shape: its last axis as channels.
pub(in crate::model) fn alone(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    constant: &Constant,
) -> Result<Value, ImportError> {
    let shape = constant.shape.clone();
    let channels = shape.last().copied().unwrap_or(1);
    let places = constant.values.len().checked_div(channels).unwrap_or(0);
    if places == 0 {
        return Err(node.error("a constant without elements"));
    }
    let stored = [channels, 1, places];
    let flat = Constant { shape: vec![places, channels], values: constant.values.clone() };
    let tensor = tensor(importer, node, stored, &flat.transpose(&[1, 0]).values)?;
    let split = arrange::Split {
        channels: (0..channels as u32).collect(),
        places: (0..places as u32).collect(),
    };
    let axes: Vec<usize> = shape.len().checked_sub(1).into_iter().collect();
    let order = arrange::order_of(importer, node, &shape, &axes, &split)?;
    Ok(Value { tensor, shape, order, pads: [0; 4], dropped: None })
}

/// A tensor with these values whatever the input: a convolution of a single 1, padded so that each
/// weight of its kernel meets it once.
pub(in crate::model) fn tensor(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    shape @ [channels, height, width]: Shape,
    values: &[f64],
) -> Result<FloatTensorId, ImportError> {
    let input = one(importer, node)?;
    let (more_h, more_w) = (height - 1, width - 1);
    let window =
        Window { pads: [more_h, more_w, more_h, more_w], ..Window::dense([height, width]) };
    let plane = height * width;
    let weights =
        values.chunks(plane).flat_map(|plane| plane.iter().rev().map(|x| *x as f32)).collect();
    let op = FloatOp::Conv {
        input,
        window,
        groups: 1,
        weights,
        bias: vec![0.0; channels],
        function: Function::Identity,
    };
    importer.push(node, shape, Step::Layer(op))
}

/// One element that is 1, of which the network needs one.
fn one(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<FloatTensorId, ImportError> {
    if let Some(known) = importer.one {
        return Ok(known);
    }
    let input = importer.input;
    let [_, height, width] = importer.tensors[input].shape;
    let input = channels::pick_channels(importer, node, input, &[0])?;
    let op = FloatOp::Conv {
        input,
        window: Window { stride: [height, width], ..Window::dense([1, 1]) },
        groups: 1,
        weights: vec![0.0],
        bias: vec![1.0],
        function: Function::Identity,
    };
    let tensor = importer.push(node, [1, 1, 1], Step::Layer(op))?;
    importer.one = Some(tensor);
    Ok(tensor)
}
