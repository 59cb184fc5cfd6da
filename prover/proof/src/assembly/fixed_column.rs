//! A fixed column that is being assigned.

use std::collections::HashMap;

use assay_kernels::Column;
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

/// Different values that indices of 16 bits can tell apart.
pub(crate) const MOST_VALUES: usize = 1 << 16;

/// Starts as zeros; few different values until there are too many.
#[derive(Debug)]
pub(super) enum FixedColumn {
    Few {
        indices: Vec<u16>,
        palette: Vec<Fr>,
        /// Where each value is in the palette.
        places: HashMap<Fr, u16>,
        /// Place of the value that was set last: circuits set many equal ones in sequence.
        last: u16,
    },
    Many(Vec<Fr>),
}

impl FixedColumn {
    pub(super) fn zero(rows: usize) -> Self {
        Self::Few {
            indices: vec![0; rows],
            palette: vec![Fr::ZERO],
            places: HashMap::from([(Fr::ZERO, 0)]),
            last: 0,
        }
    }

    /// Sets a cell, over what it holds. The row is one of the column's.
    pub(super) fn set(&mut self, row: usize, value: Fr) {
        match self {
            Self::Few { indices, palette, places, last } => {
                if palette[usize::from(*last)] != value {
                    *last = match places.get(&value) {
                        Some(place) => *place,
                        None if palette.len() < MOST_VALUES => {
                            let place = palette.len() as u16;
                            palette.push(value);
                            places.insert(value, place);
                            place
                        }
                        None => {
                            let mut values = full(indices, palette);
                            values[row] = value;
                            *self = Self::Many(values);
                            return;
                        }
                    };
                }
                indices[row] = *last;
            }
            Self::Many(values) => values[row] = value,
        }
    }

    pub(super) fn finish(self) -> Column {
        match self {
            Self::Few { indices, palette, .. } => Column::Palette { indices, palette },
            Self::Many(values) => Column::Full(values),
        }
    }
}

fn full(indices: &[u16], palette: &[Fr]) -> Vec<Fr> {
    indices.iter().map(|index| palette[usize::from(*index)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(column: FixedColumn) -> Vec<Fr> {
        column.finish().to_full()
    }

    #[test]
    fn the_last_value_stays() {
        let mut column = FixedColumn::zero(8);
        let mut expected = vec![Fr::ZERO; 8];
        for (row, value) in [(1, 5), (2, 5), (1, 6), (3, 0), (2, 0), (1, 5), (7, 9), (7, 9)] {
            column.set(row, Fr::from(value));
            expected[row] = Fr::from(value);
        }
        assert_eq!(values(column), expected);
    }

    #[test]
    fn one_value_more_than_indices_can_tell_apart_makes_it_full() {
        let rows = MOST_VALUES + 1;
        let mut column = FixedColumn::zero(rows);
        let mut expected: Vec<Fr> = (0..rows as u64).map(Fr::from).collect();
        for (row, value) in expected.iter().enumerate().take(MOST_VALUES) {
            column.set(row, *value);
        }
        assert!(
            matches!(&column, FixedColumn::Few { palette, .. } if palette.len() == MOST_VALUES)
        );
        column.set(rows - 1, expected[rows - 1]);
        assert!(matches!(column, FixedColumn::Many(_)));
        for (row, value) in [(0, 7), (rows - 1, 1 << 40)] {
            column.set(row, Fr::from(value));
            expected[row] = Fr::from(value);
        }
        assert_eq!(values(column), expected);
    }
}
