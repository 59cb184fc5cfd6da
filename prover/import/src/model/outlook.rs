//! What the file does with a value further on: it decides how values are stored.

use std::collections::{HashMap, HashSet};

use super::protobuf::{Node, Source};

/// Nodes looked at in a row.
const MAX_STEPS: usize = 32;

/// The nodes that read each value.
pub(super) struct Outlook<'a> {
    readers: HashMap<&'a str, Vec<Node<'a>>>,
    made: HashSet<&'a str>,
    outputs: Vec<&'a str>,
    keep_final: bool,
}

impl<'a> Outlook<'a> {
    pub(super) fn new(source: &'a Source, keep_final: bool) -> Self {
        let graph = source.proto.graph.as_ref();
        let mut readers: HashMap<&str, Vec<Node<'a>>> = HashMap::new();
        let mut made = HashSet::new();
        for node in graph.iter().flat_map(|graph| &graph.node) {
            for name in node.input.iter().filter(|name| !name.is_empty()) {
                readers.entry(name).or_default().push(Node::new(node));
            }
            made.extend(node.output.iter().map(String::as_str));
        }
        let outputs = graph.iter().flat_map(|graph| &graph.output);
        let outputs = outputs.map(|output| output.name.as_str()).collect();
        Self { readers, made, outputs, keep_final }
    }

    /// A part of a node stands for the node.
    fn whole<'n>(&self, name: &'n str) -> &'n str {
        match name.rsplit_once('/') {
            Some((node, _)) if !self.is_known(name) => node,
            _ => name,
        }
    }

    pub(super) fn is_read(&self, name: &str) -> bool {
        self.readers.contains_key(name)
    }

    pub(super) fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(&name)
    }

    /// A node of the file makes the value; others are made by what nodes are taken apart into.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.made.contains(name)
    }

    /// The value reaches the network's outputs with nothing but changes of shape, and operators of
    /// which an import may leave out the last, on its way.
    pub(super) fn is_final(&self, name: &str) -> bool {
        let mut left = vec![name];
        for _ in 0..MAX_STEPS {
            let Some(name) = left.pop() else { return true };
            let readers = self.readers.get(name).map_or(&[][..], Vec::as_slice);
            if readers.is_empty() && !self.is_output(name) {
                return false;
            }
            for next in readers {
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
                        | "ZipMap"
                        | "Normalizer"
                        | "ArrayFeatureExtractor"
                        | "LabelEncoder"
                );
                match next.outputs().first() {
                    Some(output) if passes => left.push(output),
                    _ => return false,
                }
            }
        }
        left.is_empty()
    }

    /// The numbers of final operators are wanted: none is left out.
    pub(super) fn keeps_final(&self) -> bool {
        self.keep_final
    }

    /// The same, of an operator that an import leaves out unless its numbers are wanted.
    pub(super) fn may_leave_out(&self, name: &str) -> bool {
        !self.keep_final && self.is_final(name)
    }

    /// The value goes into a Softmax, after arithmetic at most.
    pub(super) fn leads_to_softmax(&self, name: &str) -> bool {
        let mut name = self.whole(name);
        for _ in 0..MAX_STEPS {
            let Some(node) = self.readers.get(name).and_then(|nodes| nodes.first()) else {
                return false;
            };
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
            let node = self.readers.get(name)?.first()?;
            match node.operator() {
                "MatMul" if node.input(0) == Some(name) => return axes.last().copied(),
                "LayerNormalization" | "RMSNormalization" | "SimplifiedLayerNormalization"
                    if matches!(node.int("axis", -1), -1) =>
                {
                    return axes.last().copied();
                }
                "Conv"
                | "BatchNormalization"
                | "MaxPool"
                | "AveragePool"
                | "GlobalAveragePool"
                | "GlobalMaxPool"
                | "InstanceNormalization"
                | "GroupNormalization" => {
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
