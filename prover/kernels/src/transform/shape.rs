//! How a transform is cut into two passes, and the roots of unity it needs.

use std::marker::PhantomData;

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::words::Words;

/// How many columns, or rows, are transformed side by side.
pub(crate) const LANES: usize = 8;

/// A transform of `rows * columns` points. Input `i` is in row `i / columns`; output `j` comes from row
/// `j % rows` of what the first pass leaves.
///
/// The first pass leaves blocks of [`LANES`] columns one after the other, so that it writes, and the second
/// pass reads, pieces of one stretch: the element of row `j`, column `i` is at
/// `(i / LANES * rows + j) * LANES + i % LANES` (with fewer lanes where there are fewer columns).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) log_rows: u32,
    pub(crate) log_columns: u32,
}

impl Shape {
    pub(crate) fn new(log: u32) -> Self {
        Self { log_rows: log / 2, log_columns: log - log / 2 }
    }

    pub(crate) fn rows(self) -> usize {
        1 << self.log_rows
    }

    pub(crate) fn columns(self) -> usize {
        1 << self.log_columns
    }

    pub(crate) fn len(self) -> usize {
        self.rows() * self.columns()
    }

    /// Of the first pass.
    pub(crate) fn column_lanes(self) -> usize {
        LANES.min(self.columns())
    }

    /// Of the second pass.
    pub(crate) fn row_lanes(self) -> usize {
        LANES.min(self.rows())
    }
}

/// The lowest `log` bits of `index`, the other way around.
pub(crate) fn reversed(index: usize, log: u32) -> usize {
    if log == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - log) }
}

/// `count` elements: `first`, and each `ratio` times the one before.
pub(crate) fn powers(first: Fr, ratio: Fr, count: usize) -> Vec<Fr> {
    std::iter::successors(Some(first), |power| Some(*power * ratio)).take(count).collect()
}

/// The twiddles of a transform of 2^log points that divides with remainder down a tree: node 1 is modulo
/// X^(2^log) - 1, and node `t`, modulo X^(2h) - c^2, has the children `2t` modulo X^h - c and `2t + 1` modulo
/// X^h + c. Entry `t` is that `c`. The leaves, from the left, are the powers of the root, whose order is
/// 2^log, with the exponents [`reversed`].
pub(crate) fn tree(log: u32, root: Fr) -> Vec<Fr> {
    let half = powers(Fr::ONE, root, (1 << log) / 2);
    let mut tree = vec![Fr::ONE; 1 << log];
    for level in 0..log {
        for t in 0..1 << level {
            tree[(1 << level) + t] = half[reversed(t, log - 1)];
        }
    }
    tree
}

/// As [`tree`], but modulo X^(2^log) - shift^(2^log): the leaves are `shift` times the powers of the root.
pub(crate) fn twisted_tree(plain: &[Fr], shift: Fr) -> Vec<Fr> {
    let log = plain.len().ilog2();
    let mut twisted = plain.to_vec();
    let mut power = shift;
    for level in (0..log).rev() {
        for twiddle in &mut twisted[1 << level..2 << level] {
            *twiddle *= power;
        }
        power = power.square();
    }
    twisted
}

/// Some neighbouring columns of a matrix, to be written by one thread while others write other columns.
pub(crate) struct Columns<'a> {
    first: *mut Words,
    width: usize,
    count: usize,
    rows: usize,
    matrix: PhantomData<&'a mut [Words]>,
}

// SAFETY: it is as a mutable slice of words, which may go to another thread.
unsafe impl Send for Columns<'_> {}

impl<'a> Columns<'a> {
    /// Cuts a matrix, row after row, of rows of `width` elements into blocks of `count` columns.
    ///
    /// # Panics
    ///
    /// Unless the rows are whole and the blocks are.
    pub(crate) fn of(
        matrix: &'a mut [Words],
        width: usize,
        count: usize,
    ) -> impl IndexedParallelIterator<Item = Self> {
        assert!(count > 0 && width.is_multiple_of(count) && matrix.len().is_multiple_of(width));
        let rows = matrix.len() / width;
        let start = matrix.as_mut_ptr();
        let columns: Vec<Self> = (0..width / count)
            .map(|block| Self {
                // Within the first row if there is a row; else nothing is ever read through it.
                first: start.wrapping_add(block * count),
                width,
                count,
                rows,
                matrix: PhantomData,
            })
            .collect();
        columns.into_par_iter()
    }

    /// The elements of one row in these columns.
    ///
    /// # Panics
    ///
    /// If there is no such row.
    pub(crate) fn row(&mut self, row: usize) -> &mut [Words] {
        assert!(row < self.rows);
        // SAFETY: the elements `row * width + block * count ..` of the matrix, which is borrowed for as long as
        // this lives. No other block has these columns, and the borrow of `self` ends before the next row's.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.width), self.count) }
    }
}
