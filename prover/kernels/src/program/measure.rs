//! CPU time of programs. `RAYON_NUM_THREADS=1 cargo test --release -p assay-kernels program::measure --
//! --ignored --nocapture` prints it.

use std::time::Duration;

use halo2curves::{bn256::Fr, ff::Field};

use crate::program::tests::{large, random_columns};
use crate::{Node, Program, ProgramBuilder, all_kernels};

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    let nanoseconds = tasks.filter_map(|task| {
        let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The least of a few repetitions, in nanoseconds.
pub(crate) fn least(mut what: impl FnMut()) -> f64 {
    let times = (0..30).map(|_| {
        let start = cpu_time();
        what();
        (cpu_time() - start).as_secs_f64() * 1e9
    });
    times.fold(f64::INFINITY, f64::min)
}

/// Lookups of three values each and Horner sums, combined with powers of a challenge.
fn gates() -> Program {
    let mut builder = ProgramBuilder::new();
    let [y, beta, theta, z] = [0, 1, 2, 3].map(|seed| builder.constant(large(seed)));
    let usable = builder.input(0);
    let mut result = builder.constant(Fr::ZERO);
    for lane in 0..20 {
        let [a, b, c, d, e, helper] = [1, 2, 3, 4, 5, 6].map(|i| builder.input(6 * lane + i));
        let mut gates = Vec::new();
        let [first, second] = [[a, b], [c, d]].map(|[left, right]| {
            let scaled = builder.mul(left, theta);
            let sum = builder.add(scaled, right);
            builder.add(sum, beta)
        });
        let product = builder.mul(first, second);
        let left = builder.mul(helper, product);
        let sum = builder.add(first, second);
        let right = builder.mul(usable, sum);
        gates.push(builder.sub(left, right));
        let difference = builder.sub(a, e);
        gates.push(builder.mul(difference, usable));
        let square = builder.mul(e, e);
        let square = builder.sub(square, e);
        gates.push(builder.mul(square, usable));
        let mut horner = a;
        for next in [b, c, d, e] {
            let scaled = builder.mul(horner, z);
            horner = builder.add(scaled, next);
        }
        let horner = builder.sub(horner, helper);
        gates.push(builder.mul(horner, usable));
        for gate in gates {
            let scaled = builder.mul(result, y);
            result = builder.add(scaled, gate);
        }
    }
    builder.finish(result)
}

/// A dense product of multiplications: each factor is the product before.
fn powers() -> Program {
    let mut builder = ProgramBuilder::new();
    let inputs: Vec<Node> = (0..50).map(|slot| builder.input(slot)).collect();
    let mut power = inputs[0];
    for index in 0..1000 {
        power = builder.mul(power, inputs[index % 50]);
    }
    builder.finish(power)
}

/// Multiplications of the library, for comparison.
fn library() -> f64 {
    let mut values = random_columns(1, 1 << 12).remove(0);
    let factor = large(0);
    least(|| (0..1 << 6).for_each(|_| values.iter_mut().for_each(|value| *value *= factor)))
        / f64::from(1 << 18)
}

#[test]
#[ignore = "prints times"]
fn measure() {
    const ROWS: usize = 1 << 12;
    println!("library: {:.2} ns a multiplication", library());
    for (name, program) in [("gates", gates()), ("powers", powers())] {
        let columns = random_columns(program.inputs(), ROWS);
        let columns: Vec<&[Fr]> = columns.iter().map(Vec::as_slice).collect();
        let mut output = vec![Fr::ZERO; ROWS];
        println!(
            "{name}: {} inputs, {} multiplications, {} steps, {} registers",
            program.inputs(),
            program.multiplications(),
            program.steps.len(),
            program.registers
        );
        for kernels in all_kernels() {
            let time = least(|| kernels.run(&program, &columns, &mut output));
            let row = time / ROWS as f64;
            let one = row / program.multiplications() as f64;
            println!("{}: {row:.0} ns a row, {one:.2} ns a multiplication", kernels.name());
        }
    }
}
