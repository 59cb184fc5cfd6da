//! Builds ONNX graphs.

use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto,
};

use crate::model::protobuf::Source;
use assay_testing::arbitrary::Random;

/// A network in the making. Each node reads the value added last unless said otherwise.
pub(super) struct Network {
    pub graph: GraphProto,
    pub last: String,
    random: Random,
    opset: i64,
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: value, ..attribute(name, AttributeType::Int) }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: value, ..attribute(name, AttributeType::Float) }
}

pub(super) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, AttributeType::Ints) }
}

pub(super) fn text(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: value.as_bytes().to_vec(), ..attribute(name, AttributeType::String) }
}

pub(super) fn texts(name: &str, values: &[&str]) -> AttributeProto {
    let strings = values.iter().map(|value| value.as_bytes().to_vec()).collect();
    AttributeProto { strings, ..attribute(name, AttributeType::Strings) }
}

pub(super) fn floats(name: &str, values: &[f32]) -> AttributeProto {
    AttributeProto { floats: values.to_vec(), ..attribute(name, AttributeType::Floats) }
}

fn attribute(name: &str, kind: AttributeType) -> AttributeProto {
    AttributeProto { name: name.into(), r#type: kind as i32, ..AttributeProto::default() }
}

fn value_info(name: &str, shape: Option<&[i64]>) -> ValueInfoProto {
    let dim = |size: &i64| Dimension {
        denotation: String::new(),
        value: Some(dimension::Value::DimValue(*size)),
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: shape.map(|shape| TensorShapeProto { dim: shape.iter().map(dim).collect() }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            denotation: String::new(),
            value: Some(type_proto::Value::TensorType(tensor)),
        }),
        doc_string: String::new(),
    }
}

impl Network {
    pub(super) fn new(input: &[i64]) -> Self {
        let graph =
            GraphProto { input: vec![value_info("input", Some(input))], ..GraphProto::default() };
        Self { graph, last: "input".into(), random: Random::new(1), opset: 13 }
    }

    pub(super) fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    pub(super) fn constant(&mut self, name: &str, shape: &[i64], values: Vec<f32>) {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: DataType::Float as i32,
            raw_data: values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
    }

    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..TensorProto::default()
        });
    }

    /// A constant of truth values.
    pub(super) fn truths(&mut self, name: &str, shape: &[i64], values: &[u8]) {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: DataType::Bool as i32,
            raw_data: values.to_vec(),
            ..TensorProto::default()
        });
    }

    /// A constant of small integers of an ONNX data type.
    pub(super) fn bytes(&mut self, name: &str, kind: DataType, shape: &[i64], values: &[i32]) {
        self.graph.initializer.push(TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: kind as i32,
            int32_data: values.to_vec(),
            ..TensorProto::default()
        });
    }

    /// A dense layer with random weights.
    pub(super) fn dense(mut self, name: &str, inputs: i64, outputs: i64) -> Self {
        let (weights, bias) = (format!("{name}.w"), format!("{name}.b"));
        self.random(&weights, &[outputs, inputs], 2.0 / (inputs as f32).sqrt());
        self.random(&bias, &[outputs], 0.3);
        let last = self.last.clone();
        self.node("Gemm", name, &[&last, &weights, &bias], &[int("transB", 1)])
    }

    /// Random numbers within `-size..size`.
    pub(super) fn random(&mut self, name: &str, shape: &[i64], size: f32) {
        let count = shape.iter().product::<i64>();
        let values =
            (0..count).map(|_| self.random.between(-1000, 1000) as f32 / 1000.0 * size).collect();
        self.constant(name, shape, values);
    }

    /// Adds a node with one output, called like the node.
    pub(super) fn node(
        mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: &[AttributeProto],
    ) -> Self {
        self.graph.node.push(NodeProto {
            name: name.into(),
            op_type: operator.into(),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![name.into()],
            attribute: attributes.to_vec(),
            ..NodeProto::default()
        });
        self.last = name.into();
        self
    }

    /// The node added last belongs to `domain` and has these outputs; the last is read next.
    pub(super) fn of(mut self, domain: &str, outputs: &[&str]) -> Self {
        if let Some(node) = self.graph.node.last_mut() {
            node.domain = domain.into();
            node.output = outputs.iter().map(|output| (*output).to_owned()).collect();
        }
        self.last = (*outputs.last().expect("an output")).to_owned();
        self
    }

    /// Another output besides the last value.
    pub(super) fn output(mut self, name: &str) -> Self {
        self.graph.output.push(value_info(name, None));
        self
    }

    /// Adds a node that reads the last value.
    pub(super) fn then(self, operator: &str, name: &str, attributes: &[AttributeProto]) -> Self {
        let last = self.last.clone();
        self.node(operator, name, &[&last], attributes)
    }

    /// A convolution with random weights of `shape` and a bias.
    pub(super) fn conv(mut self, name: &str, shape: &[i64], attributes: &[AttributeProto]) -> Self {
        let (weights, bias) = (format!("{name}.w"), format!("{name}.b"));
        let depth = shape[1..].iter().product::<i64>() as f32;
        self.random(&weights, shape, 2.0 / depth.sqrt());
        self.random(&bias, &shape[..1], 0.3);
        let last = self.last.clone();
        self.node("Conv", name, &[&last, &weights, &bias], attributes)
    }

    /// Flatten and a dense layer to three logits.
    pub(super) fn head(mut self, inputs: i64) -> Self {
        self.random("head.w", &[3, inputs], 2.0 / (inputs as f32).sqrt());
        self.random("head.b", &[3], 0.2);
        self.then("Flatten", "flat", &[]).node(
            "Gemm",
            "head",
            &["flat", "head.w", "head.b"],
            &[int("transB", 1)],
        )
    }

    /// As [`Network::head`], of a value without a batch axis.
    pub(super) fn head_of(mut self, inputs: i64) -> Self {
        self.integers("head.flat", &[1, inputs]);
        let last = self.last.clone();
        self.node("Reshape", "head.x", &[&last, "head.flat"], &[]).head(inputs)
    }

    pub(super) fn source(mut self) -> Source {
        self.graph.output.push(value_info(&self.last, None));
        let version = OperatorSetIdProto { domain: String::new(), version: self.opset };
        let proto = ModelProto {
            ir_version: 8,
            opset_import: vec![version],
            graph: Some(self.graph),
            ..ModelProto::default()
        };
        Source { proto, folder: None, length: 0 }
    }
}
