//! Ids of large tables, compared with their rows byte by byte.
//!
//! An id and a row differ by more than a table of functions can hold where there are more than 2^15 rows. The
//! more significant byte chooses one of the blocks of 256 rows, the other one a row of it.

use super::{FloatGraph, FloatLayer, FloatOp, FloatTensor, FloatTensorId, Function, Unary};
use assay_graph::{Shape, Window};

/// Rows that a difference of 16 bits reaches.
const MOST_ROWS: usize = 1 << 15;
/// Rows of a block.
const BLOCK: usize = 256;
/// What a row's difference lacks where its block is not the chosen one: more than any difference.
const CHOSEN: f32 = 1024.0;

impl FloatGraph {
    /// Replaces the layers that compare ids of two bytes with more rows than a table can tell apart.
    pub(super) fn choose_by_bytes(&mut self) {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in std::mem::take(&mut self.layers) {
            match self.ids_of_rows(&layer) {
                Some((input, rows)) => self.push_choice(&mut layers, &layer, input, rows),
                None => layers.push(layer),
            }
        }
        self.layers = layers;
    }

    /// The ids, `[2, height, width]` bytes, and the number of rows, where a layer compares them with all rows.
    fn ids_of_rows(&self, layer: &FloatLayer) -> Option<(FloatTensorId, usize)> {
        let FloatOp::Conv { input, window, groups: 1, weights, bias, function } = &layer.op else {
            return None;
        };
        let bytes = |weights: &[f32]| *weights == [256.0, 1.0];
        let in_order = bias.iter().zip(0u32..).all(|(bias, row)| *bias == -(row as f32));
        let dense = Window::dense([1, 1]);
        let placed = match self.tensors[*input].shape[0] {
            2 => *window == dense,
            // The bytes of an id side by side.
            1 => *window == along(),
            _ => false,
        };
        let fits = function.is_indicator()
            && placed
            && bias.len() > MOST_ROWS
            && weights.chunks(2).all(bytes)
            && in_order;
        fits.then_some((*input, bias.len()))
    }

    fn push_choice(
        &mut self,
        layers: &mut Vec<FloatLayer>,
        layer: &FloatLayer,
        input: FloatTensorId,
        rows: usize,
    ) {
        let window = match self.tensors[input].shape[0] {
            1 => along(),
            _ => Window::dense([1, 1]),
        };
        let [_, height, width] = self.tensors[layer.output].shape;
        let indicator = || Function::unary(Unary::IsZero, Function::Identity);
        let mut push =
            |graph: &mut Self, shape: Shape, op: FloatOp, output: Option<FloatTensorId>| {
                let name = graph.tensors[layer.output].name.clone();
                let output = output.unwrap_or_else(|| {
                    graph.tensors.push(FloatTensor { name, shape });
                    graph.tensors.len() - 1
                });
                let (name, operator) = (layer.name.clone(), layer.operator.clone());
                layers.push(FloatLayer { name, operator, output, op });
                output
            };
        let reading = |window, input, groups, weights, bias, function| FloatOp::Conv {
            input,
            window,
            groups,
            weights,
            bias,
            function,
        };
        let dense = |input, groups, weights, bias, function| {
            reading(Window::dense([1, 1]), input, groups, weights, bias, function)
        };
        let blocks = rows.div_ceil(BLOCK);
        let weights = [1.0, 0.0].repeat(blocks);
        let bias = (0..blocks).map(|block| -(block as f32)).collect();
        let op = reading(window, input, 1, weights, bias, indicator());
        let chosen = push(self, [blocks, height, width], op, None);
        // Whole, so that it has the scale of what chooses, beside which it stands.
        let rounded = Function::unary(Unary::Round, Function::Identity);
        let op = reading(window, input, 1, vec![0.0, 1.0], vec![0.0], rounded);
        let low = push(self, [1, height, width], op, None);
        let mut parts = Vec::new();
        let whole = rows / BLOCK;
        for (first, count, size) in [(0, whole, BLOCK), (whole, blocks - whole, rows % BLOCK)] {
            if count == 0 {
                continue;
            }
            let mut pairs = Vec::with_capacity(2 * count);
            for start in first..first + count {
                let op = FloatOp::Slice { input: chosen, start };
                pairs.extend([push(self, [1, height, width], op, None), low]);
            }
            let pairs = FloatOp::Concat { inputs: pairs };
            let pairs = push(self, [2 * count, height, width], pairs, None);
            let bias = (0..size).map(|row| -CHOSEN - row as f32).collect::<Vec<_>>().repeat(count);
            let op = dense(pairs, count, [CHOSEN, 1.0].repeat(count * size), bias, indicator());
            parts.push(push(self, [count * size, height, width], op, None));
        }
        let op = FloatOp::Concat { inputs: parts };
        push(self, [rows, height, width], op, Some(layer.output));
    }
}

/// The window over the two bytes of an id that lie side by side.
fn along() -> Window {
    Window { stride: [1, 2], ..Window::dense([1, 2]) }
}

/// Least and largest difference that a layer which compares numbers with rows may see: those of a table's
/// rows from each other, so that numbers beyond them are refused.
pub(crate) fn differences(groups: usize, weights: &[f32], bias: &[f32]) -> (i64, i64) {
    let most = (bias.len() / groups) as i64 - 1;
    let by_bytes = weights.len() == 2 * bias.len() && weights.first() == Some(&CHOSEN);
    let lack = if by_bytes { CHOSEN as i64 } else { 0 };
    (-most - lack, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FloatExecutor, FloatInput};
    use crate::quantize::{InputEncoding, QuantizeOptions, calibrate_and_quantize};
    use assay_graph::{ChannelEncoding, Executor, ValueEncoding};

    fn table(rows: usize) -> FloatGraph {
        let most = rows as u32 - 1;
        let channels = vec![ChannelEncoding { scale: 1.0, offset: 0.0, most, whole: true }];
        let values = Some(ValueEncoding { bytes: 2, channels, clamp: false });
        let tensor = |name: &str, shape| FloatTensor { name: name.into(), shape };
        let conv = |output, input, weights, bias, function| FloatLayer {
            name: "table".into(),
            operator: "Gather".into(),
            output,
            op: FloatOp::Conv {
                input,
                window: Window::dense([1, 1]),
                groups: 1,
                weights,
                bias,
                function,
            },
        };
        let rows_of = |row: usize| -(row as f32);
        let function = Function::unary(Unary::IsZero, Function::Identity);
        let numbers = (0..rows).map(|row| (row * 37 % 1009) as f32 / 100.0 - 5.0).collect();
        FloatGraph {
            name: "ids".into(),
            input: FloatInput { tensor: 0, parts: Vec::new(), values, compares: false },
            tensors: vec![
                tensor("ids", [2, 1, 1]),
                tensor("chosen", [rows, 1, 1]),
                tensor("number", [1, 1, 1]),
            ],
            layers: vec![
                conv(1, 0, [256.0, 1.0].repeat(rows), (0..rows).map(rows_of).collect(), function),
                conv(2, 1, numbers, vec![0.0], Function::Identity),
            ],
            output: 2,
            dropped: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Ids at the ends of blocks and of the table find their rows, in float and in integers; those beyond
    /// find none, and are refused.
    #[test]
    fn ids_of_two_bytes_choose_from_many_rows() {
        for rows in [40_000, 32_769, 33_024] {
            let mut graph = table(rows);
            graph.choose_by_bytes();
            assert!(graph.layers.len() > 2, "{rows} rows are more than a table tells apart");
            let bytes = |id: usize| vec![(id >> 8) as u8, id as u8];
            let ids = [0, 1, 255, 256, 257, 32_767, 32_768, rows - 1];
            let samples = ids.map(bytes);
            let encoding = InputEncoding::RAW;
            let options = QuantizeOptions::default();
            let quantized = calibrate_and_quantize(&graph, &encoding, &samples, &options);
            let quantized = quantized.expect("integers");
            let executor = Executor::new(&quantized).expect("valid");
            let float = FloatExecutor::new(&graph);
            let scale = quantized.tensors[quantized.output].scale;
            for (id, sample) in ids.into_iter().zip(&samples) {
                let expected = (id * 37 % 1009) as f32 / 100.0 - 5.0;
                let input = sample.iter().map(|byte| f32::from(*byte)).collect::<Vec<_>>();
                assert_eq!(
                    float.run(&input).expect("two bytes").logits(),
                    [expected],
                    "{id} of {rows}"
                );
                let run = executor.run(sample).expect("a row of the table");
                let shown = f64::from(run.logits()[0]) / scale;
                assert!((shown - f64::from(expected)).abs() < 0.02, "{id} of {rows}: {shown}");
            }
            for id in [rows, rows + 1, 65_535] {
                assert!(executor.run(&bytes(id)).is_err(), "{id} is no row of {rows}");
            }
        }
    }

    #[test]
    fn few_rows_are_compared_at_once() {
        let mut graph = table(MOST_ROWS);
        graph.choose_by_bytes();
        assert_eq!(graph.layers.len(), 2);
    }
}
