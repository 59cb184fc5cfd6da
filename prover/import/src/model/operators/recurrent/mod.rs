//! Recurrent layers, unrolled over their fixed number of steps.

mod activations;
mod cells;
mod shape;

use super::{
    ImportError, Importer, Node, optional_constant,
    parts::{Parts, int},
    required_constant, unpadded,
};
use cells::Cell;
use shape::Shape;

/// Longer sequences are refused.
const MAX_STEPS: usize = 4096;

/// LSTM, GRU and RNN.
pub(in crate::model) fn recurrent(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let shape = shape(importer, node)?;
    let input = node.input(0).unwrap_or_default();
    let cells = (0..shape.directions)
        .map(|direction| Cell::read(importer, node, &shape, direction))
        .collect::<Result<Vec<Cell>, ImportError>>()?;
    let mut parts = Parts::new(importer, node);
    let steps = steps(&mut parts, input, &shape)?;
    let reversed = node.text("direction").unwrap_or("forward") == "reverse";
    // For each direction the outputs in the order of the steps, and the last state.
    let mut outputs: Vec<Vec<String>> = Vec::new();
    let mut last: Vec<[String; 2]> = Vec::new();
    for (direction, cell) in cells.iter().enumerate() {
        let backwards = reversed || direction == 1;
        let mut states = cell.start(&mut parts, node, &shape, direction)?;
        let mut results = vec![String::new(); shape.steps];
        for index in 0..shape.steps {
            let step = if backwards { shape.steps - 1 - index } else { index };
            states = cell.step(&mut parts, &steps[step], &states)?;
            results[step] = states.hidden().to_owned();
        }
        last.push([states.hidden().to_owned(), states.memory().to_owned()]);
        outputs.push(results);
    }
    bind(&mut parts, node, &shape, &outputs, &last)
}

fn shape(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<Shape, ImportError> {
    let value = unpadded(importer, node, 0)?;
    let batch_first = node.int("layout", 0) != 0;
    let (steps, features) = match *value.shape.as_slice() {
        [steps, 1, features] if !batch_first => (steps, features),
        [1, steps, features] if batch_first => (steps, features),
        ref other => {
            let wanted = if batch_first { "[1, steps, features]" } else { "[steps, 1, features]" };
            return Err(node.error(format!("an input of shape {other:?}; {wanted} is needed")));
        }
    };
    if !(1..=MAX_STEPS).contains(&steps) {
        return Err(node.error(format!("{steps} steps; 1 to {MAX_STEPS} are supported")));
    }
    if let Some(lengths) = optional_constant(importer, node, 4)?
        && lengths.values.iter().any(|length| *length != steps as f64)
    {
        return Err(node.error("sequences that are shorter than the input"));
    }
    let directions = match node.text("direction").unwrap_or("forward") {
        "forward" | "reverse" => 1,
        "bidirectional" => 2,
        other => return Err(node.error(format!("the direction `{other}` is not known"))),
    };
    let recurrence = required_constant(importer, node, 2)?;
    let Some(&hidden) = recurrence.shape.last().filter(|size| **size > 0) else {
        return Err(node.error(format!("recurrent weights of shape {:?}", recurrence.shape)));
    };
    Ok(Shape { steps, features, hidden, directions, batch_first })
}

/// The input at each step, as a row.
fn steps(
    parts: &mut Parts<'_, '_, '_>,
    input: &str,
    shape: &Shape,
) -> Result<Vec<String>, ImportError> {
    let row = parts.integers(&[1, shape.features])?;
    let axis = [int("axis", i64::from(shape.batch_first))];
    (0..shape.steps)
        .map(|step| {
            let at = parts.integers(&[step])?;
            let step = parts.op("Gather", &[input, &at], &axis)?;
            parts.op("Reshape", &[&step, &row], &[])
        })
        .collect()
}

/// Binds all outputs, the states of each step and direction side by side.
fn bind(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    shape: &Shape,
    outputs: &[Vec<String>],
    last: &[[String; 2]],
) -> Result<(), ImportError> {
    let Shape { steps, hidden, directions, batch_first, .. } = *shape;
    let asked = |index: usize| node.outputs().get(index).is_some_and(|name| !name.is_empty());
    if asked(0) {
        let all = (0..steps).flat_map(|step| outputs.iter().map(move |of| of[step].as_str()));
        let sizes = match batch_first {
            true => [1, steps, directions, hidden],
            false => [steps, directions, 1, hidden],
        };
        let all: Vec<&str> = all.collect();
        joined(parts, &all, &sizes, 0)?;
    }
    for (index, output) in [1, 2].into_iter().enumerate() {
        if asked(output) {
            let states: Vec<&str> = last.iter().map(|states| states[index].as_str()).collect();
            let sizes = if batch_first { [1, directions, hidden] } else { [directions, 1, hidden] };
            joined(parts, &states, &sizes, output)?;
        }
    }
    Ok(())
}

/// Rows side by side, in another shape, as an output of the node.
fn joined(
    parts: &mut Parts<'_, '_, '_>,
    rows: &[&str],
    sizes: &[usize],
    output: usize,
) -> Result<(), ImportError> {
    let all = match rows {
        [only] => (*only).to_owned(),
        _ => parts.op("Concat", rows, &[int("axis", 1)])?,
    };
    let sizes = parts.integers(sizes)?;
    let result = parts.op("Reshape", &[&all, &sizes], &[])?;
    parts.bind(output, &result)
}
