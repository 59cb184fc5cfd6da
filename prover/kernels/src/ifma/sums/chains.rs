//! Recurrences: eight blocks of neighbouring elements at a time, one in each lane, and several of these chains
//! beside each other, since a step waits for the one before.

use halo2curves::bn256::Fr;

use crate::field::FrModulus;
use crate::ifma::{
    memory::{load, load_two, store_below_two, store_two},
    sums::{elements, factor, times_16},
    vector::{self, Eight},
    wide,
};
use crate::sums::portable;
use crate::words::{Words, words};

/// Chains beside each other.
const CHAINS: usize = 2;

/// Blocks of a task.
pub(super) const BLOCKS: usize = 8 * CHAINS;

/// Elements of a block.
pub(super) const BLOCK: usize = 512;

/// Elements of a task.
pub(super) const TASK: usize = BLOCKS * BLOCK;

/// As many vectors as there are chains. A step of all is written before the next step of any: the processor
/// looks ahead only so far.
type Chains = [Eight; CHAINS];

/// Chains of an inversion or of a block's product.
const INVERSION_CHAINS: usize = 4;

/// The words of one.
const ONE: Words = crate::field::power_of_two::<FrModulus>(256);

/// Divides blocks by `X - root`; `carries` is what each takes over from above.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn divide(coefficients: &mut [Words], root: Fr, carries: &[Words]) {
    let root = factor(root);
    // Below 3 p: a product is below 1.1 p, a coefficient below p.
    let mut carry: Chains = std::array::from_fn(|chain| load(&carries[8 * chain..]));
    for at in (0..BLOCK).step_by(2).rev() {
        let [lower, upper] = load_chains(coefficients, at);
        let upper_place = carry;
        let lower_place = continued(&upper_place, &root, &upper);
        carry = continued(&lower_place, &root, &lower);
        store_chains([&below_two(&lower_place), &below_two(&upper_place)], coefficients, at);
    }
}

/// `factor * a + b` in each chain.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn continued(a: &Chains, factor: &Eight, b: &Chains) -> Chains {
    let mut sums = *b;
    for (sum, a) in sums.iter_mut().zip(a) {
        let product =
            wide::reduce_wide::<FrModulus>(&wide::multiply_add(&wide::empty(), a, factor));
        *sum = vector::add(sum, &product);
    }
    sums
}

/// Places `at` and `at + 1` of all blocks.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn load_chains(elements: &[Words], at: usize) -> [Chains; 2] {
    let mut places = [[vector::zero(); CHAINS]; 2];
    for (chain, blocks) in elements.chunks_exact(8 * BLOCK).enumerate() {
        [places[0][chain], places[1][chain]] = load_two(blocks, BLOCK, at);
    }
    places
}

/// Stores elements below 2 p to places `at` and `at + 1`, reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn store_chains(places: [&Chains; 2], elements: &mut [Words], at: usize) {
    for (chain, blocks) in elements.chunks_exact_mut(8 * BLOCK).enumerate() {
        let pair = places.map(|place| vector::reduce::<FrModulus, 1>(&place[chain]));
        store_two(pair, blocks, BLOCK, at);
    }
}

/// From below 3 p to below 2 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn below_two(a: &Chains) -> Chains {
    let mut reduced = *a;
    for place in &mut reduced {
        *place = vector::reduce::<FrModulus, 1>(place);
    }
    reduced
}

/// The product of one block.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn product(block: &[Words]) -> Fr {
    let mut chains = [vector::broadcast_words(ONE); INVERSION_CHAINS];
    for values in block.chunks(8 * INVERSION_CHAINS) {
        for (product, values) in chains.iter_mut().zip(values.chunks(8)) {
            *product = vector::multiply::<FrModulus>(&times_16(&load(values)), product);
        }
    }
    let first = chains[0];
    let all = chains[1..]
        .iter()
        .fold(first, |product, chain| vector::multiply::<FrModulus>(&times_16(&product), chain));
    elements(&all).iter().product()
}

/// Running products of blocks that start with `starts`.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn running_product(values: &mut [Words], starts: &[Words]) {
    // Below 1.3 p: of factors below 16 p and 1.3 p.
    let mut product: Chains = std::array::from_fn(|chain| load(&starts[8 * chain..]));
    for at in (0..BLOCK).step_by(2) {
        let [first, second] = load_chains(values, at);
        let first_place = product;
        let second_place = multiplied(&first_place, &first);
        product = multiplied(&second_place, &second);
        store_chains([&first_place, &second_place], values, at);
    }
}

/// `a * b` in each chain, for `b` below p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn multiplied(a: &Chains, b: &Chains) -> Chains {
    let mut products = *a;
    for (product, b) in products.iter_mut().zip(b) {
        *product = vector::multiply::<FrModulus>(&times_16(b), product);
    }
    products
}

/// Inverts all but zeros: running products of each lane, one inversion, and the same way back.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
pub(super) fn invert(values: &mut [Words]) {
    let one = vector::broadcast_words(ONE);
    let mut chains = [one; INVERSION_CHAINS];
    let mut before = Vec::with_capacity(values.len().div_ceil(8));
    for (index, values) in values.chunks(8).enumerate() {
        let chain = &mut chains[index % INVERSION_CHAINS];
        before.push(*chain);
        *chain =
            vector::multiply::<FrModulus>(&times_16(&without_zeros(&load(values), &one)), chain);
    }
    let mut products = [Fr::zero(); 8 * INVERSION_CHAINS];
    for (products, chain) in products.chunks_exact_mut(8).zip(&chains) {
        products.copy_from_slice(&elements(chain));
    }
    portable::invert_block(&mut products);
    for (chain, inverses) in chains.iter_mut().zip(products.chunks_exact(8)) {
        *chain = load(words(inverses));
    }
    for (index, (values, before)) in values.chunks_mut(8).zip(&before).enumerate().rev() {
        let chain = &mut chains[index % INVERSION_CHAINS];
        let value = load(values);
        let zeros = vector::is_zero(&value);
        // Below 21 p, as a chain is below 1.3 p.
        let inverse = times_16(chain);
        let result = vector::multiply::<FrModulus>(&inverse, before);
        *chain = vector::multiply::<FrModulus>(&inverse, &without_zeros(&value, &one));
        store_below_two(&vector::select(zeros, &result, &vector::zero()), values);
    }
}

/// One in place of zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn without_zeros(a: &Eight, one: &Eight) -> Eight {
    vector::select(vector::is_zero(a), a, one)
}
