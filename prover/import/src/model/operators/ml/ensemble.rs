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

/// Lists of a node, by their attribute's prefix.
struct Nodes<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    yes: &'a [i64],
    no: &'a [i64],
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
    let list = |name: &str| node.ints(name).unwrap_or_default();
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
    let mut values: HashMap<(i64, i64), Vec<(usize, f64)>> = HashMap::new();
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
        .map(|members| tree(node, &nodes, members, &values, features, &mut steps))
        .collect()
}

/// One tree, walked from its root: the first of its nodes.
fn tree(
    node: &Node<'_>,
    nodes: &Nodes<'_>,
    members: &[usize],
    values: &HashMap<(i64, i64), Vec<(usize, f64)>>,
    features: usize,
    steps: &mut usize,
) -> Result<Tree, ImportError> {
    let mut at: HashMap<i64, usize> = HashMap::new();
    for index in members {
        if at.insert(nodes.ids[*index], *index).is_some() {
            return Err(node.error(format!("node {} of a tree is there twice", nodes.ids[*index])));
        }
    }
    let mut tree = Tree::default();
    let mut open: Vec<(usize, Vec<Step>)> = vec![(members[0], Vec::new())];
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
        let (yes, no) = (child(nodes.yes)?, child(nodes.no)?);
        let bound = nodes.bounds[index];
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
