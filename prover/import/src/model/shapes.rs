//! Sizes and windows of ONNX operators.

/// Largest tensor that is imported.
const MAX_ELEMENTS: usize = 1 << 27;

/// Product of the dimensions, bounded.
pub(super) fn element_count(shape: &[usize]) -> Result<usize, String> {
    shape
        .iter()
        .try_fold(1usize, |count, dim| count.checked_mul(*dim))
        .filter(|count| *count <= MAX_ELEMENTS)
        .ok_or_else(|| format!("shape {shape:?} has more than {MAX_ELEMENTS} elements"))
}

/// Shape asked for by Reshape: 0 copies a dimension, -1 takes what is left.
pub(super) fn reshape(
    from: &[usize],
    target: &[i64],
    zero_is_zero: bool,
) -> Result<Vec<usize>, String> {
    let count = element_count(from)?;
    let mut shape = Vec::with_capacity(target.len());
    let mut open = None;
    for (axis, dim) in target.iter().enumerate() {
        shape.push(match *dim {
            0 if !zero_is_zero => {
                *from.get(axis).ok_or_else(|| format!("{target:?} copies a missing axis"))?
            }
            -1 if open.replace(axis).is_some() => return Err(format!("{target:?} has two -1")),
            -1 => 1,
            dim => usize::try_from(dim).map_err(|_| format!("{target:?} has a negative size"))?,
        });
    }
    if let Some(axis) = open {
        let rest = element_count(&shape)?;
        if rest == 0 || !count.is_multiple_of(rest) {
            return Err(format!("{from:?} cannot take the shape {target:?}"));
        }
        shape[axis] = count / rest;
    }
    if element_count(&shape)? != count {
        return Err(format!("{from:?} cannot take the shape {target:?}"));
    }
    Ok(shape)
}

/// Offsets of the elements of `shape` in a tensor that broadcasts to it.
pub(super) fn broadcast_offsets(from: &[usize], to: &[usize]) -> Option<Vec<usize>> {
    let lead = to.len().checked_sub(from.len())?;
    let mut strides = vec![0; to.len()];
    let mut stride = 1;
    for (axis, dim) in from.iter().enumerate().rev() {
        match *dim {
            1 => {}
            dim if dim == to[lead + axis] => strides[lead + axis] = stride,
            _ => return None,
        }
        stride *= dim;
    }
    Some(strided_offsets(to, &strides))
}

/// Offsets of all elements of `shape` in row-major order, for the given strides.
pub(super) fn strided_offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
    let mut offsets = vec![0];
    for (dim, stride) in shape.iter().zip(strides) {
        offsets = offsets
            .iter()
            .flat_map(|offset| (0..*dim).map(move |index| offset + index * stride))
            .collect();
    }
    offsets
}

/// Row-major strides.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}
