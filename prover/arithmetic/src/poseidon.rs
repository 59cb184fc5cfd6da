//! Poseidon over BN254 with circom's parameters for five inputs (state width 6, 8 full and 60
//! partial rounds), the salted commitments to an input and to a network's outputs, and the leaves and
//! nodes of a committed collection's tree.
//!
//! Long inputs are chained as circomlib's `PoseidonEx(5, 1)` allows: the state's first element
//! starts with the previous output, so `h' = PoseidonEx(initialState = h)(block of 5)`.

use std::sync::LazyLock;

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use light_poseidon::parameters::bn254_x5::get_poseidon_parameters;

use crate::packed_outputs::pack_outputs;

/// State width.
pub const WIDTH: usize = 6;
/// Elements absorbed by one permutation.
pub const RATE: usize = 5;
/// Rounds with the S-box on all of the state: half of them first, half last.
pub const FULL_ROUNDS: usize = 8;
/// Rounds between these, with the S-box on the first element only.
pub const PARTIAL_ROUNDS: usize = 60;
/// Bytes packed into one field element, little-endian.
pub const BYTES_PER_ELEMENT: usize = 31;

const INPUT_DOMAIN: &[u8] = b"assay.input.v1";
const OUTPUT_DOMAIN: &[u8] = b"assay.output.v1";
const LEAF_DOMAIN: &[u8] = b"assay.leaf.v1";
const NODE_DOMAIN: &[u8] = b"assay.node.v1";

struct Parameters {
    mds: [[Fr; WIDTH]; WIDTH],
    constants: Vec<[Fr; WIDTH]>,
    /// Constants with those of a partial round's elements 1.. moved into the next round.
    sparse_constants: Vec<[Fr; WIDTH]>,
}

static PARAMETERS: LazyLock<Parameters> = LazyLock::new(|| {
    let source = get_poseidon_parameters::<ark_bn254::Fr>(WIDTH as u8)
        .expect("the crate holds the parameters of every width from 2 to 13");
    assert_eq!((source.full_rounds, source.partial_rounds), (FULL_ROUNDS, PARTIAL_ROUNDS));
    let mut mds = [[Fr::ZERO; WIDTH]; WIDTH];
    for (row, values) in mds.iter_mut().zip(&source.mds) {
        for (cell, value) in row.iter_mut().zip(values) {
            *cell = convert(value);
        }
    }
    let constants = source
        .ark
        .chunks(WIDTH)
        .map(|round| std::array::from_fn(|i| convert(&round[i])))
        .collect::<Vec<[Fr; WIDTH]>>();
    let mut sparse_constants = constants.clone();
    for round in FULL_ROUNDS / 2..FULL_ROUNDS / 2 + PARTIAL_ROUNDS {
        let mut moved = sparse_constants[round];
        moved[0] = Fr::ZERO;
        sparse_constants[round] =
            std::array::from_fn(|i| if i == 0 { sparse_constants[round][0] } else { Fr::ZERO });
        let carried = multiply(&mds, &moved);
        for (constant, carry) in sparse_constants[round + 1].iter_mut().zip(carried) {
            *constant += carry;
        }
    }
    Parameters { mds, constants, sparse_constants }
});

/// The MDS matrix, rows first.
pub fn mds() -> &'static [[Fr; WIDTH]; WIDTH] {
    &PARAMETERS.mds
}

/// Round constants in the form in which a partial round adds one to its first element only; the
/// permutation is the same.
pub fn sparse_constants() -> &'static [[Fr; WIDTH]] {
    &PARAMETERS.sparse_constants
}

/// Whether a round applies the S-box to the whole state.
pub fn is_full_round(round: usize) -> bool {
    !(FULL_ROUNDS / 2..FULL_ROUNDS / 2 + PARTIAL_ROUNDS).contains(&round)
}

/// The permutation in its textbook form.
pub fn permute(state: &mut [Fr; WIDTH]) {
    for (round, constants) in PARAMETERS.constants.iter().enumerate() {
        for (cell, constant) in state.iter_mut().zip(constants) {
            *cell += constant;
        }
        let boxed = if is_full_round(round) { WIDTH } else { 1 };
        for cell in state.iter_mut().take(boxed) {
            *cell *= cell.square().square();
        }
        *state = multiply(&PARAMETERS.mds, state);
    }
}

/// `PoseidonEx(5, 1)` with the given initial state.
pub fn hash_block(initial_state: Fr, block: &[Fr; RATE]) -> Fr {
    let mut state = [Fr::ZERO; WIDTH];
    state[0] = initial_state;
    state[1..].copy_from_slice(block);
    permute(&mut state);
    state[0]
}

/// Chains [`hash_block`] over `elements`, the last block padded with zeros.
pub fn hash_chain(initial_state: Fr, elements: &[Fr]) -> Fr {
    elements.chunks(RATE).fold(initial_state, |state, chunk| {
        let mut block = [Fr::ZERO; RATE];
        block[..chunk.len()].copy_from_slice(chunk);
        hash_block(state, &block)
    })
}

/// Packs bytes 31 to a field element, little-endian; the last element is padded with zero bytes.
pub fn pack_bytes(bytes: &[u8]) -> Vec<Fr> {
    bytes
        .chunks(BYTES_PER_ELEMENT)
        .map(|chunk| {
            let mut repr = [0u8; 32];
            repr[..chunk.len()].copy_from_slice(chunk);
            // 31 bytes are always below the modulus.
            Fr::from_repr(repr).unwrap_or(Fr::ZERO)
        })
        .collect()
}

/// First chaining value for an input of `length` bytes, `number_bytes` (1 to 3) of them to a number: the
/// domain's name read as a big-endian integer, times 2^64, plus the length, plus
/// `(number_bytes - 1) * 2^56`.
pub fn input_domain(length: usize, number_bytes: usize) -> Fr {
    let wider = number_bytes.saturating_sub(1) as u64;
    domain(INPUT_DOMAIN, length) + Fr::from(wider << 56)
}

/// First chaining value for so many outputs: the domain's name read as a big-endian integer, times 2^64,
/// plus their number.
pub fn output_domain(outputs: usize) -> Fr {
    domain(OUTPUT_DOMAIN, outputs)
}

/// First chaining value for a leaf over an input of `length` bytes, as [`output_domain`].
pub fn leaf_domain(length: usize) -> Fr {
    domain(LEAF_DOMAIN, length)
}

/// Initial state of a node's permutation: the domain's name times 2^64.
pub fn node_domain() -> Fr {
    domain(NODE_DOMAIN, 0)
}

/// Commitment to an input, `number_bytes` bytes to a number: the chain over `salt` and the packed bytes.
pub fn commit_input(salt: Fr, bytes: &[u8], number_bytes: usize) -> Fr {
    let mut elements = vec![salt];
    elements.extend(pack_bytes(bytes));
    hash_chain(input_domain(bytes.len(), number_bytes), &elements)
}

/// Commitment to a network's outputs, each an integer + 2^15: the chain over `salt` and the packed
/// outputs.
pub fn commit_outputs(salt: Fr, outputs: &[u16]) -> Fr {
    let mut elements = vec![salt];
    elements.extend(pack_outputs(outputs));
    hash_chain(output_domain(outputs.len()), &elements)
}

/// Leaf of a collection's tree: the chain over `salt`, `label` (0 in a collection without labels)
/// and the packed bytes.
pub fn hash_leaf(salt: Fr, label: u64, bytes: &[u8]) -> Fr {
    let mut elements = vec![salt, Fr::from(label)];
    elements.extend(pack_bytes(bytes));
    hash_chain(leaf_domain(bytes.len()), &elements)
}

/// Node of a collection's tree: one permutation over `[left, right, 0, 0, 0]`.
pub fn hash_node(left: Fr, right: Fr) -> Fr {
    hash_block(node_domain(), &[left, right, Fr::ZERO, Fr::ZERO, Fr::ZERO])
}

fn domain(name: &[u8], length: usize) -> Fr {
    let name =
        name.iter().fold(Fr::ZERO, |sum, byte| sum * Fr::from(256) + Fr::from(u64::from(*byte)));
    let shift = Fr::from(1 << 32).square();
    name * shift + Fr::from(length as u64)
}

fn multiply(matrix: &[[Fr; WIDTH]; WIDTH], vector: &[Fr; WIDTH]) -> [Fr; WIDTH] {
    std::array::from_fn(|i| matrix[i].iter().zip(vector).fold(Fr::ZERO, |sum, (a, b)| sum + *a * b))
}

fn convert(value: &ark_bn254::Fr) -> Fr {
    use ark_ff::{BigInteger, PrimeField as _};
    let mut repr = [0u8; 32];
    repr.copy_from_slice(&value.into_bigint().to_bytes_le());
    Fr::from_repr(repr).expect("a value below the same modulus")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_circom_for_five_inputs() {
        // circomlibjs: poseidon([1, 2, 0, 0, 0]).
        let block = [1, 2, 0, 0, 0].map(Fr::from);
        let expected =
            "1018317224307729531995786483840663576608797660851238720571059489595066344487";
        assert_eq!(hash_block(Fr::ZERO, &block), Fr::from_str_vartime(expected).expect("decimal"));
    }

    #[test]
    fn agrees_with_circomlib_from_an_initial_state() {
        // circomlibjs: poseidon([1, 2, 3, 4, 5], 12345), and the chains written out with it.
        let decimal = |text| Fr::from_str_vartime(text).expect("decimal");
        let block = [1, 2, 3, 4, 5].map(Fr::from);
        let expected =
            "6756134557689838710990562337621541732539897950425808664882281472732108382546";
        assert_eq!(hash_block(Fr::from(12345), &block), decimal(expected));
        let expected =
            "15307975900358642417113865688126247070379999962673234960582069684174051936152";
        assert_eq!(hash_node(Fr::from(3), Fr::from(4)), decimal(expected));
        let bytes: Vec<u8> = (1..=40).collect();
        let expected =
            "6507629753529334037620503542639339028873524350692088737325014715745318527594";
        assert_eq!(hash_leaf(Fr::from(7), 3, &bytes), decimal(expected));
    }

    #[test]
    fn leaves_bind_salt_label_bytes_and_length_and_are_no_input_commitments() {
        let base = hash_leaf(Fr::from(7), 3, &[1, 2, 3]);
        assert_ne!(base, hash_leaf(Fr::from(8), 3, &[1, 2, 3]));
        assert_ne!(base, hash_leaf(Fr::from(7), 4, &[1, 2, 3]));
        assert_ne!(base, hash_leaf(Fr::from(7), 3, &[1, 2, 4]));
        assert_ne!(base, hash_leaf(Fr::from(7), 3, &[1, 2, 3, 0]));
        // The packed bytes of the input are the leaf's label.
        assert_ne!(hash_leaf(Fr::from(7), 3, &[]), commit_input(Fr::from(7), &[3], 1));
        assert_ne!(hash_node(Fr::ONE, Fr::ZERO), hash_node(Fr::ZERO, Fr::ONE));
    }

    #[test]
    fn output_commitments_bind_salt_outputs_and_their_number() {
        let base = commit_outputs(Fr::from(7), &[1, 2, 3]);
        assert_ne!(base, commit_outputs(Fr::from(8), &[1, 2, 3]));
        assert_ne!(base, commit_outputs(Fr::from(7), &[1, 2, 4]));
        assert_ne!(base, commit_outputs(Fr::from(7), &[2, 1, 3]));
        assert_ne!(base, commit_outputs(Fr::from(7), &[1, 2, 3, 0]));
        // The same bytes as an input of the same length.
        assert_ne!(commit_outputs(Fr::from(7), &[]), commit_input(Fr::from(7), &[], 1));
    }

    #[test]
    fn sparse_constants_give_the_same_permutation() {
        let mut expected: [Fr; WIDTH] = std::array::from_fn(|i| Fr::from(i as u64 + 3));
        let mut state = expected;
        permute(&mut expected);
        for (round, constants) in sparse_constants().iter().enumerate() {
            for (cell, constant) in state.iter_mut().zip(constants) {
                *cell += constant;
            }
            let boxed = if is_full_round(round) { WIDTH } else { 1 };
            for cell in state.iter_mut().take(boxed) {
                *cell *= cell.square().square();
            }
            state = multiply(mds(), &state);
        }
        assert_eq!(state, expected);
    }

    #[test]
    fn commitment_binds_salt_bytes_and_length() {
        let base = commit_input(Fr::from(7), &[1, 2, 3], 1);
        assert_ne!(base, commit_input(Fr::from(8), &[1, 2, 3], 1));
        assert_ne!(base, commit_input(Fr::from(7), &[1, 2, 4], 1));
        assert_ne!(base, commit_input(Fr::from(7), &[1, 2, 3, 0], 1));
        assert_ne!(base, commit_input(Fr::from(7), &[1, 2, 3], 3));
    }
}
