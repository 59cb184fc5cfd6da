//! Zero padding.

use super::{
    ImportError, Importer, Node, Value, activation, cut, is_channels_last, optional_constant,
    required_constant, windows,
};
use crate::model::importer::{channels_last_order, ordered};
use assay_graph::Window;

/// Zero padding is kept with the value until a window applies it.
pub(in crate::model) fn pad(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
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
    if mode != "constant" || fill.unwrap_or(0.0) != 0.0 {
        let fill = fill.unwrap_or(0.0);
        return Err(node.error(if mode == "constant" {
            format!(
                "padding with {fill}; with 0 it is supported: take {fill} from the numbers before and add it behind, \
                 or pad the inputs before the network"
            )
        } else {
            format!(
                "padding of mode `{mode}`; zeros are supported: export with padding of zeros, which changes the \
                 borders, or write the border as Slices and a Concat"
            )
        }));
    }
    let pads = match optional_constant(importer, node, 3)? {
        Some(axes) => spread_pads(node, &pads, &axes.integers(), rank)?,
        None => pads,
    };
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
    let stored = importer.shape(&value);
    let channels_first = value.order.is_none() && value.shape.get(1..) == Some(&stored[..]);
    let channels_last = !channels_first && is_channels_last(&value, stored);
    let added = match *pads.as_slice() {
        [0, 0, top, left, 0, 0, bottom, right] if channels_first => {
            [size(top)?, size(left)?, size(bottom)?, size(right)?]
        }
        [0, top, left, 0, 0, bottom, right, 0] if channels_last => {
            [size(top)?, size(left)?, size(bottom)?, size(right)?]
        }
        [0, 0, left, 0, 0, right]
            if value.order.is_none() && value.shape == [1, stored[0], stored[2]] =>
        {
            [0, size(left)?, 0, size(right)?]
        }
        _ => {
            return Err(node.error(format!(
                "pads {pads:?} of {:?}; height and width of images can be padded: join zeros with a Concat instead",
                value.shape
            )));
        }
    };
    let mut padded = value;
    for (pad, more) in padded.pads.iter_mut().zip(added) {
        *pad += more;
    }
    importer.bind(node, padded)
}

/// Pads given for some axes only, spread over all of them.
fn spread_pads(
    node: &Node<'_>,
    pads: &[i64],
    axes: &[i64],
    rank: usize,
) -> Result<Vec<i64>, ImportError> {
    if pads.len() != 2 * axes.len() {
        return Err(node.error(format!("pads {pads:?} for the axes {axes:?}")));
    }
    let mut result = vec![0; 2 * rank];
    for (index, axis) in axes.iter().enumerate() {
        let axis = windows::axis(node, *axis, rank)?;
        (result[axis], result[axis + rank]) = (pads[index], pads[index + axes.len()]);
    }
    Ok(result)
}

/// The value with its padding as part of the tensor, by a depthwise convolution that copies.
pub(in crate::model) fn applied(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: Value,
) -> Result<Value, ImportError> {
    let [top, left, bottom, right] = value.pads;
    if value.pads == [0; 4] {
        return Ok(value);
    }
    let [channels, height, width] = importer.shape(&value);
    let stored = [channels, height + top + bottom, width + left + right];
    // The kernel is long enough for padding to stay below its size; the one weight of 1 makes the
    // content start `top` lines further down.
    let window = Window {
        pads: [top + bottom, left + right, top + bottom, left + right],
        ..Window::dense([top + bottom + 1, left + right + 1])
    };
    let tap = bottom * window.kernel[1] + right;
    let before = [channels, height, width];
    let channels_first = value.order.is_none() && value.shape.get(1..) == Some(&before[..]);
    let channels_last = !channels_first && is_channels_last(&value, before);
    let tensor = cut::place(importer, node, value.tensor, window, tap, stored)
        .map_err(|problem| node.error(problem))?;
    let (shape, order) = match value.shape.len() {
        3 => (vec![1, channels, stored[2]], None),
        _ if channels_last => {
            (vec![1, stored[1], stored[2], channels], ordered(channels_last_order(stored)))
        }
        _ if value.order.is_none() => (vec![1, channels, stored[1], stored[2]], None),
        _ => {
            return Err(node.error(
                "it follows a Pad node and a Transpose; padding is supported before a convolution, \
                 a pool, or in channels-first or channels-last order",
            ));
        }
    };
    Ok(Value { tensor, shape, order, pads: [0; 4], ..value })
}
