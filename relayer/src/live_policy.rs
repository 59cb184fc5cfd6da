//! The policy that holds now, and the one that follows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Policy;

/// A policy that can be replaced while a relayer runs; clones share it.
///
/// What is offered holds from the relayer's next turn on, so that one turn goes by one policy. What was begun under an
/// earlier one, a proof or a claim, goes on.
#[derive(Clone, Debug)]
pub struct LivePolicy(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    present: Arc<Policy>,
    offered: Option<Policy>,
}

impl LivePolicy {
    /// One that begins with this policy.
    pub(crate) fn new(policy: Policy) -> Self {
        Self(Arc::new(Mutex::new(Inner { present: Arc::new(policy), offered: None })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The policy that holds.
    pub fn read(&self) -> Arc<Policy> {
        Arc::clone(&self.inner().present)
    }

    /// Has another policy hold from the next turn on, the whole of it.
    pub fn offer(&self, policy: Policy) {
        self.inner().offered = Some(policy);
    }

    /// Lets the policy that was offered hold; whether it is another than before. `None` where none was offered.
    pub(crate) fn take_up(&self) -> Option<bool> {
        let mut inner = self.inner();
        let offered = inner.offered.take()?;
        let changes = *inner.present != offered;
        inner.present = Arc::new(offered);
        Some(changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_holds_from_the_next_turn_on() {
        let live = LivePolicy::new(Policy::default());
        let seen_elsewhere = live.clone();
        assert_eq!(live.take_up(), None);
        let other = Policy { openings_for_bonds: 7, ..Policy::default() };
        live.offer(other.clone());
        assert_eq!(*seen_elsewhere.read(), Policy::default(), "before the turn");
        assert_eq!(live.take_up(), Some(true));
        assert_eq!((*seen_elsewhere.read()).clone(), other);
        seen_elsewhere.offer(other);
        assert_eq!((live.take_up(), live.take_up()), (Some(false), None));
    }
}
