//! Axes and windows as the attributes of a node give them.

use assay_graph::Window;

use super::protobuf::Node;
use super::{ImportError, Shape};

/// `axis` counted from the end when negative.
pub(super) fn axis(node: &Node<'_>, axis: i64, rank: usize) -> Result<usize, ImportError> {
    let from_start = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    from_start
        .and_then(|axis| usize::try_from(axis).ok())
        .filter(|axis| *axis < rank)
        .ok_or_else(|| node.error(format!("axis {axis} of a tensor with {rank} axes")))
}

/// Window of a convolution or pool over an input of `shape`, with padding `before` already asked
/// for by a Pad node. One-dimensional windows run along the width.
pub(super) fn window(
    node: &Node<'_>,
    kernel: &[usize],
    shape: Shape,
    before: [usize; 4],
) -> Result<Window, ImportError> {
    let mut window = declared_window(node, kernel, shape, before)?;
    if node.int("ceil_mode", 0) != 0 {
        grow_to_ceiling(&mut window, [shape[1], shape[2]]);
    }
    let fits = window.output_size([shape[1], shape[2]]);
    let Some(extent) = window.extent().filter(|_| fits.is_some()) else {
        return Err(node.error(format!("the window {window:?} does not fit the input {shape:?}")));
    };
    if (0..4).any(|side| window.pads[side] >= extent[side % 2]) {
        return Err(node.error(format!(
            "padding {:?} as large as the window {extent:?} is not supported; use a Pad node before it",
            window.pads
        )));
    }
    Ok(window)
}

/// As [`window`], without what ceil_mode adds at the end.
pub(super) fn declared_window(
    node: &Node<'_>,
    kernel: &[usize],
    shape: Shape,
    before: [usize; 4],
) -> Result<Window, ImportError> {
    let rank = kernel.len();
    let pair = |values: &[usize]| match *values {
        [width] => Ok([1, width]),
        [height, width] => Ok([height, width]),
        _ => Err(node.error(format!("{rank} spatial axes; 1 and 2 are supported"))),
    };
    let sizes = |name: &str, default: usize| -> Result<Vec<usize>, ImportError> {
        let Some(values) = node.ints(name) else { return Ok(vec![default; rank]) };
        if values.len() != rank {
            return Err(node.error(format!("`{name}` is {values:?} for {rank} spatial axes")));
        }
        let size = |value: &i64| {
            let size = usize::try_from(*value).ok().filter(|size| (1..1 << 16).contains(size));
            size.ok_or_else(|| node.error(format!("`{name}` is {values:?}")))
        };
        values.iter().map(size).collect()
    };
    let mut window = Window {
        kernel: pair(kernel)?,
        stride: pair(&sizes("strides", 1)?)?,
        dilation: pair(&sizes("dilations", 1)?)?,
        pads: [0; 4],
    };
    // SAME is meant for the padded input.
    let size =
        |axis: usize| shape[axis + 1].saturating_add(before[axis]).saturating_add(before[axis + 2]);
    window.pads = pads(node, &window, rank, [size(0), size(1)])?;
    for (pad, more) in window.pads.iter_mut().zip(before) {
        *pad = pad.saturating_add(more);
    }
    Ok(window)
}

fn pads(
    node: &Node<'_>,
    window: &Window,
    rank: usize,
    size: [usize; 2],
) -> Result<[usize; 4], ImportError> {
    let auto = node.text("auto_pad").unwrap_or("NOTSET");
    match auto {
        "NOTSET" | "" => explicit_pads(node, rank),
        "VALID" => Ok([0; 4]),
        "SAME_UPPER" | "SAME_LOWER" => {
            let mut pads = [0; 4];
            let extent = window.extent().unwrap_or(window.kernel);
            for axis in 0..2 {
                let outputs = size[axis].div_ceil(window.stride[axis]);
                let needed = (outputs.saturating_sub(1) * window.stride[axis] + extent[axis])
                    .saturating_sub(size[axis]);
                let small = needed / 2;
                let upper = auto == "SAME_UPPER";
                pads[axis] = if upper { small } else { needed - small };
                pads[axis + 2] = needed - pads[axis];
            }
            Ok(pads)
        }
        other => Err(node.error(format!("auto_pad `{other}` is not known"))),
    }
}

fn explicit_pads(node: &Node<'_>, rank: usize) -> Result<[usize; 4], ImportError> {
    let Some(values) = node.ints("pads") else { return Ok([0; 4]) };
    let pad = |value: &i64| {
        let pad = usize::try_from(*value).ok().filter(|pad| *pad < 1 << 16);
        pad.ok_or_else(|| node.error(format!("pads {values:?} are negative or too large")))
    };
    let sizes = values.iter().map(pad).collect::<Result<Vec<_>, _>>()?;
    match (rank, sizes.as_slice()) {
        (1, [left, right]) => Ok([0, *left, 0, *right]),
        (2, [top, left, bottom, right]) => Ok([*top, *left, *bottom, *right]),
        _ => Err(node.error(format!("pads {values:?} for {rank} spatial axes"))),
    }
}

/// More padding at the end, so that the rounded-down size is the rounded-up one of before; a last
/// window that would start in the padding is not added.
fn grow_to_ceiling(window: &mut Window, size: [usize; 2]) {
    let Some(extent) = window.extent() else { return };
    for axis in 0..2 {
        let padded = size[axis] + window.pads[axis] + window.pads[axis + 2];
        let Some(span) = padded.checked_sub(extent[axis]) else { continue };
        let mut last = span.div_ceil(window.stride[axis]) * window.stride[axis];
        if last >= size[axis] + window.pads[axis] {
            last -= window.stride[axis];
        }
        window.pads[axis + 2] += (last + extent[axis]).saturating_sub(padded);
    }
}
