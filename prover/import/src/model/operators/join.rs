//! Joining: Concat.

use std::rc::Rc;

use super::{
    FloatOp, ImportError, Importer, Node, Step, Value, arrange, materialize, shapes, unpadded,
    windows,
};
use crate::model::importer::ordered;

pub(in crate::model) fn concat(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let names = node.inputs();
    let mut values = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        values.push(match importer.constants.get(name).cloned() {
            Some(constant) => materialize::alone(importer, node, &constant)?,
            None => unpadded(importer, node, index)?,
        });
    }
    let value = join(importer, node, &values, node.int("axis", 1))?;
    importer.bind(node, value)
}

/// The values joined along an axis.
fn join(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    values: &[Value],
    axis: i64,
) -> Result<Value, ImportError> {
    let first = values.first().ok_or_else(|| node.error("it has no inputs"))?;
    let rank = first.shape.len();
    let axis = windows::axis(node, axis, rank)?;
    let mut shape = first.shape.clone();
    shape[axis] = 0;
    for (index, value) in values.iter().enumerate() {
        let mut rest = value.shape.clone();
        let size = rest.get_mut(axis).map_or(0, |size| std::mem::replace(size, shape[axis]));
        if rest != shape {
            return Err(node.error(format!(
                "input {index} of shape {:?} along axis {axis}, the first has {:?}",
                value.shape, first.shape
            )));
        }
        shape[axis] += size;
    }
    let plane = |importer: &Importer<'_>, value: &Value| {
        let [_, height, width] = importer.shape(value);
        [height, width]
    };
    let size = plane(importer, first);
    let fits = values
        .iter()
        .all(|value| plane(importer, value) == size && changes_channels(importer, value, axis));
    let mut arranged = values.to_vec();
    if !fits {
        // The joined axis as channels; the places as the first has them, if it is stored so.
        let places = arrange::others(rank, &[axis]);
        let like = values.iter().find_map(|value| {
            let split = arrange::split(importer, value, &[axis])?;
            Some((split, plane(importer, value)))
        });
        for value in &mut arranged {
            let channels = value.shape[axis];
            *value = match &like {
                Some((split, [height, width])) => {
                    let split = arrange::Split {
                        channels: (0..channels as u32).collect(),
                        places: split.places.clone(),
                    };
                    let own = value.shape.clone();
                    let order = arrange::order_of(importer, node, &own, &[axis], &split)?;
                    arrange::store(importer, node, value, [channels, *height, *width], order)?
                }
                None => arrange::standard(importer, node, value, &[axis], &places)?,
            };
        }
    }
    let size = arranged.first().map_or([1, 1], |value| plane(importer, value));
    let order = joined_order(importer, &arranged, &shape, axis);
    let order = order.map_err(|problem| node.error(problem))?;
    let channels = arranged.iter().map(|value| importer.shape(value)[0]).sum();
    let inputs = arranged.iter().map(|value| value.tensor).collect();
    let stored = [channels, size[0], size[1]];
    let tensor = importer.push(node, stored, Step::Layer(FloatOp::Concat { inputs }))?;
    Ok(Value { tensor, shape, order, pads: [0; 4], dropped: None })
}

/// From one position along `axis` to the next the place in the plane stays.
fn changes_channels(importer: &Importer<'_>, value: &Value, axis: usize) -> bool {
    let [_, height, width] = importer.shape(value);
    let plane = height * width;
    if plane == 1 || value.shape[axis] == 1 {
        // A single one is like an element of any other.
        return true;
    }
    let stride = shapes::strides(&value.shape)[axis];
    let starts = arrange::offsets(&value.shape, &arrange::others(value.shape.len(), &[axis]));
    starts.into_iter().all(|start| {
        let place = |at: usize| arrange::element(value, start + at * stride) % plane;
        (1..value.shape[axis]).all(|at| place(at) == place(0))
    })
}

/// Where each element of the joined value lies in the joined tensor.
fn joined_order(
    importer: &mut Importer<'_>,
    values: &[Value],
    shape: &[usize],
    axis: usize,
) -> Result<Option<Rc<Vec<u32>>>, String> {
    let outer: usize = shape[..axis].iter().product();
    if outer == 1 && values.iter().all(|value| value.order.is_none()) {
        return Ok(None);
    }
    let count = shapes::element_count(shape)?;
    importer.reserve(count)?;
    let mut order = Vec::with_capacity(count);
    for block in 0..outer {
        let mut start = 0;
        for value in values {
            let elements: usize = value.shape.iter().product();
            let run = elements / outer;
            let at = |index: usize| arrange::element(value, index) as u32;
            order.extend((block * run..(block + 1) * run).map(|index| start + at(index)));
            start += elements as u32;
        }
    }
    Ok(ordered(order))
}
