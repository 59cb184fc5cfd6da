//! A prediction job as the relayer keeps it, and the states it goes through.
//!
//! ```text
//! Seen <-> Proving -> Proven -> Submitting -> Submitted -> Confirmed
//!
//! from Seen to Submitted:  -> Skipped, and -> Confirmed once it is paid, whoever sent the claim
//! from Seen to Submitting: -> Failed
//! ```
//! A state changes by an event only; [`JobState::transition`] is the whole table. The rest of the
//! relayer reports events and cannot set a state.
//!
//! | event | from | to |
//! |---|---|---|
//! | `ProofBegun` | Seen | Proving |
//! | `ProofPutOff`, `ProofInterrupted` | Proving | Seen |
//! | `ProofMade` | Seen, Proving | Proven; any other stays |
//! | `ProofMissing` | Proven | Seen |
//! | `ClaimSigned` | Proven | Submitting |
//! | `ClaimAccepted` | Submitting, Submitted | Submitted |
//! | `ClaimVoid` | Submitting, Submitted | Proven |
//! | `Declined` | Seen, Proving | Skipped |
//! | `GivenUp` | Seen, Proving, Proven, Submitting | Failed |
//! | `PaymentConfirmed` | Seen to Submitted | Confirmed |
//! | `Closed` | Seen to Submitted | Skipped; any other stays |
//! | `Retried` | Failed, Skipped for a reason of ours | Seen, Proven or Submitted |
//! | `Paid` | Skipped, Failed | Submitted; any other stays |
//! | `OpeningTakenBack` | any | Skipped (reorged) |
//! | `OpenedAgain` | Skipped (reorged) | Seen, Proven or Submitted; any other stays |
//! | `TakenBack` | Confirmed, Skipped (claimed by another, refunded) | Seen, Proven or Submitted; any other stays |
//!
//! Confirmed, Skipped and Failed are settled: only the last four, which the chain causes, and `Retried`, which is a
//! person's wish, take a job out of them. A job without its input goes between Seen and Proving until its deadline. One that was
//! skipped or failed and is paid all the same, because somebody else sent our proof, goes on from
//! Submitted. One that the chain took back goes on from where its proof and its claims leave it.

mod history;
mod money;
mod skip_reason;
mod terms;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use alloy::primitives::{B256, U256};
use assay_client::chain::{BlockRef, SignedTransaction};
use serde::{Deserialize, Serialize};

pub use history::Step;
pub use money::{Ending, Payment, Withdrawal};
pub use skip_reason::SkipReason;
pub use terms::PredictionTerms;

const LONGEST_PROOF_PAUSE: Duration = Duration::from_secs(3600);

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
    Confirmed {
        /// The transaction that claimed, ours or a copier's.
        transaction: B256,
        /// Height of its block.
        block: u64,
        /// Hash of its block.
        block_hash: B256,
        /// What it used.
        gas_used: u64,
    },
    /// Left alone on purpose.
    Skipped {
        /// Why.
        reason: SkipReason,
    },
    /// Given up.
    Failed {
        /// Why, in words.
        reason: String,
    },
}

impl JobState {
    /// Where an event takes a job; the same state where it changes nothing. The table is above.
    ///
    /// # Errors
    /// [`IllegalEvent`] for an event that cannot happen in this state.
    pub fn transition(&self, event: &JobEvent) -> Result<Self, IllegalEvent> {
        use JobEvent as Event;
        use SkipReason::{
            ByRuns, CallbackTooDear, ClaimedByOther, Expired, NoticeTooShort, OtherBinding,
            PriceTooLow, Refunded, Reorged, TokenNotAccepted, UnknownModel,
        };
        Ok(match (self, event) {
            // Proving.
            (Self::Seen, Event::ProofBegun) => Self::Proving,
            (Self::Proving, Event::ProofPutOff | Event::ProofInterrupted) => Self::Seen,
            (Self::Seen | Self::Proving, Event::ProofMade) => Self::Proven,
            (Self::Proven, Event::ProofMissing) => Self::Seen,
            // Claiming.
            (Self::Proven, Event::ClaimSigned) => Self::Submitting,
            (Self::Submitting | Self::Submitted, Event::ClaimAccepted) => Self::Submitted,
            (Self::Submitting | Self::Submitted, Event::ClaimVoid) => Self::Proven,
            // Ending.
            (
                Self::Seen | Self::Proving,
                Event::Declined {
                    reason:
                        reason @ (UnknownModel { .. }
                        | OtherBinding { .. }
                        | Expired { .. }
                        | PriceTooLow { .. }
                        | CallbackTooDear { .. }
                        | NoticeTooShort { .. }
                        | ByRuns
                        | TokenNotAccepted { .. }),
                },
            ) => Self::Skipped { reason: reason.clone() },
            (
                Self::Seen | Self::Proving | Self::Proven | Self::Submitting,
                Event::GivenUp { reason },
            ) => Self::Failed { reason: reason.clone() },
            (
                Self::Seen | Self::Proving | Self::Proven | Self::Submitting | Self::Submitted,
                &Event::PaymentConfirmed { transaction, block, block_hash, gas_used },
            ) => Self::Confirmed { transaction, block, block_hash, gas_used },
            (
                Self::Seen | Self::Proving | Self::Proven | Self::Submitting | Self::Submitted,
                Event::Closed {
                    reason: reason @ (Expired { .. } | ClaimedByOther { .. } | Refunded),
                },
            ) => Self::Skipped { reason: reason.clone() },
            // A person wants it tried again.
            (
                Self::Failed { .. }
                | Self::Skipped {
                    reason:
                        UnknownModel { .. }
                        | OtherBinding { .. }
                        | Expired { .. }
                        | PriceTooLow { .. }
                        | CallbackTooDear { .. }
                        | NoticeTooShort { .. }
                        | ByRuns
                        | TokenNotAccepted { .. },
                },
                Event::Retried(kept),
            ) => kept.resume(),
            // What the chain does with a job that was settled.
            (Self::Skipped { .. } | Self::Failed { .. }, Event::Paid) => Self::Submitted,
            (_, Event::OpeningTakenBack) => Self::Skipped { reason: Reorged },
            (Self::Skipped { reason: Reorged }, Event::OpenedAgain(kept))
            | (
                Self::Confirmed { .. } | Self::Skipped { reason: ClaimedByOther { .. } | Refunded },
                Event::TakenBack(kept),
            ) => kept.resume(),
            // These may come at any time, and then change nothing.
            (
                _,
                Event::ProofMade
                | Event::Closed { reason: Expired { .. } | ClaimedByOther { .. } | Refunded }
                | Event::Paid
                | Event::OpenedAgain(_)
                | Event::TakenBack(_),
            ) => self.clone(),
            _ => return Err(IllegalEvent { state: self.name(), event: event.name() }),
        })
    }

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

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEvent {
    /// The prover was asked for a proof.
    ProofBegun,
    /// There is no proof yet, and nothing went wrong: the input is not there, or the relayer stops.
    ProofPutOff,
    /// A proof that was begun came to no end. It counts among the failed ones.
    ProofInterrupted,
    /// The proof is in the store. It may come late, when the job is past the need for it.
    ProofMade,
    /// The proof is not in the store.
    ProofMissing,
    /// A claim is signed and in the store; the node has not seen it.
    ClaimSigned,
    /// The node has a claim, in its pool or in a block.
    ClaimAccepted,
    /// None of the claims will be mined with success.
    ClaimVoid,
    /// The relayer does not want the job.
    Declined {
        /// One of the relayer's own.
        reason: SkipReason,
    },
    /// No proof, or no claim, will come of further tries.
    GivenUp {
        /// In words.
        reason: String,
    },
    /// The claim is in a block with enough confirmations.
    PaymentConfirmed {
        /// The transaction that claimed.
        transaction: B256,
        /// Its block.
        block: u64,
        /// Hash of the block.
        block_hash: B256,
        /// What it used.
        gas_used: u64,
    },
    /// The job can no longer be claimed.
    Closed {
        /// What the chain says.
        reason: SkipReason,
    },
    /// A person wants the job tried again.
    Retried(Kept),
    /// A block has a claim for our recipient, whoever sent it.
    Paid,
    /// The block that opened the job is no longer part of the chain.
    OpeningTakenBack,
    /// The same job was read in another block.
    OpenedAgain(Kept),
    /// The block that ended the job, by a payment or otherwise, may no longer be part of the chain.
    TakenBack(Kept),
}

impl JobEvent {
    /// Its name, for logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ProofBegun => "proof begun",
            Self::ProofPutOff => "proof put off",
            Self::ProofInterrupted => "proof interrupted",
            Self::ProofMade => "proof made",
            Self::ProofMissing => "proof missing",
            Self::ClaimSigned => "claim signed",
            Self::ClaimAccepted => "claim accepted",
            Self::ClaimVoid => "claim void",
            Self::Declined { .. } => "declined",
            Self::GivenUp { .. } => "given up",
            Self::PaymentConfirmed { .. } => "payment confirmed",
            Self::Closed { .. } => "closed",
            Self::Retried(_) => "retried",
            Self::Paid => "paid",
            Self::OpeningTakenBack => "opening taken back",
            Self::OpenedAgain(_) => "opened again",
            Self::TakenBack(_) => "taken back",
        }
    }
}

/// What is left of the work on a job that was put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whether claims were signed.
    pub claims: bool,
    /// Whether the proof is in the store.
    pub proof: bool,
}

impl Kept {
    /// Where the job goes on.
    fn resume(self) -> JobState {
        match self {
            Self { claims: true, proof: true } => JobState::Submitted,
            Self { proof: true, .. } => JobState::Proven,
            Self { proof: false, .. } => JobState::Seen,
        }
    }
}

/// An event that the table of states does not have: a fault of the relayer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event \"{event}\" cannot happen to a job that is {state}")]
pub struct IllegalEvent {
    /// The state, in one word.
    pub state: &'static str,
    /// The event's name.
    pub event: &'static str,
}

/// A job in the store. Its proof lies beside it, not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionJob {
    /// What was ordered.
    pub terms: PredictionTerms,
    /// The block of the event that opened it.
    pub opened_in: BlockRef,
    /// Private: it changes by [`Self::handle`] only.
    state: JobState,
    /// Claims signed so far, oldest first, all that may still be mined. Kept because a restart,
    /// a dropped transaction or a reorganization can make any of them matter again.
    pub claims: Vec<SignedTransaction>,
    /// Empty transactions that take the nonce of a claim whose job has ended, oldest first.
    #[serde(default)]
    pub cancellations: Vec<SignedTransaction>,
    /// Set as soon as a block has the claim; the job is confirmed when enough blocks follow.
    pub paid_in: Option<Payment>,
    /// Set as soon as a block has what ended the job otherwise.
    #[serde(default)]
    pub ended_in: Option<Ending>,
    /// Failed tries of the current step, for the pause before the next.
    pub attempts: u32,
    /// Proofs that were begun and came to no end.
    #[serde(default)]
    pub failed_proofs: u32,
    /// Claims that were signed before a person asked for another try.
    #[serde(default)]
    pub claims_before_retry: usize,
    /// The newest trouble, for `show`.
    pub last_error: Option<String>,
    /// Unix time of the last change of state.
    pub updated_at: u64,
    /// The states it went through, the first one first.
    #[serde(default)]
    pub history: Vec<Step>,
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
            ended_in: None,
            attempts: 0,
            failed_proofs: 0,
            claims_before_retry: 0,
            last_error: None,
            updated_at: now,
            history: vec![Step { state: JobState::Seen.name().to_owned(), at: now }],
        }
    }

    /// Where the job stands.
    pub fn state(&self) -> &JobState {
        &self.state
    }

    /// Changes the state as an event demands. The tries of the earlier step are forgotten, but those
    /// of proving count on while the job waits for the next one.
    ///
    /// # Errors
    /// [`IllegalEvent`]; the job is unchanged then.
    pub fn handle(&mut self, event: &JobEvent, now: u64) -> Result<(), IllegalEvent> {
        let next = self.state.transition(event)?;
        match event {
            JobEvent::ProofBegun | JobEvent::ProofPutOff => {}
            JobEvent::ProofInterrupted => {
                self.failed_proofs = self.failed_proofs.saturating_add(1);
            }
            // Read again, or too late.
            JobEvent::ProofMade
            | JobEvent::Closed { .. }
            | JobEvent::Paid
            | JobEvent::OpenedAgain(_)
                if next == self.state =>
            {
                return Ok(());
            }
            _ => {
                self.attempts = 0;
                self.failed_proofs = 0;
            }
        }
        if matches!(event, JobEvent::Retried(_)) {
            self.claims_before_retry = self.claims.len();
        }
        history::note(&mut self.history, &self.state, &next, now);
        self.state = next;
        self.updated_at = now;
        Ok(())
    }

    /// What is left of the work on it, given whether its proof is in the store.
    pub fn kept(&self, proof: bool) -> Kept {
        Kept { claims: !self.claims.is_empty(), proof }
    }

    /// Notes a failed try and returns the pause before the next: 2, 4, 8... seconds up to `max_pause`.
    pub fn postpone(&mut self, error: String, now: u64, max_pause: Duration) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        self.last_error = Some(error);
        self.updated_at = now;
        doubled(self.attempts).min(max_pause)
    }

    /// The pause before a proof is begun again that came to no end before: none after the first time, which is
    /// mostly a restart, then 4, 8, 16... seconds up to an hour. Each try may cost an opening of the weights.
    pub fn pause_after_interruption(&self) -> Duration {
        match self.failed_proofs {
            0 | 1 => Duration::ZERO,
            times => doubled(times).min(LONGEST_PROOF_PAUSE),
        }
    }

    /// Claims signed since the job was last taken up.
    pub fn recent_claims(&self) -> usize {
        self.claims.len().saturating_sub(self.claims_before_retry)
    }

    /// The transaction at a nonce with the highest fees, a claim or an empty one.
    pub fn dearest(&self, nonce: u64) -> Option<&SignedTransaction> {
        let all = self.claims.iter().chain(&self.cancellations);
        all.filter(|transaction| transaction.nonce == nonce)
            .max_by_key(|transaction| transaction.max_fee_per_gas)
    }

    /// Id in the escrow.
    pub fn id(&self) -> U256 {
        self.terms.job_id
    }
}

fn doubled(times: u32) -> Duration {
    Duration::from_secs(1u64.checked_shl(times.min(32)).unwrap_or(u64::MAX))
}
