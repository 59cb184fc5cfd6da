//! Functions of one element.

use super::{
    Binary, Function, ImportError, Importer, Node, Step, Unary, Value, optional_constant, unpadded,
};

/// The function that an elementwise operator computes, if it is one.
pub(in crate::model) fn function(
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
        "Sign" => Function::sign(),
        "Not" => Function::negation(),
        "ThresholdedRelu" => {
            let alpha = Function::Constant(node.float("alpha", 1.0)?);
            let above = Function::binary(Binary::Less, alpha, Function::Identity);
            Function::select(above, Function::Identity, Function::Constant(0.0))
        }
        "Shrink" => shrink(node.float("lambd", 0.5)?, node.float("bias", 0.0)?),
        "Neg" => Function::affine(-1.0, 0.0),
        "Reciprocal" => Function::reciprocal(),
        "Floor" => unary(Unary::Floor),
        "Ceil" => unary(Unary::Ceil),
        "Round" => unary(Unary::Round),
        "Celu" => {
            let alpha = node.float("alpha", 1.0)?;
            let unit = Function::elu(1.0, 1.0).after(Function::affine(1.0 / alpha, 0.0));
            Function::affine(alpha, 0.0).after(unit)
        }
        "Softsign" => {
            let size = Function::affine(1.0, 1.0).after(unary(Unary::Abs));
            Function::binary(Binary::Div, Function::Identity, size)
        }
        "Swish" => {
            let gate =
                unary(Unary::Sigmoid).after(Function::affine(node.float("alpha", 1.0)?, 0.0));
            Function::binary(Binary::Mul, Function::Identity, gate)
        }
        "Mish" => Function::binary(
            Binary::Mul,
            Function::Identity,
            Function::unary(Unary::Tanh, unary(Unary::Softplus)),
        ),
        _ => return Ok(None),
    }))
}

/// `x + bias` below `-lambda`, `x - bias` above `lambda`, 0 between.
fn shrink(lambda: f64, bias: f64) -> Function {
    let x = || Function::Identity;
    let below = Function::binary(Binary::Less, x(), Function::Constant(-lambda));
    let above = Function::binary(Binary::Less, Function::Constant(lambda), x());
    let upper = Function::select(above, Function::affine(1.0, -bias), Function::Constant(0.0));
    Function::select(below, Function::affine(1.0, bias), upper)
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

/// An elementwise operator.
pub(in crate::model) fn add(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    match function(importer, node)? {
        Some(function) => apply(importer, node, function),
        None => Err(node.error("it is no elementwise function")),
    }
}

/// Applies a function to the node's first input.
pub(in crate::model) fn apply(
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

/// The function of `value` as the node's result.
pub(in crate::model) fn push_function(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: Value,
    function: Function,
) -> Result<(), ImportError> {
    let value = function_of(importer, node, &value, function)?;
    importer.bind(node, value)
}

/// The function of `value`.
pub(in crate::model) fn function_of(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    function: Function,
) -> Result<Value, ImportError> {
    let shape = importer.shape(value);
    let tensor = match importer.applied(value.tensor, &function) {
        Some(known) => known,
        None => importer.push(node, shape, Step::Apply { input: value.tensor, function })?,
    };
    Ok(Value { tensor, ..value.clone() })
}
