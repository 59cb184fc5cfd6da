//! Telling how far a proof is, and stopping it.

use super::costs::{Costs, Work};
use crate::prove_error::ProveError;

/// What a proof is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Computing the columns of a phase and committing to them.
    Columns,
    /// Making the key's polynomials.
    Key,
    /// The products of the permutation argument.
    Permutation,
    /// The quotient of the constraints.
    Quotient,
    /// Evaluations and the opening proof.
    Opening,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Columns => "committing to the witness",
            Self::Key => "reading the key",
            Self::Permutation => "permutation argument",
            Self::Quotient => "constraints",
            Self::Opening => "opening the commitments",
        })
    }
}

/// Is told how far a proof is, and can stop it.
pub trait Watch: Sync {
    /// A part of `step` is done. `fraction` of the expected work is, from 0 to 1.
    fn progress(&self, step: Step, fraction: f64);

    /// Whether to stop. Asked between steps that take a fraction of a second at 2^20 rows.
    fn is_cancelled(&self) -> bool;
}

/// Watches nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn progress(&self, _: Step, _: f64) {}

    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Step {
    fn of(work: Work) -> Self {
        match work {
            Work::Values
            | Work::SmallColumn
            | Work::WeightColumn
            | Work::FullColumn
            | Work::Polynomial => Self::Columns,
            Work::KeyColumn => Self::Key,
            Work::Product => Self::Permutation,
            Work::Commitment | Work::FirstPart | Work::Part | Work::Split => Self::Quotient,
            Work::Evaluations | Work::Opening => Self::Opening,
        }
    }
}

/// Counts the work of a proof.
pub(super) struct Meter<'a> {
    watch: &'a dyn Watch,
    costs: Costs,
    spent: f64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(watch: &'a dyn Watch, costs: Costs) -> Self {
        Self { watch, costs, spent: 0.0 }
    }

    /// `share` more pieces of work are expected, less where it is negative.
    pub(super) fn expect(&mut self, work: Work, share: f64) {
        self.costs.expect(work, share);
    }

    /// A piece of work is done.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn done(&mut self, work: Work) -> Result<(), ProveError> {
        self.done_in(work, 1.0)
    }

    /// A share of a piece of work is done, which is all of it that there is.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn done_in(&mut self, work: Work, share: f64) -> Result<(), ProveError> {
        self.spent += self.costs.of(work) * share;
        self.tell(work)
    }

    fn tell(&self, work: Work) -> Result<(), ProveError> {
        self.watch.progress(Step::of(work), (self.spent / self.costs.total()).min(1.0));
        if self.watch.is_cancelled() { Err(ProveError::Cancelled) } else { Ok(()) }
    }
}
