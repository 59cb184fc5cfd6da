//! The advice columns as a prover takes them: whole, phase by phase.

use assay_kernels::Column;
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::layout::{Layout, RESERVED_ROWS};
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase};
use crate::witness::cell_change::CellChange;
use crate::witness::evaluations;
use crate::witness::known::Known;
use crate::witness::known::zeros;
use crate::witness::small_column::SmallColumn;

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
    /// Whether the weight columns are handed over by the rows of their own domain.
    own_domain: bool,
}

impl<'a> ModelAdvice<'a> {
    /// `instances` are all public inputs, the context first.
    pub fn new(assignment: &'a Assignment<'a>, first: FirstPhase, instances: &'a [Fr]) -> Self {
        let (weights, rest, changes) = (Vec::new(), Vec::new(), Vec::new());
        Self { assignment, first, weights, rest, instances, changes, own_domain: false }
    }

    /// Hands over the weight columns by the rows of their own domain, for a prover that wants no more. By the
    /// rows of a circuit larger than their domain they take long to compute, and much memory.
    pub fn with_weights_on_own_domain(mut self) -> Self {
        self.own_domain = true;
        self
    }

    /// The witness with some cells changed; a proof of it must be refused.
    pub fn with_changes(mut self, changes: Vec<CellChange>) -> Self {
        self.changes = changes;
        self
    }

    /// The columns of a phase as the constraint system counts them, each of the circuit's length unless
    /// [`Self::with_weights_on_own_domain`] says otherwise. The
    /// last rows, kept for blinding, hold zeros, but in the weight columns what
    /// [`FirstPhase::weight_tails`] says. The phases are 0, 1 and 2, each of them asked for once and in
    /// this order. `challenges` are those of the phases before, as the constraint system counts them.
    ///
    /// # Panics
    /// With too few challenges, or in another order.
    pub fn columns(&mut self, phase: u8, challenges: &[Fr]) -> Vec<Column> {
        let (before, mut columns) = match phase {
            0 => (0, self.first_columns()),
            1 => (self.first_phase_columns(), vec![self.rest_column(challenges)]),
            _ => (self.first_phase_columns() + 1, self.third_columns(challenges)),
        };
        let usable = self.usable();
        for (index, column) in (before..).zip(&mut columns) {
            match column {
                Column::Full(values) if phase > 0 => values[usable..].fill(Fr::ZERO),
                _ => {}
            }
            let changes = self.changes.iter().filter(|change| change.column == index);
            let rows = usable.min(column.len());
            for change in changes.filter(|change| change.row < rows) {
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

    /// Rows before those that are kept for blinding.
    fn usable(&self) -> usize {
        self.assignment.rows() - RESERVED_ROWS
    }

    /// Number of columns of the first phase.
    fn first_phase_columns(&self) -> usize {
        let options = &self.layout().options;
        options.weight_columns + 3 * options.lanes + 1
    }

    fn first_columns(&mut self) -> Vec<Column> {
        let usable = self.usable();
        let extended = !self.own_domain && self.layout().weight_stride() > 1;
        let extended = extended.then(|| self.first.extended_weights());
        self.weights = std::mem::take(&mut self.first.weights);
        let weight_column = |column: &SmallColumn<u32>| column.to_column(column.rows());
        let mut columns = match extended {
            Some(extended) => extended.into_iter().map(Column::Full).collect(),
            None => self.weights.iter().map(weight_column).collect::<Vec<_>>(),
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
        // Nothing is computed from them any more, and a prover may keep what made its columns.
        self.first.lanes = Vec::new();
        (self.weights, self.rest) = (Vec::new(), Vec::new());
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
