//! Where a proof's advice columns come from.

use assay_arithmetic::weight_columns::WeightTails;
use assay_kernels::Column as Values;
use halo2_proofs::{
    circuit::{SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
    },
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Fixed, FloorPlanner, Instance, Selector,
    },
};

use super::{phases::Schedule, prove_error::ProveError};

/// One advice column.
#[derive(Debug, Clone)]
pub enum AdviceColumn {
    /// The values of 2^k rows. The prover puts random ones into the last rows, so that the commitment and
    /// the openings say nothing of the others.
    Values(Values),
    /// The values of 2^k rows, the last ones included. Their source answers for hiding them: it has put
    /// random values into as many rows that nothing constrains as the column is opened at points, plus one.
    Complete(Values),
    /// The values at the 2^h-th roots of unity, where h is at most k: of the column's polynomial of fewer than 2^h
    /// coefficients. Hiding is up to the source. Small values are kept as such throughout the proof.
    OnSubgroup(Values),
}

/// Gives a circuit's advice columns, phase by phase.
pub trait AdviceSource {
    /// The columns of a phase (0, 1, 2), in the order of their indices. `challenges` are all that were drawn
    /// so far, in the order of theirs.
    ///
    /// # Errors
    /// [`ProveError::Witness`] when there is no witness.
    fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Result<Vec<AdviceColumn>, ProveError>;

    /// The commitment to the column `index`, if it is the same in each proof and known from another one. A
    /// wrong one makes an invalid proof.
    fn commitment(&self, _index: usize) -> Option<G1Affine> {
        None
    }
}

/// The columns that a circuit assigns when it is synthesized: once for each phase, and cell by cell.
#[derive(Debug)]
pub struct CircuitAdvice<'a, C> {
    circuit: &'a C,
    /// Their rows at the end of the first columns.
    tails: &'a WeightTails,
    self_blinded: usize,
    shape: Shape,
}

/// Size of the columns.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub k: u32,
    pub schedule: Schedule,
    pub blinding_factors: usize,
    pub public_inputs: Vec<Fr>,
}

impl<'a, C: Circuit<Fr>> CircuitAdvice<'a, C> {
    /// The first columns get the rows of `tails`; the `self_blinded` columns after them keep zeros in their
    /// last rows, see [`AdviceColumn::Complete`].
    pub(super) fn new(
        circuit: &'a C,
        tails: &'a WeightTails,
        self_blinded: usize,
        shape: Shape,
    ) -> Self {
        Self { circuit, tails, self_blinded, shape }
    }

    fn synthesize(&self, phase: u8, challenges: &[Fr]) -> Result<Vec<Vec<Fr>>, ProveError> {
        let mut cs = ConstraintSystem::default();
        let config = C::configure_with_params(&mut cs, self.circuit.params());
        let schedule = &self.shape.schedule;
        let rows = 1usize << self.shape.k;
        let mut collected = Collected {
            shape: &self.shape,
            usable: rows - (self.shape.blinding_factors + 1),
            phase,
            challenges,
            first: schedule.first_column(phase),
            columns: vec![vec![Fr::ZERO; rows]; schedule.columns_of(phase)],
            fault: None,
        };
        let constants = cs.constants().clone();
        SimpleFloorPlanner::synthesize(&mut collected, self.circuit, config, constants)
            .map_err(ProveError::Library)?;
        match collected.fault {
            Some(fault) => Err(ProveError::Witness(fault)),
            None => Ok(collected.columns),
        }
    }
}

impl<C: Circuit<Fr>> AdviceSource for CircuitAdvice<'_, C> {
    fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Result<Vec<AdviceColumn>, ProveError> {
        // Circuits panic where a value is missing.
        let work = || self.synthesize(phase, challenges);
        let columns = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            Ok(columns) => columns?,
            Err(payload) => return Err(ProveError::Witness(super::panic_message(&payload))),
        };
        let first = self.shape.schedule.first_column(phase);
        let weights = self.tails.rows.len();
        let finished = columns.into_iter().enumerate().map(|(index, mut values)| {
            let index = first + index;
            if let Some(tail) = self.tails.rows.get(index) {
                let start = values.len() - tail.len();
                values[start..].copy_from_slice(tail);
                return AdviceColumn::Complete(Values::Full(values));
            }
            let values = Values::Full(values);
            if index < weights + self.self_blinded {
                AdviceColumn::Complete(values)
            } else {
                AdviceColumn::Values(values)
            }
        });
        Ok(finished.collect())
    }
}

/// Takes the cells of one phase.
struct Collected<'a> {
    shape: &'a Shape,
    /// Rows before the blinding.
    usable: usize,
    phase: u8,
    challenges: &'a [Fr],
    /// Index of the phase's first column.
    first: usize,
    columns: Vec<Vec<Fr>>,
    fault: Option<String>,
}

impl Assignment<Fr> for Collected<'_> {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}

    fn exit_region(&mut self) {}

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn query_instance(&self, _: Column<Instance>, row: usize) -> Result<Value<Fr>, Error> {
        let value = self.shape.public_inputs.get(row);
        value.map(|value| Value::known(*value)).ok_or(Error::BoundsFailure)
    }

    /// The cell's value is not handed back: circuits keep their witness themselves.
    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let index = column.index();
        if self.shape.schedule.advice.get(index) != Some(&self.phase) {
            return Value::unknown();
        }
        if row >= self.usable {
            let usable = self.usable;
            self.fault.get_or_insert_with(|| {
                format!(
                    "advice column {index} is assigned at row {row}, only rows below {usable} are usable"
                )
            });
            return Value::unknown();
        }
        let mut known = None;
        to.map(|value| known = Some(value.evaluate()));
        match (known, self.columns.get_mut(index - self.first)) {
            (Some(value), Some(column)) => column[row] = value,
            _ => {
                self.fault.get_or_insert_with(|| {
                    format!("advice column {index} has no value at row {row} in its phase")
                });
            }
        }
        Value::unknown()
    }

    fn assign_fixed(&mut self, _: Column<Fixed>, _: usize, _: Assigned<Fr>) {}

    fn copy(&mut self, _: Column<Any>, _: usize, _: Column<Any>, _: usize) {}

    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        Ok(())
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<Fr> {
        match self.challenges.get(challenge.index()) {
            Some(value) => Value::known(*value),
            None => Value::unknown(),
        }
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}

    /// The phases come in calls of their own.
    fn next_phase(&mut self) {}
}
