//! Walks the nodes of an ONNX graph and keeps, for each value of the file, where its elements lie
//! in the `[channels, height, width]` tensors of the float graph.

use std::{collections::HashMap, rc::Rc};

use super::{
    FloatGraph, FloatInput, FloatOp, FloatTensor, FloatTensorId, Function, ImportError,
    ImportOptions, Shape,
    constant::Constant,
    ends,
    fusion::{RawLayer, Step, fuse},
    protobuf::{Node, Source},
    shapes::element_count,
};

/// Bound on one activation.
const MAX_ACTIVATION: usize = 1 << 24;
/// Bound on the elements of all tensors, weights and folded constants together: a small file can
/// name one large tensor many times.
const MAX_TOTAL_ELEMENTS: usize = 1 << 28;

/// An ONNX value that depends on the input.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub tensor: FloatTensorId,
    /// Shape in the file, batch included.
    pub shape: Vec<usize>,
    /// Element `i` in the file is element `order[i]` of the tensor; `None` when they agree.
    pub order: Option<Rc<Vec<u32>>>,
    /// Zero padding asked for by a Pad node, `[top, left, bottom, right]`, not applied yet.
    pub pads: [usize; 4],
    /// What was left out after it: nothing may follow that.
    pub dropped: Option<Dropped>,
}

/// Final operators that were left out.
#[derive(Clone, Debug)]
pub(super) struct Dropped {
    /// Node of the last one, for messages.
    pub node: String,
    /// In the file's order.
    pub operators: Vec<super::FinalOperator>,
}

pub(super) struct Importer<'a> {
    pub source: &'a Source,
    pub constants: HashMap<String, Rc<Constant>>,
    /// ONNX data type of the constants that are kept as such in the file.
    pub data_types: HashMap<String, i32>,
    pub values: HashMap<String, Value>,
    pub tensors: Vec<FloatTensor>,
    pub layers: Vec<RawLayer>,
    /// Layer that writes each tensor.
    producers: Vec<Option<usize>>,
    /// Functions of each tensor.
    functions: HashMap<FloatTensorId, Vec<usize>>,
    elements: usize,
    pub input: FloatTensorId,
    /// ONNX data type of values, where it is not float.
    pub kinds: HashMap<String, i32>,
    /// Inputs that the file takes at once; one of them is read.
    pub batch: usize,
    /// What a user should know of the import.
    pub notes: Vec<String>,
    /// Branches that the node at hand lies in.
    pub depth: usize,
}

impl<'a> Importer<'a> {
    /// A network without nodes yet.
    pub(super) fn new(source: &'a Source) -> Result<Self, ImportError> {
        let graph = source.graph()?;
        let constants = source
            .initializers()?
            .into_iter()
            .map(|(name, value)| (name, Rc::new(value)))
            .collect();
        Ok(Self {
            source,
            constants,
            data_types: graph.initializer.iter().map(|t| (t.name.clone(), t.data_type)).collect(),
            values: HashMap::new(),
            tensors: Vec::new(),
            layers: Vec::new(),
            producers: Vec::new(),
            functions: HashMap::new(),
            elements: 0,
            input: 0,
            kinds: HashMap::new(),
            batch: 1,
            notes: Vec::new(),
            depth: 0,
        })
    }

    /// The finished network, once all nodes are in.
    pub(super) fn finish(
        mut self,
        mut input: FloatInput,
        name: &str,
        options: &ImportOptions,
    ) -> Result<FloatGraph, ImportError> {
        let (output, dropped) = ends::output(&mut self, options)?;
        let (tensors, layers, renumbered) = fuse(self.tensors, self.layers, input.tensor, output)?;
        input.tensor = renumbered(input.tensor);
        let output = renumbered(output);
        let notes = self.notes;
        let name = name.into();
        let mut graph = FloatGraph { name, input, tensors, layers, output, dropped, notes };
        graph.separate_input();
        Ok(graph)
    }

    pub(super) fn new_tensor(&mut self, name: &str, shape: Shape) -> Result<FloatTensorId, String> {
        let elements = element_count(&shape)?;
        if !(1..=MAX_ACTIVATION).contains(&elements) {
            return Err(format!(
                "a tensor of shape {shape:?}; 1 to {MAX_ACTIVATION} elements are supported"
            ));
        }
        self.reserve(elements)?;
        self.tensors.push(FloatTensor { name: name.into(), shape });
        self.producers.push(None);
        Ok(self.tensors.len() - 1)
    }

    /// Takes `elements` from what the network may have in all.
    pub(super) fn reserve(&mut self, elements: usize) -> Result<(), String> {
        self.elements = self.elements.saturating_add(elements);
        if self.elements > MAX_TOTAL_ELEMENTS {
            return Err(format!("the network has more than {MAX_TOTAL_ELEMENTS} elements in all"));
        }
        Ok(())
    }

    /// Appends a layer that writes a new tensor of `shape`.
    pub(super) fn push(
        &mut self,
        node: &Node<'_>,
        shape: Shape,
        step: Step,
    ) -> Result<FloatTensorId, ImportError> {
        let output = node.outputs().first().map_or("", String::as_str);
        let parameters = match &step {
            Step::Layer(FloatOp::Conv { weights, bias, .. }) => weights.len() + bias.len(),
            Step::Affine { scale, .. } => 2 * scale.len(),
            _ => 0,
        };
        self.reserve(parameters).map_err(|problem| node.error(problem))?;
        let tensor = self.new_tensor(output, shape).map_err(|problem| node.error(problem))?;
        self.producers[tensor] = Some(self.layers.len());
        if let Step::Apply { input, .. } = &step {
            self.functions.entry(*input).or_default().push(self.layers.len());
        }
        self.layers.push(RawLayer {
            name: node.name().into(),
            operator: node.operator().into(),
            output: tensor,
            step,
        });
        Ok(tensor)
    }

    /// The tensor that already is this function of `tensor`, if there is one.
    pub(super) fn applied(
        &self,
        tensor: FloatTensorId,
        wanted: &Function,
    ) -> Option<FloatTensorId> {
        // A handful of readers is usual; the bound keeps a hostile file from taking long.
        let known = self.functions.get(&tensor)?.iter().rev().take(16);
        known.map(|index| &self.layers[*index]).find_map(|layer| match &layer.step {
            Step::Apply { function, .. } if function == wanted => Some(layer.output),
            _ => None,
        })
    }

    pub(super) fn shape(&self, value: &Value) -> Shape {
        self.tensors[value.tensor].shape
    }

    /// Binds `value` to the node's first output.
    pub(super) fn bind(&mut self, node: &Node<'_>, value: Value) -> Result<(), ImportError> {
        self.bind_output(node, 0, value)
    }

    pub(super) fn bind_output(
        &mut self,
        node: &Node<'_>,
        index: usize,
        value: Value,
    ) -> Result<(), ImportError> {
        let name = self.fresh_output(node, index)?;
        self.values.insert(name, value);
        Ok(())
    }

    pub(super) fn bind_constant(
        &mut self,
        node: &Node<'_>,
        value: Constant,
    ) -> Result<(), ImportError> {
        if value.values.iter().any(|x| !x.is_finite()) {
            return Err(node.error("its constant result is not finite"));
        }
        let name = self.fresh_output(node, 0)?;
        self.reserve(value.values.len()).map_err(|problem| node.error(problem))?;
        self.constants.insert(name, Rc::new(value));
        Ok(())
    }

    /// As [`Self::bind_constant`] for output `index`, of a constant that is kept already.
    pub(super) fn bind_constant_output(
        &mut self,
        node: &Node<'_>,
        index: usize,
        value: Rc<Constant>,
    ) -> Result<(), ImportError> {
        let name = self.fresh_output(node, index)?;
        self.constants.insert(name, value);
        Ok(())
    }

    fn fresh_output(&self, node: &Node<'_>, index: usize) -> Result<String, ImportError> {
        let name = node
            .outputs()
            .get(index)
            .ok_or_else(|| node.error(format!("output {index} is missing")))?;
        if self.values.contains_key(name) || self.constants.contains_key(name) {
            return Err(node.error(format!("its output `{name}` is written twice")));
        }
        Ok(name.clone())
    }

    /// A value in which channels, height and width are what the file says, ready for a window.
    pub(super) fn spatial(&mut self, node: &Node<'_>, value: &Value) -> Result<Shape, ImportError> {
        let wanted = match *value.shape.as_slice() {
            [1, channels, height, width] => [channels, height, width],
            [1, channels, length] => [channels, 1, length],
            _ => {
                return Err(node.error(format!(
                    "an input of shape {:?}; one image [1, channels, height, width] is supported",
                    value.shape
                )));
            }
        };
        if value.order.is_some() {
            return Err(node.error(
                "its input is stored channels last; export the network channels first (NCHW)",
            ));
        }
        if self.shape(value) != wanted {
            // The file may deliver an image as a flat vector.
            let read_before = self.layers.iter().any(|layer| layer.step.reads(value.tensor));
            if value.tensor != self.input || read_before {
                return Err(node.error(format!(
                    "a tensor of shape {:?} is read as {wanted:?}; reshaping between layers is not \
                     supported",
                    self.shape(value)
                )));
            }
            self.tensors[value.tensor].shape = wanted;
        }
        Ok(wanted)
    }

    /// The tensors that `tensor` is an elementwise function of, nearest first.
    pub(super) fn roots(&self, tensor: FloatTensorId) -> Vec<(FloatTensorId, Function)> {
        let mut roots = vec![(tensor, Function::Identity)];
        let mut current = (tensor, Function::Identity);
        while let Some(layer) = self.producers[current.0].map(|index| &self.layers[index]) {
            let (input, inner) = match &layer.step {
                Step::Apply { input, function } => (*input, function.clone()),
                Step::Affine { input, scale, bias } => {
                    let uniform = |v: &[f64]| v.iter().all(|x| *x == v[0]);
                    if !uniform(scale) || !uniform(bias) {
                        break;
                    }
                    (*input, Function::affine(scale[0], bias[0]))
                }
                Step::Layer(_) => break,
            };
            current = (input, current.1.after(inner));
            if !current.1.may_grow() {
                break;
            }
            roots.push(current.clone());
        }
        roots
    }

    /// No element of `tensor` is negative, whatever the input.
    pub(super) fn is_non_negative(&self, tensor: FloatTensorId) -> bool {
        let Some(layer) = self.producers[tensor].map(|index| &self.layers[index]) else {
            return false;
        };
        match &layer.step {
            Step::Apply { function, .. } => {
                function.is_clamp() && function.evaluate(f64::NEG_INFINITY) >= 0.0
            }
            Step::Layer(
                FloatOp::MaxPool { input, .. }
                | FloatOp::Slice { input, .. }
                | FloatOp::Transpose { input, function: Function::Identity, .. },
            ) => self.is_non_negative(*input),
            Step::Layer(FloatOp::Concat { inputs }) => {
                inputs.iter().all(|input| self.is_non_negative(*input))
            }
            _ => false,
        }
    }
}

/// An order of elements as a value keeps it: none when nothing is moved.
pub(super) fn ordered(order: Vec<u32>) -> Option<Rc<Vec<u32>>> {
    let same = order.iter().enumerate().all(|(index, element)| index == *element as usize);
    (!same).then(|| Rc::new(order))
}

/// Where element `i` of a channels-last image lies in `[channels, height, width]`.
pub(super) fn channels_last_order([channels, height, width]: Shape) -> Vec<u32> {
    let plane = height * width;
    (0..plane)
        .flat_map(|position| (0..channels).map(move |channel| (channel * plane + position) as u32))
        .collect()
}
