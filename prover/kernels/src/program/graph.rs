//! What the nodes of an expression graph are.

/// A value of a [`ProgramBuilder`](crate::ProgramBuilder)'s graph.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Node(pub(super) u32);

impl Node {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a node is; its operands have smaller indices.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Expression {
    /// The cell of this slot.
    Input(u32),
    /// Index into the constants.
    Constant(u32),
    Add(Node, Node),
    Sub(Node, Node),
    /// A constant is the first factor; it is at most (p - 1)/2.
    Mul(Node, Node),
    /// Never an operand of `Mul` or `Neg`.
    Neg(Node),
}

impl Expression {
    /// The nodes that it is made of.
    pub(super) fn operands(self) -> impl Iterator<Item = Node> {
        let (first, second) = match self {
            Self::Input(_) | Self::Constant(_) => (None, None),
            Self::Neg(a) => (Some(a), None),
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => (Some(a), Some(b)),
        };
        first.into_iter().chain(second)
    }
}
