//! What a program is: loads and sums of products, over registers.

use halo2curves::bn256::Fr;

/// A program: what [`crate::ProgramBuilder::finish`] makes of a graph.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) inputs: usize,
    pub(crate) steps: Vec<Step>,
    /// Of all sums, one after the other.
    pub(crate) operands: Vec<Operand>,
    /// Plain values.
    pub(crate) constants: Vec<Fr>,
    pub(crate) registers: usize,
    pub(crate) result: Operand,
}

/// A factor or summand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operand {
    Register(u32),
    Constant(u32),
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Brings in the cells of an input.
    Load {
        slot: u32,
        register: u32,
    },
    Sum(Sum),
}

/// A sum of products and of registers. Its operands are the factors of the products that are subtracted,
/// those of the products that are added, what is subtracted and what is added, in this order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    /// Where it goes, which may be one of the operands.
    pub(crate) register: u32,
    /// The first operand.
    pub(crate) first: u32,
    pub(crate) products_subtracted: u16,
    pub(crate) products_added: u16,
    pub(crate) subtracted: u16,
    pub(crate) added: u16,
    /// The multiple of p that is added so that the sum is not negative.
    pub(crate) lift: u8,
    /// Whether the remainder by p is to be taken.
    pub(crate) reduce: bool,
    /// What the value is at most, in p / 1024.
    pub(crate) bound: u32,
}

/// An operand in memory that has each register as so many neighbours, then the constants once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    base: u32,
    stride: u32,
}

impl Place {
    pub(crate) fn at(self, position: usize) -> usize {
        self.base as usize + self.stride as usize * position
    }
}

/// The operands of a sum by kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) products_subtracted: &'a [[Place; 2]],
    pub(crate) products_added: &'a [[Place; 2]],
    pub(crate) subtracted: &'a [Place],
    pub(crate) added: &'a [Place],
}

impl Program {
    /// Number of inputs: one more than the last slot that the program reads.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Multiplications a row.
    pub fn multiplications(&self) -> usize {
        let products = self.steps.iter().map(|step| match step {
            Step::Load { .. } => 0,
            Step::Sum(sum) => usize::from(sum.products_subtracted + sum.products_added),
        });
        products.sum()
    }

    /// Where the operands are if each register has `neighbours` places.
    pub(crate) fn places(&self, neighbours: u32) -> Vec<Place> {
        self.operands.iter().map(|operand| self.place(*operand, neighbours)).collect()
    }

    /// Where an operand is if each register has `neighbours` places.
    pub(crate) fn place(&self, operand: Operand, neighbours: u32) -> Place {
        match operand {
            Operand::Register(register) => Place { base: register * neighbours, stride: 1 },
            Operand::Constant(index) => {
                Place { base: self.registers as u32 * neighbours + index, stride: 0 }
            }
        }
    }

    /// # Panics
    ///
    /// Where the inputs do not fit.
    pub(crate) fn check(&self, inputs: &[&[Fr]], rows: usize) {
        assert!(inputs.len() >= self.inputs, "{} inputs of {}", inputs.len(), self.inputs);
        for step in &self.steps {
            if let Step::Load { slot, .. } = step {
                let length = inputs[*slot as usize].len();
                assert_eq!(length, rows, "rows of input {slot} and of the output");
            }
        }
    }
}

impl Sum {
    /// This sum's operands among all.
    pub(crate) fn terms<'a>(&self, places: &'a [Place]) -> Terms<'a> {
        let places = &places[self.first as usize..];
        let (products_subtracted, places) =
            places.split_at(2 * usize::from(self.products_subtracted));
        let (products_added, places) = places.split_at(2 * usize::from(self.products_added));
        let (subtracted, places) = places.split_at(usize::from(self.subtracted));
        Terms {
            products_subtracted: products_subtracted.as_chunks().0,
            products_added: products_added.as_chunks().0,
            subtracted,
            added: &places[..usize::from(self.added)],
        }
    }
}
