//! When jobs are next tried, by a clock that nobody sets: a wall clock that is put right would hold them, or not.
//!
//! Pauses live in memory. After a restart everything is tried at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use alloy::primitives::U256;
use tokio::time::Instant;

/// The pauses of jobs; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Pauses(Arc<Mutex<HashMap<U256, Instant>>>);

impl Pauses {
    fn jobs(&self) -> MutexGuard<'_, HashMap<U256, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on; in place of an earlier pause.
    pub(crate) fn begin(&self, id: U256, pause: Duration) {
        // A pause beyond the clock's range is one without an end.
        let now = Instant::now();
        let end = now.checked_add(pause).unwrap_or(now + Duration::from_secs(1 << 30));
        self.jobs().insert(id, end);
    }

    pub(crate) fn end(&self, id: U256) {
        self.jobs().remove(&id);
    }

    pub(crate) fn is_over(&self, id: U256) -> bool {
        self.jobs().get(&id).is_none_or(|end| *end <= Instant::now())
    }
}
