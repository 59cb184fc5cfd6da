//! Brings a value into the storage that an operator needs.
//!
//! A value's elements may lie anywhere in its `[channels, height, width]` tensor. Operators ask for
//! some axes of the file as channels and the others as places. Often that is so already; else
//! channels change places with channels (free), channels with places (a transposition, one cell an
//! element), and at last, for small tensors, elements one by one.

use std::rc::Rc;

use super::{FloatOp, Function, ImportError, Importer, Node, Step, Value, channels, shapes};
use crate::model::{FloatTensorId, importer::ordered};
use assay_graph::Shape;

/// Largest tensor whose elements are moved one by one.
const MAX_SCATTERED: usize = 1 << 16;

/// A value's elements as channels and places: the element at combination `a` of some axes and `b` of
/// the others lies in channel `channels[a]` at place `places[b]`.
#[derive(Clone, Debug)]
pub(in crate::model) struct Split {
    pub channels: Vec<u32>,
    pub places: Vec<u32>,
}

impl Split {
    /// The channels are in the order of the axes.
    pub(in crate::model) fn channels_in_order(&self) -> bool {
        in_order(&self.channels)
    }
}

fn in_order(list: &[u32]) -> bool {
    list.iter().enumerate().all(|(index, at)| index == *at as usize)
}

/// The axes that are not among `axes`, ascending.
pub(in crate::model) fn others(rank: usize, axes: &[usize]) -> Vec<usize> {
    (0..rank).filter(|axis| !axes.contains(axis)).collect()
}

/// Number of combinations of positions along `axes`.
pub(in crate::model) fn combinations(shape: &[usize], axes: &[usize]) -> usize {
    axes.iter().map(|axis| shape[*axis]).product()
}

/// Offset in the file of each combination of positions along `axes`, the last changing fastest.
pub(in crate::model) fn offsets(shape: &[usize], axes: &[usize]) -> Vec<usize> {
    let strides = shapes::strides(shape);
    let sizes: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
    let steps: Vec<usize> = axes.iter().map(|axis| strides[*axis]).collect();
    shapes::strided_offsets(&sizes, &steps)
}

/// Where element `index` of the file lies in the tensor.
pub(in crate::model) fn element(value: &Value, index: usize) -> usize {
    value.order.as_ref().map_or(index, |order| order[index] as usize)
}

/// How the value is stored, if `axes` are its channels and the others its places.
pub(in crate::model) fn split(
    importer: &Importer<'_>,
    value: &Value,
    axes: &[usize],
) -> Option<Split> {
    let [channels, height, width] = importer.shape(value);
    let plane = height * width;
    let rest = others(value.shape.len(), axes);
    if combinations(&value.shape, axes) != channels || combinations(&value.shape, &rest) != plane {
        return None;
    }
    let (inner, outer) = (offsets(&value.shape, axes), offsets(&value.shape, &rest));
    let split = Split {
        channels: inner.iter().map(|at| (element(value, *at) / plane) as u32).collect(),
        places: outer.iter().map(|at| (element(value, *at) % plane) as u32).collect(),
    };
    let fits = |(a, channel): (&usize, &u32)| {
        outer
            .iter()
            .zip(&split.places)
            .all(|(b, place)| element(value, a + b) == *channel as usize * plane + *place as usize)
    };
    inner.iter().zip(&split.channels).all(fits).then_some(split)
}

/// The order of a value of `shape` that is stored with `axes` as channels.
pub(in crate::model) fn order_of(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    shape: &[usize],
    axes: &[usize],
    split: &Split,
) -> Result<Option<Rc<Vec<u32>>>, ImportError> {
    let plane = split.places.len() as u32;
    let count = shapes::element_count(shape)
        .and_then(|count| importer.reserve(count).map(|()| count))
        .map_err(|problem| node.error(problem))?;
    let mut order = vec![0; count];
    let outer = offsets(shape, &others(shape.len(), axes));
    for (a, channel) in offsets(shape, axes).iter().zip(&split.channels) {
        for (b, place) in outer.iter().zip(&split.places) {
            order[a + b] = channel * plane + place;
        }
    }
    Ok(ordered(order))
}

/// The value with `axes` as channels and the others as places, both in any order.
pub(in crate::model) fn with_channels(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axes: &[usize],
) -> Result<(Value, Split), ImportError> {
    if let Some(split) = split(importer, value, axes) {
        return Ok((value.clone(), split));
    }
    let places = others(value.shape.len(), axes);
    let value = standard(importer, node, value, axes, &places)?;
    let split = split(importer, &value, axes);
    let split = split.ok_or_else(|| node.error("its input cannot be arranged"))?;
    Ok((value, split))
}

/// As [`with_channels`], the channels in the order of `axes`.
pub(in crate::model) fn with_channels_in_order(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axes: &[usize],
) -> Result<(Value, Split), ImportError> {
    let (value, mut split) = with_channels(importer, node, value, axes)?;
    if split.channels_in_order() {
        return Ok((value, split));
    }
    let stored = importer.shape(&value);
    split.channels = (0..stored[0] as u32).collect();
    let order = order_of(importer, node, &value.shape, axes, &split)?;
    let value = store(importer, node, &value, stored, order)?;
    Ok((value, split))
}

/// The value stored `[channels, 1, places]`, each in the order of the axes given, which are all.
pub(in crate::model) fn standard(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    channels: &[usize],
    places: &[usize],
) -> Result<Value, ImportError> {
    let (c, p) = (combinations(&value.shape, channels), combinations(&value.shape, places));
    let elements = shapes::element_count(&value.shape);
    let count = elements.and_then(|count| importer.reserve(count).map(|()| count));
    let count = count.map_err(|problem| node.error(problem))?;
    let mut order = vec![0; count];
    let outer = offsets(&value.shape, places);
    for (channel, a) in offsets(&value.shape, channels).into_iter().enumerate() {
        for (place, b) in outer.iter().enumerate() {
            order[a + b] = (channel * p + place) as u32;
        }
    }
    store(importer, node, value, [c, 1, p], ordered(order))
}

/// The value in a tensor of shape `target`, its elements in the given order.
pub(in crate::model) fn store(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    target: Shape,
    order: Option<Rc<Vec<u32>>>,
) -> Result<Value, ImportError> {
    let stored = importer.shape(value);
    let result = |tensor| Value { tensor, order: order.clone(), ..value.clone() };
    if stored == target && value.order == order {
        return Ok(value.clone());
    }
    let count: usize = stored.iter().product();
    let elements = shapes::element_count(&value.shape).map_err(|problem| node.error(problem))?;
    if elements != count || target.iter().product::<usize>() != count {
        return Err(node.error(format!("a value of {elements} elements in a tensor of {target:?}")));
    }
    importer.reserve(count).map_err(|problem| node.error(problem))?;
    // Where each element of the tensor goes.
    let mut moves = vec![0u32; count];
    for index in 0..count {
        moves[element(value, index)] = order.as_ref().map_or(index as u32, |order| order[index]);
    }
    if stored == target && in_order(&moves) {
        return Ok(value.clone());
    }
    if importer.may_store_input(node, value.tensor) {
        importer.store_input(target, &moves).map_err(|problem| node.error(problem))?;
        return Ok(result(value.tensor));
    }
    if let Some(tensor) = importer.arranged(value.tensor, target, &moves) {
        return Ok(result(tensor));
    }
    let tensor = move_elements(importer, node, value, target, &moves)?;
    importer.remember_arranged(value.tensor, target, moves, tensor);
    Ok(result(tensor))
}

fn move_elements(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    target: Shape,
    moves: &[u32],
) -> Result<FloatTensorId, ImportError> {
    let input = value.tensor;
    let stored @ [channels, height, width] = importer.tensors[input].shape;
    if let Some(channels) = channel_moves(stored, target, moves) {
        return channels::pick_channels(importer, node, input, &channels);
    }
    if let Some(known) = transposition(stored, target, moves) {
        return push_transposition(importer, node, input, target, &known);
    }
    let count = moves.len();
    // Through a vector: from there all elements can go anywhere.
    let vector = [count, 1, 1];
    let second = transposition(vector, target, moves).filter(|moves| {
        let runs = moves.before.chunk_by(|a, b| *b == a + 1).count();
        count <= MAX_SCATTERED || runs == 1
    });
    let Some(second) = second else {
        return Err(node.error(format!(
            "its input of shape {:?} would have to be rearranged element by element, which is \
             supported up to {MAX_SCATTERED} elements; put a Transpose of whole axes before it, or \
             export without the reshape that mixes axes",
            value.shape
        )));
    };
    let op = FloatOp::Transpose { input, groups: channels, function: Function::Identity };
    debug_assert!(height * width * channels == count);
    let tensor = importer.push(node, vector, Step::Layer(op))?;
    push_transposition(importer, node, tensor, target, &second)
}

/// The channels to take, in order, if nothing else moves.
fn channel_moves(stored: Shape, target: Shape, moves: &[u32]) -> Option<Vec<usize>> {
    if stored != target {
        return None;
    }
    let plane = stored[1] * stored[2];
    let mut taken = vec![0; stored[0]];
    for (channel, moves) in moves.chunks(plane).enumerate() {
        let to = moves[0] as usize / plane;
        if moves.iter().enumerate().any(|(place, at)| *at as usize != to * plane + place) {
            return None;
        }
        taken[to] = channel;
    }
    Some(taken)
}

/// Channels put in order, a transposition of groups, channels put in order again.
struct Transposition {
    before: Vec<usize>,
    groups: usize,
    after: Vec<usize>,
}

/// The transposition with these moves, if one does it: element `place` of channel `i` of a group
/// becomes place `i` of the group's channel `place`.
fn transposition(stored: Shape, target: Shape, moves: &[u32]) -> Option<Transposition> {
    let [channels, height, width] = stored;
    let (plane, new_plane) = (height * width, target[1] * target[2]);
    if !channels.is_multiple_of(new_plane) {
        return None;
    }
    let groups = channels / new_plane;
    let (new_channel, new_place) =
        (|at: u32| at as usize / new_plane, |at: u32| at as usize % new_plane);
    // Channels of one group go to the same new channels, and so are known by the first of these.
    let firsts: Vec<usize> = moves.chunks(plane).map(|moves| new_channel(moves[0])).collect();
    let mut names = firsts.clone();
    names.sort_unstable();
    names.dedup();
    if names.len() != groups {
        return None;
    }
    let mut before = vec![usize::MAX; channels];
    for (channel, (first, moves)) in firsts.iter().zip(moves.chunks(plane)).enumerate() {
        let group = names.binary_search(first).ok()?;
        before[group * new_plane + new_place(moves[0])] = channel;
    }
    let mut after = vec![0; groups * plane];
    for (index, channel) in before.iter().enumerate() {
        let (group, place) = (index / new_plane, index % new_plane);
        let own = moves.get(channel.checked_mul(plane)?..)?.get(..plane)?;
        let others = &moves[before[group * new_plane] * plane..][..plane];
        for (position, (at, other)) in own.iter().zip(others).enumerate() {
            if new_place(*at) != place || new_channel(*at) != new_channel(*other) {
                return None;
            }
            after[new_channel(*at)] = group * plane + position;
        }
    }
    Some(Transposition { before, groups, after })
}

fn push_transposition(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: FloatTensorId,
    target: Shape,
    moves: &Transposition,
) -> Result<FloatTensorId, ImportError> {
    let Transposition { before, groups, after } = moves;
    let input = channels::pick_channels(importer, node, input, before)?;
    let op = FloatOp::Transpose { input, groups: *groups, function: Function::Identity };
    let tensor = importer.push(node, target, Step::Layer(op))?;
    channels::pick_channels(importer, node, tensor, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transposition of groups is found, whatever the order of its channels, and nothing else.
    #[test]
    fn transpositions_are_found() {
        // [2 groups * 3, 2 places] to [2 * 2, 3]: element (g, i, p) to (g, p, i).
        let moves: Vec<u32> = (0..12u32)
            .map(|at| {
                let (g, i, p) = (at / 6, at % 6 / 2, at % 2);
                (g * 2 + p) * 3 + i
            })
            .collect();
        let found = transposition([6, 1, 2], [4, 1, 3], &moves).expect("a transposition");
        assert_eq!(
            (found.groups, in_order_of(&found.before), in_order_of(&found.after)),
            (2, true, true)
        );
        let mut swapped = moves.clone();
        swapped.swap(0, 1);
        assert!(transposition([6, 1, 2], [4, 1, 3], &swapped).is_none());
        let reversed: Vec<u32> = moves.chunks(2).rev().flatten().copied().collect();
        let found = transposition([6, 1, 2], [4, 1, 3], &reversed).expect("a transposition");
        assert_eq!(found.before, [5, 4, 3, 2, 1, 0]);
    }

    fn in_order_of(list: &[usize]) -> bool {
        list.iter().copied().eq(0..list.len())
    }
}
