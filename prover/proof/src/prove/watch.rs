//! Telling how far a proof is, and stopping it.

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

/// Counts the work of a proof.
pub(super) struct Meter<'a> {
    watch: &'a dyn Watch,
    costs: Costs,
    spent: f64,
}

/// Expected time of the steps' parts, in any unit.
pub(super) struct Costs {
    /// A part of [`Step::Columns`] is a column, small or full.
    pub small_column: f64,
    /// As above.
    pub full_column: f64,
    /// A part of [`Step::Key`] is a column.
    pub key_column: f64,
    /// A part of [`Step::Permutation`] is a product.
    pub product: f64,
    /// A part of [`Step::Quotient`] is a part of the extended domain, or a commitment.
    pub part: f64,
    /// A part of [`Step::Opening`] is a commitment.
    pub commitment: f64,
    /// All.
    pub total: f64,
}

impl<'a> Meter<'a> {
    pub(super) fn new(watch: &'a dyn Watch, costs: Costs) -> Self {
        Self { watch, costs, spent: 0.0 }
    }

    /// A part of a step is done.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn done(&mut self, step: Step) -> Result<(), ProveError> {
        let cost = match step {
            Step::Columns => self.costs.full_column,
            Step::Key => self.costs.key_column,
            Step::Permutation => self.costs.product,
            Step::Quotient => self.costs.part,
            Step::Opening => self.costs.commitment,
        };
        self.count(step, cost)
    }

    /// A column of small values is committed to.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn small_column(&mut self) -> Result<(), ProveError> {
        self.count(Step::Columns, self.costs.small_column)
    }

    fn count(&mut self, step: Step, cost: f64) -> Result<(), ProveError> {
        self.spent += cost;
        self.watch.progress(step, (self.spent / self.costs.total).min(1.0));
        if self.watch.is_cancelled() { Err(ProveError::Cancelled) } else { Ok(()) }
    }
}
