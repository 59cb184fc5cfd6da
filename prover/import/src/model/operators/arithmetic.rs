//! Arithmetic between tensors, and between tensors and constants.

use super::{
    Binary, Constant, FloatOp, Function, ImportError, Importer, Node, Step, Unary, Value,
    broadcast::{self, Spread},
    constant::broadcast_shape,
    elementwise::function_of,
    kinds, materialize, required_constant, shapes, unpadded,
};

/// What stands for minus infinity in a mask that is added to scores before a Softmax: `e` to this
/// power is nothing, and a larger number would take the precision of all others.
pub(super) const MASKED: f64 = -32.0;

/// Whether a number stands for minus infinity in such a mask.
pub(super) fn is_masked(number: f64) -> bool {
    number < 100.0 * MASKED
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
pub(in crate::model) fn binary(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let names = node.inputs();
    let constants: Vec<_> =
        names.iter().map(|name| importer.constants.get(name).cloned()).collect();
    let result = match &constants[..] {
        [None, None] => {
            let left = unpadded(importer, node, 0)?;
            let right = unpadded(importer, node, 1)?;
            combine(importer, node, operator(node), &left, &right)?
        }
        [Some(constant), _] => {
            let value = unpadded(importer, node, 1)?;
            combine_constant(importer, node, operator(node), &value, constant, true)?
        }
        [_, Some(constant)] => {
            let value = unpadded(importer, node, 0)?;
            combine_constant(importer, node, operator(node), &value, constant, false)?
        }
        [_] if node.operator() == "Sum" => unpadded(importer, node, 0)?,
        _ if node.operator() == "Sum" && names.len() > 1 => sum(importer, node, names.len())?,
        _ => return Err(node.error(format!("{} operands; two are supported", names.len()))),
    };
    let result = match (names, &constants[..]) {
        ([name, _], [left, right]) if kinds::is_of_integers(importer, name) => {
            of_integers(importer, node, result, [left.as_deref(), right.as_deref()])?
        }
        _ => result,
    };
    importer.bind(node, result)
}

/// What the operators that leave the whole numbers make of integers: ONNX cuts a quotient off, towards 0.
fn of_integers(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    quotient: Value,
    operands: [Option<&Constant>; 2],
) -> Result<Value, ImportError> {
    match (node.operator(), operands) {
        ("Div", [None, Some(divisor)]) => {
            let most = divisor.values.iter().fold(0f64, |most, value| most.max(value.abs()));
            // Quotients lie a whole part of the divisor apart: within a quarter of that they are the next one's.
            let near = Function::Constant(0.25 / most.max(1.0));
            let moved = |operator| Function::binary(operator, Function::Identity, near.clone());
            let zero = Function::Constant(0.0);
            let cut = Function::select(
                Function::binary(Binary::Less, Function::Identity, zero),
                Function::unary(Unary::Ceil, moved(Binary::Sub)),
                Function::unary(Unary::Floor, moved(Binary::Add)),
            );
            function_of(importer, node, &quotient, cut)
        }
        ("Div", [Some(_), None]) => function_of(importer, node, &quotient, Function::truncation()),
        ("Div", _) => Err(node.error(
            "integers are divided by integers that are not constant, which cuts the quotient off; cast both to float \
             before, or divide before the network",
        )),
        ("Pow", [_, Some(power)])
            if power.values.iter().any(|power| *power < 0.0 || *power != power.round()) =>
        {
            Err(node.error("a power of integers that is none itself is cut off; cast to float before"))
        }
        _ => Ok(quotient),
    }
}

/// `operator` of a value and a constant; `reversed` when the constant is the left operand.
pub(in crate::model) fn combine_constant(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    operator: Binary,
    value: &Value,
    constant: &Constant,
    reversed: bool,
) -> Result<Value, ImportError> {
    let mut value = value.clone();
    let joint = joint_shape(node, &value, constant)?;
    if joint.iter().product::<usize>() == value.shape.iter().product::<usize>() {
        value.shape = joint;
    }
    if let Some(c) = constant.scalar() {
        let (x, c) = (Function::Identity, Function::Constant(c));
        let affine = matches!(operator, Binary::Add | Binary::Sub | Binary::Mul)
            || (operator == Binary::Div && !reversed);
        if !affine {
            let (left, right) = if reversed { (c, x) } else { (x, c) };
            return function_of(importer, node, &value, Function::binary(operator, left, right));
        }
    }
    let output = node.outputs().first().map_or("", String::as_str);
    let masks = operator == Binary::Add
        && constant.values.iter().any(|c| is_masked(*c))
        && importer.outlook.leads_to_softmax(output);
    let masked = masks.then(|| constant.map(|c| c.max(MASKED)));
    let constant = masked.as_ref().unwrap_or(constant);
    let Some(channels) = per_channel(importer, node, &value, constant)? else {
        let constant = materialize::like(importer, node, constant, &value)?;
        let (left, right) = if reversed { (constant, value) } else { (value, constant) };
        return combine(importer, node, operator, &left, &right);
    };
    let masked = operator == Binary::Mul
        && channels.iter().all(|c| is_masked(*c))
        && importer.outlook.leads_to_softmax(output)
        && is_whole(importer, value.tensor);
    if !masked {
        return affine_of(importer, node, operator, value, channels, reversed);
    }
    // The same as such a constant: of whole numbers, what is not 0 is far below.
    let channels = vec![MASKED; channels.len()];
    let result = affine_of(importer, node, operator, value, channels, reversed)?;
    let tensor = apply(importer, node, result.tensor, Function::clip(Some(MASKED), None))?;
    Ok(Value { tensor, ..result })
}

/// All elements are whole numbers, as those of a mask that the network takes.
fn is_whole(importer: &Importer<'_>, tensor: usize) -> bool {
    let integral = |root: usize| {
        let mut names = importer.values.iter().filter(|(_, value)| value.tensor == root);
        names.any(|(name, _)| {
            importer
                .kinds
                .get(name)
                .is_some_and(|kind| kinds::is_integer(*kind) || *kind == kinds::BOOL)
        })
    };
    importer.roots(tensor).into_iter().any(|(root, function)| {
        let whole = |x: f64| function.evaluate(x) == function.evaluate(x).round();
        function.is_boolean() || (integral(root) && [0.0, 1.0, 2.0].into_iter().all(whole))
    })
}

/// `operator` of a value and a number for each channel of its tensor.
fn affine_of(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    operator: Binary,
    value: Value,
    channels: Vec<f64>,
    reversed: bool,
) -> Result<Value, ImportError> {
    let ones = vec![1.0; channels.len()];
    let zeros = vec![0.0; channels.len()];
    let negative = || channels.iter().map(|c| -c).collect::<Vec<f64>>();
    let mut tensor = value.tensor;
    let (scale, bias) = match (operator, reversed) {
        (Binary::Add, _) => (ones, channels),
        (Binary::Sub, false) => (ones, negative()),
        (Binary::Sub, true) => (vec![-1.0; channels.len()], channels),
        (Binary::Mul, _) => (channels, zeros),
        (Binary::Div, false) => (channels.iter().map(|c| 1.0 / c).collect(), zeros),
        // c / x = c * (1 / x)
        (Binary::Div, true) => {
            tensor = apply(importer, node, tensor, Function::reciprocal())?;
            (channels, zeros)
        }
        // max(x, c) = c + relu(x - c)
        (Binary::Max, _) => {
            let above = affine(importer, node, tensor, ones.clone(), negative())?;
            tensor = apply(importer, node, above, Function::relu())?;
            (ones, channels)
        }
        // min(x, c) = c - relu(c - x)
        (Binary::Min, _) => {
            let below = vec![-1.0; channels.len()];
            let missing = affine(importer, node, tensor, below.clone(), channels.clone())?;
            tensor = apply(importer, node, missing, Function::relu())?;
            (below, channels)
        }
        // This node is none of the others.
        (Binary::Pow | Binary::Mod | Binary::Less | Binary::LessOrEqual | Binary::Equal, _) => {
            return Err(node.error(
                "a power with another exponent for each channel; one exponent is supported: split the channels, a \
                 Pow for each, and join them, or compute the powers before the network",
            ));
        }
    };
    if scale.iter().any(|x| !x.is_finite()) {
        return Err(node.error("a division by zero"));
    }
    let tensor = affine(importer, node, tensor, scale, bias)?;
    Ok(Value { tensor, ..value })
}

fn affine(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    scale: Vec<f64>,
    bias: Vec<f64>,
) -> Result<usize, ImportError> {
    let shape = importer.tensors[input].shape;
    importer.push(node, shape, Step::Affine { input, scale, bias })
}

fn apply(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: usize,
    function: Function,
) -> Result<usize, ImportError> {
    let shape = importer.tensors[input].shape;
    importer.push(node, shape, Step::Apply { input, function })
}

fn joint_shape(
    node: &Node<'_>,
    value: &Value,
    constant: &Constant,
) -> Result<Vec<usize>, ImportError> {
    broadcast_shape(&value.shape, &constant.shape).ok_or_else(|| {
        node.error(format!(
            "a constant of shape {:?} does not fit an activation of shape {:?}",
            constant.shape, value.shape
        ))
    })
}

/// The constant as one number for each channel of the value's tensor; `None` if it is no such thing.
fn per_channel(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    constant: &Constant,
) -> Result<Option<Vec<f64>>, ImportError> {
    let [channels, height, width] = importer.shape(value);
    let joint = joint_shape(node, value, constant)?;
    if joint.iter().product::<usize>() != channels * height * width {
        return Ok(None);
    }
    if let Some(c) = constant.scalar() {
        return Ok(Some(vec![c; channels]));
    }
    importer.reserve(channels * height * width).map_err(|problem| node.error(problem))?;
    let Some(offsets) = shapes::broadcast_offsets(&constant.shape, &joint) else { return Ok(None) };
    let plane = height * width;
    let mut result = vec![None; channels];
    for (index, offset) in offsets.into_iter().enumerate() {
        let element = value.order.as_ref().map_or(index, |order| order[index] as usize);
        let c = constant.values[offset];
        if *result[element / plane].get_or_insert(c) != c {
            return Ok(None);
        }
    }
    Ok(result.into_iter().collect())
}

/// `operator` of two values.
pub(in crate::model) fn combine(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    operator: Binary,
    left: &Value,
    right: &Value,
) -> Result<Value, ImportError> {
    if left.shape == right.shape && left.order == right.order {
        // Both are functions of one tensor, as in x * sigmoid(x).
        let roots = importer.roots(right.tensor);
        for (tensor, f) in importer.roots(left.tensor) {
            if let Some((_, g)) = roots.iter().find(|(other, _)| *other == tensor) {
                let function = Function::binary(operator, f, g.clone());
                return function_of(importer, node, &Value { tensor, ..left.clone() }, function);
            }
        }
    }
    let (left, right, result) = broadcast::pair(importer, node, left, right)?;
    let whole = |importer: &mut Importer<'_>| -> Result<(usize, usize), ImportError> {
        let shape = importer.shape(&result);
        Ok((
            broadcast::expand(importer, node, left, shape)?,
            broadcast::expand(importer, node, right, shape)?,
        ))
    };
    match operator {
        Binary::Add | Binary::Sub => {
            let (left, right) = whole(importer)?;
            let sign = if operator == Binary::Add { 1.0 } else { -1.0 };
            push_sum(importer, node, result, vec![(left, 1.0), (right, sign)])
        }
        Binary::Mul => product(importer, node, result, left, right),
        Binary::Div => {
            let tensor = apply(importer, node, right.0, Function::reciprocal())?;
            product(importer, node, result, left, (tensor, right.1))
        }
        Binary::Max | Binary::Min => {
            // max(a, b) = b + relu(a - b), min(a, b) = a - relu(a - b)
            let (left, right) = whole(importer)?;
            let step = difference(left, right);
            let above = importer.push(node, importer.shape(&result), step)?;
            let above = apply(importer, node, above, Function::relu())?;
            let inputs = match operator {
                Binary::Max => vec![(right, 1.0), (above, 1.0)],
                _ => vec![(left, 1.0), (above, -1.0)],
            };
            push_sum(importer, node, result, inputs)
        }
        Binary::Pow | Binary::Mod | Binary::Less | Binary::LessOrEqual | Binary::Equal => {
            Err(node.error("a power of two activations is not supported"))
        }
    }
}

fn difference(left: usize, right: usize) -> Step {
    Step::Layer(FloatOp::Sum {
        inputs: vec![(left, 1.0), (right, -1.0)],
        constant: 0.0,
        function: Function::Identity,
    })
}

/// The product, with the factor that has all elements first.
fn product(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    result: Value,
    left: (usize, Spread),
    right: (usize, Spread),
) -> Result<Value, ImportError> {
    let (full, other) = if left.1 == Spread::All { (left, right) } else { (right, left) };
    let shape = importer.shape(&result);
    let second = broadcast::gate(importer, node, other, shape)?;
    let op = FloatOp::Product { inputs: [full.0, second], function: Function::Identity };
    let tensor = importer.push(node, shape, Step::Layer(op))?;
    Ok(Value { tensor, ..result })
}

fn sum(importer: &mut Importer<'_>, node: &Node<'_>, count: usize) -> Result<Value, ImportError> {
    let first = unpadded(importer, node, 0)?;
    let mut values = Vec::with_capacity(count);
    for index in 0..count {
        values.push(unpadded(importer, node, index)?);
    }
    if values.iter().all(|value| value.shape == first.shape && value.order == first.order) {
        let inputs = values.iter().map(|value| (value.tensor, 1.0)).collect();
        return push_sum(importer, node, first, inputs);
    }
    let mut sum = first;
    for value in &values[1..] {
        sum = combine(importer, node, Binary::Add, &sum, value)?;
    }
    Ok(sum)
}

fn push_sum(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    like: Value,
    inputs: Vec<(usize, f64)>,
) -> Result<Value, ImportError> {
    let shape = importer.shape(&like);
    if inputs.iter().any(|(tensor, _)| importer.tensors[*tensor].shape != shape) {
        return Err(node.error("operands that are stored in different shapes"));
    }
    let op = FloatOp::Sum { inputs, constant: 0.0, function: Function::Identity };
    let tensor = importer.push(node, shape, Step::Layer(op))?;
    Ok(Value { tensor, ..like })
}

/// `max(x, 0) + slope[c] * min(x, 0)`.
pub(in crate::model) fn prelu(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let slope = required_constant(importer, node, 1)?;
    let Some(slopes) = per_channel(importer, node, &value, &slope)? else {
        return Err(node.error(format!(
            "slopes of shape {:?} for an input of shape {:?}; one for all or for each channel is \
             supported",
            slope.shape, value.shape
        )));
    };
    if slopes.iter().all(|x| *x == slopes[0]) {
        let value = function_of(importer, node, &value, Function::leaky_relu(slopes[0]))?;
        return importer.bind(node, value);
    }
    let zeros = vec![0.0; slopes.len()];
    let x = value.tensor;
    let inputs = if slopes.iter().all(|a| *a <= 1.0) {
        // a * x + relu((1 - a) * x): two layers and an addition.
        let rest = slopes.iter().map(|a| 1.0 - a).collect();
        let rest = affine(importer, node, x, rest, zeros.clone())?;
        let rest = apply(importer, node, rest, Function::relu())?;
        [(affine(importer, node, x, slopes, zeros)?, 1.0), (rest, 1.0)]
    } else {
        let positive = apply(importer, node, x, Function::relu())?;
        let negative = apply(importer, node, x, Function::clip(None, Some(0.0)))?;
        [(positive, 1.0), (affine(importer, node, negative, slopes, zeros)?, 1.0)]
    };
    let value = push_sum(importer, node, value, inputs.to_vec())?;
    importer.bind(node, value)
}
