//! Tree ensembles: each condition is a step of one feature, a leaf is reached where the conditions
//! on its path hold, all of them: their number, a sum of zeros and ones, says that exactly.

use super::super::parts::int;
use super::{
    Dropped, FinalOperator, ImportError, Importer, Node, Parts, bind_both, bind_scores, ensemble,
    ensemble::{Leaf, Tree},
    features, labels, left_out,
    linear::{dense, gemm},
    numbers,
};

/// TreeEnsembleRegressor.
pub(in crate::model) fn regressor(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    if !left_out(node)?.is_empty() {
        return Err(node.error("a post_transform of a regressor's output is not supported"));
    }
    let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
    let mut trees = ensemble::read(importer, node, "target", features)?;
    match node.text("aggregate_function").unwrap_or("SUM") {
        "SUM" => {}
        "AVERAGE" => average(&mut trees),
        other => {
            return Err(node.error(format!(
                "aggregate_function `{other}` is not supported; SUM and AVERAGE are"
            )));
        }
    }
    let base = base_values(importer, node, targets)?;
    let mut parts = Parts::new(importer, node);
    let result = scores(&mut parts, node, (&input, features), &trees, base)?;
    parts.bind(0, &result)
}

/// TreeEnsemble, the newer operator.
pub(in crate::model) fn newer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    let left_out = match node.int("post_transform", 0) {
        0 => None,
        1 => Some(FinalOperator::Softmax),
        2 => Some(FinalOperator::Sigmoid),
        other => return Err(node.error(format!("post_transform {other} is not supported"))),
    };
    let mut trees = ensemble::read_newer(importer, node, features)?;
    match node.int("aggregate_function", 1) {
        0 => average(&mut trees),
        1 => {}
        other => return Err(node.error(format!("aggregate_function {other} is not supported"))),
    }
    let targets = usize::try_from(node.int("n_targets", 1)).unwrap_or(0);
    let base = base_values(importer, node, targets)?;
    let mut parts = Parts::new(importer, node);
    let result = scores(&mut parts, node, (&input, features), &trees, base)?;
    if let (Some(operator), Some(value)) = (left_out, parts.importer.values.get_mut(&result)) {
        let operators = vec![operator];
        value.dropped = Some(Dropped { node: node.name().into(), operators });
    }
    parts.bind(0, &result)
}

/// Each tree counts as much as it does in their mean.
fn average(trees: &mut [Tree]) {
    let count = trees.len() as f64;
    let leaves = trees.iter_mut().flat_map(|tree| &mut tree.leaves);
    leaves.flat_map(|leaf| &mut leaf.values).for_each(|(_, value)| *value /= count);
}

/// TreeEnsembleClassifier.
pub(in crate::model) fn classifier(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    let left_out = left_out(node)?;
    let (classes, _) = labels(node);
    let mut trees = ensemble::read(importer, node, "class", features)?;
    let values = || trees.iter().flat_map(|tree| &tree.leaves).flat_map(|leaf| &leaf.values);
    let first = values().next().map(|(class, _)| *class);
    let one_class = values().all(|(class, _)| Some(*class) == first);
    if classes != 2 || !one_class {
        let base = base_values(importer, node, classes)?;
        let mut parts = Parts::new(importer, node);
        let result = scores(&mut parts, node, (&input, features), &trees, base)?;
        return bind_scores(&mut parts, node, &result, left_out);
    }
    let positive = values().all(|(_, value)| *value >= 0.0);
    let base = match *numbers(importer, node, "base_values")?.as_slice() {
        [] => 0.0,
        [only] if first == Some(0) => only,
        ref all => {
            return Err(node.error(format!("{} base values for one score of two", all.len())));
        }
    };
    for leaf in trees.iter_mut().flat_map(|tree| &mut tree.leaves) {
        let total = leaf.values.iter().map(|(_, value)| value).sum();
        leaf.values = vec![(1, total)];
    }
    two_classes(importer, node, (&input, features), &trees, (base, positive, first == Some(0)))
}

/// Two classes with one score s. As onnxruntime does it: the label is the second where s is above 1/2,
/// or above 0 if not all weights are positive; the first score is 1 - s or -s to match, -s below a
/// sigmoid, and 0 where the weights are those of the second class.
fn two_classes(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    input: (&str, usize),
    trees: &[Tree],
    (base, positive, of_first): (f64, bool, bool),
) -> Result<(), ImportError> {
    let mut left_out = left_out(node)?;
    let label = (f64::from(u8::from(positive)), -1.0);
    let first = match left_out.as_slice() {
        _ if !of_first => (0.0, 0.0),
        [FinalOperator::Sigmoid] => (0.0, -1.0),
        _ => label,
    };
    if of_first && left_out == [FinalOperator::Softmax] {
        left_out.clear();
    }
    let mut parts = Parts::new(importer, node);
    let mut both = |(offset, factor): (f64, f64)| {
        let mut trees = trees.to_vec();
        for leaf in trees.iter_mut().flat_map(|tree| &mut tree.leaves) {
            let total = leaf.values.iter().map(|(_, value)| value).sum::<f64>();
            leaf.values.push((0, factor * total));
        }
        let base = vec![offset + factor * base, base];
        scores(&mut parts, node, input, &trees, base)
    };
    let result = both(first)?;
    if first == label {
        return bind_scores(&mut parts, node, &result, left_out);
    }
    let label = both(label)?;
    bind_both(&mut parts, node, [&label, &result], left_out)
}

fn base_values(
    importer: &Importer<'_>,
    node: &Node<'_>,
    outputs: usize,
) -> Result<Vec<f64>, ImportError> {
    if !(1..=1 << 16).contains(&outputs) {
        return Err(node.error(format!("{outputs} outputs")));
    }
    let mut base = numbers(importer, node, "base_values")?;
    if base.is_empty() {
        base = vec![0.0; outputs];
    }
    super::expect(node, "base_values", base.len(), outputs)?;
    Ok(base)
}

/// Sum of the values of the leaves that are reached, one for each entry of `base`, and `base`.
fn scores(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    (input, features): (&str, usize),
    trees: &[Tree],
    mut base: Vec<f64>,
) -> Result<String, ImportError> {
    let mut grown: Vec<&Tree> = Vec::new();
    for tree in trees {
        match tree.leaves.as_slice() {
            [only] if only.path.is_empty() => add(node, &mut base, only)?,
            _ => grown.push(tree),
        }
    }
    let (conditions, leaves) = grown.iter().fold((1, 1), |(conditions, leaves), tree| {
        (tree.conditions.len().max(conditions), tree.leaves.len().max(leaves))
    });
    if grown.is_empty() {
        return Err(node.error("no tree has a condition: its output is a constant"));
    }
    let count = grown.len();
    let rows = count.saturating_mul(conditions);
    let ends = count.saturating_mul(leaves);
    let cells = rows
        .saturating_mul(features)
        .saturating_add(ends.saturating_mul(conditions))
        .saturating_add(ends.saturating_mul(base.len()));
    parts.importer.reserve(cells).map_err(|problem| node.error(problem))?;

    // Each condition as `+-(x - bound) >= 0`; what fills a tree up is 0 >= 0 and is not asked for.
    let (mut select, mut bounds) = (vec![0.0; rows * features], vec![0.0; rows]);
    // For each leaf of a tree its conditions; it is reached when all of them are as they should be.
    let (mut paths, mut wanted) = (vec![0.0; ends * conditions], vec![-1.0; ends]);
    let mut values = vec![0.0; base.len() * ends];
    for (number, tree) in grown.iter().enumerate() {
        for (index, condition) in tree.conditions.iter().enumerate() {
            let row = number * conditions + index;
            let sign = if condition.at_least { 1.0 } else { -1.0 };
            select[row * features + condition.feature] = sign;
            bounds[row] = -sign * representable(condition.bound, condition.at_least);
        }
        for (index, leaf) in tree.leaves.iter().enumerate() {
            let end = number * leaves + index;
            let mut positive = 0usize;
            for (condition, holds) in &leaf.path {
                let weight = if *holds { 1.0 } else { -1.0 };
                paths[end * conditions + condition] = weight;
                positive += usize::from(*holds);
            }
            wanted[end] = 0.5 - positive as f64;
            for (output, value) in &leaf.values {
                let Some(slot) = base.get(*output).map(|_| output * ends + end) else {
                    return Err(node.error(format!("a leaf for output {output} of {}", base.len())));
                };
                values[slot] += value;
            }
        }
    }
    let selected = dense(parts, (input, features), select, bounds)?;
    let zero = parts.constant(&[], vec![0.0])?;
    let held = parts.op("GreaterOrEqual", &[&selected, &zero], &[])?;
    let reached = reached(parts, &held, [count, conditions, leaves], paths, wanted)?;
    let matrix = parts.constant(&[base.len(), ends], values)?;
    let bias = parts.constant(&[base.len()], base)?;
    gemm(parts, &reached, ends, &matrix, Some(&bias))
}

/// The float32 that divides all float32 as the bound does, which may have more digits.
fn representable(bound: f64, at_least: bool) -> f64 {
    let near = bound as f32;
    let wide = f64::from(near);
    match (wide < bound, wide > bound) {
        (true, _) if at_least => f64::from(near.next_up()),
        (_, true) if !at_least => f64::from(near.next_down()),
        _ => wide,
    }
}

/// For each leaf whether it is reached, from the conditions of its tree.
fn reached(
    parts: &mut Parts<'_, '_, '_>,
    held: &str,
    [count, conditions, leaves]: [usize; 3],
    paths: Vec<f64>,
    wanted: Vec<f64>,
) -> Result<String, ImportError> {
    let image = parts.integers(&[1, count * conditions, 1, 1])?;
    let image = parts.op("Reshape", &[held, &image], &[])?;
    let paths = parts.constant(&[count * leaves, conditions, 1, 1], paths)?;
    let wanted = parts.constant(&[count * leaves], wanted)?;
    let group = int("group", count as i64);
    let sums = parts.op("Conv", &[&image, &paths, &wanted], &[group])?;
    let zero = parts.constant(&[], vec![0.0])?;
    parts.op("GreaterOrEqual", &[&sums, &zero], &[])
}

/// Adds the values of a tree that is only a leaf.
fn add(node: &Node<'_>, base: &mut [f64], leaf: &Leaf) -> Result<(), ImportError> {
    for (output, value) in &leaf.values {
        let slot = base.get_mut(*output);
        *slot.ok_or_else(|| node.error(format!("a leaf for output {output}")))? += value;
    }
    Ok(())
}
