//! Reads the escrow's events into the store, block range by block range, and notices when the
//! chain takes blocks back.
//!
//! The cursor is a block's number *and hash*. Before each step the block at that height must
//! still have that hash; else the newest remembered block that the chain still has is the fork,
//! and everything after it is undone and read again. Reading again changes nothing that is the
//! same as before.
//!
//! What a node says of its logs is not believed at once. A second node is asked too, where there is one. The
//! filters in the headers of new blocks tell whether logs may be missing; the escrow's count of jobs tells whether
//! one is, and what is missing is looked for again, in each node.

use alloy::primitives::{Address, U256};
use assay_client::{
    Chain, ContractClient, ModelRegistry, PredictionEscrow,
    chain::{BlockRef, LogScanner},
    escrow::prediction::{EscrowEvent, EventKind},
};

use crate::{
    clock::unix_now,
    error::RelayerError,
    job::{Ending, Payment, PredictionJob, PredictionTerms, SkipReason},
    store::{JobStore, KEPT_BLOCKS, Progress},
};

mod crosscheck;
mod doubts;
mod holes;

use doubts::Holes;

/// Queries for logs at the same time, while there is much to read.
const PARALLEL_QUERIES: u64 = 8;

/// Follows one escrow.
pub struct Follower {
    escrow: PredictionEscrow,
    registry: ModelRegistry,
    store: JobStore,
    scanner: LogScanner,
    /// For a second node, which may bear other ranges.
    second: LogScanner,
    recipient: Address,
    start_block: u64,
    /// Whether jobs are claimed run by run, which is no end of them.
    by_runs: bool,
    holes: Holes,
    /// Whether blocks were taken back since this was last asked.
    rolled_back: bool,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Everything up to the head is read.
    UpToDate {
        /// The newest block.
        head: BlockRef,
    },
    /// Events up to block `to` were read and stored.
    Advanced {
        /// The last block read.
        to: u64,
        /// The newest block.
        head: u64,
        /// Events in the range.
        events: usize,
    },
    /// The chain reorganized; everything after block `ancestor` was undone.
    RolledBack {
        /// The last block that is still part of the chain, of those remembered.
        ancestor: Option<u64>,
        /// Ids of the jobs that were touched.
        jobs: Vec<U256>,
    },
}

impl Follower {
    /// A follower that starts at `start_block` (that of the escrow's deployment, or earlier)
    /// unless the store has a cursor. Claims for `recipient` are ours.
    pub fn new(
        escrow: PredictionEscrow,
        registry: ModelRegistry,
        store: JobStore,
        recipient: Address,
        start_block: u64,
        max_log_range: u64,
    ) -> Self {
        let scanner = escrow.scanner(max_log_range).with_parallel(PARALLEL_QUERIES);
        let (second, holes, rolled_back) = (scanner.clone(), Holes::default(), false);
        Self {
            escrow,
            registry,
            store,
            scanner,
            second,
            recipient,
            start_block,
            by_runs: false,
            holes,
            rolled_back,
        }
    }

    /// Leaves the claims of jobs alone: each is one of a run, and others follow.
    pub(crate) fn by_runs(mut self, by_runs: bool) -> Self {
        self.by_runs = by_runs;
        self
    }

    /// Whether blocks were taken back since this was last asked.
    pub(crate) fn take_rolled_back(&mut self) -> bool {
        std::mem::take(&mut self.rolled_back)
    }

    /// Steps until everything up to the head is read and nothing is known to be missing, or was looked for in
    /// vain; returns the head.
    ///
    /// # Errors
    /// As of [`Self::step`].
    pub async fn catch_up(&mut self) -> Result<BlockRef, RelayerError> {
        loop {
            match self.step().await? {
                Step::UpToDate { head } => {
                    self.fill_holes().await?;
                    return Ok(head);
                }
                Step::Advanced { to, head, events } if events > 0 || head - to > 1000 => {
                    tracing::info!(to, head, events, "read events");
                }
                Step::Advanced { .. } => {}
                Step::RolledBack { ancestor, jobs } => {
                    self.rolled_back = true;
                    tracing::warn!(?ancestor, ?jobs, "the chain reorganized; reading again");
                }
            }
        }
    }

    /// One step: undo a reorganization, or read one range of blocks.
    ///
    /// # Errors
    /// Those of the node and the store. Nothing is stored then, and the step can be repeated.
    pub async fn step(&mut self) -> Result<Step, RelayerError> {
        let chain = self.escrow.chain().clone();
        let head = chain.head().await?;
        let cursor = self.store.cursor().await?;
        let from = cursor.map_or(self.start_block, |c| c.number.saturating_add(1));

        // A cursor over the head mostly means another node behind the same address that lags.
        // If the chain did get shorter, the hashes tell as soon as it has grown again.
        if cursor.is_some_and(|c| c.number > head.number) {
            return Ok(Step::UpToDate { head });
        }
        let to =
            if from > head.number { head.number } else { self.scanner.next_end(from, head.number) };

        // End, cursor, logs, end again: if the end stayed the same, all of it is of one chain.
        let (end, at_cursor) = tokio::try_join!(hash_at(&chain, to), async {
            match cursor {
                Some(cursor) if cursor.number != to => hash_at(&chain, cursor.number).await,
                _ => Ok(None),
            }
        })?;
        if let Some(cursor) = cursor {
            let found = if cursor.number == to { end } else { at_cursor };
            if found.is_none_or(|block| block.hash != cursor.hash) {
                let most = chain.agreed_block(cursor.number).await?;
                if chain.node_count() > 1 && most.is_some_and(|block| block.hash == cursor.hash) {
                    // One node is wrong, or behind.
                    return Err(RelayerError::ChainMoved);
                }
                return self.roll_back(&chain, head.number).await;
            }
        }
        if from > head.number {
            return Ok(Step::UpToDate { head });
        }
        let (logs, reached) = self.scanner.scan(&chain, from, to).await?;
        let logs = self.crosscheck(logs, from, reached).await?;
        let mut progress = Progress::default();
        for log in &logs {
            let event = self.escrow.decode_event(log)?;
            self.note(event, &mut progress).await?;
        }
        let (last, end_after) = tokio::try_join!(
            async { if reached == to { Ok(end) } else { hash_at(&chain, reached).await } },
            hash_at(&chain, to)
        )?;
        if end.is_none() || end.map(|b| b.hash) != end_after.map(|b| b.hash) {
            return Err(RelayerError::ChainMoved);
        }
        progress.cursor = Some(last.ok_or(RelayerError::ChainMoved)?);
        if cursor.is_none() {
            self.note_first_jobs().await?;
        }
        self.store.apply(progress, unix_now()).await?;
        Ok(Step::Advanced { to: reached, head: head.number, events: logs.len() })
    }

    async fn note(&self, event: EscrowEvent, progress: &mut Progress) -> Result<(), RelayerError> {
        match event.kind {
            EventKind::Opened(opened) => {
                let binding = self.registry.binding(opened.modelId).await?;
                // The escrow admits bound models only, and bindings are final: a missing or
                // different one means that the registry was read from another fork.
                let Some(binding) = binding.filter(|b| b.binding_hash == opened.order.bindingHash)
                else {
                    return Err(RelayerError::ChainMoved);
                };
                let terms = PredictionTerms::opened(*opened, binding.model);
                tracing::info!(job = %terms.job_id, model = %terms.model_id, price = %terms.price, "job opened");
                progress.opened.push(PredictionJob::new(terms, event.block, unix_now()));
            }
            EventKind::Claimed { .. } if self.by_runs => {}
            EventKind::Claimed { job_id, recipient, .. } if recipient == self.recipient => {
                progress
                    .paid
                    .push((job_id, Payment { transaction: event.transaction, block: event.block }));
            }
            EventKind::Claimed { job_id, recipient, .. } => {
                let reason = SkipReason::ClaimedByOther { recipient };
                progress.ended.push((job_id, Ending { reason, block: event.block }));
            }
            // Before anything is proven or sent, the deadline is read from the escrow.
            EventKind::CancelRequested { job_id, deadline } => {
                tracing::info!(job = %job_id, deadline, "the buyer moved the deadline");
            }
            EventKind::Refunded { job_id } => {
                let ending = Ending { reason: SkipReason::Refunded, block: event.block };
                progress.ended.push((job_id, ending));
            }
        }
        Ok(())
    }

    async fn roll_back(&self, chain: &Chain, head: u64) -> Result<Step, RelayerError> {
        let mut ancestor = None;
        for known in self.store.blocks().await?.into_iter().filter(|b| b.number <= head) {
            if hash_at(chain, known.number).await?.is_some_and(|b| b.hash == known.hash) {
                ancestor = Some(known.number);
                break;
            }
        }
        if ancestor.is_none() {
            let warning = RelayerError::DeepReorg { kept: KEPT_BLOCKS, from: self.start_block };
            tracing::warn!("{warning}");
        }
        let jobs = self.store.roll_back(ancestor, unix_now()).await?;
        Ok(Step::RolledBack { ancestor, jobs })
    }
}

async fn hash_at(chain: &Chain, number: u64) -> Result<Option<BlockRef>, RelayerError> {
    Ok(chain.block(number.into()).await?)
}
