//! The original network run by tract, independent of this crate's own import.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tract_onnx::prelude::*;

use super::{FloatInput, ImportError, protobuf::Source};

/// The original network, ready to run.
pub struct Reference {
    plan: Arc<TypedRunnableModel>,
    input: FloatInput,
    elements: usize,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reference").field("input", &self.input.name).finish_non_exhaustive()
    }
}

impl Reference {
    pub(super) fn new(source: &Source, input: &FloatInput) -> Result<Self, ImportError> {
        let folder = source.folder.as_ref().and_then(|folder| folder.to_str());
        let prepare = || -> TractResult<Arc<TypedRunnableModel>> {
            let model = tract_onnx::onnx().parse(&source.proto, folder)?.model;
            let fact = f32::fact(input.onnx_shape.as_slice());
            // Not tract's optimizer: version 0.23 moves strides across convolutions wrongly.
            model.with_input_fact(0, fact.into())?.into_typed()?.into_runnable()
        };
        let plan = guarded(prepare)?;
        let elements = input.onnx_shape.iter().product();
        Ok(Self { plan, input: input.clone(), elements })
    }

    /// Runs on `[channels, height, width]` values, row-major, and returns the network's output.
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
        let ordered: Vec<f32> = match &self.input.order {
            Some(order) => order.iter().map(|index| input[*index as usize]).collect(),
            None => input.to_vec(),
        };
        guarded(|| {
            let tensor = Tensor::from_shape(&self.input.onnx_shape, &ordered)?;
            let outputs = self.plan.run(tvec!(tensor.into_tvalue()))?;
            let Some(output) = outputs.into_iter().next() else {
                return Err(TractError::msg("the network has no output"));
            };
            let output = output.cast_to::<f32>()?.into_owned();
            Ok(output.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
        })
    }
}

/// tract is not written for hostile files: a panic inside it becomes an error.
fn guarded<T>(action: impl FnOnce() -> TractResult<T>) -> Result<T, ImportError> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(result) => result.map_err(|error| ImportError::Reference(format!("{error:#}"))),
        Err(_) => Err(ImportError::Reference("tract failed on this network".into())),
    }
}
