//! Transforms: from values at roots of unity to coefficients and back.
//!
//! A transform of m points is done in two passes, each of which works on blocks that fit a core's cache.
//! With m = rows * columns, the first pass transforms the columns of the input (eight neighbours at a time)
//! and twists them, the second one the rows of what the first left. A shift of the points, a factor of all
//! values and the reading of small values cost next to nothing in the first pass.

mod buffers;
#[cfg(test)]
mod measure;
mod scalar;
mod shape;
#[cfg(test)]
mod tests;

use halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField, WithSmallOrderMulGroup},
};
use rayon::prelude::*;

use crate::{
    Column, Kernels,
    field::{FrModulus, power_of_two},
    words::{Words, to_fr, words_mut},
};
use buffers::Scratch;
pub(crate) use buffers::Spare;
pub(crate) use scalar::{across_portably, chunks};
pub(crate) use shape::{Columns, LANES, Shape, powers, reversed, tree, twisted_tree};

/// Coefficients and values at the 2^k-th roots of unity.
#[derive(Debug)]
pub struct Domain {
    k: u32,
    omega: Fr,
    size_inverse: Fr,
    forward: Box<dyn Transform>,
    backward: Box<dyn Transform>,
    scratch: Scratch,
}

impl Domain {
    /// The domain of 2^k rows; omega is the library's root of unity, squared until its order is 2^k.
    ///
    /// # Panics
    ///
    /// If k is above 28, the two-adicity of the field.
    pub fn new(kernels: &'static dyn Kernels, k: u32) -> Self {
        let omega = root_of_unity(k);
        let inverse = root_of_unity_inverse(k);
        Self {
            k,
            omega,
            size_inverse: halves(k),
            forward: kernels.prepare(k, omega),
            backward: kernels.prepare(k, inverse),
            scratch: Scratch::new(1 << k),
        }
    }

    /// The binary logarithm of the number of rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// The root of unity: row `i` is the point `omega^i`.
    pub fn omega(&self) -> Fr {
        self.omega
    }

    /// The coefficients of the polynomial with these values by rows. Small values and palettes are read as
    /// they are.
    ///
    /// # Panics
    ///
    /// If the column has not 2^k rows, or is not what [`Column`] says.
    pub fn coefficients(&self, column: &Column) -> Vec<Fr> {
        let mut coefficients = zeros(1 << self.k);
        self.coefficients_into(column, &mut coefficients);
        coefficients
    }

    /// As [`Domain::coefficients`], into memory that is there: fresh memory costs as much as the arithmetic.
    ///
    /// # Panics
    ///
    /// As there, and if there is not place for 2^k coefficients.
    pub fn coefficients_into(&self, column: &Column, coefficients: &mut [Fr]) {
        assert_eq!(column.len(), 1 << self.k, "values of a column");
        let exceptions: Vec<Exception>;
        let (source, scale) = match column {
            Column::Full(values) => (Source::plain(values), self.size_inverse),
            Column::Palette { indices, palette } => {
                (Source::Palette { indices, palette }, self.size_inverse)
            }
            Column::Small { values, exceptions: rows } => {
                exceptions = sorted_exceptions(Shape::new(self.k), values, rows);
                let words_of_one = to_fr(power_of_two::<FrModulus>(512));
                (
                    Source::Small { values, exceptions: &exceptions },
                    self.size_inverse * words_of_one,
                )
            }
        };
        self.run(&*self.backward, &source, scale, coefficients);
    }

    /// Values by rows to coefficients.
    ///
    /// # Panics
    ///
    /// If there are not 2^k values.
    pub fn coefficients_in_place(&self, values: &mut [Fr]) {
        self.in_place(&*self.backward, self.size_inverse, values);
    }

    /// Coefficients to values by rows.
    ///
    /// # Panics
    ///
    /// If there are not 2^k coefficients.
    pub fn values_in_place(&self, coefficients: &mut [Fr]) {
        self.in_place(&*self.forward, Fr::ONE, coefficients);
    }

    fn run(&self, transform: &dyn Transform, source: &Source<'_>, scale: Fr, out: &mut [Fr]) {
        let twist = Twist { scale, ..Twist::none() };
        self.scratch.with(|scratch| {
            transform.first_pass(source, &twist, scratch);
            transform.second_pass(scratch, &twist, words_mut(out));
        });
    }

    fn in_place(&self, transform: &dyn Transform, scale: Fr, elements: &mut [Fr]) {
        assert_eq!(elements.len(), 1 << self.k, "values of a column");
        let twist = Twist { scale, ..Twist::none() };
        self.scratch.with(|scratch| {
            transform.first_pass(&Source::plain(elements), &twist, scratch);
            transform.second_pass(scratch, &twist, words_mut(elements));
        });
    }
}

/// The coset `zeta * <extended omega>` of 2^(k + extension) points, in parts.
///
/// Of 2^l parts, part `i` has the points `zeta * extended_omega^(i + 2^l j)` for `j` from 0: a coset of a
/// group of m = 2^(k + extension - l) points. There are at least 2^extension parts, so m is at most 2^k, and
/// X^(2^k) has one value on a part. zeta is the library's third root of unity.
#[derive(Debug)]
pub struct Parts {
    k: u32,
    extension: u32,
    log_parts: u32,
    log_rows: u32,
    extended_omega: Fr,
    omega: Fr,
    cell_factor: Fr,
    kernels: &'static dyn Kernels,
    forward: Box<dyn Transform>,
    backward: Box<dyn Transform>,
    scratch: Scratch,
}

impl Parts {
    /// 2^log_parts parts of 2^(k + extension) points.
    ///
    /// # Panics
    ///
    /// Unless extension <= log_parts <= k + extension <= 28.
    pub fn new(kernels: &'static dyn Kernels, k: u32, extension: u32, log_parts: u32) -> Self {
        assert!(extension <= log_parts && log_parts <= k + extension, "number of parts");
        let log_rows = k + extension - log_parts;
        Self {
            k,
            extension,
            log_parts,
            log_rows,
            extended_omega: root_of_unity(k + extension),
            omega: root_of_unity(k),
            cell_factor: kernels.cell_factor(),
            kernels,
            forward: kernels.prepare(log_rows, root_of_unity(log_rows)),
            backward: kernels.prepare(log_rows, root_of_unity_inverse(log_rows)),
            scratch: Scratch::new(1 << log_rows),
        }
    }

    /// What computes them.
    pub fn kernels(&self) -> &'static dyn Kernels {
        self.kernels
    }

    /// Number of parts.
    pub fn count(&self) -> usize {
        1 << self.log_parts
    }

    /// Number of points of a part.
    pub fn rows(&self) -> usize {
        1 << self.log_rows
    }

    /// The cells of `p(omega^rotation X)` at the points of a part: values times
    /// [`Transforms::cell_factor`]. `p` is given by its coefficients, at most 2^k, constant first.
    ///
    /// # Panics
    ///
    /// If there are more coefficients, or not a place for each point's cell.
    pub fn cells(&self, part: usize, coefficients: &[Fr], rotation: i32, cells: &mut [Fr]) {
        assert!(coefficients.len() <= 1 << self.k, "coefficients of a polynomial");
        let first = self.turned_point(part, rotation);
        let source = Source::Coefficients { coefficients, ratio: power(first, self.log_rows) };
        self.cells_of(&source, first, cells);
    }

    /// The cells at `first` times the roots of unity.
    fn cells_of(&self, source: &Source<'_>, first: Fr, cells: &mut [Fr]) {
        let twist = Twist { input: first, scale: self.cell_factor, output: Fr::ONE };
        self.scratch.with(|scratch| {
            self.forward.first_pass(source, &twist, scratch);
            self.forward.second_pass(scratch, &twist, words_mut(cells));
        });
    }

    /// Divides with remainder, in place: of a polynomial's 2^k coefficients are left its remainders modulo
    /// X^m - c of the parts `coset`, `coset + 2^extension` and so on, one after the other. Their cells then
    /// take a reading of m elements each, not of all coefficients.
    ///
    /// # Panics
    ///
    /// Unless there are 2^k coefficients, and `coset` is below 2^extension.
    pub fn split(&self, coset: usize, polynomial: &mut [Fr]) {
        let (ratio, root) = self.ratios(coset);
        self.across(polynomial, Across { ratio, root, factors: None });
    }

    /// The coefficients of the polynomial with these remainders: undoes [`Parts::split`].
    ///
    /// # Panics
    ///
    /// As there.
    pub fn join(&self, coset: usize, remainders: &mut [Fr]) {
        let (ratio, root) = self.ratios(coset);
        let log_pieces = self.log_parts - self.extension;
        let inverse = |value: Fr| value.invert().unwrap_or(Fr::ZERO);
        let factors = powers(halves(log_pieces), inverse(ratio), 1 << log_pieces);
        let across = Across { ratio: Fr::ONE, root: inverse(root), factors: Some(&factors) };
        self.across(remainders, across);
    }

    /// As [`Parts::cells`], of a polynomial that is split at the part's coset.
    ///
    /// # Panics
    ///
    /// Unless there are 2^k elements, and a place for each point's cell.
    pub fn split_cells(&self, part: usize, remainders: &[Fr], rotation: i32, cells: &mut [Fr]) {
        assert_eq!(remainders.len(), 1 << self.k, "elements of a polynomial");
        let piece = self.rotated(part, rotation).0 >> self.extension;
        let rows = self.rows();
        let remainder = &remainders[piece * rows..][..rows];
        self.cells_of(&Source::plain(remainder), self.turned_point(part, rotation), cells);
    }

    /// The m-th powers of the points of a coset's parts: that of the first, and from one to the next.
    fn ratios(&self, coset: usize) -> (Fr, Fr) {
        assert!(coset < 1 << self.extension, "number of a coset");
        (power(self.first_point(coset), self.log_rows), power(self.omega, self.log_rows))
    }

    fn across(&self, polynomial: &mut [Fr], across: Across<'_>) {
        assert_eq!(polynomial.len(), 1 << self.k, "elements of a polynomial");
        let mut pieces: Vec<&mut [Fr]> = polynomial.chunks_exact_mut(self.rows()).collect();
        self.kernels.across(&mut pieces, across);
    }

    /// The cells of the polynomial X: the points of a part times [`Transforms::cell_factor`].
    ///
    /// # Panics
    ///
    /// If there is not a place for each point's cell.
    pub fn points(&self, part: usize, cells: &mut [Fr]) {
        assert_eq!(cells.len(), self.rows(), "cells of a part");
        const CHUNK: usize = 1 << 10;
        let (first, step) =
            (self.first_point(part) * self.cell_factor, root_of_unity(self.log_rows));
        cells.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, cells)| {
            let mut point = first * step.pow_vartime([(chunk * CHUNK) as u64]);
            for cell in cells {
                *cell = point;
                point *= step;
            }
        });
    }

    /// Logarithm of the number of rows.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Logarithm of the number of points to that of rows.
    pub fn extension(&self) -> u32 {
        self.extension
    }

    /// Where the points of a part lie that are multiplied with omega^rotation: at which part, and at
    /// which of its points the first of them. The points after it follow, in a circle.
    pub fn rotated(&self, part: usize, rotation: i32) -> (usize, usize) {
        let exponent = part as i64 + (i64::from(rotation) << self.extension);
        let (parts, rows) = (self.count() as i64, self.rows() as i64);
        let (part, point) = (exponent.rem_euclid(parts), exponent.div_euclid(parts));
        (part as usize, point.rem_euclid(rows) as usize)
    }

    /// The value of X^(2^k) - 1, which is zero at all rows, at every point of a part.
    pub fn vanishing(&self, part: usize) -> Fr {
        power(self.first_point(part), self.k) - Fr::ONE
    }

    /// The 2^(k + extension) coefficients of the polynomial whose values (not cells) at the points of part
    /// `i` are `factors[i] * parts[i][j]`. Each part is freed when its coefficients are out.
    ///
    /// # Panics
    ///
    /// If there is not a factor for each part and a value for each point.
    pub fn interpolate(&self, mut parts: Vec<Vec<Fr>>, factors: &[Fr]) -> Vec<Fr> {
        assert_eq!((parts.len(), factors.len()), (self.count(), self.count()), "parts");
        for (i, (part, factor)) in parts.iter_mut().zip(factors).enumerate() {
            self.remainder(i, part, *factor);
        }
        // The remainder modulo X^m - c_i of the polynomial sum_t X^(m t) q_t is sum_t c_i^t q_t, and the c_i
        // are c_0 times the powers of a root of unity.
        let ratio = power(self.first_point(0), self.log_rows).invert().unwrap_or(Fr::ZERO);
        let factors = powers(Fr::ONE, ratio, self.count());
        let root = root_of_unity_inverse(self.log_parts);
        let mut rows: Vec<&mut [Fr]> = parts.iter_mut().map(Vec::as_mut_slice).collect();
        self.kernels.across(&mut rows, Across { ratio: Fr::ONE, root, factors: Some(&factors) });
        let mut coefficients = Vec::with_capacity(self.count() * self.rows());
        for part in parts {
            coefficients.extend_from_slice(&part);
        }
        coefficients
    }

    /// From values to `factor / count` times the remainder modulo X^m - c, c the m-th power of the points.
    fn remainder(&self, part: usize, values: &mut [Fr], factor: Fr) {
        assert_eq!(values.len(), self.rows(), "values of a part");
        let scale = factor * halves(self.log_rows + self.log_parts);
        let output = self.first_point(part).invert().unwrap_or(Fr::ZERO);
        let twist = Twist { input: Fr::ONE, scale, output };
        self.scratch.with(|scratch| {
            self.backward.first_pass(&Source::plain(values), &twist, scratch);
            self.backward.second_pass(scratch, &twist, words_mut(values));
        });
    }

    fn first_point(&self, part: usize) -> Fr {
        assert!(part < self.count(), "number of a part");
        Fr::ZETA * self.extended_omega.pow_vartime([part as u64])
    }

    /// The first point of a part, times omega^rotation.
    fn turned_point(&self, part: usize, rotation: i32) -> Fr {
        let turn = i64::from(rotation).rem_euclid(1 << self.k).unsigned_abs();
        self.first_point(part) * self.omega.pow_vartime([turn])
    }
}

/// What the kernels do for [`Domain`] and [`Parts`].
pub trait Transforms {
    /// What a value is multiplied by to be a cell: a product of two cells of these kernels is a cell again.
    fn cell_factor(&self) -> Fr;

    /// Transforms of 2^log points; the root of unity has that order.
    fn prepare(&self, log: u32, root: Fr) -> Box<dyn Transform>;

    /// At each index a transform over the rows, of which there are a power of two, all of one length.
    fn across(&self, rows: &mut [&mut [Fr]], across: Across<'_>);
}

/// A transform over rows: row `t` becomes `factors[t] * sum_i (ratio root^t)^i row_i`.
#[derive(Clone, Copy, Debug)]
pub struct Across<'a> {
    pub(crate) ratio: Fr,
    pub(crate) root: Fr,
    /// One where there are none.
    pub(crate) factors: Option<&'a [Fr]>,
}

/// A transform of m points: from `x` to `scale * output^j * sum_i input^i x_i root^(i j)`.
pub trait Transform: std::fmt::Debug + Send + Sync {
    /// Transforms the columns of the input into scratch memory for m elements.
    fn first_pass(&self, source: &Source<'_>, twist: &Twist, scratch: &mut [Words]);

    /// Transforms the rows of what the first pass left into `out`, m elements below the modulus.
    fn second_pass(&self, scratch: &[Words], twist: &Twist, out: &mut [Words]);
}

/// The factors of a [`Transform`].
#[derive(Clone, Copy, Debug)]
pub struct Twist {
    pub(crate) input: Fr,
    pub(crate) scale: Fr,
    pub(crate) output: Fr,
}

impl Twist {
    fn none() -> Self {
        Self { input: Fr::ONE, scale: Fr::ONE, output: Fr::ONE }
    }
}

/// The input of a [`Transform`] of m points.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Element `i` is `sum_t ratio^t coefficients[i + m t]`.
    Coefficients {
        /// Any number of them; those beyond the end are zero.
        coefficients: &'a [Fr],
        /// The m-th power of the points: a polynomial has there the values of its remainder modulo
        /// X^m - ratio.
        ratio: Fr,
    },
    /// Element `i` is the one whose *words* are the number `values[i]`, but for exceptions.
    Small {
        /// The numbers.
        values: &'a [u32],
        /// By blocks of columns, by rows in each.
        exceptions: &'a [Exception],
    },
    /// Element `i` is `palette[indices[i]]`.
    Palette {
        /// Of elements.
        indices: &'a [u16],
        /// The different elements.
        palette: &'a [Fr],
    },
}

impl<'a> Source<'a> {
    fn plain(values: &'a [Fr]) -> Self {
        Self::Coefficients { coefficients: values, ratio: Fr::ZERO }
    }
}

/// A difference to be added to one small value.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) difference: Fr,
}

/// Exceptions by blocks of columns of the transform's shape, by rows in each.
fn sorted_exceptions(shape: Shape, values: &[u32], exceptions: &[(u32, Fr)]) -> Vec<Exception> {
    let one_word = to_fr([1, 0, 0, 0]);
    let mut sorted: Vec<Exception> = exceptions
        .iter()
        .map(|(at, value)| {
            let at = *at as usize;
            Exception {
                row: at / shape.columns(),
                column: at % shape.columns(),
                difference: *value * one_word - to_fr([u64::from(values[at]), 0, 0, 0]),
            }
        })
        .collect();
    sorted.sort_unstable_by_key(|exception| (exception.column / LANES, exception.row));
    sorted
}

/// The exceptions of a block of columns.
pub(crate) fn exceptions_of(exceptions: &[Exception], block: usize) -> &[Exception] {
    let from = exceptions.partition_point(|exception| exception.column / LANES < block);
    let to = exceptions.partition_point(|exception| exception.column / LANES <= block);
    &exceptions[from..to]
}

/// Of a block's exceptions those of a row.
#[inline]
pub(crate) fn exceptions_of_row(exceptions: &[Exception], row: usize) -> &[Exception] {
    let from = exceptions.partition_point(|exception| exception.row < row);
    let to = exceptions.partition_point(|exception| exception.row <= row);
    &exceptions[from..to]
}

/// The library's root of unity of order 2^log.
fn root_of_unity(log: u32) -> Fr {
    assert!(log <= Fr::S, "no root of unity of order 2^{log}");
    power(Fr::ROOT_OF_UNITY, Fr::S - log)
}

fn root_of_unity_inverse(log: u32) -> Fr {
    assert!(log <= Fr::S, "no root of unity of order 2^{log}");
    power(Fr::ROOT_OF_UNITY_INV, Fr::S - log)
}

/// `base^(2^log)`.
fn power(base: Fr, log: u32) -> Fr {
    (0..log).fold(base, |power, _| power.square())
}

/// `1 / 2^log`.
fn halves(log: u32) -> Fr {
    Fr::TWO_INV.pow_vartime([u64::from(log)])
}

/// Zeros in memory that nobody has touched: the system gives pages of zeros when they are first used.
fn zeros(count: usize) -> Vec<Fr> {
    let mut words = std::mem::ManuallyDrop::new(vec![Words::default(); count]);
    // SAFETY: an element has the size and alignment of its words (asserted in `words`) and any words are a
    // valid element; the vector's memory is not freed twice, since `words` never is.
    unsafe { Vec::from_raw_parts(words.as_mut_ptr().cast(), words.len(), words.capacity()) }
}
