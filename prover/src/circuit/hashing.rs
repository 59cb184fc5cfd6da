//! The witness of the hash rows.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::poseidon::{self, RATE, WIDTH};

use super::{
    layout::HashRows,
    witness::{Assignment, ProvenInput},
};

/// Fills the state's columns; returns `s0` and `s1` of the hash rows.
pub(super) fn fill(assignment: &Assignment<'_>, columns: &mut [[Vec<Fr>; 3]]) -> Vec<[Fr; 2]> {
    let Some(hash) = &assignment.layout.hash else { return Vec::new() };
    let with_scalars = columns.len() < 3;
    let mut scalars = vec![[Fr::ZERO; 2]; hash.end() - hash.first_row];
    let mut write = |row: usize, state: &[Fr; WIDTH], helpers: Option<[Fr; 2]>| {
        for (index, value) in state.iter().enumerate() {
            columns[index / 3][index % 3][row] = *value;
        }
        let Some([square, fourth]) = helpers else { return };
        if with_scalars {
            scalars[row - hash.first_row] = [square, fourth];
        } else {
            columns[2][0][row] = square;
            columns[2][1][row] = fourth;
        }
    };
    let mut absorptions = Vec::new();
    let mut state = [Fr::ZERO; WIDTH];
    let permutations = blocks(assignment, hash)
        .into_par_iter()
        .map(|absorbed| (absorbed, Permutation::new(absorbed)))
        .collect::<Vec<_>>();
    for (block, (absorbed, permutation)) in permutations.into_iter().enumerate() {
        let mut row = hash.block_row(block);
        for value in absorbed {
            write(row, &state, None);
            absorptions.push((row, [value, state[0]]));
            state.rotate_left(1);
            state[WIDTH - 1] = value;
            row += 1;
        }
        for (state, helpers) in &permutation.rows {
            write(row, state, Some(*helpers));
            row += 1;
        }
        state = permutation.result;
    }
    // One more row exports the last result and shifts the state.
    let row = hash.block_row(hash.blocks);
    write(row, &state, None);
    absorptions.push((row, [Fr::ZERO, state[0]]));
    state.rotate_left(1);
    state[WIDTH - 1] = Fr::ZERO;
    write(row + 1, &state, None);
    for (row, values) in absorptions {
        scalars[row - hash.first_row] = values;
    }
    scalars
}

/// The rows of one permutation: the state, and the square and fourth power in its S-box.
struct Permutation {
    rows: Vec<([Fr; WIDTH], [Fr; 2])>,
    result: [Fr; WIDTH],
}

impl Permutation {
    fn new(mut state: [Fr; WIDTH]) -> Self {
        let mut rows = Vec::with_capacity(HashRows::BLOCK - WIDTH);
        for (round, constants) in poseidon::sparse_constants().iter().enumerate() {
            let full = poseidon::is_full_round(round);
            let boxes = if full { WIDTH } else { 1 };
            for constant in &constants[..boxes] {
                let input = state[0] + constant;
                let square = input.square();
                let fourth = square.square();
                rows.push((state, [square, fourth]));
                let fifth = fourth * input;
                if full {
                    state.rotate_left(1);
                    state[WIDTH - 1] = fifth;
                } else {
                    state[0] = fifth;
                }
            }
            state = std::array::from_fn(|i| {
                poseidon::mds()[i].iter().zip(&state).fold(Fr::ZERO, |sum, (a, b)| sum + *a * b)
            });
        }
        Self { rows, result: state }
    }
}

/// What each permutation absorbs: its first state element, then five inputs.
fn blocks(assignment: &Assignment<'_>, hash: &HashRows) -> Vec<[Fr; WIDTH]> {
    let Some(place) = &assignment.place else {
        return assignment.inputs.iter().flat_map(|input| input_chain(input, hash)).collect();
    };
    let leaves = assignment.inputs.par_iter().map(|input| leaf_chain(input, hash));
    let mut blocks = leaves.flatten_iter().collect::<Vec<_>>();
    let mut level = assignment.leaves();
    let mut node = |left: Fr, right: Fr| {
        let zero = Fr::ZERO;
        blocks.push([poseidon::node_domain(), left, right, zero, zero, zero]);
        poseidon::hash_node(left, right)
    };
    while level.len() > 1 {
        level = level.chunks(2).map(|pair| node(pair[0], pair[pair.len() - 1])).collect();
    }
    let mut root = level.first().copied().unwrap_or(Fr::ZERO);
    let run = place.first / assignment.inputs.len();
    for (height, sibling) in place.siblings.iter().enumerate() {
        let is_right = run >> height & 1 == 1;
        let (left, right) = if is_right { (*sibling, root) } else { (root, *sibling) };
        root = node(left, right);
    }
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
