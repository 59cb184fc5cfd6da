//! Inputs that constraints read only together.
//!
//! The weights of a row are read as a few sums over all their columns. A sum of polynomials with constant factors
//! takes one transform a part, where its terms would take one each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use assay_kernels::{LinearForm, Node, Program, ProgramBuilder};
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};

/// A program that reads some inputs in sums only.
pub(super) struct Combined {
    pub program: Program,
    /// The program reads these by the slots after those of all inputs.
    pub sums: Vec<Sum>,
}

/// Factors by slots of inputs; the first is one.
pub(super) type Sum = BTreeMap<usize, Fr>;

/// Inputs a sum, at least: the sum's coefficients take memory.
const LEAST: usize = 2;

/// Combines inputs of a graph, of those that `may` be.
pub(super) fn combine(graph: &ProgramBuilder, result: Node, may: &[bool]) -> Combined {
    let forms = graph.linear_forms(result);
    let mut sums: Vec<Sum> = Vec::new();
    let mut replaced: HashMap<Node, LinearForm> = HashMap::new();
    for group in groups(&forms, may) {
        let parts = forms.iter().filter_map(|(node, form)| {
            let part = within(form, &group);
            let first = *part.values().next()?;
            let inverse = first.invert().unwrap_or(Fr::ONE);
            let sum: Sum = part.into_iter().map(|(slot, f)| (slot, f * inverse)).collect();
            Some((*node, form, sum, first))
        });
        let parts: Vec<_> = parts.collect();
        let mut different: Vec<&Sum> = Vec::new();
        for (_, _, sum, _) in &parts {
            if !different.contains(&sum) {
                different.push(sum);
            }
        }
        if group.len() < LEAST * different.len() {
            continue;
        }
        for (node, form, sum, factor) in &parts {
            let place = different.iter().position(|known| known == &sum).unwrap_or_default();
            let form = replaced.entry(*node).or_insert_with(|| (*form).clone());
            form.terms.retain(|slot, _| !group.contains(slot));
            form.terms.insert(may.len() + sums.len() + place, *factor);
        }
        sums.extend(different.into_iter().cloned());
    }
    let (graph, result) = graph.replaced(result, &replaced);
    Combined { program: graph.finish(result), sums }
}

/// Inputs that are never read alone; those that some sum has together are in one group.
fn groups(forms: &[(Node, LinearForm)], may: &[bool]) -> Vec<BTreeSet<usize>> {
    let mut together: BTreeSet<usize> = (0..may.len()).filter(|slot| may[*slot]).collect();
    for (_, form) in forms.iter().filter(|(_, form)| form.terms.len() == 1) {
        together.retain(|slot| !form.terms.contains_key(slot));
    }
    let mut groups: Vec<BTreeSet<usize>> = Vec::new();
    for (_, form) in forms {
        let mut joined: BTreeSet<usize> = within(form, &together).into_keys().collect();
        if joined.is_empty() {
            continue;
        }
        groups.retain(|group| {
            let apart = group.is_disjoint(&joined);
            if !apart {
                joined.extend(group);
            }
            apart
        });
        groups.push(joined);
    }
    groups
}

/// A form's terms with these inputs.
fn within(form: &LinearForm, inputs: &BTreeSet<usize>) -> BTreeMap<usize, Fr> {
    form.terms
        .iter()
        .filter(|(slot, _)| inputs.contains(slot))
        .map(|(slot, factor)| (*slot, *factor))
        .collect()
}

#[cfg(test)]
mod tests {
    use assay_kernels::kernels;

    use super::*;

    #[test]
    fn what_is_read_together_is_combined() {
        let mut graph = ProgramBuilder::new();
        let inputs: Vec<Node> = (0..7).map(|slot| graph.input(slot)).collect();
        let [weights, others] = [&inputs[..4], &inputs[4..]];
        let horner = |graph: &mut ProgramBuilder, base: u64, first: Node| {
            let base = graph.constant(Fr::from(base));
            weights.iter().fold(first, |sum, weight| {
                let sum = graph.mul(sum, base);
                graph.add(sum, *weight)
            })
        };
        // flag H_3(weights, next) + next H_5(weights) flag, and something with an input alone.
        let zero = graph.constant(Fr::ZERO);
        let dense = horner(&mut graph, 3, others[1]);
        let left = graph.mul(others[0], dense);
        let kernel = horner(&mut graph, 5, zero);
        let right = graph.mul(others[1], kernel);
        let right = graph.mul(right, others[0]);
        let square = graph.mul(others[2], others[2]);
        let sum = graph.add(left, right);
        let result = graph.add(sum, square);
        let combined = combine(&graph, result, &[true; 7]);
        assert_eq!(combined.sums.len(), 2);
        assert!(combined.sums.iter().all(|sum| sum.keys().eq(&[0, 1, 2, 3])));
        // Where one of the weights must not be, the others are.
        let mut may = [true; 7];
        may[0] = false;
        let fewer = combine(&graph, result, &may);
        assert!(fewer.sums.is_empty(), "three inputs in two sums are left as they are");

        let cell = kernels().cell_factor();
        let values: Vec<Fr> = (1..8).map(|i| Fr::from(i).square()).collect();
        let run = |program: &Program, values: &[Fr]| {
            let cells: Vec<Vec<Fr>> = values.iter().map(|value| vec![value * cell]).collect();
            let cells: Vec<&[Fr]> = cells.iter().map(Vec::as_slice).collect();
            let mut output = [Fr::ZERO];
            kernels().run(program, &cells, &mut output);
            output[0]
        };
        let mut with_sums = values.clone();
        with_sums.extend(
            combined
                .sums
                .iter()
                .map(|sum| -> Fr { sum.iter().map(|(slot, factor)| values[*slot] * factor).sum() }),
        );
        // The weights themselves are not looked at.
        with_sums[..4].fill(Fr::ZERO);
        let found = run(&combined.program, &with_sums);
        assert_eq!(found, run(&graph.finish(result), &values));
    }
}
