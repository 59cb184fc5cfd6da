//! Columns and gates of the Poseidon permutation, in cells of the lanes.
//!
//! Absorbing rows are alike in both forms: the state shifts by one cell, its new last element comes
//! from `s0`, and `s1` takes the first. They are the rows with a function tag outside of tiles.

use halo2_proofs::{
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{Advice, Column, ConstraintSystem, Expression, Fixed},
    poly::Rotation,
};

use assay_arithmetic::poseidon::{self, WIDTH};

use crate::layout::profile::HashGates;

/// Fixed columns of the hash rows. Round constants are in `shift` and `constants`.
#[derive(Clone, Debug)]
pub struct HashColumns {
    pub gates: HashGates,
    /// Narrow only: the state shifts, its new last element is the S-box of the first.
    sbox: Option<Column<Fixed>>,
    /// Narrow: as `sbox`, then the MDS matrix, the end of a full round. Wide: a full round.
    full: Column<Fixed>,
    /// A partial round; wide: six of them.
    partial: Column<Fixed>,
    /// Wide only: the constants after the first.
    pub constants: Vec<Column<Fixed>>,
}

/// The fixed values of one row of a permutation after the absorption.
pub struct RoundRow {
    pub flag: Column<Fixed>,
    /// The first goes to `shift`, the others to [`HashColumns::constants`].
    pub constants: Vec<Fr>,
}

/// Columns of other families that the hash rows use too.
pub struct SharedColumns {
    /// The state, then the helpers of the S-boxes.
    pub cells: Vec<Column<Advice>>,
    pub s0: Column<Advice>,
    pub s1: Column<Advice>,
    pub function: Column<Fixed>,
    pub shift: Column<Fixed>,
    /// The flags of tile rows.
    pub tiles: Vec<Column<Fixed>>,
}

type Cells = Vec<Expression<Fr>>;
/// Constraints with their names.
type Named = Vec<(String, Expression<Fr>)>;

impl HashColumns {
    pub fn new(gates: HashGates, mut fixed: impl FnMut() -> Column<Fixed>) -> Self {
        let narrow = gates == HashGates::Narrow;
        Self {
            gates,
            sbox: narrow.then(&mut fixed),
            full: fixed(),
            partial: fixed(),
            constants: if narrow { Vec::new() } else { (1..WIDTH).map(|_| fixed()).collect() },
        }
    }

    /// The rows of a permutation after the absorption.
    pub fn round_rows(&self) -> Vec<RoundRow> {
        let mut rows = Vec::with_capacity(self.gates.rows());
        let mut partial = Vec::new();
        for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
            let full = poseidon::is_full_round(round);
            match (self.gates, full) {
                (HashGates::Narrow, true) => {
                    for (index, constant) in constants.iter().enumerate() {
                        let last = index + 1 == WIDTH;
                        let flag = if last { self.full } else { self.sbox.unwrap_or(self.full) };
                        rows.push(RoundRow { flag, constants: vec![*constant] });
                    }
                }
                (HashGates::Narrow, false) => {
                    rows.push(RoundRow { flag: self.partial, constants: vec![constants[0]] });
                }
                (HashGates::Wide, true) => {
                    rows.push(RoundRow { flag: self.full, constants: constants.to_vec() });
                }
                (HashGates::Wide, false) => {
                    partial.push(constants[0]);
                    if partial.len() == HashGates::PARTIAL_BOXES {
                        let constants = std::mem::take(&mut partial);
                        rows.push(RoundRow { flag: self.partial, constants });
                    }
                }
            }
        }
        rows
    }

    pub fn configure(&self, columns: &SharedColumns, meta: &mut ConstraintSystem<Fr>) {
        let SharedColumns { cells: columns, s0, s1, function, shift, tiles } = columns;
        meta.create_gate("hash", |meta| {
            let cells = columns
                .iter()
                .map(|column| meta.query_advice(*column, Rotation::cur()))
                .collect::<Cells>();
            let next = columns[..WIDTH]
                .iter()
                .map(|column| meta.query_advice(*column, Rotation::next()))
                .collect::<Cells>();
            let s0 = meta.query_advice(*s0, Rotation::cur());
            let s1 = meta.query_advice(*s1, Rotation::cur());
            let function = meta.query_fixed(*function, Rotation::cur());
            let tile = tiles
                .iter()
                .map(|flag| meta.query_fixed(*flag, Rotation::cur()))
                .reduce(|a, b| a + b)
                .unwrap_or(Expression::Constant(Fr::zero()));
            let absorb = function * (Expression::Constant(Fr::one()) - tile);
            let mut constants = vec![meta.query_fixed(*shift, Rotation::cur())];
            for column in &self.constants {
                constants.push(meta.query_fixed(*column, Rotation::cur()));
            }
            let full = meta.query_fixed(self.full, Rotation::cur());
            let partial = meta.query_fixed(self.partial, Rotation::cur());
            let mut constraints = vec![
                ("export".to_string(), absorb.clone() * (s1 - cells[0].clone())),
                ("absorption".to_string(), absorb.clone() * (next[WIDTH - 1].clone() - s0)),
            ];
            match self.sbox {
                Some(sbox) => {
                    let sbox = meta.query_fixed(sbox, Rotation::cur());
                    let flags = [absorb, sbox, full, partial];
                    constraints.extend(narrow(flags, &cells, &next, &constants[0]));
                }
                None => {
                    for i in 0..WIDTH - 1 {
                        let shifted = absorb.clone() * (next[i].clone() - cells[i + 1].clone());
                        constraints.push((format!("shift {i}"), shifted));
                    }
                    constraints.extend(wide_full(&full, &cells, &next, &constants));
                    constraints.extend(wide_partial(&full, &partial, &cells, &next, &constants));
                }
            }
            constraints
        });
    }
}

/// One S-box a row: in a full round the state shifts by one cell for each.
fn narrow(
    [absorb, sbox, full, partial]: [Expression<Fr>; 4],
    cells: &[Expression<Fr>],
    next: &[Expression<Fr>],
    constant: &Expression<Fr>,
) -> Named {
    let (state, square, fourth) = (&cells[..WIDTH], &cells[WIDTH], &cells[WIDTH + 1]);
    let input = state[0].clone() + constant.clone();
    let fifth = fourth.clone() * input.clone();
    let any_sbox = sbox.clone() + full.clone() + partial.clone();
    let mut constraints = vec![
        ("square".to_string(), any_sbox.clone() * (square.clone() - input.clone() * input)),
        ("fourth".to_string(), any_sbox * (fourth.clone() - square.clone() * square.clone())),
        ("S-box".to_string(), sbox.clone() * (next[WIDTH - 1].clone() - fifth.clone())),
    ];
    for i in 0..WIDTH - 1 {
        let shifted = (absorb.clone() + sbox.clone()) * (next[i].clone() - state[i + 1].clone());
        constraints.push((format!("shift {i}"), shifted));
    }
    let mut shifted = state[1..].to_vec();
    shifted.push(fifth.clone());
    let mut in_place = vec![fifth];
    in_place.extend_from_slice(&state[1..]);
    for (i, factors) in poseidon::mds().iter().enumerate() {
        for (name, flag, row) in [("full", &full, &shifted), ("partial", &partial, &in_place)] {
            let mixed = flag.clone() * (next[i].clone() - weighted(row, factors));
            constraints.push((format!("{name} round {i}"), mixed));
        }
    }
    constraints
}

/// A full round: six squares, six fourth powers.
fn wide_full(
    full: &Expression<Fr>,
    cells: &[Expression<Fr>],
    next: &[Expression<Fr>],
    constants: &[Expression<Fr>],
) -> Named {
    let mut constraints = Vec::new();
    let mut fifths = Vec::with_capacity(WIDTH);
    for i in 0..WIDTH {
        let input = cells[i].clone() + constants[i].clone();
        let (square, fourth) = (cells[WIDTH + i].clone(), cells[2 * WIDTH + i].clone());
        let squared = full.clone() * (square - input.clone() * input.clone());
        constraints.push((format!("square {i} of a full round"), squared));
        fifths.push(fourth * input);
    }
    for (i, (next, factors)) in next.iter().zip(poseidon::mds()).enumerate() {
        let mixed = full.clone() * (next.clone() - weighted(&fifths, factors));
        constraints.push((format!("full round {i}"), mixed));
    }
    constraints
}

/// Six partial rounds: six squares, fourth and fifth powers. Between S-boxes the state is linear in
/// the row's first state and the fifth powers. The fourth powers are tied here for full rounds too.
fn wide_partial(
    full: &Expression<Fr>,
    partial: &Expression<Fr>,
    cells: &[Expression<Fr>],
    next: &[Expression<Fr>],
    constants: &[Expression<Fr>],
) -> Named {
    let boxes = HashGates::PARTIAL_BOXES;
    let basis = cells[..WIDTH].iter().chain(&cells[3 * WIDTH..]).cloned().collect::<Cells>();
    let mut constraints = Vec::new();
    // Row i: element i of the state, by its coefficients over the basis.
    let mut state = (0..WIDTH).map(|i| unit(i, basis.len())).collect::<Vec<_>>();
    for index in 0..boxes {
        let input = weighted(&basis, &state[0]) + constants[index].clone();
        let square = cells[WIDTH + index].clone();
        let fourth = cells[2 * WIDTH + index].clone();
        let fifth = cells[3 * WIDTH + index].clone();
        let both = full.clone() + partial.clone();
        let squared = partial.clone() * (square.clone() - input.clone() * input.clone());
        constraints.push((format!("square {index} of partial rounds"), squared));
        constraints
            .push((format!("fourth {index}"), both * (fourth.clone() - square.clone() * square)));
        constraints.push((format!("fifth {index}"), partial.clone() * (fifth - fourth * input)));
        state[0] = unit(WIDTH + index, basis.len());
        state = poseidon::mds()
            .iter()
            .map(|factors| {
                (0..basis.len())
                    .map(|term| {
                        let parts = factors.iter().zip(&state);
                        parts.fold(Fr::ZERO, |sum, (factor, element)| sum + *factor * element[term])
                    })
                    .collect()
            })
            .collect();
    }
    for (i, (next, coefficients)) in next.iter().zip(&state).enumerate() {
        let mixed = partial.clone() * (next.clone() - weighted(&basis, coefficients));
        constraints.push((format!("partial rounds {i}"), mixed));
    }
    constraints
}

fn unit(index: usize, length: usize) -> Vec<Fr> {
    (0..length).map(|i| if i == index { Fr::ONE } else { Fr::ZERO }).collect()
}

/// `sum factor_i * cell_i`.
fn weighted(cells: &[Expression<Fr>], factors: &[Fr]) -> Expression<Fr> {
    cells
        .iter()
        .zip(factors)
        .filter(|(_, factor)| !bool::from(factor.is_zero()))
        .map(|(cell, factor)| {
            if *factor == Fr::ONE {
                cell.clone()
            } else {
                cell.clone() * Expression::Constant(*factor)
            }
        })
        .reduce(|a, b| a + b)
        .unwrap_or(Expression::Constant(Fr::zero()))
}
