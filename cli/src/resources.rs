//! Time and memory that this process used.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Wall-clock and CPU time since it was started.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: f64,
}

/// What was used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Resources {
    pub wall_s: f64,
    /// CPU seconds of all threads.
    pub cpu_s: f64,
    /// Largest resident set of the process so far, in MiB; 0 where the system does not tell.
    pub peak_rss_mb: f64,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: process_cpu_seconds() }
    }

    pub(crate) fn read(&self) -> Resources {
        Resources {
            wall_s: self.wall.elapsed().as_secs_f64(),
            cpu_s: process_cpu_seconds() - self.cpu,
            peak_rss_mb: peak_rss_mb(),
        }
    }
}

fn process_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// VmHWM: unlike `ru_maxrss` it does not count the process that started this one.
fn peak_rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<f64>().ok())
        .map_or(0.0, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_seen() {
        let watch = Stopwatch::start();
        let block = vec![1u8; 64 << 20];
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        let used = watch.read();
        assert_eq!(sum, 64 << 20);
        assert!(used.cpu_s > 0.0 && used.wall_s > 0.0);
        assert!(!cfg!(target_os = "linux") || used.peak_rss_mb >= 64.0, "{used:?}");
    }
}
