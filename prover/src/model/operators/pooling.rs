//! Pools and means.

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, activation, integers, shapes,
    unpadded,
};
use crate::graph::Window;

pub(super) fn max_pool(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    if node.outputs().len() > 1 {
        return Err(node.error("the indices output is not supported"));
    }
    if value.pads != [0; 4] && !importer.is_non_negative(value.tensor) {
        return Err(node.error(
            "it follows a zero Pad of values that may be negative; use the pool's own padding",
        ));
    }
    let window = pool_window(importer, node, &value)?;
    if window.dilation != [1, 1] {
        return Err(node.error("dilated max-pooling is not supported"));
    }
    pool(importer, node, &value, window, FloatOp::MaxPool { input: value.tensor, window })
}

pub(super) fn average_pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let window = pool_window(importer, node, &value)?;
    let shape = importer.shape(&value);
    // Padding asked for by a Pad node counts; the pool's own only with count_include_pad.
    let own = (0..4).any(|side| window.pads[side] != value.pads[side]);
    let counts = node.int("count_include_pad", 0) != 0 && node.int("ceil_mode", 0) == 0;
    if own && !counts {
        return Err(node.error(format!(
            "an average over windows that are cut at the border ({window:?} over {shape:?}) is not \
             supported; export with count_include_pad=1, without ceil_mode, or without padding"
        )));
    }
    let op = FloatOp::MeanPool { input: value.tensor, window, function: Function::Identity };
    pool(importer, node, &value, window, op)
}

fn pool_window(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
) -> Result<Window, ImportError> {
    let shape = importer.spatial(node, value)?;
    let kernel = node.ints("kernel_shape").unwrap_or_default();
    let size = |size: &i64| usize::try_from(*size).ok().filter(|size| (1..1 << 16).contains(size));
    let sizes: Option<Vec<usize>> = kernel.iter().map(size).collect();
    match sizes {
        Some(sizes) if sizes.len() + 2 == value.shape.len() => {
            shapes::window(node, &sizes, shape, value.pads)
        }
        _ => Err(node.error(format!("kernel_shape {kernel:?} for an input of {:?}", value.shape))),
    }
}

fn pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    window: Window,
    op: FloatOp,
) -> Result<(), ImportError> {
    let [channels, height, width] = importer.shape(value);
    let Some([out_h, out_w]) = window.output_size([height, width]) else {
        return Err(node.error("its window does not fit the input"));
    };
    let tensor = importer.push(node, [channels, out_h, out_w], Step::Layer(op))?;
    let shape = match value.shape.len() {
        3 => vec![1, channels, out_w],
        _ => vec![1, channels, out_h, out_w],
    };
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}

pub(super) fn global(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    max: bool,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let [channels, height, width] = importer.spatial(node, &value)?;
    let window = Window::dense([height, width]);
    let input = value.tensor;
    let op = if max {
        FloatOp::MaxPool { input, window }
    } else {
        FloatOp::MeanPool { input, window, function: Function::Identity }
    };
    let tensor = importer.push(node, [channels, 1, 1], Step::Layer(op))?;
    let mut shape = vec![1; value.shape.len()];
    shape[1] = channels;
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}

pub(super) fn reduce_mean(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let rank = value.shape.len();
    let axes = integers(importer, node, "axes", 1)?.unwrap_or_else(|| (0..rank as i64).collect());
    let mut reduced = vec![false; rank];
    for axis in axes {
        reduced[shapes::axis(node, axis, rank)?] = true;
    }
    let [channels, height, width] = importer.shape(&value);
    // Every reduced set of elements must be one whole channel.
    let plane = height * width;
    let element = |index: usize| value.order.as_ref().map_or(index, |order| order[index] as usize);
    let kept_shape: Vec<usize> = value
        .shape
        .iter()
        .zip(&reduced)
        .map(|(size, gone)| if *gone { 1 } else { *size })
        .collect();
    let strides = shapes::strides(&value.shape);
    let split = |gone: bool| {
        let pick = |axis: usize| if reduced[axis] == gone { value.shape[axis] } else { 1 };
        let sizes: Vec<usize> = (0..rank).map(pick).collect();
        shapes::strided_offsets(&sizes, &strides)
    };
    let (kept, gone) = (split(false), split(true));
    let whole_channels = gone.len() == plane
        && kept.iter().enumerate().all(|(channel, base)| {
            gone.iter().all(|offset| element(base + offset) / plane == channel)
        });
    if !whole_channels {
        return Err(node.error(format!(
            "the mean of {:?} over those axes; only height and width together are supported",
            value.shape
        )));
    }
    let window = Window::dense([height, width]);
    let op = FloatOp::MeanPool { input: value.tensor, window, function: Function::Identity };
    let tensor = importer.push(node, [channels, 1, 1], Step::Layer(op))?;
    let shape = if node.int("keepdims", 1) != 0 {
        kept_shape
    } else {
        value
            .shape
            .iter()
            .zip(&reduced)
            .filter(|(_, gone)| !**gone)
            .map(|(size, _)| *size)
            .collect()
    };
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}
