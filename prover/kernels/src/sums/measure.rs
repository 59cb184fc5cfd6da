//! CPU time of sums. `RAYON_NUM_THREADS=1 cargo test --release -p assay-kernels sums::measure -- --ignored
//! --nocapture` prints it.

use halo2curves::{bn256::Fr, ff::Field};

use crate::all_kernels;
use crate::program::measure::least;
use crate::sums::tests::random;

#[test]
#[ignore = "prints times"]
fn measure() {
    const LENGTH: usize = 1 << 16;
    const TERMS: usize = 24;
    let columns: Vec<Vec<Fr>> = (0..TERMS as u64).map(|seed| random(seed, LENGTH)).collect();
    let factors = random(TERMS as u64, TERMS);
    let terms: Vec<(&[Fr], Fr)> = columns.iter().map(Vec::as_slice).zip(factors).collect();
    let (a, b, point) = (&columns[0], &columns[1], columns[2][0]);
    let mut output = vec![Fr::ZERO; LENGTH];
    for kernels in all_kernels() {
        let mut time = |name: &str, count: usize, routine: &mut dyn FnMut(&mut [Fr])| {
            output.copy_from_slice(a);
            let best = least(|| routine(&mut output)) / count as f64;
            println!("{} {name}: {best:.2} ns", kernels.name());
        };
        time("combine", LENGTH * TERMS, &mut |output| kernels.combine(&terms, output));
        time("evaluate", LENGTH, &mut |_| {
            std::hint::black_box(kernels.evaluate(a, point));
        });
        time("divide_by_linear", LENGTH, &mut |output| kernels.divide_by_linear(output, point));
        time("running_product", LENGTH, &mut |output| {
            kernels.running_product(output, point);
        });
        time("invert_all", LENGTH, &mut |output| kernels.invert_all(output));
        time("multiply_all", LENGTH, &mut |output| kernels.multiply_all(output, b));
        time("affine", LENGTH, &mut |output| kernels.affine(a, b, point, point, output));
    }
}
