//! Client of the prediction escrow: one job pays for what a model makes of one committed input, or of each input of
//! a committed collection.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256, U256},
    rpc::types::{Log, TransactionRequest},
    sol_types::SolEvent,
};

use crate::{
    bindings::{ContractErrors, IPredictionEscrow},
    chain::{
        Artifact, BlockRef, Chain, ChainError, Deployed, LogScanner, TransactionOutcome, call,
    },
    contract::{Contract, ContractClient},
    escrow::{job_count, job_count_at},
    proof::ProofArtifact,
    registry::{ModelRegistry, escrow_constructor},
};

pub use crate::bindings::IPredictionEscrow::Order;

/// What goes wrong with a prediction escrow, besides the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum PredictionEscrowError {
    /// The node, or a contract that says no.
    #[error(transparent)]
    Chain(#[from] ChainError),

    /// There is another contract, or none, at the address.
    #[error(
        "{address} does not answer like a prediction escrow: {reason}; check the address and the chain"
    )]
    NotAnEscrow { address: Address, reason: String },

    /// An event of other fields than this version's contracts have.
    #[error(
        "an event of escrow {escrow} in block {block} cannot be decoded: {reason}; is the relayer of the contracts' version?"
    )]
    BadEvent { escrow: Address, block: u64, reason: String },
}

/// The client of a prediction escrow.
#[derive(Clone, Debug)]
pub struct PredictionEscrow {
    contract: Contract,
}

/// Where a job stands on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnChainState {
    /// The price waits for a proof.
    Open,
    /// Proofs earned the price.
    Claimed {
        /// The word that was proven: the class, the number + 2^15, as the model's key states. `None` where proofs
        /// show several: the event holds them.
        output: Option<U256>,
    },
    /// The buyer has the price of what was not proven back.
    Refunded,
}

/// A job as the contract stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnChainJob {
    /// Id in the escrow.
    pub job_id: U256,
    /// Id in the registry.
    pub model_id: U256,
    /// Who opened it.
    pub buyer: Address,
    /// Zero for the native currency.
    pub token: Address,
    /// Of each input, in the token's smallest unit.
    pub price: U256,
    /// Last second (Unix time) at which a claim is accepted.
    pub deadline: u64,
    /// Poseidon commitment to the input, or root of the collection.
    pub input_commitment: U256,
    /// Number of inputs.
    pub items: U256,
    /// Inputs of a run; zero where the model is one of single inputs.
    pub batch: U256,
    /// Inputs whose price no proof has earned.
    pub unclaimed: U256,
    /// Seconds between a request to cancel and the deadline; 0 for none.
    pub notice: u64,
    /// Where it stands.
    pub state: OnChainState,
}

/// An event of the escrow and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscrowEvent {
    /// The timestamp is 0 if the node did not send it with the log.
    pub block: BlockRef,
    /// The transaction that emitted it.
    pub transaction: B256,
    /// Its place among the logs of the block.
    pub log_index: u64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A buyer opened it.
    Opened(Box<IPredictionEscrow::JobOpened>),
    /// A proof of a run earned the price of its inputs.
    Claimed {
        /// Id in the escrow.
        job_id: U256,
        /// Who was paid.
        recipient: Address,
        /// Which run; 0 for a job of one input.
        run: U256,
        /// The words that were proven, as the model's key states.
        outputs: Vec<U256>,
    },
    /// The buyer asked for an end.
    CancelRequested {
        /// Id in the escrow.
        job_id: U256,
        /// Last second (Unix time) at which a claim is accepted from now on.
        deadline: u64,
    },
    /// The buyer has the price of what was not proven back.
    Refunded {
        /// Id in the escrow.
        job_id: U256,
    },
}

impl EventKind {
    /// Id of the job in the escrow.
    pub fn job_id(&self) -> U256 {
        match self {
            Self::Opened(event) => event.jobId,
            Self::Claimed { job_id, .. }
            | Self::CancelRequested { job_id, .. }
            | Self::Refunded { job_id } => *job_id,
        }
    }
}

/// A job that was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Id in the escrow.
    pub job_id: U256,
    /// The transaction that opened it.
    pub outcome: TransactionOutcome,
}

impl ContractClient for PredictionEscrow {
    const NAME: &'static str = "PredictionEscrow";

    type Probe = IPredictionEscrow::getJobCall;

    fn probe() -> Self::Probe {
        // Nothing that it has is its alone; this tells it from contracts that hold no jobs.
        IPredictionEscrow::getJobCall { jobId: U256::ZERO }
    }

    fn new(contract: Contract) -> Self {
        Self { contract }
    }

    fn contract(&self) -> &Contract {
        &self.contract
    }
}

impl PredictionEscrow {
    /// Deploys an escrow from forge's artifact. `allow_dev_setup` admits models whose trusted
    /// setup was made locally: for development chains only.
    ///
    /// # Errors
    /// As of [`Chain::deploy`].
    pub async fn deploy(
        chain: &Chain,
        artifact: &Artifact,
        registry: Address,
        allow_dev_setup: bool,
    ) -> Result<(Self, Deployed), ChainError> {
        let init_code = artifact.with_arguments(&escrow_constructor(registry, allow_dev_setup));
        let deployed = chain.deploy(init_code).await?;
        Ok((Self::at(chain.clone(), deployed.address), deployed))
    }

    /// The registry that this escrow takes its models from.
    ///
    /// # Errors
    /// [`PredictionEscrowError::NotAnEscrow`] if there is another contract, or none, at the address.
    pub async fn registry(&self) -> Result<ModelRegistry, PredictionEscrowError> {
        match self.contract.registry().await {
            Ok(registry) => Ok(registry),
            Err(
                error @ (ChainError::Reverted(_)
                | ChainError::BadAnswer { .. }
                | ChainError::NoCode { .. }),
            ) => Err(PredictionEscrowError::NotAnEscrow {
                address: self.address(),
                reason: error.to_string(),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether models with a locally made trusted setup are admitted.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn allows_dev_setup(&self) -> Result<bool, ChainError> {
        self.contract.query(&IPredictionEscrow::allowDevSetupCall {}).await
    }

    /// Opens a job and escrows the price of all its inputs from the signing account. A token's allowance is given
    /// first where it is too small, for exactly that.
    ///
    /// # Errors
    /// As of [`Contract::pay`]; [`ChainError::Reverted`] among others with `BindingMismatch`,
    /// `DevSetupRefused`, `DeprecatedModel`, `DeadlineOutOfRange` and `PriceOutOfRange`.
    pub async fn open(&self, order: Order) -> Result<Opened, ChainError> {
        let (token, total) = (order.token, order.price.saturating_mul(order.items));
        let outcome =
            self.contract.pay(&IPredictionEscrow::openCall { order }, token, total).await?;
        let event = self.contract.event::<IPredictionEscrow::JobOpened>(&outcome)?;
        Ok(Opened { job_id: event.jobId, outcome })
    }

    /// Claims a job's price for `recipient` with a proof made for it. A relayer claims
    /// with [`Self::claim_request`] and keeps what it signed, which survives crashes.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `JobNotOpen`,
    /// `DeadlinePassed`, `ModelHashMismatch` and `ProofInvalid`.
    pub async fn claim(
        &self,
        job_id: U256,
        recipient: Address,
        artifact: &ProofArtifact,
    ) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&claim_call(job_id, recipient, artifact)).await
    }

    /// The call that claims, unsigned.
    pub fn claim_request(
        &self,
        job_id: U256,
        recipient: Address,
        artifact: &ProofArtifact,
    ) -> TransactionRequest {
        call::request(self.address(), &claim_call(job_id, recipient, artifact))
    }

    /// Moves the deadline of a job nearer, to now plus its notice. The buyer only.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `NotCancellable` and
    /// `DeadlineNotLater`.
    pub async fn request_cancel(&self, job_id: U256) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IPredictionEscrow::requestCancelCall { jobId: job_id }).await
    }

    /// Gives the price of an unclaimed job back to its buyer, after the deadline.
    ///
    /// # Errors
    /// As of [`Contract::send`]; [`ChainError::Reverted`] among others with `JobNotOpen` and
    /// `DeadlineNotPassed`.
    pub async fn refund(&self, job_id: U256) -> Result<TransactionOutcome, ChainError> {
        self.contract.send(&IPredictionEscrow::refundCall { jobId: job_id }).await
    }

    /// Reads a job; `None` if there is none with this id.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn job(&self, job_id: U256) -> Result<Option<OnChainJob>, ChainError> {
        let call = IPredictionEscrow::getJobCall { jobId: job_id };
        let Some(job) = self.contract.lookup::<ContractErrors::JobNotFound, _>(&call).await? else {
            return Ok(None);
        };
        let state = match job.state {
            IPredictionEscrow::State::Open => OnChainState::Open,
            IPredictionEscrow::State::Claimed => {
                OnChainState::Claimed { output: self.output(job_id).await? }
            }
            IPredictionEscrow::State::Refunded => OnChainState::Refunded,
            _ => return Ok(None),
        };
        Ok(Some(OnChainJob {
            job_id,
            model_id: job.modelId,
            buyer: job.buyer,
            token: job.token,
            price: job.price,
            deadline: job.deadline,
            input_commitment: job.inputCommitment,
            items: job.items,
            batch: job.batch,
            unclaimed: job.unclaimed,
            notice: job.notice,
            state,
        }))
    }

    /// The one word that a claimed job's proof shows; `None` if it shows several.
    async fn output(&self, job_id: U256) -> Result<Option<U256>, ChainError> {
        let call = IPredictionEscrow::outputOfCall { jobId: job_id };
        self.contract.lookup::<ContractErrors::SeveralOutputs, _>(&call).await
    }

    /// Whether a run of a job was claimed; run 0 is that of a job of one input.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn is_claimed(&self, job_id: U256, run: u64) -> Result<bool, ChainError> {
        let call = IPredictionEscrow::isClaimedCall { jobId: job_id, run: U256::from(run) };
        self.contract.query(&call).await
    }

    /// Number of jobs; ids run from 1 to it.
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn count(&self) -> Result<U256, ChainError> {
        job_count(&self.contract).await
    }

    /// The same at the end of an earlier block; 0 where the contract was not there yet.
    ///
    /// # Errors
    /// Those of the node; many keep the state of the newest blocks only.
    pub async fn count_at(&self, block: u64) -> Result<U256, ChainError> {
        job_count_at(&self.contract, block).await
    }

    /// Whether the node's pool has what ends a job that is open in the newest block: somebody's claim, mostly.
    /// `false` also where the node does not say what is in its pool.
    ///
    /// # Errors
    /// [`ChainError::Unreachable`].
    pub async fn is_ending(&self, job_id: U256) -> Result<bool, ChainError> {
        let call = IPredictionEscrow::getJobCall { jobId: job_id };
        let at = BlockNumberOrTag::Pending;
        match self.chain().query_at(self.address(), &call, at).await {
            Ok(job) => Ok(!matches!(job.state, IPredictionEscrow::State::Open)),
            Err(error @ ChainError::Unreachable { .. }) => Err(error),
            Err(error) => {
                tracing::debug!(job = %job_id, %error, "the node does not say what is in its pool");
                Ok(false)
            }
        }
    }

    /// Public input 0 as the contract computes it; equal to [`crate::proof_context`].
    ///
    /// # Errors
    /// As of [`Contract::query`].
    pub async fn context(&self, job_id: U256, recipient: Address) -> Result<U256, ChainError> {
        self.contract.query(&IPredictionEscrow::contextOfCall { jobId: job_id, recipient }).await
    }

    /// A reader of this escrow's job events.
    pub fn scanner(&self, max_range: u64) -> LogScanner {
        let topics = vec![
            IPredictionEscrow::JobOpened::SIGNATURE_HASH,
            IPredictionEscrow::JobClaimed::SIGNATURE_HASH,
            IPredictionEscrow::CancelRequested::SIGNATURE_HASH,
            IPredictionEscrow::JobRefunded::SIGNATURE_HASH,
        ];
        LogScanner::new(self.address(), topics, max_range)
    }

    /// All job events from block `from` to the head, in chain order.
    ///
    /// # Errors
    /// [`PredictionEscrowError::BadEvent`], and those of the node.
    pub async fn events(&self, from: u64) -> Result<Vec<EscrowEvent>, PredictionEscrowError> {
        let head = self.chain().head().await?.number;
        let mut scanner = self.scanner(10_000);
        let mut events = Vec::new();
        let mut next = from;
        while next <= head {
            let (logs, to) = scanner.scan(self.chain(), next, head).await?;
            for log in &logs {
                events.push(self.decode_event(log)?);
            }
            next = to.saturating_add(1);
        }
        Ok(events)
    }

    /// Decodes a log of this escrow.
    ///
    /// # Errors
    /// [`PredictionEscrowError::BadEvent`].
    pub fn decode_event(&self, log: &Log) -> Result<EscrowEvent, PredictionEscrowError> {
        let fault = |reason: String| PredictionEscrowError::BadEvent {
            escrow: self.address(),
            block: log.block_number.unwrap_or_default(),
            reason,
        };
        let (Some(number), Some(hash), Some(transaction), Some(log_index)) =
            (log.block_number, log.block_hash, log.transaction_hash, log.log_index)
        else {
            return Err(fault("the node sent a log that is in no block".into()));
        };
        let kind = match log.topic0().copied() {
            Some(IPredictionEscrow::JobOpened::SIGNATURE_HASH) => {
                let event = IPredictionEscrow::JobOpened::decode_log(&log.inner)
                    .map_err(|e| fault(e.to_string()))?;
                EventKind::Opened(Box::new(event.data))
            }
            Some(IPredictionEscrow::JobClaimed::SIGNATURE_HASH) => {
                let event = IPredictionEscrow::JobClaimed::decode_log(&log.inner)
                    .map_err(|e| fault(e.to_string()))?;
                EventKind::Claimed {
                    job_id: event.jobId,
                    recipient: event.recipient,
                    run: event.run,
                    outputs: event.data.outputs,
                }
            }
            Some(IPredictionEscrow::CancelRequested::SIGNATURE_HASH) => {
                let event = IPredictionEscrow::CancelRequested::decode_log(&log.inner)
                    .map_err(|e| fault(e.to_string()))?;
                EventKind::CancelRequested { job_id: event.jobId, deadline: event.deadline }
            }
            Some(IPredictionEscrow::JobRefunded::SIGNATURE_HASH) => {
                let event = IPredictionEscrow::JobRefunded::decode_log(&log.inner)
                    .map_err(|e| fault(e.to_string()))?;
                EventKind::Refunded { job_id: event.jobId }
            }
            other => return Err(fault(format!("topic {other:?} was not asked for"))),
        };
        let block = BlockRef { number, hash, timestamp: log.block_timestamp.unwrap_or_default() };
        Ok(EscrowEvent { block, transaction, log_index, kind })
    }
}

fn claim_call(
    job_id: U256,
    recipient: Address,
    artifact: &ProofArtifact,
) -> IPredictionEscrow::claimCall {
    IPredictionEscrow::claimCall {
        jobId: job_id,
        run: artifact.run,
        recipient,
        outputs: artifact.outputs.clone(),
        proof: artifact.proof.clone(),
    }
}
