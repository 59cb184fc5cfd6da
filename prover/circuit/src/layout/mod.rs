//! The layout of one network's circuit: which rows hold what. It depends on the architecture only
//! (shapes, shifts, tables), never on weights or inputs.

pub(crate) mod folds;
pub(crate) mod hash_rows;
pub(crate) mod kernels;
pub(crate) mod lookup_table;
pub(crate) mod placement;
pub(crate) mod planner;
pub(crate) mod profile;
pub(crate) mod reading;
pub(crate) mod scalar_program;
pub(crate) mod tile;

use std::collections::BTreeSet;

use assay_graph::QuantizedGraph;

use crate::LayoutError;
use crate::claims::{self, TileFactors};
use crate::gates::queries;
use crate::layout::folds::Folds;
use crate::layout::hash_rows::{HashRows, hash_rows};
use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::lookup_table::Tables;
use crate::layout::placement::{Functions, TileBuilder, place_tiles};
use crate::layout::profile::{ColumnProfile, HashGates, KernelRow, TileCells, TilePattern};
use crate::layout::reading::{Reading, assign_readings};
use crate::layout::scalar_program::{Program, ProgramBuilder};
use crate::layout::tile::{ChannelView, Tile};
use crate::statement::StatementKind;
use crate::statement_code::StatementCode;

/// What the planner may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LayoutOptions {
    /// Neighbouring values, or images, that a tile row holds: 2 to 64.
    pub lanes: usize,
    /// Columns that hold the weights: 1 to 96.
    pub weight_columns: usize,
    /// What is proven.
    pub statement: StatementKind,
    /// Openings of the weight columns that one blinding seed allows: rows of random values.
    pub openings: usize,
    /// First of the weights' rows.
    pub weights_row: usize,
    /// The weights' rows are those of the subgroup of `2^weights_k`; [`None`]: of this circuit's own
    /// domain. All circuits of a model share the weights' place, so that they commit to them with
    /// the same points.
    pub weights_k: Option<u32>,
}

/// Rows in use, by family of columns; they overlap. Those of the weights and of `rest` are rows of the
/// weights' own domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RowUse {
    /// Rows of tiles.
    pub tiles: usize,
    /// Rows of hashes.
    pub hash: usize,
    /// Rows of the lanes, our blinding included.
    pub lanes: usize,
    /// Rows of the scalar program.
    pub scalars: usize,
    /// Rows of weights and biases.
    pub weights: usize,
    /// Rows of rest grids.
    pub rest: usize,
    /// Rows of the lookup table.
    pub table: usize,
}

/// Which rows of a circuit hold what, and the scalar program over them.
#[derive(Clone, Debug)]
pub struct Layout {
    /// What it was made with.
    pub options: LayoutOptions,
    /// What columns and gates follow from.
    pub profile: ColumnProfile,
    /// `2^k` rows.
    pub k: u32,
    /// Public inputs, the context included.
    pub public_inputs: usize,
    /// What the verifying key says that it states.
    pub statement_code: StatementCode,
    /// All tiles, in the order of their rows.
    pub tiles: Vec<Tile>,
    /// What multiplies each tile's running evaluations.
    pub tile_factors: Vec<TileFactors>,
    /// How each tensor is read: the exponents of its evaluation.
    pub readings: Vec<Reading>,
    /// `views[tensor][channel]`.
    pub views: Vec<Vec<ChannelView>>,
    /// Where each convolution has its weights.
    pub kernels: Vec<Kernel>,
    /// Where each strided or padded layer has its rest cells.
    pub rests: Vec<RestGrid>,
    /// Exponent of `v` from a channel to the next in claims about elements.
    pub element_power: usize,
    /// The lookup table.
    pub tables: Tables,
    /// Rows of hashes, where the statement hashes.
    pub hash: Option<HashRows>,
    /// The claims, as straight-line arithmetic.
    pub program: Program,
    /// Rows of the `rem` columns that hold our own blinding.
    pub blinding_row: usize,
    /// First row of the weight columns' random values, in the weights' domain.
    pub openings_row: usize,
    /// How many rows each family uses.
    pub rows: RowUse,
}

/// Bounds on options that come with an architecture, which a stranger may have made.
const MOST_LANES: usize = 64;
const MOST_WEIGHT_COLUMNS: usize = 96;
const MOST_OPENINGS: usize = 1 << 20;

/// Largest `k`.
pub(crate) const MAX_K: u32 = 24;
/// Rows for constants and challenges, beyond those of the public inputs.
const LOAD_ROWS: usize = 64;
/// The same where the weights leave room for more: deep networks have a factor of its own in each layer.
const MANY_LOAD_ROWS: usize = 768;
/// First row of the weights in circuits with so many.
pub(crate) const MANY_WEIGHTS_ROW: usize = 1024;
/// Least first row of the weights: clear of the load rows of every statement but those that show
/// very many values.
const WEIGHTS_ROW: usize = 128;
/// Rows of the `rem` columns that carry our blinding: more than the points they are opened at.
pub(crate) const BLINDING_ROWS: usize = 8;
/// Rows that the library keeps for itself, one more than the blinding factors at most in use.
pub(crate) const RESERVED_ROWS: usize = 8;

impl LayoutOptions {
    fn check(&self) -> Result<(), LayoutError> {
        let good = (2..=MOST_LANES).contains(&self.lanes)
            && (1..=MOST_WEIGHT_COLUMNS).contains(&self.weight_columns)
            && self.openings <= MOST_OPENINGS
            && self.weights_row <= MOST_OPENINGS
            && self.weights_k.is_none_or(|k| k <= MAX_K);
        if good { Ok(()) } else { Err(LayoutError::Options) }
    }

    /// First row of the weights in a circuit that is not bound to another's place for them.
    pub fn own_weights_row(graph: &QuantizedGraph, statement: StatementKind) -> usize {
        (statement.public_inputs(graph) + LOAD_ROWS).max(WEIGHTS_ROW)
    }
}

/// Rows that bring constants and challenges, where the weights begin at this row.
fn load_rows_of(weights_row: usize) -> usize {
    if weights_row >= MANY_WEIGHTS_ROW { MANY_LOAD_ROWS } else { LOAD_ROWS }
}

impl Layout {
    /// Lays out the circuit of a network.
    ///
    /// # Errors
    /// [`LayoutError`].
    pub fn new(graph: &QuantizedGraph, options: LayoutOptions) -> Result<Self, LayoutError> {
        let statement = options.statement;
        if let Some(problem) = statement.fault(graph.tensors[graph.output].shape[0]) {
            return Err(LayoutError::Statement(problem));
        }
        options.check()?;
        let readings = assign_readings(graph)?;
        let mut functions = Functions { tables: graph.functions.clone() };
        let public_inputs = statement.public_inputs(graph);
        let load_rows = public_inputs + load_rows_of(options.weights_row);

        // The row before the first tile stays empty, as does the one after the last.
        let folds = Folds::new(graph, statement, options.weight_columns);
        let mut tiles = TileBuilder {
            folds: folds.clone(),
            lanes: options.lanes,
            images: statement.images(),
            next_row: load_rows + 1,
            tiles: Vec::new(),
        };
        let views = place_tiles(graph, statement, &readings, &mut functions, &mut tiles)?;
        functions.check()?;
        let (tiles_end, tiles) = (tiles.next_row, tiles.tiles);
        check_exponents(&tiles)?;

        let shifts = BTreeSet::from_iter(tiles.iter().map(|tile| tile.shift));
        let tables = Tables::new(functions.tables, &Vec::from_iter(shifts), load_rows);
        let (kernels, rests, weights_end) =
            kernels::place(graph, &readings, options.weight_columns, options.weights_row);
        let weight_rows = kernels.last().map_or(options.weights_row, Kernel::end);

        let hash =
            hash_gates(&options).map(|gates| hash_rows(graph, statement, gates, tiles_end + 1));
        let hash_end = hash.as_ref().map_or(tiles_end + 1, HashRows::end);
        let blocked = hash.as_ref().map_or_else(Vec::new, |hash| hash.blocked_rows(options.lanes));

        let mut builder =
            ProgramBuilder::new(public_inputs, load_rows, tiles_end + 1, blocked, folds.any);
        let parts = claims::Parts {
            graph,
            tiles: &tiles,
            readings: &readings,
            views: &views,
            kernels: &kernels,
            rests: &rests,
            hash: hash.as_ref(),
            folds: &folds,
            statement,
        };
        let tile_factors = claims::build(&parts, &mut builder);
        let program = builder.finish().ok_or(LayoutError::TooManyConstants)?;

        let blinding_row = program.end.max(hash_end);
        // The last usable row is a load row.
        let other_rows = (blinding_row + BLINDING_ROWS).max(tables.end() + 1);
        let weights_rows = weights_end.max(weight_rows + options.openings); // Rest rows do not use the weight columns.
        let (k, weight_stride) = size(&options, weights_rows, other_rows, load_rows)?;
        let profile = profile(&options, weight_stride, &tiles, &kernels);
        queries::check(&profile, k)?;
        let rows = RowUse {
            tiles: tiles_end - load_rows - 1,
            hash: hash.as_ref().map_or(0, |hash| hash.end() - hash.first_row),
            lanes: blinding_row + BLINDING_ROWS,
            scalars: program.end - tiles_end,
            weights: weight_rows - options.weights_row,
            rest: weights_end - weight_rows,
            table: tables.end() - load_rows,
        };
        Ok(Self {
            options,
            profile,
            k,
            public_inputs,
            statement_code: StatementCode::of(statement, graph),
            tiles,
            tile_factors,
            readings,
            views,
            kernels,
            rests,
            element_power: folds.power(),
            tables,
            hash,
            program,
            blinding_row,
            openings_row: weight_rows,
            rows,
        })
    }

    /// First row of convolution `index`'s weights, in the weights' domain.
    pub fn kernel_first_row(&self, index: usize) -> usize {
        self.kernels[index].first_row
    }

    /// First row of the lookup table.
    pub fn tables_first_row(&self) -> usize {
        self.tables.first_row
    }

    /// First row of the first rest grid, in the weights' domain.
    pub fn rests_first_row(&self) -> Option<usize> {
        self.rests.first().map(|rest| rest.first_row)
    }

    /// Rows from one row of the weights to the next.
    pub fn weight_stride(&self) -> usize {
        self.profile.weight_stride
    }

    /// Rows of the weights' domain.
    pub fn weight_domain(&self) -> usize {
        (1 << self.k) / self.weight_stride()
    }

    /// One past the last tile row.
    pub fn tiles_end(&self) -> usize {
        self.tiles.last().map_or(0, |tile| tile.first_row + tile.rows())
    }

    /// Rows that hold data in the fullest column family.
    pub fn rows_used(&self) -> usize {
        let weights = self.openings_row + self.rows.rest.max(self.options.openings);
        self.rows.lanes.max(self.tables.end()).max(weights * self.weight_stride())
    }
}

fn profile(
    options: &LayoutOptions,
    weight_stride: usize,
    tiles: &[Tile],
    kernels: &[Kernel],
) -> ColumnProfile {
    let patterns = tiles.iter().flat_map(Tile::patterns).collect::<BTreeSet<TilePattern>>();
    let kernel_rows = kernels.iter().flat_map(Kernel::kernel_rows).collect::<BTreeSet<KernelRow>>();
    ColumnProfile {
        lanes: options.lanes,
        weight_columns: options.weight_columns,
        weight_stride,
        patterns: patterns.into_iter().collect(),
        kernel_rows: kernel_rows.into_iter().collect(),
        hash: hash_gates(options),
        batch: options.statement.images() > 1,
        folds: tiles.iter().any(|tile| tile.folds.iter().any(Option::is_some)),
    }
}

/// Batches take the wide gates where their lanes allow it.
fn hash_gates(options: &LayoutOptions) -> Option<HashGates> {
    let wide = options.statement.run().is_some() && options.lanes >= HashGates::WIDE_LANES;
    let gates = if wide { HashGates::Wide } else { HashGates::Narrow };
    let hashes = options.statement.hashes_inputs() || options.statement.hashes_outputs();
    hashes.then_some(gates)
}

/// Positions of a tile must not share an exponent, but for products that are to be summed.
fn check_exponents(tiles: &[Tile]) -> Result<(), LayoutError> {
    for tile in tiles {
        let size = [tile.shape[1], tile.shape[2]];
        let summed = tile.cells == TileCells::Product && tile.produced == Reading::SUM;
        if !(summed || tile.produced.separates(size)) || !tile.consumed.separates(size) {
            return Err(LayoutError::Exponents { part: tile.name.clone() });
        }
    }
    Ok(())
}

/// `k` of a circuit with so many rows of weights and of everything else, and the distance of its rows of
/// weights.
fn size(
    options: &LayoutOptions,
    weights_rows: usize,
    other_rows: usize,
    load_rows: usize,
) -> Result<(u32, usize), LayoutError> {
    let bits = |rows: usize| (rows + RESERVED_ROWS).next_power_of_two().ilog2();
    let (weight_bits, other_bits) = (bits(weights_rows), bits(other_rows));
    let weights_k = options.weights_k.unwrap_or(weight_bits.max(other_bits));
    let k = weights_k.max(other_bits);
    let weight_stride = 1 << (k - weights_k);
    if weight_bits > weights_k || options.weights_row * weight_stride < load_rows {
        return Err(LayoutError::WeightsPlace);
    }
    Ok((k, weight_stride))
}
