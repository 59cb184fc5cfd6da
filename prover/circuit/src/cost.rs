//! What each layer costs: rows, cells, and an estimated share of the time to prove.
//!
//! A column takes the same time however full it is. Its price, which is the planner's
//! ([`Layout::estimate`]), is therefore shared by the rows that use it; what belongs to no row (the
//! permutation, the quotient, the opening proofs, columns without any row) is spread in proportion.

mod chains;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Serialize;

use assay_graph::QuantizedGraph;

use crate::layout::Layout;
use crate::layout::profile::TileCells;
use crate::layout::tile::TileSource;
use chains::{Owners, tile_part};

/// What a cost is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostPart {
    /// The input and its packing.
    Input,
    /// A layer of the graph.
    Layer(usize),
    /// What the statement says about the logits: ranking, comparisons, verdicts.
    Outputs,
    /// The hashes that the input's commitment and the collection's root are made of.
    Hash,
}

/// Rows and cells of one part, and its estimated share of the time to prove.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartCost {
    /// The layer or other part that the cost is of.
    pub part: CostPart,
    /// The layer's name, or what the part is.
    pub name: String,
    /// The layer's operation; empty for what is no layer.
    pub kind: &'static str,
    /// Rows of tiles.
    pub tile_rows: usize,
    /// Rows of weights and biases.
    pub weight_rows: usize,
    /// Rows of the grid of positions that a strided or padded window does not keep.
    pub rest_rows: usize,
    /// Rows of the scalar program. A row that several layers share (powers of a challenge, say)
    /// belongs to the first.
    pub scalar_rows: usize,
    /// Rows of hashes.
    pub hash_rows: usize,
    /// Cells of advice columns in all these rows.
    pub cells: usize,
    /// Part of the predicted time to prove; the shares of all parts add up to 1.
    pub share: f64,
    /// Of `share`: what is non-linear, see [`Cost::nonlinear_share`].
    pub nonlinear_share: f64,
}

/// Rows of the lookup table for one function or one range of remainders.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableCost {
    /// The function's name, or `0..2^s` for the remainders of shift `s`.
    pub name: String,
    /// The shift, for a range.
    pub shift: Option<u32>,
    /// Rows of the lookup table.
    pub rows: usize,
    /// Tiles that look it up.
    pub tiles: usize,
}

/// The cost of a layout, part by part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// The input, the layers in order, the outputs, the hashes.
    pub parts: Vec<PartCost>,
    /// The function tables, and what each adds.
    pub tables: Vec<TableCost>,
    /// Part of the predicted time to prove that linear algebra takes: accumulators (`pre`),
    /// weights, rest cells, running evaluations, the scalar program, and what is neither (hashes,
    /// packing). With [`Cost::nonlinear_share`] it adds up to 1.
    pub linear_share: f64,
    /// Part of the predicted time to prove that functions and rounding take: the lookup arguments
    /// (helpers, their sum, multiplicities, table), the cells that exist only to be looked up (`out`
    /// and `rem` of each lane), and whole tiles of comparisons (max-pool, ranking) and of products
    /// of two activations.
    pub nonlinear_share: f64,
}

impl Layout {
    /// The cost of each layer of `graph`, for which the layout was made. A layer that the layout
    /// does not know, for it was made for another graph, costs nothing.
    pub fn cost(&self, graph: &QuantizedGraph) -> Cost {
        let layers = graph.layers.len();
        let mut uses = vec![Use::default(); layers + 3];
        let mut add = |part: usize, change: &dyn Fn(&mut Use)| {
            if let Some(used) = uses.get_mut(part) {
                change(used);
            }
        };
        for tile in &self.tiles {
            let rows = tile.rows();
            let special = is_nonlinear(tile.source);
            let looked_up = tile.cells == TileCells::Lookup;
            add(tile_part(tile.source, layers), &|used| {
                used.tile += rows;
                used.lookup += if looked_up { rows } else { 0 };
                used.special += if special { rows } else { 0 };
                used.special_lookup += if special && looked_up { rows } else { 0 };
            });
        }
        for kernel in &self.kernels {
            let rows = kernel.end() - kernel.first_row;
            add(1 + kernel.layer, &|used| used.weight += rows);
        }
        for rest in &self.rests {
            let rows = rest.end() - rest.first_row;
            add(1 + rest.layer, &|used| used.rest += rows);
        }
        for (rows, part) in Owners::new(self, layers).chains() {
            add(part, &|used| used.scalar += rows);
        }
        if let Some(hash) = &self.hash {
            add(layers + 2, &|used| used.hash += hash.end() - hash.first_row);
        }
        let total = uses.iter().fold(Use::default(), |sum, used| sum.join(used));
        let prices = self.prices();
        let paid = uses.iter().map(|used| prices.of(used, &total)).collect::<Vec<_>>();
        let all = paid.iter().map(|[linear, nonlinear]| linear + nonlinear).sum::<f64>();
        let share = |price: f64| if all > 0.0 { price / all } else { 0.0 };
        let parts = uses.iter().zip(&paid).enumerate().map(|(index, (used, [linear, other]))| {
            let (part, name, kind) = describe(index, graph);
            PartCost {
                part,
                name,
                kind,
                tile_rows: used.tile,
                weight_rows: used.weight,
                rest_rows: used.rest,
                scalar_rows: used.scalar,
                hash_rows: used.hash,
                cells: self.cells(used),
                share: share(linear + other),
                nonlinear_share: share(*other),
            }
        });
        let nonlinear_share = share(paid.iter().map(|[_, nonlinear]| nonlinear).sum());
        Cost {
            parts: parts.collect(),
            tables: self.table_costs(),
            linear_share: 1.0 - nonlinear_share,
            nonlinear_share,
        }
    }

    /// What the planner takes for one column of each sort, by asking it about one column more.
    fn prices(&self) -> Prices {
        let cost = |layout: &Layout| layout.estimate().prove_cpu_s;
        let now = cost(self);
        let mut more = self.clone();
        more.profile.weight_columns += 1;
        let small = cost(&more) - now;
        more.profile = self.profile.clone();
        more.profile.lanes += 1;
        let full = cost(&more) - now - 3.0 * small;
        Prices {
            small: small.max(0.0),
            full: full.max(0.0),
            lanes: self.profile.lanes as f64,
            weights: self.profile.weight_columns as f64,
        }
    }

    fn cells(&self, used: &Use) -> usize {
        let (lanes, weights) = (self.profile.lanes, self.profile.weight_columns);
        // Three cells a lane; two running evaluations and their factors; helpers and their sum.
        used.tile * (3 * lanes + 4)
            + used.lookup * (lanes + 1)
            + used.hash * (3 * lanes + 2)
            + used.scalar * 3
            + used.weight * (weights + 1)
            + used.rest * 2
    }

    fn table_costs(&self) -> Vec<TableCost> {
        let looking_up = || self.tiles.iter().filter(|tile| tile.cells == TileCells::Lookup);
        let functions = self.tables.functions.iter().enumerate().map(|(index, table)| TableCost {
            name: table.name.clone(),
            shift: None,
            rows: table.values.len(),
            tiles: looking_up().filter(|tile| tile.function == index).count(),
        });
        // Every tile's shift has a range, as in the layout.
        let shifts = self.tiles.iter().map(|tile| tile.shift).collect::<BTreeSet<_>>();
        let ranges = shifts.into_iter().map(|shift| TableCost {
            name: format!("0..2^{shift}"),
            shift: Some(shift),
            rows: 1 << shift,
            tiles: looking_up().filter(|tile| tile.shift == shift).count(),
        });
        functions.chain(ranges).collect()
    }
}

/// Rows in use, by what they use.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    tile: usize,
    /// Of `tile`: rows that look up.
    lookup: usize,
    /// Of `tile`: rows that are non-linear as a whole.
    special: usize,
    /// Of both.
    special_lookup: usize,
    weight: usize,
    rest: usize,
    scalar: usize,
    hash: usize,
}

impl Use {
    fn join(self, other: &Self) -> Self {
        Self {
            tile: self.tile + other.tile,
            lookup: self.lookup + other.lookup,
            special: self.special + other.special,
            special_lookup: self.special_lookup + other.special_lookup,
            weight: self.weight + other.weight,
            rest: self.rest + other.rest,
            scalar: self.scalar + other.scalar,
            hash: self.hash + other.hash,
        }
    }
}

struct Prices {
    /// Of a column of small values.
    small: f64,
    /// Of a column of arbitrary field elements.
    full: f64,
    lanes: f64,
    weights: f64,
}

impl Prices {
    /// What the rows of `used` cost, `[linear, non-linear]`, when `total` shares the columns.
    fn of(&self, used: &Use, total: &Use) -> [f64; 2] {
        let part = |rows: usize, of: usize| if of == 0 { 0.0 } else { rows as f64 / of as f64 };
        let lane_rows = total.tile + total.hash;
        let scalar_rows = lane_rows + total.scalar;
        // One column of small values in each lane.
        let cell = self.lanes * self.small;
        // Helpers, their sum, multiplicities.
        let lookup = (self.lanes + 1.0) * self.full + self.small;
        let plain = used.tile - used.special;
        let plain_lookup = used.lookup - used.special_lookup;
        // Produced, consumed; s0 and s1, which hold a tile row's factors.
        let evaluations = |rows: usize| {
            2.0 * self.full * part(rows, total.tile) + 2.0 * self.full * part(rows, scalar_rows)
        };
        let linear = cell * part(plain, lane_rows)
            + evaluations(plain)
            + (3.0 * cell) * part(used.hash, lane_rows)
            + 2.0 * self.full * part(used.hash + used.scalar, scalar_rows)
            + self.full * part(used.scalar, total.scalar)
            + self.weights * self.small * part(used.weight, total.weight)
            + self.full * part(used.weight + used.rest, total.weight + total.rest)
            + self.full * part(used.rest, total.rest);
        let nonlinear = 2.0 * cell * part(plain, lane_rows)
            + lookup * part(plain_lookup, total.lookup)
            + 3.0 * cell * part(used.special, lane_rows)
            + evaluations(used.special)
            + lookup * part(used.special_lookup, total.lookup);
        [linear, nonlinear]
    }
}

/// Parts are counted: the input, the layers, the outputs, the hashes.
fn describe(index: usize, graph: &QuantizedGraph) -> (CostPart, String, &'static str) {
    if index == 0 {
        return (CostPart::Input, "input".into(), "");
    }
    match graph.layers.get(index - 1) {
        Some(layer) => (CostPart::Layer(index - 1), layer.name.clone(), layer.op.kind()),
        None if index == graph.layers.len() + 1 => (CostPart::Outputs, "outputs".into(), ""),
        None => (CostPart::Hash, "hashes".into(), ""),
    }
}

/// Comparisons, and products of activations.
fn is_nonlinear(source: TileSource) -> bool {
    match source {
        TileSource::Factors(_)
        | TileSource::PoolTap { .. }
        | TileSource::Ranking
        | TileSource::RankedClass
        | TileSource::Comparisons
        | TileSource::Verdict => true,
        TileSource::Input
        | TileSource::PackedInput
        | TileSource::Number
        | TileSource::Layer(_)
        | TileSource::Copied { .. } => false,
    }
}
