//! The trees of an ensemble as they are written in a node: for each tree its leaves, each with the
//! conditions on the way to it.

use std::collections::{BTreeMap, HashMap};

use super::{ImportError, Importer, Node, expect, numbers};

/// Deeper trees are refused.
const MAX_DEPTH: usize = 64;
/// Bound on the conditions of all paths together: what a small file can name often.
const MAX_STEPS: usize = 1 << 22;

/// `x[feature] >= bound`, or `x[feature] <= bound`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Condition {
    pub feature: usize,
    pub bound: f64,
    pub at_least: bool,
}

/// Part of a path: a condition of the tree that holds, or does not.
pub(super) type Step = (usize, bool);

#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    pub path: Vec<Step>,
    /// For each output its value.
    pub values: Vec<(usize, f64)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tree {
    pub conditions: Vec<Condition>,
    pub leaves: Vec<Leaf>,
}

/// For each leaf, by the numbers of its tree and node, its values.
type Values = HashMap<(i64, i64), Vec<(usize, f64)>>;

/// Lists of a node, by their attribute's prefix.
struct Nodes {
    trees: Vec<i64>,
    ids: Vec<i64>,
    features: Vec<i64>,
    yes: Vec<i64>,
    no: Vec<i64>,
    modes: Vec<String>,
    bounds: Vec<f64>,
}

/// The trees of a node whose leaves are written in the lists that start with `prefix`.
pub(super) fn read(
    importer: &Importer<'_>,
    node: &Node<'_>,
    prefix: &str,
    features: usize,
) -> Result<Vec<Tree>, ImportError> {
    let list = |name: &str| node.ints(name).unwrap_or_default().to_vec();
    let nodes = Nodes {
        trees: list("nodes_treeids"),
        ids: list("nodes_nodeids"),
        features: list("nodes_featureids"),
        yes: list("nodes_truenodeids"),
        no: list("nodes_falsenodeids"),
        modes: node.strings("nodes_modes"),
        bounds: numbers(importer, node, "nodes_values")?,
    };
    let count = nodes.ids.len();
    expect(node, "nodes_treeids", nodes.trees.len(), count)?;
    expect(node, "nodes_featureids", nodes.features.len(), count)?;
    expect(node, "nodes_truenodeids", nodes.yes.len(), count)?;
    expect(node, "nodes_falsenodeids", nodes.no.len(), count)?;
    expect(node, "nodes_modes", nodes.modes.len(), count)?;
    expect(node, "nodes_values", nodes.bounds.len(), count)?;
    let name = |part: &str| format!("{prefix}_{part}");
    let (trees, ids) = (list(&name("treeids")), list(&name("nodeids")));
    let (outputs, weights) = (list(&name("ids")), numbers(importer, node, &name("weights"))?);
    expect(node, &name("treeids"), trees.len(), weights.len())?;
    expect(node, &name("nodeids"), ids.len(), weights.len())?;
    expect(node, &name("ids"), outputs.len(), weights.len())?;
    let mut values = Values::new();
    for (index, weight) in weights.iter().enumerate() {
        let output = usize::try_from(outputs[index]).unwrap_or(usize::MAX);
        values.entry((trees[index], ids[index])).or_default().push((output, *weight));
    }
    // By number of the tree; each with its nodes in the order of the file.
    let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, tree) in nodes.trees.iter().enumerate() {
        members.entry(*tree).or_default().push(index);
    }
    let mut steps = 0;
    members
        .values()
        .map(|members| {
            let mut at = HashMap::new();
            for index in members {
                let id = nodes.ids[*index];
                if at.insert(id, *index).is_some() {
                    return Err(node.error(format!("node {id} of a tree is there twice")));
                }
            }
            tree(node, &nodes, (members[0], &at), &values, features, &mut steps)
        })
        .collect()
}

/// The trees of a TreeEnsemble, the newer operator: its leaves have lists of their own.
pub(super) fn read_newer(
    importer: &Importer<'_>,
    node: &Node<'_>,
    features: usize,
) -> Result<Vec<Tree>, ImportError> {
    const MODES: [&str; 6] =
        ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
    let list = |name: &str| node.ints(name).unwrap_or_default().to_vec();
    let tensor = |name: &str| match node.attribute(name).and_then(|a| a.t.as_ref()) {
        Some(tensor) => importer.source.constant(tensor).map(|constant| constant.values),
        None => Err(node.error(format!("`{name}` is missing"))),
    };
    let (bounds, modes) = (tensor("nodes_splits")?, tensor("nodes_modes")?);
    let (weights, targets) = (tensor("leaf_weights")?, list("leaf_targetids"));
    let count = bounds.len();
    expect(node, "nodes_modes", modes.len(), count)?;
    expect(node, "nodes_featureids", list("nodes_featureids").len(), count)?;
    expect(node, "leaf_targetids", targets.len(), weights.len())?;
    // Leaves follow the nodes.
    let children = |ids: &str, leaves: &str| -> Result<Vec<i64>, ImportError> {
        let (children, leaf) = (list(ids), list(leaves));
        expect(node, ids, children.len(), count)?;
        expect(node, leaves, leaf.len(), count)?;
        let all = children.iter().zip(&leaf);
        let number = |(id, leaf): (&i64, &i64)| {
            if *leaf == 0 { *id } else { id.saturating_add(count as i64) }
        };
        Ok(all.map(number).chain(weights.iter().map(|_| 0)).collect())
    };
    let mode = |mode: &f64| {
        let name = MODES.get(*mode as usize);
        name.map(|name| (*name).to_owned())
            .ok_or_else(|| node.error(format!("the condition {mode} is not supported")))
    };
    let mut names = modes.iter().map(mode).collect::<Result<Vec<String>, ImportError>>()?;
    names.resize(count + weights.len(), "LEAF".into());
    let total = count + weights.len();
    let grown = |mut values: Vec<i64>| {
        values.resize(total, 0);
        values
    };
    let nodes = Nodes {
        trees: vec![0; total],
        ids: (0..total as i64).collect(),
        features: grown(list("nodes_featureids")),
        yes: children("nodes_truenodeids", "nodes_trueleafs")?,
        no: children("nodes_falsenodeids", "nodes_falseleafs")?,
        modes: names,
        bounds: bounds.into_iter().chain(weights.iter().map(|_| 0.0)).collect(),
    };
    let at: HashMap<i64, usize> =
        nodes.ids.iter().zip(0..).map(|(id, index)| (*id, index)).collect();
    let mut values = Values::new();
    for (index, weight) in weights.iter().enumerate() {
        let output = usize::try_from(targets[index]).unwrap_or(usize::MAX);
        values.insert((0, (count + index) as i64), vec![(output, *weight)]);
    }
    let mut steps = 0;
    list("tree_roots")
        .iter()
        .map(|root| {
            let root = usize::try_from(*root).ok().filter(|root| *root < total);
            let root = root.ok_or_else(|| node.error("a root that is no node"))?;
            tree(node, &nodes, (root, &at), &values, features, &mut steps)
        })
        .collect()
}

/// One tree, walked from its root.
fn tree(
    node: &Node<'_>,
    nodes: &Nodes,
    (root, at): (usize, &HashMap<i64, usize>),
    values: &Values,
    features: usize,
    steps: &mut usize,
) -> Result<Tree, ImportError> {
    let mut tree = Tree::default();
    let mut open: Vec<(usize, Vec<Step>)> = vec![(root, Vec::new())];
    while let Some((index, path)) = open.pop() {
        *steps = steps.saturating_add(path.len() + 1);
        // Nodes that lead back make the walk longer than any tree.
        if path.len() > MAX_DEPTH || *steps > MAX_STEPS {
            return Err(node.error(format!(
                "its trees are too large or no trees; up to {MAX_DEPTH} conditions on a path and \
                 {MAX_STEPS} on all are supported"
            )));
        }
        let mode = nodes.modes[index].as_str();
        if mode == "LEAF" {
            let key = (nodes.trees[index], nodes.ids[index]);
            let values = values.get(&key).cloned().unwrap_or_default();
            tree.leaves.push(Leaf { path, values });
            continue;
        }
        let feature = usize::try_from(nodes.features[index]).ok().filter(|at| *at < features);
        let feature = feature.ok_or_else(|| {
            node.error(format!("feature {} of {features}", nodes.features[index]))
        })?;
        let child = |ids: &[i64]| {
            at.get(&ids[index])
                .copied()
                .ok_or_else(|| node.error(format!("node {} of a tree is missing", ids[index])))
        };
        let (yes, no) = (child(&nodes.yes)?, child(&nodes.no)?);
        let (mode, bound) = beside_zero(mode, nodes.bounds[index]);
        let mut condition = |at_least| {
            tree.conditions.push(Condition { feature, bound, at_least });
            tree.conditions.len() - 1
        };
        let mut branch = |to: usize, more: &[Step]| {
            open.push((to, [path.as_slice(), more].concat()));
        };
        // Whether `condition` holds when the node's own condition does.
        match mode {
            "BRANCH_LEQ" | "BRANCH_GTE" | "BRANCH_LT" | "BRANCH_GT" => {
                let at_least = matches!(mode, "BRANCH_GTE" | "BRANCH_LT");
                let holds = matches!(mode, "BRANCH_LEQ" | "BRANCH_GTE");
                let condition = condition(at_least);
                branch(no, &[(condition, !holds)]);
                branch(yes, &[(condition, holds)]);
            }
            "BRANCH_EQ" | "BRANCH_NEQ" => {
                let (low, high) = (condition(true), condition(false));
                let (equal, other) = if mode == "BRANCH_EQ" { (yes, no) } else { (no, yes) };
                // Unequal is below, or above.
                branch(other, &[(low, false)]);
                branch(other, &[(high, false)]);
                branch(equal, &[(low, true), (high, true)]);
            }
            other => return Err(node.error(format!("the condition `{other}` is not known"))),
        }
    }
    Ok(tree)
}

/// LightGBM writes "up to 0" and "below 0" as bounds of 1e-35 on either side: the same comparisons with 0,
/// which an encoding of inputs can tell apart.
fn beside_zero(mode: &str, bound: f64) -> (&str, f64) {
    const NOTHING: f64 = 1e-30;
    if bound == 0.0 || bound.abs() > NOTHING {
        return (mode, bound);
    }
    let mode = match (mode, bound > 0.0) {
        ("BRANCH_LEQ" | "BRANCH_LT", true) => "BRANCH_LEQ",
        ("BRANCH_LEQ" | "BRANCH_LT", false) => "BRANCH_LT",
        ("BRANCH_GTE" | "BRANCH_GT", true) => "BRANCH_GT",
        ("BRANCH_GTE" | "BRANCH_GT", false) => "BRANCH_GTE",
        _ => return (mode, bound),
    };
    (mode, 0.0)
}

#[cfg(test)]
mod tests {
    use super::beside_zero;

    #[test]
    fn bounds_beside_zero_are_bounds_of_zero() {
        let holds = |mode: &str, x: f64, bound: f64| match mode {
            "BRANCH_LEQ" => x <= bound,
            "BRANCH_LT" => x < bound,
            "BRANCH_GTE" => x >= bound,
            _ => x > bound,
        };
        for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"] {
            for bound in [1e-35, -1e-35, 0.0, 0.5] {
                let (other, zero) = beside_zero(mode, bound);
                assert!(zero == 0.0 || zero == bound);
                for x in [-1.0, -1e-6, 0.0, 1e-6, 0.5, 1.0] {
                    assert_eq!(holds(other, x, zero), holds(mode, x, bound), "{mode} {x} {bound}");
                }
            }
        }
    }
}
