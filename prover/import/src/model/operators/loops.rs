//! Loop with a number of turns that is known at import: its body becomes part of the graph as often.

use std::{collections::HashMap, rc::Rc};

use tract_onnx::pb::{GraphProto, NodeProto};

use super::{Constant, ImportError, Importer, Node, kinds, parts::Parts};

/// Most turns of one loop.
const MAX_TURNS: usize = 1 << 10;
/// Most nodes of all turns of all loops.
const MAX_NODES: usize = 1 << 16;
/// Deeper loops within loops are refused.
const MAX_DEPTH: usize = 4;

/// New names of a body's values.
type Names = HashMap<String, String>;

pub(in crate::model) fn unroll(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let body = node.attribute("body").and_then(|attribute| attribute.g.as_ref());
    let body = body.ok_or_else(|| node.error("`body` is missing"))?;
    let turns = known(importer, node, node.input(0), "how often it runs")?;
    let mut goes_on = known(importer, node, node.input(1), "whether it runs")? != Some(0.0);
    let mut state = node.inputs().get(2..).unwrap_or_default().to_vec();
    let scans = body.output.len().checked_sub(1 + state.len());
    let (true, Some(scans)) = (body.input.len() == 2 + state.len(), scans) else {
        return Err(node.error("its body has another number of inputs or outputs than it"));
    };
    if importer.loops >= MAX_DEPTH {
        return Err(node.error("loops within loops within loops"));
    }
    importer.loops += 1;
    let prefix = node.outputs().iter().find(|name| !name.is_empty()).map_or("", String::as_str);
    let mut names = Names::new();
    initialize(importer, node, body, prefix, &mut names)?;
    let mut scanned: Vec<Vec<String>> = vec![Vec::new(); scans];
    let mut turn = 0;
    while goes_on && turns.is_none_or(|turns| (turn as f64) < turns) {
        if turn >= MAX_TURNS {
            return Err(
                node.error(format!("more than {MAX_TURNS} turns; up to so many are unrolled"))
            );
        }
        let prefix = format!("{prefix}/{turn}");
        let outputs = one_turn(importer, node, body, (turn, &prefix), &state, names.clone())?;
        goes_on = known(importer, node, outputs.first().map(String::as_str), "whether it goes on")?
            != Some(0.0);
        for (scanned, output) in scanned.iter_mut().zip(&outputs[1 + state.len()..]) {
            scanned.push(output.clone());
        }
        state = outputs[1..=state.len()].to_vec();
        turn += 1;
    }
    importer.loops -= 1;
    let mut parts = Parts::new(importer, node);
    for (index, name) in state.iter().enumerate() {
        parts.bind(index, name)?;
        kinds::copy(parts.importer, name, node, index);
    }
    for (index, names) in scanned.iter().enumerate() {
        let index = state.len() + index;
        if node.outputs().get(index).is_some_and(|name| !name.is_empty()) {
            let all = stacked(&mut parts, node, names)?;
            parts.bind(index, &all)?;
            kinds::copy(parts.importer, names.first().map_or("", String::as_str), node, index);
        }
    }
    Ok(())
}

/// The number that decides about turns, if there is one; it must not depend on the input.
fn known(
    importer: &Importer<'_>,
    node: &Node<'_>,
    name: Option<&str>,
    what: &str,
) -> Result<Option<f64>, ImportError> {
    let Some(name) = name else { return Ok(None) };
    let number = importer.constants.get(name).and_then(|constant| constant.scalar());
    number.map(Some).ok_or_else(|| {
        node.error(format!(
            "{what} (`{name}`) depends on the network's input; export the network traced for inputs of one \
             shape, with as many turns for all of them"
        ))
    })
}

/// The constants of a body, under new names: once for all turns.
fn initialize(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    body: &GraphProto,
    prefix: &str,
    names: &mut Names,
) -> Result<(), ImportError> {
    for tensor in &body.initializer {
        let constant = importer.source.constant(tensor)?;
        importer.reserve(constant.values.len()).map_err(|problem| node.error(problem))?;
        let name = format!("{prefix}/{}", tensor.name);
        importer.data_types.insert(name.clone(), tensor.data_type);
        importer.constants.insert(name.clone(), Rc::new(constant));
        names.insert(tensor.name.clone(), name);
    }
    Ok(())
}

/// Adds the nodes of a body once; gives the names of its outputs.
fn one_turn(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    body: &GraphProto,
    (turn, prefix): (usize, &str),
    state: &[String],
    mut names: Names,
) -> Result<Vec<String>, ImportError> {
    for (index, number) in [turn as f64, 1.0].into_iter().enumerate() {
        let name = format!("{prefix}/{}", body.input[index].name);
        let constant = Constant { shape: Vec::new(), values: vec![number] };
        importer.constants.insert(name.clone(), Rc::new(constant));
        names.insert(body.input[index].name.clone(), name);
    }
    for (input, value) in body.input[2..].iter().zip(state) {
        names.insert(input.name.clone(), value.clone());
    }
    for inner in &body.node {
        importer.unrolled += 1;
        if importer.unrolled > MAX_NODES {
            return Err(node.error(format!("its turns have more than {MAX_NODES} nodes in all")));
        }
        let inner = renamed(inner, &mut names, prefix);
        (importer.add)(importer, &Node::new(&inner))?;
    }
    let name = |name: &String| names.get(name).unwrap_or(name).clone();
    Ok(body.output.iter().map(|output| name(&output.name)).collect())
}

/// The node with its outputs under new names, and its inputs as they are called now.
fn renamed(node: &NodeProto, names: &mut Names, prefix: &str) -> NodeProto {
    let mut node = node.clone();
    for input in &mut node.input {
        if let Some(name) = names.get(input) {
            input.clone_from(name);
        }
    }
    for graph in node.attribute.iter_mut().filter_map(|attribute| attribute.g.as_mut()) {
        rename_graph(graph, names.clone(), prefix);
    }
    for output in node.output.iter_mut().filter(|output| !output.is_empty()) {
        let name = format!("{prefix}/{output}");
        names.insert(std::mem::replace(output, name.clone()), name);
    }
    node
}

/// The same for a branch or a body within.
fn rename_graph(graph: &mut GraphProto, mut names: Names, prefix: &str) {
    let inputs = graph.input.iter_mut().map(|input| &mut input.name);
    for own in inputs.chain(graph.initializer.iter_mut().map(|tensor| &mut tensor.name)) {
        let name = format!("{prefix}/{own}");
        names.insert(std::mem::replace(own, name.clone()), name);
    }
    for node in &mut graph.node {
        *node = renamed(node, &mut names, prefix);
    }
    for output in &mut graph.output {
        if let Some(name) = names.get(&output.name) {
            output.name.clone_from(name);
        }
    }
}

/// What the turns gave, one after the other along a new first axis.
fn stacked(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    names: &[String],
) -> Result<String, ImportError> {
    if names.is_empty() {
        return Err(node.error("an output of all turns, of which there are none"));
    }
    let mut rows = Vec::with_capacity(names.len());
    for name in names {
        let shape = [vec![1], parts.shape(name)?].concat();
        let shape = parts.integers(&shape)?;
        rows.push(parts.op("Reshape", &[name, &shape], &[])?);
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    parts.op("Concat", &rows, &[super::parts::int("axis", 0)])
}
