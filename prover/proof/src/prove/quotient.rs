//! The quotient of the constraints by X^n - 1, part after part of the extended domain.
//!
//! The constraints are those of the library's verifier, in its order: the gates, then the permutation
//! argument's; a power of y weighs each.

use std::cell::RefCell;

use assay_kernels::{Node, Parts, Program, ProgramBuilder};
use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};

use super::{
    combined::{Combined, Sum, combine},
    costs::Work,
    part_cells::{PartCells, Read, is_split},
    permutation::Permutation,
    polynomials::Polynomials,
    watch::Meter,
};
use crate::{
    profile::{PermutationColumn, Profile},
    prove_error::ProveError,
};

/// The challenges that constraints depend on.
pub(super) struct Challenges<'a> {
    /// Of the circuit.
    pub circuit: &'a [Fr],
    pub beta: Fr,
    pub gamma: Fr,
    pub y: Fr,
}

/// A polynomial that constraints read, at some rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Advice(usize, i32),
    Fixed(usize, i32),
    Instance(i32),
    Product(usize, i32),
    Sigma(usize),
    /// One in the first row.
    First,
    /// One in the row in which the products end.
    Last,
    /// One in the rows before.
    Active,
    /// X itself.
    Point,
    /// A sum of polynomials.
    Sum(usize),
    /// Read in sums only.
    InSums,
}

/// The constraints of a circuit as one program.
struct Constraints {
    program: Program,
    /// What the program's inputs are.
    cells: Vec<Cell>,
    /// Those that are sums, by what they are of.
    sums: Vec<Vec<(Cell, Fr)>>,
}

/// Multiplications of the constraints in one row, and the number of cells that they read there.
pub(super) fn constraint_size(profile: &Profile) -> (usize, usize) {
    // Any challenges but those that make terms fall away.
    let any = |seed: u64| Fr::from(seed).square().square();
    let circuit: Vec<Fr> =
        (0..profile.schedule.challenges.len() as u64).map(|i| any(1000 + i)).collect();
    let challenges =
        Challenges { circuit: &circuit, beta: any(2001), gamma: any(2002), y: any(2003) };
    let constraints = Constraints::new(profile, &challenges);
    (constraints.program.multiplications(), constraints.read())
}

/// Builds [`Constraints`].
struct Compiler<'a> {
    profile: &'a Profile,
    challenges: &'a Challenges<'a>,
    builder: ProgramBuilder,
    cells: Vec<Cell>,
}

impl Constraints {
    fn new(profile: &Profile, challenges: &Challenges<'_>) -> Self {
        let builder = ProgramBuilder::new();
        let mut compiler = Compiler { profile, challenges, builder, cells: Vec::new() };
        let mut constraints = compiler.gates();
        constraints.extend(compiler.permutation());
        let y = compiler.builder.constant(challenges.y);
        let mut sum = compiler.builder.constant(Fr::ZERO);
        for constraint in constraints {
            sum = compiler.builder.mul(sum, y);
            sum = compiler.builder.add(sum, constraint);
        }
        let Compiler { builder, mut cells, .. } = compiler;
        let Combined { program, sums } = combine(&builder, sum, &may_be_combined(&cells));
        let of = |sum: &Sum| sum.iter().map(|(slot, factor)| (cells[*slot], *factor)).collect();
        let named: Vec<Vec<(Cell, Fr)>> = sums.iter().map(of).collect();
        sums.iter().flat_map(Sum::keys).for_each(|slot| cells[*slot] = Cell::InSums);
        cells.extend((0..sums.len()).map(Cell::Sum));
        Self { program, cells, sums: named }
    }

    /// How many polynomials it takes cells of, by rotations.
    fn read(&self) -> usize {
        self.cells.iter().filter(|cell| **cell != Cell::InSums).count()
    }
}

/// Columns that are read in their own row only.
fn may_be_combined(cells: &[Cell]) -> Vec<bool> {
    let elsewhere = |column: usize, is: fn(usize, i32) -> Cell| {
        cells.iter().any(|cell| match cell {
            Cell::Advice(_, rotation) | Cell::Fixed(_, rotation) => {
                *rotation != 0 && *cell == is(column, *rotation)
            }
            _ => false,
        })
    };
    let may = |cell: &Cell| match cell {
        Cell::Advice(column, 0) => !elsewhere(*column, Cell::Advice),
        Cell::Fixed(column, 0) => !elsewhere(*column, Cell::Fixed),
        _ => false,
    };
    cells.iter().map(may).collect()
}

impl Compiler<'_> {
    fn cell(&mut self, cell: Cell) -> Node {
        let slot = match self.cells.iter().position(|known| *known == cell) {
            Some(slot) => slot,
            None => {
                self.cells.push(cell);
                self.cells.len() - 1
            }
        };
        self.builder.input(slot)
    }

    fn gates(&mut self) -> Vec<Node> {
        let constraints = &self.profile.constraints;
        let challenges = self.challenges.circuit;
        let compiler = RefCell::new(self);
        constraints
            .iter()
            .map(|constraint| {
                constraint.evaluate(
                    &|value| compiler.borrow_mut().builder.constant(value),
                    // Circuits with selectors have no profile.
                    &|_| compiler.borrow_mut().builder.constant(Fr::ZERO),
                    &|query| {
                        let cell = Cell::Fixed(query.column_index(), query.rotation().0);
                        compiler.borrow_mut().cell(cell)
                    },
                    &|query| {
                        let cell = Cell::Advice(query.column_index(), query.rotation().0);
                        compiler.borrow_mut().cell(cell)
                    },
                    &|query| compiler.borrow_mut().cell(Cell::Instance(query.rotation().0)),
                    &|challenge| {
                        let value = challenges[challenge.index()];
                        compiler.borrow_mut().builder.constant(value)
                    },
                    &|a| compiler.borrow_mut().builder.neg(a),
                    &|a, b| compiler.borrow_mut().builder.add(a, b),
                    &|a, b| compiler.borrow_mut().builder.mul(a, b),
                    &|a, factor| {
                        let factor = compiler.borrow_mut().builder.constant(factor);
                        compiler.borrow_mut().builder.mul(a, factor)
                    },
                )
            })
            .collect()
    }

    fn permuted(&mut self, column: PermutationColumn) -> Node {
        self.cell(match column {
            PermutationColumn::Advice(query) => {
                Cell::Advice(self.profile.advice_queries[query].0, 0)
            }
            PermutationColumn::Fixed(query) => Cell::Fixed(self.profile.fixed_queries[query].0, 0),
        })
    }

    /// The products start at one, are chained, end at zero or one, and step by the columns' ratios.
    fn permutation(&mut self) -> Vec<Node> {
        let count = self.profile.products();
        if count == 0 {
            return Vec::new();
        }
        let last_rotation = self.profile.last_rotation();
        let one = self.builder.constant(Fr::ONE);
        let first_row = self.cell(Cell::First);
        let last_row = self.cell(Cell::Last);
        let mut constraints = Vec::new();
        let first = self.cell(Cell::Product(0, 0));
        let start = self.builder.sub(one, first);
        constraints.push(self.builder.mul(start, first_row));
        let last = self.cell(Cell::Product(count - 1, 0));
        let square = self.builder.mul(last, last);
        let end = self.builder.sub(square, last);
        constraints.push(self.builder.mul(end, last_row));
        for product in 1..count {
            let this = self.cell(Cell::Product(product, 0));
            let before = self.cell(Cell::Product(product - 1, last_rotation));
            let step = self.builder.sub(this, before);
            constraints.push(self.builder.mul(step, first_row));
        }
        let active = self.cell(Cell::Active);
        for product in 0..count {
            let step = self.product_step(product);
            constraints.push(self.builder.mul(step, active));
        }
        constraints
    }

    fn product_step(&mut self, product: usize) -> Node {
        let chunk = self.profile.permutation_chunk;
        let columns = self.profile.permutation.len();
        let beta = self.builder.constant(self.challenges.beta);
        let gamma = self.builder.constant(self.challenges.gamma);
        let point = self.cell(Cell::Point);
        let mut left = self.cell(Cell::Product(product, 1));
        let mut right = self.cell(Cell::Product(product, 0));
        for column in product * chunk..columns.min((product + 1) * chunk) {
            let value = self.permuted(self.profile.permutation[column]);
            let blinded = self.builder.add(value, gamma);
            let sigma = self.cell(Cell::Sigma(column));
            let sigma = self.builder.mul(beta, sigma);
            let factor = self.builder.add(blinded, sigma);
            left = self.builder.mul(left, factor);
            let delta = Fr::DELTA.pow_vartime([column as u64]);
            let identity = self.builder.constant(self.challenges.beta * delta);
            let identity = self.builder.mul(identity, point);
            let factor = self.builder.add(blinded, identity);
            right = self.builder.mul(right, factor);
        }
        self.builder.sub(left, right)
    }
}

impl Polynomials {
    /// The pieces of the quotient, n coefficients each. The polynomials are as before afterwards, unless the
    /// proof was stopped.
    ///
    /// # Errors
    /// [`ProveError::Cancelled`].
    pub(super) fn quotient(
        &mut self,
        profile: &Profile,
        challenges: &Challenges<'_>,
        parts: &Parts,
        meter: &mut Meter<'_>,
    ) -> Result<Vec<Vec<Fr>>, ProveError> {
        let constraints = Constraints::new(profile, challenges);
        let kernels = parts.kernels();
        for cell in &constraints.cells {
            if let Cell::Advice(column, _) = *cell
                && let Some(coefficients) = self.by_values.take(column, kernels)
            {
                self.advice[column] = coefficients;
            }
        }
        self.sums = constraints.sums.iter().map(|sum| self.sum(sum, profile, parts)).collect();
        let mut values: Vec<Vec<Fr>> = vec![Vec::new(); parts.count()];
        let mut factors = vec![Fr::ZERO; parts.count()];
        let cosets = 1 << parts.extension();
        for coset in 0..cosets {
            self.each_whole(parts, |polynomial| parts.split(coset, polynomial));
            meter.done(Work::Split)?;
            let read: Vec<_> =
                constraints.cells.iter().map(|cell| self.read(*cell, profile)).collect();
            let mut cells = PartCells::new(parts, &read);
            // In an order in which a part's rotated cells are those of the next one.
            for part in (coset..parts.count()).step_by(cosets) {
                cells.compute(part);
                let mut output = vec![Fr::ZERO; parts.rows()];
                kernels.run(&constraints.program, &cells.inputs(), &mut output);
                values[part] = output;
                factors[part] = parts.vanishing(part) * kernels.cell_factor();
                meter.done(if part == coset { Work::FirstPart } else { Work::Part })?;
            }
            drop(cells);
            self.each_whole(parts, |polynomial| parts.join(coset, polynomial));
            meter.done(Work::Split)?;
        }
        self.sums = Vec::new();
        for factor in &mut factors {
            // X^n - 1 has no root on the extended domain.
            *factor = factor.invert().unwrap_or(Fr::ZERO);
        }
        let mut coefficients = parts.interpolate(values, &factors);
        let rows = self.rows;
        coefficients.truncate(profile.quotient_pieces * rows);
        let mut pieces = Vec::with_capacity(profile.quotient_pieces);
        while coefficients.len() > rows {
            pieces.push(coefficients.split_off(coefficients.len() - rows));
        }
        pieces.push(coefficients);
        pieces.reverse();
        Ok(pieces)
    }

    /// The coefficients of a sum.
    fn sum(&self, sum: &[(Cell, Fr)], profile: &Profile, parts: &Parts) -> Vec<Fr> {
        let kernels = parts.kernels();
        let kept = sum.iter().filter_map(|(cell, factor)| match cell {
            Cell::Advice(column, _) => Some((*column, *factor)),
            _ => None,
        });
        let kept = self.by_values.combine(&kept.collect::<Vec<_>>(), kernels);
        let terms = sum.iter().filter_map(|(cell, factor)| match self.read(*cell, profile) {
            Read::Polynomial(coefficients, _) => Some((coefficients, *factor)),
            _ => None,
        });
        let terms: Vec<_> = terms.chain(kept.iter().map(|sum| (sum.as_slice(), Fr::ONE))).collect();
        let longest = terms.iter().map(|(coefficients, _)| coefficients.len()).max();
        let mut coefficients = vec![Fr::ZERO; longest.unwrap_or_default()];
        kernels.combine(&terms, &mut coefficients);
        coefficients
    }

    /// Changes the polynomials that constraints read, but for those of fewer coefficients.
    fn each_whole(&mut self, parts: &Parts, change: impl Fn(&mut [Fr])) {
        let Permutation { products, sigma } = &mut self.permutation;
        let several = [&mut self.advice, &mut self.fixed, products, sigma, &mut self.sums];
        let polynomials =
            several.into_iter().flatten().chain([&mut self.instance, &mut self.active]);
        polynomials.filter(|polynomial| is_split(parts, polynomial)).for_each(|p| change(p));
    }

    /// What a cell is of.
    fn read(&self, cell: Cell, profile: &Profile) -> Read<'_> {
        let (coefficients, rotation): (&[Fr], i32) = match cell {
            Cell::Advice(column, rotation) => (&self.advice[column], rotation),
            Cell::Fixed(column, rotation) => (&self.fixed[column], rotation),
            Cell::Instance(rotation) => (&self.instance, rotation),
            Cell::Product(product, rotation) => (&self.permutation.products[product], rotation),
            Cell::Sigma(column) => (&self.permutation.sigma[column], 0),
            Cell::Active => (&self.active, 0),
            Cell::First => return Read::Row(0),
            Cell::Last => return Read::Row(self.rows - (profile.blinding_factors + 1)),
            Cell::Point => return Read::Point,
            Cell::Sum(sum) => (&self.sums[sum], 0),
            Cell::InSums => return Read::Nothing,
        };
        Read::Polynomial(coefficients, rotation)
    }
}
