//! Nodes as the importer understood them, before they are fused.

use super::{FloatOp, FloatTensorId, Function};

/// A node of the file as the importer understood it.
#[derive(Clone, Debug)]
pub(super) struct RawLayer {
    pub name: String,
    pub operator: String,
    pub output: FloatTensorId,
    pub step: Step,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Layer(FloatOp),
    /// `scale[c] * x + bias[c]`.
    Affine {
        input: FloatTensorId,
        scale: Vec<f64>,
        bias: Vec<f64>,
    },
    Apply {
        input: FloatTensorId,
        function: Function,
    },
}

impl Step {
    pub(super) fn reads(&self, tensor: FloatTensorId) -> bool {
        match self {
            Self::Layer(op) => op.inputs().contains(&tensor),
            Self::Affine { input, .. } | Self::Apply { input, .. } => *input == tensor,
        }
    }

    /// The tensors that it reads, to be changed.
    pub(super) fn inputs_mut(&mut self) -> Vec<&mut FloatTensorId> {
        match self {
            Self::Layer(op) => op.inputs_mut(),
            Self::Affine { input, .. } | Self::Apply { input, .. } => vec![input],
        }
    }

    /// The tensors that it reads.
    pub(super) fn inputs(&self) -> Vec<FloatTensorId> {
        match self {
            Self::Layer(op) => op.inputs(),
            Self::Affine { input, .. } | Self::Apply { input, .. } => vec![*input],
        }
    }
}
