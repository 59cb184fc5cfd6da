//! Says in time that a model's openings run out: making a bundle with new ones, registering it and moving buyers to
//! it takes days.

use std::time::Duration;

use tokio::time::Instant;

use crate::proving::{OpeningsLeft, Prover};

/// Shares of the budget, in percent, at which it is said.
const WARNINGS: [usize; 4] = [25, 10, 5, 1];
/// How long a count is taken for the present one: it lies in a file.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Watches the openings of one prover.
#[derive(Default)]
pub(super) struct OpeningsWatch {
    seen: Option<(OpeningsLeft, Instant)>,
    /// The least share that was warned of.
    warned: Option<usize>,
}

impl OpeningsWatch {
    /// What is left, looked up where the last look is too old. Warns when it gets little.
    pub(super) fn look(&mut self, prover: &dyn Prover) -> Option<OpeningsLeft> {
        if let Some((seen, at)) = self.seen
            && at.elapsed() < LOOK_AGAIN
        {
            return Some(seen);
        }
        let found = prover.openings()?;
        self.seen = Some((found, Instant::now()));
        if let Some(percent) = self.warning(found) {
            tracing::warn!(
                code = "openings-low",
                left = found.left,
                budget = found.budget,
                "less than {percent} % of the model's openings are left; import the model anew, register it and tell \
                 the buyers before none is"
            );
        }
        Some(found)
    }

    /// Has the next look read the count anew: a proof was made.
    pub(super) fn used(&mut self) {
        self.seen = None;
    }

    /// The share to warn of: once each.
    fn warning(&mut self, found: OpeningsLeft) -> Option<usize> {
        let low = |percent: &&usize| found.left * 100 < found.budget * **percent;
        let least = WARNINGS.iter().filter(low).min().copied();
        let news = least.is_some_and(|least| self.warned.is_none_or(|warned| least < warned));
        self.warned = least;
        least.filter(|_| news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_share_is_warned_of_once() {
        let mut watch = OpeningsWatch::default();
        let mut warned = Vec::new();
        for left in (0..=1024).rev() {
            warned.extend(watch.warning(OpeningsLeft { left, budget: 1024 }).map(|p| (left, p)));
        }
        assert_eq!(warned, [(255, 25), (102, 10), (51, 5), (10, 1)]);
        // Another bundle, or openings that were given back.
        assert_eq!(watch.warning(OpeningsLeft { left: 900, budget: 1024 }), None);
        assert_eq!(watch.warning(OpeningsLeft { left: 50, budget: 1024 }), Some(5));
    }
}
