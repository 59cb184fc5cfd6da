//! Tasks that are made by workers of other processes, as they were at the last look.

use std::collections::{BTreeSet, HashMap};

use crate::{proof_pool::Work, queue::TaskName};

/// What is known of the queue since the last look at it.
#[derive(Default)]
pub(super) struct Remote {
    /// Tasks that are not made here: they wait, or a worker has them.
    pub(super) names: BTreeSet<TaskName>,
    /// What they are for, as far as that was asked.
    pub(super) works: HashMap<TaskName, Work>,
}

impl Remote {
    /// Whether a task is in the hands of others, or waits for them. What it is for is remembered.
    pub(super) fn has(&mut self, name: &TaskName, work: impl FnOnce() -> Work) -> bool {
        if !self.names.contains(name) {
            return false;
        }
        self.works.entry(name.clone()).or_insert_with(work);
        true
    }

    /// Notes a task that was just put into the queue.
    pub(super) fn note(&mut self, name: TaskName, work: Work) {
        self.names.insert(name.clone());
        self.works.insert(name, work);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }
}
