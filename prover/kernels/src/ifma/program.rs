//! Programs, eight rows at a time. Registers hold normal numbers below the bounds of `program::range`.

use halo2curves::bn256::Fr;
use rayon::prelude::*;

use core::arch::x86_64::*;

use crate::field::{FrModulus, Modulus};
use crate::ifma::{
    Ifma,
    memory::{load, store},
    vector::{self, Eight},
    wide,
};
use crate::program::{
    Program, Programs,
    code::{Place, Step, Sum, Terms},
    range::KEPT,
};
use crate::words::{Words, of_fr, words, words_mut};

/// Vectors that an instruction works on at a time, so that its decoding costs little.
const VECTORS: usize = 4;

/// Rows of a block.
const BLOCK: usize = 8 * VECTORS;

/// Rows of a task.
const TASK: usize = 32 * BLOCK;

impl Programs for Ifma {
    fn run(&self, program: &Program, inputs: &[&[Fr]], output: &mut [Fr]) {
        program.check(inputs, output.len());
        let places = program.places(VECTORS as u32);
        words_mut(output).par_chunks_mut(TASK).enumerate().for_each(|(task, rows)| {
            let see = |sum: &Sum, _: &Eight| debug_assert!(i64::from(sum.bound) <= KEPT);
            // SAFETY: an `Ifma` exists only where the instructions do.
            unsafe { run_task(program, &places, inputs, task * TASK, rows, see) };
        });
    }
}

/// Runs the program from this row on; `see` is shown each value that is computed.
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn run_task(
    program: &Program,
    places: &[Place],
    inputs: &[&[Fr]],
    first_row: usize,
    output: &mut [Words],
    see: impl Fn(&Sum, &Eight),
) {
    let mut memory = vec![vector::zero(); program.registers * VECTORS];
    let cell = Fr::from(16);
    memory.extend(
        program.constants.iter().map(|value| vector::broadcast_words(of_fr(&(value * cell)))),
    );
    for (block, rows) in output.chunks_mut(BLOCK).enumerate() {
        let first_row = first_row + block * BLOCK;
        run_block(program, places, &mut memory, inputs, first_row, rows.len(), &see);
        let result = program.place(program.result, VECTORS as u32);
        for (position, rows) in rows.chunks_mut(8).enumerate() {
            store(&memory[result.at(position)], rows);
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn run_block(
    program: &Program,
    places: &[Place],
    memory: &mut [Eight],
    inputs: &[&[Fr]],
    first_row: usize,
    rows: usize,
    see: &impl Fn(&Sum, &Eight),
) {
    let vectors = rows.div_ceil(8);
    for step in &program.steps {
        match step {
            Step::Load { slot, register } => {
                let cells = &words(inputs[*slot as usize])[first_row..];
                let memory = &mut memory[*register as usize * VECTORS..][..vectors];
                prefetch(cells);
                for (value, cells) in memory.iter_mut().zip(cells[..rows].chunks(8)) {
                    *value = load(cells);
                }
            }
            Step::Sum(sum) => {
                let terms = sum.terms(places);
                let register = sum.register as usize * VECTORS;
                for position in 0..vectors {
                    let value = value(sum, &terms, memory, position);
                    see(sum, &value);
                    memory[register + position] = value;
                }
            }
        }
    }
}

/// The next block of a column, which would otherwise be waited for: more columns are read at a time than the
/// processor foresees.
#[inline]
fn prefetch(cells: &[Words]) {
    for row in (BLOCK..2 * BLOCK).step_by(2) {
        if let Some(cell) = cells.get(row) {
            // SAFETY: only a hint, and the address is that of a cell.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(cell).cast()) };
        }
    }
}

/// The value of a sum in eight rows.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn value(sum: &Sum, terms: &Terms<'_>, memory: &[Eight], position: usize) -> Eight {
    let mut value = if sum.products_added + sum.products_subtracted > 0 {
        products(terms, memory, position)
    } else {
        vector::zero()
    };
    if sum.lift > 0 {
        let lift = u64::from(sum.lift);
        value =
            vector::add_raw(&value, &vector::broadcast(&FrModulus::LIMBS.map(|limb| limb * lift)));
    }
    for place in terms.subtracted {
        let summand = &memory[place.at(position)].0;
        for (limb, summand) in value.0.iter_mut().zip(summand) {
            *limb = _mm512_sub_epi64(*limb, *summand);
        }
    }
    for place in terms.added {
        value = vector::add_raw(&value, &memory[place.at(position)]);
    }
    value = vector::normalize(&value);
    if sum.reduce { wide::remainder::<FrModulus>(&value) } else { value }
}

/// The sum of the products, not normal.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn products(terms: &Terms<'_>, memory: &[Eight], position: usize) -> Eight {
    let mut sum = wide::empty();
    if !terms.products_subtracted.is_empty() {
        for [a, b] in terms.products_subtracted {
            sum = wide::multiply_add(&sum, &memory[a.at(position)], &memory[b.at(position)]);
        }
        sum = wide::negate(&sum);
    }
    for [a, b] in terms.products_added {
        sum = wide::multiply_add(&sum, &memory[a.at(position)], &memory[b.at(position)]);
    }
    wide::reduce_wide::<FrModulus>(&sum)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::program::range::{REMAINDER, UNIT};
    use crate::program::tests::{
        Expressions, SLOTS, expressions, largest, long_sums, random_columns,
    };

    /// The limbs of one of eight elements.
    fn lane(value: &Eight, lane: usize) -> [u64; 5] {
        // SAFETY: a vector of 64 bytes is eight words.
        value.0.map(|limb| unsafe { std::mem::transmute::<__m512i, [u64; 8]>(limb) }[lane])
    }

    /// Whether a normal number is at most `bound` times p / 1024.
    fn within(limbs: [u64; 5], bound: u32) -> bool {
        // Sums of limbs from the lowest, as signed differences with a carry.
        let mut carry = 0i128;
        for (limb, p) in limbs.iter().zip(FrModulus::LIMBS) {
            let difference =
                i128::from(p) * i128::from(bound) - i128::from(*limb) * i128::from(UNIT) + carry;
            carry = difference >> 52;
        }
        carry >= 0 && limbs.iter().all(|limb| *limb < 1 << 52)
    }

    /// Runs a program and checks each value against its bound.
    fn check(program: &Program, columns: &[Vec<Fr>]) {
        if Ifma::detect().is_none() {
            return;
        }
        let columns: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
        let mut output = vec![[0; 4]; columns[0].len()];
        let see = |sum: &Sum, value: &Eight| {
            assert!(i64::from(sum.bound) <= KEPT);
            assert!(!sum.reduce || i64::from(sum.bound) == REMAINDER);
            for index in 0..8 {
                let limbs = lane(value, index);
                assert!(within(limbs, sum.bound), "{limbs:x?} and {sum:?}");
            }
        };
        // SAFETY: the instructions are there.
        unsafe {
            run_task(program, &program.places(VECTORS as u32), &columns, 0, &mut output, see);
        }
    }

    #[test]
    fn bounds_are_compared_exactly() {
        let twice = FrModulus::LIMBS.map(|limb| 2 * limb);
        let mut normal = twice;
        for i in 0..4 {
            normal[i + 1] += normal[i] >> 52;
            normal[i] &= (1 << 52) - 1;
        }
        assert!(within(normal, 2048));
        assert!(!within(normal, 2047));
        normal[0] += 1;
        assert!(!within(normal, 2048));
        assert!(!within([1 << 52, 0, 0, 0, 0], 2048), "not normal");
    }

    fn extremes() -> [Vec<Vec<Fr>>; 3] {
        let mixed = |slot: usize| if slot.is_multiple_of(2) { largest() } else { Fr::zero() };
        [
            vec![vec![largest(); 9]; SLOTS],
            vec![vec![Fr::zero(); 9]; SLOTS],
            (0..SLOTS).map(|slot| vec![mixed(slot); 9]).collect(),
        ]
    }

    #[test]
    fn long_sums_stay_within_their_bounds() {
        let (program, _) = long_sums();
        assert!(
            program.steps.iter().any(|step| matches!(step, Step::Sum(Sum { reduce: true, .. })))
        );
        for columns in extremes() {
            check(&program, &columns);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn values_stay_within_their_bounds(expressions in expressions()) {
            let program = Expressions::program(&expressions);
            check(&program, &random_columns(SLOTS, 9));
            for columns in extremes() {
                check(&program, &columns);
            }
        }
    }
}
