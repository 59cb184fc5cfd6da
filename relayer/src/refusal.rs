//! Why retrievals and audits are left alone, and what changes that.

use std::fmt;

use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

/// A job in which the account could sell, and does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftAlone {
    /// The escrow.
    pub contract: Address,
    /// Which job, in words.
    pub what: String,
    /// Why.
    pub reason: Refusal,
}

/// Why a retrieval or an audit is left alone. It is looked at again with every block, until its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum Refusal {
    /// No bundle here is of its model.
    OtherModel { model: U256 },
    /// The collection, or the challenge, is not here, or not this one.
    Collection { root: B256, reason: String },
    /// The model cannot prove every run of the collection.
    NotProvable { reason: String },
    /// The token is not taken.
    TokenNotAccepted { token: Address },
    /// A proof earns less than the least price.
    PriceTooLow { each: U256, minimum: U256 },
    /// Less time is left than the proofs take.
    TooLate { seconds: u64, needed: u64 },
    /// Fewer openings of the weights are left than there are proofs to make.
    TooFewOpenings { left: usize, needed: u64 },
    /// The openings of the selected items could not be published.
    NotPublishable { reason: String },
    /// The reward of an audit is below the least.
    RewardTooLow { reward: U256, minimum: U256 },
    /// The stake of an audit is above the most for one job.
    StakeTooHigh { stake: U256, maximum: U256 },
    /// The stakes of all audits together would be above the most.
    StakesTooHigh { staked: U256, stake: U256, maximum: U256 },
    /// Garbage would cost the buyer of an audit nothing.
    NoAbortFee,
    /// The buyer of an audit admits other keys and verifiers.
    NotAdmitted { key: B256 },
    /// The audit names several sellers, or others.
    NamedSellers { root: B256 },
    /// All places of an audit are taken.
    Full { entries: u64 },
    /// The window of an audit to prove a claim is shorter than its proofs take.
    WindowTooShort { seconds: u64, needed: u64 },
    /// An entry of an audit is given up for the abort fee.
    GivenUp { reason: String },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherModel { model } => write!(
                f,
                "it is about model {model:#066x}, and no --bundle here is of it, with the key and verifier that follow \
                 from it; give that bundle, or leave it"
            ),
            Self::Collection { root, reason } => {
                write!(f, "the collection {root} cannot be used: {reason}; put it there")
            }
            Self::NotProvable { reason } => {
                write!(f, "not every run of it can be proven with this bundle: {reason}")
            }
            Self::TokenNotAccepted { token } => {
                write!(f, "it pays in token {token}, which is not taken here; --token takes it")
            }
            Self::PriceTooLow { each, minimum } => write!(
                f,
                "it pays {each} for a proof, below the least price of {minimum}; --minimum-price lowers that"
            ),
            Self::TooLate { seconds, needed } => write!(
                f,
                "{seconds} s are left, and its proofs are reckoned with {needed} s; --deadline-margin lowers that"
            ),
            Self::TooFewOpenings { left, needed } => write!(
                f,
                "it takes {needed} proofs, and {left} openings of the bundle are left for it; derive a bundle with more \
                 (`assay model derive --openings`)"
            ),
            Self::NotPublishable { reason } => {
                write!(f, "the openings of the selected items could not be published: {reason}")
            }
            Self::RewardTooLow { reward, minimum } => write!(
                f,
                "its reward is {reward}, below the least of {minimum}; --audit-reward lowers that"
            ),
            Self::StakeTooHigh { stake, maximum } => write!(
                f,
                "its stake is {stake}, above the most of {maximum} for one audit; --audit-stake raises that"
            ),
            Self::StakesTooHigh { staked, stake, maximum } => write!(
                f,
                "its stake of {stake} beside the {staked} that are staked already would pass the most of {maximum}; \
                 --audit-stakes raises that, or an audit ends first"
            ),
            Self::NoAbortFee => f.write_str(
                "its abort fee is 0: its buyer would lose nothing by delivering garbage; enter it by hand, if at all",
            ),
            Self::NotAdmitted { key } => write!(
                f,
                "its buyer does not admit the key and the verifier of the model here (hash {key}); it takes models of \
                 another architecture, statement or build"
            ),
            Self::NamedSellers { root } => write!(
                f,
                "it names its sellers (root {root}), and not this account alone; if it is among them, enter with \
                 `assay escrow audit enter --seller`"
            ),
            Self::Full { entries } => write!(f, "all its {entries} places are taken"),
            Self::WindowTooShort { seconds, needed } => write!(
                f,
                "it leaves {seconds} s to prove a claim, and its proofs are reckoned with {needed} s; --deadline-margin \
                 lowers that"
            ),
            Self::GivenUp { reason } => write!(f, "it is given up for the abort fee: {reason}"),
        }
    }
}

impl Refusal {
    /// Of a collection that is to lie in a folder.
    pub(crate) fn collection(root: U256, reason: impl Into<String>) -> Self {
        Self::Collection { root: B256::from(root), reason: reason.into() }
    }
}
