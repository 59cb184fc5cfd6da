//! What a circuit proves about its model, and the public inputs that it names.

use serde::{Deserialize, Serialize};

use assay_arithmetic::poseidon::BYTES_PER_ELEMENT;
use assay_graph::QuantizedGraph;

/// One of the three statements. Public inputs, in this order:
///
/// | prediction | audit | retrieval |
/// |---|---|---|
/// | context | context | context |
/// | input commitment, or packed input | test-set root | collection root |
/// | outputs | first index | first index |
/// | | number of items | number of items |
/// | | number classified correctly | bitmap of the selected items |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// This input gives this output.
    Prediction {
        /// Whether the input is hidden.
        input: InputMode,
        /// What is shown of the result.
        output: OutputMode,
    },
    /// Of these items of a committed test set so many are classified correctly.
    Audit {
        /// Size and tree of the run.
        run: Run,
        /// An item is correct when fewer than so many classes beat its label.
        top: usize,
    },
    /// These items of a committed collection are the ones the model assigns to a class.
    Retrieval {
        /// Size and tree of the run.
        run: Run,
        /// The class that items are selected for.
        class: usize,
    },
}

/// How the input of a prediction enters the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputMode {
    /// Public input 1 is the salted Poseidon commitment.
    Committed,
    /// Public inputs 1.. are the packed bytes, 31 an element.
    Public,
}

/// What a prediction shows of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputMode {
    /// The class with the largest logit; among equals the first.
    Class,
    /// So many classes, the best first.
    Best(usize),
    /// All logits, each as integer + 2^15.
    Logits,
}

/// A run of neighbouring leaves of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Run {
    /// A proof covers `2^log_items` places, from a multiple of that on.
    pub log_items: u32,
    /// Levels of the tree, `2^depth` leaves.
    pub depth: u32,
}

/// Largest number of items in one proof.
pub(crate) const MAX_LOG_ITEMS: u32 = 12;
/// A bitmap of a run must fit one public input.
pub(crate) const MAX_LOG_RETRIEVED: u32 = 7;
/// Deepest tree.
pub(crate) const MAX_DEPTH: u32 = 32;

impl Default for StatementKind {
    fn default() -> Self {
        Self::Prediction { input: InputMode::Committed, output: OutputMode::Class }
    }
}

impl Run {
    /// Places that a proof covers.
    pub fn items(&self) -> usize {
        1 << self.log_items
    }

    /// Levels between the run's own root and the tree's.
    pub fn path(&self) -> usize {
        (self.depth - self.log_items) as usize
    }
}

impl StatementKind {
    /// The run of items, for statements about collections.
    pub fn run(&self) -> Option<Run> {
        match self {
            Self::Prediction { .. } => None,
            Self::Audit { run, .. } | Self::Retrieval { run, .. } => Some(*run),
        }
    }

    /// Inputs that one proof speaks of.
    pub fn images(&self) -> usize {
        self.run().map_or(1, |run| run.items())
    }

    /// An item counts when fewer than so many classes beat its class.
    pub fn top(&self) -> usize {
        match self {
            Self::Audit { top, .. } => *top,
            _ => 1,
        }
    }

    /// Whether inputs are bound by a hash.
    pub fn hashes(&self) -> bool {
        !matches!(self, Self::Prediction { input: InputMode::Public, .. })
    }

    /// Short name: `prediction`, `audit`, `retrieval`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prediction { .. } => "prediction",
            Self::Audit { .. } => "audit",
            Self::Retrieval { .. } => "retrieval",
        }
    }

    /// Number of public inputs.
    pub fn public_inputs(&self, graph: &QuantizedGraph) -> usize {
        match self {
            Self::Prediction { output, .. } => {
                let outputs = match output {
                    OutputMode::Class => 1,
                    OutputMode::Best(count) => *count,
                    OutputMode::Logits => graph.tensors[graph.output].shape[0],
                };
                self.first_output(graph) + outputs
            }
            Self::Audit { .. } | Self::Retrieval { .. } => 5,
        }
    }

    /// Index of a prediction's first output among the public inputs.
    pub fn first_output(&self, graph: &QuantizedGraph) -> usize {
        match self {
            Self::Prediction { input: InputMode::Public, .. } => {
                let bytes = graph.tensors[graph.input.tensor].shape.iter().product::<usize>();
                1 + bytes.div_ceil(BYTES_PER_ELEMENT)
            }
            _ => 2,
        }
    }

    /// What is wrong with the statement for a network of so many classes.
    pub fn fault(&self, classes: usize) -> Option<String> {
        if let Some(run) = self.run()
            && (run.log_items > MAX_LOG_ITEMS || run.depth > MAX_DEPTH || run.log_items > run.depth)
        {
            return Some(format!(
                "a run of 2^{} items in a tree of depth {} (at most 2^{MAX_LOG_ITEMS} items, depth at \
                 most {MAX_DEPTH} and not below the run's)",
                run.log_items, run.depth
            ));
        }
        match self {
            Self::Prediction { output: OutputMode::Best(count), .. }
                if *count == 0 || *count > classes =>
            {
                Some(format!("the {count} best of {classes} classes"))
            }
            Self::Audit { top, .. } if *top == 0 || *top > classes => {
                Some(format!("top-{top} of {classes} classes"))
            }
            Self::Retrieval { class, .. } if *class >= classes => {
                Some(format!("class {class} of {classes}"))
            }
            Self::Retrieval { run, .. } if run.log_items > MAX_LOG_RETRIEVED => Some(format!(
                "a bitmap of 2^{} items (at most 2^{MAX_LOG_RETRIEVED})",
                run.log_items
            )),
            _ => None,
        }
    }
}
