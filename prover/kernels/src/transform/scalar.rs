//! The portable transform.

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use super::{
    Across, Columns, LANES, Shape, Source, Spare, Transform, Transforms, Twist, exceptions_of,
    powers, reversed, tree, twisted_tree,
};
use crate::{
    Scalar,
    words::{Words, of_fr, to_fr},
};

impl Transforms for Scalar {
    fn cell_factor(&self) -> Fr {
        Fr::ONE
    }

    fn prepare(&self, log: u32, root: Fr) -> Box<dyn Transform> {
        Box::new(Portable::new(log, root))
    }

    fn across(&self, rows: &mut [&mut [Fr]], across: Across<'_>) {
        across_portably(rows, across);
    }
}

/// Of one size.
#[derive(Debug)]
struct Portable {
    shape: Shape,
    column_tree: Vec<Fr>,
    row_tree: Vec<Fr>,
    /// Powers of the root by columns.
    steps: Vec<Fr>,
    blocks: Spare<Fr>,
}

impl Portable {
    fn new(log: u32, root: Fr) -> Self {
        let shape = Shape::new(log);
        let column_root = root.pow_vartime([shape.columns() as u64]);
        let row_root = root.pow_vartime([shape.rows() as u64]);
        Self {
            shape,
            column_tree: tree(shape.log_rows, column_root),
            row_tree: tree(shape.log_columns, row_root),
            steps: powers(Fr::ONE, root, shape.columns()),
            blocks: Spare::new(shape.rows().max(shape.columns()) * LANES),
        }
    }

    /// Loads some columns of the source, the elements of a row beside each other.
    fn load(&self, source: &Source<'_>, first_column: usize, block: &mut [Fr]) {
        let shape = self.shape;
        let lanes = shape.column_lanes();
        let rows = block.chunks_exact_mut(lanes).enumerate();
        let start = |row| row * shape.columns() + first_column;
        match *source {
            Source::Coefficients { coefficients, ratio } => {
                let pieces = coefficients.len().div_ceil(shape.len());
                for (row, elements) in rows {
                    for (lane, element) in elements.iter_mut().enumerate() {
                        let at = start(row) + lane;
                        let mut pieces = (0..pieces)
                            .rev()
                            .filter_map(|piece| coefficients.get(at + piece * shape.len()));
                        let last = pieces.next().copied().unwrap_or(Fr::ZERO);
                        *element = pieces.fold(last, |sum, next| sum * ratio + next);
                    }
                }
            }
            Source::Small { values, exceptions } => {
                for (row, elements) in rows {
                    let values = &values[start(row)..][..lanes];
                    for (element, value) in elements.iter_mut().zip(values) {
                        *element = to_fr([u64::from(*value), 0, 0, 0]);
                    }
                }
                for exception in exceptions_of(exceptions, first_column / lanes) {
                    block[exception.row * lanes + exception.column - first_column] +=
                        exception.difference;
                }
            }
            Source::Palette { indices, palette } => {
                for (row, elements) in rows {
                    let indices = &indices[start(row)..][..lanes];
                    for (element, index) in elements.iter_mut().zip(indices) {
                        *element = palette[usize::from(*index)];
                    }
                }
            }
        }
    }
}

impl Transform for Portable {
    fn first_pass(&self, source: &Source<'_>, twist: &Twist, scratch: &mut [Words]) {
        let shape = self.shape;
        let (rows, lanes) = (shape.rows(), shape.column_lanes());
        let plain = twist.input == Fr::ONE;
        let shifted;
        let twiddles = if plain {
            &self.column_tree
        } else {
            let shift = twist.input.pow_vartime([shape.columns() as u64]);
            shifted = twisted_tree(&self.column_tree, shift);
            &shifted
        };
        let starts = powers(twist.scale, twist.input, shape.columns());
        scratch.par_chunks_exact_mut(rows * lanes).enumerate().for_each_init(
            || self.blocks.take(),
            |block, (number, out)| {
                let block = &mut block[..rows * lanes];
                let first_column = number * lanes;
                self.load(source, first_column, block);
                transform(block, lanes, twiddles, plain);
                let mut factors = starts[first_column..][..lanes].to_vec();
                let steps: Vec<Fr> = self.steps[first_column..][..lanes]
                    .iter()
                    .map(|step| *step * twist.output)
                    .collect();
                for (row, out) in out.chunks_exact_mut(lanes).enumerate() {
                    let elements = &block[reversed(row, shape.log_rows) * lanes..][..lanes];
                    for (lane, (out, element)) in out.iter_mut().zip(elements).enumerate() {
                        *out = of_fr(&(*element * factors[lane]));
                        factors[lane] *= steps[lane];
                    }
                }
            },
        );
    }

    fn second_pass(&self, scratch: &[Words], twist: &Twist, out: &mut [Words]) {
        let shape = self.shape;
        assert_eq!(out.len(), shape.len(), "output of a transform");
        let (columns, lanes, depth) = (shape.columns(), shape.row_lanes(), shape.column_lanes());
        let factors = (twist.output != Fr::ONE)
            .then(|| powers(Fr::ONE, twist.output.pow_vartime([shape.rows() as u64]), columns));
        Columns::of(out, shape.rows(), lanes).enumerate().for_each_init(
            || self.blocks.take(),
            |block, (number, mut out)| {
                let block = &mut block[..columns * lanes];
                for (group, elements) in block.chunks_exact_mut(lanes * depth).enumerate() {
                    let from = &scratch[(group * shape.rows() + number * lanes) * depth..]
                        [..lanes * depth];
                    for lane in 0..lanes {
                        for column in 0..depth {
                            elements[column * lanes + lane] = to_fr(from[lane * depth + column]);
                        }
                    }
                }
                transform(block, lanes, &self.row_tree, true);
                for column in 0..columns {
                    let elements = &block[reversed(column, shape.log_columns) * lanes..][..lanes];
                    for (out, element) in out.row(column).iter_mut().zip(elements) {
                        let scaled =
                            factors.as_ref().map_or(*element, |all| *element * all[column]);
                        *out = of_fr(&scaled);
                    }
                }
            },
        );
    }
}

/// Transforms `lanes` interleaved columns; the outputs are [`reversed`].
fn transform(block: &mut [Fr], lanes: usize, twiddles: &[Fr], plain: bool) {
    subtree(block, lanes, twiddles, 1, plain);
}

/// From node `node` downwards. Where the tree is `plain`, the first node of each level has the twiddle 1.
fn subtree(block: &mut [Fr], lanes: usize, twiddles: &[Fr], node: usize, plain: bool) {
    if block.len() <= lanes {
        return;
    }
    let (low, high) = block.split_at_mut(block.len() / 2);
    if plain && node.is_power_of_two() {
        for (a, b) in low.iter_mut().zip(&mut *high) {
            (*a, *b) = (*a + *b, *a - *b);
        }
    } else {
        let twiddle = twiddles[node];
        for (a, b) in low.iter_mut().zip(&mut *high) {
            let product = *b * twiddle;
            (*a, *b) = (*a + product, *a - product);
        }
    }
    subtree(low, lanes, twiddles, 2 * node, plain);
    subtree(high, lanes, twiddles, 2 * node + 1, plain);
}

/// [`Transforms::across`].
pub(crate) fn across_portably(rows: &mut [&mut [Fr]], across: Across<'_>) {
    const CHUNK: usize = 1 << 10;
    let log = rows.len().ilog2();
    let plain = across.ratio == Fr::ONE;
    let twiddles = twisted_tree(&tree(log, across.root), across.ratio);
    chunks(rows, CHUNK).into_par_iter().for_each(|mut rows| {
        let count = rows.len();
        let mut column = vec![Fr::ZERO; count];
        for at in 0..rows[0].len() {
            for (element, row) in column.iter_mut().zip(&rows) {
                *element = row[at];
            }
            transform(&mut column, 1, &twiddles, plain);
            for (t, row) in rows.iter_mut().enumerate() {
                let element = column[reversed(t, log)];
                row[at] = across.factors.map_or(element, |factors| element * factors[t]);
            }
        }
    });
}

/// Pieces of all rows: the first `length` elements of each, the next ones, and so on.
pub(crate) fn chunks<'a>(rows: &'a mut [&mut [Fr]], length: usize) -> Vec<Vec<&'a mut [Fr]>> {
    let mut rows: Vec<_> = rows.iter_mut().map(|row| row.chunks_mut(length)).collect();
    let mut chunks = Vec::new();
    while let Some(chunk) = rows.iter_mut().map(Iterator::next).collect::<Option<Vec<_>>>() {
        chunks.push(chunk);
    }
    chunks
}
