//! What is shown of a collection: one item, or a run of neighbouring items, against the root.

use halo2_proofs::halo2curves::bn256::Fr;

use super::{
    OpeningError,
    merkle::{root_above, root_of_run},
};
use assay_arithmetic::poseidon::hash_leaf;

/// An item as its leaf binds it. Secret until it is opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Item {
    /// `[channels, height, width]`, row-major.
    pub input: Vec<u8>,
    /// 0 in a collection without labels.
    pub label: u32,
    /// Hides label and input in the leaf; made from the owner's [`SaltSeed`](super::SaltSeed).
    pub salt: Fr,
}

impl Item {
    /// The item's leaf in the tree: [`hash_leaf`] over salt, label and input.
    pub fn leaf(&self) -> Fr {
        hash_leaf(self.salt, u64::from(self.label), &self.input)
    }
}

/// One item and the nodes that lead from its leaf to the root.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    /// Position of the item in the collection, from 0.
    pub index: usize,
    /// What the leaf binds.
    pub item: Item,
    /// Siblings on the way, that of the leaf first; as many as the tree is deep.
    pub siblings: Vec<Fr>,
}

/// The items of `2^bits` neighbouring leaves and the nodes that lead from their common node to the
/// root.
#[derive(Clone, PartialEq, Eq)]
pub struct RunOpening {
    /// A multiple of `2^bits`.
    pub first: usize,
    /// Logarithm, to base 2, of the number of leaves in the run; at most the tree's depth.
    pub bits: u32,
    /// At most `2^bits`; the leaves after them are 0.
    pub items: Vec<Item>,
    /// `depth - bits` siblings, the lowest first.
    pub siblings: Vec<Fr>,
}

impl Opening {
    /// The root of the tree that this item is in.
    ///
    /// # Errors
    /// [`OpeningError::Position`] when the index is not in a tree of that depth.
    pub fn root(&self) -> Result<Fr, OpeningError> {
        check_position(self.index, self.siblings.len())?;
        Ok(root_above(self.item.leaf(), self.index, &self.siblings))
    }

    /// Checks that the item is leaf [`Opening::index`] of the tree with this root and depth.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn verify(&self, root: &Fr, depth: u32) -> Result<(), OpeningError> {
        check_depth(self.siblings.len(), depth)?;
        check_root(self.root()?, root)
    }
}

impl RunOpening {
    /// Checks that the items are all items of the run's leaves in the tree with this root and
    /// depth.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn verify(&self, root: &Fr, depth: u32) -> Result<(), OpeningError> {
        let bits = self.bits as usize;
        check_depth(self.siblings.len().saturating_add(bits), depth)?;
        let position = self.first.checked_shr(self.bits).unwrap_or(0);
        if position.checked_shl(self.bits) != Some(self.first) {
            return Err(OpeningError::Start { first: self.first, bits: self.bits });
        }
        check_position(position, self.siblings.len())?;
        let leaves: Vec<Fr> = self.items.iter().map(Item::leaf).collect();
        let top = root_of_run(&leaves, self.bits)
            .ok_or(OpeningError::Items { found: leaves.len(), bits: self.bits })?;
        check_root(root_above(top, position, &self.siblings), root)
    }
}

fn check_depth(found: usize, depth: u32) -> Result<(), OpeningError> {
    if found != depth as usize {
        return Err(OpeningError::Depth { found, depth });
    }
    Ok(())
}

fn check_position(position: usize, siblings: usize) -> Result<(), OpeningError> {
    let beyond = u32::try_from(siblings).ok().and_then(|bits| position.checked_shr(bits));
    if beyond.unwrap_or(0) != 0 {
        return Err(OpeningError::Position { position, siblings });
    }
    Ok(())
}

fn check_root(found: Fr, expected: &Fr) -> Result<(), OpeningError> {
    if found != *expected {
        return Err(OpeningError::Root);
    }
    Ok(())
}
