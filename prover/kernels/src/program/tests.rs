use halo2curves::{bn256::Fr, ff::Field};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::{Kernels, Node, Program, ProgramBuilder, all_kernels};

/// An operation on earlier results, which are counted backwards.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Input(usize),
    Constant(i64),
    Large(u64),
    Add(usize, usize),
    Sub(usize, usize),
    Mul(usize, usize),
    Neg(usize),
}

/// Operations, of which the first is always an input.
#[derive(Clone, Debug)]
pub(crate) struct Expressions(Vec<Operation>);

impl Expressions {
    fn operand(done: usize, back: usize) -> usize {
        done - 1 - back % done
    }

    pub(crate) fn program(&self) -> Program {
        let (builder, result) = self.graph();
        builder.finish(result)
    }

    pub(crate) fn graph(&self) -> (ProgramBuilder, Node) {
        let mut builder = ProgramBuilder::new();
        let mut nodes = vec![builder.input(0)];
        for operation in &self.0 {
            let node = |back: usize| nodes[Self::operand(nodes.len(), back)];
            let node = match *operation {
                Operation::Input(slot) => builder.input(slot),
                Operation::Constant(value) => builder.constant(small(value)),
                Operation::Large(seed) => builder.constant(large(seed)),
                Operation::Add(a, b) => builder.add(node(a), node(b)),
                Operation::Sub(a, b) => builder.sub(node(a), node(b)),
                Operation::Mul(a, b) => builder.mul(node(a), node(b)),
                Operation::Neg(a) => builder.neg(node(a)),
            };
            nodes.push(node);
        }
        (builder, nodes[nodes.len() - 1])
    }

    /// The result for these values of the inputs.
    fn value(&self, inputs: &[Fr]) -> Fr {
        let mut values = vec![inputs[0]];
        for operation in &self.0 {
            let value = |back: usize| values[Self::operand(values.len(), back)];
            values.push(match *operation {
                Operation::Input(slot) => inputs[slot],
                Operation::Constant(value) => small(value),
                Operation::Large(seed) => large(seed),
                Operation::Add(a, b) => value(a) + value(b),
                Operation::Sub(a, b) => value(a) - value(b),
                Operation::Mul(a, b) => value(a) * value(b),
                Operation::Neg(a) => -value(a),
            });
        }
        values[values.len() - 1]
    }
}

fn small(value: i64) -> Fr {
    let size = Fr::from(value.unsigned_abs());
    if value < 0 { -size } else { size }
}

pub(super) fn large(seed: u64) -> Fr {
    Fr::random(ChaCha8Rng::seed_from_u64(seed))
}

pub(crate) const SLOTS: usize = 6;

fn operation() -> impl Strategy<Value = Operation> {
    let near = || prop_oneof![3 => 0usize..4, 1 => 0usize..1000];
    prop_oneof![
        3 => (0..SLOTS).prop_map(Operation::Input),
        1 => (-20i64..20).prop_map(Operation::Constant),
        1 => (0u64..4).prop_map(Operation::Large),
        5 => (near(), near()).prop_map(|(a, b)| Operation::Add(a, b)),
        5 => (near(), near()).prop_map(|(a, b)| Operation::Sub(a, b)),
        8 => (near(), near()).prop_map(|(a, b)| Operation::Mul(a, b)),
        1 => near().prop_map(Operation::Neg),
    ]
}

pub(crate) fn expressions() -> impl Strategy<Value = Expressions> {
    prop::collection::vec(operation(), 1..200).prop_map(Expressions)
}

/// Runs a program on cells of these columns of values and takes the values of the result.
fn run(kernels: &dyn Kernels, program: &Program, columns: &[Vec<Fr>]) -> Vec<Fr> {
    let factor = kernels.cell_factor();
    let cells: Vec<Vec<Fr>> =
        columns.iter().map(|column| column.iter().map(|value| value * factor).collect()).collect();
    run_cells(kernels, program, &cells).iter().map(|cell| cell * factor.invert().unwrap()).collect()
}

fn run_cells(kernels: &dyn Kernels, program: &Program, cells: &[Vec<Fr>]) -> Vec<Fr> {
    let cells: Vec<&[Fr]> = cells.iter().map(Vec::as_slice).collect();
    let mut output = vec![Fr::ONE; cells.first().map_or(0, |column| column.len())];
    kernels.run(program, &cells, &mut output);
    output
}

/// What the portable kernels make of columns of values.
pub(crate) fn values_of(program: &Program, columns: &[Vec<Fr>]) -> Vec<Fr> {
    run(&crate::Scalar, program, columns)
}

pub(crate) fn random_columns(slots: usize, rows: usize) -> Vec<Vec<Fr>> {
    let mut random = ChaCha8Rng::seed_from_u64(rows as u64);
    (0..slots).map(|_| (0..rows).map(|_| Fr::random(&mut random)).collect()).collect()
}

/// Compares all kernels with `value` of each row.
fn check(program: &Program, columns: &[Vec<Fr>], value: impl Fn(&[Fr]) -> Fr) {
    let rows = columns[0].len();
    let row = |row: usize| columns.iter().map(|column| column[row]).collect::<Vec<_>>();
    let expected: Vec<Fr> = (0..rows).map(|index| value(&row(index))).collect();
    for kernels in all_kernels() {
        assert!(run(*kernels, program, columns) == expected, "{}", kernels.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_programs(
        expressions in expressions(),
        rows in prop::sample::select(vec![1, 7, 8, 9, 31, 33, 70]),
    ) {
        let columns = random_columns(SLOTS, rows);
        check(&expressions.program(), &columns, |row| expressions.value(row));
    }

    #[test]
    fn extreme_cells(expressions in expressions(), large: [bool; SLOTS]) {
        let program = expressions.program();
        for kernels in all_kernels() {
            // The largest words there are, which are another value to each of the kernels.
            let cells = large.map(|large| if large { largest() } else { Fr::ZERO });
            let factor = kernels.cell_factor();
            let values = cells.map(|cell| cell * factor.invert().unwrap());
            let found = run_cells(*kernels, &program, &cells.map(|cell| vec![cell; 9]));
            prop_assert_eq!(found, vec![expressions.value(&values) * factor; 9]);
        }
    }
}

/// The element whose words are p - 1.
pub(crate) fn largest() -> Fr {
    let words =
        crate::field::subtract(<crate::field::FrModulus as crate::field::Modulus>::P, [1, 0, 0, 0]);
    crate::words::to_fr(words.0)
}

#[test]
fn any_number_of_rows() {
    let expressions = Expressions(vec![
        Operation::Input(1),
        Operation::Mul(0, 1),
        Operation::Input(2),
        Operation::Add(0, 1),
    ]);
    for rows in [0, 1, 7, 8, 9, 1000, 1023, 1024, 1025, 5000] {
        check(&expressions.program(), &random_columns(3, rows), |row| row[0] * row[1] + row[2]);
    }
}

/// A program with sums of hundreds of terms and products of them, and what it computes.
pub(crate) fn long_sums() -> (Program, impl Fn(&[Fr]) -> Fr) {
    let mut builder = ProgramBuilder::new();
    let mut negative = builder.constant(Fr::ZERO);
    let mut alternating = negative;
    for index in 0..500 {
        let (a, b) = (builder.input(index % SLOTS), builder.input((index + 1 + index / 7) % SLOTS));
        let product = builder.mul(a, b);
        let term = if index % 3 == 0 { product } else { a };
        negative = builder.sub(negative, term);
        alternating = if index % 2 == 0 {
            builder.add(alternating, term)
        } else {
            builder.sub(alternating, term)
        };
    }
    let result = builder.mul(negative, alternating);
    let value = |row: &[Fr]| {
        let (mut negative, mut alternating) = (Fr::ZERO, Fr::ZERO);
        for index in 0..500 {
            let (a, b) = (row[index % SLOTS], row[(index + 1 + index / 7) % SLOTS]);
            let term = if index % 3 == 0 { a * b } else { a };
            negative -= term;
            alternating += if index % 2 == 0 { term } else { -term };
        }
        negative * alternating
    };
    (builder.finish(result), value)
}

#[test]
fn long_sums_are_split() {
    let (program, value) = long_sums();
    check(&program, &random_columns(SLOTS, 20), &value);
    for cell in [Fr::ZERO, largest()] {
        check(&program, &vec![vec![cell; 9]; SLOTS], &value);
    }
}

#[test]
fn powers_and_doublings() {
    let mut builder = ProgramBuilder::new();
    let x = builder.input(0);
    let mut doubled = x;
    for _ in 0..300 {
        doubled = builder.add(doubled, doubled);
    }
    let mut power = x;
    for _ in 0..300 {
        power = builder.mul(power, power);
    }
    let result = builder.sub(power, doubled);
    let program = builder.finish(result);
    let value = |row: &[Fr]| {
        let doubled = (0..300).fold(row[0], |value, _| value.double());
        (0..300).fold(row[0], |value, _| value.square()) - doubled
    };
    check(&program, &random_columns(1, 20), value);
}

#[test]
fn results_without_arithmetic() {
    let columns = random_columns(2, 9);
    let mut builder = ProgramBuilder::new();
    let input = builder.input(1);
    let program = builder.finish(input);
    assert_eq!(program.inputs(), 2);
    assert_eq!(program.multiplications(), 0);
    check(&program, &columns, |row| row[1]);

    let mut builder = ProgramBuilder::new();
    let constant = builder.constant(-Fr::from(5));
    let program = builder.finish(constant);
    assert_eq!(program.inputs(), 0);
    check(&program, &columns, |_| -Fr::from(5));
}

#[test]
fn duplicates_are_found() {
    let mut builder = ProgramBuilder::new();
    let (a, b) = (builder.input(0), builder.input(1));
    let (zero, one) = (builder.constant(Fr::ZERO), builder.constant(Fr::ONE));
    let seven = builder.constant(Fr::from(7));
    let minus_seven = builder.constant(-Fr::from(7));
    let same: [(Node, Node); 9] = [
        (builder.add(a, b), builder.add(b, a)),
        (builder.mul(a, b), builder.mul(b, a)),
        (builder.add(a, zero), a),
        (builder.mul(a, one), a),
        (builder.mul(zero, a), zero),
        (builder.sub(b, b), zero),
        (
            {
                let minus = builder.neg(b);
                builder.add(a, minus)
            },
            builder.sub(a, b),
        ),
        (builder.mul(minus_seven, a), {
            let product = builder.mul(seven, a);
            builder.neg(product)
        }),
        (
            {
                let (minus_a, minus_b) = (builder.neg(a), builder.neg(b));
                builder.mul(minus_a, minus_b)
            },
            builder.mul(a, b),
        ),
    ];
    for (found, expected) in same {
        assert_eq!(found, expected);
    }
    let (first, second) = (builder.mul(a, b), builder.mul(b, a));
    let result = builder.add(first, second);
    assert_eq!(builder.finish(result).multiplications(), 1);
}

#[test]
fn few_values_are_alive() {
    // A sum of products in which each product needs a chain.
    let mut builder = ProgramBuilder::new();
    let mut result = builder.constant(Fr::ZERO);
    let y = builder.constant(Fr::from(1 << 20));
    for slot in 0..100 {
        let x = builder.input(slot);
        let square = builder.mul(x, x);
        let cube = builder.mul(square, x);
        let scaled = builder.mul(result, y);
        result = builder.add(scaled, cube);
    }
    let program = builder.finish(result);
    assert!(program.registers < 8, "{} registers", program.registers);
    assert_eq!(program.inputs(), 100);
}
