//! From a graph to sums of products.
//!
//! Sums whose only use is in another sum become part of it, and so do products: the vector code adds products
//! before it reduces them, which costs half as much as reducing each.

use halo2curves::bn256::Fr;

use crate::program::{
    code::{Operand, Program},
    definition::{Definition, Kind, LongSum, Term},
    graph::{Expression, Node},
    range::{KEPT, REMAINDER, Range, UNIT, of_product},
    schedule,
};
use crate::words::of_fr;

/// Products in one sum. More save little, keep many values alive, and need a longer reduction.
const MOST_PRODUCTS: usize = crate::wide::MOST_PRODUCTS;

/// Terms in one sum, so that limbs stay below 2^62: a product adds at most 10 times 2^52, as the reduction
/// does, another term 2^52, the lift 2^58.
const MOST_TERMS: usize = 64;

/// A constant up to this is added so often instead of multiplied by.
const MOST_REPETITIONS: u64 = 8;

/// The program that computes `result`.
pub(super) fn lower(graph: &[Expression], constants: &[Fr], result: Node) -> Program {
    let needed = needed_nodes(graph, result);
    let mut lowering =
        Lowering { graph, constants, operands: vec![None; graph.len()], definitions: Vec::new() };
    for (index, (expression, need)) in graph.iter().zip(needed).enumerate() {
        let operand = match (need, expression) {
            (Need::No | Need::PartOfSum, _) => continue,
            (Need::Operand, Expression::Constant(constant)) => Operand::Constant(*constant),
            (Need::Operand, Expression::Input(slot)) => lowering.define(Definition::Load(*slot)),
            (Need::Operand, _) => {
                let terms = lowering.terms(index);
                lowering.sum(&terms)
            }
        };
        lowering.operands[index] = Some(operand);
    }
    let result = lowering.operand(result);
    schedule::schedule(&lowering.definitions, constants, result)
}

/// What a node is needed as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    No,
    /// Part of the one sum that uses it.
    PartOfSum,
    /// A value of its own.
    Operand,
}

fn needed_nodes(graph: &[Expression], result: Node) -> Vec<Need> {
    let mut needs = vec![Need::No; graph.len()];
    needs[result.index()] = Need::Operand;
    for index in (0..=result.index()).rev() {
        if needs[index] == Need::No {
            continue;
        }
        match graph[index] {
            Expression::Input(_) | Expression::Constant(_) => needs[index] = Need::Operand,
            Expression::Mul(a, b) => {
                needs[a.index()] = Need::Operand;
                needs[b.index()] = Need::Operand;
            }
            Expression::Add(a, b) | Expression::Sub(a, b) => {
                for operand in [a, b] {
                    in_sum(&mut needs[operand.index()]);
                }
            }
            Expression::Neg(a) => in_sum(&mut needs[a.index()]),
        }
    }
    needs
}

/// Another use in a sum.
fn in_sum(need: &mut Need) {
    *need = if *need == Need::No { Need::PartOfSum } else { Need::Operand };
}

struct Lowering<'a> {
    graph: &'a [Expression],
    constants: &'a [Fr],
    /// By nodes.
    operands: Vec<Option<Operand>>,
    definitions: Vec<Definition>,
}

impl Lowering<'_> {
    fn define(&mut self, definition: Definition) -> Operand {
        self.definitions.push(definition);
        Operand::Register(self.definitions.len() as u32 - 1)
    }

    fn operand(&self, node: Node) -> Operand {
        self.operands[node.index()].expect("operands come first")
    }

    /// The node at this index as a sum, with the sums and products that are only used there.
    fn terms(&self, index: usize) -> Vec<Term> {
        let mut terms = Vec::new();
        // A stack of its own: chains of additions are long.
        let mut open = vec![(index, false)];
        while let Some((index, negative)) = open.pop() {
            if let Some(operand) = self.operands[index] {
                terms.push(Term { negative, kind: Kind::Single(operand) });
                continue;
            }
            match self.graph[index] {
                Expression::Add(a, b) => {
                    open.extend([(b.index(), negative), (a.index(), negative)]);
                }
                Expression::Sub(a, b) => {
                    open.extend([(b.index(), !negative), (a.index(), negative)]);
                }
                Expression::Neg(a) => open.push((a.index(), !negative)),
                Expression::Mul(a, b) => {
                    let (kind, times) = match self.repetitions(a) {
                        Some(times) => (Kind::Single(self.operand(b)), times),
                        None => (Kind::Product(self.operand(a), self.operand(b)), 1),
                    };
                    terms.extend((0..times).map(|_| Term { negative, kind }));
                }
                Expression::Input(_) | Expression::Constant(_) => {
                    unreachable!("leaves are operands")
                }
            }
        }
        terms
    }

    /// How often the other factor is added if this one is a small constant.
    fn repetitions(&self, node: Node) -> Option<u64> {
        let Expression::Constant(index) = self.graph[node.index()] else { return None };
        let value = self.constants[index as usize];
        (2..=MOST_REPETITIONS).find(|times| of_fr(&Fr::from(*times)) == of_fr(&value))
    }

    /// A value that is the sum of these terms, by way of partial sums where they are many or large.
    fn sum(&mut self, terms: &[Term]) -> Operand {
        let mut part = Part::default();
        for term in terms {
            let bound = match term.kind {
                Kind::Product(a, b) => of_product(self.bound(a), self.bound(b)),
                Kind::Single(a) => self.bound(a),
            };
            if !part.has_room(*term, bound) {
                let whole = std::mem::take(&mut part).finish();
                let bound = whole.bound;
                let partial = self.define(Definition::Sum(whole));
                part.push(Term { negative: false, kind: Kind::Single(partial) }, bound);
                debug_assert!(part.has_room(*term, bound), "bounds of values are small");
            }
            part.push(*term, bound);
        }
        self.define(Definition::Sum(part.finish()))
    }

    fn bound(&self, operand: Operand) -> i64 {
        match operand {
            Operand::Constant(_) => UNIT,
            Operand::Register(value) => match &self.definitions[value as usize] {
                Definition::Load(_) => UNIT,
                Definition::Sum(sum) => sum.bound,
            },
        }
    }
}

/// A sum as it grows.
#[derive(Default)]
struct Part {
    terms: Vec<Term>,
    products: usize,
    range: Range,
}

impl Part {
    fn has_room(&self, term: Term, bound: i64) -> bool {
        let product = term.kind.is_product();
        self.terms.len() < MOST_TERMS
            && !(product && self.products == MOST_PRODUCTS)
            && total(self.range.with(bound, term.negative), self.products > 0 || product)
                <= Range::LIMIT
    }

    fn push(&mut self, term: Term, bound: i64) {
        self.terms.push(term);
        self.products += usize::from(term.kind.is_product());
        self.range = self.range.with(bound, term.negative);
    }

    fn finish(self) -> LongSum {
        let bound = total(self.range, self.products > 0);
        let lift = u8::try_from(self.range.lift()).expect("at most the limit");
        let reduce = bound > KEPT;
        LongSum { terms: self.terms, lift, reduce, bound: if reduce { REMAINDER } else { bound } }
    }
}

/// Bound of a sum in this range; the reduction of products adds at most p.
fn total(range: Range, products: bool) -> i64 {
    range.lifted() + if products { UNIT } else { 0 }
}
