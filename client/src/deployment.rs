//! All contracts that need no model, at addresses that follow from the build.
//!
//! Each goes through the deterministic deployment proxy (CREATE2, EIP-1014) with a fixed salt: the
//! address is a hash of proxy, salt and init code with the constructor's arguments, so it is the same on
//! every chain, whoever sends the transactions. `contracts/script/Addresses.s.sol` lists the same.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use alloy::{
    network::TransactionBuilder,
    primitives::{Address, B256, Bytes, address, b256, keccak256},
    rpc::types::TransactionRequest,
    sol_types::SolValue,
};
use assay_files::atomic_file::{self, Readers};
use serde::{Deserialize, Serialize};

use crate::{
    chain::{Artifact, Chain, ChainError, deploy::MAX_INIT_CODE},
    registry::registry_constructor,
};

/// The deterministic deployment proxy, <https://github.com/Arachnid/deterministic-deployment-proxy>.
pub const PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");
/// EXTCODEHASH of the proxy: another contract at its address could deploy something else.
pub const PROXY_CODE_HASH: B256 =
    b256!("2fa86add0aed31f33a762c9d88e807c475bd51d0f52bd0955754b2608f7e4989");
/// What the salt of every contract is the keccak256 of.
const SALT_TEXT: &str = "assay-v1";

/// The contracts in the order of their deployment: later ones take earlier ones' addresses.
pub const CONTRACTS: [&str; 8] = [
    "ModelRegistry",
    "ResultRegistry",
    "InferenceVerifier",
    "ProofVerifierAdapter",
    "PredictionEscrow",
    "ServiceBond",
    "AuditEscrow",
    "RetrievalEscrow",
];

/// What goes wrong with deployments, besides the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum DeploymentError {
    /// The node, or a contract that says no.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The proxy is missing, or other code is at its address.
    #[error(
        "chain {chain_id} lacks the deterministic deployment proxy at {PROXY}{found}; send its published \
         transaction first (github.com/Arachnid/deterministic-deployment-proxy)"
    )]
    NoProxy { chain_id: u64, found: &'static str },
    /// The proxy did nothing.
    #[error(
        "the proxy did not deploy {name} to {address}: the transaction took effect, but no code is there"
    )]
    NotDeployed { name: String, address: Address },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file of another form.
    #[error("{path} is not a file of contract addresses, as `assay deploy` writes it: {reason}", path = .path.display())]
    Format { path: PathBuf, reason: String },
    /// A file without this contract.
    #[error("{path} has no contract {name}", path = .path.display())]
    Missing { path: PathBuf, name: String },
}

/// The file of addresses of one chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// No contract has events before this block.
    pub block: u64,
    /// Whether the escrows admit models with a locally made setup.
    pub allow_dev_setup: bool,
    /// The salt of every contract.
    pub salt: B256,
    /// By the contract's name.
    pub contracts: BTreeMap<String, Placed>,
}

/// A contract in a [`Deployment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// Where it is.
    pub address: Address,
    /// EXTCODEHASH (EIP-1052).
    pub code_hash: B256,
}

impl Deployment {
    /// Reads a file of addresses.
    ///
    /// # Errors
    /// [`DeploymentError::File`] and [`DeploymentError::Format`].
    pub fn read(path: &Path) -> Result<Self, DeploymentError> {
        let path = path.to_owned();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(DeploymentError::File { path, source }),
        };
        serde_json::from_str(&text)
            .map_err(|e| DeploymentError::Format { path, reason: e.to_string() })
    }

    /// Writes the file, in one piece.
    ///
    /// # Errors
    /// [`DeploymentError::File`].
    pub fn write(&self, path: &Path) -> Result<(), DeploymentError> {
        let fault = |source| DeploymentError::File { path: path.to_owned(), source };
        let text = serde_json::to_string_pretty(self).map_err(|e| fault(e.into()))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(fault)?;
        }
        atomic_file::write(path, Readers::Everyone, (text + "\n").as_bytes()).map_err(fault)
    }
}

/// Where a contract of this build belongs, and its code.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The contract's name.
    pub name: &'static str,
    /// Where the proxy puts it.
    pub address: Address,
    /// With the constructor's arguments.
    pub init_code: Bytes,
    artifact: Artifact,
}

/// What is at a contract's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// This build's code.
    Built {
        /// EXTCODEHASH (EIP-1052).
        code_hash: B256,
    },
    /// Nothing.
    Nothing,
    /// Code that the build does not have.
    Other {
        /// EXTCODEHASH (EIP-1052).
        code_hash: B256,
    },
}

/// The addresses and init codes of a build.
#[derive(Clone, Debug)]
pub struct DeploymentPlan {
    /// Whether the escrows admit models with a locally made setup.
    pub allow_dev_setup: bool,
    /// In the order of their deployment.
    pub contracts: Vec<Planned>,
}

/// A step of [`DeploymentPlan::deploy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The contract's name.
    pub name: &'static str,
    /// Where it is now.
    pub placed: Placed,
    /// Gas and block of the deployment; `None` for what was there already.
    pub deployed: Option<(u64, u64)>,
}

/// The salt of every contract.
pub fn salt() -> B256 {
    keccak256(SALT_TEXT)
}

/// Where the proxy puts a contract (EIP-1014).
pub fn address_of(init_code: &[u8]) -> Address {
    PROXY.create2(salt(), keccak256(init_code))
}

/// Deploys init code where its address follows from it, unless it is there already: then nothing is
/// sent, and there are no gas and block. `name` is for errors.
///
/// # Errors
/// [`DeploymentError::NoProxy`], [`DeploymentError::NotDeployed`], and those of the chain, with
/// [`ChainError::CodeTooLarge`].
pub async fn deploy_once(
    chain: &Chain,
    name: &str,
    init_code: &[u8],
) -> Result<(Placed, Option<(u64, u64)>), DeploymentError> {
    if init_code.len() > MAX_INIT_CODE {
        return Err(too_large("the init code", init_code.len()).into());
    }
    let address = address_of(init_code);
    let mut code = chain.code(address).await?;
    let mut deployed = None;
    if code.is_empty() {
        let proxy = chain.code(PROXY).await?;
        if keccak256(&proxy) != PROXY_CODE_HASH {
            let found = if proxy.is_empty() { "" } else { " (other code is there)" };
            return Err(DeploymentError::NoProxy { chain_id: chain.chain_id(), found });
        }
        let data = [salt().as_slice(), init_code].concat();
        let request = TransactionRequest::default().with_to(PROXY).with_input(data);
        let outcome = chain.send(request).await?;
        deployed = Some((outcome.gas_used, outcome.block_number));
        code = chain.code(address).await?;
    }
    if code.is_empty() {
        return Err(DeploymentError::NotDeployed { name: name.to_owned(), address });
    }
    Ok((Placed { address, code_hash: keccak256(&code) }, deployed))
}

fn too_large(what: &'static str, bytes: usize) -> ChainError {
    ChainError::CodeTooLarge { what, bytes, limit: MAX_INIT_CODE, rule: "EIP-3860" }
}

impl DeploymentPlan {
    /// The plan for the artifacts in forge's output folder. With `registry` the escrows take their
    /// models from that registry, not from the build's own. That one knows the ceremonies with the setup
    /// ids `ceremonies` (keccak256 of `[s]_2`).
    ///
    /// # Errors
    /// [`ChainError::Artifact`], [`ChainError::CodeTooLarge`].
    pub fn new(
        artifacts: &Path,
        allow_dev_setup: bool,
        registry: Option<Address>,
        ceremonies: &[B256],
    ) -> Result<Self, ChainError> {
        let mut plan = Self { allow_dev_setup, contracts: Vec::new() };
        for name in CONTRACTS {
            if name == "ModelRegistry" && registry.is_some() {
                continue;
            }
            let artifact = Artifact::load(artifacts, name)?;
            let registry = registry.unwrap_or_else(|| plan.address("ModelRegistry"));
            let arguments = match name {
                "ModelRegistry" => registry_constructor(ceremonies),
                "ResultRegistry" => registry.abi_encode(),
                "ProofVerifierAdapter" => plan.address("InferenceVerifier").abi_encode(),
                "AuditEscrow" => {
                    (registry, plan.address("ResultRegistry"), allow_dev_setup).abi_encode_params()
                }
                _ => (registry, allow_dev_setup).abi_encode_params(),
            };
            let init_code = artifact.with_arguments(&arguments);
            if init_code.len() > MAX_INIT_CODE {
                return Err(too_large(name, init_code.len()));
            }
            let address = address_of(&init_code);
            plan.contracts.push(Planned { name, address, init_code, artifact });
        }
        Ok(plan)
    }

    fn address(&self, name: &str) -> Address {
        let found = self.contracts.iter().find(|planned| planned.name == name);
        found.map_or(Address::ZERO, |planned| planned.address)
    }

    /// Deploys what is not there yet, and tells `progress` of each contract. A run that broke off is
    /// repeated.
    ///
    /// # Errors
    /// [`DeploymentError::NoProxy`], [`DeploymentError::NotDeployed`], and those of the chain.
    pub async fn deploy(
        &self,
        chain: &Chain,
        mut progress: impl FnMut(&str),
    ) -> Result<Vec<Step>, DeploymentError> {
        let mut steps = Vec::new();
        for planned in &self.contracts {
            progress(planned.name);
            let (placed, deployed) = deploy_once(chain, planned.name, &planned.init_code).await?;
            steps.push(Step { name: planned.name, placed, deployed });
        }
        Ok(steps)
    }

    /// The block since which one of the contracts is there. `None` where none is, or where the node
    /// does not keep what was there before.
    ///
    /// # Errors
    /// Those of the chain.
    pub async fn first_block(&self, chain: &Chain) -> Result<Option<u64>, ChainError> {
        let (mut low, mut high) = (0, chain.head().await?.number);
        if self.any_at(chain, high).await? != Some(true) {
            return Ok(None);
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.any_at(chain, middle).await? {
                Some(true) => high = middle,
                _ => low = middle + 1,
            }
        }
        let none_before = high == 0 || self.any_at(chain, high - 1).await? == Some(false);
        Ok(none_before.then_some(high))
    }

    /// Whether one of the contracts is there at the end of a block; `None` where the node has forgotten.
    async fn any_at(&self, chain: &Chain, block: u64) -> Result<Option<bool>, ChainError> {
        for planned in &self.contracts {
            match chain.code_at(planned.address, block).await {
                Ok(code) if code.is_empty() => {}
                Ok(_) => return Ok(Some(true)),
                Err(ChainError::Refused { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(false))
    }

    /// What is at each contract's address, compared with the build: the address stands for init code
    /// and constructor arguments, and the code there must be the build's outside of immutable
    /// variables, which the constructor fills in.
    ///
    /// # Errors
    /// Those of the chain, and [`ChainError::Artifact`] for one without runtime code.
    pub async fn check(&self, chain: &Chain) -> Result<Vec<(&Planned, Found)>, ChainError> {
        let mut found = Vec::new();
        for planned in &self.contracts {
            let code = chain.code(planned.address).await?;
            let code_hash = keccak256(&code);
            found.push((
                planned,
                if code.is_empty() {
                    Found::Nothing
                } else if planned.artifact.built(&code)? {
                    Found::Built { code_hash }
                } else {
                    Found::Other { code_hash }
                },
            ));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_eip_1014() {
        // The hash written out: 0xff, proxy, salt, keccak256 of the init code.
        let code = [0x60, 0x00];
        let parts =
            [&[0xff], PROXY.as_slice(), salt().as_slice(), keccak256(code).as_slice()].concat();
        assert_eq!(address_of(&code), Address::from_slice(&keccak256(parts)[12..]));
        assert_ne!(address_of(&code), address_of(&[0x60, 0x01]));
    }

    #[test]
    fn files_of_addresses_are_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deployments/31337.json");
        let placed = Placed { address: PROXY, code_hash: PROXY_CODE_HASH };
        let deployment = Deployment {
            chain_id: 31337,
            block: 7,
            allow_dev_setup: true,
            salt: salt(),
            contracts: BTreeMap::from([("AuditEscrow".to_owned(), placed)]),
        };
        deployment.write(&path).unwrap();
        assert_eq!(Deployment::read(&path).unwrap(), deployment);
        let text = fs::read_to_string(&path).unwrap();
        for key in ["\"chainId\"", "\"allowDevSetup\"", "\"codeHash\""] {
            assert!(text.contains(key), "{key} is what files of addresses have");
        }
        fs::write(&path, "{}").unwrap();
        let error = Deployment::read(&path).unwrap_err().to_string();
        assert!(error.contains("assay deploy"), "{error}");
        assert!(matches!(
            Deployment::read(&dir.path().join("none")),
            Err(DeploymentError::File { .. })
        ));
    }
}
