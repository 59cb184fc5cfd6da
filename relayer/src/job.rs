//! A prediction job as the relayer keeps it, and the states it goes through.
//!
//! ```text
//! Seen -> Proving -> Proven -> Submitting -> Submitted -> Confirmed
//!   \________\__________\___________\____________\-> Skipped | Failed
//! ```
//! A job without its input stays Seen until its deadline. One that was skipped or failed and is paid
//! all the same, because somebody else sent our proof, goes on from Submitted.
//!
//! A reorganization of the chain can take a job back: Confirmed to Submitted if the block with
//! the claim is gone, any state to Skipped(Reorged) if the block with the job is gone.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use assay_client::{
    ModelIdentity,
    chain::{BlockRef, SignedTransaction},
};

/// What the buyer asked for, as the escrow holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionTerms {
    pub job_id: U256,
    /// Id in the registry.
    pub model_id: U256,
    pub model: ModelIdentity,
    /// Hash over the model and the contracts that check its proofs, pinned by the buyer.
    pub binding_hash: B256,
    pub buyer: Address,
    /// Token of the payment; zero for the native currency.
    pub token: Address,
    /// Payment in the token's smallest unit.
    pub price: U256,
    /// Last second (Unix time) at which a claim is accepted.
    pub deadline: u64,
    /// Poseidon commitment to the input, a field element.
    pub input_commitment: U256,
    /// Where the input is found, in the buyer's words; unverified.
    pub hint: Bytes,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum JobState {
    /// Its event was read; nothing was done yet.
    Seen,
    /// A proof is being made. After a restart it is begun again.
    Proving,
    /// The proof is in the store.
    Proven,
    /// A claim is signed and stored; whether the node has it is not known.
    Submitting,
    /// The node accepted the claim.
    Submitted,
    /// The claim is in a block with enough confirmations.
    Confirmed { transaction: B256, block: u64, block_hash: B256, gas_used: u64 },
    /// Left alone on purpose.
    Skipped { reason: SkipReason },
    /// Given up.
    Failed { reason: String },
}

impl JobState {
    /// Whether nothing more is to be done (unless the chain reorganizes).
    pub fn is_settled(&self) -> bool {
        matches!(self, Self::Confirmed { .. } | Self::Skipped { .. } | Self::Failed { .. })
    }

    /// One word for tables and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Proving => "proving",
            Self::Proven => "proven",
            Self::Submitting => "submitting",
            Self::Submitted => "submitted",
            Self::Confirmed { .. } => "confirmed",
            Self::Skipped { .. } => "skipped",
            Self::Failed { .. } => "failed",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Confirmed { transaction, block, .. } => {
                write!(f, "confirmed in block {block} by transaction {transaction}")
            }
            Self::Skipped { reason } => write!(f, "skipped: {reason}"),
            Self::Failed { reason } => write!(f, "failed: {reason}"),
            other => f.write_str(other.name()),
        }
    }
}

/// Why a job was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SkipReason {
    /// This relayer does not hold the model.
    UnknownModel { model: ModelIdentity },
    /// The deadline has passed, or is nearer than the configured margin.
    Expired { deadline: u64, now: u64 },
    /// The payment is below the configured minimum.
    PriceTooLow { price: U256, minimum: U256 },
    /// The configuration does not admit the payment token.
    TokenNotAccepted { token: Address },
    /// Somebody else was paid.
    ClaimedByOther { recipient: Address },
    /// The buyer has the money back.
    Refunded,
    /// The block that opened the job is no longer part of the chain.
    Reorged,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownModel { model } => {
                write!(f, "{model} is not among the models served here")
            }
            Self::Expired { deadline, now } => {
                write!(f, "its deadline {deadline} has passed or is too near (chain time {now})")
            }
            Self::PriceTooLow { price, minimum } => {
                write!(f, "it pays {price}, below the minimum of {minimum}")
            }
            Self::TokenNotAccepted { token } => {
                write!(f, "it pays in token {token}, which is not accepted here")
            }
            Self::ClaimedByOther { recipient } => write!(f, "it was claimed for {recipient}"),
            Self::Refunded => f.write_str("it was refunded to the buyer"),
            Self::Reorged => f.write_str("the block that opened it is no longer part of the chain"),
        }
    }
}

/// The claim that paid this relayer's recipient, as the chain shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Ours, or that of somebody who copied our proof: it pays the same recipient.
    pub transaction: B256,
    pub block: BlockRef,
}

/// Earnings on their way to the signing account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    /// Zero for the native currency.
    pub token: Address,
    /// Transactions of one nonce signed so far, oldest first; any of them may still be mined.
    pub transactions: Vec<SignedTransaction>,
    /// Unix time of the last sending.
    pub sent_at: u64,
}

/// A job in the store. Its proof lies beside it, not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionJob {
    pub terms: PredictionTerms,
    /// The block of the event that opened it.
    pub opened_in: BlockRef,
    pub state: JobState,
    /// Claims signed so far, oldest first, all that may still be mined. Kept because a restart,
    /// a dropped transaction or a reorganization can make any of them matter again.
    pub claims: Vec<SignedTransaction>,
    /// Empty transactions that take the nonce of a claim which came to nothing, oldest first.
    #[serde(default)]
    pub cancellations: Vec<SignedTransaction>,
    /// Set as soon as a block has the claim; the job is confirmed when enough blocks follow.
    pub paid_in: Option<Payment>,
    /// Failed tries of the current step, for the pause before the next.
    pub attempts: u32,
    /// Proofs that were begun and came to nothing.
    #[serde(default)]
    pub failed_proofs: u32,
    /// Unix time before which the current step is not tried again.
    pub not_before: u64,
    /// The newest trouble, for `show`.
    pub last_error: Option<String>,
    /// Unix time of the last change of state.
    pub updated_at: u64,
}

impl PredictionJob {
    /// A job fresh from its event.
    pub fn new(terms: PredictionTerms, opened_in: BlockRef, now: u64) -> Self {
        Self {
            terms,
            opened_in,
            state: JobState::Seen,
            claims: Vec::new(),
            cancellations: Vec::new(),
            paid_in: None,
            attempts: 0,
            failed_proofs: 0,
            not_before: 0,
            last_error: None,
            updated_at: now,
        }
    }

    /// Moves to a state; the tries of the earlier step are forgotten.
    pub fn enter(&mut self, state: JobState, now: u64) {
        self.state = state;
        self.attempts = 0;
        self.failed_proofs = 0;
        self.not_before = 0;
        self.updated_at = now;
    }

    /// Notes a failed try and sets the time of the next: 2, 4, 8... seconds up to `max_pause`.
    pub fn postpone(&mut self, error: String, now: u64, max_pause: u64) {
        self.attempts = self.attempts.saturating_add(1);
        let pause = 1u64.checked_shl(self.attempts.min(32)).unwrap_or(max_pause).min(max_pause);
        self.not_before = now.saturating_add(pause);
        self.last_error = Some(error);
        self.updated_at = now;
    }

    /// The transaction at a nonce with the highest fees, a claim or an empty one.
    pub fn dearest(&self, nonce: u64) -> Option<&SignedTransaction> {
        let all = self.claims.iter().chain(&self.cancellations);
        all.filter(|transaction| transaction.nonce == nonce)
            .max_by_key(|transaction| transaction.max_fee_per_gas)
    }

    pub fn id(&self) -> U256 {
        self.terms.job_id
    }
}
