//! Numbers of the input against thresholds, as in trees, decided as the file decides them: also where a number
//! is equal to its threshold.
//!
//! A layer has one scale for all of its values, and features differ in range by orders of magnitude: a
//! difference to a threshold would be rounded away, and float32 weights would move it. So what a function with
//! jumps is given is followed back to the input before anything is folded; where each element is a straight
//! line of one number, the bytes of that number's integer are compared instead, each exactly: first the more
//! significant one, then the next where that is equal.

mod jumps;
mod lines;

use super::{
    FloatOp, FloatTensor, FloatTensorId, Function,
    decoding::INPUT,
    raw_layer::{RawLayer, Step},
};
use assay_graph::{Shape, ValueEncoding, Window};
use jumps::{StepFunction, of_integers, pieces};
use lines::{Element, Lines};

/// Part of an integer's step within which a threshold is taken to lie on the integer.
const ON_STEP: f64 = 0.01;
/// Encodings with as many integers are fine: a threshold within half a step of an integer is taken to
/// be the numbers that become that integer, as thresholds that are numbers of the data are.
const FINE: u32 = 65_535;
/// Most comparisons that one function of several jumps becomes.
const MOST_ROWS: usize = 1 << 12;
/// Most weights of a layer that is made here.
const MOST_WEIGHTS: usize = 1 << 22;

/// One number against one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    /// The number; none where a constant is compared, as 0.
    number: Option<usize>,
    /// The integers up to here are not above the threshold; those below this one are below it.
    last: i64,
    /// `last` itself is at the threshold, rather than below it.
    at: bool,
    /// Larger integers have smaller arguments.
    falls: bool,
}

/// Whether layers decide with few thresholds about numbers of the file, of which `input` holds all.
pub(super) fn compare(tensors: &[FloatTensor], layers: &[RawLayer], input: FloatTensorId) -> bool {
    let few = |layer: &RawLayer| match &layer.step {
        Step::Apply { function, .. } if !function.is_indicator() => {
            pieces(function, [f64::NEG_INFINITY, f64::INFINITY])
        }
        _ => None,
    };
    let deciding = layers.iter().filter(|layer| few(layer).is_some_and(|cuts| !cuts.is_empty()));
    let inputs = deciding.flat_map(|layer| layer.step.inputs()).collect::<Vec<_>>();
    if inputs.is_empty() {
        return false;
    }
    let lines = Lines::of(tensors, layers, input);
    inputs.into_iter().any(|tensor| {
        let of = |element: &Element| matches!(element, Element::Line { .. });
        lines.known(tensor).is_some_and(|elements| elements.iter().any(of))
    })
}

/// The layers with those replaced that decide about numbers of an encoded input, whose bytes `input` holds.
pub(super) fn decide(
    tensors: &mut Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    input: FloatTensorId,
    values: &ValueEncoding,
) -> Vec<RawLayer> {
    let steps = |layer: &RawLayer| match &layer.step {
        // Rows of tables are chosen exactly as it is.
        Step::Apply { function, .. } => function.is_piecewise() && !function.is_indicator(),
        _ => false,
    };
    if !layers.iter().any(steps) {
        return layers;
    }
    let decoder = layers.iter().find(|layer| layer.operator == INPUT && layer.step.reads(input));
    let numbers = decoder.map_or(input, |layer| layer.output);
    let lines = Lines::of(tensors, &layers, numbers);
    let mut deciding = Deciding { tensors, layers: Vec::new(), input, values, flat: None };
    for layer in layers {
        let decided = match &layer.step {
            Step::Apply { input, function } if steps(&layer) => lines
                .known(*input)
                .and_then(|elements| deciding.decided(&layer, elements, function)),
            _ => None,
        };
        if decided.is_none() {
            deciding.layers.push(layer);
        }
    }
    deciding.layers
}

struct Deciding<'a> {
    tensors: &'a mut Vec<FloatTensor>,
    layers: Vec<RawLayer>,
    /// The bytes.
    input: FloatTensorId,
    values: &'a ValueEncoding,
    /// The bytes as channels, where that has been made.
    flat: Option<FloatTensorId>,
}

/// Where the numbers of a layer's elements lie.
struct Place {
    /// Tensor of bytes.
    source: FloatTensorId,
    /// Places of each number's channel there.
    plane: usize,
    /// Height and width of the result: 1 where each element is a channel.
    size: [usize; 2],
    /// Each of them a channel of the result.
    elements: Vec<Element>,
}

impl Deciding<'_> {
    /// Appends what decides instead of `layer`; `None` if it cannot be decided so.
    fn decided(
        &mut self,
        layer: &RawLayer,
        elements: &[Element],
        function: &Function,
    ) -> Option<()> {
        let used = |element: &Element| !matches!(element, Element::Constant(_));
        if elements.contains(&Element::Other) || !elements.iter().any(used) {
            return None;
        }
        let step = StepFunction::of(function);
        let [channels, ..] = self.tensors[self.input].shape;
        let place = self.place(self.tensors[layer.output].shape, elements);
        let inputs = channels * place.plane;
        let bytes = self.values.bytes;
        let (rows, sums) = match &step {
            Some(step) => {
                let rows = place.elements.iter().map(|element| self.row(*element, step.threshold));
                (rows.collect::<Option<Vec<_>>>()?, None)
            }
            None => {
                let (rows, sums) = self.indicators(&place.elements, function)?;
                (rows, Some(sums))
            }
        };
        let weights = rows.len().checked_mul(bytes)?.checked_mul(inputs)?;
        let more = sums.as_ref().map_or(0, |sums| sums.weights.len());
        if weights.max(more) > MOST_WEIGHTS {
            return None;
        }
        let source = self.source(&place);
        let signs = self.push_signs(layer, &place, source, &rows);
        let shape = self.tensors[layer.output].shape;
        let wanted = [place.elements.len(), place.size[0], place.size[1]];
        let last = if wanted == shape { layer.output } else { self.tensor(layer, wanted) };
        match (step, sums) {
            (_, Some(sums)) => {
                let function = StepFunction { threshold: 0.0, values: [0.0, 1.0, 1.0] };
                let held = self.tensor(layer, [rows.len(), place.size[0], place.size[1]]);
                self.push_decisions(layer, &rows, [signs, held], function.of_signs());
                let op = dense(held, 1, sums.weights, sums.bias, Function::Identity);
                self.push(layer, last, op);
            }
            (step, None) => {
                let function = step.map_or(Function::Identity, |step| step.of_signs());
                self.push_decisions(layer, &rows, [signs, last], function);
            }
        }
        if last != layer.output {
            let op =
                FloatOp::Transpose { input: last, groups: shape[0], function: Function::Identity };
            self.push(layer, layer.output, op);
        }
        Some(())
    }

    /// How a result of `shape` is made: channel by channel, if each is of one channel of numbers, place for
    /// place; else with all numbers as channels.
    fn place(&self, shape: Shape, elements: &[Element]) -> Place {
        let [_, height, width] = self.tensors[self.input].shape;
        let plane = height * width;
        let source = self.input;
        let same_plane = shape[1..] == [height, width];
        let channel = |elements: &[Element]| {
            let first = elements.first()?.at_channel(plane, 0)?;
            let same = |(place, element): (usize, &Element)| {
                element.at_channel(plane, place) == Some(first)
            };
            elements.iter().enumerate().all(same).then_some(first)
        };
        let by_channel = elements.chunks(plane).map(channel).collect::<Option<Vec<_>>>();
        match by_channel.filter(|_| same_plane) {
            Some(elements) => Place { source, plane: 1, size: [height, width], elements },
            None => Place { source, plane, size: [1, 1], elements: elements.to_vec() },
        }
    }

    /// The tensor whose channels are the bytes that a [`Place`] counts.
    fn source(&mut self, place: &Place) -> FloatTensorId {
        if place.plane == 1 {
            return place.source;
        }
        if let Some(flat) = self.flat {
            return flat;
        }
        let [channels, height, width] = self.tensors[self.input].shape;
        let name = self.tensors[self.input].name.clone();
        self.tensors
            .push(FloatTensor { name: name.clone(), shape: [channels * height * width, 1, 1] });
        let output = self.tensors.len() - 1;
        let (input, function) = (self.input, Function::Identity);
        let step = Step::Layer(FloatOp::Transpose { input, groups: channels, function });
        self.layers.push(RawLayer { name, operator: "Flatten".into(), output, step });
        self.flat = Some(output);
        output
    }

    /// The comparison of an element with a threshold.
    fn row(&self, element: Element, threshold: f64) -> Option<Row> {
        match element {
            Element::Other => None,
            Element::Constant(value) => {
                let above = threshold - value;
                let last = if above < 0.0 { -1 } else { 0 };
                Some(Row { number: None, last, at: above == 0.0, falls: false })
            }
            Element::Line { number, slope, offset } => {
                let (last, at) = self.integer(number, (threshold - offset) / slope)?;
                Some(Row { number: Some(number), last, at, falls: slope < 0.0 })
            }
        }
    }

    /// The last integer of a number that is not above `x`, and whether it stands for `x` itself.
    fn integer(&self, number: usize, x: f64) -> Option<(i64, bool)> {
        let encoding = self.values.channels.get(number / self.plane())?;
        // As an input that is this number becomes an integer.
        let exact = (x - encoding.offset) / encoding.scale;
        if !exact.is_finite() {
            return None;
        }
        let nearest = exact.round();
        let at = encoding.most >= FINE || (exact - nearest).abs() <= ON_STEP;
        let last = if at { nearest } else { exact.floor() };
        // Beyond all integers that there are, it does not matter how far.
        Some((last.clamp(-1.0, f64::from(1u32 << (8 * self.values.bytes))) as i64, at))
    }

    /// Places of a channel of numbers.
    fn plane(&self) -> usize {
        let [_, height, width] = self.tensors[self.input].shape;
        height * width
    }

    /// A function of several jumps as a sum of conditions: integers above some `last`.
    fn indicators(&self, elements: &[Element], function: &Function) -> Option<(Vec<Row>, Sums)> {
        let (mut rows, mut terms) = (Vec::new(), Vec::new());
        let mut bias = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            let (number, slope, offset) = match *element {
                Element::Other => return None,
                Element::Constant(value) => {
                    bias.push(function.evaluate(value) as f32);
                    continue;
                }
                Element::Line { number, slope, offset } => (number, slope, offset),
            };
            let encoding = self.values.channels.get(number / self.plane())?;
            let [low, high] = encoding.range();
            let ends = [low - encoding.scale, high + encoding.scale].map(|x| x * slope + offset);
            let course = jumps::course(function, ends)?;
            bias.push(course.first as f32);
            for jump in &course.jumps {
                let (last, at) = self.integer(number, (jump.at - offset) / slope)?;
                let mut term = |last: i64, change: f64| {
                    if change != 0.0 {
                        terms.push((index, rows.len(), change as f32));
                        rows.push(Row { number: Some(number), last, at: false, falls: false });
                    }
                };
                if at {
                    term((last - 1).max(-1), jump.values[1] - jump.values[0]);
                    term(last, jump.values[2] - jump.values[1]);
                } else {
                    term(last, jump.values[2] - jump.values[0]);
                }
            }
        }
        if rows.is_empty() || rows.len() > MOST_ROWS {
            return None;
        }
        let mut weights = vec![0.0; elements.len() * rows.len()];
        for (element, row, change) in terms {
            weights[element * rows.len() + row] = change;
        }
        let finite = weights.iter().chain(&bias).all(|weight| weight.is_finite());
        finite.then_some((rows, Sums { weights, bias }))
    }

    fn tensor(&mut self, layer: &RawLayer, shape: Shape) -> FloatTensorId {
        let name = self.tensors[layer.output].name.clone();
        self.tensors.push(FloatTensor { name, shape });
        self.tensors.len() - 1
    }

    fn push(&mut self, layer: &RawLayer, output: FloatTensorId, op: FloatOp) {
        let (name, operator) = (layer.name.clone(), layer.operator.clone());
        self.layers.push(RawLayer { name, operator, output, step: Step::Layer(op) });
    }

    /// Of each row's bytes, whether they are below, at or above those of its last integer.
    fn push_signs(
        &mut self,
        layer: &RawLayer,
        place: &Place,
        source: FloatTensorId,
        rows: &[Row],
    ) -> FloatTensorId {
        let count = self.values.bytes;
        let [channels, ..] = self.tensors[source].shape;
        let plane = self.plane();
        let mut weights = vec![0.0; rows.len() * count * channels];
        let mut bias = Vec::with_capacity(rows.len() * count);
        for (index, row) in rows.iter().enumerate() {
            for byte in 0..count {
                if let Some(number) = row.number {
                    let at = (number / plane * count + byte) * place.plane
                        + if place.plane == 1 { 0 } else { number % plane };
                    weights[(index * count + byte) * channels + at] = 1.0;
                }
                // The integer's bytes, of which the first takes what is beyond.
                let above = row.last.div_euclid(1 << (8 * (count - 1 - byte)));
                bias.push(-(if byte == 0 { above } else { above.rem_euclid(256) }) as f32);
            }
        }
        let signs = self.tensor(layer, [rows.len() * count, place.size[0], place.size[1]]);
        self.push(layer, signs, dense(source, 1, weights, bias, of_integers(&Function::sign())));
        signs
    }

    /// Of each row, the function of whether its number is below, at or above the threshold.
    fn push_decisions(
        &mut self,
        layer: &RawLayer,
        rows: &[Row],
        [signs, output]: [FloatTensorId; 2],
        function: Function,
    ) {
        let count = self.values.bytes;
        // The first byte that differs decides; a threshold between two integers is 1 above the lower.
        let direction = |row: &Row| if row.falls { -1.0 } else { 1.0 };
        let bytes = |row: &Row| [8.0, 4.0, 2.0].map(|byte: f32| byte * direction(row));
        let weights = rows.iter().flat_map(|row| bytes(row)[3 - count..].to_vec()).collect();
        let bias = rows.iter().map(|row| if row.at { 0.0 } else { -direction(row) }).collect();
        self.push(layer, output, dense(signs, rows.len(), weights, bias, function));
    }
}

/// For each element the sum of its conditions, each times the change that it makes.
struct Sums {
    weights: Vec<f32>,
    bias: Vec<f32>,
}

fn dense(
    input: FloatTensorId,
    groups: usize,
    weights: Vec<f32>,
    bias: Vec<f32>,
    function: Function,
) -> FloatOp {
    FloatOp::Conv { input, window: Window::dense([1, 1]), groups, weights, bias, function }
}

#[cfg(test)]
mod tests;
