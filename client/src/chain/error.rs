//! Errors of the node connection, sorted by what a caller can do about them.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, U256},
    transports::{RpcError, TransportError, TransportErrorKind},
};

use super::revert::Revert;

/// What went wrong between us and the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum ChainError {
    /// The address of the node cannot be used.
    #[error(
        "the RPC address is not usable: {reason}; give one like http://127.0.0.1:8545 or wss://host/path"
    )]
    BadUrl { reason: String },

    /// No answer: no connection, a broken one, or a time limit that passed.
    #[error(
        "the node at {node} cannot be reached ({operation}: {reason}); check that it runs and that the RPC address is right"
    )]
    Unreachable { node: String, operation: String, reason: String },

    /// Another chain than the caller means.
    #[error(
        "the node at {node} serves chain {found}, expected chain {expected}; use an RPC address of chain {expected} or change the expected chain id"
    )]
    WrongChain { node: String, expected: u64, found: u64 },

    /// An error in place of an answer.
    #[error("the node at {node} refused {operation}: {message} (code {code})")]
    Refused { node: String, operation: String, code: i64, message: String },

    /// An answer of another form.
    #[error("the node at {node} gave an answer to {operation} that cannot be understood: {reason}")]
    BadAnswer { node: String, operation: String, reason: String },

    /// The node lacks what it should have.
    #[error("the node at {node} does not have {what}; it may still be syncing, or have pruned it")]
    Incomplete { node: String, what: String },

    /// A contract said no; nothing was sent.
    #[error("the call reverted: {0}")]
    Reverted(Revert),

    /// A contract said no when the transaction was mined; its fee is lost.
    #[error("transaction {hash} was mined in block {block} but reverted{}", .revert.as_ref().map(|r| format!(": {r}")).unwrap_or_default())]
    TransactionReverted { hash: B256, block: u64, revert: Option<Box<Revert>> },

    /// In no block yet.
    #[error(
        "transaction {hash} is not in a block after {seconds} s; it may still be mined: look it up before sending again"
    )]
    TransactionPending { hash: B256, seconds: u64 },

    /// It may be mined.
    #[error(
        "transaction {hash} was handed to the node at {node}, but what became of it is not known ({reason}); it may be mined: look it up before sending again"
    )]
    SendUnanswered { hash: B256, node: String, reason: String },

    /// Too little of the native currency for gas and value.
    #[error(
        "account {account} has {balance} wei but up to {needed} wei are needed; send funds to it"
    )]
    InsufficientFunds { account: Address, balance: U256, needed: U256 },

    /// Over [`crate::chain::GasPolicy::max_gas`].
    #[error(
        "the transaction needs {needed} gas, over the limit of {limit} (EIP-7825 caps a transaction at 16777216 gas); use a smaller proof or raise the limit where the chain allows it"
    )]
    GasOverLimit { needed: u64, limit: u64 },

    /// Over [`crate::chain::GasPolicy::max_fee_per_gas`].
    #[error(
        "the maximum fee of {max_fee} wei per gas is over the limit of {limit}; wait for cheaper gas or raise the limit"
    )]
    FeeOverLimit { max_fee: u128, limit: u128 },

    /// A read-only connection.
    #[error("this connection has no key to sign with; give a keystore file or a private key")]
    NoSigner,

    /// The key does not sign this.
    #[error("signing failed: {reason}")]
    Signing { reason: String },

    /// A file with a key is missing, damaged, or has another password.
    #[error("key file {path}: {reason}", path = .path.display())]
    KeyFile { path: PathBuf, reason: String },

    /// A private key of another form.
    #[error("the private key is not usable: {reason}; 32 bytes in hexadecimal are expected")]
    BadKey { reason: String },

    /// There is an account without code, or none.
    #[error(
        "there is no contract at {address} on the chain served by {node}; check the address and the chain"
    )]
    NoCode { address: Address, node: String },

    /// There is a contract of another kind.
    #[error("the contract at {address} is no {wanted}: {reason}; check the address and the chain")]
    OtherContract { address: Address, wanted: &'static str, reason: String },

    /// forge's output is missing or of another form.
    #[error("contract artifact {path}: {reason}", path = .path.display())]
    Artifact { path: PathBuf, reason: String },

    /// More code than a contract or a transaction may have.
    #[error("{what} has {bytes} bytes, over the limit of {limit} ({rule})")]
    CodeTooLarge { what: &'static str, bytes: usize, limit: usize, rule: &'static str },
}

impl ChainError {
    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Incomplete { .. }
            | Self::TransactionPending { .. } => true,
            Self::FeeOverLimit { .. } => true,
            Self::Refused { code, message, .. } => {
                super::refusals::is_transient_refusal(*code, message)
            }
            _ => false,
        }
    }

    /// This error as one about a transaction that the node at `node` may have: whoever sees it
    /// must know what to look up before the same is sent again.
    pub(crate) fn after_sending(self, hash: B256, node: &str) -> Self {
        match self {
            Self::Unreachable { node, reason, .. } => Self::SendUnanswered { hash, node, reason },
            other => {
                Self::SendUnanswered { hash, node: node.to_owned(), reason: other.to_string() }
            }
        }
    }

    /// The decoded revert, if this is one.
    pub fn revert(&self) -> Option<&Revert> {
        match self {
            Self::Reverted(revert) => Some(revert),
            Self::TransactionReverted { revert, .. } => revert.as_deref(),
            _ => None,
        }
    }

    /// Whether it is a contract that says no, by reverting.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Reverted(_) | Self::TransactionReverted { .. })
    }

    /// Whether a transaction whose sending ended like this may be mined all the same.
    pub fn may_be_mined(&self) -> bool {
        match self {
            Self::TransactionPending { .. }
            | Self::SendUnanswered { .. }
            | Self::Unreachable { .. }
            | Self::BadAnswer { .. }
            | Self::Incomplete { .. } => true,
            // Asked what became of it, the node refused an answer.
            Self::Refused { operation, .. } => {
                matches!(
                    operation.as_str(),
                    "eth_getTransactionReceipt" | "eth_getTransactionByHash"
                )
            }
            _ => false,
        }
    }

    pub(crate) fn from_transport(source: TransportError, node: &str, operation: &str) -> Self {
        let (node, operation) = (node.to_owned(), operation.to_owned());
        match source {
            RpcError::ErrorResp(payload) => {
                if let Some(revert) = Revert::from_payload(&payload) {
                    return Self::Reverted(revert);
                }
                Self::Refused {
                    node,
                    operation,
                    code: payload.code,
                    message: payload.message.to_string(),
                }
            }
            RpcError::NullResp => {
                let what = format!("an answer to {operation}");
                Self::Incomplete { node, what }
            }
            RpcError::DeserError { err, .. } => {
                Self::BadAnswer { node, operation, reason: err.to_string() }
            }
            RpcError::SerError(err) => Self::BadAnswer { node, operation, reason: err.to_string() },
            RpcError::UnsupportedFeature(what) => {
                Self::BadAnswer { node, operation, reason: what.to_owned() }
            }
            RpcError::LocalUsageError(err) => Self::Signing { reason: err.to_string() },
            RpcError::Transport(kind) => {
                Self::Unreachable { node, operation, reason: transport_reason(&kind) }
            }
        }
    }
}

/// The innermost cause: the outer texts of the HTTP client repeat the whole address, which may
/// hold an API key.
fn transport_reason(kind: &TransportErrorKind) -> String {
    match kind {
        TransportErrorKind::HttpError(e)
        | TransportErrorKind::HttpErrorWithRetryAfter { error: e, .. } => {
            format!("HTTP status {}", e.status)
        }
        TransportErrorKind::Custom(e) | TransportErrorKind::NonRetryable(e) => {
            let mut cause: &dyn std::error::Error = e.as_ref();
            while let Some(next) = cause.source() {
                cause = next;
            }
            cause.to_string()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_and_open_ends_are_told_apart() {
        let node = || "http://node".to_owned();
        let refused = |operation: &str| ChainError::Refused {
            node: node(),
            operation: operation.into(),
            code: -32005,
            message: "too many requests".into(),
        };
        let reverted = ChainError::Reverted(Revert::decode(Default::default()));
        let poor = ChainError::InsufficientFunds {
            account: Address::ZERO,
            balance: U256::ZERO,
            needed: U256::ONE,
        };
        let unreachable = ChainError::Unreachable {
            node: node(),
            operation: "eth_call".into(),
            reason: "refused".into(),
        };
        let pending = ChainError::TransactionPending { hash: B256::ZERO, seconds: 1 };
        let failed = ChainError::TransactionReverted { hash: B256::ZERO, block: 1, revert: None };
        for (error, refusal, open) in [
            (reverted, true, false),
            (failed, true, false),
            (poor, false, false),
            (refused("eth_sendRawTransaction"), false, false),
            (refused("eth_getTransactionReceipt"), false, true),
            (unreachable, false, true),
            (pending, false, true),
        ] {
            assert_eq!((error.is_refusal(), error.may_be_mined()), (refusal, open), "{error}");
        }
    }
}
