//! What a circuit assigns, for its key: fixed columns and copies.
//!
//! The library collects the same at 64 bytes a fixed cell and 40 bytes a permuted cell. Here a fixed
//! column is indices into its few different values, and of the permuted cells only those are kept that
//! a copy touches.

mod cycles;
mod fixed_column;

use halo2_proofs::{
    circuit::Value,
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Fixed, FloorPlanner, Instance, Selector,
    },
};

use crate::{key_error::KeyError, phases::Flat};

pub use cycles::Moved;
pub(crate) use fixed_column::MOST_VALUES;

use cycles::{Cell, Cycles};
use fixed_column::FixedColumn;

/// The content of a proving key.
#[derive(Debug)]
pub(crate) struct Assembled {
    /// The fixed columns, of 2^k rows.
    pub fixed: Vec<assay_kernels::Column>,
    /// For each column of the permutation argument the cells that the permutation moves, by rows.
    pub moved: Vec<Vec<Moved>>,
}

/// Lays a circuit out on 2^k rows.
///
/// # Errors
/// [`KeyError::Circuit`] when the circuit says so itself or there are fewer rows than any circuit of
/// these columns takes; [`KeyError::Layout`] when it assigns or copies a cell that is not there, or
/// panics.
pub(crate) fn assemble<C: Circuit<Fr>>(circuit: &C, k: u32) -> Result<Assembled, KeyError> {
    let mut cs = ConstraintSystem::default();
    let config = Flat::<C>::configure_with_params(&mut cs, circuit.params());
    let rows = 1usize << k;
    if rows < cs.minimum_rows() {
        return Err(KeyError::Circuit(Error::NotEnoughRowsAvailable { current_k: k }));
    }
    let permuted = cs.permutation().get_columns();
    let mut assembly = Assembly {
        k,
        usable: rows - (cs.blinding_factors() + 1),
        fixed: (0..cs.num_fixed_columns()).map(|_| FixedColumn::zero(rows)).collect(),
        cycles: Cycles::default(),
        permuted,
        misfit: None,
    };
    let constants = cs.constants().clone();
    let layout = || {
        <Flat<'_, C> as Circuit<Fr>>::FloorPlanner::synthesize(
            &mut assembly,
            &Flat(circuit),
            config,
            constants,
        )
    };
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(layout)) {
        Ok(outcome) => outcome.map_err(KeyError::Circuit)?,
        Err(payload) => return Err(KeyError::Layout(crate::panic_message(&payload))),
    }
    if let Some(misfit) = assembly.misfit {
        return Err(KeyError::Layout(misfit));
    }
    Ok(Assembled {
        fixed: assembly.fixed.into_iter().map(FixedColumn::finish).collect(),
        moved: assembly.cycles.moved(assembly.permuted.len()),
    })
}

struct Assembly {
    k: u32,
    /// Rows that a circuit may assign; those behind them are for blinding.
    usable: usize,
    fixed: Vec<FixedColumn>,
    cycles: Cycles,
    permuted: Vec<Column<Any>>,
    /// The first cell that was not there: most assignments cannot return an error.
    misfit: Option<String>,
}

impl Assembly {
    fn not_there(&mut self, what: impl FnOnce() -> String) {
        self.misfit.get_or_insert_with(what);
    }

    fn require_row(&self, row: usize) -> Result<(), Error> {
        match row < self.usable {
            true => Ok(()),
            false => Err(Error::NotEnoughRowsAvailable { current_k: self.k }),
        }
    }

    fn permuted_cell(&mut self, column: Column<Any>, row: usize) -> Option<Cell> {
        let place = self.permuted.iter().position(|other| *other == column);
        if place.is_none() {
            self.not_there(|| format!("{column:?} takes no copies"));
        }
        if row >= self.usable {
            let (usable, k) = (self.usable, self.k);
            self.not_there(|| format!("row {row} of a copy; {usable} of 2^{k} rows are usable"));
            return None;
        }
        Some(Cell { column: place? as u32, row: row as u32 })
    }
}

impl Assignment<Fr> for Assembly {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        // A schedule has refused constraint systems with selectors.
        Err(Error::BoundsFailure)
    }

    fn query_instance(&self, _: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        self.require_row(row)?;
        Ok(Value::unknown())
    }

    fn assign_advice<'v>(
        &mut self,
        _: Column<Advice>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        match self.fixed.get_mut(column.index()) {
            Some(cells) if row < self.usable => cells.set(row, value_of(to)),
            _ => {
                let (usable, k) = (self.usable, self.k);
                self.not_there(|| {
                    format!("row {row} of {column:?}; {usable} of 2^{k} rows are usable")
                });
            }
        }
    }

    fn copy(&mut self, left: Column<Any>, left_row: usize, right: Column<Any>, right_row: usize) {
        let left = self.permuted_cell(left, left_row);
        let right = self.permuted_cell(right, right_row);
        if let (Some(left), Some(right)) = (left, right) {
            self.cycles.join(left, right);
        }
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        self.require_row(row)?;
        let cells = self.fixed.get_mut(column.index()).ok_or(Error::BoundsFailure)?;
        let mut value = Err(Error::Synthesis);
        to.map(|to| value = Ok(value_of(to)));
        let value = value?;
        (row..self.usable).for_each(|row| cells.set(row, value));
        Ok(())
    }

    fn get_challenge(&self, _: Challenge) -> Value<Fr> {
        Value::unknown()
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}
}

/// A fraction over zero is zero, as in the library.
fn value_of(assigned: Assigned<Fr>) -> Fr {
    match assigned {
        Assigned::Zero => Fr::ZERO,
        Assigned::Trivial(value) => value,
        Assigned::Rational(..) => assigned.evaluate(),
    }
}
