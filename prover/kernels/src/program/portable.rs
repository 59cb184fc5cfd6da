//! Programs without vector instructions.

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::program::{
    Program,
    code::{Place, Step, Sum, Terms},
};
use crate::wide::Wide;
use crate::words::{of_fr, to_fr};

/// Rows that an instruction works on at a time, so that its decoding costs little.
const BLOCK: usize = 32;

/// Rows of a task.
const TASK: usize = 1024;

/// Runs the program in every row.
pub(super) fn run(program: &Program, inputs: &[&[Fr]], output: &mut [Fr]) {
    let places = program.places(BLOCK as u32);
    output.par_chunks_mut(TASK).enumerate().for_each(|(task, rows)| {
        let mut memory = vec![Fr::ZERO; program.registers * BLOCK];
        memory.extend(&program.constants);
        for (block, rows) in rows.chunks_mut(BLOCK).enumerate() {
            run_block(program, &places, &mut memory, inputs, task * TASK + block * BLOCK, rows);
        }
    });
}

fn run_block(
    program: &Program,
    places: &[Place],
    memory: &mut [Fr],
    inputs: &[&[Fr]],
    first_row: usize,
    output: &mut [Fr],
) {
    let rows = output.len();
    for step in &program.steps {
        match step {
            Step::Load { slot, register } => {
                let cells = &inputs[*slot as usize][first_row..first_row + rows];
                memory[*register as usize * BLOCK..][..rows].copy_from_slice(cells);
            }
            Step::Sum(sum) => {
                run_sum(sum, &sum.terms(places), memory, rows);
            }
        }
    }
    let result = program.place(program.result, BLOCK as u32);
    for (row, cell) in output.iter_mut().enumerate() {
        *cell = memory[result.at(row)];
    }
}

/// Computes a sum in the first rows.
fn run_sum(sum: &Sum, terms: &Terms<'_>, memory: &mut [Fr], rows: usize) {
    let register = sum.register as usize * BLOCK;
    if let Terms { products_subtracted: [], products_added: [[a, b]], subtracted: [], added: [] } =
        terms
    {
        for row in 0..rows {
            memory[register + row] = memory[a.at(row)] * memory[b.at(row)];
        }
    } else {
        for row in 0..rows {
            memory[register + row] = value(terms, memory, row);
        }
    }
}

/// The value of a sum in one row.
#[inline]
fn value(terms: &Terms<'_>, memory: &[Fr], row: usize) -> Fr {
    let at = |place: &Place| memory[place.at(row)];
    let mut added = terms.added.iter().map(at);
    let value = if terms.products_added.is_empty() && terms.products_subtracted.is_empty() {
        added.next().unwrap_or(Fr::ZERO)
    } else {
        let mut sum = Wide::default();
        for [a, b] in terms.products_subtracted {
            sum.subtract_product(&of_fr(&at(a)), &of_fr(&at(b)));
        }
        for [a, b] in terms.products_added {
            sum.add_product(&of_fr(&at(a)), &of_fr(&at(b)));
        }
        to_fr(sum.reduce())
    };
    let value = added.fold(value, |value, summand| value + summand);
    terms.subtracted.iter().map(at).fold(value, |value, summand| value - summand)
}
