//! Fast convolution over `f32` and `f64`, shared by the float model and the integer executor.
//!
//! The integer executor runs on `f64`: every product and every partial sum is an integer below
//! 2^53 in magnitude ([`super::QuantizedGraph::validate`] checks the bound for each output
//! channel), so each floating-point operation is exact, fused or not, in any order of summation.

use std::ops::AddAssign;

use ndarray::{ArrayView2, ArrayViewMut2, LinalgScalar, ShapeBuilder, linalg::general_mat_mul};
use rayon::prelude::*;

use super::{Shape, Window};

/// Positions that one pass of the matrix product takes times its depth: bounds the memory of the
/// unfolded input.
const UNFOLDED_ELEMENTS: usize = 1 << 21;

/// Below this number of output channels a group is computed directly, without unfolding.
const DIRECT_CHANNELS: usize = 3;

/// Shapes of one convolution; they fit together (see [`Window::output_size`]).
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// `[in_channels, height, width]`.
    pub input: Shape,
    /// `[out_channels, height, width]`.
    pub output: Shape,
    /// Kernel, steps and padding over the input's height and width.
    pub window: Window,
    /// Divides both numbers of channels; output channel `j` reads only the inputs of its group.
    pub groups: usize,
}

impl Geometry {
    fn positions(&self) -> usize {
        self.output[1] * self.output[2]
    }

    /// Products summed for one output element.
    fn depth(&self) -> usize {
        self.input[0] / self.groups * self.window.kernel[0] * self.window.kernel[1]
    }

    /// The input, seen as a matrix `[channels, positions]`, is the unfolded matrix already.
    fn is_matrix(&self) -> bool {
        self.window == Window::dense([1, 1]) || self.is_dense_layer()
    }

    /// One output position whose window is the whole input.
    fn is_dense_layer(&self) -> bool {
        self.positions() == 1
            && self.window.pads == [0; 4]
            && self.window.dilation == [1, 1]
            && self.window.kernel == [self.input[1], self.input[2]]
    }

    /// Output columns whose tap `tap` of axis `axis` falls on a real input element.
    fn covered(&self, axis: usize, tap: usize) -> (usize, usize) {
        let (stride, pad) = (self.window.stride[axis], self.window.pads[axis]);
        let offset = tap * self.window.dilation[axis];
        let first = pad.saturating_sub(offset).div_ceil(stride);
        let end = (self.input[axis + 1] + pad).saturating_sub(offset).div_ceil(stride);
        let end = end.min(self.output[axis + 1]);
        (first.min(end), end)
    }
}

/// Floating-point type of a convolution.
pub trait Scalar: LinalgScalar + Send + Sync + AddAssign {}

impl Scalar for f32 {}
impl Scalar for f64 {}

/// `acc[j, oh, ow] = sum w[j, k, a, b] * x[k, ...]`, without bias; padding is 0.
///
/// `weights` is `[out_channels, in_channels / groups, kernel_h, kernel_w]`, all row-major.
pub fn convolve<T: Scalar>(geometry: &Geometry, weights: &[T], input: &[T]) -> Vec<T> {
    let mut output = vec![T::zero(); geometry.output[0] * geometry.positions()];
    if geometry.is_dense_layer() && geometry.groups == 1 {
        output
            .par_iter_mut()
            .with_min_len(16)
            .zip(weights.par_chunks_exact(geometry.depth()))
            .for_each(|(out, row)| *out = dot(row, input));
    } else if geometry.output[0] / geometry.groups <= DIRECT_CHANNELS {
        direct(geometry, weights, input, &mut output);
    } else {
        unfolded(geometry, weights, input, &mut output);
    }
    output
}

fn dot<T: Scalar>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let mut lanes = [T::zero(); LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let mut total = T::zero();
    for (x, y) in a_blocks.remainder().iter().zip(b_blocks.remainder()) {
        total += *x * *y;
    }
    for (x, y) in a_blocks.zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for lane in lanes {
        total += lane;
    }
    total
}

/// One output channel at a time, tap by tap: for depthwise and other narrow groups.
fn direct<T: Scalar>(geometry: &Geometry, weights: &[T], input: &[T], output: &mut [T]) {
    let [in_channels, in_h, in_w] = geometry.input;
    let [out_channels, _, out_w] = geometry.output;
    let [kernel_h, kernel_w] = geometry.window.kernel;
    let in_group = in_channels / geometry.groups;
    let out_group = out_channels / geometry.groups;
    let plane = |out: &mut [T], j: usize| {
        for k in 0..in_group {
            let channel = j / out_group * in_group + k;
            let source = &input[channel * in_h * in_w..][..in_h * in_w];
            for a in 0..kernel_h {
                for b in 0..kernel_w {
                    let w = weights[((j * in_group + k) * kernel_h + a) * kernel_w + b];
                    let (first_row, end_row) = geometry.covered(0, a);
                    let (first, end) = geometry.covered(1, b);
                    if first == end {
                        continue;
                    }
                    for row in first_row..end_row {
                        let line = source_line(geometry, source, row, a);
                        add_scaled(
                            &mut out[row * out_w + first..row * out_w + end],
                            line,
                            first * geometry.window.stride[1] + b * geometry.window.dilation[1]
                                - geometry.window.pads[1],
                            geometry.window.stride[1],
                            w,
                        );
                    }
                }
            }
        }
    };
    output.par_chunks_mut(geometry.positions()).enumerate().for_each(|(j, out)| plane(out, j));
}

/// Line of the input plane that output row `row` reads at vertical tap `tap`.
fn source_line<'a, T>(geometry: &Geometry, plane: &'a [T], row: usize, tap: usize) -> &'a [T] {
    let line = row * geometry.window.stride[0] + tap * geometry.window.dilation[0]
        - geometry.window.pads[0];
    &plane[line * geometry.input[2]..][..geometry.input[2]]
}

fn add_scaled<T: Scalar>(out: &mut [T], line: &[T], start: usize, stride: usize, w: T) {
    if stride == 1 {
        for (o, x) in out.iter_mut().zip(&line[start..]) {
            *o += w * *x;
        }
    } else {
        for (o, x) in out.iter_mut().zip(line[start..].iter().step_by(stride)) {
            *o += w * *x;
        }
    }
}

/// Matrix product over the unfolded input, a range of positions at a time.
fn unfolded<T: Scalar>(geometry: &Geometry, weights: &[T], input: &[T], output: &mut [T]) {
    let positions = geometry.positions();
    let depth = geometry.depth();
    let out_group = geometry.output[0] / geometry.groups;
    let in_group = geometry.input[0] / geometry.groups;
    let in_plane = geometry.input[1] * geometry.input[2];
    let tasks = rayon::current_num_threads().div_ceil(geometry.groups);
    let rows = out_group.div_ceil(tasks).max(8);
    for (group, out) in output.chunks_mut(out_group * positions).enumerate() {
        let weights = &weights[group * out_group * depth..][..out_group * depth];
        let source = &input[group * in_group * in_plane..][..in_group * in_plane];
        let mut multiply = |matrix: &[T], pitch: usize, start: usize, count: usize| {
            out.par_chunks_mut(rows * positions).zip(weights.par_chunks(rows * depth)).for_each(
                |(out, weights)| {
                    let rows = weights.len() / depth;
                    let a = ArrayView2::from_shape((rows, depth), weights);
                    let b = ArrayView2::from_shape((depth, count).strides((pitch, 1)), matrix);
                    let c = ArrayViewMut2::from_shape(
                        (rows, count).strides((positions, 1)),
                        &mut out[start..],
                    );
                    if let (Ok(a), Ok(b), Ok(mut c)) = (a, b, c) {
                        general_mat_mul(T::one(), &a, &b, T::zero(), &mut c);
                    } else {
                        unreachable!("the slices are cut to the matrices' sizes");
                    }
                },
            );
        };
        if geometry.is_matrix() {
            multiply(source, positions, 0, positions);
            continue;
        }
        // Whole output lines, as many as the memory bound allows.
        let lines = (UNFOLDED_ELEMENTS / (depth * geometry.output[2])).clamp(1, geometry.output[1]);
        let mut matrix = vec![T::zero(); depth * lines * geometry.output[2]];
        for first_line in (0..geometry.output[1]).step_by(lines) {
            let lines = lines.min(geometry.output[1] - first_line);
            let count = lines * geometry.output[2];
            unfold(geometry, source, first_line, lines, &mut matrix[..depth * count]);
            multiply(&matrix[..depth * count], count, first_line * geometry.output[2], count);
        }
    }
}

/// Fills `matrix[depth, lines * out_width]` for output lines `first_line..first_line + lines`.
fn unfold<T: Scalar>(
    geometry: &Geometry,
    source: &[T],
    first_line: usize,
    lines: usize,
    matrix: &mut [T],
) {
    let [_, in_h, in_w] = geometry.input;
    let out_w = geometry.output[2];
    let [kernel_h, kernel_w] = geometry.window.kernel;
    let stride = geometry.window.stride[1];
    matrix.par_chunks_mut(lines * out_w).enumerate().for_each(|(tap, row)| {
        let (k, a, b) = (tap / kernel_w / kernel_h, tap / kernel_w % kernel_h, tap % kernel_w);
        let plane = &source[k * in_h * in_w..][..in_h * in_w];
        let (first_row, end_row) = geometry.covered(0, a);
        let (first, end) = geometry.covered(1, b);
        row.fill(T::zero());
        if first == end {
            return;
        }
        let start = first * stride + b * geometry.window.dilation[1] - geometry.window.pads[1];
        for out_row in first_row.max(first_line)..end_row.min(first_line + lines) {
            let line = source_line(geometry, plane, out_row, a);
            let target = &mut row[(out_row - first_line) * out_w..][first..end];
            if stride == 1 {
                target.copy_from_slice(&line[start..start + target.len()]);
            } else {
                for (t, x) in target.iter_mut().zip(line[start..].iter().step_by(stride)) {
                    *t = *x;
                }
            }
        }
    });
}
