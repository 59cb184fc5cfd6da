//! Comparisons, logic and choice. Truth values are the numbers 0 and 1.

use super::{
    Binary, Constant, Function, ImportError, Importer, Node, Value, activation, arithmetic,
    elementwise, parts::Parts, shapes, unpadded,
};

/// Less, LessOrEqual, Greater, GreaterOrEqual, Equal.
pub(in crate::model) fn compare(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let constant = |index| node.input(index).and_then(|name| importer.constants.get(name)).cloned();
    let (left, right) = (constant(0), constant(1));
    match (&left, &right) {
        (None, Some(bound)) if bound.scalar().is_some() => with_number(importer, node, 0, bound),
        (Some(bound), None) if bound.scalar().is_some() => with_number(importer, node, 1, bound),
        _ => {
            if let Some((value, left, right)) = same_root(importer, node, 0, 1)? {
                let function = comparison(node.operator(), left, right);
                return elementwise::push_function(importer, node, value, function);
            }
            // The difference is compared with 0: in float32 its sign is exact.
            let inputs = [node.input(0).unwrap_or(""), node.input(1).unwrap_or("")];
            let mut parts = Parts::new(importer, node);
            let difference = parts.op("Sub", &inputs, &[])?;
            let zero = parts.constant(&[], vec![0.0])?;
            let result = parts.op(node.operator(), &[&difference, &zero], &[])?;
            parts.bind(0, &result)
        }
    }
}

/// Input `index` compared with one number.
fn with_number(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    index: usize,
    bound: &Constant,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, index)?;
    let bound = Function::Constant(bound.scalar().unwrap_or(0.0));
    let (left, right) = match index {
        0 => (Function::Identity, bound),
        _ => (bound, Function::Identity),
    };
    let function = comparison(node.operator(), left, right);
    elementwise::push_function(importer, node, value, function)
}

pub(in crate::model) fn comparison(operator: &str, left: Function, right: Function) -> Function {
    match operator {
        "Less" => Function::binary(Binary::Less, left, right),
        "LessOrEqual" => Function::binary(Binary::LessOrEqual, left, right),
        "Greater" => Function::binary(Binary::Less, right, left),
        "GreaterOrEqual" => Function::binary(Binary::LessOrEqual, right, left),
        _ => Function::binary(Binary::Equal, left, right),
    }
}

/// Two inputs as functions of one tensor, where they are.
fn same_root(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    left: usize,
    right: usize,
) -> Result<Option<(Value, Function, Function)>, ImportError> {
    let is_constant =
        |index| node.input(index).is_some_and(|name| importer.constants.contains_key(name));
    let numbers = [left, right].map(|index| {
        let name = node.input(index)?;
        importer.constants.get(name)?.scalar()
    });
    match ([left, right].map(is_constant), numbers) {
        ([false, false], _) => {}
        ([false, true], [_, Some(number)]) => {
            let value = unpadded(importer, node, left)?;
            return Ok(Some((value, Function::Identity, Function::Constant(number))));
        }
        ([true, false], [Some(number), _]) => {
            let value = unpadded(importer, node, right)?;
            return Ok(Some((value, Function::Constant(number), Function::Identity)));
        }
        _ => return Ok(None),
    }
    let (left, right) = (unpadded(importer, node, left)?, unpadded(importer, node, right)?);
    if left.shape != right.shape || left.order != right.order {
        return Ok(None);
    }
    let roots = importer.roots(right.tensor);
    for (tensor, f) in importer.roots(left.tensor) {
        if let Some((_, g)) = roots.iter().find(|(other, _)| *other == tensor) {
            return Ok(Some((Value { tensor, ..left }, f, g.clone())));
        }
    }
    Ok(None)
}

/// And, Or, Xor of truth values.
pub(in crate::model) fn connect(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    if let Some((value, left, right)) = same_root(importer, node, 0, 1)? {
        let function = match node.operator() {
            "And" => Function::binary(Binary::Min, left, right),
            "Or" => Function::binary(Binary::Max, left, right),
            _ => Function::negation().after(Function::binary(Binary::Equal, left, right)),
        };
        return elementwise::push_function(importer, node, value, function);
    }
    // The sum is 0, 1 or 2.
    let inputs = [node.input(0).unwrap_or(""), node.input(1).unwrap_or("")];
    let mut parts = Parts::new(importer, node);
    let sum = parts.op("Add", &inputs, &[])?;
    let (operator, number) = match node.operator() {
        "And" => ("Greater", 1.5),
        "Or" => ("Greater", 0.5),
        _ => ("Equal", 1.0),
    };
    let number = parts.constant(&[], vec![number])?;
    let result = parts.op(operator, &[&sum, &number], &[])?;
    parts.bind(0, &result)
}

/// IsNaN and IsInf: activations are finite.
pub(in crate::model) fn never(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let count = shapes::element_count(&value.shape).map_err(|problem| node.error(problem))?;
    importer.bind_constant(node, Constant { shape: value.shape, values: vec![0.0; count] })
}

/// Where: the second input where the condition holds, the third elsewhere.
pub(in crate::model) fn choose(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let name =
        |index| node.input(index).ok_or_else(|| node.error(format!("input {index} is missing")));
    let [condition, yes, no] = [name(0)?, name(1)?, name(2)?];
    if let Some(mask) = importer.constants.get(condition).cloned() {
        return with_mask(importer, node, &mask, yes, no);
    }
    if let Some((value, function)) = choice(importer, node)? {
        return elementwise::push_function(importer, node, value, function);
    }
    // no + condition * (yes - no)
    let mut parts = Parts::new(importer, node);
    let (yes, no) = (masked(&mut parts, node, yes)?, masked(&mut parts, node, no)?);
    let difference = parts.op("Sub", &[&yes, &no], &[])?;
    let chosen = parts.op("Mul", &[condition, &difference], &[])?;
    let result = parts.op("Add", &[&no, &chosen], &[])?;
    parts.bind(0, &result)
}

/// A constant that stands for minus infinity before a Softmax, as one that leaves the others their digits.
fn masked(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    name: &str,
) -> Result<String, ImportError> {
    let output = node.outputs().first().map_or("", String::as_str);
    match parts.importer.constants.get(name).cloned() {
        Some(constant)
            if constant.values.iter().any(|c| arithmetic::is_masked(*c))
                && parts.importer.outlook.leads_to_softmax(output) =>
        {
            let constant = constant.map(|c| c.max(arithmetic::MASKED));
            parts.constant(&constant.shape, constant.values)
        }
        _ => Ok(name.to_owned()),
    }
}

/// The choice as a function of one tensor, where all three are.
fn choice(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<Option<(Value, Function)>, ImportError> {
    let first = unpadded(importer, node, 0)?;
    let mut known: Vec<Vec<(usize, Function)>> = Vec::with_capacity(3);
    for index in 0..3 {
        let constant = node.input(index).and_then(|name| importer.constants.get(name));
        known.push(match constant {
            Some(constant) => match constant.scalar() {
                Some(number) if constant.shape.len() <= first.shape.len() => {
                    vec![(usize::MAX, Function::Constant(number))]
                }
                _ => return Ok(None),
            },
            None => {
                let value = unpadded(importer, node, index)?;
                if value.shape != first.shape || value.order != first.order {
                    return Ok(None);
                }
                importer.roots(value.tensor)
            }
        });
    }
    let of = |roots: &[(usize, Function)], tensor: usize| {
        let found = roots.iter().find(|(root, _)| *root == tensor || *root == usize::MAX);
        found.map(|(_, function)| function.clone())
    };
    for (tensor, condition) in &known[0] {
        if let (Some(yes), Some(no)) = (of(&known[1], *tensor), of(&known[2], *tensor)) {
            let function = Function::select(condition.clone(), yes, no);
            if function.may_grow() {
                return Ok(Some((Value { tensor: *tensor, ..first }, function)));
            }
        }
    }
    Ok(None)
}

/// A constant condition: both are cut to their places and added.
fn with_mask(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    mask: &Constant,
    yes: &str,
    no: &str,
) -> Result<(), ImportError> {
    let mask = mask.map(|x| f64::from(u8::from(x != 0.0)));
    let mut parts = Parts::new(importer, node);
    let keep = parts.constant(&mask.shape, mask.values.clone())?;
    let rest = parts.constant(&mask.shape, mask.values.iter().map(|x| 1.0 - x).collect())?;
    let kept = parts.op("Mul", &[yes, &keep], &[])?;
    let other = parts.op("Mul", &[no, &rest], &[])?;
    let result = parts.op("Add", &[&kept, &other], &[])?;
    parts.bind(0, &result)
}

/// Mod by a constant, with the divisor's sign.
pub(in crate::model) fn modulo(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let divisor = super::required_constant(importer, node, 1)?;
    let Some(divisor) = divisor.scalar().filter(|divisor| *divisor != 0.0) else {
        return Err(node.error("a divisor that is not one number; only one constant is supported"));
    };
    let function = Function::binary(Binary::Mod, Function::Identity, Function::Constant(divisor));
    let function = match node.int("fmod", 0) {
        0 => function,
        // With the sign of x: of both, when x is negative.
        _ => {
            let size = Function::Constant(divisor.abs());
            let part = |x| Function::binary(Binary::Mod, x, size.clone());
            let negative = Function::affine(-1.0, 0.0);
            let below = Function::binary(Binary::Less, Function::Identity, Function::Constant(0.0));
            let mirrored = negative.after(part(negative.clone()));
            Function::select(below, mirrored, part(Function::Identity))
        }
    };
    elementwise::apply(importer, node, function)
}

/// Max, Min and Mean of one, two or more operands.
pub(in crate::model) fn fold(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mean = node.operator() == "Mean";
    let names: Vec<&str> = node.inputs().iter().map(String::as_str).collect();
    match *names.as_slice() {
        [] => return Err(node.error("it has no inputs")),
        [_, _] if !mean => return arithmetic::binary(importer, node),
        _ => {}
    }
    let mut parts = Parts::new(importer, node);
    let mut result = names[0].to_owned();
    for name in &names[1..] {
        result = parts.op(if mean { "Add" } else { node.operator() }, &[&result, name], &[])?;
    }
    if mean {
        let count = parts.constant(&[], vec![names.len() as f64])?;
        result = parts.op("Div", &[&result, &count], &[])?;
    }
    parts.bind(0, &result)
}

/// A comparison, a choice or a connective of constants.
pub(in crate::model) fn constant(
    node: &Node<'_>,
    inputs: &[&Constant],
) -> Option<Result<Constant, ImportError>> {
    let both = |operator: Binary, left: &Constant, right: &Constant| {
        left.binary(operator, right)
            .ok_or_else(|| node.error(format!("shapes {:?} and {:?}", left.shape, right.shape)))
    };
    let not = |constant: Constant| constant.map(|x| f64::from(u8::from(x == 0.0)));
    Some(match (node.operator(), inputs) {
        ("Less", [left, right]) | ("Greater", [right, left]) => both(Binary::Less, left, right),
        ("LessOrEqual", [left, right]) | ("GreaterOrEqual", [right, left]) => {
            both(Binary::LessOrEqual, left, right)
        }
        ("Equal", [left, right]) => both(Binary::Equal, left, right),
        ("Xor", [left, right]) => both(Binary::Equal, left, right).map(not),
        ("And", [left, right]) => both(Binary::Min, left, right),
        ("Or", [left, right]) => both(Binary::Max, left, right),
        ("Mod", [left, right]) if node.int("fmod", 0) == 0 => both(Binary::Mod, left, right),
        ("IsNaN" | "IsInf", [only]) => Ok(only.map(|_| 0.0)),
        ("Where", [condition, yes, no]) => {
            let truth = condition.map(|x| f64::from(u8::from(x != 0.0)));
            both(Binary::Mul, &truth, yes).and_then(|chosen| {
                both(Binary::Mul, &not(truth), no)
                    .and_then(|other| both(Binary::Add, &chosen, &other))
            })
        }
        _ => return None,
    })
}
