//! Assay's contracts on an Ethereum chain: a connection to a node, one client for each contract, and
//! their deployment. Knows nothing about the making of proofs: a proof is bytes here.
//!
//! | module | content | may use |
//! |---|---|---|
//! | [`bindings`] | the contracts' interfaces, written out for alloy, and their errors in words | |
//! | [`chain`] | connection, retries, logs, transactions, deployment of code | `bindings` |
//! | [`proof`] | what a proof is to the contracts, and what binds it to a job | |
//! | [`contract`] | what all clients share: calls, payments into custody, withdrawals | `chain`, `proof` |
//! | [`registry`] | the model registry, and the identity of a model | `contract` |
//! | [`escrow`] | predictions, audits, retrievals | `registry`, `proof` |
//! | [`service_bond`] | the bond behind a prediction service, its receipts | `contract` |
//! | [`deployment`] | all contracts at addresses that follow from the build | `chain` |
//! | [`local_node`] | a node on this machine, for tests and measurements | |
//!
//! # Example
//!
//! Reads a model and the hash that a buyer pins:
//!
//! ```no_run
//! use alloy::primitives::{U256, address};
//! use assay_client::{Chain, ChainConfig, ChainError, Contract, ModelRegistry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ChainError> {
//! let chain = Chain::connect(ChainConfig::new("http://127.0.0.1:8545"), None).await?;
//! let address = address!("5FbDB2315678afecb367f032d93F642f64180aa3");
//! // Asks the contract whether it is a registry.
//! let registry: ModelRegistry = Contract::at(chain, address).into_client().await?;
//! let model = registry.get(U256::ONE).await?;
//! match model.binding {
//!     Some(binding) => println!("{}, pinned by {}", binding.model, binding.binding_hash),
//!     None => println!("model 1 has no verifier yet"),
//! }
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bindings;
pub mod chain;
pub mod contract;
pub mod deployment;
pub mod escrow;
pub mod fetch;
#[cfg(unix)]
pub mod local_node;
pub mod proof;
pub mod registry;
pub mod service_bond;

pub use chain::{Artifact, Chain, ChainConfig, ChainError, Deployed, SignerSource};
pub use contract::{Contract, ContractClient};
pub use deployment::{Deployment, DeploymentError};
pub use escrow::{
    AuditEscrow, OrderError, PredictionEscrow, PredictionEscrowError, RetrievalEscrow,
};
#[cfg(unix)]
pub use local_node::LocalNode;
pub use proof::{ProofArtifact, proof_context};
pub use registry::{ModelIdentity, ModelRegistry};
pub use service_bond::ServiceBond;
