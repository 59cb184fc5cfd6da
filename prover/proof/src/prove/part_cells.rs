//! The cells that constraints read at one part of the extended domain.

use std::collections::{HashMap, HashSet};

use assay_kernels::Parts;
use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rayon::prelude::*;

use crate::domain::root_of_unity;

/// Cells of polynomials at some rotations. What is read at a rotation of one part lies at another part without
/// one; a polynomial that is read at several rotations is therefore evaluated once for each part, as far as the
/// order of the parts allows.
pub(super) struct PartCells<'a> {
    parts: &'a Parts,
    inputs: Vec<Input<'a>>,
    /// Cells of polynomials that are read at several rotations, by polynomial and part.
    shared: HashMap<(usize, usize), Vec<Fr>>,
    /// Buffers of shared cells that are no longer read.
    free: Vec<Vec<Fr>>,
}

/// What is read at the points of a part.
#[derive(Debug, Clone, Copy)]
pub(super) enum Read<'a> {
    /// A polynomial's coefficients, split or few, and its rotation.
    Polynomial(&'a [Fr], i32),
    /// The polynomial that is one in a row and zero in all others.
    Row(usize),
    /// X.
    Point,
    /// No cells.
    Nothing,
}

struct Input<'a> {
    read: Read<'a>,
    /// The polynomial's number, if it is read at several rotations.
    polynomial: Option<usize>,
    /// The part at which the shared cells lie.
    place: (usize, usize),
    /// Cells of this input alone, or shared ones that had to be turned.
    own: Vec<Fr>,
    is_shared: bool,
}

impl<'a> PartCells<'a> {
    /// What the inputs are. Polynomials of 2^k coefficients are split at the coset of the parts that will be asked
    /// for.
    pub(super) fn new(parts: &'a Parts, read: &[Read<'a>]) -> Self {
        let address = |read: &Read<'_>| match read {
            Read::Polynomial(polynomial, _) => Some(polynomial.as_ptr().addr()),
            Read::Row(_) | Read::Point | Read::Nothing => None,
        };
        let addresses: Vec<_> = read.iter().map(address).collect();
        let inputs = read.iter().enumerate().map(|(index, read)| {
            let same = |other: &Option<usize>| other.is_some() && *other == addresses[index];
            let several = addresses.iter().filter(|other| same(other)).count() > 1;
            let polynomial = addresses.iter().position(same).filter(|_| several);
            let place = (polynomial.unwrap_or_default(), 0);
            Input { read: *read, polynomial, place, own: Vec::new(), is_shared: false }
        });
        Self { parts, inputs: inputs.collect(), shared: HashMap::new(), free: Vec::new() }
    }

    /// Computes the cells of a part.
    pub(super) fn compute(&mut self, part: usize) {
        let (parts, rows) = (self.parts, self.parts.rows());
        let mut turns = vec![0; self.inputs.len()];
        for (input, turn) in self.inputs.iter_mut().zip(&mut turns) {
            if let (Some(polynomial), Read::Polynomial(_, rotation)) =
                (input.polynomial, input.read)
            {
                let (place, by) = parts.rotated(part, rotation);
                (input.place, *turn) = ((polynomial, place), by);
            }
        }
        let needed: HashSet<_> = self
            .inputs
            .iter()
            .filter(|input| input.polynomial.is_some())
            .map(|i| i.place)
            .collect();
        let unneeded: Vec<_> =
            self.shared.keys().filter(|place| !needed.contains(place)).copied().collect();
        self.free.extend(unneeded.iter().filter_map(|place| self.shared.remove(place)));
        for (input, turn) in self.inputs.iter_mut().zip(turns) {
            let (coefficients, rotation) = match input.read {
                Read::Polynomial(coefficients, rotation) => (coefficients, rotation),
                Read::Nothing => continue,
                other => {
                    input.own.resize(rows, Fr::ZERO);
                    parts.points(part, &mut input.own);
                    if let Read::Row(row) = other {
                        row_indicator(parts, part, row, &mut input.own);
                    }
                    continue;
                }
            };
            if input.polynomial.is_none() {
                input.own.resize(rows, Fr::ZERO);
                cells_of(parts, part, (coefficients, rotation), &mut input.own);
                continue;
            }
            let free = &mut self.free;
            let cells = self.shared.entry(input.place).or_insert_with(|| {
                let mut cells = free.pop().unwrap_or_else(|| vec![Fr::ZERO; rows]);
                cells_of(parts, input.place.1, (coefficients, 0), &mut cells);
                cells
            });
            input.is_shared = turn == 0;
            if turn != 0 {
                input.own.clear();
                input.own.extend_from_slice(&cells[turn..]);
                input.own.extend_from_slice(&cells[..turn]);
            }
        }
    }

    /// The cells, by inputs.
    pub(super) fn inputs(&self) -> Vec<&[Fr]> {
        self.inputs
            .iter()
            .map(|input| match self.shared.get(&input.place) {
                Some(cells) if input.is_shared => cells.as_slice(),
                _ => input.own.as_slice(),
            })
            .collect()
    }
}

/// The cells of a polynomial at some rotation.
fn cells_of(parts: &Parts, part: usize, (polynomial, rotation): (&[Fr], i32), cells: &mut [Fr]) {
    if is_split(parts, polynomial) {
        parts.split_cells(part, polynomial, rotation, cells);
    } else {
        parts.cells(part, polynomial, rotation, cells);
    }
}

/// Whether a polynomial is one of those that are split: the others have fewer coefficients.
pub(super) fn is_split(parts: &Parts, polynomial: &[Fr]) -> bool {
    polynomial.len() == 1 << parts.k()
}

/// Turns the cells of X at a part into those of the polynomial that is one in one row and zero in the
/// others: (X^n - 1) omega^row / (n (X - omega^row)).
fn row_indicator(parts: &Parts, part: usize, row: usize, cells: &mut [Fr]) {
    let kernels = parts.kernels();
    let factor = kernels.cell_factor();
    let root = root_of_unity(parts.k()).pow_vartime([row as u64]);
    let less = factor * root;
    cells.par_iter_mut().for_each(|cell| *cell -= less);
    kernels.invert_all(cells);
    // The cells had the factor once, and their inverses have it once too little.
    let n_inverse = Fr::TWO_INV.pow_vartime([u64::from(parts.k())]);
    let scale = parts.vanishing(part) * n_inverse * root * factor.square();
    cells.par_iter_mut().for_each(|cell| *cell *= scale);
}

#[cfg(test)]
mod tests {
    use assay_kernels::{Domain, all_kernels};

    use super::*;

    /// Compares with cells that are computed one polynomial at a time.
    fn check(parts: &Parts, part: usize, cells: &PartCells<'_>, read: &[Read<'_>]) {
        let indicator = |row: usize| {
            let mut values = vec![Fr::ZERO; 1 << parts.k()];
            values[row] = Fr::ONE;
            Domain::new(parts.kernels(), parts.k()).coefficients_in_place(&mut values);
            values
        };
        for (found, read) in cells.inputs().iter().zip(read) {
            let mut expected = vec![Fr::ZERO; parts.rows()];
            match read {
                Read::Point => parts.points(part, &mut expected),
                Read::Nothing => expected.clear(),
                Read::Row(row) => parts.cells(part, &indicator(*row), 0, &mut expected),
                Read::Polynomial(polynomial, rotation) => {
                    parts.cells(part, polynomial, *rotation, &mut expected);
                }
            }
            assert_eq!(**found, *expected);
        }
    }

    #[test]
    fn shared_cells_are_those_of_each_rotation() {
        let polynomial = |seed: u64| -> Vec<Fr> {
            (0..64).map(|i| Fr::from(seed + i * i).square() + Fr::from(i)).collect()
        };
        let polynomials: Vec<_> = (0..4).map(polynomial).collect();
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| polynomials[index].as_slice());
        let read = [(a, 0), (b, 1), (a, 1), (c, 0), (c, 1), (c, -7), (d, -3), (a, 2), (c, 63)]
            .map(|(polynomial, rotation)| Read::Polynomial(polynomial, rotation));
        let read: Vec<_> = read
            .into_iter()
            .chain([Read::Point, Read::Row(0), Read::Nothing, Read::Row(57)])
            .collect();
        for kernels in all_kernels() {
            for (extension, log_parts) in [(1, 1), (1, 3), (2, 2), (2, 4), (0, 2), (1, 6)] {
                let parts = Parts::new(*kernels, 6, extension, log_parts);
                for coset in 0..1 << extension {
                    let mut split = polynomials.clone();
                    split.iter_mut().for_each(|polynomial| parts.split(coset, polynomial));
                    let of = |whole: &[Fr]| polynomials.iter().position(|p| **p == *whole);
                    let split_read: Vec<_> = read
                        .iter()
                        .map(|read| match read {
                            Read::Polynomial(whole, rotation) => {
                                Read::Polynomial(&split[of(whole).unwrap()], *rotation)
                            }
                            other => *other,
                        })
                        .collect();
                    let mut cells = PartCells::new(&parts, &split_read);
                    for part in (coset..parts.count()).step_by(1 << extension) {
                        cells.compute(part);
                        check(&parts, part, &cells, &read);
                    }
                }
            }
        }
    }
}
