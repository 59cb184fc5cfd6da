//! Nodes whose inputs are all constant, evaluated at import.

use std::rc::Rc;

use super::{
    Binary, Constant, ImportError, Importer, Node, constant, cut, elementwise, integers, kinds,
    layout, logic, quantized, required_constant, shapes, windows,
};

/// Evaluates the node if it depends on constants only; `false` if it does not.
pub(in crate::model) fn try_fold(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<bool, ImportError> {
    if node.operator() == "Constant" {
        let value = constant_node(importer, node)?;
        importer.bind_constant(node, value)?;
        return Ok(true);
    }
    if matches!(node.operator(), "If" | "Loop") {
        return Ok(false);
    }
    let mut names = node.inputs().iter().filter(|name| !name.is_empty()).peekable();
    if names.peek().is_none() || !names.all(|name| importer.constants.contains_key(name)) {
        return Ok(false);
    }
    let value = evaluate(importer, node)?;
    importer.bind_constant(node, value)?;
    Ok(true)
}

fn constant_node(importer: &Importer<'_>, node: &Node<'_>) -> Result<Constant, ImportError> {
    if let Some(tensor) = node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
        return importer.source.constant(tensor);
    }
    let floats = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect();
    let scalar = |value| Constant { shape: Vec::new(), values: vec![value] };
    if let Some(attribute) = node.attribute("value_float") {
        Ok(scalar(f64::from(attribute.f)))
    } else if let Some(attribute) = node.attribute("value_int") {
        Ok(scalar(attribute.i as f64))
    } else if let Some(attribute) = node.attribute("value_floats") {
        Ok(Constant::vector(floats(&attribute.floats)))
    } else if let Some(attribute) = node.attribute("value_ints") {
        Ok(Constant::vector(attribute.ints.iter().map(|x| *x as f64).collect()))
    } else {
        Err(node.error("a constant that is not a dense tensor of numbers"))
    }
}

fn evaluate(importer: &Importer<'_>, node: &Node<'_>) -> Result<Constant, ImportError> {
    let first = required_constant(importer, node, 0)?;
    let all = node.inputs().iter().filter_map(|name| importer.constants.get(name));
    let all: Vec<&Constant> = all.map(AsRef::as_ref).collect();
    if let Some(result) = logic::constant(node, &all) {
        return result;
    }
    match node.operator() {
        "Identity" | "Dropout" => Ok((*first).clone()),
        "Cast" => {
            Ok(match node.int("to", 1) {
                // 9 is bool.
                9 => first.map(|x| f64::from(u8::from(x != 0.0))),
                to if kinds::is_integer(to as i32) => first.map(f64::trunc),
                _ => (*first).clone(),
            })
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let shape = layout::relabelled(importer, node, &first.shape)?;
            Ok(Constant { shape, values: first.values.clone() })
        }
        "Transpose" => Ok(first.transpose(&layout::permutation(node, first.shape.len())?)),
        "Shape" => Ok(layout::sizes(node, &first.shape)),
        "Gather" => gather(importer, node, &first),
        "GatherElements" | "GatherND" => super::gather::constant(importer, node, &first),
        "Concat" => concat(importer, node, &first),
        "Slice" => {
            let mut result = (*first).clone();
            for (axis, kept) in cut::slice_ranges(importer, node, &first.shape)? {
                result = result.select(axis, &kept);
            }
            Ok(result)
        }
        "ConstantOfShape" => constant_of_shape(importer, node, &first),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Min" | "Max" => {
            let second = required_constant(importer, node, 1)?;
            let operator = match node.operator() {
                "Add" => Binary::Add,
                "Sub" => Binary::Sub,
                "Mul" => Binary::Mul,
                "Div" => Binary::Div,
                "Pow" => Binary::Pow,
                "Min" => Binary::Min,
                _ => Binary::Max,
            };
            first.binary(operator, &second).ok_or_else(|| {
                node.error(format!("shapes {:?} and {:?}", first.shape, second.shape))
            })
        }
        "ScatterND" => scattered(importer, node, &first),
        "QuantizeLinear" | "DequantizeLinear" => quantized::constant(importer, node, &first),
        "Expand" | "Tile" => expanded(importer, node, &first),
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceMean" => {
            reduced(importer, node, &first)
        }
        "Range" => range(importer, node, &first),
        "Trilu" => triangle(importer, node, &first),
        "Size" => Ok(Constant { shape: Vec::new(), values: vec![first.values.len() as f64] }),
        operator => match elementwise::function(importer, node)? {
            Some(function) => Ok(first.map(|x| function.evaluate(x))),
            None => Err(node.error(format!(
                "the operator {operator} on constants is not supported; export with constant \
                 folding"
            ))),
        },
    }
}

fn concat(
    importer: &Importer<'_>,
    node: &Node<'_>,
    first: &Constant,
) -> Result<Constant, ImportError> {
    let parts = (0..node.inputs().len())
        .map(|index| required_constant(importer, node, index))
        .collect::<Result<Vec<Rc<Constant>>, _>>()?;
    let total = parts.iter().map(|part| part.values.len()).fold(0, usize::saturating_add);
    shapes::element_count(&[total]).map_err(|problem| node.error(problem))?;
    let axis = windows::axis(node, node.int("axis", 0), first.shape.len())?;
    let parts: Vec<&Constant> = parts.iter().map(AsRef::as_ref).collect();
    Constant::concat(&parts, axis).ok_or_else(|| node.error("shapes that do not fit"))
}

fn constant_of_shape(
    importer: &Importer<'_>,
    node: &Node<'_>,
    sizes: &Constant,
) -> Result<Constant, ImportError> {
    let fill = match node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
        Some(tensor) => importer.source.constant(tensor)?.scalar().unwrap_or(0.0),
        None => 0.0,
    };
    let sizes = sizes.integers();
    let shape = shapes::reshape(&[0], &sizes, true).or_else(|_| {
        let size = |size: &i64| usize::try_from(*size).ok();
        sizes.iter().map(size).collect::<Option<Vec<_>>>().ok_or_else(String::new)
    });
    let shape = shape.map_err(|_| node.error(format!("a shape of {sizes:?}")))?;
    let count = shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
    Ok(Constant { shape, values: vec![fill; count] })
}

/// Expand: broadcast to a shape; Tile: repeated along each axis.
fn expanded(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let sizes = required_constant(importer, node, 1)?.integers();
    let sizes: Option<Vec<usize>> = sizes.iter().map(|size| usize::try_from(*size).ok()).collect();
    let sizes = sizes.ok_or_else(|| node.error("a negative size"))?;
    shapes::element_count(&sizes).map_err(|problem| node.error(problem))?;
    if node.operator() == "Expand" {
        let shape = constant::broadcast_shape(&data.shape, &sizes);
        let shape = shape.ok_or_else(|| node.error(format!("{:?} to {sizes:?}", data.shape)))?;
        shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
        let offsets = shapes::broadcast_offsets(&data.shape, &shape)
            .ok_or_else(|| node.error(format!("{:?} to {sizes:?}", data.shape)))?;
        let values = offsets.into_iter().map(|offset| data.values[offset]).collect();
        return Ok(Constant { shape, values });
    }
    if sizes.len() != data.shape.len() {
        return Err(node.error(format!("{sizes:?} repeats for {} axes", data.shape.len())));
    }
    let mut result = data.clone();
    for (axis, times) in sizes.into_iter().enumerate() {
        let size = result.shape[axis];
        shapes::element_count(&[times]).map_err(|problem| node.error(problem))?;
        let more = result.values.len().checked_mul(times);
        shapes::element_count(&[more.unwrap_or(usize::MAX)])
            .map_err(|problem| node.error(problem))?;
        let positions: Vec<usize> = (0..times).flat_map(|_| 0..size).collect();
        result = result.select(axis, &positions);
    }
    Ok(result)
}

/// A reduction over the axes that the node names, all of them by default.
fn reduced(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let rank = data.shape.len();
    let axes = integers(importer, node, "axes", 1)?.filter(|axes| !axes.is_empty());
    let mut gone = vec![axes.is_none(); rank];
    for axis in axes.unwrap_or_default() {
        gone[windows::axis(node, axis, rank)?] = true;
    }
    let kept: Vec<usize> =
        data.shape.iter().zip(&gone).map(|(size, gone)| if *gone { 1 } else { *size }).collect();
    let problem = || node.error(format!("of a constant of shape {:?}", data.shape));
    // For each element of the data its place in the result.
    let mut strides = shapes::strides(&kept);
    strides.iter_mut().zip(&gone).filter(|(_, gone)| **gone).for_each(|(stride, _)| *stride = 0);
    let places = shapes::strided_offsets(&data.shape, &strides);
    let count = shapes::element_count(&kept).map_err(|problem| node.error(problem))?;
    let each = data.values.len().checked_div(count).filter(|each| *each > 0).ok_or_else(problem)?;
    let (start, fold): (f64, fn(f64, f64) -> f64) = match node.operator() {
        "ReduceProd" => (1.0, |a, b| a * b),
        "ReduceMax" => (f64::NEG_INFINITY, f64::max),
        "ReduceMin" => (f64::INFINITY, f64::min),
        _ => (0.0, |a, b| a + b),
    };
    let mut values = vec![start; count];
    for (place, value) in places.into_iter().zip(&data.values) {
        values[place] = fold(values[place], *value);
    }
    if node.operator() == "ReduceMean" {
        values.iter_mut().for_each(|value| *value /= each as f64);
    }
    let shape = if node.int("keepdims", 1) != 0 {
        kept
    } else {
        data.shape.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(size, _)| *size).collect()
    };
    Ok(Constant { shape, values })
}

/// Trilu: zeros below a diagonal of each matrix, or above it; diagonal `k` lies `k` columns to the right.
fn triangle(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let [.., rows, columns] = data.shape[..] else {
        return Err(node.error(format!("of a constant of shape {:?}, no matrix", data.shape)));
    };
    let named = node.inputs().get(1).is_some_and(|name| !name.is_empty());
    let diagonal = match named {
        true => required_constant(importer, node, 1)?.integers().first().copied().unwrap_or(0),
        false => 0,
    };
    let upper = node.int("upper", 1) != 0;
    let cells =
        (0..rows).flat_map(|row| (0..columns).map(move |column| (row as i64, column as i64)));
    let kept = cells.map(|(row, column)| {
        let right = column - row;
        if upper { right >= diagonal } else { right <= diagonal }
    });
    let kept: Vec<bool> = kept.collect();
    let values = data.values.iter().zip(kept.iter().cycle());
    let values = values.map(|(value, kept)| if *kept { *value } else { 0.0 }).collect();
    Ok(Constant { shape: data.shape.clone(), values })
}

/// ScatterND: values, or whole slices of them, put at indices.
fn scattered(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    if !matches!(node.text("reduction").unwrap_or("none"), "none" | "") {
        return Err(node.error("a reduction; only replacing is supported"));
    }
    let indices = required_constant(importer, node, 1)?;
    let updates = required_constant(importer, node, 2)?;
    let problem = || {
        let shapes = [&data.shape, &indices.shape, &updates.shape];
        node.error(format!("data, indices and updates of shapes {shapes:?}"))
    };
    let depth =
        indices.shape.last().copied().filter(|depth| (1..=data.shape.len()).contains(depth));
    let depth = depth.ok_or_else(problem)?;
    let strides = shapes::strides(&data.shape);
    let run: usize = data.shape[depth..].iter().product();
    if updates.values.len() != (indices.values.len() / depth).saturating_mul(run) {
        return Err(problem());
    }
    let mut values = data.values.clone();
    for (index, place) in indices.integers().chunks(depth).enumerate() {
        let mut start = 0;
        for (axis, position) in place.iter().enumerate() {
            start += windows::axis(node, *position, data.shape[axis])? * strides[axis];
        }
        let update = updates.values.get(index * run..(index + 1) * run).ok_or_else(problem)?;
        values.get_mut(start..start + run).ok_or_else(problem)?.copy_from_slice(update);
    }
    Ok(Constant { shape: data.shape.clone(), values })
}

/// Range: from a start below a limit by a step.
fn range(
    importer: &Importer<'_>,
    node: &Node<'_>,
    start: &Constant,
) -> Result<Constant, ImportError> {
    let limit = required_constant(importer, node, 1)?;
    let step = required_constant(importer, node, 2)?;
    let (Some(start), Some(limit), Some(step)) = (start.scalar(), limit.scalar(), step.scalar())
    else {
        return Err(node.error("bounds that are not single numbers"));
    };
    let count = ((limit - start) / step).ceil().max(0.0);
    if !(0.0..=f64::from(1 << 24)).contains(&count) {
        return Err(node.error(format!("a range of {count} numbers")));
    }
    Ok(Constant::vector((0..count as usize).map(|index| start + index as f64 * step).collect()))
}

fn gather(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let axis = windows::axis(node, node.int("axis", 0), data.shape.len())?;
    let indices = required_constant(importer, node, 1)?;
    let positions = indices
        .integers()
        .into_iter()
        .map(|index| windows::axis(node, index, data.shape[axis]))
        .collect::<Result<Vec<_>, _>>()?;
    let mut shape = data.shape.clone();
    shape[axis] = positions.len();
    shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
    let mut result = data.select(axis, &positions);
    result.shape.splice(axis..=axis, indices.shape.iter().copied());
    Ok(result)
}
