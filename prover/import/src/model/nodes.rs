//! The import of a network: node by node.

use super::{
    FloatGraph, ImportError, ImportOptions, ends,
    importer::Importer,
    inputs::{self, Encoded},
    protobuf::{Node, Source},
    supported,
};

/// Larger graphs are refused.
const MAX_NODES: usize = 1 << 16;

#[cfg(test)]
pub(super) fn import(source: &Source, name: &str) -> Result<FloatGraph, ImportError> {
    import_with(source, name, &ImportOptions::default(), None)
}

/// `encoded` is how numbers become the bytes of the graph's input, if not one for one.
pub(super) fn import_with(
    source: &Source,
    name: &str,
    options: &ImportOptions,
    encoded: Option<Encoded>,
) -> Result<FloatGraph, ImportError> {
    let nodes = &source.graph()?.node;
    if nodes.len() > MAX_NODES {
        return Err(ImportError::Graph(format!(
            "it has {} nodes, at most {MAX_NODES} are imported",
            nodes.len()
        )));
    }
    match import_once(source, name, options, encoded.clone()) {
        // Something goes on behind a final operator: then it is kept.
        Err(ImportError::AfterEnd { .. }) if !options.keep_final => {
            let options = ImportOptions { keep_final: true, ..options.clone() };
            import_once(source, name, &options, encoded)
        }
        result => result,
    }
}

fn import_once(
    source: &Source,
    name: &str,
    options: &ImportOptions,
    encoded: Option<Encoded>,
) -> Result<FloatGraph, ImportError> {
    let mut importer = Importer::new(source, options, supported::add)?;
    let input = inputs::add(&mut importer, options, encoded)?;
    for node in &source.graph()?.node {
        supported::add(&mut importer, &Node::new(node))?;
    }
    ends::finish(importer, input, name, options)
}
