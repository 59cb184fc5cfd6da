//! What a file declares of its inputs.

use tract_onnx::pb::{TypeProto, tensor_shape_proto::dimension::Value as Dim, type_proto};

use super::{ImportOptions, importer::Importer, protobuf::Node};

/// The input's shape, free sizes as the options give them, and its ONNX data type.
pub(super) fn declared_shape(
    name: &str,
    kind: Option<&TypeProto>,
    options: &ImportOptions,
) -> Result<(Vec<usize>, i32), String> {
    let Some(type_proto::Value::TensorType(kind)) = kind.and_then(|kind| kind.value.as_ref())
    else {
        return Err("the input has no tensor type".into());
    };
    let dims = kind.shape.as_ref().map_or(&[][..], |shape| shape.dim.as_slice());
    let given = options.input_shapes.iter().find(|(given, _)| given == name);
    let given = given.map(|(_, shape)| shape.as_slice());
    if let Some(given) = given
        && (given.len() != dims.len() || given.contains(&0))
    {
        return Err(format!("the given shape {given:?} is not one of {} sizes", dims.len()));
    }
    let mut shape = Vec::with_capacity(dims.len());
    let mut free = None;
    for (axis, dim) in dims.iter().enumerate() {
        let size = match &dim.value {
            Some(Dim::DimValue(size)) => usize::try_from(*size).ok().filter(|size| *size > 0),
            _ => None,
        };
        let given = given.map(|given| given[axis]);
        shape.push(match (size, given) {
            (Some(size), Some(given)) if size != given => {
                return Err(format!("axis {axis} has {size} elements, not {given}"));
            }
            (Some(size), _) | (None, Some(size)) => size,
            // A free batch size becomes one.
            (None, None) => {
                free = free.or((axis > 0).then_some(axis));
                1
            }
        });
    }
    if let Some(axis) = free {
        let example: Vec<String> = shape
            .iter()
            .enumerate()
            .map(|(at, size)| if at >= 2 && *size == 1 { "8".into() } else { size.to_string() })
            .collect();
        return Err(format!(
            "axis {axis} of the input has no fixed size; give the shape of one input, such as \
             `--input-shape {name}={}`, or export with a fixed input shape",
            example.join(",")
        ));
    }
    Ok((shape, kind.elem_type))
}

/// Changes of type and the like that an input goes through at most.
const MAX_STEPS: usize = 8;

/// The input is `[steps, batch, features]`: a recurrent layer reads it as such.
pub(super) fn is_sequence(importer: &Importer<'_>, input: &str) -> bool {
    is_read(importer, input, &[0])
}

/// The input is `[directions, batch, features]`: a recurrent layer starts with it.
pub(super) fn is_state(importer: &Importer<'_>, input: &str) -> bool {
    is_read(importer, input, &[5, 6])
}

/// A recurrent layer with the batch as second axis reads the value as one of these inputs of its own, as it is
/// or, of states, a part of it.
fn is_read(importer: &Importer<'_>, name: &str, inputs: &[usize]) -> bool {
    let mut names = vec![name];
    for _ in 0..MAX_STEPS {
        let mut next = Vec::new();
        for node in importer.source.proto.graph.iter().flat_map(|graph| &graph.node) {
            let node = Node::new(node);
            let reads = |index: usize| node.input(index).is_some_and(|read| names.contains(&read));
            let recurrent = matches!(node.operator(), "LSTM" | "GRU" | "RNN");
            if recurrent && node.int("layout", 0) == 0 && inputs.iter().any(|at| reads(*at)) {
                return true;
            }
            let passes = matches!(node.operator(), "Identity" | "Cast" | "Dropout")
                || (node.operator() == "Slice" && inputs != [0]);
            if passes && reads(0) {
                next.extend(node.outputs().first().map(String::as_str));
            }
        }
        names = next;
        if names.is_empty() {
            break;
        }
    }
    false
}
