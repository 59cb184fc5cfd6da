//! Convolutions, dense layers, batch normalization.

use std::rc::Rc;

use super::{
    Constant, FloatOp, Function, ImportError, Importer, Node, Step, Value, activation, for_window,
    image, optional_constant, required_constant, shapes, unpadded, windows,
};
use crate::model::importer::{channels_last_order, ordered};
use assay_graph::Window;

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

pub(in crate::model) fn gemm(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let matrix = required_constant(importer, node, 1)?;
    let bias = optional_constant(importer, node, 2)?;
    let [1, inputs] = *value.shape.as_slice() else {
        return Err(node.error(format!("an input of shape {:?}; [1, n] is needed", value.shape)));
    };
    if node.int("transA", 0) != 0 {
        return Err(node.error("transA is not supported"));
    }
    if matrix.shape.len() != 2 {
        return Err(node.error(format!("a weight matrix of shape {:?}", matrix.shape)));
    }
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    // [outputs, inputs]
    let matrix =
        if node.int("transB", 0) != 0 { matrix } else { Rc::new(matrix.transpose(&[1, 0])) };
    let matrix = matrix.map(|w| w * alpha);
    let outputs = matrix.shape[0];
    let bias = match bias {
        None => vec![0.0; outputs],
        Some(bias) => {
            let full = shapes::broadcast_offsets(&bias.shape, &[1, outputs]).ok_or_else(|| {
                node.error(format!("bias of shape {:?} for {outputs} outputs", bias.shape))
            })?;
            full.iter().map(|offset| (bias.values[*offset] * beta) as f32).collect()
        }
    };
    dense(importer, node, &value, inputs, &matrix, bias)
}

pub(in crate::model) fn matmul(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let matrix = required_constant(importer, node, 1)?;
    let Some(&inputs) = value.shape.last() else {
        return Err(node.error("an input without axes"));
    };
    if matrix.shape.len() != 2 {
        return Err(node.error(format!(
            "a weight matrix of shape {:?}; two axes are supported",
            matrix.shape
        )));
    }
    let matrix = matrix.transpose(&[1, 0]);
    let bias = vec![0.0; matrix.shape[0]];
    dense(importer, node, &value, inputs, &matrix, bias)
}

/// `matrix` is `[outputs, inputs]`, applied along the last axis of `value`.
fn dense(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    inputs: usize,
    matrix: &Constant,
    bias: Vec<f32>,
) -> Result<(), ImportError> {
    let outputs = matrix.shape[0];
    if matrix.shape[1] != inputs {
        return Err(node.error(format!(
            "a weight matrix with {} inputs for an input of shape {:?}",
            matrix.shape[1], value.shape
        )));
    }
    let shape = importer.shape(value);
    let elements: usize = shape.iter().product();
    let mut onnx_shape = value.shape.clone();
    if let Some(last) = onnx_shape.last_mut() {
        *last = outputs;
    }
    let (window, weights, result, order) = if elements == inputs {
        // One vector: a convolution whose kernel covers the whole input.
        let mut weights = floats(matrix);
        if let Some(order) = &value.order {
            for (row, source) in weights.chunks_mut(inputs).zip(matrix.values.chunks(inputs)) {
                for (position, weight) in order.iter().zip(source) {
                    row[*position as usize] = *weight as f32;
                }
            }
        }
        (Window::dense([shape[1], shape[2]]), weights, [outputs, 1, 1], None)
    } else if shape[0] == inputs && has_channels_last_order(value, shape) {
        // The same matrix at each position: a 1x1 convolution, still stored channels last.
        let result = [outputs, shape[1], shape[2]];
        let order = ordered(channels_last_order(result));
        (Window::dense([1, 1]), floats(matrix), result, order)
    } else {
        return Err(node.error(format!(
            "a matrix product along the last axis of {:?}; flatten to [1, n] before it",
            value.shape
        )));
    };
    let op = FloatOp::Conv {
        input: value.tensor,
        window,
        groups: 1,
        weights,
        bias,
        function: Function::Identity,
    };
    let tensor = importer.push(node, result, Step::Layer(op))?;
    importer.bind(node, Value { tensor, shape: onnx_shape, order, pads: [0; 4], dropped: None })
}

fn has_channels_last_order(value: &Value, shape: [usize; 3]) -> bool {
    value.order == ordered(channels_last_order(shape))
}

pub(in crate::model) fn batch_normalization(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let shape = importer.shape(&value);
    let channels_second = value.order.is_none() && value.shape.get(1) == Some(&shape[0]);
    if !channels_second {
        return Err(node.error(format!("an input of shape {:?}; NCHW is needed", value.shape)));
    }
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
