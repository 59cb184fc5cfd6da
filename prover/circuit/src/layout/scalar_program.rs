//! The scalar program: straight-line arithmetic on a few thousand field elements, in the columns
//! `s0`, `s1`, `product`.
//!
//! A *chain* of `m` multiplications takes `m + 1` rows: the first row receives the result in `s0`,
//! each further row holds one pair of operands. Operands are copies of other cells (copy
//! constraints) or quotients found by the prover and checked by a later chain.

use std::collections::HashMap;

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};

use crate::layout::reading::Reading;

/// Columns in the permutation argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScalarColumn {
    S0,
    S1,
    WeightSum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    pub column: ScalarColumn,
    /// In [`ScalarColumn::WeightSum`] a row of the weights' domain.
    pub row: usize,
}

impl Cell {
    pub fn s0(row: usize) -> Self {
        Self { column: ScalarColumn::S0, row }
    }
    pub fn s1(row: usize) -> Self {
        Self { column: ScalarColumn::S1, row }
    }
    pub fn weight_sum(row: usize) -> Self {
        Self { column: ScalarColumn::WeightSum, row }
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Operand {
    Copy(Cell),
    /// A witness: `numerator / denominator`; what it must satisfy is another chain's matter.
    Quotient {
        numerator: Cell,
        denominator: Cell,
    },
    /// A witness that the prover chooses.
    Free(FreeValue),
}

/// Values of the scalar program that the prover chooses; other chains
/// say what they must satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeValue {
    /// 1 when the item counts, 0 when it is masked.
    Active(usize),
    /// The leaf at a masked item's place.
    MaskedLeaf(usize),
    /// Bit of the run's index among the tree's runs, least significant first.
    PathBit(usize),
    /// Sibling on the way from the run to the root.
    Sibling(usize),
}

impl From<Cell> for Operand {
    fn from(cell: Cell) -> Self {
        Self::Copy(cell)
    }
}

/// Rows `row` (result) and `row + 1 ..= row + terms.len()`.
#[derive(Clone, Debug)]
pub struct Chain {
    pub row: usize,
    pub terms: Vec<(Operand, Operand)>,
}

#[derive(Clone, Debug)]
pub enum Step {
    Chain(Chain),
    /// From here on the tiles' evaluations and the weight sums are known.
    Evaluations,
}

/// What a load row brings into `s1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Row = index of the public input.
    Instance,
    Constant(Fr),
    /// The challenge `v`.
    V,
    /// The challenge `z`.
    Z,
    /// The challenge `u`.
    U,
}

/// Two cells that must be equal.
#[derive(Clone, Copy, Debug)]
pub struct Equality {
    /// Name of the rule that says so: each has a forgery among the tests that only it refuses.
    pub rule: &'static str,
    pub cells: [Cell; 2],
}

#[derive(Clone, Debug, Default)]
pub struct Program {
    pub steps: Vec<Step>,
    pub loads: Vec<(usize, Load)>,
    /// Pairs of cells that must be equal, beyond the operands' copies.
    pub equalities: Vec<Equality>,
    /// One past the last row used.
    pub end: usize,
}

/// Rows before a blocked range that are too few to bother: a sum is not split for them.
const SHORT_RUN: usize = 4;

/// Builds a [`Program`], remembering constants and powers.
pub(crate) struct ProgramBuilder {
    program: Program,
    next_load: usize,
    load_rows: usize,
    next_row: usize,
    /// Ascending, disjoint row ranges that the program must not use.
    blocked: Vec<std::ops::Range<usize>>,
    next_blocked: usize,
    constants: HashMap<[u8; 32], Cell>,
    v: Option<Cell>,
    z: Option<Cell>,
    v_powers: Vec<Cell>,
    u_powers: Vec<Cell>,
    powers_of_two: Vec<Cell>,
    z_squares: Vec<Cell>,
    z_powers: HashMap<u64, Cell>,
    geometric: HashMap<(u64, usize), Cell>,
    /// Powers of `v` by squares, and sums of them by a quotient.
    sparse: bool,
    v_squares: Vec<Cell>,
    v_sparse: HashMap<usize, Cell>,
    v_geometric: HashMap<(usize, usize), Cell>,
}

impl ProgramBuilder {
    /// `instances` public inputs take the first load rows; `load_rows` rows are kept for loads and
    /// the chains start at `first_row`. A `sparse` program makes no power of `v` that it does not use.
    pub(crate) fn new(
        instances: usize,
        load_rows: usize,
        first_row: usize,
        blocked: Vec<std::ops::Range<usize>>,
        sparse: bool,
    ) -> Self {
        let loads = (0..instances).map(|row| (row, Load::Instance)).collect();
        Self {
            program: Program { loads, ..Program::default() },
            next_load: instances,
            load_rows,
            next_row: first_row,
            blocked,
            next_blocked: 0,
            constants: HashMap::new(),
            v: None,
            z: None,
            v_powers: Vec::new(),
            u_powers: Vec::new(),
            powers_of_two: Vec::new(),
            z_squares: Vec::new(),
            z_powers: HashMap::new(),
            geometric: HashMap::new(),
            sparse,
            v_squares: Vec::new(),
            v_sparse: HashMap::new(),
            v_geometric: HashMap::new(),
        }
    }

    /// The finished program, or `None` when the load rows did not suffice.
    pub(crate) fn finish(mut self) -> Option<Program> {
        self.program.end = self.next_row + 1;
        (self.next_load <= self.load_rows).then_some(self.program)
    }

    /// Marks the point from which tile evaluations and weight sums may be read.
    pub(crate) fn evaluations(&mut self) {
        self.program.steps.push(Step::Evaluations);
    }

    /// The load cell of public input `index`.
    pub(crate) fn instance(&self, index: usize) -> Cell {
        Cell::s1(index)
    }

    pub(crate) fn constant(&mut self, value: Fr) -> Cell {
        if let Some(cell) = self.constants.get(&value.to_repr()) {
            return *cell;
        }
        let cell = self.load(Load::Constant(value));
        self.constants.insert(value.to_repr(), cell);
        cell
    }

    pub(crate) fn integer(&mut self, value: i64) -> Cell {
        self.constant(field(value))
    }

    pub(crate) fn one(&mut self) -> Cell {
        self.integer(1)
    }

    pub(crate) fn equal(&mut self, rule: &'static str, a: Cell, b: Cell) {
        self.program.equalities.push(Equality { rule, cells: [a, b] });
    }

    /// `sum a_i * b_i`; the empty sum is the constant 0.
    pub(crate) fn inner_product(&mut self, terms: Vec<(Operand, Operand)>) -> Cell {
        if terms.is_empty() {
            return self.integer(0);
        }
        // Sums are split where blocked rows interrupt them.
        let mut rest = terms.as_slice();
        let mut sums = Vec::new();
        while !rest.is_empty() {
            let (run, after) = rest.split_at(rest.len().min(self.free_run()));
            sums.push(self.chain(run.to_vec()));
            rest = after;
        }
        match sums.as_slice() {
            [sum] => *sum,
            _ => {
                let one = self.one();
                self.inner_product(sums.iter().map(|sum| ((*sum).into(), one.into())).collect())
            }
        }
    }

    pub(crate) fn dot(&mut self, terms: &[(Cell, Cell)]) -> Cell {
        self.inner_product(terms.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect())
    }

    pub(crate) fn multiply(&mut self, a: Cell, b: Cell) -> Cell {
        let one = self.one();
        if a == one {
            return b;
        }
        if b == one {
            return a;
        }
        self.dot(&[(a, b)])
    }

    pub(crate) fn sum(&mut self, cells: &[Cell]) -> Cell {
        if let [cell] = cells {
            return *cell;
        }
        let one = self.one();
        self.dot(&cells.iter().map(|cell| (*cell, one)).collect::<Vec<_>>())
    }

    /// `numerator / denominator`. The denominators used are non-zero but for a negligible share of
    /// the challenges.
    pub(crate) fn divide(&mut self, numerator: Cell, denominator: Cell) -> Cell {
        let quotient = Operand::Quotient { numerator, denominator };
        let product = self.inner_product(vec![(quotient, denominator.into())]);
        self.equal("division", product, numerator);
        Cell::s0(product.row + 1)
    }

    pub(crate) fn v(&mut self) -> Cell {
        if let Some(cell) = self.v {
            return cell;
        }
        let cell = self.load(Load::V);
        self.v = Some(cell);
        cell
    }

    pub(crate) fn z(&mut self) -> Cell {
        if let Some(cell) = self.z {
            return cell;
        }
        let cell = self.load(Load::Z);
        self.z = Some(cell);
        cell
    }

    /// `v^exponent`.
    pub(crate) fn v_power(&mut self, exponent: usize) -> Cell {
        if self.sparse {
            return self.v_sparse_power(exponent);
        }
        if self.v_powers.is_empty() {
            let one = self.one();
            self.v_powers.push(one);
        }
        let v = self.v();
        while self.v_powers.len() <= exponent {
            let last = self.v_powers[self.v_powers.len() - 1];
            let next = self.multiply(last, v);
            self.v_powers.push(next);
        }
        self.v_powers[exponent]
    }

    /// `v^exponent` by repeated squaring.
    fn v_sparse_power(&mut self, exponent: usize) -> Cell {
        if exponent == 0 {
            return self.one();
        }
        if let Some(cell) = self.v_sparse.get(&exponent) {
            return *cell;
        }
        if self.v_squares.is_empty() {
            let v = self.v();
            self.v_squares.push(v);
        }
        let top = exponent.ilog2() as usize;
        while self.v_squares.len() <= top {
            let last = self.v_squares[self.v_squares.len() - 1];
            let next = self.multiply(last, last);
            self.v_squares.push(next);
        }
        let rest = self.v_sparse_power(exponent ^ (1 << top));
        let square = self.v_squares[top];
        let cell = self.multiply(square, rest);
        self.v_sparse.insert(exponent, cell);
        cell
    }

    /// `1 + b + ... + b^(count-1)` with `b = v^step`.
    pub(crate) fn v_geometric(&mut self, step: usize, count: usize) -> Cell {
        if count == 1 {
            return self.one();
        }
        if let Some(cell) = self.v_geometric.get(&(step, count)) {
            return *cell;
        }
        let (one, minus) = (self.one(), self.integer(-1));
        let (base, end) = (self.v_power(step), self.v_power(step * count));
        let numerator = self.dot(&[(end, one), (minus, one)]);
        let denominator = self.dot(&[(base, one), (minus, one)]);
        let cell = self.divide(numerator, denominator);
        self.v_geometric.insert((step, count), cell);
        cell
    }

    /// `u^exponent`.
    pub(crate) fn u_power(&mut self, exponent: usize) -> Cell {
        if self.u_powers.is_empty() {
            let one = self.one();
            let u = self.load(Load::U);
            self.u_powers.extend([one, u]);
        }
        while self.u_powers.len() <= exponent {
            let last = self.u_powers[self.u_powers.len() - 1];
            let u = self.u_powers[1];
            let next = self.multiply(last, u);
            self.u_powers.push(next);
        }
        self.u_powers[exponent]
    }

    /// `2^exponent`, by doubling, so that few load rows are needed.
    pub(crate) fn power_of_two(&mut self, exponent: u32) -> Cell {
        if self.powers_of_two.is_empty() {
            let one = self.one();
            self.powers_of_two.push(one);
        }
        let two = self.integer(2);
        while self.powers_of_two.len() <= exponent as usize {
            let last = self.powers_of_two[self.powers_of_two.len() - 1];
            let next = self.multiply(last, two);
            self.powers_of_two.push(next);
        }
        self.powers_of_two[exponent as usize]
    }

    /// A cell with a value that the prover chooses.
    pub(crate) fn free(&mut self, value: FreeValue) -> Cell {
        let one = self.one();
        self.inner_product(vec![(Operand::Free(value), one.into())])
    }

    /// `z^exponent` by repeated squaring.
    pub(crate) fn z_power(&mut self, exponent: u64) -> Cell {
        if exponent == 0 {
            return self.one();
        }
        if let Some(cell) = self.z_powers.get(&exponent) {
            return *cell;
        }
        if self.z_squares.is_empty() {
            let z = self.z();
            self.z_squares.push(z);
        }
        let top = exponent.ilog2() as usize;
        while self.z_squares.len() <= top {
            let last = self.z_squares[self.z_squares.len() - 1];
            let next = self.multiply(last, last);
            self.z_squares.push(next);
        }
        let below = exponent ^ (1 << top);
        let cell = if below == 0 {
            self.z_squares[top]
        } else {
            let rest = self.z_power(below);
            let square = self.z_squares[top];
            self.multiply(square, rest)
        };
        self.z_powers.insert(exponent, cell);
        cell
    }

    /// `z^(h * line + w * column)` for each `(h, w)`, row-major: one multiplication each.
    pub(crate) fn z_grid(&mut self, reading: Reading, [height, width]: [usize; 2]) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(height * width);
        let mut start = self.one();
        for h in 0..height as u64 {
            if h > 0 {
                start = self.z_next(start, reading.line, h * reading.line);
            }
            let mut cell = start;
            for w in 0..width as u64 {
                if w > 0 {
                    let exponent = h * reading.line + w * reading.column;
                    cell = self.z_next(cell, reading.column, exponent);
                }
                cells.push(cell);
            }
        }
        cells
    }

    /// `z^exponent`, `before` being `z^(exponent - step)`.
    fn z_next(&mut self, before: Cell, step: u64, exponent: u64) -> Cell {
        if let Some(cell) = self.z_powers.get(&exponent) {
            return *cell;
        }
        let factor = self.z_power(step);
        let cell = self.multiply(before, factor);
        self.z_powers.insert(exponent, cell);
        cell
    }

    /// `1 + b + ... + b^(count-1)` with `b = z^step`.
    pub(crate) fn geometric(&mut self, step: u64, count: usize) -> Cell {
        if count == 1 {
            return self.one();
        }
        if let Some(cell) = self.geometric.get(&(step, count)) {
            return *cell;
        }
        let (one, minus) = (self.one(), self.integer(-1));
        let base = self.z_power(step);
        let end = self.z_power(step * count as u64);
        let numerator = self.dot(&[(end, one), (minus, one)]);
        let denominator = self.dot(&[(base, one), (minus, one)]);
        let cell = self.divide(numerator, denominator);
        self.geometric.insert((step, count), cell);
        cell
    }

    fn load(&mut self, load: Load) -> Cell {
        let row = self.next_load;
        self.next_load += 1;
        self.program.loads.push((row, load));
        Cell::s1(row)
    }

    /// Moves to the next place where a chain may start; returns how many terms it may have there.
    fn free_run(&mut self) -> usize {
        // A run's result row and the row after it, which must not multiply, take two more.
        while let Some(blocked) = self.blocked.get(self.next_blocked) {
            if self.next_row + 2 + SHORT_RUN <= blocked.start {
                return blocked.start - self.next_row - 2;
            }
            self.next_row = self.next_row.max(blocked.end);
            self.next_blocked += 1;
        }
        usize::MAX
    }

    fn chain(&mut self, terms: Vec<(Operand, Operand)>) -> Cell {
        let row = self.next_row;
        self.next_row += terms.len() + 1;
        self.program.steps.push(Step::Chain(Chain { row, terms }));
        Cell::s0(row)
    }
}

/// The field element of a signed integer.
pub fn field(value: i64) -> Fr {
    let magnitude = Fr::from(value.unsigned_abs());
    if value < 0 { -magnitude } else { magnitude }
}

/// Values of the scalar columns while a program runs.
pub(crate) struct ScalarColumns {
    pub s0: Vec<Fr>,
    pub s1: Vec<Fr>,
    pub product: Vec<Fr>,
    /// By rows of the weights' domain.
    pub weight_sum: Vec<Fr>,
}

impl ScalarColumns {
    pub(crate) fn get(&self, cell: Cell) -> Fr {
        match cell.column {
            ScalarColumn::S0 => self.s0[cell.row],
            ScalarColumn::S1 => self.s1[cell.row],
            ScalarColumn::WeightSum => self.weight_sum[cell.row],
        }
    }

    /// Fills the load rows; `challenges` are `v`, `z` and `u`.
    pub(crate) fn load(&mut self, loads: &[(usize, Load)], instances: &[Fr], challenges: [Fr; 3]) {
        let [v, z, u] = challenges;
        for (row, load) in loads {
            self.s1[*row] = match load {
                Load::Instance => instances.get(*row).copied().unwrap_or(Fr::ZERO),
                Load::Constant(value) => *value,
                Load::V => v,
                Load::Z => z,
                Load::U => u,
            };
        }
    }

    /// Runs one chain.
    pub(crate) fn run(&mut self, chain: &Chain, free: &dyn Fn(FreeValue) -> Fr) {
        let mut sum = Fr::ZERO;
        for (index, (a, b)) in chain.terms.iter().enumerate().rev() {
            let row = chain.row + 1 + index;
            self.s0[row] = self.operand(a, free);
            self.s1[row] = self.operand(b, free);
            sum += self.s0[row] * self.s1[row];
            self.product[row] = sum;
        }
        self.s0[chain.row] = sum;
    }

    fn operand(&self, operand: &Operand, free: &dyn Fn(FreeValue) -> Fr) -> Fr {
        match operand {
            Operand::Free(value) => free(*value),
            Operand::Copy(cell) => self.get(*cell),
            Operand::Quotient { numerator, denominator } => {
                let inverse = self.get(*denominator).invert().unwrap_or(Fr::ZERO);
                self.get(*numerator) * inverse
            }
        }
    }
}
