//! Columns of small numbers that take the memory of small numbers.

use std::ops::Range;

use assay_kernels::Column;
use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

/// Of how many rows one may be exceptional before a column is no longer handed over as a small one: an
/// exception takes the memory of ten numbers, a row of a full column that of eight.
const ROWS_PER_EXCEPTION: usize = 4;

/// A column of numbers of type `T`, but for a few rows that hold something else.
#[derive(Clone, Debug)]
pub struct SmallColumn<T> {
    /// By rows; zero at exceptional rows.
    values: Vec<T>,
    /// Rows, ascending, with their values.
    exceptions: Vec<(u32, Fr)>,
}

/// The numbers of a [`SmallColumn`].
pub trait SmallNumber: Copy + Default + Into<u32> + TryFrom<u64> + Send + Sync {}

impl SmallNumber for u16 {}
impl SmallNumber for u32 {}

impl<T: SmallNumber> SmallColumn<T> {
    /// Zeros.
    pub(super) fn zeros(rows: usize) -> Self {
        Self { values: vec![T::default(); rows], exceptions: Vec::new() }
    }

    /// Of numbers alone.
    pub(super) fn of(values: Vec<T>) -> Self {
        Self { values, exceptions: Vec::new() }
    }

    /// Of any values.
    #[cfg(test)]
    pub(crate) fn from_full(full: &[Fr]) -> Self {
        let mut column = Self::zeros(full.len());
        for (row, value) in full.iter().enumerate() {
            column.set(row, *value);
        }
        column
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len()
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> Fr {
        match self.place(row) {
            Ok(index) => self.exceptions[index].1,
            Err(_) => Fr::from(u64::from(self.values[row].into())),
        }
    }

    /// Changes the value of a row.
    pub fn set(&mut self, row: usize, value: Fr) {
        let small = number(&value);
        self.values[row] = small.unwrap_or_default();
        match (self.place(row), small) {
            (Ok(index), Some(_)) => {
                self.exceptions.remove(index);
            }
            (Ok(index), None) => self.exceptions[index].1 = value,
            (Err(index), None) => self.exceptions.insert(index, (row as u32, value)),
            (Err(_), Some(_)) => {}
        }
    }

    /// Adds to the value of a row.
    pub fn add(&mut self, row: usize, delta: Fr) {
        self.set(row, self.get(row) + delta);
    }

    /// The numbers by rows, zero at exceptional rows.
    pub(super) fn numbers(&self) -> &[T] {
        &self.values
    }

    /// The same, to be filled. Exceptions stay as they are.
    pub(super) fn numbers_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// Whether all of these rows hold numbers.
    pub(super) fn is_small(&self, rows: &Range<usize>) -> bool {
        let after = |row: usize| self.place(row).unwrap_or_else(|index| index);
        after(rows.start) == after(rows.end)
    }

    /// All values as field elements.
    pub fn to_full(&self) -> Vec<Fr> {
        let mut full = self
            .values
            .par_iter()
            .map(|value| Fr::from(u64::from((*value).into())))
            .collect::<Vec<_>>();
        for (row, value) in &self.exceptions {
            full[*row as usize] = *value;
        }
        full
    }

    /// As a prover takes it, with zeros from row `end` on.
    pub(super) fn to_column(&self, end: usize) -> Column {
        let count = self.place(end).unwrap_or_else(|index| index);
        if count > self.rows() / ROWS_PER_EXCEPTION {
            let mut full = self.to_full();
            full[end..].fill(Fr::ZERO);
            return Column::Full(full);
        }
        let mut values = self.values.par_iter().map(|value| (*value).into()).collect::<Vec<u32>>();
        values[end..].fill(0);
        Column::Small { values, exceptions: self.exceptions[..count].to_vec() }
    }

    /// As a prover takes it.
    pub fn into_column(self) -> Column {
        let rows = self.rows();
        self.to_column(rows)
    }

    /// Where a row is, or would be, among the exceptions.
    fn place(&self, row: usize) -> Result<usize, usize> {
        match self.exceptions.last() {
            Some((last, _)) if (*last as usize) < row => Err(self.exceptions.len()),
            None => Err(0),
            _ => self.exceptions.binary_search_by_key(&(row as u32), |(row, _)| *row),
        }
    }
}

/// The value as a number, if it is one.
fn number<T: SmallNumber>(value: &Fr) -> Option<T> {
    let repr = value.to_repr();
    let (low, high) = repr.as_ref().split_first_chunk::<8>()?;
    if high.iter().any(|byte| *byte != 0) {
        return None;
    }
    u64::from_le_bytes(*low).try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_they_were_set_to() {
        let mut column = SmallColumn::<u16>::zeros(64);
        let mut expected = vec![Fr::ZERO; 64];
        let values = [0, 1, 65_535, 65_536, u64::MAX].map(Fr::from);
        let values = [values.as_slice(), &[-Fr::ONE, -Fr::from(3)]].concat();
        // Each row several times, with numbers after exceptions and the other way round.
        for step in 0..600 {
            let row = step * 29 % 61;
            let value = values[step * 5 % 7];
            if step % 3 == 0 {
                column.add(row, value);
                expected[row] += value;
            } else {
                column.set(row, value);
                expected[row] = value;
            }
            assert!(column.get(row) == expected[row]);
            assert!(column.exceptions.is_sorted_by(|a, b| a.0 < b.0));
            assert!(column.exceptions.iter().all(|(row, _)| column.values[*row as usize] == 0));
        }
        assert!(column.to_full() == expected);
        for (start, end) in [(0, 64), (0, 0), (3, 9), (61, 64), (30, 31)] {
            let small = expected[start..end].iter().all(|value| number::<u16>(value).is_some());
            assert_eq!(column.is_small(&(start..end)), small, "{start}..{end}");
        }
        let wide = SmallColumn::<u32>::from_full(&expected);
        assert!(wide.to_full() == expected);
        assert!(wide.exceptions.len() < column.exceptions.len());
    }

    #[test]
    fn columns_of_few_exceptions_are_handed_over_as_small_ones() {
        let rows = 64;
        for exceptions in 0..12 {
            let mut column = SmallColumn::<u32>::zeros(rows);
            for row in 0..rows {
                column.set(row, Fr::from(row as u64 + 7));
            }
            for row in 0..2 * exceptions {
                column.set(row * 2, -Fr::from(row as u64 + 1));
            }
            // A blinded row, cut off.
            column.set(rows - 1, -Fr::ONE);
            let mut expected = column.to_full();
            expected[rows - 4..].fill(Fr::ZERO);
            let made = column.to_column(rows - 4);
            assert!(made.to_full() == expected);
            let small = 2 * exceptions <= rows / ROWS_PER_EXCEPTION;
            assert_eq!(matches!(made, Column::Small { .. }), small, "{exceptions}");
        }
    }
}
