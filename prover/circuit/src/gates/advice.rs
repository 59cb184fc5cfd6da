//! The advice columns of a circuit that is proven, cell by cell: as the library's provers and checkers
//! take them.

use std::cell::Cell as Slot;

use assay_kernels::Column;
use halo2_proofs::{
    circuit::{Region, Value},
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{Advice as AdviceColumn, Challenge, Column as CircuitColumn},
};

use crate::gates::ModelConfig;
use crate::layout::RESERVED_ROWS;
use crate::witness::assignment::{Assignment, FirstPhase};
use crate::witness::cell_change::CellChange;
use crate::witness::model_advice::ModelAdvice;

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
    /// Fills all phases.
    pub(super) fn assign(&self, config: &ModelConfig, region: &mut Region<'_, Fr>) {
        let Self { assignment, first, instances, changes } = self;
        let mut advice =
            ModelAdvice::new(assignment, (*first).clone(), instances).with_changes(changes.clone());
        let drawn = [
            [config.v, config.theta, config.beta].into_iter().chain(config.u).collect(),
            vec![config.z],
            Vec::new(),
        ];
        let mut challenges = Vec::new();
        for (phase, (columns, drawn)) in (0..).zip(columns(config).iter().zip(drawn)) {
            for (column, values) in columns.iter().zip(advice.columns(phase, &challenges)) {
                fill(region, *column, &values);
            }
            region.next_phase();
            challenges.extend(drawn.into_iter().map(|drawn| challenge(region, drawn)));
        }
    }
}

/// The advice columns of each phase, in the order in which they are declared.
fn columns(config: &ModelConfig) -> [Vec<CircuitColumn<AdviceColumn>>; 3] {
    let mut first = config.weights.clone();
    first.extend(config.lanes.iter().map(|lane| lane.rem));
    first.extend(config.lanes.iter().flat_map(|lane| [lane.pre, lane.out]));
    first.push(config.multiplicity);
    let mut third = config.lookups.clone();
    third.extend([config.lookup_sum, config.produced, config.consumed, config.weight_sum]);
    third.extend([config.product, config.s0, config.s1]);
    [first, vec![config.rest], third]
}

fn fill(region: &mut Region<'_, Fr>, column: CircuitColumn<AdviceColumn>, values: &Column) {
    let values = values.to_full();
    for (row, value) in values[..values.len() - RESERVED_ROWS].iter().enumerate() {
        // The tests' checker goes through the phases several times, with other challenges each time:
        // there a zero has to replace what an earlier pass left.
        if !bool::from(value.is_zero()) || cfg!(test) {
            region.assign_advice(column, row, Value::known(*value));
        }
    }
}

fn challenge(region: &Region<'_, Fr>, challenge: Challenge) -> Fr {
    let slot = Slot::new(Fr::ZERO);
    region.get_challenge(challenge).map(|value| slot.set(value));
    slot.get()
}
