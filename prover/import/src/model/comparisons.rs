//! Comparisons of single features with thresholds, as in trees, decided as the file decides them.
//!
//! A layer has one scale for all of its values, and features differ in range by orders of magnitude: a
//! difference to a threshold would be rounded away. The bytes of a feature's integer are compared
//! instead, each exactly: first the more significant one, then the other where that is equal.

use super::{Binary, FloatGraph, FloatLayer, FloatOp, FloatTensor, Function, Unary};
use assay_graph::{ValueEncoding, Window};

/// Part of an integer's step within which a threshold is taken to lie on the integer.
const ON_STEP: f64 = 0.01;
/// Encodings with as many integers are fine: a threshold within half a step of an integer is taken to
/// be the numbers that become that integer, as thresholds that are numbers of the data are.
const FINE: u32 = 65_535;

/// A function that tells apart only what is below, at and above a threshold.
struct StepFunction {
    threshold: f64,
    values: [f64; 3],
}

/// One feature against one threshold.
struct Comparison {
    /// Channel of its most significant byte; none where there is no feature, and 0 is compared.
    channel: Option<usize>,
    /// The integers up to here are not above the threshold; those below this one are below it.
    last: i64,
    /// `last` itself is at the threshold, rather than below it.
    at: bool,
    /// Larger integers have smaller arguments.
    falls: bool,
}

impl FloatGraph {
    /// Replaces the layers that compare features of an encoded input.
    pub(super) fn compare_exactly(&mut self) {
        let Some(values) = self.input.values.clone() else { return };
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in std::mem::take(&mut self.layers) {
            match comparisons(&layer, self.input.tensor, &values) {
                Some((step, rows)) => {
                    self.push_comparisons(&mut layers, layer, &step, &rows, &values)
                }
                None => layers.push(layer),
            }
        }
        self.layers = layers;
    }

    /// Features of the input are compared with thresholds.
    pub fn compares_input(&self) -> bool {
        self.layers.iter().any(|layer| {
            let step = layer.op.function().and_then(StepFunction::of);
            step.is_some() && layer.op.inputs().contains(&self.input.tensor)
        })
    }

    fn push_comparisons(
        &mut self,
        layers: &mut Vec<FloatLayer>,
        layer: FloatLayer,
        step: &StepFunction,
        rows: &[Comparison],
        values: &ValueEncoding,
    ) {
        let [_, height, width] = self.tensors[layer.output].shape;
        let [inputs, ..] = self.tensors[self.input.tensor].shape;
        let count = values.bytes;
        let mut weights = vec![0.0; rows.len() * count * inputs];
        let mut bias = Vec::with_capacity(rows.len() * count);
        for (index, row) in rows.iter().enumerate() {
            // The integer's bytes, of which the first takes what is beyond.
            for byte in 0..count {
                if let Some(channel) = row.channel {
                    weights[(index * count + byte) * inputs + channel + byte] = 1.0;
                }
                let above = row.last.div_euclid(1 << (8 * (count - 1 - byte)));
                bias.push(-(if byte == 0 { above } else { above.rem_euclid(256) }) as f32);
            }
        }
        let signs = self.tensors.len();
        let name = self.tensors[layer.output].name.clone();
        self.tensors.push(FloatTensor { name, shape: [rows.len() * count, height, width] });
        layers.push(FloatLayer {
            name: layer.name.clone(),
            operator: layer.operator.clone(),
            output: signs,
            op: FloatOp::Conv {
                input: self.input.tensor,
                window: Window::dense([1, 1]),
                groups: 1,
                weights,
                bias,
                function: of_integers(&Function::sign()),
            },
        });
        // The first byte that differs decides; a threshold between two integers is 1 above the lower.
        let direction = |row: &Comparison| if row.falls { -1.0 } else { 1.0 };
        let bytes = |row: &Comparison| [8.0, 4.0, 2.0].map(|byte: f32| byte * direction(row));
        layers.push(FloatLayer {
            op: FloatOp::Conv {
                input: signs,
                window: Window::dense([1, 1]),
                groups: rows.len(),
                weights: rows.iter().flat_map(|row| bytes(row)[3 - count..].to_vec()).collect(),
                bias: rows.iter().map(|row| if row.at { 0.0 } else { -direction(row) }).collect(),
                function: step.of_signs(),
            },
            ..layer
        });
    }
}

/// The comparisons that a layer consists of, if it consists of nothing else.
fn comparisons(
    layer: &FloatLayer,
    input: usize,
    values: &ValueEncoding,
) -> Option<(StepFunction, Vec<Comparison>)> {
    let FloatOp::Conv { input: read, window, groups, weights, bias, function } = &layer.op else {
        return None;
    };
    if *read != input || *window != Window::dense([1, 1]) {
        return None;
    }
    let step = StepFunction::of(function)?;
    let (depth, in_group) = (weights.len() / bias.len(), bias.len() / groups);
    let rows = weights.chunks(depth).zip(bias).enumerate().map(|(index, (row, bias))| {
        let first = index / in_group * depth;
        comparison(row, first, step.threshold - f64::from(*bias), values)
    });
    let rows = rows.collect::<Option<Vec<_>>>()?;
    Some((step, rows))
}

/// A row whose only weights are those of one feature's bytes, from channel `first` on, against a
/// threshold.
fn comparison(
    row: &[f32],
    first: usize,
    threshold: f64,
    values: &ValueEncoding,
) -> Option<Comparison> {
    let Some(used) = row.iter().position(|weight| *weight != 0.0) else {
        let last = if threshold < 0.0 { -1 } else { 0 };
        return Some(Comparison { channel: None, last, at: threshold == 0.0, falls: false });
    };
    let channel = (first + used) / values.bytes * values.bytes;
    let bytes = row.get(channel.checked_sub(first)?..)?.get(..values.bytes)?;
    let others = row.iter().filter(|weight| **weight != 0.0).count();
    if others > bytes.iter().filter(|weight| **weight != 0.0).count() {
        return None;
    }
    // The weight of a step; each byte counts for 256 of the next one.
    let slope = f64::from(*bytes.last()?);
    let fits = bytes.windows(2).all(|pair| {
        let [high, low] = [pair[0], pair[1]].map(f64::from);
        (high - 256.0 * low).abs() <= 1e-4 * high.abs()
    });
    let at = threshold / slope;
    if !fits || !at.is_finite() {
        return None;
    }
    let nearest = at.round();
    let most = values.channels.get(channel / values.bytes)?.most;
    let is_at = most >= FINE || (at - nearest).abs() <= ON_STEP;
    let last = if is_at { nearest } else { at.floor() };
    // Beyond all integers that there are, it does not matter how far.
    let last = last.clamp(-1.0, f64::from(1u32 << (8 * values.bytes))) as i64;
    Some(Comparison { channel: Some(channel), last, at: is_at, falls: slope < 0.0 })
}

impl StepFunction {
    fn of(function: &Function) -> Option<Self> {
        let threshold = threshold(function)?;
        let value = |x: f64| function.evaluate(threshold + x);
        let distances = [1e-6, 1e-3, 0.1, 0.7, 1.0, 3.0, 100.0, 1e4, 1e6];
        let [below, at, above] = [value(-1.0), value(0.0), value(1.0)];
        let same = distances.iter().all(|x| value(-x) == below && value(*x) == above);
        let values = [below, at, above];
        (same && values.iter().all(|value| value.is_finite())).then_some(Self { threshold, values })
    }

    /// The same of a number's sign, where numbers lie a half at least from each other.
    fn of_signs(&self) -> Function {
        let [below, at, above] = self.values.map(Function::Constant);
        let less =
            |bound| Function::binary(Binary::Less, Function::Identity, Function::Constant(bound));
        of_integers(&Function::select(less(-0.5), below, Function::select(less(0.5), at, above)))
    }
}

/// The function, of what is known to be whole.
fn of_integers(function: &Function) -> Function {
    function.after(Function::unary(Unary::Whole, Function::Identity))
}

/// The number that an expression compares its variable with, first.
fn threshold(function: &Function) -> Option<f64> {
    match function {
        Function::Identity | Function::Constant(_) => None,
        Function::Unary(_, argument) => threshold(argument),
        Function::Binary(Binary::Less | Binary::LessOrEqual | Binary::Equal, left, right) => {
            match (&**left, &**right) {
                (Function::Identity, Function::Constant(bound))
                | (Function::Constant(bound), Function::Identity) => Some(*bound),
                (left, right) => threshold(left).or_else(|| threshold(right)),
            }
        }
        Function::Binary(_, left, right) => threshold(left).or_else(|| threshold(right)),
        Function::Select(parts) => parts.iter().find_map(threshold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FloatExecutor, FloatInput};
    use assay_graph::ChannelEncoding;

    fn less(bound: f64) -> Function {
        Function::binary(Binary::Less, Function::Identity, Function::Constant(bound))
    }

    #[test]
    fn steps_are_told_from_other_functions() {
        let step = StepFunction::of(&less(0.25)).expect("a step");
        assert_eq!((step.threshold, step.values), (0.25, [1.0, 0.0, 0.0]));
        for (x, y) in [(-2.0, 1.0), (0.0, 0.0), (1.0, 0.0)] {
            assert_eq!(step.of_signs().evaluate(x), y);
        }
        let slope = Function::select(less(0.0), Function::Constant(0.0), Function::Identity);
        for function in [Function::relu(), Function::Identity, slope] {
            assert!(StepFunction::of(&function).is_none(), "{function}");
        }
    }

    /// One feature of each kind of encoding against thresholds on, between and beyond its integers.
    #[test]
    fn every_integer_is_on_its_side() {
        for (bytes, scale, offset) in [(3usize, 0.5f64, -10.0f64), (2, 0.5, -10.0), (1, 0.25, 3.0)]
        {
            let mut thresholds = vec![-10.0, 3.0, 50.5, 1000.0, -99.0, 1e6];
            if bytes == 1 {
                thresholds.extend([3.1, 50.3, 63.9]);
            }
            for falls in [false, true] {
                let sign = if falls { -1.0 } else { 1.0 };
                let most = [255, 65_535, (1u32 << 20) - 1][bytes - 1];
                let channels = vec![ChannelEncoding { scale, offset, most, whole: false }];
                let row = [65_536.0, 256.0, 1.0].map(|place| place * scale * sign);
                let mut graph = FloatGraph {
                    name: "compare".into(),
                    input: FloatInput {
                        tensor: 0,
                        parts: Vec::new(),
                        values: Some(ValueEncoding { bytes, channels, clamp: false }),
                    },
                    tensors: vec![
                        FloatTensor { name: "x".into(), shape: [bytes, 1, 1] },
                        FloatTensor { name: "y".into(), shape: [thresholds.len(), 1, 1] },
                    ],
                    layers: vec![FloatLayer {
                        name: "less".into(),
                        operator: "Less".into(),
                        output: 1,
                        op: FloatOp::Conv {
                            input: 0,
                            window: Window::dense([1, 1]),
                            groups: 1,
                            weights: thresholds
                                .iter()
                                .flat_map(|_| row[3 - bytes..].iter().map(|weight| *weight as f32))
                                .collect(),
                            bias: thresholds.iter().map(|t| (sign * (offset - t)) as f32).collect(),
                            function: less(0.0),
                        },
                    }],
                    output: 1,
                    dropped: Vec::new(),
                    notes: Vec::new(),
                };
                graph.compare_exactly();
                assert_eq!(graph.layers.len(), 2);
                let executor = FloatExecutor::new(&graph);
                for integer in (0..=most).step_by([1, 7, 301][bytes - 1]) {
                    let input = [16, 8, 0].map(|bits| (integer >> bits & 255) as f32);
                    let run = executor.run(&input[3 - bytes..]).expect("right length");
                    let x = f64::from(integer) * scale + offset;
                    for (threshold, found) in thresholds.iter().zip(run.logits()) {
                        let below = if falls { x > *threshold } else { x < *threshold };
                        assert_eq!(*found == 1.0, below, "{x} against {threshold}, {falls}");
                    }
                }
            }
        }
    }
}
