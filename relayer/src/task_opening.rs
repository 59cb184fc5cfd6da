//! The opening of the weights that a task uses: counted once, however often the task is begun.

use std::time::Duration;

use assay_prover::openings::{Openings, OpeningsError};
use async_trait::async_trait;
use tokio::runtime::Handle;

use crate::{error::StoreError, proving::TaskOpening, queue::Lease, store::JobStore};

/// How long a worker waits for the relayer to count an opening for it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The opening of one task, as the store has it.
pub(crate) struct StoredOpening {
    store: JobStore,
    lease: Lease,
    /// Whether the counter lies here; else the relayer counts, on whatever machine it is.
    counts_here: bool,
    runtime: Handle,
}

impl StoredOpening {
    /// Of a proof that is made by the process which has the counter.
    pub(crate) fn here(store: JobStore, lease: Lease) -> Self {
        Self { store, lease, counts_here: true, runtime: Handle::current() }
    }

    /// Of a proof that a worker of another process makes.
    pub(crate) fn of_worker(store: JobStore, lease: Lease) -> Self {
        Self { store, lease, counts_here: false, runtime: Handle::current() }
    }

    async fn wait_for_one(&self) -> Result<(), OpeningsError> {
        self.store.want_opening(&self.lease).await.map_err(elsewhere)?;
        let counted = async {
            while !self.store.opening_is_counted(&self.lease).await.map_err(elsewhere)? {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Ok(())
        };
        let reason = "the relayer counts none; does it run, and are any left?".to_owned();
        let counted = tokio::time::timeout(LONGEST_WAIT, counted).await;
        counted.map_err(|_| OpeningsError::Elsewhere { reason })?
    }
}

#[async_trait]
impl TaskOpening for StoredOpening {
    fn take(&self, openings: &Openings) -> Result<usize, OpeningsError> {
        let known = self.store.opening_is_counted(&self.lease);
        if self.runtime.block_on(known).map_err(elsewhere)? {
            tracing::info!(task = %self.lease.task, "the opening of an earlier try is used");
            return Ok(openings.usage().map_or(0, |usage| usage.used));
        }
        if !self.counts_here {
            self.runtime.block_on(self.wait_for_one())?;
            return Ok(0);
        }
        let used = openings.count_proof()?;
        self.runtime.block_on(self.store.note_opening(&self.lease)).map_err(elsewhere)?;
        Ok(used)
    }

    async fn obtain(&self) -> Result<(), OpeningsError> {
        let known = self.store.opening_is_counted(&self.lease);
        if self.counts_here || known.await.map_err(elsewhere)? {
            return Ok(());
        }
        self.wait_for_one().await
    }
}

fn elsewhere(error: StoreError) -> OpeningsError {
    OpeningsError::Elsewhere { reason: error.to_string() }
}
