//! What a circuit proves about its model, and the public inputs that it names.

use serde::{Deserialize, Serialize};

use assay_arithmetic::packed_outputs::{OUTPUT_BITS, OUTPUTS_PER_ELEMENT};
use assay_arithmetic::poseidon::BYTES_PER_ELEMENT;
use assay_graph::QuantizedGraph;

/// One of the four statements. Public inputs, in this order:
///
/// | prediction | audit | retrieval | classification |
/// |---|---|---|---|
/// | context | context | context | context |
/// | input commitment, or packed input | test-set root | collection root | collection root |
/// | outputs | first index | first index | first index |
/// | | number of items | number of items | number of items |
/// | | number classified correctly | bitmap of the selected items | answers, 15 to a word |
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
    /// This is what the model makes of each of these items of a committed collection. The answers are
    /// packed as [`assay_arithmetic::packed_outputs`] says, with zeros after the last item.
    Classification {
        /// Size and tree of the run.
        run: Run,
        /// What is shown of each item.
        answers: AnswerMode,
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
    /// The same, and after them the logit of each, in their order, as integer + 2^15.
    Scored(usize),
    /// All logits, each as integer + 2^15.
    Logits,
    /// The salted Poseidon commitment to all outputs, which are hidden.
    Commitment,
}

/// What a classification shows of each item, in 16 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// The class with the largest logit; among equals the first.
    Classes,
    /// The output of a network that has one, as integer + 2^15.
    Numbers,
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
/// Largest number of items whose answers one proof shows.
pub(crate) const MAX_LOG_CLASSIFIED: u32 = 8;
/// Classes that an answer has room for.
const MAX_ANSWERED_CLASSES: usize = 1 << OUTPUT_BITS;
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

    /// Words that hold an answer for each place.
    pub fn answer_words(&self) -> usize {
        self.items().div_ceil(OUTPUTS_PER_ELEMENT)
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
            Self::Audit { run, .. }
            | Self::Retrieval { run, .. }
            | Self::Classification { run, .. } => Some(*run),
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

    /// Whether outputs are hidden, bound by a hash.
    pub fn hashes_outputs(&self) -> bool {
        matches!(self, Self::Prediction { output: OutputMode::Commitment, .. })
    }

    /// Whether inputs are hidden, bound by a hash.
    pub fn hashes_inputs(&self) -> bool {
        !matches!(self, Self::Prediction { input: InputMode::Public, .. })
    }

    /// Short name: `prediction`, `audit`, `retrieval`, `classification`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prediction { .. } => "prediction",
            Self::Audit { .. } => "audit",
            Self::Retrieval { .. } => "retrieval",
            Self::Classification { .. } => "classification",
        }
    }

    /// Number of public inputs.
    pub fn public_inputs(&self, graph: &QuantizedGraph) -> usize {
        self.first_output(graph) + self.outputs(graph)
    }

    /// Number of output words: what is shown of the result, in public inputs.
    pub fn outputs(&self, graph: &QuantizedGraph) -> usize {
        match self {
            Self::Prediction { output, .. } => match output {
                OutputMode::Class | OutputMode::Commitment => 1,
                OutputMode::Best(count) => *count,
                OutputMode::Scored(count) => count.saturating_mul(2),
                OutputMode::Logits => graph.tensors[graph.output].shape[0],
            },
            Self::Audit { .. } | Self::Retrieval { .. } => 1,
            Self::Classification { run, .. } => run.answer_words(),
        }
    }

    /// Index of the first output word among the public inputs.
    pub fn first_output(&self, graph: &QuantizedGraph) -> usize {
        match self {
            Self::Prediction { input: InputMode::Public, .. } => {
                let bytes = graph.tensors[graph.input.tensor].shape.iter().product::<usize>();
                1 + bytes.div_ceil(BYTES_PER_ELEMENT)
            }
            Self::Prediction { .. } => 2,
            Self::Audit { .. } | Self::Retrieval { .. } | Self::Classification { .. } => 4,
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
            Self::Prediction {
                output: OutputMode::Best(count) | OutputMode::Scored(count),
                ..
            } if *count == 0 || *count > classes => {
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
            Self::Classification { run, .. } if run.log_items > MAX_LOG_CLASSIFIED => {
                Some(format!(
                    "the answers to 2^{} items (at most 2^{MAX_LOG_CLASSIFIED})",
                    run.log_items
                ))
            }
            Self::Classification { answers: AnswerMode::Numbers, .. } if classes != 1 => {
                Some(format!("one number an item of a network with {classes} outputs"))
            }
            Self::Classification { .. } if classes > MAX_ANSWERED_CLASSES => {
                Some(format!("one of {classes} classes an item (at most {MAX_ANSWERED_CLASSES})"))
            }
            _ => None,
        }
    }
}
