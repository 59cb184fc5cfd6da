//! Sums, products and divisions, eight elements at a time.
//!
//! Elements are in the library's form. One factor of each product carries another factor 16, so that the
//! product is in the library's form again: a constant that is multiplied with often, or an element by
//! [`times_16`].

mod chains;

use core::arch::x86_64::*;

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::field::{FrModulus, LIMB};
use crate::ifma::{
    Ifma,
    memory::{load, store, store_below_two},
    vector::{self, Eight},
    wide,
};
use crate::sums::{Sums, portable};
use crate::words::{Words, of_fr, to_fr, words, words_mut};

/// Elements of a task.
const TASK: usize = 4096;

/// Products that are added before a reduction: the result is below 2 p, and limbs have room for more.
const MOST_PRODUCTS: usize = 64;

/// Vectors that [`Powers`] reach over.
const STEPS: usize = 32;

impl Sums for Ifma {
    fn combine(&self, terms: &[(&[Fr], Fr)], output: &mut [Fr]) {
        let factors: Vec<Fr> = terms.iter().map(|(_, factor)| factor * sixteen()).collect();
        words_mut(output).par_chunks_mut(TASK).enumerate().for_each(|(task, output)| {
            let terms: Vec<(&[Words], Words)> = terms
                .iter()
                .zip(&factors)
                .map(|((polynomial, _), factor)| {
                    let from = polynomial.len().min(task * TASK);
                    (words(&polynomial[from..]), of_fr(factor))
                })
                .collect();
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { combine(&terms, output) };
        });
    }

    fn evaluate(&self, coefficients: &[Fr], point: Fr) -> Fr {
        if coefficients.len() <= 8 * STEPS {
            return portable::horner(coefficients, point);
        }
        // SAFETY: an `Ifma` exists only where the instructions do.
        let powers = unsafe { Powers::new(point) };
        let values: Vec<Fr> = words(coefficients)
            .par_chunks(TASK)
            // SAFETY: an `Ifma` exists only where the instructions do.
            .map(|block| unsafe { powers.evaluate(block) })
            .collect();
        portable::horner(&values, point.pow_vartime([TASK as u64]))
    }

    fn divide_by_linear(&self, coefficients: &mut [Fr], root: Fr) {
        let whole = coefficients.len() / chains::TASK * chains::TASK;
        let (coefficients, highest) = coefficients.split_at_mut(whole);
        let carry = portable::divide_block(highest, root, Fr::ZERO);
        if coefficients.is_empty() {
            return;
        }
        // SAFETY: an `Ifma` exists only where the instructions do.
        let powers = unsafe { Powers::new(root) };
        let mut carries: Vec<Fr> = words(coefficients)
            .par_chunks(chains::BLOCK)
            // SAFETY: an `Ifma` exists only where the instructions do.
            .map(|block| unsafe { powers.evaluate(block) })
            .collect();
        portable::divide_block(&mut carries, root.pow_vartime([chains::BLOCK as u64]), carry);
        let tasks = words_mut(coefficients).par_chunks_exact_mut(chains::TASK);
        tasks.zip(carries.par_chunks_exact(chains::BLOCKS)).for_each(|(task, carries)| {
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { chains::divide(task, root, words(carries)) };
        });
    }

    fn running_product(&self, values: &mut [Fr], first: Fr) -> Fr {
        let whole = values.len() / chains::TASK * chains::TASK;
        let (values, last) = values.split_at_mut(whole);
        let mut starts: Vec<Fr> = words(values)
            .par_chunks_exact(chains::BLOCK)
            // SAFETY: an `Ifma` exists only where the instructions do.
            .map(|block| unsafe { chains::product(block) })
            .collect();
        let product = portable::block_products(&mut starts, first);
        let tasks = words_mut(values).par_chunks_exact_mut(chains::TASK);
        tasks.zip(starts.par_chunks_exact(chains::BLOCKS)).for_each(|(task, starts)| {
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { chains::running_product(task, words(starts)) };
        });
        portable::block_products(last, product)
    }

    fn invert_all(&self, values: &mut [Fr]) {
        words_mut(values).par_chunks_mut(TASK).for_each(|values| {
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { chains::invert(values) };
        });
    }

    fn multiply_all(&self, values: &mut [Fr], factors: &[Fr]) {
        assert_eq!(values.len(), factors.len(), "lengths");
        let tasks = words_mut(values).par_chunks_mut(TASK).zip(words(factors).par_chunks(TASK));
        // SAFETY: an `Ifma` exists only where the instructions do.
        tasks.for_each(|(values, factors)| unsafe { multiply_all(values, factors) });
    }

    fn affine(&self, a: &[Fr], b: &[Fr], factor: Fr, constant: Fr, values: &mut [Fr]) {
        assert_eq!((a.len(), b.len()), (values.len(), values.len()), "lengths");
        let tasks = words_mut(values).par_chunks_mut(TASK);
        let tasks = tasks.zip(words(a).par_chunks(TASK)).zip(words(b).par_chunks(TASK));
        tasks.for_each(|((values, a), b)| {
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { affine(a, b, factor, constant, values) };
        });
    }
}

fn sixteen() -> Fr {
    Fr::from(16)
}

/// Sixteen times eight normal elements below 5 p; normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn times_16(a: &Eight) -> Eight {
    let mask = _mm512_set1_epi64(LIMB.cast_signed());
    let mut shifted = a.0;
    let mut below = _mm512_setzero_si512();
    for limb in &mut shifted {
        let high = _mm512_srli_epi64::<48>(below);
        below = *limb;
        *limb = _mm512_and_si512(_mm512_or_si512(_mm512_slli_epi64::<4>(below), high), mask);
    }
    Eight(shifted)
}

/// A constant factor.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn factor(value: Fr) -> Eight {
    vector::broadcast_words(of_fr(&(value * sixteen())))
}

/// Eight elements, normal and below 84 p, reduced.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn elements(a: &Eight) -> [Fr; 8] {
    let mut elements = [[0; 4]; 8];
    store(a, &mut elements);
    elements.map(to_fr)
}

/// The sum of polynomials times factors, which carry a factor 16.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn combine(terms: &[(&[Words], Words)], output: &mut [Words]) {
    let terms: Vec<(&[Words], Eight)> = terms
        .iter()
        .map(|(polynomial, factor)| (*polynomial, vector::broadcast_words(*factor)))
        .collect();
    for (index, output) in output.chunks_mut(8).enumerate() {
        let mut groups = terms.chunks(MOST_PRODUCTS).map(|terms| sum(terms, index));
        let mut sum = groups.next().unwrap_or(vector::zero());
        for group in groups {
            sum = wide::remainder::<FrModulus>(&vector::add(&sum, &group));
            sum = vector::reduce::<FrModulus, 1>(&sum);
        }
        store_below_two(&sum, output);
    }
}

/// The sum of at most 64 terms at the places from `8 * index`, below 2 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn sum(terms: &[(&[Words], Eight)], index: usize) -> Eight {
    let mut sum = wide::empty();
    for (polynomial, factor) in terms {
        let coefficients = polynomial.get(8 * index..).unwrap_or(&[]);
        sum = wide::multiply_add(&sum, &load(coefficients), factor);
    }
    vector::normalize(&wide::reduce_wide::<FrModulus>(&sum))
}

/// Powers of a point.
struct Powers {
    point: Fr,
    /// Of `point^8`, with a factor 16.
    powers: [Eight; STEPS + 1],
}

impl Powers {
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn new(point: Fr) -> Self {
        let step = point.pow_vartime([8u64]);
        let mut power = sixteen();
        let mut powers = [vector::zero(); STEPS + 1];
        for place in &mut powers {
            *place = vector::broadcast_words(of_fr(&power));
            power *= step;
        }
        Self { point, powers }
    }

    /// The value of a polynomial at the point.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn evaluate(&self, coefficients: &[Words]) -> Fr {
        let mut value = vector::zero();
        // Each lane has every eighth coefficient.
        for group in coefficients.chunks(8 * STEPS).rev() {
            let mut sum = wide::empty();
            for (coefficients, power) in group.chunks(8).zip(&self.powers) {
                sum = wide::multiply_add(&sum, &load(coefficients), power);
            }
            sum = wide::multiply_add(&sum, &value, &self.powers[STEPS]);
            value = vector::normalize(&wide::reduce_wide::<FrModulus>(&sum));
        }
        portable::horner(&elements(&value), self.point)
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn multiply_all(values: &mut [Words], factors: &[Words]) {
    for (values, factors) in values.chunks_mut(8).zip(factors.chunks(8)) {
        let product = vector::multiply::<FrModulus>(&times_16(&load(values)), &load(factors));
        store_below_two(&product, values);
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn affine(a: &[Words], b: &[Words], by: Fr, constant: Fr, values: &mut [Words]) {
    let (by, constant) = (factor(by), vector::broadcast_words(of_fr(&constant)));
    for ((a, b), values) in a.chunks(8).zip(b.chunks(8)).zip(values.chunks_mut(8)) {
        let product = vector::multiply::<FrModulus>(&load(b), &by);
        let sum = vector::add_raw(&vector::add_raw(&product, &load(a)), &constant);
        store(&vector::normalize(&sum), values);
    }
}
