//! The supported ONNX operators, each as steps of the float graph.

mod arithmetic;
mod broadcast;
mod cut;
mod elementwise;
mod fold;
mod layout;
mod linear;
mod pad;
mod pooling;
mod quantized;
mod reduce;
mod resize;
pub(crate) mod supported;

use std::rc::Rc;

use self::supported::OPERATORS;
use super::{
    Binary, FloatOp, Function, ImportError, Unary,
    constant::{self, Constant},
    fusion::Step,
    importer::{Importer, Value},
    protobuf::Node,
    shapes, windows,
};

/// Adds one node.
pub(super) fn add(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    if !matches!(node.domain(), "" | "ai.onnx") {
        return Err(node.error(format!(
            "operators of the domain `{}` are not supported; export with standard operators only",
            node.domain()
        )));
    }
    if fold::try_fold(importer, node)? {
        return Ok(());
    }
    let operator = node.operator();
    match OPERATORS.iter().find(|known| known.name == operator) {
        Some(known) => (known.add)(importer, node),
        None => Err(node.error(format!(
            "the operator {operator} is not supported; docs/operators.md lists those that are: \
             convolutions, dense layers, pooling, elementwise functions, sums, products, \
             concatenation, slicing, reshaping, nearest-neighbour resizing and \
             QuantizeLinear/DequantizeLinear"
        ))),
    }
}

/// What passes through unchanged.
fn same(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    importer.bind(node, value)
}

/// A function of the logits that does not change which is the largest.
fn dropped(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let mut value = activation(importer, node, 0)?;
    if value.shape.iter().filter(|size| **size > 1).count() > 1 {
        return Err(node.error(format!(
            "over a tensor of shape {:?}; only a final one over the logits is supported",
            value.shape
        )));
    }
    value.dropped = Some(node.name().into());
    importer.bind(node, value)
}

/// Input `index`, which must depend on the network's input.
fn activation(
    importer: &Importer<'_>,
    node: &Node<'_>,
    index: usize,
) -> Result<Value, ImportError> {
    let name = node.input(index).ok_or_else(|| node.error(format!("input {index} is missing")))?;
    if importer.constants.contains_key(name) {
        return Err(
            node.error(format!("its input `{name}` is a constant; an activation is needed"))
        );
    }
    let value = importer.values.get(name).ok_or_else(|| unknown(node, name))?;
    if let Some(dropped) = &value.dropped
        && !matches!(node.operator(), "Identity" | "Cast" | "Reshape" | "Flatten" | "Squeeze")
        && node.operator() != "ArgMax"
    {
        return Err(node.error(format!(
            "it follows the operator `{dropped}`, which is supported only at the very end"
        )));
    }
    Ok(value.clone())
}

/// As [`activation`], with no padding waiting to be applied.
fn unpadded(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    index: usize,
) -> Result<Value, ImportError> {
    let value = activation(importer, node, index)?;
    pad::applied(importer, node, value)
}

/// The value as an image of which the tensor has the channels in the order of the file: shuffled
/// channels are put in order.
fn image(importer: &mut Importer<'_>, node: &Node<'_>, value: Value) -> Result<Value, ImportError> {
    let Some(order) = &value.order else { return Ok(value) };
    let [channels, height, width] = importer.shape(&value);
    let plane = height * width;
    let first: Vec<usize> = order.iter().step_by(plane).map(|at| *at as usize / plane).collect();
    let shuffled = first.len() == channels
        && order.iter().enumerate().all(|(index, element)| {
            *element as usize == first[index / plane] * plane + index % plane
        });
    if !shuffled {
        return Ok(value);
    }
    let tensor = cut::pick_channels(importer, node, value.tensor, &first)?;
    Ok(Value { tensor, order: None, ..value })
}

/// The value with its waiting padding, unless that is too large for the window that reads it: then
/// the padding becomes part of the tensor.
fn for_window(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: Value,
    kernel: &[usize],
) -> Result<Value, ImportError> {
    if value.pads == [0; 4] {
        return Ok(value);
    }
    let shape = importer.spatial(node, &value)?;
    let window = windows::declared_window(node, kernel, shape, value.pads)?;
    let fits = |extent: [usize; 2]| (0..4).all(|side| window.pads[side] < extent[side % 2]);
    if window.extent().is_some_and(fits) { Ok(value) } else { pad::applied(importer, node, value) }
}

/// The value is an image whose channels are the last axis in the file.
fn is_channels_last(value: &Value, shape: [usize; 3]) -> bool {
    let [channels, height, width] = shape;
    value.shape == [1, height, width, channels]
        && value.order == super::importer::ordered(super::importer::channels_last_order(shape))
}

fn unknown(node: &Node<'_>, name: &str) -> ImportError {
    node.error(format!(
        "its input `{name}` is not made by any node before it (missing, or a cycle)"
    ))
}

/// Input `index`, which must be a constant; `None` when it is absent.
fn optional_constant(
    importer: &Importer<'_>,
    node: &Node<'_>,
    index: usize,
) -> Result<Option<Rc<Constant>>, ImportError> {
    let Some(name) = node.input(index) else { return Ok(None) };
    if let Some(constant) = importer.constants.get(name) {
        return Ok(Some(constant.clone()));
    }
    if importer.values.contains_key(name) {
        return Err(node.error(format!(
            "its input {index} (`{name}`) depends on the network's input; it must be a constant"
        )));
    }
    Err(unknown(node, name))
}

fn required_constant(
    importer: &Importer<'_>,
    node: &Node<'_>,
    index: usize,
) -> Result<Rc<Constant>, ImportError> {
    optional_constant(importer, node, index)?
        .ok_or_else(|| node.error(format!("input {index} is missing")))
}

/// An integer list given as attribute (older operator sets) or as constant input (newer ones).
fn integers(
    importer: &Importer<'_>,
    node: &Node<'_>,
    attribute: &str,
    input: usize,
) -> Result<Option<Vec<i64>>, ImportError> {
    if let Some(values) = node.ints(attribute) {
        return Ok(Some(values.to_vec()));
    }
    Ok(optional_constant(importer, node, input)?.map(|constant| constant.integers()))
}
