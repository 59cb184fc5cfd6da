//! Bounds of values in multiples of the modulus p.
//!
//! The invariant of the vector code: every register holds a normal number (each of its five limbs is below
//! 2^52) from zero to at most the bound that is tracked for it, and so does a number before its carries and
//! its remainder are taken, with [`Range::LIMIT`] instead of [`KEPT`]. The portable code keeps
//! all values below p and needs none of this.

/// Units in p.
pub(crate) const UNIT: i64 = 1024;

/// The largest bound a register may have, 16 p; a value that may be larger is replaced by its remainder.
pub(crate) const KEPT: i64 = 16 * UNIT;

/// Bound of a remainder. It is at most (1 + 2^-40) p, see `remainder` of the vectors.
pub(crate) const REMAINDER: i64 = UNIT + 1;

/// What a sum may be: from `low` to `high`, both in p / 1024, where `high` is at least zero and `low` at most.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Range {
    low: i64,
    high: i64,
}

impl Range {
    /// The largest number that is computed, 80 p: five limbs hold 84 p.
    pub(crate) const LIMIT: i64 = 80 * UNIT;

    /// With another term from zero to `bound`, or from `-bound` to zero.
    pub(crate) fn with(self, bound: i64, negative: bool) -> Self {
        if negative {
            Self { low: self.low - bound, ..self }
        } else {
            Self { high: self.high + bound, ..self }
        }
    }

    /// The multiple of p that makes the sum at least zero.
    pub(crate) fn lift(self) -> i64 {
        (-self.low + UNIT - 1) / UNIT
    }

    /// Bound of the sum after the lift. The lowest sum is lifted by less than another p, so nothing is below.
    pub(crate) fn lifted(self) -> i64 {
        self.high + self.lift() * UNIT
    }
}

/// Bound of `a * b / 2^260` for factors with these bounds: 2^260 is more than 84 p.
pub(crate) fn of_product(a: i64, b: i64) -> i64 {
    (a * b + 84 * UNIT - 1) / (84 * UNIT)
}
