//! The two ends of a network: the input that it takes, and which of the file's outputs are its logits.

use std::rc::Rc;

use tract_onnx::pb::{TypeProto, tensor_shape_proto::dimension::Value as Dim, type_proto};

use super::{
    FinalOperator, FloatInput, FloatOp, FloatTensorId, Function, ImportError, ImportOptions, Shape,
    Unary,
    fusion::{RawLayer, Step},
    importer::{Importer, Value, channels_last_order},
    operators::after_the_end,
    protobuf::Node,
    shapes::element_count,
};

/// Adds the network's only input.
pub(super) fn add_input(
    importer: &mut Importer<'_>,
    options: &ImportOptions,
) -> Result<FloatInput, ImportError> {
    let graph = importer.source.graph()?;
    let mut inputs =
        graph.input.iter().filter(|input| !importer.constants.contains_key(&input.name));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(ImportError::Graph("exactly one input is supported".into()));
    };
    let problem = |problem: String| ImportError::Tensor { tensor: input.name.clone(), problem };
    let (mut shape, kind) =
        declared_shape(&input.name, input.r#type.as_ref(), options).map_err(problem)?;
    element_count(&shape).map_err(problem)?;
    let sequence = shape.len() == 3 && is_sequence(importer, &input.name);
    let batch_axis = usize::from(sequence);
    if shape.len() > 1 && shape[batch_axis] != 1 {
        importer.batch = shape[batch_axis];
        shape[batch_axis] = 1;
        importer.notes.push(format!(
            "the file takes {} inputs at once; it is read as a network for one of them",
            importer.batch
        ));
    }
    let channels_last = shape.len() == 4 && starts_with_channels_first(importer, &input.name);
    let internal = match *shape.as_slice() {
        [features] => [features, 1, 1],
        [_, features] => [features, 1, 1],
        [steps, _, features] if sequence => [steps, 1, features],
        [_, channels, length] => [channels, 1, length],
        [_, height, width, channels] if channels_last => [channels, height, width],
        [_, channels, height, width] => [channels, height, width],
        // The depth is folded into the channels.
        [_, channels, depth, height, width] => [channels * depth, height, width],
        _ => {
            return Err(problem(format!(
                "an input of shape {shape:?}; a row, a sequence or an image is supported, with up to three spatial axes"
            )));
        }
    };
    let order = channels_last.then(|| channels_last_order(internal));
    let tensor = importer.new_tensor(&input.name, internal).map_err(problem)?;
    importer.input = tensor;
    importer.kinds.insert(input.name.clone(), kind);
    let value = Value {
        tensor,
        shape: shape.clone(),
        order: order.clone().map(Rc::new),
        pads: [0; 4],
        dropped: None,
    };
    importer.values.insert(input.name.clone(), value);
    Ok(FloatInput { tensor, name: input.name.clone(), onnx_shape: shape, order })
}

/// The input's shape, free sizes as the options give them, and its ONNX data type.
fn declared_shape(
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

/// The first node that reads `input`.
fn first_reader<'a>(importer: &Importer<'a>, input: &str) -> Option<Node<'a>> {
    let readers = importer.source.proto.graph.iter().flat_map(|graph| &graph.node);
    readers.map(Node::new).find(|node| node.input(0) == Some(input))
}

/// The input is channels last: the first node that reads it moves the channels to the front.
fn starts_with_channels_first(importer: &Importer<'_>, input: &str) -> bool {
    first_reader(importer, input).is_some_and(|node| {
        node.operator() == "Transpose" && node.ints("perm") == Some(&[0, 3, 1, 2])
    })
}

/// The input is `[steps, batch, features]`: a recurrent layer reads it as such.
fn is_sequence(importer: &Importer<'_>, input: &str) -> bool {
    first_reader(importer, input).is_some_and(|node| {
        matches!(node.operator(), "LSTM" | "GRU" | "RNN") && node.int("layout", 0) == 0
    })
}

/// Where a node goes on after a sigmoid that was left out of its inputs, the sigmoid is put back.
pub(super) fn take_up(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    if after_the_end(node.operator()) {
        return Ok(());
    }
    for name in node.inputs() {
        let Some(value) = importer.values.get(name).cloned() else { continue };
        let operators = value.dropped.as_ref().map(|dropped| dropped.operators.as_slice());
        if operators != Some(&[FinalOperator::Sigmoid]) {
            continue;
        }
        let function = Function::unary(Unary::Sigmoid, Function::Identity);
        let step = Step::Apply { input: value.tensor, function };
        let tensor = importer.push(node, importer.shape(&value), step)?;
        importer.values.insert(name.clone(), Value { tensor, dropped: None, ..value });
    }
    Ok(())
}

/// The logits, and what the file has after them.
pub(super) fn output(
    importer: &mut Importer<'_>,
    options: &ImportOptions,
) -> Result<(FloatTensorId, Vec<FinalOperator>), ImportError> {
    let name = output_name(importer, options)?;
    let problem = |problem: String| ImportError::Tensor { tensor: name.into(), problem };
    let value = importer
        .values
        .get(name)
        .cloned()
        .ok_or_else(|| problem("the output does not depend on the input".into()))?;
    let mut value = value;
    let shape: Shape = importer.shape(&value);
    let row = value.shape.iter().filter(|size| **size > 1).count() <= 1;
    if row && shape[1..] != [1, 1] && value.order.is_none() && value.pads == [0; 4] {
        value.tensor = flattened(importer, name, value.tensor).map_err(problem)?;
    }
    let shape: Shape = importer.shape(&value);
    if shape[1] != 1 || shape[2] != 1 || value.order.is_some() || value.pads != [0; 4] {
        return Err(problem(format!(
            "the output has shape {:?}; a vector of logits for one input is needed",
            value.shape
        )));
    }
    if value.tensor == importer.input {
        return Err(problem("the network has no layers".into()));
    }
    let dropped = value.dropped.as_ref().map(|dropped| dropped.operators.clone());
    Ok((value.tensor, dropped.unwrap_or_default()))
}

/// An image that the file reads as one row, in the shape of a row.
fn flattened(
    importer: &mut Importer<'_>,
    name: &str,
    input: FloatTensorId,
) -> Result<FloatTensorId, String> {
    let shape = importer.tensors[input].shape;
    let output = importer.new_tensor(name, [shape.iter().product(), 1, 1])?;
    let op = FloatOp::Transpose { input, groups: shape[0], function: Function::Identity };
    importer.layers.push(RawLayer {
        name: name.into(),
        operator: "Flatten".into(),
        output,
        step: Step::Layer(op),
    });
    Ok(output)
}

/// The output asked for; without one the only output, or that of which the others are the class.
fn output_name<'a>(
    importer: &mut Importer<'a>,
    options: &ImportOptions,
) -> Result<&'a str, ImportError> {
    let outputs = &importer.source.graph()?.output;
    let names = || {
        let names: Vec<String> =
            outputs.iter().map(|output| format!("`{}`", output.name)).collect();
        names.join(", ")
    };
    if let Some(wanted) = &options.outputs {
        let found = outputs.iter().find(|output| output.name == *wanted);
        return found.map(|output| output.name.as_str()).ok_or_else(|| {
            ImportError::Graph(format!("it has no output `{wanted}`; its outputs are {}", names()))
        });
    }
    if let [output] = outputs.as_slice() {
        return Ok(&output.name);
    }
    let values: Option<Vec<&Value>> =
        outputs.iter().map(|output| importer.values.get(&output.name)).collect();
    let values = values.unwrap_or_default();
    let steps = |value: &Value| {
        let operators = value.dropped.as_ref().map_or(&[][..], |dropped| &dropped.operators);
        (operators.contains(&FinalOperator::ArgMax), operators.len())
    };
    if let Some(first) = values.first()
        && values.iter().all(|value| value.tensor == first.tensor)
        && let Some(best) = (0..values.len()).min_by_key(|index| steps(values[*index]))
    {
        return Ok(&outputs[best].name);
    }
    // A classifier's label, where its scores are other numbers.
    let mut labels = (0..values.len()).filter(|index| steps(values[*index]).0);
    if let (Some(label), None) = (labels.next(), labels.next())
        && has_classifier(importer)
    {
        let name = outputs[label].name.as_str();
        importer.notes.push(format!(
            "of the outputs {} the label `{name}` is taken: it is the number of the largest logit",
            names()
        ));
        return Ok(name);
    }
    Err(ImportError::Graph(format!(
        "{} outputs ({}); choose one of them, or export the network with the logits as its only output",
        outputs.len(),
        names()
    )))
}

/// A node of the file classifies, as those of scikit-learn do.
fn has_classifier(importer: &Importer<'_>) -> bool {
    let nodes = importer.source.proto.graph.iter().flat_map(|graph| &graph.node);
    nodes
        .into_iter()
        .any(|node| node.domain == "ai.onnx.ml" && node.op_type.ends_with("Classifier"))
}
