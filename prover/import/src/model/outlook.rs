//! What the file does with a value further on: it decides how values are stored.

use std::collections::HashMap;

use super::protobuf::{Node, Source};

/// Nodes looked at in a row.
const MAX_STEPS: usize = 32;

/// The first node that reads each value, and how many do.
pub(super) struct Outlook<'a> {
    readers: HashMap<&'a str, (Node<'a>, usize)>,
    output: Option<&'a str>,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        let graph = source.proto.graph.as_ref();
        let mut readers: HashMap<&str, (Node<'a>, usize)> = HashMap::new();
        for node in graph.iter().flat_map(|graph| &graph.node) {
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                readers.entry(name).or_insert((Node::new(node), 0)).1 += 1;
            }
        }
        let output = match graph.map(|graph| graph.output.as_slice()) {
            Some([output]) => Some(output.name.as_str()),
            _ => None,
        };
        Self { readers, output }
    }

    pub(super) fn is_read(&self, name: &str) -> bool {
        self.readers.contains_key(name)
    }

    pub(super) fn is_output(&self, name: &str) -> bool {
        self.output == Some(name)
    }

    /// The value reaches the network's output with nothing but changes of shape, and operators of
    /// which an import may leave out the last, on its way.
    pub(super) fn is_final(&self, name: &str) -> bool {
        let mut name = name;
        for _ in 0..MAX_STEPS {
            let next = match self.readers.get(name) {
                None => return self.output == Some(name),
                Some((node, 1)) if self.output != Some(name) => node,
                Some(_) => return false,
            };
            let passes = matches!(
                next.operator(),
                "Identity"
                    | "Cast"
                    | "Reshape"
                    | "Flatten"
                    | "Squeeze"
                    | "ArgMax"
                    | "Softmax"
                    | "LogSoftmax"
            );
            match next.outputs().first() {
                Some(output) if passes && next.input(0) == Some(name) => name = output,
                _ => return false,
            }
        }
        false
    }

    /// The value goes into a Softmax, after arithmetic at most.
    pub(super) fn leads_to_softmax(&self, name: &str) -> bool {
        let mut name = name;
        for _ in 0..MAX_STEPS {
            let Some((node, _)) = self.readers.get(name) else { return false };
            match node.operator() {
                "Softmax" => return true,
                "Add" | "Sub" | "Mul" | "Div" | "Where" | "Identity" | "Cast" | "Clip" | "Max"
                | "Reshape" | "Unsqueeze" | "Squeeze" => {}
                _ => return false,
            }
            let Some(output) = node.outputs().first() else { return false };
            name = output;
        }
        false
    }

    /// The axis that the first reader with an opinion takes as channels, of `rank` axes.
    pub(super) fn channel_axis(&self, name: &str, rank: usize) -> Option<usize> {
        let mut name = name;
        let mut axes: Vec<usize> = (0..rank).collect();
        for _ in 0..MAX_STEPS {
            let (node, _) = self.readers.get(name)?;
            match node.operator() {
                "MatMul" if node.input(0) == Some(name) => return axes.last().copied(),
                "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization"
                    if matches!(node.int("axis", -1), -1) =>
                {
                    return axes.last().copied();
                }
                "Conv" | "BatchNormalization" | "MaxPool" | "AveragePool" | "GlobalAveragePool"
                | "GlobalMaxPool" | "InstanceNormalization" | "GroupNormalization" => {
                    return axes.get(1).copied();
                }
                "Transpose" => {
                    let perm = node.ints("perm")?;
                    let moved = perm.iter().map(|axis| axes.get(usize::try_from(*axis).ok()?));
                    axes = moved.map(Option::<&usize>::copied).collect::<Option<_>>()?;
                }
                "Identity" | "Cast" | "Dropout" | "Relu" | "Add" | "Sub" | "Mul" | "Div"
                | "Sigmoid" | "Tanh" | "Gelu" | "Clip" => {}
                _ => return None,
            }
            name = node.outputs().first()?;
        }
        None
    }
}
