//! Which numbers of the input choose rows of a table, as the ids of an embedding do.

use super::{FloatGraph, FloatLayer, FloatOp, FloatTensorId, Function};
use assay_graph::{Shape, Window};

impl FloatGraph {
    /// For each channel of the input the first and the last row that its numbers may choose, where they
    /// choose from a table; of several tables what all of them have. For a graph that takes the file's own
    /// numbers.
    pub(super) fn rows_of_tables(&self) -> Vec<Option<[f64; 2]>> {
        let [channels, height, width] = self.input_shape();
        let plane = height * width;
        let mut rows: Vec<Option<[f64; 2]>> = vec![None; channels];
        let tables = self.layers.iter().filter_map(table).collect::<Vec<_>>();
        if tables.is_empty() {
            return rows;
        }
        let origins = self.origins();
        for (input, [first, last]) in tables {
            for origin in origins[input].iter().flatten() {
                let rows = &mut rows[*origin as usize / plane];
                let [low, high] = rows.unwrap_or([first, last]);
                *rows = Some([low.max(first), high.min(last)]);
            }
        }
        rows
    }

    /// For each tensor that holds numbers of the input, and nothing else, which of them its elements are.
    fn origins(&self) -> Vec<Option<Vec<u32>>> {
        let mut origins: Vec<Option<Vec<u32>>> = vec![None; self.tensors.len()];
        let count = self.input_shape().iter().product::<usize>() as u32;
        origins[self.input.tensor] = Some((0..count).collect());
        for layer in &self.layers {
            let shape = self.tensors[layer.output].shape;
            origins[layer.output] = match &layer.op {
                FloatOp::Slice { input, start } => {
                    let (plane, count) = (shape[1] * shape[2], shape.iter().product::<usize>());
                    let kept =
                        |of: &Vec<u32>| Some(of.get(start * plane..)?.get(..count)?.to_vec());
                    origins[*input].as_ref().and_then(kept)
                }
                FloatOp::Concat { inputs } => {
                    let parts = inputs.iter().map(|input| origins[*input].clone());
                    parts.collect::<Option<Vec<_>>>().map(|parts| parts.concat())
                }
                FloatOp::Transpose { input, groups, function: Function::Identity } => {
                    let moved = |of: &Vec<u32>| transposed(of, self.tensors[*input].shape, *groups);
                    origins[*input].as_ref().map(moved)
                }
                FloatOp::Sum { inputs, constant, function: Function::Identity }
                    if *constant == 0.0 && matches!(inputs.as_slice(), [(_, 1.0)]) =>
                {
                    origins[inputs[0].0].clone()
                }
                _ => None,
            };
        }
        origins
    }
}

/// The tensor of ids that a layer compares with rows, and the first and the last of those.
fn table(layer: &FloatLayer) -> Option<(FloatTensorId, [f64; 2])> {
    let FloatOp::Conv { input, window, groups: 1, weights, bias, function } = &layer.op else {
        return None;
    };
    let of_ids = weights.len() == bias.len() && weights.iter().all(|weight| *weight == 1.0);
    if !function.is_indicator() || !of_ids || *window != Window::dense([1, 1]) {
        return None;
    }
    let rows = bias.iter().map(|bias| -f64::from(*bias));
    let ends = rows
        .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], row| [low.min(row), high.max(row)]);
    Some((*input, ends))
}

/// Elements of a tensor of `shape` with channels and places of each group in each other's place.
pub(super) fn transposed(
    elements: &[u32],
    [channels, height, width]: Shape,
    groups: usize,
) -> Vec<u32> {
    let (plane, in_group) = (height * width, channels / groups);
    let places = (0..groups).flat_map(|group| {
        (0..plane).flat_map(move |place| {
            (0..in_group).map(move |channel| (group * in_group + channel) * plane + place)
        })
    });
    places.map(|place| elements[place]).collect()
}
