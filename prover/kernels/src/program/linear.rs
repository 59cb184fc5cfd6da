//! What a graph reads only in sums with constant factors, and other inputs in its place.

use std::collections::{BTreeMap, HashMap};

use halo2curves::{bn256::Fr, ff::Field};

use crate::program::{
    builder::ProgramBuilder,
    graph::{Expression, Node},
};

/// `constant + sum_i factor_i * input_i`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinearForm {
    /// A plain value.
    pub constant: Fr,
    /// Factors by the inputs' slots; none is zero.
    pub terms: BTreeMap<usize, Fr>,
}

impl LinearForm {
    fn plus(&self, other: &Self, factor: Fr) -> Self {
        let mut sum = self.clone();
        sum.constant += factor * other.constant;
        for (slot, value) in &other.terms {
            *sum.terms.entry(*slot).or_insert(Fr::ZERO) += factor * value;
        }
        sum.terms.retain(|_, factor| !factor.is_zero_vartime());
        sum
    }

    fn is_constant(&self) -> bool {
        self.terms.is_empty()
    }
}

impl ProgramBuilder {
    /// The linear forms that `result` is made of, each as large as it is: they are factors of products with
    /// other unknowns, or added to such products.
    pub fn linear_forms(&self, result: Node) -> Vec<(Node, LinearForm)> {
        let forms = self.forms(result);
        let is_linear = |node: Node| forms[node.index()].is_some();
        let mut largest = vec![is_linear(result).then_some(result)];
        for (index, needed) in self.needed(result, is_linear).into_iter().enumerate() {
            if needed && forms[index].is_none() {
                largest.extend(
                    self.graph[index].operands().map(|node| is_linear(node).then_some(node)),
                );
            }
        }
        let mut largest: Vec<Node> = largest.into_iter().flatten().collect();
        largest.sort_unstable();
        largest.dedup();
        let form = |node: Node| Some((node, forms[node.index()].clone()?));
        largest.into_iter().filter_map(form).filter(|(_, form)| !form.is_constant()).collect()
    }

    /// The graph of `result` in which some nodes are these forms of inputs, which may have slots of their own.
    pub fn replaced(&self, result: Node, forms: &HashMap<Node, LinearForm>) -> (Self, Node) {
        let needed = self.needed(result, |node| forms.contains_key(&node));
        let mut other = Self::new();
        // A node that is not needed has no place; nothing that is needed asks for it.
        let mut places = vec![Node(0); self.graph.len()];
        for (index, expression) in self.graph.iter().enumerate().filter(|(index, _)| needed[*index])
        {
            let place = |node: Node| places[node.index()];
            places[index] = match (forms.get(&Node(index as u32)), *expression) {
                (Some(form), _) => other.form(form),
                (None, Expression::Input(slot)) => other.input(slot as usize),
                (None, Expression::Constant(constant)) => {
                    other.constant(self.constants[constant as usize])
                }
                (None, Expression::Add(a, b)) => other.add(place(a), place(b)),
                (None, Expression::Sub(a, b)) => other.sub(place(a), place(b)),
                (None, Expression::Mul(a, b)) => other.mul(place(a), place(b)),
                (None, Expression::Neg(a)) => other.neg(place(a)),
            };
        }
        let place = places[result.index()];
        (other, place)
    }

    fn form(&mut self, form: &LinearForm) -> Node {
        let mut sum = self.constant(form.constant);
        for (slot, factor) in &form.terms {
            let (input, factor) = (self.input(*slot), self.constant(*factor));
            let term = self.mul(input, factor);
            sum = self.add(sum, term);
        }
        sum
    }

    /// Which nodes `result` is made of, down to those at which to `stop`.
    fn needed(&self, result: Node, stop: impl Fn(Node) -> bool) -> Vec<bool> {
        let mut needed = vec![false; self.graph.len()];
        needed[result.index()] = true;
        for index in (0..=result.index()).rev() {
            if needed[index] && !stop(Node(index as u32)) {
                self.graph[index].operands().for_each(|node| needed[node.index()] = true);
            }
        }
        needed
    }

    /// The forms of nodes, by nodes; `None` for those that are not linear.
    fn forms(&self, result: Node) -> Vec<Option<LinearForm>> {
        let mut forms: Vec<Option<LinearForm>> = Vec::with_capacity(self.graph.len());
        let constant = |value| LinearForm { constant: value, ..LinearForm::default() };
        for expression in &self.graph[..=result.index()] {
            let of = |node: Node| forms[node.index()].as_ref();
            let form = match *expression {
                Expression::Input(slot) => Some(LinearForm {
                    terms: [(slot as usize, Fr::ONE)].into(),
                    ..LinearForm::default()
                }),
                Expression::Constant(index) => Some(constant(self.constants[index as usize])),
                Expression::Add(a, b) => of(a).zip(of(b)).map(|(a, b)| a.plus(b, Fr::ONE)),
                Expression::Sub(a, b) => of(a).zip(of(b)).map(|(a, b)| a.plus(b, -Fr::ONE)),
                Expression::Neg(a) => of(a).map(|a| constant(Fr::ZERO).plus(a, -Fr::ONE)),
                // A constant is the first factor.
                Expression::Mul(a, b) => of(a)
                    .filter(|a| a.is_constant())
                    .zip(of(b))
                    .map(|(a, b)| constant(Fr::ZERO).plus(b, a.constant)),
            };
            forms.push(form);
        }
        forms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::tests::{SLOTS, expressions, random_columns, values_of};

    #[test]
    fn forms_are_as_large_as_they_are() {
        let mut builder = ProgramBuilder::new();
        let [a, b, c, d] = [0, 1, 2, 3].map(|slot| builder.input(slot));
        let three = builder.constant(Fr::from(3));
        // (3 (a + 3) + b) c - (a - d) d
        let sum = builder.add(a, three);
        let sum = builder.mul(sum, three);
        let sum = builder.add(sum, b);
        let left = builder.mul(sum, c);
        let difference = builder.sub(a, d);
        let right = builder.mul(difference, d);
        let result = builder.sub(left, right);
        let forms = builder.linear_forms(result);
        let form = |constant: u64, terms: &[(usize, Fr)]| LinearForm {
            constant: Fr::from(constant),
            terms: terms.iter().copied().collect(),
        };
        let one = Fr::ONE;
        let mut found: Vec<_> = forms.iter().map(|(_, form)| form.clone()).collect();
        let mut expected = vec![
            form(0, &[(2, one)]),
            form(0, &[(3, one)]),
            form(9, &[(0, Fr::from(3)), (1, one)]),
            form(0, &[(0, one), (3, -one)]),
        ];
        let key = |form: &LinearForm| format!("{form:?}");
        found.sort_by_key(key);
        expected.sort_by_key(key);
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn a_graph_over_its_forms_computes_the_same(expressions in expressions()) {
            let (builder, result) = expressions.graph();
            let columns = random_columns(SLOTS, 9);
            let forms = builder.linear_forms(result);
            // Each form by an input of its own, but for its constant and its first term.
            let mut more = columns.clone();
            let mut replacements = HashMap::new();
            for (node, form) in forms {
                let mut kept = form.clone();
                let moved = kept.terms.split_off(&form.terms.keys().next().map_or(0, |slot| slot + 1));
                let combined = (0..9).map(|row| {
                    moved.iter().map(|(slot, factor)| columns[*slot][row] * factor).sum()
                });
                kept.terms.insert(more.len(), Fr::ONE);
                more.push(combined.collect());
                replacements.insert(node, kept);
            }
            let (other, other_result) = builder.replaced(result, &replacements);
            let expected = values_of(&builder.finish(result), &columns);
            prop_assert_eq!(values_of(&other.finish(other_result), &more), expected);
        }
    }
}
