//! Turns constraints into straight-line Yul.
//!
//! Equal subexpressions are found by hashing and computed once. Additions are left unreduced while
//! the sum of at most five terms below r still fits a word (5 r < 2^256); multiplications reduce.

use std::collections::HashMap;
use std::fmt::Write;

use halo2_proofs::{
    halo2curves::{bn256::Fr, ff::Field},
    plonk::Expression,
};

use assay_proof::transcript::scalar_to_bytes;

use super::loops::roll;

/// Largest number of terms below r whose sum fits a word.
const MAX_TERMS: u32 = 5;
/// Terms from which on Horner's rule is a sequence of statements.
const LEAST_HORNER: usize = 5;
/// Stack slots that one Yul expression may take; more are spilled to memory.
const MAX_DEPTH: u32 = 9;

type Id = usize;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Node {
    /// A value below 2^64, or r minus such a value, or any other constant, big-endian.
    Constant([u8; 32]),
    /// A word of memory that holds a value below r.
    Word(usize),
    Add(Id, Id),
    Subtract(Id, Id),
    Negate(Id),
    Multiply(Id, Id),
}

/// Where the values that constraints refer to lie in memory.
pub(super) trait Words {
    fn fixed(&self, column: usize, rotation: i32) -> usize;
    fn advice(&self, column: usize, rotation: i32) -> usize;
    fn instance(&self) -> usize;
    fn challenge(&self, index: usize) -> usize;
}

/// A directed acyclic graph of operations.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, Id>,
    uses: Vec<u32>,
}

impl Graph {
    fn add(&mut self, node: Node) -> Id {
        if let Some(id) = self.ids.get(&node) {
            return *id;
        }
        let id = self.nodes.len();
        self.nodes.push(node.clone());
        self.ids.insert(node, id);
        id
    }

    fn constant(&mut self, value: Fr) -> Id {
        self.add(Node::Constant(scalar_to_bytes(&value)))
    }

    fn is_constant(&self, id: Id, value: Fr) -> bool {
        self.nodes[id] == Node::Constant(scalar_to_bytes(&value))
    }

    fn sum(&mut self, a: Id, b: Id) -> Id {
        if self.is_constant(a, Fr::ZERO) {
            return b;
        }
        if self.is_constant(b, Fr::ZERO) {
            return a;
        }
        match (self.nodes[a].clone(), self.nodes[b].clone()) {
            (_, Node::Negate(b)) => self.add(Node::Subtract(a, b)),
            (Node::Negate(a), _) => self.add(Node::Subtract(b, a)),
            _ => self.add(Node::Add(a.min(b), a.max(b))),
        }
    }

    fn negate(&mut self, a: Id) -> Id {
        match self.nodes[a] {
            Node::Negate(inner) => inner,
            Node::Subtract(a, b) => self.add(Node::Subtract(b, a)),
            Node::Constant(bytes) => {
                let value = assay_proof::transcript::scalar_from_bytes(&bytes);
                self.constant(-value.unwrap_or(Fr::ZERO))
            }
            _ => self.add(Node::Negate(a)),
        }
    }

    fn product(&mut self, a: Id, b: Id) -> Id {
        for (a, b) in [(a, b), (b, a)] {
            if self.is_constant(a, Fr::ZERO) {
                return a;
            }
            if self.is_constant(a, Fr::ONE) {
                return b;
            }
            if self.is_constant(a, -Fr::ONE) {
                return self.negate(b);
            }
        }
        match (self.nodes[a].clone(), self.nodes[b].clone()) {
            (Node::Negate(a), Node::Negate(b)) => self.product(a, b),
            (Node::Negate(a), _) => {
                let product = self.product(a, b);
                self.negate(product)
            }
            (_, Node::Negate(b)) => {
                let product = self.product(a, b);
                self.negate(product)
            }
            _ => self.add(Node::Multiply(a.min(b), a.max(b))),
        }
    }

    fn expression(&mut self, expression: &Expression<Fr>, words: &impl Words) -> Id {
        match expression {
            Expression::Constant(value) => self.constant(*value),
            // `Profile::new` refuses constraint systems that still have selectors.
            Expression::Selector(_) => self.constant(Fr::ZERO),
            Expression::Fixed(query) => {
                self.add(Node::Word(words.fixed(query.column_index(), query.rotation().0)))
            }
            Expression::Advice(query) => {
                self.add(Node::Word(words.advice(query.column_index(), query.rotation().0)))
            }
            Expression::Instance(_) => self.add(Node::Word(words.instance())),
            Expression::Challenge(challenge) => {
                self.add(Node::Word(words.challenge(challenge.index())))
            }
            Expression::Negated(a) => {
                let a = self.expression(a, words);
                self.negate(a)
            }
            Expression::Sum(a, b) => {
                let (a, b) = (self.expression(a, words), self.expression(b, words));
                self.sum(a, b)
            }
            Expression::Product(a, b) => {
                let (a, b) = (self.expression(a, words), self.expression(b, words));
                self.product(a, b)
            }
            Expression::Scaled(a, factor) => {
                let a = self.expression(a, words);
                let factor = self.constant(*factor);
                self.product(a, factor)
            }
        }
    }

    fn children(&self, id: Id) -> Vec<Id> {
        match self.nodes[id] {
            Node::Constant(_) | Node::Word(_) => Vec::new(),
            Node::Negate(a) => vec![a],
            Node::Add(a, b) | Node::Subtract(a, b) | Node::Multiply(a, b) => vec![a, b],
        }
    }

    /// Counts how often each node that the roots need is used.
    fn count_uses(&mut self, roots: &[Id]) {
        self.uses = vec![0; self.nodes.len()];
        let mut pending = roots.to_vec();
        while let Some(id) = pending.pop() {
            self.uses[id] += 1;
            if self.uses[id] == 1 {
                pending.extend(self.children(id));
            }
        }
    }
}

impl Graph {
    /// `sum terms[i] * base^i` by Horner's rule, if the node is one of enough terms.
    fn horner(&self, id: Id) -> Option<(Id, Vec<Id>)> {
        let Node::Add(a, b) = self.nodes[id] else { return None };
        let factors = |id: Id| match self.nodes[id] {
            Node::Multiply(a, b) => vec![a, b],
            _ => Vec::new(),
        };
        [a, b]
            .into_iter()
            .flat_map(factors)
            .map(|base| (base, self.horner_terms(id, base)))
            .filter(|(_, terms)| terms.len() >= LEAST_HORNER)
            .max_by_key(|(_, terms)| terms.len())
    }

    fn horner_terms(&self, id: Id, base: Id) -> Vec<Id> {
        let mut terms = Vec::new();
        let mut at = id;
        // Sums that something else needs as well are kept whole.
        while let (Node::Add(a, b), true) = (&self.nodes[at], at == id || self.uses[at] < 2) {
            let rest = |id: Id| match self.nodes[id] {
                Node::Multiply(a, b) if self.uses[id] < 2 => match (a == base, b == base) {
                    (true, _) => Some(b),
                    (_, true) => Some(a),
                    _ => None,
                },
                _ => None,
            };
            match (rest(*a), rest(*b)) {
                (Some(next), _) => {
                    terms.push(*b);
                    at = next;
                }
                (_, Some(next)) => {
                    terms.push(*a);
                    at = next;
                }
                _ => break,
            }
        }
        terms.push(at);
        terms
    }
}

/// Text of a Yul expression, the number of terms below r that bound it, its stack need.
#[derive(Clone)]
struct Term {
    text: String,
    terms: u32,
    depth: u32,
}

struct Emitter<'a> {
    graph: &'a Graph,
    next_word: usize,
    stored: HashMap<Id, Term>,
    code: String,
}

impl Emitter<'_> {
    fn store(&mut self, text: &str, terms: u32) -> Term {
        let word = self.next_word;
        self.next_word += 0x20;
        let _ = writeln!(self.code, "mstore({word:#x}, {text})");
        Term { text: format!("mload({word:#x})"), terms, depth: 1 }
    }

    fn shallow(&mut self, term: Term, depth: u32) -> Term {
        if term.depth > depth { self.store(&term.text, term.terms) } else { term }
    }

    fn term(&mut self, id: Id) -> Term {
        if let Some(term) = self.stored.get(&id) {
            return term.clone();
        }
        if let Some((base, terms)) = self.graph.horner(id) {
            let term = self.horner(base, &terms);
            self.stored.insert(id, term.clone());
            return term;
        }
        let term = match self.graph.nodes[id] {
            Node::Constant(bytes) => constant(&bytes),
            Node::Word(word) => Term { text: format!("mload({word:#x})"), terms: 1, depth: 1 },
            Node::Negate(a) => {
                let a = self.reduced(a);
                let a = self.shallow(a, MAX_DEPTH - 1);
                Term { text: format!("sub(r, {})", a.text), terms: 1, depth: a.depth.max(2) }
            }
            Node::Subtract(a, b) => {
                let b = self.reduced(b);
                let b = self.shallow(b, MAX_DEPTH - 1);
                let negated =
                    Term { text: format!("sub(r, {})", b.text), terms: 1, depth: b.depth.max(2) };
                let a = self.term(a);
                self.sum(a, negated)
            }
            Node::Add(a, b) => {
                let (a, b) = (self.term(a), self.term(b));
                self.sum(a, b)
            }
            Node::Multiply(a, b) => {
                let (a, b) = (self.term(a), self.term(b));
                // The second argument is evaluated first, above the modulus.
                let (a, b) = if a.depth > b.depth { (b, a) } else { (a, b) };
                let (a, b) = (self.shallow(a, MAX_DEPTH - 2), self.shallow(b, MAX_DEPTH - 1));
                Term {
                    text: format!("mulmod({}, {}, r)", a.text, b.text),
                    terms: 1,
                    depth: (a.depth + 2).max(b.depth + 1),
                }
            }
        };
        let leaf = matches!(self.graph.nodes[id], Node::Constant(_) | Node::Word(_));
        if leaf || self.graph.uses[id] < 2 {
            return term;
        }
        let term = self.store(&term.text, term.terms);
        self.stored.insert(id, term.clone());
        term
    }

    /// Horner's rule statement by statement, so that it can become a loop.
    fn horner(&mut self, base: Id, terms: &[Id]) -> Term {
        let base = self.term(base);
        let base = self.shallow(base, 1);
        let terms = terms.iter().map(|id| self.term(*id)).collect::<Vec<_>>();
        let terms = terms.into_iter().map(|term| self.addend(term)).collect::<Vec<_>>();
        for (index, term) in terms.iter().rev().enumerate() {
            let _ = match index {
                0 => writeln!(self.code, "sum := {}", term.text),
                _ => {
                    writeln!(self.code, "sum := add(mulmod(sum, {}, r), {})", base.text, term.text)
                }
            };
        }
        let most = terms.iter().map(|term| term.terms).max().unwrap_or(0);
        self.store("sum", 1 + most)
    }

    /// A term that one more can be added to.
    fn addend(&mut self, term: Term) -> Term {
        let term = self.shallow(term, MAX_DEPTH - 2);
        if term.terms < MAX_TERMS {
            return term;
        }
        Term { text: format!("mod({}, r)", term.text), terms: 1, depth: term.depth + 1 }
    }

    /// As `term`, at most r.
    fn reduced(&mut self, id: Id) -> Term {
        let term = self.term(id);
        if term.terms == 1 {
            return term;
        }
        let term = self.shallow(term, MAX_DEPTH - 1);
        Term { text: format!("mod({}, r)", term.text), terms: 1, depth: term.depth + 1 }
    }

    fn sum(&mut self, a: Term, b: Term) -> Term {
        let (a, b) = if a.depth > b.depth { (b, a) } else { (a, b) };
        let (a, b) = (self.shallow(a, MAX_DEPTH - 2), self.shallow(b, MAX_DEPTH - 1));
        let terms = a.terms + b.terms;
        if terms <= MAX_TERMS {
            return Term {
                text: format!("add({}, {})", a.text, b.text),
                terms,
                depth: (a.depth + 1).max(b.depth),
            };
        }
        Term {
            text: format!("addmod({}, {}, r)", a.text, b.text),
            terms: 1,
            depth: (a.depth + 2).max(b.depth + 1),
        }
    }
}

/// A literal, short if the value or its negative is.
fn constant(bytes: &[u8; 32]) -> Term {
    let literal = |bytes: &[u8; 32]| {
        let digits = hex::encode(bytes);
        let digits = digits.trim_start_matches('0');
        format!("0x{}", if digits.is_empty() { "0" } else { digits })
    };
    let short = |bytes: &[u8; 32]| bytes.iter().take(24).all(|byte| *byte == 0);
    if !short(bytes) {
        let value = assay_proof::transcript::scalar_from_bytes(bytes).unwrap_or(Fr::ZERO);
        let negative = scalar_to_bytes(&-value);
        if short(&negative) {
            return Term { text: format!("sub(r, {})", literal(&negative)), terms: 1, depth: 2 };
        }
    }
    Term { text: literal(bytes), terms: 1, depth: 1 }
}

/// Yul statements that fold the constraints with powers of `y` into `h`
/// (`h := h y + constraint` for each), for variables `h`, `y`, `r`, `opaque` in scope. Words from
/// `first_word` on may be overwritten. Also returns how many words are.
///
/// After each constraint a word is written to the address `opaque`, unknown to the compiler: it must
/// then forget what it knows of the memory, else it would keep every evaluation on the stack.
pub(super) fn fold_constraints(
    constraints: &[Expression<Fr>],
    words: &impl Words,
    first_word: usize,
) -> (String, usize) {
    let mut graph = Graph::default();
    let roots: Vec<Id> =
        constraints.iter().map(|constraint| graph.expression(constraint, words)).collect();
    graph.count_uses(&roots);
    let mut emitter = Emitter {
        graph: &graph,
        next_word: first_word,
        stored: HashMap::new(),
        code: String::new(),
    };
    for (index, root) in roots.iter().enumerate() {
        let term = emitter.term(*root);
        let mut term = emitter.shallow(term, MAX_DEPTH);
        if term.terms == MAX_TERMS {
            term.text = format!("mod({}, r)", term.text);
        }
        let _ = match index {
            0 => writeln!(emitter.code, "h := {}", term.text),
            _ => writeln!(emitter.code, "h := add(mulmod(h, y, r), {})", term.text),
        };
        let _ = writeln!(emitter.code, "mstore(opaque, h)");
    }
    let count = (emitter.next_word - first_word) / 0x20;
    let code = roll(&emitter.code);
    if code.contains("sum := ") { (format!("let sum\n{code}"), count) } else { (code, count) }
}
