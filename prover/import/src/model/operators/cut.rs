//! Cutting: Slice, Split, and the picking of elements that others do with it.
//!
//! It is done on tensors, whatever the order of the axes in the file: channels are cut at no cost,
//! lines and columns are picked by a depthwise convolution.

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, arrange, channels, copies,
    integers, shapes, unpadded, windows,
};
use crate::model::importer::ordered;
use assay_graph::{Shape, Window};

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
        ranges.push((axis, range(node, shape[axis], [starts[index], ends[index], steps[index]])?));
    }
    Ok(ranges)
}

/// Positions from a start to an end in steps, which may go backwards.
fn range(
    node: &Node<'_>,
    size: usize,
    [start, end, step]: [i64; 3],
) -> Result<Vec<usize>, ImportError> {
    let size = size as i64;
    let from_start = |at: i64| if at < 0 { at.saturating_add(size) } else { at };
    let (low, high) = if step < 0 { (-1, size - 1) } else { (0, size) };
    let (start, end) = (from_start(start).clamp(low, high), from_start(end).clamp(low, high));
    let stride = usize::try_from(step.unsigned_abs()).ok().filter(|step| *step > 0);
    let Some(stride) = stride else {
        return Err(node.error(format!("a step of {step}; it must not be 0")));
    };
    let forwards = (start..end).step_by(stride).map(|at| at as usize);
    let backwards = (end + 1..=start).rev().step_by(stride).map(|at| at as usize);
    Ok(if step > 0 { forwards.collect() } else { backwards.collect() })
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

/// The value at the given positions of some axes, in that order.
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
    if shape == value.shape && kept.iter().all(|kept| kept.iter().copied().eq(0..kept.len())) {
        return Ok(value.clone());
    }
    let count = shapes::element_count(&shape).and_then(|n| importer.reserve(n).map(|()| n));
    count.map_err(|problem| node.error(problem))?;
    // Elements that are kept, in the order of the result.
    let strides = shapes::strides(&value.shape);
    let mut taken = vec![0usize];
    for (positions, stride) in kept.iter().zip(&strides) {
        let step = |offset: &usize| {
            let offset = *offset;
            positions.iter().map(move |at| offset + at * stride).collect::<Vec<_>>()
        };
        taken = taken.iter().flat_map(step).collect();
    }
    take(importer, node, value, shape, &taken)
}

/// The elements `taken` of the value, each by its number in the file, as a value of `shape`.
pub(in crate::model) fn take(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    shape: Vec<usize>,
    taken: &[usize],
) -> Result<Value, ImportError> {
    if taken.is_empty() {
        return Err(node.error(format!("nothing is left of an input of shape {:?}", value.shape)));
    }
    let stored: usize = importer.shape(value).iter().product();
    importer.reserve(stored + 3 * taken.len()).map_err(|problem| node.error(problem))?;
    if taken.len() > stored {
        return copies::copies(importer, node, value, shape, taken);
    }
    let elements: Vec<usize> = taken.iter().map(|index| arrange::element(value, *index)).collect();
    if let Some(grid) = Grid::of(importer.shape(value), &elements) {
        let tensor = channels::pick_channels(importer, node, value.tensor, &grid.axes[0])?;
        let tensor = pick_places(importer, node, tensor, &grid.axes[1], &grid.axes[2])?;
        return Ok(Value { tensor, shape, order: ordered(grid.order), ..value.clone() });
    }
    // Element by element: all of them as channels.
    let vector = [stored, 1, 1];
    let places = Value { shape: vec![stored], order: None, ..value.clone() };
    let all = arrange::store(importer, node, &places, vector, None)?;
    let elements: Vec<usize> =
        elements.into_iter().map(|element| arrange::element(&all, element)).collect();
    let tensor = channels::pick_channels(importer, node, all.tensor, &elements)?;
    Ok(Value { tensor, shape, order: None, ..value.clone() })
}

/// Some channels, lines and columns, and where each element lies among them.
struct Grid {
    axes: [Vec<usize>; 3],
    order: Vec<u32>,
}

impl Grid {
    /// The grid that holds just these elements of a tensor, each once, if its lines and columns are
    /// evenly spaced.
    fn of([channels, height, width]: Shape, elements: &[usize]) -> Option<Self> {
        let plane = height * width;
        let split = |element: usize| [element / plane, element % plane / width, element % width];
        let mut axes = [channels, height, width].map(|size| vec![false; size]);
        for element in elements {
            for (used, at) in axes.iter_mut().zip(split(*element)) {
                used[at] = true;
            }
        }
        let axes = axes.map(|used| {
            used.iter().enumerate().filter(|(_, used)| **used).map(|(at, _)| at).collect::<Vec<_>>()
        });
        let even =
            |kept: &Vec<usize>| kept.windows(2).all(|pair| pair[1] - pair[0] == kept[1] - kept[0]);
        let size = axes.each_ref().map(Vec::len);
        if size.iter().product::<usize>() != elements.len() || !axes[1..].iter().all(even) {
            return None;
        }
        let number = |axis: usize, at: usize| axes[axis].partition_point(|kept| *kept < at);
        let mut seen = vec![false; elements.len()];
        let mut order = Vec::with_capacity(elements.len());
        for element in elements {
            let [c, h, w] = split(*element);
            let place = (number(0, c) * size[1] + number(1, h)) * size[2] + number(2, w);
            if std::mem::replace(&mut seen[place], true) {
                return None;
            }
            order.push(place as u32);
        }
        Some(Self { axes, order })
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
            _ => size,
        };
        window.stride[axis] = stride;
        // Long enough to reach the first, and for no more windows than are wanted.
        window.kernel[axis] = (kept[0] + 1).max((size + 1).saturating_sub(kept.len() * stride));
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
