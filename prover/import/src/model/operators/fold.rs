//! Nodes whose inputs are all constant, evaluated at import.

use std::rc::Rc;

use super::{
    Binary, Constant, ImportError, Importer, Node, cut, elementwise, layout, quantized,
    required_constant, shapes, windows,
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
    match node.operator() {
        "Identity" | "Dropout" => Ok((*first).clone()),
        "Cast" => {
            // 6 and 7 are int32 and int64.
            let integer = matches!(node.int("to", 1), 6 | 7);
            Ok(first.map(|x| if integer { x.trunc() } else { x }))
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let shape = layout::relabelled(importer, node, &first.shape)?;
            Ok(Constant { shape, values: first.values.clone() })
        }
        "Transpose" => Ok(first.transpose(&layout::permutation(node, first.shape.len())?)),
        "Shape" => Ok(Constant::vector(first.shape.iter().map(|size| *size as f64).collect())),
        "Gather" => gather(importer, node, &first),
        "Concat" => {
            let parts = (0..node.inputs().len())
                .map(|index| required_constant(importer, node, index))
                .collect::<Result<Vec<Rc<Constant>>, _>>()?;
            let total = parts.iter().map(|part| part.values.len()).fold(0, usize::saturating_add);
            shapes::element_count(&[total]).map_err(|problem| node.error(problem))?;
            let axis = windows::axis(node, node.int("axis", 0), first.shape.len())?;
            let parts: Vec<&Constant> = parts.iter().map(AsRef::as_ref).collect();
            Constant::concat(&parts, axis).ok_or_else(|| node.error("shapes that do not fit"))
        }
        "Slice" => {
            let mut result = (*first).clone();
            for (axis, kept) in cut::slice_ranges(importer, node, &first.shape)? {
                result = result.select(axis, &kept);
            }
            Ok(result)
        }
        "ConstantOfShape" => {
            let fill = match node.attribute("value").and_then(|attribute| attribute.t.as_ref()) {
                Some(tensor) => importer.source.constant(tensor)?.scalar().unwrap_or(0.0),
                None => 0.0,
            };
            let sizes = first.integers();
            let shape = shapes::reshape(&[0], &sizes, true).or_else(|_| {
                let size = |size: &i64| usize::try_from(*size).ok();
                sizes.iter().map(size).collect::<Option<Vec<_>>>().ok_or_else(String::new)
            });
            let shape = shape.map_err(|_| node.error(format!("a shape of {sizes:?}")))?;
            let count = shapes::element_count(&shape).map_err(|problem| node.error(problem))?;
            Ok(Constant { shape, values: vec![fill; count] })
        }
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
        "QuantizeLinear" | "DequantizeLinear" => quantized::constant(importer, node, &first),
        operator => match elementwise::function(importer, node)? {
            Some(function) => Ok(first.map(|x| function.evaluate(x))),
            None => Err(node.error(format!(
                "the operator {operator} on constants is not supported; export with constant \
                 folding"
            ))),
        },
    }
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
