//! Making proofs, and the commitments that identify a model.
//!
//! The protocol, the keys and the bytes of a proof are the library's: with the same randomness its prover
//! makes the same proof (`tests/oracle`). Only who computes is another: the kernels, on columns that stay as
//! small as they are until a step needs their polynomials, and on one part of the extended domain at a time.

mod by_values;
mod combined;
mod costs;
mod opening;
mod part_cells;
mod permutation;
mod polynomials;
mod quotient;
pub(crate) mod rounds;
pub mod watch;

use assay_arithmetic::{keccak256, weight_columns::WeightTails};
use assay_files::hex_id;
use assay_kernels::{Column, Domain, Parts};
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1, G1Affine},
        ff::{Field, PrimeField},
        group::{Curve, prime::PrimeCurveAffine},
    },
    plonk::Circuit,
    transcript::{Transcript, TranscriptWrite},
};

use super::{
    advice::{AdviceColumn, AdviceSource, CircuitAdvice, Shape},
    blinding::Randomness,
    key_files::{ProverKey, matches_srs},
    profile::{PermutationColumn, Profile},
    prove_error::ProveError,
    srs::Srs,
    transcript::{KeccakWrite, point_to_bytes},
};
use by_values::ByValues;
use costs::{Costs, Size, Work};
use opening::Opening;
use permutation::Argument;
use polynomials::{Polynomials, active_rows};
use quotient::{Challenges, constraint_size};
use rounds::{Committer, Rounds};
use watch::{Meter, Unwatched, Watch};

/// Makes proofs of one circuit.
#[derive(Clone, Copy)]
pub struct Prover<'a> {
    /// Parameters with which `key` was made.
    pub srs: &'a Srs,
    /// The circuit's key.
    pub key: &'a ProverKey,
    /// Is told how far a proof is, and can stop it.
    pub watch: &'a dyn Watch,
}

/// Proves a circuit that assigns its columns when it is synthesized.
///
/// `public_inputs` is the content of the instance column. `tails` fix the commitments of the weight
/// columns; everything else is blinded with fresh randomness. The result is the bare proof.
///
/// # Errors
/// As [`create_proof_self_blinded`].
pub fn create_proof<C: Circuit<Fr>>(
    srs: &Srs,
    key: &ProverKey,
    circuit: C,
    public_inputs: &[Fr],
    tails: &WeightTails,
) -> Result<Vec<u8>, ProveError> {
    create_proof_self_blinded(srs, key, circuit, public_inputs, tails, 0)
}

/// As [`create_proof`], for a circuit that blinds some columns itself.
///
/// The `self_blinded` columns after the weight columns keep zeros in their last rows, so that
/// ungated constraints over them can hold there; the circuit must put at least as many random
/// values into rows that nothing constrains as the columns are opened at points, plus one.
///
/// # Errors
/// [`ProveError::WeightTails`] when `tails` do not fit the key; else as [`Prover::prove`].
pub fn create_proof_self_blinded<C: Circuit<Fr>>(
    srs: &Srs,
    key: &ProverKey,
    circuit: C,
    public_inputs: &[Fr],
    tails: &WeightTails,
    self_blinded: usize,
) -> Result<Vec<u8>, ProveError> {
    let mut advice = circuit_advice(key, &circuit, public_inputs, tails, self_blinded)?;
    Prover { srs, key, watch: &Unwatched }.prove(&mut advice, public_inputs)
}

/// The columns of a circuit that assigns them itself; see [`create_proof_self_blinded`].
///
/// # Errors
/// [`ProveError::WeightTails`] when `tails` do not fit the key.
pub fn circuit_advice<'a, C: Circuit<Fr>>(
    key: &ProverKey,
    circuit: &'a C,
    public_inputs: &[Fr],
    tails: &'a WeightTails,
    self_blinded: usize,
) -> Result<CircuitAdvice<'a, C>, ProveError> {
    let profile = key.info().profile();
    let most = 1 << key.info().data().k;
    let complete = |rows: &Vec<Fr>| rows.len() > profile.blinding_factors && rows.len() <= most;
    let columns = profile.weight_columns;
    if tails.rows.len() != columns || !tails.rows.iter().all(complete) {
        return Err(ProveError::WeightTails { columns, rows: profile.blinding_factors + 1 });
    }
    let shape = Shape {
        k: key.info().data().k,
        schedule: profile.schedule.clone(),
        blinding_factors: profile.blinding_factors,
        public_inputs: public_inputs.to_vec(),
    };
    Ok(CircuitAdvice::new(circuit, tails, self_blinded, shape))
}

impl Prover<'_> {
    /// Makes a proof: `advice` gives the witness, `public_inputs` is the content of the instance column.
    ///
    /// # Errors
    /// [`ProveError::OtherSrs`] and [`ProveError::PublicInputs`] when an argument does not fit the key;
    /// [`ProveError::Witness`] when there is no witness; [`ProveError::Transcript`] when a commitment is the
    /// point at infinity; [`ProveError::Cancelled`].
    pub fn prove(
        &self,
        advice: &mut dyn AdviceSource,
        public_inputs: &[Fr],
    ) -> Result<Vec<u8>, ProveError> {
        self.prove_with(advice, public_inputs, Randomness::fresh())
    }

    /// As [`Prover::prove`], with chosen randomness: what hides the witness has to be drawn anew for each proof.
    ///
    /// # Errors
    /// As [`Prover::prove`].
    pub(crate) fn prove_with(
        &self,
        advice: &mut dyn AdviceSource,
        public_inputs: &[Fr],
        mut randomness: Randomness,
    ) -> Result<Vec<u8>, ProveError> {
        self.check(public_inputs)?;
        let (srs, key) = (self.srs, self.key);
        let (profile, k) = (key.info().profile(), srs.k());
        let rows = 1usize << k;
        let proof = Vec::with_capacity(profile.proof_bytes());
        let mut transcript = KeccakWrite::new(proof, &profile.schedule);
        let domain = Domain::new(srs.kernels(), k);
        let parts = parts(srs, profile);
        let (multiplications, cells) = constraint_size(profile);
        let size = Size { profile, parts: &parts, k, multiplications, cells };
        let costs = Costs::new(srs.kernels(), &size);
        let mut columns = Columns {
            prover: self,
            domain: &domain,
            meter: Meter::new(self.watch, costs),
            polynomials: Vec::with_capacity(profile.advice_columns()),
            by_values: ByValues::default(),
            permuted: vec![Vec::new(); profile.permutation.len()],
        };
        let transcript_repr = key.vk().transcript_repr();
        let rounds = Rounds { k, profile, public_inputs, transcript_repr };
        let challenges = rounds.run(advice, &mut randomness.rng, &mut transcript, &mut columns)?;
        let Columns { mut meter, polynomials, by_values, permuted, .. } = columns;

        // The lookup argument's challenge; there are no lookups of the library's.
        let _theta = *transcript.squeeze_challenge_scalar::<()>();
        let beta = *transcript.squeeze_challenge_scalar::<()>();
        let gamma = *transcript.squeeze_challenge_scalar::<()>();
        let argument = Argument { srs, key, domain: &domain, beta, gamma };
        let permuted = self.permuted_values(permuted);
        let permutation =
            argument.commit(permuted, &mut randomness.rng, &mut transcript, &mut meter)?;
        let random = randomness.into_polynomial();
        let commitment: G1Affine =
            srs.monomial().exponentiate_full(&random.coefficients(rows)).to_affine();
        transcript.write_point(commitment)?;
        meter.done(Work::Commitment)?;
        let y = *transcript.squeeze_challenge_scalar::<()>();

        let mut polynomials = Polynomials {
            rows,
            advice: polynomials,
            by_values,
            fixed: self.fixed_polynomials(&domain, &mut meter)?,
            instance: instance(&domain, public_inputs),
            permutation,
            random: Vec::new(),
            active: active_rows(&domain, profile),
            sums: Vec::new(),
        };
        drop(domain);
        let circuit = challenges.as_slice();
        let challenges = Challenges { circuit, beta, gamma, y };
        let pieces = polynomials.quotient(profile, &challenges, &parts, &mut meter)?;
        drop(parts);
        polynomials.random = random.coefficients(rows);
        for piece in &pieces {
            let commitment: G1Affine = srs.monomial().exponentiate_full(piece).to_affine();
            transcript.write_point(commitment)?;
            meter.done(Work::Commitment)?;
        }
        let x: Fr = *transcript.squeeze_challenge_scalar::<()>();
        let quotient = fold(srs, pieces, x.pow_vartime([rows as u64]));
        let opening = Opening { srs, profile, polynomials: &polynomials, quotient: &quotient, x };
        opening.write(&mut transcript, &mut meter)?;
        Ok(transcript.finish()?)
    }

    /// Whether parameters and public inputs fit the key, before anything is computed.
    ///
    /// # Errors
    /// [`ProveError::OtherSrs`] and [`ProveError::PublicInputs`].
    pub fn check(&self, public_inputs: &[Fr]) -> Result<(), ProveError> {
        let (info, srs) = (self.key.info(), self.srs);
        if !matches_srs(info, srs) {
            return Err(ProveError::OtherSrs {
                expected: hex_id(&info.setup_id()),
                key_k: info.data().k,
                found: hex_id(&srs.id()),
                srs_k: srs.k(),
            });
        }
        let (found, expected) = (public_inputs.len(), info.profile().public_inputs);
        if found != expected {
            return Err(ProveError::PublicInputs { found, expected });
        }
        Ok(())
    }

    /// The permutation's columns by rows: `advice` has those of the witness.
    fn permuted_values(&self, mut advice: Vec<Vec<Fr>>) -> Vec<Vec<Fr>> {
        let profile = self.key.info().profile();
        for (column, values) in profile.permutation.iter().zip(&mut advice) {
            if let PermutationColumn::Fixed(query) = column {
                *values = self.key.fixed()[profile.fixed_queries[*query].0].to_full();
            }
        }
        advice
    }

    fn fixed_polynomials(
        &self,
        domain: &Domain,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<Vec<Fr>>, ProveError> {
        let columns = self.key.fixed();
        columns
            .iter()
            .map(|column| {
                let coefficients = domain.coefficients(column);
                meter.done(Work::KeyColumn)?;
                Ok(coefficients)
            })
            .collect()
    }
}

/// Commits to the advice columns and keeps their polynomials, or their values.
struct Columns<'a, 'w> {
    prover: &'a Prover<'w>,
    domain: &'a Domain,
    meter: Meter<'w>,
    polynomials: Vec<Vec<Fr>>,
    by_values: ByValues,
    /// Values by rows of the permutation's columns.
    permuted: Vec<Vec<Fr>>,
}

impl Columns<'_, '_> {
    /// What the commitment to a column takes, before its values are known.
    fn expected(&self, index: usize) -> Work {
        let profile = self.prover.key.info().profile();
        if index < profile.weight_columns {
            Work::WeightColumn
        } else if index < profile.schedule.columns_through(0) {
            Work::SmallColumn
        } else {
            Work::FullColumn
        }
    }
}

/// What the commitment to a column takes, and which share of that of a whole one.
fn commitment_work(column: &AdviceColumn, k: u32) -> (Work, f64) {
    /// Of so many rows one is looked at.
    const STRIDE: usize = 61;
    match column {
        AdviceColumn::OnSubgroup(values) if values.len() < 1 << k => {
            (Work::WeightColumn, values.len() as f64 / f64::from(k).exp2())
        }
        AdviceColumn::Values(Column::Full(values))
        | AdviceColumn::Complete(Column::Full(values))
        | AdviceColumn::OnSubgroup(Column::Full(values)) => {
            let bytes: Vec<usize> = values.iter().step_by(STRIDE).map(bytes_of).collect();
            let most = 32 * bytes.len().max(1);
            (Work::FullColumn, bytes.iter().sum::<usize>() as f64 / most as f64)
        }
        AdviceColumn::Values(_) | AdviceColumn::Complete(_) | AdviceColumn::OnSubgroup(_) => {
            (Work::SmallColumn, 1.0)
        }
    }
}

/// Bytes of a number's magnitude, as a number of either sign.
fn bytes_of(value: &Fr) -> usize {
    let bytes =
        |value: Fr| 32 - value.to_repr().iter().rev().take_while(|byte| **byte == 0).count();
    bytes(*value).min(bytes(-*value))
}

impl Committer for Columns<'_, '_> {
    fn computed(&mut self, first: usize, columns: &[AdviceColumn]) -> Result<(), ProveError> {
        for (index, column) in (first..).zip(columns) {
            self.meter.expect(self.expected(index), -1.0);
            let (work, share) = commitment_work(column, self.domain.k());
            self.meter.expect(work, share);
            if let AdviceColumn::OnSubgroup(_) = column {
                self.meter.expect(Work::Polynomial, -1.0);
            }
        }
        self.meter.done(Work::Values)
    }

    fn commit(&mut self, column: &AdviceColumn, known: Option<G1Affine>) -> Result<G1, ProveError> {
        let (work, share) = commitment_work(column, self.domain.k());
        if let Some(point) = known {
            self.meter.expect(work, -share);
            return Ok(point.to_curve());
        }
        let srs = self.prover.srs;
        let commitment = match column {
            AdviceColumn::Values(values) | AdviceColumn::Complete(values) => {
                srs.lagrange().exponentiate(values)
            }
            AdviceColumn::OnSubgroup(values) => commit_on_subgroup(srs, values),
        };
        self.meter.done_in(work, share)?;
        Ok(commitment)
    }

    fn keep(&mut self, index: usize, column: AdviceColumn) -> Result<(), ProveError> {
        let profile = self.prover.key.info().profile();
        let of = |permuted: &PermutationColumn| match permuted {
            PermutationColumn::Advice(query) => profile.advice_queries[*query].0 == index,
            PermutationColumn::Fixed(_) => false,
        };
        let place = profile.permutation.iter().position(of);
        let transformed = !matches!(column, AdviceColumn::OnSubgroup(_));
        let coefficients = match column {
            AdviceColumn::OnSubgroup(values) => {
                if let Some(place) = place {
                    let mut by_rows = coefficients_of(self.prover.srs, &values);
                    by_rows.resize(1 << self.domain.k(), Fr::ZERO);
                    self.domain.values_in_place(&mut by_rows);
                    self.permuted[place] = by_rows;
                }
                self.by_values.insert(index, values);
                Vec::new()
            }
            AdviceColumn::Values(values) | AdviceColumn::Complete(values) => {
                if let Some(place) = place {
                    self.permuted[place] = values.to_full();
                }
                match values {
                    Column::Full(mut values) => {
                        self.domain.coefficients_in_place(&mut values);
                        values
                    }
                    small => self.domain.coefficients(&small),
                }
            }
        };
        self.polynomials.push(coefficients);
        if transformed { self.meter.done(Work::Polynomial) } else { Ok(()) }
    }
}

/// Of the polynomial with these values at the roots of unity of their number.
fn coefficients_of(srs: &Srs, values: &Column) -> Vec<Fr> {
    Domain::new(srs.kernels(), values.len().ilog2()).coefficients(values)
}

fn instance(domain: &Domain, public_inputs: &[Fr]) -> Vec<Fr> {
    let values = vec![0; 1 << domain.k()];
    let exceptions = (0..).zip(public_inputs.iter().copied()).collect();
    domain.coefficients(&Column::Small { values, exceptions })
}

/// The extended domain, in parts. More of them take less memory: cells of all columns, a hundred or more, exist
/// for one part and the next.
fn parts(srs: &Srs, profile: &Profile) -> Parts {
    let k = srs.k();
    let extension = profile.quotient_pieces.next_power_of_two().ilog2();
    // Parts of fewer than 2^14 rows would take more time than the memory is worth.
    let pieces = k.saturating_sub(14).clamp(2, 4);
    Parts::new(srs.kernels(), k, extension, extension + pieces.min(k))
}

/// sum over the pieces of x^(n i) piece_i.
fn fold(srs: &Srs, pieces: Vec<Vec<Fr>>, xn: Fr) -> Vec<Fr> {
    let mut power = Fr::ONE;
    let mut terms = Vec::with_capacity(pieces.len());
    for piece in &pieces {
        terms.push((piece.as_slice(), power));
        power *= xn;
    }
    let mut folded = vec![Fr::ZERO; pieces.first().map_or(0, Vec::len)];
    srs.kernels().combine(&terms, &mut folded);
    folded
}

/// Commits to columns without making a proof: for the weight columns, the points that every proof
/// of a model starts with.
///
/// A column of `2^h` values, `h <= k`, stands for the polynomial of degree below `2^h` with these
/// values on the subgroup of that size. Returns `None` for a column of another length.
pub fn commit_columns(
    srs: &Srs,
    columns: impl IntoIterator<Item = Column>,
) -> Option<Vec<G1Affine>> {
    let commit = |column: Column| {
        let fits = column.len().is_power_of_two() && column.len() <= 1 << srs.k();
        fits.then(|| commit_on_subgroup(srs, &column).to_affine())
    };
    columns.into_iter().map(commit).collect()
}

/// The point of the polynomial with these values at the roots of unity of their number.
fn commit_on_subgroup(srs: &Srs, values: &Column) -> G1 {
    if values.len() == 1 << srs.k() {
        return srs.lagrange().exponentiate(values);
    }
    srs.monomial().exponentiate_full(&coefficients_of(srs, values))
}

/// The model's hash: Keccak-256 of the weight points, 64 bytes each.
pub fn weights_hash(points: &[G1Affine]) -> [u8; 32] {
    let bytes: Vec<u8> = points.iter().flat_map(point_to_bytes).collect();
    keccak256(&[&bytes])
}
