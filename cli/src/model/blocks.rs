//! Layers by blocks: runs of layers whose names begin alike.

use std::ops::Range;

use serde::Serialize;

/// Networks of at most this many layers are shown layer by layer.
const FEW: usize = 32;
/// Blocks that a page or a terminal holds.
const MOST: usize = 48;

/// A run of layers, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Block {
    /// What the names of the layers have in common; the layer's own name where it stands alone.
    pub name: String,
    /// Index of the first layer.
    pub first: usize,
    /// Number of layers.
    pub layers: usize,
}

impl Block {
    pub(super) fn range(&self) -> Range<usize> {
        self.first..self.first + self.layers
    }
}

/// Blocks of a deep network, from the names of its layers; none of a network of few layers, or where
/// the names tell none.
///
/// A name's parts are separated by `/` (or, without any, by `.`), the last of them the layer's own. Of
/// all depths the deepest is taken at which there are few blocks, of two layers each on average.
pub(super) fn blocks<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Block> {
    let names: Vec<&str> = names.collect();
    if names.len() <= FEW {
        return Vec::new();
    }
    let separator = if names.iter().any(|name| name.contains('/')) { '/' } else { '.' };
    let paths: Vec<Vec<&str>> = names
        .iter()
        .map(|name| {
            let mut parts: Vec<&str> =
                name.split(separator).filter(|part| !part.is_empty()).collect();
            parts.pop();
            parts
        })
        .collect();
    let deepest = paths.iter().map(Vec::len).max().unwrap_or(0);
    let few =
        |blocks: &Vec<Block>| (2..=MOST).contains(&blocks.len()) && 2 * blocks.len() <= names.len();
    let at = |depth: usize| runs(&names, &paths, depth, separator);
    (1..=deepest).map(at).rfind(few).unwrap_or_default()
}

/// Runs of layers whose first `depth` parts are the same; a layer without parts stands alone.
fn runs(names: &[&str], paths: &[Vec<&str>], depth: usize, separator: char) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut before: &[&str] = &[];
    for (index, path) in paths.iter().enumerate() {
        let prefix = &path[..depth.min(path.len())];
        match blocks.last_mut() {
            Some(block) if !prefix.is_empty() && prefix == before => block.layers += 1,
            _ => {
                let name = match prefix {
                    [] => names[index].to_owned(),
                    parts => parts.join(&separator.to_string()),
                };
                blocks.push(Block { name, first: index, layers: 1 });
            }
        }
        before = prefix;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[String]) -> Vec<(String, usize, usize)> {
        let blocks = blocks(names.iter().map(String::as_str));
        blocks.into_iter().map(|block| (block.name, block.first, block.layers)).collect()
    }

    #[test]
    fn residual_blocks_are_told_apart() {
        let mut names = vec!["/conv1/Conv".to_owned()];
        for layer in 1..=4 {
            for block in 0..3 {
                for part in ["conv1/Conv", "conv2/Conv", "Add"] {
                    names.push(format!("/layer{layer}/layer{layer}.{block}/{part}"));
                }
            }
        }
        names.push("/fc/Gemm".to_owned());
        let blocks = found(&names);
        assert_eq!(blocks.len(), 14);
        assert_eq!(blocks[0], ("conv1".to_owned(), 0, 1));
        assert_eq!(blocks[2], ("layer1/layer1.1".to_owned(), 4, 3));
        assert_eq!(blocks.iter().map(|(_, _, layers)| layers).sum::<usize>(), names.len());
    }

    #[test]
    fn deeper_networks_have_larger_blocks() {
        let names: Vec<String> = (0..400)
            .map(|index| format!("stage{}.block{}.conv{}", index / 100, index / 4, index % 4))
            .collect();
        let blocks = found(&names);
        assert_eq!(blocks.len(), 4);
        assert_eq!(blocks[3], ("stage3".to_owned(), 300, 100));
    }

    #[test]
    fn names_without_parts_make_no_blocks() {
        let names: Vec<String> = (0..40).map(|index| format!("Conv_{index}")).collect();
        assert_eq!(found(&names), []);
        let few: Vec<String> = (0..8).map(|index| format!("a/b{index}")).collect();
        assert_eq!(found(&few), []);
    }
}
