//! The layout of one network's circuit: which rows hold what. It depends on the architecture only
//! (shapes, shifts, tables), never on weights or inputs.

use std::collections::BTreeSet;

use crate::graph::{FunctionTable, Op, QuantizedGraph, Tensor, TensorId};
use crate::poseidon::{self, BYTES_PER_ELEMENT, RATE};

use super::{
    LayoutError,
    claims::{self, TileFactors},
    kernels::{self, Kernel, RestGrid},
    profile::{ColumnProfile, KernelRow, TilePattern},
    program::{Program, ProgramBuilder},
    reading::{Reading, assign_readings},
    tables::Tables,
    tile::{Tile, TileSource},
};

/// How the input enters the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputMode {
    /// Public input 1 is the salted Poseidon commitment.
    Committed,
    /// Public inputs 1.. are the packed bytes, 31 an element.
    Public,
}

/// What the planner may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LayoutOptions {
    pub lanes: usize,
    pub weight_columns: usize,
    pub input_mode: InputMode,
    /// Openings of the weight columns that one blinding seed allows: rows of random values.
    pub openings: usize,
}

/// One channel of a tensor: a sum of tile channels and a constant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChannelView {
    /// `(tile, channel)`.
    pub terms: Vec<(usize, usize)>,
    pub constant: i64,
}

/// Rows of the hash of a committed input.
#[derive(Clone, Debug)]
pub struct HashRows {
    pub first_row: usize,
    /// Permutations.
    pub blocks: usize,
}

impl HashRows {
    /// Rows of one permutation: the absorption, the S-boxes.
    pub const BLOCK: usize =
        poseidon::WIDTH + poseidon::FULL_ROUNDS * poseidon::WIDTH + poseidon::PARTIAL_ROUNDS;

    /// First row of block `index`; that of `blocks` is the row that exports the result.
    pub fn block_row(&self, index: usize) -> usize {
        self.first_row + index * Self::BLOCK
    }

    /// One past the last row: the export row and the row that its shift writes to.
    pub fn end(&self) -> usize {
        self.block_row(self.blocks) + 2
    }
}

/// Rows in use, by family of columns; they overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RowUse {
    pub tiles: usize,
    pub hash: usize,
    pub lanes: usize,
    pub scalars: usize,
    pub weights: usize,
    pub rest: usize,
    pub table: usize,
}

#[derive(Clone, Debug)]
pub struct Layout {
    pub options: LayoutOptions,
    pub profile: ColumnProfile,
    /// `2^k` rows.
    pub k: u32,
    pub public_inputs: usize,
    pub tiles: Vec<Tile>,
    /// What multiplies each tile's running evaluations.
    pub tile_factors: Vec<TileFactors>,
    pub readings: Vec<Reading>,
    /// `views[tensor][channel]`.
    pub views: Vec<Vec<ChannelView>>,
    pub kernels: Vec<Kernel>,
    pub rests: Vec<RestGrid>,
    pub tables: Tables,
    pub hash: Option<HashRows>,
    pub program: Program,
    /// Rows of the `rem` columns that hold our own blinding.
    pub blinding_row: usize,
    /// First row of the weight columns' random values.
    pub openings_row: usize,
    pub rows: RowUse,
}

/// Rows for constants and challenges, beyond those of the public inputs.
const LOAD_ROWS: usize = 64;
/// Rows of the `rem` columns that carry our blinding: more than the points they are opened at.
pub const BLINDING_ROWS: usize = 8;
/// Rows that the library keeps for itself, one more than the blinding factors at most in use.
pub const RESERVED_ROWS: usize = 8;

impl Layout {
    pub fn new(graph: &QuantizedGraph, options: LayoutOptions) -> Result<Self, LayoutError> {
        if options.lanes < 2 || options.weight_columns == 0 {
            return Err(LayoutError::Options);
        }
        let readings = assign_readings(graph)?;
        let mut functions = Functions { tables: graph.functions.clone() };
        let input = &graph.tensors[graph.input.tensor];
        let bytes = input.shape.iter().product::<usize>();
        let packed = bytes.div_ceil(BYTES_PER_ELEMENT);
        let public_inputs = match options.input_mode {
            InputMode::Committed => 3,
            InputMode::Public => 2 + packed,
        };
        let load_rows = public_inputs + LOAD_ROWS;

        // The row before the first tile stays empty, as does the one after the last.
        let mut tiles =
            TileBuilder { lanes: options.lanes, next_row: load_rows + 1, tiles: Vec::new() };
        let views = place_tiles(graph, &readings, &mut functions, &mut tiles)?;
        let tiles_end = tiles.next_row;
        let tiles = tiles.tiles;

        let shifts = tiles.iter().map(|tile| tile.shift).collect::<BTreeSet<_>>();
        let shifts = shifts.into_iter().collect::<Vec<_>>();
        let tables = Tables::new(functions.tables, &shifts, load_rows);
        let (kernels, rests, weights_end) =
            kernels::place(graph, &readings, options.weight_columns, load_rows);
        let weight_rows = kernels.last().map_or(load_rows, Kernel::end);

        let hash = (options.input_mode == InputMode::Committed)
            .then(|| HashRows { first_row: tiles_end + 1, blocks: (packed + 1).div_ceil(RATE) });
        let hash_end = hash.as_ref().map_or(tiles_end + 1, HashRows::end);
        let blocked = hash.as_ref().map_or_else(Vec::new, |hash| blocked_rows(hash, options.lanes));

        let mut builder = ProgramBuilder::new(public_inputs, load_rows, tiles_end + 1, blocked);
        let parts = claims::Parts {
            graph,
            tiles: &tiles,
            readings: &readings,
            views: &views,
            kernels: &kernels,
            rests: &rests,
            hash: hash.as_ref(),
            mode: options.input_mode,
        };
        let tile_factors = claims::build(&parts, &mut builder);
        let program = builder.finish().ok_or(LayoutError::TooManyConstants)?;

        let blinding_row = program.end.max(hash_end);
        // Rest rows do not use the weight columns.
        let openings_row = weight_rows;
        let needed = (blinding_row + BLINDING_ROWS)
            .max(weights_end)
            .max(openings_row + options.openings)
            .max(tables.end())
            + RESERVED_ROWS;
        let k = needed.next_power_of_two().ilog2();
        let profile = profile(&options, &tiles, &kernels);
        let rows = RowUse {
            tiles: tiles_end - load_rows - 1,
            hash: hash.as_ref().map_or(0, |hash| hash.end() - hash.first_row),
            lanes: blinding_row + BLINDING_ROWS,
            scalars: program.end - tiles_end,
            weights: weight_rows - load_rows,
            rest: weights_end - weight_rows,
            table: tables.end() - load_rows,
        };
        Ok(Self {
            options,
            profile,
            k,
            public_inputs,
            tiles,
            tile_factors,
            readings,
            views,
            kernels,
            rests,
            tables,
            hash,
            program,
            blinding_row,
            openings_row,
            rows,
        })
    }

    /// First row of convolution `index`'s weights.
    #[cfg(any(test, feature = "test-support"))]
    pub fn kernel_first_row(&self, index: usize) -> usize {
        self.kernels[index].first_row
    }

    /// First row of the lookup table.
    #[cfg(any(test, feature = "test-support"))]
    pub fn tables_first_row(&self) -> usize {
        self.tables.first_row
    }

    /// First row of the first rest grid.
    #[cfg(any(test, feature = "test-support"))]
    pub fn rests_first_row(&self) -> Option<usize> {
        self.rests.first().map(|rest| rest.first_row)
    }

    /// One past the last tile row.
    pub fn tiles_end(&self) -> usize {
        self.tiles.last().map_or(0, |tile| tile.first_row + tile.rows())
    }

    /// Rows that hold data in the fullest column family.
    pub fn rows_used(&self) -> usize {
        self.rows
            .lanes
            .max(self.openings_row + self.rows.rest.max(self.options.openings))
            .max(self.tables.end())
    }
}

/// With two lanes the S-box needs `s0` and `s1` too; else only the absorption does.
fn blocked_rows(hash: &HashRows, lanes: usize) -> Vec<std::ops::Range<usize>> {
    if lanes < 3 {
        return std::iter::once(hash.first_row..hash.end()).collect();
    }
    (0..=hash.blocks)
        .map(|block| hash.block_row(block)..hash.block_row(block) + poseidon::WIDTH)
        .collect()
}

fn profile(options: &LayoutOptions, tiles: &[Tile], kernels: &[Kernel]) -> ColumnProfile {
    let patterns = tiles.iter().flat_map(Tile::patterns).collect::<BTreeSet<TilePattern>>();
    let kernel_rows = kernels.iter().flat_map(Kernel::kernel_rows).collect::<BTreeSet<KernelRow>>();
    ColumnProfile {
        lanes: options.lanes,
        weight_columns: options.weight_columns,
        patterns: patterns.into_iter().collect(),
        kernel_rows: kernel_rows.into_iter().collect(),
        hashed_input: options.input_mode == InputMode::Committed,
    }
}

/// Function tables of the circuit: the graph's and a few of its own.
struct Functions {
    tables: Vec<FunctionTable>,
}

impl Functions {
    /// Index of a table equal to `table`, added when there is none.
    fn exact(&mut self, table: FunctionTable) -> usize {
        let found = self
            .tables
            .iter()
            .position(|other| other.min == table.min && other.values == table.values);
        found.unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        })
    }

    /// Index of a table that is `max(0, x)` on `-range..=range`.
    fn relu(&mut self, range: i32) -> usize {
        let found = self.tables.iter().position(|table| {
            (-range..=range).all(|x| table.apply(i64::from(x)) == Some(x.max(0)))
                && table.values.iter().enumerate().all(|(index, out)| {
                    i64::from(*out) == (i64::from(table.min) + index as i64).max(0)
                })
        });
        found.unwrap_or_else(|| {
            self.tables.push(FunctionTable {
                name: "relu".into(),
                min: -range,
                values: (-range..=range).map(|x| x.max(0)).collect(),
            });
            self.tables.len() - 1
        })
    }

    fn identity(&mut self, max: i32) -> usize {
        self.exact(FunctionTable { name: "identity".into(), min: 0, values: (0..=max).collect() })
    }
}

struct TileBuilder {
    lanes: usize,
    next_row: usize,
    tiles: Vec<Tile>,
}

impl TileBuilder {
    fn push(&mut self, tile: Tile) -> usize {
        let tile = Tile { first_row: self.next_row, lanes: self.lanes, ..tile };
        self.next_row += tile.rows();
        self.tiles.push(tile);
        self.tiles.len() - 1
    }
}

/// Places all tiles and says what each tensor's channels are made of.
fn place_tiles(
    graph: &QuantizedGraph,
    readings: &[Reading],
    functions: &mut Functions,
    tiles: &mut TileBuilder,
) -> Result<Vec<Vec<ChannelView>>, LayoutError> {
    let mut views = vec![Vec::new(); graph.tensors.len()];
    let unit = Reading { column: 1, line: 0 };
    let blank = Tile {
        name: String::new(),
        source: TileSource::Input,
        shape: [0; 3],
        first_row: 0,
        lanes: 0,
        produced: unit,
        consumed: unit,
        packs_bytes: false,
        function: 0,
        shift: 0,
    };

    let input = &graph.tensors[graph.input.tensor];
    let bytes = input.shape.iter().product::<usize>();
    let map = FunctionTable { name: "input".into(), min: 0, values: graph.input.map.clone() };
    let tile = tiles.push(Tile {
        name: "input".into(),
        shape: input.shape,
        produced: Reading { column: 1, line: input.shape[2] as u64 },
        consumed: readings[graph.input.tensor],
        function: functions.exact(map),
        ..blank.clone()
    });
    views[graph.input.tensor] = whole_tile(tile, input);
    tiles.push(Tile {
        name: "packed input".into(),
        source: TileSource::PackedInput,
        shape: [bytes.div_ceil(BYTES_PER_ELEMENT), 1, BYTES_PER_ELEMENT],
        packs_bytes: true,
        function: functions.identity(255),
        ..blank.clone()
    });

    for (index, layer) in graph.layers.iter().enumerate() {
        let output = &graph.tensors[layer.output];
        let consumed = readings[layer.output];
        let rescaled = match &layer.op {
            Op::Conv { input, window, rescale, .. }
            | Op::SumPool { input, window, rescale, .. } => {
                Some((readings[*input].strided(window.stride), rescale))
            }
            Op::Pointwise { inputs, rescale, .. } => {
                let first = inputs.first().ok_or_else(|| LayoutError::Empty(layer.name.clone()))?;
                Some((readings[first.0], rescale))
            }
            _ => None,
        };
        if let Some((produced, rescale)) = rescaled {
            let tile = tiles.push(Tile {
                name: layer.name.clone(),
                source: TileSource::Layer(index),
                shape: output.shape,
                produced,
                consumed,
                function: rescale.function,
                shift: rescale.shift,
                ..blank.clone()
            });
            views[layer.output] = whole_tile(tile, output);
            continue;
        }
        views[layer.output] = match &layer.op {
            Op::MaxPool { input, window } => {
                let info = &graph.tensors[*input];
                let function = functions.relu(info.max - info.min);
                let taps = (0..window.kernel[0] * window.kernel[1])
                    .map(|tap| {
                        tiles.push(Tile {
                            name: format!("{} (tap {tap})", layer.name),
                            source: TileSource::PoolTap { layer: index, tap },
                            shape: output.shape,
                            produced: consumed,
                            consumed,
                            function,
                            ..blank.clone()
                        })
                    })
                    .collect::<Vec<_>>();
                (0..output.shape[0])
                    .map(|channel| ChannelView {
                        terms: taps.iter().map(|tile| (*tile, channel)).collect(),
                        constant: i64::from(info.min),
                    })
                    .collect()
            }
            Op::Add { inputs } => (0..output.shape[0])
                .map(|channel| {
                    let mut view = ChannelView::default();
                    for input in inputs {
                        let part: &ChannelView = &views[*input][channel];
                        view.terms.extend_from_slice(&part.terms);
                        view.constant += part.constant;
                    }
                    view
                })
                .collect(),
            Op::Concat { inputs } => {
                inputs.iter().flat_map(|input: &TensorId| views[*input].clone()).collect()
            }
            Op::Slice { input, start } => views[*input][*start..start + output.shape[0]].to_vec(),
            Op::Conv { .. } | Op::SumPool { .. } | Op::Pointwise { .. } => Vec::new(),
        };
    }

    let logits = &graph.tensors[graph.output];
    let classes = logits.shape[0];
    tiles.push(Tile {
        name: "ranking".into(),
        source: TileSource::Ranking,
        shape: [classes + 1, 1, 1],
        function: functions.identity(logits.max - logits.min),
        shift: classes.next_power_of_two().ilog2(),
        ..blank
    });
    Ok(views)
}

fn whole_tile(tile: usize, tensor: &Tensor) -> Vec<ChannelView> {
    (0..tensor.shape[0])
        .map(|channel| ChannelView { terms: vec![(tile, channel)], constant: 0 })
        .collect()
}
