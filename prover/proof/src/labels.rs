//! The numbers by which the permutation argument names cells: delta^column omega^row, with columns
//! counted among the permuted ones.

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

use crate::{assembly::Moved, domain::root_of_unity};

/// Rows computed at a time.
const CHUNK: usize = 1 << 12;

/// Labels in a domain of 2^k rows.
#[derive(Debug)]
pub(crate) struct Labels {
    omega: Fr,
    rows: usize,
    /// delta^column.
    columns: Vec<Fr>,
    /// omega^i for i below 2^`low_bits`.
    low: Vec<Fr>,
    /// omega^(i 2^`low_bits`).
    high: Vec<Fr>,
    low_bits: u32,
}

impl Labels {
    pub(crate) fn new(k: u32, columns: usize) -> Self {
        let omega = root_of_unity(k);
        let low_bits = k / 2;
        Self {
            omega,
            rows: 1 << k,
            columns: powers(Fr::DELTA, columns),
            low: powers(omega, 1 << low_bits),
            high: powers(omega.pow_vartime([1 << low_bits]), 1 << (k - low_bits)),
            low_bits,
        }
    }

    /// delta^column: the polynomial whose values are the labels of a column is this multiple of X.
    pub(crate) fn slope(&self, column: usize) -> Fr {
        self.columns[column]
    }

    /// The label of one cell.
    pub(crate) fn of(&self, column: usize, row: u32) -> Fr {
        let mask = (1 << self.low_bits) - 1;
        let low = self.low[(row & mask) as usize];
        self.columns[column] * self.high[(row >> self.low_bits) as usize] * low
    }

    /// The labels to which a column's cells are moved, by rows.
    pub(crate) fn sigma(&self, column: usize, moved: &[Moved]) -> Vec<Fr> {
        let mut labels = vec![Fr::ZERO; self.rows];
        labels.par_chunks_mut(CHUNK).enumerate().for_each(|(index, chunk)| {
            let mut label = self.of(column, (index * CHUNK) as u32);
            for cell in chunk {
                *cell = label;
                label *= self.omega;
            }
        });
        for cell in moved {
            labels[cell.row as usize] = self.target(cell);
        }
        labels
    }

    /// What the permutation adds to the labels of a column, where it is not zero, by rows.
    pub(crate) fn changes(&self, column: usize, moved: &[Moved]) -> Vec<(u32, Fr)> {
        let change = |cell: &Moved| (cell.row, self.target(cell) - self.of(column, cell.row));
        moved.par_iter().map(change).collect()
    }

    fn target(&self, cell: &Moved) -> Fr {
        self.of(usize::from(cell.to_column), cell.to_row)
    }
}

fn powers(base: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(Fr::ONE), |power| Some(*power * base)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_powers() {
        for k in [3, 8, 13] {
            let (labels, omega) = (Labels::new(k, 3), root_of_unity(k));
            let last = (1u32 << k) - 1;
            let moved = [
                Moved { row: 1, to_column: 2, to_row: last },
                Moved { row: last, to_column: 0, to_row: 0 },
            ];
            let label = |column: u64, row: u32| {
                Fr::DELTA.pow_vartime([column]) * omega.pow_vartime([u64::from(row)])
            };
            let mut expected: Vec<Fr> = (0..=last).map(|row| label(1, row)).collect();
            expected[1] = label(2, last);
            expected[last as usize] = Fr::ONE;
            assert_eq!(labels.sigma(1, &moved), expected);
            let changes = [(1, label(2, last) - label(1, 1)), (last, Fr::ONE - label(1, last))];
            assert_eq!(labels.changes(1, &moved), changes);
            assert_eq!(labels.slope(2), Fr::DELTA.square());
        }
    }
}
