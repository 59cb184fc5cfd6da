//! A column of values, small ones kept small.

use halo2curves::bn256::Fr;
use rayon::prelude::*;

/// Values by rows.
#[derive(Clone, Debug)]
pub enum Column {
    /// Numbers below 2^32, and the rows that hold something else.
    Small {
        /// By rows; zero at exceptional rows.
        values: Vec<u32>,
        /// Rows, ascending, with their values.
        exceptions: Vec<(u32, Fr)>,
    },
    /// Few different values: row `i` holds `palette[indices[i]]`.
    Palette {
        /// By rows.
        indices: Vec<u16>,
        /// The different values.
        palette: Vec<Fr>,
    },
    /// Any values.
    Full(Vec<Fr>),
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Small { values, .. } => values.len(),
            Self::Palette { indices, .. } => indices.len(),
            Self::Full(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All values as field elements.
    pub fn to_full(&self) -> Vec<Fr> {
        match self {
            Self::Full(values) => values.clone(),
            Self::Palette { indices, palette } => {
                indices.par_iter().map(|index| palette[usize::from(*index)]).collect()
            }
            Self::Small { values, exceptions } => {
                let mut full: Vec<Fr> =
                    values.par_iter().map(|value| Fr::from(u64::from(*value))).collect();
                for (row, value) in exceptions {
                    full[*row as usize] = *value;
                }
                full
            }
        }
    }
}
