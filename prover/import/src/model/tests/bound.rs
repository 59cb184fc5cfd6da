//! How far integers may be from the float run: the bound that the scales imply.

use crate::model::{FloatExecution, FloatGraph, FloatOp, Function};
use assay_graph::{Op, QuantizedGraph};

/// For each tensor, the largest difference that rounding can cause between the float run and the
/// integers over their scale. `before` is the scale of each layer before its function, `runs` are
/// float runs that give the size of the values.
pub(super) fn error_bounds(
    graph: &FloatGraph,
    quantized: &QuantizedGraph,
    before: &[f64],
    runs: &[FloatExecution],
) -> Vec<f64> {
    let largest = |tensor: usize| {
        let values = runs.iter().flat_map(|run| &run.tensors[tensor]);
        values.fold(0f64, |most, x| most.max(f64::from(x.abs())))
    };
    let mut bounds = vec![0.0; graph.tensors.len()];
    for (index, layer) in graph.layers.iter().zip(&quantized.layers).enumerate() {
        let (float, integer) = layer;
        let scale = quantized.tensors[integer.output].scale;
        let shift = integer.op.rescale().map_or(0, |rescale| rescale.shift);
        // One rounding by the shift, and of what is added up at the accumulator's scale.
        let unit = before[index] * f64::from(shift).exp2();
        let shifted = if shift == 0 { 0.0 } else { 0.5 / before[index] };
        let of = |tensor: &usize| bounds[*tensor];
        let error = match (&float.op, &integer.op) {
            (FloatOp::Conv { input, weights, bias, .. }, _) => {
                let depth = weights.len() / bias.len();
                let sums = weights.chunks(depth);
                let sums = sums.map(|row| row.iter().map(|w| f64::from(w.abs())).sum::<f64>());
                let gain = sums.fold(0.0, f64::max);
                let rounded = 0.5 / unit
                    + depth as f64 * largest(*input) * 0.5 / unit * quantized.tensors[*input].scale;
                (gain + depth as f64 * 0.5 / unit * quantized.tensors[*input].scale) * of(input)
                    + rounded
                    + shifted
            }
            (FloatOp::MeanPool { input, .. }, Op::SumPool { multiplier, .. }) => {
                of(input) + (largest(*input) + of(input)) * 0.5 / *multiplier as f64 + shifted
            }
            (FloatOp::Sum { inputs, .. }, Op::Add { .. }) => {
                inputs.iter().map(|(tensor, c)| c.abs() * of(tensor)).sum()
            }
            (FloatOp::Sum { inputs, .. }, _) => {
                let rounding = if shift == 0 { 0.0 } else { 0.5 / unit };
                let term = |(tensor, c): &(usize, f64)| {
                    let rounded = rounding * quantized.tensors[*tensor].scale;
                    c.abs() * of(tensor) + rounded * (largest(*tensor) + of(tensor))
                };
                inputs.iter().map(term).sum::<f64>() + 0.5 / unit + shifted
            }
            (FloatOp::Product { inputs: [a, b], .. }, _) => {
                largest(*a) * of(b) + largest(*b) * of(a) + of(a) * of(b) + shifted
            }
            (FloatOp::MatMul { inputs: [a, b], groups, .. }, _) => {
                let depth = (graph.tensors[*a].shape[0] / groups) as f64;
                depth * (largest(*a) * of(b) + largest(*b) * of(a) + of(a) * of(b)) + shifted
            }
            (FloatOp::Dot { inputs: [a, b], groups, planes, factor, .. }, _) => {
                let [channels, height, width] = graph.tensors[*a].shape;
                let terms = channels / groups * if *planes { height * width } else { 1 };
                let each = largest(*a) * of(b) + largest(*b) * of(a) + of(a) * of(b);
                factor * terms as f64 * each + shifted
            }
            (FloatOp::Transpose { input, .. }, _) => of(input) + shifted,
            (op, _) => op.inputs().iter().map(of).fold(0.0, f64::max),
        };
        bounds[float.output] = match float.op.function() {
            None => error,
            Some(_) if matches!(integer.op, Op::Add { .. }) => error,
            Some(function) => {
                let ranges = runs.iter().filter_map(|run| run.ranges[index]);
                let range = ranges.fold((0f64, 0f64), |(low, high), (min, max)| {
                    (low.min(f64::from(min)), high.max(f64::from(max)))
                });
                change(function, range, error) + 0.5 / scale
            }
        };
    }
    bounds
}

/// Most that a function's value changes when its argument changes by up to `error`.
fn change(function: &Function, (low, high): (f64, f64), error: f64) -> f64 {
    const POINTS: usize = 4000;
    if function.is_clamp() {
        return error;
    }
    let (low, high) = (low - error, high + error);
    let step = (high - low) / POINTS as f64;
    let values: Vec<f64> =
        (0..=POINTS).map(|point| function.evaluate(low + step * point as f64)).collect();
    // Largest difference within a window of the error's width, which is a few points or less.
    let reach = ((error / step).ceil() as usize).clamp(1, POINTS);
    (0..=POINTS)
        .flat_map(|at| [at.saturating_sub(reach), at.saturating_sub(1)].map(|other| (at, other)))
        .map(|(at, other)| (values[at] - values[other]).abs())
        .filter(|change| change.is_finite())
        .fold(0.0, f64::max)
        // A slope that turns within the window.
        .max(steepest(&values, step) * error)
        + function.step().unwrap_or(0.0)
}

fn steepest(values: &[f64], step: f64) -> f64 {
    if step == 0.0 {
        return 0.0;
    }
    let slopes = values.windows(2).map(|pair| ((pair[1] - pair[0]) / step).abs());
    slopes.filter(|slope| slope.is_finite()).fold(0.0, f64::max)
}
