use halo2curves::fft::best_fft;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;
use crate::all_kernels;

fn generator(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn random(count: usize, seed: u64) -> Vec<Fr> {
    let mut generator = generator(seed);
    (0..count).map(|_| Fr::random(&mut generator)).collect()
}

fn horner(coefficients: &[Fr], x: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, coefficient| sum * x + coefficient)
}

/// By the library.
fn library_coefficients(values: &[Fr]) -> Vec<Fr> {
    let k = values.len().ilog2();
    let mut coefficients = values.to_vec();
    best_fft(&mut coefficients, root_of_unity(k).invert().unwrap(), k);
    let inverse = Fr::from(1 << k).invert().unwrap();
    coefficients.iter_mut().for_each(|coefficient| *coefficient *= inverse);
    coefficients
}

fn extremes(count: usize) -> Vec<Vec<Fr>> {
    let mut last = vec![Fr::ZERO; count];
    last[count - 1] = -Fr::ONE;
    let mut alternating = vec![-Fr::ONE; count];
    alternating.iter_mut().step_by(2).for_each(|value| *value = Fr::ONE);
    vec![vec![Fr::ZERO; count], vec![-Fr::ONE; count], vec![Fr::ONE; count], last, alternating]
}

#[test]
fn values_are_those_of_the_polynomial() {
    for k in 0..=6 {
        for coefficients in extremes(1 << k).into_iter().chain([random(1 << k, 1)]) {
            for kernels in all_kernels() {
                let domain = Domain::new(*kernels, k);
                let mut values = coefficients.clone();
                domain.values_in_place(&mut values);
                for (i, value) in values.iter().enumerate() {
                    let point = domain.omega().pow_vartime([i as u64]);
                    assert_eq!(*value, horner(&coefficients, point), "{} {k} {i}", kernels.name());
                }
                domain.coefficients_in_place(&mut values);
                assert_eq!(values, coefficients, "{} {k}", kernels.name());
            }
        }
    }
}

#[test]
fn coefficients_are_the_librarys() {
    for k in 0..=14 {
        let inputs = if k < 12 { extremes(1 << k) } else { vec![vec![-Fr::ONE; 1 << k]] };
        for values in inputs.into_iter().chain([random(1 << k, 2)]) {
            let expected = library_coefficients(&values);
            for kernels in all_kernels() {
                let domain = Domain::new(*kernels, k);
                let column = Column::Full(values.clone());
                assert!(domain.coefficients(&column) == expected, "{} {k}", kernels.name());
                let mut again = expected.clone();
                domain.values_in_place(&mut again);
                assert!(again == values, "{} {k}", kernels.name());
            }
        }
    }
}

#[test]
fn large_transforms_are_right() {
    let k = 18;
    let constant = vec![-Fr::ONE; 1 << k];
    let coefficients = powers(Fr::ZETA, Fr::DELTA, 1 << k);
    for kernels in all_kernels() {
        let domain = Domain::new(*kernels, k);
        let mut values = constant.clone();
        domain.coefficients_in_place(&mut values);
        assert!(values[0] == -Fr::ONE && values[1..].iter().all(|value| *value == Fr::ZERO));
        domain.values_in_place(&mut values);
        assert!(values == constant, "{}", kernels.name());
        values.copy_from_slice(&coefficients);
        domain.values_in_place(&mut values);
        for row in [0u64, 1, 123_456, (1 << k) - 1] {
            let point = domain.omega().pow_vartime([row]);
            assert_eq!(values[row as usize], horner(&coefficients, point), "{}", kernels.name());
        }
        domain.coefficients_in_place(&mut values);
        assert!(values == coefficients, "{}", kernels.name());
    }
}

fn small(k: u32, exceptions: usize, seed: u64) -> Column {
    let mut generator = generator(seed);
    let mut values: Vec<u32> = (0..1 << k).map(|_| generator.next_u32()).collect();
    values[0] = u32::MAX;
    let mut rows: Vec<u32> = (0..exceptions).map(|_| generator.next_u32() % (1 << k)).collect();
    rows.sort_unstable();
    rows.dedup();
    let exceptions: Vec<(u32, Fr)> =
        rows.into_iter().map(|row| (row, Fr::random(&mut generator))).collect();
    for (row, _) in &exceptions {
        values[*row as usize] = 0;
    }
    Column::Small { values, exceptions }
}

fn palette(k: u32, colours: usize, seed: u64) -> Column {
    let mut generator = generator(seed);
    let palette = random(colours, seed + 1);
    let indices = (0..1 << k).map(|_| (generator.next_u32() as usize % colours) as u16).collect();
    Column::Palette { indices, palette }
}

#[test]
fn columns_of_every_kind_are_read() {
    for k in 0..=11 {
        let columns = [
            small(k, 0, 3),
            small(k, 7, 4),
            small(k, 1 << k, 5),
            palette(k, 1, 6),
            palette(k, 300, 7),
        ];
        for column in columns {
            let expected = library_coefficients(&column.to_full());
            for kernels in all_kernels() {
                let found = Domain::new(*kernels, k).coefficients(&column);
                assert!(found == expected, "{} {k} {column:?}", kernels.name());
            }
        }
    }
}

/// The points of a part, one by one.
fn points(k: u32, extension: u32, log_parts: u32, part: usize) -> Vec<Fr> {
    let omega = root_of_unity(k + extension);
    (0..1usize << (k + extension - log_parts))
        .map(|j| Fr::ZETA * omega.pow_vartime([(part + (j << log_parts)) as u64]))
        .collect()
}

#[test]
fn cells_are_values_at_the_points() {
    for (k, extension, log_parts) in [
        (0, 0, 0),
        (1, 1, 2),
        (3, 2, 2),
        (3, 2, 5),
        (6, 1, 1),
        (6, 2, 2),
        (6, 2, 3),
        (7, 1, 2),
        (8, 2, 4),
    ] {
        for kernels in all_kernels() {
            let parts = Parts::new(*kernels, k, extension, log_parts);
            let omega = root_of_unity(k);
            let mut polynomials = extremes(1 << k);
            polynomials.extend([1 << k, 1, 0, (1 << k) / 2 + 1].map(|count| random(count, 8)));
            for part in 0..parts.count() {
                let points = points(k, extension, log_parts, part);
                let mut cells = vec![Fr::ONE; parts.rows()];
                parts.points(part, &mut cells);
                let scaled = |value: Fr| value * kernels.cell_factor();
                assert!(cells.iter().zip(&points).all(|(cell, point)| *cell == scaled(*point)));
                for point in &points {
                    assert_eq!(parts.vanishing(part), point.pow_vartime([1u64 << k]) - Fr::ONE);
                }
                for (polynomial, rotation) in
                    polynomials.iter().zip([0, 1, -1, 3, i32::MIN, i32::MAX, 0, -7, 1 << 20])
                {
                    parts.cells(part, polynomial, rotation, &mut cells);
                    let turn =
                        omega.pow_vartime([i64::from(rotation).rem_euclid(1 << k).unsigned_abs()]);
                    for (cell, point) in cells.iter().zip(&points) {
                        let expected = scaled(horner(polynomial, *point * turn));
                        assert_eq!(*cell, expected, "{} {k} {rotation}", kernels.name());
                    }
                }
            }
        }
    }
}

#[test]
fn split_polynomials_have_the_same_cells() {
    for (k, extension) in [(0, 0), (1, 1), (5, 1), (6, 0), (8, 2), (9, 1), (10, 1)] {
        for more in 0..=k.min(4) {
            for kernels in all_kernels() {
                let parts = Parts::new(*kernels, k, extension, extension + more);
                for polynomial in extremes(1 << k).into_iter().chain([random(1 << k, 12)]) {
                    for coset in 0..1 << extension {
                        let mut split = polynomial.clone();
                        parts.split(coset, &mut split);
                        let (mut cells, mut expected) =
                            (vec![Fr::ONE; parts.rows()], vec![Fr::ONE; parts.rows()]);
                        for part in (coset..parts.count()).step_by(1 << extension) {
                            for rotation in [0, 1, -1, -7, i32::MAX] {
                                parts.split_cells(part, &split, rotation, &mut cells);
                                parts.cells(part, &polynomial, rotation, &mut expected);
                                assert!(cells == expected, "{} {k} {rotation}", kernels.name());
                            }
                        }
                        parts.join(coset, &mut split);
                        assert!(split == polynomial, "{} {k} {more} {coset}", kernels.name());
                    }
                }
            }
        }
    }
}

#[test]
fn interpolation_gives_the_polynomial_back() {
    for (k, extension) in [(0, 0), (1, 1), (4, 1), (5, 2), (9, 1), (10, 2)] {
        for log_parts in extension..=(extension + 3).min(k + extension) {
            let polynomial = random(1 << (k + extension), 9);
            for kernels in all_kernels() {
                let parts = Parts::new(*kernels, k, extension, log_parts);
                let factors = random(parts.count(), 10);
                let uncell = kernels.cell_factor().invert().unwrap();
                let values = (0..parts.count())
                    .map(|part| {
                        // By pieces of 2^k coefficients.
                        let mut values = vec![Fr::ZERO; parts.rows()];
                        let mut cells = values.clone();
                        let mut shift = uncell * factors[part].invert().unwrap();
                        for piece in polynomial.chunks(1 << k) {
                            parts.cells(part, piece, 0, &mut cells);
                            for (value, cell) in values.iter_mut().zip(&cells) {
                                *value += shift * cell;
                            }
                            shift *= parts.vanishing(part) + Fr::ONE;
                        }
                        values
                    })
                    .collect();
                let found = parts.interpolate(values, &factors);
                assert!(found == polynomial, "{} {k} {extension} {log_parts}", kernels.name());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn kernels_agree(
        k in 0u32..=10,
        extension in 0u32..=2,
        more in 0u32..=2,
        rotation: i32,
        seed: u64,
        missing in 0usize..=64,
    ) {
        let log_parts = (extension + more).min(k + extension);
        let coefficients = random((1usize << k).saturating_sub(missing), seed);
        let mut results = Vec::new();
        for kernels in all_kernels() {
            let parts = Parts::new(*kernels, k, extension, log_parts);
            let part = seed as usize % parts.count();
            let mut cells = vec![Fr::ZERO; parts.rows()];
            parts.cells(part, &coefficients, rotation, &mut cells);
            let uncell = kernels.cell_factor().invert().unwrap();
            results.push(cells.iter().map(|cell| *cell * uncell).collect::<Vec<_>>());
        }
        prop_assert!(results.iter().all(|result| *result == results[0]));
    }
}

#[test]
fn tasks_may_transform_at_once() {
    let values: Vec<Vec<Fr>> = (0..16).map(|seed| random(1 << 10, seed)).collect();
    for kernels in all_kernels() {
        let domain = Domain::new(*kernels, 10);
        values.par_iter().for_each(|values| {
            let mut found = values.clone();
            domain.coefficients_in_place(&mut found);
            assert!(found == library_coefficients(values), "{}", kernels.name());
        });
    }
}
