//! Which part each chain of the scalar program belongs to.

use std::collections::BTreeMap;

use crate::layout::Layout;
use crate::layout::scalar_program::{Cell, Chain, Equality, Operand, ScalarColumn, Step};
use crate::layout::tile::{self, TileSource};

/// The chains of a program with the parts they belong to. The program does not say; but claims
/// stand in the order of the layers, and a claim reads the accumulators or the weights of its
/// layer. Such a chain is *anchored*; one that is not belongs where its result is first read or
/// compared, and one that nothing reads later ends the claim that it stands in.
pub(super) struct Owners<'a> {
    layout: &'a Layout,
    chains: Vec<&'a Chain>,
    /// One past each tile's last row, with the tile's part.
    tiles: BTreeMap<usize, usize>,
    /// The same for weights and rest grids.
    sums: BTreeMap<usize, usize>,
    owners: Vec<Option<usize>>,
}

impl<'a> Owners<'a> {
    pub(super) fn new(layout: &'a Layout, layers: usize) -> Self {
        let steps = &layout.program.steps;
        let chains = steps.iter().filter_map(|step| match step {
            Step::Chain(chain) => Some(chain),
            Step::Evaluations => None,
        });
        let chains = chains.collect::<Vec<_>>();
        let tiles = layout.tiles.iter();
        let tiles = tiles.map(|t| (t.first_row + t.rows(), tile_part(t.source, layers)));
        let kernels = layout.kernels.iter().map(|kernel| (kernel.end(), 1 + kernel.layer));
        let rests = layout.rests.iter().map(|rest| (rest.end(), 1 + rest.layer));
        let mut owners = Self {
            layout,
            tiles: tiles.collect(),
            sums: kernels.chain(rests).collect(),
            owners: vec![None; chains.len()],
            chains,
        };
        owners.resolve();
        owners
    }

    /// Rows of each chain, and its part.
    pub(super) fn chains(&self) -> impl Iterator<Item = (usize, usize)> {
        let mut last = 0;
        self.chains.iter().zip(&self.owners).map(move |(chain, owner)| {
            last = owner.unwrap_or(last);
            (chain.terms.len() + 1, last)
        })
    }

    fn resolve(&mut self) {
        let mut read = vec![false; self.chains.len()];
        for (index, chain) in self.chains.iter().enumerate() {
            self.owners[index] = cells(chain).find_map(|cell| self.anchor(cell));
            for source in cells(chain).filter_map(|cell| self.chain_at(cell)) {
                read[source] |= source != index;
            }
        }
        // Of two sides of a claim the later one counts as a reader of the first.
        let mut compared = BTreeMap::<usize, Vec<usize>>::new();
        for Equality { cells: [a, b], .. } in &self.layout.program.equalities {
            for (result, other) in [(a, b), (b, a)] {
                let Some(index) = self.chain_at(*result) else { continue };
                match self.chain_at(*other) {
                    Some(later) if later > index => {
                        compared.entry(later).or_default().push(index);
                        read[index] = true;
                    }
                    Some(_) => {}
                    None => {
                        self.owners[index] = self.owners[index].or(self.tile(*other));
                    }
                }
            }
        }
        let mut last = 0;
        for (owner, read) in self.owners.iter_mut().zip(read) {
            match owner {
                Some(part) => last = *part,
                None if !read => *owner = Some(last),
                None => {}
            }
        }
        // The factors of tiles come before all claims.
        let mut first_reader = vec![None; self.chains.len()];
        let mut factors = BTreeMap::new();
        for (tile, cells) in self.layout.tiles.iter().zip(&self.layout.tile_factors).rev() {
            let Some(part) = self.tile(Cell::s0(tile.first_row)) else { continue };
            for step in tile::Step::ALL.into_iter().rev() {
                for index in cells.of(step).into_iter().filter_map(|cell| self.chain_at(cell)) {
                    factors.insert(index, part);
                }
            }
        }
        for (index, chain) in self.chains.iter().enumerate().rev() {
            let reader = factors.get(&index).copied().or(first_reader[index]);
            self.owners[index] = self.owners[index].or(reader);
            let sources = cells(chain).filter_map(|cell| self.chain_at(cell));
            for source in sources.chain(compared.remove(&index).unwrap_or_default()) {
                if source != index && self.owners[index].is_some() {
                    first_reader[source] = self.owners[index];
                }
            }
        }
    }

    /// The part that a cell is of, where only that part's claim reads it.
    fn anchor(&self, cell: Cell) -> Option<usize> {
        match cell.column {
            ScalarColumn::WeightSum => {
                self.sums.range(cell.row + 1..).next().map(|(_, part)| *part)
            }
            // What a tile's producer claims.
            ScalarColumn::S1 => self.tile(cell),
            ScalarColumn::S0 => None,
        }
    }

    /// The part whose tile has the cell's row.
    fn tile(&self, cell: Cell) -> Option<usize> {
        let first = self.layout.tiles.first()?.first_row;
        if cell.column == ScalarColumn::WeightSum || cell.row < first {
            return None;
        }
        self.tiles.range(cell.row + 1..).next().map(|(_, part)| *part)
    }

    /// The chain that has the cell among its rows.
    fn chain_at(&self, cell: Cell) -> Option<usize> {
        if cell.column == ScalarColumn::WeightSum {
            return None;
        }
        let index = self.chains.partition_point(|chain| chain.row <= cell.row).checked_sub(1)?;
        let chain = self.chains.get(index)?;
        (cell.row <= chain.row + chain.terms.len()).then_some(index)
    }
}

/// The cells that a chain reads.
fn cells(chain: &Chain) -> impl Iterator<Item = Cell> {
    let operands = chain.terms.iter().flat_map(|(a, b)| [a, b]);
    operands
        .flat_map(|operand| match operand {
            Operand::Copy(cell) => [Some(*cell), None],
            Operand::Quotient { numerator, denominator } => [Some(*numerator), Some(*denominator)],
            Operand::Free(_) => [None, None],
        })
        .flatten()
}

/// The part that a tile belongs to.
pub(super) fn tile_part(source: TileSource, layers: usize) -> usize {
    match source {
        TileSource::Input | TileSource::PackedInput => 0,
        TileSource::Layer(layer)
        | TileSource::Factors(layer)
        | TileSource::Copied { layer, .. }
        | TileSource::PoolTap { layer, .. } => 1 + layer,
        TileSource::Ranking
        | TileSource::Number
        | TileSource::RankedClass
        | TileSource::Comparisons
        | TileSource::Verdict => layers + 1,
    }
}
