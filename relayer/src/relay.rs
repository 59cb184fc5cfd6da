//! The relayer's main loop.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy::primitives::{Address, U256};
use assay_client::{
    ContractClient, ModelIdentity, PredictionEscrow, PredictionEscrowError, proof_context,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::unix_now,
    config::RelayerConfig,
    duties::Duties,
    error::RelayerError,
    follower::Follower,
    heads::HeadWatch,
    job::PredictionJob,
    live_policy::LivePolicy,
    nonces::Nonces,
    policy::Costs,
    proof_pool::{Finished, ProofPool},
    proving::Prover,
    sales::Sales,
    status::StatusBoard,
    store::{HERE, JobStore},
    submitter::Submitter,
    watch::RunWatch,
    withdrawals::Withdrawals,
};

mod openings;
mod policy;
mod proofs;
mod remote;
mod remote_tasks;
mod turn;
mod watches;

use openings::OpeningsWatch;
use remote_tasks::Remote;
use watches::{source_of, watches};

/// A relayer for one escrow and one recipient.
pub struct Relayer {
    config: RelayerConfig,
    escrow: PredictionEscrow,
    recipient: Address,
    store: JobStore,
    follower: Follower,
    submitter: Submitter,
    proofs: ProofPool,
    /// All provers, each of its model.
    provers: Vec<Arc<dyn Prover>>,
    /// Proofs that are made by other processes.
    remote: Remote,
    /// This process, among the workers.
    worker: String,
    /// Proofs that the disk had no room for.
    unsaved: Vec<Finished>,
    nonces: Nonces,
    withdrawals: Withdrawals,
    /// Which work is taken.
    policy: LivePolicy,
    /// Whether jobs that were left alone are to be looked at by another policy.
    wants_another_look: bool,
    heads: HeadWatch,
    duties: Duties,
    costs: Costs,
    openings: OpeningsWatch,
    /// Those of models that only duties are proven with.
    other_openings: HashMap<ModelIdentity, OpeningsWatch>,
    /// Where forgetting old jobs goes on.
    prune_from: U256,
    status: StatusBoard,
}

/// How often the tasks of others are looked at, where there are any.
const LOOK_AT_TASKS: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

impl Relayer {
    /// Checks the escrow and opens the store.
    ///
    /// # Errors
    /// [`PredictionEscrowError::NotAnEscrow`], [`RelayerError::Config`], [`RelayerError::Store`], and
    /// [`assay_client::ChainError::NoSigner`] for a connection without a key.
    pub async fn new(
        escrow: PredictionEscrow,
        prover: Arc<dyn Prover>,
        config: RelayerConfig,
    ) -> Result<Self, RelayerError> {
        Self::with_sales(escrow, prover, config, Sales::default()).await
    }

    /// The same for one that sells proofs about collections too, beside the jobs of `prover`'s model.
    ///
    /// # Errors
    /// As of [`Self::new`].
    pub async fn with_sales(
        escrow: PredictionEscrow,
        prover: Arc<dyn Prover>,
        config: RelayerConfig,
        sales: Sales,
    ) -> Result<Self, RelayerError> {
        let account = escrow.chain().account()?;
        // Says of what is no escrow that it is none.
        let registry = escrow.registry().await?;
        let recipient = checked(&escrow, &config).await?;
        let models = registry.clone();
        let store =
            JobStore::open(&config.store, escrow.chain().chain_id(), escrow.address()).await?;
        let follower = Follower::new(
            escrow.clone(),
            registry,
            store.clone(),
            recipient,
            config.start_block,
            config.max_log_range,
        )
        .by_runs(prover.proves_runs());
        let submitter = Submitter::new(escrow.clone(), store.clone(), recipient, config.submit);
        let nonces = Nonces::new(escrow.chain().clone(), store.clone(), config.submit);
        let withdraw = config.withdraw && recipient == account;
        let withdrawals =
            Withdrawals::new(escrow.clone(), store.clone(), config.submit, withdraw).await?;
        store.forget_tasks_here().await?;
        let mut provers = vec![Arc::clone(&prover)];
        provers.extend(sales.provers());
        let worker = format!("{HERE}{}", std::process::id());
        let policy = LivePolicy::new(config.policy.clone());
        if let Some(gas) = config.policy.gas {
            escrow.chain().set_gas_policy(gas);
        }
        let settings = (&config, &policy);
        let mut watches = watches(&escrow, &models, &store, settings, &prover, sales).await?;
        if prover.proves_runs() {
            let source = source_of(&store, &config);
            let watch =
                RunWatch::new(escrow.clone(), models, recipient, settings, &prover, &source)
                    .await?;
            watches.push(Box::new(watch));
        }
        let duties = Duties::new(escrow.chain().clone(), store.clone(), config.submit, watches);
        let proofs = ProofPool::new(prover, config.parallel_proofs);
        let status = StatusBoard::default();
        status.policy_holds(unix_now());
        Ok(Self {
            config,
            escrow,
            recipient,
            store,
            follower,
            submitter,
            proofs,
            provers,
            remote: Remote::default(),
            worker,
            unsaved: Vec::new(),
            nonces,
            withdrawals,
            policy,
            wants_another_look: false,
            heads: HeadWatch::default(),
            duties,
            costs: Costs::default(),
            openings: OpeningsWatch::default(),
            other_openings: HashMap::new(),
            prune_from: U256::ZERO,
            status,
        })
    }

    /// The escrow that it follows.
    pub fn escrow(&self) -> &PredictionEscrow {
        &self.escrow
    }

    /// What is known of the relayer's health, for whoever watches it.
    pub fn status(&self) -> &StatusBoard {
        &self.status
    }

    /// Which work is taken, and whereby that is changed while it runs.
    pub fn policy(&self) -> &LivePolicy {
        &self.policy
    }

    /// The jobs and their states.
    pub fn store(&self) -> &JobStore {
        &self.store
    }

    /// Who is paid.
    pub fn recipient(&self) -> Address {
        self.recipient
    }

    /// Runs until told to stop. Troubles that may pass (a node out of reach) are logged and
    /// waited out.
    ///
    /// # Errors
    /// What a restart would not cure: a broken store, an escrow of another version.
    pub async fn run(&mut self, shutdown: CancellationToken) -> Result<(), RelayerError> {
        tracing::info!(
            escrow = %self.escrow.address(), chain = self.escrow.chain().chain_id(),
            node = self.escrow.chain().label(), recipient = %self.recipient,
            deadline_margin_s = self.margin().as_secs(), "relayer runs"
        );
        let result = self.turns(&shutdown, None, None).await;
        self.drain().await?;
        tracing::info!("relayer stopped");
        result.map(drop)
    }

    /// Runs until job `id` is settled and what it earned is withdrawn, and returns it.
    ///
    /// # Errors
    /// [`RelayerError::NotSettled`] after `timeout`, [`RelayerError::Stopped`], and as [`Self::run`].
    pub async fn run_until_settled(
        &mut self,
        id: U256,
        timeout: Duration,
        shutdown: CancellationToken,
    ) -> Result<PredictionJob, RelayerError> {
        let result = self.turns(&shutdown, Some(id), Some(timeout)).await;
        self.drain().await?;
        result?.ok_or(RelayerError::Stopped)
    }

    /// The time before a deadline in which no job is begun.
    fn margin(&self) -> Duration {
        self.policy.read().margin(self.proofs.prover().expected_time())
    }

    /// A job, and whether anything is being withdrawn.
    async fn job_and_withdrawals(
        &self,
        id: U256,
    ) -> Result<(Option<PredictionJob>, bool), RelayerError> {
        let job = self.store.job(id).await?;
        Ok((job, self.withdrawals.on_their_way().await?))
    }

    async fn turns(
        &mut self,
        shutdown: &CancellationToken,
        until: Option<U256>,
        timeout: Option<Duration>,
    ) -> Result<Option<PredictionJob>, RelayerError> {
        let start = Instant::now();
        let mut failures = 0u32;
        while !shutdown.is_cancelled() {
            let turn = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                turn = self.turn() => turn,
            };
            let trouble = match turn {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!("the trouble is over");
                    }
                    failures = 0;
                    self.status.went_well();
                    None
                }
                Err(error) if error.is_survivable() => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(%error, code = error.code(), failures, "trying again");
                    self.status.failed(&error);
                    Some(error.to_string())
                }
                Err(error) => return Err(error),
            };
            if let Some(id) = until {
                let late = timeout.is_some_and(|limit| start.elapsed() >= limit);
                match self.job_and_withdrawals(id).await {
                    Ok((Some(job), moving)) if job.state().is_settled() && (late || !moving) => {
                        return Ok(Some(job));
                    }
                    Err(error) if late || !error.is_survivable() => return Err(error),
                    Err(error) => tracing::warn!(%error, code = error.code(), "looking again"),
                    Ok((job, _)) if late => {
                        let state =
                            job.as_ref().map_or("not seen", |job| job.state().name()).to_owned();
                        let last_error = trouble.or_else(|| job.and_then(|job| job.last_error));
                        return Err(RelayerError::NotSettled {
                            job: id,
                            waited: start.elapsed(),
                            state,
                            last_error,
                        });
                    }
                    Ok(_) => {}
                }
            }
            // Not to hammer a node in trouble.
            let pause = if failures == 0 {
                self.config.poll_interval
            } else {
                self.config.poll_interval.saturating_mul(1 << failures.min(8)).min(LONGEST_BACKOFF)
            };
            let pause = match timeout {
                Some(limit) => pause.min(limit.saturating_sub(start.elapsed())),
                None => pause,
            };
            self.rest(pause, shutdown).await?;
        }
        Ok(None)
    }

    /// Waits so long, or until a proof ends, and notes that.
    async fn rest(
        &mut self,
        pause: Duration,
        shutdown: &CancellationToken,
    ) -> Result<(), RelayerError> {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep_until(end) => return Ok(()),
                Some(finished) = self.proofs.next() => return self.finish_or_retry(finished).await,
                () = tokio::time::sleep(LOOK_AT_TASKS), if !self.remote.is_empty() => {
                    match self.look_at_tasks().await {
                        Ok(true) => return Ok(()),
                        Err(error) if !error.is_survivable() => return Err(error),
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Who is paid, if settings and escrow are in order.
async fn checked(
    escrow: &PredictionEscrow,
    config: &RelayerConfig,
) -> Result<Address, RelayerError> {
    let recipient = config.recipient.map_or_else(|| escrow.chain().account(), Ok)?;
    if recipient == Address::ZERO || recipient == escrow.address() {
        return Err(RelayerError::Config(format!(
            "{recipient} cannot be the recipient; name an account of yours"
        )));
    }
    if config.submit.confirmations == 0 {
        return Err(RelayerError::Config("confirmations must be at least 1".into()));
    }
    let ours = proof_context(escrow.chain().chain_id(), escrow.address(), U256::ONE, recipient);
    let theirs = escrow.context(U256::ONE, recipient).await?;
    if ours != theirs {
        let reason = format!("it computes context {theirs} where this relayer computes {ours}");
        let address = escrow.address();
        return Err(PredictionEscrowError::NotAnEscrow { address, reason }.into());
    }
    Ok(recipient)
}
