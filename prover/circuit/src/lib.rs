//! The circuit of a quantized network: tiles and claims. docs/circuit.md has the design and its soundness;
//! this is the map from there to the code.
//!
//! A *claim* is an equation between evaluations; a *gate* is a polynomial that holds in every row. A few
//! gates carry all claims: the claims of a network become a straight-line program over scalars, and copy
//! constraints tie its operands to what the gates evaluate.
//!
//! | wing | holds | may use |
//! |---|---|---|
//! | `layout` | which rows hold what, from the architecture alone | its parts; `claims` once to build the program, `gates::queries` once to check the profile |
//! | `claims` | what ties the tiles to each other, to the weights and to the public inputs | the parts of `layout` |
//! | `gates` | columns, polynomials, fixed values, copies | `layout`, `witness` to fill the columns |
//! | `witness` | the advice columns, phase by phase | `layout` |
//!
//! | section of docs/circuit.md | layout | claim | gate | witness |
//! |---|---|---|---|---|
//! | 2 columns and rows | `layout::{tile, kernels, placement, profile}` | | `gates::ModelConfig` | `witness` |
//! | 3 lookups | `layout::lookup_table` | | `lookup`, `lookup sum` | `witness::lookups` |
//! | 4 evaluations | `layout::reading` | `claims::build` (powers of `z`) | `tile evaluations`, `weight sums` | `witness::{evaluations, weight_sums}` |
//! | 5 claims: layers | `layout::kernels` (weights, rest cells) | `claims::layers` | `scalar program` | `witness::{tile_values, rest}` |
//! | 5 claims: sums of products | `layout::placement` (`Reading::SUM` over planes) | `claims::layers` (`dot`) | `tile evaluations`, `scalar program` | `witness::tile_values` |
//! | 5 claims: transposition, products of matrices | `layout::reading` (room between places) | `claims::matrices` | `scalar program` | `witness::tile_values` |
//! | 5 claims: input | `layout::placement` | `claims::input` | `scalar program` | `witness::tile_values` |
//! | 5 claims: class, ranks, logits | `layout::placement` | `claims::ranking` | `scalar program` | `witness::tile_values` |
//! | 6 collections | `statement` | `claims::{collection, ranking}` | `scalar program` | `witness` |
//! | 7 hash of the input | `layout::hash_rows` | `claims::input`, `claims::collection` | `hash` | `witness::hash` |
//! | 8 the model's commitment | `layout::planner` (one place for the weights) | | | `Layout::weight_columns` |
//!
//! Tests: `tests::tampering` changes every kind of cell, `tests::forgeries` carries forgeries through,
//! `tests::random_audits` and `tests::layouts` try random networks and options.

// What only `witness` needs stays, so that both builds read alike.
#![cfg_attr(not(feature = "witness"), allow(dead_code, unused_imports))]

mod architecture;
mod claims;
mod cost;
mod gates;
mod layout;
mod statement;
mod statement_code;
#[cfg(feature = "witness")]
mod witness;

#[cfg(test)]
mod tests;

pub use architecture::{Architecture, ArchitectureError};
pub use cost::{Cost, CostPart, PartCost, TableCost};
pub use gates::{ModelConfig, model_circuit::ModelCircuit};
pub use layout::{
    Layout, LayoutOptions, RowUse,
    hash_rows::HashRows,
    planner::{Estimate, PlanRequest, Preference, WeightsPlace, plan},
    profile::{ColumnProfile, HashGates, KernelRow, LaneBase, TileCells, TilePattern},
    scalar_program::field,
    tile::{ChannelView, Tile, TileSource},
};
pub use statement::{AnswerMode, InputMode, OutputMode, Run, StatementKind};
pub use statement_code::{STATEMENT_CODE_BYTES, StatementCode};
#[cfg(feature = "witness")]
pub use witness::cell_change::CellChange;
#[cfg(feature = "witness")]
pub use witness::{
    Assignment, FirstPhase, LaneColumns, ModelAdvice, ProvenInput, SmallColumn, SmallNumber,
    TreePlace, random_salt,
};

/// Why no layout can be made for a graph.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Options out of bounds.
    #[error(
        "from 2 to 64 lanes, from 1 to 96 weight columns, at most 2^20 openings, and weights that start \
         within 2^20 rows of at most 2^24 are allowed"
    )]
    Options,
    /// A statement that does not fit the network, in words.
    #[error("no circuit proves a statement about {0}")]
    Statement(String),
    /// Two readers of a tensor ask for different readings.
    #[error(
        "layer `{layer}`: its max-pool asks for a layout that another reader of the same tensor \
         forbids; insert an identity between them (export the model with the pools separated)"
    )]
    ConflictingPools {
        /// The max-pool.
        layer: String,
    },
    /// Positions would share an exponent, or exceed 2^32.
    #[error(
        "`{part}`: the strides of the pools before it and its size call for exponents of 2^32 and more, \
         or two of its positions would share one; no circuit is made of that"
    )]
    Exponents {
        /// The layer or part.
        part: String,
    },
    /// A function table beyond 16 bits.
    #[error(
        "the table `{table}` is about {min}..={max}, the circuit holds -32768..=32767; import the model \
         with fewer bits for its outputs or activations"
    )]
    Range {
        /// The function's name.
        table: String,
        /// Least argument.
        min: i64,
        /// Largest argument.
        max: i64,
    },
    /// A layer without inputs, by its name.
    #[error("layer `{0}` has no inputs")]
    Empty(String),
    /// More constants than load rows.
    #[error("the network uses more distinct constants than the circuit has load rows for")]
    TooManyConstants,
    /// The weights do not fit where another circuit of the model has them.
    #[error(
        "the weights do not fit the place that another circuit of this model keeps for them, because \
         this one has fewer rows or shows more values; try other lanes, or import the model for this \
         statement and derive the others"
    )]
    WeightsPlace,
    /// Rotations of the weights' rows and other queries fall together, or a batch lacks its challenge.
    #[error("two of the cells that a gate reads are one, or a challenge is missing")]
    Queries,
    /// More rows than are supported.
    #[error("the network needs 2^{k} rows, more than the largest supported size 2^{max}")]
    TooLarge {
        /// Logarithm of the rows that are needed.
        k: u32,
        /// Largest logarithm.
        max: u32,
    },
    /// No layout takes as little memory as it may.
    #[error(
        "a proof of this network takes at least {least} MB of memory by the cost model, more than the {max} MB \
         that it may take"
    )]
    TooMuchMemory {
        /// Least memory of a layout, in MB.
        least: f64,
        /// What it may take, in MB.
        max: f64,
    },
}

/// Why no witness can be made for an input.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A value that no row of its table holds.
    #[error(
        "layer `{layer}`: value {value} lies outside the calibrated range {min}..={max}; \
         calibrate with inputs like this one, or with a larger margin"
    )]
    OutOfRange {
        /// The layer.
        layer: String,
        /// Its value.
        value: i64,
        /// Least value that its table holds.
        min: i32,
        /// Largest value that its table holds.
        max: i32,
    },
    /// Assignment and layout are of different networks or statements.
    #[error("the layout was made for another graph")]
    Mismatch,
}
