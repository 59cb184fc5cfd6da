//! The transform, eight columns at a time.
//!
//! An element may grow to 84 p within a pass. Inputs are below 3 p and a product with a twiddle is below 2 p,
//! so two levels add 4 p; but where the twiddles are 1, the first two levels leave up to 12 p and each other
//! two add 9 p. With at most 14 levels that is below 66 p.

use core::arch::x86_64::*;

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use super::{
    Ifma,
    vector::{self, Eight},
};
use crate::{
    field::{FrModulus, LIMB, Modulus, limbs},
    transform::{
        Columns, LANES, Shape, Source, Spare, Transform, Transforms, Twist, across_portably,
        chunks, exceptions_of, powers, reversed, tree, twisted_tree,
    },
    words::{Words, of_fr, words, words_mut},
};

impl Transforms for Ifma {
    fn cell_factor(&self) -> Fr {
        Fr::from(16)
    }

    fn prepare(&self, log: u32, root: Fr) -> Box<dyn Transform> {
        let shape = Shape::new(log);
        if shape.rows() < LANES || shape.columns() < LANES {
            return crate::Scalar.prepare(log, root);
        }
        Box::new(Vectors::new(*self, shape, root))
    }

    fn across(&self, rows: &mut [Vec<Fr>], root: Fr, factors: &[Fr]) {
        const CHUNK: usize = 1 << 10;
        if rows.iter().any(|row| !row.len().is_multiple_of(LANES)) {
            return across_portably(rows, root, factors);
        }
        let log = rows.len().ilog2();
        let (twiddles, factors) = (twiddles(&tree(log, root)), twiddles(factors));
        chunks(rows, CHUNK).into_par_iter().for_each(|mut rows| {
            let mut block = vec![Block::default(); rows.len()];
            // SAFETY: `self` exists, so the instructions do.
            unsafe { across_chunk(&mut rows, &twiddles, &factors, &mut block) }
        });
    }
}

/// 16 times a factor, in 52-bit limbs: times an element, an element.
type Twiddle = [u64; 5];

fn twiddles(factors: &[Fr]) -> Vec<Twiddle> {
    let sixteen = Fr::from(16);
    factors.iter().map(|factor| limbs(of_fr(&(*factor * sixteen)))).collect()
}

/// Eight elements in memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Block([[u64; 8]; 5]);

/// Of one size, at least [`LANES`] rows and columns.
#[derive(Debug)]
struct Vectors {
    shape: Shape,
    column_tree: Vec<Fr>,
    plain_columns: Vec<Twiddle>,
    plain_rows: Vec<Twiddle>,
    /// Powers of the root by columns.
    steps: Vec<Fr>,
    blocks: Spare<Block>,
    /// That there are the instructions.
    _here: Ifma,
}

impl Vectors {
    fn new(here: Ifma, shape: Shape, root: Fr) -> Self {
        let column_tree = tree(shape.log_rows, root.pow_vartime([shape.columns() as u64]));
        let row_tree = tree(shape.log_columns, root.pow_vartime([shape.rows() as u64]));
        Self {
            shape,
            plain_columns: twiddles(&column_tree),
            plain_rows: twiddles(&row_tree),
            column_tree,
            steps: powers(Fr::ONE, root, shape.columns()),
            blocks: Spare::new(shape.rows().max(shape.columns())),
            _here: here,
        }
    }

    /// Loads eight columns of the source.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn load(&self, source: &Source<'_>, first_column: usize, block: &mut [Block]) {
        let shape = self.shape;
        let rows = block.iter_mut().enumerate();
        let start = |row| row * shape.columns() + first_column;
        match *source {
            Source::Coefficients { coefficients, ratio } => {
                let ratio = vector::broadcast_words(of_fr(&(ratio * Fr::from(16))));
                let pieces = coefficients.len().div_ceil(shape.len());
                let coefficients = words(coefficients);
                for (row, out) in rows {
                    let mut sum = vector::zero();
                    for piece in (0..pieces).rev() {
                        let next = load_up_to(coefficients, start(row) + piece * shape.len());
                        sum = if piece + 1 == pieces {
                            next
                        } else {
                            // Below 1.1 p for a sum below 3 p, and so again below 3 p.
                            vector::add(&vector::multiply::<FrModulus>(&sum, &ratio), &next)
                        };
                    }
                    put(out, &sum);
                }
            }
            Source::Small { values, exceptions } => {
                for (row, out) in rows {
                    let mut sum = vector::zero();
                    sum.0[0] = load_small(&values[start(row)..]);
                    put(out, &sum);
                }
                for exception in exceptions_of(exceptions, first_column, LANES) {
                    let mut difference = [Words::default(); LANES];
                    difference[exception.column - first_column] = of_fr(&exception.difference);
                    let out = &mut block[exception.row];
                    put(out, &vector::add(&get(out), &vector::load(&difference)));
                }
            }
            Source::Palette { indices, palette } => {
                let palette = words(palette);
                for (row, out) in rows {
                    put(out, &load_palette(palette, &indices[start(row)..]));
                }
            }
        }
    }

    /// One block of columns of the first pass.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn columns(
        &self,
        source: &Source<'_>,
        first_column: usize,
        tree: Tree<'_>,
        [starts, steps]: [&[Fr]; 2],
        block: &mut [Block],
        out: &mut [Words],
    ) {
        self.load(source, first_column, block);
        subtree(block, tree, 1);
        let sixteen_times = |factors: &[Fr]| {
            let factors: [Words; LANES] =
                std::array::from_fn(|lane| of_fr(&(factors[first_column + lane] * Fr::from(16))));
            vector::load(&factors)
        };
        let (mut factor, step) = (sixteen_times(starts), sixteen_times(steps));
        for (row, out) in out.as_chunks_mut().0.iter_mut().enumerate() {
            let element = vector::normalize(&get(&block[reversed(row, self.shape.log_rows)]));
            // Below 2 p, which is below 2^256.
            vector::store(&vector::multiply::<FrModulus>(&element, &factor), out);
            factor = vector::multiply::<FrModulus>(&factor, &step);
        }
    }

    /// One block of rows of the second pass.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn rows(
        &self,
        scratch: &[Words],
        first_row: usize,
        factors: Option<&[Twiddle]>,
        block: &mut [Block],
        out: &mut Columns<'_>,
    ) {
        let shape = self.shape;
        for (group, eight) in block.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let from = &scratch[(group * shape.rows() + first_row) * LANES..][..LANES * LANES];
            load_transposed(from.as_chunks().0, eight);
        }
        subtree(block, Tree { twiddles: &self.plain_rows, plain: true }, 1);
        for column in 0..shape.columns() {
            let element = vector::normalize(&get(&block[reversed(column, shape.log_columns)]));
            let element = match factors {
                None => vector::reduce::<FrModulus, 1>(&reduce_roughly(&element)),
                Some(factors) => vector::reduce::<FrModulus, 1>(&vector::multiply::<FrModulus>(
                    &element,
                    &vector::broadcast(&factors[column]),
                )),
            };
            if let Some(out) = out.row(column).first_chunk_mut() {
                vector::store(&element, out);
            }
        }
    }
}

impl Transform for Vectors {
    fn first_pass(&self, source: &Source<'_>, twist: &Twist, scratch: &mut [Words]) {
        let shape = self.shape;
        let plain = twist.input == Fr::ONE;
        let shifted;
        let tree = if plain {
            Tree { twiddles: &self.plain_columns, plain }
        } else {
            let shift = twist.input.pow_vartime([shape.columns() as u64]);
            shifted = twiddles(&twisted_tree(&self.column_tree, shift));
            Tree { twiddles: &shifted, plain }
        };
        let starts = powers(twist.scale, twist.input, shape.columns());
        let steps: Vec<Fr> = self.steps.iter().map(|step| *step * twist.output).collect();
        scratch.par_chunks_exact_mut(shape.rows() * LANES).enumerate().for_each_init(
            || self.blocks.take(),
            |block, (number, out)| {
                let block = &mut block[..shape.rows()];
                // SAFETY: `_here` exists, so the instructions do.
                unsafe { self.columns(source, number * LANES, tree, [&starts, &steps], block, out) }
            },
        );
    }

    fn second_pass(&self, scratch: &[Words], twist: &Twist, out: &mut [Words]) {
        let shape = self.shape;
        assert_eq!(out.len(), shape.len(), "output of a transform");
        let factors = (twist.output != Fr::ONE).then(|| {
            let ratio = twist.output.pow_vartime([shape.rows() as u64]);
            twiddles(&powers(Fr::ONE, ratio, shape.columns()))
        });
        Columns::of(out, shape.rows(), LANES).enumerate().for_each_init(
            || self.blocks.take(),
            |block, (number, mut out)| {
                let block = &mut block[..shape.columns()];
                // SAFETY: `_here` exists, so the instructions do.
                unsafe { self.rows(scratch, number * LANES, factors.as_deref(), block, &mut out) }
            },
        );
    }
}

/// Twiddles by nodes. Where it is `plain`, the first node of each level has the twiddle 1.
#[derive(Clone, Copy)]
struct Tree<'a> {
    twiddles: &'a [Twiddle],
    plain: bool,
}

/// From node `node` downwards, two levels at a time.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn subtree(block: &mut [Block], tree: Tree<'_>, node: usize) {
    let first = tree.plain && node.is_power_of_two();
    let quarter = block.len() / 4;
    if quarter == 0 {
        if let [a, b] = block {
            let (x, y) = (get(a), vector::normalize(&get(b)));
            let product = times(&y, &tree.twiddles[node]);
            put(a, &vector::add_raw(&x, &product));
            put(b, &vector::sub_raw::<FrModulus, 2>(&x, &product));
        }
        return;
    }
    let twiddles = [node, 2 * node, 2 * node + 1].map(|node| &tree.twiddles[node]);
    let (low, high) = block.split_at_mut(2 * quarter);
    let (a, b) = low.split_at_mut(quarter);
    let (c, d) = high.split_at_mut(quarter);
    for (((a, b), c), d) in a.iter_mut().zip(&mut *b).zip(&mut *c).zip(&mut *d) {
        if !first {
            butterfly([a, b, c, d], twiddles);
        } else if node == 1 {
            let inputs = [get(a), get(b), get(c), get(d)];
            butterfly_of_ones([a, b, c, d], inputs, twiddles[2]);
        } else {
            let reduced = |block: &Block| reduce_roughly(&vector::normalize(&get(block)));
            let inputs = [get(a), reduced(b), reduced(c), reduced(d)];
            butterfly_of_ones([a, b, c, d], inputs, twiddles[2]);
        }
    }
    if quarter > 1 {
        for (i, part) in [a, b, c, d].into_iter().enumerate() {
            subtree(part, tree, 4 * node + i);
        }
    }
}

/// Two levels: by the first twiddle at the upper one, by the other two at the lower one.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn butterfly([a, b, c, d]: [&mut Block; 4], [upper, left, right]: [&Twiddle; 3]) {
    let c_product = times(&vector::normalize(&get(c)), upper);
    let d_product = times(&vector::normalize(&get(d)), upper);
    let (a_in, b_in) = (get(a), get(b));
    let (sum, difference) =
        (vector::add(&b_in, &d_product), vector::sub::<FrModulus, 2>(&b_in, &d_product));
    let (sum, difference) = (times(&sum, left), times(&difference, right));
    let (low, high) =
        (vector::add_raw(&a_in, &c_product), vector::sub_raw::<FrModulus, 2>(&a_in, &c_product));
    put(a, &vector::add_raw(&low, &sum));
    put(b, &vector::sub_raw::<FrModulus, 2>(&low, &sum));
    put(c, &vector::add_raw(&high, &difference));
    put(d, &vector::sub_raw::<FrModulus, 2>(&high, &difference));
}

/// As [`butterfly`] where the first two twiddles are 1. The inputs but the first are below 3 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn butterfly_of_ones([a, b, c, d]: [&mut Block; 4], inputs: [Eight; 4], right: &Twiddle) {
    let [a_in, b_in, c_in, d_in] = inputs;
    let (low, high) =
        (vector::add_raw(&a_in, &c_in), vector::sub_raw::<FrModulus, 3>(&a_in, &c_in));
    let sum = vector::add_raw(&b_in, &d_in);
    let difference = times(&vector::sub::<FrModulus, 3>(&b_in, &d_in), right);
    put(a, &vector::add_raw(&low, &sum));
    put(b, &vector::sub_raw::<FrModulus, 6>(&low, &sum));
    put(c, &vector::add_raw(&high, &difference));
    put(d, &vector::sub_raw::<FrModulus, 2>(&high, &difference));
}

/// The product with a twiddle, below 2 p; the element is normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn times(element: &Eight, twiddle: &Twiddle) -> Eight {
    vector::multiply::<FrModulus>(element, &vector::broadcast(twiddle))
}

/// 2^97 divided by what the uppermost limb of p is at most.
const QUOTIENT: u64 = ((1 << 97) / (FrModulus::LIMBS[4] as u128 + 1)) as u64;
/// 2^260 - p.
const COMPLEMENT: [u64; 5] = {
    let p = FrModulus::LIMBS;
    [LIMB + 1 - p[0], LIMB - p[1], LIMB - p[2], LIMB - p[3], LIMB - p[4]]
};

/// Less the largest multiple of p that the uppermost limb shows to fit: below 1.01 p; normal to normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn reduce_roughly(element: &Eight) -> Eight {
    let all = |word: u64| _mm512_set1_epi64(word.cast_signed());
    // The limb is below 2^52, so the quotient below 85. The divisor is too large by one in 2^45.
    let scaled = _mm512_madd52hi_epu64(_mm512_setzero_si512(), element.0[4], all(QUOTIENT));
    let quotient = _mm512_srli_epi64::<45>(scaled);
    let mut t = element.0;
    for i in 0..5 {
        t[i] = _mm512_madd52lo_epu64(t[i], quotient, all(COMPLEMENT[i]));
    }
    for i in 0..4 {
        t[i + 1] = _mm512_madd52hi_epu64(t[i + 1], quotient, all(COMPLEMENT[i]));
    }
    let mut t = vector::normalize(&Eight(t));
    // Without `quotient` times 2^260.
    t.0[4] = _mm512_and_si512(t.0[4], all(LIMB));
    t
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn get(block: &Block) -> Eight {
    let at: *const __m512i = std::ptr::from_ref(block).cast();
    // SAFETY: a block is 5 vectors of 64 bytes and aligned as they are.
    Eight(unsafe {
        [
            _mm512_load_si512(at),
            _mm512_load_si512(at.add(1)),
            _mm512_load_si512(at.add(2)),
            _mm512_load_si512(at.add(3)),
            _mm512_load_si512(at.add(4)),
        ]
    })
}

#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn put(block: &mut Block, element: &Eight) {
    let at: *mut __m512i = std::ptr::from_mut(block).cast();
    // SAFETY: as in `get`.
    unsafe {
        for (i, limb) in element.0.into_iter().enumerate() {
            _mm512_store_si512(at.add(i), limb);
        }
    }
}

/// Eight elements from `start`, zero beyond the end.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn load_up_to(elements: &[Words], start: usize) -> Eight {
    let rest = elements.get(start..).unwrap_or_default();
    match rest.first_chunk() {
        Some(eight) => vector::load(eight),
        None => {
            let mut eight = [Words::default(); LANES];
            eight[..rest.len()].copy_from_slice(rest);
            vector::load(&eight)
        }
    }
}

/// Eight numbers, at least as many as there are in front of `values`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn load_small(values: &[u32]) -> __m512i {
    let eight: &[u32] = &values[..LANES];
    // SAFETY: 8 numbers of 4 bytes are 32 bytes; the load needs no alignment.
    _mm512_cvtepu32_epi64(unsafe { _mm256_loadu_si256(eight.as_ptr().cast()) })
}

/// The elements of a palette at the first eight indices.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn load_palette(palette: &[Words], indices: &[u16]) -> Eight {
    let indices = &indices[..LANES];
    vector::load(&std::array::from_fn(|lane| palette[usize::from(indices[lane])]))
}

/// From eight rows of eight elements to eight columns.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn load_transposed(rows: &[[Words; LANES]], out: &mut [Block; LANES]) {
    let rows: &[[Words; LANES]; LANES] = rows.first_chunk().expect("eight rows");
    for (pair, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        let two = |row: &[Words; LANES]| {
            let two: &[Words; 2] = &row.as_chunks().0[pair];
            // SAFETY: two elements are 64 bytes; the load needs no alignment.
            unsafe { _mm512_loadu_si512(two.as_ptr().cast()) }
        };
        let words = vector::transpose(rows.each_ref().map(two));
        put(&mut out[0], &vector::from_words([words[0], words[1], words[2], words[3]]));
        put(&mut out[1], &vector::from_words([words[4], words[5], words[6], words[7]]));
    }
}

/// [`Transforms::across`] for a piece of the rows, whole vectors.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn across_chunk(
    rows: &mut [&mut [Fr]],
    twiddles: &[Twiddle],
    factors: &[Twiddle],
    block: &mut [Block],
) {
    let log = rows.len().ilog2();
    for at in (0..rows[0].len()).step_by(LANES) {
        for (out, row) in block.iter_mut().zip(&*rows) {
            put(out, &load_up_to(words(row), at));
        }
        subtree(block, Tree { twiddles, plain: true }, 1);
        for (t, row) in rows.iter_mut().enumerate() {
            let element = vector::normalize(&get(&block[reversed(t, log)]));
            let element = vector::reduce::<FrModulus, 1>(&times(&element, &factors[t]));
            if let Some(out) = words_mut(row)[at..].first_chunk_mut() {
                vector::store(&element, out);
            }
        }
    }
}
