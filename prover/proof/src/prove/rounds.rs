//! The rounds of a proof: fills the columns of a phase, blinds and commits to them, draws the phase's
//! challenges, goes on.

use std::io::Write;

use assay_kernels::Column;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1, G1Affine},
        ff::Field,
        group::{Curve, prime::PrimeCurveAffine},
    },
    transcript::{Transcript, TranscriptWrite},
};
use rand_core::RngCore;

use crate::{
    advice::{AdviceColumn, AdviceSource},
    profile::Profile,
    prove_error::ProveError,
    transcript::KeccakWrite,
};

/// What the rounds need to know.
pub(crate) struct Rounds<'a> {
    pub k: u32,
    pub profile: &'a Profile,
    pub public_inputs: &'a [Fr],
    pub transcript_repr: Fr,
}

/// What is done with the columns.
pub(crate) trait Committer {
    /// A phase's columns have their values; the first of them is column `first`.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    fn computed(&mut self, _first: usize, _columns: &[AdviceColumn]) -> Result<(), ProveError> {
        Ok(())
    }

    /// The point of a column that is ready: `known`, where the source knows it.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    fn commit(&mut self, column: &AdviceColumn, known: Option<G1Affine>) -> Result<G1, ProveError>;

    /// Takes the column when all of its phase are committed to.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    fn keep(&mut self, index: usize, column: AdviceColumn) -> Result<(), ProveError>;
}

impl Rounds<'_> {
    /// Runs all phases; returns the challenges. `rng` is left where the blinding ended.
    ///
    /// # Errors
    /// Those of the source and of the committer; [`ProveError::Witness`] for columns of another number or length.
    pub(crate) fn run<W: Write>(
        &self,
        source: &mut dyn AdviceSource,
        rng: &mut dyn RngCore,
        transcript: &mut KeccakWrite<W>,
        committer: &mut dyn Committer,
    ) -> Result<Vec<Fr>, ProveError> {
        transcript.common_scalar(self.transcript_repr)?;
        for input in self.public_inputs {
            transcript.common_scalar(*input)?;
        }
        let schedule = &self.profile.schedule;
        let mut challenges = Vec::with_capacity(schedule.challenges.len());
        for phase in 0..schedule.phases() {
            let mut columns = source.columns(phase, &challenges)?;
            let (first, expected) = (schedule.first_column(phase), schedule.columns_of(phase));
            committer.computed(first, &columns)?;
            if columns.len() != expected {
                return Err(ProveError::Witness(format!(
                    "phase {phase} has {} columns, the circuit has {expected}",
                    columns.len()
                )));
            }
            let mut commitments = Vec::with_capacity(expected);
            for (index, column) in (first..).zip(&mut columns) {
                self.complete(index, column, rng)?;
                commitments.push(committer.commit(column, source.commitment(index))?);
            }
            let mut points = vec![G1Affine::identity(); expected];
            G1::batch_normalize(&commitments, &mut points);
            for point in points {
                transcript.write_point(point)?;
            }
            for _ in 0..schedule.challenges_after(phase) {
                challenges.push(*transcript.squeeze_challenge_scalar::<()>());
            }
            for (index, column) in (first..).zip(columns) {
                committer.keep(index, column)?;
            }
        }
        Ok(challenges)
    }

    /// Checks a column's length, and fills its last rows if that is for the prover to do.
    fn complete(
        &self,
        index: usize,
        column: &mut AdviceColumn,
        rng: &mut dyn RngCore,
    ) -> Result<(), ProveError> {
        let rows = 1usize << self.k;
        let fits = match column {
            AdviceColumn::Values(values) | AdviceColumn::Complete(values) => values.len() == rows,
            AdviceColumn::OnSubgroup(values) => {
                values.len() <= rows && values.len().is_power_of_two()
            }
        };
        if !fits {
            return Err(ProveError::Witness(format!(
                "advice column {index} does not have the circuit's {rows} rows"
            )));
        }
        if let AdviceColumn::Values(values) = column {
            blind(values, rows - (self.profile.blinding_factors + 1), rng);
        }
        Ok(())
    }
}

/// Random values in the rows from `usable` on.
fn blind(values: &mut Column, usable: usize, rng: &mut dyn RngCore) {
    let rows = values.len();
    if let Column::Palette { .. } = values {
        *values = Column::Full(values.to_full());
    }
    match values {
        Column::Full(values) => {
            for value in &mut values[usable..] {
                *value = Fr::random(&mut *rng);
            }
        }
        Column::Small { values, exceptions } => {
            values[usable..].fill(0);
            exceptions.retain(|(row, _)| (*row as usize) < usable);
            exceptions.extend((usable..rows).map(|row| (row as u32, Fr::random(&mut *rng))));
        }
        Column::Palette { .. } => {}
    }
}
