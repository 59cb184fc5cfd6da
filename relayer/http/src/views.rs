//! What the API answers with. Numbers that may pass 2^53 are texts, as JavaScript would round them.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use assay_relayer::{DutyRecord, JobState, PredictionJob, Status};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    #[serde(skip)]
    status: StatusCode,
    /// In words, with what to do.
    pub error: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// Trouble of the relayer's own, such as a disk that does not answer.
    pub(crate) fn of_store(error: &assay_relayer::StoreError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}

/// A state of a job, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StepView {
    /// The state, in one word.
    pub state: String,
    /// Unix time in seconds.
    pub at: u64,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobView {
    /// Id in the escrow, a decimal number.
    pub id: String,
    /// `seen`, `proving`, `proven`, `submitting`, `submitted`, `confirmed`, `skipped` or `failed`.
    pub state: String,
    /// The state in words, with the reason of one that was skipped or failed.
    pub state_text: String,
    /// Whether nothing more is to be done.
    pub settled: bool,
    /// What it pays, a decimal number of the token's smallest unit.
    pub price: String,
    /// The token; null for the chain's native currency.
    pub token: Option<String>,
    /// Who pays.
    pub buyer: String,
    /// Unix time in seconds until which a claim is taken.
    pub deadline: u64,
    /// Number of the block that opened it.
    pub opened_in_block: u64,
    /// The transaction that claimed, once it is confirmed.
    pub transaction: Option<String>,
    /// Gas of that transaction.
    pub gas_used: Option<u64>,
    /// Claims signed so far.
    pub claims: usize,
    /// The newest trouble.
    pub last_error: Option<String>,
    /// Unix time in seconds of the newest change.
    pub updated_at: u64,
    /// The states it went through, the first one first.
    pub timeline: Vec<StepView>,
}

impl From<&PredictionJob> for JobView {
    fn from(job: &PredictionJob) -> Self {
        let terms = &job.terms;
        let paid = match job.state() {
            JobState::Confirmed { transaction, gas_used, .. } => {
                Some((transaction.to_string(), *gas_used))
            }
            _ => None,
        };
        let (transaction, gas_used) = paid.unzip();
        Self {
            id: terms.job_id.to_string(),
            state: job.state().name().to_owned(),
            state_text: job.state().to_string(),
            settled: job.state().is_settled(),
            price: terms.price.to_string(),
            token: (terms.token != Address::ZERO).then(|| terms.token.to_string()),
            buyer: terms.buyer.to_string(),
            deadline: terms.deadline,
            opened_in_block: job.opened_in.number,
            transaction,
            gas_used,
            claims: job.claims.len(),
            last_error: job.last_error.clone(),
            updated_at: job.updated_at,
            timeline: job
                .history
                .iter()
                .map(|step| StepView { state: step.state.clone(), at: step.at })
                .collect(),
        }
    }
}

/// A call that the account owes itself, for which something was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DutyView {
    /// In words.
    pub what: String,
    /// `due`, `proving`, `submitted` or `over`.
    pub state: String,
    /// Transactions signed for it so far.
    pub transactions: usize,
    /// The newest trouble.
    pub last_error: Option<String>,
}

impl From<&DutyRecord> for DutyView {
    fn from(record: &DutyRecord) -> Self {
        let state = match record {
            DutyRecord { over_since: Some(_), .. } => "over",
            DutyRecord { proving: true, .. } => "proving",
            DutyRecord { transactions, .. } if transactions.is_empty() => "due",
            _ => "submitted",
        };
        Self {
            what: record.duty.to_string(),
            state: state.to_owned(),
            transactions: record.transactions.len(),
            last_error: record.last_error.clone(),
        }
    }
}

/// Some jobs, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobList {
    /// At most as many as were asked for.
    pub jobs: Vec<JobView>,
    /// `before` of the request for the next ones; null where there are none.
    pub next: Option<String>,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HeadView {
    /// Its number.
    pub number: u64,
    /// Its time, Unix time in seconds.
    pub timestamp: u64,
}

/// What stands against work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ObstacleView {
    /// One word for the kind.
    pub code: String,
    /// In words, with what to do.
    pub text: String,
}

/// A retrieval or an audit in which the account could sell, and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeftAloneView {
    /// Which.
    pub what: String,
    /// Why, with what to do.
    pub reason: String,
}

/// Proofs of the model that can still be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OpeningsView {
    /// Those left.
    pub left: usize,
    /// In all.
    pub budget: usize,
}

/// A node of the chain.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct NodeView {
    /// Its address, without secrets.
    pub node: String,
    /// 0 for a node that answers; each failure adds 1, which fades.
    pub trouble: f64,
    /// Requests that it answered.
    pub answered: u64,
    /// Requests that it did not.
    pub failed: u64,
    /// Whether it serves another chain, and is left out.
    pub other_chain: bool,
}

/// What a job would have to pay now, and when it would be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuoteView {
    /// Least price in wei that is taken at the present fee, a decimal number.
    pub least_price: String,
    /// Gas that a claim uses.
    pub claim_gas: u64,
    /// Wei for one unit of gas, a decimal number.
    pub gas_price: String,
    /// Seconds until its proof would be made, after all that wait now; 0 where a proof's time is not known.
    pub expected_seconds: u64,
}

/// Which policy the relayer goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct PolicyView {
    /// When the one that holds was read, Unix time in seconds.
    pub read_at: Option<u64>,
    /// Why what was read since does not hold, or only in part.
    pub trouble: Option<String>,
}

/// The relayer's state.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct StatusView {
    /// Whether nothing stands against work.
    pub ready: bool,
    /// What does.
    pub obstacles: Vec<ObstacleView>,
    /// Retrievals and audits in which the account could sell, and why it does not.
    pub left_alone: Vec<LeftAloneView>,
    /// The newest block.
    pub newest: Option<HeadView>,
    /// The newest block that may end a job.
    pub confirmed: Option<HeadView>,
    /// Seconds since a look at the chain went well.
    pub seconds_since_good_turn: Option<u64>,
    /// The newest trouble that concerned all jobs.
    pub last_error: Option<String>,
    /// Jobs that are not settled, by state.
    pub jobs: BTreeMap<String, usize>,
    /// Seconds of the chain's time to the nearest deadline.
    pub least_slack: Option<i64>,
    /// Proofs that are being made.
    pub proofs_running: usize,
    /// Openings of the model's weights.
    pub openings: Option<OpeningsView>,
    /// Of the signing account, in wei, a decimal number.
    pub balance: Option<String>,
    /// How the nodes answer.
    pub nodes: Vec<NodeView>,
    /// How often things happened: errors by code, proofs, claims.
    pub counts: BTreeMap<String, u64>,
    /// What a job would have to pay now; null before a node has said what gas costs.
    pub quote: Option<QuoteView>,
    /// Which policy it goes by.
    pub policy: PolicyView,
}

impl From<&Status> for StatusView {
    fn from(status: &Status) -> Self {
        let obstacles = status.obstacles();
        let head = |block: assay_relayer::BlockRef| HeadView {
            number: block.number,
            timestamp: block.timestamp,
        };
        let named = |name: &&'static str| (*name).to_owned();
        Self {
            ready: obstacles.is_empty(),
            obstacles: obstacles
                .into_iter()
                .map(|found| ObstacleView { code: found.code.to_owned(), text: found.text })
                .collect(),
            left_alone: status
                .left_alone
                .iter()
                .map(|left| LeftAloneView {
                    what: left.what.clone(),
                    reason: left.reason.to_string(),
                })
                .collect(),
            newest: status.heads.map(|heads| head(heads.newest)),
            confirmed: status.heads.map(|heads| head(heads.confirmed)),
            seconds_since_good_turn: status.seconds_since_good_turn(),
            last_error: status.last_error.clone(),
            jobs: status.jobs.iter().map(|(state, count)| (named(state), *count)).collect(),
            least_slack: status.least_slack,
            proofs_running: status.proofs_running,
            openings: status
                .openings
                .map(|openings| OpeningsView { left: openings.left, budget: openings.budget }),
            balance: status.balance.as_ref().map(U256::to_string),
            nodes: status
                .nodes
                .iter()
                .map(|node| NodeView {
                    node: node.node.clone(),
                    trouble: node.score,
                    answered: node.answered,
                    failed: node.failed,
                    other_chain: node.other_chain,
                })
                .collect(),
            counts: status.counts.iter().map(|(what, count)| (named(what), *count)).collect(),
            quote: status.quote.as_ref().map(|quote| QuoteView {
                least_price: quote.least_price.to_string(),
                claim_gas: quote.claim_gas,
                gas_price: quote.gas_price.to_string(),
                expected_seconds: quote.expected_time.as_secs_f64().ceil() as u64,
            }),
            policy: PolicyView {
                read_at: status.policy_read_at,
                trouble: status.policy_trouble.clone(),
            },
        }
    }
}
