//! The advice columns as a prover takes them: whole, phase by phase.

use assay_kernels::Column;
use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

use crate::gates::advice::CellChange;
use crate::layout::RESERVED_ROWS;
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase};

/// Of how many rows one may be exceptional before a column is no longer a small one.
const ROWS_PER_EXCEPTION: usize = 16;

/// The advice columns of a circuit, phase by phase.
pub struct ModelAdvice<'a> {
    assignment: &'a Assignment<'a>,
    first: FirstPhase,
    instances: &'a [Fr],
    changes: Vec<CellChange>,
    rest: Vec<Fr>,
}

impl<'a> ModelAdvice<'a> {
    /// `instances` are all public inputs, the context first.
    pub fn new(assignment: &'a Assignment<'a>, first: FirstPhase, instances: &'a [Fr]) -> Self {
        Self { assignment, first, instances, changes: Vec::new(), rest: Vec::new() }
    }

    /// The witness with some cells changed; a proof of it must be refused.
    pub fn with_changes(mut self, changes: Vec<CellChange>) -> Self {
        self.changes = changes;
        self
    }

    /// The columns of `phase` (0, 1 or 2, in this order) as the constraint system counts them, each of
    /// the circuit's length. The rows that are kept for blinding hold zeros. `challenges` are those
    /// of the phases before, as the constraint system counts them.
    ///
    /// # Panics
    /// With too few challenges, or for the last phase before the second.
    pub fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Vec<Column> {
        match phase {
            0 => self.first_columns(),
            1 => self.second_columns(challenges),
            _ => self.third_columns(challenges),
        }
    }

    fn first_columns(&self) -> Vec<Column> {
        let FirstPhase { lanes, multiplicity, .. } = &self.first;
        let mut columns = self.first.extended_weights().iter().collect::<Vec<_>>();
        columns.extend(lanes.iter().map(|[_, _, rem]| rem));
        columns.extend(lanes.iter().flat_map(|[pre, out, _]| [pre, out]));
        columns.push(multiplicity);
        let columns = columns.into_par_iter().enumerate();
        columns.map(|(index, values)| compact(self.finished(index, values.clone()))).collect()
    }

    fn second_columns(&mut self, challenges: &[Fr]) -> Vec<Column> {
        let drawn = self.drawn(challenges);
        self.rest = self.assignment.second_phase(drawn.v, drawn.u);
        let index = self.columns_before(1);
        vec![Column::Full(self.finished(index, self.strided(&self.rest)))]
    }

    fn third_columns(&mut self, challenges: &[Fr]) -> Vec<Column> {
        let drawn = self.drawn(challenges);
        let z = challenges[if self.assignment.layout.profile.batch { 4 } else { 3 }];
        let third = self.assignment.third_phase(&self.first, &self.rest, drawn, z, self.instances);
        let mut columns = third.lookups;
        let scalars = third.scalars;
        columns.extend([third.lookup_sum, third.produced, third.consumed]);
        columns.push(self.strided(&scalars.weight_sum));
        columns.extend([scalars.product, scalars.s0, scalars.s1]);
        let columns = (self.columns_before(2)..).zip(columns);
        columns.map(|(index, values)| Column::Full(self.finished(index, values))).collect()
    }

    fn drawn(&self, challenges: &[Fr]) -> FirstChallenges {
        let batch = self.assignment.layout.profile.batch;
        FirstChallenges {
            v: challenges[0],
            theta: challenges[1],
            beta: challenges[2],
            u: if batch { challenges[3] } else { Fr::ONE },
        }
    }

    /// Number of columns in the phases before `phase`.
    fn columns_before(&self, phase: u8) -> usize {
        let options = &self.assignment.layout.options;
        let first = options.weight_columns + 3 * options.lanes + 1;
        [0, first, first + 1][usize::from(phase)]
    }

    /// The column of the circuit of which every `weight_stride`th row is one of `values`.
    fn strided(&self, values: &[Fr]) -> Vec<Fr> {
        let stride = self.assignment.layout.weight_stride();
        let mut column = vec![Fr::ZERO; values.len() * stride];
        for (cell, value) in column.iter_mut().step_by(stride).zip(values) {
            *cell = *value;
        }
        column
    }

    /// With zeros in the last rows, and with the changes of column `index`.
    fn finished(&self, index: usize, mut values: Vec<Fr>) -> Vec<Fr> {
        let usable = values.len() - RESERVED_ROWS;
        values[usable..].fill(Fr::ZERO);
        for change in self.changes.iter().filter(|change| change.column == index) {
            if change.row < usable {
                values[change.row] += change.delta;
            }
        }
        values
    }
}

/// The column as a small one, if most of its values are.
fn compact(full: Vec<Fr>) -> Column {
    let mut values = vec![0; full.len()];
    let mut exceptions = Vec::new();
    for (row, (small, value)) in values.iter_mut().zip(&full).enumerate() {
        let repr = value.to_repr();
        let (low, high) = repr.as_ref().split_at(4);
        match low.try_into().map(u32::from_le_bytes) {
            Ok(low) if high.iter().all(|byte| *byte == 0) => *small = low,
            _ => exceptions.push((row as u32, *value)),
        }
    }
    if exceptions.len() > full.len() / ROWS_PER_EXCEPTION {
        return Column::Full(full);
    }
    Column::Small { values, exceptions }
}
