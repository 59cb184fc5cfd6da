//! The end of a network: which of the file's outputs are its logits, and what is left out after them.

use super::{
    FinalOperator, FloatGraph, FloatInput, FloatOp, FloatTensorId, Function, ImportError,
    ImportOptions, Shape, Unary,
    fusion::{fuse, live_layers},
    importer::{Importer, Value},
    operators::{after_the_end, arrange},
    protobuf::Node,
    raw_layer::{RawLayer, Step},
    thresholds,
};

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

/// The finished network, once all nodes are in.
pub(super) fn finish(
    mut importer: Importer<'_>,
    mut input: FloatInput,
    name: &str,
    options: &ImportOptions,
) -> Result<FloatGraph, ImportError> {
    store_output(&mut importer, options)?;
    let (output, dropped) = output(&mut importer, options)?;
    // Operators may have chosen how the input is stored.
    if let [part] = input.parts.as_mut_slice()
        && let Some(value) = importer.values.get(&part.name)
    {
        part.order = value.order.as_ref().map(|order| order.to_vec());
    }
    let (mut tensors, layers) = (importer.tensors, importer.layers);
    let mut layers = live_layers(layers, tensors.len(), output);
    match &input.values {
        Some(values) => layers = thresholds::decide(&mut tensors, layers, input.tensor, values),
        None => input.compares = thresholds::compare(&tensors, &layers, input.tensor),
    }
    let (tensors, layers, renumbered) = fuse(tensors, layers, input.tensor, output)?;
    input.tensor = renumbered(input.tensor);
    let output = renumbered(output);
    let notes = importer.notes;
    let name = name.into();
    let mut graph = FloatGraph { name, input, tensors, layers, output, dropped, notes };
    graph.choose_by_bytes();
    graph.balance_features();
    graph.separate_input();
    Ok(graph)
}

/// Brings the output into channels, in the file's order.
fn store_output(importer: &mut Importer<'_>, options: &ImportOptions) -> Result<(), ImportError> {
    let graph = importer.source.graph()?;
    let name = match (&options.outputs, graph.output.as_slice()) {
        (Some(name), _) => name,
        (None, [output]) => &output.name,
        _ => return Ok(()),
    };
    let Some(value) = importer.values.get(name).cloned() else { return Ok(()) };
    if value.shape.iter().filter(|size| **size > 1).count() > 1 {
        importer.notes.push(format!(
            "the output has shape {:?}; its numbers, in the file's order, are the outputs: `--outputs logits` proves \
             all of them, a class would be the place of the largest",
            value.shape
        ));
    }
    let maker = graph.node.iter().find(|node| node.output.contains(name));
    if let (Some(node), true) = (maker, value.pads == [0; 4]) {
        let count: usize = importer.shape(&value).iter().product();
        let stored = arrange::store(importer, &Node::new(node), &value, [count, 1, 1], None)?;
        importer.values.insert(name.clone(), stored);
    }
    Ok(())
}

/// The logits, and what the file has after them.
fn output(
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
    // Where numbers are wanted they are those beside the label.
    let mut numbers = (0..values.len()).filter(|index| !steps(values[*index]).0);
    if let (true, Some(only), None) = (options.keep_final, numbers.next(), numbers.next())
        && has_classifier(importer)
    {
        return Ok(&outputs[only].name);
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
        "{} outputs ({}); choose one of them (--output-name NAME), or export the network with the logits as its only \
         output",
        outputs.len(),
        names()
    )))
}

/// A node of the file classifies, as those of scikit-learn do, or finds what is nearest.
fn has_classifier(importer: &Importer<'_>) -> bool {
    let nodes = importer.source.proto.graph.iter().flat_map(|graph| &graph.node);
    nodes.into_iter().any(|node| {
        node.op_type == "ArgMin"
            || node.domain == "ai.onnx.ml" && node.op_type.ends_with("Classifier")
    })
}
