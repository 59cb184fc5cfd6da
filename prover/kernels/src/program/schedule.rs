//! The order of instructions and the registers of values.

use halo2curves::bn256::Fr;

use crate::program::{
    code::{Operand, Program, Step, Sum},
    definition::{Definition, Kind, LongSum},
};

/// The program of these definitions, each of which uses earlier ones only.
pub(super) fn schedule(definitions: &[Definition], constants: &[Fr], result: Operand) -> Program {
    let order = order(definitions, result);
    let registers = Registers::allocate(definitions, &order, result);
    let mut emission = Emission { constants, registers, ..Emission::default() };
    let steps: Vec<Step> = order
        .iter()
        .map(|value| {
            let register = emission.registers.of[*value as usize];
            match &definitions[*value as usize] {
                Definition::Load(slot) => Step::Load { slot: *slot, register },
                Definition::Sum(sum) => Step::Sum(emission.sum(sum, register)),
            }
        })
        .collect();
    let result = emission.operand(result);
    let slots = steps.iter().filter_map(|step| match step {
        Step::Load { slot, .. } => Some(*slot as usize),
        Step::Sum(_) => None,
    });
    Program {
        inputs: slots.max().map_or(0, |last| last + 1),
        steps,
        operands: emission.operands,
        constants: emission.used_constants,
        registers: emission.registers.number,
        result,
    }
}

/// The values that a definition uses, each once, ascending.
fn operands(definition: &Definition) -> Vec<u32> {
    let Definition::Sum(sum) = definition else { return Vec::new() };
    let mut values: Vec<u32> = sum
        .terms
        .iter()
        .flat_map(|term| term.kind.operands())
        .filter_map(|operand| match operand {
            Operand::Register(value) => Some(value),
            Operand::Constant(_) => None,
        })
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// The values that the result needs, operands first. Of the operands of a value, the one that needs most
/// registers comes first, so that few others wait in theirs meanwhile.
fn order(definitions: &[Definition], result: Operand) -> Vec<u32> {
    let mut demands: Vec<usize> = Vec::with_capacity(definitions.len());
    let mut sorted_operands: Vec<Vec<u32>> = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let mut operands = operands(definition);
        operands.sort_by_key(|value| std::cmp::Reverse(demands[*value as usize]));
        let demand = operands.iter().enumerate().map(|(i, value)| i + demands[*value as usize]);
        demands.push(demand.max().unwrap_or(1));
        sorted_operands.push(operands);
    }
    let mut order = Vec::new();
    let mut done = vec![false; definitions.len()];
    let mut open = Vec::new();
    if let Operand::Register(value) = result {
        open.push((value, false));
    }
    while let Some((value, operands_done)) = open.pop() {
        if done[value as usize] {
            continue;
        }
        if operands_done {
            done[value as usize] = true;
            order.push(value);
        } else {
            open.push((value, true));
            let operands = &sorted_operands[value as usize];
            open.extend(operands.iter().rev().map(|operand| (*operand, false)));
        }
    }
    order
}

#[derive(Default)]
struct Registers {
    /// By values.
    of: Vec<u32>,
    number: usize,
}

impl Registers {
    fn allocate(definitions: &[Definition], order: &[u32], result: Operand) -> Self {
        let mut last_use = vec![0; definitions.len()];
        for (position, value) in order.iter().enumerate() {
            for operand in operands(&definitions[*value as usize]) {
                last_use[operand as usize] = position;
            }
        }
        if let Operand::Register(value) = result {
            last_use[value as usize] = order.len();
        }
        let mut of = vec![0; definitions.len()];
        let mut number = 0;
        // The one that was freed last is taken first: it is in the nearest cache.
        let mut free = Vec::new();
        for (position, value) in order.iter().enumerate() {
            for operand in operands(&definitions[*value as usize]) {
                if last_use[operand as usize] == position {
                    free.push(of[operand as usize]);
                }
            }
            of[*value as usize] = free.pop().unwrap_or_else(|| {
                number += 1;
                number as u32 - 1
            });
        }
        Self { of, number }
    }
}

#[derive(Default)]
struct Emission<'a> {
    constants: &'a [Fr],
    registers: Registers,
    operands: Vec<Operand>,
    used_constants: Vec<Fr>,
    /// Old and new index of each used constant.
    constant_indices: std::collections::HashMap<u32, u32>,
}

impl Emission<'_> {
    fn sum(&mut self, sum: &LongSum, register: u32) -> Sum {
        let first = self.operands.len() as u32;
        let mut counts = [0u16; 4];
        let kinds = [(true, true), (true, false), (false, true), (false, false)];
        for (count, (product, negative)) in counts.iter_mut().zip(kinds) {
            for term in &sum.terms {
                if term.negative == negative && matches!(term.kind, Kind::Product(..)) == product {
                    *count += 1;
                    for operand in term.kind.operands() {
                        let operand = self.operand(operand);
                        self.operands.push(operand);
                    }
                }
            }
        }
        let [products_subtracted, products_added, subtracted, added] = counts;
        Sum {
            register,
            first,
            products_subtracted,
            products_added,
            subtracted,
            added,
            lift: sum.lift,
            reduce: sum.reduce,
            bound: u32::try_from(sum.bound).expect("at most the limit"),
        }
    }

    /// An operand of the program for one of the definitions.
    fn operand(&mut self, operand: Operand) -> Operand {
        match operand {
            Operand::Register(value) => Operand::Register(self.registers.of[value as usize]),
            Operand::Constant(old) => {
                let next = self.used_constants.len() as u32;
                let new = *self.constant_indices.entry(old).or_insert(next);
                if new == next {
                    self.used_constants.push(self.constants[old as usize]);
                }
                Operand::Constant(new)
            }
        }
    }
}
