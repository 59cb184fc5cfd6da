//! Three spatial axes: the depth is folded into the channels of an image, `[1, C, D, H, W]` stored as
//! `[C * D, H, W]`.

use tract_onnx::pb::AttributeProto;

use super::{
    ImportError, Importer, Node, linear,
    parts::{Parts, int, ints},
    pooling, required_constant, unpadded,
};

/// Largest stride, kernel, dilation or padding along the depth.
const MOST: i64 = 1 << 12;

/// A volume as the value of a node.
#[derive(Clone, Copy, Debug)]
struct Volume {
    channels: usize,
    /// Depth, height, width.
    size: [usize; 3],
}

/// The node's input if it is a volume.
fn volume(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<Option<Volume>, ImportError> {
    let name = node.input(0).unwrap_or_default();
    if importer.values.get(name).is_none_or(|value| value.shape.len() != 5) {
        return Ok(None);
    }
    let value = unpadded(importer, node, 0)?;
    match *value.shape.as_slice() {
        [1, channels, depth, height, width] => {
            Ok(Some(Volume { channels, size: [depth, height, width] }))
        }
        ref other => {
            Err(node.error(format!("an input of shape {other:?}; a batch of 1 is needed")))
        }
    }
}

/// The window along the depth, and the attributes of the window over the image.
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    outputs: usize,
    image: Vec<AttributeProto>,
}

impl Window {
    fn read(node: &Node<'_>, kernel: &[usize], depth: usize) -> Result<Self, ImportError> {
        let [kernel, image_kernel @ ..] = kernel else {
            return Err(node.error("a window without axes"));
        };
        let list = |name: &str, count: usize, default: i64| -> Result<Vec<usize>, ImportError> {
            let values = node.ints(name).filter(|values| !values.is_empty());
            let values = values.map_or_else(|| vec![default; count], <[i64]>::to_vec);
            let fits = values.len() == count
                && values.iter().all(|value| (default..=MOST).contains(value));
            if !fits || image_kernel.len() != 2 {
                return Err(node.error(format!("`{name}` is {values:?} for three spatial axes")));
            }
            Ok(values.iter().map(|value| *value as usize).collect())
        };
        let (strides, dilations) = (list("strides", 3, 1)?, list("dilations", 3, 1)?);
        let mut pads = list("pads", 6, 0)?;
        let extent = kernel.saturating_sub(1).saturating_mul(dilations[0]).saturating_add(1);
        let mut image = vec![
            ints("strides", &strides[1..]),
            ints("dilations", &dilations[1..]),
            ints("kernel_shape", image_kernel),
        ];
        let auto = node.text("auto_pad").unwrap_or("NOTSET");
        match auto {
            "NOTSET" | "" => {
                image.push(ints("pads", &[pads[1], pads[2], pads[4], pads[5]]));
            }
            "VALID" => pads = vec![0; 6],
            "SAME_UPPER" | "SAME_LOWER" => {
                let outputs = depth.div_ceil(strides[0]);
                let needed = ((outputs - 1) * strides[0] + extent).saturating_sub(depth);
                let small = needed / 2;
                pads[0] = if auto == "SAME_UPPER" { small } else { needed - small };
                pads[3] = needed - pads[0];
                image.extend(node.attribute("auto_pad").cloned());
            }
            other => return Err(node.error(format!("auto_pad `{other}` is not known"))),
        }
        let padded = depth + pads[0] + pads[3];
        let span = padded.checked_sub(extent).filter(|_| *kernel > 0);
        let span = span.ok_or_else(|| node.error("its window does not fit the depth"))?;
        Ok(Self {
            kernel: *kernel,
            stride: strides[0],
            dilation: dilations[0],
            before: pads[0],
            outputs: span / strides[0] + 1,
            image,
        })
    }

    /// Places of the depth below the window of one output.
    fn taps(&self, output: usize, depth: usize) -> Vec<(usize, usize)> {
        let first = output * self.stride;
        (0..self.kernel)
            .filter_map(|tap| {
                let at = (first + tap * self.dilation).checked_sub(self.before)?;
                (at < depth).then_some((tap, at))
            })
            .collect()
    }
}

/// The volume as an image.
fn folded(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    of: Volume,
) -> Result<String, ImportError> {
    let [depth, height, width] = of.size;
    let shape = parts.integers(&[1, of.channels * depth, height, width])?;
    parts.op("Reshape", &[node.input(0).unwrap_or_default(), &shape], &[])
}

/// An image of `channels * depth` channels as a volume again, as the node's output.
fn unfold(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    image: &str,
    [channels, depth]: [usize; 2],
) -> Result<(), ImportError> {
    let [_, _, height, width] = *parts.shape(image)?.as_slice() else {
        return Err(node.error("its result is no image"));
    };
    let shape = parts.integers(&[1, channels, depth, height, width])?;
    let result = parts.op("Reshape", &[image, &shape], &[])?;
    parts.bind(0, &result)
}

/// Conv.
pub(in crate::model) fn conv(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else { return linear::conv(importer, node) };
    let weights = required_constant(importer, node, 1)?;
    let [outputs, in_group, ref kernel @ ..] = *weights.shape.as_slice() else {
        return Err(node.error(format!("weights of shape {:?}", weights.shape)));
    };
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    if in_group.checked_mul(groups) != Some(volume.channels) || kernel.len() != 3 || outputs == 0 {
        return Err(node.error(format!(
            "weights of shape {:?} and {groups} groups for {volume:?}",
            weights.shape
        )));
    }
    let window = Window::read(node, kernel, volume.size[0])?;
    let bias = match super::optional_constant(importer, node, 2)? {
        Some(bias) if bias.values.len() != outputs => {
            return Err(node.error(format!("{} biases for {outputs}", bias.values.len())));
        }
        Some(bias) => bias.values.clone(),
        None => vec![0.0; outputs],
    };
    deep(importer, node, volume, &window, (groups, &weights.values, kernel), &bias)
}

/// The convolution of the image, whose weights say which depth goes where.
fn deep(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    volume: Volume,
    window: &Window,
    (groups, weights, kernel): (usize, &[f64], &[usize]),
    bias: &[f64],
) -> Result<(), ImportError> {
    let (outputs, depth) = (bias.len(), volume.size[0]);
    let in_group = volume.channels / groups;
    let plane = kernel[1] * kernel[2];
    let row = in_group.saturating_mul(depth).saturating_mul(plane);
    let rows = outputs.saturating_mul(window.outputs);
    let cells = rows.saturating_mul(row);
    importer.reserve(cells).map_err(|problem| node.error(problem))?;
    let mut image = vec![0.0; cells];
    for output in 0..outputs {
        for place in 0..window.outputs {
            let target = &mut image[(output * window.outputs + place) * row..][..row];
            for (tap, at) in window.taps(place, depth) {
                for input in 0..in_group {
                    let from = ((output * in_group + input) * window.kernel + tap) * plane;
                    let to = (input * depth + at) * plane;
                    target[to..to + plane].copy_from_slice(&weights[from..from + plane]);
                }
            }
        }
    }
    let bias = bias.iter().flat_map(|x| vec![*x; window.outputs]).collect();
    let mut parts = Parts::new(importer, node);
    let input = folded(&mut parts, node, volume)?;
    let weights = parts.constant(&[rows, in_group * depth, kernel[1], kernel[2]], image)?;
    let bias = parts.constant(&[rows], bias)?;
    let mut attributes = window.image.clone();
    attributes.push(int("group", groups as i64));
    let result = parts.op("Conv", &[&input, &weights, &bias], &attributes)?;
    unfold(&mut parts, node, &result, [outputs, window.outputs])
}

/// Sizes of a pool's window.
fn kernel(node: &Node<'_>) -> Result<Vec<usize>, ImportError> {
    let kernel = node.ints("kernel_shape").unwrap_or_default();
    let sizes: Option<Vec<usize>> = kernel
        .iter()
        .map(|size| usize::try_from(*size).ok().filter(|size| (1..=MOST as usize).contains(size)))
        .collect();
    if node.int("ceil_mode", 0) != 0 {
        return Err(node.error("ceil_mode over three axes is not supported"));
    }
    sizes
        .filter(|sizes| sizes.len() == 3)
        .ok_or_else(|| node.error(format!("kernel_shape {kernel:?} for three spatial axes")))
}

/// MaxPool: over each plane, then over the planes.
pub(in crate::model) fn max_pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else { return pooling::max_pool(importer, node) };
    let window = Window::read(node, &kernel(node)?, volume.size[0])?;
    let mut parts = Parts::new(importer, node);
    let image = folded(&mut parts, node, volume)?;
    let pooled = parts.op("MaxPool", &[&image], &window.image)?;
    deepest(&mut parts, node, volume, &window, &pooled)
}

/// For each output of the window the largest of its planes.
fn deepest(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    volume: Volume,
    window: &Window,
    image: &str,
) -> Result<(), ImportError> {
    let depth = volume.size[0];
    let mut results = Vec::with_capacity(window.outputs);
    for output in 0..window.outputs {
        let mut planes = Vec::new();
        for (_, at) in window.taps(output, depth) {
            let all = (0..volume.channels).map(|channel| channel * depth + at);
            let all = parts.integers(&all.collect::<Vec<usize>>())?;
            planes.push(parts.op("Gather", &[image, &all], &[int("axis", 1)])?);
        }
        let planes: Vec<&str> = planes.iter().map(String::as_str).collect();
        results.push(match *planes.as_slice() {
            [] => return Err(node.error("a window over padding only")),
            [only] => only.to_owned(),
            _ => parts.op("Max", &planes, &[])?,
        });
    }
    let [_, _, height, width] = *parts.shape(&results[0])?.as_slice() else {
        return Err(node.error("its result is no image"));
    };
    let shape = parts.integers(&[1, volume.channels, 1, height, width])?;
    let single = results
        .iter()
        .map(|result| parts.op("Reshape", &[result, &shape], &[]))
        .collect::<Result<Vec<String>, ImportError>>()?;
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    let result = parts.op("Concat", &single, &[int("axis", 2)])?;
    parts.bind(0, &result)
}

/// AveragePool: a convolution of each channel with equal weights.
pub(in crate::model) fn average_pool(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else {
        return pooling::average_pool(importer, node);
    };
    let kernel = kernel(node)?;
    let padded = node.ints("pads").is_some_and(|pads| pads.iter().any(|pad| *pad != 0))
        || node.text("auto_pad").is_some_and(|auto| auto.starts_with("SAME"));
    if padded && node.int("count_include_pad", 0) == 0 {
        return Err(node
            .error("padding over three axes that is not counted; export with count_include_pad"));
    }
    let window = Window::read(node, &kernel, volume.size[0])?;
    let taps = kernel.iter().fold(1usize, |taps, size| taps.saturating_mul(*size));
    let cells = taps.saturating_mul(volume.channels);
    importer.reserve(cells).map_err(|problem| node.error(problem))?;
    let weights = vec![1.0 / taps as f64; cells];
    let bias = vec![0.0; volume.channels];
    deep(importer, node, volume, &window, (volume.channels, &weights, &kernel), &bias)
}

/// GlobalAveragePool: the mean of each plane, then of the planes.
pub(in crate::model) fn global_average(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else {
        return pooling::global_average(importer, node);
    };
    let (channels, depth) = (volume.channels, volume.size[0]);
    let mut parts = Parts::new(importer, node);
    let image = folded(&mut parts, node, volume)?;
    let means = parts.op("GlobalAveragePool", &[&image], &[])?;
    let weights = vec![1.0 / depth as f64; channels * depth];
    let weights = parts.constant(&[channels, depth, 1, 1], weights)?;
    let result = parts.op("Conv", &[&means, &weights], &[int("group", channels as i64)])?;
    unfold(&mut parts, node, &result, [channels, 1])
}

/// GlobalMaxPool: the largest of each plane, then of the planes.
pub(in crate::model) fn global_max(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else { return pooling::global_max(importer, node) };
    let kernel = volume.size[0];
    let window =
        Window { kernel, stride: 1, dilation: 1, before: 0, outputs: 1, image: Vec::new() };
    let mut parts = Parts::new(importer, node);
    let image = folded(&mut parts, node, volume)?;
    let pooled = parts.op("GlobalMaxPool", &[&image], &[])?;
    deepest(&mut parts, node, volume, &window, &pooled)
}

/// BatchNormalization: each channel's numbers for each of its planes.
pub(in crate::model) fn batch_normalization(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let Some(volume) = volume(importer, node)? else {
        return linear::batch_normalization(importer, node);
    };
    let (channels, depth) = (volume.channels, volume.size[0]);
    let mut parts = Parts::new(importer, node);
    let image = folded(&mut parts, node, volume)?;
    let mut names = vec![image];
    for index in 1..5 {
        let constant = required_constant(parts.importer, node, index)?;
        let values: Vec<f64> = constant.values.iter().flat_map(|x| vec![*x; depth]).collect();
        names.push(parts.constant(&[values.len()], values)?);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let attributes: Vec<AttributeProto> = node.attribute("epsilon").cloned().into_iter().collect();
    let result = parts.op("BatchNormalization", &names, &attributes)?;
    unfold(&mut parts, node, &result, [channels, depth])
}
