//! Gathering: elements of activations at constant places, and rows of a table by ids of the input.

use super::{
    Constant, FloatOp, Function, ImportError, Importer, Node, Step, Unary, Value, arrange,
    channels, cut, linear, required_constant, shapes, unpadded, windows,
};
use assay_graph::Window;

/// Most rows of a table that ids of the input choose from: an id has two bytes.
const MAX_IDS: usize = 1 << 16;

pub(in crate::model) fn gather(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let data = node.input(0).and_then(|name| importer.constants.get(name)).cloned();
    if let Some(table) = data {
        let value = embedding(importer, node, &table)?;
        return importer.bind(node, value);
    }
    let value = unpadded(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", 0), value.shape.len())?;
    if node.input(1).is_some_and(|name| importer.values.contains_key(name)) {
        return Err(node.error(
            "both its data and its indices depend on the network's input; only a constant table can \
             be indexed by the input, or an activation by constant indices",
        ));
    }
    let indices = required_constant(importer, node, 1)?;
    let positions = positions(node, &indices, value.shape[axis])?;
    let mut unique = vec![false; value.shape[axis]];
    let repeats = positions.iter().any(|at| std::mem::replace(&mut unique[*at], true));
    let mut result = if repeats {
        repeated(importer, node, &value, axis, &positions)?
    } else {
        cut::cut(importer, node, &value, &[(axis, positions)])?
    };
    result.shape.splice(axis..=axis, indices.shape.iter().copied());
    importer.bind(node, result)
}

fn positions(node: &Node<'_>, indices: &Constant, size: usize) -> Result<Vec<usize>, ImportError> {
    indices.integers().into_iter().map(|index| windows::axis(node, index, size)).collect()
}

/// Positions along an axis of which some are taken more than once: that axis as channels.
fn repeated(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axis: usize,
    positions: &[usize],
) -> Result<Value, ImportError> {
    let mut shape = value.shape.clone();
    shape[axis] = positions.len();
    shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
    let (value, split) = arrange::with_channels(importer, node, value, &[axis])?;
    let channels: Vec<usize> = positions.iter().map(|at| split.channels[*at] as usize).collect();
    let tensor = channels::pick_channels(importer, node, value.tensor, &channels)?;
    let split = arrange::Split { channels: (0..positions.len() as u32).collect(), ..split };
    let order = arrange::order_of(importer, node, &shape, &[axis], &split)?;
    Ok(Value { tensor, shape, order, ..value })
}

/// Rows of a table: each id as a vector with a 1 in its place, times the table.
fn embedding(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    table: &Constant,
) -> Result<Value, ImportError> {
    let ids = unpadded(importer, node, 1)?;
    let rank = table.shape.len();
    let axis = windows::axis(node, node.int("axis", 0), rank)?;
    let rows = table.shape[axis];
    if rows > MAX_IDS {
        return Err(node.error(format!(
            "a table of {rows} rows indexed by the network's input; up to {MAX_IDS} rows are \
             supported: leave out tokens that are not used, or split the table"
        )));
    }
    if table.values.is_empty() {
        return Err(node.error("a table without elements"));
    }
    let width = table.values.len() / rows;
    let (ids, split) = arrange::with_channels(importer, node, &ids, &[])?;
    let [_, height, columns] = importer.shape(&ids);
    let op = FloatOp::Conv {
        input: ids.tensor,
        window: Window::dense([1, 1]),
        groups: 1,
        weights: vec![1.0; rows],
        bias: (0..rows).map(|row| -(row as f32)).collect(),
        function: Function::unary(Unary::IsZero, Function::Identity),
    };
    let chosen = importer.push(node, [rows, height, columns], Step::Layer(op))?;
    // [width, rows]
    let mut order = arrange::others(rank, &[axis]);
    order.push(axis);
    let weights = table.transpose(&order).values.iter().map(|x| *x as f32).collect();
    let result = [width, height, columns];
    let tensor = linear::push(importer, node, chosen, Window::dense([1, 1]), 1, weights, result)?;
    let mut shape = table.shape.clone();
    shape.splice(axis..=axis, ids.shape.iter().copied());
    let own: Vec<usize> = (0..axis).chain(axis + ids.shape.len()..shape.len()).collect();
    let split = arrange::Split { channels: (0..width as u32).collect(), places: split.places };
    let order = arrange::order_of(importer, node, &shape, &own, &split)?;
    Ok(Value { tensor, shape, order, pads: [0; 4], dropped: None })
}

/// GatherElements: an index of its own for each element of the result.
pub(in crate::model) fn elements(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let (shape, taken) = elements_taken(importer, node, &value.shape)?;
    let value = cut::take(importer, node, &value, shape, &taken)?;
    importer.bind(node, value)
}

/// GatherND: the last axis of the indices holds the positions along the first axes of the data.
pub(in crate::model) fn nd(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let (shape, taken) = nd_taken(importer, node, &value.shape)?;
    let value = cut::take(importer, node, &value, shape, &taken)?;
    importer.bind(node, value)
}

/// Both of a constant.
pub(super) fn constant(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let (shape, taken) = match node.operator() {
        "GatherND" => nd_taken(importer, node, &data.shape)?,
        _ => elements_taken(importer, node, &data.shape)?,
    };
    let value = |at: usize| data.values.get(at).copied();
    let values: Option<Vec<f64>> = taken.into_iter().map(value).collect();
    let values = values.ok_or_else(|| node.error("indices beyond its data"))?;
    Ok(Constant { shape, values })
}

/// Shape of the result of a GatherElements, and the place in the data of each of its elements.
fn elements_taken(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &[usize],
) -> Result<(Vec<usize>, Vec<usize>), ImportError> {
    let rank = data.len();
    let axis = windows::axis(node, node.int("axis", 0), rank)?;
    let indices = required_constant(importer, node, 1)?;
    let fits = indices.shape.len() == rank
        && (0..rank).all(|at| at == axis || indices.shape[at] <= data[at]);
    if !fits {
        return Err(
            node.error(format!("indices of shape {:?} for data of shape {data:?}", indices.shape))
        );
    }
    let mut strides = shapes::strides(data);
    let stride = std::mem::replace(&mut strides[axis], 0);
    let positions = positions(node, &indices, data[axis])?;
    let starts = shapes::strided_offsets(&indices.shape, &strides);
    let taken = starts.into_iter().zip(positions).map(|(start, at)| start + at * stride).collect();
    Ok((indices.shape.clone(), taken))
}

/// The same of a GatherND.
fn nd_taken(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &[usize],
) -> Result<(Vec<usize>, Vec<usize>), ImportError> {
    let indices = required_constant(importer, node, 1)?;
    let problem =
        || node.error(format!("indices of shape {:?} for data of shape {data:?}", indices.shape));
    let batches = usize::try_from(node.int("batch_dims", 0)).unwrap_or(usize::MAX);
    let (Some(&depth), rank) = (indices.shape.last(), data.len()) else { return Err(problem()) };
    let used = batches.checked_add(depth).filter(|used| *used <= rank && depth > 0);
    let Some(used) = used.filter(|_| indices.shape.len() > batches) else { return Err(problem()) };
    if indices.shape[..batches] != data[..batches] {
        return Err(problem());
    }
    let strides = shapes::strides(data);
    let blocks: usize = indices.shape[..batches].iter().product();
    let rows = indices.values.len() / depth;
    let run: usize = data[used..].iter().product();
    let per_block = rows.checked_div(blocks).unwrap_or(0).max(1);
    let batch_size: usize = data[batches..].iter().product();
    let mut shape = indices.shape[..indices.shape.len() - 1].to_vec();
    shape.extend(&data[used..]);
    shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
    let mut taken = Vec::new();
    for (row, index) in indices.integers().chunks(depth).enumerate() {
        let mut start = row / per_block * batch_size;
        for (axis, at) in (batches..used).zip(index) {
            start += windows::axis(node, *at, data[axis])? * strides[axis];
        }
        taken.extend(start..start + run);
    }
    Ok((shape, taken))
}
