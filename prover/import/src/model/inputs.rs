//! The inputs that a network takes: one tensor of the graph for all of them.

use assay_graph::{ChannelEncoding, InputOrder, InputPart, Shape, ValueEncoding, Window};
use tract_onnx::pb::{ValueInfoProto, tensor_proto::DataType};

use super::{
    FloatGraph, FloatOp, FloatTensorId, Function, ImportError, ImportOptions,
    constant::Constant,
    declared,
    decoding::INPUT,
    importer::{Importer, Value, channels_last_order, ordered},
    raw_layer::Step,
    shapes::element_count,
};

/// The network's inputs, in the graph and in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatInput {
    /// Tensor of the graph that holds all of them; no layer writes it.
    pub tensor: FloatTensorId,
    /// At least one. Several lie one after the other, each a channel a number.
    pub parts: Vec<FloatInputPart>,
    /// How the file's numbers become the bytes that the graph takes, where each channel has a scale of
    /// its own. The graph then takes bytes, more significant ones first, and decodes them in its first
    /// layers.
    pub values: Option<ValueEncoding>,
    /// Layers compare single numbers with thresholds. Known of a graph that takes the file's own numbers.
    pub compares: bool,
}

/// An input of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatInputPart {
    /// Its name in the file.
    pub name: String,
    /// Its shape in the file, batch included; a free batch size is 1.
    pub onnx_shape: Vec<usize>,
    /// Element `i` of the file's input is element `order[i]` of this part; in their order without it,
    /// as it is for files that take channels first.
    pub order: Option<Vec<u32>>,
    /// Its ONNX data type.
    pub elem_type: i32,
    /// Its first number among those of all parts.
    pub first: usize,
}

/// The inputs of a file as a quantized network publishes them, see [`assay_graph::Input`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublishedInput {
    /// Name of the first one.
    pub name: String,
    /// Each of several; none where there is one.
    pub parts: Vec<InputPart>,
    /// How the file's numbers lie in the input, where that is not `[channels, height, width]`, row by row.
    pub order: Option<InputOrder>,
    /// Sizes of each input's axes that are not 1, without the batch, where shape and order do not tell them.
    pub sizes: Vec<Vec<usize>>,
}

/// What a file says of a channel of its input's numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct InputChannel {
    /// The input's name, and which channel it is, from 0, where there are several.
    pub name: String,
    /// Least and largest integer that its type holds, where it takes integers.
    pub integers: Option<[f64; 2]>,
    /// First and last row of the table that its numbers choose from, where they do nothing else.
    pub rows: Option<[f64; 2]>,
}

/// How numbers become the bytes of a graph's input.
#[derive(Clone)]
pub(super) struct Encoded {
    pub values: ValueEncoding,
    /// Shape of the numbers, and the order of a single part's: a first import has found them.
    pub shape: Shape,
    pub order: Option<Vec<u32>>,
}

impl FloatInputPart {
    /// Number of its numbers.
    pub fn elements(&self) -> usize {
        self.onnx_shape.iter().product()
    }

    /// Least and largest integer that its type holds, where the file takes integers there, such as ids.
    pub fn integers(&self) -> Option<[f64; 2]> {
        let signed =
            |bits: i32| Some([-f64::from(bits - 1).exp2(), f64::from(bits - 1).exp2() - 1.0]);
        let unsigned = |bits: i32| Some([0.0, f64::from(bits).exp2() - 1.0]);
        match DataType::try_from(self.elem_type) {
            Ok(DataType::Bool) => unsigned(1),
            Ok(DataType::Uint8) => unsigned(8),
            Ok(DataType::Uint16) => unsigned(16),
            Ok(DataType::Uint32) => unsigned(32),
            Ok(DataType::Uint64) => unsigned(64),
            Ok(DataType::Int8) => signed(8),
            Ok(DataType::Int16) => signed(16),
            Ok(DataType::Int32) => signed(32),
            Ok(DataType::Int64) => signed(64),
            _ => None,
        }
    }
}

impl FloatGraph {
    /// The file's inputs as a quantized network publishes them.
    pub fn published_input(&self) -> PublishedInput {
        let parts = self.input.parts.as_slice();
        let squeezed = |sizes: &[usize]| -> Vec<usize> {
            sizes.iter().copied().filter(|size| *size != 1).collect()
        };
        let sizes = || parts.iter().map(|part| squeezed(&part.onnx_shape)).collect::<Vec<_>>();
        let name = parts.first().map(|part| part.name.clone()).unwrap_or_default();
        let [part] = parts else {
            let published = |part: &FloatInputPart| InputPart {
                name: part.name.clone(),
                elements: part.elements(),
            };
            let flat = parts.iter().all(|part| squeezed(&part.onnx_shape).len() < 2);
            let sizes = if flat { Vec::new() } else { sizes() };
            let parts = parts.iter().map(published).collect();
            return PublishedInput { name, parts, order: None, sizes };
        };
        let shape @ [channels, height, width] = self.value_shape();
        let own = squeezed(&part.onnx_shape);
        let (order, told) = match &part.order {
            None => (None, own == squeezed(&shape)),
            Some(order) if InputOrder::ChannelsLast.places(shape) == *order => {
                (Some(InputOrder::ChannelsLast), own == squeezed(&[height, width, channels]))
            }
            Some(order) => (Some(InputOrder::Listed(order.clone())), false),
        };
        PublishedInput {
            name,
            parts: Vec::new(),
            order,
            sizes: if told { Vec::new() } else { sizes() },
        }
    }

    /// What the file says of each channel of its numbers.
    pub fn input_channels(&self) -> Vec<InputChannel> {
        let rows = self.rows_of_tables();
        let name = |part: &FloatInputPart, count: usize, at: usize| {
            if count == 1 { part.name.clone() } else { format!("{}[{at}]", part.name) }
        };
        let parts = self.input.parts.as_slice();
        let channels = |part| match parts {
            [_] => self.value_shape()[0],
            _ => FloatInputPart::elements(part),
        };
        let all = parts.iter().flat_map(|part| {
            let (count, integers) = (channels(part), part.integers());
            (0..count).map(move |at| (name(part, count, at), integers))
        });
        let rows = rows.into_iter().chain(std::iter::repeat(None));
        all.zip(rows)
            .map(|((name, integers), rows)| InputChannel { name, integers, rows })
            .collect()
    }
}

/// Adds the network's inputs; `encoded` says how their numbers become bytes, if not one for one.
pub(super) fn add(
    importer: &mut Importer<'_>,
    options: &ImportOptions,
    encoded: Option<Encoded>,
) -> Result<FloatInput, ImportError> {
    let graph = importer.source.graph()?;
    for (name, _) in &options.input_shapes {
        if !graph.input.iter().any(|input| input.name == *name) {
            let names = graph.input.iter().map(|input| format!("`{}`", input.name));
            return Err(ImportError::Tensor {
                tensor: name.clone(),
                problem: format!(
                    "a shape is given for an input of this name, but the inputs are {}",
                    names.collect::<Vec<_>>().join(", ")
                ),
            });
        }
    }
    fix(importer, options)?;
    let is_input = |input: &&ValueInfoProto| !importer.constants.contains_key(&input.name);
    let inputs = graph.input.iter().filter(is_input).collect::<Vec<_>>();
    let mut parts = Vec::with_capacity(inputs.len());
    let mut first = 0;
    for input in &inputs {
        let problem = |problem: String| ImportError::Tensor { tensor: input.name.clone(), problem };
        let (onnx_shape, elem_type) =
            declared::declared_shape(&input.name, input.r#type.as_ref(), options)
                .map_err(problem)?;
        let elements = element_count(&onnx_shape).map_err(problem)?;
        let (name, order) = (input.name.clone(), None);
        parts.push(FloatInputPart { name, onnx_shape, order, elem_type, first });
        first = element_count(&[first.saturating_add(elements)]).map_err(problem)?;
    }
    match parts.as_mut_slice() {
        [] => return Err(ImportError::Graph("it has no input".into())),
        [part] => return add_one(importer, part.clone(), encoded),
        _ => {}
    }
    let values = encoded.map(|encoded| encoded.values);
    let names = parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ");
    let problem = |problem: String| ImportError::Tensor { tensor: names.clone(), problem };
    let (tensor, decoded) =
        add_tensor(importer, &names, [first, 1, 1], values.as_ref()).map_err(problem)?;
    for part in &mut parts {
        let elements = part.elements();
        let second =
            declared::is_sequence(importer, &part.name) || declared::is_state(importer, &part.name);
        let axis = usize::from(second && part.onnx_shape.len() == 3);
        set_batch(importer, &mut part.onnx_shape, axis);
        if part.elements() != elements {
            return Err(problem(format!(
                "several inputs and a batch of {} along the axis {axis}; export with batch 1",
                importer.batch
            )));
        }
        let step = Step::Layer(FloatOp::Slice { input: decoded, start: part.first });
        let slice =
            importer.push_step(&part.name, "Part", [elements, 1, 1], step).map_err(problem)?;
        add_value(importer, part, slice);
    }
    Ok(FloatInput { tensor, parts, values, compares: false })
}

/// Makes constants of the inputs that are one number everywhere.
fn fix(importer: &mut Importer<'_>, options: &ImportOptions) -> Result<(), ImportError> {
    let graph = importer.source.graph()?;
    for (name, value) in &options.fixed_inputs {
        let problem = |problem: String| ImportError::Tensor { tensor: name.clone(), problem };
        let input = graph.input.iter().find(|input| input.name == *name);
        let input = input.ok_or_else(|| problem("there is no input of this name".into()))?;
        let (shape, elem_type) =
            declared::declared_shape(name, input.r#type.as_ref(), options).map_err(problem)?;
        let count = element_count(&shape).map_err(problem)?;
        importer.reserve(count).map_err(problem)?;
        importer.kinds.insert(name.clone(), elem_type);
        importer.notes.push(format!("the input `{name}` is {value} everywhere"));
        let values = vec![*value; count];
        importer.constants.insert(name.clone(), std::rc::Rc::new(Constant { shape, values }));
    }
    Ok(())
}

/// Reads a batch as one input.
fn set_batch(importer: &mut Importer<'_>, shape: &mut [usize], axis: usize) {
    if shape.len() > 1 && shape[axis] != 1 {
        importer.batch = shape[axis];
        shape[axis] = 1;
        importer.notes.push(format!(
            "the file takes {} inputs at once; it is read as a network for one of them",
            importer.batch
        ));
    }
}

fn add_one(
    importer: &mut Importer<'_>,
    mut part: FloatInputPart,
    encoded: Option<Encoded>,
) -> Result<FloatInput, ImportError> {
    let name = part.name.clone();
    let problem = |problem: String| ImportError::Tensor { tensor: name.clone(), problem };
    let sequence = part.onnx_shape.len() == 3 && declared::is_sequence(importer, &name);
    set_batch(importer, &mut part.onnx_shape, usize::from(sequence));
    let rank = part.onnx_shape.len();
    let last = importer.outlook.channel_axis(&name, rank) == rank.checked_sub(1);
    let channels_last = rank > 2 && last && !sequence;
    let internal = match *part.onnx_shape.as_slice() {
        [features] => [features, 1, 1],
        [_, features] => [features, 1, 1],
        [steps, _, features] if sequence => [steps, 1, features],
        [_, length, channels] if channels_last => [channels, 1, length],
        [_, channels, length] => [channels, 1, length],
        [_, height, width, channels] if channels_last => [channels, height, width],
        [_, channels, height, width] => [channels, height, width],
        // The depth is folded into the channels.
        [_, channels, depth, height, width] => [channels * depth, height, width],
        _ => {
            return Err(problem(format!(
                "an input of shape {:?}; a row, a sequence or an image is supported, with up to three spatial axes",
                part.onnx_shape
            )));
        }
    };
    let (values, internal, order) = match encoded {
        Some(Encoded { values, shape, order }) => (Some(values), shape, order),
        None => {
            let order = channels_last.then(|| ordered(channels_last_order(internal))).flatten();
            (None, internal, order.map(|order| order.to_vec()))
        }
    };
    part.order = order;
    let (tensor, decoded) =
        add_tensor(importer, &name, internal, values.as_ref()).map_err(problem)?;
    add_value(importer, &part, decoded);
    Ok(FloatInput { tensor, parts: vec![part], values, compares: false })
}

fn add_value(importer: &mut Importer<'_>, part: &FloatInputPart, tensor: FloatTensorId) {
    importer.kinds.insert(part.name.clone(), part.elem_type);
    let value = Value {
        tensor,
        shape: part.onnx_shape.clone(),
        order: part.order.clone().map(std::rc::Rc::new),
        pads: [0; 4],
        dropped: None,
    };
    importer.values.insert(part.name.clone(), value);
}

/// The tensor that the graph takes, and the one with its numbers, of `shape`.
fn add_tensor(
    importer: &mut Importer<'_>,
    name: &str,
    shape: Shape,
    values: Option<&ValueEncoding>,
) -> Result<(FloatTensorId, FloatTensorId), String> {
    let bytes = values.map_or(1, |values| values.bytes);
    if values.is_some_and(|values| values.channels.len() != shape[0]) {
        return Err(format!(
            "an encoding of another number of channels than the input's {}",
            shape[0]
        ));
    }
    let stored = [shape[0].saturating_mul(bytes), shape[1], shape[2]];
    let tensor = importer.new_tensor(name, stored)?;
    importer.input = tensor;
    match values {
        Some(values) => Ok((tensor, decode(importer, name, tensor, values)?)),
        None => Ok((tensor, tensor)),
    }
}

/// The layer that makes numbers of the input's bytes.
fn decode(
    importer: &mut Importer<'_>,
    name: &str,
    input: FloatTensorId,
    values: &ValueEncoding,
) -> Result<FloatTensorId, String> {
    let [_, height, width] = importer.tensors[input].shape;
    let channels = &values.channels;
    let plain = |encoding: &ChannelEncoding| encoding.scale == 1.0 && encoding.offset == 0.0;
    if values.bytes == 1 && channels.iter().all(plain) {
        return Ok(input);
    }
    let bias = channels.iter().map(|encoding| encoding.offset);
    let step = if values.bytes == 1 {
        let scale = channels.iter().map(|encoding| encoding.scale).collect();
        Step::Affine { input, scale, bias: bias.collect() }
    } else {
        Step::Layer(FloatOp::Conv {
            input,
            window: Window::dense([1, 1]),
            groups: channels.len(),
            weights: channels
                .iter()
                .flat_map(|encoding| {
                    let places = [65_536.0, 256.0, 1.0].into_iter().skip(3 - values.bytes);
                    places.map(|place| (place * encoding.scale) as f32)
                })
                .collect(),
            bias: bias.map(|offset| offset as f32).collect(),
            function: Function::Identity,
        })
    };
    importer.push_step(name, INPUT, [channels.len(), height, width], step)
}
