//! The witness of the hash rows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use assay_arithmetic::packed_outputs::pack_outputs;
use assay_arithmetic::poseidon::{self, RATE, WIDTH};

use crate::layout::hash_rows::HashRows;
use crate::layout::profile::HashGates;
use crate::witness::assignment::{Assignment, LaneColumns, ProvenInput};

/// Fills the hash cells of the lanes; returns `s0` and `s1` of the hash rows.
pub(crate) fn fill(assignment: &Assignment<'_>, lanes: &mut [LaneColumns]) -> Vec<[Fr; 2]> {
    let Some(hash) = &assignment.layout.hash else { return Vec::new() };
    let mut scalars = vec![[Fr::ZERO; 2]; hash.end() - hash.first_row];
    let mut rows = Rows { hash, lanes, scalars: &mut scalars };
    let mut state = [Fr::ZERO; WIDTH];
    for (block, permutation) in permutations(assignment, hash).into_iter().enumerate() {
        for (row, value) in (hash.block_row(block)..).zip(permutation.absorbed) {
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
    let last = permutations(assignment, hash).pop().expect("a block");
    let permutation = Permutation::with(last.absorbed, hash.gates, powers, mix);
    let (lanes, scalars) = (&mut first.lanes, &mut first.hash_scalars);
    let mut rows = Rows { hash, lanes, scalars };
    rows.permutation(hash.blocks - 1, &permutation);
    rows.export(permutation.result);
    permutation.result[0]
}

/// One permutation.
struct Permutation {
    /// Its first state element, then five inputs.
    absorbed: [Fr; WIDTH],
    /// The cells of its rows, after the absorption.
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
    fn new(absorbed: [Fr; WIDTH], gates: HashGates) -> Self {
        Self::with(absorbed, gates, powers, mix)
    }

    /// The permutation out of its two steps: the powers of an S-box, and the mixing.
    fn with(
        absorbed: [Fr; WIDTH],
        gates: HashGates,
        powers: impl FnMut(Fr) -> [Fr; 3],
        mix: impl FnMut(&mut [Fr; WIDTH]),
    ) -> Self {
        let rows = Vec::with_capacity(gates.rows());
        let mut permutation = Self { absorbed, rows, result: absorbed };
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

/// All permutations, in the order of their rows.
fn permutations(assignment: &Assignment<'_>, hash: &HashRows) -> Vec<Permutation> {
    let collection = assignment.place.is_some();
    let chains = assignment.inputs.par_iter();
    let number_bytes = assignment.graph.input.number_bytes();
    let mut chains =
        chains.map(|input| input_chain(input, number_bytes, collection, hash)).collect::<Vec<_>>();
    if !collection {
        let hides = hash.output_chain > 0;
        let hidden = assignment.inputs.first().filter(|_| hides);
        chains.extend(hidden.map(|input| output_chain(assignment, input.output_salt, hash)));
        return chains.into_iter().flatten().collect();
    }
    let leaf = |(item, chain): (usize, &Vec<Permutation>)| {
        assignment.leaf(item, || chain.last().map_or(Fr::ZERO, |last| last.result[0]))
    };
    let leaves = chains.iter().enumerate().map(leaf).collect();
    assignment.climb(leaves, |pairs| {
        let nodes = pairs.par_iter().map(|[left, right]| {
            let mut absorbed = [Fr::ZERO; WIDTH];
            absorbed[..3].copy_from_slice(&[poseidon::node_domain(), *left, *right]);
            Permutation::new(absorbed, hash.gates)
        });
        let nodes = nodes.collect::<Vec<_>>();
        let hashes = nodes.iter().map(|node| node.result[0]).collect();
        chains.push(nodes);
        hashes
    });
    chains.into_iter().flatten().collect()
}

/// The permutations over one input, or over an item of a collection.
fn input_chain(
    input: &ProvenInput<'_>,
    number_bytes: usize,
    collection: bool,
    hash: &HashRows,
) -> Vec<Permutation> {
    let length = input.bytes.len();
    let (domain, mut elements) = if collection {
        (poseidon::leaf_domain(length), vec![input.salt, Fr::from(input.label)])
    } else {
        (poseidon::input_domain(length, number_bytes), vec![input.salt])
    };
    elements.extend(poseidon::pack_bytes(input.bytes));
    chain(domain, elements, hash.chain, hash.gates)
}

/// The permutations over the outputs of a prediction that hides them.
fn output_chain(assignment: &Assignment<'_>, salt: Fr, hash: &HashRows) -> Vec<Permutation> {
    let outputs = assignment.stored_outputs();
    let mut elements = vec![salt];
    elements.extend(pack_outputs(&outputs));
    chain(poseidon::output_domain(outputs.len()), elements, hash.output_chain, hash.gates)
}

/// So many permutations, one after another, over elements and zeros after them.
fn chain(
    mut state: Fr,
    mut elements: Vec<Fr>,
    blocks: usize,
    gates: HashGates,
) -> Vec<Permutation> {
    elements.resize(blocks * RATE, Fr::ZERO);
    let permutation = |inputs: &[Fr]| {
        let mut absorbed = [state; WIDTH];
        absorbed[1..].copy_from_slice(inputs);
        let permutation = Permutation::new(absorbed, gates);
        state = permutation.result[0];
        permutation
    };
    elements.chunks_exact(RATE).map(permutation).collect()
}
