//! The routines without vector instructions.

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::wide::{MOST_PRODUCTS, Wide};
use crate::words::{of_fr, to_fr};

/// Elements of a task.
const TASK: usize = 4096;

pub(super) fn combine(terms: &[(&[Fr], Fr)], output: &mut [Fr]) {
    output.par_iter_mut().enumerate().with_min_len(TASK).for_each(|(index, output)| {
        *output = terms.chunks(MOST_PRODUCTS).map(|terms| combination(terms, index)).sum();
    });
}

/// The sum of a few terms at one place.
fn combination(terms: &[(&[Fr], Fr)], index: usize) -> Fr {
    let mut sum = Wide::default();
    for (polynomial, factor) in terms {
        if let Some(coefficient) = polynomial.get(index) {
            sum.add_product(&of_fr(coefficient), &of_fr(factor));
        }
    }
    to_fr(sum.reduce())
}

pub(super) fn evaluate(coefficients: &[Fr], point: Fr) -> Fr {
    let blocks = coefficients.par_chunks(TASK).map(|block| value_at(block, point));
    horner(&blocks.collect::<Vec<_>>(), point.pow_vartime([TASK as u64]))
}

pub(crate) fn horner(coefficients: &[Fr], point: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, coefficient| sum * point + coefficient)
}

/// Horner's rule by several coefficients at a time.
fn value_at(coefficients: &[Fr], point: Fr) -> Fr {
    const STEP: usize = MOST_PRODUCTS - 1;
    let mut powers = [of_fr(&Fr::ONE); STEP + 1];
    for i in 0..STEP {
        powers[i + 1] = of_fr(&(to_fr(powers[i]) * point));
    }
    coefficients.chunks(STEP).rev().fold(Fr::ZERO, |value, coefficients| {
        let mut sum = Wide::default();
        for (coefficient, power) in coefficients.iter().zip(&powers) {
            sum.add_product(&of_fr(coefficient), power);
        }
        sum.add_product(&of_fr(&value), &powers[STEP]);
        to_fr(sum.reduce())
    })
}

pub(super) fn divide_by_linear(coefficients: &mut [Fr], root: Fr) {
    let mut carries: Vec<Fr> =
        coefficients.par_chunks(TASK).map(|block| value_at(block, root)).collect();
    // From values at the root to what each block takes over: a division too.
    divide_block(&mut carries, root.pow_vartime([TASK as u64]), Fr::ZERO);
    coefficients.par_chunks_mut(TASK).zip(carries).for_each(|(block, carry)| {
        divide_block(block, root, carry);
    });
}

/// Divides by `X - root` what has `above` as its coefficients' continuation: their value at the root. Returns
/// the value with the block's, which is what a block below takes over.
pub(crate) fn divide_block(block: &mut [Fr], root: Fr, above: Fr) -> Fr {
    let mut carry = above;
    for coefficient in block.iter_mut().rev() {
        let next = carry * root + *coefficient;
        *coefficient = std::mem::replace(&mut carry, next);
    }
    carry
}

pub(super) fn running_product(values: &mut [Fr], first: Fr) -> Fr {
    let mut starts: Vec<Fr> = values.par_chunks(TASK).map(|block| block.iter().product()).collect();
    let all = block_products(&mut starts, first);
    values.par_chunks_mut(TASK).zip(starts).for_each(|(block, start)| {
        block_products(block, start);
    });
    all
}

/// The running product in one go.
pub(crate) fn block_products(values: &mut [Fr], first: Fr) -> Fr {
    let mut product = first;
    for value in values {
        let next = product * *value;
        *value = std::mem::replace(&mut product, next);
    }
    product
}

pub(super) fn invert_all(values: &mut [Fr]) {
    values.par_chunks_mut(TASK).for_each(invert_block);
}

/// With one inversion, of the product.
pub(crate) fn invert_block(values: &mut [Fr]) {
    let mut product = Fr::ONE;
    let mut before = Vec::with_capacity(values.len());
    for value in values.iter().filter(|value| !value.is_zero_vartime()) {
        before.push(product);
        product *= value;
    }
    let mut inverse = product.invert().unwrap_or(Fr::ZERO);
    let values = values.iter_mut().filter(|value| !value.is_zero_vartime());
    for (value, before) in values.rev().zip(before.iter().rev()) {
        let next = inverse * *value;
        *value = inverse * before;
        inverse = next;
    }
}

pub(super) fn multiply_all(values: &mut [Fr], factors: &[Fr]) {
    let pairs = values.par_iter_mut().zip(factors).with_min_len(TASK);
    pairs.for_each(|(value, factor)| *value *= factor);
}

pub(super) fn affine(a: &[Fr], b: &[Fr], factor: Fr, constant: Fr, values: &mut [Fr]) {
    let places = values.par_iter_mut().zip(a).zip(b).with_min_len(TASK);
    places.for_each(|((value, a), b)| *value = factor * b + a + constant);
}
