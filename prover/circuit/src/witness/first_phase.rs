//! First-phase columns of the lanes and the table.

use std::ops::Range;

use rayon::prelude::*;

use assay_graph::{ACTIVATION_OFFSET, FunctionTable};

use crate::WitnessError;
use crate::layout::Layout;
use crate::layout::profile::TileCells;
use crate::layout::tile::Tile;
use crate::witness::assignment::{Assignment, LaneColumns};
use crate::witness::lookups::TableRows;
use crate::witness::pieces::pieces;
use crate::witness::small_column::SmallColumn;
use crate::witness::tile_values::{Stretch, TileValues};

/// Rows that a thread fills at a time, about; few in tests, whose tiles are small.
const BLOCK_ROWS: usize = if cfg!(test) { 1 << 6 } else { 1 << 12 };

/// The tile rows of all lanes.
///
/// # Errors
/// As [`Assignment::first_phase`].
pub(super) fn lanes(assignment: &Assignment<'_>) -> Result<Vec<LaneColumns>, WitnessError> {
    let layout = assignment.layout;
    if assignment.inputs.len() != layout.options.statement.images() {
        return Err(WitnessError::Mismatch);
    }
    let filler = |tile| Filler::new(assignment, tile);
    let fillers = layout.tiles.iter().map(filler).collect::<Result<Vec<_>, _>>()?;
    let rows = assignment.rows();
    let mut lanes = (0..layout.options.lanes).map(|_| LaneColumns::zeros(rows)).collect::<Vec<_>>();
    let blocks = blocks(layout);
    let cells = cells_of_blocks(&mut lanes, &blocks);
    let faults = blocks
        .par_iter()
        .zip(cells)
        .map(|(block, cells)| fillers[block.tile].fill(block.lines.clone(), cells));
    let faults = faults.collect::<Vec<_>>();
    for (block, fault) in blocks.iter().zip(faults) {
        if let Some(fault) = fault {
            return Err(fillers[block.tile].out_of_range(fault.value));
        }
    }
    Ok(lanes)
}

/// How often each row of the table is looked up.
pub(super) fn multiplicity(assignment: &Assignment<'_>, lanes: &[LaneColumns]) -> SmallColumn<u32> {
    let layout = assignment.layout;
    let count = |lanes: &[LaneColumns]| {
        let mut counts = vec![0u32; layout.tables.end()];
        for tile in layout.tiles.iter().filter(|tile| tile.cells == TileCells::Lookup) {
            let table = TableRows::of(layout, tile);
            let rows = tile.first_row..tile.first_row + tile.rows();
            for lane in lanes {
                let pre = &lane.pre.numbers()[rows.clone()];
                let rem = &lane.rem.numbers()[rows.clone()];
                for (pre, rem) in pre.iter().zip(rem) {
                    for row in table.looked_up(*pre, *rem) {
                        counts[row] += 1;
                    }
                }
            }
        }
        counts
    };
    // Each thread counts what some of the lanes look up.
    let share = lanes.len().div_ceil(rayon::current_num_threads());
    let counts = lanes.par_chunks(share).map(count).reduce_with(|mut sum, counts| {
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sum
    });
    let mut counts = counts.unwrap_or_default();
    counts.resize(assignment.rows(), 0);
    SmallColumn::of(counts)
}

/// Some of a tile's lines.
struct Block {
    /// Index of the tile.
    tile: usize,
    /// Lines, counted through channels and groups.
    lines: Range<usize>,
    /// Rows of the circuit.
    rows: Range<usize>,
}

fn blocks(layout: &Layout) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (index, tile) in layout.tiles.iter().enumerate() {
        let per_line = tile.rows_per_line();
        let lines = tile.rows() / per_line.max(1);
        let step = (BLOCK_ROWS / per_line.max(1)).max(1);
        for start in (0..lines).step_by(step) {
            let lines = start..(start + step).min(lines);
            let row = |line: usize| tile.first_row + line * per_line;
            let rows = row(lines.start)..row(lines.end);
            blocks.push(Block { tile: index, lines, rows });
        }
    }
    blocks
}

/// Rows of one lane.
struct LaneCells<'a> {
    pre: &'a mut [u16],
    out: &'a mut [u16],
    rem: &'a mut [u32],
}

/// The rows of each block, in all lanes.
fn cells_of_blocks<'a>(lanes: &'a mut [LaneColumns], blocks: &[Block]) -> Vec<Vec<LaneCells<'a>>> {
    let mut cells = blocks.iter().map(|_| Vec::with_capacity(lanes.len())).collect::<Vec<_>>();
    for lane in lanes {
        let rows = || blocks.iter().map(|block| block.rows.clone());
        let pre = pieces(lane.pre.numbers_mut(), rows());
        let out = pieces(lane.out.numbers_mut(), rows());
        let rem = pieces(lane.rem.numbers_mut(), rows());
        for (cells, ((pre, out), rem)) in cells.iter_mut().zip(pre.into_iter().zip(out).zip(rem)) {
            cells.push(LaneCells { pre, out, rem });
        }
    }
    cells
}

/// A value that no row of its table holds.
#[derive(Clone, Copy)]
struct Fault {
    /// Row and lane, for the first one.
    place: (usize, usize),
    value: i64,
}

/// Fills a tile's rows.
struct Filler<'a> {
    tile: &'a Tile,
    values: TileValues<'a>,
    table: &'a FunctionTable,
}

impl<'a> Filler<'a> {
    fn new(assignment: &'a Assignment<'a>, tile: &'a Tile) -> Result<Self, WitnessError> {
        let values = TileValues::new(assignment, tile)?;
        let table = assignment.layout.tables.functions.get(tile.function);
        let table = table.filter(|table| !table.values.is_empty()).ok_or(WitnessError::Mismatch)?;
        Ok(Self { tile, values, table })
    }

    /// Fills some lines; returns the first value that lies outside its table.
    fn fill(&self, lines: Range<usize>, mut cells: Vec<LaneCells<'_>>) -> Option<Fault> {
        let tile = self.tile;
        let per_line = tile.rows_per_line();
        let (height, groups) = (tile.shape[1], tile.groups());
        let mut fault: Option<Fault> = None;
        for (index, line) in lines.enumerate() {
            let (group, channel) = (line / height % groups, line / height / groups);
            let rows = index * per_line..(index + 1) * per_line;
            for (lane, cells) in cells.iter_mut().enumerate() {
                let stretch = tile_stretch(tile, group, lane);
                let stretch = Stretch { channel, line: line % height, ..stretch };
                let cells = LaneCells {
                    pre: &mut cells.pre[rows.clone()],
                    out: &mut cells.out[rows.clone()],
                    rem: &mut cells.rem[rows.clone()],
                };
                let found = match tile.cells {
                    TileCells::Lookup => self.fill_lookups(&stretch, cells),
                    TileCells::Product => {
                        self.fill_factors(&stretch, cells);
                        None
                    }
                };
                if let Some((position, value)) = found {
                    let place = (rows.start + position, lane);
                    if fault.is_none_or(|fault| place < fault.place) {
                        fault = Some(Fault { place, value });
                    }
                }
            }
        }
        fault
    }

    /// One lane of a line that looks its values up; returns the first that the table lacks.
    fn fill_lookups(&self, stretch: &Stretch, cells: LaneCells<'_>) -> Option<(usize, i64)> {
        let (min, outs) = (i64::from(self.table.min), self.table.values.as_slice());
        let LaneCells { pre: pres, out, rem: rems } = cells;
        let mut fault = None;
        self.values.for_each(stretch, |position, pre, rem| {
            let index = usize::try_from(pre - min).ok();
            let found = index.and_then(|index| outs.get(index));
            let Some(value) = found.filter(|_| u64::from(rem) < 1 << self.tile.shift) else {
                fault = fault.or(Some((position, pre)));
                return;
            };
            pres[position] = stored(pre);
            out[position] = stored(i64::from(*value));
            rems[position] = rem;
        });
        // Dead lanes look up the table's first row.
        pres[stretch.count..].fill(stored(min));
        out[stretch.count..].fill(stored(i64::from(outs[0])));
        rems[stretch.count..].fill(0);
        fault
    }

    /// One lane of a line of factors.
    fn fill_factors(&self, stretch: &Stretch, cells: LaneCells<'_>) {
        let LaneCells { pre, out, .. } = cells;
        self.values.for_each_factors(stretch, |position, [a, b]| {
            pre[position] = stored(a);
            out[position] = stored(b);
        });
        pre[stretch.count..].fill(stored(0));
        out[stretch.count..].fill(stored(0));
    }

    fn out_of_range(&self, value: i64) -> WitnessError {
        WitnessError::OutOfRange {
            layer: self.tile.name.clone(),
            value,
            min: self.table.min,
            max: self.table.min + self.table.values.len() as i32 - 1,
        }
    }
}

/// What a lane holds of a line of `group`: the live ones of the line's rows come first.
fn tile_stretch(tile: &Tile, group: usize, lane: usize) -> Stretch {
    let [_, _, width] = tile.shape;
    let (image, first, step) =
        if tile.images > 1 { (group * tile.lanes + lane, 0, 1) } else { (0, lane, tile.lanes) };
    let live = image < tile.images.max(1) && first < width;
    let count = if live { (width - first).div_ceil(step) } else { 0 };
    Stretch { image, channel: 0, line: 0, first, step, count }
}

/// As the cells hold values, none of which is beyond 16 bits.
fn stored(value: i64) -> u16 {
    (value + i64::from(ACTIVATION_OFFSET)) as u16
}
