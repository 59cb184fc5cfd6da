//! Walks the nodes of an ONNX graph and keeps, for each value of the file, where its elements lie
//! in the `[channels, height, width]` tensors of the float graph.

use std::{collections::HashMap, rc::Rc};

use super::{
    FloatOp, FloatTensor, FloatTensorId, Function, ImportError, ImportOptions, Shape,
    constant::Constant,
    outlook::Outlook,
    protobuf::{Node, Source, masked},
    raw_layer::{RawLayer, Step},
    shapes::element_count,
};

/// Bound on one activation.
const MAX_ACTIVATION: usize = 1 << 24;
/// Bound on the elements of all tensors, weights and folded constants together, beside one for each byte of the
/// file: a small file can name one large tensor many times.
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

/// Adds a node of the file, or one that stands for a part of one.
pub(super) type AddNode = fn(&mut Importer<'_>, &Node<'_>) -> Result<(), ImportError>;

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
    /// Loops that the node at hand lies in.
    pub loops: usize,
    /// Nodes that loops have been unrolled to.
    pub unrolled: usize,
    /// Adds a node: operators that are made of others call it.
    pub add: AddNode,
    /// A layer reads the input: from then on its storage is fixed.
    input_is_read: bool,
    /// What the file does with its values.
    pub outlook: Outlook<'a>,
    /// Tensors that hold another one's elements in another order.
    arranged: HashMap<FloatTensorId, Vec<Arranged>>,
    /// A tensor of one element that is 1 whatever the input.
    pub one: Option<FloatTensorId>,
}

/// A tensor whose element `moves[i]` is element `i` of another one.
struct Arranged {
    shape: Shape,
    moves: Vec<u32>,
    tensor: FloatTensorId,
}

impl<'a> Importer<'a> {
    /// A network without nodes yet.
    pub(super) fn new(
        source: &'a Source,
        options: &ImportOptions,
        add: AddNode,
    ) -> Result<Self, ImportError> {
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
            input_is_read: false,
            outlook: Outlook::new(source, options.keep_final),
            arranged: HashMap::new(),
            one: None,
            depth: 0,
            loops: 0,
            unrolled: 0,
            add,
        })
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
        let most = MAX_TOTAL_ELEMENTS.saturating_add(self.source.length);
        if self.elements > most {
            return Err(format!(
                "the network has more than {most} elements in all, weights and results of all its nodes"
            ));
        }
        Ok(())
    }

    /// Appends a layer that no node stands for.
    pub(super) fn push_step(
        &mut self,
        name: &str,
        operator: &str,
        shape: Shape,
        step: Step,
    ) -> Result<FloatTensorId, String> {
        let output = self.new_tensor(name, shape)?;
        self.producers[output] = Some(self.layers.len());
        let (name, operator) = (name.into(), operator.into());
        self.layers.push(RawLayer { name, operator, output, step });
        Ok(output)
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
        self.input_is_read |= step.reads(self.input);
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

    /// The tensor is the network's input and no layer reads it yet, nor the node another time: it may
    /// be stored in any way.
    pub(super) fn may_store_input(&self, node: &Node<'_>, tensor: FloatTensorId) -> bool {
        let holds =
            |name: &&String| self.values.get(*name).is_some_and(|value| value.tensor == self.input);
        tensor == self.input
            && !self.input_is_read
            && node.inputs().iter().filter(holds).count() < 2
            && self.values.values().all(|value| value.tensor != tensor || value.pads == [0; 4])
    }

    /// Stores the network's input as `shape`, element `i` of before as element `moves[i]`.
    pub(super) fn store_input(&mut self, shape: Shape, moves: &[u32]) -> Result<(), String> {
        let held = self.values.values().filter(|value| value.tensor == self.input).count();
        self.reserve(held.saturating_mul(moves.len()))?;
        self.tensors[self.input].shape = shape;
        for value in self.values.values_mut().filter(|value| value.tensor == self.input) {
            let order = match &value.order {
                Some(order) => order.iter().map(|at| moves[*at as usize]).collect(),
                None => moves.to_vec(),
            };
            value.order = ordered(order);
        }
        Ok(())
    }

    /// The tensor of `shape` that already holds the elements of `tensor` moved so.
    pub(super) fn arranged(
        &self,
        tensor: FloatTensorId,
        shape: Shape,
        moves: &[u32],
    ) -> Option<FloatTensorId> {
        let known = self.arranged.get(&tensor)?;
        known.iter().find(|known| known.shape == shape && known.moves == moves).map(|k| k.tensor)
    }

    /// Keeps a few arrangements of each tensor.
    pub(super) fn remember_arranged(
        &mut self,
        tensor: FloatTensorId,
        shape: Shape,
        moves: Vec<u32>,
        arranged: FloatTensorId,
    ) {
        // And the way back.
        let mut back = vec![0; moves.len()];
        for (from, to) in moves.iter().enumerate() {
            back[*to as usize] = from as u32;
        }
        let old = self.tensors[tensor].shape;
        for (of, shape, moves, to) in
            [(tensor, shape, moves, arranged), (arranged, old, back, tensor)]
        {
            let known = self.arranged.entry(of).or_default();
            if known.len() < 8 {
                known.push(Arranged { shape, moves, tensor: to });
            }
        }
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
        let value = value.map(masked);
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
        if value.order.is_some() || self.shape(value) != wanted {
            return Err(node.error(format!(
                "its input is stored as {:?}, not as {wanted:?}",
                self.shape(value)
            )));
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
