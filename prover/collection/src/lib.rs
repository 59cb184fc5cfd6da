//! Committed collections: inputs, and labels where there are any, under one Poseidon Merkle root.
//!
//! A leaf is [`assay_arithmetic::poseidon::hash_leaf`] over an item's salt, label and bytes, a node
//! [`assay_arithmetic::poseidon::hash_node`]; leaves past the last item are 0. docs/collections.md gives every
//! byte, with an example.
//!
//! ```
//! use assay_collection::{Collection, SaltSeed};
//! use assay_graph::Dataset;
//!
//! // Three items of two bytes each; a real seed comes from `SaltSeed::random`.
//! let data = Dataset { inputs: vec![vec![1, 2], vec![3, 4], vec![5, 6]], labels: vec![0, 1, 1] };
//! let collection = Collection::commit(&data, [2, 1, 1], SaltSeed([7; 32]), None, &|| {})?;
//! assert_eq!((collection.len(), collection.depth()), (3, 2));
//!
//! // What the owner shows of it: item 1 and its path to the root.
//! let opening = collection.open(1)?;
//! opening.verify(&collection.root(), collection.depth())?;
//! # Ok::<(), assay_collection::CollectionError>(())
//! ```

#[cfg(test)]
mod example;
#[cfg(feature = "files")]
mod file;
pub mod merkle;
mod opening;
mod parallel;
#[cfg(feature = "files")]
pub mod sealed;
#[cfg(test)]
mod tests;

#[cfg(feature = "files")]
use std::path::PathBuf;

use halo2_proofs::halo2curves::bn256::Fr;
#[cfg(feature = "files")]
use rand_core::RngCore;

#[cfg(feature = "files")]
pub use file::{OpeningFile, ReadProgress};
pub use opening::{Item, Opening, RunOpening};

use assay_arithmetic::keccak256;
use assay_arithmetic::poseidon::{BYTES_PER_ELEMENT, pack_bytes};
#[cfg(feature = "files")]
use assay_files::FileError;
use assay_graph::{Dataset, Shape};
pub use merkle::smallest_depth;
use merkle::{MAX_DEPTH, Tree};

const SALT_DOMAIN: &[u8] = b"assay.item-salt.v1";

/// Inputs of one shape with their tree, as the owner keeps them. Secret.
pub struct Collection {
    shape: Shape,
    /// All inputs, one after another.
    inputs: Vec<u8>,
    /// Empty, or as many as inputs.
    labels: Vec<u32>,
    seed: SaltSeed,
    tree: Tree,
}

/// Secret from which the salt of every item is derived.
///
/// The salt of item `i` is the last 31 bytes, big-endian, of
/// `keccak256("assay.item-salt.v1" || seed || i as 8 bytes little-endian)`. Who knows some salts but
/// not the seed learns nothing of the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SaltSeed(pub [u8; 32]);

/// Why there is no collection.
#[derive(Debug, thiserror::Error)]
pub enum CollectionError {
    /// A set file cannot be read or written, or is damaged.
    #[cfg(feature = "files")]
    #[error(transparent)]
    File(#[from] FileError),
    /// There are no items, or items of no bytes.
    #[error("a collection needs at least one item")]
    Empty,
    /// An input is not as long as its shape says.
    #[error("item {index} has {actual} bytes, items of shape {shape:?} have {expected}")]
    Length {
        /// Position of the item, from 0.
        index: usize,
        /// Bytes of this item.
        actual: usize,
        /// Bytes of an input of the shape.
        expected: usize,
        /// Channels, height and width of all inputs.
        shape: Shape,
    },
    /// There are labels, but not one for each item.
    #[error("there are {items} items and {labels} labels")]
    Labels {
        /// Number of items.
        items: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A label does not fit 32 bits.
    #[error("item {index} has label {label}; labels are below 2^32")]
    Label {
        /// Position of the item, from 0.
        index: usize,
        /// Its label.
        label: usize,
    },
    /// No tree of this depth holds the items.
    #[error("a tree of depth {depth} does not hold {items} items; depths of {least} to {most} do")]
    Depth {
        /// Depth asked for; such a tree has `2^depth` leaves.
        depth: u32,
        /// Number of items.
        items: usize,
        /// Depth of the smallest tree that holds them.
        least: u32,
        /// Largest depth of any tree, [`merkle::MAX_DEPTH`].
        most: u32,
    },
    /// The collection has no item at this position.
    #[error("there is no item {index}; the collection has {items}, counted from 0")]
    Index {
        /// Position asked for, from 0.
        index: usize,
        /// Number of items of the collection.
        items: usize,
    },
    /// A file holds no opening, or one that contradicts itself.
    #[cfg(feature = "files")]
    #[error("{path} is not a usable opening: {problem}", path = .path.display())]
    OpeningContent {
        /// The file.
        path: PathBuf,
        /// What is wrong with its content.
        problem: String,
    },
    /// An opening's file cannot be read or written.
    #[cfg(feature = "files")]
    #[error("cannot {action} {path}: {source}", path = .path.display())]
    OpeningFile {
        /// The file, or the one to be made.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A run of items does not make up a subtree.
    #[error(transparent)]
    Run(#[from] OpeningError),
}

/// Why an opening does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    /// The path is not as long as the tree is deep.
    #[error("the path is {found} nodes long, the tree is {depth} deep")]
    Depth {
        /// Levels that the opening spans: its siblings and, for a run, its bits.
        found: usize,
        /// Depth of the tree.
        depth: u32,
    },
    /// The position is beyond the last node of its level.
    #[error("position {position} is outside a tree of {siblings} levels")]
    Position {
        /// Position of the leaf, or of the run among runs of its length, from 0.
        position: usize,
        /// Levels between that node and the root.
        siblings: usize,
    },
    /// The run is longer than the tree, or does not start at a multiple of its length.
    #[error("a run of 2^{bits} items starts at a multiple of that, not at {first}")]
    Start {
        /// Position of the run's first leaf, from 0.
        first: usize,
        /// Logarithm, to base 2, of the run's length.
        bits: u32,
    },
    /// The run has no items, or more than leaves.
    #[error("{found} items in a run of 2^{bits}; one to 2^{bits} are expected")]
    Items {
        /// Number of items given.
        found: usize,
        /// Logarithm, to base 2, of the run's length.
        bits: u32,
    },
    /// Label, input, salt, position or siblings are not those under this root.
    #[error("the path leads to another root: label, input, salt or position differ")]
    Root,
}

impl std::fmt::Debug for SaltSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SaltSeed(secret)")
    }
}

impl SaltSeed {
    /// A fresh seed from the operating system.
    #[cfg(feature = "files")]
    pub fn random() -> Self {
        let mut seed = [0u8; 32];
        rand_core::OsRng.fill_bytes(&mut seed);
        Self(seed)
    }

    /// Salt of item `index`.
    pub fn salt(&self, index: usize) -> Fr {
        let digest = keccak256(&[SALT_DOMAIN, &self.0, &(index as u64).to_le_bytes()]);
        let mut little_endian = digest;
        little_endian.reverse();
        // One element: 31 bytes are below the modulus.
        pack_bytes(little_endian.get(..BYTES_PER_ELEMENT).unwrap_or_default())
            .first()
            .copied()
            .unwrap_or_default()
    }
}

impl Collection {
    /// Commits to the inputs of `data`, in their order. `depth` is that of the tree, by default the
    /// smallest that holds them; `progress` is called, from several threads, for every leaf made.
    ///
    /// # Errors
    /// [`CollectionError`] unless there are items, all of `shape`, with a label each or none at all,
    /// and the depth holds them.
    pub fn commit(
        data: &Dataset,
        shape: Shape,
        seed: SaltSeed,
        depth: Option<u32>,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, CollectionError> {
        let items = data.inputs.len();
        let expected: usize = shape.iter().product();
        if let Some((index, input)) =
            data.inputs.iter().enumerate().find(|(_, input)| input.len() != expected)
        {
            return Err(CollectionError::Length { index, actual: input.len(), expected, shape });
        }
        let labels = data
            .labels
            .iter()
            .enumerate()
            .map(|(index, label)| {
                u32::try_from(*label).map_err(|_| CollectionError::Label { index, label: *label })
            })
            .collect::<Result<Vec<u32>, _>>()?;
        let depth = depth.unwrap_or_else(|| smallest_depth(items));
        Self::build(shape, data.inputs.concat(), labels, seed, depth, progress)
    }

    fn build(
        shape: Shape,
        inputs: Vec<u8>,
        labels: Vec<u32>,
        seed: SaltSeed,
        depth: u32,
        progress: &(dyn Fn() + Sync),
    ) -> Result<Self, CollectionError> {
        let size: usize = shape.iter().product();
        if size == 0 || inputs.is_empty() {
            return Err(CollectionError::Empty);
        }
        let items = inputs.len() / size;
        if !labels.is_empty() && labels.len() != items {
            return Err(CollectionError::Labels { items, labels: labels.len() });
        }
        let refused =
            CollectionError::Depth { depth, items, least: smallest_depth(items), most: MAX_DEPTH };
        if !(smallest_depth(items)..=MAX_DEPTH).contains(&depth) {
            return Err(refused);
        }
        let leaves = parallel::map_chunks(&inputs, size, |index, input| {
            let leaf = item(&labels, &seed, index, input).leaf();
            progress();
            leaf
        });
        let tree = Tree::build(leaves, depth).ok_or(refused)?;
        Ok(Self { shape, inputs, labels, seed, tree })
    }

    /// Root of the tree: one field element that commits to all items, in their order.
    pub fn root(&self) -> Fr {
        self.tree.root()
    }

    /// Depth of the tree, which has `2^depth` leaves; 1 to [`merkle::MAX_DEPTH`].
    pub fn depth(&self) -> u32 {
        self.tree.depth()
    }

    /// Channels, height and width of the inputs.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Items.
    pub fn len(&self) -> usize {
        self.inputs.len() / self.item_bytes()
    }

    /// Never: a collection holds at least one item.
    pub fn is_empty(&self) -> bool {
        self.inputs.is_empty()
    }

    /// One for each item, or none.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The item at `index`, from 0, with the salt that the seed gives it.
    ///
    /// # Errors
    /// [`CollectionError::Index`].
    pub fn item(&self, index: usize) -> Result<Item, CollectionError> {
        self.inputs
            .chunks_exact(self.item_bytes())
            .nth(index)
            .map(|input| item(&self.labels, &self.seed, index, input))
            .ok_or_else(|| CollectionError::Index { index, items: self.len() })
    }

    /// The item at `index`, from 0, with the path from its leaf to the root.
    ///
    /// # Errors
    /// [`CollectionError::Index`].
    pub fn open(&self, index: usize) -> Result<Opening, CollectionError> {
        let item = self.item(index)?;
        Ok(Opening { index, item, siblings: self.tree.siblings(0, index) })
    }

    /// Opens the `2^bits` leaves from `first`, a multiple of `2^bits`.
    ///
    /// # Errors
    /// [`CollectionError::Index`] when the run has no items, [`CollectionError::Run`] when it is not
    /// a subtree.
    pub fn open_run(&self, first: usize, bits: u32) -> Result<RunOpening, CollectionError> {
        let start = OpeningError::Start { first, bits };
        let length = Some(bits).filter(|bits| *bits <= self.depth()).map(|bits| 1u64 << bits);
        let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(start)?;
        if !first.is_multiple_of(length) {
            return Err(start.into());
        }
        let last = first.saturating_add(length).min(self.len());
        let items = (first..last.max(first.saturating_add(1)))
            .map(|index| self.item(index))
            .collect::<Result<_, _>>()?;
        Ok(RunOpening { first, bits, items, siblings: self.tree.siblings(bits, first >> bits) })
    }

    fn item_bytes(&self) -> usize {
        self.shape.iter().product::<usize>().max(1)
    }
}

fn item(labels: &[u32], seed: &SaltSeed, index: usize, input: &[u8]) -> Item {
    Item {
        input: input.to_vec(),
        label: labels.get(index).copied().unwrap_or(0),
        salt: seed.salt(index),
    }
}
