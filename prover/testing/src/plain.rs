//! A plain, slow reference run: each element straight from the definition of its operation, without a line
//! of [`assay_graph::Executor`].

use assay_graph::{
    Execution, FunctionTable, LayerTrace, Op, QuantizedGraph, Shape, TensorId, Window,
};

/// Shape and values of a tensor.
pub(crate) type View<'a> = dyn Fn(TensorId) -> (Shape, &'a [i32]) + 'a;

/// The graph's run, each element straight from the definition; `None` when a value leaves a table.
pub fn plain_run(graph: &QuantizedGraph, input: &[u8]) -> Option<Execution> {
    let mut tensors = vec![Vec::new(); graph.tensors.len()];
    tensors[graph.input.tensor] =
        input.iter().map(|byte| graph.input.map[usize::from(*byte)]).collect();
    let mut layers = Vec::new();
    for layer in &graph.layers {
        let view = |tensor: TensorId| (graph.tensors[tensor].shape, tensors[tensor].as_slice());
        let shape = graph.tensors[layer.output].shape;
        let (output, trace) = plain_layer(&layer.op, shape, &graph.functions, &view)?;
        tensors[layer.output] = output;
        layers.push(trace);
    }
    Some(Execution { tensors, layers, output: graph.output })
}

/// A layer's output and trace; `None` when a value leaves its table.
pub(crate) fn plain_layer(
    op: &Op,
    output: Shape,
    functions: &[FunctionTable],
    view: &View<'_>,
) -> Option<(Vec<i32>, LayerTrace)> {
    let values = accumulators(op, output, view);
    let Some(rescale) = op.rescale() else {
        return Some((values.into_iter().map(|x| x as i32).collect(), LayerTrace::default()));
    };
    let mut outputs = Vec::new();
    let mut trace = LayerTrace::default();
    let divisor = 2i64.pow(rescale.shift);
    for acc in values {
        let sum = acc + if rescale.shift == 0 { 0 } else { divisor / 2 };
        let pre = sum.div_euclid(divisor);
        let table = &functions[rescale.function];
        let index = usize::try_from(pre - i64::from(table.min)).ok()?;
        outputs.push(*table.values.get(index)?);
        trace.pre.push(pre as i32);
        trace.rem.push(sum.rem_euclid(divisor) as u32);
    }
    Some((outputs, trace))
}

/// The layer's value at each output element before shift and function.
pub(crate) fn accumulators(op: &Op, output: Shape, view: &View<'_>) -> Vec<i64> {
    let mut values = Vec::new();
    for c in 0..output[0] {
        for h in 0..output[1] {
            for w in 0..output[2] {
                values.push(accumulator(op, output, [c, h, w], view));
            }
        }
    }
    values
}

fn accumulator(op: &Op, output: Shape, [c, h, w]: Shape, view: &View<'_>) -> i64 {
    let at = |tensor: TensorId, c: usize, h: usize, w: usize| {
        let (shape, values) = view(tensor);
        i64::from(values[(c * shape[1] + h) * shape[2] + w])
    };
    // The real elements under a window, each with its tap.
    let under = |tensor: TensorId, window: &Window, channel: usize| {
        let (shape, _) = view(tensor);
        let mut elements = Vec::new();
        for a in 0..window.kernel[0] {
            for b in 0..window.kernel[1] {
                let y =
                    (h * window.stride[0] + a * window.dilation[0]) as i64 - window.pads[0] as i64;
                let x =
                    (w * window.stride[1] + b * window.dilation[1]) as i64 - window.pads[1] as i64;
                if (0..shape[1] as i64).contains(&y) && (0..shape[2] as i64).contains(&x) {
                    elements.push((a, b, at(tensor, channel, y as usize, x as usize)));
                }
            }
        }
        elements
    };
    match op {
        Op::Conv { input, window, groups, weights, bias, .. } => {
            let depth = view(*input).0[0] / groups;
            let group = c / (output[0] / groups);
            let mut sum = bias[c];
            for k in 0..depth {
                for (a, b, x) in under(*input, window, group * depth + k) {
                    let [kernel_h, kernel_w] = window.kernel;
                    sum += weights[((c * depth + k) * kernel_h + a) * kernel_w + b] * x;
                }
            }
            sum
        }
        Op::SumPool { input, window, multiplier, .. } => {
            multiplier * under(*input, window, c).iter().map(|(_, _, x)| x).sum::<i64>()
        }
        Op::MaxPool { input, window } => {
            let elements = under(*input, window, c);
            elements.iter().map(|(_, _, x)| *x).max().expect("a window over padding only")
        }
        Op::Pointwise { inputs, constant, .. } => {
            constant + inputs.iter().map(|(tensor, m)| m * at(*tensor, c, h, w)).sum::<i64>()
        }
        Op::Add { inputs } => inputs.iter().map(|tensor| at(*tensor, c, h, w)).sum(),
        Op::Concat { inputs } => {
            let mut channel = c;
            for tensor in inputs {
                let channels = view(*tensor).0[0];
                if channel < channels {
                    return at(*tensor, channel, h, w);
                }
                channel -= channels;
            }
            unreachable!("the output has as many channels as the inputs together")
        }
        Op::Slice { input, start } => at(*input, start + c, h, w),
        Op::Multiply { inputs: [first, second], .. } => {
            let gate = if view(*second).0 == output { [h, w] } else { [0, 0] };
            at(*first, c, h, w) * at(*second, c, gate[0], gate[1])
        }
        Op::Resize { input, factor } => at(*input, c, h / factor[0], w / factor[1]),
        Op::Spread { input, factor } => {
            let kept = h.is_multiple_of(factor[0]) && w.is_multiple_of(factor[1]);
            if kept { at(*input, c, h / factor[0], w / factor[1]) } else { 0 }
        }
        Op::Transpose { input, groups, .. } => {
            let [channels, height, width] = view(*input).0;
            let (group, position) = (c / (height * width), c % (height * width));
            let channel = group * (channels / groups) + h * output[2] + w;
            at(*input, channel, position / width, position % width)
        }
        Op::MatMul { inputs, groups, .. } => matrix_product(*inputs, *groups, [c, w], view),
        Op::Dot { inputs, groups, planes, .. } => {
            sum_of_products(*inputs, *groups, (!planes).then_some([h, w]), c, view)
        }
    }
}

/// Over the channels of a group, at one position or at all.
fn sum_of_products(
    inputs: [TensorId; 2],
    groups: usize,
    place: Option<[usize; 2]>,
    group: usize,
    view: &View<'_>,
) -> i64 {
    let [(shape, a), (_, b)] = inputs.map(view);
    let [channels, height, width] = shape;
    let depth = channels / groups;
    let mut sum = 0;
    for channel in group * depth..(group + 1) * depth {
        for y in 0..height {
            for x in 0..width {
                if place.is_none_or(|place| place == [y, x]) {
                    let index = (channel * height + y) * width + x;
                    sum += i64::from(a[index]) * i64::from(b[index]);
                }
            }
        }
    }
    sum
}

fn matrix_product(
    inputs: [TensorId; 2],
    groups: usize,
    [c, w]: [usize; 2],
    view: &View<'_>,
) -> i64 {
    let [(shape, a), (other, b)] = inputs.map(view);
    let ([channels, _, rows], [_, _, columns]) = (shape, other);
    let (group, row) = (c / rows, c % rows);
    let channels = group * (channels / groups)..(group + 1) * (channels / groups);
    channels.map(|e| i64::from(a[e * rows + row]) * i64::from(b[e * columns + w])).sum()
}
