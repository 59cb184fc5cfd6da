//! Columns of small values that are kept as such.
//!
//! Constraints read the weights only in sums over all their columns (`combined.rs`), and so does the opening. A sum is
//! one of values, with one transform for all of them; an evaluation at x is a sum of values weighed by the Lagrange
//! basis at x. So the coefficients of such a column, 32 bytes a row where its values take four, are never made.

use std::collections::BTreeMap;

use assay_kernels::{Column, Domain, Kernels};
use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

use crate::domain::root_of_unity;

/// Columns by index, each the values at the 2^h-th roots of unity for an h of its own.
#[derive(Debug, Default)]
pub(super) struct ByValues {
    columns: BTreeMap<usize, Column>,
}

/// Numbers next to each other for which a multiple, or a sum, is kept: those of most weights. Two to the 9th field
/// elements fill half of a first-level cache.
const WINDOW: usize = 512;

/// Rows that are summed at a time: their sums stay in the caches for all columns.
const ROWS: usize = 1 << 13;

impl ByValues {
    /// Keeps a column. Its length is a power of two.
    pub(super) fn insert(&mut self, index: usize, column: Column) {
        self.columns.insert(index, column);
    }

    pub(super) fn contains(&self, index: usize) -> bool {
        self.columns.contains_key(&index)
    }

    /// Takes a column out, as coefficients.
    pub(super) fn take(&mut self, index: usize, kernels: &'static dyn Kernels) -> Option<Vec<Fr>> {
        let column = self.columns.remove(&index)?;
        Some(Domain::new(kernels, column.len().ilog2()).coefficients(&column))
    }

    /// Coefficients of a sum of columns with factors, by the columns' lengths.
    pub(super) fn combine(
        &self,
        terms: &[(usize, Fr)],
        kernels: &'static dyn Kernels,
    ) -> Vec<Vec<Fr>> {
        let mut by_length: BTreeMap<usize, Vec<(&Column, Fr)>> = BTreeMap::new();
        for (index, factor) in terms {
            if let Some(column) = self.columns.get(index) {
                by_length.entry(column.len()).or_default().push((column, *factor));
            }
        }
        let sums = by_length.into_iter().map(|(length, terms)| {
            let mut sum = vec![Fr::ZERO; length];
            sum_of(&terms, &mut sum);
            Domain::new(kernels, length.ilog2()).coefficients_in_place(&mut sum);
            sum
        });
        sums.collect()
    }

    /// Evaluations of columns at a point that is no root of unity.
    pub(super) fn evaluate(
        &self,
        indices: &[usize],
        point: Fr,
        kernels: &dyn Kernels,
    ) -> Vec<Option<Fr>> {
        let mut bases: BTreeMap<usize, Vec<Fr>> = BTreeMap::new();
        let evaluate = |index: &usize| {
            let column = self.columns.get(index)?;
            let basis =
                bases.entry(column.len()).or_insert_with_key(|n| lagrange(*n, point, kernels));
            Some(weighed(column, basis))
        };
        indices.iter().map(evaluate).collect()
    }
}

/// The Lagrange basis of the subgroup of `rows` elements at a point: (x^n - 1) omega^i / (n (x - omega^i)).
fn lagrange(rows: usize, point: Fr, kernels: &dyn Kernels) -> Vec<Fr> {
    let k = rows.ilog2();
    let omega = root_of_unity(k);
    let scale =
        (point.pow_vartime([rows as u64]) - Fr::ONE) * Fr::TWO_INV.pow_vartime([u64::from(k)]);
    let mut basis = vec![Fr::ZERO; rows];
    let chunks = |basis: &mut [Fr], each: &(dyn Fn(&mut Fr, Fr) + Sync)| {
        basis.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, cells)| {
            let mut root = omega.pow_vartime([(chunk * ROWS) as u64]);
            for cell in cells {
                each(cell, root);
                root *= omega;
            }
        });
    };
    chunks(&mut basis, &|cell, root| *cell = point - root);
    kernels.invert_all(&mut basis);
    chunks(&mut basis, &|cell, root| *cell *= scale * root);
    basis
}

/// The first number of the window that holds most of a column's.
fn window(values: &[u32]) -> u32 {
    /// Of so many rows one is looked at.
    const STRIDE: usize = 61;
    let mut sample: Vec<u32> = values.iter().step_by(STRIDE).copied().collect();
    sample.sort_unstable();
    let middle = sample.get(sample.len() / 2).copied().unwrap_or_default();
    // No number below the window may wrap around into it.
    middle.saturating_sub(WINDOW as u32 / 2).min(u32::MAX - (WINDOW as u32 - 1))
}

/// `sum[i] += sum_j factor_j * column_j[i]`.
fn sum_of(terms: &[(&Column, Fr)], sum: &mut [Fr]) {
    let multiples: Vec<_> =
        terms.iter().map(|(column, factor)| Multiples::new(column, *factor)).collect();
    sum.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, sum)| {
        for multiples in &multiples {
            multiples.add(chunk * ROWS, sum);
        }
    });
}

/// A column with a factor, and the multiples of the factor that most of its rows ask for.
struct Multiples<'a> {
    column: &'a Column,
    factor: Fr,
    first: u32,
    multiples: Vec<Fr>,
}

impl<'a> Multiples<'a> {
    fn new(column: &'a Column, factor: Fr) -> Self {
        let (first, multiples) = match column {
            Column::Small { values, .. } => {
                let first = window(values);
                let start = factor * Fr::from(u64::from(first));
                let multiples = std::iter::successors(Some(start), |last| Some(*last + factor));
                (first, multiples.take(WINDOW).collect())
            }
            Column::Palette { palette, .. } => (0, palette.iter().map(|v| factor * v).collect()),
            Column::Full(_) => (0, Vec::new()),
        };
        Self { column, factor, first, multiples }
    }

    /// Adds the rows from `start` on.
    fn add(&self, start: usize, sum: &mut [Fr]) {
        let end = start + sum.len();
        match self.column {
            Column::Small { values, exceptions } => {
                for (sum, value) in sum.iter_mut().zip(&values[start..end]) {
                    match self.multiples.get(value.wrapping_sub(self.first) as usize) {
                        Some(multiple) => *sum += multiple,
                        None => *sum += self.factor * Fr::from(u64::from(*value)),
                    }
                }
                for (row, value) in within(exceptions, start..end) {
                    sum[*row as usize - start] += self.factor * value;
                }
            }
            Column::Palette { indices, .. } => {
                for (sum, index) in sum.iter_mut().zip(&indices[start..end]) {
                    *sum += self.multiples[usize::from(*index)];
                }
            }
            Column::Full(values) => {
                for (sum, value) in sum.iter_mut().zip(&values[start..end]) {
                    *sum += self.factor * value;
                }
            }
        }
    }
}

/// `sum_i column[i] * basis[i]`.
fn weighed(column: &Column, basis: &[Fr]) -> Fr {
    let chunks = basis.par_chunks(ROWS).enumerate();
    match column {
        Column::Small { values, exceptions } => {
            let first = window(values);
            let partial = chunks.map(|(chunk, basis)| {
                let start = chunk * ROWS;
                let end = start + basis.len();
                let mut sums = vec![Fr::ZERO; WINDOW];
                let mut others = Fr::ZERO;
                for (value, basis) in values[start..end].iter().zip(basis) {
                    match sums.get_mut(value.wrapping_sub(first) as usize) {
                        Some(sum) => *sum += basis,
                        None => others += *basis * Fr::from(u64::from(*value)),
                    }
                }
                for (row, value) in within(exceptions, start..end) {
                    others += basis[*row as usize - start] * value;
                }
                others + of_numbers(first, &sums)
            });
            partial.sum()
        }
        Column::Palette { indices, palette } => {
            let mut sums = vec![Fr::ZERO; palette.len()];
            for (index, basis) in indices.iter().zip(basis) {
                sums[usize::from(*index)] += basis;
            }
            sums.iter().zip(palette).map(|(sum, value)| *sum * value).sum()
        }
        Column::Full(values) => {
            let partial = chunks.map(|(chunk, basis)| -> Fr {
                values[chunk * ROWS..].iter().zip(basis).map(|(value, basis)| *value * basis).sum()
            });
            partial.sum()
        }
    }
}

/// `sum_i (first + i) * sums[i]`, by two additions an element.
fn of_numbers(first: u32, sums: &[Fr]) -> Fr {
    let (mut running, mut weighed) = (Fr::ZERO, Fr::ZERO);
    for sum in sums.iter().rev() {
        weighed += running;
        running += sum;
    }
    weighed + running * Fr::from(u64::from(first))
}

/// The exceptions of some rows.
fn within(exceptions: &[(u32, Fr)], rows: std::ops::Range<usize>) -> &[(u32, Fr)] {
    let place = |row: usize| exceptions.partition_point(|(at, _)| (*at as usize) < row);
    &exceptions[place(rows.start)..place(rows.end)]
}

#[cfg(test)]
mod tests {
    use assay_kernels::all_kernels;
    use proptest::prelude::*;

    use super::*;

    fn element(seed: u64) -> Fr {
        (Fr::from(seed) + Fr::from(11)).square().square().square()
    }

    /// Weights around a middle, some far from it, and any elements.
    fn small(middle: u32, values: &[(i16, bool)], exceptions: bool) -> Column {
        let near = |value: i16, far: bool| {
            if far {
                middle.wrapping_mul(3).wrapping_add(value as u32)
            } else {
                middle.saturating_add_signed(i32::from(value) % 200)
            }
        };
        let mut values: Vec<u32> = values.iter().map(|(value, far)| near(*value, *far)).collect();
        let rows = (0..values.len()).filter(|row| exceptions && row % 5 == 3);
        let exceptions: Vec<_> = rows.map(|row| (row as u32, element(row as u64))).collect();
        exceptions.iter().for_each(|(row, _)| values[*row as usize] = 0);
        Column::Small { values, exceptions }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Sums and evaluations are those of the coefficients, for all kinds of columns and several lengths.
        #[test]
        fn equals_coefficients(
            k in 0u32..9,
            values in prop::collection::vec((any::<i16>(), prop::bool::weighted(0.1)), 256),
            middle in prop_oneof![Just(0), Just(1 << 31), Just(u32::MAX), any::<u32>()],
            exceptions in any::<bool>(),
        ) {
            let rows = 1usize << k;
            let palette: Vec<Fr> = (0..7).map(element).collect();
            let indices = (0..rows).map(|row| (row * row % 7) as u16).collect();
            let columns = [
                small(middle, &values[..rows], exceptions),
                small(7, &values[256 - rows..], false),
                Column::Palette { indices, palette },
                Column::Full((0..rows as u64).map(element).collect()),
                small(middle, &values[..rows.div_ceil(2)], exceptions),
            ];
            let mut kept = ByValues::default();
            for (index, column) in columns.iter().enumerate() {
                kept.insert(3 * index, column.clone());
            }
            let terms: Vec<_> = (0..columns.len()).map(|i| (3 * i, element(40 + i as u64))).collect();
            let point = element(99);
            for kernels in all_kernels() {
                let polynomials: Vec<Vec<Fr>> = columns
                    .iter()
                    .map(|column| Domain::new(*kernels, column.len().ilog2()).coefficients(column))
                    .collect();
                let pairs: Vec<(&[Fr], Fr)> =
                    polynomials.iter().zip(&terms).map(|(p, (_, factor))| (&p[..], *factor)).collect();
                let mut expected = vec![Fr::ZERO; rows];
                kernels.combine(&pairs, &mut expected);
                let mut found = vec![Fr::ZERO; rows];
                let sums = kept.combine(&terms, *kernels);
                let sums: Vec<_> = sums.iter().map(|sum| (&sum[..], Fr::ONE)).collect();
                kernels.combine(&sums, &mut found);
                prop_assert_eq!(&found, &expected);

                let indices: Vec<usize> = terms.iter().map(|(index, _)| *index).chain([1]).collect();
                let evaluations = kept.evaluate(&indices, point, *kernels);
                let expected = polynomials.iter().map(|p| Some(kernels.evaluate(p, point)));
                prop_assert_eq!(evaluations, expected.chain([None]).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_column_that_is_taken_is_no_longer_kept() {
        let kernels = all_kernels()[0];
        let mut kept = ByValues::default();
        kept.insert(2, Column::Full(vec![Fr::ONE; 4]));
        assert!(kept.contains(2) && !kept.contains(1));
        let coefficients = kept.take(2, kernels).expect("kept");
        assert_eq!(coefficients, [Fr::ONE, Fr::ZERO, Fr::ZERO, Fr::ZERO]);
        assert!(!kept.contains(2) && kept.take(2, kernels).is_none());
    }
}
