//! Reshaping, transposing, joining and cutting.

use std::rc::Rc;

use super::{
    Constant, FloatOp, ImportError, Importer, Node, Step, Value, activation, integers,
    optional_constant, required_constant, shapes, unpadded,
};

/// The shape that Reshape, Flatten, Squeeze or Unsqueeze gives to a tensor of `shape`.
pub(super) fn relabelled(
    importer: &Importer<'_>,
    node: &Node<'_>,
    shape: &[usize],
) -> Result<Vec<usize>, ImportError> {
    let rank = shape.len();
    match node.operator() {
        "Reshape" => {
            let target = integers(importer, node, "shape", 1)?
                .ok_or_else(|| node.error("the target shape is missing"))?;
            shapes::reshape(shape, &target, node.int("allowzero", 0) != 0)
                .map_err(|problem| node.error(problem))
        }
        "Flatten" => {
            let axis = match node.int("axis", 1) {
                axis if axis == rank as i64 => rank,
                axis => shapes::axis(node, axis, rank)?,
            };
            Ok(vec![shape[..axis].iter().product(), shape[axis..].iter().product()])
        }
        "Squeeze" => {
            let mut gone = vec![false; rank];
            match integers(importer, node, "axes", 1)? {
                Some(axes) => {
                    for axis in axes {
                        gone[shapes::axis(node, axis, rank)?] = true;
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
                added[shapes::axis(node, *axis, new_rank)?] = true;
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

pub(super) fn relabel(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let shape = relabelled(importer, node, &value.shape)?;
    importer.bind(node, Value { shape, ..value })
}

/// The order of axes asked for; reversed when absent.
pub(super) fn permutation(node: &Node<'_>, rank: usize) -> Result<Vec<usize>, ImportError> {
    let Some(axes) = node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let mut seen = vec![false; rank];
    let mut permutation = Vec::with_capacity(rank);
    for axis in axes {
        let axis = shapes::axis(node, *axis, rank)?;
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

pub(super) fn transpose(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let permutation = permutation(node, value.shape.len())?;
    let old = shapes::strides(&value.shape);
    let shape: Vec<usize> = permutation.iter().map(|axis| value.shape[*axis]).collect();
    let steps: Vec<usize> = permutation.iter().map(|axis| old[*axis]).collect();
    let elements = shapes::element_count(&shape).and_then(|count| importer.reserve(count));
    elements.map_err(|problem| node.error(problem))?;
    let order: Vec<u32> = shapes::strided_offsets(&shape, &steps)
        .into_iter()
        .map(|index| value.order.as_ref().map_or(index as u32, |order| order[index]))
        .collect();
    let same = order.iter().enumerate().all(|(index, element)| index == *element as usize);
    let order = if same { None } else { Some(Rc::new(order)) };
    importer.bind(node, Value { shape, order, ..value })
}

pub(super) fn shape(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let rank = value.shape.len() as i64;
    let clamp = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (clamp(node.int("start", 0)), clamp(node.int("end", rank)));
    let sizes = value.shape.get(start..end).unwrap_or_default();
    importer.bind_constant(node, Constant::vector(sizes.iter().map(|s| *s as f64).collect()))
}

/// The value's channel axis is its second one, and nothing is permuted.
fn is_channel_axis(importer: &Importer<'_>, value: &Value, axis: usize) -> bool {
    let shape = importer.shape(value);
    axis == 1
        && value.order.is_none()
        && value.shape.first() == Some(&1)
        && value.shape.get(1) == Some(&shape[0])
}

pub(super) fn concat(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let first = unpadded(importer, node, 0)?;
    let axis = shapes::axis(node, node.int("axis", 1), first.shape.len())?;
    let [_, height, width] = importer.shape(&first);
    let mut inputs = Vec::with_capacity(node.inputs().len());
    let mut channels = 0;
    for index in 0..node.inputs().len() {
        let value = unpadded(importer, node, index)?;
        let shape = importer.shape(&value);
        if !is_channel_axis(importer, &value, axis) || shape[1..] != [height, width] {
            return Err(node.error(format!(
                "input {index} of shape {:?} along axis {axis}; only concatenation of channels is \
                 supported",
                value.shape
            )));
        }
        channels += shape[0];
        inputs.push(value.tensor);
    }
    let op = FloatOp::Concat { inputs };
    let tensor = importer.push(node, [channels, height, width], Step::Layer(op))?;
    let mut shape = first.shape.clone();
    shape[1] = channels;
    importer.bind(node, Value { tensor, shape, ..first })
}

/// Channels `start..start + count` as output `index` of the node.
fn channels(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    index: usize,
    value: &Value,
    start: usize,
    count: usize,
) -> Result<(), ImportError> {
    let [_, height, width] = importer.shape(value);
    let op = FloatOp::Slice { input: value.tensor, start };
    let tensor = importer.push(node, [count, height, width], Step::Layer(op))?;
    let mut shape = value.shape.clone();
    shape[1] = count;
    importer.bind_output(node, index, Value { tensor, shape, ..value.clone() })
}

/// Start, end, axis and step of each axis that Slice cuts.
pub(super) fn slice_ranges(
    importer: &Importer<'_>,
    node: &Node<'_>,
    shape: &[usize],
) -> Result<Vec<(usize, Vec<usize>)>, ImportError> {
    let list = |attribute, input| integers(importer, node, attribute, input);
    let (Some(starts), Some(ends)) = (list("starts", 1)?, list("ends", 2)?) else {
        return Err(node.error("starts or ends are missing"));
    };
    let axes = list("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list("steps", 4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(node.error("starts, ends, axes and steps differ in length"));
    }
    let mut ranges = Vec::with_capacity(starts.len());
    for index in 0..starts.len() {
        let axis = shapes::axis(node, axes[index], shape.len())?;
        let size = shape[axis] as i64;
        let clamp = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size);
        let step = usize::try_from(steps[index]).ok().filter(|step| *step > 0);
        let Some(step) = step else {
            return Err(node.error(format!("a step of {}; it must be positive", steps[index])));
        };
        let (start, end) = (clamp(starts[index]) as usize, clamp(ends[index]) as usize);
        ranges.push((axis, (start..end).step_by(step).collect()));
    }
    Ok(ranges)
}

pub(super) fn slice(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let ranges = slice_ranges(importer, node, &value.shape)?;
    let cuts: Vec<_> =
        ranges.iter().filter(|(axis, kept)| kept.len() != value.shape[*axis]).collect();
    match cuts.as_slice() {
        [] => importer.bind(node, value),
        [(axis, kept)]
            if is_channel_axis(importer, &value, *axis)
                && kept.windows(2).all(|pair| pair[1] == pair[0] + 1)
                && !kept.is_empty() =>
        {
            channels(importer, node, 0, &value, kept[0], kept.len())
        }
        _ => Err(node.error(format!(
            "of an activation of shape {:?}; only runs of channels can be cut out",
            value.shape
        ))),
    }
}

pub(super) fn split(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let axis = shapes::axis(node, node.int("axis", 0), value.shape.len())?;
    if !is_channel_axis(importer, &value, axis) {
        return Err(node.error(format!(
            "of an activation of shape {:?} along axis {axis}; only channels can be split",
            value.shape
        )));
    }
    let total = value.shape[axis];
    let parts = node.outputs().len();
    let sizes: Vec<usize> = match integers(importer, node, "split", 1)? {
        Some(sizes) => sizes.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect(),
        None if parts > 0 => {
            let size = total.div_ceil(parts);
            (0..parts).map(|part| size.min(total.saturating_sub(part * size))).collect()
        }
        None => Vec::new(),
    };
    let sum = sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size));
    if sizes.len() != parts || sum != Some(total) || sizes.contains(&0) {
        return Err(node.error(format!("{total} channels into parts of {sizes:?}")));
    }
    let mut start = 0;
    for (index, size) in sizes.into_iter().enumerate() {
        channels(importer, node, index, &value, start, size)?;
        start += size;
    }
    Ok(())
}

/// Zero padding is kept with the value until a window applies it.
pub(super) fn pad(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let mode = node.text("mode").unwrap_or("constant");
    let fill = match node.attribute("value") {
        Some(attribute) => Some(f64::from(attribute.f)),
        None => optional_constant(importer, node, 2)?.and_then(|constant| constant.scalar()),
    };
    let rank = value.shape.len();
    let pads = match node.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => required_constant(importer, node, 1)?.integers(),
    };
    let explicit_axes = optional_constant(importer, node, 3)?.is_some();
    if mode != "constant" || fill.unwrap_or(0.0) != 0.0 || explicit_axes {
        return Err(node.error("only constant padding with 0 over all axes is supported"));
    }
    if pads.len() != 2 * rank {
        return Err(node.error(format!("pads {pads:?} for {rank} axes")));
    }
    if pads.iter().all(|pad| *pad == 0) {
        return importer.bind(node, value);
    }
    let size = |pad: i64| {
        let pad = usize::try_from(pad).ok().filter(|pad| *pad < 1 << 16);
        pad.ok_or_else(|| node.error(format!("pads {pads:?} are negative or too large")))
    };
    let added = match *pads.as_slice() {
        [0, 0, top, left, 0, 0, bottom, right] => {
            [size(top)?, size(left)?, size(bottom)?, size(right)?]
        }
        [0, 0, left, 0, 0, right] => [0, size(left)?, 0, size(right)?],
        _ => {
            return Err(node.error(format!(
                "pads {pads:?}; only height and width of NCHW images can be padded"
            )));
        }
    };
    if value.order.is_some() {
        return Err(node.error("its input is stored channels last; export channels first (NCHW)"));
    }
    let mut padded = value;
    for (pad, more) in padded.pads.iter_mut().zip(added) {
        *pad += more;
    }
    importer.bind(node, padded)
}
