//! Operands of different shapes.

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, arrange,
    constant::broadcast_shape, copies, repeat, shapes,
};
use crate::model::importer::ordered;
use assay_graph::{Shape, Window};

/// How an operand covers the `[channels, height, width]` tensor of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Spread {
    /// It has all elements, in the same places.
    All,
    /// One value for each channel, stored as `[channels, 1, 1]`.
    Channels,
    /// One value for each place, stored as `[1, height, width]`.
    Places,
    /// A single value.
    One,
}

type Operand = (usize, Spread);

/// Tensor and spread of both operands, and the value that an elementwise operation makes of them.
pub(in crate::model) fn pair(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    left: &Value,
    right: &Value,
) -> Result<(Operand, Operand, Value), ImportError> {
    let problem = || {
        node.error(format!(
            "operands of shape {:?} and {:?}, which do not fit each other",
            left.shape, right.shape
        ))
    };
    let shape = broadcast_shape(&left.shape, &right.shape).ok_or_else(problem)?;
    let count = shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
    importer.reserve(count).map_err(|problem| node.error(problem))?;
    let elements = |value: &Value| value.shape.iter().product::<usize>();
    // With the rank of the result, and one of them whole.
    let ranked = |value: &Value| {
        let mut ranked = vec![1; shape.len() - value.shape.len()];
        ranked.extend(&value.shape);
        Value { shape: ranked, ..value.clone() }
    };
    let (mut left, mut right) = (ranked(left), ranked(right));
    if elements(&left) != count && elements(&right) != count {
        left = repeat::to_shape(importer, node, &left, &shape)?;
    }
    let left_is_full = elements(&left) == count
        && (elements(&right) != count || !prefers(importer, node, &left, &right));
    let (full, other) =
        if left_is_full { (&mut left, &mut right) } else { (&mut right, &mut left) };
    if spread(importer, full, other, &shape).is_none() {
        *other = fit(importer, node, full, other, &shape)?;
    }
    let spread = spread(importer, full, other, &shape).ok_or_else(problem)?;
    let (full_operand, other_operand) = ((full.tensor, Spread::All), (other.tensor, spread));
    let result = Value { shape, ..full.clone() };
    if left_is_full {
        Ok((full_operand, other_operand, result))
    } else {
        Ok((other_operand, full_operand, result))
    }
}

/// Of two whole operands that are stored differently, `left` is the one to bring into the storage
/// of `right`: it is an input that may be stored in any way, or `right` has the last axis as channels.
fn prefers(importer: &Importer<'_>, node: &Node<'_>, left: &Value, right: &Value) -> bool {
    if importer.may_store_input(node, left.tensor) {
        return true;
    }
    if importer.may_store_input(node, right.tensor) {
        return false;
    }
    let Some(last) = left.shape.len().checked_sub(1) else { return false };
    let by_features = |value: &Value| arrange::split(importer, value, &[last]).is_some();
    !by_features(left) && by_features(right)
}

/// The operand in a storage in which it covers `full`.
fn fit(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    full: &Value,
    other: &Value,
    shape: &[usize],
) -> Result<Value, ImportError> {
    let stored @ [channels, height, width] = importer.shape(full);
    if other.shape == shape {
        return arrange::store(importer, node, other, stored, full.order.clone());
    }
    let own: Vec<usize> = (0..shape.len()).filter(|axis| other.shape[*axis] > 1).collect();
    let rest = arrange::others(shape.len(), &own);
    if let Some(split) = arrange::split(importer, full, &own) {
        return arrange::store(importer, node, other, [channels, 1, 1], ordered(split.channels));
    }
    if let Some(split) = arrange::split(importer, full, &rest) {
        return arrange::store(importer, node, other, [1, height, width], ordered(split.places));
    }
    let whole = repeat::to_shape(importer, node, other, shape)?;
    arrange::store(importer, node, &whole, stored, full.order.clone())
}

fn spread(importer: &Importer<'_>, full: &Value, other: &Value, shape: &[usize]) -> Option<Spread> {
    let [channels, height, width] = importer.shape(full);
    let stored = importer.shape(other);
    if stored == [channels, height, width] && full.order == other.order {
        return Some(Spread::All);
    }
    let plane = height * width;
    let kinds = [
        (Spread::All, [channels, height, width]),
        (Spread::One, [1, 1, 1]),
        (Spread::Channels, [channels, 1, 1]),
        (Spread::Places, [1, height, width]),
    ];
    let offsets = shapes::broadcast_offsets(&other.shape, shape)?;
    let at = |value: &Value, index: usize| {
        value.order.as_ref().map_or(index, |order| order[index] as usize)
    };
    kinds.into_iter().filter(|(_, kind)| *kind == stored).map(|(spread, _)| spread).find(|spread| {
        offsets.iter().enumerate().all(|(index, offset)| {
            let element = at(full, index);
            let expected = match spread {
                Spread::All => element,
                Spread::Channels => element / plane,
                Spread::Places => element % plane,
                Spread::One => 0,
            };
            at(other, *offset) == expected
        })
    })
}

/// A tensor of `shape` with the operand's values everywhere.
pub(in crate::model) fn expand(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    operand: Operand,
    shape: Shape,
) -> Result<usize, ImportError> {
    let input = gate(importer, node, operand, shape)?;
    if importer.tensors[input].shape == shape {
        return Ok(input);
    }
    let op = FloatOp::Resize { input, factor: [shape[1], shape[2]], zeros: false };
    importer.push(node, shape, Step::Layer(op))
}

/// A tensor of `shape`, or of one value for each channel, with the operand's values.
pub(in crate::model) fn gate(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    (tensor, spread): Operand,
    [channels, height, width]: Shape,
) -> Result<usize, ImportError> {
    let [height, width] = match spread {
        Spread::All | Spread::Channels => return Ok(tensor),
        Spread::Places => [height, width],
        Spread::One => [1, 1],
    };
    if channels == 1 {
        return Ok(tensor);
    }
    // Each channel is a copy of the only one.
    let op = if channels <= copies::MAX_COPIES {
        FloatOp::Concat { inputs: vec![tensor; channels] }
    } else {
        copied(tensor, channels)
    };
    importer.push(node, [channels, height, width], Step::Layer(op))
}

fn copied(tensor: usize, channels: usize) -> FloatOp {
    FloatOp::Conv {
        input: tensor,
        window: Window::dense([1, 1]),
        groups: 1,
        weights: vec![1.0; channels],
        bias: vec![0.0; channels],
        function: Function::Identity,
    }
}
