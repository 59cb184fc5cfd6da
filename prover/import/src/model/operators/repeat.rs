//! Repeating: Expand and Tile.

use super::{
    ImportError, Importer, Node, Value, constant::broadcast_shape, copies, cut, required_constant,
    shapes, unpadded,
};

pub(in crate::model) fn expand(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let target = sizes(importer, node, 1)?;
    let shape = broadcast_shape(&value.shape, &target).ok_or_else(|| {
        node.error(format!("an input of shape {:?} cannot become {target:?}", value.shape))
    })?;
    let value = to_shape(importer, node, &value, &shape)?;
    importer.bind(node, value)
}

pub(in crate::model) fn tile(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let repeats = sizes(importer, node, 1)?;
    if repeats.len() != value.shape.len() {
        return Err(node.error(format!("repeats {repeats:?} for shape {:?}", value.shape)));
    }
    let positions = value.shape.iter().zip(&repeats).enumerate().filter(|(_, (_, n))| **n != 1);
    let mut tiled = value.clone();
    for (axis, (size, repeats)) in positions {
        let count = shapes::element_count(&[*size, *repeats]).map_err(|text| node.error(text))?;
        let positions = (0..count).map(|at| at % size).collect();
        tiled = cut::cut(importer, node, &tiled, &[(axis, positions)])?;
    }
    importer.bind(node, tiled)
}

fn sizes(
    importer: &Importer<'_>,
    node: &Node<'_>,
    input: usize,
) -> Result<Vec<usize>, ImportError> {
    let sizes = required_constant(importer, node, input)?.integers();
    let size = |size: &i64| usize::try_from(*size).ok().filter(|size| *size > 0);
    let sizes: Option<Vec<usize>> = sizes.iter().map(size).collect();
    sizes.ok_or_else(|| node.error("a size or count that is not positive"))
}

/// The value broadcast to `shape`.
pub(in crate::model) fn to_shape(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    shape: &[usize],
) -> Result<Value, ImportError> {
    let count = shapes::element_count(shape).and_then(|n| importer.reserve(n).map(|()| n));
    let count = count.map_err(|problem| node.error(problem))?;
    if count == value.shape.iter().product::<usize>() {
        return Ok(Value { shape: shape.to_vec(), ..value.clone() });
    }
    let taken = shapes::broadcast_offsets(&value.shape, shape).ok_or_else(|| {
        node.error(format!("an input of shape {:?} cannot become {shape:?}", value.shape))
    })?;
    copies::copies(importer, node, value, shape.to_vec(), &taken)
}
