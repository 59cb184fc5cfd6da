//! Programs: straight-line arithmetic applied to every row of many columns, such as the gates of a circuit on a
//! part of the extended domain.

mod builder;
pub(crate) mod code;
mod definition;
mod graph;
mod linear;
mod lowering;
#[cfg(test)]
pub(crate) mod measure;
mod portable;
pub(crate) mod range;
mod schedule;
#[cfg(test)]
pub(crate) mod tests;

use halo2curves::bn256::Fr;

pub use builder::ProgramBuilder;
pub use code::Program;
pub use graph::Node;
pub use linear::LinearForm;

use crate::Scalar;

/// Running programs.
///
/// Inputs and outputs are *cells*: values times [`cell_factor`](crate::Transforms::cell_factor). The vector
/// multiplication divides by another power of two than the library's, and a product of two cells is a cell
/// again.
pub trait Programs {
    /// Runs the program in every row: input slot `i` is `inputs[i][row]`, the result goes to `output[row]`.
    ///
    /// # Panics
    ///
    /// Where there are fewer inputs than [`Program::inputs`], or one that the program reads is not as long
    /// as the output.
    fn run(&self, program: &Program, inputs: &[&[Fr]], output: &mut [Fr]);
}

impl Programs for Scalar {
    fn run(&self, program: &Program, inputs: &[&[Fr]], output: &mut [Fr]) {
        program.check(inputs, output.len());
        portable::run(program, inputs, output);
    }
}
