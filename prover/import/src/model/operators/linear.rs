//! Convolutions and batch normalization.

use super::{
    Constant, FloatOp, Function, ImportError, Importer, Node, Step, Value, activation, arrange,
    for_window, image, optional_constant, required_constant, unpadded, windows,
};
use crate::model::FloatTensorId;
use assay_graph::{Shape, Window};

pub(in crate::model) fn conv(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let value = image(importer, node, value)?;
    let weights = required_constant(importer, node, 1)?;
    let bias = optional_constant(importer, node, 2)?;
    let [outputs, in_group, ref kernel @ ..] = *weights.shape.as_slice() else {
        return Err(node.error(format!("weights of shape {:?}", weights.shape)));
    };
    let value = for_window(importer, node, value, kernel)?;
    let shape = importer.spatial(node, &value)?;
    if kernel.len() + 2 != value.shape.len() {
        return Err(node.error(format!(
            "weights of shape {:?} for an input of shape {:?}",
            weights.shape, value.shape
        )));
    }
    if let Some(declared) = node.ints("kernel_shape")
        && !declared.iter().map(|size| *size as u64).eq(kernel.iter().map(|size| *size as u64))
    {
        return Err(node.error(format!("kernel_shape {declared:?}, but weights {kernel:?}")));
    }
    let groups = usize::try_from(node.int("group", 1)).unwrap_or(0);
    let fits = groups > 0
        && outputs.is_multiple_of(groups)
        && in_group.checked_mul(groups) == Some(shape[0]);
    if !fits {
        return Err(node.error(format!(
            "weights of shape {:?} and {groups} groups do not fit {} input channels",
            weights.shape, shape[0]
        )));
    }
    let bias = match &bias {
        Some(bias) if bias.values.len() != outputs => {
            return Err(
                node.error(format!("{} biases for {outputs} output channels", bias.values.len()))
            );
        }
        Some(bias) => floats(bias),
        None => vec![0.0; outputs],
    };
    let window = windows::window(node, kernel, shape, value.pads)?;
    let Some([height, width]) = window.output_size([shape[1], shape[2]]) else {
        return Err(node.error("its window does not fit the input"));
    };
    let op = FloatOp::Conv {
        input: value.tensor,
        window,
        groups,
        weights: floats(&weights),
        bias,
        function: Function::Identity,
    };
    let tensor = importer.push(node, [outputs, height, width], Step::Layer(op))?;
    let shape = match kernel.len() {
        1 => vec![1, outputs, width],
        _ => vec![1, outputs, height, width],
    };
    importer.bind(node, Value { tensor, shape, order: None, pads: [0; 4], dropped: None })
}

/// A convolution without bias.
pub(in crate::model) fn push(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: FloatTensorId,
    window: Window,
    groups: usize,
    weights: Vec<f32>,
    result: Shape,
) -> Result<FloatTensorId, ImportError> {
    let bias = vec![0.0; result[0]];
    let op = FloatOp::Conv { input, window, groups, weights, bias, function: Function::Identity };
    importer.push(node, result, Step::Layer(op))
}

pub(in crate::model) fn batch_normalization(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    if value.shape.len() < 2 {
        return Err(node.error(format!("an input of shape {:?}; NCHW is needed", value.shape)));
    }
    let (value, _) = arrange::with_channels_in_order(importer, node, &value, &[1])?;
    let shape = importer.shape(&value);
    let epsilon = node.float("epsilon", 1e-5)?;
    let parameter = |index| {
        let constant = required_constant(importer, node, index)?;
        if constant.values.len() != shape[0] {
            return Err(node.error(format!(
                "parameter {index} has {} values for {} channels",
                constant.values.len(),
                shape[0]
            )));
        }
        Ok(constant)
    };
    let (gamma, beta, mean, variance) =
        (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let scale: Vec<f64> = gamma
        .values
        .iter()
        .zip(&variance.values)
        .map(|(gamma, variance)| gamma / (variance + epsilon).sqrt())
        .collect();
    let bias: Vec<f64> = (0..shape[0])
        .map(|channel| beta.values[channel] - mean.values[channel] * scale[channel])
        .collect();
    if scale.iter().chain(&bias).any(|x| !x.is_finite()) {
        return Err(node.error("a variance is not positive"));
    }
    let step = Step::Affine { input: value.tensor, scale, bias };
    let tensor = importer.push(node, shape, step)?;
    importer.bind(node, Value { tensor, ..value })
}

fn floats(constant: &Constant) -> Vec<f32> {
    constant.values.iter().map(|x| *x as f32).collect()
}
