//! Checks that make a graph from a file safe to run and to build a circuit from.

use thiserror::Error;

use super::{
    ACTIVATION_OFFSET, FunctionTable, Layer, MAX_SHIFT, Op, QuantizedGraph, Rescale, Tensor,
    TensorId, WEIGHT_OFFSET, Window,
};

/// Accumulators stay below this magnitude whatever the input: sums are exact in `f64`, in `i64`
/// and far from the field's size.
pub(crate) const ACCUMULATOR_BOUND: i128 = 1 << 53;

/// Bounds the memory that a graph from a file can ask for.
const MAX_ELEMENTS: usize = 1 << 27;
const MAX_TENSORS: usize = 1 << 16;
/// Largest stride or dilation.
const MAX_STEP: usize = 1 << 16;
/// Bounds the time that one layer of a graph from a file can ask for.
const MAX_PRODUCTS: u128 = 1 << 38;

/// What is wrong with a quantized graph. `layer`, `tensor` and `table` are names from the graph.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum GraphError {
    /// The graph as a whole: more tensors, layers or elements than are allowed.
    #[error("graph: {0}")]
    Structure(String),
    /// The input: its tensor, map or encoding.
    #[error("input: {0}")]
    Input(String),
    /// A tensor has a bad shape, range or scale, or no layer produces it.
    #[error("tensor `{tensor}`: {problem}")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// The rule that it breaks, in words.
        problem: String,
    },
    /// A function table's domain or values leave the range of activations, or it is empty.
    #[error("function table `{table}`: {problem}")]
    Function {
        /// Name of the table.
        table: String,
        /// The rule that it breaks, in words.
        problem: String,
    },
    /// A layer's indices, shapes, window, weights or ranges do not fit.
    #[error("layer `{layer}`: {problem}")]
    Layer {
        /// Name of the layer.
        layer: String,
        /// The rule that it breaks, in words.
        problem: String,
    },
    /// The output: there is no such tensor, or it is no vector of logits.
    #[error("output: {0}")]
    Output(String),
}

impl QuantizedGraph {
    /// Checks every index, shape, length, range and bound; a graph that passes cannot make the
    /// executor or the circuit index out of bounds or overflow.
    ///
    /// # Errors
    /// The first rule that is broken, with the name of the offending part.
    pub fn validate(&self) -> Result<(), GraphError> {
        if self.tensors.len() > MAX_TENSORS || self.layers.len() > MAX_TENSORS {
            return Err(GraphError::Structure(format!(
                "{} tensors and {} layers, at most {MAX_TENSORS} of each are allowed",
                self.tensors.len(),
                self.layers.len()
            )));
        }
        let mut elements = 0;
        for tensor in &self.tensors {
            elements += check_tensor(tensor)?;
        }
        if elements > MAX_ELEMENTS {
            return Err(GraphError::Structure(format!(
                "{elements} tensor elements in all, at most {MAX_ELEMENTS} are allowed"
            )));
        }
        for table in &self.functions {
            check_function(table)?;
        }
        self.check_input()?;
        let mut produced = vec![false; self.tensors.len()];
        produced[self.input.tensor] = true;
        for layer in &self.layers {
            self.check_layer(layer, &produced)
                .map_err(|problem| GraphError::Layer { layer: layer.name.clone(), problem })?;
            produced[layer.output] = true;
        }
        if let Some(missing) = produced.iter().position(|done| !done) {
            return Err(GraphError::Tensor {
                tensor: self.tensors[missing].name.clone(),
                problem: "no layer produces it".into(),
            });
        }
        match self.tensors.get(self.output) {
            Some(Tensor { shape: [_, 1, 1], .. }) => Ok(()),
            Some(tensor) => Err(GraphError::Output(format!(
                "tensor `{}` has shape {:?}, but logits must be [classes, 1, 1]",
                tensor.name, tensor.shape
            ))),
            None => Err(GraphError::Output(format!("there is no tensor {}", self.output))),
        }
    }

    fn check_input(&self) -> Result<(), GraphError> {
        let input = &self.input;
        let Some(tensor) = self.tensors.get(input.tensor) else {
            return Err(GraphError::Input(format!("there is no tensor {}", input.tensor)));
        };
        if input.map.len() != 256 {
            return Err(GraphError::Input(format!(
                "the map has {} entries, one for each of the 256 bytes is needed",
                input.map.len()
            )));
        }
        if let Some(value) = input.map.iter().find(|v| !(tensor.min..=tensor.max).contains(v)) {
            return Err(GraphError::Input(format!(
                "the map holds {value}, outside {}..={} of tensor `{}`",
                tensor.min, tensor.max, tensor.name
            )));
        }
        if !input.byte_scale.is_finite()
            || !input.byte_offset.is_finite()
            || input.byte_scale == 0.0
        {
            return Err(GraphError::Input(format!(
                "byte scale {} and offset {} must be finite, the scale not 0",
                input.byte_scale, input.byte_offset
            )));
        }
        let problem = input.values.as_ref().and_then(|values| {
            let plain = (input.byte_scale, input.byte_offset) == (1.0, 0.0);
            let bytes = || "the bytes of numbers stand for themselves".to_owned();
            values.problem(tensor.shape[0]).or_else(|| (!plain).then(bytes))
        });
        let numbers = input.values.as_ref().map_or(tensor.shape, |v| v.value_shape(tensor.shape));
        let count = numbers.iter().product();
        let ordered = input.order.as_ref().is_none_or(|order| order.is_complete(count));
        let parts = input.parts.iter().try_fold(0usize, |sum, part| sum.checked_add(part.elements));
        let fit = input.parts.is_empty() || parts == Some(count);
        let problem = problem.or_else(|| (!fit).then(|| "its parts are not all of it".to_owned()));
        let problem = problem.or_else(|| (!ordered).then(|| "its order is no order".to_owned()));
        let problem = problem.or_else(|| {
            let counts = match input.parts.as_slice() {
                [] => vec![count],
                parts => parts.iter().map(|part| part.elements).collect(),
            };
            let product = |sizes: &Vec<usize>| {
                sizes.iter().try_fold(1usize, |count, size| count.checked_mul(*size))
            };
            let told = input.sizes.iter().map(product);
            let same = input.sizes.is_empty() || told.eq(counts.into_iter().map(Some));
            (!same).then(|| "the sizes of its axes are not those of its numbers".to_owned())
        });
        problem.map_or(Ok(()), |problem| Err(GraphError::Input(problem)))
    }

    fn check_layer(&self, layer: &Layer, produced: &[bool]) -> Result<(), String> {
        match produced.get(layer.output) {
            None => return Err(format!("there is no tensor {} to write", layer.output)),
            Some(true) => return Err(format!("tensor {} is produced twice", layer.output)),
            Some(false) => {}
        }
        let output = &self.tensors[layer.output];
        let inputs = layer.op.inputs();
        let Some(&first) = inputs.first() else { return Err("it has no input".into()) };
        for input in &inputs {
            match produced.get(*input) {
                None => return Err(format!("there is no tensor {input} to read")),
                Some(false) => {
                    return Err(format!("tensor {input} is read before it is produced"));
                }
                Some(true) => {}
            }
        }
        let source = &self.tensors[first];
        match &layer.op {
            Op::Conv { window, groups, weights, bias, .. } => {
                check_conv(source, output, *groups, window, weights, bias)
            }
            Op::SumPool { window, multiplier, .. } => {
                check_sum_pool(source, output, window, *multiplier)
            }
            Op::MaxPool { window, .. } => check_max_pool(source, output, window),
            Op::Pointwise { inputs, constant, .. } => {
                self.check_pointwise(inputs, *constant, output)
            }
            Op::Add { inputs } => self.check_add(inputs, output),
            Op::Concat { inputs } => self.check_concat(inputs, output),
            Op::Slice { start, .. } => check_slice(source, output, *start),
            Op::Multiply { inputs: [_, second], .. } => {
                check_multiply(source, &self.tensors[*second], output)
            }
            Op::Resize { factor, .. } => check_resize(source, output, *factor),
            Op::Spread { factor, .. } => check_spread(source, output, *factor),
            Op::Transpose { groups, .. } => check_transpose(source, output, *groups),
            Op::MatMul { inputs: [_, second], groups, .. } => {
                check_mat_mul(source, &self.tensors[*second], output, *groups)
            }
            Op::Dot { inputs: [_, second], groups, planes, .. } => {
                check_dot(source, &self.tensors[*second], output, (*groups, *planes))
            }
        }?;
        match layer.op.rescale() {
            Some(rescale) => self.check_rescale(rescale, output),
            None => Ok(()),
        }
    }

    fn check_pointwise(
        &self,
        inputs: &[(TensorId, i64)],
        constant: i64,
        output: &Tensor,
    ) -> Result<(), String> {
        let mut bound = i128::from(constant.unsigned_abs());
        for (input, multiplier) in inputs {
            let tensor = &self.tensors[*input];
            expect_shape(output, tensor.shape)?;
            bound += magnitude(tensor) * i128::from(multiplier.unsigned_abs());
        }
        check_accumulator(bound)
    }

    fn check_add(&self, inputs: &[TensorId], output: &Tensor) -> Result<(), String> {
        let (mut min, mut max) = (0, 0);
        for input in inputs {
            let tensor = &self.tensors[*input];
            expect_shape(output, tensor.shape)?;
            min += i64::from(tensor.min);
            max += i64::from(tensor.max);
        }
        expect_range(output, min, max)
    }

    fn check_concat(&self, inputs: &[TensorId], output: &Tensor) -> Result<(), String> {
        let mut channels = 0;
        for input in inputs {
            let tensor = &self.tensors[*input];
            channels += tensor.shape[0];
            expect_shape(tensor, [tensor.shape[0], output.shape[1], output.shape[2]])?;
            expect_range_of(output, tensor)?;
        }
        expect_shape(output, [channels, output.shape[1], output.shape[2]])
    }

    fn check_rescale(&self, rescale: Rescale, output: &Tensor) -> Result<(), String> {
        if rescale.shift > MAX_SHIFT {
            return Err(format!("shift {} is above {MAX_SHIFT}", rescale.shift));
        }
        let Some(table) = self.functions.get(rescale.function) else {
            return Err(format!("there is no function table {}", rescale.function));
        };
        let (mut min, mut max) = (i64::MAX, i64::MIN);
        for &value in &table.values {
            min = min.min(i64::from(value));
            max = max.max(i64::from(value));
        }
        expect_range(output, min, max)
    }
}

fn check_tensor(tensor: &Tensor) -> Result<usize, GraphError> {
    let fail = |problem| Err(GraphError::Tensor { tensor: tensor.name.clone(), problem });
    let [channels, height, width] = tensor.shape;
    let elements = channels.checked_mul(height).and_then(|n| n.checked_mul(width));
    let Some(elements @ 1..=MAX_ELEMENTS) = elements else {
        return fail(format!(
            "shape {:?} is empty or has more than {MAX_ELEMENTS} elements",
            tensor.shape
        ));
    };
    if tensor.min > tensor.max || tensor.min < -ACTIVATION_OFFSET || tensor.max >= ACTIVATION_OFFSET
    {
        return fail(format!(
            "range {}..={} is not within {}..{ACTIVATION_OFFSET}",
            tensor.min, tensor.max, -ACTIVATION_OFFSET
        ));
    }
    if !tensor.scale.is_finite() || tensor.scale <= 0.0 {
        return fail(format!("scale {} is not a positive number", tensor.scale));
    }
    Ok(elements)
}

fn check_function(table: &FunctionTable) -> Result<(), GraphError> {
    let fail = |problem| Err(GraphError::Function { table: table.name.clone(), problem });
    let end = i64::from(table.min) + i64::try_from(table.values.len()).unwrap_or(i64::MAX / 2);
    if table.values.is_empty()
        || table.min < -ACTIVATION_OFFSET
        || end > i64::from(ACTIVATION_OFFSET)
    {
        return fail(format!(
            "its domain {}..{end} is empty or not within {}..{ACTIVATION_OFFSET}",
            table.min, -ACTIVATION_OFFSET
        ));
    }
    let bounds = -ACTIVATION_OFFSET..ACTIVATION_OFFSET;
    match table.values.iter().find(|value| !bounds.contains(value)) {
        Some(value) => fail(format!("value {value} is not within {bounds:?}")),
        None => Ok(()),
    }
}

/// Output height and width, after checking that the window moves sensibly over `source`.
fn check_window(window: &Window, source: &Tensor, linear: bool) -> Result<[usize; 2], String> {
    let size = [source.shape[1], source.shape[2]];
    let fail = |why: &str| Err(format!("{why}: {window:?} over an input of {size:?}"));
    let Some(extent) = window.extent() else { return fail("the window is empty or too large") };
    if window.stride.iter().chain(&window.dilation).any(|step| !(1..=MAX_STEP).contains(step)) {
        return fail("a stride or dilation is not within 1..=2^16");
    }
    let pads = window.pads;
    if (0..4).any(|side| pads[side] >= extent[side % 2]) {
        return fail("a pad is as large as the window");
    }
    let Some(output) = window.output_size(size) else { return fail("the window does not fit") };
    let products = [window.kernel[0], window.kernel[1], source.shape[0], output[0], output[1]];
    if extent.iter().any(|span| *span > MAX_ELEMENTS)
        || products.iter().try_fold(1u128, |n, x| n.checked_mul(*x as u128)) > Some(MAX_PRODUCTS)
    {
        return fail("too many products");
    }
    // The last window of a max-pool must still cover a real element.
    if !linear
        && (0..2).any(|axis| (output[axis] - 1) * window.stride[axis] >= size[axis] + pads[axis])
    {
        return fail("the last window lies in the padding");
    }
    Ok(output)
}

fn check_conv(
    source: &Tensor,
    output: &Tensor,
    groups: usize,
    window: &Window,
    weights: &[i64],
    bias: &[i64],
) -> Result<(), String> {
    let [height, width] = check_window(window, source, true)?;
    expect_shape(output, [output.shape[0], height, width])?;
    check_weights(source, output, groups, window, weights, bias)
}

fn check_weights(
    source: &Tensor,
    output: &Tensor,
    groups: usize,
    window: &Window,
    weights: &[i64],
    bias: &[i64],
) -> Result<(), String> {
    let (inputs, outputs) = (source.shape[0], output.shape[0]);
    if groups == 0 || !inputs.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
        return Err(format!("{groups} groups do not divide {inputs} inputs and {outputs} outputs"));
    }
    let depth = (inputs / groups)
        .checked_mul(window.kernel[0])
        .and_then(|n| n.checked_mul(window.kernel[1]));
    let expected = depth.and_then(|depth| depth.checked_mul(outputs));
    let Some(depth) = depth.filter(|_| expected == Some(weights.len())) else {
        return Err(format!(
            "{} weights for [{outputs}, {}, {}, {}]",
            weights.len(),
            inputs / groups,
            window.kernel[0],
            window.kernel[1]
        ));
    };
    if bias.len() != outputs {
        return Err(format!("{} biases for {outputs} output channels", bias.len()));
    }
    let bounds = -WEIGHT_OFFSET..WEIGHT_OFFSET;
    if let Some(value) = weights.iter().chain(bias).find(|value| !bounds.contains(value)) {
        return Err(format!("weight or bias {value} is not within {bounds:?}"));
    }
    let activation = magnitude(source);
    for (row, bias) in weights.chunks_exact(depth).zip(bias) {
        let sum: i128 = row.iter().map(|w| i128::from(w.unsigned_abs())).sum();
        check_accumulator(sum * activation + i128::from(bias.unsigned_abs()))?;
    }
    Ok(())
}

fn check_sum_pool(
    source: &Tensor,
    output: &Tensor,
    window: &Window,
    multiplier: i64,
) -> Result<(), String> {
    let [height, width] = check_window(window, source, true)?;
    expect_shape(output, [source.shape[0], height, width])?;
    let taps = window.kernel[0] as i128 * window.kernel[1] as i128;
    check_accumulator(taps * magnitude(source) * i128::from(multiplier.unsigned_abs()))
}

fn check_max_pool(source: &Tensor, output: &Tensor, window: &Window) -> Result<(), String> {
    if window.dilation != [1, 1] {
        return Err(format!("max-pooling with dilation {:?}", window.dilation));
    }
    let [height, width] = check_window(window, source, false)?;
    expect_shape(output, [source.shape[0], height, width])?;
    expect_range_of(output, source)
}

fn check_slice(source: &Tensor, output: &Tensor, start: usize) -> Result<(), String> {
    let end = start.checked_add(output.shape[0]);
    if end.is_none_or(|end| end > source.shape[0]) {
        return Err(format!(
            "channels {start}.. +{} of an input with {} channels",
            output.shape[0], source.shape[0]
        ));
    }
    expect_shape(output, [output.shape[0], source.shape[1], source.shape[2]])?;
    expect_range_of(output, source)
}

fn check_multiply(first: &Tensor, second: &Tensor, output: &Tensor) -> Result<(), String> {
    if second.shape != [first.shape[0], 1, 1] {
        expect_shape(second, first.shape)?;
    }
    expect_shape(output, first.shape)?;
    check_accumulator(magnitude(first) * magnitude(second))
}

fn check_resize(source: &Tensor, output: &Tensor, factor: [usize; 2]) -> Result<(), String> {
    let [channels, height, width] = source.shape;
    let size = (height.checked_mul(factor[0]), width.checked_mul(factor[1]));
    let (Some(height @ 1..), Some(width @ 1..)) = size else {
        return Err(format!("upsampling {:?} by {factor:?}", source.shape));
    };
    expect_shape(output, [channels, height, width])?;
    expect_range_of(output, source)
}

fn check_spread(source: &Tensor, output: &Tensor, factor: [usize; 2]) -> Result<(), String> {
    check_resize(source, output, factor)?;
    if factor == [1, 1] { Ok(()) } else { expect_range(output, 0, 0) }
}

fn check_transpose(source: &Tensor, output: &Tensor, groups: usize) -> Result<(), String> {
    let [channels, height, width] = source.shape;
    let [_, tall, wide] = output.shape;
    if groups == 0
        || tall.checked_mul(wide) != channels.checked_div(groups)
        || !channels.is_multiple_of(groups)
    {
        return Err(format!(
            "{groups} groups of {channels} channels onto {tall} lines of {wide} positions"
        ));
    }
    // No larger than the source, whose elements are few enough.
    expect_shape(output, [groups * height * width, tall, wide])
}

fn check_mat_mul(
    first: &Tensor,
    second: &Tensor,
    output: &Tensor,
    groups: usize,
) -> Result<(), String> {
    let ([channels, _, rows], [_, _, columns]) = (first.shape, second.shape);
    expect_shape(first, [channels, 1, rows])?;
    expect_shape(second, [channels, 1, columns])?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!("{groups} groups do not divide {channels} channels"));
    }
    if channels as u128 * rows as u128 * columns as u128 > MAX_PRODUCTS {
        return Err(format!("too many products: {channels} x {rows} x {columns}"));
    }
    let Some(outputs) = groups.checked_mul(rows) else {
        return Err(format!("{groups} groups of {rows} rows"));
    };
    expect_shape(output, [outputs, 1, columns])?;
    let depth = (channels / groups) as i128;
    check_accumulator(depth * magnitude(first) * magnitude(second))
}

fn check_dot(
    first: &Tensor,
    second: &Tensor,
    output: &Tensor,
    (groups, planes): (usize, bool),
) -> Result<(), String> {
    let [channels, height, width] = first.shape;
    expect_shape(second, first.shape)?;
    if groups == 0 || !channels.is_multiple_of(groups) {
        return Err(format!("{groups} groups do not divide {channels} channels"));
    }
    let plane = if planes { [1, 1] } else { [height, width] };
    expect_shape(output, [groups, plane[0], plane[1]])?;
    let terms = channels / groups * if planes { height * width } else { 1 };
    check_accumulator(terms as i128 * magnitude(first) * magnitude(second))
}

/// Leaves room for the rounding constant, at most 2^(MAX_SHIFT - 1).
fn check_accumulator(bound: i128) -> Result<(), String> {
    if bound + (1 << MAX_SHIFT) < ACCUMULATOR_BOUND {
        return Ok(());
    }
    Err(format!("an accumulator can reach {bound}, the limit is 2^53; use fewer weight bits"))
}

fn magnitude(tensor: &Tensor) -> i128 {
    i128::from(tensor.min.unsigned_abs().max(tensor.max.unsigned_abs()))
}

fn expect_shape(tensor: &Tensor, shape: [usize; 3]) -> Result<(), String> {
    if tensor.shape == shape {
        return Ok(());
    }
    Err(format!("tensor `{}` has shape {:?}, expected {shape:?}", tensor.name, tensor.shape))
}

/// That `output` can hold every value of `source`.
fn expect_range_of(output: &Tensor, source: &Tensor) -> Result<(), String> {
    expect_range(output, i64::from(source.min), i64::from(source.max))
}

fn expect_range(output: &Tensor, min: i64, max: i64) -> Result<(), String> {
    if i64::from(output.min) <= min && max <= i64::from(output.max) {
        return Ok(());
    }
    Err(format!(
        "its values lie in {min}..={max}, outside {}..={} of tensor `{}`",
        output.min, output.max, output.name
    ))
}

/// For the executor, which only takes validated graphs.
pub(crate) fn elements(graph: &QuantizedGraph, tensor: TensorId) -> usize {
    graph.tensors[tensor].shape.iter().product()
}
