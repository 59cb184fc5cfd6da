//! The witness of the hash rows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_arithmetic::poseidon::{self, RATE, WIDTH};

use crate::layout::hash_rows::HashRows;
use crate::layout::profile::HashGates;
use crate::witness::assignment::{Assignment, LaneColumns, ProvenInput};

/// Fills the hash cells of the lanes; returns `s0` and `s1` of the hash rows.
pub(crate) fn fill(assignment: &Assignment<'_>, lanes: &mut [LaneColumns]) -> Vec<[Fr; 2]> {
    let Some(hash) = &assignment.layout.hash else { return Vec::new() };
    let mut scalars = vec![[Fr::ZERO; 2]; hash.end() - hash.first_row];
    let permutations = blocks(assignment, hash)
        .into_par_iter()
        .map(|absorbed| (absorbed, Permutation::new(absorbed, hash.gates)))
        .collect::<Vec<_>>();
    let mut rows = Rows { hash, lanes, scalars: &mut scalars };
    let mut state = [Fr::ZERO; WIDTH];
    for (block, (absorbed, permutation)) in permutations.into_iter().enumerate() {
        for (row, value) in (hash.block_row(block)..).zip(absorbed) {
            rows.write(row, &state);
            rows.scalars[row - hash.first_row] = [value, state[0]];
            state.rotate_left(1);
            state[WIDTH - 1] = value;
        }
        rows.permutation(block, &permutation);
        state = permutation.result;
    }
    rows.export(state);
    scalars
}

/// The hash rows of the columns.
struct Rows<'a> {
    hash: &'a HashRows,
    lanes: &'a mut [LaneColumns],
    scalars: &'a mut [[Fr; 2]],
}

impl Rows<'_> {
    fn write(&mut self, row: usize, cells: &[Fr]) {
        let lane_cells = 3 * self.lanes.len();
        for (index, value) in cells.iter().enumerate() {
            if index < lane_cells {
                self.lanes[index / 3].set(index % 3, row, *value);
            } else {
                // With two lanes the helpers are `s0` and `s1`.
                self.scalars[row - self.hash.first_row][index - lane_cells] = *value;
            }
        }
    }

    fn permutation(&mut self, block: usize, permutation: &Permutation) {
        let first = self.hash.block_row(block) + WIDTH;
        for (row, cells) in (first..).zip(&permutation.rows) {
            self.write(row, cells);
        }
    }

    /// One more row exports the last result and shifts the state.
    fn export(&mut self, mut state: [Fr; WIDTH]) {
        let row = self.hash.block_row(self.hash.blocks);
        self.write(row, &state);
        self.scalars[row - self.hash.first_row] = [Fr::ZERO, state[0]];
        state.rotate_left(1);
        state[WIDTH - 1] = Fr::ZERO;
        self.write(row + 1, &state);
    }
}

/// Computes the last permutation anew with other steps, as a dishonest prover might, and everything
/// after it; returns the hash that comes out.
#[cfg(test)]
pub(crate) fn forge_last(
    assignment: &Assignment<'_>,
    first: &mut crate::FirstPhase,
    powers: impl FnMut(Fr) -> [Fr; 3],
    mix: impl FnMut(&mut [Fr; WIDTH]),
) -> Fr {
    let hash = assignment.layout.hash.as_ref().expect("hashed");
    let absorbed = *blocks(assignment, hash).last().expect("a block");
    let permutation = Permutation::with(absorbed, hash.gates, powers, mix);
    let (lanes, scalars) = (&mut first.lanes, &mut first.hash_scalars);
    let mut rows = Rows { hash, lanes, scalars };
    rows.permutation(hash.blocks - 1, &permutation);
    rows.export(permutation.result);
    permutation.result[0]
}

/// The cells of the rows of one permutation, after the absorption.
struct Permutation {
    rows: Vec<Vec<Fr>>,
    result: [Fr; WIDTH],
}

/// Square, fourth and fifth power.
pub(crate) fn powers(input: Fr) -> [Fr; 3] {
    let square = input.square();
    let fourth = square.square();
    [square, fourth, fourth * input]
}

pub(crate) fn mix(state: &mut [Fr; WIDTH]) {
    let mixed = std::array::from_fn(|i| {
        poseidon::mds()[i].iter().zip(&*state).fold(Fr::ZERO, |sum, (a, b)| sum + *a * b)
    });
    *state = mixed;
}

impl Permutation {
    fn new(state: [Fr; WIDTH], gates: HashGates) -> Self {
        Self::with(state, gates, powers, mix)
    }

    /// The permutation out of its two steps: the powers of an S-box, and the mixing.
    fn with(
        state: [Fr; WIDTH],
        gates: HashGates,
        powers: impl FnMut(Fr) -> [Fr; 3],
        mix: impl FnMut(&mut [Fr; WIDTH]),
    ) -> Self {
        let mut permutation = Self { rows: Vec::with_capacity(gates.rows()), result: state };
        match gates {
            HashGates::Narrow => permutation.narrow(powers, mix),
            HashGates::Wide => permutation.wide(powers, mix),
        }
        permutation
    }

    fn narrow(
        &mut self,
        mut powers: impl FnMut(Fr) -> [Fr; 3],
        mut mix: impl FnMut(&mut [Fr; WIDTH]),
    ) {
        let mut state = self.result;
        for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
            let full = poseidon::is_full_round(round);
            let boxes = if full { WIDTH } else { 1 };
            for constant in &constants[..boxes] {
                let [square, fourth, fifth] = powers(state[0] + constant);
                let mut cells = state.to_vec();
                cells.extend([square, fourth]);
                self.rows.push(cells);
                if full {
                    state.rotate_left(1);
                    state[WIDTH - 1] = fifth;
                } else {
                    state[0] = fifth;
                }
            }
            mix(&mut state);
        }
        self.result = state;
    }

    fn wide(
        &mut self,
        mut powers: impl FnMut(Fr) -> [Fr; 3],
        mut mix: impl FnMut(&mut [Fr; WIDTH]),
    ) {
        let mut state = self.result;
        // State, squares, fourth powers, fifth powers; the last of partial rounds only.
        let mut cells = Vec::new();
        for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
            if cells.is_empty() {
                cells = state.to_vec();
                cells.resize(4 * WIDTH, Fr::ZERO);
            }
            if poseidon::is_full_round(round) {
                for i in 0..WIDTH {
                    let [square, fourth, fifth] = powers(state[i] + constants[i]);
                    (cells[WIDTH + i], cells[2 * WIDTH + i]) = (square, fourth);
                    state[i] = fifth;
                }
                self.rows.push(std::mem::take(&mut cells));
            } else {
                let index = (round - poseidon::FULL_ROUNDS / 2) % HashGates::PARTIAL_BOXES;
                let powers = powers(state[0] + constants[0]);
                for (kind, power) in powers.into_iter().enumerate() {
                    cells[(1 + kind) * WIDTH + index] = power;
                }
                state[0] = powers[2];
                if index + 1 == HashGates::PARTIAL_BOXES {
                    self.rows.push(std::mem::take(&mut cells));
                }
            }
            mix(&mut state);
        }
        self.result = state;
    }
}

/// What each permutation absorbs: its first state element, then five inputs.
fn blocks(assignment: &Assignment<'_>, hash: &HashRows) -> Vec<[Fr; WIDTH]> {
    if assignment.place.is_none() {
        return assignment.inputs.iter().flat_map(|input| input_chain(input, hash)).collect();
    }
    let leaves = assignment.inputs.par_iter().map(|input| leaf_chain(input, hash));
    let mut blocks = leaves.flatten_iter().collect::<Vec<_>>();
    assignment.climb(|left, right| {
        let zero = Fr::ZERO;
        blocks.push([poseidon::node_domain(), left, right, zero, zero, zero]);
        poseidon::hash_node(left, right)
    });
    blocks
}

fn input_chain(input: &ProvenInput<'_>, hash: &HashRows) -> Vec<[Fr; WIDTH]> {
    chain(poseidon::input_domain(input.bytes.len()), vec![input.salt], input.bytes, hash)
}

fn leaf_chain(input: &ProvenInput<'_>, hash: &HashRows) -> Vec<[Fr; WIDTH]> {
    let head = vec![input.salt, Fr::from(input.label)];
    chain(poseidon::leaf_domain(input.bytes.len()), head, input.bytes, hash)
}

fn chain(domain: Fr, head: Vec<Fr>, bytes: &[u8], hash: &HashRows) -> Vec<[Fr; WIDTH]> {
    let mut elements = head;
    elements.extend(poseidon::pack_bytes(bytes));
    elements.resize(hash.chain * RATE, Fr::ZERO);
    let mut state = domain;
    elements
        .chunks_exact(RATE)
        .map(|inputs| {
            let mut absorbed = [state; WIDTH];
            absorbed[1..].copy_from_slice(inputs);
            let mut permuted = absorbed;
            poseidon::permute(&mut permuted);
            state = permuted[0];
            absorbed
        })
        .collect()
}
