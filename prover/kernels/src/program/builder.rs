//! Expression graphs without duplicates.

use std::collections::HashMap;

use halo2curves::{bn256::Fr, ff::Field};

use crate::program::{
    code::Program,
    graph::{Expression, Node},
    lowering,
};
use crate::words::{Words, of_fr};

/// Builds a program: an expression graph without duplicates. Constants are folded on the way.
#[derive(Clone, Debug, Default)]
pub struct ProgramBuilder {
    pub(super) graph: Vec<Expression>,
    nodes: HashMap<Expression, Node>,
    pub(super) constants: Vec<Fr>,
    constant_indices: HashMap<Words, u32>,
}

impl ProgramBuilder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// The cell of input `slot` in this row.
    ///
    /// # Panics
    ///
    /// For a slot beyond 2^32.
    pub fn input(&mut self, slot: usize) -> Node {
        let slot = u32::try_from(slot).expect("fewer than 2^32 inputs");
        self.node(Expression::Input(slot))
    }

    /// The same value in each row; a plain value, not a cell.
    pub fn constant(&mut self, value: Fr) -> Node {
        let next = index(self.constants.len());
        let index = *self.constant_indices.entry(of_fr(&value)).or_insert(next);
        if index == next {
            self.constants.push(value);
        }
        self.node(Expression::Constant(index))
    }

    /// `a + b`.
    pub fn add(&mut self, a: Node, b: Node) -> Node {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => return self.constant(a + b),
            (Some(a), None) if a.is_zero_vartime() => return b,
            (None, Some(b)) if b.is_zero_vartime() => return a,
            _ => {}
        }
        match (self.negated(a), self.negated(b)) {
            (_, Some(b)) => self.sub(a, b),
            (Some(a), None) => self.sub(b, a),
            (None, None) => self.node(Expression::Add(a.min(b), a.max(b))),
        }
    }

    /// `a - b`.
    pub fn sub(&mut self, a: Node, b: Node) -> Node {
        if a == b {
            return self.constant(Fr::ZERO);
        }
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => return self.constant(a - b),
            (Some(a), None) if a.is_zero_vartime() => return self.neg(b),
            (None, Some(b)) if b.is_zero_vartime() => return a,
            _ => {}
        }
        match (self.negated(a), self.negated(b)) {
            (_, Some(b)) => self.add(a, b),
            (Some(a), None) => {
                let sum = self.add(a, b);
                self.neg(sum)
            }
            (None, None) => self.node(Expression::Sub(a, b)),
        }
    }

    /// `a * b`.
    pub fn mul(&mut self, a: Node, b: Node) -> Node {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => return self.constant(a * b),
            (Some(a), None) => return self.scale(b, a),
            (None, Some(b)) => return self.scale(a, b),
            (None, None) => {}
        }
        match (self.negated(a), self.negated(b)) {
            (None, None) => self.node(Expression::Mul(a.min(b), a.max(b))),
            (Some(a), Some(b)) => self.mul(a, b),
            (first, second) => {
                let product = self.mul(first.unwrap_or(a), second.unwrap_or(b));
                self.neg(product)
            }
        }
    }

    /// `-a`.
    pub fn neg(&mut self, a: Node) -> Node {
        match self.graph[a.index()] {
            Expression::Constant(index) => self.constant(-self.constants[index as usize]),
            Expression::Neg(a) => a,
            Expression::Sub(a, b) => self.sub(b, a),
            _ => self.node(Expression::Neg(a)),
        }
    }

    /// The program that computes `result`. Nodes that it does not need cost nothing.
    pub fn finish(self, result: Node) -> Program {
        lowering::lower(&self.graph, &self.constants, result)
    }

    /// `factor * a`, where `a` is not constant.
    fn scale(&mut self, a: Node, factor: Fr) -> Node {
        if factor.is_zero_vartime() {
            return self.constant(Fr::ZERO);
        }
        if factor == Fr::ONE {
            return a;
        }
        if let Some(a) = self.negated(a) {
            return self.scale(a, -factor);
        }
        // Of a factor and its negative one is kept, so that both share the product.
        if is_upper_half(&factor) {
            let product = self.scale(a, -factor);
            return self.neg(product);
        }
        if let Expression::Mul(inner, a) = self.graph[a.index()]
            && let Some(inner) = self.value(inner)
        {
            return self.scale(a, factor * inner);
        }
        let factor = self.constant(factor);
        self.node(Expression::Mul(factor, a))
    }

    fn node(&mut self, expression: Expression) -> Node {
        let next = Node(index(self.graph.len()));
        let node = *self.nodes.entry(expression).or_insert(next);
        if node == next {
            self.graph.push(expression);
        }
        node
    }

    /// The value of a constant.
    fn value(&self, node: Node) -> Option<Fr> {
        match self.graph[node.index()] {
            Expression::Constant(index) => Some(self.constants[index as usize]),
            _ => None,
        }
    }

    /// What this is the negative of.
    fn negated(&self, node: Node) -> Option<Node> {
        match self.graph[node.index()] {
            Expression::Neg(node) => Some(node),
            _ => None,
        }
    }
}

fn index(length: usize) -> u32 {
    u32::try_from(length).expect("fewer than 2^32 nodes")
}

/// Whether the value, as a number, is above (p - 1)/2.
fn is_upper_half(value: &Fr) -> bool {
    use halo2curves::ff::PrimeField;
    let (value, negative) = (value.to_repr(), (-*value).to_repr());
    // Little-endian bytes.
    value.as_ref().iter().rev().gt(negative.as_ref().iter().rev())
}
