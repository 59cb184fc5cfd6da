//! Why a call reverted, in words.

use std::fmt;

use alloy::{
    primitives::{Bytes, FixedBytes, hex},
    rpc::json_rpc::ErrorPayload,
    sol_types::{Panic, Revert as RevertString, SolError},
};

use crate::bindings;

/// The data of a revert and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revert {
    /// What the contract returned; empty for a plain `revert()` or running out of gas.
    pub data: Bytes,
    /// Name of the custom error, `Error` or `Panic`; `None` if it is not one that we know.
    pub name: Option<String>,
    text: String,
}

impl Revert {
    /// Decodes revert data.
    pub fn decode(data: Bytes) -> Self {
        let (name, text) = match data.get(..4).and_then(|s| FixedBytes::<4>::try_from(s).ok()) {
            None if data.is_empty() => (
                None,
                "no reason given (out of gas, a plain revert, or no contract at the address)"
                    .to_owned(),
            ),
            None => (None, format!("data {}", hex::encode_prefixed(&data))),
            Some(selector) => {
                if let Ok(e) = RevertString::abi_decode(&data) {
                    (Some("Error".to_owned()), format!("Error(\"{}\")", e.reason))
                } else if let Ok(e) = Panic::abi_decode(&data) {
                    (Some("Panic".to_owned()), e.to_string())
                } else if let Some((name, text)) = bindings::describe_error(&data) {
                    (Some(name.to_owned()), text)
                } else {
                    (None, format!("unknown custom error with selector {selector}"))
                }
            }
        };
        Self { data, name, text }
    }

    /// Whether this is the custom error `E`.
    pub fn is<E: SolError>(&self) -> bool {
        self.data.starts_with(&E::SELECTOR)
    }

    /// The revert inside a JSON-RPC error, if that is what it is about.
    pub(crate) fn from_payload(payload: &ErrorPayload) -> Option<Self> {
        if let Some(data) = payload.as_revert_data() {
            return Some(Self::decode(data));
        }
        // EIP-1474 has no code for it; geth, reth, erigon, nethermind and anvil use 3 or this text.
        let reverted = payload.code == 3 || payload.message.starts_with("execution reverted");
        reverted.then(|| Self::decode(Bytes::new()))
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    #[test]
    fn standard_reverts() {
        let error = Revert::decode(RevertString::from("not yet").abi_encode().into());
        assert_eq!(
            (error.name.as_deref(), error.to_string().as_str()),
            (Some("Error"), "Error(\"not yet\")")
        );
        let panic = Revert::decode(Panic { code: U256::from(0x11) }.abi_encode().into());
        assert_eq!(panic.name.as_deref(), Some("Panic"));
        assert!(Revert::decode(Bytes::new()).to_string().contains("no reason"));
        assert!(Revert::decode(vec![1, 2].into()).to_string().contains("0x0102"));
        assert!(
            Revert::decode(vec![0xde, 0xad, 0xbe, 0xef].into()).to_string().contains("0xdeadbeef")
        );
    }

    #[test]
    fn from_json_rpc_errors() {
        let parse = |json: &str| serde_json::from_str::<ErrorPayload>(json).unwrap();
        let bare = parse(r#"{"code":3,"message":"execution reverted"}"#);
        assert!(Revert::from_payload(&bare).unwrap().data.is_empty());
        let nonce = parse(r#"{"code":-32003,"message":"nonce too low"}"#);
        assert_eq!(Revert::from_payload(&nonce), None);
    }
}
