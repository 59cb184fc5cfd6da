//! Joining and cutting: Concat, Slice, Split.
//!
//! Both are done on tensors, whatever the order of the axes in the file: channels are joined and
//! cut at no cost, lines and columns are picked by a depthwise convolution.

use std::{collections::BTreeSet, rc::Rc};

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, integers, shapes, unpadded,
    windows,
};
use crate::model::importer::ordered;
use assay_graph::{Shape, Window};

/// Channels that are not neighbours are cut run by run and joined; more runs are refused.
const MAX_RUNS: usize = 256;

pub(in crate::model) fn concat(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let first = unpadded(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", 1), first.shape.len())?;
    let [_, height, width] = importer.shape(&first);
    let mut values = Vec::with_capacity(node.inputs().len());
    let mut shape = first.shape.clone();
    (shape[axis], values) = (0, values);
    let mut channels = 0;
    for index in 0..node.inputs().len() {
        let value = unpadded(importer, node, index)?;
        let stored = importer.shape(&value);
        let mut rest = value.shape.clone();
        let size = rest.get_mut(axis).map_or(0, |size| std::mem::replace(size, shape[axis]));
        if rest != shape || stored[1..] != [height, width] {
            return Err(node.error(format!(
                "input {index} of shape {:?} along axis {axis}; only concatenation of channels is \
                 supported",
                value.shape
            )));
        }
        shape[axis] += size;
        channels += stored[0];
        values.push(value);
    }
    let stored = [channels, height, width];
    let order = joined_order(importer, &values, &shape, axis);
    let order = order.map_err(|problem| node.error(problem))?;
    let inputs = values.iter().map(|value| value.tensor).collect();
    let tensor = importer.push(node, stored, Step::Layer(FloatOp::Concat { inputs }))?;
    importer.bind(node, Value { tensor, shape, order, ..first })
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
            let at = |index: usize| value.order.as_ref().map_or(index as u32, |order| order[index]);
            order.extend((block * run..(block + 1) * run).map(|index| start + at(index)));
            start += elements as u32;
        }
    }
    Ok(ordered(order))
}

/// Start, end, axis and step of each axis that Slice cuts.
pub(in crate::model) fn slice_ranges(
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
        let axis = windows::axis(node, axes[index], shape.len())?;
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

pub(in crate::model) fn slice(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let ranges = slice_ranges(importer, node, &value.shape)?;
    let result = cut(importer, node, &value, &ranges)?;
    importer.bind(node, result)
}

/// Gather of a run of positions, or of one, along one axis.
pub(in crate::model) fn gather(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", 0), value.shape.len())?;
    let indices = super::required_constant(importer, node, 1)?;
    let positions = indices
        .integers()
        .into_iter()
        .map(|index| windows::axis(node, index, value.shape[axis]))
        .collect::<Result<Vec<_>, _>>()?;
    if !positions.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(node.error("positions that are not in ascending order are not supported"));
    }
    let mut result = cut(importer, node, &value, &[(axis, positions)])?;
    result.shape.splice(axis..=axis, indices.shape.iter().copied());
    importer.bind(node, result)
}

pub(in crate::model) fn split(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", 0), value.shape.len())?;
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
        return Err(node.error(format!("axis {axis} of {total} into parts of {sizes:?}")));
    }
    let mut start = 0;
    for (index, size) in sizes.into_iter().enumerate() {
        let part = cut(importer, node, &value, &[(axis, (start..start + size).collect())])?;
        importer.bind_output(node, index, part)?;
        start += size;
    }
    Ok(())
}

/// The value at the given positions of some axes, ascending in each.
pub(in crate::model) fn cut(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    ranges: &[(usize, Vec<usize>)],
) -> Result<Value, ImportError> {
    let mut kept: Vec<Vec<usize>> = value.shape.iter().map(|size| (0..*size).collect()).collect();
    for (axis, positions) in ranges {
        kept[*axis] = positions.iter().filter_map(|at| kept[*axis].get(*at).copied()).collect();
    }
    let shape: Vec<usize> = kept.iter().map(Vec::len).collect();
    if shape == value.shape {
        return Ok(value.clone());
    }
    let [channels, height, width] = importer.shape(value);
    importer.reserve(channels * height * width).map_err(|problem| node.error(problem))?;
    // Elements of the tensor that are kept, in the order of the file.
    let strides = shapes::strides(&value.shape);
    let mut offsets = vec![0usize];
    for (positions, stride) in kept.iter().zip(&strides) {
        let step = |offset: &usize| {
            let offset = *offset;
            positions.iter().map(move |at| offset + at * stride).collect::<Vec<_>>()
        };
        offsets = offsets.iter().flat_map(step).collect();
    }
    let elements: Vec<usize> = offsets
        .into_iter()
        .map(|index| value.order.as_ref().map_or(index, |order| order[index] as usize))
        .collect();
    let plane = height * width;
    let split = |element: usize| [element / plane, element % plane / width, element % width];
    let axes = [0, 1, 2].map(|axis| {
        let used: BTreeSet<usize> = elements.iter().map(|element| split(*element)[axis]).collect();
        used.into_iter().collect::<Vec<usize>>()
    });
    if axes.iter().map(Vec::len).product::<usize>() != elements.len() || elements.is_empty() {
        return Err(node.error(format!(
            "of an activation of shape {:?}; only channels, lines and columns of an image can be \
             cut out",
            value.shape
        )));
    }
    let size = axes.each_ref().map(Vec::len);
    let number = |axis: usize, at: usize| axes[axis].partition_point(|kept| *kept < at);
    let order = elements
        .iter()
        .map(|element| {
            let [c, h, w] = split(*element);
            ((number(0, c) * size[1] + number(1, h)) * size[2] + number(2, w)) as u32
        })
        .collect();
    let tensor = pick_channels(importer, node, value.tensor, &axes[0])?;
    let tensor = pick_places(importer, node, tensor, &axes[1], &axes[2])?;
    Ok(Value { tensor, shape, order: ordered(order), ..value.clone() })
}

/// The given channels, ascending or not.
pub(in crate::model) fn pick_channels(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    channels: &[usize],
) -> Result<usize, ImportError> {
    let [all, height, width] = importer.tensors[input].shape;
    if channels.iter().copied().eq(0..all) {
        return Ok(input);
    }
    let runs: Vec<&[usize]> = channels.chunk_by(|a, b| *b == a + 1).collect();
    if runs.len() > MAX_RUNS {
        return Err(node.error(format!(
            "it picks channels in {} runs; up to {MAX_RUNS} are supported",
            runs.len()
        )));
    }
    let mut parts = Vec::with_capacity(runs.len());
    for run in runs {
        let op = FloatOp::Slice { input, start: run[0] };
        parts.push(importer.push(node, [run.len(), height, width], Step::Layer(op))?);
    }
    match *parts.as_slice() {
        [part] => Ok(part),
        _ => {
            let op = FloatOp::Concat { inputs: parts };
            importer.push(node, [channels.len(), height, width], Step::Layer(op))
        }
    }
}

/// The given lines and columns, by a depthwise convolution that has one weight of 1.
fn pick_places(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    lines: &[usize],
    columns: &[usize],
) -> Result<usize, ImportError> {
    let [channels, height, width] = importer.tensors[input].shape;
    if lines.len() == height && columns.len() == width {
        return Ok(input);
    }
    let mut window = Window::dense([1, 1]);
    for (axis, (kept, size)) in [(lines, height), (columns, width)].into_iter().enumerate() {
        let stride = match kept {
            [first, second, ..] => second - first,
            _ => 1,
        };
        if kept.windows(2).any(|pair| pair[1] - pair[0] != stride) {
            return Err(node.error("lines or columns at unequal distances are not supported"));
        }
        window.stride[axis] = stride;
        window.kernel[axis] = size - (kept.len() - 1) * stride;
    }
    let [kernel_h, kernel_w] = window.kernel;
    let tap = lines[0] * kernel_w + columns[0];
    place(importer, node, input, window, tap, [channels, lines.len(), columns.len()])
        .map_err(|problem| node.error(format!("{problem} ({kernel_h} x {kernel_w})")))
}

/// A depthwise convolution that copies: weight 1 at tap `tap` of its window.
pub(in crate::model) fn place(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    window: Window,
    tap: usize,
    shape: Shape,
) -> Result<usize, String> {
    let channels = shape[0];
    let taps = shapes::element_count(&[channels, window.kernel[0], window.kernel[1]])?;
    let taps = taps / channels;
    let mut weights = vec![0.0; channels * taps];
    weights.iter_mut().skip(tap).step_by(taps).for_each(|weight| *weight = 1.0);
    let op = FloatOp::Conv {
        input,
        window,
        groups: channels,
        weights,
        bias: vec![0.0; channels],
        function: Function::Identity,
    };
    importer.push(node, shape, Step::Layer(op)).map_err(|error| error.to_string())
}
