//! Quantized exports: operators on integers, with the scales and zero points of the file, as the
//! operators on real numbers between a dequantization and a quantization.

use tract_onnx::pb::AttributeProto;

use super::{
    Constant, ImportError, Importer, Node, activation,
    parts::{Parts, int},
    required_constant,
};

/// The attributes that the operator below has, too.
fn attributes(node: &Node<'_>, names: &[&str]) -> Vec<AttributeProto> {
    names.iter().filter_map(|name| node.attribute(name)).cloned().collect()
}

const WINDOW: [&str; 6] = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

fn input<'a>(node: &Node<'a>, index: usize) -> Result<&'a str, ImportError> {
    node.input(index).ok_or_else(|| node.error(format!("input {index} is missing")))
}

/// DynamicQuantizeLinear: the number itself, with scale 1 and zero point 0.
pub(in crate::model) fn dynamic(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    importer.bind(node, value)?;
    let mut parts = Parts::new(importer, node);
    for (output, number) in [(1, 1.0), (2, 0.0)] {
        let constant = parts.constant(&[], vec![number])?;
        parts.bind(output, &constant)?;
    }
    Ok(())
}

/// The node's input less its zero point: of constants, or of an activation.
fn centred(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    (data, zero): (usize, usize),
    axis: usize,
) -> Result<String, ImportError> {
    let name = input(node, data)?;
    let Some(zero) = node.input(zero) else { return Ok(name.into()) };
    let Some(point) = parts.importer.constants.get(zero).cloned() else {
        return Err(node.error(format!("its zero point `{zero}` depends on the network's input")));
    };
    if point.values.iter().all(|x| *x == 0.0) {
        return Ok(name.into());
    }
    let mut shape = point.shape.clone();
    let rank = parts.shape(name)?.len();
    if point.values.len() > 1 {
        shape = vec![1; rank];
        let size = shape.get_mut(axis).ok_or_else(|| node.error("a zero point for no axis"))?;
        *size = point.values.len();
    } else {
        shape.clear();
    }
    let point = parts.constant(&shape, point.values.clone())?;
    parts.op("Sub", &[name, &point], &[])
}

/// ConvInteger and MatMulInteger.
pub(in crate::model) fn product(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let convolution = node.operator() == "ConvInteger";
    let mut parts = Parts::new(importer, node);
    let data = centred(&mut parts, node, (0, 2), 1)?;
    let weights = centred(&mut parts, node, (1, 3), usize::from(!convolution))?;
    let result = if convolution {
        parts.op("Conv", &[&data, &weights], &attributes(node, &WINDOW))?
    } else {
        parts.op("MatMul", &[&data, &weights], &[])?
    };
    parts.bind(0, &result)
}

/// The input `first` with its scale and zero point after it.
fn real(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    first: usize,
    axis: i64,
) -> Result<String, ImportError> {
    let names = [input(node, first)?, input(node, first + 1)?, node.input(first + 2).unwrap_or("")];
    parts.op("DequantizeLinear", &names, &[int("axis", axis)])
}

/// Quantizes `result` with the scale and zero point from input `first` on.
fn finish(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    result: &str,
    first: usize,
) -> Result<(), ImportError> {
    let names = [result, input(node, first)?, node.input(first + 1).unwrap_or("")];
    let result = parts.op("QuantizeLinear", &names, &[])?;
    parts.bind(0, &result)
}

/// A bias in steps of the input's scale times the weights'.
fn bias(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    index: usize,
    (data, weights): (usize, usize),
) -> Result<Option<String>, ImportError> {
    if node.input(index).is_none() {
        return Ok(None);
    }
    let steps = required_constant(parts.importer, node, index)?;
    let data = required_constant(parts.importer, node, data)?;
    let weights = required_constant(parts.importer, node, weights)?;
    let scale = weights.map(|x| x * data.scalar().unwrap_or(f64::NAN));
    let real = match scale.values.as_slice() {
        [scale] => steps.map(|x| x * scale),
        all if all.len() == steps.values.len() => {
            let values = steps.values.iter().zip(all).map(|(x, scale)| x * scale).collect();
            Constant { shape: steps.shape.clone(), values }
        }
        all => {
            let count = all.len();
            return Err(node.error(format!("{count} scales for {} biases", steps.values.len())));
        }
    };
    if real.values.iter().any(|x| !x.is_finite()) {
        return Err(node.error("a bias that is not finite, or several scales of its input"));
    }
    parts.constant(&real.shape, real.values).map(Some)
}

/// QLinearConv.
pub(in crate::model) fn conv(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut parts = Parts::new(importer, node);
    let data = real(&mut parts, node, 0, 1)?;
    let weights = real(&mut parts, node, 3, 0)?;
    let bias = bias(&mut parts, node, 8, (1, 4))?;
    let mut names = vec![data.as_str(), &weights];
    names.extend(bias.as_deref());
    let result = parts.op("Conv", &names, &attributes(node, &WINDOW))?;
    finish(&mut parts, node, &result, 6)
}

/// QLinearMatMul.
pub(in crate::model) fn matmul(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut parts = Parts::new(importer, node);
    let left = real(&mut parts, node, 0, 0)?;
    let right = real(&mut parts, node, 3, 1)?;
    let result = parts.op("MatMul", &[&left, &right], &[])?;
    finish(&mut parts, node, &result, 6)
}

/// QGemm.
pub(in crate::model) fn gemm(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut parts = Parts::new(importer, node);
    let data = real(&mut parts, node, 0, 0)?;
    let weights = real(&mut parts, node, 3, i64::from(node.int("transB", 0) == 0))?;
    let bias = bias(&mut parts, node, 6, (1, 4))?;
    let mut names = vec![data.as_str(), &weights];
    names.extend(bias.as_deref());
    let result = parts.op("Gemm", &names, &attributes(node, &["alpha", "transA", "transB"]))?;
    if node.input(7).is_none() {
        return parts.bind(0, &result);
    }
    finish(&mut parts, node, &result, 7)
}

/// QLinearAdd and QLinearMul.
pub(in crate::model) fn binary(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut parts = Parts::new(importer, node);
    let left = real(&mut parts, node, 0, 1)?;
    let right = real(&mut parts, node, 3, 1)?;
    let operator = if node.operator() == "QLinearAdd" { "Add" } else { "Mul" };
    let result = parts.op(operator, &[&left, &right], &[])?;
    finish(&mut parts, node, &result, 6)
}

/// QLinearSigmoid, QLinearLeakyRelu, and the pools: one operand.
pub(in crate::model) fn single(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    if node.int("channels_last", 0) != 0 {
        return Err(node.error("channels_last is not supported; export channels first"));
    }
    let mut parts = Parts::new(importer, node);
    let data = real(&mut parts, node, 0, 1)?;
    let operator = node.operator().trim_start_matches("QLinear");
    let more = ["alpha", "ceil_mode", "count_include_pad"];
    let attributes = attributes(node, &[&WINDOW[..], &more].concat());
    let result = parts.op(operator, &[&data], &attributes)?;
    finish(&mut parts, node, &result, 3)
}

/// QLinearConcat: scale and zero point of the result, then operands.
pub(in crate::model) fn concat(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let count = node.inputs().len().saturating_sub(2) / 3;
    let mut parts = Parts::new(importer, node);
    let operands = (0..count)
        .map(|index| real(&mut parts, node, 2 + 3 * index, 1))
        .collect::<Result<Vec<String>, ImportError>>()?;
    let names: Vec<&str> = operands.iter().map(String::as_str).collect();
    let result = parts.op("Concat", &names, &[int("axis", node.int("axis", 1))])?;
    finish(&mut parts, node, &result, 0)
}
