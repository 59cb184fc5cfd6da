//! Transposed convolutions, as convolutions over inputs with zeros between their elements.

use super::{
    Constant, FloatOp, Function, ImportError, Importer, Node, Step, Value, channels, cut, image,
    optional_constant, required_constant, unpadded,
};
use assay_graph::Window;

/// Largest stride, kernel or dilation along an axis.
const MOST: i64 = 1 << 12;

/// One spatial axis of a transposed convolution.
#[derive(Clone, Copy, Debug)]
struct Axis {
    size: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Elements left out at the start of the result.
    start: i64,
    output: usize,
}

impl Axis {
    /// Nothing is done along it.
    const NONE: Self = Self { size: 1, kernel: 1, stride: 1, dilation: 1, start: 0, output: 1 };

    fn extent(&self) -> i64 {
        ((self.kernel - 1) * self.dilation + 1) as i64
    }

    /// Padding of the convolution over `size * stride` elements, and what is cut off its result, at
    /// the start and at the end.
    fn padding(&self) -> Option<[(usize, usize); 2]> {
        let before = self.extent() - 1 - self.start;
        // Outputs without padding at the end: size * stride + before - (extent - 1).
        let after =
            self.output as i64 - (self.size * self.stride) as i64 - before + self.extent() - 1;
        let most = self.extent() - 1;
        let side = |amount: i64| {
            (amount <= most).then(|| (amount.max(0) as usize, (-amount).max(0) as usize))
        };
        Some([side(before)?, side(after)?])
    }
}

/// ConvTranspose.
pub(in crate::model) fn conv_transpose(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let value = image(importer, node, value)?;
    let [channels, height, width] = importer.spatial(node, &value)?;
    let weights = required_constant(importer, node, 1)?;
    let [inputs, out_group, ref kernel @ ..] = *weights.shape.as_slice() else {
        return Err(node.error(format!("weights of shape {:?}", weights.shape)));
    };
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    let fits = groups > 0
        && inputs == channels
        && inputs.is_multiple_of(groups)
        && out_group > 0
        && kernel.len() + 2 == value.shape.len();
    let outputs = out_group.checked_mul(groups).filter(|_| fits).ok_or_else(|| {
        node.error(format!(
            "weights of shape {:?} and {groups} groups for an input of shape {:?}",
            weights.shape, value.shape
        ))
    })?;
    let bias = match optional_constant(importer, node, 2)? {
        Some(bias) if bias.values.len() != outputs => {
            return Err(node.error(format!("{} biases for {outputs} channels", bias.values.len())));
        }
        Some(bias) => bias.values.iter().map(|x| *x as f32).collect(),
        None => vec![0.0; outputs],
    };
    let sizes = [height, width];
    let mut axes = [Axis::NONE; 2];
    let first = 2 - kernel.len();
    for (index, size) in kernel.iter().enumerate() {
        axes[first + index] = axis(node, index, kernel.len(), sizes[first + index], *size)?;
    }
    let weights = flipped(importer, node, &weights, [groups, out_group])?;
    let result = spread(importer, node, &value, axes, groups, weights, bias)?;
    importer.bind(node, result)
}

/// Axis `index` of `rank` spatial ones, as the attributes give it.
fn axis(
    node: &Node<'_>,
    index: usize,
    rank: usize,
    size: usize,
    kernel: usize,
) -> Result<Axis, ImportError> {
    let number = |name: &str, default: i64, at: usize, count: usize, least: i64| {
        let Some(values) = node.ints(name).filter(|values| !values.is_empty()) else {
            return Ok(default);
        };
        let value = values.get(at).copied().filter(|_| values.len() == count);
        value
            .filter(|value| (least..=MOST).contains(value))
            .ok_or_else(|| node.error(format!("`{name}` is {values:?} for {rank} spatial axes")))
    };
    let kernel = Some(kernel as i64).filter(|kernel| (1..=MOST).contains(kernel));
    let kernel = kernel.ok_or_else(|| node.error("a window without elements, or too large"))?;
    let stride = number("strides", 1, index, rank, 1)?;
    let dilation = number("dilations", 1, index, rank, 1)?;
    let added = number("output_padding", 0, index, rank, 0)?;
    let full = stride * (size as i64 - 1) + added + (kernel - 1) * dilation + 1;
    let auto = node.text("auto_pad").unwrap_or("NOTSET");
    let wanted = match node.ints("output_shape").unwrap_or_default() {
        [] if matches!(auto, "SAME_UPPER" | "SAME_LOWER") => Some(size as i64 * stride),
        [] => None,
        // With or without batch and channels.
        shape if shape.len() == rank => Some(shape[index]),
        shape if shape.len() == rank + 2 => Some(shape[index + 2]),
        shape => return Err(node.error(format!("`output_shape` is {shape:?}"))),
    };
    let (start, output) = match wanted {
        Some(output) => {
            let total = full.checked_sub(output);
            let total = total.ok_or_else(|| node.error("`output_shape` is out of range"))?.max(0);
            let small = total / 2;
            (if auto == "SAME_UPPER" { small } else { total - small }, output)
        }
        None if auto == "VALID" => (0, full),
        None => {
            let start = number("pads", 0, index, 2 * rank, 0)?;
            (start, full - start - number("pads", 0, index + rank, 2 * rank, 0)?)
        }
    };
    let output = usize::try_from(output).ok().filter(|output| (1..1 << 20).contains(output));
    let output = output.ok_or_else(|| node.error("its result has no elements, or too many"))?;
    let [kernel, stride, dilation] = [kernel, stride, dilation].map(|x| x as usize);
    Ok(Axis { size, kernel, stride, dilation, start, output })
}

/// Weights `[inputs, outputs / groups, ...]` as those of the convolution: `[outputs, inputs / groups,
/// ...]`, each window turned round.
fn flipped(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    weights: &Constant,
    [groups, out_group]: [usize; 2],
) -> Result<Vec<f32>, ImportError> {
    importer.reserve(weights.values.len()).map_err(|problem| node.error(problem))?;
    let in_group = weights.shape[0] / groups;
    let taps: usize = weights.shape[2..].iter().product();
    let mut result = Vec::with_capacity(weights.values.len());
    for output in 0..groups * out_group {
        let (group, output) = (output / out_group, output % out_group);
        for input in group * in_group..(group + 1) * in_group {
            let window = &weights.values[(input * out_group + output) * taps..][..taps];
            result.extend(window.iter().rev().map(|weight| *weight as f32));
        }
    }
    Ok(result)
}

/// Zeros between the elements, the convolution, and what it makes too much cut off.
fn spread(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axes: [Axis; 2],
    groups: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
) -> Result<Value, ImportError> {
    let [channels, height, width] = importer.shape(value);
    let factor = axes.map(|axis| axis.stride);
    let size = [height.saturating_mul(factor[0]), width.saturating_mul(factor[1])];
    let mut input = value.tensor;
    if factor != [1, 1] {
        let op = FloatOp::Resize { input, factor, zeros: true };
        input = importer.push(node, [channels, size[0], size[1]], Step::Layer(op))?;
    }
    let sides = axes.each_ref().map(Axis::padding);
    let [Some(vertical), Some(horizontal)] = sides else {
        return Err(node.error(
            "more padding of its output than its window has elements; use a Pad node after it",
        ));
    };
    let window = Window {
        kernel: axes.map(|axis| axis.kernel),
        stride: [1, 1],
        dilation: axes.map(|axis| axis.dilation),
        pads: [vertical[0].0, horizontal[0].0, vertical[1].0, horizontal[1].0],
    };
    let Some([out_h, out_w]) = window.output_size(size) else {
        return Err(node.error("its window does not fit the input"));
    };
    let outputs = bias.len();
    let function = Function::Identity;
    let op = FloatOp::Conv { input, window, groups, weights, bias, function };
    let tensor = importer.push(node, [outputs, out_h, out_w], Step::Layer(op))?;
    let one = value.shape.len() == 3;
    let shape = if one { vec![1, outputs, out_w] } else { vec![1, outputs, out_h, out_w] };
    let result = Value { tensor, shape, order: None, pads: [0; 4], dropped: None };
    let mut kept = Vec::new();
    for (index, (sides, axis)) in [vertical, horizontal].iter().zip(&axes).enumerate() {
        let from = sides[0].1;
        if sides[0].1 + sides[1].1 > 0 {
            let place = if one { 2 } else { index + 2 };
            kept.push((place, (from..from + axis.output).collect()));
        }
    }
    cut::cut(importer, node, &result, &kept)
}

/// DepthToSpace: each place becomes a block, made of its channels.
pub(in crate::model) fn depth_to_space(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let value = image(importer, node, value)?;
    let [channels, height, width] = importer.spatial(node, &value)?;
    let (block, square) = block(node)?;
    let outputs = channels / square;
    if !channels.is_multiple_of(square) || value.shape.len() != 4 {
        return Err(node.error(format!("blocks of {block} of an input of {:?}", value.shape)));
    }
    let mut tensor = value.tensor;
    if node.text("mode").unwrap_or("DCR") == "DCR" {
        // Channel (block element, output) to (output, block element).
        let order: Vec<usize> =
            (0..channels).map(|at| at % square * outputs + at / square).collect();
        tensor = channels::pick_channels(importer, node, tensor, &order)?;
    }
    let axis = |size| Axis {
        size,
        kernel: block,
        stride: block,
        dilation: 1,
        start: 0,
        output: size * block,
    };
    let weights = importer.reserve(channels.saturating_mul(square));
    weights.map_err(|problem| node.error(problem))?;
    let mut weights = vec![0.0; channels * square];
    for channel in 0..channels {
        let element = channel % square;
        weights[channel * square + square - 1 - element] = 1.0;
    }
    let value = Value { tensor, ..value };
    let axes = [axis(height), axis(width)];
    let result = spread(importer, node, &value, axes, outputs, weights, vec![0.0; outputs])?;
    importer.bind(node, result)
}

/// SpaceToDepth: each block becomes a place with the block's elements as channels.
pub(in crate::model) fn space_to_depth(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let value = image(importer, node, value)?;
    let [channels, height, width] = importer.spatial(node, &value)?;
    let (block, square) = block(node)?;
    if !height.is_multiple_of(block) || !width.is_multiple_of(block) || value.shape.len() != 4 {
        return Err(node.error(format!("blocks of {block} of an input of {:?}", value.shape)));
    }
    let outputs = channels.saturating_mul(square);
    let cells = outputs.saturating_mul(square);
    importer.reserve(cells).map_err(|problem| node.error(problem))?;
    let mut weights = vec![0.0; cells];
    for output in 0..outputs {
        weights[output * square + output % square] = 1.0;
    }
    let op = FloatOp::Conv {
        input: value.tensor,
        window: Window { stride: [block, block], ..Window::dense([block, block]) },
        groups: channels,
        weights,
        bias: vec![0.0; outputs],
        function: Function::Identity,
    };
    let [height, width] = [height / block, width / block];
    let tensor = importer.push(node, [outputs, height, width], Step::Layer(op))?;
    // Channel (input, block element) to (block element, input).
    let order: Vec<usize> = (0..outputs).map(|at| at % channels * square + at / channels).collect();
    let tensor = channels::pick_channels(importer, node, tensor, &order)?;
    let shape = vec![1, outputs, height, width];
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}

/// Side of the node's blocks, and their elements.
fn block(node: &Node<'_>) -> Result<(usize, usize), ImportError> {
    let size = node.int("blocksize", 0);
    let block = usize::try_from(size).ok().filter(|block| (1..=256).contains(block));
    let block = block.ok_or_else(|| node.error(format!("blocks of {size}")))?;
    Ok((block, block * block))
}
