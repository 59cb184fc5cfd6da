//! The claims that tie tiles together, as a scalar program over evaluations.
//!
//! Notation: `X^_c` is the consumer's evaluation of channel `c`, `Y^_j` the producer's; see
//! docs/circuit.md for the identities and their soundness.

mod collection;
mod input;
mod layers;
mod matrices;
mod output_commitment;
mod ranking;

use assay_graph::{QuantizedGraph, TensorId};

use crate::layout::hash_rows::HashRows;
use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::reading::Reading;
use crate::layout::scalar_program::{Cell, ProgramBuilder, field};
use crate::layout::tile::{ChannelView, Step, Tile, TileSource};
use crate::statement::StatementKind;

pub(super) struct Parts<'a> {
    pub graph: &'a QuantizedGraph,
    pub tiles: &'a [Tile],
    pub readings: &'a [Reading],
    pub views: &'a [Vec<ChannelView>],
    pub kernels: &'a [Kernel],
    pub rests: &'a [RestGrid],
    pub hash: Option<&'a HashRows>,
    pub statement: StatementKind,
}

/// Cells whose values multiply a tile's running evaluations from row to row: the producer's
/// (`s1`), the consumer's (`s0`).
#[derive(Clone, Copy, Debug)]
pub struct TileFactors {
    row: [Cell; 2],
    line: [Cell; 2],
    group: [Cell; 2],
}

impl TileFactors {
    pub fn of(&self, step: Step) -> [Cell; 2] {
        match step {
            Step::Row => self.row,
            Step::Line => self.line,
            Step::Group => self.group,
        }
    }
}

/// The factors of a tile; the cells exist once [`build`] has run.
fn tile_factors(tile: &Tile, builder: &mut ProgramBuilder) -> TileFactors {
    let factors =
        [tile.produced, tile.consumed].map(|reading| Factors::new(tile, reading, builder));
    let [mut produced, consumed] = factors;
    if tile.packs_bytes {
        let factor = (0..tile.lanes).fold(field(1), |power, _| power * field(256));
        let factor = builder.constant(factor);
        produced = Factors { row: factor, line: factor, group: factor };
    }
    TileFactors {
        row: [produced.row, consumed.row],
        line: [produced.line, consumed.line],
        group: [produced.group, consumed.group],
    }
}

/// Of one of the two evaluations.
struct Factors {
    row: Cell,
    line: Cell,
    group: Cell,
}

impl Factors {
    fn new(tile: &Tile, reading: Reading, builder: &mut ProgramBuilder) -> Self {
        let row = builder.z_power(tile.row_step(reading));
        // Tiles of one line, or of one group, have no such step.
        let line = if tile.shape[1] > 1 { builder.z_power(tile.line_step(reading)) } else { row };
        let group = if tile.groups() > 1 {
            // From the group's last position back to the next group's first.
            let last = (tile.shape[1] as u64 - 1) * reading.line
                + (tile.shape[2] as u64 - 1) * reading.column;
            let (lanes, back) = (builder.u_power(tile.lanes), builder.z_power(last));
            builder.divide(lanes, back)
        } else {
            row
        };
        Self { row, line, group }
    }
}

/// Builds the whole program; returns each tile's factors.
pub(super) fn build(parts: &Parts<'_>, builder: &mut ProgramBuilder) -> Vec<TileFactors> {
    let factors = parts.tiles.iter().map(|tile| tile_factors(tile, builder)).collect();
    builder.evaluations();
    let sums = std::collections::HashMap::new();
    let mut claims = Claims { parts, builder, sums, images: None };
    claims.input();
    for index in 0..parts.graph.layers.len() {
        claims.layer(index);
    }
    match parts.statement {
        StatementKind::Prediction { output, .. } => claims.outputs(output),
        StatementKind::Audit { run, top } => claims.audit(run, top),
        StatementKind::Retrieval { run, class } => claims.retrieval(run, class),
        StatementKind::Classification { run, answers } => claims.classification(run, answers),
    }
    factors
}

struct Claims<'a, 'b> {
    parts: &'a Parts<'a>,
    builder: &'b mut ProgramBuilder,
    /// `X^_c` of tensors that are sums.
    sums: std::collections::HashMap<(TensorId, usize), Cell>,
    images: Option<Cell>,
}

impl Claims<'_, '_> {
    fn tile_of(&self, source: TileSource) -> usize {
        self.parts
            .tiles
            .iter()
            .position(|tile| tile.source == source)
            .expect("the layout places a tile for each layer that needs one")
    }

    fn produced(&self, tile: usize, channel: usize) -> Cell {
        Cell::s1(self.parts.tiles[tile].channel_row(channel))
    }

    fn consumed(&self, tile: usize, channel: usize) -> Cell {
        Cell::s0(self.parts.tiles[tile].channel_row(channel))
    }

    /// `sum over (h, w) z^(h*line + w*column)`.
    fn grid(&mut self, reading: Reading, height: usize, width: usize) -> Cell {
        let columns = self.builder.geometric(reading.column, width);
        let lines = self.builder.geometric(reading.line, height);
        self.builder.multiply(columns, lines)
    }

    /// The evaluation of a channel that is 1 everywhere: the grid, once for each image.
    fn ones(&mut self, reading: Reading, height: usize, width: usize) -> Cell {
        let grid = self.grid(reading, height, width);
        let images = self.images();
        self.builder.multiply(grid, images)
    }

    /// `1 + u + ... + u^(images-1)`.
    fn images(&mut self) -> Cell {
        if let Some(cell) = self.images {
            return cell;
        }
        let count = self.parts.statement.images();
        let powers = (0..count).map(|image| self.image_power(image)).collect::<Vec<_>>();
        let cell = self.builder.sum(&powers);
        self.images = Some(cell);
        cell
    }

    /// `u^image`.
    fn image_power(&mut self, image: usize) -> Cell {
        if image == 0 { self.builder.one() } else { self.builder.u_power(image) }
    }

    /// `X^_c`, folded over the images.
    fn evaluation(&mut self, tensor: TensorId, channel: usize) -> Cell {
        let view = &self.parts.views[tensor][channel];
        let plain = |tile: usize| {
            let Tile { repeat, apart, .. } = self.parts.tiles[tile];
            repeat == [1, 1] && apart == 1
        };
        if let ([(tile, source)], 0) = (view.terms.as_slice(), view.constant)
            && plain(*tile)
        {
            return self.consumed(*tile, *source);
        }
        if let Some(cell) = self.sums.get(&(tensor, channel)) {
            return *cell;
        }
        let reading = self.parts.readings[tensor];
        let mut terms = Vec::with_capacity(view.terms.len() + 1);
        for (tile, source) in &view.terms {
            let [tall, wide] = self.parts.tiles[*tile].repeat;
            let copies = self.grid(reading, tall, wide);
            terms.push((self.over_images(*tile, *source, Self::consumed), copies));
        }
        if view.constant != 0 {
            let [_, height, width] = self.parts.graph.tensors[tensor].shape;
            let ones = self.ones(reading, height, width);
            terms.push((ones, self.builder.integer(view.constant)));
        }
        let cell = self.builder.dot(&terms);
        self.sums.insert((tensor, channel), cell);
        cell
    }

    /// `sum_b u^b` of a channel's evaluations, where images have channels of their own; otherwise they
    /// are folded already.
    fn over_images(
        &mut self,
        tile: usize,
        channel: usize,
        cell: impl Fn(&Self, usize, usize) -> Cell,
    ) -> Cell {
        let (apart, channels) = (self.parts.tiles[tile].apart, self.parts.tiles[tile].channels());
        if apart == 1 {
            return cell(self, tile, channel);
        }
        let terms = (0..apart)
            .map(|image| (cell(self, tile, image * channels + channel), self.image_power(image)))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_c v^c X^_c`.
    fn combined_evaluation(&mut self, tensor: TensorId) -> Cell {
        let terms = (0..self.parts.graph.tensors[tensor].shape[0])
            .map(|channel| (self.evaluation(tensor, channel), self.builder.v_power(channel)))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_j v^index(j) cell(j)` over a tile's channels.
    fn combined_tile(
        &mut self,
        tile: usize,
        index: impl Fn(usize) -> usize,
        cell: impl Fn(&Self, usize, usize) -> Cell,
    ) -> Cell {
        let terms = (0..self.parts.tiles[tile].shape[0])
            .map(|channel| (cell(self, tile, channel), self.builder.v_power(index(channel))))
            .collect::<Vec<_>>();
        self.builder.dot(&terms)
    }

    /// `sum_j v^index(j)`.
    fn powers(&mut self, count: usize, index: impl Fn(usize) -> usize) -> Cell {
        let cells = (0..count).map(|j| self.builder.v_power(index(j))).collect::<Vec<_>>();
        self.builder.sum(&cells)
    }
}
