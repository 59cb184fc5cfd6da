//! The advice columns of a circuit that is proven, phase by phase.

use std::cell::Cell as Slot;

use halo2_proofs::{
    circuit::{Region, Value},
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{Advice as AdviceColumn, Challenge, Column},
};

use crate::gates::ModelConfig;
use crate::layout::{Layout, RESERVED_ROWS};
use crate::witness::assignment::{Assignment, FirstChallenges, FirstPhase};

/// A change to one advice cell, as a dishonest prover might make it: nothing else follows it. For tests of
/// verifiers.
#[derive(Clone, Copy, Debug)]
pub struct CellChange {
    /// Index of the advice column.
    pub column: usize,
    /// Row of the circuit.
    pub row: usize,
    /// What is added.
    pub delta: Fr,
}

/// What the columns are filled from.
pub(super) struct Advice<'a> {
    pub assignment: &'a Assignment<'a>,
    pub first: &'a FirstPhase,
    /// The public inputs.
    pub instances: &'a [Fr],
    /// What is different from the honest witness.
    pub changes: Vec<CellChange>,
}

impl Advice<'_> {
    fn layout(&self) -> &Layout {
        self.assignment.layout
    }

    fn rows(&self) -> usize {
        (1 << self.layout().k) - RESERVED_ROWS
    }

    fn fill(&self, region: &mut Region<'_, Fr>, column: Column<AdviceColumn>, values: &[Fr]) {
        self.fill_strided(region, column, values, 1);
    }

    /// Row `i * stride` takes value `i`.
    fn fill_strided(
        &self,
        region: &mut Region<'_, Fr>,
        column: Column<AdviceColumn>,
        values: &[Fr],
        stride: usize,
    ) {
        let rows = (0..self.rows()).step_by(stride);
        for (row, value) in rows.zip(values) {
            let value = &self
                .changes
                .iter()
                .filter(|change| change.column == column.index() && change.row == row)
                .fold(*value, |value, change| value + change.delta);
            // The tests' checker goes through the phases several times, with other challenges each time:
            // there a zero has to replace what an earlier pass left.
            if !bool::from(value.is_zero()) || cfg!(test) {
                region.assign_advice(column, row, Value::known(*value));
            }
        }
    }

    /// Fills all phases.
    pub(super) fn assign(&self, config: &ModelConfig, region: &mut Region<'_, Fr>) {
        let Self { assignment, first, instances, .. } = self;
        let stride = self.layout().weight_stride();
        for (column, values) in config.weights.iter().zip(first.extended_weights()) {
            self.fill(region, *column, values);
        }
        for (lane, [pre, out, rem]) in config.lanes.iter().zip(&first.lanes) {
            self.fill(region, lane.pre, pre);
            self.fill(region, lane.out, out);
            self.fill(region, lane.rem, rem);
        }
        self.fill(region, config.multiplicity, &first.multiplicity);
        region.next_phase();

        let challenges = FirstChallenges {
            v: challenge(region, config.v),
            theta: challenge(region, config.theta),
            beta: challenge(region, config.beta),
            u: config.u.map_or(Fr::ONE, |u| challenge(region, u)),
        };
        let rest = assignment.second_phase(challenges.v, challenges.u);
        self.fill_strided(region, config.rest, &rest, stride);
        region.next_phase();

        let z = challenge(region, config.z);
        let third = assignment.third_phase(first, &rest, challenges, z, instances);
        for (column, values) in config.lookups.iter().zip(&third.lookups) {
            self.fill(region, *column, values);
        }
        self.fill(region, config.lookup_sum, &third.lookup_sum);
        self.fill(region, config.produced, &third.produced);
        self.fill(region, config.consumed, &third.consumed);
        self.fill_strided(region, config.weight_sum, &third.scalars.weight_sum, stride);
        self.fill(region, config.product, &third.scalars.product);
        self.fill(region, config.s0, &third.scalars.s0);
        self.fill(region, config.s1, &third.scalars.s1);
        region.next_phase();
    }
}

fn challenge(region: &Region<'_, Fr>, challenge: Challenge) -> Fr {
    let slot = Slot::new(Fr::ZERO);
    region.get_challenge(challenge).map(|value| slot.set(value));
    slot.get()
}
