//! Shows how far a proof is, and stops it when somebody presses Ctrl-C.

use std::{
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use assay_prover::proof::{Step, Watch};
use serde::Serialize;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::output::{Output, Spinner};

/// Progress of one proof, or of several that are made at a time.
pub(crate) struct ProofWatch {
    gauge: Option<Gauge>,
    stop: Arc<AtomicBool>,
    _held: HeldSignals,
}

/// While it is there, a signal does not end the program at once but stops the proof, so that what was begun is
/// cleared away. Taken before the first file is written.
pub(crate) struct HeldSignals(());

struct Gauge {
    spinner: Spinner,
    begun: Instant,
    told: Mutex<Vec<Told>>,
}

/// What the prover told at some time.
#[derive(Clone, Copy)]
struct Told {
    after: Duration,
    step: Step,
    fraction: f64,
}

/// How the time of a proof went.
#[derive(Serialize)]
pub(crate) struct Course {
    /// Seconds of each step, in their order.
    steps_s: Vec<(String, f64)>,
    /// How far the time left that was shown was from what it was, as a part of it, at worst: while between a
    /// tenth and nine tenths of the time had gone.
    time_left_error: f64,
}

/// What a signal does while proofs are made, and when none is.
struct Signals {
    /// A proof shall stop.
    stop: Arc<AtomicBool>,
    /// Nobody holds signals: one ends the program at once.
    idle: Arc<AtomicBool>,
    holders: AtomicUsize,
}

/// The first signal stops the proof, so that what it began is cleared away; the next ends the program.
static SIGNALS: LazyLock<Signals> = LazyLock::new(|| {
    let (stop, idle) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
    for signal in [SIGINT, SIGTERM] {
        // Where a handler cannot be set, a signal ends the program as ever.
        let _ = flag::register_conditional_default(signal, Arc::clone(&idle));
        let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop));
        let _ = flag::register(signal, Arc::clone(&stop));
    }
    Signals { stop, idle, holders: AtomicUsize::new(0) }
});

impl ProofWatch {
    /// Of one proof: a bar with the step and the time left.
    pub(crate) fn of_one(output: &Output, message: impl Into<String>) -> Self {
        let spinner = output.measure(message);
        Self::new(Some(Gauge { spinner, begun: Instant::now(), told: Mutex::default() }))
    }

    /// How the time of the one proof went; `None` if there was none.
    pub(crate) fn course(&self) -> Option<Course> {
        let told = self.gauge.as_ref()?.told.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, total) = (told.first()?, told.last()?.after);
        let mut steps: Vec<(Step, Duration)> = Vec::new();
        let mut before = Duration::ZERO;
        for Told { after, step, .. } in told.iter() {
            let spent = after.saturating_sub(before);
            match steps.iter_mut().find(|(known, _)| known == step) {
                Some((_, sum)) => *sum += spent,
                None => steps.push((*step, spent)),
            }
            before = *after;
        }
        let error = |told: &Told| {
            let (gone, all) = (told.after.as_secs_f64(), total.as_secs_f64());
            let left = left(first, told)?.as_secs_f64();
            (gone > 0.1 * all && gone < 0.9 * all)
                .then(|| (left - (all - gone)).abs() / (all - gone))
        };
        Some(Course {
            steps_s: steps
                .iter()
                .map(|(step, time)| (step.to_string(), time.as_secs_f64()))
                .collect(),
            time_left_error: told.iter().filter_map(error).fold(0.0, f64::max),
        })
    }

    /// Of several, whose progress somebody else shows.
    pub(crate) fn of_several() -> Self {
        Self::new(None)
    }

    fn new(gauge: Option<Gauge>) -> Self {
        Self { gauge, stop: Arc::clone(&SIGNALS.stop), _held: HeldSignals::hold() }
    }
}

impl HeldSignals {
    pub(crate) fn hold() -> Self {
        SIGNALS.holders.fetch_add(1, Ordering::SeqCst);
        SIGNALS.idle.store(false, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        if SIGNALS.holders.fetch_sub(1, Ordering::SeqCst) == 1 {
            SIGNALS.idle.store(true, Ordering::SeqCst);
        }
    }
}

impl Watch for ProofWatch {
    fn progress(&self, step: Step, fraction: f64) {
        let Some(gauge) = &self.gauge else { return };
        let after = gauge.begun.elapsed();
        let mut told = gauge.told.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Told { after, step, fraction };
        told.push(now);
        let left = told.first().and_then(|first| left(first, &now));
        drop(told);
        gauge.spinner.at((fraction * 1000.0) as u64, 1000);
        gauge.spinner.message(match left {
            Some(left) => format!("{step}, {} left", human(left)),
            None => step.to_string(),
        });
    }

    fn is_cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Time until the work is done, once enough is done to tell. What came before the first report, such as reading
/// files, says nothing of the pace.
fn left(first: &Told, now: &Told) -> Option<Duration> {
    let (time, done) = (now.after.saturating_sub(first.after), now.fraction - first.fraction);
    (done > 0.12).then(|| time.mul_f64((1.0 - now.fraction).max(0.0) / done))
}

fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64().ceil() as u64;
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_fraction() {
        let told = |seconds, fraction| Told {
            after: Duration::from_secs(seconds),
            step: Step::Columns,
            fraction,
        };
        assert_eq!(left(&told(5, 0.0), &told(6, 0.01)), None);
        assert_eq!(left(&told(5, 0.0), &told(15, 0.25)), Some(Duration::from_secs(30)));
        assert_eq!(left(&told(5, 0.5), &told(15, 0.75)), Some(Duration::from_secs(10)));
        assert_eq!(left(&told(5, 0.0), &told(15, 1.0)), Some(Duration::ZERO));
        assert_eq!(human(Duration::from_millis(61_500)), "1 min 2 s");
        assert_eq!(human(Duration::from_millis(59_000)), "59 s");
    }
}
