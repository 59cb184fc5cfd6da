//! The operators, each as steps of the float graph, and what they share.

pub(super) mod arithmetic;
pub(super) mod arrange;
pub(super) mod branch;
pub(super) mod broadcast;
pub(super) mod channels;
pub(super) mod contract;
pub(super) mod copies;
pub(super) mod cut;
pub(super) mod elementwise;
pub(super) mod fold;
pub(super) mod gather;
pub(super) mod integers;
pub(super) mod interpolate;
pub(super) mod join;
pub(super) mod kinds;
pub(super) mod layout;
pub(super) mod linear;
pub(super) mod logic;
pub(super) mod loops;
pub(super) mod materialize;
pub(super) mod ml;
pub(super) mod normalize;
pub(super) mod pad;
pub(super) mod parts;
pub(super) mod pooling;
pub(super) mod quantized;
pub(super) mod ranks;
pub(super) mod recurrent;
pub(super) mod reduce;
pub(super) mod repeat;
pub(super) mod resize;
pub(super) mod softmax;
pub(super) mod transposed;
pub(super) mod volumes;

use std::rc::Rc;

use super::{
    Binary, FinalOperator, FloatOp, Function, ImportError, Unary,
    constant::{self, Constant},
    importer::{Importer, Value},
    protobuf::Node,
    raw_layer::Step,
    shapes, windows,
};

/// Input `index`, which must depend on the network's input.
pub(super) fn activation(
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
        && !after_the_end(node.operator())
    {
        return Err(ImportError::AfterEnd {
            node: node.name().into(),
            operator: node.operator().into(),
            left_out: dropped.node.clone(),
        });
    }
    Ok(value.clone())
}

/// What may follow operators that were left out: it changes neither the order nor the number of
/// the logits, or it names the largest of them.
pub(super) fn after_the_end(operator: &str) -> bool {
    matches!(
        operator,
        "Identity"
            | "Cast"
            | "Reshape"
            | "Flatten"
            | "Squeeze"
            | "ArgMax"
            | "ZipMap"
            | "Normalizer"
            | "ArrayFeatureExtractor"
            | "LabelEncoder"
    )
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

/// The value as an image of which the tensor is what the file says, or padding that waits is left
/// in the way.
fn image(importer: &mut Importer<'_>, node: &Node<'_>, value: Value) -> Result<Value, ImportError> {
    let stored = importer.shape(&value);
    let wanted = match *value.shape.as_slice() {
        [1, channels, height, width] => [channels, height, width],
        [1, channels, length] => [channels, 1, length],
        _ => return Ok(value),
    };
    if stored == wanted && value.order.is_none() {
        return Ok(value);
    }
    // Shuffled channels only: padding may go on waiting.
    let pads = value.pads;
    let plain = Value { pads: [0; 4], ..value.clone() };
    if stored == wanted
        && arrange::split(importer, &value, &[1]).is_some_and(|split| {
            split.places.iter().enumerate().all(|(index, place)| index == *place as usize)
        })
    {
        let image = arrange::store(importer, node, &plain, wanted, None)?;
        return Ok(Value { pads, ..image });
    }
    let value = pad::applied(importer, node, value)?;
    let wanted = match *value.shape.as_slice() {
        [1, channels, height, width] => [channels, height, width],
        [1, channels, length] => [channels, 1, length],
        _ => return Ok(value),
    };
    arrange::store(importer, node, &value, wanted, None)
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
