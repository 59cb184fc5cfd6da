//! CPU time of transforms. `RAYON_NUM_THREADS=1 cargo test --release -p assay-kernels transform::measure --
//! --ignored --nocapture` prints it.

use std::time::Duration;

use halo2curves::fft::best_fft;

use super::*;
use crate::all_kernels;

/// Of all threads of this process.
fn cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("a list of threads");
    let nanoseconds = tasks.filter_map(|task| {
        let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// The least of a few measurements, in milliseconds. The system counts in ticks, so each repeats what takes
/// less.
fn least(mut what: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..5 {
        let (start, mut repetitions) = (cpu_time(), 0);
        let spent = loop {
            what();
            repetitions += 1;
            let spent = cpu_time() - start;
            if spent > Duration::from_millis(40) {
                break spent;
            }
        };
        least = least.min(spent.as_secs_f64() * 1e3 / f64::from(repetitions));
    }
    least
}

fn values(count: usize) -> Vec<Fr> {
    powers(Fr::ZETA, Fr::MULTIPLICATIVE_GENERATOR.square() + Fr::ZETA, count)
}

#[test]
#[ignore = "prints times"]
fn measure() {
    for k in [10, 12, 14, 16, 18, 20] {
        let full = values(1 << k);
        let mut elements = full.clone();
        let omega = root_of_unity(k);
        let time = least(|| best_fft(&mut elements, omega, k));
        println!("2^{k} library                    {time:9.3} ms");
        for kernels in all_kernels() {
            let name = kernels.name();
            let domain = Domain::new(*kernels, k);
            let print = |what: &str, time: f64| println!("2^{k} {name:12} {what:13} {time:9.3} ms");
            print("in place", least(|| domain.coefficients_in_place(&mut elements)));
            let small = Column::Small {
                values: (0..1 << k).map(|i: u32| i.wrapping_mul(2_654_435_761)).collect(),
                exceptions: (0..7).map(|i| (i * 100, -Fr::from(u64::from(i)))).collect(),
            };
            let palette = Column::Palette {
                indices: (0..1 << k)
                    .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u16)
                    .collect(),
                palette: values(256),
            };
            let full = Column::Full(full.clone());
            for (what, column) in [("small", small), ("palette", palette), ("full", full)] {
                let time = least(|| domain.coefficients_into(&column, &mut elements));
                print(what, time);
            }
            for more in 0..3 {
                let parts = Parts::new(*kernels, k, 2, 2 + more);
                let mut cells = vec![Fr::ONE; parts.rows()];
                let time = least(|| parts.cells(1, &elements, 0, &mut cells));
                print(&format!("part of 1/{}", parts.count()), time);
            }
            for more in 1..4 {
                let parts = Parts::new(*kernels, k, 1, 1 + more);
                let mut cells = vec![Fr::ONE; parts.rows()];
                let time = least(|| parts.split(1, &mut elements));
                print(&format!("split in {}", 1 << more), time);
                let time = least(|| parts.join(1, &mut elements));
                print(&format!("join of {}", 1 << more), time);
                let time = least(|| parts.split_cells(1, &elements, 0, &mut cells));
                print(&format!("of split 1/{}", 1 << more), time);
            }
        }
    }
}
