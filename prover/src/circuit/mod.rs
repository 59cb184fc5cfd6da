//! The circuit: tiles and claims. See docs/circuit.md for the design and its soundness.

mod claims;
mod config;
mod copies;
mod cost;
mod evaluations;
mod hash_gates;
mod hashing;
mod kernels;
mod layout;
mod model_circuit;
mod placement;
mod planner;
mod profile;
mod program;
mod queries;
mod reading;
mod rest;
mod statement;
mod tables;
mod tile;
mod tile_values;
mod witness;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::mixed_network as test_network;

pub use config::ModelConfig;
pub use cost::{Cost, CostPart, PartCost, TableCost};
pub use layout::{ChannelView, HashRows, Layout, LayoutOptions, RowUse};
pub use model_circuit::ModelCircuit;
#[cfg(any(test, feature = "test-support"))]
pub use model_circuit::Tampering;
pub use planner::{Estimate, PlanRequest, WeightsPlace, plan};
pub use profile::{ColumnProfile, HashGates, KernelRow, LaneBase, TileCells, TilePattern};
pub use program::field;
pub use statement::{InputMode, OutputMode, Run, StatementKind};
pub use tile::{Tile, TileSource};
pub use witness::{Assignment, FirstPhase, ProvenInput, TreePlace, random_salt};

/// Why no layout can be made for a graph.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    #[error(
        "from 2 to 64 lanes, from 1 to 64 weight columns, at most 2^20 openings, and weights that start \
         within 2^20 rows of at most 2^24 are allowed"
    )]
    Options,
    #[error("no circuit proves a statement about {0}")]
    Statement(String),
    #[error(
        "layer `{layer}`: its max-pool asks for a layout that another reader of the same tensor \
         forbids; insert an identity between them (export the model with the pools separated)"
    )]
    ConflictingPools { layer: String },
    #[error(
        "`{part}`: the strides of the pools before it and its size call for exponents of 2^32 and more, \
         or two of its positions would share one; no circuit is made of that"
    )]
    Exponents { part: String },
    #[error(
        "the table `{table}` is about {min}..={max}, the circuit holds -32768..=32767; import the model \
         with fewer bits for its outputs or activations"
    )]
    Range { table: String, min: i64, max: i64 },
    #[error("layer `{0}` has no inputs")]
    Empty(String),
    #[error("the network uses more distinct constants than the circuit has load rows for")]
    TooManyConstants,
    #[error(
        "the weights do not fit the place that another circuit of this model keeps for them, because \
         this one has fewer rows or shows more values; try other lanes, or import the model for this \
         statement and derive the others"
    )]
    WeightsPlace,
    #[error("two of the cells that a gate reads are one, or a challenge is missing")]
    Queries,
    #[error("the network needs 2^{k} rows, more than the largest supported size 2^{max}")]
    TooLarge { k: u32, max: u32 },
}

/// Why no witness can be made for an input.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error(
        "layer `{layer}`: value {value} lies outside the calibrated range {min}..={max}; \
         calibrate with inputs like this one, or with a larger margin"
    )]
    OutOfRange { layer: String, value: i64, min: i32, max: i32 },
    #[error("the layout was made for another graph")]
    Mismatch,
}
