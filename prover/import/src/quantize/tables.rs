//! Which layers share a function table.
//!
//! The table of a function such as ReLU6 depends on the scale, so layers that share it share the
//! scale. One table for all of them would give all the scale of the layer with the widest range:
//! they are divided into a few classes of similar ranges instead.

use crate::model::{FloatGraph, FloatOp, Function};

/// Lowers scales until the layers of each function have at most `count` different ones. `scale` is
/// that of each group of tensors, `before` that of each layer before its function; groups that are
/// `fixed` stay as they are.
pub(super) fn share(
    graph: &FloatGraph,
    count: usize,
    group: &[usize],
    fixed: &[bool],
    scale: &mut [f64],
    before: &mut [f64],
) {
    let mut kinds: Vec<(&Function, Vec<usize>)> = Vec::new();
    for (index, layer) in graph.layers.iter().enumerate() {
        // A product has the scale that its factors give it.
        let own = scale_follows(&layer.op);
        let Some(function) = layer.op.function().filter(|f| !own && !f.is_homogeneous()) else {
            continue;
        };
        match kinds.iter_mut().find(|(kind, _)| *kind == function) {
            Some((_, layers)) => layers.push(index),
            None => kinds.push((function, vec![index])),
        }
    }
    let output = |index: usize| group[graph.layers[index].output];
    let mut classes = Vec::new();
    for (function, layers) in kinds {
        let attainable = |index: &usize| {
            let scale = if function.keeps_scale() { scale[output(*index)] } else { before[*index] };
            (scale, *index)
        };
        classes.extend(divide(layers.iter().map(attainable).collect(), count));
    }
    // Lowering one group may affect another function that writes to it: repeat until stable.
    loop {
        let mut changed = false;
        for class in &classes {
            let free = || class.iter().map(|index| output(*index)).filter(|group| !fixed[*group]);
            let least = free().map(|group| scale[group]).fold(f64::INFINITY, f64::min);
            let least_before = class.iter().map(|index| before[*index]);
            let least_before = least_before.fold(f64::INFINITY, f64::min);
            for group in free() {
                changed |= std::mem::replace(&mut scale[group], least) != least;
            }
            for index in class {
                before[*index] = least_before;
            }
        }
        if !changed {
            return;
        }
    }
}

/// Divides layers by the scale that each could have into at most `count` classes; each class gets
/// its least scale. Rounding noise relative to what a layer could have is summed over all layers
/// and made least.
fn divide(mut layers: Vec<(f64, usize)>, count: usize) -> Vec<Vec<usize>> {
    layers.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // Layers of one scale stay together: scales are few even where layers are many.
    let alike: Vec<&[(f64, usize)]> = layers.chunk_by(|a, b| a.0 == b.0).collect();
    let total = alike.len();
    let mut squares = vec![0.0];
    for (sum, layers) in alike.iter().enumerate() {
        squares.push(squares[sum] + layers.len() as f64 * layers[0].0.powi(2));
    }
    // A class of the scales `start..end`.
    let cost = |start: usize, end: usize| -> f64 {
        (squares[end] - squares[start]) / alike[start][0].0.powi(2)
    };
    // best[end] for the number of classes so far, and where the last of them starts.
    let mut best: Vec<f64> =
        (0..=total).map(|end| if end == 0 { 0.0 } else { cost(0, end) }).collect();
    let mut starts = vec![vec![0; total + 1]];
    for _ in 1..count.min(total) {
        let mut next = best.clone();
        let mut start = vec![0; total + 1];
        for end in 1..=total {
            for (cut, before) in best[..end].iter().enumerate() {
                let sum = before + cost(cut, end);
                if cut == 0 || sum < next[end] {
                    (next[end], start[end]) = (sum, cut);
                }
            }
        }
        best = next;
        starts.push(start);
    }
    let mut classes = Vec::new();
    let mut end = total;
    for start in starts.iter().rev() {
        if end == 0 {
            break;
        }
        let from = start[end];
        let class = alike[from..end].iter().copied().flatten();
        classes.push(class.map(|(_, index)| *index).collect());
        end = from;
    }
    classes
}

/// Layers without a factor that could take up a ratio of scales: the shift alone decides the scale
/// before the function.
pub(super) fn scale_follows(op: &FloatOp) -> bool {
    match op {
        FloatOp::Product { .. } | FloatOp::MatMul { .. } | FloatOp::Dot { .. } => true,
        // Otherwise the scale stays the input's, and nothing is shifted out.
        FloatOp::Transpose { function, .. } => !function.keeps_scale(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn layers_of_similar_scales_form_a_class() {
        let layers = || vec![(64.0, 0), (2.0, 1), (60.0, 2), (2.5, 3), (500.0, 4)];
        let sorted = |count| {
            let mut classes = divide(layers(), count);
            classes.iter_mut().for_each(|class| class.sort_unstable());
            classes.sort();
            classes
        };
        assert_eq!(sorted(1), [vec![0, 1, 2, 3, 4]]);
        assert_eq!(sorted(3), [vec![0, 2], vec![1, 3], vec![4]]);
        assert_eq!(sorted(9).len(), 5);
        assert_eq!(divide(vec![(2.0, 0), (2.0, 1), (3.0, 2)], 3).len(), 2);
        assert!(divide(Vec::new(), 3).is_empty());
    }
}
