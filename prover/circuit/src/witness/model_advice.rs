//! The advice columns as a prover takes them: whole, phase by phase.

use assay_kernels::Column;
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::gates::advice::CellChange;
use crate::layout::{Layout, RESERVED_ROWS};
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase};
use crate::witness::evaluations::{self, Known};
use crate::witness::small_column::SmallColumn;
use crate::witness::zeros;

/// The advice columns of a circuit, phase by phase.
pub struct ModelAdvice<'a> {
    assignment: &'a Assignment<'a>,
    /// Its weights are gone once they are in `weights`.
    first: FirstPhase,
    /// The weight columns by rows of their domain.
    weights: Vec<SmallColumn<u32>>,
    /// By rows of the weights' domain.
    rest: Vec<Fr>,
    instances: &'a [Fr],
    changes: Vec<CellChange>,
}

impl<'a> ModelAdvice<'a> {
    /// `instances` are all public inputs, the context first.
    pub fn new(assignment: &'a Assignment<'a>, first: FirstPhase, instances: &'a [Fr]) -> Self {
        let (weights, rest, changes) = (Vec::new(), Vec::new(), Vec::new());
        Self { assignment, first, weights, rest, instances, changes }
    }

    /// The witness with some cells changed; a proof of it must be refused.
    pub fn with_changes(mut self, changes: Vec<CellChange>) -> Self {
        self.changes = changes;
        self
    }

    /// The columns of a phase as the constraint system counts them, each of the circuit's length. The
    /// rows that are kept for blinding hold zeros. The phases are 0, 1 and 2, each of them asked for
    /// once and in this order. `challenges` are those of the phases before, as the constraint system
    /// counts them.
    ///
    /// # Panics
    /// With too few challenges, or in another order.
    pub fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Vec<Column> {
        let (before, mut columns) = match phase {
            0 => (0, self.first_columns()),
            1 => (self.first_phase_columns(), vec![self.rest_column(challenges)]),
            _ => (self.first_phase_columns() + 1, self.third_columns(challenges)),
        };
        let usable = (1 << self.layout().k) - RESERVED_ROWS;
        for (index, column) in (before..).zip(&mut columns) {
            if let Column::Full(values) = column {
                values[usable..].fill(Fr::ZERO);
            }
            let changes = self.changes.iter();
            for change in changes.filter(|change| change.column == index && change.row < usable) {
                let mut values = column.to_full();
                values[change.row] += change.delta;
                *column = Column::Full(values);
            }
        }
        columns
    }

    fn layout(&self) -> &'a Layout {
        self.assignment.layout
    }

    /// Number of columns of the first phase.
    fn first_phase_columns(&self) -> usize {
        let options = &self.layout().options;
        options.weight_columns + 3 * options.lanes + 1
    }

    fn first_columns(&mut self) -> Vec<Column> {
        let usable = (1 << self.layout().k) - RESERVED_ROWS;
        let weights = std::mem::take(&mut self.first.weights);
        self.weights = weights.into_iter().map(|column| SmallColumn::from_full(&column)).collect();
        let extended = std::mem::take(&mut self.first.extended);
        let mut columns = if self.layout().weight_stride() == 1 {
            self.weights.iter().map(|column| column.to_column(usable)).collect::<Vec<_>>()
        } else {
            extended.into_iter().map(Column::Full).collect()
        };
        let lanes = &self.first.lanes;
        columns.par_extend(lanes.par_iter().map(|lane| lane.rem.to_column(usable)));
        let pairs = lanes
            .par_iter()
            .flat_map_iter(|lane| [lane.pre.to_column(usable), lane.out.to_column(usable)]);
        columns.par_extend(pairs);
        columns.push(self.first.multiplicity.to_column(usable));
        columns
    }

    fn rest_column(&mut self, challenges: &[Fr]) -> Column {
        let drawn = self.drawn(challenges);
        self.rest = self.assignment.second_phase(drawn.v, drawn.u);
        Column::Full(self.strided(self.rest.clone()))
    }

    fn third_columns(&mut self, challenges: &[Fr]) -> Vec<Column> {
        let known = Known {
            first: &self.first,
            weights: &self.weights,
            rest: &self.rest,
            challenges: self.drawn(challenges),
            z: challenges[if self.layout().profile.batch { 4 } else { 3 }],
            instances: self.instances,
        };
        let third = evaluations::third_phase(self.assignment, known);
        let scalars = third.scalars;
        let mut columns = third.lookups;
        columns.extend([third.lookup_sum, third.produced, third.consumed]);
        columns.push(self.strided(scalars.weight_sum));
        columns.extend([scalars.product, scalars.s0, scalars.s1]);
        columns.into_iter().map(Column::Full).collect()
    }

    fn drawn(&self, challenges: &[Fr]) -> FirstChallenges {
        FirstChallenges {
            v: challenges[0],
            theta: challenges[1],
            beta: challenges[2],
            u: if self.layout().profile.batch { challenges[3] } else { Fr::ONE },
        }
    }

    /// The column of the circuit of which every `weight_stride`th row is one of `values`.
    fn strided(&self, values: Vec<Fr>) -> Vec<Fr> {
        let stride = self.layout().weight_stride();
        if stride == 1 {
            return values;
        }
        let mut column = zeros(values.len() * stride);
        for (cell, value) in column.iter_mut().step_by(stride).zip(values) {
            *cell = value;
        }
        column
    }
}
