//! Kinds of rows: a constraint is one rule for each kind of row in which it says something of its own.

use crate::Layout;
use crate::layout::profile::TileCells;
use crate::layout::scalar_program::{Load, Step};
use crate::layout::tile::{self, CONSUMED, PRODUCED};
use assay_arithmetic::poseidon::WIDTH;

/// Kinds of all rows, by family of columns.
pub(super) struct Places {
    looked_up: Vec<&'static str>,
    /// What is produced, what is consumed.
    evaluations: [Vec<&'static str>; 2],
    results: [Vec<&'static str>; 2],
    weights: Vec<&'static str>,
    products: Vec<&'static str>,
    loads: Vec<&'static str>,
    hashes: Vec<&'static str>,
    exports: Vec<&'static str>,
}

const ELSEWHERE: &str = "elsewhere";

impl Places {
    pub(super) fn new(layout: &Layout, rows: usize) -> Self {
        let elsewhere = vec![ELSEWHERE; rows];
        let mut places = Self {
            looked_up: elsewhere.clone(),
            evaluations: [elsewhere.clone(), elsewhere.clone()],
            results: [elsewhere.clone(), elsewhere.clone()],
            weights: weights(layout, rows),
            products: elsewhere.clone(),
            loads: vec!["end"; rows],
            hashes: vec![""; rows],
            exports: elsewhere,
        };
        for tile in &layout.tiles {
            tile.for_each_row(|at| {
                if tile.cells == TileCells::Lookup {
                    places.looked_up[at.row] = "looked up";
                }
                let next = at.row + 1 - tile.first_row;
                let (channel, within) =
                    (next / tile.rows_per_channel(), next % tile.rows_per_channel());
                for side in [PRODUCED, CONSUMED] {
                    let on = if within > 0 {
                        Some(tile.step_to(within))
                    } else {
                        (channel < tile.shape[0])
                            .then(|| tile.channel_step(side, channel))
                            .flatten()
                    };
                    places.evaluations[side][at.row] = match on {
                        None => "end of a channel",
                        Some(tile::Step::Row) => "within a line",
                        Some(tile::Step::Line) => "to the next line",
                        Some(tile::Step::Group) => "to the next group",
                        Some(tile::Step::Channel | tile::Step::Block) => "to the next channel",
                    };
                    if tile.entered(side, &at).is_none() {
                        places.results[side][at.row] = "";
                    }
                }
            });
        }
        for step in &layout.program.steps {
            let Step::Chain(chain) = step else { continue };
            let end = chain.row + 1 + chain.terms.len();
            places.products[chain.row + 1..end].fill("term");
            places.products[end] = "after the last term";
        }
        for (row, load) in &layout.program.loads {
            places.loads[*row] = match load {
                Load::Instance => "public input",
                Load::Constant(_) => "constant",
                Load::V => "v",
                Load::Z => "z",
                Load::U => "u",
            };
        }
        if let Some(hash) = &layout.hash {
            for block in 1..=hash.blocks {
                places.exports[hash.block_row(block)] = "";
            }
            for block in 0..hash.blocks {
                let row = hash.block_row(block);
                places.hashes[row..row + WIDTH].fill("absorbing");
            }
            places.hashes[hash.block_row(hash.blocks)] = "after the last permutation";
        }
        places
    }

    /// What kind of row this is for a constraint.
    pub(super) fn of(&self, constraint: &str, row: usize) -> &'static str {
        match constraint {
            "lookup sum: ends" if self.loads[row] == "end" => "end",
            "lookup sum: ends" => "start",
            "tile evaluations: produced" => self.evaluations[PRODUCED][row],
            "tile evaluations: consumed" => self.evaluations[CONSUMED][row],
            "tile evaluations: produced, result" => self.results[PRODUCED][row],
            "tile evaluations: consumed, result" => self.results[CONSUMED][row],
            "weight sums: step" => self.weights[row],
            "scalar program: products" => self.products[row],
            "scalar program: load" => self.loads[row],
            "hash: export" => self.exports[row],
            "hash: absorption" => self.hashes[row],
            _ if constraint.starts_with("hash: shift") => self.hashes[row],
            _ if constraint.starts_with("lookup: ") => self.looked_up[row],
            _ => "",
        }
    }
}

fn weights(layout: &Layout, rows: usize) -> Vec<&'static str> {
    let mut places = vec![ELSEWHERE; rows];
    let stride = layout.weight_stride();
    for kernel in &layout.kernels {
        let mut dense = Vec::new();
        kernel.for_each_dense_row(|row| dense.push(row));
        for row in &dense {
            places[row * stride] = "weights";
            if !dense.contains(&(row + 1)) {
                places[(row + 1) * stride] = "after a block of weights";
            }
        }
        kernel.for_each_kernel_row(|row, _| places[row * stride] = "line of a depthwise kernel");
    }
    for rest in &layout.rests {
        for row in rest.first_row..rest.first_row + rest.rows() {
            places[row * stride] = "kept position";
        }
        rest.for_each_cell(|row, _, _| places[row * stride] = "rest cell");
        places[(rest.first_row + rest.rows()) * stride] = "after a grid of rest cells";
    }
    places
}
