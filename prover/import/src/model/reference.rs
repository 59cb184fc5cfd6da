//! The original network run by tract, independent of this crate's own import.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::{pb::tensor_proto::DataType, prelude::*};

use super::{FloatInput, FloatInputPart, ImportError, ImportOptions, declared, protobuf::Source};

/// The original network, ready to run.
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    /// The file's inputs, and the number that one is everywhere.
    parts: Vec<(FloatInputPart, Option<f32>)>,
    elements: usize,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reference").field("inputs", &self.parts).finish_non_exhaustive()
    }
}

impl Reference {
    #[cfg(test)]
    pub(super) fn new(source: &Source, input: &FloatInput) -> Result<Self, ImportError> {
        Self::with_options(source, input, &ImportOptions::default())
    }

    /// Of the file's first output, or the one that the options name; with what they fix.
    pub(super) fn with_options(
        source: &Source,
        input: &FloatInput,
        options: &ImportOptions,
    ) -> Result<Self, ImportError> {
        let folder = source.folder.as_ref().and_then(|folder| folder.to_str());
        let constants = source.initializers()?;
        let names = source.graph()?.input.iter().map(|input| &input.name);
        let names = names.filter(|name| !constants.contains_key(*name)).collect::<Vec<_>>();
        let mut parts = input.parts.iter();
        let mut fed = Vec::with_capacity(names.len());
        for name in names {
            match options.fixed_inputs.iter().find(|(fixed, _)| fixed == name) {
                Some((_, value)) => {
                    let kind = source.graph()?.input.iter().find(|input| input.name == *name);
                    let kind = kind.and_then(|input| input.r#type.as_ref());
                    let (onnx_shape, elem_type) = declared::declared_shape(name, kind, options)
                        .map_err(ImportError::Reference)?;
                    let (name, order, first) = (name.clone(), None, 0);
                    let part = FloatInputPart { name, onnx_shape, order, elem_type, first };
                    fed.push((part, Some(*value as f32)));
                }
                None => fed.extend(parts.next().map(|part| (part.clone(), None))),
            }
        }
        let prepare = || -> TractResult<Arc<TypedRunnableModel>> {
            let mut model = tract_onnx::onnx().parse(&source.proto, folder)?.model;
            for (index, (part, _)) in fed.iter().enumerate() {
                let fact = data_type(part).fact(part.onnx_shape.as_slice());
                model = model.with_input_fact(index, fact.into())?;
            }
            if let Some(output) = &options.outputs {
                model = model.with_outputs_by_name([output])?;
            }
            // Not tract's optimizer: version 0.23 moves strides across convolutions wrongly.
            model.into_typed()?.into_runnable()
        };
        let plan = guarded(prepare)?;
        let elements = input.parts.iter().map(FloatInputPart::elements).sum();
        Ok(Self { plan, parts: fed, elements })
    }

    /// Runs on the numbers of all inputs, of a single one as `[channels, height, width]`, row-major, and
    /// returns the network's output.
    ///
    /// # Errors
    /// [`ImportError::Reference`] for an input of the wrong length, or when the run fails.
    pub fn run(&self, input: &[f32]) -> Result<Vec<f32>, ImportError> {
        if input.len() != self.elements {
            return Err(ImportError::Reference(format!(
                "the input has {} values, the network takes {}",
                input.len(),
                self.elements
            )));
        }
        let mut declared = Vec::with_capacity(input.len());
        for (part, _) in self.parts.iter().filter(|(_, fixed)| fixed.is_none()) {
            let numbers = &input[part.first..][..part.elements()];
            match &part.order {
                Some(order) => declared.extend(order.iter().map(|at| numbers[*at as usize])),
                None => declared.extend_from_slice(numbers),
            }
        }
        self.run_declared(&declared)
    }

    /// Runs on the numbers of all inputs, each as the file declares it, row-major: no matter how this crate
    /// reads and stores them.
    ///
    /// # Errors
    /// As [`Reference::run`].
    pub fn run_declared(&self, input: &[f32]) -> Result<Vec<f32>, ImportError> {
        guarded(|| {
            let (mut tensors, mut rest) = (tvec!(), input);
            for (part, fixed) in &self.parts {
                let ordered = match fixed {
                    Some(value) => vec![*value; part.elements()],
                    None => {
                        let (own, others) = rest
                            .split_at_checked(part.elements())
                            .ok_or_else(|| TractError::msg("too few numbers"))?;
                        rest = others;
                        own.to_vec()
                    }
                };
                let tensor = Tensor::from_shape(&part.onnx_shape, &ordered)?;
                tensors.push(tensor.cast_to_dt(data_type(part))?.into_owned().into_tvalue());
            }
            let outputs = self.plan.run(tensors)?;
            let Some(output) = outputs.into_iter().next() else {
                return Err(TractError::msg("the network has no output"));
            };
            let output = output.cast_to::<f32>()?.into_owned();
            Ok(output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        })
    }
}

/// What tract calls the type of an input.
fn data_type(part: &FloatInputPart) -> tract_onnx::prelude::DatumType {
    use tract_onnx::prelude::DatumType as T;
    match DataType::try_from(part.elem_type) {
        Ok(DataType::Bool) => T::Bool,
        Ok(DataType::Int8) => T::I8,
        Ok(DataType::Int16) => T::I16,
        Ok(DataType::Int32) => T::I32,
        Ok(DataType::Int64) => T::I64,
        Ok(DataType::Uint8) => T::U8,
        Ok(DataType::Uint16) => T::U16,
        Ok(DataType::Uint32) => T::U32,
        Ok(DataType::Uint64) => T::U64,
        Ok(DataType::Double) => T::F64,
        Ok(DataType::Float16) => T::F16,
        _ => T::F32,
    }
}

/// tract is not written for hostile files: a panic inside it becomes an error.
fn guarded<T>(action: impl FnOnce() -> TractResult<T>) -> Result<T, ImportError> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(result) => result.map_err(|error| ImportError::Reference(format!("{error:#}"))),
        Err(_) => Err(ImportError::Reference("tract failed on this network".into())),
    }
}
