//! The import of a network: node by node.

use super::{
    FloatGraph, ImportError,
    importer::Importer,
    protobuf::{Node, Source},
    supported,
};
use assay_graph::{Shape, ValueEncoding};

/// Larger graphs are refused.
const MAX_NODES: usize = 1 << 16;

pub(super) fn import(source: &Source, name: &str) -> Result<FloatGraph, ImportError> {
    import_with(source, name, None)
}

/// `values` is how numbers, stored in that shape, become the bytes of the graph's input, if not one for one.
pub(super) fn import_with(
    source: &Source,
    name: &str,
    values: Option<(ValueEncoding, Shape)>,
) -> Result<FloatGraph, ImportError> {
    let nodes = &source.graph()?.node;
    if nodes.len() > MAX_NODES {
        return Err(ImportError::Graph(format!(
            "it has {} nodes, at most {MAX_NODES} are imported",
            nodes.len()
        )));
    }
    let mut importer = Importer::new(source)?;
    let input = importer.add_input(values)?;
    for node in nodes {
        supported::add(&mut importer, &Node::new(node))?;
    }
    importer.finish(input, name)
}
