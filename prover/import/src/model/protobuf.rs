//! The ONNX file: nodes, attributes, constant tensors.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Component, Path, PathBuf},
};

use tract_onnx::{
    pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType},
    prelude::Framework,
};

use super::{ImportError, constant::Constant, shapes::element_count};

/// A parsed file and the folder of its external data.
pub(super) struct Source {
    pub proto: ModelProto,
    pub folder: Option<PathBuf>,
    /// Bytes of the file itself.
    pub length: usize,
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Source").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Source {
    pub(super) fn parse(content: &[u8], folder: Option<&Path>) -> Result<Self, ImportError> {
        let mut reader = content;
        let proto = tract_onnx::onnx()
            .proto_model_for_read(&mut reader)
            .map_err(|error| ImportError::Parse(format!("{error:#}")))?;
        if proto.graph.is_none() {
            return Err(ImportError::Parse("it holds no graph".into()));
        }
        Ok(Self { proto, folder: folder.map(Path::to_owned), length: content.len() })
    }

    pub(super) fn graph(&self) -> Result<&GraphProto, ImportError> {
        self.proto.graph.as_ref().ok_or_else(|| ImportError::Parse("it holds no graph".into()))
    }

    /// Version of the standard operators that the file was written for.
    pub(super) fn opset(&self) -> i64 {
        let sets = self.proto.opset_import.iter();
        let mut standard = sets.filter(|set| matches!(set.domain.as_str(), "" | "ai.onnx"));
        standard.next().map_or(i64::MAX, |set| set.version)
    }

    /// All initializers by name.
    pub(super) fn initializers(&self) -> Result<HashMap<String, Constant>, ImportError> {
        let graph = self.graph()?;
        if let Some(sparse) = graph.sparse_initializer.first() {
            let name = sparse.values.as_ref().map_or("?", |values| values.name.as_str());
            return Err(ImportError::Tensor {
                tensor: name.into(),
                problem: "sparse initializers are not supported; export dense weights".into(),
            });
        }
        let mut constants = HashMap::new();
        for tensor in &graph.initializer {
            constants.insert(tensor.name.clone(), self.constant(tensor)?);
        }
        Ok(constants)
    }

    /// Decodes a tensor; every number is finite.
    pub(super) fn constant(&self, tensor: &TensorProto) -> Result<Constant, ImportError> {
        self.decode(tensor)
            .map_err(|problem| ImportError::Tensor { tensor: tensor.name.clone(), problem })
    }

    fn decode(&self, tensor: &TensorProto) -> Result<Constant, String> {
        let shape = tensor
            .dims
            .iter()
            .map(|dim| usize::try_from(*dim).map_err(|_| format!("negative dimension {dim}")))
            .collect::<Result<Vec<_>, _>>()?;
        let count = element_count(&shape)?;
        let kind = DataType::try_from(tensor.data_type)
            .map_err(|_| format!("unknown data type {}", tensor.data_type))?;
        let external;
        let raw = if tensor.data_location == Some(1) {
            external = self.external_data(tensor, count)?;
            external.as_slice()
        } else {
            tensor.raw_data.as_slice()
        };
        if kind == DataType::String {
            return Ok(Constant { shape, values: numbered(tensor, count)? });
        }
        let mut values =
            if raw.is_empty() { typed_values(tensor, kind)? } else { raw_values(raw, kind)? };
        values.iter_mut().for_each(|value| *value = masked(*value));
        if values.len() != count {
            return Err(format!("{} values for shape {shape:?}", values.len()));
        }
        if let Some(position) = values.iter().position(|value| !value.is_finite()) {
            return Err(format!("element {position} is {}, not a finite number", values[position]));
        }
        Ok(Constant { shape, values })
    }

    fn external_data(&self, tensor: &TensorProto, count: usize) -> Result<Vec<u8>, String> {
        let entry = |key: &str| {
            tensor.external_data.iter().find(|pair| pair.key == key).map(|pair| pair.value.as_str())
        };
        let number = |key: &str| {
            entry(key)
                .map(|text| text.parse::<u64>().map_err(|_| format!("external {key} is `{text}`")))
                .transpose()
        };
        let location = entry("location").ok_or("external data without a location")?;
        let folder = self.folder.as_deref().ok_or_else(|| {
            format!("external data `{location}`, but the file was not read from a folder")
        })?;
        let inside = Path::new(location)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            return Err(format!("external data `{location}` lies outside the model's folder"));
        }
        let missing = |error: std::io::Error| {
            format!("external data `{location}` cannot be read beside the model: {error}")
        };
        let mut file = File::open(folder.join(location)).map_err(missing)?;
        let offset = number("offset")?.unwrap_or(0);
        let size = file.metadata().map_err(missing)?.len();
        let length = number("length")?.unwrap_or(size.saturating_sub(offset));
        let end = offset.checked_add(length);
        // 8 bytes is the widest element.
        if end.is_none_or(|end| end > size) || length > 8 * count as u64 {
            return Err(format!(
                "external data `{location}` has {size} bytes; {length} at {offset} do not fit"
            ));
        }
        file.seek(SeekFrom::Start(offset)).map_err(missing)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(missing)?;
        Ok(bytes)
    }
}

/// Texts, such as names of classes, as numbers: each that of the first place that has the same.
fn numbered(tensor: &TensorProto, count: usize) -> Result<Vec<f64>, String> {
    if tensor.string_data.len() != count {
        return Err(format!("{} texts for {count} elements", tensor.string_data.len()));
    }
    let mut first = HashMap::new();
    let texts = tensor.string_data.iter().enumerate();
    Ok(texts.map(|(at, text)| *first.entry(text).or_insert(at) as f64).collect())
}

/// Masks say minus infinity for scores that do not count: the least number does the same.
pub(super) fn masked(value: f64) -> f64 {
    if value == f64::NEG_INFINITY { f64::from(f32::MIN) } else { value }
}

fn raw_values(raw: &[u8], kind: DataType) -> Result<Vec<f64>, String> {
    fn read<const N: usize>(
        raw: &[u8],
        convert: impl Fn([u8; N]) -> f64,
    ) -> Result<Vec<f64>, String> {
        let (chunks, rest) = raw.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(format!("{} bytes are not a multiple of {N}", raw.len()));
        }
        Ok(chunks.iter().map(|chunk| convert(*chunk)).collect())
    }
    match kind {
        DataType::Float => read(raw, |bytes| f64::from(f32::from_le_bytes(bytes))),
        DataType::Double => read(raw, f64::from_le_bytes),
        DataType::Float16 => read(raw, |bytes| half_to_f64(u16::from_le_bytes(bytes))),
        DataType::Int64 => read(raw, |bytes| i64::from_le_bytes(bytes) as f64),
        DataType::Int32 => read(raw, |bytes| f64::from(i32::from_le_bytes(bytes))),
        DataType::Int16 => read(raw, |bytes| f64::from(i16::from_le_bytes(bytes))),
        DataType::Uint16 => read(raw, |bytes| f64::from(u16::from_le_bytes(bytes))),
        DataType::Int8 => read(raw, |bytes| f64::from(i8::from_le_bytes(bytes))),
        DataType::Uint8 | DataType::Bool => read(raw, |bytes: [u8; 1]| f64::from(bytes[0])),
        other => Err(unsupported(other)),
    }
}

fn typed_values(tensor: &TensorProto, kind: DataType) -> Result<Vec<f64>, String> {
    Ok(match kind {
        DataType::Float => tensor.float_data.iter().map(|x| f64::from(*x)).collect(),
        DataType::Double => tensor.double_data.clone(),
        DataType::Int64 => tensor.int64_data.iter().map(|x| *x as f64).collect(),
        DataType::Float16 => tensor.int32_data.iter().map(|x| half_to_f64(*x as u16)).collect(),
        DataType::Int32
        | DataType::Int16
        | DataType::Int8
        | DataType::Uint16
        | DataType::Uint8
        | DataType::Bool => tensor.int32_data.iter().map(|x| f64::from(*x)).collect(),
        other => return Err(unsupported(other)),
    })
}

fn unsupported(kind: DataType) -> String {
    format!("data type {} is not supported; export float32 weights", kind.as_str_name())
}

/// IEEE 754 half precision.
pub(crate) fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction) * 2f64.powi(exponent - 15),
    }
}

/// A node with its attributes at hand.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    proto: &'a NodeProto,
}

impl<'a> Node<'a> {
    pub(super) fn new(proto: &'a NodeProto) -> Self {
        Self { proto }
    }

    pub(super) fn operator(&self) -> &'a str {
        &self.proto.op_type
    }

    pub(super) fn domain(&self) -> &'a str {
        &self.proto.domain
    }

    /// The node's name, or that of its first output for nodes without one.
    pub(super) fn name(&self) -> &'a str {
        match self.proto.output.first() {
            Some(output) if self.proto.name.is_empty() => output,
            _ => &self.proto.name,
        }
    }

    pub(super) fn outputs(&self) -> &'a [String] {
        &self.proto.output
    }

    pub(super) fn inputs(&self) -> &'a [String] {
        &self.proto.input
    }

    /// Input `index`, unless absent or empty.
    pub(super) fn input(&self, index: usize) -> Option<&'a str> {
        self.proto.input.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> ImportError {
        ImportError::Node {
            node: self.name().into(),
            operator: self.operator().into(),
            problem: problem.into(),
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.proto.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i)
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f64, ImportError> {
        let value = self.attribute(name).map_or(default, |attribute| attribute.f);
        if !value.is_finite() {
            return Err(self.error(format!("attribute `{name}` is {value}")));
        }
        Ok(f64::from(value))
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// The numbers of a list; none where there is no such attribute.
    pub(super) fn floats(&self, name: &str) -> Vec<f64> {
        let values = self.attribute(name).map_or(&[][..], |attribute| &attribute.floats);
        values.iter().map(|x| f64::from(*x)).collect()
    }

    /// The texts of a list; none where there is no such attribute.
    pub(super) fn strings(&self, name: &str) -> Vec<String> {
        let values = self.attribute(name).map_or(&[][..], |attribute| &attribute.strings);
        values.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(&self.attribute(name)?.s).ok()
    }
}
