use std::time::Duration;

use halo2curves::{
    bn256::{Fr, G1, G1Affine},
    ff::{Field, PrimeField},
    group::{Curve, Group, prime::PrimeCurveAffine},
    msm::msm_serial,
};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use super::*;
use crate::all_kernels;

fn random_points(count: usize) -> Vec<G1Affine> {
    // Multiples of a random point by 3^i, of which no small sums are equal.
    let mut point = G1::random(ChaCha8Rng::seed_from_u64(1));
    let multiples: Vec<G1> = (0..count)
        .map(|_| {
            point += point.double();
            point
        })
        .collect();
    affine(&multiples)
}

/// 1, 2, 3, … times the generator.
fn progression(count: usize) -> Vec<G1Affine> {
    let mut point = G1::identity();
    let multiples: Vec<G1> = (0..count)
        .map(|_| {
            point += G1::generator();
            point
        })
        .collect();
    affine(&multiples)
}

fn affine(points: &[G1]) -> Vec<G1Affine> {
    let mut affine = vec![G1Affine::identity(); points.len()];
    G1::batch_normalize(points, &mut affine);
    affine
}

fn random_scalars(count: usize, seed: u64) -> Vec<Fr> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| Fr::random(&mut rng)).collect()
}

fn random_words(count: usize, bits: u32) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    (0..count).map(|_| rng.next_u32() >> (32 - bits)).collect()
}

fn expected(points: &[G1Affine], scalars: &[Fr]) -> G1 {
    let mut sum = G1::identity();
    msm_serial(scalars, &points[..scalars.len()], &mut sum);
    sum
}

/// Checks a column with all kernels, over the first points.
fn check(points: &[G1Affine], column: &Column) {
    let scalars = column.to_full();
    let expected = expected(points, &scalars);
    let sparse: Vec<(u32, Fr)> = (0..).zip(scalars.iter().copied()).collect();
    for kernels in all_kernels() {
        let bases = Bases::new(*kernels, points);
        let name = kernels.name();
        assert_eq!(bases.exponentiate(column), expected, "{name}");
        assert_eq!(bases.exponentiate_full(&scalars), expected, "full, {name}");
        assert_eq!(bases.exponentiate_sparse(&sparse), expected, "sparse, {name}");
    }
}

fn full(points: &[G1Affine], scalars: Vec<Fr>) {
    check(points, &Column::Full(scalars));
}

#[test]
fn points_come_back() {
    let mut points = random_points(77);
    points[5] = G1Affine::identity();
    for kernels in all_kernels() {
        let mut bases = Bases::with_capacity(*kernels, 0);
        assert!(bases.is_empty());
        for part in points.chunks(19) {
            bases.extend(part);
        }
        assert_eq!(bases.len(), 77);
        assert_eq!(bases.kernels().name(), kernels.name());
        assert_eq!(bases.to_points(), points);
        assert_eq!(bases.get(5), points[5]);
        assert_eq!(bases.get(76), points[76]);
    }
}

#[test]
fn many_lengths() {
    let points = random_points(1 << 12);
    for len in [0, 1, 2, 7, 8, 9, 100, 1000, 1 << 12] {
        full(&points, random_scalars(len, 3));
        for bits in [1, 8, 16, 32] {
            let values = random_words(len, bits);
            check(&points, &Column::Small { values, exceptions: Vec::new() });
        }
    }
}

#[test]
fn extreme_scalars() {
    let points = random_points(700);
    let half = Fr::TWO_INV;
    for scalar in [Fr::ZERO, Fr::ONE, -Fr::ONE, half, -half, half - Fr::ONE, Fr::ROOT_OF_UNITY] {
        full(&points, vec![scalar; 700]);
    }
    for bit in (0..32).map(|i| 8 * i) {
        let power = Fr::from(2).pow_vartime([bit]);
        full(&points[..40], vec![power - Fr::ONE, power, -power, power + Fr::ONE]);
    }
    let progression = (0..700).map(|i| Fr::from(i) - Fr::from(350)).collect();
    full(&points, progression);
}

#[test]
fn small_values_with_exceptions() {
    let points = random_points(3000);
    let mut values = random_words(3000, 16);
    let exceptions: Vec<(u32, Fr)> = (2990..3000).zip(random_scalars(10, 4)).collect();
    exceptions.iter().for_each(|(row, _)| values[*row as usize] = 0);
    check(&points, &Column::Small { values, exceptions: exceptions.clone() });
    let values = vec![0; 3000];
    check(&points, &Column::Small { values, exceptions: exceptions.clone() });
    let mut values = vec![u32::MAX; 3000];
    exceptions.iter().for_each(|(row, _)| values[*row as usize] = 0);
    check(&points, &Column::Small { values, exceptions });
}

#[test]
fn palettes() {
    let points = random_points(5000);
    let words = random_words(5000, 16);
    for entries in [1usize, 2, 300, 1 << 16] {
        let mut palette = random_scalars(entries, 5);
        if entries > 2 {
            palette[1] = Fr::ZERO;
            palette[2] = palette[0];
        }
        let indices = words.iter().map(|word| (*word as usize % entries) as u16).collect();
        check(&points, &Column::Palette { indices, palette });
    }
    check(&points, &Column::Palette { indices: Vec::new(), palette: Vec::new() });
}

#[test]
fn points_that_meet() {
    let base = random_points(600);
    let negated = |points: &[G1Affine]| points.iter().map(|point| -point).collect::<Vec<_>>();
    let beside = |other: &[G1Affine]| -> Vec<G1Affine> {
        base.iter().zip(other).flat_map(|(a, b)| [*a, *b]).collect()
    };
    let identity = vec![G1Affine::identity(); 600];
    let sets = [
        vec![base[0]; 1200],
        beside(&base),
        beside(&negated(&base)),
        beside(&identity),
        identity.clone(),
        [vec![base[0]; 600], negated(&vec![base[0]; 600])].concat(),
        progression(1200),
        [progression(600), negated(&progression(600))].concat(),
    ];
    for points in &sets {
        let len = points.len();
        full(points, random_scalars(len, 6));
        full(points, vec![Fr::ONE; len]);
        full(points, vec![-Fr::from(3); len]);
        let indices: Vec<u16> = (0..len).map(|i| (i / 2 % 3) as u16).collect();
        check(points, &Column::Palette { indices, palette: random_scalars(3, 7) });
        let values = random_words(len, 4);
        check(points, &Column::Small { values, exceptions: Vec::new() });
    }
}

#[test]
fn rows_may_repeat() {
    let points = random_points(20);
    let terms: Vec<(u32, Fr)> =
        random_scalars(50, 8).into_iter().zip(0..).map(|(scalar, i)| (i % 7, scalar)).collect();
    let expected: G1 = terms.iter().map(|(row, scalar)| points[*row as usize] * scalar).sum();
    for kernels in all_kernels() {
        assert_eq!(Bases::new(*kernels, &points).exponentiate_sparse(&terms), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn small_cases(
        logarithms in prop::collection::vec(-5i64..6, 0..40),
        raw in prop::collection::vec(any::<[u64; 4]>(), 40),
        bits in 1..256usize,
    ) {
        // Few different points, of which many are equal, opposite or at infinity.
        let point = |logarithm: &i64| {
            let magnitude = G1::generator() * Fr::from(logarithm.unsigned_abs());
            if *logarithm < 0 { -magnitude } else { magnitude }
        };
        let points = affine(&logarithms.iter().map(point).collect::<Vec<_>>());
        let scalars = raw.iter().take(points.len()).map(|raw| {
            let word = |i: usize| match bits.saturating_sub(64 * i) {
                0 => 0,
                left => raw[i] >> (64 - left.min(64)),
            };
            Fr::from_raw(std::array::from_fn(word))
        });
        full(&points, scalars.collect());
    }
}

/// CPU time of the process, where the system says it.
fn cpu_time() -> Duration {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Prints CPU times, with `--nocapture --ignored`. `LARGEST` is the logarithm of the most points.
#[test]
#[ignore = "takes long"]
fn measure() {
    let largest = std::env::var("LARGEST").map_or(18, |k| k.parse().unwrap());
    let points = progression_of_squares(1 << largest);
    for kernels in all_kernels() {
        let start = cpu_time();
        let bases = Bases::new(*kernels, &points);
        println!("{}: prepare 2^{largest}: {:?}", kernels.name(), cpu_time() - start);
        for k in [8, 10, 12, 14, 16, 18, 20, 22].into_iter().filter(|k| *k <= largest) {
            let len = 1 << k;
            let scalars = random_scalars(len, 9);
            let tail = (len as u32 - 7..).zip(scalars.iter().copied().take(7));
            let small = |bits| {
                let mut values = random_words(len, bits);
                values[len - 7..].fill(0);
                Column::Small { values, exceptions: tail.clone().collect() }
            };
            let palette = |entries: usize| Column::Palette {
                indices: random_words(len, 16)
                    .iter()
                    .map(|i| (*i as usize % entries) as u16)
                    .collect(),
                palette: random_scalars(entries, 10),
            };
            let columns = [
                ("full", Column::Full(scalars.clone())),
                ("16 bits as full", Column::Full(small(16).to_full())),
                ("8 bits", small(8)),
                ("16 bits", small(16)),
                ("32 bits", small(32)),
                ("palette of 300", palette(300)),
            ];
            for (name, column) in &columns {
                let times = 1 + (1 << 18) / len;
                let start = cpu_time();
                for _ in 0..times {
                    std::hint::black_box(bases.exponentiate(column));
                }
                println!("2^{k} {name}: {:?}", (cpu_time() - start) / times as u32);
            }
        }
    }
}

/// Points that are cheap to make, without relations between few of them.
fn progression_of_squares(count: usize) -> Vec<G1Affine> {
    let (mut point, mut step) = (G1::generator() * Fr::from(12345), G1::generator());
    let multiples: Vec<G1> = (0..count)
        .map(|_| {
            step += G1::generator();
            point += step;
            point
        })
        .collect();
    affine(&multiples)
}
