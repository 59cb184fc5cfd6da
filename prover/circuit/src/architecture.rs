//! The architecture: what a seller publishes, and what the verifying key depends on.

use assay_arithmetic::keccak256;
use assay_graph::{GraphError, Op, QuantizedGraph};
use serde::{Deserialize, Serialize};

use crate::{
    LayoutError,
    layout::{Layout, LayoutOptions},
};

/// Why a text is no usable architecture.
#[derive(Debug, thiserror::Error)]
pub enum ArchitectureError {
    /// Not the published form.
    #[error("it is no architecture: {0}")]
    Json(#[from] serde_json::Error),
    /// Breaks a rule for networks.
    #[error("the quantized network is not valid: {0}")]
    Graph(#[from] GraphError),
    /// No circuit can be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

/// What the verifying key depends on: the network without its weights, and the layout's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Shapes, shifts and tables; no weights.
    pub graph: QuantizedGraph,
    /// What the planner chose.
    pub options: LayoutOptions,
}

impl Architecture {
    /// The public part of a network and its layout's options.
    pub fn of(graph: &QuantizedGraph, options: LayoutOptions) -> Self {
        let mut graph = graph.clone();
        for layer in &mut graph.layers {
            if let Op::Conv { weights, bias, .. } = &mut layer.op {
                weights.clear();
                bias.clear();
            }
        }
        Self { graph, options }
    }

    /// The published form; its hash is the circuit hash.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Keccak-256 of [`Architecture::to_json`].
    pub fn circuit_hash(&self) -> [u8; 32] {
        keccak256(&[self.to_json().as_bytes()])
    }

    /// Reads the published form.
    ///
    /// # Errors
    /// [`ArchitectureError`] when the text is no architecture, or describes no valid network.
    pub fn from_json(text: &str) -> Result<Self, ArchitectureError> {
        let parsed: Self = serde_json::from_str(text)?;
        parsed.with_zero_weights().validate()?;
        Ok(parsed)
    }

    /// The layout of the circuit.
    ///
    /// # Errors
    /// [`ArchitectureError::Graph`] for no valid network, [`ArchitectureError::Layout`].
    pub fn layout(&self) -> Result<Layout, ArchitectureError> {
        self.with_zero_weights().validate()?;
        Ok(Layout::new(&self.graph, self.options)?)
    }

    /// The network with zeros for weights, so that the rules for networks apply to an architecture,
    /// which comes from a stranger.
    fn with_zero_weights(&self) -> QuantizedGraph {
        const MOST: usize = 1 << 30;
        let mut graph = self.graph.clone();
        let channels = |tensor: usize| self.graph.tensors.get(tensor).map_or(0, |t| t.shape[0]);
        for layer in &mut graph.layers {
            let outputs = channels(layer.output);
            if let Op::Conv { input, window, groups, weights, bias, .. } = &mut layer.op {
                let inputs = channels(*input).checked_div(*groups).unwrap_or(0);
                let count = [outputs, inputs, window.kernel[0], window.kernel[1]]
                    .into_iter()
                    .try_fold(1usize, usize::checked_mul)
                    .filter(|count| *count <= MOST);
                // Sizes beyond that are left wrong, and refused.
                *weights = vec![0; count.unwrap_or(0)];
                *bias = vec![0; outputs.min(MOST)];
            }
        }
        graph
    }
}
