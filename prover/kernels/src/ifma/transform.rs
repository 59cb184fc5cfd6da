//! The transform, eight columns at a time.
//!
//! An element may grow to 84 p within a pass. Inputs are below 3 p and a product with a twiddle is below 2 p,
//! so two levels add 4 p; but where the twiddles are 1, the first two levels leave up to 12 p and each other
//! two add 9 p. With at most 14 levels ([`MOST_LEVELS`]) that is below 66 p.

mod factor;
mod memory;
mod tree;

use std::borrow::Cow;

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use super::{
    Ifma,
    vector::{self, Eight},
};
use crate::{
    field::FrModulus,
    transform::{
        Across, Columns, LANES, Shape, Source, Spare, Transform, Transforms, Twist,
        across_portably, chunks, exceptions_of, exceptions_of_row, powers, tree, twisted_tree,
    },
    words::{Words, of_fr, words, words_mut},
};
use factor::{EightFactors, Factor, reduce_roughly, times, times_each};
use memory::{Block, load_palette, load_small, load_transposed, load_up_to, prefetch};
use tree::{Tree, first_leaves};

/// Of a tree, so that its elements do not outgrow their limbs; two such passes are the field's largest transform.
const MOST_LEVELS: u32 = 14;
/// Elements that are worth a task of their own.
const TASK: usize = 1 << 12;
/// How many rows before its use an input of the first pass is asked for. The blocks' rows are too far apart in
/// memory for the processor to foresee.
const AHEAD: usize = 4;
/// The same for the output of the second pass.
const STORES_AHEAD: usize = 2;

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

    fn across(&self, rows: &mut [&mut [Fr]], across: Across<'_>) {
        let log = rows.len().ilog2();
        let whole = rows.iter().all(|row| row.len().is_multiple_of(LANES));
        if !(2..=MOST_LEVELS).contains(&log) || !whole {
            return across_portably(rows, across);
        }
        let plain = across.ratio == Fr::ONE;
        let twiddles = Factor::all(&twisted_tree(&tree(log, across.root), across.ratio));
        let factors = across.factors.map(Factor::all);
        let tree = Tree { twiddles: &twiddles, plain };
        chunks(rows, (TASK >> log).next_multiple_of(LANES).max(LANES)).into_par_iter().for_each(
            |mut rows| {
                let mut block = vec![Block::default(); rows.len()];
                // SAFETY: `self` exists, so the instructions do.
                unsafe { across_chunk(&mut rows, tree, factors.as_deref(), &mut block) }
            },
        );
    }
}

/// Of one size, at least [`LANES`] rows and columns.
#[derive(Debug)]
struct Vectors {
    shape: Shape,
    root: Fr,
    column_tree: Vec<Fr>,
    plain_columns: Vec<Factor>,
    plain_rows: Vec<Factor>,
    /// Powers of the root by blocks of columns.
    steps: Vec<EightFactors>,
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
            root,
            plain_columns: Factor::all(&column_tree),
            plain_rows: Factor::all(&row_tree),
            column_tree,
            steps: steps(shape, root, Fr::ONE),
            blocks: Spare::new(shape.rows().max(shape.columns())),
            _here: here,
        }
    }

    /// One block of columns of the first pass.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn columns(
        &self,
        source: &Source<'_>,
        number: usize,
        tree: Tree<'_>,
        twists: &Twists<'_>,
        block: &mut [Block],
        out: &mut [Words],
    ) {
        let shape = self.shape;
        let first_column = number * LANES;
        let start = |row| row * shape.columns() + first_column;
        match *source {
            Source::Coefficients { coefficients, ratio } => {
                let ratio = Factor::of(ratio);
                let coefficients = words(coefficients);
                let pieces = coefficients.len().div_ceil(shape.len());
                tree.top(block, |row, place| {
                    let at = start(row);
                    for piece in 0..pieces {
                        prefetch(coefficients, at + piece * shape.len() + AHEAD * shape.columns());
                    }
                    let sum = (0..pieces).rev().fold(vector::zero(), |sum, piece| {
                        let next = load_up_to(coefficients, at + piece * shape.len());
                        if piece + 1 == pieces {
                            next
                        } else {
                            // The product is below 2 p.
                            vector::add_raw(&times(&sum, &ratio), &next)
                        }
                    });
                    place.put(&sum);
                });
            }
            Source::Small { values, exceptions } => {
                let exceptions = exceptions_of(exceptions, number);
                tree.top(block, |row, place| {
                    let mut small = vector::zero();
                    small.0[0] = load_small(&values[start(row)..]);
                    for exception in exceptions_of_row(exceptions, row) {
                        let mut difference = [Words::default(); LANES];
                        difference[exception.column - first_column] = of_fr(&exception.difference);
                        small = vector::add_raw(&small, &vector::load(&difference));
                    }
                    place.put(&small);
                });
            }
            Source::Palette { indices, palette } => {
                let palette = words(palette);
                tree.top(block, |row, place| {
                    place.put(&load_palette(palette, &indices[start(row)..]));
                });
            }
        }
        self.store_twisted(number, tree, twists, block, out);
    }

    /// Does the lowest two levels of a block of columns and stores it, each element times its factor.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn store_twisted(
        &self,
        number: usize,
        tree: Tree<'_>,
        twists: &Twists<'_>,
        block: &mut [Block],
        out: &mut [Words],
    ) {
        let step = &twists.steps[number];
        // A factor for each of the four rows that are stored together.
        let mut factors: [Eight; 4] = std::array::from_fn(|i| {
            let base = vector::broadcast_words(of_fr(&twists.bases[i][number]));
            times_each(&base, &twists.lanes[i])
        });
        let out: &mut [[Words; LANES]] = out.as_chunks_mut().0;
        for j in 0..self.shape.rows() / 4 {
            let (four, rows) = tree.leaf(block, j);
            for ((element, factor), row) in four.iter().zip(&mut factors).zip(rows) {
                let element = vector::normalize(&element.get());
                // Below (1 + 66 * 2 / 84) p, which is below 3 p and 2^256.
                vector::store(&vector::multiply::<FrModulus>(&element, factor), &mut out[row]);
                *factor = times_each(factor, step);
            }
        }
    }

    /// One block of rows of the second pass.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn rows(
        &self,
        scratch: &[Words],
        first_row: usize,
        factors: Option<&[Factor]>,
        block: &mut [Block],
        out: &mut Columns<'_>,
    ) {
        let shape = self.shape;
        for (group, eight) in block.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let at = (group * shape.rows() + first_row) * LANES;
            for lane in 0..LANES {
                prefetch(scratch, at + (shape.rows() + lane) * LANES);
            }
            if let Some(rows) = scratch[at..].as_chunks().0.first_chunk() {
                load_transposed(rows, eight);
            }
        }
        let tree = Tree { twiddles: &self.plain_rows, plain: true };
        tree.top(block, |_, _| {});
        for j in 0..shape.columns() / 4 {
            let (four, columns) = tree.leaf(block, j);
            for (element, column) in four.iter().zip(columns) {
                prefetch(out.row((column + STORES_AHEAD) % shape.columns()), 0);
                let element = match factors {
                    None => reduce_roughly(&element.get()),
                    Some(factors) => times(&element.get(), &factors[column]),
                };
                if let Some(out) = out.row(column).first_chunk_mut() {
                    vector::store(&vector::reduce::<FrModulus, 1>(&element), out);
                }
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
            shifted = Factor::all(&twisted_tree(&self.column_tree, shift));
            Tree { twiddles: &shifted, plain }
        };
        let twists = Twists::new(self, twist);
        let blocks = scratch.par_chunks_exact_mut(shape.rows() * LANES).enumerate();
        blocks.with_min_len(TASK / LANES / shape.rows()).for_each_init(
            || self.blocks.take(),
            |block, (number, out)| {
                let block = &mut block[..shape.rows()];
                // SAFETY: `_here` exists, so the instructions do.
                unsafe { self.columns(source, number, tree, &twists, block, out) }
            },
        );
    }

    fn second_pass(&self, scratch: &[Words], twist: &Twist, out: &mut [Words]) {
        let shape = self.shape;
        assert_eq!(out.len(), shape.len(), "output of a transform");
        let factors = (twist.output != Fr::ONE).then(|| {
            let ratio = twist.output.pow_vartime([shape.rows() as u64]);
            Factor::all(&powers(Fr::ONE, ratio, shape.columns()))
        });
        let blocks = Columns::of(out, shape.rows(), LANES).enumerate();
        blocks.with_min_len(TASK / LANES / shape.columns()).for_each_init(
            || self.blocks.take(),
            |block, (number, mut out)| {
                let block = &mut block[..shape.columns()];
                // SAFETY: `_here` exists, so the instructions do.
                unsafe { self.rows(scratch, number * LANES, factors.as_deref(), block, &mut out) }
            },
        );
    }
}

/// `first * root^column`, by blocks of columns.
fn steps(shape: Shape, root: Fr, first: Fr) -> Vec<EightFactors> {
    let steps = powers(first, root, shape.columns());
    steps.as_chunks().0.iter().map(EightFactors::of).collect()
}

/// What the elements are multiplied by after the first pass: in row `j`, `scale` times
/// `input^column (output root^column)^j`. It is computed in four sequences, of a quarter of the rows each, so
/// that a product need not wait for the one before.
struct Twists<'a> {
    /// In the first row of each sequence and the first column of each block; times 16 for the vectors'
    /// multiplication.
    bases: [Vec<Fr>; 4],
    /// In the first row of each sequence, from the first column of a block to each of its columns.
    lanes: [EightFactors; 4],
    /// From a row to the next, by blocks.
    steps: Cow<'a, [EightFactors]>,
}

impl<'a> Twists<'a> {
    fn new(vectors: &'a Vectors, twist: &Twist) -> Self {
        let shape = vectors.shape;
        let rows = first_leaves(shape.log_rows).map(|row| [row as u64]);
        let ratios = rows.map(|row| twist.input * vectors.root.pow_vartime(row));
        let lanes = ratios.map(|ratio| {
            let powers = powers(Fr::ONE, ratio, LANES);
            EightFactors::of(&std::array::from_fn(|lane| powers[lane]))
        });
        let bases = std::array::from_fn(|i| {
            let first = twist.scale * Fr::from(16) * twist.output.pow_vartime(rows[i]);
            powers(first, ratios[i].pow_vartime([LANES as u64]), shape.columns() / LANES)
        });
        Self {
            bases,
            lanes,
            steps: if twist.output == Fr::ONE {
                Cow::Borrowed(&vectors.steps)
            } else {
                Cow::Owned(steps(shape, vectors.root, twist.output))
            },
        }
    }
}

/// [`Transforms::across`] for a piece of the rows, whole vectors of at least four rows.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn across_chunk(
    rows: &mut [&mut [Fr]],
    tree: Tree<'_>,
    factors: Option<&[Factor]>,
    block: &mut [Block],
) {
    for at in (0..rows[0].len()).step_by(LANES) {
        tree.top(block, |row, place| place.put(&load_up_to(words(rows[row]), at)));
        for j in 0..rows.len() / 4 {
            let (four, outputs) = tree.leaf(block, j);
            for (element, t) in four.iter().zip(outputs) {
                let element = match factors {
                    None => reduce_roughly(&element.get()),
                    Some(factors) => times(&element.get(), &factors[t]),
                };
                if let Some(out) = words_mut(rows[t])[at..].first_chunk_mut() {
                    vector::store(&vector::reduce::<FrModulus, 1>(&element), out);
                }
            }
        }
    }
}
