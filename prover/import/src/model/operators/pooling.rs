//! Pools.

use super::{
    FloatOp, Function, ImportError, Importer, Node, Step, Value, activation,
    broadcast::{self, Spread},
    channels, for_window, image, pad, unpadded, windows,
};
use assay_graph::Window;

pub(in crate::model) fn max_pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let value = image(importer, node, value)?;
    if node.outputs().len() > 1 {
        return Err(node.error("the indices output is not supported"));
    }
    // The pool's own padding is absent, a Pad node's is 0: the same if nothing is negative.
    let value = if importer.is_non_negative(value.tensor) {
        value
    } else {
        pad::applied(importer, node, value)?
    };
    let kernel = kernel(node, &value)?;
    let value = for_window(importer, node, value, &kernel)?;
    let shape = importer.spatial(node, &value)?;
    let window = windows::window(node, &kernel, shape, value.pads)?;
    if window.dilation != [1, 1] {
        return Err(node.error("dilated max-pooling is not supported"));
    }
    pool(importer, node, &value, window, FloatOp::MaxPool { input: value.tensor, window })
}

pub(in crate::model) fn average_pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let value = image(importer, node, value)?;
    let kernel = kernel(node, &value)?;
    let value = for_window(importer, node, value, &kernel)?;
    let shape = importer.spatial(node, &value)?;
    let window = windows::window(node, &kernel, shape, value.pads)?;
    let [channels, height, width] = importer.shape(&value);
    // Padding asked for by a Pad node counts; the pool's own only with count_include_pad, and what
    // ceil_mode adds at the end never.
    let counted = if node.int("count_include_pad", 0) != 0 {
        windows::declared_window(node, &kernel, [channels, height, width], value.pads)?.pads
    } else {
        value.pads
    };
    let Some(counts) = window_counts(&window, [height, width], counted) else {
        return Err(node.error(format!(
            "a window of {window:?} over an input of {:?} covers padding only",
            [height, width]
        )));
    };
    let taps = (window.kernel[0] * window.kernel[1]) as f64;
    let op = FloatOp::MeanPool { input: value.tensor, window, function: Function::Identity };
    let constant = counts.windows(2).all(|pair| pair[0] == pair[1]);
    if constant && counts.first().is_none_or(|count| *count as f64 == taps) {
        return pool(importer, node, &value, window, op);
    }
    let Some([out_h, out_w]) = window.output_size([height, width]) else {
        return Err(node.error("its window does not fit the input"));
    };
    let shape = [channels, out_h, out_w];
    let mean = importer.push(node, shape, Step::Layer(op))?;
    let tensor = if constant {
        let scale = vec![taps / counts[0] as f64; channels];
        let bias = vec![0.0; channels];
        importer.push(node, shape, Step::Affine { input: mean, scale, bias })?
    } else {
        let factor = border_factor(importer, node, &value, window, counted)?;
        let factor = broadcast::expand(importer, node, (factor, Spread::Places), shape)?;
        let op = FloatOp::Product { inputs: [mean, factor], function: Function::Identity };
        importer.push(node, shape, Step::Layer(op))?
    };
    bind_pooled(importer, node, &value, tensor)
}

/// Elements that count below each window, or `None` if somewhere there are none: those of the
/// input and of the padding `counted`.
fn window_counts(window: &Window, size: [usize; 2], counted: [usize; 4]) -> Option<Vec<usize>> {
    let [out_h, out_w] = window.output_size(size)?;
    let along = |axis: usize, at: usize| {
        let first = at * window.stride[axis];
        let low = window.pads[axis].saturating_sub(counted[axis]);
        let high = window.pads[axis] + size[axis] + counted[axis + 2];
        let taps = (0..window.kernel[axis]).map(|tap| first + tap * window.dilation[axis]);
        taps.filter(|place| (low..high).contains(place)).count()
    };
    let columns: Vec<usize> = (0..out_w).map(|at| along(1, at)).collect();
    let counts = (0..out_h).map(|at| along(0, at));
    let counts: Vec<usize> =
        counts.flat_map(|lines| columns.iter().map(move |columns| lines * columns)).collect();
    (!counts.contains(&0)).then_some(counts)
}

/// One channel that holds, for each window, its size over the number of elements that count: the
/// pool of a plane of ones gives the inverse of that.
fn border_factor(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    window: Window,
    counted: [usize; 4],
) -> Result<usize, ImportError> {
    let [_, height, width] = importer.shape(value);
    let channel = channels::pick_channels(importer, node, value.tensor, &[0])?;
    let (more_h, more_w) = (counted[0] + counted[2], counted[1] + counted[3]);
    let size = [height + more_h, width + more_w];
    // Ones, as many as count: no weight, bias 1.
    let grown = Window {
        pads: [more_h, more_w, more_h, more_w],
        ..Window::dense([more_h + 1, more_w + 1])
    };
    let ones = FloatOp::Conv {
        input: channel,
        window: grown,
        groups: 1,
        weights: vec![0.0; (more_h + 1) * (more_w + 1)],
        bias: vec![1.0],
        function: Function::Identity,
    };
    let ones = importer.push(node, [1, size[0], size[1]], Step::Layer(ones))?;
    let pads = [0, 1, 2, 3].map(|side| window.pads[side].saturating_sub(counted[side]));
    let window = Window { pads, ..window };
    let Some([out_h, out_w]) = window.output_size(size) else {
        return Err(node.error("its window does not fit the input"));
    };
    // At least one element counts; the inverse is kept from 0, which no window has.
    let least = 0.5 / (window.kernel[0] * window.kernel[1]) as f64;
    let function = Function::reciprocal().after(Function::clip(Some(least), None));
    let op = FloatOp::MeanPool { input: ones, window, function };
    importer.push(node, [1, out_h, out_w], Step::Layer(op))
}

/// Sizes of the window, one for each spatial axis.
fn kernel(node: &Node<'_>, value: &Value) -> Result<Vec<usize>, ImportError> {
    let kernel = node.ints("kernel_shape").unwrap_or_default();
    let size = |size: &i64| usize::try_from(*size).ok().filter(|size| (1..1 << 16).contains(size));
    let sizes: Option<Vec<usize>> = kernel.iter().map(size).collect();
    sizes.filter(|sizes| sizes.len() + 2 == value.shape.len()).ok_or_else(|| {
        node.error(format!("kernel_shape {kernel:?} for an input of {:?}", value.shape))
    })
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
    bind_pooled(importer, node, value, tensor)
}

fn bind_pooled(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    tensor: usize,
) -> Result<(), ImportError> {
    let [channels, height, width] = importer.tensors[tensor].shape;
    let shape = match value.shape.len() {
        3 => vec![1, channels, width],
        _ => vec![1, channels, height, width],
    };
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}

pub(in crate::model) fn global_average(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    global(importer, node, false)
}

pub(in crate::model) fn global_max(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    global(importer, node, true)
}

fn global(importer: &mut Importer<'_>, node: &Node<'_>, max: bool) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let value = image(importer, node, value)?;
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
