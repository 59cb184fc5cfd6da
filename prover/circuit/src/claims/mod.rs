//! The claims that tie tiles together, as a scalar program over evaluations.
//!
//! Notation: `X^_c` is the consumer's evaluation of channel `c`, `Y^_j` the producer's; see
//! docs/circuit.md for the identities and their soundness.

mod collection;
mod combined;
mod input;
mod layers;
mod matrices;
mod output_commitment;
mod ranking;

use assay_graph::{QuantizedGraph, TensorId};

use crate::layout::folds::Folds;
use crate::layout::hash_rows::HashRows;
use crate::layout::kernels::{Kernel, RestGrid};
use crate::layout::reading::Reading;
use crate::layout::scalar_program::{Cell, ProgramBuilder, field};
use crate::layout::tile::{
    CONSUMED, ChannelStep, ChannelView, Fold, PRODUCED, Step, Tile, TileSource,
};
use crate::statement::StatementKind;

pub(super) struct Parts<'a> {
    pub graph: &'a QuantizedGraph,
    pub tiles: &'a [Tile],
    pub readings: &'a [Reading],
    pub views: &'a [Vec<ChannelView>],
    pub kernels: &'a [Kernel],
    pub rests: &'a [RestGrid],
    pub hash: Option<&'a HashRows>,
    pub folds: &'a Folds,
    pub statement: StatementKind,
}

/// Cells whose values multiply a tile's running evaluations from row to row: the producer's
/// (`s1`), the consumer's (`s0`).
#[derive(Clone, Copy, Debug)]
pub struct TileFactors {
    /// In the order of [`Step::ALL`].
    steps: [[Cell; 2]; Step::ALL.len()],
}

impl TileFactors {
    pub fn of(&self, step: Step) -> [Cell; 2] {
        self.steps[step as usize]
    }
}

/// The factors of a tile; the cells exist once [`build`] has run.
fn tile_factors(tile: &Tile, builder: &mut ProgramBuilder) -> TileFactors {
    let [mut produced, consumed] = [PRODUCED, CONSUMED].map(|side| factors(tile, side, builder));
    if tile.packs_bytes {
        let factor = (0..tile.lanes).fold(field(1), |power, _| power * field(256));
        produced = [builder.constant(factor); Step::ALL.len()];
    }
    let steps = std::array::from_fn(|step| [produced[step], consumed[step]]);
    TileFactors { steps }
}

/// Of one of the two evaluations, in the order of [`Step::ALL`].
fn factors(tile: &Tile, side: usize, builder: &mut ProgramBuilder) -> [Cell; Step::ALL.len()] {
    let reading = [tile.produced, tile.consumed][side];
    let row = builder.z_power(tile.row_step(reading));
    // Tiles of one line, or of one group, have no such step.
    let line = if tile.shape[1] > 1 { builder.z_power(tile.line_step(reading)) } else { row };
    let (last, images) = tile.to_last_row(reading);
    let group = if tile.groups() > 1 {
        // From the group's last position back to the next group's first.
        let (lanes, back) = (builder.u_power(tile.lanes), builder.z_power(last));
        builder.divide(lanes, back)
    } else {
        row
    };
    let mut steps = [row, line, group, row, row];
    if let Some(Fold { block, steps: [within, between] }) = tile.folds[side] {
        let mut from_last_row = |step| channel_factor(step, last, images, builder);
        if block > 1 {
            steps[Step::Channel as usize] = from_last_row(within);
        }
        if block < tile.shape[0] {
            steps[Step::Block as usize] = from_last_row(between);
        }
    }
    steps
}

/// A step from a channel's first row to the next one's, as seen from the channel's last row, which lies at
/// `z^last u^images`.
fn channel_factor(
    step: ChannelStep,
    last: u64,
    images: usize,
    builder: &mut ProgramBuilder,
) -> Cell {
    // Exponents are below 2^33 on either side.
    let exponent = i128::from(step.z) - i128::from(last);
    let distance = exponent.unsigned_abs() as u64;
    let [forth, back] = if exponent < 0 { [0, distance] } else { [distance, 0] };
    let (v, forth) = (builder.v_power(step.v), builder.z_power(forth));
    let forth = builder.multiply(v, forth);
    let mut back = builder.z_power(back);
    if images > 0 {
        let images = builder.u_power(images);
        back = builder.multiply(back, images);
    }
    if back == builder.one() { forth } else { builder.divide(forth, back) }
}

/// Builds the whole program; returns each tile's factors.
pub(super) fn build(parts: &Parts<'_>, builder: &mut ProgramBuilder) -> Vec<TileFactors> {
    let factors = parts.tiles.iter().map(|tile| tile_factors(tile, builder)).collect();
    builder.evaluations();
    let sums = std::collections::HashMap::new();
    let combined = std::collections::HashMap::new();
    let mut claims = Claims { parts, builder, sums, combined, images: None };
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
    /// The evaluations of tensors of which some channels run on into each other.
    combined: std::collections::HashMap<TensorId, Cell>,
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
        debug_assert!(channel == 0 || self.parts.tiles[tile].folds[PRODUCED].is_none());
        Cell::s1(self.parts.tiles[tile].channel_row(channel))
    }

    fn consumed(&self, tile: usize, channel: usize) -> Cell {
        debug_assert!(channel == 0 || self.parts.tiles[tile].folds[CONSUMED].is_none());
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
        let mut terms = self.terms(tensor, view.terms.iter());
        if view.constant != 0 {
            let [_, height, width] = self.parts.graph.tensors[tensor].shape;
            let ones = self.ones(reading, height, width);
            terms.push((ones, self.builder.integer(view.constant)));
        }
        let cell = self.builder.dot(&terms);
        self.sums.insert((tensor, channel), cell);
        cell
    }

    /// The evaluations of tile channels that a tensor's channel is the sum of, with the copies of each.
    fn terms<'c>(
        &mut self,
        tensor: TensorId,
        of: impl Iterator<Item = &'c (usize, usize)>,
    ) -> Vec<(Cell, Cell)> {
        let reading = self.parts.readings[tensor];
        of.map(|(tile, source)| {
            let [tall, wide] = self.parts.tiles[*tile].repeat;
            let copies = self.grid(reading, tall, wide);
            (self.over_images(*tile, *source, Self::consumed), copies)
        })
        .collect()
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
}
