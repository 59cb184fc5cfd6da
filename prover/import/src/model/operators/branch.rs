//! If with a condition that is known at import: the branch taken becomes part of the graph.

use std::rc::Rc;

use super::{ImportError, Importer, Node, kinds, required_constant};

/// Deeper branches within branches are refused.
const MAX_DEPTH: usize = 8;

pub(in crate::model) fn branch(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let condition = required_constant(importer, node, 0)?;
    let Some(condition) = condition.scalar() else {
        return Err(node.error("its condition is not one value"));
    };
    let name = if condition != 0.0 { "then_branch" } else { "else_branch" };
    let graph = node.attribute(name).and_then(|attribute| attribute.g.as_ref());
    let graph = graph.ok_or_else(|| node.error(format!("`{name}` is missing")))?;
    if importer.depth >= MAX_DEPTH {
        return Err(node.error("branches within branches within branches"));
    }
    importer.depth += 1;
    for tensor in &graph.initializer {
        let constant = importer.source.constant(tensor)?;
        importer.reserve(constant.values.len()).map_err(|problem| node.error(problem))?;
        importer.data_types.insert(tensor.name.clone(), tensor.data_type);
        importer.constants.insert(tensor.name.clone(), Rc::new(constant));
    }
    for inner in &graph.node {
        (importer.add)(importer, &Node::new(inner))?;
    }
    importer.depth -= 1;
    for (index, output) in graph.output.iter().enumerate().take(node.outputs().len()) {
        if let Some(constant) = importer.constants.get(&output.name).cloned() {
            importer.bind_constant_output(node, index, constant)?;
        } else {
            let value = importer.values.get(&output.name).cloned();
            let value = value.ok_or_else(|| super::unknown(node, &output.name))?;
            importer.bind_output(node, index, value)?;
        }
        kinds::copy(importer, &output.name, node, index);
    }
    Ok(())
}
