//! Normalizations over the values of one input: LayerNormalization and its relatives.

use super::{
    Binary, Constant, Function, ImportError, Importer, Node, Unary, Value, arithmetic, arrange,
    elementwise::function_of,
    optional_constant,
    reduce::{self, Fold},
    required_constant, unpadded, windows,
};

/// What is divided by.
#[derive(Clone, Copy, PartialEq)]
enum Size {
    /// `sqrt(mean of squares + epsilon)`.
    Deviation(f64),
    /// `max(sqrt(sum of squares), epsilon)`, or of magnitudes.
    Norm { power: i64, least: f64 },
}

/// LayerNormalization, RMSNormalization, SimplifiedLayerNormalization.
pub(in crate::model) fn layer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let used = |name: &String| {
        !name.is_empty() && (importer.outlook.is_read(name) || importer.outlook.is_output(name))
    };
    if node.outputs().iter().skip(1).any(used) {
        return Err(node.error(
            "its mean or deviation is used as an output of its own; compute it with ReduceMean",
        ));
    }
    let value = unpadded(importer, node, 0)?;
    let first = windows::axis(node, node.int("axis", -1), value.shape.len())?;
    let axes: Vec<usize> = (first..value.shape.len()).collect();
    let epsilon = node.float("epsilon", 1e-5)?;
    let centred = node.operator() == "LayerNormalization";
    let value = normalized(importer, node, &value, &axes, centred, Size::Deviation(epsilon))?;
    let value = match optional_constant(importer, node, 1)? {
        Some(scale) => {
            arithmetic::combine_constant(importer, node, Binary::Mul, &value, &scale, false)?
        }
        None => value,
    };
    let value = match optional_constant(importer, node, 2)? {
        Some(bias) if centred => {
            arithmetic::combine_constant(importer, node, Binary::Add, &value, &bias, false)?
        }
        _ => value,
    };
    importer.bind(node, value)
}

/// InstanceNormalization: over the places of each channel.
pub(in crate::model) fn instance(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    if value.shape.len() < 3 {
        return Err(node.error(format!("an input of shape {:?}", value.shape)));
    }
    let axes: Vec<usize> = (2..value.shape.len()).collect();
    let epsilon = node.float("epsilon", 1e-5)?;
    let normal = normalized(importer, node, &value, &axes, true, Size::Deviation(epsilon))?;
    let value = scaled(importer, node, normal)?;
    importer.bind(node, value)
}

/// GroupNormalization: over the places of the channels of each group.
pub(in crate::model) fn group(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let groups = usize::try_from(node.int("num_groups", 0)).unwrap_or(0);
    let [batch, channels, places @ ..] = value.shape.as_slice() else {
        return Err(node.error(format!("an input of shape {:?}", value.shape)));
    };
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(node.error(format!("{groups} groups of {channels} channels")));
    }
    let mut shape = vec![*batch, groups, channels / groups];
    shape.extend(places);
    let axes: Vec<usize> = (2..shape.len()).collect();
    let epsilon = node.float("epsilon", 1e-5)?;
    let grouped = Value { shape, ..value.clone() };
    let normal = normalized(importer, node, &grouped, &axes, true, Size::Deviation(epsilon))?;
    // Before operator set 21 there is one scale for each group.
    let own = required_constant(importer, node, 1)?.values.len();
    let normal = if own == groups && groups != *channels {
        let value = scaled(importer, node, normal)?;
        Value { shape: value.shape.clone(), ..value }
    } else {
        let normal = Value { shape: value.shape.clone(), ..normal };
        scaled(importer, node, normal)?
    };
    importer.bind(node, Value { shape: value.shape.clone(), ..normal })
}

/// LpNormalization: divided by the norm along one axis.
pub(in crate::model) fn lp(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = unpadded(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", -1), value.shape.len())?;
    let power = node.int("p", 2);
    if !matches!(power, 1 | 2) {
        return Err(node.error(format!("p = {power}; 1 and 2 are supported")));
    }
    let size = Size::Norm { power, least: 1e-12 };
    let value = normalized(importer, node, &value, &[axis], false, size)?;
    importer.bind(node, value)
}

/// The scale and bias of inputs 1 and 2, one for each position of axis 1.
fn scaled(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: Value,
) -> Result<Value, ImportError> {
    let mut value = value;
    for (index, operator) in [(1, Binary::Mul), (2, Binary::Add)] {
        let Some(constant) = optional_constant(importer, node, index)? else { continue };
        let mut shape = vec![1; value.shape.len()];
        shape[1] = constant.values.len();
        let constant = Constant { shape, values: constant.values.clone() };
        value = arithmetic::combine_constant(importer, node, operator, &value, &constant, false)?;
    }
    Ok(value)
}

/// `(x - mean) / size` over `axes`, the mean only where it is `centred`.
fn normalized(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    value: &Value,
    axes: &[usize],
    centred: bool,
    size: Size,
) -> Result<Value, ImportError> {
    // The storage of the result is that of what follows; over the last axis these are channels.
    let (mut value, last) = (value.clone(), value.shape.len().saturating_sub(1));
    if axes == [last] && value.shape[..last].iter().any(|size| *size > 1) {
        value = arrange::with_channels(importer, node, &value, axes)?.0;
    }
    let mut reduced = vec![false; value.shape.len()];
    axes.iter().for_each(|axis| reduced[*axis] = true);
    if centred {
        let mean = reduce::fold(importer, node, Fold::Mean, &value, &reduced)?;
        value = arithmetic::combine(importer, node, Binary::Sub, &value, &mean)?;
    }
    let fold = if matches!(size, Size::Deviation(_)) { Fold::Mean } else { Fold::Sum };
    let terms = match size {
        Size::Norm { power: 1, .. } => {
            let magnitude = Function::unary(Unary::Abs, Function::Identity);
            function_of(importer, node, &value, magnitude)?
        }
        _ => reduce::square(importer, node, &value)?,
    };
    let total = reduce::fold(importer, node, fold, &terms, &reduced)?;
    let positive = Function::clip(Some(0.0), None);
    let root = Function::unary(Unary::Sqrt, Function::Identity);
    let inverse = match size {
        Size::Deviation(epsilon) => {
            let root = root.after(Function::affine(1.0, epsilon)).after(positive);
            Function::reciprocal().after(root)
        }
        Size::Norm { power, least } => {
            let norm = if power == 1 { positive } else { root.after(positive) };
            Function::reciprocal().after(Function::clip(Some(least), None).after(norm))
        }
    };
    let inverse = function_of(importer, node, &total, inverse)?;
    arithmetic::combine(importer, node, Binary::Mul, &value, &inverse)
}
