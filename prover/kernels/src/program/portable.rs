//! Programs with the library's arithmetic.

use halo2curves::{bn256::Fr, ff::Field};
use rayon::prelude::*;

use crate::program::{
    Program,
    code::{Place, Step, Terms},
};

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
                let terms = sum.terms(places);
                let register = sum.register as usize * BLOCK;
                for row in 0..rows {
                    memory[register + row] = value(&terms, memory, row);
                }
            }
        }
    }
    let result = program.place(program.result, BLOCK as u32);
    for (row, cell) in output.iter_mut().enumerate() {
        *cell = memory[result.at(row)];
    }
}

/// The value of a sum in one row.
#[inline]
fn value(terms: &Terms<'_>, memory: &[Fr], row: usize) -> Fr {
    let mut value = Fr::ZERO;
    for [a, b] in terms.products_subtracted {
        value -= memory[a.at(row)] * memory[b.at(row)];
    }
    for [a, b] in terms.products_added {
        value += memory[a.at(row)] * memory[b.at(row)];
    }
    for a in terms.subtracted {
        value -= memory[a.at(row)];
    }
    for a in terms.added {
        value += memory[a.at(row)];
    }
    value
}
