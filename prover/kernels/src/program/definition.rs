//! How values come about, between a graph and a program.

use crate::program::code::Operand;

/// How a value comes about. Until registers are allocated, each value has one of its own.
pub(super) enum Definition {
    /// From this slot.
    Load(u32),
    Sum(LongSum),
}

/// A sum before its operands are sorted.
#[derive(Default)]
pub(super) struct LongSum {
    pub(super) terms: Vec<Term>,
    pub(super) lift: u8,
    pub(super) reduce: bool,
    pub(super) bound: i64,
}

#[derive(Clone, Copy)]
pub(super) struct Term {
    pub(super) negative: bool,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Product(Operand, Operand),
    Single(Operand),
}

impl Kind {
    pub(super) fn is_product(self) -> bool {
        matches!(self, Self::Product(..))
    }

    pub(super) fn operands(self) -> impl Iterator<Item = Operand> {
        let (first, second) = match self {
            Self::Product(a, b) => (a, Some(b)),
            Self::Single(a) => (a, None),
        };
        std::iter::once(first).chain(second)
    }
}
