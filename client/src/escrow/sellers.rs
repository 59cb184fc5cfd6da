//! The sellers that an audit names: a Merkle tree of their addresses.

use alloy::{
    primitives::{Address, B256, keccak256},
    sol_types::SolValue,
};

/// Sellers, in the order of their leaves. A leaf is keccak256(keccak256(abi.encode(address))), a node
/// the hash of its children in ascending order; a node without a sibling goes up as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sellers(Vec<B256>);

impl Sellers {
    /// The tree of these sellers, whatever their order and however often one is there.
    pub fn new(sellers: &[Address]) -> Self {
        let mut leaves: Vec<B256> = sellers.iter().map(|seller| leaf(*seller)).collect();
        leaves.sort_unstable();
        leaves.dedup();
        Self(leaves)
    }

    /// What the terms carry: the root, and zero for nobody.
    pub fn root(&self) -> B256 {
        let mut level = self.0.clone();
        while level.len() > 1 {
            level = above(&level);
        }
        level.first().copied().unwrap_or_default()
    }

    /// The path from a seller to the root; `None` for one that is not named.
    pub fn path(&self, seller: Address) -> Option<Vec<B256>> {
        let mut at = self.0.iter().position(|node| *node == leaf(seller))?;
        let (mut level, mut path) = (self.0.clone(), Vec::new());
        while level.len() > 1 {
            path.extend(level.get(at ^ 1));
            level = above(&level);
            at /= 2;
        }
        Some(path)
    }
}

fn leaf(seller: Address) -> B256 {
    keccak256(keccak256(seller.abi_encode()))
}

/// The nodes over a level.
fn above(level: &[B256]) -> Vec<B256> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => parent(*left, *right),
            _ => pair.first().copied().unwrap_or_default(),
        })
        .collect()
}

fn parent(left: B256, right: B256) -> B256 {
    let (low, high) = if left < right { (left, right) } else { (right, left) };
    keccak256([low, high].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climb(seller: Address, path: &[B256]) -> B256 {
        path.iter().fold(leaf(seller), |node, sibling| parent(node, *sibling))
    }

    #[test]
    fn every_path_leads_to_the_root() {
        let sellers: Vec<Address> = (0..9).map(Address::with_last_byte).collect();
        for count in 1..=sellers.len() {
            let tree = Sellers::new(&sellers[..count]);
            for (index, seller) in sellers.iter().enumerate() {
                let path = tree.path(*seller);
                assert_eq!(path.is_some(), index < count);
                assert!(path.is_none_or(|path| climb(*seller, &path) == tree.root()));
            }
        }
    }

    #[test]
    fn one_seller_is_its_own_root_and_nobody_is_zero() {
        let seller = Address::with_last_byte(7);
        let tree = Sellers::new(&[seller, seller]);
        assert_eq!((tree.root(), tree.path(seller)), (leaf(seller), Some(Vec::new())));
        assert_eq!(Sellers::new(&[]).root(), B256::ZERO);
    }
}
