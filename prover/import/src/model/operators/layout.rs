//! Reshaping and transposing.

use super::{
    Constant, ImportError, Importer, Node, Value, activation, integers, shapes, unpadded, windows,
};
use crate::model::importer::ordered;

/// The shape that Reshape, Flatten, Squeeze or Unsqueeze gives to a tensor of `shape`.
pub(in crate::model) fn relabelled(
    importer: &Importer<'_>,
    node: &Node<'_>,
    shape: &[usize],
) -> Result<Vec<usize>, ImportError> {
    let rank = shape.len();
    match node.operator() {
        "Reshape" => {
            let mut target = integers(importer, node, "shape", 1)?
                .ok_or_else(|| node.error("the target shape is missing"))?;
            let activation = node.input(0).is_some_and(|name| importer.values.contains_key(name));
            if activation {
                for_one_input(importer, shape, &mut target);
            }
            shapes::reshape(shape, &target, node.int("allowzero", 0) != 0)
                .map_err(|problem| node.error(problem))
        }
        "Flatten" => {
            let axis = match node.int("axis", 1) {
                axis if axis == rank as i64 => rank,
                axis => windows::axis(node, axis, rank)?,
            };
            Ok(vec![shape[..axis].iter().product(), shape[axis..].iter().product()])
        }
        "Squeeze" => {
            let mut gone = vec![false; rank];
            match integers(importer, node, "axes", 1)? {
                Some(axes) => {
                    for axis in axes {
                        gone[windows::axis(node, axis, rank)?] = true;
                    }
                }
                None => gone.iter_mut().zip(shape).for_each(|(gone, size)| *gone = *size == 1),
            }
            if gone.iter().zip(shape).any(|(gone, size)| *gone && *size != 1) {
                return Err(node.error(format!("an axis of {shape:?} is not 1")));
            }
            Ok(shape.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(size, _)| *size).collect())
        }
        _ => {
            let axes = integers(importer, node, "axes", 1)?
                .ok_or_else(|| node.error("the axes are missing"))?;
            let new_rank = rank.saturating_add(axes.len()).min(16);
            let mut added = vec![false; new_rank];
            for axis in &axes {
                added[windows::axis(node, *axis, new_rank)?] = true;
            }
            if added.iter().filter(|added| **added).count() != axes.len() {
                return Err(node.error(format!("repeated axes {axes:?}")));
            }
            let mut sizes = shape.iter();
            Ok(added
                .iter()
                .map(|added| if *added { 1 } else { sizes.next().copied().unwrap_or(1) })
                .collect())
        }
    }
}

/// A target that counts the inputs of a batch, of which one is read.
fn for_one_input(importer: &Importer<'_>, shape: &[usize], target: &mut [i64]) {
    let batch = importer.batch as i64;
    let Some(first) = target.first_mut().filter(|first| batch > 1 && **first % batch == 0) else {
        return;
    };
    if shape.first() == Some(&1) && *first > 0 {
        *first /= batch;
    }
}

pub(in crate::model) fn relabel(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let shape = relabelled(importer, node, &value.shape)?;
    importer.bind(node, Value { shape, ..value })
}

/// The order of axes asked for; reversed when absent.
pub(in crate::model) fn permutation(
    node: &Node<'_>,
    rank: usize,
) -> Result<Vec<usize>, ImportError> {
    let Some(axes) = node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let mut seen = vec![false; rank];
    let mut permutation = Vec::with_capacity(rank);
    for axis in axes {
        let axis = windows::axis(node, *axis, rank)?;
        if std::mem::replace(&mut seen[axis], true) {
            return Err(node.error(format!("perm {axes:?} repeats an axis")));
        }
        permutation.push(axis);
    }
    if permutation.len() != rank {
        return Err(node.error(format!("perm {axes:?} for {rank} axes")));
    }
    Ok(permutation)
}

pub(in crate::model) fn transpose(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    // Padding that waits belongs to the tensor, whatever the order of the axes in the file.
    let value = activation(importer, node, 0)?;
    let permutation = permutation(node, value.shape.len())?;
    let value = permuted(importer, node, &value, &permutation)?;
    importer.bind(node, value)
}

/// The value with its axes in another order; its tensor stays as it is.
pub(in crate::model) fn permuted(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    permutation: &[usize],
) -> Result<Value, ImportError> {
    let old = shapes::strides(&value.shape);
    let shape: Vec<usize> = permutation.iter().map(|axis| value.shape[*axis]).collect();
    let steps: Vec<usize> = permutation.iter().map(|axis| old[*axis]).collect();
    let elements = shapes::element_count(&shape).and_then(|count| importer.reserve(count));
    elements.map_err(|problem| node.error(problem))?;
    let order: Vec<u32> = shapes::strided_offsets(&shape, &steps)
        .into_iter()
        .map(|index| value.order.as_ref().map_or(index as u32, |order| order[index]))
        .collect();
    Ok(Value { shape, order: ordered(order), ..value.clone() })
}

pub(in crate::model) fn shape(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let sizes = sizes(node, &value.shape);
    importer.bind_constant(node, sizes)
}

/// The sizes of the axes from `start` to `end`, as Shape gives them.
pub(in crate::model) fn sizes(node: &Node<'_>, shape: &[usize]) -> Constant {
    let rank = shape.len() as i64;
    let clamp = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (clamp(node.int("start", 0)), clamp(node.int("end", rank)));
    let sizes = shape.get(start..end).unwrap_or_default();
    Constant::vector(sizes.iter().map(|size| *size as f64).collect())
}
