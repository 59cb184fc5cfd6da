//! ONNX data types of activations, as far as they matter: what becomes an integer is cut off.

use super::{Function, ImportError, Importer, Node, activation, elementwise, integers};

const FLOAT: i32 = 1;
const INT64: i32 = 7;
pub(in crate::model) const BOOL: i32 = 9;

/// An integer type, of any size.
pub(in crate::model) fn is_integer(kind: i32) -> bool {
    matches!(kind, 2..=7 | 12 | 13 | 21 | 22)
}

fn kind(importer: &Importer<'_>, name: &str) -> i32 {
    let known = importer.kinds.get(name).or_else(|| importer.data_types.get(name));
    known.copied().unwrap_or(FLOAT)
}

/// Whether a value's type in the file is one of integers.
pub(super) fn is_of_integers(importer: &Importer<'_>, name: &str) -> bool {
    is_integer(kind(importer, name))
}

/// Keeps the data type of what the node has made.
pub(in crate::model) fn note(importer: &mut Importer<'_>, node: &Node<'_>) {
    let of = |index: usize| node.input(index).map_or(FLOAT, |name| kind(importer, name));
    let kind = match node.operator() {
        "Cast" => node.int("to", i64::from(FLOAT)) as i32,
        "CastLike" => of(1),
        "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal" | "And" | "Or" | "Xor"
        | "Not" | "IsNaN" | "IsInf" => BOOL,
        "ArgMax" | "ArgMin" | "Shape" | "Size" => INT64,
        "QuantizeLinear" => node.input(2).map_or(2, |name| kind(importer, name)),
        "DequantizeLinear" | "DynamicQuantizeLinear" => FLOAT,
        "Where" => of(1),
        // What is inside has told.
        "If" | "Loop" => return,
        "QLinearConv" | "QLinearMatMul" => of(7),
        _ if !matches!(node.domain(), "" | "ai.onnx") => FLOAT,
        _ => of(0),
    };
    if kind == FLOAT {
        return;
    }
    for output in node.outputs().iter().filter(|name| !name.is_empty()) {
        importer.kinds.insert(output.clone(), kind);
    }
}

/// Gives output `index` of a node the data type of the value `name`.
pub(in crate::model) fn copy(
    importer: &mut Importer<'_>,
    name: &str,
    node: &Node<'_>,
    index: usize,
) {
    let known = kind(importer, name);
    if let Some(output) = node.outputs().get(index).filter(|_| known != FLOAT) {
        importer.kinds.insert(output.clone(), known);
    }
}

/// Cast of an activation.
pub(in crate::model) fn cast(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let from = node.input(0).map_or(FLOAT, |name| kind(importer, name));
    let to = match node.operator() {
        "CastLike" => node.input(1).map_or(FLOAT, |name| kind(importer, name)),
        _ => node.int("to", i64::from(FLOAT)) as i32,
    };
    let whole = is_integer(from) || from == BOOL || value.dropped.is_some();
    let function = match to {
        BOOL if from != BOOL => Function::truth(),
        to if is_integer(to) && !whole => Function::truncation(),
        _ => return importer.bind(node, value),
    };
    let step = importer.roots(value.tensor).into_iter().any(|(_, f)| {
        f.step().is_some_and(|step| step == step.round()) && to != BOOL || f.is_boolean()
    });
    if step {
        return importer.bind(node, value);
    }
    elementwise::apply(importer, node, function)
}

/// A file for a batch is read as one for a single input: nothing may join the inputs of a batch.
pub(in crate::model) fn keeps_inputs_apart(
    importer: &Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let activation = node.input(0).and_then(|name| importer.values.get(name));
    let Some(value) = activation.filter(|_| importer.batch > 1) else { return Ok(()) };
    let rank = value.shape.len() as i64;
    let single = |default: i64| Ok::<_, ImportError>(vec![node.int("axis", default)]);
    let axes = match node.operator() {
        "Concat" | "Gather" | "Split" | "Softmax" | "LogSoftmax" | "ArgMax" | "ArgMin" => {
            single(i64::from(node.operator().ends_with("Softmax")))?
        }
        "TopK" => single(-1)?,
        "Slice" => integers(importer, node, "axes", 3)?.unwrap_or_else(|| vec![0]),
        name if name.starts_with("Reduce") => {
            integers(importer, node, "axes", 1)?.unwrap_or_else(|| vec![0])
        }
        _ => return Ok(()),
    };
    if rank > 1 && value.shape[0] == 1 && axes.iter().any(|axis| *axis == 0 || *axis == -rank) {
        return Err(node.error(format!(
            "it works along the batch of {}; export the network with batch 1",
            importer.batch
        )));
    }
    Ok(())
}
