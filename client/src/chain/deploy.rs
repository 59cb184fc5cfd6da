//! Deployment: forge's artifacts, raw init code, and contracts that only hold data.
//!
//! Artifacts are read when a contract is deployed, not when this crate is compiled, so that a
//! Rust build does not depend on a Solidity build.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, hex, keccak256},
    rpc::types::TransactionRequest,
};
use serde::Deserialize;

use super::{Chain, ChainError};

/// EIP-3860: largest init code.
pub const MAX_INIT_CODE: usize = 49_152;
/// EIP-170: largest runtime code.
pub const MAX_RUNTIME_CODE: usize = 24_576;

/// Init code of a contract, as forge wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The contract's name.
    pub name: String,
    /// The file it was read from.
    pub path: PathBuf,
    /// Init code without constructor arguments.
    pub init_code: Bytes,
    /// Runtime code, with zeros for immutable variables; `None` if the artifact has none.
    runtime: Option<Runtime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Runtime {
    code: Vec<u8>,
    /// Start and length of each place that the constructor fills in.
    immutables: Vec<(usize, usize)>,
}

/// A deployed contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployed {
    /// Where it is.
    pub address: Address,
    /// EXTCODEHASH (EIP-1052).
    pub code_hash: B256,
    /// Bytes of runtime code.
    pub code_size: usize,
    /// The transaction that deployed it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas of the deployment.
    pub gas_used: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArtifactFile {
    bytecode: Option<Bytecode>,
    deployed_bytecode: Option<Bytecode>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bytecode {
    object: String,
    #[serde(default)]
    immutable_references: BTreeMap<String, Vec<Place>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Place {
    start: usize,
    length: usize,
}

impl Bytecode {
    fn runtime(self) -> Option<Runtime> {
        let places = self.immutable_references.into_values().flatten();
        Some(Runtime {
            code: hex::decode(&self.object).ok().filter(|code| !code.is_empty())?,
            immutables: places.map(|place| (place.start, place.length)).collect(),
        })
    }
}

impl Artifact {
    /// Reads `OUT/NAME.sol/NAME.json`, where OUT is forge's output folder.
    ///
    /// # Errors
    /// [`ChainError::Artifact`] if it is missing, of another format, an interface, or not linked.
    pub fn load(out: &Path, name: &str) -> Result<Self, ChainError> {
        Self::load_file(&out.join(format!("{name}.sol")).join(format!("{name}.json")), name)
    }

    /// Reads the artifact of contract `name` from a file.
    ///
    /// # Errors
    /// As of [`Self::load`].
    pub fn load_file(path: &Path, name: &str) -> Result<Self, ChainError> {
        let fault = |reason: String| ChainError::Artifact { path: path.to_owned(), reason };
        let text = fs::read_to_string(path).map_err(|e| {
            fault(format!("cannot be read ({e}); build the contracts with `forge build`, or give forge's output folder"))
        })?;
        let file: ArtifactFile = serde_json::from_str(&text)
            .map_err(|e| fault(format!("is not an artifact of forge: {e}")))?;
        let object = file.bytecode.map(|b| b.object).unwrap_or_default();
        if object.contains("__$") {
            return Err(fault(
                "has unlinked libraries; link them with `forge build --libraries`".into(),
            ));
        }
        let init_code =
            hex::decode(&object).map_err(|e| fault(format!("has bad bytecode: {e}")))?;
        if init_code.is_empty() {
            return Err(fault(
                "has no bytecode: it is an interface or an abstract contract".into(),
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            init_code: init_code.into(),
            runtime: file.deployed_bytecode.and_then(Bytecode::runtime),
        })
    }

    /// Whether `code` is this contract's runtime code, whatever its immutable variables are.
    ///
    /// # Errors
    /// [`ChainError::Artifact`] if the artifact does not say what the runtime code is.
    pub fn built(&self, code: &[u8]) -> Result<bool, ChainError> {
        let fault = || ChainError::Artifact {
            path: self.path.clone(),
            reason: "has no runtime code to compare with; build the contracts with `forge build`"
                .into(),
        };
        let runtime = self.runtime.as_ref().ok_or_else(fault)?;
        let mut code = code.to_vec();
        for (start, length) in &runtime.immutables {
            let end = start.saturating_add(*length);
            if let Some(place) = code.get_mut(*start..end) {
                place.fill(0);
            }
        }
        Ok(code == runtime.code)
    }

    /// Init code followed by ABI-encoded constructor arguments.
    pub fn with_arguments(&self, arguments: &[u8]) -> Bytes {
        [&self.init_code, arguments].concat().into()
    }
}

/// Init code of a contract whose runtime code is 0x00 (STOP, so that it cannot be run) and `data`.
///
/// # Errors
/// [`ChainError::CodeTooLarge`] if it would not fit into EIP-170's limit.
pub fn data_contract_init_code(data: &[u8]) -> Result<Bytes, ChainError> {
    let size = data.len().saturating_add(1);
    let Some(size) = u16::try_from(size).ok().filter(|s| usize::from(*s) <= MAX_RUNTIME_CODE)
    else {
        return Err(ChainError::CodeTooLarge {
            what: "the data contract",
            bytes: size,
            limit: MAX_RUNTIME_CODE,
            rule: "EIP-170",
        });
    };
    // PUSH2 size; DUP1; PUSH1 10; PUSH0; CODECOPY; PUSH0; RETURN
    let [high, low] = size.to_be_bytes();
    let mut code = vec![0x61, high, low, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0x00];
    code.extend_from_slice(data);
    Ok(code.into())
}

/// EXTCODEHASH of the data contract that holds `data`: keccak256(0x00 ++ data).
pub fn data_contract_hash(data: &[u8]) -> B256 {
    keccak256([&[0x00], data].concat())
}

impl Chain {
    /// Deploys init code (with its constructor arguments) and checks that a contract is there.
    ///
    /// # Errors
    /// [`ChainError::CodeTooLarge`] before anything is sent; those of [`Chain::send`].
    pub async fn deploy(&self, init_code: Bytes) -> Result<Deployed, ChainError> {
        if init_code.len() > MAX_INIT_CODE {
            return Err(ChainError::CodeTooLarge {
                what: "the init code",
                bytes: init_code.len(),
                limit: MAX_INIT_CODE,
                rule: "EIP-3860",
            });
        }
        let outcome = self.send(TransactionRequest::default().with_deploy_code(init_code)).await?;
        let address = outcome.contract_address.ok_or_else(|| ChainError::Incomplete {
            node: self.label().to_owned(),
            what: format!("the address deployed by {}", outcome.hash),
        })?;
        let code = self.code(address).await;
        let code = code.map_err(|error| error.after_sending(outcome.hash, self.label()))?;
        if code.is_empty() {
            return Err(ChainError::NoCode { address, node: self.label().to_owned() });
        }
        Ok(Deployed {
            address,
            code_hash: keccak256(&code),
            code_size: code.len(),
            transaction: outcome.hash,
            block: outcome.block_number,
            gas_used: outcome.gas_used,
        })
    }

    /// Deploys a contract that holds `data` after one byte 0x00, such as a verifying key.
    ///
    /// # Errors
    /// As of [`Self::deploy`].
    pub async fn deploy_data(&self, data: &[u8]) -> Result<Deployed, ChainError> {
        self.deploy(data_contract_init_code(data)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_that_cannot_be_deployed_say_why() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("A.sol");
        fs::create_dir(&folder).unwrap();
        let path = folder.join("A.json");
        for (content, complaint) in [
            (None, "forge build"),
            (Some("{"), "not an artifact"),
            (Some("{}"), "interface"),
            (Some(r#"{"bytecode":{"object":"0x"}}"#), "interface"),
            (Some(r#"{"bytecode":{"object":"0x60__$ab$__60"}}"#), "unlinked"),
            (Some(r#"{"bytecode":{"object":"0x6"}}"#), "bad bytecode"),
        ] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let error = Artifact::load(dir.path(), "A").unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
        fs::write(&path, r#"{"bytecode":{"object":"0x6001"}}"#).unwrap();
        let artifact = Artifact::load(dir.path(), "A").unwrap();
        assert_eq!(artifact.with_arguments(&[2]).as_ref(), [0x60, 1, 2]);
        assert!(artifact.built(&[1]).is_err(), "no runtime code");
        fs::write(
            &path,
            r#"{"bytecode":{"object":"0x6001"},"deployedBytecode":{"object":"0xaa0000bb",
                "immutableReferences":{"7":[{"start":1,"length":2}]}}}"#,
        )
        .unwrap();
        let artifact = Artifact::load(dir.path(), "A").unwrap();
        assert!(artifact.built(&[0xaa, 5, 6, 0xbb]).unwrap(), "immutables may differ");
        for other in [&[0xaa, 5, 6, 0xbc][..], &[0xaa, 5, 6], &[0xaa, 5, 6, 0xbb, 0], &[]] {
            assert!(!artifact.built(other).unwrap());
        }
    }

    #[test]
    fn data_contracts_respect_the_code_limit() {
        assert_eq!(
            data_contract_init_code(&vec![7; MAX_RUNTIME_CODE - 1]).unwrap().len(),
            MAX_RUNTIME_CODE + 10
        );
        for size in [MAX_RUNTIME_CODE, 70_000] {
            assert!(matches!(
                data_contract_init_code(&vec![7; size]),
                Err(ChainError::CodeTooLarge { limit: MAX_RUNTIME_CODE, .. })
            ));
        }
    }
}
