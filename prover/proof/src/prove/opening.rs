//! Evaluations, and one opening proof for all of them: SHPLONK (Boneh, Drake, Fisch, Gabizon, "Efficient
//! polynomial commitment schemes for multiple points and polynomials", section 4), as the library does it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use assay_kernels::Kernels;
use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::Field,
        group::Curve,
    },
    transcript::{Transcript, TranscriptWrite},
};

use super::{costs::Work, polynomials::Polynomials, watch::Meter};
use crate::{
    domain::rotate,
    profile::{Commitment, Evaluation, Profile, RotationSet},
    prove_error::ProveError,
    srs::Srs,
    transcript::KeccakWrite,
};

/// The evaluations of a proof.
struct Evaluations {
    advice: Vec<Fr>,
    fixed: Vec<Fr>,
    random: Fr,
    sigma: Vec<Fr>,
    /// At x, omega x and, but for the last product, omega^last x.
    products: Vec<[Fr; 3]>,
    /// Of the folded quotient; not in the proof.
    quotient: Fr,
}

/// What an opening works with.
pub(super) struct Opening<'a> {
    pub srs: &'a Srs,
    pub profile: &'a Profile,
    pub polynomials: &'a Polynomials,
    /// The quotient's pieces folded by powers of x^n.
    pub quotient: &'a [Fr],
    pub x: Fr,
}

/// A rotation set with its polynomials summed by powers of y.
struct Summed {
    rotations: Vec<i32>,
    points: Vec<Fr>,
    sum: Vec<Fr>,
    /// Coefficients of the polynomial through the sum's values at the points.
    remainder: Vec<Fr>,
}

impl Opening<'_> {
    /// Writes the evaluations and the two points of the opening proof.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn write<W: Write>(
        &self,
        transcript: &mut KeccakWrite<W>,
        meter: &mut Meter<'_>,
    ) -> Result<(), ProveError> {
        let evaluations = self.evaluate();
        self.write_evaluations(&evaluations, transcript)?;
        meter.done(Work::Evaluations)?;

        let y: Fr = *transcript.squeeze_challenge_scalar::<()>();
        let v: Fr = *transcript.squeeze_challenge_scalar::<()>();
        let sets = self.profile.rotation_sets();
        let sets: Vec<Summed> = sets.iter().map(|set| self.sum(set, &evaluations, y)).collect();
        let quotient = self.combined_quotient(&sets, v);
        let commitment: G1Affine = self.srs.monomial().exponentiate_full(&quotient).to_affine();
        transcript.write_point(commitment)?;
        meter.done(Work::Opening)?;

        let u: Fr = *transcript.squeeze_challenge_scalar::<()>();
        let witness = self.linearised(&sets, &quotient, v, u);
        let commitment: G1Affine = self.srs.monomial().exponentiate_full(&witness).to_affine();
        transcript.write_point(commitment)?;
        meter.done(Work::Opening)
    }

    fn kernels(&self) -> &'static dyn Kernels {
        self.srs.kernels()
    }

    fn point(&self, rotation: i32) -> Fr {
        rotate(self.x, self.srs.k(), rotation)
    }

    fn evaluate(&self) -> Evaluations {
        let at = |coefficients: &[Fr], rotation| {
            self.kernels().evaluate(coefficients, self.point(rotation))
        };
        let polynomials = self.polynomials;
        let queries = |queries: &[(usize, i32)], columns: &[Vec<Fr>]| {
            queries.iter().map(|(column, rotation)| at(&columns[*column], *rotation)).collect()
        };
        let last = self.profile.last_rotation();
        let products = &polynomials.permutation.products;
        Evaluations {
            advice: self.advice(queries(&self.profile.advice_queries, &polynomials.advice)),
            fixed: queries(&self.profile.fixed_queries, &polynomials.fixed),
            random: at(&polynomials.random, 0),
            sigma: polynomials.permutation.sigma.iter().map(|sigma| at(sigma, 0)).collect(),
            products: products.iter().map(|z| [at(z, 0), at(z, 1), at(z, last)]).collect(),
            quotient: at(self.quotient, 0),
        }
    }

    /// The evaluations of the advice queries: `of_polynomials`, but for columns that are kept by values.
    fn advice(&self, mut of_polynomials: Vec<Fr>) -> Vec<Fr> {
        let kept = &self.polynomials.by_values;
        let queries = self.profile.advice_queries.iter().enumerate();
        let mut by_rotation: BTreeMap<i32, Vec<(usize, usize)>> = BTreeMap::new();
        for (query, (column, rotation)) in queries.filter(|(_, (column, _))| kept.contains(*column))
        {
            by_rotation.entry(*rotation).or_default().push((query, *column));
        }
        for (rotation, queries) in by_rotation {
            let columns: Vec<usize> = queries.iter().map(|(_, column)| *column).collect();
            let values = kept.evaluate(&columns, self.point(rotation), self.kernels());
            for ((query, _), value) in queries.into_iter().zip(values) {
                of_polynomials[query] = value.unwrap_or_default();
            }
        }
        of_polynomials
    }

    fn write_evaluations<W: Write>(
        &self,
        evaluations: &Evaluations,
        transcript: &mut KeccakWrite<W>,
    ) -> std::io::Result<()> {
        let Evaluations { advice, fixed, random, sigma, products, .. } = evaluations;
        for value in advice.iter().chain(fixed).chain([random]).chain(sigma) {
            transcript.write_scalar(*value)?;
        }
        for (index, [here, next, last]) in products.iter().enumerate() {
            transcript.write_scalar(*here)?;
            transcript.write_scalar(*next)?;
            if index + 1 < products.len() {
                transcript.write_scalar(*last)?;
            }
        }
        Ok(())
    }

    fn polynomial(&self, commitment: Commitment) -> &[Fr] {
        let Polynomials { advice, fixed, permutation, random, .. } = self.polynomials;
        match commitment {
            Commitment::Advice(column) => &advice[column],
            Commitment::Product(product) => &permutation.products[product],
            Commitment::Fixed(column) => &fixed[column],
            Commitment::Permutation(column) => &permutation.sigma[column],
            Commitment::Quotient => self.quotient,
            Commitment::Random => random,
        }
    }

    fn sum(&self, set: &RotationSet, evaluations: &Evaluations, y: Fr) -> Summed {
        let points: Vec<Fr> = set.rotations.iter().map(|rotation| self.point(*rotation)).collect();
        let mut values = vec![Fr::ZERO; points.len()];
        let mut terms = Vec::with_capacity(set.openings.len());
        let mut kept = Vec::new();
        let mut power = Fr::ONE;
        for (commitment, openings) in &set.openings {
            if let Commitment::Advice(column) = commitment {
                kept.push((*column, power));
            }
            terms.push((self.polynomial(*commitment), power));
            for (value, evaluation) in values.iter_mut().zip(openings) {
                *value += power * evaluations.get(*evaluation);
            }
            power *= y;
        }
        let kept = self.polynomials.by_values.combine(&kept, self.kernels());
        terms.extend(kept.iter().map(|sum| (sum.as_slice(), Fr::ONE)));
        let mut sum = vec![Fr::ZERO; self.polynomials.rows];
        self.kernels().combine(&terms, &mut sum);
        let remainder = interpolate(&points, &values);
        Summed { rotations: set.rotations.clone(), points, sum, remainder }
    }

    /// sum over the sets of v^i (sum - remainder) / vanishing polynomial of its points.
    fn combined_quotient(&self, sets: &[Summed], v: Fr) -> Vec<Fr> {
        let rows = self.polynomials.rows;
        let (mut combined, mut next) = (vec![Fr::ZERO; rows], vec![Fr::ZERO; rows]);
        let mut divided = vec![Fr::ZERO; rows];
        for set in sets.iter().rev() {
            divided.copy_from_slice(&set.sum);
            for (coefficient, less) in divided.iter_mut().zip(&set.remainder) {
                *coefficient -= less;
            }
            for point in &set.points {
                self.kernels().divide_by_linear(&mut divided, *point);
            }
            self.kernels().combine(&[(&combined, v), (&divided, Fr::ONE)], &mut next);
            std::mem::swap(&mut combined, &mut next);
        }
        combined
    }

    /// The polynomial that vanishes at u exactly if the quotient is right, divided by X - u and scaled as the
    /// library does.
    fn linearised(&self, sets: &[Summed], quotient: &[Fr], v: Fr, u: Fr) -> Vec<Fr> {
        let rotations: BTreeSet<i32> =
            sets.iter().flat_map(|set| set.rotations.iter().copied()).collect();
        let vanishing = |of: &dyn Fn(&i32) -> bool| {
            rotations
                .iter()
                .filter(|rotation| of(rotation))
                .fold(Fr::ONE, |product, rotation| product * (u - self.point(*rotation)))
        };
        let mut terms = Vec::with_capacity(sets.len() + 1);
        let (mut constant, mut power, mut scale) = (Fr::ZERO, Fr::ONE, None);
        for set in sets {
            let others = vanishing(&|rotation| !set.rotations.contains(rotation));
            scale = scale.or(Option::<Fr>::from(others.invert()));
            let factor = power * others;
            terms.push((set.sum.as_slice(), factor));
            constant += factor * horner(&set.remainder, u);
            power *= v;
        }
        // A point of the opening is u with negligible probability only.
        let scale = scale.unwrap_or(Fr::ONE);
        terms.push((quotient, -vanishing(&|_| true)));
        for (_, factor) in &mut terms {
            *factor *= scale;
        }
        let mut linearised = vec![Fr::ZERO; self.polynomials.rows];
        self.kernels().combine(&terms, &mut linearised);
        linearised[0] -= constant * scale;
        debug_assert_eq!(self.kernels().evaluate(&linearised, u), Fr::ZERO);
        self.kernels().divide_by_linear(&mut linearised, u);
        linearised
    }
}

impl Evaluations {
    fn get(&self, evaluation: Evaluation) -> Fr {
        match evaluation {
            Evaluation::Advice(query) => self.advice[query],
            Evaluation::Fixed(query) => self.fixed[query],
            Evaluation::Permutation(column) => self.sigma[column],
            Evaluation::Product(product) => self.products[product][0],
            Evaluation::ProductNext(product) => self.products[product][1],
            Evaluation::ProductLast(product) => self.products[product][2],
            Evaluation::Quotient => self.quotient,
            Evaluation::Random => self.random,
        }
    }
}

fn horner(coefficients: &[Fr], x: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, coefficient| sum * x + coefficient)
}

/// Coefficients of the polynomial of degree below the number of points through these values; the points
/// differ.
fn interpolate(points: &[Fr], values: &[Fr]) -> Vec<Fr> {
    let mut sum = vec![Fr::ZERO; points.len()];
    for (point, value) in points.iter().zip(values) {
        let mut basis = vec![Fr::ONE];
        let mut denominator = Fr::ONE;
        for other in points.iter().filter(|other| *other != point) {
            // Times X - other.
            basis.insert(0, Fr::ZERO);
            for index in 1..basis.len() {
                let coefficient = basis[index];
                basis[index - 1] -= *other * coefficient;
            }
            denominator *= *point - other;
        }
        let factor = *value * denominator.invert().unwrap_or(Fr::ZERO);
        for (sum, coefficient) in sum.iter_mut().zip(basis) {
            *sum += factor * coefficient;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_goes_through_the_values() {
        let points: Vec<Fr> = (3..8).map(Fr::from).collect();
        let values: Vec<Fr> = [5, 0, 7, 1, 9].map(Fr::from).to_vec();
        for count in 1..=5 {
            let coefficients = interpolate(&points[..count], &values[..count]);
            assert_eq!(coefficients.len(), count);
            for (point, value) in points[..count].iter().zip(&values) {
                assert_eq!(horner(&coefficients, *point), *value);
            }
        }
    }
}
