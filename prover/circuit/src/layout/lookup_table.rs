//! The one lookup table: rows `(pre, out, tag)` of each function and `(i, 0, 2^shift)` of each
//! remainder range.

use std::collections::BTreeMap;

use halo2_proofs::halo2curves::bn256::Fr;

use assay_graph::{ACTIVATION_OFFSET, FunctionTable};

#[derive(Clone, Debug)]
pub struct Tables {
    pub functions: Vec<FunctionTable>,
    pub first_row: usize,
    function_rows: Vec<usize>,
    shift_rows: BTreeMap<u32, usize>,
    end: usize,
}

impl Tables {
    pub fn new(functions: Vec<FunctionTable>, shifts: &[u32], first_row: usize) -> Self {
        let mut end = first_row;
        let mut function_rows = Vec::with_capacity(functions.len());
        for function in &functions {
            function_rows.push(end);
            end += function.values.len();
        }
        let mut shift_rows = BTreeMap::new();
        for shift in shifts {
            shift_rows.entry(*shift).or_insert_with(|| {
                let row = end;
                end += 1 << shift;
                row
            });
        }
        Self { functions, first_row, function_rows, shift_rows, end }
    }

    /// One past the last row.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Tag of a function: never a power of two up to the largest shift's.
    pub fn function_tag(function: usize) -> Fr {
        Fr::from((1 << 40) + function as u64)
    }

    /// Row of `(pre, function(pre))`, or `None` when `pre` is outside the table.
    pub fn function_row(&self, function: usize, pre: i64) -> Option<usize> {
        let table = self.functions.get(function)?;
        let index = usize::try_from(pre - i64::from(table.min)).ok()?;
        (index < table.values.len()).then(|| self.function_rows[function] + index)
    }

    /// Row of remainder `rem` of `shift`.
    pub fn remainder_row(&self, shift: u32, rem: u32) -> Option<usize> {
        let row = self.shift_rows.get(&shift)?;
        (u64::from(rem) < 1 << shift).then(|| row + rem as usize)
    }

    /// Visits each row with its three values.
    pub fn for_each_row(&self, mut visit: impl FnMut(usize, [Fr; 3])) {
        let stored = |value: i64| Fr::from((value + i64::from(ACTIVATION_OFFSET)) as u64);
        for (index, function) in self.functions.iter().enumerate() {
            let tag = Self::function_tag(index);
            for (position, out) in function.values.iter().enumerate() {
                let pre = i64::from(function.min) + position as i64;
                visit(
                    self.function_rows[index] + position,
                    [stored(pre), stored(i64::from(*out)), tag],
                );
            }
        }
        for (shift, row) in &self.shift_rows {
            let tag = Fr::from(1 << shift);
            for rem in 0..1usize << shift {
                visit(row + rem, [Fr::from(rem as u64), Fr::zero(), tag]);
            }
        }
    }
}
