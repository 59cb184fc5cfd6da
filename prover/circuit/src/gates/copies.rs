//! The copy constraints, each with the name of the rule that it is part of.

use crate::layout::Layout;
use crate::layout::scalar_program::{Cell, Equality, Operand, Step};
use crate::layout::tile::{self, CONSUMED, PRODUCED};

impl Layout {
    /// Visits each pair of cells that must be equal.
    pub(crate) fn for_each_copy(&self, mut visit: impl FnMut(&'static str, Cell, Cell)) {
        let mut equal = |rule, a: Cell, b: Cell| {
            if a != b {
                visit(rule, a, b);
            }
        };
        for Equality { rule, cells: [a, b] } in &self.program.equalities {
            equal(rule, *a, *b);
        }
        for step in &self.program.steps {
            let Step::Chain(chain) = step else { continue };
            for (index, (a, b)) in chain.terms.iter().enumerate() {
                let row = chain.row + 1 + index;
                if let Operand::Copy(cell) = a {
                    equal("first operands", *cell, Cell::s0(row));
                }
                if let Operand::Copy(cell) = b {
                    equal("second operands", *cell, Cell::s1(row));
                }
            }
        }
        for (tile, factors) in self.tiles.iter().zip(&self.tile_factors) {
            tile.for_each_row(|at| {
                for (side, cell) in [(PRODUCED, Cell::s1(at.row)), (CONSUMED, Cell::s0(at.row))] {
                    if let Some(step) = tile.entered(side, &at) {
                        equal(factor_rule(side, step), factors.of(step)[side], cell);
                    }
                }
            });
        }
    }
}

fn factor_rule(side: usize, step: tile::Step) -> &'static str {
    let [produced, consumed] = match step {
        tile::Step::Row => ["produced: factor of a row", "consumed: factor of a row"],
        tile::Step::Line => ["produced: factor of a line", "consumed: factor of a line"],
        tile::Step::Group => ["produced: factor of a group", "consumed: factor of a group"],
        tile::Step::Channel => ["produced: factor of a channel", "consumed: factor of a channel"],
        tile::Step::Block => {
            ["produced: factor of a block of channels", "consumed: factor of a block of channels"]
        }
    };
    if side == PRODUCED { produced } else { consumed }
}
