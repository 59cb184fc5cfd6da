//! Why jobs are left alone.

use std::fmt;

use alloy::primitives::{Address, B256, U256};
use assay_client::ModelIdentity;
use serde::{Deserialize, Serialize};

/// Why a job was left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SkipReason {
    /// This relayer does not hold the model.
    UnknownModel {
        /// The model of the job.
        model: ModelIdentity,
    },
    /// The job is bound to another entry of the registry than the one that is served: to another owner's,
    /// or to another key or verifier.
    OtherBinding {
        /// The binding of the job.
        binding: B256,
    },
    /// The deadline has passed, or is nearer than the configured margin.
    Expired {
        /// Unix time of the deadline.
        deadline: u64,
        /// Unix time of the chain's newest block.
        now: u64,
    },
    /// The payment is below the configured minimum.
    PriceTooLow {
        /// In the token's smallest unit.
        price: U256,
        /// What the configuration asks for.
        minimum: U256,
    },
    /// The configuration does not admit the payment token.
    TokenNotAccepted {
        /// Zero for the native currency.
        token: Address,
    },
    /// Its buyer wants to be called with the answer, for more gas than is paid for here.
    CallbackTooDear {
        /// Gas that the claim has to leave the buyer's contract.
        gas: u64,
        /// The most that the configuration admits.
        maximum: u64,
    },
    /// Its buyer can end it sooner than a proof is made.
    NoticeTooShort {
        /// Seconds between the buyer's request and the deadline.
        notice: u64,
        /// What is reckoned with for a proof.
        margin: u64,
    },
    /// It is about the items of a collection, whose runs are proven and claimed each for itself.
    ByRuns,
    /// Somebody else was paid.
    ClaimedByOther {
        /// Who was paid.
        recipient: Address,
    },
    /// The buyer has the money back.
    Refunded,
    /// The block that opened the job is no longer part of the chain.
    Reorged,
}

impl SkipReason {
    /// Whether another policy of this relayer's could admit the job.
    pub(crate) fn is_of_policy(&self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::PriceTooLow { .. }
            | Self::TokenNotAccepted { .. }
            | Self::CallbackTooDear { .. }
            | Self::NoticeTooShort { .. } => true,
            Self::UnknownModel { .. }
            | Self::OtherBinding { .. }
            | Self::ByRuns
            | Self::ClaimedByOther { .. }
            | Self::Refunded
            | Self::Reorged => false,
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownModel { model } => {
                write!(f, "{model} is not among the models served here")
            }
            Self::OtherBinding { binding } => {
                write!(f, "it is bound to {binding}, which is not the entry that is served here")
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
            Self::CallbackTooDear { gas, maximum } => {
                write!(f, "its buyer is to be called with {gas} gas, which is more than {maximum}")
            }
            Self::NoticeTooShort { notice, margin } => {
                write!(f, "its buyer can end it within {notice} s, and a proof may take {margin} s")
            }
            Self::ByRuns => f.write_str("it is about a collection and served run by run"),
            Self::ClaimedByOther { recipient } => write!(f, "it was claimed for {recipient}"),
            Self::Refunded => f.write_str("it was refunded to the buyer"),
            Self::Reorged => f.write_str("the block that opened it is no longer part of the chain"),
        }
    }
}
