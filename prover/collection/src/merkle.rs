//! The binary tree over leaves: nodes are [`hash_node`], leaves past the last item are 0.

use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

use assay_arithmetic::poseidon::hash_node;

use crate::parallel::map_chunks;

/// Largest depth of a tree.
pub const MAX_DEPTH: u32 = 32;

/// All nodes over the leaves that are there; what lies right of them is the same in every tree.
#[derive(Clone)]
pub struct Tree {
    /// From the leaves to the root; a level of `n` nodes is followed by one of `ceil(n / 2)`.
    levels: Vec<Vec<Fr>>,
    /// Root of a tree of zeros, by its depth.
    empty: Vec<Fr>,
}

/// Depth of the smallest tree for `leaves` leaves: `ceil(log2(leaves))`, at least 1.
pub fn smallest_depth(leaves: usize) -> u32 {
    leaves.max(2).next_power_of_two().trailing_zeros()
}

impl Tree {
    /// `None` unless there are leaves, at most `2^depth`, and the depth is 1 to [`MAX_DEPTH`].
    pub fn build(leaves: Vec<Fr>, depth: u32) -> Option<Self> {
        let fits = (1..=MAX_DEPTH).contains(&depth) && leaves.len() as u64 <= 1 << depth;
        if leaves.is_empty() || !fits {
            return None;
        }
        let empty: Vec<Fr> =
            std::iter::successors(Some(Fr::ZERO), |root| Some(hash_node(*root, *root)))
                .take(depth as usize)
                .collect();
        let mut levels = vec![leaves];
        for padding in &empty {
            let below = levels.last()?;
            let above = map_chunks(below, 2, |_, pair| match pair {
                [left, right] => hash_node(*left, *right),
                [left, ..] => hash_node(*left, *padding),
                [] => hash_node(*padding, *padding),
            });
            levels.push(above);
        }
        Some(Self { levels, empty })
    }

    /// Levels above the leaves, 1 to [`MAX_DEPTH`].
    pub fn depth(&self) -> u32 {
        self.empty.len() as u32
    }

    /// The one node of the uppermost level.
    pub fn root(&self) -> Fr {
        self.levels.last().and_then(|level| level.first()).copied().unwrap_or(Fr::ZERO)
    }

    /// Siblings on the way from the node at `position` of `level` (0 for leaves) to the root, the
    /// lowest first.
    pub fn siblings(&self, level: u32, position: usize) -> Vec<Fr> {
        let levels = self.levels.iter().zip(&self.empty).skip(level as usize);
        levels
            .enumerate()
            .map(|(height, (nodes, padding))| {
                let sibling = position.checked_shr(height as u32).unwrap_or(0) ^ 1;
                nodes.get(sibling).copied().unwrap_or(*padding)
            })
            .collect()
    }
}

/// Root above a node: bit `i` of `position`, from the least significant, says whether the node on
/// the way is the right one of its pair with `siblings[i]`.
pub fn root_above(node: Fr, position: usize, siblings: &[Fr]) -> Fr {
    siblings.iter().enumerate().fold(node, |node, (height, sibling)| {
        match position.checked_shr(height as u32).unwrap_or(0) & 1 {
            0 => hash_node(node, *sibling),
            _ => hash_node(*sibling, node),
        }
    })
}

/// Root of the subtree over `2^bits` leaves, those that are not given being 0.
pub fn root_of_run(leaves: &[Fr], bits: u32) -> Option<Fr> {
    match bits {
        0 => leaves.first().copied().filter(|_| leaves.len() == 1),
        _ => Tree::build(leaves.to_vec(), bits).map(|tree| tree.root()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: u64) -> Vec<Fr> {
        (0..count).map(|i| Fr::from(100 + i)).collect()
    }

    /// The tree with every leaf written out.
    fn full_root(mut nodes: Vec<Fr>, depth: u32) -> Fr {
        nodes.resize(1 << depth, Fr::ZERO);
        while nodes.len() > 1 {
            nodes = nodes.chunks(2).map(|pair| hash_node(pair[0], pair[1])).collect();
        }
        nodes[0]
    }

    #[test]
    fn depths_are_the_smallest_that_hold_the_leaves() {
        let depths = [1, 2, 3, 4, 5, 1024, 1025].map(smallest_depth);
        assert_eq!(depths, [1, 1, 2, 2, 3, 10, 11]);
    }

    #[test]
    fn padding_is_zero_leaves() {
        for (count, depth) in [(1, 1), (2, 1), (3, 2), (5, 3), (5, 5), (8, 3), (1, 4)] {
            let tree = Tree::build(leaves(count), depth).expect("a tree");
            assert_eq!(tree.depth(), depth);
            assert_eq!(tree.root(), full_root(leaves(count), depth), "{count} at {depth}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Tree::build(Vec::new(), 3).is_none());
        assert!(Tree::build(leaves(5), 2).is_none());
        assert!(Tree::build(leaves(1), 0).is_none());
        assert!(Tree::build(leaves(1), MAX_DEPTH + 1).is_none());
        assert!(Tree::build(leaves(1), MAX_DEPTH).is_some());
    }

    #[test]
    fn siblings_lead_to_the_root_from_every_level() {
        let tree = Tree::build(leaves(5), 4).expect("a tree");
        for (level, nodes) in tree.levels.iter().enumerate() {
            for (position, node) in nodes.iter().enumerate() {
                let siblings = tree.siblings(level as u32, position);
                assert_eq!(siblings.len(), 4 - level);
                assert_eq!(root_above(*node, position, &siblings), tree.root());
                if !siblings.is_empty() {
                    assert_ne!(root_above(*node, position ^ 1, &siblings), tree.root());
                }
            }
        }
    }

    #[test]
    fn runs_are_padded_subtrees() {
        let all = leaves(5);
        let tree = Tree::build(all.clone(), 3).expect("a tree");
        let last = root_of_run(&all[4..], 2).expect("a run");
        assert_eq!(root_above(last, 1, &tree.siblings(2, 1)), tree.root());
        assert_eq!(root_of_run(&all[4..], 0), Some(all[4]));
        assert!(root_of_run(&all, 0).is_none() && root_of_run(&all, 2).is_none());
        assert!(root_of_run(&[], 2).is_none());
    }
}
