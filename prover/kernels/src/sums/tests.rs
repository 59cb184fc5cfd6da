use halo2curves::{bn256::Fr, ff::Field};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{all_kernels, field, words};

/// Lengths around those of vectors, blocks and tasks.
const LENGTHS: [usize; 23] = [
    0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 1000, 4095, 4096, 4097, 8191, 8192,
    8193, 20_000,
];

pub(super) fn random(seed: u64, length: usize) -> Vec<Fr> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..length).map(|_| Fr::random(&mut random)).collect()
}

/// The element whose words are p - 1.
fn largest() -> Fr {
    words::to_fr(field::subtract(<field::FrModulus as field::Modulus>::P, [1, 0, 0, 0]).0)
}

/// Columns of this length: random ones, zeros, the largest words, a mixture.
fn columns(length: usize) -> Vec<Vec<Fr>> {
    let some = random(length as u64, length);
    let mixed = some.iter().enumerate().map(|(i, value)| match i % 5 {
        0 => Fr::ZERO,
        1 => largest(),
        2 => Fr::ONE,
        _ => *value,
    });
    vec![some.clone(), vec![Fr::ZERO; length], vec![largest(); length], mixed.collect()]
}

fn points() -> [Fr; 5] {
    [random(1, 1)[0], Fr::ZERO, Fr::ONE, -Fr::ONE, largest()]
}

fn value_at(coefficients: &[Fr], point: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, coefficient| sum * point + coefficient)
}

fn check_combination(terms: &[(&[Fr], Fr)], length: usize) {
    let expected: Vec<Fr> = (0..length)
        .map(|i| {
            let terms = terms.iter().filter_map(|(column, factor)| Some(column.get(i)? * factor));
            terms.sum()
        })
        .collect();
    for kernels in all_kernels() {
        let mut output = vec![Fr::ONE; length];
        kernels.combine(terms, &mut output);
        assert!(output == expected, "{}: {} terms, {length}", kernels.name(), terms.len());
    }
}

#[test]
fn combinations() {
    for length in LENGTHS {
        let columns = columns(length);
        check_combination(&[], length);
        for column in &columns {
            for factor in points() {
                check_combination(&[(column, factor)], length);
            }
        }
        let terms: Vec<(&[Fr], Fr)> = columns.iter().map(Vec::as_slice).zip(points()).collect();
        check_combination(&terms, length);
    }
}

#[test]
fn combinations_of_many_terms_and_several_lengths() {
    let columns: Vec<Vec<Fr>> =
        (0..200).map(|seed| random(seed, 37 * seed as usize % 300)).collect();
    let terms: Vec<(&[Fr], Fr)> =
        columns.iter().map(Vec::as_slice).zip(random(500, columns.len())).collect();
    // Some polynomials are longer than the output, some shorter.
    for length in [1, 100, 250, 1000] {
        check_combination(&terms, length);
    }
    let large = vec![largest(); 50];
    check_combination(&vec![(large.as_slice(), largest()); 300], 50);
}

#[test]
fn evaluations() {
    for length in LENGTHS {
        for column in columns(length) {
            for point in points() {
                let expected = value_at(&column, point);
                for kernels in all_kernels() {
                    let found = kernels.evaluate(&column, point);
                    assert_eq!(found, expected, "{}: {length}", kernels.name());
                }
            }
        }
    }
}

#[test]
fn divisions() {
    for length in LENGTHS {
        for column in columns(length) {
            for root in points() {
                let mut expected = column.clone();
                let mut carry = Fr::ZERO;
                for coefficient in expected.iter_mut().rev() {
                    let next = carry * root + *coefficient;
                    *coefficient = carry;
                    carry = next;
                }
                for kernels in all_kernels() {
                    let mut found = column.clone();
                    kernels.divide_by_linear(&mut found, root);
                    assert!(found == expected, "{}: {length}", kernels.name());
                }
            }
        }
    }
}

#[test]
fn running_products() {
    for length in LENGTHS {
        for column in columns(length) {
            for first in points() {
                let mut product = first;
                let mut expected = Vec::new();
                for value in &column {
                    expected.push(product);
                    product *= value;
                }
                for kernels in all_kernels() {
                    let mut found = column.clone();
                    let all = kernels.running_product(&mut found, first);
                    assert!(found == expected, "{}: {length}", kernels.name());
                    assert_eq!(all, product, "{}: {length}", kernels.name());
                }
            }
        }
    }
}

#[test]
fn inversions() {
    for length in LENGTHS {
        for column in columns(length) {
            for kernels in all_kernels() {
                let mut found = column.clone();
                kernels.invert_all(&mut found);
                for (inverse, value) in found.iter().zip(&column) {
                    let expected = if *value == Fr::ZERO { Fr::ZERO } else { Fr::ONE };
                    assert_eq!(inverse * value, expected, "{}: {length}", kernels.name());
                    assert_eq!(*inverse == Fr::ZERO, *value == Fr::ZERO);
                }
            }
        }
    }
}

#[test]
fn products_and_affine_maps() {
    for length in LENGTHS {
        let columns = columns(length);
        for (a, b) in columns.iter().zip(columns.iter().rev()) {
            for kernels in all_kernels() {
                let mut found = a.clone();
                kernels.multiply_all(&mut found, b);
                let expected: Vec<Fr> = a.iter().zip(b).map(|(a, b)| a * b).collect();
                assert!(found == expected, "{}: {length}", kernels.name());
                for (factor, constant) in points().into_iter().zip(points().into_iter().rev()) {
                    kernels.affine(a, b, factor, constant, &mut found);
                    let expected: Vec<Fr> =
                        a.iter().zip(b).map(|(a, b)| a + factor * b + constant).collect();
                    assert!(found == expected, "{}: {length}", kernels.name());
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn kernels_agree(seed: u64, length in 0usize..3000, kinds in prop::collection::vec(0u8..4, 3000)) {
        let mut column = random(seed, length);
        for (value, kind) in column.iter_mut().zip(kinds) {
            match kind {
                0 => *value = Fr::ZERO,
                1 => *value = largest(),
                _ => {}
            }
        }
        let other = random(seed.wrapping_add(1), length.max(2));
        let results: Vec<_> = all_kernels()
            .iter()
            .map(|kernels| {
                let mut results = vec![vec![kernels.evaluate(&column, other[0])]];
                let mut each = |change: &dyn Fn(&mut [Fr])| {
                    let mut changed = column.clone();
                    change(&mut changed);
                    results.push(changed);
                };
                each(&|column| kernels.divide_by_linear(column, other[0]));
                each(&|column| kernels.invert_all(column));
                each(&|column| kernels.multiply_all(column, &other[..length]));
                each(&|column| { kernels.running_product(column, other[1]); });
                each(&|sum| kernels.combine(&[(&column, other[0]), (&other, other[1])], sum));
                each(&|sum| kernels.affine(&column, &other[..length], other[0], other[1], sum));
                results
            })
            .collect();
        prop_assert!(results.iter().all(|found| *found == results[0]));
    }
}
