//! Operators that are made of others: each part is a node of its own.

use std::rc::Rc;

use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};

use super::{Constant, ImportError, Importer, Node, Value};

/// The parts of one node in the making.
pub(in crate::model) struct Parts<'i, 's, 'n> {
    pub importer: &'i mut Importer<'s>,
    node: &'n Node<'n>,
    count: usize,
}

pub(in crate::model) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: value, ..attribute(name, AttributeType::Int) }
}

pub(in crate::model) fn float(name: &str, value: f64) -> AttributeProto {
    AttributeProto { f: value as f32, ..attribute(name, AttributeType::Float) }
}

pub(in crate::model) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|value| *value as i64).collect();
    AttributeProto { ints, ..attribute(name, AttributeType::Ints) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}

impl<'i, 's, 'n> Parts<'i, 's, 'n> {
    pub(in crate::model) fn new(importer: &'i mut Importer<'s>, node: &'n Node<'n>) -> Self {
        Self { importer, node, count: 0 }
    }

    fn name(&mut self) -> String {
        self.count += 1;
        let output = self.node.outputs().iter().find(|name| !name.is_empty());
        format!("{}/{}", output.map_or("", String::as_str), self.count)
    }

    /// Adds a part with one output; gives the output's name.
    pub(in crate::model) fn op(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[AttributeProto],
    ) -> Result<String, ImportError> {
        Ok(self.several(operator, inputs, attributes, 1)?.remove(0))
    }

    /// Adds a part with `count` outputs, at least one.
    pub(in crate::model) fn several(
        &mut self,
        operator: &str,
        inputs: &[&str],
        attributes: &[AttributeProto],
        count: usize,
    ) -> Result<Vec<String>, ImportError> {
        let output: Vec<String> = (0..count.max(1)).map(|_| self.name()).collect();
        let proto = NodeProto {
            name: self.node.name().into(),
            op_type: operator.into(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: output.clone(),
            attribute: attributes.to_vec(),
            ..NodeProto::default()
        };
        (self.importer.add)(self.importer, &Node::new(&proto))?;
        Ok(output)
    }

    /// Adds a constant; gives its name.
    pub(in crate::model) fn constant(
        &mut self,
        shape: &[usize],
        values: Vec<f64>,
    ) -> Result<String, ImportError> {
        let name = self.name();
        let taken = |importer: &Importer<'_>| {
            importer.constants.contains_key(&name) || importer.values.contains_key(&name)
        };
        if taken(self.importer) {
            return Err(self.node.error(format!("a value is already called `{name}`")));
        }
        self.importer.reserve(values.len()).map_err(|problem| self.node.error(problem))?;
        let constant = Constant { shape: shape.to_vec(), values };
        self.importer.constants.insert(name.clone(), Rc::new(constant));
        Ok(name)
    }

    /// A constant of integers.
    pub(in crate::model) fn integers(&mut self, values: &[usize]) -> Result<String, ImportError> {
        self.constant(&[values.len()], values.iter().map(|value| *value as f64).collect())
    }

    /// Shape in the file of a value or constant.
    pub(in crate::model) fn shape(&self, name: &str) -> Result<Vec<usize>, ImportError> {
        if let Some(constant) = self.importer.constants.get(name) {
            return Ok(constant.shape.clone());
        }
        Ok(self.value(name)?.shape.clone())
    }

    fn value(&self, name: &str) -> Result<&Value, ImportError> {
        let value = self.importer.values.get(name);
        value.ok_or_else(|| super::unknown(self.node, name))
    }

    /// Makes the value `name` output `index` of the node, unless nobody asked for that.
    pub(in crate::model) fn bind(&mut self, index: usize, name: &str) -> Result<(), ImportError> {
        if self.node.outputs().get(index).is_none_or(String::is_empty) {
            return Ok(());
        }
        if let Some(constant) = self.importer.constants.get(name).cloned() {
            return self.importer.bind_constant_output(self.node, index, constant);
        }
        let value = self.value(name)?.clone();
        self.importer.bind_output(self.node, index, value)
    }
}
