//! Runs a circuit round by round: fills the columns of a phase, blinds and commits to them, draws
//! the phase's challenges, goes on.

use halo2_proofs::{
    circuit::{SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Fr, G1, G1Affine},
        ff::Field,
        group::{Curve, prime::PrimeCurveAffine},
    },
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Fixed, FloorPlanner, Instance, Selector,
    },
    poly::{
        EvaluationDomain,
        commitment::{Blind, Params},
    },
    transcript::{Transcript, TranscriptWrite},
};
use rand_core::RngCore;
use rayon::prelude::*;

use assay_arithmetic::weight_columns::WeightTails;

use super::{
    blinding::{BlindingRng, WORDS_PER_SCALAR, words_of},
    phases::Schedule,
    prove_error::ProveError,
    srs::Srs,
    transcript::KeccakWrite,
};

/// The columns of a proof and their commitments.
pub(super) struct Witness {
    /// Values of each column, blinding rows included.
    pub columns: Vec<Vec<Fr>>,
    /// Commitment to each column.
    pub commitments: Vec<G1>,
    /// The random words that made the blinding rows, in the order of the columns.
    pub words: Vec<u64>,
}

/// What the rounds need to know.
pub(super) struct Rounds<'a> {
    pub srs: &'a Srs,
    pub domain: &'a EvaluationDomain<Fr>,
    pub schedule: &'a Schedule,
    pub blinding_factors: usize,
    pub public_inputs: &'a [Fr],
    pub transcript_repr: Fr,
    /// At least as many rows a column as the library blinds.
    pub tails: &'a WeightTails,
}

impl Rounds<'_> {
    /// Runs a circuit. `rng` is left where the blinding ended.
    pub(crate) fn run<C: Circuit<Fr>>(
        &self,
        circuit: &C,
        rng: &mut BlindingRng,
    ) -> Result<Witness, ProveError> {
        let mut cs = ConstraintSystem::default();
        let config = C::configure_with_params(&mut cs, circuit.params());
        let n = 1usize << self.srs.k();
        let count = self.schedule.advice.len();
        let mut transcript = KeccakWrite::new(std::io::sink(), self.schedule);
        // A sink does not fail.
        let _ = transcript.common_scalar(self.transcript_repr);
        for input in self.public_inputs {
            let _ = transcript.common_scalar(*input);
        }
        let mut run = Run {
            rounds: self,
            usable: n - (self.blinding_factors + 1),
            phase: 0,
            columns: vec![vec![Fr::ZERO; n]; count],
            commitments: vec![G1::default(); count],
            words: Vec::new(),
            challenges: vec![None; self.schedule.challenges.len()],
            transcript,
            rng,
            fault: None,
        };
        while run.phase < self.schedule.phases() {
            SimpleFloorPlanner::synthesize(
                &mut run,
                circuit,
                config.clone(),
                cs.constants().clone(),
            )
            .map_err(ProveError::Library)?;
            if let Some(fault) = run.fault.take() {
                return Err(ProveError::Witness(fault));
            }
            // A circuit may go through the phases itself.
            if run.phase < self.schedule.phases() {
                run.next_phase();
            }
        }
        run.transcript.finish()?;
        Ok(Witness { columns: run.columns, commitments: run.commitments, words: run.words })
    }
}

struct Run<'a> {
    rounds: &'a Rounds<'a>,
    /// Rows before the blinding.
    usable: usize,
    phase: u8,
    columns: Vec<Vec<Fr>>,
    commitments: Vec<G1>,
    words: Vec<u64>,
    challenges: Vec<Option<Fr>>,
    transcript: KeccakWrite<std::io::Sink>,
    rng: &'a mut BlindingRng,
    fault: Option<String>,
}

impl Run<'_> {
    fn blind(&mut self, column: usize) {
        if let Some(tail) = self.rounds.tails.rows.get(column) {
            let values = &mut self.columns[column];
            let start = values.len() - tail.len();
            values[start..].copy_from_slice(tail);
            for value in &values[self.usable..] {
                self.words.extend(words_of(value));
            }
            return;
        }
        for row in self.usable..self.columns[column].len() {
            let start = self.words.len();
            for _ in 0..WORDS_PER_SCALAR {
                self.words.push(self.rng.next_u64());
            }
            // The scalar that the library will draw from the same words.
            let mut replay = Replay::new(&self.words[start..], &mut *self.rng);
            self.columns[column][row] = Fr::random(&mut replay);
        }
    }
}

impl Assignment<Fr> for Run<'_> {
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
        let value = self.rounds.public_inputs.get(row);
        value.map(|value| Value::known(*value)).ok_or(Error::BoundsFailure)
    }

    /// The cell's value is not handed back: circuits keep their witness themselves.
    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        let phase = self.rounds.schedule.advice.get(column.index());
        // Columns of earlier phases are committed to.
        if phase.is_none_or(|phase| *phase < self.phase) {
            return Value::unknown();
        }
        if row >= self.usable {
            self.fault.get_or_insert(format!(
                "advice column {} is assigned at row {row}, only rows below {} are usable",
                column.index(),
                self.usable
            ));
            return Value::unknown();
        }
        let mut known = None;
        to.map(|value| known = Some(value.evaluate()));
        match known {
            Some(value) => self.columns[column.index()][row] = value,
            None if phase == Some(&self.phase) => {
                self.fault.get_or_insert(format!(
                    "advice column {} has no value at row {row} in its phase",
                    column.index()
                ));
            }
            None => {}
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
            Some(Some(value)) => Value::known(*value),
            _ => Value::unknown(),
        }
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}

    fn pop_namespace(&mut self, _: Option<String>) {}

    /// Commits to the columns of the current phase and draws its challenges.
    fn next_phase(&mut self) {
        let schedule = self.rounds.schedule;
        if self.phase >= schedule.phases() {
            return;
        }
        let start = match self.phase {
            0 => 0,
            phase => schedule.columns_through(phase - 1),
        };
        let end = schedule.columns_through(self.phase);
        for column in start..end {
            self.blind(column);
        }
        let (domain, params) = (self.rounds.domain, self.rounds.srs.params());
        let known = self.rounds.tails.commitments.as_deref().unwrap_or_default();
        let columns = self.columns[start..end].par_iter_mut().enumerate();
        self.commitments[start..end].par_iter_mut().zip(columns).for_each(
            |(commitment, (index, column))| {
                if let Some(point) = known.get(start + index) {
                    *commitment = point.to_curve();
                    return;
                }
                let polynomial = domain.lagrange_from_vec(std::mem::take(column));
                *commitment = params.commit_lagrange(&polynomial, Blind::default());
                *column = polynomial.into_values();
            },
        );
        let mut points = vec![G1Affine::identity(); end - start];
        G1::batch_normalize(&self.commitments[start..end], &mut points);
        for point in points {
            let _ = self.transcript.write_point(point);
        }
        for (challenge, phase) in self.challenges.iter_mut().zip(&schedule.challenges) {
            if *phase == self.phase {
                *challenge = Some(*self.transcript.squeeze_challenge_scalar::<()>());
            }
        }
        self.phase += 1;
    }
}

/// Gives out recorded words, then those of another generator.
pub(super) struct Replay<'a, R> {
    words: std::slice::Iter<'a, u64>,
    then: R,
}

impl<'a, R: RngCore> Replay<'a, R> {
    pub(crate) fn new(words: &'a [u64], then: R) -> Self {
        let words = words.iter();
        Self { words, then }
    }
}

impl<R: RngCore> RngCore for Replay<'_, R> {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        match self.words.next() {
            Some(word) => *word,
            None => self.then.next_u64(),
        }
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        rand_core::impls::fill_bytes_via_next(self, dest);
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}
