//! Functions of one element and arithmetic between tensors.

use super::{
    Binary, Constant, FloatOp, Function, ImportError, Importer, Node, Step, Unary, Value,
    optional_constant, required_constant, shapes, unpadded,
};

/// The function that an elementwise operator computes, if it is one.
pub(super) fn function(
    importer: &Importer<'_>,
    node: &Node<'_>,
) -> Result<Option<Function>, ImportError> {
    let unary = |operator| Function::unary(operator, Function::Identity);
    Ok(Some(match node.operator() {
        "Relu" => Function::relu(),
        "Clip" => clip(importer, node)?,
        "LeakyRelu" => Function::leaky_relu(node.float("alpha", 0.01)?),
        "HardSigmoid" => {
            Function::hard_sigmoid(node.float("alpha", 0.2)?, node.float("beta", 0.5)?)
        }
        "HardSwish" => Function::binary(
            Binary::Mul,
            Function::Identity,
            Function::hard_sigmoid(1.0 / 6.0, 0.5),
        ),
        "Elu" => Function::elu(node.float("alpha", 1.0)?, 1.0),
        "Selu" => Function::elu(node.float("alpha", 1.673_263_2)?, node.float("gamma", 1.050_701)?),
        "Gelu" => Function::gelu(node.text("approximate") == Some("tanh")),
        "Sigmoid" => unary(Unary::Sigmoid),
        "Tanh" => unary(Unary::Tanh),
        "Erf" => unary(Unary::Erf),
        "Exp" => unary(Unary::Exp),
        "Abs" => unary(Unary::Abs),
        "Sqrt" => unary(Unary::Sqrt),
        "Log" => unary(Unary::Log),
        "Softplus" => unary(Unary::Softplus),
        "Neg" => Function::affine(-1.0, 0.0),
        "Reciprocal" => Function::binary(Binary::Div, Function::Constant(1.0), Function::Identity),
        "Mish" => Function::binary(
            Binary::Mul,
            Function::Identity,
            Function::unary(Unary::Tanh, unary(Unary::Softplus)),
        ),
        _ => return Ok(None),
    }))
}

fn clip(importer: &Importer<'_>, node: &Node<'_>) -> Result<Function, ImportError> {
    let bound = |name: &str, input: usize| -> Result<Option<f64>, ImportError> {
        if let Some(attribute) = node.attribute(name) {
            if attribute.f.is_nan() {
                return Err(node.error(format!("its bound `{name}` is not a number")));
            }
            return Ok(Some(f64::from(attribute.f)));
        }
        let Some(constant) = optional_constant(importer, node, input)? else { return Ok(None) };
        let bound = constant.scalar();
        bound.map(Some).ok_or_else(|| node.error(format!("its bound `{name}` is not one number")))
    };
    // Exporters write the largest float for "no bound".
    let (low, high) = (bound("min", 1)?, bound("max", 2)?);
    Ok(Function::clip(low.filter(|x| *x > -1e30), high.filter(|x| *x < 1e30)))
}

/// Applies a function to the node's first input.
pub(super) fn apply(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    function: Function,
) -> Result<(), ImportError> {
    let mut value = super::activation(importer, node, 0)?;
    if value.pads != [0; 4] && function.evaluate(0.0) != 0.0 {
        value = unpadded(importer, node, 0)?;
    }
    push_function(importer, node, value, function)
}

fn push_function(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: Value,
    function: Function,
) -> Result<(), ImportError> {
    let shape = importer.shape(&value);
    let step = Step::Apply { input: value.tensor, function };
    let tensor = importer.push(node, shape, step)?;
    importer.bind(node, Value { tensor, ..value })
}

fn operator(node: &Node<'_>) -> Binary {
    match node.operator() {
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Min" => Binary::Min,
        "Max" => Binary::Max,
        _ => Binary::Add,
    }
}

/// Arithmetic of two operands, of which one may be constant.
pub(super) fn binary(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let names = node.inputs();
    let constant = |name: &String| importer.constants.get(name).cloned();
    match names {
        [left, right] => match (constant(left), constant(right)) {
            (None, Some(constant)) => with_constant(importer, node, 0, &constant),
            (Some(constant), None) => with_constant(importer, node, 1, &constant),
            _ => with_tensor(importer, node),
        },
        _ if node.operator() == "Sum" && names.len() > 1 => sum(importer, node, names.len()),
        _ => Err(node.error(format!("{} operands; two are supported", names.len()))),
    }
}

/// `activation` is the operand that is not constant.
fn with_constant(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    activation: usize,
    constant: &Constant,
) -> Result<(), ImportError> {
    let operator = operator(node);
    let value = unpadded(importer, node, activation)?;
    let reversed = activation == 1;
    let lead = constant.shape.len().saturating_sub(value.shape.len());
    if constant.shape[..lead].iter().any(|size| *size != 1) {
        return Err(node.error(format!("a constant of shape {:?}", constant.shape)));
    }
    if let Some(c) = constant.scalar() {
        let (x, c) = (Function::Identity, Function::Constant(c));
        let affine = matches!(operator, Binary::Add | Binary::Sub | Binary::Mul)
            || (operator == Binary::Div && !reversed);
        if !affine {
            let (left, right) = if reversed { (c, x) } else { (x, c) };
            return push_function(importer, node, value, Function::binary(operator, left, right));
        }
    }
    let channels = per_channel(importer, node, &value, constant, lead)?;
    let ones = vec![1.0; channels.len()];
    let zeros = vec![0.0; channels.len()];
    let (scale, bias) = match (operator, reversed) {
        (Binary::Add, _) => (ones, channels),
        (Binary::Sub, false) => (ones, channels.iter().map(|c| -c).collect()),
        (Binary::Sub, true) => (vec![-1.0; channels.len()], channels),
        (Binary::Mul, _) => (channels, zeros),
        (Binary::Div, false) => (channels.iter().map(|c| 1.0 / c).collect(), zeros),
        _ => return Err(node.error("a function with a constant for each channel")),
    };
    if scale.iter().any(|x| !x.is_finite()) {
        return Err(node.error("a division by zero"));
    }
    let shape = importer.shape(&value);
    let step = Step::Affine { input: value.tensor, scale, bias };
    let tensor = importer.push(node, shape, step)?;
    importer.bind(node, Value { tensor, ..value })
}

/// The constant as one number for each channel of the value's tensor.
fn per_channel(
    importer: &Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    constant: &Constant,
    lead: usize,
) -> Result<Vec<f64>, ImportError> {
    let [channels, height, width] = importer.shape(value);
    if let Some(c) = constant.scalar() {
        return Ok(vec![c; channels]);
    }
    let problem = || {
        node.error(format!(
            "a constant of shape {:?} with an activation of shape {:?}; one number for each channel \
             is supported",
            constant.shape, value.shape
        ))
    };
    let offsets =
        shapes::broadcast_offsets(&constant.shape[lead..], &value.shape).ok_or_else(problem)?;
    let plane = height * width;
    let mut result = vec![None; channels];
    for (index, offset) in offsets.into_iter().enumerate() {
        let element = value.order.as_ref().map_or(index, |order| order[index] as usize);
        let c = constant.values[offset];
        if *result[element / plane].get_or_insert(c) != c {
            return Err(problem());
        }
    }
    result.into_iter().collect::<Option<Vec<f64>>>().ok_or_else(problem)
}

fn with_tensor(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let operator = operator(node);
    let (left, right) = (unpadded(importer, node, 0)?, unpadded(importer, node, 1)?);
    if left.shape != right.shape || left.order != right.order {
        return Err(node.error(format!(
            "operands of shape {:?} and {:?}; broadcasting between two activations (as in \
             squeeze-and-excitation) is not supported",
            left.shape, right.shape
        )));
    }
    // Both are functions of one tensor, as in x * sigmoid(x).
    let roots = importer.roots(right.tensor);
    for (tensor, f) in importer.roots(left.tensor) {
        if let Some((_, g)) = roots.iter().find(|(other, _)| *other == tensor) {
            let function = Function::binary(operator, f, g.clone());
            return push_function(importer, node, Value { tensor, ..left }, function);
        }
    }
    let sign = match operator {
        Binary::Add => 1.0,
        Binary::Sub => -1.0,
        _ => {
            return Err(node.error(
                "an operation on two activations; products, quotients, minima and maxima of \
                 different activations are not supported",
            ));
        }
    };
    let inputs = vec![(left.tensor, 1.0), (right.tensor, sign)];
    push_sum(importer, node, left, inputs)
}

fn sum(importer: &mut Importer<'_>, node: &Node<'_>, count: usize) -> Result<(), ImportError> {
    let first = unpadded(importer, node, 0)?;
    let mut inputs = Vec::with_capacity(count);
    for index in 0..count {
        let value = unpadded(importer, node, index)?;
        if value.shape != first.shape || value.order != first.order {
            return Err(node.error("operands of different shapes"));
        }
        inputs.push((value.tensor, 1.0));
    }
    push_sum(importer, node, first, inputs)
}

fn push_sum(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    like: Value,
    inputs: Vec<(usize, f64)>,
) -> Result<(), ImportError> {
    let shape = importer.shape(&like);
    if inputs.iter().any(|(tensor, _)| importer.tensors[*tensor].shape != shape) {
        return Err(node.error("operands that are stored in different shapes"));
    }
    let op = FloatOp::Sum { inputs, constant: 0.0, function: Function::Identity };
    let tensor = importer.push(node, shape, Step::Layer(op))?;
    importer.bind(node, Value { tensor, ..like })
}

/// `max(x, 0) + slope[c] * min(x, 0)`.
pub(super) fn prelu(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let slope = required_constant(importer, node, 1)?;
    if let Some(slope) = slope.scalar() {
        return push_function(importer, node, value, Function::leaky_relu(slope));
    }
    let lead = slope.shape.len().saturating_sub(value.shape.len());
    let scale = per_channel(importer, node, &value, &slope, lead)?;
    if scale.iter().all(|x| *x == scale[0]) {
        return push_function(importer, node, value, Function::leaky_relu(scale[0]));
    }
    let shape = importer.shape(&value);
    let part = |function| Step::Apply { input: value.tensor, function };
    let positive = importer.push(node, shape, part(Function::relu()))?;
    let negative = importer.push(node, shape, part(Function::clip(None, Some(0.0))))?;
    let bias = vec![0.0; scale.len()];
    let scaled = importer.push(node, shape, Step::Affine { input: negative, scale, bias })?;
    push_sum(importer, node, value, vec![(positive, 1.0), (scaled, 1.0)])
}
