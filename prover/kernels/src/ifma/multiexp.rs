//! Sums of points, eight lanes at a time.
//!
//! Coordinates carry a factor 2^260, so that products need no correction. The chains of a batch of octets
//! take one step after another; in each the denominators of all slopes are multiplied up, the product is
//! divided out once, and the additions are completed from the last to the first.
//!
//! A denominator is zero where equal points or opposite ones meet, or where a sum is at infinity. That is seen
//! only in the product; the step is then done anew with formulas that are complete ([`careful`]).

mod careful;

use core::arch::x86_64::*;

use halo2curves::{
    bn256::{Fq, Fr, G1Affine},
    ff::Field,
};

use super::Ifma;
use super::vector::{self, Eight};
use crate::field::{FqModulus, FrModulus, Modulus, limbs, power_of_two, reduced};
use crate::multiexp::{Exponentiation, NEGATIVE, NONE, Octet, Point, Schedule};
use crate::words::{Words, of_fq, of_fr, to_fq, to_fr};

/// Octets that share a division. Their sums and slopes stay in the second cache.
const AT_ONCE: usize = 128;

/// 1, with the points' factor.
const ONE: Words = power_of_two::<FqModulus>(260);

impl Exponentiation for Ifma {
    fn prepare_points(&self, affine: &[G1Affine], points: &mut [Point]) {
        let mut affine = affine.chunks_exact(8);
        let mut points = points.chunks_exact_mut(8);
        for (affine, points) in affine.by_ref().zip(points.by_ref()) {
            // SAFETY: there is an `Ifma`, so the instructions are there.
            unsafe { prepare_eight(affine, points) };
        }
        let factor = to_fq(power_of_two::<FqModulus>(260));
        for (affine, point) in affine.remainder().iter().zip(points.into_remainder()) {
            let ([a, b, c, d], [e, f, g, h]) =
                (of_fq(&(affine.x * factor)), of_fq(&(affine.y * factor)));
            *point = Point([a, b, c, d, e, f, g, h]);
        }
    }

    fn affine_point(&self, point: &Point) -> G1Affine {
        // The library's product divides by 2^256: 2^(260 + 252 - 256) is its own factor.
        let factor = to_fq([0, 0, 0, 1 << 60]);
        let [a, b, c, d, e, f, g, h] = point.0;
        G1Affine { x: to_fq([a, b, c, d]) * factor, y: to_fq([e, f, g, h]) * factor }
    }

    fn canonical(&self, scalars: &[Fr], words: [&mut [u64]; 4]) {
        let scalars = crate::words::words(scalars);
        let [a, b, c, d] = words;
        let (vectors, rest) = scalars.as_chunks::<8>();
        let done = 8 * vectors.len();
        let columns = vectors.iter().zip(a.as_chunks_mut::<8>().0).zip(b.as_chunks_mut::<8>().0);
        let columns = columns.zip(c.as_chunks_mut::<8>().0).zip(d.as_chunks_mut::<8>().0);
        for ((((scalars, a), b), c), d) in columns {
            // SAFETY: as in `prepare_points`.
            unsafe { canonical_eight(scalars, [a, b, c, d]) };
        }
        let one = to_fr([1, 0, 0, 0]);
        for (i, scalar) in (done..).zip(rest) {
            [a[i], b[i], c[i], d[i]] = of_fr(&(to_fr(*scalar) * one));
        }
    }

    fn octets_at_once(&self) -> usize {
        AT_ONCE
    }

    fn add_chains(
        &self,
        points: &[Point],
        schedule: &Schedule,
        octets: &[Octet],
        sums: &mut [Point],
    ) {
        // SAFETY: as in `prepare_points`.
        unsafe { add_chains(points, schedule, octets, sums) };
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn prepare_eight(affine: &[G1Affine], points: &mut [Point]) {
    const FACTOR: [u64; 5] = limbs(power_of_two::<FqModulus>(264));
    let factor = vector::broadcast(&FACTOR);
    let mut coordinates = [[[0; 4]; 8]; 2];
    for (i, affine) in affine.iter().enumerate().take(8) {
        coordinates[0][i] = of_fq(&affine.x);
        coordinates[1][i] = of_fq(&affine.y);
    }
    let times = |coordinate| vector::multiply::<FqModulus>(&vector::load(coordinate), &factor);
    let (x, y) = (times(&coordinates[0]), times(&coordinates[1]));
    let x = vector::reduce::<FqModulus, 1>(&x);
    let y = vector::reduce::<FqModulus, 1>(&y);
    store(&x, &y, points);
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn canonical_eight(scalars: &[Words; 8], words: [&mut [u64; 8]; 4]) {
    // The product divides by 2^260, where scalars carry 2^256.
    let factor = vector::broadcast(&[16, 0, 0, 0, 0]);
    let product = vector::multiply::<FrModulus>(&vector::load(scalars), &factor);
    let product = vector::to_words(&vector::reduce::<FrModulus, 1>(&product));
    for (words, product) in words.into_iter().zip(product) {
        // SAFETY: eight words are a vector; the store needs no alignment.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), product) };
    }
}

/// Sums of eight chains so far: `x` is normal and below 3.1 p; `y` is below 2.1 p, and its carries may be
/// pending from as many steps as a chain has.
#[derive(Clone, Copy)]
struct Sum {
    x: Eight,
    y: Eight,
}

/// What the completion of eight additions needs.
#[derive(Clone, Copy)]
struct Slope {
    /// The product of the denominators before.
    before: Eight,
    denominator: Eight,
    numerator: Eight,
}

/// Sums of a batch and what they are made from.
struct Batch<'a> {
    points: &'a [Point],
    schedule: &'a Schedule,
    octets: &'a [Octet],
    sums: Vec<Sum>,
    slopes: Vec<Slope>,
    /// Whether a sum may be at infinity though its chain has begun.
    infinite: bool,
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn add_chains(points: &[Point], schedule: &Schedule, octets: &[Octet], sums: &mut [Point]) {
    let zero = vector::zero();
    let slope = Slope { before: zero, denominator: zero, numerator: zero };
    let mut batch = Batch {
        points,
        schedule,
        octets,
        sums: Vec::with_capacity(octets.len()),
        slopes: vec![slope; octets.len()],
        infinite: false,
    };
    for octet in octets {
        let (x, y) = gather(points, batch.items(octet, 0));
        batch.sums.push(Sum { x, y });
    }
    let longest = octets.first().map_or(0, Octet::longest);
    for step in 1..longest {
        let active = octets.partition_point(|octet| octet.longest() > step);
        batch.step(step, active);
    }
    for (sum, points) in batch.sums.iter().zip(sums.chunks_exact_mut(8)) {
        let x = vector::reduce::<FqModulus, 2>(&sum.x);
        let y = vector::reduce::<FqModulus, 2>(&vector::normalize(&sum.y));
        let x = vector::reduce::<FqModulus, 1>(&x);
        let y = vector::reduce::<FqModulus, 1>(&y);
        store(&x, &y, points);
    }
}

impl Batch<'_> {
    /// The items of a step.
    fn items(&self, octet: &Octet, step: usize) -> &[u32; 8] {
        let (steps, _) = self.schedule.items(octet).as_chunks::<8>();
        &steps[step]
    }

    /// Adds an item to each of the first `active` octets' sums.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn step(&mut self, step: usize, active: usize) {
        if !self.infinite {
            // Octets go in pairs, of which all have a product of their own; one without partner has the first's.
            let mut products = [vector::broadcast_words(ONE); 2];
            let pairs = active / 2;
            for pair in 0..pairs {
                self.multiply_up(step, 2 * pair, &mut products);
            }
            let [mut first, second] = products;
            if active % 2 == 1 {
                let mut last = [first];
                self.multiply_up(step, active - 1, &mut last);
                [first] = last;
            }
            let both = vector::multiply::<FqModulus>(&first, &second);
            if let Some(inverse) = invert(&both) {
                let mut first_inverse = [vector::multiply::<FqModulus>(&inverse, &second)];
                let second_inverse = vector::multiply::<FqModulus>(&inverse, &first);
                if active % 2 == 1 {
                    self.complete(step, active - 1, &mut first_inverse);
                }
                let mut inverses = [first_inverse[0], second_inverse];
                for pair in (0..pairs).rev() {
                    self.complete(step, 2 * pair, &mut inverses);
                }
                return;
            }
        }
        self.step_carefully(step, active);
    }

    /// The slopes of a step's additions to `N` octets from `first` on; multiplies their denominators to the
    /// products.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn multiply_up<const N: usize>(
        &mut self,
        step: usize,
        first: usize,
        products: &mut [Eight; N],
    ) {
        let mut denominators = [vector::zero(); N];
        for i in 0..N {
            let octet = &self.octets[first + i];
            let items = self.items(octet, step);
            let (x, y) = gather(self.points, items);
            let sum = &self.sums[first + i];
            let mut denominator = vector::sub::<FqModulus, 4>(&x, &sum.x);
            let numerator = vector::sub::<FqModulus, 3>(&y, &sum.y);
            if step >= octet.shortest() {
                let one = vector::broadcast_words(ONE);
                denominator = vector::select(missing(items), &denominator, &one);
            }
            self.slopes[first + i] = Slope { before: products[i], denominator, numerator };
            denominators[i] = denominator;
        }
        *products = multiply_each(products, &denominators);
    }

    /// Asks for the points of a step to come, which lie anywhere in memory.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn prefetch(&self, octet: &Octet, step: usize) {
        let (steps, _) = self.schedule.items(octet).as_chunks::<8>();
        for item in steps.get(step).into_iter().flatten() {
            let point = self.points.as_ptr().wrapping_add((item & !NEGATIVE) as usize);
            // SAFETY: prefetching reads nothing, whatever the address.
            _mm_prefetch::<_MM_HINT_T1>(point.cast());
        }
    }

    /// Completes a step's additions to `N` octets, with the inverses of the products that include theirs;
    /// gives those of the products before.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn complete<const N: usize>(&mut self, step: usize, first: usize, inverses: &mut [Eight; N]) {
        for octet in &self.octets[first..first + N] {
            self.prefetch(octet, step + 1);
        }
        let mut before = [vector::zero(); N];
        let mut dx = [vector::zero(); N];
        let mut dy = [vector::zero(); N];
        for i in 0..N {
            let slope = &self.slopes[first + i];
            (before[i], dx[i], dy[i]) = (slope.before, slope.denominator, slope.numerator);
        }
        let own = multiply_each(inverses, &before);
        *inverses = multiply_each(inverses, &dx);
        let sums = &mut self.sums[first..first + N];
        let mut sum = [sums[0]; N];
        sum.copy_from_slice(sums);
        let mut results = add(&sum, &dx, &dy, &own);
        for i in 0..N {
            let octet = &self.octets[first + i];
            if step >= octet.shortest() {
                let missing = missing(self.items(octet, step));
                results[i] = Sum {
                    x: vector::select(missing, &results[i].x, &sum[i].x),
                    y: vector::select(missing, &results[i].y, &sum[i].y),
                };
            }
        }
        self.sums[first..first + N].copy_from_slice(&results);
    }
}

/// Products as [`vector::multiply`], side by side: one alone waits for its own intermediate results a third of
/// the time.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn multiply_each<const N: usize>(a: &[Eight; N], b: &[Eight; N]) -> [Eight; N] {
    let mut t = [[_mm512_setzero_si512(); 5]; N];
    round(&mut t, a, b, 0);
    round(&mut t, a, b, 1);
    round(&mut t, a, b, 2);
    round(&mut t, a, b, 3);
    round(&mut t, a, b, 4);
    let mut products = [vector::zero(); N];
    for n in 0..N {
        products[n] = vector::normalize(&Eight(t[n]));
    }
    products
}

/// Adds `a` times a limb of `b`, and what makes the lowest limb zero, which is then dropped.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn round<const N: usize>(t: &mut [[__m512i; 5]; N], a: &[Eight; N], b: &[Eight; N], limb: usize) {
    let zero = _mm512_setzero_si512();
    let p = FqModulus::LIMBS.map(|limb| _mm512_set1_epi64(limb.cast_signed()));
    let inverse = _mm512_set1_epi64(FqModulus::INVERSE_52.cast_signed());
    let mut m = [zero; N];
    for n in 0..N {
        let (a, b) = (&a[n].0, b[n].0[limb]);
        let t = &mut t[n];
        for i in 0..5 {
            t[i] = _mm512_madd52lo_epu64(t[i], a[i], b);
        }
        m[n] = _mm512_madd52lo_epu64(zero, t[0], inverse);
    }
    for n in 0..N {
        let (a, b) = (&a[n].0, b[n].0[limb]);
        let (t, m) = (&mut t[n], m[n]);
        let carry = _mm512_srli_epi64::<52>(_mm512_madd52lo_epu64(t[0], m, p[0]));
        for i in 0..4 {
            t[i] = _mm512_madd52hi_epu64(t[i + 1], a[i], b);
        }
        t[4] = _mm512_madd52hi_epu64(zero, a[4], b);
        for i in 0..4 {
            t[i] = _mm512_madd52lo_epu64(t[i], m, p[i + 1]);
        }
        for i in 0..5 {
            t[i] = _mm512_madd52hi_epu64(t[i], m, p[i]);
        }
        t[0] = _mm512_add_epi64(t[0], carry);
    }
    for t in t {
        keep_order(t);
    }
}

/// Does nothing, but what makes these limbs stays before what is made from them.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn keep_order(limbs: &mut [__m512i; 5]) {
    let [a, b, c, d, e] = limbs;
    // SAFETY: there is no instruction.
    unsafe {
        core::arch::asm!(
            "/* {0} {1} {2} {3} {4} */",
            inout(zmm_reg) * a,
            inout(zmm_reg) * b,
            inout(zmm_reg) * c,
            inout(zmm_reg) * d,
            inout(zmm_reg) * e,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Sums and points, given by the differences of their coordinates (4p more, and 3p more) and the inverses of
/// the first.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn add<const N: usize>(
    sums: &[Sum; N],
    dx: &[Eight; N],
    dy: &[Eight; N],
    inverses: &[Eight; N],
) -> [Sum; N] {
    const HIGHEST: i64 = (3 * FqModulus::LIMBS[4] + 8).cast_signed();
    let all = |word: u64| _mm512_set1_epi64(word.cast_signed());
    let slopes = multiply_each(dy, inverses);
    let squares = multiply_each(&slopes, &slopes);
    let mut results = *sums;
    let mut back = *dx;
    for n in 0..N {
        // slope^2 - x - x' is below 1.1 p and above -4.1 p; 5 p make it positive, where x' = dx + x - 4p.
        // Taking away 3p from what is above leaves less than 3.1 p; the highest limb, whose carry is pending,
        // is precise enough to tell.
        let (sum, dx) = (&sums[n].x.0, &dx[n].0);
        let mut x = squares[n].0;
        for i in 0..5 {
            let less = _mm512_add_epi64(_mm512_add_epi64(sum[i], sum[i]), dx[i]);
            x[i] = _mm512_sub_epi64(_mm512_add_epi64(x[i], all(9 * FqModulus::LIMBS[i])), less);
        }
        let above = _mm512_cmpgt_epi64_mask(x[4], _mm512_set1_epi64(HIGHEST));
        for i in 0..5 {
            x[i] = _mm512_mask_sub_epi64(x[i], above, x[i], all(3 * FqModulus::LIMBS[i]));
        }
        results[n].x = vector::normalize(&Eight(x));
        // x' less the new x, with the 4p that make it positive.
        for i in 0..5 {
            let x = results[n].x.0[i];
            back[n].0[i] = _mm512_sub_epi64(_mm512_add_epi64(back[n].0[i], sum[i]), x);
        }
        back[n] = vector::normalize(&back[n]);
    }
    let products = multiply_each(&slopes, &back);
    for n in 0..N {
        // slope (x' - x) - y' with y' = dy + y - 3p; y' is at most p.
        let mut y = products[n].0;
        for i in 0..5 {
            let less = _mm512_add_epi64(dy[n].0[i], sums[n].y.0[i]);
            y[i] = _mm512_sub_epi64(_mm512_add_epi64(y[i], all(4 * FqModulus::LIMBS[i])), less);
        }
        results[n].y = Eight(y);
    }
    results
}

/// The lanes that have no item.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn missing(items: &[u32; 8]) -> __mmask8 {
    // SAFETY: eight numbers are a vector; the load needs no alignment.
    let items = unsafe { _mm256_loadu_si256(items.as_ptr().cast()) };
    _mm256_cmpeq_epi32_mask(items, _mm256_set1_epi32(NONE.cast_signed()))
}

/// The coordinates of items: x below p, y at most p with carries pending; zeros where there is no item.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn gather(points: &[Point], items: &[u32; 8]) -> (Eight, Eight) {
    let mut rows = [_mm512_setzero_si512(); 8];
    for (row, item) in rows.iter_mut().zip(items) {
        if *item != NONE {
            let point = &points[(item & !NEGATIVE) as usize];
            // SAFETY: a point is eight words on a boundary of 64 bytes.
            *row = unsafe { _mm512_load_si512(point.0.as_ptr().cast()) };
        }
    }
    // SAFETY: as in `missing`.
    let items = unsafe { _mm256_loadu_si256(items.as_ptr().cast()) };
    let negative = _mm256_movepi32_mask(items);
    let [a, b, c, d, e, f, g, h] = vector::transpose(rows);
    let x = vector::from_words([a, b, c, d]);
    let mut y = vector::from_words([e, f, g, h]);
    for i in 0..5 {
        let p = _mm512_set1_epi64(FqModulus::LIMBS[i].cast_signed());
        y.0[i] = _mm512_mask_sub_epi64(y.0[i], negative, p, y.0[i]);
    }
    (x, y)
}

/// Stores reduced coordinates as eight points.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn store(x: &Eight, y: &Eight, points: &mut [Point]) {
    let ([a, b, c, d], [e, f, g, h]) = (vector::to_words(x), vector::to_words(y));
    for (point, row) in points.iter_mut().zip(vector::transpose([a, b, c, d, e, f, g, h])) {
        // SAFETY: a point is eight words on a boundary of 64 bytes.
        unsafe { _mm512_store_si512(point.0.as_mut_ptr().cast(), row) };
    }
}

/// The inverses of eight elements, with the points' factor, if none is zero.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn invert(elements: &Eight) -> Option<Eight> {
    let mut words = [[0; 4]; 8];
    vector::store(elements, &mut words);
    let elements = words.map(|words| to_fq(reduced::<FqModulus>(words)));
    let mut before = [Fq::ONE; 8];
    let mut product = Fq::ONE;
    for (before, element) in before.iter_mut().zip(&elements) {
        *before = product;
        product *= element;
    }
    // To the library an element is 16 times as large; 256 times the inverse of that has the factor again.
    let inverse: Option<Fq> = product.invert().into();
    let mut inverse = inverse? * Fq::from(256);
    for ((words, element), before) in words.iter_mut().zip(&elements).zip(&before).rev() {
        *words = of_fq(&(inverse * before));
        inverse *= element;
    }
    Some(vector::load(&words))
}
