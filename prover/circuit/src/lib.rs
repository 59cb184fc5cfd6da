//! The circuit: tiles and claims. See docs/circuit.md for the design and its soundness.

mod architecture;
mod claims;
mod cost;
mod gates;
mod layout;
mod statement;
#[cfg(feature = "witness")]
mod witness;

#[cfg(test)]
mod tests;

pub use architecture::{Architecture, ArchitectureError};
pub use cost::{Cost, CostPart, PartCost, TableCost};
pub use gates::{
    ModelConfig,
    model_circuit::{CellChange, ModelCircuit},
};
pub use layout::{
    Layout, LayoutOptions, RowUse,
    hash_rows::HashRows,
    planner::{Estimate, PlanRequest, WeightsPlace, plan},
    profile::{ColumnProfile, HashGates, KernelRow, LaneBase, TileCells, TilePattern},
    scalar_program::field,
    tile::{ChannelView, Tile, TileSource},
};
pub use statement::{InputMode, OutputMode, Run, StatementKind};
#[cfg(feature = "witness")]
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
