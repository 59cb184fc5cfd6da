//! Layers that move elements, or multiply and sum them, as the executor runs them.

use rayon::prelude::*;

/// Zeros between elements: `factor[1]` columns from one to the next, `factor[0]` lines.
pub(crate) fn spread(input: &[i32], width: usize, factor: [usize; 2]) -> Vec<i32> {
    let wide = width * factor[1];
    let mut output = vec![0; input.len() * factor[0] * factor[1]];
    for (line, values) in output.chunks_exact_mut(wide * factor[0]).zip(input.chunks_exact(width)) {
        line.iter_mut().step_by(factor[1]).zip(values).for_each(|(out, value)| *out = *value);
    }
    output
}

/// `[groups, channels, positions]` as `[groups, positions, channels]`.
pub(crate) fn transposed(input: &[i32], channels: usize, positions: usize) -> Vec<i32> {
    let group = |values: &[i32]| -> Vec<i32> {
        let column = |position: usize| values[position..].iter().step_by(positions);
        (0..positions).flat_map(column).copied().collect()
    };
    input.chunks_exact(channels * positions).flat_map(group).collect()
}

/// For each group `sum_e a[e, i] * b[e, t]`, row-major over `(i, t)`; the sizes are those of `e`, `i`
/// and `t`. Sums stay below 2^53 in a graph that is valid.
pub(crate) fn multiply([a, b]: [&[i32]; 2], [depth, rows, columns]: [usize; 3]) -> Vec<i64> {
    let groups = a.len() / (depth * rows);
    let mut sums = vec![0i64; groups * rows * columns];
    sums.par_chunks_mut(columns).enumerate().for_each(|(row, sums)| {
        let (group, row) = (row / rows, row % rows);
        for channel in group * depth..(group + 1) * depth {
            let factor = i64::from(a[channel * rows + row]);
            let others = &b[channel * columns..][..columns];
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += factor * i64::from(*other));
        }
    });
    sums
}

/// For each group of `depth` channels and each of `positions` the sum of `a * b`, row-major; with
/// `planes` for each group alone. Sums stay below 2^53 in a graph that is valid.
pub(crate) fn dot([a, b]: [&[i32]; 2], [depth, positions]: [usize; 2], planes: bool) -> Vec<i64> {
    let size = depth * positions;
    let product = |(a, b): (&i32, &i32)| i64::from(*a) * i64::from(*b);
    let groups = a.chunks_exact(size).zip(b.chunks_exact(size));
    if planes {
        return groups.map(|(a, b)| a.iter().zip(b).map(product).sum()).collect();
    }
    let mut sums = vec![0i64; a.len() / depth];
    for (sums, (a, b)) in sums.chunks_exact_mut(positions).zip(groups) {
        for (a, b) in a.chunks_exact(positions).zip(b.chunks_exact(positions)) {
            sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, pair)| *sum += product(pair));
        }
    }
    sums
}
