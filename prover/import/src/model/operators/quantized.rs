//! QuantizeLinear and DequantizeLinear.

use super::{
    Binary, Constant, Function, ImportError, Importer, Node, constant::broadcast_shape,
    elementwise, required_constant, unpadded, windows,
};

/// Quantization or dequantization of an activation, with one scale for the whole tensor.
pub(in crate::model) fn activation(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let (scale, zero_point) = parameters(importer, node)?;
    let (Some(scale), Some(zero_point)) = (scale.scalar(), zero_point.scalar()) else {
        return Err(node.error(
            "an activation with a scale for each channel; export with one scale for each activation",
        ));
    };
    if node.operator() == "QuantizeLinear" {
        let function = Function::quantize(scale, zero_point, integer_range(importer, node)?);
        return elementwise::push_function(importer, node, value, function);
    }
    let function = Function::dequantize(scale, zero_point);
    // Together with the quantization before it: integers have no tensor of their own.
    for (tensor, before) in importer.roots(value.tensor).into_iter().take(2) {
        let both = function.after(before);
        if both.step().is_some() && tensor != value.tensor {
            let value = super::Value { tensor, ..value };
            return elementwise::push_function(importer, node, value, both);
        }
    }
    elementwise::push_function(importer, node, value, function)
}

/// The same for a constant; per tensor or per channel.
pub(in crate::model) fn constant(
    importer: &Importer<'_>,
    node: &Node<'_>,
    data: &Constant,
) -> Result<Constant, ImportError> {
    let (scale, zero_point) = parameters(importer, node)?;
    let apply = |data: &Constant, operator, parameter: &Constant| {
        let mut parameter = parameter.clone();
        if parameter.values.len() > 1 {
            let axis = windows::axis(node, node.int("axis", 1), data.shape.len())?;
            parameter.shape = vec![1; data.shape.len()];
            parameter.shape[axis] = parameter.values.len();
        } else {
            parameter.shape = Vec::new();
        }
        let fits = broadcast_shape(&data.shape, &parameter.shape).as_ref() == Some(&data.shape);
        let result = if fits { data.binary(operator, &parameter) } else { None };
        result.ok_or_else(|| node.error("scale or zero point do not fit the data"))
    };
    if node.operator() == "DequantizeLinear" {
        let steps = apply(data, Binary::Sub, &zero_point)?;
        return apply(&steps, Binary::Mul, &scale);
    }
    let [low, high] = integer_range(importer, node)?;
    let steps = apply(data, Binary::Div, &scale)?.map(f64::round_ties_even);
    Ok(apply(&steps, Binary::Add, &zero_point)?.map(|x| x.clamp(low, high)))
}

/// Scale and zero point, both checked.
fn parameters(
    importer: &Importer<'_>,
    node: &Node<'_>,
) -> Result<(Constant, Constant), ImportError> {
    if node.int("block_size", 0) != 0 {
        return Err(node.error("blocked quantization is not supported"));
    }
    let scale = required_constant(importer, node, 1)?;
    if scale.values.is_empty() || scale.values.iter().any(|scale| *scale <= 0.0) {
        return Err(node.error("a scale is not positive"));
    }
    let zero_point = match node.input(2) {
        Some(_) => (*required_constant(importer, node, 2)?).clone(),
        None => Constant { shape: Vec::new(), values: vec![0.0] },
    };
    Ok(((*scale).clone(), zero_point))
}

/// Least and largest value of the integer type, which is that of the zero point.
fn integer_range(importer: &Importer<'_>, node: &Node<'_>) -> Result<[f64; 2], ImportError> {
    // UINT8 is the default.
    let kind = match node.input(2) {
        Some(zero_point) => importer.data_types.get(zero_point).copied().unwrap_or(2),
        None => node.int("output_dtype", 2) as i32,
    };
    match kind {
        2 => Ok([0.0, 255.0]),
        3 => Ok([-128.0, 127.0]),
        4 => Ok([0.0, 65_535.0]),
        5 => Ok([-32_768.0, 32_767.0]),
        other => Err(node.error(format!(
            "quantization to ONNX data type {other}; 8 and 16 bit integers are supported"
        ))),
    }
}
