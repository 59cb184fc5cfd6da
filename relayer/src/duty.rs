//! Calls that an account owes itself: each is made once, before its deadline, and followed until a confirmed block shows
//! that nothing is left to do.
//!
//! What is due follows from the state of the contracts alone, read anew with every new block. So a reorganization needs
//! no undoing: what it takes back is due again, and the transactions that were signed for it are sent again.

use std::{fmt, sync::Arc};

use alloy::{
    primitives::{Address, B256, U256},
    rpc::types::TransactionRequest,
};
use assay_client::{ProofArtifact, chain::SignedTransaction};
use serde::{Deserialize, Serialize};

use crate::proving::{ProofRequest, Prover};

/// A call, by what it brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Duty {
    /// A contested item of a batch of answers is proven.
    ProveItem {
        /// The service bond.
        contract: Address,
        /// Id of the batch.
        batch: B256,
        /// Items of the batch contested so far, which tells its contests apart.
        contested: U256,
        /// Place of the item in its contest.
        position: u64,
    },
    /// A batch of answers that nobody contests any more is paid.
    SettleBatch {
        /// The service bond.
        contract: Address,
        /// Id of the batch.
        batch: B256,
    },
    /// The provider of a batch with unproven items pays its buyer.
    PunishBatch {
        /// The service bond.
        contract: Address,
        /// Id of the batch.
        batch: B256,
    },
    /// A service that was given notice of gives its bond back.
    CloseService {
        /// The service bond.
        contract: Address,
        /// Id of the service.
        service: B256,
    },
    /// The buyer of a prediction has the price back.
    RefundPrediction {
        /// The prediction escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// A run of a job about a collection earns the price of its items.
    ClaimRun {
        /// The prediction escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The run.
        run: u64,
    },
    /// A run of a retrieval is proven.
    ProveRetrievalRun {
        /// The retrieval escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The run.
        run: u64,
    },
    /// The openings of a retrieval's items are published, which pays its holder.
    PublishRetrieval {
        /// The retrieval escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// A model enters an audit, with a stake.
    EnterAudit {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// An entry of an audit claims how many items are correct.
    AcceptAudit {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The entry.
        entry: U256,
    },
    /// An entry of an audit gives up, for the abort fee.
    AbortAudit {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The entry.
        entry: U256,
    },
    /// A run of an entry's claim is proven.
    ProveAuditRun {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The entry.
        entry: U256,
        /// The run.
        run: u64,
    },
    /// An audit is ended.
    SettleAudit {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// An entry of an audit is ended, and its stake goes where it belongs.
    ReleaseEntry {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
        /// The entry.
        entry: U256,
    },
    /// The buyer of a delivered audit has the bond back.
    ReturnBond {
        /// The audit escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// A retrieval is ended.
    SettleRetrieval {
        /// The retrieval escrow.
        contract: Address,
        /// Id of the job.
        job: U256,
    },
    /// What a contract owes the account is paid out. It may be due again, later.
    Withdraw {
        /// The escrow or service bond.
        contract: Address,
        /// Zero for the native currency.
        token: Address,
    },
}

impl Duty {
    /// The contract that is called.
    pub fn contract(&self) -> Address {
        match *self {
            Self::ProveItem { contract, .. }
            | Self::SettleBatch { contract, .. }
            | Self::PunishBatch { contract, .. }
            | Self::CloseService { contract, .. }
            | Self::RefundPrediction { contract, .. }
            | Self::ClaimRun { contract, .. }
            | Self::ProveRetrievalRun { contract, .. }
            | Self::PublishRetrieval { contract, .. }
            | Self::EnterAudit { contract, .. }
            | Self::AcceptAudit { contract, .. }
            | Self::AbortAudit { contract, .. }
            | Self::ProveAuditRun { contract, .. }
            | Self::SettleAudit { contract, .. }
            | Self::ReleaseEntry { contract, .. }
            | Self::ReturnBond { contract, .. }
            | Self::SettleRetrieval { contract, .. }
            | Self::Withdraw { contract, .. } => contract,
        }
    }

    /// Whether its call shows a proof, so that its gas is that of such a call of the contract.
    pub(crate) fn shows_proof(&self) -> bool {
        matches!(
            self,
            Self::ProveItem { .. }
                | Self::ClaimRun { .. }
                | Self::ProveRetrievalRun { .. }
                | Self::ProveAuditRun { .. }
        )
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProveItem { batch, position, .. } => {
                write!(f, "proof of contested item {position} of batch {batch}")
            }
            Self::SettleBatch { batch, .. } => write!(f, "payment of batch {batch}"),
            Self::PunishBatch { batch, .. } => write!(f, "punishment of batch {batch}"),
            Self::CloseService { service, .. } => write!(f, "end of service {service}"),
            Self::RefundPrediction { job, .. } => write!(f, "refund of prediction {job}"),
            Self::ClaimRun { job, run, .. } => write!(f, "claim of run {run} of prediction {job}"),
            Self::ProveRetrievalRun { job, run, .. } => {
                write!(f, "proof of run {run} of retrieval {job}")
            }
            Self::PublishRetrieval { job, .. } => {
                write!(f, "publication of the openings of retrieval {job}")
            }
            Self::EnterAudit { job, .. } => write!(f, "entry into audit {job}"),
            Self::AcceptAudit { job, entry, .. } => {
                write!(f, "claim of entry {entry} of audit {job}")
            }
            Self::AbortAudit { job, entry, .. } => {
                write!(f, "end of entry {entry} of audit {job} for the abort fee")
            }
            Self::ProveAuditRun { job, entry, run, .. } => {
                write!(f, "proof of run {run} of entry {entry} of audit {job}")
            }
            Self::SettleAudit { job, .. } => write!(f, "end of audit {job}"),
            Self::ReleaseEntry { job, entry, .. } => {
                write!(f, "release of entry {entry} of audit {job}")
            }
            Self::ReturnBond { job, .. } => write!(f, "return of the bond of audit {job}"),
            Self::SettleRetrieval { job, .. } => write!(f, "end of retrieval {job}"),
            Self::Withdraw { contract, token } => {
                write!(f, "withdrawal of token {token} from {contract}")
            }
        }
    }
}

/// What was done about a duty, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyRecord {
    /// Which.
    pub duty: Duty,
    /// Signed for it, oldest first, all with one nonce that may still be mined.
    pub transactions: Vec<SignedTransaction>,
    /// Empty transactions that take the nonce of one whose duty is over, oldest first.
    #[serde(default)]
    pub cancellations: Vec<SignedTransaction>,
    /// Whether a proof for it was begun and has not come to an end. After a restart it has come to none.
    #[serde(default)]
    pub proving: bool,
    /// Proofs that were begun and came to no end.
    #[serde(default)]
    pub failed_proofs: u32,
    /// Since which confirmed block there is nothing left to do.
    #[serde(default)]
    pub over_since: Option<u64>,
    /// Whether all its transactions are known to be mined, or their nonces used, since it is over.
    #[serde(default)]
    pub nonces_used: bool,
    /// The newest trouble.
    #[serde(default)]
    pub last_error: Option<String>,
}

impl DutyRecord {
    /// Of a duty for which nothing was done yet.
    pub fn new(duty: Duty) -> Self {
        Self {
            duty,
            transactions: Vec::new(),
            cancellations: Vec::new(),
            proving: false,
            failed_proofs: 0,
            over_since: None,
            nonces_used: false,
            last_error: None,
        }
    }

    /// Whether it has transactions that may still wait in a pool, although nothing is left to do.
    pub fn is_loose(&self) -> bool {
        self.over_since.is_some() && !self.nonces_used && !self.transactions.is_empty()
    }
}

/// What a proof for a duty is kept under: the same proof serves again if the same is contested again, so that it costs
/// no second opening of the weights.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProofKey(String);

impl ProofKey {
    /// Of the item or run with this index, of a batch or job of a contract.
    pub(crate) fn new(contract: Address, subject: U256, index: u64) -> Self {
        Self(format!("{contract}/{subject:#066x}/{index}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Makes a call of what a proof shows.
pub(crate) type CallOf = Arc<dyn Fn(&ProofArtifact) -> TransactionRequest + Send + Sync>;

/// How a duty is done.
#[derive(Clone)]
pub(crate) enum Call {
    /// By this call.
    Ready(Box<TransactionRequest>),
    /// By nothing that is there: why, and what to do.
    Blocked(String),
    /// By a call with a proof, which has to be made.
    WithProof {
        /// What it is kept under.
        key: ProofKey,
        /// What is to be proven.
        request: Box<ProofRequest>,
        /// Who proves it.
        prover: Arc<dyn Prover>,
        /// The call with it.
        call: CallOf,
    },
}

impl Call {
    /// By this call.
    pub(crate) fn ready(request: TransactionRequest) -> Self {
        Self::Ready(Box::new(request))
    }
}

/// What something earns, and what is still to be done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pays {
    /// Zero for the native currency.
    pub(crate) token: Address,
    /// In the token's smallest unit.
    pub(crate) amount: U256,
    /// Proofs that are still to be made.
    pub(crate) proofs: u64,
    /// Calls that are still to be made, each as costly as one with a proof.
    pub(crate) calls: u64,
}

impl Pays {
    /// For one proof and the call with it.
    pub(crate) fn once(token: Address, amount: U256) -> Self {
        Self { token, amount, proofs: 1, calls: 1 }
    }
}

/// A duty that the state of a block has left to do.
#[derive(Clone)]
pub(crate) struct Due {
    pub(crate) duty: Duty,
    /// Last second (Unix time) in which it can be done; `None` where it can wait.
    pub(crate) deadline: Option<u64>,
    /// What it earns, where that has to cover its costs.
    pub(crate) pays: Option<Pays>,
    /// Proofs that have to be made before the deadline, where that are more than there are duties of it.
    pub(crate) proofs: u64,
    pub(crate) call: Call,
}

impl Due {
    /// By this call, whatever it costs, whenever it is.
    pub(crate) fn ready(duty: Duty, request: TransactionRequest) -> Self {
        Self { duty, deadline: None, pays: None, proofs: 0, call: Call::ready(request) }
    }

    /// By this call before a deadline, whatever it costs.
    pub(crate) fn by(deadline: u64, duty: Duty, call: Call) -> Self {
        Self { duty, deadline: Some(deadline), pays: None, proofs: 0, call }
    }

    /// The nearest deadline first; what can wait comes last.
    pub(crate) fn urgency(&self) -> (u64, Duty) {
        (self.deadline.unwrap_or(u64::MAX), self.duty)
    }
}
