//! The states that a job went through, for whoever looks at it later.

use serde::{Deserialize, Serialize};

use super::JobState;

/// Most steps that are kept: a job that fails for days goes to and fro.
const KEPT: usize = 64;

/// A state that a job was in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub state: String,
    /// Unix time, in seconds, since when.
    pub at: u64,
}

/// Notes a change of state. Of very many the first one stays, and the newest ones.
pub(super) fn note(history: &mut Vec<Step>, from: &JobState, to: &JobState, now: u64) {
    if from == to {
        return;
    }
    if history.len() >= KEPT {
        history.remove(1);
    }
    history.push(Step { state: to.name().to_owned(), at: now });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_newest_stay() {
        let mut history = vec![Step { state: "seen".into(), at: 0 }];
        let states = [JobState::Seen, JobState::Proving];
        for now in 1..=200u64 {
            let (from, to) = if now % 2 == 1 { (0, 1) } else { (1, 0) };
            note(&mut history, &states[from], &states[to], now);
        }
        note(&mut history, &JobState::Seen, &JobState::Seen, 300);
        assert_eq!(history.len(), KEPT);
        assert_eq!((history[0].at, history[KEPT - 1].at), (0, 200));
        assert!(history.windows(2).all(|pair| pair[0].at < pair[1].at));
    }
}
